//! From one configuration to the next: who joins, who leaves, and who stays with all that is known of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use phalanx_kvcache::ApproximateConfig;
use phalanx_routing::{EndpointId, Policy, PoolId};

use super::fleet::{Fleet, Member, Place, State};
use super::server::{Part, Server, is_disaggregated};
use super::warm::Tag;
use crate::config::{Endpoint, GatewayConfig};
use crate::error::ConfigError;
use crate::follow;
use crate::peer::Snapshot;
use crate::retry::{Budget, Retry};

/// The endpoints of a configuration whose parts go together.
#[derive(Debug)]
pub(super) struct Plan {
    wanted: Vec<Wanted>,
}

/// An endpoint with all pools that it is in. Its load is the load of all of them.
#[derive(Debug)]
struct Wanted {
    endpoint: Endpoint,
    /// What it serves, by the name that engines are asked for.
    models: BTreeSet<String>,
    /// Of each, with the pairing group.
    pools: Vec<(String, Part, String)>,
}

/// What a change came to.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) members: Vec<Arc<Member>>,
    pub(super) servers: BTreeMap<String, Server>,
    pub(super) joined: usize,
    pub(super) left: usize,
}

impl Plan {
    pub(super) fn of(config: &GatewayConfig) -> Result<Self, ConfigError> {
        for route in config.routes.routes() {
            for target in route.targets() {
                if let Some(server) = target.server().filter(|server| !config.pools.contains_key(*server)) {
                    let names = [route.model()].into_iter().chain(route.adapters().iter().map(String::as_str));
                    let model = names.filter(|name| !name.is_empty()).take(1).collect();
                    return Err(ConfigError::UnknownServer { model, server: server.to_owned() });
                }
            }
        }
        let (mut wanted, mut places): (Vec<Wanted>, BTreeMap<&str, usize>) = Default::default();
        for (server, pool) in &config.pools {
            let model = pool.served_model.as_ref().unwrap_or(server);
            for endpoint in &pool.endpoints {
                let place = *places.entry(&endpoint.name).or_insert(wanted.len());
                if place == wanted.len() {
                    wanted.push(Wanted { endpoint: endpoint.clone(), models: BTreeSet::new(), pools: Vec::new() });
                }
                let known = &mut wanted[place];
                if known.endpoint.address != endpoint.address {
                    return Err(ConfigError::DuplicateEndpoint(endpoint.name.clone()));
                }
                let Endpoint { metrics, kv_events, .. } = endpoint;
                known.endpoint.metrics = known.endpoint.metrics.take().or_else(|| metrics.clone());
                known.endpoint.kv_events = known.endpoint.kv_events.take().or_else(|| kv_events.clone());
                known.models.insert(model.clone());
                known.pools.push((server.clone(), Part::of(endpoint), endpoint.group.clone()));
            }
        }
        Ok(Self { wanted })
    }

    /// The endpoints of which another gateway has told what they hold, as members with nothing else known of them.
    pub(super) fn warm(&self, fleet: &Fleet, snapshot: Snapshot) -> Vec<Arc<Member>> {
        let mut state = fleet.lock();
        let state = &mut *state;
        let named: BTreeMap<_, _> = self.wanted.iter().map(|wanted| (wanted.endpoint.name.as_str(), wanted)).collect();
        let find = |tag: &[u8]| {
            let tag = Tag::read(tag)?;
            let wanted = *named.get(tag.name.as_str())?;
            let is_same = wanted.endpoint.address == tag.address && !wanted.models.is_disjoint(&tag.models);
            // An engine that cannot be asked what happened since may have forgotten all of it.
            let is_asked = wanted.endpoint.kv_events.as_ref().is_some_and(|source| source.replay().is_some());
            (is_same && is_asked).then_some((wanted, tag.cursor))
        };
        let endpoint = |wanted: &Wanted| phalanx_routing::Endpoint::new().with_name(&wanted.endpoint.name);
        let joined = state.router.restore(snapshot.take(), |tag| find(tag).map(|(wanted, _)| endpoint(wanted)));
        let rows = joined.into_iter().filter_map(|(id, tag)| {
            let (wanted, cursor) = find(&tag)?;
            let (models, endpoint) = (wanted.models.clone(), wanted.endpoint.clone());
            let (member, pools) = (Arc::new(Member { id, models, endpoint }), Vec::new());
            if state.places.len() <= id.index() {
                state.places.resize_with(id.index() + 1, || None);
            }
            let place = Place { member: Arc::clone(&member), pools, is_down: false, cursor: Some(cursor) };
            state.places[id.index()] = Some(place);
            Some(member)
        });
        rows.collect()
    }

    /// Makes the fleet what the configuration asks for, all at once; `before` are the members that there were.
    pub(super) fn apply(
        self,
        config: &GatewayConfig,
        fleet: &Fleet,
        before: &[Arc<Member>],
        budgets: &BTreeMap<String, (Retry, Arc<Budget>)>,
    ) -> Changed {
        let mut state = fleet.lock();
        let state = &mut *state;
        state.know(&config.routes);
        let balancer = state.router.balancer_mut();
        balancer.set_breaker(config.care.breaker);
        balancer.set_max_age(follow::max_age(&config.pools));
        let mut servers: BTreeMap<String, Server> = BTreeMap::new();
        for (name, pool) in &config.pools {
            let retry = pool.retry.as_ref().unwrap_or(&config.care.retry);
            let kept = budgets.get(name).filter(|(of, _)| of == retry).map(|(_, budget)| Arc::clone(budget));
            let server = Server {
                name: name.clone(),
                served_model: pool.served_model.clone(),
                connector: pool.connector,
                timeouts: pool.timeouts,
                tokenizer: pool.tokenizer.clone(),
                retry: retry.clone(),
                budget: kept.unwrap_or_else(|| Arc::new(Budget::new(retry))),
                whole: state.pool(name, Part::Whole, &config.policy),
                decode: state.pool(name, Part::Decode, &config.policy),
                is_disaggregated: is_disaggregated(&pool.endpoints),
                decode_groups: BTreeMap::new(),
                prefill: BTreeMap::new(),
            };
            servers.insert(name.clone(), server);
        }
        let mut old: BTreeMap<&str, &Arc<Member>> =
            before.iter().map(|member| (member.endpoint.name.as_str(), member)).collect();
        let kept: Vec<_> = self
            .wanted
            .iter()
            .map(|wanted| {
                let member = old.get(wanted.endpoint.name.as_str()).filter(|member| wanted.is_still(member))?;
                let id = member.id;
                old.remove(wanted.endpoint.name.as_str());
                Some(id)
            })
            .collect();
        let left = old.len();
        old.into_values().for_each(|member| state.part(member.id));
        let (mut members, mut joined) = (Vec::with_capacity(self.wanted.len()), 0);
        for (wanted, kept) in self.wanted.into_iter().zip(kept) {
            let id = kept.unwrap_or_else(|| {
                joined += 1;
                state.router.join(phalanx_routing::Endpoint::new().with_name(&wanted.endpoint.name))
            });
            let mut pools = Vec::with_capacity(wanted.pools.len());
            for (name, part, group) in wanted.pools {
                let pool = state.pool(&name, part.clone(), &config.policy);
                let server = servers.get_mut(&name).expect("each pool has its server");
                match part {
                    Part::Whole => {}
                    Part::Decode => drop(server.decode_groups.insert(id, group)),
                    Part::Prefill(group) => drop(server.prefill.insert(group, pool)),
                }
                pools.push(pool);
            }
            let member = Arc::new(Member { id, models: wanted.models, endpoint: wanted.endpoint });
            state.settle_in(&member, pools, config);
            members.push(member);
        }
        Changed { members, servers, joined, left }
    }
}

impl Wanted {
    /// Whether a member is this endpoint: who has another address, or serves nothing that it served, is a stranger by the
    /// same name. So is one whose cache is told by somebody else.
    fn is_still(&self, member: &Member) -> bool {
        let of = &member.endpoint;
        of.address == self.endpoint.address
            && (of.kv_events.is_none() || of.kv_events == self.endpoint.kv_events)
            && !member.models.is_disjoint(&self.models)
    }
}

impl State {
    /// The pool of a server for a part, under this policy.
    fn pool(&mut self, server: &str, part: Part, policy: &Policy) -> PoolId {
        let balancer = self.router.balancer_mut();
        match self.pools.entry((server.to_owned(), part)) {
            std::collections::btree_map::Entry::Occupied(known) => {
                balancer.set_policy(*known.get(), policy.clone());
                *known.get()
            }
            std::collections::btree_map::Entry::Vacant(new) => *new.insert(balancer.add_pool(policy.clone())),
        }
    }

    /// Takes an endpoint out for good; what it has under way goes on.
    fn part(&mut self, id: EndpointId) {
        self.router.leave(id);
        if let Some(place) = self.places.get_mut(id.index()) {
            *place = None;
        }
    }

    /// Puts a member where it is to be, and out of where it is not.
    fn settle_in(&mut self, member: &Arc<Member>, pools: Vec<PoolId>, config: &GatewayConfig) {
        let id = member.id;
        let taken = |place: &mut Place| (std::mem::take(&mut place.pools), place.is_down, place.cursor);
        let (before, is_down, cursor) = self.place_mut(id).map(taken).unwrap_or_default();
        let balancer = self.router.balancer_mut();
        for pool in before.iter().filter(|pool| !pools.contains(pool)) {
            balancer.exit(*pool, id);
        }
        if !is_down {
            pools.iter().for_each(|pool| _ = balancer.enter(*pool, id));
        }
        // What an engine does not tell of its cache is guessed, where that has a say; but not over what somebody has told.
        let is_known = self.router.guessed_capacity(id).is_some() || self.router.blocks_of(id) > 0;
        if config.policy.sees_cache() && member.endpoint.kv_events.is_none() && !is_known {
            let capacity = phalanx_routing::Endpoint::new().kv_tokens() / config.block_size.tokens();
            self.router.guess(id, capacity, ApproximateConfig::new());
        }
        if self.places.len() <= id.index() {
            self.places.resize_with(id.index() + 1, || None);
        }
        self.places[id.index()] = Some(Place { member: Arc::clone(member), pools, is_down, cursor });
    }
}
