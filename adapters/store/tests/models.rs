//! Models: what services have offered last.

use clawnode_store::{Model, ModelRow, Query, Store, StoreError, limits};
use serde_json::json;

const HERE: &str = "http://127.0.0.1:11434/v1";
const THERE: &str = "https://models.example.org/v1";

fn offer(store: &Store, user: &str, source: &str, ids: &[&str]) -> String {
    let models = ids.iter().copied().map(Model::new).collect();
    store.replace_models(user, source, models).unwrap()
}

fn rows(store: &Store, user: &str, source: Option<&str>) -> Vec<ModelRow> {
    store.models(user, source, &Query::default()).unwrap().rows
}

fn ids(store: &Store, user: &str, source: Option<&str>) -> Vec<String> {
    rows(store, user, source).into_iter().map(|row| row.model.id).collect()
}

#[test]
fn an_offer_takes_the_place_of_the_one_before_it() {
    let store = Store::in_memory().unwrap();
    let first = offer(&store, "1", HERE, &["a", "b", "c"]);
    assert_eq!(ids(&store, "1", None), ["a", "b", "c"]);
    let mut changed = Model::new("c");
    changed.name = "C, the third".to_owned();
    changed.provider = Some("library".to_owned());
    let models = vec![Model::new("new"), changed.clone(), Model::new("a")];
    let second = store.replace_models("1", HERE, models).unwrap();
    assert!(first < second);
    let kept = rows(&store, "1", Some(HERE));
    let seen: Vec<_> = kept.iter().map(|row| (&*row.model.id, &row.first_seen_at)).collect();
    assert_eq!(seen, [("new", &second), ("a", &first), ("c", &first)]);
    assert!(kept.iter().all(|row| row.seen_at == second && row.source == HERE));
    assert_eq!(kept[2].model, changed);
    // One that comes back begins anew, and a source may have nothing to offer.
    offer(&store, "1", HERE, &[]);
    assert!(rows(&store, "1", None).is_empty());
    let third = offer(&store, "1", HERE, &["a"]);
    assert_eq!(rows(&store, "1", None)[0].first_seen_at, third);
}

#[test]
fn the_same_offer_again_changes_the_time_alone() {
    let store = Store::in_memory().unwrap();
    offer(&store, "1", HERE, &["a", "b", "c"]);
    let before = rows(&store, "1", None);
    let seen_at = offer(&store, "1", HERE, &["c", "b", "a"]);
    let expected: Vec<_> = before
        .into_iter()
        .map(|mut row| {
            row.seen_at.clone_from(&seen_at);
            row
        })
        .collect();
    assert_eq!(rows(&store, "1", None), expected);
}

#[test]
fn sources_and_users_are_apart() {
    let store = Store::in_memory().unwrap();
    offer(&store, "ann", HERE, &["a", "both"]);
    offer(&store, "ann", THERE, &["both", "b"]);
    offer(&store, "bob", HERE, &["c"]);
    assert_eq!(ids(&store, "ann", None), ["both", "b", "a", "both"]);
    assert_eq!(ids(&store, "ann", Some(HERE)), ["a", "both"]);
    assert_eq!(ids(&store, "bob", None), ["c"]);
    assert!(ids(&store, "bob", Some(THERE)).is_empty());
    for user in ["", "ANN", "ann ", "%"] {
        assert!(ids(&store, user, None).is_empty(), "{user:?}");
        assert!(ids(&store, user, Some(HERE)).is_empty(), "{user:?}");
    }
    offer(&store, "ann", HERE, &[]);
    assert_eq!(ids(&store, "ann", None), ["both", "b"]);
    assert_eq!(ids(&store, "bob", None), ["c"]);
}

#[test]
fn all_that_is_known_of_a_model_is_kept_and_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let (data_dir, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let mut model = Model::new("org/tiny:1b");
    model.name = "Tiny".to_owned();
    model.repo_id = Some("org/tiny".to_owned());
    model.path = Some("tiny.gguf".to_owned());
    model.model_type = Some("language_model".to_owned());
    model.downloaded = Some(true);
    model.size_on_disk = Some(1 << 40);
    model.provider = Some("org".to_owned());
    let store = Store::open(&data_dir).unwrap();
    let seen_at = store.replace_models("1", HERE, vec![model, Model::new("bare")]).unwrap();
    store.backup(&copy).unwrap();
    drop(store);
    for data_dir in [&data_dir, &copy] {
        let store = Store::open_to_read(data_dir).unwrap();
        let expected = json!({
            "source": HERE, "id": "org/tiny:1b", "name": "Tiny", "repo_id": "org/tiny", "path": "tiny.gguf",
            "type": "language_model", "downloaded": true, "size_on_disk": 1_u64 << 40, "provider": "org",
            "first_seen_at": seen_at, "seen_at": seen_at
        });
        let kept = rows(&store, "1", None);
        assert_eq!(json!(kept[0]), expected);
        assert_eq!(kept[1].model, Model::new("bare"));
        let refused = store.replace_models("1", HERE, Vec::new());
        assert!(matches!(refused, Err(StoreError::ReadOnly)));
    }
}

#[test]
fn models_are_listed_in_pages_and_found_by_id_and_name() {
    let store = Store::in_memory().unwrap();
    let names: Vec<String> = (0..7).map(|n| format!("m{n}")).collect();
    offer(&store, "1", HERE, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut query = Query { limit: 3, ..Query::default() };
    let mut found = Vec::new();
    loop {
        let page = store.models("1", Some(HERE), &query).unwrap();
        found.extend(page.rows.into_iter().map(|row| row.model.id));
        // What comes meanwhile moves nothing.
        offer(&store, "1", HERE, &[&["new"][..], &[&*names[0], &names[3], &names[6]]].concat());
        query.start = page.next;
        if query.start.is_none() {
            break;
        }
    }
    assert_eq!(found, ["m0", "m1", "m2", "m3", "m6"]);
    let mut named = Model::new("org/x");
    named.name = "Écoute".to_owned();
    store.replace_models("1", HERE, vec![named, Model::new("y")]).unwrap();
    for (text, count) in [("ÉCOUTE", 1), ("ORG/", 1), ("", 2), ("%", 0)] {
        let query = Query { text: Some(text.to_owned()), ..Query::default() };
        assert_eq!(store.models("1", None, &query).unwrap().rows.len(), count, "{text}");
    }
    let wrong = Query { start: Some("x".to_owned()), ..Query::default() };
    assert!(matches!(store.models("1", None, &wrong), Err(StoreError::Cursor(_))));
}

#[test]
fn what_cannot_be_kept_leaves_all_as_it_was() {
    let store = Store::in_memory().unwrap();
    offer(&store, "1", HERE, &["a"]);
    let put = |user: &str, source: &str, model: Model| {
        store.replace_models(user, source, vec![Model::new("b"), model])
    };
    for (user, source, id) in [("", HERE, "c"), ("1", "", "c"), ("1", HERE, "")] {
        assert!(matches!(put(user, source, Model::new(id)), Err(StoreError::Empty(_))), "{id}");
    }
    let long = "x".repeat(limits::MOST_NAME_BYTES + 1);
    let mut far = Model::new("c");
    far.path = Some(long.clone());
    for (user, source, model) in [
        ("1", HERE, Model::new(&long)),
        ("1", HERE, far),
        ("1", &*long, Model::new("c")),
        (&*long, HERE, Model::new("c")),
    ] {
        let refused = put(user, source, model);
        assert!(matches!(refused, Err(StoreError::TooLarge { unit: "bytes", .. })), "{refused:?}");
    }
    assert_eq!(ids(&store, "1", None), ["a"]);
    put("1", HERE, Model::new("x".repeat(limits::MOST_NAME_BYTES))).unwrap();
}

#[test]
fn a_source_offers_as_many_models_as_the_bound_and_not_one_more() {
    let store = Store::in_memory().unwrap();
    let many = |count: usize| (0..count).map(|n| Model::new(n.to_string())).collect();
    store.replace_models("1", HERE, many(limits::MOST_MODELS_OF_A_SOURCE)).unwrap();
    let refused = store.replace_models("1", HERE, many(limits::MOST_MODELS_OF_A_SOURCE + 1));
    assert!(matches!(refused, Err(StoreError::TooLarge { unit: "models", .. })));
    // They fit on one page.
    let query = Query { limit: limits::MOST_PAGE_ROWS, ..Query::default() };
    let page = store.models("1", Some(HERE), &query).unwrap();
    assert_eq!((page.rows.len(), page.next), (limits::MOST_MODELS_OF_A_SOURCE, None));
}

#[test]
fn of_two_models_with_the_same_id_the_first_is_kept() {
    let store = Store::in_memory().unwrap();
    let mut second = Model::new("a");
    second.provider = Some("another".to_owned());
    store.replace_models("1", HERE, vec![Model::new("a"), Model::new("b"), second]).unwrap();
    let kept = rows(&store, "1", None);
    let found: Vec<_> = kept.iter().map(|row| (&*row.model.id, &row.model.provider)).collect();
    assert_eq!(found, [("b", &None), ("a", &None)]);
}
