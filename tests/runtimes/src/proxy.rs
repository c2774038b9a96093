//! An HTTP proxy that opens tunnels.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::beside;

/// A proxy on loopback, as long as the process lives.
pub struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// A proxy that answers requests without this `Proxy-Authorization` with 407.
    pub async fn bind(demand: Option<&'static str>) -> Self {
        let listener = beside(TcpListener::bind("127.0.0.1:0")).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heads = Arc::clone(&asked);
        drop(beside(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(beside(serve(stream, demand, Arc::clone(&heads))));
            }
        }));
        Self { address, asked }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The first lines of all requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut node: TcpStream, demand: Option<&str>, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match node.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let first = head.lines().next().unwrap();
    asked.lock().unwrap().push(first.to_owned());
    let shown = head.lines().find_map(|line| line.strip_prefix("Proxy-Authorization: "));
    if demand.is_some() && demand != shown {
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
        let _ = node.write_all(refusal.as_bytes()).await;
        return;
    }
    let Some(target) =
        first.strip_prefix("CONNECT ").and_then(|rest| rest.strip_suffix(" HTTP/1.1"))
    else {
        let _ = node.write_all(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n").await;
        return;
    };
    match TcpStream::connect(target).await {
        Ok(mut gateway) => {
            let _ = node.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
            let _ = copy_bidirectional(&mut node, &mut gateway).await;
        }
        Err(_) => {
            let _ = node.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
        }
    }
}
