//! A fleet as it was at one moment: its file, and the balancer that it makes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use phalanx_routing::{Balancer, Endpoint, EndpointId, Policy, PoolId, Seed, Signals};
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::cli::policies::Written;
use crate::cli::{Failure, input};

/// When it is: long enough after the epoch for signals of any age.
pub(super) const NOW: Duration = Duration::from_secs(1 << 40);

/// The most requests in flight at one endpoint.
const MOST_REQUESTS: u32 = 16_383;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Snapshot {
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    policy: Option<Written>,
    #[serde(default)]
    max_age_ms: Option<u64>,
    endpoints: Vec<Engine>,
    #[serde(default)]
    pools: Vec<Group>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Engine {
    name: Spanned<String>,
    #[serde(default)]
    seats: Option<u32>,
    #[serde(default)]
    kv_tokens: Option<u32>,
    #[serde(default)]
    prefill_token_us: Option<u32>,
    #[serde(default)]
    signals: Option<Reading>,
    #[serde(default)]
    load: InFlight,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reading {
    #[serde(default)]
    age_ms: u64,
    #[serde(default)]
    waiting: Option<u32>,
    #[serde(default)]
    running: Option<u32>,
    #[serde(default)]
    kv_used_ppm: Option<u32>,
    #[serde(default)]
    ttft_us: Option<u32>,
    #[serde(default)]
    tpot_us: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct InFlight {
    #[serde(default)]
    decoding: u32,
    #[serde(default)]
    prefilling: u32,
    #[serde(default)]
    pending_tokens: u32,
    #[serde(default)]
    prompt_tokens: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: Spanned<String>,
    #[serde(default)]
    policy: Option<Written>,
    #[serde(default)]
    endpoints: Option<Vec<Spanned<String>>>,
}

/// A balancer in that state, and what its endpoints and pools are called.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) balancer: Balancer,
    /// By slot.
    pub(super) names: Vec<String>,
    ids: BTreeMap<String, EndpointId>,
    /// In the order of the file.
    pub(super) pools: Vec<(String, PoolId)>,
}

impl Fleet {
    /// The fleet of a file; `policy` stands for all of its policies.
    pub(super) fn read(path: &Path, policy: Option<&Policy>) -> Result<Self, Failure> {
        let snapshot: Snapshot = input::yaml(path)?;
        let wrong = |at: &Spanned<String>, problem: &str| {
            let (line, column) = (at.referenced.line(), at.referenced.column());
            Failure::Input(format!("{}:{line}:{column}: {:?}: {problem}", path.display(), at.value))
        };
        if snapshot.endpoints.is_empty() {
            return Err(Failure::Input(format!("{}: endpoints: found none, expected one or more", path.display())));
        }
        let mut balancer = Balancer::new(Seed::from(snapshot.seed));
        if let Some(age) = snapshot.max_age_ms {
            balancer = balancer.with_max_age(Duration::from_millis(age));
        }
        let mut fleet = Self { balancer, names: Vec::new(), ids: BTreeMap::new(), pools: Vec::new() };
        for engine in &snapshot.endpoints {
            let id = fleet.balancer.join(engine.endpoint());
            fleet.names.push(engine.name.value.clone());
            if fleet.ids.insert(engine.name.value.clone(), id).is_some() {
                return Err(wrong(&engine.name, "there twice; expected a name of its own for each endpoint"));
            }
            engine.load.put(&mut fleet.balancer, id).map_err(|problem| wrong(&engine.name, &problem))?;
            if let Some(reading) = &engine.signals {
                fleet.balancer.signals(id, reading.signals());
            }
        }
        let all = [Group::of_all()];
        let groups = if snapshot.pools.is_empty() { &all[..] } else { &snapshot.pools };
        for group in groups {
            let own = group.policy.as_ref().or(snapshot.policy.as_ref()).map(|written| &written.0);
            let pool = fleet.balancer.add_pool(policy.or(own).cloned().unwrap_or_else(Policy::phalanx));
            if fleet.pools.iter().any(|(name, _)| *name == group.name.value) {
                return Err(wrong(&group.name, "there twice; expected a name of its own for each pool"));
            }
            fleet.pools.push((group.name.value.clone(), pool));
            match &group.endpoints {
                Some(members) => {
                    for member in members {
                        let id = fleet.id(&member.value).ok_or_else(|| {
                            wrong(member, "no such endpoint; expected the name of one under `endpoints`")
                        })?;
                        fleet.balancer.enter(pool, id);
                    }
                }
                None => fleet.ids.values().for_each(|id| {
                    fleet.balancer.enter(pool, *id);
                }),
            }
        }
        Ok(fleet)
    }

    pub(super) fn id(&self, name: &str) -> Option<EndpointId> {
        self.ids.get(name).copied()
    }

    pub(super) fn name(&self, id: EndpointId) -> &str {
        self.names.get(id.index()).map_or("", String::as_str)
    }
}

impl Group {
    /// What a file without pools has.
    fn of_all() -> Self {
        let here = serde_saphyr::Location::UNKNOWN;
        Self { name: Spanned::new("default".to_owned(), here, here), policy: None, endpoints: None }
    }
}

impl Engine {
    fn endpoint(&self) -> Endpoint {
        let mut endpoint = Endpoint::new().with_name(&self.name.value);
        if let Some(seats) = self.seats {
            endpoint = endpoint.with_seats(seats);
        }
        if let Some(tokens) = self.kv_tokens {
            endpoint = endpoint.with_kv_tokens(tokens);
        }
        if let Some(micros) = self.prefill_token_us {
            endpoint = endpoint.with_prefill_token(Duration::from_micros(micros.into()));
        }
        endpoint
    }
}

impl Reading {
    fn signals(&self) -> Signals {
        let micros = |time: Option<u32>| time.map(|time| Duration::from_micros(time.into()));
        Signals {
            read: NOW.saturating_sub(Duration::from_millis(self.age_ms)),
            waiting: self.waiting,
            running: self.running,
            kv_used_ppm: self.kv_used_ppm,
            ttft: micros(self.ttft_us),
            tpot: micros(self.tpot_us),
        }
    }
}

impl InFlight {
    /// Counts the load: pending tokens in equal parts at those that prefill, the others in equal parts at those that
    /// decode, or as cached ones at the first that prefills.
    fn put(&self, balancer: &mut Balancer, id: EndpointId) -> Result<(), String> {
        let Self { decoding, prefilling, pending_tokens, prompt_tokens } = *self;
        if decoding.saturating_add(prefilling) > MOST_REQUESTS {
            return Err(format!("load: more than {MOST_REQUESTS} requests; expected so many at the most"));
        }
        if prefilling == 0 && pending_tokens > 0 {
            return Err(format!("load.pending_tokens: {pending_tokens}; expected 0 where nothing is prefilling"));
        }
        let further = prompt_tokens.saturating_sub(pending_tokens);
        if decoding + prefilling == 0 && further > 0 {
            return Err(format!("load.prompt_tokens: {prompt_tokens}; expected 0 where nothing is in flight"));
        }
        for at in 0..prefilling {
            let own = part(pending_tokens, prefilling, at);
            let cached = if decoding == 0 && at == 0 { further } else { 0 };
            // It joined just now.
            let _ = balancer.adopt(id, own.saturating_add(cached), own, false, NOW);
        }
        for at in 0..decoding {
            let _ = balancer.adopt(id, part(further, decoding, at), 0, true, NOW);
        }
        Ok(())
    }
}

/// One of `of` parts that are as equal as can be.
fn part(whole: u32, of: u32, at: u32) -> u32 {
    whole / of + u32::from(at < whole % of)
}
