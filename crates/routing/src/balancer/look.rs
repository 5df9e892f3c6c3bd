//! What a balancer tells of itself.

use super::Balancer;
use crate::endpoint::EndpointId;
use crate::load::{Load, Totals};
use crate::policy::Policy;
use crate::pool::PoolId;
use crate::reservation::Reservation;

impl Balancer {
    /// Whether an endpoint has joined and not left.
    #[must_use]
    pub fn has(&self, endpoint: EndpointId) -> bool {
        self.columns.at(endpoint).is_some()
    }

    /// Whether a reservation is not settled, and was not [reclaimed](Self::reclaim).
    #[must_use]
    pub fn is_open(&self, reservation: &Reservation) -> bool {
        self.flights.get(reservation.flight, reservation.serial).is_some()
    }

    /// The policy of a pool.
    #[must_use]
    pub fn policy(&self, pool: PoolId) -> Option<&Policy> {
        self.pools.get(pool.index()).map(|pool| &pool.policy)
    }

    /// The load of an endpoint; none at all for one that left.
    #[must_use]
    pub fn load(&self, endpoint: EndpointId) -> Load {
        self.columns.at(endpoint).map_or_else(Load::default, |at| self.columns.account[at].load)
    }

    /// How the settled requests of an endpoint ended; none for one that left.
    #[must_use]
    pub fn totals(&self, endpoint: EndpointId) -> Totals {
        self.columns.at(endpoint).map_or_else(Totals::default, |at| self.columns.totals[at])
    }

    /// Reservations not yet settled, those of endpoints that left included.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.flights.len()
    }
}
