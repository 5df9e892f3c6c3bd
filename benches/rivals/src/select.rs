//! What it takes to decide where a request goes, beside Dynamo's selector, interleaved in one process.
//!
//! A decision is the choice, its booking and its settlement. Between two of them the load of endpoints changes, before the
//! clock is read. A figure is of single steps, with a clock read before and after each; what two readings take by
//! themselves is a figure of its own, and is part of all others.

mod args;
mod cells;
mod dynamo;
mod fleet;
mod ours;
mod pair;
mod whole;

use std::hint::black_box;
use std::time::{Duration, Instant};

pub use self::args::SelectArgs;
pub use self::cells::{Cell, CellName, Sizes};
pub use self::fleet::distinct;
use crate::clock::quantile;
use crate::table::Table;

/// Steps that are not timed, before those that are.
pub const WARM: usize = 500;

/// So many steps are timed, however long they take.
const LEAST: usize = 200;

/// Beyond that a subject has this long in each round.
const BUDGET: Duration = Duration::from_millis(1_500);

/// Something that is timed again and again.
pub trait Task {
    /// Changes what the next step meets. Not timed.
    fn change(&mut self);

    /// What is timed.
    fn step(&mut self);

    /// Which share of their prompts the chosen hold, of all steps so far, where it is known.
    fn cached_share(&self) -> Option<f64> {
        None
    }
}

/// Times all cells that are asked for on all their fleets.
///
/// # Errors
/// When the given trace cannot be read.
pub fn run(args: &SelectArgs, table: &mut Table) -> Result<(), String> {
    let lines = args.source.lines()?;
    for name in args.cells() {
        for endpoints in name.fleets(&args.sizes()) {
            let begun = Instant::now();
            // Rivals are slow on fleets that are larger than those that we compare.
            let alone = args.alone || (name != CellName::Whole && endpoints > args.endpoints.max(args.pair));
            run_cell(args, name.build(endpoints, &lines, alone), table);
            eprintln!("{} {endpoints}: {:?}", name.word(), begun.elapsed());
        }
    }
    Ok(())
}

/// Times all subjects of a cell, each round beginning with another one.
fn run_cell(args: &SelectArgs, mut cell: Cell, table: &mut Table) {
    let count = cell.subjects.len();
    for round in 0..args.rounds {
        table.saw("clock", 0, "ns p50", "two readings", quantile(&readings(args.samples), 0.5));
        for turn in 0..count {
            let (name, task) = &mut cell.subjects[(round + turn) % count];
            let each = time(args.samples, task.as_mut());
            for (figure, share) in [("ns p50", 0.5), ("ns p99", 0.99)] {
                table.saw(cell.name, cell.endpoints, figure, name, quantile(&each, share));
            }
            if let Some(share) = task.cached_share() {
                table.saw(cell.name, cell.endpoints, "cached share", name, share);
            }
        }
    }
}

/// Nanoseconds of each step, sorted.
fn time(samples: usize, task: &mut dyn Task) -> Vec<u32> {
    for _ in 0..WARM.min(samples) {
        task.change();
        task.step();
    }
    let mut each = Vec::with_capacity(samples);
    let begun = Instant::now();
    while each.len() < samples && (each.len() < LEAST || begun.elapsed() < BUDGET) {
        task.change();
        let start = Instant::now();
        task.step();
        each.push(nanoseconds(start));
    }
    each.sort_unstable();
    each
}

/// What the clock says of nothing, sorted.
fn readings(samples: usize) -> Vec<u32> {
    let mut each: Vec<u32> = (0..samples).map(|_| nanoseconds(black_box(Instant::now()))).collect();
    each.sort_unstable();
    each
}

fn nanoseconds(start: Instant) -> u32 {
    u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX)
}
