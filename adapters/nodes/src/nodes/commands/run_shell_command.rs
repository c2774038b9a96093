use clawnode_workflows::{NodeContext, NodeError, NodeType, Outputs, TypeDescriptor};
use serde::Deserialize;

use super::{Line, Shell, command};
use crate::text::cut_start;

#[derive(Deserialize)]
struct RunShellCommand {
    command: String,
}

pub(super) fn node(shell: &Shell) -> NodeType {
    let shell = shell.clone();
    NodeType::new(
        "nodetool.code.RunShellCommand",
        "Run Shell Command",
        "Runs a command and gives all that it wrote once it has ended.\nA command that fails fails the node, whose error has the end of \
         what it wrote to stdout. Commands are off unless whoever runs this node has allowed them.",
    )
    .property(command())
    .output("stdout", TypeDescriptor::str())
    .output("stderr", TypeDescriptor::str())
    .process(move |p: RunShellCommand, _: NodeContext| {
        let shell = shell.clone();
        async move {
            let mut process = shell.start(&p.command, "").await?;
            let (mut out, mut err) = (String::new(), String::new());
            while let Some(line) = process.next().await {
                match line {
                    Line::Out(line) => out += &line,
                    Line::Err(line) => err += &line,
                }
            }
            process.end().await.map_err(|error| with_stdout(error, &out))?;
            Ok(Outputs::new().with("stdout", out).with("stderr", err))
        }
    })
}

/// Of a node that fails nothing is given, so its error has the end of what there is.
fn with_stdout(error: NodeError, out: &str) -> NodeError {
    match out.trim_end() {
        "" => error,
        out => format!("{error}; it wrote to stdout: {}", cut_start(out, MOST_STDOUT)).into(),
    }
}

/// Letters of stdout that are told.
const MOST_STDOUT: usize = 500;
