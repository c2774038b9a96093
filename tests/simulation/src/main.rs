//! Explores simulated worlds: many seeds, or one of them in detail.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is what the program is for")]

use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use clawnode_protocol::dialect;
use clawnode_simulation::{
    Figures, Mix, Report, Simulation, Violation, sequence_diagram, transcript,
};

/// Looks for faults of nodes and gateways in simulated worlds.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// How many seeds to explore, counted from --from
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// One seed only
    #[arg(long)]
    seed: Option<u64>,
    /// How many nodes each world has
    #[arg(long, default_value_t = 5)]
    nodes: usize,
    /// Which worlds: calm, lossy, hostile or crowded; all in turn if not given
    #[arg(long)]
    mix: Option<Mix>,
    /// What nodes and gateway speak: nodetool or openclaw
    #[arg(long, default_value = "nodetool", value_parser = dialect_of)]
    dialect: dialect::Name,
    /// How many virtual minutes faults last
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// How many virtual hours faults last, in place of --minutes
    #[arg(long)]
    hours: Option<u64>,
    /// Ask each node for something every so many virtual seconds, in place of what the seed draws
    #[arg(long)]
    ask_every: Option<u64>,
    /// Print every event of the run, one line each; with --seed
    #[arg(long, requires = "seed")]
    transcript: bool,
    /// Draw the run as a sequence diagram into this file; with --seed
    #[arg(long, value_name = "FILE", requires = "seed")]
    html: Option<PathBuf>,
    /// How many threads explore seeds; as many as there are processors if not given
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match options.seed {
        Some(seed) => look_at(&options, seed),
        None => Ok(explore(&options)),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(2)
        }
    }
}

impl Options {
    fn mix_of(&self, seed: u64) -> Mix {
        self.mix.unwrap_or(Mix::ALL[(seed % 4) as usize])
    }

    fn simulation(&self, seed: u64) -> Simulation {
        let minutes = self.hours.map_or(self.minutes, |hours| hours * 60);
        let simulation = Simulation::new(self.mix_of(seed), seed)
            .dialect(self.dialect)
            .nodes(self.nodes)
            .faults_for(Duration::from_secs(60 * minutes));
        match self.ask_every {
            Some(seconds) => simulation.ask_every(Duration::from_secs(seconds)),
            None => simulation,
        }
    }

    /// The command that replays a seed.
    fn replay(&self, seed: u64) -> String {
        let mix = self.mix_of(seed);
        let minutes = self.hours.map_or(self.minutes, |hours| hours * 60);
        let asks =
            self.ask_every.map(|seconds| format!(" --ask-every {seconds}")).unwrap_or_default();
        let dialect = match self.dialect {
            dialect::Name::Openclaw => " --dialect openclaw",
            _ => "",
        };
        format!(
            "--seed {seed} --mix {mix}{dialect} --nodes {} --minutes {minutes}{asks} --transcript",
            self.nodes
        )
    }
}

fn dialect_of(text: &str) -> Result<dialect::Name, String> {
    match text {
        "nodetool" => Ok(dialect::Name::Nodetool),
        "openclaw" => Ok(dialect::Name::Openclaw),
        other => Err(format!("no dialect is called `{other}`; choose nodetool or openclaw")),
    }
}

/// One run, as closely as asked for. True when no rule was broken.
fn look_at(options: &Options, seed: u64) -> Result<bool, String> {
    let mut simulation = options.simulation(seed);
    if options.transcript || options.html.is_some() {
        simulation = simulation.record();
    }
    let begin = Instant::now();
    let report = simulation.run();
    if options.transcript {
        let text = transcript(&report.records);
        // Whoever reads it may have read enough.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }
    if let Some(file) = &options.html {
        std::fs::write(file, sequence_diagram(&report))
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        eprintln!("wrote {}", file.display());
    }
    if !options.transcript {
        summary(&report.figures, 1, begin.elapsed());
    }
    for violation in &report.violations {
        eprintln!("{violation}");
    }
    Ok(report.violations.is_empty())
}

/// Many runs. True when no rule was broken in any.
fn explore(options: &Options) -> bool {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = options.threads.unwrap_or(processors).max(1);
    let next = AtomicU64::new(0);
    let found: Mutex<(Figures, Vec<Violation>)> = Mutex::default();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= options.seeds {
                        return;
                    }
                    let seed = options.from + number;
                    let report = run(options, seed);
                    let mut found = found.lock().expect("no thread panics while it holds the lock");
                    found.0.add(&report.figures);
                    found.1.extend(report.violations);
                    progress(number + 1, options.seeds, found.1.len(), begin);
                }
            });
        }
    });
    let (figures, mut violations) = found.into_inner().expect("all threads have ended");
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
    violations.sort_by_key(|violation| (violation.seed, violation.at));
    summary(&figures, options.seeds, begin.elapsed());
    let mut seeds: Vec<u64> = violations.iter().map(|violation| violation.seed).collect();
    seeds.dedup();
    for seed in &seeds {
        let first = violations.iter().find(|violation| violation.seed == *seed);
        println!("{}", first.expect("the seed comes from a violation"));
        println!("    replay: {}", options.replay(*seed));
    }
    match seeds.len() {
        0 => println!("no rule was broken"),
        count => println!("{count} seeds failed"),
    }
    seeds.is_empty()
}

/// A run whose panics are violations like any other.
fn run(options: &Options, seed: u64) -> Report {
    let outcome = std::panic::catch_unwind(|| options.simulation(seed).run());
    outcome.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("something panicked");
        Report::of_panic(options.mix_of(seed), options.dialect, seed, options.nodes, text)
    })
}

fn progress(done: u64, of: u64, violations: usize, begin: Instant) {
    const WIDTH: u64 = 40;
    if !std::io::stderr().is_terminal() || (done % 10 != 0 && done != of) {
        return;
    }
    let bar = "=".repeat((done * WIDTH / of) as usize);
    let rate = done as f64 * 60.0 / begin.elapsed().as_secs_f64().max(0.001);
    eprint!("\r[{bar:<40}] {done}/{of} seeds, {rate:.0} a minute, {violations} violations ");
}

fn summary(figures: &Figures, seeds: u64, took: Duration) {
    let seconds = took.as_secs_f64().max(0.001);
    println!(
        "{seeds} seeds in {seconds:.1} s ({:.0} a minute): {} events, {:.0} a second",
        seeds as f64 * 60.0 / seconds,
        figures.events,
        figures.events as f64 / seconds
    );
    println!(
        "{} requests, {} runs of handlers, {} answers read, {} heartbeats, {} bytes, {} connections, {} faults",
        figures.requests,
        figures.runs,
        figures.answers,
        figures.heartbeats,
        figures.bytes,
        figures.connections,
        figures.faults
    );
}
