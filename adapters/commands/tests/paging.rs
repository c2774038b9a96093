//! Whoever reads page after page sees each row once, whatever is written meanwhile.

mod common;

use std::collections::BTreeSet;

use clawnode_commands::{Commands, ListJobs, ListWorkflows};
use clawnode_store::{JobStatus, NewJob, Store};
use clawnode_workflows::{Graph, Workflow};
use common::engine;
use proptest::prelude::*;

/// What happens between two pages.
#[derive(Clone, Debug)]
enum Write {
    Add(u8),
    Remove(u8),
    Change(u8),
}

fn writes() -> impl Strategy<Value = Vec<Vec<Write>>> {
    let write = prop_oneof![
        (0_u8..40).prop_map(Write::Add),
        (0_u8..40).prop_map(Write::Remove),
        (0_u8..40).prop_map(Write::Change),
    ];
    prop::collection::vec(prop::collection::vec(write, 0..4), 1..20)
}

fn put(store: &Store, number: u8, text: &str) {
    let mut workflow = Workflow::new(&format!("w{number}"), Graph::default());
    workflow.description = text.to_owned();
    store.put_workflow("1", &workflow).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_workflow_is_lost_or_doubled(first in 1_u8..20, limit in 1_u32..6, between in writes()) {
        let store = Store::in_memory().unwrap();
        (0..first).for_each(|number| put(&store, number, "before"));
        let commands = Commands::new(engine(), store.clone());
        let mut steady: BTreeSet<u8> = (0..first).collect();
        let mut params = ListWorkflows { limit, ..ListWorkflows::default() };
        let mut seen = Vec::new();
        let mut between = between.into_iter();
        loop {
            let page = commands.list_workflows("1", &params).unwrap();
            seen.extend(page.workflows.iter().map(|row| row.id().to_owned()));
            params.start_key = page.next.filter(|next| !next.is_empty());
            if params.start_key.is_none() {
                break;
            }
            for write in between.next().unwrap_or_default() {
                match write {
                    Write::Add(number) => put(&store, number, "added"),
                    Write::Remove(number) => {
                        store.remove_workflow("1", &format!("w{number}")).unwrap();
                        steady.remove(&number);
                    }
                    Write::Change(number) if steady.contains(&number) => put(&store, number, "changed"),
                    Write::Change(_) => {}
                }
            }
        }
        for number in steady {
            let id = format!("w{number}");
            prop_assert_eq!(seen.iter().filter(|seen| **seen == id).count(), 1, "{}: {:?}", id, seen);
        }
    }

    #[test]
    fn no_job_is_lost_or_doubled(first in 1_u8..20, limit in 1_u32..6, between in writes()) {
        let store = Store::in_memory().unwrap();
        let make = |id: String, user: &str| store.create_job(NewJob::new(id, user));
        for number in 0..first {
            make(format!("j{number}"), "1").unwrap();
            make(format!("theirs{number}"), "2").unwrap();
        }
        let commands = Commands::new(engine(), store.clone());
        let mut params = ListJobs { limit, ..ListJobs::default() };
        let mut seen = Vec::new();
        let mut between = between.into_iter();
        loop {
            let page = commands.list_jobs("1", &params).unwrap();
            seen.extend(page.jobs.into_iter().map(|job| job.id));
            params.start_key = Some(page.next_start_key).filter(|next| !next.is_empty());
            if params.start_key.is_none() {
                break;
            }
            for write in between.next().unwrap_or_default() {
                match write {
                    // Of an id that is taken there is nothing to make.
                    Write::Add(number) => drop(make(format!("new{number}"), "1")),
                    Write::Remove(number) | Write::Change(number) => {
                        let _ = store.finish_job(&format!("j{number}"), JobStatus::Completed, None);
                    }
                }
            }
        }
        let mut expected: Vec<String> = (0..first).rev().map(|number| format!("j{number}")).collect();
        prop_assert!(!seen.iter().any(|id| id.starts_with("theirs")), "{seen:?}");
        seen.retain(|id| id.starts_with('j'));
        prop_assert_eq!(&mut seen, &mut expected);
    }
}
