//! Whatever a gateway floods a node with, the node uses no more memory than its limits say it may.
//!
//! Each flood below fills one thing to the brim and keeps pouring, where it can more than the whole bound. After every step the bytes the node has ever held at once, by the
//! count of the allocator, must be within [`Limits::memory_bound`]. The last one fills everything it can at the same time, which also
//! shows that the bound is not a number out of the air: see the shares it prints with `--nocapture`.

#![expect(clippy::print_stdout, reason = "the shares are for people")]

use std::fmt::Write as _;
use std::time::Duration;

use allocation_counter::measure;
use clawnode_protocol::dialect::nodetool;
use clawnode_protocol::node::{Action, Config, Endpoint, Input, Limits, Misuse, Phase};
use clawnode_protocol::websocket::{self, Connection, Event};
use clawnode_protocol::{Node, Now, Outcome, Timestamp, Update, WorkId};
use serde_json::value::RawValue;

const NOW: Now = Now::new(Duration::ZERO, Timestamp::from_micros(0));

/// What a socket gives at once.
const READ: usize = 16 << 10;

/// The longest request id and command name.
const NAME: usize = 1024;

/// What the application does with work.
#[derive(Clone, Copy)]
enum Work {
    /// It goes on for ever.
    Goes,
    /// So many updates of so many bytes come first; then it fails with a text of so many bytes.
    Ends { updates: usize, update_bytes: usize, bytes: usize },
}

const ENDS: Work = Work::Ends { updates: 0, update_bytes: 2, bytes: 2 };

/// A node whose memory is counted, and what its gateway does to it.
struct Flood {
    node: Node,
    bound: usize,
    live: i64,
    peak: i64,
    work: Work,
    running: Vec<WorkId>,
    text: String,
    frame: Vec<u8>,
}

impl Flood {
    /// A node that has not begun.
    fn new(limits: &Limits) -> Self {
        let mut node = None;
        let made = measure(|| {
            let mut config =
                Config::new(Endpoint::new("gateway.test", "/"), nodetool::Config::new("node"));
            config.limits = limits.clone();
            node = Some(Node::new(config, [7; 32]));
        });
        Self {
            node: node.expect("it was made"),
            bound: limits.memory_bound(),
            live: made.bytes_current + size_of::<Node>() as i64,
            peak: 0,
            work: ENDS,
            running: Vec::with_capacity(1 << 20),
            text: String::with_capacity(64 << 20),
            frame: Vec::with_capacity(64 << 20),
        }
    }

    fn ready(limits: &Limits) -> Self {
        let mut flood = Self::new(limits);
        flood.input(Input::Start);
        flood.open();
        flood
    }

    /// Answers the upgrade and reads the registration.
    fn open(&mut self) {
        let mut gateway = Connection::server(websocket::Limits::default());
        gateway.receive(self.node.transmit());
        assert!(matches!(gateway.poll(), Some(Event::Request(_))));
        gateway.accept().unwrap();
        self.read();
        self.input(Input::Received(gateway.transmit()));
        self.read();
        assert_eq!(self.node.phase(), Phase::Ready);
    }

    /// One input and all that it calls for. Only what the node does is counted, and the values handed to it.
    fn input(&mut self, input: Input<'_>) {
        self.step(|node, work, running| {
            node.handle(NOW, input).unwrap();
            drain(node, work, running);
        });
    }

    fn step(&mut self, act: impl FnOnce(&mut Node, Work, &mut Vec<WorkId>)) {
        let counted = measure(|| act(&mut self.node, self.work, &mut self.running));
        self.peak = self.peak.max(self.live + i64::try_from(counted.bytes_max).unwrap());
        self.live += counted.bytes_current;
        assert!(
            self.peak <= self.bound as i64,
            "{} bytes, and the bound is {}",
            self.peak,
            self.bound
        );
    }

    /// The gateway reads all that waits.
    fn read(&mut self) {
        while !self.node.transmit().is_empty() {
            let count = self.node.transmit().len();
            self.input(Input::Sent(count));
        }
    }

    /// The gateway sends bytes as they are.
    fn receive(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(READ) {
            if self.node.handle(NOW, Input::Received(b"")) == Err(Misuse::WrongState) {
                return;
            }
            self.input(Input::Received(piece));
        }
    }

    fn frame(&mut self, first: u8, payload: impl FnOnce(&mut String)) {
        let (mut frame, mut text) =
            (std::mem::take(&mut self.frame), std::mem::take(&mut self.text));
        text.clear();
        payload(&mut text);
        frame.clear();
        frame.extend([first, 127]);
        match text.len() {
            length @ ..126 => frame[1] = length as u8,
            length @ 126..0x1_0000 => {
                frame[1] = 126;
                frame.extend((length as u16).to_be_bytes());
            }
            length => frame.extend((length as u64).to_be_bytes()),
        }
        frame.extend(text.as_bytes());
        self.receive(&frame);
        (self.frame, self.text) = (frame, text);
    }

    fn says(&mut self, text: impl FnOnce(&mut String)) {
        self.frame(0x81, text);
    }

    /// A request with the longest id and the longest name of a command, and arguments of `args` bytes.
    fn requests(&mut self, number: usize, letter: &str, args: usize) {
        self.says(|text| {
            text.push_str(r#"{"type":"command_request","request_id":""#);
            id(text, number, letter);
            text.push_str(r#"","command":""#);
            (0..NAME).for_each(|_| text.push_str(letter));
            text.push_str(r#"","args":{"a":""#);
            (8..args).for_each(|_| text.push('x'));
            text.push_str(r#""}}"#);
        });
    }

    fn acknowledges(&mut self, number: usize) {
        self.says(|text| {
            text.push_str(r#"{"type":"ack","request_id":""#);
            id(text, number, "x");
            text.push_str(r#""}"#);
        });
    }

    /// The connection is lost; work goes on.
    fn disconnect(&mut self) {
        self.input(Input::Disconnected("gone"));
    }

    /// What runs ends, as told, and with it what waited starts and ends.
    fn work_ends(&mut self, work: Work) {
        self.work = work;
        while let Some(id) = self.running.pop() {
            self.step(|node, work, running| {
                perform(node, id, work);
                drain(node, work, running);
            });
        }
    }

    fn share(&self, name: &str, limits: &str) -> f64 {
        let share = self.peak as f64 / self.bound as f64;
        println!(
            "{limits:>8} {name:<52} {:>12} of {:>12} bytes: {share:.3}",
            self.peak, self.bound
        );
        share
    }
}

/// `NAME` bytes that begin with a number; each letter may be an escape.
fn id(text: &mut String, number: usize, letter: &str) {
    write!(text, "{number:08}").unwrap();
    (8..NAME).for_each(|_| text.push_str(letter));
}

fn drain(node: &mut Node, work: Work, running: &mut Vec<WorkId>) {
    while let Some(action) = node.poll_action() {
        match action {
            Action::Authenticate => node
                .handle(NOW, Input::Credentials(clawnode_protocol::Credentials::none()))
                .unwrap(),
            Action::Connect => node.handle(NOW, Input::Connected).unwrap(),
            Action::Admit(work) => node.handle(NOW, Input::Admitted(work.id)).unwrap(),
            Action::Record(answer) => node.handle(NOW, Input::Recorded(answer.work)).unwrap(),
            Action::Start(started) => {
                let id = started.id;
                drop(started);
                match work {
                    Work::Goes => running.push(id),
                    Work::Ends { .. } => perform(node, id, work),
                }
            }
            _ => {}
        }
    }
}

/// Does what running work does until its end.
fn perform(node: &mut Node, id: WorkId, work: Work) {
    let Work::Ends { updates, update_bytes, bytes } = work else { return };
    for _ in 0..updates {
        node.handle(NOW, Input::Progress(id, Update::new("", json(update_bytes)))).unwrap();
    }
    let text = String::from_utf8(vec![b'x'; bytes]).unwrap();
    node.handle(NOW, Input::Answer(id, Outcome::failed(text))).unwrap();
}

/// An object of `bytes` bytes, at least two.
fn json(bytes: usize) -> Box<RawValue> {
    let mut text = String::with_capacity(bytes);
    text.push('{');
    (2..bytes).for_each(|_| text.push(' '));
    text.push('}');
    RawValue::from_string(text).unwrap()
}

const BACKSLASH: &str = "\\u0001";

/// So many bytes that a node which kept them all would be over its bound.
fn more_than(limits: &Limits) -> usize {
    limits.memory_bound() / 4 * 5
}

/// A way to make a node hold much.
type Way = fn(&Limits) -> Flood;

/// One after another.
const FLOODS: [(&str, Way); 14] = [
    ("messages of the largest size", |limits| {
        let mut flood = Flood::ready(limits);
        let most = limits.websocket.max_message;
        let fill = |text: &mut String, start: &str, letter: &str, end: &str| {
            text.push_str(start);
            while text.len() + letter.len() + end.len() <= most {
                text.push_str(letter);
            }
            text.push_str(end);
        };
        flood.says(|text| fill(text, r#"{"type":"weather","a":""#, "x", r#""}"#));
        flood.says(|text| fill(text, r#"{"type":""#, BACKSLASH, r#""}"#));
        flood.says(|text| fill(text, r#"{"type":"x"#, "\\n", r#""}"#));
        flood.says(|text| {
            fill(text, r#"{"type":"error","error":""#, BACKSLASH, r#"","details":[]}"#)
        });
        flood.says(|text| fill(text, r#"{"type":"error","error":"#, "[", ""));
        flood.says(|text| fill(text, r#"{"type":"ack","request_id":""#, "\\n", r#""}"#));
        flood.says(|text| {
            fill(text, r#"{"type":"command_request","request_id":""#, BACKSLASH, r#""}"#)
        });
        flood.says(|text| {
            fill(
                text,
                r#"{"type":"command_request","request_id":"a","args":{},"command":""#,
                "\\n",
                r#""}"#,
            )
        });
        flood.says(|text| {
            fill(
                text,
                r#"{"type":"command_request","request_id":"b","command":"x","args":{"user_id":""#,
                "\\n",
                r#""}}"#,
            )
        });
        flood.says(|text| {
            fill(
                text,
                r#"{"type":"workflow_request","request_id":"c","user_id":""#,
                BACKSLASH,
                r#"","workflow_id":"w"}"#,
            )
        });
        flood.says(|text| {
            fill(
                text,
                r#"{"type":"workflow_request","request_id":"d","workflow_id":""#,
                "\\n",
                r#""}"#,
            )
        });
        flood.says(|text| {
            fill(
                text,
                r#"{"type":"workflow_request","request_id":"e","graph":{"a":""#,
                "x",
                r#""}}"#,
            )
        });
        flood
    }),
    ("one message in fragments, with pings between", |limits| {
        let mut flood = Flood::ready(limits);
        for round in 0..3 {
            let mut left = limits.websocket.max_message;
            let mut first = 0x01;
            while left > 0 {
                let part = left.min([1_000, 70_000, usize::MAX][round]);
                left -= part;
                flood.frame(if left == 0 { first | 0x80 } else { first }, |text| {
                    (0..part).for_each(|_| text.push('x'));
                });
                flood.frame(0x89, |text| text.push_str("alive?"));
                first = 0;
            }
            flood.read();
        }
        flood
    }),
    ("tiny requests with the longest ids", |limits| {
        let mut flood = Flood::ready(limits);
        flood.work = Work::Goes;
        for number in 0..(limits.owed * 3).max(1_000) {
            flood.requests(number, BACKSLASH, 8);
        }
        flood
    }),
    ("large requests that wait", |limits| {
        let mut flood = Flood::ready(limits);
        flood.work = Work::Goes;
        for number in 0..limits.running {
            flood.requests(number, "x", 8);
        }
        let large = limits.websocket.max_message / 2;
        for number in 0..more_than(limits) / large {
            flood.requests(limits.running + number, "x", large);
        }
        flood
    }),
    ("large requests that wait, when the node is stopped", |limits| {
        let mut flood = Flood::ready(limits);
        flood.work = Work::Goes;
        for number in 0..limits.owed {
            flood.requests(number, "x", limits.waiting_bytes / limits.owed);
        }
        flood.input(Input::Stop(Duration::ZERO));
        flood.input(Input::Timeout);
        flood
    }),
    ("many tiny updates to an absent connection", |limits| {
        let mut flood = Flood::ready(limits);
        flood.work = Work::Goes;
        for number in 0..limits.owed {
            flood.requests(number, "x", 8);
        }
        flood.disconnect();
        flood.work_ends(Work::Ends { updates: limits.updates * 6, update_bytes: 2, bytes: 2 });
        flood
    }),
    ("large updates to an absent connection", |limits| {
        let mut flood = Flood::ready(limits);
        flood.work = Work::Goes;
        for number in 0..limits.owed {
            flood.requests(number, "x", 8);
        }
        flood.disconnect();
        let update_bytes = more_than(limits) / limits.owed / 3;
        flood.work_ends(Work::Ends { updates: 3, update_bytes, bytes: 2 });
        flood
    }),
    ("results kept while disconnected", |limits| {
        let mut flood = Flood::ready(limits);
        flood.work = Work::Goes;
        for number in 0..limits.owed {
            flood.requests(number, "x", 8);
        }
        flood.disconnect();
        flood.work_ends(Work::Ends {
            updates: 0,
            update_bytes: 2,
            bytes: more_than(limits) / limits.owed,
        });
        flood
    }),
    ("remembered requests with the longest ids, asked again", |limits| {
        let mut flood = Flood::ready(limits);
        flood.work = Work::Ends { updates: 2, update_bytes: 2, bytes: 100 };
        let many = (limits.remembered + 100).max(1_000);
        for number in 0..many {
            flood.requests(number, "x", 8);
            flood.read();
            flood.acknowledges(number);
        }
        for number in many - limits.remembered..many {
            flood.requests(number, "x", 8);
        }
        flood
    }),
    ("answers acknowledged and never read", |limits| {
        let mut flood = Flood::ready(limits);
        for number in 0..(limits.remembered * 2).max(1_000) {
            flood.requests(number, "x", 8);
            flood.acknowledges(number);
        }
        flood
    }),
    ("faulty messages and users that may not", |limits| {
        let mut flood = Flood::ready(limits);
        for number in 0..(limits.owed * 2).max(1_000) {
            flood.says(|text| text.push('?'));
            flood.says(|text| {
                text.push_str(r#"{"type":"workflow_update","request_id":""#);
                id(text, number, BACKSLASH);
                text.push_str(r#""}"#);
            });
            flood.says(|text| {
                write!(text, r#"{{"type":"workflow_request","workflow_id":"w","request_id":"{number}","user_id":""#).unwrap();
                (0..limits.websocket.max_message.min(if number < 600 { 512 << 10 } else { 64 }) / 2).for_each(|_| text.push('x'));
                text.push_str(r#""}"#);
            });
        }
        flood
    }),
    ("pings and pongs", |limits| {
        let mut flood = Flood::ready(limits);
        for number in 0..20_000 {
            flood.frame(0x89 + (number % 2) as u8, |text| (0..125).for_each(|_| text.push('p')));
        }
        flood
    }),
    ("heads and refusals without end", |limits| {
        let mut flood = Flood::ready(limits);
        let mut attempt = |head: &str| {
            flood.disconnect_and_wait();
            flood.receive(head.as_bytes());
        };
        let most = limits.websocket.max_head;
        let headers: String =
            (0..100).map(|number| format!("h{number}: {}\r\n", "v".repeat(most / 150))).collect();
        attempt(&format!("HTTP/1.1 101 S\r\na: {}", "x".repeat(4 << 20)));
        attempt(&format!(
            "HTTP/1.1 503 {}\r\n{headers}\r\n{}",
            "r".repeat(most / 10),
            "b".repeat(4 << 20)
        ));
        attempt(&"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000));
        attempt(&format!(
            "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            "1;xxxxx\r\nb\r\n".repeat(10_000)
        ));
        flood
    }),
    ("everything at once", everything),
];

/// Fills every table and buffer that can be full together.
fn everything(limits: &Limits) -> Flood {
    let mut flood = Flood::ready(limits);
    // What is remembered.
    for number in 0..limits.remembered {
        flood.requests(number, "x", 8);
        flood.read();
        flood.acknowledges(number);
    }
    // What is owed: a part that waits to run, and the rest done while nobody hears of it, with updates and results.
    flood.work = Work::Goes;
    let done = limits.owed - limits.running - 16;
    for number in 0..done {
        flood.requests(limits.remembered + number, "x", 8);
    }
    flood.disconnect();
    // The last of them brings the largest result there is room for, while the rest is full.
    let bytes = limits.kept_bytes / done;
    let update_bytes = (limits.update_bytes / (limits.updates * done)).max(2);
    flood.work_ends(Work::Ends { updates: limits.updates, update_bytes, bytes });
    flood.input_timeout();
    flood.open();
    flood.work = Work::Goes;
    let first = limits.remembered + done;
    for number in 0..limits.running + 15 {
        let waits = number >= limits.running;
        flood.requests(first + number, "x", if waits { limits.waiting_bytes / 16 } else { 8 });
    }
    for number in 0..2 * limits.owed {
        flood.requests(first + 2 * limits.owed + number, "x", 8);
    }
    // The send buffer, with one large message after what may wait.
    while flood.node.transmit().len() < limits.transmit_bytes {
        let text = format!(r#"{{"type":"x","a":"{}"}}"#, "x".repeat(limits.transmit_bytes / 8));
        flood.input(Input::Custom(&text));
    }
    let count = flood.node.transmit().len() - limits.transmit_bytes / 2;
    flood.input(Input::Sent(count));
    let text = format!(r#"{{"type":"x","a":"{}"}}"#, "x".repeat(limits.result_bytes - 32));
    let _ = flood.node.handle(NOW, Input::Sent(0));
    flood.step(|node, _, _| {
        let _ = node.handle(NOW, Input::Custom(&text));
    });
    // And the largest messages there are, while all this is so.
    let most = limits.websocket.max_message;
    flood.frame(0x01, |text| {
        text.push_str(r#"{"type":""#);
        (9..most / 2).for_each(|_| text.push('x'));
    });
    flood.frame(0x80, |text| {
        (most / 2..most - 4).for_each(|_| text.push('x'));
        text.push_str(r#"\n"}"#);
    });
    flood
}

impl Flood {
    /// Time passes until the next attempt to connect is made.
    fn input_timeout(&mut self) {
        let (due, _) = self.node.deadline().expect("it waits to connect again");
        self.step(|node, work, running| {
            node.handle(Now::new(due, NOW.utc), Input::Timeout).unwrap();
            drain(node, work, running);
        });
    }

    /// A fresh connection, whatever became of the last one.
    fn disconnect_and_wait(&mut self) {
        match self.node.phase() {
            Phase::Waiting => {}
            Phase::Stopped => panic!("a flood should not stop the node"),
            _ => self.disconnect(),
        }
        self.input_timeout();
    }
}

/// Bounds so small that what a node needs in any case weighs more than they do.
fn small() -> Limits {
    let mut limits = Limits::default();
    limits.websocket.max_message = 32 << 10;
    limits.websocket.max_head = 2 << 10;
    limits.running = 4;
    limits.owed = 32;
    limits.waiting_bytes = 64 << 10;
    limits.result_bytes = 24 << 10;
    limits.kept_bytes = 64 << 10;
    limits.remembered = 64;
    limits.updates = 16;
    limits.update_bytes = 32 << 10;
    limits.transmit_bytes = 8 << 10;
    // There are none in this dialect.
    limits.calls = 8;
    limits
}

/// The default numbers of things, and an eighth of the default bytes, so that the floods do not take minutes; for the same reason
/// fewer requests are remembered.
fn common() -> Limits {
    let mut limits = Limits::default();
    limits.websocket.max_message = 3 << 20;
    limits.remembered = 4_000;
    limits.waiting_bytes = 8 << 20;
    limits.result_bytes = 5 << 19;
    limits.kept_bytes = 8 << 20;
    limits.update_bytes = 2 << 20;
    limits
}

#[test]
fn no_flood_makes_a_node_hold_more_than_its_bound() {
    // How much of its bound the flood of everything reaches at least, or the bound would be no measure of anything.
    for (size, limits, reached) in [("small", small(), 0.35), ("common", common(), 0.55)] {
        let shares = FLOODS.map(|(name, flood)| flood(&limits).share(name, size));
        let largest = shares.into_iter().fold(0.0, f64::max);
        assert!(largest >= reached, "the bound is loose: {largest}");
    }
}
