//! What a balancer tells of itself.

use core::time::Duration;

use super::Balancer;
use crate::columns::UNKNOWN;
use crate::endpoint::EndpointId;
use crate::flights::InFlight;
use crate::load::{Load, Totals};
use crate::policy::Policy;
use crate::pool::PoolId;
use crate::reservation::Reservation;
use crate::signals::Signals;

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

    /// What an endpoint last said of itself, unless that is too old, or it left.
    #[must_use]
    pub fn told(&self, endpoint: EndpointId) -> Option<Signals> {
        let at = self.columns.at(endpoint)?;
        let read = self.columns.read[at]?;
        let count = |value: u32| Some(value).filter(|value| *value != UNKNOWN);
        let micros = |value: u32| count(value).map(|value| Duration::from_micros(value.into()));
        let account = &self.columns.account[at];
        Some(Signals {
            read,
            waiting: count(account.waiting),
            running: count(account.running),
            kv_used_ppm: count(account.kv_used),
            ttft: micros(self.columns.ttft[at]),
            tpot: micros(self.columns.tpot[at]),
        })
    }

    /// The time that a prompt token takes at an endpoint, as it was learned; `None` for one that left.
    #[must_use]
    pub fn pace(&self, endpoint: EndpointId) -> Option<Duration> {
        let at = self.columns.at(endpoint)?;
        Some(Duration::from_nanos(self.columns.account[at].pace.token().unsigned_abs()))
    }

    /// What is under way, in no order that means anything; those of endpoints that left included.
    pub fn in_flight(&self) -> impl Iterator<Item = InFlight> + '_ {
        self.flights.iter().map(|(_, flight)| InFlight {
            endpoint: flight.endpoint,
            prompt_tokens: flight.prompt_tokens,
            uncached_tokens: flight.uncached_tokens,
            decided: self.given(flight.decided),
            first_token: flight.first_token.map(|time| self.given(time)),
        })
    }

    /// Reservations not yet settled, those of endpoints that left included.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.flights.len()
    }
}
