//! `phalanx replay`: are the decisions of a log the same again?

use std::fs;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use phalanx_routing::{Answer, Difference, EndpointId, Log, Omission, Policy, Report};
use serde::Serialize;

use super::output::{self, Format};
use super::{Failure, policies};

/// Arguments of `phalanx replay`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  phalanx replay decisions.jsonl
  phalanx replay decisions.jsonl --policy lmetric

Makes every decision of a log again, from the same inputs, bit for bit; a log is what a balancer of phalanx-routing records,
one JSON object a line. With --policy another policy is asked in the same situations: the load follows the choices that were
made, not those that would be, so a difference says what that policy would have done at that point, and not what the fleet
would be like had it always decided. Exits 0 when nothing differs, 1 when something does, 2 when the log cannot be read or
replayed; a log that came to its limit is replayed up to there, with a warning.

Endpoints are SLOT.GENERATION. COST is what the endpoint of the log costs by the policy of now, MARGIN by how much that is
more than the endpoint of now (0: a draw among equals fell otherwise, or the endpoint is the same), and WHY which part of
the policy speaks most for it, or which figures are others.
With --policy answers are compared by their endpoints, otherwise also by cached tokens, cost and ties.

JSON: log, policy (null without --policy), decisions, refused, differing, draws, left_out (line, or null), by_factor (factor,
differences), differences (line, pool, key, was, now, cost, margin, factor, omission). was and now have endpoint,
cached_tokens, cost and ties, or refused. Costs are in the policy's own unit: nanoseconds, scores (less is more) or measures.")]
pub(super) struct Args {
    /// The log
    log: PathBuf,
    /// Another policy for every pool, by name or from a YAML or JSON file
    #[arg(long, value_name = "NAME|FILE")]
    policy: Option<String>,
    /// The most differences in the table
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    first: usize,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let path = args.log.display();
    let policy = args.policy.as_deref().map(policies::find).transpose()?;
    let bytes = fs::read(&args.log).map_err(|error| Failure::Input(format!("{path}: {error}")))?;
    let report = Log::read(&bytes).and_then(|log| match &policy {
        Some(policy) => log.replay_with(|_, _| policy.clone()),
        None => log.replay(),
    });
    let report = report.map_err(|error| {
        let (line, text) = (error.line(), error.to_string());
        Failure::Input(format!("{path}:{line}: {}", text.strip_prefix(&format!("line {line}: ")).unwrap_or(&text)))
    })?;
    if let Some(line) = report.left_out {
        output::complain(&format!(
            "warning: {path}:{line}: the log came to its limit; what happened then is not in it"
        ));
    }
    match args.output {
        Format::Table => output::say(&page(&report, policy.as_ref(), args.first)),
        Format::Json => {
            let row = Row::new(path.to_string(), policy.as_ref(), &report);
            output::say(&serde_json::to_string_pretty(&row).expect("plain data"));
        }
    }
    if report.differences.is_empty() { Ok(()) } else { Err(Failure::No) }
}

fn name(id: EndpointId) -> String {
    format!("{}.{}", id.index(), id.generation())
}

fn omission(of: Omission) -> String {
    match of {
        Omission::NotInPool => "not in the pool".to_owned(),
        Omission::Excluded => "excluded".to_owned(),
        Omission::LacksLabels(labels) => format!("lacks labels {labels}"),
        Omission::TooShort(most) => format!("takes {most} tokens only"),
        Omission::Filtered(filter) => format!("filter {filter}"),
        Omission::Out => "left alone after failures".to_owned(),
        Omission::Late => "expected to be late".to_owned(),
        _ => "passed over".to_owned(),
    }
}

/// What differs where the endpoint is the same.
fn figures(of: &Difference) -> String {
    let (
        Answer::Sent { cached_tokens: cached, cost, ties, .. },
        Answer::Sent { cached_tokens: cached_now, cost: cost_now, ties: ties_now, .. },
    ) = (&of.was, &of.now)
    else {
        return "other reason".to_owned();
    };
    let figures = [("cached", cached != cached_now), ("cost", cost != cost_now), ("ties", ties != ties_now)];
    let differ: Vec<_> = figures.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
    format!("other {}", differ.join(", "))
}

fn page(report: &Report, policy: Option<&Policy>, first: usize) -> String {
    let refused = if report.refused > 0 { format!(" ({} refused)", report.refused) } else { String::new() };
    let under = policy.map(|policy| format!(" under {policy}")).unwrap_or_default();
    let differing = report.differences.len();
    let mut page = format!("{} decisions{refused}, {differing} differ{under}", report.decisions);
    if differing == 0 {
        return page;
    }
    let parts = report.by_factor().into_iter().map(|(factor, count)| format!("{factor} {count}"));
    let draws = Some(report.draws()).filter(|draws| *draws > 0).map(|draws| format!("draws among equals {draws}"));
    let parts: Vec<_> = parts.chain(draws).collect();
    if !parts.is_empty() {
        page += &format!("; by what decides: {}", parts.join(", "));
    }
    let answer = |of: &Answer| match of {
        Answer::Sent { endpoint, .. } => name(*endpoint),
        _ => "refused".to_owned(),
    };
    let or = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let row = |of: &Difference| {
        let why = match (of.factor, of.omission) {
            (Some(factor), _) => factor.to_string(),
            (None, Some(why)) => omission(why),
            (None, None) if of.was.endpoint() == of.now.endpoint() => figures(of),
            (None, None) if of.margin == Some(0) => "a draw".to_owned(),
            (None, None) => "-".to_owned(),
        };
        let (was, now) = (answer(&of.was), answer(&of.now));
        vec![why, was, now, of.line.to_string(), of.key.to_string(), or(of.cost), or(of.margin)]
    };
    let head = ["WHY", "THEN", "NOW", "LINE", "KEY", "COST", "MARGIN"];
    page += "\n\n";
    page += &output::table(&head, 3, report.differences.iter().take(first).map(row));
    if differing > first {
        page += &format!("\nand {} more", differing - first);
    }
    page
}

/// What was found, as JSON has it.
#[derive(Debug, Serialize)]
struct Row {
    log: String,
    policy: Option<String>,
    decisions: usize,
    refused: usize,
    differing: usize,
    draws: usize,
    left_out: Option<usize>,
    by_factor: Vec<Count>,
    differences: Vec<Differs>,
}

#[derive(Debug, Serialize)]
struct Count {
    factor: String,
    differences: usize,
}

#[derive(Debug, Serialize)]
struct Differs {
    line: usize,
    pool: usize,
    key: u64,
    was: Said,
    now: Said,
    cost: Option<i64>,
    margin: Option<i64>,
    factor: Option<String>,
    omission: Option<String>,
}

/// An answer, as JSON has it.
#[derive(Debug, Default, Serialize)]
struct Said {
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ties: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

impl Row {
    fn new(log: String, policy: Option<&Policy>, report: &Report) -> Self {
        let count =
            |(factor, differences): (phalanx_routing::Factor, usize)| Count { factor: factor.to_string(), differences };
        let differs = |of: &Difference| Differs {
            line: of.line,
            pool: of.pool.index(),
            key: of.key,
            was: Said::from(&of.was),
            now: Said::from(&of.now),
            cost: of.cost,
            margin: of.margin,
            factor: of.factor.map(|factor| factor.to_string()),
            omission: of.omission.map(omission),
        };
        Self {
            log,
            policy: policy.map(|policy| policy.name().to_owned()),
            decisions: report.decisions,
            refused: report.refused,
            differing: report.differences.len(),
            draws: report.draws(),
            left_out: report.left_out,
            by_factor: report.by_factor().into_iter().map(count).collect(),
            differences: report.differences.iter().map(differs).collect(),
        }
    }
}

impl From<&Answer> for Said {
    fn from(answer: &Answer) -> Self {
        match answer {
            Answer::Sent { endpoint, cached_tokens, cost, ties } => Self {
                endpoint: Some(name(*endpoint)),
                cached_tokens: Some(*cached_tokens),
                cost: Some(*cost),
                ties: Some(*ties),
                refused: None,
            },
            Answer::Refused(refusal) => Self { refused: Some(refusal.to_string()), ..Self::default() },
            _ => Self::default(),
        }
    }
}
