//! All presets on the conversation trace.

use super::super::phalanx::{Phalanx, Report};
use super::super::row::{Row, Want};
use super::{Setting, made_up};
use crate::error::Error;

/// A load, and how much faster than in the trace requests come.
const LOADS: [(&str, &str); 3] = [("0.4", "1.81"), ("0.8", "3.63"), ("1.0", "4.53")];

/// Engines of the fleet.
const ENGINES: u32 = 16;

/// What the cache of an engine has room for: 30% of the trace's distinct blocks.
const KV_TOKENS: &str = "1640000";

/// The policy that must be among the best.
const OURS: &str = "phalanx";

/// The same policy in a trace without sessions: no rival of itself.
const TWIN: &str = "sticky";

/// At each load two promises, and a row for each preset.
pub(super) fn rows(setting: &Setting<'_>) -> Result<Vec<Row>, Error> {
    let phalanx = Phalanx::prepare(setting)?;
    let (trace, kind) = made_up::or_given(setting)?;
    let mut promises = Vec::new();
    let mut table = Vec::new();
    for (load, speed) in LOADS {
        (setting.note)(&format!("routing: all presets at load {load} on {kind}\n"));
        let mut more = vec!["--kv-tokens", KV_TOKENS, "--speed", speed];
        if setting.tiny {
            more.extend(["--limit", "300"]);
        }
        let reports = phalanx.simulate(&trace, ENGINES, &[], &more)?.reports()?;
        promises.extend(judged(load, &reports).map(|(row, want, stretch)| setting.promise(row, want, stretch)));
        table.extend(reports.iter().map(|report| line(load, report)));
    }
    promises.extend(table);
    Ok(promises)
}

/// How far ours is from the best, with what is wanted.
fn judged(load: &str, reports: &[Report]) -> [(Row, Want, Want); 2] {
    let ours = reports.iter().find(|report| report.policy == OURS);
    let best = |order: fn(&&Report, &&Report) -> core::cmp::Ordering| {
        reports.iter().filter(|report| report.policy != OURS && report.policy != TWIN).min_by(order)
    };
    let good = best(|a, b| b.goodput.total_cmp(&a.goodput));
    let soon = best(|a, b| a.ttft_p50_ms.total_cmp(&b.ttft_p50_ms));
    let goodput = Row::new(format!("conversation, load {load}: goodput of {OURS}, below the best other"));
    let first = Row::new(format!("conversation, load {load}: TTFT p50 of {OURS}, to the best other"));
    let (goodput, first) = match (ours, good, soon) {
        (Some(ours), Some(good), Some(soon)) => {
            let [mine, theirs] = [ours.goodput, good.goodput].map(|share| 100.0 * share);
            let (mine_ms, theirs_ms) = (ours.ttft_p50_ms, soon.ttft_p50_ms);
            (
                goodput.saw(theirs - mine).note(format!("{mine:.2}% to {theirs:.2}%, {}", good.policy)),
                first.saw(mine_ms / theirs_ms).note(format!("{mine_ms:.0} to {theirs_ms:.0} ms, {}", soon.policy)),
            )
        }
        _ => (goodput.saw(f64::NAN), first.saw(f64::NAN)),
    };
    [
        (goodput.unit("points"), Want::AtMost(0.5), Want::AtMost(0.0)),
        (first.unit("x"), Want::AtMost(1.05), Want::AtMost(1.0)),
    ]
}

/// What one preset gives.
fn line(load: &str, report: &Report) -> Row {
    let Report { policy, ttft_p50_ms, ttft_p99_ms, tpot_p50_ms, hit_ratio, rejected, .. } = report;
    Row::new(format!("conversation, load {load}, {policy}: goodput")).unit("%").saw(100.0 * report.goodput).note(format!(
        "TTFT p50 {ttft_p50_ms:.0} ms, p99 {ttft_p99_ms:.0} ms, TPOT p50 {tpot_p50_ms:.1} ms, hit ratio {hit_ratio:.3}, \
         {rejected} rejected"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(policy: &str, goodput: f64, ttft: f64) -> Report {
        serde_json::from_value(serde_json::json!({
            "policy": policy, "requests": 3, "completed": 3, "rejected": 0, "hit_ratio": 0.5, "ttft_p50_ms": ttft,
            "ttft_p99_ms": ttft, "tpot_p50_ms": 20.0, "goodput": goodput, "simulated_engine_seconds": 1.0,
        }))
        .expect("the fixture has every field")
    }

    fn missed(ours: (f64, f64)) -> [bool; 2] {
        let twin = report(TWIN, 0.99, 1.0);
        let reports = [report("a", 0.90, 300.0), report(OURS, ours.0, ours.1), twin, report("b", 0.50, 100.0)];
        judged("0.4", &reports).map(|(row, want, _)| row.want(want).missed())
    }

    #[test]
    fn each_promise_is_against_the_best_of_all_others() {
        assert_eq!(missed((0.896, 104.0)), [false, false]);
        assert_eq!(missed((0.894, 106.0)), [true, true]);
        assert!(judged("0.4", &[]).into_iter().all(|(row, want, _)| row.want(want).missed()));
    }
}
