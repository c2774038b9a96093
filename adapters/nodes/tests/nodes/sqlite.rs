use std::fs;
use std::path::Path;
use std::time::Duration;

use clawnode_nodes::Access;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::common::{limits, of};

struct Folder {
    both: TempDir,
    access: Access,
}

impl Folder {
    fn new() -> Self {
        let both = tempdir().unwrap();
        fs::create_dir(both.path().join("allowed")).unwrap();
        fs::create_dir(both.path().join("secret")).unwrap();
        for path in ["allowed/a.db", "secret/s.db"] {
            let database = Connection::open(both.path().join(path)).unwrap();
            database
                .execute_batch(
                    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, size REAL, data BLOB);
                     INSERT INTO t VALUES (1, 'größe', 1.5, x'00ff'), (2, 'b', NULL, NULL), (3, 'c', 2, NULL);",
                )
                .unwrap();
        }
        let access = Access::default().allow_folder(both.path().join("allowed")).unwrap();
        Self { both, access }
    }

    fn path(&self, name: &str) -> String {
        self.both.path().join(name).to_str().unwrap().to_owned()
    }

    fn sql(&self, sql: &str) -> Result<Value, String> {
        self.with(sql, json!([]))
    }

    fn with(&self, sql: &str, parameters: Value) -> Result<Value, String> {
        let data = json!({"database_name": "a.db", "sql": sql, "parameters": parameters});
        of(&self.access, "lib.sqlite.ExecuteSQL", data)
    }
}

#[test]
fn statements_and_their_rows() {
    let folder = Folder::new();
    for (sql, parameters, expected) in [
        (
            "SELECT id, name FROM t WHERE id < ?",
            json!([2]),
            json!({"count": 1, "rows": [{"id": 1, "name": "größe"}]}),
        ),
        (
            "SELECT size, data FROM t WHERE id = 1",
            json!([]),
            json!({"count": 1, "rows": [{"size": 1.5, "data": "00FF"}]}),
        ),
        (
            "SELECT * FROM t WHERE name = ?1 OR name = ?1",
            json!(["no"]),
            json!({"count": 0, "rows": []}),
        ),
        (
            "SELECT ? AS a, ? AS b, ? AS c, ? AS d",
            json!([true, null, 0.5, {"x": 1}]),
            json!({"count": 1, "rows": [{"a": 1, "b": null, "c": 0.5, "d": "{\"x\":1}"}]}),
        ),
        ("PRAGMA user_version", json!([]), json!({"count": 1, "rows": [{"user_version": 0}]})),
    ] {
        assert_eq!(folder.with(sql, parameters), Ok(expected), "{sql}");
    }
    for (data, expected) in [
        (json!({}), json!([1, 2, 3])),
        (json!({"where": "size > 1", "order_by": "id DESC"}), json!([3, 1])),
        (json!({"limit": 2}), json!([1, 2])),
    ] {
        let mut data = data;
        data["database_name"] = "a.db".into();
        data["table_name"] = "t".into();
        let rows = of(&folder.access, "lib.sqlite.Query", data.clone()).unwrap();
        let ids: Vec<&Value> = rows.as_array().unwrap().iter().map(|row| &row["id"]).collect();
        assert_eq!(json!(ids), expected, "{data}");
    }
    let data = json!({
        "database_name": folder.path("allowed/a.db"), "table_name": "t", "limit": 1,
        "columns": {"type": "record_type", "columns": [{"name": "name", "data_type": "string"}]},
    });
    assert_eq!(of(&folder.access, "lib.sqlite.Query", data), Ok(json!([{"name": "größe"}])));
}

#[test]
fn errors_say_what_is_wrong() {
    let folder = Folder::new();
    for (sql, parameters, said) in [
        ("", json!([]), "the SQL is empty"),
        ("SELEC 1", json!([]), "syntax error"),
        ("SELECT * FROM missing", json!([]), "no such table: missing"),
        ("SELECT ?", json!([]), "takes 1 parameters, not 0"),
        ("SELECT 1; SELECT 2", json!([]), "Multiple statements"),
        ("DELETE FROM t", json!([]), "--allow-database-writes"),
    ] {
        let error = folder.with(sql, parameters).unwrap_err();
        assert!(error.contains(said), "{sql}: {error}");
    }
    let missing = json!({"database_name": "missing.db", "sql": "SELECT 1"});
    let refused = of(&folder.access, "lib.sqlite.ExecuteSQL", missing).unwrap_err();
    assert!(refused.contains("no database \"missing.db\""), "{refused}");
    assert!(refused.contains("--allow-database-writes"), "{refused}");
    fs::write(folder.path("allowed/text"), "no database at all, just text that is long enough")
        .unwrap();
    let text = json!({"database_name": "text", "sql": "SELECT * FROM sqlite_schema"});
    assert!(
        of(&folder.access, "lib.sqlite.ExecuteSQL", text).unwrap_err().contains("not a database")
    );
    let nothing = of(&Access::default(), "lib.sqlite.ExecuteSQL", json!({"sql": "SELECT 1"}));
    assert!(nothing.unwrap_err().contains("--allow-folder"));
}

#[test]
fn nothing_changes_unless_it_is_allowed() {
    let folder = Folder::new();
    let before = fs::read(folder.path("allowed/a.db")).unwrap();
    for sql in [
        "DELETE FROM t",
        "DROP TABLE t",
        "INSERT INTO t (name) VALUES ('x') RETURNING id",
        "CREATE TABLE u (a)",
        "WITH x AS (SELECT 1) UPDATE t SET name = 'x'",
        "PRAGMA user_version = 5",
        "PRAGMA journal_mode = WAL",
        "VACUUM",
    ] {
        assert!(folder.sql(sql).is_err(), "{sql}");
    }
    assert_eq!(fs::read(folder.path("allowed/a.db")).unwrap(), before);
    let mut folder = folder;
    folder.access = folder.access.clone().allow_database_writes();
    let inserted = folder.with("INSERT INTO t (name) VALUES (?)", json!(["d"]));
    assert_eq!(inserted, Ok(json!({"rows_affected": 1, "last_row_id": 4})));
    let returned = folder.sql("UPDATE t SET size = 9 WHERE id = 4 RETURNING size");
    assert_eq!(returned, Ok(json!({"count": 1, "rows": [{"size": 9.0}]})));
    let made = json!({"database_name": "new.db", "sql": "CREATE TABLE u (a)"});
    assert!(of(&folder.access, "lib.sqlite.ExecuteSQL", made).is_ok());
    assert!(Path::new(&folder.path("allowed/new.db")).exists());
}

#[test]
fn no_statement_reaches_other_files() {
    let mut folder = Folder::new();
    let secret = folder.path("secret/s.db");
    for writable in [false, true] {
        if writable {
            folder.access = folder.access.clone().allow_database_writes();
        }
        for sql in [
            format!("ATTACH '{secret}' AS s"),
            format!("ATTACH 'file:{secret}?mode=ro' AS s"),
            format!("VACUUM INTO '{}'", folder.path("secret/copy.db")),
            "VACUUM".to_owned(),
            "DETACH main".to_owned(),
            "PRAGMA temp_store_directory = '/'".to_owned(),
            "PRAGMA writable_schema = 1".to_owned(),
            "PRAGMA trusted_schema = 1".to_owned(),
            "SELECT load_extension('/lib/x')".to_owned(),
            format!("SELECT readfile('{secret}')"),
            format!("SELECT writefile('{secret}', 'x')"),
            "SELECT fts3_tokenizer('simple', x'00')".to_owned(),
            "SELECT edit('x')".to_owned(),
            "CREATE VIRTUAL TABLE v USING csv(filename='/etc/passwd')".to_owned(),
        ] {
            assert!(folder.sql(&sql).is_err(), "{sql}");
        }
        for name in [
            secret.clone(),
            "../secret/s.db".to_owned(),
            ":memory:".to_owned(),
            "file:a.db".to_owned(),
            format!("file:{secret}"),
            String::new(),
            "/dev/null".to_owned(),
            ".".to_owned(),
        ] {
            let data = json!({"database_name": name, "sql": "SELECT * FROM t"});
            assert!(of(&folder.access, "lib.sqlite.ExecuteSQL", data).is_err(), "{name}");
        }
    }
    assert!(!Path::new(&folder.path("secret/copy.db")).exists());
    let table = json!({"database_name": "a.db", "table_name": "t\" UNION SELECT 1 --"});
    assert!(of(&folder.access, "lib.sqlite.Query", table).unwrap_err().contains("no such table"));
}

#[cfg(unix)]
#[test]
fn no_link_leads_to_a_database_elsewhere() {
    use std::os::unix::fs::symlink;

    let folder = Folder::new();
    symlink(folder.path("secret/s.db"), folder.path("allowed/link.db")).unwrap();
    symlink(folder.path("secret"), folder.path("allowed/dir")).unwrap();
    symlink("a.db", folder.path("allowed/inner.db")).unwrap();
    let ask = |name: &str| {
        of(
            &folder.access,
            "lib.sqlite.ExecuteSQL",
            json!({"database_name": name, "sql": "SELECT count(*) AS n FROM t"}),
        )
    };
    assert!(ask("link.db").is_err());
    assert!(ask("dir/s.db").is_err());
    assert_eq!(ask("inner.db"), Ok(json!({"count": 1, "rows": [{"n": 3}]})));
}

#[test]
fn as_many_rows_as_the_bound_are_given_and_one_more_is_an_error() {
    let mut folder = Folder::new();
    folder.access = folder.access.clone().limits(limits(|limits| limits.rows = 3));
    assert_eq!(folder.sql("SELECT 1 FROM t").unwrap()["count"], 3);
    assert!(
        folder.sql("SELECT 1 FROM t UNION ALL SELECT 1").unwrap_err().contains("more than 3 rows")
    );
}

#[test]
fn rows_at_the_bound_of_their_size_are_given_and_larger_ones_are_not() {
    let mut folder = Folder::new();
    folder.access = folder.access.clone().limits(limits(|limits| limits.row_bytes = 100));
    // The name has one byte, and each value 49 or 50.
    let rows = |second: u8| {
        folder.sql(&format!(
            "SELECT hex(zeroblob(24)) || 'x' AS a UNION ALL SELECT {}",
            match second {
                49 => "hex(zeroblob(24)) || 'y'",
                _ => "hex(zeroblob(25))",
            }
        ))
    };
    assert!(rows(49).is_ok());
    assert!(rows(50).unwrap_err().contains("larger than 100 bytes"));
    assert!(folder.sql("SELECT hex(zeroblob(51))").is_err());
}

#[test]
fn a_statement_may_take_its_time_and_no_more() {
    let mut folder = Folder::new();
    folder.access = folder
        .access
        .clone()
        .limits(limits(|limits| limits.query_time = Duration::from_millis(200)));
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    assert_eq!(folder.sql(endless).unwrap_err(), "the statement took longer than 0.2 s");
    assert!(folder.sql("SELECT 1").is_ok());
}

#[test]
fn a_locked_database_is_waited_for_and_then_an_error() {
    let mut folder = Folder::new();
    folder.access = folder
        .access
        .clone()
        .limits(limits(|limits| limits.query_time = Duration::from_millis(200)));
    let other = Connection::open(folder.path("allowed/a.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert!(folder.sql("SELECT * FROM t").unwrap_err().contains("locked"));
}
