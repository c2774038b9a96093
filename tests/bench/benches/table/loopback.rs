//! One node and one gateway on loopback, each on a thread of its own: the node with the tokio adapter, the gateway a bare `Peer`.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use clawnode_bench::Shape;
use clawnode_protocol::peer::{self, Action, Decision, Dialect, FromNode, Input, Request};
use clawnode_protocol::{Now, Outcome, Peer, Task};
use clawnode_tokio::{Context, Failed, Node};
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::table::{Table, time};

/// How long each number of requests under way is kept up.
const DURATION: Duration = Duration::from_secs(2);
/// How much of the beginning does not count.
const WARM_UP: Duration = Duration::from_millis(500);

/// Measures and adds the rows.
pub(crate) fn measure(table: &mut Table, runtime: &Runtime) -> Result<(), Box<dyn Error>> {
    for (window, name) in [(1, "one at a time"), (16, "16 under way"), (256, "256 under way")] {
        let mut latencies = runtime.block_on(run(window))?;
        latencies.sort_unstable();
        let at = |percent: usize| time(latencies[(latencies.len() - 1) * percent / 100]);
        let rate = latencies.len() as f64 / (DURATION - WARM_UP).as_secs_f64();
        table.row(
            &format!("100 B records, {name}"),
            &format!("{rate:.0}/s"),
            &format!("p50 {}, p99 {}", at(50), at(99)),
        );
    }
    Ok(())
}

/// A new node and a new gateway; how long each request took.
async fn run(window: usize) -> Result<Vec<Duration>, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let node = Node::builder(&format!("ws://{}", listener.local_addr()?))?
        .command("echo", |_: Context, args: Box<RawValue>| async { Ok::<_, Failed>(args) })
        .build()?;
    let handle = node.handle();
    let thread = thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(node.run());
        Ok::<_, std::io::Error>(())
    });
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let latencies = Gateway::new(stream, window).run().await?;
    handle.stop(Duration::ZERO);
    thread.join().expect("the node does not panic")?;
    Ok(latencies)
}

/// Keeps a number of requests under way, and times each.
struct Gateway {
    stream: TcpStream,
    peer: Peer,
    start: Instant,
    window: usize,
    request: Request,
    asked_at: Vec<Instant>,
    answered: usize,
    latencies: Vec<Duration>,
}

impl Gateway {
    fn new(stream: TcpStream, window: usize) -> Self {
        let args = RawValue::from_string(Shape::Records.args(100)).expect("it is JSON");
        let task = Task::Command { name: "echo".to_owned(), args };
        let start = Instant::now();
        let now = Now::new(Duration::ZERO, clawnode_tokio::wall_clock());
        Self {
            stream,
            peer: Peer::new(peer::Config::new(Dialect::Nodetool), now, [1; 32]),
            start,
            window,
            request: Request::new(String::new(), task),
            asked_at: Vec::new(),
            answered: 0,
            latencies: Vec::new(),
        }
    }

    async fn run(mut self) -> Result<Vec<Duration>, Box<dyn Error>> {
        let mut buffer = vec![0; 64 << 10];
        let mut registered = false;
        while self.start.elapsed() < DURATION {
            while let Some(action) = self.peer.poll_action() {
                match action {
                    Action::Authorize(_) => self.tell(Input::Authorize(Decision::Accept))?,
                    Action::Message(FromNode::Registered(_)) => registered = true,
                    Action::Message(FromNode::Answered { request_id, outcome, .. }) => {
                        self.answered(&request_id, &outcome)?;
                    }
                    Action::Message(FromNode::Accepted { .. } | FromNode::Alive { .. }) => {}
                    other => return Err(format!("unexpected: {other:?}").into()),
                }
            }
            while registered && self.asked_at.len() - self.answered < self.window {
                self.ask()?;
            }
            let waiting = self.peer.transmit();
            let (mut reader, mut writer) = self.stream.split();
            tokio::select! {
                count = writer.write(waiting), if !waiting.is_empty() => {
                    let count = count?;
                    self.tell(Input::Sent(count))?;
                }
                count = reader.read(&mut buffer) => match count? {
                    0 => return Err("the node has gone".into()),
                    count => self.tell(Input::Received(&buffer[..count]))?,
                },
            }
        }
        Ok(self.latencies)
    }

    fn ask(&mut self) -> Result<(), Box<dyn Error>> {
        self.request.request_id = self.asked_at.len().to_string();
        let now = self.now();
        self.asked_at.push(Instant::now());
        Ok(self.peer.handle(now, Input::Request(&self.request))?)
    }

    fn answered(&mut self, request_id: &str, outcome: &Outcome) -> Result<(), Box<dyn Error>> {
        if let Outcome::Failed(failure) = outcome {
            return Err(format!("a request failed: {}", failure.message).into());
        }
        self.answered += 1;
        if self.start.elapsed() >= WARM_UP {
            self.latencies.push(self.asked_at[request_id.parse::<usize>()?].elapsed());
        }
        Ok(())
    }

    fn tell(&mut self, input: Input<'_>) -> Result<(), peer::Misuse> {
        let now = self.now();
        self.peer.handle(now, input)
    }

    fn now(&self) -> Now {
        Now::new(self.start.elapsed(), clawnode_tokio::wall_clock())
    }
}
