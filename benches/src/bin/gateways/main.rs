//! What stands around a gateway while it is measured: engines that answer at once, and a load that checks each answer.
//!
//! ```text
//! gateways engines --count 8                       prints the addresses as JSON, then serves until it is stopped
//! gateways ready --target IP:PORT                  waits until a request comes through
//! gateways load --target IP:PORT --watch PID …     sends a load, prints what was seen as JSON
//! gateways crowd --target IP:PORT --watch PID …    holds thousands of streams open, prints what was seen as JSON
//! gateways big --target IP:PORT --watch PID        sends one huge body, prints the peak memory as JSON
//! ```
//!
//! Requests and answers are bytes made beforehand, and one thread waits for all sockets: on a core that both share, they
//! must never be what limits a gateway on another core.

mod answer;
mod big;
mod engines;
mod load;
mod message;
mod prompt;
mod watch;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve as engines
    Engines(engines::Args),
    /// Wait until requests come through
    Ready(big::ReadyArgs),
    /// Send a load
    Load(load::Args),
    /// Hold very many streams open, for long
    Crowd(load::crowd::Args),
    /// Send one huge body
    Big(big::BigArgs),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Engines(args) => engines::run(&args),
        Command::Ready(args) => big::ready(&args),
        Command::Load(args) => load::run(args),
        Command::Crowd(args) => load::crowd::run(args),
        Command::Big(args) => big::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "gateways: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a line of the answer.
fn say(value: &impl serde::Serialize) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}
