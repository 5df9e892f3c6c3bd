//! `phalanx simulate`: a trace on a modelled fleet, under each policy.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use clap::Args as ClapArgs;
use phalanx_engine::EngineConfig;
use phalanx_routing::{Policy, Seed};
use phalanx_sim::{Report, Simulation, TRACE_BLOCK_TOKENS, Trace};
use serde::Serialize;

use super::engine_args::EngineArgs;
use super::output::{self, Format};
use super::{Failure, flags, input};

/// Arguments of `phalanx simulate`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example:
  phalanx simulate --trace conversation_trace.jsonl --engines 8 --policy round-robin --policy phalanx

The trace is in Mooncake's JSONL format: one object a line with timestamp (ms), input_length, output_length and
hash_ids (one id for each 512 prompt tokens, so engines have blocks of 512 here). A request that no engine could ever hold, or
that a filter of the policy refuses, counts as REJECTED and is in no other figure. Times in the report are simulated; the same input gives the same report.

JSON is an array with one object a policy: policy, requests, completed, rejected (no engine could hold them,
or a filter of the policy left none), hit_ratio
(cached prompt tokens over prompt tokens of completed requests), ttft_p50_ms, ttft_p99_ms, tpot_p50_ms and tpot_p99_ms
(answers of two tokens or more), e2e_p99_ms, goodput (share of the requests with a first token within 2 s and 100 ms or
less for each further one), output_tokens_per_s, simulated_engine_seconds, speed, seed, engines, block_size, engine_preset, kv_capacity_tokens
(of one engine). A percentile is the nearest rank.")]
pub(super) struct Args {
    /// Trace file, Mooncake JSONL
    #[arg(long, value_name = "FILE")]
    trace: PathBuf,
    /// How many engines the fleet has
    #[arg(long, default_value = "8", value_name = "N", value_parser = flags::engines)]
    engines: NonZeroU32,
    /// Routing policy; give several to compare them [default: all]
    #[arg(long = "policy", value_name = "NAME", value_parser = flags::policy())]
    policies: Vec<Policy>,
    /// Replay the first N requests only
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Replay with arrivals N times closer together
    #[arg(long, value_name = "N", default_value = "1", allow_hyphen_values = true, value_parser = flags::speed)]
    speed: f64,
    /// Seed of ties
    #[arg(long, default_value = "0")]
    seed: u64,
    /// Threads; policies run side by side, and the report does not depend on it [default: one a core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroU32>,
    #[command(flatten)]
    engine: EngineArgs,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// A report with what it was measured on.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    report: Report,
    speed: f64,
    seed: u64,
    engines: u32,
    block_size: u32,
    engine_preset: String,
    kv_capacity_tokens: u32,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let text = input::text(&args.trace)?;
    let trace = Trace::parse(&text).map_err(|error| Failure::Input(format!("{}: {error}", args.trace.display())))?;
    let trace = trace.limited(args.limit.unwrap_or(usize::MAX)).faster(args.speed);
    let trace = trace.map_err(|error| Failure::Input(format!("--{error}")))?;
    if trace.is_empty() {
        return Err(Failure::Input(format!("{}: no request to replay; expected one or more", args.trace.display())));
    }
    let config = args.engine.config(TRACE_BLOCK_TOKENS)?;
    let policies = if args.policies.is_empty() { Policy::presets().collect() } else { args.policies };
    let threads = args
        .threads
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), |threads| threads.get() as usize);

    let simulations: Vec<Simulation> = policies
        .into_iter()
        .map(|policy| Simulation::new(args.engines, config.clone(), policy, Seed::from(args.seed)))
        .collect();
    let reports = run_all(&simulations, &trace, threads);
    match args.output {
        Format::Table => output::say(&page(&reports, &trace, args.engines, &config)),
        Format::Json => {
            let row = |report| Row {
                report,
                speed: args.speed,
                seed: args.seed,
                engines: args.engines.get(),
                block_size: config.block_size().tokens(),
                engine_preset: config.name().to_owned(),
                kv_capacity_tokens: config.kv_tokens(),
            };
            let rows: Vec<Row> = reports.into_iter().map(row).collect();
            output::say(&serde_json::to_string_pretty(&rows).expect("a report is plain data"));
        }
    }
    Ok(())
}

/// Runs each simulation on one thread, at most `threads` at a time; the answers stand in the order asked.
fn run_all(simulations: &[Simulation], trace: &Trace, threads: usize) -> Vec<Report> {
    let bar = output::progress(simulations.len() as u64 * trace.len() as u64, "simulating");
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<Report>>> = Mutex::new(simulations.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..threads.min(simulations.len()) {
            scope.spawn(|| {
                while let Some((index, simulation)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| simulations.get(i).map(|s| (i, s)))
                {
                    let report = simulation.run_with_progress(trace, &mut |requests| bar.inc(requests));
                    done.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(report);
                }
            });
        }
    });
    bar.finish_and_clear();
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.into_iter().map(|report| report.expect("every simulation was run")).collect()
}

fn page(reports: &[Report], trace: &Trace, engines: NonZeroU32, config: &EngineConfig) -> String {
    let head = [
        "POLICY",
        "REQUESTS",
        "COMPLETED",
        "REJECTED",
        "HIT RATIO",
        "TTFT P50 ms",
        "TTFT P99 ms",
        "TPOT P50 ms",
        "TPOT P99 ms",
        "E2E P99 ms",
        "GOODPUT",
        "OUT TOK/s",
    ];
    let rows = reports.iter().map(|report| {
        vec![
            report.policy.clone(),
            report.requests.to_string(),
            report.completed.to_string(),
            report.rejected.to_string(),
            format!("{:.1}%", report.hit_ratio * 100.0),
            format!("{:.1}", report.ttft_p50_ms),
            format!("{:.1}", report.ttft_p99_ms),
            format!("{:.2}", report.tpot_p50_ms),
            format!("{:.2}", report.tpot_p99_ms),
            format!("{:.1}", report.e2e_p99_ms),
            format!("{:.2}%", report.goodput * 100.0),
            format!("{:.1}", report.output_tokens_per_s),
        ]
    });
    format!(
        "{} requests over {:.0} s; engines: {engines}, preset {}, KV capacity {} tokens an engine in blocks of {}\n\n{}",
        trace.len(),
        trace.span().as_secs_f64(),
        config.name(),
        config.kv_tokens(),
        config.block_size().tokens(),
        output::table(&head, 1, rows),
    )
}
