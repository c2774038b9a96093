//! How many requests, and what comes of timing them.

use std::time::Duration;

use clap::Args;

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Counts {
    /// How many requests, one after the other
    #[arg(long, default_value_t = 2000)]
    pub(crate) sequential: usize,
    /// How many requests, 32 at a time
    #[arg(long, default_value_t = 20_000)]
    pub(crate) in_flight: usize,
}

/// How many are under way together.
pub(crate) const WINDOW: usize = 32;

/// How many come first and are not counted.
pub(crate) const WARM_UP: usize = 100;

pub(crate) fn line(name: &str, value: &str) {
    println!("{name}\t{value}");
}

/// How long each took, and all together.
pub(crate) fn latencies(name: &str, mut each: Vec<Duration>, all: Duration) {
    each.sort_unstable();
    let rate = each.len() as f64 / all.as_secs_f64();
    line(&format!("{name}: min"), &milliseconds(each[0]));
    line(&format!("{name}: median"), &milliseconds(median(&each)));
    line(&format!("{name}: p99"), &milliseconds(each[(each.len() - 1) * 99 / 100]));
    line(&format!("{name}: rate"), &format!("{rate:.0}/s"));
}

/// Of a sorted slice that is not empty.
pub(crate) fn median<T: Copy>(sorted: &[T]) -> T {
    sorted[(sorted.len() - 1) / 2]
}

pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
