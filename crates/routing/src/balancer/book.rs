//! What a decision puts on the account of its endpoint, and what its end takes off.

use core::time::Duration;

use super::Balancer;
use super::choose::Choice;
use crate::policy::Picker;
use crate::request::{Decision, Request};
use crate::reservation::{Outcome, Reservation, Settled};

impl Balancer {
    /// Counts the load of a request where it was decided to go.
    pub(super) fn book_choice(&mut self, request: &Request<'_>, choice: Choice) -> Decision {
        let prompt = request.prompt_tokens;
        let cached_tokens = choice.held.min(prompt.saturating_sub(1));
        let uncached_tokens = prompt - cached_tokens;
        let reservation = self.book(choice.at, (prompt, uncached_tokens));
        self.note_uncached(uncached_tokens);
        if let Some(adapter) = request.adapter {
            self.promise_adapter(&reservation, adapter);
        }
        let endpoint = reservation.endpoint;
        let of = &mut self.pools[request.pool.index()];
        if let Some(lengths) = &mut of.lengths {
            lengths.note(prompt);
        }
        if let (Picker::Sticky { sessions, idle_seconds }, Some(affinity)) = (of.policy.picker(), request.affinity) {
            let idle = Duration::from_secs(idle_seconds.into());
            of.sessions.bind(affinity, endpoint, self.elapsed, idle, sessions);
        }
        Decision { endpoint, cached_tokens, uncached_tokens, cost: choice.cost, ties: choice.ties, reservation }
    }

    /// Counts the load of a prompt, of which so much has to be computed.
    pub(super) fn book(&mut self, at: usize, tokens: (u32, u32)) -> Reservation {
        let reservation = self.put(at, tokens);
        self.refresh(at);
        reservation
    }

    /// The same, for a caller that brings the standings up to date itself.
    pub(super) fn put(&mut self, at: usize, tokens: (u32, u32)) -> Reservation {
        let endpoint = self.columns.id(at);
        let columns = &mut self.columns;
        let account = &mut columns.account[at];
        let load = &mut account.load;
        if load.prefilling == 0 {
            account.head_since = self.elapsed;
        }
        load.in_flight = load.in_flight.saturating_add(1);
        load.prefilling = load.prefilling.saturating_add(1);
        load.pending_tokens = load.pending_tokens.saturating_add(tokens.1.into());
        load.prompt_tokens = load.prompt_tokens.saturating_add(tokens.0.into());
        columns.record[at].begin();
        self.decisions += 1;
        columns.turn[at] = self.decisions;
        if tokens.0 == tokens.1 {
            columns.cold_turn[at] = self.decisions;
        }
        let (flight, serial) = self.flights.begin(&mut columns.account[at].row, endpoint, tokens, self.elapsed);
        Reservation { endpoint, flight, serial, prefilling: true }
    }

    /// Takes a flight out of its endpoint's row of prompts; says where that is, if it is still there.
    pub(super) fn end_prefill(&mut self, place: u32, serial: u64, came: bool) -> Option<usize> {
        let flight = *self.flights.get(place, serial)?;
        if flight.first_token.is_some() {
            return None;
        }
        if came {
            self.flights.set_first_token(place, self.elapsed);
        }
        let at = self.columns.at(flight.endpoint)?;
        let columns = &mut self.columns;
        let since = columns.account[at].head_since;
        let was_first = self.flights.unrow(&mut columns.account[at].row, place);
        let took = if came {
            let (time, all) = (self.elapsed.saturating_sub(since), self.elapsed.saturating_sub(flight.decided));
            columns.account[at].pace.learn(flight.uncached_tokens, time, all)
        } else {
            None
        };
        if came || was_first {
            columns.account[at].head_since = self.elapsed;
        }
        let load = &mut columns.account[at].load;
        load.prefilling = load.prefilling.saturating_sub(1);
        load.pending_tokens = load.pending_tokens.saturating_sub(flight.uncached_tokens.into());
        if let Some(took) = took {
            self.note_pace(took);
        }
        Some(at)
    }

    pub(super) fn end(&mut self, place: u32, serial: u64, outcome: Outcome) -> Settled {
        self.end_prefill(place, serial, false);
        let Some(flight) = self.flights.get(place, serial).copied() else {
            return Settled { first_token: None, total: Duration::ZERO };
        };
        self.flights.end(place);
        if let Some(at) = self.columns.at(flight.endpoint) {
            if let Some(adapter) = flight.adapter {
                self.adapters.settle(at, adapter);
            }
            if let (Outcome::Success, Some(first), 2..) = (outcome, flight.first_token, flight.generated) {
                let (sequences, context) = (self.columns.in_flight(at), self.columns.held_tokens(at));
                let time = self.elapsed.saturating_sub(first) / (flight.generated - 1);
                self.columns.step[at].learn(time, sequences, context);
            }
            let load = &mut self.columns.account[at].load;
            load.in_flight = load.in_flight.saturating_sub(1);
            load.prompt_tokens = load.prompt_tokens.saturating_sub(flight.prompt_tokens.into());
            let totals = &mut self.columns.totals[at];
            match outcome {
                Outcome::Success => totals.success += 1,
                Outcome::Error => totals.error += 1,
                Outcome::ClientGone => totals.client_gone += 1,
                Outcome::Cut => totals.cut += 1,
                Outcome::Unused => totals.unused += 1,
            }
            self.note_outcome(at, flight.decided, outcome);
            self.refresh(at);
        }
        Settled {
            first_token: flight.first_token.map(|came| came.saturating_sub(flight.decided)),
            total: self.elapsed.saturating_sub(flight.decided),
        }
    }
}
