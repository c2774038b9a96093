use std::future::Future;
use std::io;
use std::process;
use std::time::Duration;

use crate::error::INTERRUPTED;

/// Resolves at the first Ctrl-C or SIGTERM; the second one ends the program at once.
///
/// # Errors
///
/// When the operating system does not let the program listen for signals.
pub(crate) fn first() -> io::Result<impl Future<Output = ()>> {
    let mut signals = Signals::new()?;
    Ok(async move {
        signals.next().await;
        tokio::spawn(async move {
            // Some tools signal a process and its group, which is still one wish.
            while tokio::time::timeout(ECHO, signals.next()).await.is_ok() {}
            signals.next().await;
            process::exit(i32::from(INTERRUPTED));
        });
    })
}

/// How close together two signals are one: less than any two presses of a key.
const ECHO: Duration = Duration::from_millis(100);

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
