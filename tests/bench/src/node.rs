use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clawnode_protocol::dialect::nodetool;
use clawnode_protocol::node::{Action, Config, Endpoint, Input, Phase};
use clawnode_protocol::websocket::{self, Connection, Event};
use clawnode_protocol::{Credentials, Node, Now, Outcome, Task, Timestamp};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::wire::GatewayEnd;

/// What a node does for a request: arguments in, result out.
pub type Handler = fn(Box<RawValue>) -> Box<RawValue>;

/// The result is the arguments.
pub fn echo(args: Box<RawValue>) -> Box<RawValue> {
    args
}

/// The result is the arguments, read into a [`Value`] and written again.
pub fn echo_value(args: Box<RawValue>) -> Box<RawValue> {
    let args: Box<str> = args.into();
    let args: Value = serde_json::from_str(&args).expect("the arguments are JSON");
    RawValue::from_string(args.to_string()).expect("a Value is JSON")
}

/// A ready node in memory that answers every request at once.
#[derive(Debug)]
pub struct BenchNode {
    node: Node,
    handler: Handler,
    clock: Clock,
    gateway: GatewayEnd,
}

/// The real clocks, of which the monotonic one can be put forward.
#[derive(Debug)]
struct Clock {
    start: Instant,
    skipped: Duration,
}

impl Clock {
    fn now(&self) -> Now {
        let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let utc = Timestamp::from_micros(utc.as_micros() as i64);
        Now::new(self.start.elapsed() + self.skipped, utc)
    }
}

impl BenchNode {
    /// A node that has connected and registered.
    pub fn ready(handler: Handler) -> Self {
        let endpoint = Endpoint::new("gateway.test", "/");
        let mut config = Config::new(endpoint, nodetool::Config::new("bench-node"));
        config.commands = vec!["echo".to_owned()];
        let clock = Clock { start: Instant::now(), skipped: Duration::ZERO };
        let gateway = GatewayEnd::default();
        let mut bench = Self { node: Node::new(config, [7; 32]), handler, clock, gateway };
        bench.register();
        bench
    }

    fn register(&mut self) {
        let mut gateway = Connection::server(websocket::Limits::default());
        self.input(Input::Start);
        while self.node.phase() != Phase::Ready {
            gateway.receive(self.node.transmit());
            self.input(Input::Sent(self.node.transmit().len()));
            let mut asked = false;
            while let Some(event) = gateway.poll() {
                asked |= matches!(event, Event::Request(_));
            }
            if asked {
                gateway.accept().expect("a request came");
                self.input(Input::Received(gateway.transmit()));
            }
        }
    }

    /// Takes what a gateway sends, and returns how many messages the node has sent in turn.
    pub fn receive(&mut self, bytes: &[u8]) -> usize {
        self.input(Input::Received(bytes));
        self.write();
        self.gateway.messages()
    }

    /// Lets time pass until the next heartbeat: it is written with a ping, and the pong comes.
    pub fn heartbeat(&mut self) {
        let (due, _) = self.node.deadline().expect("a ready node has a next heartbeat");
        self.clock.skipped += due.saturating_sub(self.clock.now().monotonic);
        self.input(Input::Timeout);
        self.write();
        assert_eq!(self.gateway.messages(), 1, "a heartbeat is one message");
    }

    /// Hands over what waits; a ping in it is answered.
    fn write(&mut self) {
        loop {
            self.gateway.take(self.node.transmit());
            self.input(Input::Sent(self.node.transmit().len()));
            match self.gateway.pong() {
                Some(pong) => self.input(Input::Received(&pong)),
                None => return,
            }
        }
    }

    /// One input and everything it calls for, at one reading of the clocks.
    fn input(&mut self, input: Input<'_>) {
        let now = self.clock.now();
        self.tell(now, input);
        while let Some(action) = self.node.poll_action() {
            match action {
                Action::Authenticate => self.tell(now, Input::Credentials(Credentials::none())),
                Action::Connect => self.tell(now, Input::Connected),
                Action::Admit(work) => self.tell(now, Input::Admitted(work.id)),
                Action::Start(work) => {
                    let id = work.id;
                    let task = match Arc::try_unwrap(work) {
                        Ok(work) => work.task,
                        Err(shared) => shared.task.clone(),
                    };
                    let Task::Command { args, .. } = task else { panic!("no other work comes") };
                    self.tell(now, Input::Answer(id, Outcome::Completed((self.handler)(args))));
                }
                Action::Record(answer) => self.tell(now, Input::Recorded(answer.work)),
                _ => {}
            }
        }
    }

    fn tell(&mut self, now: Now, input: Input<'_>) {
        self.node.handle(now, input).expect("the inputs fit");
    }
}
