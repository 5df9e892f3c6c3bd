//! One run: the pods of a trace in the order of a seed, one at a time.

use std::time::{Duration, Instant};

use phalanx_topology::{Demand, DeviceSet, Inventory, NodeId};

use crate::trace::{Cluster, Trace};

/// How much is asked in all, in percent of the devices.
const ARRIVALS_PERCENT: u64 = 130;

/// What came of one run.
#[derive(Debug)]
pub(crate) struct Run {
    /// In percent of the devices, the mean over the pods that come while 130% are asked, rounded.
    pub(crate) allocated: f64,
    /// Where each pod went.
    pub(crate) places: Vec<Option<(NodeId, DeviceSet)>>,
    took: Duration,
    /// Processor time alone, where the system tells.
    worked: Option<Duration>,
}

impl Run {
    pub(crate) fn pods_per_second(&self) -> f64 {
        self.places.len() as f64 / self.took.as_secs_f64()
    }

    /// The same in processor time, which says what a core of one's own would give.
    pub(crate) fn pods_per_busy_second(&self) -> f64 {
        self.worked.map_or(f64::NAN, |worked| self.places.len() as f64 / worked.as_secs_f64())
    }
}

/// Places the pods of a seed where `best` says; what it has no place for is dropped.
pub(crate) fn replay(
    trace: &Trace,
    seed: u64,
    mut best: impl FnMut(&Inventory, &Demand) -> Option<(NodeId, DeviceSet)>,
) -> Run {
    let pods = arrivals(trace, seed);
    let mut inventory = trace.cluster.inventory.fork();
    let mut places = Vec::with_capacity(pods.len());
    let (started, worked) = (Instant::now(), processor_time());
    for demand in &pods {
        let place = best(&inventory, demand);
        if let Some((node, devices)) = place {
            let mut transaction = inventory.transaction();
            transaction.claim(node, devices, demand).expect("a policy names devices that are free");
            drop(transaction.commit());
        }
        places.push(place);
    }
    let took = started.elapsed();
    let worked = processor_time().zip(worked).map(|(now, before)| now - before);
    Run { allocated: allocated(trace, &pods, &places), places, took, worked }
}

/// How long this thread has been on a processor, as Linux counts it.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

fn allocated(trace: &Trace, pods: &[&Demand], places: &[Option<(NodeId, DeviceSet)>]) -> f64 {
    let all = trace.cluster.milli;
    let (mut arrived, mut held, mut sum, mut count) = (0, 0, 0, 0_u64);
    for (demand, place) in pods.iter().zip(places) {
        let asked = Cluster::asked(demand);
        arrived += asked;
        held += if place.is_some() { asked } else { 0 };
        if (200 * arrived + all) / (2 * all) == ARRIVALS_PERCENT {
            sum += held;
            count += 1;
        }
    }
    100.0 * sum as f64 / (count * all) as f64
}

/// The pods in the order in which they come: all in random order, and then any of them again until enough is asked. A trace
/// that asks too much is thinned.
fn arrivals(trace: &Trace, seed: u64) -> Vec<&Demand> {
    let enough = trace.cluster.milli * ARRIVALS_PERCENT / 100;
    let mut random = Random::new(seed);
    let mut pods: Vec<&Demand> = trace.pods.iter().collect();
    for at in (1..pods.len()).rev() {
        pods.swap(at, random.below(at + 1));
    }
    let mut asked: u64 = pods.iter().map(|demand| Cluster::asked(demand)).sum();
    while asked > enough {
        asked -= Cluster::asked(pods.remove(random.below(pods.len())));
    }
    if pods.len() < trace.pods.len() {
        return pods;
    }
    loop {
        let demand = &trace.pods[random.below(trace.pods.len())];
        // The original counts one device of a pod that asks several here.
        let next = Cluster::asked(demand).min(1000);
        if asked + next > enough {
            return pods;
        }
        asked += Cluster::asked(demand);
        pods.push(demand);
    }
}

/// SplitMix64: the same numbers for the same seed everywhere.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^= word >> 31;
        ((u128::from(word) * end as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::tests::trace;

    #[test]
    fn a_seed_gives_the_same_arrivals_up_to_the_bound() {
        let trace = trace();
        let pods = arrivals(&trace, 42);
        assert_eq!(pods, arrivals(&trace, 42));
        assert_ne!(pods, arrivals(&trace, 43));
        let asked: u64 = pods.iter().map(|demand| Cluster::asked(demand)).sum();
        let enough = trace.cluster.milli * 130 / 100;
        assert!(asked <= enough && asked + 1000 > enough, "{asked} of {enough}");
    }

    #[test]
    fn what_has_no_place_is_dropped_and_counts_for_nothing() {
        let trace = trace();
        let nowhere = replay(&trace, 42, |_, _| None);
        assert!(nowhere.places.iter().all(Option::is_none));
        assert_eq!(nowhere.allocated.max(0.0), 0.0);
    }
}
