//! What is known of each endpoint, one column a fact.

use crate::endpoint::EndpointId;
use crate::reservation::{Outcome, Reservation};

/// The load of an endpoint that comes from this router's own decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Load {
    /// Requests decided and not settled.
    pub in_flight: u32,
    /// Those of them whose first token has not come.
    pub prefilling: u32,
    /// Prompt tokens that those still have to compute.
    pub pending_tokens: u64,
}

/// How the settled requests of an endpoint ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Answers that were complete.
    pub success: u64,
    /// Requests that failed before the answer began.
    pub error: u64,
    /// Requests whose client went away.
    pub client_gone: u64,
    /// Answers that broke off.
    pub cut: u64,
    /// Requests that went elsewhere before the endpoint was asked.
    pub unused: u64,
}

/// A row a slot. A slot whose endpoint left stays until the next one joins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    generation: Vec<u32>,
    live: Vec<bool>,
    load: Vec<Load>,
    turn: Vec<u64>,
    totals: Vec<Totals>,
    free: Vec<u32>,
}

impl Load {
    /// Requests past their first token.
    #[must_use]
    pub fn decoding(&self) -> u32 {
        self.in_flight.saturating_sub(self.prefilling)
    }
}

impl Columns {
    pub(crate) fn join(&mut self) -> EndpointId {
        if let Some(slot) = self.free.pop() {
            let row = slot as usize;
            self.generation[row] += 1;
            self.live[row] = true;
            self.load[row] = Load::default();
            self.turn[row] = 0;
            self.totals[row] = Totals::default();
            return EndpointId::new(slot, self.generation[row]);
        }
        let slot = u32::try_from(self.live.len()).expect("there are fewer than 2^32 endpoints");
        self.generation.push(0);
        self.live.push(true);
        self.load.push(Load::default());
        self.turn.push(0);
        self.totals.push(Totals::default());
        EndpointId::new(slot, 0)
    }

    pub(crate) fn leave(&mut self, id: EndpointId) -> bool {
        let Some(row) = self.row(id) else { return false };
        self.live[row] = false;
        // A slot that has used up its generations is given up, so that no id ever comes back.
        if self.generation[row] < u32::MAX {
            self.free.push(row as u32);
        }
        true
    }

    /// Counts `reservation` and gives its endpoint the turn numbered `turn`.
    pub(crate) fn begin(&mut self, reservation: &Reservation, turn: u64) {
        let Some(row) = self.row(reservation.endpoint) else { return };
        let load = &mut self.load[row];
        load.in_flight = load.in_flight.saturating_add(1);
        load.prefilling = load.prefilling.saturating_add(1);
        load.pending_tokens = load.pending_tokens.saturating_add(reservation.uncached_tokens.into());
        self.turn[row] = turn;
    }

    pub(crate) fn end_prefill(&mut self, reservation: &Reservation) {
        let Some(row) = self.row(reservation.endpoint) else { return };
        let load = &mut self.load[row];
        debug_assert!(load.prefilling > 0, "a reservation is settled with the router that made it");
        load.prefilling = load.prefilling.saturating_sub(1);
        load.pending_tokens = load.pending_tokens.saturating_sub(reservation.uncached_tokens.into());
    }

    pub(crate) fn end(&mut self, reservation: &Reservation, outcome: Outcome) {
        if reservation.is_prefilling() {
            self.end_prefill(reservation);
        }
        let Some(row) = self.row(reservation.endpoint) else { return };
        self.load[row].in_flight = self.load[row].in_flight.saturating_sub(1);
        let totals = &mut self.totals[row];
        match outcome {
            Outcome::Success => totals.success += 1,
            Outcome::Error => totals.error += 1,
            Outcome::ClientGone => totals.client_gone += 1,
            Outcome::Cut => totals.cut += 1,
            Outcome::Unused => totals.unused += 1,
        }
    }

    /// The row of `id`, unless that endpoint left.
    pub(crate) fn row(&self, id: EndpointId) -> Option<usize> {
        let row = id.index();
        (row < self.live.len() && self.live[row] && self.generation[row] == id.generation()).then_some(row)
    }

    pub(crate) fn load(&self, row: usize) -> Load {
        self.load[row]
    }

    pub(crate) fn totals(&self, row: usize) -> Totals {
        self.totals[row]
    }

    /// The number of the last decision that chose the endpoint; 0 when none did.
    pub(crate) fn turn(&self, row: usize) -> u64 {
        self.turn[row]
    }
}
