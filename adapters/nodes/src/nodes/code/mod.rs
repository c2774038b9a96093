//! `nodetool.code.Code`: JavaScript that reaches nothing but its inputs.

mod running;
mod script;

use std::sync::Arc;
use std::time::Duration;

use async_lock::Semaphore;
use clawnode_workflows::{NodeContext, NodeType, Outputs, Property, Severity, TypeDescriptor};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::access::Access;
use crate::limits::shown_bytes;
use running::{Given, Running};
use script::Script;

/// The node types of the group.
pub(crate) fn all(access: &Access) -> Vec<NodeType> {
    vec![node(access)]
}

#[derive(Deserialize)]
struct Code {
    code: String,
    timeout: i64,
    #[serde(flatten)]
    inputs: Map<String, Value>,
}

fn node(access: &Access) -> NodeType {
    let limits = access.bounds().clone();
    let turns = Arc::new(Semaphore::new(limits.scripts_at_once));
    NodeType::new(
        "nodetool.code.Code",
        "Code",
        "Runs JavaScript.\nIt reads the inputs added to the node as `inputs.name`, and gives its outputs by returning an object of them or \
         by calling `output(name, value)`, as often as it likes; any other value that it returns goes to `output`. Outputs of other names \
         are declared by the node's `dynamic_outputs`. It may be async. It reaches no file, no network and no other program. \
         `console.log` writes to the log of the run. Values and lines leave the script as they come; when the nodes after it fall behind, it \
         waits for them, which does not count as its time.",
    )
    .property(Property::str("code", "").describe("The body of a function."))
    .property(Property::int("timeout", 30).describe("Seconds it may take."))
    .output("output", TypeDescriptor::any())
    .dynamic()
    .dynamic_outputs()
    // Not `generate`: most scripts give each output one value, and those may stand in the body of a loop.
    .process(move |p: Code, context: NodeContext| {
        let (limits, turns) = (limits.clone(), Arc::clone(&turns));
        async move {
            if p.code.len() > limits.code_source_bytes {
                let most = shown_bytes(limits.code_source_bytes);
                return Err(format!("the code is larger than {most}").into());
            }
            let seconds = u64::try_from(p.timeout).ok().filter(|seconds| *seconds > 0);
            let seconds = seconds.ok_or("timeout is no number of seconds above 0")?;
            let time = Duration::from_secs(seconds).min(limits.code_time);
            let turn = turns.acquire_arc().await;
            let script = Script { source: p.code, inputs: p.inputs, time, limits };
            let mut running = Running::start(script, turn);
            while let Some(given) = running.next().await {
                match given {
                    Given::Line(severity, line) => context.log(severity, line).await,
                    Given::Value(name, value) => context.emit(&name, value).await,
                }
            }
            let ended = running.end().await?;
            if ended.lost_lines > 0 {
                let lost = format!("{} more lines were not kept", ended.lost_lines);
                context.log(Severity::Warning, lost).await;
            }
            ended.result.map(|()| Outputs::new())
        }
    })
}
