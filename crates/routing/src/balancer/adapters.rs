//! What is told of adapters.

use core::time::Duration;

use super::Balancer;
use crate::adapter::{AdapterId, AdapterReading, AdapterState};
use crate::endpoint::EndpointId;
use crate::reservation::Reservation;

impl Balancer {
    /// Notes what an engine said of its adapters, in place of what it said before. An older reading than the last one is
    /// passed over; `false` then, and for an endpoint that left. What is too old is forgotten as
    /// [signals](Self::signals) are.
    ///
    /// Linear in the adapters that are named, and in those that were. Each adapter that somebody has takes two bits a slot.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{AdapterId, AdapterReading, AdapterState, Balancer, Endpoint, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let endpoint = balancer.join(Endpoint::new());
    /// let loaded = [AdapterId::from(3)];
    /// let reading = AdapterReading { loaded: &loaded, queued: &[], slots: Some(1), read: Duration::from_secs(5) };
    /// assert!(balancer.adapters(endpoint, &reading));
    /// assert!(!balancer.adapters(endpoint, &AdapterReading { read: Duration::from_secs(4), ..reading }));
    /// assert_eq!(balancer.adapter(endpoint, AdapterId::from(3)), AdapterState::Loaded);
    /// assert_eq!(balancer.adapter(endpoint, AdapterId::from(4)), AdapterState::Full);
    /// ```
    pub fn adapters(&mut self, endpoint: EndpointId, reading: &AdapterReading<'_>) -> bool {
        let Some(at) = self.columns.at(endpoint) else { return false };
        let taken = self.adapters.read(at, endpoint, reading, self.max_age.is_some());
        if taken {
            self.recording.adapters(endpoint, reading);
        }
        taken
    }

    /// Where an adapter is with an endpoint; [`AdapterState::Unknown`] of one that left. Logarithmic in the adapters of
    /// the endpoint.
    #[must_use]
    pub fn adapter(&self, endpoint: EndpointId, adapter: AdapterId) -> AdapterState {
        self.columns.at(endpoint).map_or(AdapterState::Unknown, |at| self.adapters.state(at, adapter))
    }

    /// The adapters that an endpoint said it has loaded, and those that wait to be, ascending; none of one that left.
    #[must_use]
    pub fn adapters_of(&self, endpoint: EndpointId) -> (&[AdapterId], &[AdapterId]) {
        self.columns.at(endpoint).map_or((&[], &[]), |at| self.adapters.told(at))
    }

    /// Counts the adapter of a request that was just decided.
    pub(super) fn promise_adapter(&mut self, reservation: &Reservation, adapter: AdapterId) {
        if let Some(at) = self.columns.at(reservation.endpoint) {
            self.flights.set_adapter(reservation.flight, adapter);
            self.adapters.promise(at, adapter);
        }
    }

    /// Forgets readings of adapters that are too old.
    pub(super) fn forget_adapters(&mut self, now: Duration) {
        while let Some(due) = self.adapters_due()
            && due <= now
        {
            self.adapters.forget_oldest(|id| self.columns.at(id));
        }
    }

    pub(super) fn adapters_due(&self) -> Option<Duration> {
        Some(self.adapters.oldest()?.saturating_add(self.max_age?))
    }
}
