//! What the desk knows of failures: who is up, and what may be tried again.

use std::time::Duration;

use phalanx_routing::{EndpointId, Health, Totals};

use super::{Desk, Fleet, Server};
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

impl Fleet {
    /// Takes an endpoint out of its pools, or back in. What it has under way goes on.
    pub(crate) fn set_up(&self, id: EndpointId, is_up: bool) {
        let mut state = self.lock();
        let state = &mut *state;
        let Some(place) = state.place_mut(id) else { return };
        place.is_down = !is_up;
        let pools = std::mem::take(&mut place.pools);
        let balancer = state.router.balancer_mut();
        for pool in &pools {
            let _ = if is_up { balancer.enter(*pool, id) } else { balancer.exit(*pool, id) };
        }
        if let Some(place) = state.place_mut(id) {
            place.pools = pools;
        }
    }

    /// Whether checks have found an endpoint down.
    pub(crate) fn is_down(&self, id: EndpointId) -> bool {
        self.lock().place(id).is_some_and(|place| place.is_down)
    }
}

impl Desk {
    /// Whether a request may be tried once more.
    pub(crate) fn may_retry(&self, server: &Server) -> bool {
        server.budget.take(self.fleet.now())
    }

    /// The pause before that, after so many tries.
    pub(crate) fn pause_after(&self, server: &Server, tried: usize, key: u64) -> Duration {
        server.retry.pause_after(tried, key ^ self.fleet.seed)
    }

    /// How each endpoint stands.
    pub(crate) fn standings(&self) -> Vec<(&Endpoint, Standing)> {
        let state = self.fleet.lock();
        let balancer = state.router.balancer();
        let rows = self.members.iter().map(|member| {
            let id = member.id;
            let is_out = matches!(balancer.health(id), Health::Out { .. });
            let (in_flight, totals) = (balancer.load(id).in_flight, balancer.totals(id));
            let is_up = state.place(id).is_some_and(|place| !place.is_down);
            (&member.endpoint, Standing { in_flight, totals, is_out, is_up })
        });
        rows.collect()
    }
}
