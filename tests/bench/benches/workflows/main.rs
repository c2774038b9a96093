//! Measures workflows and prints one table: `cargo bench -p clawnode-bench --bench workflows`.

mod engine;
mod node;
#[path = "../table/table.rs"]
mod table;

use std::error::Error;

use table::Table;

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --benches` wants to know whether it runs, not how fast.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let cores = std::thread::available_parallelism()?;
    let mut table = Table::default();
    table.heading(&format!("Workflows on the engine alone, one thread, medians ({cores} cores)"));
    engine::measure(&mut table)?;
    table.heading(
        "The 3 nodes in a running node, asked for over HTTP through a gateway, on loopback",
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(node::measure(&mut table))?;
    table.print()?;
    Ok(())
}
