//! One seed, two processes: what a node says is the same to the byte, and so is what happens in a whole simulated world.
//!
//! Within one process the same could be luck: addresses, the order of a hash map and the clock's start are drawn once for each.

use std::env;
use std::process::Command;
use std::time::Duration;

use clawnode_protocol::dialect::nodetool;
use clawnode_protocol::node::{Action, Config, Endpoint, Input};
use clawnode_protocol::peer::{self, Decision, FromNode, Peer, Request};
use clawnode_protocol::{Credentials, Node, Now, Outcome, Task, Timestamp, Update};
use clawnode_simulation::{Mix, Simulation, transcript};
use serde_json::value::RawValue;

const SEED: &str = "CLAWNODE_TEST_SEED";

#[test]
fn two_processes_with_one_seed_are_equal_to_the_byte() {
    let first = elsewhere(7);
    assert!(first.len() > 50_000, "{} characters", first.len());
    assert_eq!(first, elsewhere(7));
    let other = elsewhere(8);
    for (line, other) in first.lines().zip(other.lines()) {
        assert_ne!(line, other, "another seed shows");
    }
}

/// What the other process does. On its own it shows that the run can be made.
#[test]
fn the_run() {
    let seed = env::var(SEED).map_or(0, |seed| seed.parse().expect("the test set it"));
    let wire = wire(seed);
    assert!(wire.len() > 10_000, "{} bytes", wire.len());
    let simulation = Simulation::new(Mix::Hostile, seed.into()).nodes(2);
    let world = simulation.faults_for(Duration::from_secs(60)).record().run();
    #[allow(clippy::print_stdout, reason = "the other process reads it")]
    {
        println!("\nrun {wire:02x?}");
        println!("run {:?}", transcript(&world.records));
    }
}

/// The lines that the run prints in a process of its own.
fn elsewhere(seed: u8) -> String {
    let this = env::current_exe().expect("it runs");
    let mut command = Command::new(this);
    command.args(["--exact", "the_run", "--nocapture"]).env(SEED, seed.to_string());
    let output = command.output().expect("it can be run again");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("it prints text");
    let lines: Vec<&str> = printed.lines().filter(|line| line.starts_with("run ")).collect();
    assert_eq!(lines.len(), 2);
    lines.join("\n")
}

/// Every byte that a node and its gateway write during ten minutes, in which the gateway asks and the connection breaks.
fn wire(seed: u8) -> Vec<u8> {
    let mut config = Config::new(Endpoint::new("gateway.test", "/"), nodetool::Config::new("node"));
    config.commands = vec!["greet".into()];
    let mut node = Node::new(config, [seed; 32]);
    let clock = |second: u64| {
        let utc = Timestamp::from_micros(i64::try_from(second).expect("few") * 1_000_000);
        Now::new(Duration::from_secs(second), utc)
    };
    let mut gateway: Option<Peer> = None;
    let mut wire = Vec::new();
    node.handle(clock(0), Input::Start).expect("once");
    for second in 0..600 {
        let now = clock(second);
        if node.deadline().is_some_and(|(at, _)| at <= now.monotonic) {
            node.handle(now, Input::Timeout).expect("it is due");
        }
        if second % 100 == 99 && gateway.take().is_some() {
            node.handle(now, Input::Disconnected("cut")).expect("there was a connection");
        }
        loop {
            while let Some(action) = node.poll_action() {
                let input = match action {
                    Action::Authenticate => Input::Credentials(Credentials::default()),
                    Action::Connect => {
                        let config = peer::Config::new(peer::Dialect::Nodetool);
                        gateway = Some(Peer::new(config, now, [2; 32]));
                        Input::Connected
                    }
                    Action::Disconnect => {
                        gateway = None;
                        continue;
                    }
                    Action::Admit(work) => Input::Admitted(work.id),
                    Action::Record(answer) => Input::Recorded(answer.work),
                    Action::Start(work) => {
                        let half = Update::new("half", raw(r#"{"done":0.5}"#));
                        node.handle(now, Input::Progress(work.id, half)).expect("it runs");
                        Input::Answer(work.id, Outcome::Completed(raw(r#"{"hello":"world"}"#)))
                    }
                    _ => continue,
                };
                node.handle(now, input).expect("it was asked for");
            }
            let Some(peer) = &mut gateway else { break };
            let mut said = node.transmit().to_vec();
            node.handle(now, Input::Sent(said.len())).expect("there is a connection");
            peer.handle(now, peer::Input::Received(&said)).expect("there is a connection");
            while let Some(action) = peer.poll_action() {
                let input = match action {
                    peer::Action::Authorize(_) => peer::Input::Authorize(Decision::Accept),
                    peer::Action::Message(FromNode::Registered(_) | FromNode::Alive { .. }) => {
                        let request_id = format!("r{second}");
                        let task = Task::Command { name: "greet".into(), args: raw("{}") };
                        let request = Request::new(request_id, task);
                        peer.handle(now, peer::Input::Request(&request)).expect("it is open");
                        continue;
                    }
                    _ => continue,
                };
                peer.handle(now, input).expect("it was asked for");
            }
            let answered = peer.transmit().to_vec();
            peer.handle(now, peer::Input::Sent(answered.len())).expect("it was lent");
            let any = !said.is_empty() || !answered.is_empty();
            wire.append(&mut said);
            wire.extend_from_slice(&answered);
            node.handle(now, Input::Received(&answered)).expect("there is a connection");
            if !any {
                break;
            }
        }
    }
    wire
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect("the test writes JSON")
}
