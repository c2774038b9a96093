#![doc = include_str!("../README.md")]

mod access;
mod assets;
mod catalog;
mod client;
mod collections;
mod conformance;
mod connect;
mod demo;
mod device;
mod doctor;
mod environment;
mod error;
mod gateway;
mod identity;
mod jobs;
mod kept;
mod logging;
#[cfg(feature = "models")]
mod model_source;
mod models;
mod operator;
mod options;
mod output;
mod pairing;
mod probe;
mod record;
mod replay;
mod run;
mod signals;
mod system;
mod table;
mod workflow;
mod workflows;

use std::process::ExitCode;

use clap::Parser;

use error::Failure;
use options::{Command, Options};

fn main() -> ExitCode {
    let options = Options::parse();
    logging::start(&options.logging, options.command.default_level());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::from(error).report(),
    };
    let done = runtime.block_on(async {
        match options.command {
            Command::Connect(options) => connect::connect(options).await,
            Command::Doctor(options) => doctor::run(*options).await,
            Command::Gateway(options) => gateway::serve(options).await,
            Command::Run(options) => run::run(options).await,
            Command::Result(options) => client::fetch(options).await,
            Command::Nodes(options) => catalog::nodes(options).await,
            Command::Commands(options) => catalog::commands(&options),
            Command::Workflow(options) => workflow::run(options).await,
            Command::Jobs(options) => jobs::run(&options).await,
            Command::Assets(options) => assets::run(&options),
            Command::Collections(options) => collections::run(&options),
            Command::Models(options) => models::run(&options),
            Command::Backup(options) => kept::backup(&options),
            Command::Conformance(options) => conformance::check(*options).await,
            Command::Identity(options) => identity::run(&options),
            Command::Openclaw(options) => operator::ask(options).await,
            Command::Demo => demo::demo().await,
            Command::Replay(options) => replay::replay(&options),
        }
    });
    // Blocking handlers that were told to stop and do not must not keep the program.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
