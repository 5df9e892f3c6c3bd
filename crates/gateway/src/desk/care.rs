//! What the desk knows of failures: who is up, what may be tried again, and the end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use phalanx_routing::{Health, Totals};

use super::{Desk, Server};
use crate::config::Endpoint;

/// How one endpoint stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) in_flight: u32,
    pub(crate) totals: Totals,
    /// Whether the breaker leaves it alone.
    pub(crate) is_out: bool,
    /// Whether checks find it well.
    pub(crate) is_up: bool,
}

impl Desk {
    pub(crate) fn endpoint_count(&self) -> usize {
        self.endpoints.len()
    }

    /// Takes an endpoint out of its pools, or back in. What it has under way goes on.
    pub(crate) fn set_up(&self, index: usize, is_up: bool) {
        let (id, mut state) = (self.ids[index], self.lock());
        let balancer = state.router.balancer_mut();
        for &pool in &self.pools[index] {
            let _ = if is_up { balancer.enter(pool, id) } else { balancer.exit(pool, id) };
        }
        state.down[index] = !is_up;
    }

    /// Whether a request may be tried once more.
    pub(crate) fn may_retry(&self, server: &Server) -> bool {
        server.budget.take(self.epoch.elapsed())
    }

    /// The pause before that, after so many tries.
    pub(crate) fn pause_after(&self, tried: usize, key: u64) -> Duration {
        self.retry.pause_after(tried, key ^ self.seed)
    }

    /// From now on readers of `/readyz` are sent elsewhere.
    pub(crate) fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed)
    }

    /// How each endpoint stands.
    pub(crate) fn standings(&self) -> Vec<(&Endpoint, Standing)> {
        let state = self.lock();
        let balancer = state.router.balancer();
        let rows = self.endpoints.iter().zip(&self.ids).zip(&state.down);
        rows.map(|((endpoint, &id), &is_down)| {
            let is_out = matches!(balancer.health(id), Health::Out { .. });
            let (in_flight, totals) = (balancer.load(id).in_flight, balancer.totals(id));
            (endpoint, Standing { in_flight, totals, is_out, is_up: !is_down })
        })
        .collect()
    }
}
