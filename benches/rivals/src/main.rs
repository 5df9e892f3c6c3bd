//! Measures, and prints the figures as JSON on standard output and for people on standard error.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Parser, Subcommand, ValueEnum};
use phalanx_rivals::replay::{self, Setting};
use phalanx_rivals::table::Table;
use phalanx_rivals::workload::{Name, Workload, trace};

/// Measures KV-cache indexes beside each other.
#[derive(Debug, Parser)]
struct Command {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Events and queries of the workloads.
    Replay(Replay),
}

#[derive(Debug, clap::Args)]
struct Replay {
    /// Indexes to measure: ours, chain, crtc; all unless given.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Workloads; all unless given.
    #[arg(long, value_delimiter = ',')]
    workload: Vec<Name>,
    /// Fleets; 8, 64, 512 and 4096 unless given.
    #[arg(long, value_delimiter = ',', default_values_t = [8, 64, 512, 4096])]
    ranks: Vec<u32>,
    /// Phases; all unless given. Queries come after the churn.
    #[arg(long, value_delimiter = ',')]
    phase: Vec<Phase>,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    #[arg(long, default_value_t = 2_000)]
    queries: usize,
    /// Does not compare answers with the oracle's.
    #[arg(long)]
    unchecked: bool,
    /// The conversation trace; ../shared/traces beside the repository unless given.
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Makes up a trace of so many requests instead of reading one.
    #[arg(long)]
    made_up: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Phase {
    Fill,
    Churn,
    Query,
}

fn main() -> Result<(), String> {
    let Command { subject: Subject::Replay(replay) } = Command::parse();
    let table = self::replay(&replay)?;
    eprint!("{}", table.text());
    println!("{}", serde_json::to_string_pretty(&table.rows()).map_err(|error| error.to_string())?);
    Ok(())
}

fn replay(replay: &Replay) -> Result<Table, String> {
    let lines = match replay.made_up {
        Some(requests) => trace::made_up(requests),
        None => {
            let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/traces/conversation_trace.jsonl");
            let path = replay.trace.clone().unwrap_or_else(|| beside.into());
            trace::read(&path).or_else(|error| {
                eprintln!("{error}: making one up");
                if replay.trace.is_some() { Err(error) } else { Ok(trace::made_up(12_031)) }
            })?
        }
    };
    let on = |phase| replay.phase.is_empty() || replay.phase.contains(&phase);
    let names = if replay.workload.is_empty() { Name::value_variants() } else { &replay.workload };
    let mut table = Table::default();
    for &name in names {
        for &ranks in &replay.ranks {
            let start = Instant::now();
            let work = Workload::build(name, ranks, &lines, replay.queries);
            let word = name.to_possible_value().expect("none is hidden").get_name().to_owned();
            eprintln!(
                "{word} {ranks}: {} blocks filled in {} events; churn {} ops in {} events; {} queries of {:.0} blocks; {:?}",
                work.fill.ops(),
                work.fill.events.len(),
                work.churn.ops(),
                work.churn.events.len(),
                work.queries.len(),
                work.depth(),
                start.elapsed()
            );
            let setting = Setting {
                workload: word,
                rounds: replay.rounds,
                only: replay.only.clone(),
                fill: on(Phase::Fill),
                churn: on(Phase::Churn),
                query: on(Phase::Query),
                check: !replay.unchecked,
            };
            replay::run(&setting, &work, &mut table);
        }
    }
    Ok(table)
}
