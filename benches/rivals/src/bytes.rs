//! Measures the live bytes of each index for each pair of a rank and a block. A program of its own: counting costs time.

use std::alloc::System;

use clap::Parser;
use phalanx_rivals::index::{Chain, Crtc, Index, Ours};
use phalanx_rivals::source::Source;
use phalanx_rivals::table::Table;
use phalanx_rivals::workload::stream::Stream;
use phalanx_rivals::workload::{Name, Workload};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Measures the memory of KV-cache indexes beside each other.
#[derive(Debug, Parser)]
struct Command {
    /// The fleet.
    #[arg(long, default_value_t = 512)]
    ranks: u32,
    #[command(flatten)]
    source: Source,
}

fn main() -> Result<(), String> {
    let command = Command::parse();
    let lines = command.source.lines()?;
    let mut table = Table::default();
    for name in [Name::Conv64, Name::Deep] {
        let fill = Workload::build(name, command.ranks, &lines, 0).fill;
        let undone = fill.undone();
        for (index, steps) in [
            (<Ours>::NAME, steps::<Ours>(command.ranks, [&fill, &undone], |_| ())),
            (Chain::NAME, steps::<Chain>(command.ranks, [&fill, &undone], |_| ())),
            (Crtc::NAME, steps::<Crtc>(command.ranks, [&fill, &undone], Crtc::sweep)),
        ] {
            for (figure, bytes) in ["bytes/pair, full", "bytes/pair, drained"].iter().zip(steps) {
                table.saw(&name.word(), command.ranks, figure, index, bytes as f64 / fill.ops() as f64);
            }
        }
    }
    eprint!("{}", table.text());
    println!("{}", table.json());
    Ok(())
}

/// Bytes that are live after each stream beyond those that were before the index was.
fn steps<I: Index>(ranks: u32, streams: [&Stream; 2], tidy: fn(&mut I)) -> [usize; 2] {
    let before = live();
    let mut index = I::new(ranks);
    streams.map(|stream| {
        index.trickle(stream);
        tidy(&mut index);
        live() - before
    })
}

fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}
