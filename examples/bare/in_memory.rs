//! A node and its gateway in one process, without sockets, threads or a clock that runs: as in a simulation or a fuzzer.
//!
//! The connection breaks when the answer is on its way; the node comes back and delivers it.
//!
//! `cargo run -p clawnode-examples --bin in_memory`

use std::error::Error;
use std::time::Duration;

use clawnode_protocol::dialect::nodetool;
use clawnode_protocol::node::{Action, Config, Endpoint, Event, Input};
use clawnode_protocol::peer::{self, Decision, FromNode, Peer, Request};
use clawnode_protocol::{Credentials, Node, Now, Outcome, Task, Timestamp};
use serde_json::value::RawValue;

fn main() -> Result<(), Box<dyn Error>> {
    let mut config = Config::new(Endpoint::new("gateway.test", "/"), nodetool::Config::new("node"));
    config.commands = vec!["greet".into()];
    let mut node = Node::new(config, [7; 32]);
    let mut time = Duration::ZERO;
    let mut gateway: Option<Peer> = None;
    let (mut asked, mut broken) = (false, false);
    let args = raw(r#"{"name":"Ada"}"#)?;
    let greet = Request::new("r1", Task::Command { name: "greet".into(), args });

    node.handle(at(time), Input::Start)?;
    loop {
        // 1. Do what the node says.
        while let Some(action) = node.poll_action() {
            match action {
                Action::Authenticate => {
                    node.handle(at(time), Input::Credentials(Credentials::default()))?;
                }
                Action::Connect => {
                    gateway = Some(Peer::new(
                        peer::Config::new(peer::Dialect::Nodetool),
                        at(time),
                        [2; 32],
                    ));
                    node.handle(at(time), Input::Connected)?;
                }
                Action::Disconnect => gateway = None,
                // No journal here, so admissions and answers count as kept at once.
                Action::Admit(work) => node.handle(at(time), Input::Admitted(work.id))?,
                Action::Record(answer) => node.handle(at(time), Input::Recorded(answer.work))?,
                Action::Start(work) => {
                    let outcome = Outcome::Completed(raw(r#"{"text":"hello Ada"}"#)?);
                    node.handle(at(time), Input::Answer(work.id, outcome))?;
                    if !broken {
                        broken = true;
                        gateway = None;
                        node.handle(at(time), Input::Disconnected("somebody pulled the cable"))?;
                    }
                }
                Action::Notify(Event::Ready) => println!("{time:?}: ready"),
                Action::Notify(Event::Lost { reason, .. }) => println!("{time:?}: {reason}"),
                Action::Stopped(reason) => {
                    println!("{time:?}: {reason}");
                    return Ok(());
                }
                _ => {}
            }
        }
        // 2. Write what it lends, and say how much went out. 3. Wait: for bytes of the gateway, or else for the deadline.
        let lent = node.transmit().to_vec();
        let came = match &mut gateway {
            Some(peer) => {
                node.handle(at(time), Input::Sent(lent.len()))?;
                peer.handle(at(time), peer::Input::Received(&lent))?;
                while let Some(action) = peer.poll_action() {
                    match action {
                        peer::Action::Authorize(_) => {
                            peer.handle(at(time), peer::Input::Authorize(Decision::Accept))?;
                        }
                        peer::Action::Message(FromNode::Registered(_)) if !asked => {
                            asked = true;
                            peer.handle(at(time), peer::Input::Request(&greet))?;
                        }
                        peer::Action::Message(FromNode::Answered { outcome, .. }) => {
                            let Outcome::Completed(result) = outcome else {
                                return Err("a greeting does not fail".into());
                            };
                            println!("{time:?}: {result}");
                            node.handle(at(time), Input::Stop(Duration::from_secs(5)))?;
                        }
                        _ => {}
                    }
                }
                let bytes = peer.transmit().to_vec();
                peer.handle(at(time), peer::Input::Sent(bytes.len()))?;
                node.handle(at(time), Input::Received(&bytes))?;
                bytes.len()
            }
            None => 0,
        };
        if lent.is_empty() && came == 0 {
            let (deadline, _) = node.deadline().ok_or("a node that runs waits for something")?;
            time = time.max(deadline);
            node.handle(at(time), Input::Timeout)?;
        }
    }
}

fn at(time: Duration) -> Now {
    Now::new(time, Timestamp::from_micros(0))
}

fn raw(json: &str) -> Result<Box<RawValue>, serde_json::Error> {
    RawValue::from_string(json.to_owned())
}
