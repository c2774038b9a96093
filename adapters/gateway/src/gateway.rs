use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;
use tracing::{debug, info, warn};

use crate::api;
use crate::config::Config;
use crate::shared::Shared;

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
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) when there is no token, or an empty one, and the address is not a
    /// loopback address; otherwise what the operating system says about the address.
    pub async fn bind(mut config: Config) -> io::Result<Self> {
        config.auth_token = config.auth_token.filter(|token| !token.expose().is_empty());
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
        info!(address = %self.local_addr, "gateway listening");
        let limit = self.config.timing.shutdown;
        let server = Server {
            permits: Arc::new(Semaphore::new(self.config.limits.connections)),
            shared: Arc::new(Shared::new(self.config)),
            clients: TaskTracker::new(),
            cut: CancellationToken::new(),
        };
        let router = api::router(server.shared.clone());
        // Tasks outlive this future unless they are told that it is gone.
        let cut_on_drop = server.cut.clone().drop_guard();
        tokio::select! {
            () = server.accept(self.listener, router) => {}
            () = shutdown => {}
        }
        let stopped = server.stop(limit).await;
        drop(cut_on_drop);
        stopped
    }
}

/// A gateway stopped, but not cleanly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "{nodes} connections of nodes and {clients} of HTTP clients did not end in time and were cut"
)]
#[non_exhaustive]
pub struct StopError {
    /// Connections of nodes that were cut.
    pub nodes: usize,
    /// Connections of HTTP clients that were cut.
    pub clients: usize,
}

#[derive(Debug)]
struct Server {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    clients: TaskTracker,
    cut: CancellationToken,
}

/// What a handler may want to know of the connection its request came on.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    /// Cancelled when the connection must end at once.
    pub(crate) cut: CancellationToken,
    /// Counts against [`Limits::connections`](crate::Limits::connections) as long as anyone keeps it.
    pub(crate) permit: Arc<OwnedSemaphorePermit>,
}

impl Server {
    async fn accept(&self, listener: TcpListener, router: Router) {
        loop {
            // The semaphore is never closed.
            let Ok(permit) = self.permits.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, address)) => {
                    let (cut, permit) = (self.cut.clone(), Arc::new(permit));
                    let origin = Origin { address, cut: cut.clone(), permit };
                    let serve = serve(stream, origin, self.shared.clone(), router.clone());
                    self.clients.spawn(async move { cut.run_until_cancelled_owned(serve).await });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: trying again at once would only burn the processor.
                    warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    async fn stop(&self, limit: Duration) -> Result<(), StopError> {
        info!("gateway stopping");
        let deadline = Instant::now() + limit;
        self.shared.stopping.cancel();
        self.clients.close();
        self.shared.links.close();
        let ended = async {
            self.clients.wait().await;
            self.shared.links.wait().await;
        };
        if timeout_at(deadline, ended).await.is_ok() {
            return Ok(());
        }
        let cut = StopError { nodes: self.shared.links.len(), clients: self.clients.len() };
        warn!(nodes = cut.nodes, clients = cut.clients, "connections cut");
        Err(cut)
    }
}

/// Serves HTTP on one connection, until it becomes a WebSocket or ends.
async fn serve(stream: TcpStream, origin: Origin, shared: Arc<Shared>, router: Router) {
    let address = origin.address;
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%address, %error, "cannot turn off Nagle's algorithm");
    }
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(origin.clone());
        // A router is always ready.
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.config.timing.head)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = shared.stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%address, %error, "HTTP connection ended");
    }
}

const ACCEPT_AGAIN: Duration = Duration::from_millis(200);
/// Bytes of a request's head, at most; also how much of a body is read at once.
const LARGEST_HEAD: usize = 64 << 10;
