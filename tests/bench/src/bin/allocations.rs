//! Counts what a node allocates and holds, in the steady state. Prints a number a line, with a name and a tab before it.

use std::io::Write;

use allocation_counter::measure;
use clawnode_bench::{BenchNode, Requests, Shape, echo};

/// Enough for every table to be as large as it gets.
const WARM_UP: usize = 12_000;
const COUNTED: usize = 1_000;

fn main() -> std::io::Result<()> {
    let mut node = None;
    let made = measure(|| node = Some(BenchNode::ready(echo)));
    let mut node = node.expect("it was made");
    let beaten = measure(|| (0..10).for_each(|_| node.heartbeat()));
    let held = made.bytes_current + beaten.bytes_current + size_of::<BenchNode>() as i64;
    let beats = measure(|| (0..COUNTED).for_each(|_| node.heartbeat()));

    let mut requests = Requests::new(Shape::Records, 1024);
    requests.take(WARM_UP).iter().for_each(|request| answer(&mut node, request));
    let counted = requests.take(COUNTED);
    let answered = measure(|| counted.iter().for_each(|request| answer(&mut node, request)));

    let mut out = std::io::stdout().lock();
    writeln!(out, "bytes of an idle ready node\t{held}")?;
    writeln!(out, "allocations of {COUNTED} heartbeats\t{}", beats.count_total)?;
    writeln!(out, "allocations of {COUNTED} requests of 1 KiB\t{}", answered.count_total)?;
    writeln!(out, "bytes allocated for {COUNTED} requests of 1 KiB\t{}", answered.bytes_total)
}

fn answer(node: &mut BenchNode, request: &[u8]) {
    assert_eq!(node.receive(request), 2, "an acknowledgement and an answer");
}
