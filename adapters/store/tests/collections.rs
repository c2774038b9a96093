//! Collections: documents that are found by their words.

use clawnode_store::{Document, Query, Store, StoreError, limits};
use serde_json::{Map, json};

fn with_notes() -> Store {
    let store = Store::in_memory().unwrap();
    store.create_collection("1", "notes", &Map::new()).unwrap();
    let texts = [
        ("a", "The cat sat on the mat."),
        ("b", "A café for cats; cat after cat."),
        ("c", "Dogs \"only\" (no exceptions)"),
    ];
    let documents = texts.map(|(id, text)| Document::new(id, text));
    store.add_documents("1", "notes", documents.into()).unwrap();
    store
}

fn found(store: &Store, words: &str) -> Vec<String> {
    let hits = store.search("1", "notes", words, 10).unwrap();
    assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
    hits.into_iter().map(|hit| hit.document.id).collect()
}

#[test]
fn documents_are_found_by_their_words_the_best_first() {
    let store = with_notes();
    assert_eq!(found(&store, "CAT"), ["b", "a"]);
    assert_eq!(found(&store, "cat mat"), ["a"]);
    assert_eq!(found(&store, "cafe"), ["b"]);
    assert_eq!(found(&store, "exc*"), ["c"]);
    assert!(found(&store, "exc").is_empty());
    // What means something to the engine is a word like any other.
    for words in
        ["\"only\"", "only)", "NOT", "cat OR", "text:cat", "a\"b", "*", "^cat -mat", "NEAR("]
    {
        found(&store, words);
    }
    assert!(matches!(store.search("1", "notes", " ", 10), Err(StoreError::Empty(_))));
    assert_eq!(store.search("1", "notes", "cat", 1).unwrap().len(), 1);
}

#[test]
fn a_document_is_replaced_and_removed_with_its_words() {
    let store = with_notes();
    let mut replaced = Document::new("a", "Nothing but birds");
    replaced.metadata.insert("page".to_owned(), json!(7));
    store.add_documents("1", "notes", vec![replaced.clone()]).unwrap();
    assert_eq!(found(&store, "cat"), ["b"]);
    assert_eq!(found(&store, "birds"), ["a"]);
    assert_eq!(store.document("1", "notes", "a").unwrap(), Some(replaced));
    assert_eq!(store.collection("1", "notes").unwrap().unwrap().count, 3);
    assert!(store.remove_document("1", "notes", "a").unwrap());
    assert!(!store.remove_document("1", "notes", "a").unwrap());
    assert!(found(&store, "birds").is_empty());
    assert_eq!(store.collection("1", "notes").unwrap().unwrap().count, 2);

    assert!(store.remove_collection("1", "notes").unwrap());
    store.create_collection("1", "notes", &Map::new()).unwrap();
    assert!(found(&store, "cat").is_empty());
    assert_eq!(store.collection("1", "notes").unwrap().unwrap().count, 0);
}

#[test]
fn all_documents_are_added_or_none() {
    let store = with_notes();
    let refused =
        store.add_documents("1", "notes", vec![Document::new("d", "new"), Document::new("", "x")]);
    assert!(matches!(refused, Err(StoreError::Empty(_))));
    assert!(found(&store, "new").is_empty());
    let missing = store.add_documents("1", "other", vec![Document::new("d", "new")]);
    assert!(matches!(missing, Err(StoreError::NotFound { what: "collection", .. })));
}

#[test]
fn collections_are_listed_in_pages_with_their_counts() {
    let store = with_notes();
    let metadata = json!({"embedding": "none"}).as_object().cloned().unwrap();
    for name in ["Recipes", "Letters"] {
        store.create_collection("1", name, &metadata).unwrap();
    }
    let again = store.create_collection("1", "Letters", &Map::new());
    assert!(matches!(again, Err(StoreError::Exists { what: "collection", .. })));
    let first = store.collections("1", &Query { limit: 2, ..Query::default() }).unwrap();
    let names: Vec<_> = first.rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["Letters", "Recipes"]);
    assert_eq!(first.rows[0].metadata, metadata);
    let rest = store.collections("1", &Query { start: first.next, ..Query::default() }).unwrap();
    assert_eq!((rest.rows[0].name.as_str(), rest.rows[0].count), ("notes", 3));
    assert_eq!(rest.next, None);
    let text = Query { text: Some("LETT".to_owned()), ..Query::default() };
    assert_eq!(store.collections("1", &text).unwrap().rows.len(), 1);
}

#[test]
fn one_user_never_finds_anothers_documents() {
    let store = with_notes();
    assert!(store.collection("2", "notes").unwrap().is_none());
    assert!(store.collections("2", &Query::default()).unwrap().rows.is_empty());
    assert!(!store.remove_collection("2", "notes").unwrap());
    let refused = [
        store.search("2", "notes", "cat", 9).map(drop),
        store.document("2", "notes", "a").map(drop),
        store.remove_document("2", "notes", "a").map(drop),
        store.add_documents("2", "notes", Vec::new()),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(StoreError::NotFound { .. })));
    }
    store.create_collection("2", "notes", &Map::new()).unwrap();
    assert!(store.search("2", "notes", "cat", 9).unwrap().is_empty());
}

#[test]
fn documents_have_bounds_in_number_and_size() {
    let store = with_notes();
    let add = |documents| store.add_documents("1", "notes", documents);
    let many = |count: usize| (0..count).map(|n| Document::new(n.to_string(), "x")).collect();
    assert!(add(many(limits::MOST_ADDED_DOCUMENTS)).is_ok());
    let refused = add(many(limits::MOST_ADDED_DOCUMENTS + 1));
    assert!(matches!(refused, Err(StoreError::TooLarge { unit: "documents", .. })));
    let long = |bytes| vec![Document::new("long", "x ".repeat(bytes / 2) + &"x".repeat(bytes % 2))];
    assert!(add(long(limits::MOST_DOCUMENT_BYTES)).is_ok());
    let refused = add(long(limits::MOST_DOCUMENT_BYTES + 1));
    assert!(matches!(refused, Err(StoreError::TooLarge { unit: "bytes", .. })));
}
