use clawnode_workflows::{NodeContext, NodeType, Property, TypeDescriptor};
use serde::Deserialize;
use serde_json::Value;

use super::{Line, Shell, command};

#[derive(Deserialize)]
struct ExecuteCommand {
    command: String,
    execution_mode: String,
    stdin: String,
}

pub(super) fn node(shell: &Shell) -> NodeType {
    let shell = shell.clone();
    NodeType::new(
        "nodetool.code.ExecuteCommand",
        "Execute Command",
        "Runs a command and gives what it writes, line by line as it comes.\nA command that fails fails the node. Commands are off unless \
         whoever runs this node has allowed them.",
    )
    .property(command())
    .property(Property::str("image", "bash:5.2").describe("For docker, which is not supported."))
    .property(
        Property::one_of("execution_mode", &["docker", "subprocess"])
            .describe("Where it runs; only subprocess is supported."),
    )
    .property(Property::str("stdin", "").describe("What the command can read."))
    .output("stdout", TypeDescriptor::str())
    .output("stderr", TypeDescriptor::str())
    .generate(move |p: ExecuteCommand, context: NodeContext| {
        let shell = shell.clone();
        async move {
            shell.check()?;
            if p.execution_mode == "docker" {
                return Err("commands are not run in docker; set execution_mode to subprocess, and mind that the command then has all \
                            rights of this node"
                    .into());
            }
            let mut process = shell.start(&p.command, &p.stdin).await?;
            while let Some(line) = process.next().await {
                let (name, line) = match line {
                    Line::Out(line) => ("stdout", line),
                    Line::Err(line) => ("stderr", line),
                };
                let line = line.strip_suffix('\n').unwrap_or(&line);
                let line = line.strip_suffix('\r').unwrap_or(line);
                context.emit(name, Value::from(line)).await;
            }
            process.end().await
        }
    })
}
