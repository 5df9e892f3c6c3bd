//! Counts the allocations of our decisions once they are warm. A program of its own: counting costs time.

use std::alloc::System;

use clap::Parser;
use phalanx_rivals::select::{SelectArgs, Task, WARM};
use phalanx_rivals::table::Table;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Counts the allocations of decisions.
#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    select: SelectArgs,
}

fn main() -> Result<(), String> {
    let Command { select } = Command::parse();
    let lines = select.source.lines()?;
    let mut table = Table::default();
    for name in select.cells() {
        for endpoints in name.fleets(&select.sizes()) {
            for (subject, mut task) in name.build(endpoints, &lines, true).subjects {
                let steps = select.samples.max(1);
                let count = allocations(task.as_mut(), steps);
                table.saw(name.word(), endpoints, "allocations a step", subject, count as f64 / steps as f64);
            }
        }
    }
    eprint!("{}", table.text());
    println!("{}", table.json());
    Ok(())
}

/// Allocations, larger and smaller ones made of others included, in so many warm steps.
fn allocations(task: &mut dyn Task, steps: usize) -> usize {
    for _ in 0..steps.max(WARM) {
        task.change();
        task.step();
    }
    let mut count = 0;
    for _ in 0..steps {
        task.change();
        let before = ALLOCATOR.stats();
        task.step();
        let after = ALLOCATOR.stats();
        count += after.allocations + after.reallocations - before.allocations - before.reallocations;
    }
    count
}
