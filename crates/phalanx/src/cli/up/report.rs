//! What came of a load, for each endpoint and in all.

use std::time::Duration;

use phalanx_gateway::GatewayHandle;
use serde::Serialize;

use super::drive::{Answer, Done};
use super::fleet::Running;
use crate::cli::output;
use crate::cli::place::{GangRow, Placements};

/// How many failures are told in full.
const FAILURES_SHOWN: usize = 5;

/// The report of a driven load. The field names of its JSON are stable.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    gangs: Vec<GangRow>,
    requests: usize,
    failed: usize,
    /// The first few failures.
    failures: Vec<String>,
    seconds: f64,
    decisions: u64,
    decision_p50_us: f64,
    decision_p99_us: f64,
    total: Row,
    endpoints: Vec<Row>,
}

/// The figures of one endpoint, or of all.
#[derive(Debug, Serialize)]
struct Row {
    endpoint: String,
    node: String,
    /// Requests whose answer came from here.
    requests: usize,
    /// Prompt tokens that were the engine's to compute, prefill for others included.
    prompt_tokens: u64,
    cached_tokens: u64,
    /// Cached prompt tokens over prompt tokens.
    hit_ratio: f64,
    ttft_p50_ms: f64,
    ttft_p99_ms: f64,
    output_tokens_per_s: f64,
}

impl Report {
    pub(super) async fn new(done: &Done, running: &Running, placements: &Placements, gateway: &GatewayHandle) -> Self {
        let times = gateway.decision_times();
        let failures: Vec<String> = done.answers.iter().filter_map(|answer| answer.error.clone()).collect();
        let mut endpoints = Vec::new();
        let (mut prompt_tokens, mut cached_tokens) = (0, 0);
        for engine in running.engines() {
            let counters = engine.emulator.counters().await.unwrap_or_default();
            // What arrived from a prefill engine was computed there.
            let own = counters.prompt_tokens - counters.transferred_tokens;
            prompt_tokens += own;
            cached_tokens += counters.cached_tokens;
            let answers: Vec<&Answer> = done.of(Some(&engine.name));
            let (name, node) = (engine.name.clone(), engine.node.clone());
            endpoints.push(Row::new(name, node, &answers, (own, counters.cached_tokens), done.took));
        }
        let total =
            Row::new("all".to_owned(), String::new(), &done.of(None), (prompt_tokens, cached_tokens), done.took);
        Self {
            gangs: placements.rows(),
            requests: done.answers.len(),
            failed: failures.len(),
            failures: failures.into_iter().take(FAILURES_SHOWN).collect(),
            seconds: rounded(done.took.as_secs_f64()),
            decisions: times.count(),
            decision_p50_us: rounded(times.quantile(0.5).as_secs_f64() * 1e6),
            decision_p99_us: rounded(times.quantile(0.99).as_secs_f64() * 1e6),
            total,
            endpoints,
        }
    }

    pub(super) fn failed(&self) -> bool {
        self.failed > 0
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data")
    }

    pub(super) fn page(&self) -> String {
        let head =
            ["ENDPOINT", "NODE", "ANSWERS", "PROMPT TOK", "HIT RATIO", "TTFT P50 ms", "TTFT P99 ms", "OUT TOK/s"];
        let rows = self.endpoints.iter().chain([&self.total]).map(Row::cells);
        let mut page = format!(
            "{} requests in {:.1} s, {} failed; {} decisions, p50 {:.1} µs, p99 {:.1} µs\n\n{}",
            self.requests,
            self.seconds,
            self.failed,
            self.decisions,
            self.decision_p50_us,
            self.decision_p99_us,
            output::table(&head, 2, rows),
        );
        for failure in &self.failures {
            page.push_str("\nfailed: ");
            page.push_str(failure);
        }
        page
    }
}

impl Row {
    fn new(endpoint: String, node: String, answers: &[&Answer], tokens: (u64, u64), took: Duration) -> Self {
        let (prompt_tokens, cached_tokens) = tokens;
        let mut first: Vec<Duration> = answers.iter().filter_map(|answer| answer.first_token).collect();
        first.sort_unstable();
        let output: u64 = answers.iter().map(|answer| answer.output_tokens).sum();
        Self {
            endpoint,
            node,
            requests: answers.len(),
            prompt_tokens,
            cached_tokens,
            hit_ratio: rounded(cached_tokens as f64 / prompt_tokens.max(1) as f64),
            ttft_p50_ms: nearest_rank(&first, 50),
            ttft_p99_ms: nearest_rank(&first, 99),
            output_tokens_per_s: rounded(output as f64 / took.as_secs_f64().max(f64::MIN_POSITIVE)),
        }
    }

    fn cells(&self) -> Vec<String> {
        let answered = |text: String| if self.requests == 0 { "-".to_owned() } else { text };
        vec![
            self.endpoint.clone(),
            self.node.clone(),
            self.requests.to_string(),
            self.prompt_tokens.to_string(),
            output::percent(self.cached_tokens, self.prompt_tokens),
            answered(format!("{:.1}", self.ttft_p50_ms)),
            answered(format!("{:.1}", self.ttft_p99_ms)),
            answered(format!("{:.1}", self.output_tokens_per_s)),
        ]
    }
}

impl Done {
    /// The answers without error: all, or those of one endpoint.
    fn of(&self, endpoint: Option<&str>) -> Vec<&Answer> {
        let wanted = |answer: &&Answer| {
            answer.error.is_none() && endpoint.is_none_or(|name| answer.endpoint.as_deref() == Some(name))
        };
        self.answers.iter().filter(wanted).collect()
    }
}

/// The value at place ⌈p·n⌉ of the sorted times, in ms; 0 when there is none.
fn nearest_rank(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent).div_ceil(100);
    place.checked_sub(1).map_or(0.0, |index| rounded(sorted[index].as_secs_f64() * 1e3))
}

/// To three decimals, so that JSON stays readable.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
