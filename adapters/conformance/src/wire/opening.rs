use std::time::Duration;

use clawnode_protocol::websocket::{ClientRequest, Connection, Event, Limits, UpgradeRequest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Link, Plays, random};

/// An upgrade request that waits for its answer.
pub(crate) struct Asked {
    stream: TcpStream,
    connection: Connection,
    pub(crate) request: UpgradeRequest,
}

impl Asked {
    pub(crate) async fn accept(mut self) -> Result<Link, String> {
        self.connection.accept().map_err(|misuse| misuse.to_string())?;
        let written = self.stream.write_all(self.connection.transmit()).await;
        written.map_err(|error| format!("the connection ended in its opening: {error}"))?;
        Ok(Link::new(self.stream, Plays::Gateway))
    }

    /// Refuses with an HTTP status.
    pub(crate) async fn reject(mut self, status: u16) {
        let challenge: &[_] = if status == 401 { &[("WWW-Authenticate", "Bearer")] } else { &[] };
        if self.connection.reject(status, challenge, "refused by the conformance suite\n").is_ok() {
            let _ = self.stream.write_all(self.connection.transmit()).await;
            let _ = self.stream.shutdown().await;
        }
    }
}

/// Reads a node's upgrade request. The error says what is wrong with it.
pub(crate) async fn read_upgrade(mut stream: TcpStream, within: Duration) -> Result<Asked, String> {
    let _ = stream.set_nodelay(true);
    let mut connection = Connection::server(Limits::default());
    match timeout(within, read_head(&mut stream)).await {
        Err(_) => return Err(format!("no whole HTTP request within {within:?}")),
        Ok(head) => connection.receive(&head),
    }
    match connection.poll() {
        Some(Event::Request(request)) => Ok(Asked { stream, connection, request }),
        Some(other) => {
            let problem = format!("no valid upgrade request: {other:?}");
            let _ = stream.write_all(connection.transmit()).await;
            Err(problem)
        }
        None => Err("no whole HTTP request".to_owned()),
    }
}

/// Why a gateway did not open a connection.
#[derive(Debug)]
pub(crate) enum Refused {
    /// With an HTTP status.
    Status(u16),
    /// In no way that the standard knows.
    Otherwise(String),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "HTTP status {status}"),
            Self::Otherwise(problem) => f.write_str(problem),
        }
    }
}

/// Opens a connection to a gateway.
pub(crate) async fn connect(
    address: &str,
    request: &ClientRequest,
    within: Duration,
) -> Result<Link, Refused> {
    let otherwise = |problem: String| Refused::Otherwise(problem);
    let opening = async {
        let mut stream = TcpStream::connect(address).await.map_err(|e| otherwise(e.to_string()))?;
        let _ = stream.set_nodelay(true);
        let mut seed = [0; 32];
        seed.chunks_mut(8).for_each(|part| part.copy_from_slice(&random().to_be_bytes()));
        let mut connection = Connection::client(request, Limits::default(), seed);
        let written = stream.write_all(connection.transmit()).await;
        written.map_err(|e| otherwise(e.to_string()))?;
        connection.receive(&read_head(&mut stream).await);
        loop {
            match connection.poll() {
                Some(Event::Open) => return Ok(Link::new(stream, Plays::Node)),
                Some(Event::Refused(refusal)) => return Err(Refused::Status(refusal.status())),
                Some(other) => return Err(otherwise(format!("no valid answer: {other:?}"))),
                // The body of a refusal, or nothing.
                None => {
                    let mut more = [0; 1024];
                    match stream.read(&mut more).await {
                        Ok(count @ 1..) => connection.receive(&more[..count]),
                        _ => connection.receive_eof(),
                    }
                }
            }
        }
    };
    let timed_out = || otherwise(format!("no answer to the upgrade request within {within:?}"));
    timeout(within, opening).await.unwrap_or_else(|_| Err(timed_out()))
}

/// The head of an HTTP message and not a byte more, because frames may follow it. Cut short if the stream is.
async fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16 << 10 {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    head
}
