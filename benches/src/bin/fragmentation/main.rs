//! The experiment of fragmentation gradient descent (Weng et al., USENIX ATC 2023) on the traces of its authors: pods come
//! one at a time until 130% of the devices are asked, none leaves, and what does not fit is dropped. Its answer is JSON, an
//! object a trace; `cargo xtask measure placement` runs it and holds the figures against what was promised.
//!
//! `fragmentation FOLDER TRACE…`: the folder with the traces, and their names. Of the first one the stream is also compared
//! with scoring every node, and timed.

mod best_fit;
mod published;
mod replay;
mod trace;

use std::path::Path;
use std::process::ExitCode;

use phalanx_gang::{Fragmentation, FragmentationIndex};
use phalanx_topology::{Demand, DeviceSet, Inventory, NodeId};

use crate::best_fit::BestFit;
use crate::published::Published;
use crate::replay::{Run, replay};
use crate::trace::{Cluster, Trace};

/// Those of the published runs.
const SEEDS: std::ops::Range<u64> = 42..52;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let answer = match &args[..] {
        [folder, traces @ ..] => measured(Path::new(folder), traces),
        [] => Err("expected a folder and names of traces".to_owned()),
    };
    match answer {
        Ok(lines) => say(&format!("[\n  {}\n]\n", lines.join(",\n  "))),
        Err(reason) => {
            complain(&reason);
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, reason = "this program's answer")]
fn say(text: &str) {
    print!("{text}");
}

#[expect(clippy::print_stderr, reason = "why there is no answer")]
fn complain(text: &str) {
    eprintln!("{text}");
}

fn measured(folder: &Path, traces: &[String]) -> Result<Vec<String>, String> {
    let cluster = Cluster::read(folder)?;
    let published = Published::read(folder)?;
    let mut lines = Vec::new();
    for (at, name) in traces.iter().enumerate() {
        let trace = Trace::read(folder, name, cluster.clone())?;
        let [ours, best_fit] = both(&trace);
        let theirs = |policy: &str| published.mean(name, policy).map_or("null".to_owned(), |mean| format!("{mean}"));
        let mut line = format!(
            "{{\"trace\": \"{name}\", \"fragmentation\": {:.4}, \"fragmentation_sd\": {:.4}, \"published_fgd\": {}, \
             \"best_fit\": {:.4}, \"best_fit_sd\": {:.4}, \"published_best_fit\": {}",
            ours.mean(),
            ours.deviation(),
            theirs("FGD"),
            best_fit.mean(),
            best_fit.deviation(),
            theirs("BestFit"),
        );
        if at == 0 {
            let objective = Fragmentation::new(trace.mix.clone());
            let naive = replay(&trace, SEEDS.start, |inventory, demand| best_of_all(&objective, inventory, demand));
            line += &format!(
                ", \"same_as_scoring_all\": {}, \"pods\": {}, \"pods_per_second\": {:.0}, \
                 \"pods_per_busy_second\": {:.0}, \"pods_per_second_scoring_all\": {:.0}",
                naive.places == ours.0[0].places,
                naive.places.len(),
                ours.median(Run::pods_per_second),
                ours.median(Run::pods_per_busy_second),
                naive.pods_per_second(),
            );
        }
        lines.push(line + "}");
    }
    Ok(lines)
}

/// The runs of one policy, a run a seed.
struct Runs(Vec<Run>);

impl Runs {
    fn mean(&self) -> f64 {
        self.0.iter().map(|run| run.allocated).sum::<f64>() / self.0.len() as f64
    }

    fn deviation(&self) -> f64 {
        let mean = self.mean();
        (self.0.iter().map(|run| (run.allocated - mean).powi(2)).sum::<f64>() / self.0.len() as f64).sqrt()
    }

    fn median(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.0.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    }
}

/// The objective fragmentation, and best fit.
fn both(trace: &Trace) -> [Runs; 2] {
    let runs = |one: &dyn Fn(u64) -> Run| Runs(SEEDS.map(one).collect());
    [
        runs(&|seed| fragmentation(trace, seed)),
        runs(&|seed| {
            let mut policy = BestFit::new(&trace.cluster);
            replay(trace, seed, |inventory, demand| policy.best(inventory, demand))
        }),
    ]
}

fn fragmentation(trace: &Trace, seed: u64) -> Run {
    let mut index = FragmentationIndex::new(trace.mix.clone());
    replay(trace, seed, |inventory, demand| index.best(inventory, demand))
}

/// The best node by scoring every one.
fn best_of_all(objective: &Fragmentation, inventory: &Inventory, demand: &Demand) -> Option<(NodeId, DeviceSet)> {
    let scored = inventory.topology().nodes().filter_map(|node| {
        let (score, devices) = objective.score(inventory, node, demand)?;
        Some((std::cmp::Reverse(score), node, devices))
    });
    scored.min().map(|(_, node, devices)| (node, devices))
}
