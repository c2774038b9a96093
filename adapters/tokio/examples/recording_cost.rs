//! What recording costs a node at full load: commands of 1 KiB over loopback, many at a time, with and without.
//!
//! `cargo run --release -p clawnode-tokio --example recording_cost`

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use clawnode_protocol::peer::{self, Decision, FromNode, Peer, Request};
use clawnode_protocol::{Now, Task, Timestamp};
use clawnode_tokio::{Context, Failed, Node};
use serde_json::value::RawValue;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::temp_dir().join(format!("{}.recording", std::process::id()));
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // The order changes, so that neither is always the first.
        for record in [round % 2 == 0, round % 2 != 0] {
            let file = if record { Some(File::create(&file)?) } else { None };
            let took = run(file)?;
            if record { with.push(took) } else { without.push(took) }
        }
    }
    let size = std::fs::metadata(&file)?.len();
    std::fs::remove_file(&file)?;
    let (without, with) = (median(without), median(with));
    let rate = |took: Duration| f64::from(REQUESTS) / took.as_secs_f64();
    let cost = (with.as_secs_f64() / without.as_secs_f64() - 1.0) * 100.0;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "commands of 1 KiB, {AT_ONCE} at a time, over loopback; median of {ROUNDS} runs each"
    )?;
    writeln!(out, "not recorded  {:>9.0} requests/s", rate(without))?;
    writeln!(out, "recorded      {:>9.0} requests/s", rate(with))?;
    writeln!(out, "cost          {cost:>9.1} %, {} bytes a request", size / u64::from(REQUESTS))?;
    Ok(())
}

/// How long a node takes for all requests.
fn run(file: Option<File>) -> Result<Duration, Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("ws://{}", listener.local_addr()?);
    let gateway = std::thread::spawn(move || gateway(&listener).map_err(|error| error.to_string()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut builder = Node::builder(&url)?.token("s3cret-t0ken").command(
            "echo",
            |_: Context, args: Box<RawValue>| async move { Ok::<_, Failed>(args) },
        );
        if let Some(file) = file {
            builder = builder.record(file, 4 << 30);
        }
        let node = builder.build()?;
        let handle = node.handle();
        let stopper = std::thread::spawn(move || {
            let took = gateway.join();
            handle.stop(Duration::ZERO);
            took
        });
        node.run().await;
        let took = stopper.join().map_err(|_| "no stop")?.map_err(|_| "the gateway panicked")?;
        Ok(took?)
    })
}

/// Keeps the node busy until all requests are answered.
fn gateway(listener: &TcpListener) -> Result<Duration, Box<dyn std::error::Error>> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let now = Now::new(Duration::ZERO, Timestamp::from_micros(0));
    let mut peer = Peer::new(peer::Config::new(peer::Dialect::Nodetool), now);
    let args = RawValue::from_string(format!(r#"{{"text":"{}"}}"#, "x".repeat(1000)))?;
    let (mut asked, mut answered, mut began) = (0, 0, Instant::now());
    let mut buffer = vec![0; 64 << 10];
    let mut ready = false;
    while answered < REQUESTS {
        while let Some(action) = peer.poll_action() {
            match action {
                peer::Action::Authorize(_) => {
                    peer.handle(now, peer::Input::Authorize(Decision::Accept))?;
                }
                peer::Action::Message(FromNode::Registered(_)) => {
                    began = Instant::now();
                    ready = true;
                }
                peer::Action::Message(FromNode::Answered { .. }) => answered += 1,
                _ => {}
            }
        }
        while ready && asked < REQUESTS && asked - answered < AT_ONCE {
            asked += 1;
            let task = Task::Command { name: "echo".into(), args: args.clone() };
            let request = Request { request_id: format!("r{asked}"), user_id: None, task };
            peer.handle(now, peer::Input::Request(&request))?;
        }
        let count = peer.transmit().len();
        if count > 0 {
            stream.write_all(peer.transmit())?;
            peer.handle(now, peer::Input::Sent(count))?;
            continue;
        }
        if answered < REQUESTS {
            let count = stream.read(&mut buffer)?;
            peer.handle(now, peer::Input::Received(&buffer[..count]))?;
        }
    }
    Ok(began.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

const REQUESTS: u32 = 40_000;
const AT_ONCE: u32 = 64;
const ROUNDS: usize = 9;
