//! The experiment of fragmentation gradient descent (Weng et al., USENIX ATC 2023) on the traces of its authors: pods come
//! one at a time until 130% of the devices are asked, none leaves, and what does not fit is dropped.

mod best_fit;
mod published;
mod replay;
mod trace;

use std::path::Path;

use phalanx_gang::{Fragmentation, FragmentationIndex};
use phalanx_topology::{Demand, DeviceSet, Inventory, NodeId};

use self::best_fit::BestFit;
use self::published::Published;
use self::replay::{Run, replay};
use self::trace::{Cluster, Trace};
use super::super::row::{Row, Want};
use super::Setting;

/// From the workspace's root.
const FOLDER: &str = "../shared/traces/gpu-cluster";

/// The traces that are there, the main one first.
const TRACES: [&str; 13] = [
    "default",
    "cpu050",
    "cpu100",
    "cpu200",
    "cpu250",
    "gpushare40",
    "gpushare60",
    "gpushare80",
    "gpushare100",
    "gpuspec10",
    "gpuspec33",
    "multigpu20",
    "multigpu50",
];

/// Those of the published runs.
const SEEDS: std::ops::Range<u64> = 42..52;

/// All figures of the experiment; one skipped row if the traces are not there.
pub(super) fn rows(setting: &Setting<'_>) -> Vec<Row> {
    let folder = setting.workspace.root.join(FOLDER);
    let whole = || Row::new("fragmentation experiment on thirteen traces").want(Want::Yes);
    if !folder.is_dir() {
        (setting.note)(&format!("no traces at {}: the fragmentation experiment is SKIPPED\n", folder.display()));
        return vec![whole().skip(format!("no traces at {}", folder.display()))];
    }
    measured(&folder, setting.note).unwrap_or_else(|reason| {
        (setting.note)(&format!("{reason}\n"));
        vec![whole().held(false).note(reason)]
    })
}

fn measured(folder: &Path, note: &dyn Fn(&str)) -> Result<Vec<Row>, String> {
    let cluster = Cluster::read(folder)?;
    let published = Published::read(folder)?;
    let (mut main, mut table) = (Vec::new(), Vec::new());
    for name in TRACES {
        note(&format!("fragmentation experiment, {name}\n"));
        let trace = Trace::read(folder, name, cluster.clone())?;
        let [ours, best_fit] = both(&trace);
        if name == TRACES[0] {
            main.extend(marks(&trace, &ours, &best_fit, &published));
        }
        table.extend(beside(name, &ours, &best_fit, &published));
    }
    main.extend(table);
    Ok(main)
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

/// What is promised of the default trace.
fn marks(trace: &Trace, ours: &Runs, best_fit: &Runs, published: &Published) -> Vec<Row> {
    let all = SEEDS.end - SEEDS.start;
    let beside = |runs: &Runs, policy: &str| {
        let theirs = published.mean(TRACES[0], policy).unwrap_or(f64::NAN);
        (theirs, format!("sd {:.2} over {all} seeds, published {theirs:.2}", runs.deviation()))
    };
    let (_, fgd) = beside(ours, "FGD");
    let (theirs, fit) = beside(best_fit, "BestFit");
    let first = SEEDS.start;
    let objective = Fragmentation::new(trace.mix.clone());
    let naive = replay(trace, first, |inventory, demand| best_of_all(&objective, inventory, demand));
    let speed = Row::new("single-pod stream, default trace").want(Want::AtLeast(50_000.0));
    let speed = speed.stretch(Want::AtLeast(150_000.0)).unit("pods/s");
    vec![
        Row::new("allocated at 130% arrivals, fragmentation")
            .want(Want::AtLeast(95.2))
            .stretch(Want::AtLeast(95.6))
            .unit("%")
            .saw(ours.mean())
            .note(fgd),
        Row::new("allocated at 130% arrivals, best fit, off the published")
            .want(Want::AtMost(0.3))
            .unit("points")
            .saw((best_fit.mean() - theirs).abs())
            .note(format!("{:.2}; {fit}", best_fit.mean())),
        Row::new("stream places as scoring every node does")
            .want(Want::Yes)
            .held(naive.places == ours.0[0].places)
            .note(format!(
                "{} pods, {} placed",
                naive.places.len(),
                naive.places.iter().filter(|place| place.is_some()).count()
            )),
        if cfg!(debug_assertions) {
            speed.skip("this build is not optimised: cargo run --release --package xtask -- measure placement")
        } else {
            speed.saw(ours.median(Run::pods_per_second)).note(format!(
                "median of {all} seeds, first look and commit included; {:.0} by processor time; {:.0} scoring every node",
                ours.median(Run::pods_per_busy_second),
                naive.pods_per_second()
            ))
        },
    ]
}

/// A line of the table.
fn beside(name: &str, ours: &Runs, best_fit: &Runs, published: &Published) -> [Row; 2] {
    let row = |policy: &str| Row::new(format!("{name}: allocated at 130%, {policy}")).unit("%");
    let note = |runs: &Runs, theirs: &str| match published.mean(name, theirs) {
        Some(mean) => format!("sd {:.2}, published {theirs} {mean:.2}", runs.deviation()),
        None => format!("sd {:.2}, nothing published", runs.deviation()),
    };
    let least = published.mean(name, "FGD").map_or(Want::Reported, |mean| Want::AtLeast(mean - 0.5));
    [
        row("fragmentation").want(least).saw(ours.mean()).note(note(ours, "FGD")),
        row("best fit").saw(best_fit.mean()).note(note(best_fit, "BestFit")),
    ]
}

/// The best node by scoring every one.
fn best_of_all(objective: &Fragmentation, inventory: &Inventory, demand: &Demand) -> Option<(NodeId, DeviceSet)> {
    let scored = inventory.topology().nodes().filter_map(|node| {
        let (score, devices) = objective.score(inventory, node, demand)?;
        Some((std::cmp::Reverse(score), node, devices))
    });
    scored.min().map(|(_, node, devices)| (node, devices))
}
