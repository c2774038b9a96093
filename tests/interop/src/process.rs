//! A started program with the processes it starts in turn, and what they use.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use procfs::process::{Process, all_processes};
use procfs::ticks_per_second;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::{Failure, NodeCommand};

/// A node that runs. Dropped, it is killed with all its processes.
pub(crate) struct Running {
    child: Child,
    root: i32,
}

/// What all its processes hold.
pub(crate) struct Memory {
    pub(crate) processes: usize,
    /// Bytes.
    pub(crate) resident: u64,
    /// Bytes, of which those that several processes share are counted in parts.
    pub(crate) proportional: u64,
}

/// The CPU time that all its processes have used.
#[derive(Default)]
pub(crate) struct Cpu {
    /// In clock ticks, with threads and processes that are gone.
    coarse: Duration,
    /// To the nanosecond, of those that are there.
    fine: Duration,
}

impl Cpu {
    pub(crate) fn since(&self, before: &Self) -> Duration {
        let fine = self.fine.saturating_sub(before.fine);
        fine.max(self.coarse.saturating_sub(before.coarse))
    }
}

impl Running {
    pub(crate) fn start(node: &NodeCommand) -> Result<Self, Failure> {
        let log = File::options().create(true).append(true).open(&node.log)?;
        let child = Command::new(&node.command[0])
            .args(&node.command[1..])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let root = child.id().ok_or("it ended at once")?;
        Ok(Self { child, root: i32::try_from(root)? })
    }

    /// Until it ends, which it should not.
    pub(crate) async fn ended(&mut self) -> Failure {
        match self.child.wait().await {
            Ok(status) => format!("the node ended: {status}; see its log").into(),
            Err(error) => error.into(),
        }
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        signal_to(self.root, Signal::TERM);
        timeout(Duration::from_secs(20), self.child.wait())
            .await
            .map_err(|_| "the node does not stop when told to")??;
        Ok(())
    }

    pub(crate) fn cpu(&self) -> Result<Cpu, Failure> {
        let mut cpu = Cpu::default();
        for process in family(self.root)? {
            let stat = process.stat()?;
            let waited_for = u64::try_from(stat.cutime + stat.cstime)?;
            let ticks = stat.utime + stat.stime + waited_for;
            cpu.coarse += Duration::from_secs(ticks) / u32::try_from(ticks_per_second())?;
            for task in process.tasks()?.flatten() {
                cpu.fine += Duration::from_nanos(task.schedstat()?.sum_exec_runtime);
            }
        }
        Ok(cpu)
    }

    pub(crate) fn memory(&self) -> Result<Memory, Failure> {
        let family = family(self.root)?;
        let mut memory = Memory { processes: family.len(), resident: 0, proportional: 0 };
        for process in &family {
            memory.resident += process.status()?.vmrss.unwrap_or_default() * 1024;
            let rollup = process.smaps_rollup()?;
            for map in rollup.memory_map_rollup.iter() {
                memory.proportional += map.extension.map.get("Pss").copied().unwrap_or_default();
            }
        }
        Ok(memory)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that was waited for has no processes any more, and its number may be another's.
        if self.child.id().is_some() {
            for process in family(self.root).into_iter().flatten() {
                signal_to(process.pid, Signal::KILL);
            }
        }
    }
}

/// Resolves to an error at the first SIGINT or SIGTERM.
pub(crate) async fn told_to_stop() -> io::Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok("interrupted"),
        _ = terminate.recv() => Ok("terminated"),
    }
}

fn signal_to(process: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(process) {
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
    }
}

/// The process and all that come from it.
fn family(root: i32) -> Result<Vec<Process>, Failure> {
    let mut rest: Vec<(Process, i32)> = all_processes()?
        .flatten()
        .filter_map(|process| process.stat().ok().map(|stat| (process, stat.ppid)))
        .collect();
    let mut known = BTreeSet::from([root]);
    let mut family = Vec::new();
    loop {
        let (found, others): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|(process, parent)| known.contains(&process.pid) || known.contains(parent));
        if found.is_empty() {
            return Ok(family);
        }
        known.extend(found.iter().map(|(process, _)| process.pid));
        family.extend(found.into_iter().map(|(process, _)| process));
        rest = others;
    }
}
