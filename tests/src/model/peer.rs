use std::collections::VecDeque;
use std::fmt;

use super::node::{Name, Seen, Variant};

/// Something that happens to a gateway's side of a connection. As text it is a line of a test on a
/// [`PeerPlay`](super::PeerPlay).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the methods of PeerPlay say what each is")]
pub enum PeerStep {
    Connect,
    Nonsense,
    Accept,
    Reject(u16),
    Register,
    Ack(Name),
    Update(Name, u8),
    Answer(Name, u8),
    Fail(Name, u8),
    Heartbeat,
    Error,
    Weather,
    Garble,
    Request(Name, u8),
    Acknowledge(Name),
    Custom,
    Reserved,
    Hold,
    Release,
    Close,
    Leave,
    Cut,
    Goodbye,
    Die,
    Pause,
}

impl fmt::Display for PeerStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reject(status) => write!(f, "play.reject({status});"),
            Self::Ack(name) => write!(f, "play.ack({name:?});"),
            Self::Update(name, value) => write!(f, "play.update({name:?}, {value});"),
            Self::Answer(name, value) => write!(f, "play.answer({name:?}, {value});"),
            Self::Fail(name, value) => write!(f, "play.fail({name:?}, {value});"),
            Self::Request(name, value) => write!(f, "play.request({name:?}, {value});"),
            Self::Acknowledge(name) => write!(f, "play.acknowledge({name:?});"),
            other => write!(f, "play.{}();", format!("{other:?}").to_lowercase()),
        }
    }
}

/// What a gateway's side of a connection promises.
#[derive(Debug, Clone)]
pub struct PeerModel {
    variant: Variant,
    life: Life,
    /// The gateway has begun to close.
    closing: bool,
    held: bool,
    /// Pauses of six seconds since the deadline of this part of its life was set.
    pauses: u8,
    /// Written and not yet heard.
    flight: VecDeque<String>,
    /// Replies to faults that wait for room.
    replies: usize,
    faults: u8,
    seen: Seen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Opening,
    Authorizing,
    Registering,
    Ready,
    Gone,
}

impl PeerModel {
    /// A byte stream on which nothing was said.
    pub fn new(variant: Variant) -> Self {
        Self {
            variant,
            life: Life::Opening,
            closing: false,
            held: false,
            pauses: 0,
            flight: VecDeque::new(),
            replies: 0,
            faults: 0,
            seen: Seen::default(),
        }
    }

    /// What was chosen before the play began.
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// Whether this can happen now, and its outcome is certain.
    pub fn allows(&self, step: PeerStep) -> bool {
        let open = matches!(self.life, Life::Registering | Life::Ready);
        match step {
            PeerStep::Connect | PeerStep::Nonsense => self.life == Life::Opening,
            PeerStep::Register
            | PeerStep::Ack(_)
            | PeerStep::Update(..)
            | PeerStep::Answer(..)
            | PeerStep::Fail(..)
            | PeerStep::Heartbeat
            | PeerStep::Error
            | PeerStep::Weather
            // Replies to more faults than these wait for time to pass.
            | PeerStep::Garble => open && self.faults < 10,
            PeerStep::Hold => open && !self.held,
            PeerStep::Release => self.held,
            PeerStep::Goodbye => open && !self.held,
            PeerStep::Leave => self.life != Life::Gone && !self.held,
            PeerStep::Die => open && !self.held && !self.closing,
            PeerStep::Cut => self.life != Life::Gone,
            PeerStep::Pause => !self.held,
            // The application may try anything at any time.
            _ => true,
        }
    }

    /// What must be seen of the last step.
    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Does one step.
    pub fn step(&mut self, step: PeerStep) {
        self.seen = Seen { taken: true, ..Seen::default() };
        match step {
            PeerStep::Connect => {
                self.life = Life::Authorizing;
                self.act("authorize");
            }
            PeerStep::Nonsense => self.end("no handshake"),
            PeerStep::Accept if self.life == Life::Authorizing => {
                (self.life, self.pauses) = (Life::Registering, 0);
                self.seen.heard.push("accepted".to_owned());
            }
            PeerStep::Reject(status) if self.life == Life::Authorizing => {
                self.seen.heard.push(format!("rejected {status}"));
                self.end(&format!("rejected {status}"));
            }
            PeerStep::Accept | PeerStep::Reject(_) => self.seen.taken = false,
            PeerStep::Register => {
                (self.life, self.pauses) = (Life::Ready, 0);
                self.act("registered");
            }
            PeerStep::Ack(name) => self.told(format!("accepted {name}")),
            PeerStep::Update(name, value) => self.told(format!("progress {name} {value}")),
            PeerStep::Answer(name, value) => self.told(format!("answered {name} {value}")),
            PeerStep::Fail(name, value) => self.told(format!("failed {name} {value}")),
            PeerStep::Heartbeat => self.told("alive".to_owned()),
            PeerStep::Weather => self.told("custom".to_owned()),
            PeerStep::Error => self.act("error"),
            PeerStep::Garble => self.fault(),
            PeerStep::Request(name, value) => self.say(format!("request {name} {value}")),
            PeerStep::Acknowledge(name) => self.say(format!("acknowledge {name}")),
            PeerStep::Custom => self.say("custom".to_owned()),
            PeerStep::Reserved => self.seen.taken = false,
            PeerStep::Hold => self.held = true,
            PeerStep::Release => self.held = false,
            PeerStep::Close => {
                self.seen.taken =
                    matches!(self.life, Life::Registering | Life::Ready) && !self.closing;
                self.closing |= self.seen.taken;
            }
            PeerStep::Leave => self.end(match self.life {
                Life::Opening | Life::Authorizing => "no handshake",
                _ => "left",
            }),
            PeerStep::Cut => self.end("broken"),
            PeerStep::Goodbye => self.end("by the node"),
            PeerStep::Die if self.life == Life::Registering => self.end("Register"),
            PeerStep::Die => self.end("Liveness"),
            PeerStep::Pause => self.pause(),
        }
        self.go_on();
    }

    /// The node says something that only a registered node may say.
    fn told(&mut self, what: String) {
        match self.life {
            Life::Ready => self.act(&what),
            _ => self.fault(),
        }
    }

    fn fault(&mut self) {
        self.act("faulty");
        self.faults += 1;
        self.replies += usize::from(!self.closing);
    }

    /// The application wants something sent.
    fn say(&mut self, what: String) {
        let room = !self.variant.small || self.flight.is_empty();
        self.seen.taken = self.life == Life::Ready && !self.closing && room;
        if self.seen.taken {
            self.flight.push_back(what);
        }
    }

    fn pause(&mut self) {
        self.pauses += 1;
        if self.pauses == 3 {
            match self.life {
                Life::Opening | Life::Authorizing => self.end("Open"),
                Life::Registering => self.end("Register"),
                Life::Ready | Life::Gone => {}
            }
        }
    }

    fn go_on(&mut self) {
        loop {
            // Replies wait for room like everything else.
            let room = !self.variant.small || self.flight.is_empty();
            if self.replies > 0 && room && !self.closing {
                self.replies -= 1;
                self.flight.push_back("error".to_owned());
            } else if self.held {
                return;
            } else if let Some(word) = self.flight.pop_front() {
                self.seen.heard.push(word);
            } else {
                break;
            }
        }
        if self.closing && self.life != Life::Gone {
            self.end("by the gateway");
        }
    }

    fn end(&mut self, why: &str) {
        self.act(&format!("closed: {why}"));
        (self.life, self.held, self.replies) = (Life::Gone, false, 0);
        self.flight.clear();
    }

    fn act(&mut self, what: &str) {
        self.seen.actions.push(what.to_owned());
    }
}
