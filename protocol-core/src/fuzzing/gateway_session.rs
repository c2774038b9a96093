use arbitrary::{Arbitrary, Unstructured};

use super::quotes_the_secret;
use super::script::Script;
use crate::peer::{Decision, Input};
use crate::websocket::CloseCode;
use stage::{Habits, Stage};

mod stage;

/// A gateway's side of one connection, between an application and a node, both of which do what the input says, in any order,
/// right or wrong.
///
/// | Bytes | Meaning |
/// | --- | --- |
/// | 0 | bit 0: small limits; bit 1: a node is let in at once; bit 2: all that is written is carried at once; bit 3: somebody else has upgraded the stream; bit 4: short times; bit 5: run again with all bytes in single pieces, and compare; bit 7: run again and compare |
/// | 1.. | steps, see `Step`: one byte for the kind, then what it needs |
pub fn gateway_session(input: &[u8]) {
    session(input, false);
}

/// The same in the openclaw dialect, in which steps that one dialect has no words for are those of the other: an acknowledgement is
/// one of a cancellation, an approval, and the end.
pub fn openclaw_gateway_session(input: &[u8]) {
    session(input, true);
}

fn session(input: &[u8], openclaw: bool) {
    if quotes_the_secret(input) {
        return;
    }
    let mut script = Unstructured::new(input);
    let flags = script.number();
    let habits = Habits {
        openclaw,
        small_limits: flags & 1 != 0,
        admits_at_once: flags & 2 != 0,
        carries_at_once: flags & 4 != 0,
        upgraded: flags & 8 != 0,
        short_times: flags & 16 != 0,
        single_bytes: false,
    };
    let steps: Vec<Step<'_>> = script.steps(200);
    let first = run(habits, &steps);
    if flags & 32 != 0 {
        let single = run(Habits { single_bytes: true, ..habits }, &steps);
        assert_eq!(single, first, "single bytes give other actions");
    }
    if flags & 128 != 0 {
        assert_eq!(run(habits, &steps), first, "the same inputs give another run");
    }
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    /// Bytes that no WebSocket layer has made.
    RawBytes(&'a [u8]),
    NodeSays(&'a str),
    /// A message a node might send, about one of a few requests.
    NodeSpeaks {
        what: u8,
        id: u8,
    },
    NodePings,
    NodeCloses,
    CarryToNode {
        most: u8,
    },
    CarryToGateway {
        most: u8,
    },
    Wait {
        millis: u16,
    },
    ServeDeadline,
    Accept,
    Reject {
        status: u8,
    },
    Request {
        what: u8,
        id: u8,
    },
    Acknowledge {
        id: u8,
    },
    Custom(&'a str),
    Close,
    Eof,
    Disconnected,
    SentTooMuch,
}

impl<'a> Arbitrary<'a> for Step<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match bytes.number() % 18 {
            0 => Self::RawBytes(bytes.blob()),
            1 => Self::NodeSays(bytes.text()),
            2 => Self::NodeSpeaks { what: bytes.number(), id: bytes.number() },
            3 => Self::NodePings,
            4 => Self::NodeCloses,
            5 => Self::CarryToNode { most: bytes.number() },
            6 => Self::CarryToGateway { most: bytes.number() },
            7 => Self::Wait { millis: bytes.arbitrary()? },
            8 => Self::ServeDeadline,
            9 => Self::Accept,
            10 => Self::Reject { status: bytes.number() },
            11 => Self::Request { what: bytes.number(), id: bytes.number() },
            12 => Self::Acknowledge { id: bytes.number() },
            13 => Self::Custom(bytes.text()),
            14 => Self::Close,
            15 => Self::Eof,
            16 => Self::Disconnected,
            _ => Self::SentTooMuch,
        })
    }
}

/// What the peer wanted, in order.
fn run(habits: Habits, steps: &[Step<'_>]) -> String {
    let mut stage = Stage::new(habits);
    for step in steps {
        match *step {
            Step::RawBytes(bytes) => stage.received(bytes),
            Step::NodeSays(text) => stage.node_does(|node| node.send_text(text)),
            Step::NodeSpeaks { what, id } => stage.node_speaks(what, id),
            Step::NodePings => stage.node_does(|node| node.ping(b"?")),
            Step::NodeCloses => stage.node_does(|node| node.close(CloseCode::NORMAL, "bye")),
            Step::CarryToNode { most } => stage.carry_to_node(usize::from(most) + 1),
            Step::CarryToGateway { most } => stage.carry_to_gateway(usize::from(most) + 1),
            Step::Wait { millis } => stage.wait(millis),
            Step::ServeDeadline => stage.serve_deadline(),
            Step::Accept => stage.accept(),
            Step::Reject { status } => {
                stage.give(Input::Authorize(Decision::Reject {
                    status: 300 + 2 * u16::from(status),
                    message: "no",
                    retry_after: (status & 1 != 0).then_some(7),
                }));
                stage.refuse(status);
            }
            Step::Request { what, id } => stage.request(what, id),
            Step::Acknowledge { id } => stage.acknowledge(id),
            Step::Custom(text) => stage.give(Input::Custom(text)),
            Step::Close => stage.give(Input::Close(CloseCode::GOING_AWAY, "the end")),
            Step::Eof => stage.give(Input::ReceivedEof),
            Step::Disconnected => stage.give(Input::Disconnected),
            Step::SentTooMuch => stage.sent_too_much(),
        }
        stage.carry_if_it_is_a_habit();
    }
    stage.end()
}
