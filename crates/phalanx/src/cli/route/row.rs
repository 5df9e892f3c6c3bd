//! What is told of one request.

use phalanx_routing::{Candidate, Decision, Explanation, Omission, Refusal};
use serde::Serialize;

use super::snapshot::Fleet;
use super::{Explain, Known};
use crate::cli::output;

/// A request's answer, as JSON has it.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    line: usize,
    key: u64,
    pool: String,
    policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uncached_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ties: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    margin: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<Weighed>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    omitted: Vec<Omitted>,
}

#[derive(Debug, Serialize)]
struct Weighed {
    endpoint: String,
    total: i64,
    cached_tokens: u32,
    uncached_tokens: u32,
    in_flight: u32,
    prefilling: u32,
    pending_tokens: u64,
    prompt_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal_age_ms: Option<u64>,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize)]
struct Part {
    factor: String,
    value: i64,
    amount: i64,
}

#[derive(Debug, Serialize)]
struct Omitted {
    endpoint: String,
    why: String,
}

impl Row {
    pub(super) fn new(
        fleet: &Fleet,
        asked: &Known,
        explanation: &Explanation,
        answer: &Result<Decision, Refusal>,
        explain: Explain,
    ) -> Self {
        let decision = answer.as_ref().ok();
        let chosen = decision.map(|decision| decision.endpoint);
        let shown = |candidate: &&Candidate| match explain {
            Explain::None => false,
            Explain::Winner => Some(candidate.endpoint) == chosen,
            Explain::All => true,
        };
        let omitted = explanation.omitted.iter().filter(|_| explain == Explain::All).map(|(id, why)| Omitted {
            endpoint: fleet.name(*id).to_owned(),
            why: match why {
                Omission::NotInPool => "not in the pool".to_owned(),
                Omission::Excluded => "excluded".to_owned(),
                Omission::LacksLabels(labels) => format!("lacks labels {labels}"),
                Omission::TooShort(most) => format!("takes {most} tokens only"),
                Omission::Filtered(place) => format!("the policy's filter {place}"),
                Omission::Out => "left alone after failures".to_owned(),
                Omission::Late => "expected to be late".to_owned(),
                _ => "passed over".to_owned(),
            },
        });
        let mut candidates: Vec<_> = explanation.candidates.iter().filter(shown).collect();
        candidates.sort_by_key(|candidate| (candidate.total, Some(candidate.endpoint) != chosen));
        Self {
            line: asked.line,
            key: asked.key,
            pool: fleet.pools[asked.pool].0.clone(),
            policy: explanation.policy.clone(),
            endpoint: chosen.map(|id| fleet.name(id).to_owned()),
            refused: answer.as_ref().err().map(ToString::to_string),
            cached_tokens: decision.map(|decision| decision.cached_tokens),
            uncached_tokens: decision.map(|decision| decision.uncached_tokens),
            cost: decision.map(|decision| decision.cost),
            ties: decision.map(|decision| decision.ties),
            margin: decision.and(explanation.margin),
            candidates: candidates.into_iter().map(|of| Weighed::new(fleet, explanation, of)).collect(),
            omitted: omitted.collect(),
        }
    }

    pub(super) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }
}

impl Weighed {
    fn new(fleet: &Fleet, explanation: &Explanation, candidate: &Candidate) -> Self {
        let part = |part: phalanx_routing::Contribution| Part {
            factor: part.factor.to_string(),
            value: part.value,
            amount: part.amount,
        };
        let age = candidate.signal_age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        Self {
            endpoint: fleet.name(candidate.endpoint).to_owned(),
            total: candidate.total,
            cached_tokens: candidate.cached_tokens,
            uncached_tokens: candidate.uncached_tokens,
            in_flight: candidate.load.in_flight,
            prefilling: candidate.load.prefilling,
            pending_tokens: candidate.load.pending_tokens,
            prompt_tokens: candidate.load.prompt_tokens,
            signal_age_ms: age,
            parts: explanation.contributions(candidate.endpoint).map(part).collect(),
        }
    }

    /// The parts in one line: those that are not 0.
    fn parts(&self) -> String {
        let parts = self.parts.iter().filter(|part| part.amount != 0);
        let parts: Vec<_> = parts.map(|part| format!("{} {}", part.factor, part.amount)).collect();
        if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
    }
}

/// All requests as a table, each with the explanation that it has.
pub(super) fn page(rows: &[Row]) -> String {
    let or = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let head = ["POOL", "ENDPOINT", "LINE", "KEY", "CACHED", "UNCACHED", "COST", "TIES", "MARGIN"];
    let line = |row: &Row| {
        vec![
            row.pool.clone(),
            row.endpoint.clone().unwrap_or_else(|| "refused".to_owned()),
            row.line.to_string(),
            row.key.to_string(),
            or(row.cached_tokens.map(i64::from)),
            or(row.uncached_tokens.map(i64::from)),
            or(row.cost),
            or(row.ties.map(i64::from)),
            or(row.margin),
        ]
    };
    let mut page = output::table(&head, 2, rows.iter().map(line));
    for row in rows {
        if row.refused.is_none() && row.candidates.is_empty() && row.omitted.is_empty() {
            continue;
        }
        page += &format!("\n\nline {}, {}", row.line, row.policy);
        if let Some(refused) = &row.refused {
            page += &format!("\n  refused: {refused}");
        }
        for of in &row.candidates {
            let (endpoint, total, parts) = (&of.endpoint, of.total, of.parts());
            page +=
                &format!("\n  {endpoint}: {total} = {parts}; {} in flight, {} cached", of.in_flight, of.cached_tokens);
        }
        for of in &row.omitted {
            page += &format!("\n  {}: no candidate, {}", of.endpoint, of.why);
        }
    }
    page
}
