//! Assets: files and folders.

use std::fs;
use std::io::{self, Read};

use clawnode_store::{AssetQuery, NewAsset, Store, StoreError, limits};
use serde_json::json;

fn names(store: &Store, query: &AssetQuery) -> Vec<String> {
    store.assets("1", query).unwrap().rows.into_iter().map(|asset| asset.name).collect()
}

#[test]
fn an_asset_is_a_file_with_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut new = NewAsset::new("1", "Résumé.pdf");
    new.metadata.insert("pages".to_owned(), json!(2));
    let kept = store.add_asset(new, b"content".as_slice()).unwrap();
    assert_eq!((kept.content_type.as_str(), kept.size), ("application/pdf", 7));
    assert_eq!((kept.user_id.as_str(), kept.parent_id.as_str()), ("1", "1"));
    let row = serde_json::to_value(&kept).unwrap();
    let fields: Vec<&String> = row.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "content_type",
            "created_at",
            "duration",
            "get_url",
            "id",
            "metadata",
            "name",
            "parent_id",
            "size",
            "thumb_url",
            "user_id",
            "workflow_id"
        ]
    );
    let path = folder.path().join("assets").join(&kept.id);
    let url = kept.get_url.clone().unwrap();
    assert!(url.starts_with("file://") && url.ends_with(&kept.id), "{url}");
    assert_eq!(fs::read(&path).unwrap(), b"content");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode =
            |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
    drop(store);

    let store = Store::open_to_read(folder.path()).unwrap();
    assert_eq!(store.asset("1", &kept.id).unwrap(), Some(kept.clone()));
    let mut content = String::new();
    store.open_asset("1", &kept.id).unwrap().unwrap().read_to_string(&mut content).unwrap();
    assert_eq!(content, "content");
    drop(store);

    let store = Store::open(folder.path()).unwrap();
    assert!(!store.remove_asset("2", &kept.id).unwrap());
    assert!(store.remove_asset("1", &kept.id).unwrap());
    assert!(!path.exists());
    assert!(store.asset("1", &kept.id).unwrap().is_none());
}

#[test]
fn a_content_that_fails_leaves_nothing() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the cable is out"))
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let failed = store.add_asset(NewAsset::new("1", "x"), b"half".as_slice().chain(Broken));
    assert!(failed.unwrap_err().to_string().contains("the cable is out"));
    assert!(names(&store, &AssetQuery::default()).is_empty());
    let left = |path| fs::read_dir(folder.path().join(path)).unwrap().count();
    assert_eq!((left("assets"), left("assets/incoming")), (1, 0));
    fs::write(folder.path().join("assets/incoming/left-by-a-crash"), "half").unwrap();
    drop(store);
    Store::open(folder.path()).unwrap();
    assert_eq!(left("assets"), 0);
}

#[test]
fn assets_are_found_by_folder_type_and_name() {
    let store = Store::in_memory().unwrap();
    let photos = store.create_folder("1", "Photos", None).unwrap();
    let year = store.create_folder("1", "2026", Some(&photos.id)).unwrap();
    assert_eq!((photos.get_url, photos.size), (None, 0));
    let add = |name: &str, folder: Option<&String>| {
        let mut asset = NewAsset::new("1", name);
        asset.parent_id = folder.cloned();
        store.add_asset(asset, io::empty()).unwrap()
    };
    add("top.txt", None);
    let cat = add("Cat.png", Some(&year.id));
    add("dog.jpg", Some(&photos.id));

    let of =
        |folder: &str| AssetQuery { parent_id: Some(folder.to_owned()), ..AssetQuery::default() };
    assert_eq!(names(&store, &of("1")), ["top.txt", "Photos"]);
    assert_eq!(names(&store, &of(&photos.id)), ["dog.jpg", "2026"]);
    assert!(names(&store, &of("nowhere")).is_empty());
    let text = AssetQuery { text: Some("CAT".to_owned()), ..AssetQuery::default() };
    assert_eq!(names(&store, &text), ["Cat.png"]);
    let images = AssetQuery { content_type: Some("image/".to_owned()), ..AssetQuery::default() };
    assert_eq!(names(&store, &images), ["dog.jpg", "Cat.png"]);

    let place = store.asset_folder("1", &cat.id).unwrap().unwrap();
    assert_eq!(place.folder_path, "Home / Photos / 2026");
    assert_eq!((place.folder_name, place.folder_id), ("2026".to_owned(), year.id.clone()));
    let place = store.asset_folder("1", &photos.id).unwrap().unwrap();
    assert_eq!((place.folder_path.as_str(), place.folder_id.as_str()), ("Home", "1"));

    let first = store.assets("1", &AssetQuery { limit: 3, ..AssetQuery::default() }).unwrap();
    let rest = AssetQuery { limit: 3, start: first.next, ..AssetQuery::default() };
    assert_eq!(first.rows.len(), 3);
    assert_eq!(names(&store, &rest), ["2026", "Photos"]);

    assert!(matches!(store.remove_asset("1", &year.id), Err(StoreError::NotEmpty { .. })));
    store.remove_asset("1", &cat.id).unwrap();
    assert!(store.remove_asset("1", &year.id).unwrap());
}

#[test]
fn a_folder_must_be_there_and_ones_own() {
    let store = Store::in_memory().unwrap();
    let mine = store.create_folder("1", "mine", None).unwrap();
    let file = store.add_asset(NewAsset::new("1", "file"), io::empty()).unwrap();
    for (user, parent) in [("2", &mine.id), ("1", &file.id), ("1", &"nowhere".to_owned())] {
        let mut asset = NewAsset::new(user, "x");
        asset.parent_id = Some(parent.clone());
        let refused = store.add_asset(asset, io::empty());
        assert!(matches!(refused, Err(StoreError::NotFound { what: "folder", .. })));
    }
    assert!(store.asset("2", &mine.id).unwrap().is_none());
    assert!(store.open_asset("2", &file.id).unwrap().is_none());
    assert!(store.open_asset("1", &mine.id).unwrap().is_none());
    assert!(store.asset_folder("2", &file.id).unwrap().is_none());
    let theirs = AssetQuery { parent_id: Some(mine.id), ..AssetQuery::default() };
    assert!(store.assets("2", &theirs).unwrap().rows.is_empty());
    assert!(store.assets("2", &AssetQuery::default()).unwrap().rows.is_empty());
}

#[test]
fn names_metadata_and_depth_have_bounds() {
    let store = Store::in_memory().unwrap();
    let named = |length| store.create_folder("1", &"x".repeat(length), None).map(drop);
    assert!(named(limits::MOST_NAME_BYTES).is_ok());
    assert!(matches!(named(limits::MOST_NAME_BYTES + 1), Err(StoreError::TooLarge { .. })));
    assert!(matches!(named(0), Err(StoreError::Empty(_))));

    let described = |length: usize| {
        let mut asset = NewAsset::new("1", "x");
        // {"m":""} is 8 bytes.
        asset.metadata.insert("m".to_owned(), json!("x".repeat(length - 8)));
        store.add_asset(asset, io::empty()).map(drop)
    };
    assert!(described(limits::MOST_METADATA_BYTES).is_ok());
    let refused = described(limits::MOST_METADATA_BYTES + 1);
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })));

    let mut parent = None;
    for _ in 0..limits::MOST_FOLDER_DEPTH {
        parent = Some(store.create_folder("1", "deeper", parent.as_deref()).unwrap().id);
    }
    let refused = store.create_folder("1", "too deep", parent.as_deref());
    assert!(matches!(refused, Err(StoreError::TooLarge { unit: "folders", .. })));
}
