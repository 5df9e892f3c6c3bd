//! `phalanx route`: where requests would go in a fleet as it was, and why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, ValueEnum};
use phalanx_routing::{Decision, EndpointId, Evidence, Explanation, PoolId, Refusal, Request};
use serde::Deserialize;

use self::row::Row;
use self::snapshot::{Fleet, NOW};
use super::output::{self, Format};
use super::{Failure, input, policies};

mod row;
mod snapshot;

/// Arguments of `phalanx route`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  phalanx route fleet.yaml requests.jsonl
  phalanx route fleet.yaml requests.jsonl --policy llm-d --explain all

The snapshot is YAML or JSON; --schema prints its schema:
  policy: phalanx
  endpoints:
  - {name: a, load: {decoding: 3, prompt_tokens: 9000}}
  - {name: b, signals: {waiting: 2, kv_used_ppm: 250000}}

Requests are one JSON object a line; only prompt_tokens must be there:
  {\"key\": 42, \"prompt_tokens\": 1000, \"held\": {\"a\": 800}, \"exclude\": [\"b\"], \"subset\": [\"a\", \"b\"], \"pool\": \"default\"}
key is what draws are made from (the number of the line where there is none), held the tokens of the prompt that endpoints
have cached, from its start; pool is the first one where there is none. Each request is asked of the snapshot as it is; with
--accumulate each counts as load for those after it. Exits 1 when a request is refused, 2 when the input is wrong.

JSON is an array with one object a request: line, key, pool, policy, endpoint, refused, cached_tokens, uncached_tokens, cost,
ties, margin (to the next cost), candidates (endpoint, total, cached_tokens, uncached_tokens, in_flight, prefilling,
pending_tokens, prompt_tokens, signal_age_ms, parts (factor, value, amount)) and omitted (endpoint, why). What is not there is
left out; --explain says how many candidates there are: none, the winner, or all with those omitted. Costs are in the
policy's own unit, nanoseconds, scores (below 0: less is more) or measures; the least wins.")]
pub(super) struct Args {
    /// The fleet at one moment
    #[arg(required_unless_present = "schema")]
    snapshot: Option<PathBuf>,
    /// The requests
    #[arg(required_unless_present = "schema")]
    requests: Option<PathBuf>,
    /// Another policy for every pool, by name or from a YAML or JSON file
    #[arg(long, value_name = "NAME|FILE")]
    policy: Option<String>,
    /// How much of each explanation is shown
    #[arg(long, value_enum, default_value_t)]
    explain: Explain,
    /// Count each request as load for those after it
    #[arg(long)]
    accumulate: bool,
    /// Print the JSON schema of a snapshot, and do nothing else
    #[arg(long, exclusive = true)]
    schema: bool,
    /// Output format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// How much of an explanation is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Explain {
    /// The decision alone.
    None,
    /// The parts of the cost of the endpoint chosen.
    #[default]
    Winner,
    /// Every candidate, and who is none.
    All,
}

/// A request as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    key: Option<u64>,
    prompt_tokens: u32,
    #[serde(default)]
    held: BTreeMap<String, u32>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    subset: Option<Vec<String>>,
    #[serde(default)]
    pool: Option<String>,
}

/// A request with its names looked up.
#[derive(Debug)]
struct Known {
    line: usize,
    key: u64,
    prompt_tokens: u32,
    pool: usize,
    held: Vec<(EndpointId, u32)>,
    exclude: Vec<EndpointId>,
    subset: Option<Vec<EndpointId>>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let (Some(snapshot), Some(requests)) = (&args.snapshot, &args.requests) else {
        output::say(include_str!("route/schema.json").trim_end());
        return Ok(());
    };
    let policy = args.policy.as_deref().map(policies::find).transpose()?;
    let mut fleet = Fleet::read(snapshot, policy.as_ref())?;
    let known = read(requests, &fleet)?;
    let mut rows = Vec::new();
    let mut in_flight = Vec::new();
    for asked in &known {
        let (explanation, decision) = decide(&mut fleet, asked, args.accumulate);
        rows.push(Row::new(&fleet, asked, &explanation, &decision, args.explain));
        in_flight.extend(decision);
    }
    match args.output {
        Format::Table => output::say(&row::page(&rows)),
        Format::Json => output::say(&serde_json::to_string_pretty(&rows).expect("plain data")),
    }
    if rows.iter().any(Row::is_refused) { Err(Failure::No) } else { Ok(()) }
}

fn decide(fleet: &mut Fleet, asked: &Known, accumulate: bool) -> (Explanation, Result<Decision, Refusal>) {
    let mut request = Request::new(fleet.pool(asked), asked.key, asked.prompt_tokens)
        .with_evidence(Evidence::Tokens(&asked.held))
        .with_excluded(&asked.exclude);
    if let Some(subset) = &asked.subset {
        request = request.with_subset(subset);
    }
    let explanation = fleet.balancer.explain(&request, NOW).expect("the pool is one of the fleet");
    let decision =
        if accumulate { fleet.balancer.decide(&request, NOW) } else { fleet.balancer.clone().decide(&request, NOW) };
    (explanation, decision)
}

impl Fleet {
    fn pool(&self, asked: &Known) -> PoolId {
        self.pools[asked.pool].1
    }
}

/// The requests of a file. Empty lines are passed over.
fn read(path: &Path, fleet: &Fleet) -> Result<Vec<Known>, Failure> {
    let text = input::text(path)?;
    let mut known = Vec::new();
    for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let wrong = |problem: &str| Failure::Input(format!("{}:{line}: {problem}", path.display()));
        let asked: Asked = serde_json::from_str(text).map_err(|error| {
            let text = error.to_string();
            let problem = text.split_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
            Failure::Input(format!("{}:{line}:{}: {problem}", path.display(), error.column()))
        })?;
        let find = |field: &str, name: &String| {
            let missing = || wrong(&format!("{field}: {name:?} is no endpoint; expected a name from the snapshot"));
            fleet.id(name).ok_or_else(missing)
        };
        let all = |field: &str, names: &[String]| names.iter().map(|name| find(field, name)).collect::<Result<_, _>>();
        let held = asked.held.iter().map(|(name, tokens)| Ok((find("held", name)?, *tokens)));
        let pool = match &asked.pool {
            None => 0,
            Some(name) => fleet.pools.iter().position(|(pool, _)| pool == name).ok_or_else(|| {
                let names: Vec<_> = fleet.pools.iter().map(|(name, _)| name.as_str()).collect();
                wrong(&format!("pool: found {name:?}, expected one of {}", names.join(", ")))
            })?,
        };
        known.push(Known {
            line,
            key: asked.key.unwrap_or(line as u64),
            prompt_tokens: asked.prompt_tokens,
            pool,
            held: held.collect::<Result<_, Failure>>()?,
            exclude: all("exclude", &asked.exclude)?,
            subset: asked.subset.as_deref().map(|names| all("subset", names)).transpose()?,
        });
    }
    if known.is_empty() {
        return Err(Failure::Input(format!("{}: found no request, expected one JSON object a line", path.display())));
    }
    Ok(known)
}
