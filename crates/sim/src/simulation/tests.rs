use proptest::prelude::*;

use super::*;

fn simulation(engines: u32, policy: &str, seed: u64) -> Simulation {
    let policy = Policy::preset(policy).expect("a known policy");
    let engines = NonZeroU32::new(engines).expect("at least one engine");
    Simulation::new(engines, EngineConfig::a100_8b(), policy, Seed::from(seed))
}

fn line(at: u64, blocks: &[u64], output: u32) -> String {
    let tokens = blocks.len() * 512;
    format!(r#"{{"timestamp": {at}, "input_length": {tokens}, "output_length": {output}, "hash_ids": {blocks:?}}}"#)
}

/// Conversations over a shared system prompt: each turn repeats what was said before.
fn conversations(count: u64, turns: u64) -> Trace {
    let mut lines = Vec::new();
    for conversation in 0..count {
        for turn in 0..turns {
            let own = (0..turn * 3 + 4).map(|i| 1000 + conversation * 100 + i);
            let blocks: Vec<u64> = [0, 1].into_iter().chain(own).collect();
            lines.push(line(conversation * 37 % 400 + turn * 4000, &blocks, 20 + (conversation % 5) as u32 * 30));
        }
    }
    Trace::parse(&lines.join("\n")).expect("a valid trace")
}

const POLICIES: [&str; 3] = ["round-robin", "least-request", "phalanx"];

#[test]
fn phalanx_beats_round_robin_on_conversations() {
    let trace = conversations(61, 8);
    let [blind, _, aware] = POLICIES.map(|policy| simulation(4, policy, 1).run(&trace));
    assert!(aware.hit_ratio > blind.hit_ratio + 0.2, "{aware:?} against {blind:?}");
    assert!(aware.ttft_p50_ms < blind.ttft_p50_ms, "{aware:?} against {blind:?}");
    assert!(aware.ttft_p99_ms < blind.ttft_p99_ms, "{aware:?} against {blind:?}");
}

#[test]
fn a_second_run_gives_the_same_bytes() {
    let trace = conversations(40, 5);
    for policy in POLICIES {
        let run = || serde_json::to_string(&simulation(5, policy, 3).run(&trace)).expect("a report is plain data");
        assert_eq!(run(), run());
    }
}

#[test]
fn the_report_has_its_fields_in_order() {
    let report = simulation(1, "round-robin", 0).run(&conversations(1, 1));
    let json = serde_json::to_string(&report).expect("a report is plain data");
    let fields: Vec<&str> = json.split('"').skip(1).step_by(2).filter(|field| *field != "round-robin").collect();
    let expected = [
        "policy",
        "requests",
        "completed",
        "rejected",
        "hit_ratio",
        "ttft_p50_ms",
        "ttft_p99_ms",
        "tpot_p50_ms",
        "tpot_p99_ms",
        "e2e_p99_ms",
        "goodput",
        "output_tokens_per_s",
        "simulated_engine_seconds",
    ];
    assert_eq!(fields, expected);
}

#[test]
fn figures_of_two_requests_are_exact() {
    // One engine. The first prompt takes 8 + 1024 × 0.07 = 79.68 ms. Its second token is the step of the other prompt,
    // whose first block is cached: 512 tokens beside a decode with 1,025 tokens of context, 8 + 35.84 + 0.03 + 0.082 ms.
    let text = [line(0, &[1, 2], 2), line(10, &[1, 3], 1)].join("\n");
    let report = simulation(1, "phalanx", 0).run(&Trace::parse(&text).expect("a valid trace"));
    assert_eq!((report.requests, report.completed, report.rejected), (2, 2, 0));
    assert_eq!(report.hit_ratio, 0.25);
    assert_eq!((report.ttft_p50_ms, report.ttft_p99_ms), (79.68, 113.632));
    assert_eq!((report.tpot_p50_ms, report.e2e_p99_ms), (43.952, 123.632));
    assert_eq!(report.simulated_engine_seconds, 0.123632);
    assert_eq!(report.output_tokens_per_s, 3.0 / 0.123632);
}

#[test]
fn a_prompt_larger_than_the_pool_is_rejected_and_counted() {
    let large: Vec<u64> = (0..800).collect();
    let text = [line(0, &large, 1), line(0, &[1], 1)].join("\n");
    let report = simulation(2, "least-request", 0).run(&Trace::parse(&text).expect("a valid trace"));
    assert_eq!((report.requests, report.completed, report.rejected), (2, 1, 1));
}

#[test]
fn timestamps_since_any_time_give_the_same_report() {
    let trace = |from: u64| {
        let text = [line(from + 10, &[1, 3], 1), line(from, &[1, 2], 2)].join("\n");
        Trace::parse(&text).expect("a valid trace")
    };
    let report = |from| simulation(2, "phalanx", 0).run(&trace(from));
    assert_eq!(report(1_700_000_000_000_000), report(0));
    assert_eq!(report(u64::MAX - 10), report(0), "the largest timestamps there are");
}

#[test]
fn the_longest_trace_runs_to_its_end() {
    let text = [line(0, &[1], 2), line(31_536_000_000, &[1], 2)].join("\n");
    let trace = Trace::parse(&text).expect("a valid trace").faster(0.1).expect("ten years");
    let report = simulation(1, "least-request", 0).run(&trace);
    assert_eq!((report.completed, report.e2e_p99_ms > 0.0), (2, true));
}

#[test]
fn nothing_gives_zeros() {
    let report = simulation(3, "phalanx", 0).run(&Trace::default());
    assert_eq!((report.requests, report.hit_ratio, report.ttft_p99_ms), (0, 0.0, 0.0));
    assert_eq!((report.output_tokens_per_s, report.simulated_engine_seconds), (0.0, 0.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_request_is_completed_or_rejected(
        engines in 1u32..5,
        kv_blocks in 1u32..40,
        policy in 0usize..3,
        requests in prop::collection::vec((0u64..3000, 0u64..6, 1usize..20, 1u32..200), 0..60),
    ) {
        let text: Vec<String> = requests
            .iter()
            .map(|&(at, prompt, blocks, output)| {
                let ids: Vec<u64> = (0..blocks as u64).map(|i| if i < 2 { i } else { prompt * 100 + i }).collect();
                line(at, &ids, output)
            })
            .collect();
        let trace = Trace::parse(&text.join("\n")).expect("a valid trace");
        let config = EngineConfig::a100_8b().with_kv_tokens(kv_blocks * 512).expect("at least a block");
        let policy = Policy::preset(POLICIES[policy]).expect("a known policy");
        let engines = NonZeroU32::new(engines).expect("at least one engine");
        let report = Simulation::new(engines, config, policy, Seed::from(5)).run(&trace);
        let fits = requests.iter().filter(|r| r.2 as u64 * 512 + u64::from(r.3) <= u64::from(kv_blocks) * 512).count();
        prop_assert_eq!(report.completed, fits as u64);
        prop_assert_eq!(report.requests, report.completed + report.rejected);
        prop_assert!((0.0..=1.0).contains(&report.hit_ratio));
        prop_assert!(report.ttft_p50_ms <= report.ttft_p99_ms && report.ttft_p99_ms <= report.e2e_p99_ms);
    }
}
