use super::assert_hides_the_secret;
use crate::websocket::{Connection, Event, Limits, Role};

/// How bytes arrive.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pieces {
    Whole,
    /// Pieces of these lengths, one after the other and then over again; never none.
    Of([u8; 3]),
    Single,
}

impl Pieces {
    pub(super) fn cut(self, mut bytes: &[u8]) -> Vec<&[u8]> {
        let lengths = match self {
            Self::Whole => return vec![bytes],
            Self::Of(lengths) => lengths.map(|length| usize::from(length) + 1),
            Self::Single => [1; 3],
        };
        let mut pieces = Vec::new();
        for length in lengths.into_iter().cycle() {
            if bytes.is_empty() {
                break;
            }
            let (piece, rest) = bytes.split_at(length.min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}

/// What the server makes of a valid request, and how the stream ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) accepts: bool,
    pub(super) ending: Ending,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    Open,
    Eof,
    OpeningTimesOut,
}

/// All that can be seen of a connection from outside.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) events: Vec<String>,
    pub(super) sent: Vec<u8>,
    is_open: bool,
    is_finished: bool,
    wants_shutdown: bool,
}

/// Feeds a connection and checks what must hold for every peer.
pub(super) fn play(
    mut connection: Connection,
    limits: Limits,
    pieces: &[&[u8]],
    manner: Manner,
) -> Seen {
    let mut listener = Listener { limits, manner, given: 0, events: Vec::new(), over: false };
    listener.listen(&mut connection);
    for piece in pieces {
        connection.receive(piece);
        listener.given += piece.len();
        listener.listen(&mut connection);
    }
    match manner.ending {
        Ending::Open => {}
        Ending::Eof => connection.receive_eof(),
        Ending::OpeningTimesOut => connection.opening_timed_out(),
    }
    listener.listen(&mut connection);
    assert_hides_the_secret(&format!("{connection:?}"));
    if let Ending::Eof = manner.ending {
        assert!(connection.is_finished() && connection.wants_shutdown(), "the end was overheard");
    }
    let sent = connection.transmit().to_vec();
    if connection.is_finished() {
        // What still comes is discarded.
        connection.receive(b"\x89\0HTTP/1.1 200 OK\r\n\r\n");
        assert!(connection.poll().is_none());
        assert_eq!(connection.transmit(), sent);
        assert!(!connection.is_open());
    }
    let seen = Seen {
        events: listener.events,
        is_open: connection.is_open(),
        is_finished: connection.is_finished(),
        wants_shutdown: connection.wants_shutdown(),
        sent,
    };
    connection.sent(seen.sent.len()).expect("it was lent");
    connection.sent(1 + connection.transmit().len()).expect_err("more than was lent");
    seen
}

struct Listener {
    limits: Limits,
    manner: Manner,
    given: usize,
    events: Vec<String>,
    over: bool,
}

impl Listener {
    fn listen(&mut self, connection: &mut Connection) {
        while let Some(event) = connection.poll() {
            assert!(!self.over, "{event:?} after the last event");
            let is_request = matches!(event, Event::Request(_));
            self.check(&event);
            self.events.push(format!("{event:?}"));
            assert_eq!(connection.is_finished(), self.over, "after {:?}", self.events.last());
            if is_request && self.manner.accepts {
                connection.accept().expect("a request waits");
            } else if is_request {
                connection
                    .reject(503, &[("Retry-After", "7")], "later")
                    .expect("a request waits and the answer is valid");
            }
        }
        // Memory follows the bytes given, not the peer's word, and what is sent by itself has a bound of its own.
        let answers = 1024 + 131 * (self.limits.max_pending_pongs + 2);
        let held = connection.memory();
        assert!(
            held <= 4 * self.given + 2 * answers,
            "{held} bytes held after {} given",
            self.given
        );
    }

    fn check(&mut self, event: &Event<'_>) {
        let limits = &self.limits;
        match event {
            Event::Request(request) => {
                assert!(request.path().starts_with('/'));
                assert_hides_the_secret(&format!("{request:?}"));
            }
            Event::Refused(refusal) => {
                self.over = true;
                assert!(refusal.body().len() <= limits.max_refusal_body);
                assert!(!matches!(refusal.status(), ..200 | 1000..));
                assert_hides_the_secret(&format!("{refusal:?} {refusal}"));
            }
            Event::Text(text) => assert!(text.len() <= limits.max_message),
            Event::Binary(bytes) => assert!(bytes.len() <= limits.max_message),
            Event::Ping(payload) | Event::Pong(payload) => assert!(payload.len() <= 125),
            Event::Closed(closed) => {
                self.over = true;
                let said = closed.to_string();
                assert!(!said.contains(char::is_control) && said.len() < 1200, "{said:?}");
            }
            Event::Open => {}
        }
    }
}

/// However the bytes are cut, the same is seen.
pub(super) fn assert_cutting_changes_nothing(
    make: impl Fn() -> Connection,
    limits: Limits,
    bytes: &[u8],
    lengths: [u8; 3],
    manner: Manner,
) -> Seen {
    let whole = play(make(), limits, &Pieces::Whole.cut(bytes), manner);
    for pieces in [Pieces::Of(lengths), Pieces::Single] {
        let cut = play(make(), limits, &pieces.cut(bytes), manner);
        assert_eq!(cut, whole, "cut as {pieces:?}");
    }
    whole
}

/// The two roles, and limits that short inputs reach.
pub(super) const ROLES: [Role; 2] = [Role::Client, Role::Server];

pub(super) fn small_limits() -> Limits {
    Limits {
        max_message: 300,
        max_head: 700,
        max_refusal_body: 40,
        max_interim_answers: 2,
        max_pending_pongs: 3,
    }
}
