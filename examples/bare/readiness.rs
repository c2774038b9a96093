//! A node on mio: one thread, one socket that never blocks, and the operating system says when it is ready.
//!
//! `cargo run -p clawnode-examples --bin readiness -- 127.0.0.1:8080` serves `greet` three times and stops.

mod outside;

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use clawnode_protocol::node::{Action, Input, Misuse};
use clawnode_protocol::{Credentials, Node, Outcome};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::json;
use serde_json::value::to_raw_value;

use outside::Clock;

fn main() -> Result<(), Box<dyn Error>> {
    let gateway = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let address = gateway.to_socket_addrs()?.next().ok_or("the gateway has no address")?;
    let mut node = outside::node("readiness", &gateway)?;
    let clock = Clock::start();
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(8));
    // The socket, and whether it is connected yet.
    let (mut link, mut greetings) = (None, 3);

    node.handle(clock.now(), Input::Start)?;
    let reason = 'running: loop {
        // 1. Do what the node says.
        while let Some(action) = node.poll_action() {
            let input = match action {
                Action::Authenticate => Input::Credentials(Credentials::default()),
                Action::Connect => match connect(&poll, address) {
                    Ok(connecting) => {
                        link = Some(connecting);
                        continue;
                    }
                    Err(_) => Input::ConnectFailed("cannot even begin to connect"),
                },
                Action::Disconnect => {
                    link = None;
                    continue;
                }
                // No journal here, so admissions and answers count as kept at once.
                Action::Admit(work) => Input::Admitted(work.id),
                Action::Record(answer) => Input::Recorded(answer.work),
                Action::Start(work) => {
                    greetings -= 1;
                    let result = to_raw_value(&json!({ "text": "hello from mio" }))?;
                    Input::Answer(work.id, Outcome::Completed(result))
                }
                Action::Settled(_) if greetings == 0 => Input::Stop(Duration::from_secs(10)),
                Action::Stopped(reason) => break 'running reason,
                other => {
                    println!("{other:?}");
                    continue;
                }
            };
            node.handle(clock.now(), input)?;
        }
        // 2. Write what it lends, and read, as long as the socket takes and gives.
        if let Some((stream, true)) = &mut link {
            let wrote = stream.write(node.transmit()).map(Input::Sent);
            if tell(&mut node, &clock, wrote)? {
                continue;
            }
            let mut buffer = [0; 16 << 10];
            let read = stream.read(&mut buffer).map(|count| match count {
                0 => Input::ReceivedEof,
                _ => Input::Received(&buffer[..count]),
            });
            if tell(&mut node, &clock, read)? {
                continue;
            }
        }
        // 3. Wait for the socket, or the deadline.
        let wait = node.deadline().map(|(at, _)| at.saturating_sub(clock.now().monotonic));
        match poll.poll(&mut events, wait) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => node.handle(clock.now(), Input::Timeout)?,
        }
        for _ in &events {
            let Some((stream, connected @ false)) = &mut link else { break };
            match stream.take_error()?.or(stream.peer_addr().err()) {
                None => {
                    *connected = true;
                    node.handle(clock.now(), Input::Connected)?;
                }
                Some(error) if error.kind() == ErrorKind::NotConnected => {}
                Some(error) => {
                    node.handle(clock.now(), Input::ConnectFailed(&error.to_string()))?
                }
            }
        }
    };
    println!("{reason}");
    Ok(())
}

/// What the socket did. False: nothing, and mio says when there is something to do.
fn tell(node: &mut Node, clock: &Clock, did: io::Result<Input<'_>>) -> Result<bool, Misuse> {
    match did {
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
        Ok(Input::Sent(0)) => return Ok(false),
        Err(error) => node.handle(clock.now(), Input::Disconnected(&error.to_string()))?,
        Ok(input) => node.handle(clock.now(), input)?,
    }
    Ok(true)
}

fn connect(poll: &Poll, address: SocketAddr) -> io::Result<(TcpStream, bool)> {
    let mut stream = TcpStream::connect(address)?;
    poll.registry().register(&mut stream, Token(0), Interest::READABLE | Interest::WRITABLE)?;
    Ok((stream, false))
}
