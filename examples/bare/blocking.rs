//! A node on a blocking socket of the standard library: one thread reads, and one does everything else.
//!
//! `cargo run -p clawnode-examples --bin blocking -- 127.0.0.1:8080` serves `greet` three times and stops.

mod outside;

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use clawnode_protocol::node::{Action, Input};
use clawnode_protocol::{Credentials, Outcome};
use serde_json::json;
use serde_json::value::to_raw_value;

type Arrivals = Receiver<io::Result<Vec<u8>>>;

fn main() -> Result<(), Box<dyn Error>> {
    let gateway = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let mut node = outside::node("blocking", &gateway)?;
    let clock = outside::Clock::start();
    let mut link: Option<(TcpStream, Arrivals)> = None;
    let mut greetings = 3;

    node.handle(clock.now(), Input::Start)?;
    let reason = 'running: loop {
        // 1. Do what the node says.
        while let Some(action) = node.poll_action() {
            let input = match action {
                Action::Authenticate => Input::Credentials(Credentials::default()),
                Action::Connect => match connect(&gateway) {
                    Ok(connected) => {
                        link = Some(connected);
                        Input::Connected
                    }
                    Err(error) => {
                        node.handle(clock.now(), Input::ConnectFailed(&error.to_string()))?;
                        continue;
                    }
                },
                Action::Disconnect => {
                    // Ends its reader too.
                    let _ = link.take().map(|(stream, _)| stream.shutdown(Shutdown::Both));
                    continue;
                }
                // No journal here, so admissions and answers count as kept at once.
                Action::Admit(work) => Input::Admitted(work.id),
                Action::Record(answer) => Input::Recorded(answer.work),
                Action::Start(work) => {
                    greetings -= 1;
                    let result = to_raw_value(&json!({ "text": "hello from a blocking loop" }))?;
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
        // 2. Write, but not for ever: the gateway may itself be waiting until somebody reads what it writes.
        let mut wait = node
            .deadline()
            .map_or(Duration::from_secs(1), |(at, _)| at.saturating_sub(clock.now().monotonic));
        let Some((stream, arrivals)) = &mut link else {
            thread::sleep(wait);
            node.handle(clock.now(), Input::Timeout)?;
            continue;
        };
        if !node.transmit().is_empty() {
            match stream.write(node.transmit()) {
                Ok(count) => node.handle(clock.now(), Input::Sent(count))?,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => node.handle(clock.now(), Input::Disconnected(&error.to_string()))?,
            }
            wait = Duration::ZERO;
        }
        // 3. Wait for bytes, or the deadline.
        match arrivals.recv_timeout(wait) {
            Ok(Ok(bytes)) if bytes.is_empty() => node.handle(clock.now(), Input::ReceivedEof)?,
            Ok(Ok(bytes)) => node.handle(clock.now(), Input::Received(&bytes))?,
            Ok(Err(error)) => node.handle(clock.now(), Input::Disconnected(&error.to_string()))?,
            Err(ended) => {
                // A reader that has said its last word waits for nothing any more.
                let wait = if ended == RecvTimeoutError::Timeout { Duration::ZERO } else { wait };
                thread::sleep(wait);
                node.handle(clock.now(), Input::Timeout)?;
            }
        }
    };
    println!("{reason}");
    Ok(())
}

/// A connection and what its reader hears: pieces, an empty one at the end, or an error.
fn connect(gateway: &str) -> io::Result<(TcpStream, Arrivals)> {
    let stream = TcpStream::connect(gateway)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(Duration::from_millis(100)))?;
    let (tell, arrivals) = sync_channel(16);
    let mut reader = stream.try_clone()?;
    thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        loop {
            let read = reader.read(&mut buffer).map(|count| buffer[..count].to_vec());
            let last = !matches!(&read, Ok(bytes) if !bytes.is_empty());
            if tell.send(read).is_err() || last {
                break;
            }
        }
    });
    Ok((stream, arrivals))
}
