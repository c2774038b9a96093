use std::io;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::error::Failure;
use crate::options::{LogFormat, Logging};

/// Sends what `tracing` records to stderr.
pub(crate) fn start(options: &Logging, default: LevelFilter) {
    let default_filter = || Targets::new().with_default(default);
    let (filter, problem) = match options.log.as_deref().map(parse) {
        None => (default_filter(), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(problem)) => (default_filter(), Some(problem)),
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
    if let Some(problem) = problem {
        Failure::usage(format!("--log: {problem}; logging as without it")).report();
    }
}

fn parse(text: &str) -> Result<Targets, String> {
    // A word that is no level would be taken for a module, and everything else be silent.
    let unknown =
        text.split(',').find(|part| !part.contains('=') && part.parse::<LevelFilter>().is_err());
    match unknown {
        Some(word) => Err(format!("{word:?} is no level: use error, warn, info, debug or trace")),
        None => text.parse::<Targets>().map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_names_modules() {
        for good in ["debug", "off", "info,clawnode_runtime=debug", "clawnode_gateway=trace"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for wrong in ["verbose", "info,clawnode", "clawnode=loud"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
