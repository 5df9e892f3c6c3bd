//! What a routing policy would do to a workload, before anything is changed: a trace on a modelled fleet.
//!
//! Paste it into a tool of your own: it needs `phalanx-sim`, `phalanx-engine`, `phalanx-routing` and the standard library.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::num::NonZeroU32;

use phalanx_engine::EngineConfig;
use phalanx_routing::{Policy, Seed};
use phalanx_sim::{Simulation, Trace};

/// Runs the example; panics if it does not do what it says.
pub fn main() {
    // Mooncake's JSON lines: arrival in ms, tokens in and out, one id for each 512 tokens of the prompt. Equal beginnings
    // of the id list mean equal text: three users share a system prompt (ids 1 to 4) and come back twice.
    let trace = Trace::parse(
        r#"
        {"timestamp":     0, "input_length": 3000, "output_length": 200, "hash_ids": [1, 2, 3, 4, 10, 11]}
        {"timestamp":   100, "input_length": 2900, "output_length": 150, "hash_ids": [1, 2, 3, 4, 20, 21]}
        {"timestamp":   200, "input_length": 2800, "output_length": 100, "hash_ids": [1, 2, 3, 4, 30, 31]}
        {"timestamp": 10000, "input_length": 4096, "output_length": 120, "hash_ids": [1, 2, 3, 4, 10, 12, 13, 14]}
        {"timestamp": 10500, "input_length": 4000, "output_length": 180, "hash_ids": [1, 2, 3, 4, 20, 22, 23, 24]}
        {"timestamp": 11000, "input_length": 3900, "output_length": 140, "hash_ids": [1, 2, 3, 4, 30, 32, 33, 34]}
        {"timestamp": 20000, "input_length": 5000, "output_length": 90, "hash_ids": [1, 2, 3, 4, 10, 12, 13, 14, 15, 16]}
        {"timestamp": 20500, "input_length": 5100, "output_length": 80, "hash_ids": [1, 2, 3, 4, 20, 22, 23, 24, 25, 26]}
        {"timestamp": 21000, "input_length": 4900, "output_length": 70, "hash_ids": [1, 2, 3, 4, 30, 32, 33, 34, 35, 36]}
        "#,
    )
    .expect("the trace is valid");

    // Two engines, the default preset; one line for each policy that a gateway can run.
    let engines = NonZeroU32::new(2).expect("two is not zero");
    let simulate =
        |policy: Policy| Simulation::new(engines, EngineConfig::a100_8b(), policy, Seed::from(1)).run(&trace);
    let reports: Vec<_> = Policy::presets().map(simulate).collect();
    println!("{:<14} {:>9} {:>11} {:>11} {:>11}", "policy", "hit ratio", "TTFT p50 ms", "TTFT p99 ms", "TPOT p50 ms");
    for report in &reports {
        println!(
            "{:<14} {:>8.1}% {:>11.1} {:>11.1} {:>11.2}",
            report.policy,
            report.hit_ratio * 100.0,
            report.ttft_p50_ms,
            report.ttft_p99_ms,
            report.tpot_p50_ms,
        );
    }

    // A trace that is not sound is refused, with the line and what was expected.
    let refused = Trace::parse(r#"{"timestamp": 0, "input_length": 600, "output_length": 1, "hash_ids": [1]}"#);
    if let Err(error) = &refused {
        println!("refused: {error}");
    }

    let of = |name: &str| reports.iter().find(|report| report.policy == name).expect("every policy was run");
    let (blind, aware) = (of("round-robin"), of("phalanx"));
    assert!(reports.iter().all(|report| report.completed == 9 && report.rejected == 0));
    assert!(aware.hit_ratio > blind.hit_ratio, "who holds the prefix gets the request");
    assert!(aware.ttft_p50_ms < blind.ttft_p50_ms);
    assert_eq!(simulate(Policy::round_robin()), *blind, "a second run gives the same figures");
    assert!(refused.is_err());
}
