use std::io;

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::error::Failure;
use crate::options::{LogFormat, Logging};

/// Sends what `tracing` records to stderr.
pub(crate) fn start(options: &Logging, default: Level) {
    let default_filter = || Targets::new().with_default(LevelFilter::from_level(default));
    let (filter, problem) = match options.log.as_deref().map(str::parse::<Targets>) {
        None => (default_filter(), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (default_filter(), Some(error)),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    match options.log_format {
        LogFormat::Text => {
            let colours = io::IsTerminal::is_terminal(&io::stderr());
            registry.with(lines.with_ansi(colours)).init();
        }
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
    if let Some(error) = problem {
        Failure::usage(format!("--log: {error}; logging as without it")).report();
    }
}
