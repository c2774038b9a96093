use std::env;
use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use async_channel::{Receiver, Sender, bounded};
use async_lock::SemaphoreGuardArc;
use clawnode_workflows::NodeError;
use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::time::timeout;

use crate::access::Access;
use crate::limits::{Limits, shown_bytes};
use crate::runtime::{self, Working};
use crate::text::cut;

/// A command that runs. Dropping it ends the command and all that it started.
pub(super) struct Process {
    lines: Receiver<Line>,
    end: Working<()>,
}

/// A line that a command wrote, with its line break if it has one.
#[derive(Debug)]
pub(super) enum Line {
    Out(String),
    Err(String),
}

impl Process {
    pub(super) fn start(
        access: &Access,
        command: &str,
        stdin: &str,
        turn: SemaphoreGuardArc,
    ) -> Result<Self, NodeError> {
        let limits = access.bounds().clone();
        let folder = access.folders().first().map(|folder| folder.real.clone());
        let mut shell = shell(command);
        if let Some(folder) = folder {
            shell.current_dir(folder);
        }
        let stdin = stdin.as_bytes().to_vec();
        let (sender, lines) = bounded(MOST_WAITING_LINES);
        let end = runtime::spawn(async move {
            let _turn = turn;
            run(shell, stdin, &limits, sender).await
        })?;
        Ok(Self { lines, end })
    }

    /// The next line of either stream; `None` at the end of both.
    pub(super) async fn next(&mut self) -> Option<Line> {
        self.lines.recv().await.ok()
    }

    /// Whether it succeeded, once there are no more lines.
    pub(super) async fn end(self) -> Result<(), NodeError> {
        self.end.await
    }
}

/// The command and all that it started, ended when this is dropped.
struct Group(Box<dyn ChildWrapper>);

impl Drop for Group {
    fn drop(&mut self) {
        // Of a command that has ended as well: the group has its number as long as anything that it started runs. It fails when
        // there is nothing left to end.
        let _ = self.0.start_kill();
    }
}

async fn run(
    command: Command,
    stdin: Vec<u8>,
    limits: &Limits,
    to: Sender<Line>,
) -> Result<(), NodeError> {
    let mut command = CommandWrap::from(command);
    command.wrap(KillOnDrop);
    #[cfg(unix)]
    command.wrap(process_wrap::tokio::ProcessGroup::leader());
    #[cfg(windows)]
    command.wrap(process_wrap::tokio::JobObject);
    let child = command.spawn().map_err(|error| format!("the command does not start: {error}"))?;
    let mut group = Group(child);
    let (input, out, err) =
        (group.0.stdin().take(), group.0.stdout().take(), group.0.stderr().take());
    let budget = Arc::new(Budget { left: Mutex::new(limits.command_output_bytes) });
    let all = async {
        tokio::try_join!(
            feed(input, stdin),
            read(out, Arc::clone(&budget), to.clone(), Line::Out),
            read(err, budget, to, Line::Err),
            wait(group),
        )
    };
    let ended = timeout(limits.command_time, all).await;
    match ended {
        Err(_) => {
            let most = limits.command_time.as_secs_f64();
            Err(format!("the command took longer than {most} s and was ended").into())
        }
        Ok(Err(Fault::TooMuch)) => {
            let most = shown_bytes(limits.command_output_bytes);
            Err(format!("the command wrote more than {most} and was ended").into())
        }
        Ok(Err(Fault::Unwanted)) => Err("cancelled".into()),
        Ok(Err(Fault::Io(error))) => Err(format!("the command cannot be followed: {error}").into()),
        Ok(Ok(((), _, _, status))) if status.success() => Ok(()),
        Ok(Ok(((), _, last, status))) => Err(failure(status, last.trim())),
    }
}

fn failure(status: ExitStatus, last: &str) -> NodeError {
    let colon = if last.is_empty() { "" } else { ": " };
    format!("the command failed ({status}){colon}{}", cut(last, 500)).into()
}

/// Why a command is not waited for any longer.
enum Fault {
    TooMuch,
    /// Nobody takes the lines.
    Unwanted,
    Io(String),
}

/// Bytes that a command may still write.
struct Budget {
    left: Mutex<usize>,
}

impl Budget {
    fn take(&self, bytes: usize) -> Result<(), Fault> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.checked_sub(bytes).ok_or(Fault::TooMuch)?;
        Ok(())
    }
}

/// Waits for the command alone: what it left running is ended, not waited for.
async fn wait(mut group: Group) -> Result<ExitStatus, Fault> {
    let status = group.0.inner_mut().wait().await;
    status.map_err(|error| Fault::Io(error.to_string()))
}

async fn feed(input: Option<ChildStdin>, bytes: Vec<u8>) -> Result<(), Fault> {
    if let Some(mut input) = input {
        // A command need not read what it is given.
        let _ = input.write_all(&bytes).await;
    }
    Ok(())
}

/// Reads lines as they come, and gives the last. What is no UTF-8 in them is replaced.
async fn read(
    stream: Option<impl AsyncRead + Unpin>,
    budget: Arc<Budget>,
    to: Sender<Line>,
    of: fn(String) -> Line,
) -> Result<String, Fault> {
    let mut last = String::new();
    let Some(stream) = stream else { return Ok(last) };
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        let chunk = match reader.fill_buf().await {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fault::Io(error.to_string())),
        };
        let ended = chunk.is_empty();
        let end = chunk.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let taken = end.unwrap_or(chunk.len());
        budget.take(taken)?;
        line.extend_from_slice(&chunk[..taken]);
        reader.consume(taken);
        if (end.is_some() || ended) && !line.is_empty() {
            last = String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned();
            if to.send(of(last.clone())).await.is_err() {
                return Err(Fault::Unwanted);
            }
        }
        if ended {
            return Ok(last);
        }
    }
}

/// The command in a shell, with no more of the environment than commands need: this program's has tokens in it.
fn shell(command: &str) -> Command {
    let mut shell = if cfg!(windows) {
        let mut shell = Command::new("cmd");
        shell.args(["/D", "/C"]);
        shell
    } else {
        let mut shell = Command::new("sh");
        shell.arg("-c");
        shell
    };
    shell.arg(command).env_clear().envs(environment());
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    env::vars_os().filter(|(name, _)| {
        name.to_str().is_some_and(|name| {
            let name = name.to_ascii_uppercase();
            name.starts_with("LC_") || KEPT.contains(&name.as_str())
        })
    })
}

/// Variables that commands get.
const KEPT: [&str; 25] = [
    "APPDATA",
    "COMSPEC",
    "HOME",
    "HOMEDRIVE",
    "HOMEPATH",
    "LANG",
    "LANGUAGE",
    "LOCALAPPDATA",
    "LOGNAME",
    "PATH",
    "PATHEXT",
    "PROGRAMDATA",
    "PROGRAMFILES",
    "SHELL",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "TERM",
    "TMP",
    "TMPDIR",
    "TZ",
    "USER",
    "USERNAME",
    "USERPROFILE",
    "WINDIR",
];

/// Lines that wait for their node; then the command has to wait.
const MOST_WAITING_LINES: usize = 64;
