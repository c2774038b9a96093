//! Measures a node and prints one table: `cargo bench -p clawnode-bench --bench table`.

mod loopback;
mod round_trip;
mod table;
mod tungstenite;

use std::error::Error;
use std::process::Command;

use clawnode_bench::Shape;
use table::Table;

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --benches` wants to know whether it runs, not how fast.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let cores = std::thread::available_parallelism()?;
    let mut table = Table::default();
    table.heading(&format!(
        "One command in memory, medians, beside tokio-tungstenite ({cores} cores)"
    ));
    for (shape, size) in [
        (Shape::Records, 100),
        (Shape::Records, 1024),
        (Shape::Text, 1024),
        (Shape::Records, 64 << 10),
    ] {
        round_trip::measure(&mut table, &runtime, shape, size);
    }
    table.heading("One node and one gateway on loopback, a thread each");
    loopback::measure(&mut table, &runtime)?;
    table.heading("Memory of a node in the steady state");
    let counted = Command::new(env!("CARGO_BIN_EXE_clawnode-allocations")).output()?;
    for line in std::str::from_utf8(&counted.stdout)?.lines() {
        let (what, number) = line.split_once('\t').ok_or("no number in a line")?;
        table.row(what, number, "");
    }
    table.print()?;
    Ok(())
}
