use std::fs;
use std::path::Path;

use clawnode_nodes::Access;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::common::{all, error_of, limits, of};

/// A folder that is allowed, beside one that is not.
struct Folders {
    both: TempDir,
    access: Access,
}

impl Folders {
    fn new() -> Self {
        let both = tempdir().unwrap();
        fs::create_dir(both.path().join("allowed")).unwrap();
        fs::create_dir(both.path().join("secret")).unwrap();
        fs::write(both.path().join("secret/key"), "s3cret").unwrap();
        let access = Access::default().allow_folder(both.path().join("allowed")).unwrap();
        Self { both, access }
    }

    fn allowed(&self, name: &str) -> String {
        self.both.path().join("allowed").join(name).to_str().unwrap().to_owned()
    }

    fn secret(&self, name: &str) -> String {
        self.both.path().join("secret").join(name).to_str().unwrap().to_owned()
    }

    fn read(&self, path: &str) -> Result<Value, String> {
        of(&self.access, "lib.os.ReadTextFile", json!({"path": path}))
    }

    fn write(&self, path: &str, content: &str) -> Result<Value, String> {
        of(&self.access, "lib.os.WriteTextFile", json!({"path": path, "content": content}))
    }

    fn list(&self, data: Value) -> Result<Vec<String>, String> {
        let listed = all(&self.access, "lib.os.ListFiles", data, &["file"])?;
        let files = listed["file"].as_array().cloned().unwrap_or_default();
        let start = self.allowed("");
        Ok(files
            .iter()
            .filter_map(|file| Some(file.as_str()?.strip_prefix(&start)?.to_owned()))
            .collect())
    }
}

#[test]
fn texts_are_written_and_read() {
    let folders = Folders::new();
    for (path, content) in [
        ("a.txt".to_owned(), "größe\n"),
        ("new/folders/b.txt".to_owned(), ""),
        (folders.allowed("c.txt"), "absolute"),
        ("./new/../d.txt".to_owned(), "tidy"),
        ("a.txt".to_owned(), "replaced"),
    ] {
        folders.write(&path, content).unwrap();
        assert_eq!(folders.read(&path), Ok(json!(content)), "{path}");
    }
    assert_eq!(folders.write("a.txt", "x"), Ok(json!(folders.allowed("a.txt"))));
    // The names of both generations are one type.
    let data = json!({"path": "a.txt", "content": "yz", "append": true});
    of(&folders.access, "nodetool.workspace.WriteTextFile", data).unwrap();
    let read = of(&folders.access, "nodetool.workspace.ReadTextFile", json!({"path": "a.txt"}));
    assert_eq!(read, Ok(json!("xyz")));
    let data = json!({"path": "fresh.txt", "content": "1", "append": true});
    of(&folders.access, "lib.os.WriteTextFile", data).unwrap();
    assert_eq!(folders.read("fresh.txt"), Ok(json!("1")));
    let left: Vec<_> = fs::read_dir(folders.allowed(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 5, "{left:?}");
}

#[test]
fn letters_are_bytes_in_many_ways() {
    let folders = Folders::new();
    fs::write(folders.allowed("latin"), b"gr\xfc\xdfe").unwrap();
    fs::write(folders.allowed("utf16"), b"\xff\xfea\0").unwrap();
    let read = |path: &str, encoding: &str| {
        of(&folders.access, "lib.os.ReadTextFile", json!({"path": path, "encoding": encoding}))
    };
    for (path, encoding, expected) in [
        ("latin", "latin-1", "grüße"),
        ("latin", "ISO_8859-1", "grüße"),
        ("utf16", "utf-16", "a"),
        ("utf16", "utf8", "a"),
    ] {
        assert_eq!(read(path, encoding), Ok(json!(expected)), "{path} {encoding}");
    }
    assert!(
        read("latin", "utf-8").unwrap_err().contains("not text in UTF-8; set another encoding")
    );
    assert!(read("latin", "klingon").unwrap_err().contains("try utf-8"));
    let write = |content: &str, encoding: &str| {
        let data = json!({"path": "out", "content": content, "encoding": encoding});
        of(&folders.access, "lib.os.WriteTextFile", data)
    };
    write("grüße", "latin-1").unwrap();
    assert_eq!(fs::read(folders.allowed("out")).unwrap(), b"gr\xfc\xdfe");
    assert!(write("日本", "latin-1").unwrap_err().contains("use utf-8"));
    assert!(write("a", "utf-16").unwrap_err().contains("use utf-8"));
    assert_eq!(fs::read(folders.allowed("out")).unwrap(), b"gr\xfc\xdfe");
}

#[test]
fn files_exist_or_not() {
    let folders = Folders::new();
    fs::write(folders.allowed("file"), "").unwrap();
    for (path, expected) in
        [("file", true), (".", true), ("missing", false), ("file/below", false), ("no/such", false)]
    {
        assert_eq!(
            of(&folders.access, "lib.os.FileExists", json!({"path": path})),
            Ok(json!(expected)),
            "{path}"
        );
    }
}

#[test]
fn files_are_listed() {
    let folders = Folders::new();
    for file in ["b.txt", "a.txt", "c.md", "x/d.txt", "x/y/e.txt"] {
        let path = folders.allowed(file);
        fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    for (data, expected) in [
        (json!({"folder": "."}), vec!["a.txt", "b.txt", "c.md"]),
        (json!({"folder": folders.allowed("")}), vec!["a.txt", "b.txt", "c.md"]),
        (json!({"folder": ".", "pattern": "*.txt"}), vec!["a.txt", "b.txt"]),
        (
            json!({"folder": ".", "pattern": "*.txt", "include_subdirectories": true}),
            vec!["a.txt", "b.txt", "x/d.txt", "x/y/e.txt"],
        ),
        (json!({"folder": ".", "pattern": "x/*", "include_subdirectories": true}), vec!["x/d.txt"]),
        (json!({"folder": "x", "include_subdirectories": true}), vec!["x/d.txt", "x/y/e.txt"]),
        (json!({"folder": "x/y", "pattern": "nothing"}), vec![]),
    ] {
        assert_eq!(
            folders.list(data.clone()),
            Ok(expected.iter().map(|file| (*file).to_owned()).collect()),
            "{data}"
        );
    }
    assert!(
        folders
            .list(json!({"folder": "missing"}))
            .unwrap_err()
            .contains("\"missing\" cannot be listed")
    );
    assert!(folders.list(json!({"folder": ".", "pattern": "[" })).unwrap_err().contains("pattern"));
}

#[test]
fn nothing_is_allowed_unless_it_is_said() {
    let folders = Folders::new();
    for kind in ["lib.os.ReadTextFile", "lib.os.WriteTextFile", "lib.os.FileExists"] {
        let error = error_of(&Access::default(), kind, json!({"path": folders.secret("key")}));
        assert!(
            error.contains("no folder is allowed") && error.contains("--allow-folder"),
            "{error}"
        );
    }
    let error = error_of(&Access::default(), "lib.os.ListFiles", json!({}));
    assert!(error.contains("--allow-folder"), "{error}");
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let folders = Folders::new();
    fs::create_dir(folders.allowed("sub")).unwrap();
    for path in [
        folders.secret("key"),
        "../secret/key".to_owned(),
        "sub/../../secret/key".to_owned(),
        folders.allowed("../secret/key"),
        folders.allowed("sub/../../secret/key"),
        format!("{}x/../secret/key", folders.allowed("").trim_end_matches('/')),
        "/etc/passwd".to_owned(),
        "/proc/self/environ".to_owned(),
        "/dev/zero".to_owned(),
        "~/key".to_owned(),
        "..".to_owned(),
        String::new(),
        "a\0b".to_owned(),
    ] {
        assert!(folders.read(&path).is_err(), "{path:?} is read");
        assert!(folders.write(&path, "gone").is_err(), "{path:?} is written");
        assert!(
            of(&folders.access, "lib.os.FileExists", json!({"path": path})).is_err(),
            "{path:?} is seen"
        );
        assert!(folders.list(json!({"folder": path})).is_err(), "{path:?} is listed");
    }
    assert_eq!(fs::read_to_string(folders.secret("key")).unwrap(), "s3cret");
    let error = folders.read("../secret/key").unwrap_err();
    assert!(
        error.contains("leads out of the allowed folder") && error.contains("--allow-folder"),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn no_link_leads_out_of_the_folder() {
    use std::os::unix::fs::symlink;

    let folders = Folders::new();
    symlink(folders.secret("key"), folders.allowed("absolute")).unwrap();
    symlink("../secret/key", folders.allowed("relative")).unwrap();
    symlink(folders.secret(""), folders.allowed("folder")).unwrap();
    symlink("folder/key", folders.allowed("twice")).unwrap();
    symlink(folders.secret("new"), folders.allowed("dangling")).unwrap();
    symlink("/proc/self/root", folders.allowed("root")).unwrap();
    for path in ["absolute", "relative", "folder/key", "twice", "root/etc/passwd", "root"] {
        assert!(folders.read(path).is_err(), "{path} is read");
        assert!(folders.write(path, "gone").is_err(), "{path} is written");
    }
    assert!(folders.write("folder/new", "x").is_err());
    let data = json!({"path": "dangling", "content": "x", "append": true});
    assert!(of(&folders.access, "lib.os.WriteTextFile", data).is_err());
    // A link that leads nowhere is replaced, not followed.
    let _ = folders.write("dangling", "x");
    assert_eq!(fs::read_to_string(folders.secret("key")).unwrap(), "s3cret");
    assert!(!Path::new(&folders.secret("new")).exists());
    assert!(folders.list(json!({"folder": "folder"})).is_err());
    let listed = folders.list(json!({"folder": ".", "include_subdirectories": true})).unwrap();
    assert!(listed.iter().all(|file| file == "dangling"), "{listed:?}");
}

#[cfg(unix)]
#[test]
fn links_within_the_folder_are_followed() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let folders = Folders::new();
    fs::write(folders.allowed("real"), "1").unwrap();
    fs::set_permissions(folders.allowed("real"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real", folders.allowed("link")).unwrap();
    assert_eq!(folders.read("link"), Ok(json!("1")));
    folders.write("link", "2").unwrap();
    assert_eq!(fs::read_to_string(folders.allowed("real")).unwrap(), "2");
    assert!(fs::symlink_metadata(folders.allowed("link")).unwrap().is_symlink());
    assert_eq!(fs::metadata(folders.allowed("real")).unwrap().permissions().mode() & 0o777, 0o640);
    // A folder may be named by a link to it.
    symlink(folders.allowed(""), folders.both.path().join("alias")).unwrap();
    let alias = Access::default().allow_folder(folders.both.path().join("alias")).unwrap();
    for path in
        [folders.both.path().join("alias/real"), folders.allowed("real").into(), "real".into()]
    {
        assert_eq!(
            of(&alias, "lib.os.ReadTextFile", json!({"path": path})),
            Ok(json!("2")),
            "{path:?}"
        );
    }
}

#[cfg(unix)]
#[test]
fn only_files_are_read() {
    let folders = Folders::new();
    let pipe = folders.allowed("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in ["pipe", "."] {
        assert!(folders.read(path).unwrap_err().contains("is no file"));
        assert!(folders.write(path, "x").unwrap_err().contains("is no file"));
    }
}

#[test]
fn a_file_at_the_bound_is_read_and_written_and_a_larger_one_is_not() {
    let mut folders = Folders::new();
    folders.access = folders.access.clone().limits(limits(|limits| limits.file_bytes = 8));
    fs::write(folders.allowed("8"), "12345678").unwrap();
    fs::write(folders.allowed("9"), "123456789").unwrap();
    assert_eq!(folders.read("8"), Ok(json!("12345678")));
    assert_eq!(folders.read("9").unwrap_err(), "\"9\" is larger than 8 bytes");
    assert!(folders.write("new", "12345678").is_ok());
    assert!(folders.write("new", "123456789").unwrap_err().contains("larger than 8 bytes"));
    let data = json!({"path": "new", "content": "9", "append": true});
    assert!(
        of(&folders.access, "lib.os.WriteTextFile", data)
            .unwrap_err()
            .contains("larger than 8 bytes")
    );
    assert_eq!(folders.read("new"), Ok(json!("12345678")));
}

#[test]
fn as_many_entries_as_the_bound_are_listed_and_one_more_is_an_error() {
    let mut folders = Folders::new();
    folders.access = folders.access.clone().limits(limits(|limits| limits.listed_entries = 3));
    for name in ["a", "b", "c"] {
        fs::write(folders.allowed(name), "").unwrap();
    }
    assert_eq!(folders.list(json!({"folder": "."})).unwrap().len(), 3);
    fs::write(folders.allowed("d"), "").unwrap();
    assert!(folders.list(json!({"folder": "."})).unwrap_err().contains("more than 3 entries"));
}

#[test]
fn folders_are_entered_as_deep_as_the_bound_and_no_deeper() {
    let mut folders = Folders::new();
    folders.access = folders.access.clone().limits(limits(|limits| limits.folder_depth = 2));
    fs::create_dir_all(folders.allowed("1/2")).unwrap();
    fs::write(folders.allowed("1/2/file"), "").unwrap();
    let list =
        |folders: &Folders| folders.list(json!({"folder": ".", "include_subdirectories": true}));
    assert_eq!(list(&folders), Ok(vec!["1/2/file".to_owned()]));
    fs::create_dir(folders.allowed("1/2/3")).unwrap();
    assert!(list(&folders).unwrap_err().contains("more than 2 deep"));
}

#[test]
fn no_journal_is_written_that_sqlite_would_follow() {
    let folders = Folders::new();
    fs::write(folders.allowed("real-wal"), "").unwrap();
    for path in
        ["a.db-journal", "a.db-wal", "A.DB-SHM", "sub/a.db-journal", "real-wal", "a.db-journal. ."]
    {
        let error = folders.write(path, "x").unwrap_err();
        assert!(error.contains("SQLite"), "{path}: {error}");
    }
    assert!(folders.write("journal", "x").is_ok());
}
