//! Measures, and prints the figures as JSON on standard output and for people on standard error.

use std::time::Instant;

use clap::{Parser, Subcommand, ValueEnum};
use phalanx_rivals::replay::{self, Setting};
use phalanx_rivals::select::{self, SelectArgs};
use phalanx_rivals::source::Source;
use phalanx_rivals::table::Table;
use phalanx_rivals::workload::trace::Line;
use phalanx_rivals::workload::{Name, Workload};
use phalanx_rivals::{beside, growth, holes, prefix, redecide, tokens};

/// Measures KV-cache indexes and choices of endpoints beside each other.
#[derive(Debug, Parser)]
struct Command {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Events and queries of the workloads.
    Replay(Replay),
    /// The store of a prefix that others hold.
    Prefix {
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Questions beside a writer.
    Beside {
        #[arg(long, default_value_t = 512)]
        ranks: u32,
        #[arg(long, default_value_t = 9)]
        rounds: usize,
        #[command(flatten)]
        source: Source,
    },
    /// Right answers when evictions leave holes.
    Holes {
        /// Random operations of our index.
        #[arg(long, default_value_t = 1_000_000)]
        operations: u32,
    },
    /// The hashing of tokens.
    Tokens {
        #[arg(long, default_value_t = 9)]
        rounds: usize,
    },
    /// How our index's costs grow with the pairs that it holds.
    Growth {
        /// Sizes in pairs, ascending.
        #[arg(long, value_delimiter = ',', default_values_t = [1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000])]
        pairs: Vec<u64>,
    },
    /// Decisions where a request goes.
    Select(SelectArgs),
    /// A log of decisions, made again.
    Redecide {
        /// Decisions in it.
        #[arg(long, default_value_t = 100_000)]
        decisions: u64,
        /// Threads that make them again side by side.
        #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
        threads: Vec<usize>,
    },
}

#[derive(Debug, clap::Args)]
struct Replay {
    /// Indexes to measure: ours, chain, crtc, ours-single; all unless given.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Workloads; all unless given.
    #[arg(long, value_delimiter = ',')]
    workload: Vec<Name>,
    /// Fleets.
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
    #[command(flatten)]
    source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Phase {
    Fill,
    Churn,
    Query,
}

fn main() -> Result<(), String> {
    let mut table = Table::default();
    match Command::parse().subject {
        Subject::Replay(replay) => self::replay(&replay, &mut table)?,
        Subject::Prefix { rounds } => prefix::run(rounds, &mut table),
        Subject::Beside { ranks, rounds, source } => {
            let work = build(Name::Conv64, ranks, &source.lines()?, 2_000);
            beside::run(rounds, &Name::Conv64.word(), &work, &mut table);
        }
        Subject::Holes { operations } => {
            holes::run(&mut table);
            holes::random(operations, &mut table);
        }
        Subject::Tokens { rounds } => tokens::run(rounds, &mut table),
        Subject::Growth { pairs } => growth::run(&pairs, &mut table),
        Subject::Select(select) => select::run(&select, &mut table)?,
        Subject::Redecide { decisions, threads } => redecide::run(decisions, &threads, &mut table)?,
    }
    eprint!("{}", table.text());
    println!("{}", table.json());
    Ok(())
}

fn replay(replay: &Replay, table: &mut Table) -> Result<(), String> {
    let lines = replay.source.lines()?;
    let on = |phase| replay.phase.is_empty() || replay.phase.contains(&phase);
    let names = if replay.workload.is_empty() { Name::value_variants() } else { &replay.workload };
    for &name in names {
        for &ranks in &replay.ranks {
            let work = build(name, ranks, &lines, replay.queries);
            let setting = Setting {
                workload: name.word(),
                rounds: replay.rounds,
                only: replay.only.clone(),
                fill: on(Phase::Fill),
                churn: on(Phase::Churn),
                query: on(Phase::Query),
                check: !replay.unchecked,
            };
            replay::run(&setting, &work, table);
        }
    }
    Ok(())
}

fn build(name: Name, ranks: u32, lines: &[Line], queries: usize) -> Workload {
    let start = Instant::now();
    let work = Workload::build(name, ranks, lines, queries);
    eprintln!(
        "{} {ranks}: {} blocks filled in {} events; churn {} ops in {} events; {} queries of {:.0} blocks; {:?}",
        name.word(),
        work.fill.ops(),
        work.fill.events.len(),
        work.churn.ops(),
        work.churn.events.len(),
        work.queries.len(),
        work.depth(),
        start.elapsed()
    );
    work
}
