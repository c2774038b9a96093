//! The events of a run (protocol page 1.6), built in one place so that every message has all
//! of its fields.

use serde_json::{Map, Value, json};

use super::{
    context::Severity,
    plan::{Plan, PlannedNode},
};
use crate::{limits::MAX_NODE_UPDATE_VALUE, python};

/// One event of a run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunEvent {
    /// The kind of event, equal to the field `type` of `data`; for example `output_update`.
    pub update_type: &'static str,
    /// The whole message of protocol page 1.6, with its `type`. Fields without a value are
    /// null. `duration` is always null, since a run has no clock.
    pub data: Value,
}

impl RunEvent {
    /// For events of which only the newest matters (`edge_update`, `node_progress`): a key
    /// under which a newer one may replace an older one that was not sent yet. `None` for
    /// events that must not be dropped.
    pub fn coalesce_key(&self) -> Option<String> {
        let subject = match self.update_type {
            "edge_update" => "edge_id",
            "node_progress" => "node_id",
            _ => return None,
        };
        Some(format!("{}:{}", self.update_type, self.data[subject].as_str().unwrap_or("")))
    }

    pub(super) fn new(update_type: &'static str, mut fields: Map<String, Value>) -> Self {
        fields.insert("type".to_owned(), update_type.into());
        Self { update_type, data: Value::Object(fields) }
    }

    pub(super) fn job(plan: &Plan, status: &str, message: Option<String>) -> Self {
        let data = json!({
            "type": "job_update",
            "status": status,
            "job_id": plan.job_id,
            "workflow_id": plan.workflow_id,
            "message": message,
            "result": null,
            "error": null,
            "traceback": null,
            "run_state": null,
            "duration": null,
        });
        Self { update_type: "job_update", data }
    }

    pub(super) fn node(plan: &Plan, node: &PlannedNode, status: &str) -> Self {
        let data = json!({
            "type": "node_update",
            "node_id": node.id,
            "node_name": node.node_type.metadata().title,
            "node_type": node.type_name,
            "status": status,
            "error": null,
            "result": null,
            "properties": {},
            "workflow_id": plan.workflow_id,
        });
        Self { update_type: "node_update", data }
    }

    /// The same event with field `name` set.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.data[name] = value.into();
        self
    }

    pub(super) fn edge(plan: &Plan, edge: usize, status: &str, counter: u64) -> Self {
        let data = json!({
            "type": "edge_update",
            "workflow_id": plan.workflow_id,
            "edge_id": plan.edges[edge],
            "status": status,
            "counter": counter,
        });
        Self { update_type: "edge_update", data }
    }

    pub(super) fn output(plan: &Plan, node: &PlannedNode, name: &str, value: &Value) -> Self {
        let data = json!({
            "type": "output_update",
            "node_id": node.id,
            "node_name": name,
            "output_name": name,
            "value": value,
            "output_type": python::type_name(value),
            "metadata": {},
            "workflow_id": plan.workflow_id,
        });
        Self { update_type: "output_update", data }
    }

    pub(super) fn save(node: &PlannedNode, name: &str, value: &Value) -> Self {
        let data = json!({
            "type": "save_update",
            "node_id": node.id,
            "name": name,
            "value": value,
            "output_type": python::type_name(value),
            "metadata": {},
        });
        Self { update_type: "save_update", data }
    }

    pub(super) fn preview(node: &PlannedNode, value: &Value) -> Self {
        let data = json!({"type": "preview_update", "node_id": node.id, "value": value});
        Self { update_type: "preview_update", data }
    }

    pub(super) fn log(
        plan: &Plan,
        node: Option<&PlannedNode>,
        severity: Severity,
        content: String,
    ) -> Self {
        let data = json!({
            "type": "log_update",
            "node_id": node.map_or("", |node| &node.id),
            "node_name": node.map_or("", |node| &node.node_type.metadata().title),
            "content": content,
            "severity": severity.name(),
            "workflow_id": plan.workflow_id,
        });
        Self { update_type: "log_update", data }
    }

    pub(super) fn progress(plan: &Plan, node: &PlannedNode, progress: u64, total: u64) -> Self {
        let data = json!({
            "type": "node_progress",
            "node_id": node.id,
            "progress": progress,
            "total": total,
            "chunk": "",
            "workflow_id": plan.workflow_id,
        });
        Self { update_type: "node_progress", data }
    }
}

/// `value` as a `node_update` shows it: itself when small, else what it is.
pub(super) fn shown(value: &Value) -> Value {
    let fits = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        _ => estimate(value, MAX_NODE_UPDATE_VALUE) <= MAX_NODE_UPDATE_VALUE,
    };
    if fits {
        return value.clone();
    }
    let size = match value {
        Value::Array(items) => format!(" of {} elements", items.len()),
        Value::Object(map) => format!(" of {} entries", map.len()),
        Value::String(text) => format!(" of {} bytes", text.len()),
        _ => String::new(),
    };
    Value::String(format!("<{}{size}, too large for this event>", python::type_name(value)))
}

/// About how many bytes of JSON `value` takes; stops counting soon after `enough`.
fn estimate(value: &Value, enough: usize) -> usize {
    let mut size = 0;
    let mut rest = vec![value];
    while let Some(value) = rest.pop() {
        size += match value {
            Value::String(text) => text.len() + 2,
            _ => 8,
        };
        if size > enough {
            break;
        }
        match value {
            Value::Array(items) if items.len() > enough => return enough + 1,
            Value::Array(items) => rest.extend(items),
            Value::Object(map) => {
                for (key, item) in map {
                    size += key.len() + 4;
                    rest.push(item);
                }
            }
            _ => {}
        }
    }
    size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_values_are_described() {
        let text = |length: usize| Value::String("x".repeat(length));
        let fits = text(MAX_NODE_UPDATE_VALUE - 2);
        assert_eq!(shown(&fits), fits);
        let large = shown(&text(MAX_NODE_UPDATE_VALUE - 1));
        assert_eq!(large, "<str of 16383 bytes, too large for this event>");
        let list = shown(&Value::from(vec![0; 100_000]));
        assert_eq!(list, "<list of 100000 elements, too large for this event>");
    }
}
