//! An echo program on [`clawnode_protocol::websocket`], for `autobahn.sh`.
//!
//! `clawnode-autobahn listen` serves on a free port of loopback, which it prints, until it is ended. `clawnode-autobahn
//! connect HOST:PORT` runs all cases of an Autobahn fuzzing server.

mod transport;

use std::error::Error;
use std::io::Write;
use std::net::{TcpListener, TcpStream};

use clawnode_protocol::websocket::{ClientRequest, Connection, Event, Limits};
use transport::{Message, drive};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["listen"] => listen(),
        ["connect", server] => run_cases(server),
        _ => Err("usage: clawnode-autobahn listen | connect HOST:PORT".into()),
    }
}

fn listen() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || drive(Connection::server(Limits::default()), &stream, echo));
    }
    Ok(())
}

/// Asks how many cases there are, echoes in each, and has the reports written.
fn run_cases(server: &str) -> Result<(), Box<dyn Error>> {
    let mut count = None;
    connect(server, "/getCaseCount", 0, |event| {
        if let Event::Text(text) = event {
            count = text.parse::<u64>().ok();
        }
        None
    })?;
    let count = count.ok_or("the fuzzing server did not say how many cases it has")?;
    for case in 1..=count {
        connect(server, &format!("/runCase?case={case}&agent=clawnode"), case, echo)?;
    }
    connect(server, "/updateReports?agent=clawnode", 0, |_| None)
}

fn connect(
    server: &str,
    target: &str,
    seed: u64,
    answer: impl FnMut(Event<'_>) -> Option<Message>,
) -> Result<(), Box<dyn Error>> {
    // Masks of a test need not be unpredictable, and a case that fails can so be run again to the byte.
    let mut seed_bytes = [0; 32];
    seed_bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let request = ClientRequest::new(server, target)?;
    let connection = Connection::client(&request, Limits::default(), seed_bytes);
    Ok(drive(connection, &TcpStream::connect(server)?, answer)?)
}

fn echo(event: Event<'_>) -> Option<Message> {
    match event {
        Event::Text(text) => Some(Message::Text(text.to_owned())),
        Event::Binary(bytes) => Some(Message::Binary(bytes.to_owned())),
        _ => None,
    }
}
