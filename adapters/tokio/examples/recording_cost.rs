//! What recording costs a node at full load: requests over loopback, many at a time, with and without.
//!
//! `cargo run --release -p clawnode-tokio --example recording_cost [ROUNDS [REQUESTS [PROGRAM [COMMAND ARGS]]]]`
//!
//! The node is a library's with a command that does nothing but return its 1 KiB of arguments; with a PROGRAM, the path of
//! `clawnode`, it is `PROGRAM connect`, and is asked for the COMMAND, or to run the workflow `greet`.
//!
//! Rounds with and without a recording take turns, and each round is compared with its neighbour: what else the machine
//! does in the meantime hits both alike. The library's node has the main thread; the gateway and the writing of the
//! recording have one each. On Linux also the processor time is shown: it tells what recording costs on a machine that has
//! other things to do as well, where the rate depends on them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clawnode_protocol::peer::{self, Decision, FromNode, Peer, Request};
use clawnode_protocol::{Now, Outcome, Task, Timestamp};
use clawnode_tokio::{Context, Failed, Node};
use serde_json::value::RawValue;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.next().map_or(Ok(ROUNDS), |rounds| rounds.parse())?.max(1);
    let requests = arguments.next().map_or(Ok(REQUESTS), |requests| requests.parse())?.max(1);
    match arguments.next().map(PathBuf::from) {
        None => {
            let args = format!(r#"{{"text":"{}"}}"#, "x".repeat(1000));
            compare(&Subject::Library, "echo", &args, rounds, requests)
        }
        Some(program) => {
            let name = arguments.next().unwrap_or_else(|| "run_workflow".to_owned());
            let args = arguments.next().unwrap_or_else(|| GREET.to_owned());
            compare(&Subject::Program(program), &name, &args, rounds, requests)
        }
    }
}

/// Whose recording is measured.
enum Subject {
    Library,
    Program(PathBuf),
}

fn compare(
    subject: &Subject,
    name: &str,
    args: &str,
    rounds: usize,
    requests: u32,
) -> Result<(), Box<dyn std::error::Error>> {
    let task = Task::Command { name: name.into(), args: RawValue::from_string(args.into())? };
    let file = std::env::temp_dir().join(format!("{}.recording", std::process::id()));
    run(subject, &task, None, requests)?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // The order changes, so that neither is always the first.
        for record in [round % 2 == 0, round % 2 != 0] {
            let took = run(subject, &task, record.then_some(&file), requests)?;
            if !record {
                without.push(took);
                continue;
            }
            with.push(took);
            // Now, so that no round pays for what the one before has written.
            std::fs::remove_file(&file)?;
            // What a full file has become.
            let _ = std::fs::remove_file(file.with_extension("recording.1"));
        }
    }
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{requests} times {name} a round, {AT_ONCE} at a time, over loopback; {rounds} rounds each"
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
    Ok(())
}

/// What a request took in microseconds: until all were answered, of the processor in the node's thread, and in all
/// threads: those of the program, or of everything. 0: not known.
type Took = [f64; 3];

/// The least, the median and the most.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let (min, median, max) = (values[0], values[values.len() / 2], values[values.len() - 1]);
    format!("{min:>10.2}{median:>8.2}{max:>8.2}")
}

/// Nanoseconds of the processor that a process used, in its main thread and in all. Zeros when it is not known.
fn processor_time(process: &str) -> [f64; 2] {
    let read = |file| std::fs::read_to_string(Path::new("/proc").join(process).join(file));
    let field = |text: &str, at| text.split_whitespace().nth(at).and_then(|text| text.parse().ok());
    let main = field(&read("schedstat").unwrap_or_default(), 0).unwrap_or(0.0);
    // Behind the name, which may hold anything; in hundredths of a second.
    let stat = read("stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let all: f64 = [11, 12].into_iter().filter_map(|at| field(fields, at)).sum();
    [main, all * 1e7]
}

/// What a node takes for all requests, from beginning to end, and until they are answered.
fn run(
    subject: &Subject,
    task: &Task,
    record: Option<&PathBuf>,
    requests: u32,
) -> Result<Took, Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("ws://{}", listener.local_addr()?);
    let task = task.clone();
    let (answered, took) = mpsc::channel();
    let gateway = std::thread::spawn(move || {
        gateway(&listener, &task, requests, &answered).map_err(|error| error.to_string())
    });
    let each = |nanos: f64| nanos / 1e3 / f64::from(requests);
    let (took, main, all) = match subject {
        Subject::Library => {
            let before = processor_time("self");
            let took = serve(&url, record, took)?;
            let after = processor_time("self");
            (took, after[0] - before[0], after[1] - before[1])
        }
        Subject::Program(program) => {
            let mut command = Command::new(program);
            command.args(["connect", "--protocol", "nodetool", "--in-memory", "--url", &url]);
            command.env("CLAWNODE_AUTH_TOKEN", "s3cret-t0ken").stderr(Stdio::null());
            if let Some(file) = record {
                command.arg("--record").arg(file);
            }
            let mut node = command.spawn()?;
            let took = took.recv();
            let [_, all] = processor_time(&node.id().to_string());
            node.kill()?;
            node.wait()?;
            (took.ok(), 0.0, all)
        }
    };
    let over = gateway.join().map_err(|_| "the gateway panicked")?;
    match took {
        Some(took) => Ok([each(took.as_secs_f64() * 1e9), each(main), each(all)]),
        None => Err(over.err().unwrap_or_else(|| "not everything was answered".to_owned()).into()),
    }
}

/// Runs a node until everything is answered, which `took` tells.
fn serve(
    url: &str,
    record: Option<&PathBuf>,
    took: mpsc::Receiver<Duration>,
) -> Result<Option<Duration>, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut builder = Node::builder(url)?.token("s3cret-t0ken").command(
            "echo",
            |_: Context, args: Box<RawValue>| async move { Ok::<_, Failed>(args) },
        );
        if let Some(file) = record {
            builder = builder.record(std::fs::File::create(file)?, 4 << 30);
        }
        let node = builder.build()?;
        let handle = node.handle();
        let stopper = std::thread::spawn(move || {
            let took = took.recv();
            handle.stop(Duration::ZERO);
            took.ok()
        });
        node.run().await;
        Ok(stopper.join().map_err(|_| "no stop")?)
    })
}

/// Keeps the node busy until all requests are answered, says how long that took, and goes on until the node leaves.
fn gateway(
    listener: &TcpListener,
    task: &Task,
    requests: u32,
    took: &mpsc::Sender<Duration>,
) -> Result<(), Box<dyn std::error::Error>> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let now = Now::new(Duration::ZERO, Timestamp::from_micros(0));
    let mut peer = Peer::new(peer::Config::new(peer::Dialect::Nodetool), now, [1; 32]);
    let (mut asked, mut answered, mut began) = (0, 0, None);
    let mut buffer = vec![0; 64 << 10];
    loop {
        while let Some(action) = peer.poll_action() {
            match action {
                peer::Action::Authorize(_) => {
                    peer.handle(now, peer::Input::Authorize(Decision::Accept))?;
                }
                peer::Action::Message(FromNode::Registered(_)) => began = Some(Instant::now()),
                peer::Action::Message(FromNode::Answered { outcome, .. }) => match outcome {
                    Outcome::Completed(_) => answered += 1,
                    Outcome::Failed(failure) => return Err(failure.message.into()),
                },
                _ => {}
            }
        }
        while began.is_some() && asked < requests && asked - answered < AT_ONCE {
            asked += 1;
            let request = Request::new(format!("r{asked}"), task.clone());
            peer.handle(now, peer::Input::Request(&request))?;
        }
        if answered == requests {
            if let Some(began) = began.take() {
                took.send(began.elapsed())?;
            }
        }
        let count = peer.transmit().len();
        if count > 0 {
            stream.write_all(peer.transmit())?;
            peer.handle(now, peer::Input::Sent(count))?;
            continue;
        }
        match stream.read(&mut buffer) {
            // A node that is killed says no goodbye.
            Ok(0) | Err(_) if answered == requests => return Ok(()),
            Ok(0) => return Err("the node left".into()),
            Ok(count) => peer.handle(now, peer::Input::Received(&buffer[..count]))?,
            Err(error) => return Err(error.into()),
        }
    }
}

const GREET: &str = r#"{"workflow_id":"greet","params":{"name":"Ada"}}"#;
const REQUESTS: u32 = 40_000;
const AT_ONCE: u32 = 64;
const ROUNDS: usize = 40;
