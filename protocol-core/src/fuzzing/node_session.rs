use std::fmt::Write as _;

use arbitrary::{Arbitrary, Unstructured};

use super::script::Script;
use super::{SECRET, assert_hides_the_secret, quotes_the_secret};
use crate::secret::{Credentials, Secret};
use crate::websocket::CloseCode;
use stage::{Habits, Stage};

mod stage;

/// A node between an application and a gateway, both of which do what the input says, in any order, right or wrong.
///
/// | Bytes | Meaning |
/// | --- | --- |
/// | 0 | bit 0: small limits; bit 1: the host answers at once what it is asked; bit 2: all that is written is carried at once; bit 3: the gateway refuses; bit 4: the journal is slow; bit 5: with bit 2, run again with all bytes in single pieces, and compare; bit 6: the token goes into the query; bit 7: run again and compare |
/// | 1 | the timing |
/// | 2.. | steps, see `Step`: one byte for the kind, then what it needs |
pub fn node_session(input: &[u8]) {
    session(input, false);
}

/// The same in the openclaw dialect, whose gateway asks who the node is and cancels where the other acknowledges. Bit 3: it lets nobody
/// in.
pub fn openclaw_node_session(input: &[u8]) {
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
        answers_at_once: flags & 2 != 0,
        carries_at_once: flags & 4 != 0,
        refuses: flags & 8 != 0,
        slow_journal: flags & 16 != 0,
        token_in_query: flags & 64 != 0,
        single_bytes: false,
        timing: script.number(),
    };
    let steps: Vec<Step<'_>> = script.steps(200);
    let first = run(habits, &steps);
    // Between two bytes a node may write what it no longer can once a close frame is read with them. What waits for the socket then
    // decides when the connection is over, unless all that is written is carried at once.
    if flags & 32 != 0 && habits.carries_at_once {
        let single = run(Habits { single_bytes: true, ..habits }, &steps);
        assert_eq!(single.actions, first.actions, "single bytes give other actions");
    }
    if flags & 128 != 0 {
        assert_eq!(run(habits, &steps), first, "the same inputs give another run");
    }
}

/// What happened: what the node wanted, and what the gateway heard.
#[derive(Debug, PartialEq, Eq)]
struct Transcript {
    actions: String,
    heard: String,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Start,
    Credential {
        usable: bool,
    },
    Connected,
    ConnectFailed,
    /// Bytes that no WebSocket layer has made.
    RawBytes(&'a [u8]),
    GatewaySays(&'a str),
    GatewayRequests {
        id: u8,
        what: u8,
    },
    GatewayAcknowledges {
        id: u8,
    },
    GatewayPings,
    GatewayCloses,
    CarryToGateway {
        most: u8,
    },
    CarryToNode {
        most: u8,
    },
    Wait {
        millis: u16,
    },
    ServeDeadline,
    Admitted {
        work: u8,
    },
    NotAdmitted {
        work: u8,
    },
    Progress {
        work: u8,
        what: u8,
    },
    Answer {
        work: u8,
        what: u8,
    },
    Recorded {
        work: u8,
    },
    Cancel {
        work: u8,
    },
    Custom(&'a str),
    Stop {
        millis: u16,
    },
    Eof,
    Disconnected,
    SentTooMuch,
}

impl<'a> Arbitrary<'a> for Step<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match bytes.number() % 25 {
            0 => Self::Start,
            1 => Self::Credential { usable: bytes.number() != 0xff },
            2 => Self::Connected,
            3 => Self::ConnectFailed,
            4 => Self::RawBytes(bytes.blob()),
            5 => Self::GatewaySays(bytes.text()),
            6 => Self::GatewayRequests { id: bytes.number(), what: bytes.number() },
            7 => Self::GatewayAcknowledges { id: bytes.number() },
            8 => Self::GatewayPings,
            9 => Self::GatewayCloses,
            10 => Self::CarryToGateway { most: bytes.number() },
            11 => Self::CarryToNode { most: bytes.number() },
            12 => Self::Wait { millis: bytes.arbitrary()? },
            13 => Self::ServeDeadline,
            14 => Self::Admitted { work: bytes.number() },
            15 => Self::NotAdmitted { work: bytes.number() },
            16 => Self::Progress { work: bytes.number(), what: bytes.number() },
            17 => Self::Answer { work: bytes.number(), what: bytes.number() },
            18 => Self::Recorded { work: bytes.number() },
            19 => Self::Cancel { work: bytes.number() },
            20 => Self::Custom(bytes.text()),
            21 => Self::Stop { millis: bytes.arbitrary()? },
            22 => Self::Eof,
            23 => Self::Disconnected,
            _ => Self::SentTooMuch,
        })
    }
}

fn run(habits: Habits, steps: &[Step<'_>]) -> Transcript {
    use crate::node::Input;
    let mut stage = Stage::new(habits);
    for step in steps {
        match *step {
            Step::Start => stage.give(Input::Start),
            Step::Credential { usable } => {
                let token = if usable { Secret::new(SECRET) } else { Secret::new("\u{7}") };
                stage.give(Input::Credentials(Credentials::token(token)));
                stage.sign();
            }
            Step::Connected => stage.connected(),
            Step::ConnectFailed => stage.give(Input::ConnectFailed("no route")),
            Step::RawBytes(bytes) => {
                stage.honest = false;
                stage.received(bytes);
            }
            Step::GatewaySays(text) => {
                stage.honest = false;
                stage.gateway_says(text);
            }
            Step::GatewayRequests { id, what } => stage.gateway_requests(id, what),
            Step::GatewayAcknowledges { id } => stage.gateway_acknowledges(id),
            Step::GatewayPings => stage.gateway_does(|gateway| gateway.ping(b"?")),
            Step::GatewayCloses => {
                stage.gateway_does(|gateway| gateway.close(CloseCode::SERVICE_RESTART, "bye"));
            }
            Step::CarryToGateway { most } => stage.carry_to_gateway(usize::from(most) + 1),
            Step::CarryToNode { most } => stage.carry_to_node(usize::from(most) + 1),
            Step::Wait { millis } => stage.wait(millis),
            Step::ServeDeadline => stage.serve_deadline(),
            Step::Admitted { work } => stage.give_about(work, Input::Admitted),
            Step::NotAdmitted { work } => {
                stage.give_about(work, |id| Input::NotAdmitted(id, "no room"));
            }
            Step::Progress { work, what } => stage.progress(work, what),
            Step::Answer { work, what } => stage.answer(work, what),
            Step::Recorded { work } => stage.give_about(work, Input::Recorded),
            Step::Cancel { work } => stage.give_about(work, |id| Input::Cancel(id, "not wanted")),
            Step::Custom(text) => stage.give(Input::Custom(text)),
            Step::Stop { millis } => {
                stage.give(Input::Stop(std::time::Duration::from_millis(millis.into())));
            }
            Step::Eof => stage.give(Input::ReceivedEof),
            Step::Disconnected => {
                stage.lose_gateway();
                stage.give(Input::Disconnected("reset"));
            }
            Step::SentTooMuch => stage.sent_too_much(),
        }
        stage.carry_if_it_is_a_habit();
    }
    stage.end()
}

impl Transcript {
    fn new() -> Self {
        Self { actions: String::new(), heard: String::new() }
    }

    fn action(&mut self, action: &crate::node::Action) {
        let shown = format!("{action:?}");
        assert_hides_the_secret(&shown);
        writeln!(self.actions, "{shown}").expect("strings take text");
    }

    fn heard(&mut self, said: &str) {
        writeln!(self.heard, "{said}").expect("strings take text");
    }
}
