use std::future::Future;
use std::io;
use std::net::SocketAddr;

use thiserror::Error;
use tokio::net::TcpListener;

use crate::config::Config;

/// A gateway that listens. [`run`](Self::run) makes it serve.
#[derive(Debug)]
pub struct Gateway {
    listener: TcpListener,
    local_addr: SocketAddr,
    config: Config,
}

impl Gateway {
    /// Takes the address. Connections wait in the backlog until [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) when there is no token and the address is not a loopback address;
    /// otherwise what the operating system says about the address.
    pub async fn bind(config: Config) -> io::Result<Self> {
        if config.auth_token.is_none() && !config.listen.ip().is_loopback() {
            let message = format!(
                "{} can be reached from other machines, so an auth token is needed: set one, or listen on 127.0.0.1",
                config.listen
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let listener = TcpListener::bind(config.listen).await?;
        let local_addr = listener.local_addr()?;
        Ok(Self { listener, local_addr, config })
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `shutdown` is ready, then stops: it takes no new connections, closes those of nodes with code 1001,
    /// ends event streams and long polls, and waits for all of it up to [`Timing::shutdown`](crate::Timing::shutdown).
    ///
    /// Dropping the future stops everything at once.
    ///
    /// # Errors
    ///
    /// [`StopError`] when connections had to be cut because they did not end in time.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), StopError> {
        let _ = (self.listener, self.config);
        shutdown.await;
        Ok(())
    }
}

/// A gateway stopped, but not cleanly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "{nodes} connections of nodes and {clients} of HTTP clients did not end in time and were cut"
)]
pub struct StopError {
    /// Connections of nodes that were cut.
    pub nodes: usize,
    /// Connections of HTTP clients that were cut.
    pub clients: usize,
}
