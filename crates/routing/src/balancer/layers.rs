//! A pool as a request sees it: those who can take it, apart by where its adapter is.

use super::Balancer;
use crate::adapter::{STATES, Sought};
use crate::kinds::has;
use crate::policy::Measure;
use crate::pool::Pool;
use crate::price::{self, Known};
use crate::request::Request;

/// Some of a pool, to all of whose costs the same is added.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    pub(super) state: usize,
    pub(super) offset: i64,
    is_all: bool,
    slots: Vec<u64>,
}

/// The layers of one request, kept for their memory: in the order of the states, no slot twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Layers {
    layers: [Layer; STATES],
    count: usize,
}

impl Layer {
    /// Who is in it, as bits; none where that is all of the pool.
    pub(super) fn slots(&self) -> Option<&[u64]> {
        (!self.is_all).then_some(&self.slots)
    }
}

impl Layers {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Layer> {
        self.layers[..self.count].iter()
    }

    /// The layer that a member of the pool is in, if there is one.
    pub(super) fn of(&self, at: usize) -> Option<&Layer> {
        self.iter().find(|layer| layer.slots().is_none_or(|slots| has(slots, at)))
    }
}

/// The first state that a filter of the policy's does not keep.
pub(super) fn end(pool: &Pool) -> usize {
    let filters = pool.policy.filters().iter().filter(|filter| filter.measure == Measure::Adapter);
    filters.map(|filter| filter.below as usize).min().unwrap_or(STATES).min(STATES)
}

impl Balancer {
    /// The states of adapters that a request tells apart: of its own adapter, where the policy looks at it.
    pub(super) fn sought(&self, pool: &Pool, request: &Request<'_>) -> Sought<'_> {
        let adapter = request.adapter.filter(|_| pool.sees_adapter);
        self.adapters.sought(adapter, pool.policy.unknown())
    }

    /// What prices are made from, for a request with its adapter.
    pub(super) fn known_for(&self, pool: &Pool, request: &Request<'_>) -> Known<'_> {
        Known { sought: self.sought(pool, request), ..self.known(&pool.policy) }
    }

    /// Takes a pool apart. Who does not pass the policy's filters by the adapter is in no layer.
    pub(super) fn lay(&self, pool: &Pool, request: &Request<'_>, layers: &mut Layers) {
        let combination = pool.policy.combination();
        let cost = |state: usize| if pool.sees_adapter { price::adapter_cost(combination, state) } else { 0 };
        let (sought, fit_all) = (self.sought(pool, request), self.fit_all(request));
        let states = if sought.is_any() { end(pool) } else { 1 };
        layers.count = 0;
        for state in 0..states {
            let layer = &mut layers.layers[layers.count];
            (layer.state, layer.offset, layer.is_all) = (state, cost(state), fit_all && !sought.is_any());
            if layer.is_all {
                layers.count += 1;
                continue;
            }
            layer.slots.clear();
            layer.slots.extend_from_slice(&pool.members);
            if sought.is_any() {
                sought.keep(state, &mut layer.slots);
            }
            if !fit_all {
                let tokens = request.context_tokens();
                let takes = |at: usize| self.columns.endpoint[at].takes(tokens);
                self.kinds.keep(request.labels, tokens, takes, &mut layer.slots);
            }
            if layer.slots.iter().any(|word| *word != 0) {
                layers.count += 1;
            }
        }
    }
}
