//! What of a run's events is written down: the log, and the stored events of protocol page 1.6.

use std::collections::BTreeMap;

use clawnode_store::{EventRow, Level, LogRow, Store};
use clawnode_workflows::RunEvent;
use serde_json::{Value, json};

use crate::limits::MAX_NODE_EVENTS;

/// Writes down what happens to one job; never waits for the disk.
pub(crate) struct Recorder {
    store: Store,
    job_id: String,
    /// How many times each node began or ended so far.
    seen: BTreeMap<String, usize>,
}

impl Recorder {
    pub(crate) fn new(store: Store, job_id: &str) -> Self {
        Self { store, job_id: job_id.to_owned(), seen: BTreeMap::new() }
    }

    pub(crate) fn record(&mut self, event: &RunEvent) {
        let data = &event.data;
        let text = |name: &str| data[name].as_str().unwrap_or_default();
        match (event.update_type, text("status")) {
            ("job_update", "running") => {
                self.event("RunCreated", json!({ "workflow_id": data["workflow_id"] }));
                self.log(Level::Info, "", "the job began");
            }
            ("job_update", "completed") => {
                self.event("RunCompleted", json!({}));
                self.log(Level::Info, "", "the job completed");
            }
            ("job_update", "cancelled") => self.cancelled(),
            ("job_update", _) => self.failed(text("error")),
            ("node_update", "running" | "completed") if self.is_too_often(text("node_id")) => {}
            ("node_update", "running") => self.node("NodeStarted", data, json!({})),
            ("node_update", "completed") => {
                self.node("NodeCompleted", data, json!({ "result": data["result"] }));
            }
            ("node_update", "error") => {
                self.node("NodeFailed", data, json!({ "error": data["error"] }));
                self.log(Level::Error, text("node_id"), text("error"));
            }
            ("log_update" | "notification", _) => {
                let level = match text("severity") {
                    "error" => Level::Error,
                    "warning" => Level::Warning,
                    _ => Level::Info,
                };
                self.log(level, text("node_id"), text("content"));
            }
            _ => {}
        }
    }

    pub(crate) fn failed(&self, error: &str) {
        self.event("RunFailed", json!({ "error": error }));
        self.log(Level::Error, "", error);
    }

    pub(crate) fn cancelled(&self) {
        self.event("RunCancelled", json!({}));
        self.log(Level::Warning, "", "the job was cancelled");
    }

    /// Whether a node of a stream has begun and ended so many times that nobody reads about all of them.
    fn is_too_often(&mut self, node_id: &str) -> bool {
        match self.seen.get_mut(node_id) {
            Some(count) if *count >= MAX_NODE_EVENTS => return true,
            Some(count) => *count += 1,
            None => drop(self.seen.insert(node_id.to_owned(), 1)),
        }
        false
    }

    fn event(&self, event_type: &str, payload: Value) {
        self.store.event(&self.job_id, EventRow::new(event_type).with(payload));
    }

    fn node(&self, event_type: &str, data: &Value, payload: Value) {
        let id = data["node_id"].as_str().unwrap_or_default();
        self.store.event(&self.job_id, EventRow::new(event_type).of_node(id).with(payload));
    }

    /// The logger is the node, where there is one.
    fn log(&self, level: Level, node_id: &str, message: &str) {
        let mut row = LogRow::new(level, message);
        if !node_id.is_empty() {
            row.logger = node_id.to_owned();
        }
        self.store.log(&self.job_id, row);
    }
}
