//! The last decisions, and why.

use std::collections::BTreeMap;

use phalanx_routing::{EndpointId, Explanation, Omission};
use serde_json::{Value, json};

use super::{dump, millis};
use crate::desk::{Desk, Made};

/// The last decisions, the latest first.
pub(super) fn list(desk: &Desk) -> Value {
    let names = dump::names(desk);
    let pools: BTreeMap<_, _> = desk
        .servers()
        .flat_map(|server| server.pools().map(|(part, group, pool)| (pool, (server.name(), part, group))))
        .collect();
    let now = desk.fleet.now();
    let rows = desk.fleet.recent().into_iter().map(|made| {
        let Made { at, asked, answer, explanation } = made;
        let of = pools.get(&asked.pool);
        let chosen = answer.as_ref().ok();
        json!({
            "age_ms": millis(now.saturating_sub(at)),
            "server": of.map(|of| of.0),
            "part": of.map(|of| of.1),
            "group": of.map(|of| of.2),
            "key": asked.key,
            "prompt_tokens": asked.prompt_tokens,
            "excluded": asked.excluded,
            "endpoint": chosen.map(|chosen| name(&names, chosen.endpoint)),
            "cached_tokens": chosen.map(|chosen| chosen.cached_tokens),
            "cost": chosen.map(|chosen| chosen.cost),
            "ties": chosen.map(|chosen| chosen.ties),
            "refused": answer.as_ref().err().map(ToString::to_string),
            "explanation": explanation.map(|explanation| explained(&names, &explanation)),
        })
    });
    Value::Array(rows.collect())
}

/// The endpoint's name, or what it was before it left.
fn name(names: &BTreeMap<EndpointId, &str>, id: EndpointId) -> String {
    let gone = || format!("{}.{}, which has left", id.index(), id.generation());
    names.get(&id).map_or_else(gone, |name| (*name).to_owned())
}

fn explained(names: &BTreeMap<EndpointId, &str>, of: &Explanation) -> Value {
    let candidates = of.candidates.iter().map(|candidate| {
        let parts = of
            .contributions(candidate.endpoint)
            .map(|part| json!({ "factor": part.factor.to_string(), "value": part.value, "amount": part.amount }));
        json!({
            "endpoint": name(names, candidate.endpoint),
            "total": candidate.total,
            "cached_tokens": candidate.cached_tokens,
            "uncached_tokens": candidate.uncached_tokens,
            "in_flight": candidate.load.in_flight,
            "pending_tokens": candidate.load.pending_tokens,
            "signal_age_ms": candidate.signal_age.map(millis),
            "parts": parts.collect::<Vec<_>>(),
        })
    });
    let omitted = of.omitted.iter().map(|(id, why)| json!({ "endpoint": name(names, *id), "why": omission(*why) }));
    json!({
        "policy": of.policy,
        "margin": of.margin,
        "candidates": candidates.collect::<Vec<_>>(),
        "omitted": omitted.collect::<Vec<_>>(),
    })
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
