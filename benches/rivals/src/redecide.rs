//! A log of many decisions under all presets, made again by other numbers of threads.

use std::collections::VecDeque;
use std::time::Duration;

use phalanx_routing::{Balancer, Endpoint, EndpointId, Evidence, Log, Outcome, Policy, Report, Request, Seed, Signals};

use crate::random::Random;
use crate::select::distinct;
use crate::table::Table;

/// Endpoints, each in the pools of all presets.
const ENDPOINTS: u32 = 64;

/// Requests in flight.
const IN_FLIGHT: usize = 256;

/// Bytes of the longest log that is written.
const LIMIT: usize = 2 << 30;

/// Records so many decisions, and has each number of threads make all of them again, every thread the whole log.
///
/// # Errors
/// When the log cannot be read, or does not hold together.
pub fn run(decisions: u64, threads: &[usize], table: &mut Table) -> Result<(), String> {
    let recorded = record(decisions);
    table.saw("log", ENDPOINTS, "bytes/decision", "ours", recorded.len() as f64 / decisions as f64);
    let log = Log::read(&recorded).map_err(|error| error.to_string())?;
    for &count in threads {
        let index = format!("{count} threads");
        for report in replay(&log, count)? {
            let mut saw = |figure, value: usize| table.saw("log", ENDPOINTS, figure, &index, value as f64);
            saw("decisions", report.decisions);
            saw("differences", report.differences.len());
        }
    }
    Ok(())
}

fn replay(log: &Log, threads: usize) -> Result<Vec<Report>, String> {
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(|| log.replay())).collect();
        let done = running.into_iter().map(|thread| thread.join().expect("a replay does not panic"));
        done.map(|report| report.map_err(|error| error.to_string())).collect()
    })
}

fn record(decisions: u64) -> Vec<u8> {
    let mut balancer = Balancer::new(Seed::from(7));
    balancer.record(LIMIT);
    let pools: Vec<_> = Policy::presets().map(|policy| balancer.add_pool(policy)).collect();
    let ids: Vec<EndpointId> = (0..ENDPOINTS).map(|_| balancer.join(Endpoint::new())).collect();
    for &pool in &pools {
        for &id in &ids {
            balancer.enter(pool, id);
        }
    }
    let mut random = Random::new(23);
    let mut held = VecDeque::new();
    for count in 0..decisions {
        let now = Duration::from_millis(count);
        let id = ids[random.below(ENDPOINTS) as usize];
        let signals = Signals {
            waiting: Some(random.below(8)),
            running: Some(random.below(32)),
            kv_used_ppm: Some(random.below(1_000_000)),
            ..Signals::unknown(now)
        };
        balancer.signals(id, signals);
        let holders = distinct(&mut random, ENDPOINTS as usize, 8);
        let evidence: Vec<_> = holders.into_iter().map(|at| (ids[at], random.below(4_000))).collect();
        let pool = pools[count as usize % pools.len()];
        let request = Request::new(pool, random.word(), 1 + random.below(8_000))
            .with_evidence(Evidence::Tokens(&evidence))
            .with_affinity(u64::from(random.below(500)))
            .with_excluded(&ids[..(count % 3) as usize]);
        if let Ok(decision) = balancer.decide(&request, now) {
            held.push_back(decision.reservation);
        }
        if let Some(latest) = held.back_mut().filter(|_| count % 3 == 0) {
            balancer.first_token(latest, now);
        }
        if held.len() > IN_FLIGHT
            && let Some(oldest) = held.pop_front()
        {
            balancer.generated(&oldest, random.below(600));
            let _ = balancer.settle(oldest, Outcome::Success, now);
        }
    }
    let mut recorded = Vec::new();
    balancer.take_recorded(&mut recorded);
    recorded
}
