use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Connects to the first address of `host` that answers. Attempts overlap, as RFC 8305 has it: an address that swallows
/// packets must not keep the others waiting.
pub(crate) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = tokio::net::lookup_host((host, port)).await.map_err(|error| {
        io::Error::new(error.kind(), format!("the host name {host} cannot be resolved: {error}"))
    })?;
    let mut addresses = addresses.peekable();
    // Dropping the set, with this future, drops the attempts.
    let mut attempts = JoinSet::new();
    let mut errors = Errors::default();
    loop {
        if let Some(address) = addresses.next() {
            attempts.spawn(async move { (address, TcpStream::connect(address).await) });
        }
        let ended = if addresses.peek().is_some() {
            match timeout(ATTEMPT_DELAY, attempts.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        } else {
            attempts.join_next().await
        };
        match ended {
            Some(Ok((_, Ok(stream)))) => {
                // Messages are small and should not wait for company.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Some(Ok((address, Err(error)))) => errors.add(address, &error),
            Some(Err(error)) => return Err(io::Error::other(error)),
            None => return Err(errors.into_error(host)),
        }
    }
}

#[derive(Default)]
struct Errors {
    kind: Option<io::ErrorKind>,
    text: String,
}

impl Errors {
    fn add(&mut self, address: SocketAddr, error: &io::Error) {
        self.kind.get_or_insert(error.kind());
        if !self.text.is_empty() {
            self.text.push_str("; ");
        }
        self.text.push_str(&format!("{address}: {error}"));
    }

    fn into_error(self, host: &str) -> io::Error {
        match self.kind {
            Some(kind) => io::Error::new(kind, self.text),
            None => io::Error::new(
                io::ErrorKind::NotFound,
                format!("the host name {host} has no address"),
            ),
        }
    }
}

/// RFC 8305 section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
