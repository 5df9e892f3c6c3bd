//! How long placement takes on a large cluster that changes all the time: the median and the 99th percentile of each
//! operation, as JSON. `cargo xtask measure placement` runs it and holds the figures against what was promised.
//!
//! `placement [NODES [SAMPLES]]`: 12,500 nodes and 2,000 samples if nothing else is said. Before each sample 128 nodes or
//! more are committed or released at random, with sixteen shapes warm. Times are those of one core: while another program
//! has it, they stand still.

use std::time::{Duration, Instant};

use phalanx_benches::Ledger;
use phalanx_gang::{Gang, Group, Options, Outcome, Plan, plan};
use phalanx_topology::{Demand, LevelId, Receipt};

fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u32>().expect("a number of nodes, then of samples"));
    let nodes = args.next().unwrap_or(12_500);
    let samples = args.next().unwrap_or(2_000) as usize;
    let mut run = Run::new(nodes);
    let rows = run.all(samples);
    let lines: Vec<String> = rows.iter().map(|(name, times)| json(name, nodes, times)).collect();
    write(&format!("[\n  {}\n]\n", lines.join(",\n  ")));
}

#[expect(clippy::print_stdout, reason = "this program's answer")]
fn write(text: &str) {
    print!("{text}");
}

/// One operation's times, sorted.
fn json(name: &str, nodes: u32, times: &[Duration]) -> String {
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e6;
    let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
    let samples = times.len();
    format!(
        "{{\"operation\": \"{name}\", \"nodes\": {nodes}, \"samples\": {samples}, \"p50_us\": {p50:.2}, \"p99_us\": {p99:.2}, \"max_us\": {max:.2}}}"
    )
}

/// A cluster that changes.
struct Run {
    ledger: Ledger,
    held: Vec<Receipt>,
    turn: u64,
}

impl Run {
    fn new(nodes: u32) -> Self {
        Self { ledger: Ledger::new(nodes), held: Vec::new(), turn: 0 }
    }

    /// Commits 128 pods on as many nodes, or releases as many.
    fn churn(&mut self) {
        self.turn += 1;
        if self.held.len() < 8 || self.turn.is_multiple_of(2) {
            let nodes = self.ledger.nodes(128);
            let receipt = self.ledger.commit(&nodes);
            self.held.push(receipt);
        } else {
            let at = (self.turn as usize * 7) % self.held.len();
            self.ledger.inventory.release(self.held.swap_remove(at)).expect("it is held");
        }
    }

    fn all(&mut self, samples: usize) -> Vec<(&'static str, Vec<Duration>)> {
        let level = |name: &str| self.ledger.inventory.topology().level(name).expect("the cluster has the level");
        let (block, rack, node) = (level("block"), level("rack"), level("node"));
        let eight = gang(Group::pods("train", 128, Demand::devices(8)));
        let ones = gang(Group::pods("train", 1024, Demand::devices(1)));
        let in_rack = gang(Group::pods("train", 128, Demand::devices(8)).hard(rack));
        let too_large = gang(Group::pods("train", 1 << 17, Demand::devices(8)));
        let nested = gang(nested(block, rack, node));
        let cpu = self.ledger.inventory.find_resource("cpu").expect("the cluster has cores");
        let mut amount = 1;
        let mut fresh = |count: u32, devices: u32| {
            // An amount that was never asked: the shape is new each time.
            amount += 1;
            gang(Group::pods("train", count, Demand::devices(devices).with(cpu, amount)))
        };
        let mut rows = vec![
            ("128x8, warm", self.plans(samples, |_| eight.clone())),
            ("1024x1, warm", self.plans(samples, |_| ones.clone())),
            ("128x8, first time", self.plans(samples, |_| fresh(128, 8))),
            ("1024x1, first time", self.plans(samples, |_| fresh(1024, 1))),
            ("nested, 1024 pods", self.plans(samples / 4, |_| nested.clone())),
            ("infeasible in a rack", self.plans(samples / 2, |_| in_rack.clone())),
            ("infeasible in the cluster", self.plans(samples / 2, |_| too_large.clone())),
        ];
        let [commit, release, roll_back] = self.commits(samples, &eight);
        rows.extend([("commit 128 nodes", commit), ("release 128 nodes", release), ("roll back 128 nodes", roll_back)]);
        rows
    }

    /// The times of planning a gang, each after a change.
    fn plans(&mut self, samples: usize, mut gang: impl FnMut(usize) -> Gang) -> Vec<Duration> {
        let options = Options::default();
        let mut times = Vec::with_capacity(samples);
        for sample in 0..samples.max(1) {
            self.churn();
            let gang = gang(sample);
            let (time, outcome) = timed(|| plan(&gang, &self.ledger.inventory, &options));
            let _outcome = std::hint::black_box(outcome.expect("a sound gang"));
            times.push(time);
        }
        times.sort_unstable();
        times
    }

    /// The times of committing a plan on 128 nodes, of releasing it, and of claiming as much and rolling it back.
    fn commits(&mut self, samples: usize, gang: &Gang) -> [Vec<Duration>; 3] {
        let mut times: [Vec<Duration>; 3] = Default::default();
        for _ in 0..samples.max(1) {
            self.churn();
            let outcome = plan(gang, &self.ledger.inventory, &Options::default()).expect("a sound gang");
            let Outcome::Placed(plan) = outcome else { continue };
            let inventory = &mut self.ledger.inventory;
            times[2].push(timed(|| roll_back(&plan, inventory)).0);
            let (time, receipt) = timed(|| plan.commit(inventory));
            times[0].push(time);
            let receipt = receipt.expect("the plan is for this state");
            times[1].push(timed(|| inventory.release(receipt)).0);
        }
        times.iter_mut().for_each(|times| times.sort_unstable());
        times
    }
}

fn roll_back(plan: &Plan, inventory: &mut phalanx_topology::Inventory) {
    let mut transaction = inventory.transaction();
    for pod in plan.placements() {
        transaction.claim(pod.node(), pod.devices(), pod.demand()).expect("the plan is for this state");
    }
    transaction.rollback();
}

fn gang(root: Group) -> Gang {
    Gang::new(root).expect("a sound gang")
}

/// 1,024 pods of four roles in one block: replicas that need a node, that need a rack, that prefer one, and pods without a
/// device anywhere.
fn nested(block: LevelId, rack: LevelId, node: LevelId) -> Group {
    let prefill = Group::pods("prefill", 8, Demand::devices(1)).replicas(32).hard(node);
    let decode = Group::leader_workers("decode", Demand::devices(0), 15, Demand::devices(1)).replicas(16).hard(rack);
    let large = Group::pods("large", 64, Demand::devices(2)).replicas(4).prefer(rack);
    let front = Group::pods("front", 256, Demand::devices(0));
    Group::of("serving", [prefill, decode, large, front]).hard(block)
}

/// How long it takes on a core of its own: what other programs had the core for meanwhile is left out, where the system
/// tells.
fn timed<T>(what: impl FnOnce() -> T) -> (Duration, T) {
    let (waited, start) = (waited(), Instant::now());
    let value = what();
    let took = start.elapsed();
    (took.saturating_sub(self::waited().saturating_sub(waited)), value)
}

/// How long this thread has waited for a core, as Linux counts it.
fn waited() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let waited = text.split(' ').nth(1).and_then(|waited| waited.parse().ok());
    Duration::from_nanos(waited.unwrap_or(0))
}
