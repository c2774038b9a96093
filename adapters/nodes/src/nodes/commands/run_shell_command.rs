use clawnode_workflows::{NodeContext, NodeType, Outputs, TypeDescriptor};
use serde::Deserialize;

use super::{Line, Shell, command};

#[derive(Deserialize)]
struct RunShellCommand {
    command: String,
}

pub(super) fn node(shell: &Shell) -> NodeType {
    let shell = shell.clone();
    NodeType::new(
        "nodetool.code.RunShellCommand",
        "Run Shell Command",
        "Runs a command and gives all that it wrote once it has ended.\nA command that fails fails the node. Commands are off unless \
         whoever runs this node has allowed them.",
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
            process.end().await?;
            Ok(Outputs::new().with("stdout", out).with("stderr", err))
        }
    })
}
