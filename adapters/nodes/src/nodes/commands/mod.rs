//! `nodetool.code.ExecuteCommand` and `nodetool.code.RunShellCommand`: off until allowed.

mod execute_command;
mod process;
mod run_shell_command;

use std::sync::Arc;

use async_lock::Semaphore;
use clawnode_workflows::{NodeError, NodeType, Property};

use crate::access::Access;
use process::{Line, Process};

/// The node types of the group.
pub(crate) fn all(access: &Access) -> Vec<NodeType> {
    let shell = Shell {
        access: access.clone(),
        turns: Arc::new(Semaphore::new(access.bounds().commands_at_once)),
    };
    vec![execute_command::node(&shell), run_shell_command::node(&shell)]
}

/// What runs the commands of all nodes.
#[derive(Clone)]
struct Shell {
    access: Access,
    turns: Arc<Semaphore>,
}

impl Shell {
    /// Fails unless commands are allowed.
    fn check(&self) -> Result<(), NodeError> {
        if !self.access.has_commands() {
            return Err("commands are off, for they can do anything that this program can; turn them on with --allow-commands".into());
        }
        Ok(())
    }

    /// Starts a command, once it is its turn.
    async fn start(&self, command: &str, stdin: &str) -> Result<Process, NodeError> {
        self.check()?;
        if command.trim().is_empty() {
            return Err("the command is empty".into());
        }
        let turn = self.turns.acquire_arc().await;
        Process::start(&self.access, command, stdin, turn)
    }
}

fn command() -> Property {
    Property::str("command", "")
        .describe("A command for sh, or for cmd on Windows. It runs in the folder that was allowed first, if one was.")
}
