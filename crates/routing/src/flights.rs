//! Requests under way, with the prompts of each endpoint in the order in which they came.

use core::time::Duration;

use crate::adapter::AdapterId;
use crate::endpoint::EndpointId;

/// No flight.
const NONE: u32 = u32::MAX;

/// A request that was decided and is not settled, as it is [told](crate::Balancer::in_flight).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InFlight {
    /// Where it is.
    pub endpoint: EndpointId,
    /// Tokens of its prompt.
    pub prompt_tokens: u32,
    /// Those of them that the endpoint had to compute.
    pub uncached_tokens: u32,
    /// When it was decided, since the caller's epoch.
    pub decided: Duration,
    /// When its first token came, if it has.
    pub first_token: Option<Duration>,
}

/// A request that was decided and is not settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flight {
    pub(crate) endpoint: EndpointId,
    /// What tells it from the others that had its place.
    pub(crate) serial: u64,
    pub(crate) decided: Duration,
    pub(crate) prompt_tokens: u32,
    pub(crate) uncached_tokens: u32,
    pub(crate) first_token: Option<Duration>,
    /// The adapter that was promised to the endpoint with it.
    pub(crate) adapter: Option<AdapterId>,
    /// Tokens of the answer, as far as they were told.
    pub(crate) generated: u32,
    /// Neighbours in the endpoint's row of prompts.
    before: u32,
    after: u32,
}

/// All flights by their places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flights {
    flights: Vec<Option<Flight>>,
    vacant: Vec<u32>,
    serial: u64,
}

/// The prompts that wait for their first token at one endpoint, oldest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    first: u32,
    last: u32,
    /// Tokens that the first of them has to compute; 0 when there is none.
    head: u32,
}

impl Row {
    pub(crate) const EMPTY: Self = Self { first: NONE, last: NONE, head: 0 };

    /// Tokens that the first prompt has to compute; 0 when there is none.
    pub(crate) fn head(self) -> u32 {
        self.head
    }
}

impl Flights {
    /// Flights in the air.
    pub(crate) fn len(&self) -> usize {
        self.flights.len() - self.vacant.len()
    }

    pub(crate) fn get(&self, place: u32, serial: u64) -> Option<&Flight> {
        self.flights.get(place as usize)?.as_ref().filter(|flight| flight.serial == serial)
    }

    /// A new flight at the end of its endpoint's row: its place and serial number.
    pub(crate) fn begin(
        &mut self,
        row: &mut Row,
        endpoint: EndpointId,
        (prompt_tokens, uncached_tokens): (u32, u32),
        decided: Duration,
    ) -> (u32, u64) {
        let place = self.vacant.pop().unwrap_or_else(|| {
            self.flights.push(None);
            u32::try_from(self.flights.len() - 1).expect("fewer than 2^32 requests are under way")
        });
        self.serial += 1;
        let flight = Flight {
            endpoint,
            serial: self.serial,
            decided,
            prompt_tokens,
            uncached_tokens,
            first_token: None,
            adapter: None,
            generated: 0,
            before: row.last,
            after: NONE,
        };
        self.flights[place as usize] = Some(flight);
        match self.flight(row.last) {
            Some(last) => last.after = place,
            None => (row.first, row.head) = (place, uncached_tokens),
        }
        row.last = place;
        (place, self.serial)
    }

    /// Takes a flight out of its row, as one whose prompt waits no longer; says whether it was the first in it.
    pub(crate) fn unrow(&mut self, row: &mut Row, place: u32) -> bool {
        let Some(&mut Flight { before, after, .. }) = self.flight(place) else { return false };
        let head = match self.flight(after) {
            Some(flight) => {
                flight.before = before;
                flight.uncached_tokens
            }
            None => {
                row.last = before;
                0
            }
        };
        match self.flight(before) {
            Some(flight) => flight.after = after,
            None => (row.first, row.head) = (after, head),
        }
        before == NONE
    }

    pub(crate) fn set_first_token(&mut self, place: u32, now: Duration) {
        if let Some(flight) = self.flight(place) {
            flight.first_token = Some(now);
        }
    }

    pub(crate) fn set_adapter(&mut self, place: u32, adapter: AdapterId) {
        if let Some(flight) = self.flight(place) {
            flight.adapter = Some(adapter);
        }
    }

    pub(crate) fn set_generated(&mut self, place: u32, tokens: u32) {
        if let Some(flight) = self.flight(place) {
            flight.generated = tokens;
        }
    }

    /// Takes a flight out.
    pub(crate) fn end(&mut self, place: u32) -> Option<Flight> {
        let flight = self.flights.get_mut(place as usize)?.take()?;
        self.vacant.push(place);
        Some(flight)
    }

    /// All flights, by place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Flight)> {
        (0..).zip(&self.flights).filter_map(|(place, flight)| Some((place, flight.as_ref()?)))
    }

    fn flight(&mut self, place: u32) -> Option<&mut Flight> {
        self.flights.get_mut(place as usize)?.as_mut()
    }
}
