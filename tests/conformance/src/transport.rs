//! A connection on a blocking TCP stream.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clawnode_protocol::websocket::{Connection, Event};

/// A message to send.
pub(crate) enum Message {
    Text(String),
    Binary(Vec<u8>),
}

/// How long the peer may be silent, whatever it was to say. It stands for all three deadlines of the caller.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much is written at a time.
const CHUNK: usize = 64 * 1024;

/// Drives `connection` on `stream` to its end; `answer` says what to send for what came.
///
/// One thread reads and another writes, so that neither waits for the other.
pub(crate) fn drive(
    connection: Connection,
    stream: &TcpStream,
    answer: impl FnMut(Event<'_>) -> Option<Message>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let line = Line {
        ends: Mutex::new(Ends { connection, read_all: false }),
        changed: Condvar::new(),
        stream,
    };
    std::thread::scope(|threads| {
        threads.spawn(|| line.write());
        line.read(answer);
    });
    Ok(())
}

struct Line<'a> {
    ends: Mutex<Ends>,
    changed: Condvar,
    stream: &'a TcpStream,
}

struct Ends {
    connection: Connection,
    /// Whether the peer has said all it will, or all it may.
    read_all: bool,
}

impl Line<'_> {
    fn read(&self, mut answer: impl FnMut(Event<'_>) -> Option<Message>) {
        let mut stream = self.stream;
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = stream.read(&mut buffer);
            let mut ends = self.lock();
            match read {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(count @ 1..) => ends.connection.receive(&buffer[..count]),
                ended => {
                    if ended.is_err() {
                        ends.connection.opening_timed_out();
                        // It also wakes the writer if the peer does not read.
                        let _ = stream.shutdown(Shutdown::Both);
                    }
                    ends.connection.receive_eof();
                    ends.read_all = true;
                }
            }
            drain(&mut ends.connection, &mut answer);
            self.changed.notify_one();
            if ends.read_all {
                return;
            }
        }
    }

    fn write(&self) {
        let mut stream = self.stream;
        let mut chunk = Vec::with_capacity(CHUNK);
        loop {
            let idle = |ends: &mut Ends| {
                let over = ends.connection.wants_shutdown() || ends.read_all;
                ends.connection.transmit().is_empty() && !over
            };
            let waited = self.changed.wait_while(self.lock(), idle);
            let ends = waited.unwrap_or_else(PoisonError::into_inner);
            let waiting = ends.connection.transmit();
            if waiting.is_empty() {
                // The reader takes what is still under way; a stream closed with unread bytes would be reset, and with it
                // the close frame lost.
                let _ = stream.shutdown(Shutdown::Write);
                return;
            }
            chunk.clear();
            chunk.extend_from_slice(&waiting[..waiting.len().min(CHUNK)]);
            drop(ends);
            if stream.write_all(&chunk).is_err() {
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
            self.lock().connection.sent(chunk.len()).expect("the bytes were lent");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes all events and sends what they call for.
fn drain(connection: &mut Connection, answer: &mut impl FnMut(Event<'_>) -> Option<Message>) {
    while let Some(event) = connection.poll() {
        if let Event::Request(_) = event {
            connection.accept().expect("a request was given");
            continue;
        }
        // A connection that is closing takes no more, and its peer expects none.
        let _ = match answer(event) {
            Some(Message::Text(text)) => connection.send_text(&text),
            Some(Message::Binary(bytes)) => connection.send_binary(&bytes),
            None => continue,
        };
    }
}
