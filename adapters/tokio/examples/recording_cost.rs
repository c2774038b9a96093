//! What recording costs a node at full load: commands of 1 KiB over loopback, many at a time, with and without.
//!
//! `cargo run --release -p clawnode-tokio --example recording_cost [ROUNDS [REQUESTS]]`
//!
//! Rounds with and without a recording take turns in one process, and each round is compared with its neighbour: what
//! else the machine does in the meantime hits both alike. The node has the main thread; the gateway and the writing of
//! the recording have one each. On Linux also the processor time is shown: it tells what recording costs on a machine
//! that has other things to do as well, where the rate depends on them.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use clawnode_protocol::peer::{self, Decision, FromNode, Peer, Request};
use clawnode_protocol::{Now, Task, Timestamp};
use clawnode_tokio::{Context, Failed, Node};
use serde_json::value::RawValue;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.next().map_or(Ok(ROUNDS), |rounds| rounds.parse())?.max(1);
    let requests = arguments.next().map_or(Ok(REQUESTS), |requests| requests.parse())?.max(1);
    let file = std::env::temp_dir().join(format!("{}.recording", std::process::id()));
    run(None, requests)?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // The order changes, so that neither is always the first.
        for record in [round % 2 == 0, round % 2 != 0] {
            let file = if record { Some(File::create(&file)?) } else { None };
            let took = run(file, requests)?;
            if record { with.push(took) } else { without.push(took) }
        }
    }
    let size = std::fs::metadata(&file)?.len();
    std::fs::remove_file(&file)?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{requests} commands of 1 KiB a round, {AT_ONCE} at a time, over loopback; {rounds} rounds each"
    )?;
    writeln!(out, "microseconds a request          min  median     max")?;
    for (what, part) in ["until all are answered", "processor, node thread", "processor, in all"]
        .into_iter()
        .zip(0..)
    {
        let of = |rounds: &[Took]| rounds.iter().map(|took| took[part]).collect::<Vec<_>>();
        let (without, with) = (of(&without), of(&with));
        if without.contains(&0.0) {
            continue;
        }
        let more = without.iter().zip(&with).map(|(without, with)| (with / without - 1.0) * 100.0);
        writeln!(out, "{what}\n  not recorded           {}", spread(without.clone()))?;
        writeln!(out, "  recorded               {}", spread(with.clone()))?;
        writeln!(out, "  more, by pairs, in %   {}", spread(more.collect()))?;
    }
    writeln!(out, "{} bytes of recording a request", size / u64::from(requests))?;
    Ok(())
}

/// What a request took in microseconds: until all were answered, of the processor in the node's thread, and in all
/// threads. 0: not known.
type Took = [f64; 3];

/// The least, the median and the most.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let (min, median, max) = (values[0], values[values.len() / 2], values[values.len() - 1]);
    format!("{min:>10.2}{median:>8.2}{max:>8.2}")
}

/// Nanoseconds of the processor that this process used, in its main thread and in all. Zeros when it is not known.
fn processor_time() -> [f64; 2] {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, at| text.split_whitespace().nth(at).and_then(|text| text.parse().ok());
    let main = field(&read("/proc/self/schedstat"), 0).unwrap_or(0.0);
    // Behind the name, which may hold anything; in hundredths of a second.
    let stat = read("/proc/self/stat");
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let all: f64 = [11, 12].into_iter().filter_map(|at| field(fields, at)).sum();
    [main, all * 1e7]
}

/// What a node takes for all requests, from beginning to end, and until they are answered.
fn run(file: Option<File>, requests: u32) -> Result<Took, Box<dyn std::error::Error>> {
    let before = processor_time();
    let answered = serve(file, requests)?;
    let after = processor_time();
    let each = |nanos: f64| nanos / 1e3 / f64::from(requests);
    Ok([each(answered.as_secs_f64() * 1e9), each(after[0] - before[0]), each(after[1] - before[1])])
}

fn serve(file: Option<File>, requests: u32) -> Result<Duration, Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("ws://{}", listener.local_addr()?);
    let gateway =
        std::thread::spawn(move || gateway(&listener, requests).map_err(|error| error.to_string()));
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
fn gateway(listener: &TcpListener, requests: u32) -> Result<Duration, Box<dyn std::error::Error>> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let now = Now::new(Duration::ZERO, Timestamp::from_micros(0));
    let mut peer = Peer::new(peer::Config::new(peer::Dialect::Nodetool), now, [1; 32]);
    let args = RawValue::from_string(format!(r#"{{"text":"{}"}}"#, "x".repeat(1000)))?;
    let (mut asked, mut answered, mut began) = (0, 0, Instant::now());
    let mut buffer = vec![0; 64 << 10];
    let mut ready = false;
    while answered < requests {
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
        while ready && asked < requests && asked - answered < AT_ONCE {
            asked += 1;
            let task = Task::Command { name: "echo".into(), args: args.clone() };
            let request = Request::new(format!("r{asked}"), task);
            peer.handle(now, peer::Input::Request(&request))?;
        }
        let count = peer.transmit().len();
        if count > 0 {
            stream.write_all(peer.transmit())?;
            peer.handle(now, peer::Input::Sent(count))?;
            continue;
        }
        if answered < requests {
            let count = stream.read(&mut buffer)?;
            peer.handle(now, peer::Input::Received(&buffer[..count]))?;
        }
    }
    Ok(began.elapsed())
}

const REQUESTS: u32 = 40_000;
const AT_ONCE: u32 = 64;
const ROUNDS: usize = 15;
