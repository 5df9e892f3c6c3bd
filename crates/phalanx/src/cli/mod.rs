//! What can be asked on the command line, and how an answer becomes an exit code.

#[cfg(test)]
mod broken_files;
mod check;
mod crds;
mod engine;
mod engine_args;
mod flags;
mod gateway;
mod input;
mod kthena;
mod manifests;
mod output;
mod place;
mod policies;
mod replay;
mod route;
mod serve;
mod simulate;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// LLM inference for Kubernetes: place gangs, route requests, ask "what if".
#[derive(Debug, Parser)]
#[command(name = "phalanx", version, about, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Start here:
  phalanx up examples/quickstart --drive sample    the whole system on this machine, with a sample load
  phalanx place examples/quickstart                where the gangs would go, and why

Exit codes: 0 yes, 1 no (a gang does not fit, requests failed, a replay differs), 2 bad input.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole system on this machine: place the gangs, start an emulated engine a replica, serve the gateway
    Up(up::Args),
    /// Replay a trace on a fleet of modelled engines under one or more policies, on virtual time
    Simulate(simulate::Args),
    /// Plan the gangs of some manifests on their nodes without starting anything
    Place(place::Args),
    /// Decide recorded requests against a snapshot of a fleet, and say why
    Route(route::Args),
    /// Make the decisions of a log again, also under another policy
    Replay(replay::Args),
    /// Serve a gateway in front of engines that a file lists
    Gateway(gateway::Args),
    /// Run one emulated engine: an OpenAI server without a GPU
    Engine(engine::Args),
    /// Validate manifests and gateway files
    Check(check::Args),
    /// Print the custom resource definitions
    Crds(crds::Args),
}

/// Why a command did not end with a yes.
#[derive(Debug)]
enum Failure {
    /// The answer is no. What was found has been printed.
    No,
    /// Bad input, with a text that says where and what was expected.
    Input(String),
}

pub(crate) fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Up(args) => up::run(args),
        Command::Simulate(args) => simulate::run(args),
        Command::Place(args) => place::run(&args),
        Command::Route(args) => route::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Gateway(args) => gateway::run(&args),
        Command::Engine(args) => engine::run(args),
        Command::Check(args) => check::run(&args),
        Command::Crds(args) => crds::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::No) => ExitCode::from(1),
        Err(Failure::Input(text)) => {
            output::complain(&text);
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
