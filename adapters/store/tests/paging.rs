//! The law of pages: whatever is written between them, what is there all the time is on exactly one.

use std::collections::BTreeSet;

use clawnode_store::{JobStatus, NewJob, Query, Store};
use proptest::prelude::*;

/// What somebody does between two pages; the numbers choose a row.
#[derive(Debug, Clone)]
enum Change {
    Add,
    Replace(u8),
    Remove(u8),
    Finish(u8),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Add),
        any::<u8>().prop_map(Change::Replace),
        any::<u8>().prop_map(Change::Remove),
        any::<u8>().prop_map(Change::Finish),
    ]
}

fn put(store: &Store, user: &str, id: &str, name: &str) {
    let text =
        format!(r#"{{"id": "{id}", "name": "{name}", "graph": {{"nodes": [], "edges": []}}}}"#);
    store.put_workflow_file(user, &text, "x").unwrap();
}

/// All pages of a list, with the changes between them.
fn walk(
    limit: u32,
    mut page: impl FnMut(&Query) -> (Vec<String>, Option<String>),
    mut between: impl FnMut(usize),
) -> Vec<String> {
    let mut seen = Vec::new();
    let mut query = Query { limit, ..Query::default() };
    for turn in 0.. {
        let (rows, next) = page(&query);
        assert!(rows.len() <= limit as usize);
        seen.extend(rows);
        let Some(next) = next else { break };
        query.start = Some(next);
        between(turn);
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pages_of_workflows_lose_and_double_nothing(
        rows in 0_u32..30,
        limit in 1_u32..7,
        changes in proptest::collection::vec(proptest::collection::vec(change(), 0..4), 0..30),
    ) {
        let store = Store::in_memory().unwrap();
        let ids: Vec<String> = (0..rows).map(|n| format!("w{n}")).collect();
        for id in &ids {
            put(&store, "1", id, "old");
            put(&store, "2", id, "another's");
        }
        let mut removed = BTreeSet::new();
        let mut added = 0;
        let seen = walk(
            limit,
            |query| {
                let page = store.workflows("1", query).unwrap();
                (page.rows.into_iter().map(|row| row.id).collect(), page.next)
            },
            |turn| for change in changes.get(turn).into_iter().flatten() {
                let chosen = |n: u8| &ids[usize::from(n) % ids.len()];
                match *change {
                    Change::Add => {
                        added += 1;
                        put(&store, "1", &format!("added{added}"), "new");
                    }
                    Change::Remove(n) => {
                        store.remove_workflow("1", chosen(n)).unwrap();
                        removed.insert(chosen(n).clone());
                    }
                    Change::Replace(n) if removed.contains(chosen(n)) => {}
                    Change::Replace(n) | Change::Finish(n) => {
                        if !removed.contains(chosen(n)) {
                            put(&store, "1", chosen(n), "changed");
                        }
                    }
                }
            },
        );
        check(&ids, &removed, &seen)?;
    }

    #[test]
    fn pages_of_jobs_lose_and_double_nothing(
        rows in 0_u32..30,
        limit in 1_u32..7,
        changes in proptest::collection::vec(proptest::collection::vec(change(), 0..4), 0..30),
    ) {
        let store = Store::in_memory().unwrap();
        let add = |id: &str, user: &str| {
            let mut job = NewJob::new(format!("{user}-{id}"), user);
            job.workflow_id = Some("w".to_owned());
            store.create_job(job).unwrap();
        };
        let ids: Vec<String> = (0..rows).map(|n| format!("1-j{n}")).collect();
        for n in 0..rows {
            add(&format!("j{n}"), "1");
            add(&format!("j{n}"), "2");
        }
        let mut added = 0;
        let seen = walk(
            limit,
            |query| {
                let page = store.jobs("1", Some("w"), query).unwrap();
                (page.rows.into_iter().map(|row| row.id).collect(), page.next)
            },
            |turn| for change in changes.get(turn).into_iter().flatten() {
                match *change {
                    Change::Add => {
                        added += 1;
                        add(&format!("added{added}"), "1");
                    }
                    Change::Replace(n) | Change::Remove(n) => {
                        store.start_job(&ids[usize::from(n) % ids.len()]).unwrap();
                    }
                    Change::Finish(n) => {
                        let id = &ids[usize::from(n) % ids.len()];
                        store.finish_job(id, JobStatus::Completed, None).unwrap();
                    }
                }
            },
        );
        check(&ids, &BTreeSet::new(), &seen)?;
    }
}

fn check(ids: &[String], removed: &BTreeSet<String>, seen: &[String]) -> Result<(), TestCaseError> {
    let once: BTreeSet<&String> = seen.iter().collect();
    prop_assert_eq!(once.len(), seen.len(), "a row is on two pages: {:?}", seen);
    let kept: Vec<&String> = ids.iter().rev().filter(|id| !removed.contains(*id)).collect();
    let seen: Vec<&String> = seen.iter().filter(|id| !removed.contains(*id)).collect();
    prop_assert_eq!(kept, seen, "newest first, and all that were there all the time");
    Ok(())
}

#[test]
fn pages_are_whole_while_other_threads_write() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let ids: Vec<String> = (0..100).map(|n| format!("w{n}")).collect();
    for id in &ids {
        put(&store, "1", id, "old");
    }
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (store, ids) = (&store, &ids);
            scope.spawn(move || {
                for (n, id) in ids.iter().enumerate() {
                    put(store, "1", &format!("added-{writer}-{n}"), "new");
                    put(store, "1", id, &format!("changed by {writer}"));
                }
            });
        }
        for _ in 0..10 {
            let seen = walk(
                7,
                |query| {
                    let page = store.workflows("1", query).unwrap();
                    (page.rows.into_iter().map(|row| row.id).collect(), page.next)
                },
                |_| {},
            );
            let seen: Vec<&String> = seen.iter().filter(|id| id.starts_with('w')).collect();
            assert!(seen.iter().copied().eq(ids.iter().rev()), "{seen:?}");
        }
    });
}
