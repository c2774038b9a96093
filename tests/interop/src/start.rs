//! How long a node takes until the gateway has let it in, and what it costs to have it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::figures::{line, median, milliseconds};
use crate::process::{Cpu, Memory, Running};
use crate::tap::{self, Falsify, Seen};
use crate::{Failure, NodeCommand};

pub(crate) async fn measure(
    listen: SocketAddr,
    gateway: SocketAddr,
    starts: usize,
    idle: u64,
    command: &NodeCommand,
) -> Result<(), Failure> {
    let (tell, mut seen) = mpsc::unbounded_channel();
    let listener = TcpListener::bind(listen).await?;
    let tapping = tokio::spawn(tap::serve(listener, gateway, Falsify::default(), tell));
    let mut times = Vec::new();
    let mut cpu = Vec::new();
    let mut last = None;
    for _ in 0..starts.max(1) {
        if let Some(node) = last.take() {
            Running::stop(node).await?;
        }
        while seen.try_recv().is_ok() {}
        let start = Instant::now();
        let mut node = Running::start(command)?;
        tokio::select! {
            let_in = timeout(MOST_TIME, let_in(&mut seen)) => let_in.map_err(|_| "the node was not let in")?,
            ended = node.ended() => return Err(ended),
        }
        times.push(start.elapsed());
        cpu.push(node.cpu()?.since(&Cpu::default()));
        last = Some(node);
    }
    times.sort_unstable();
    cpu.sort_unstable();
    line("start to connected, min", &milliseconds(times[0]));
    line("start to connected, median", &milliseconds(median(&times)));
    line("start to connected, max", &milliseconds(times[times.len() - 1]));
    line("CPU until connected, median", &milliseconds(median(&cpu)));
    let Some(node) = last else { return Ok(()) };
    show("when connected", &node.memory()?);
    // What follows on being let in is no idling.
    sleep(SETTLING).await;
    let before = node.cpu()?;
    sleep(Duration::from_secs(idle)).await;
    let used = node.cpu()?.since(&before);
    show(&format!("after {} s", idle + SETTLING.as_secs()), &node.memory()?);
    line(&format!("CPU in {idle} s without work"), &milliseconds(used));
    node.stop().await?;
    tapping.abort();
    Ok(())
}

async fn let_in(seen: &mut mpsc::UnboundedReceiver<(u64, Seen)>) {
    while let Some((_, seen)) = seen.recv().await {
        if matches!(seen, Seen::LetIn) {
            return;
        }
    }
}

fn show(when: &str, memory: &Memory) {
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    line(&format!("processes {when}"), &memory.processes.to_string());
    line(&format!("VmRSS {when}"), &mib(memory.resident));
    line(&format!("PSS {when}"), &mib(memory.proportional));
}

const MOST_TIME: Duration = Duration::from_secs(120);

const SETTLING: Duration = Duration::from_secs(10);
