//! A request under way to one endpoint.

use std::sync::Arc;

use phalanx_kvcache::BlockHash;
use phalanx_routing::{Outcome, Reservation};

use crate::desk::{Fleet, Member};

/// Tokens of an answer that takes hardly longer than its prompt.
const SHORT: u32 = 4;

/// Holds a reservation and settles it exactly once: at [`settle`](Self::settle), or, when the client went away and the
/// work was dropped, at drop.
#[derive(Debug)]
pub(crate) struct Flight {
    fleet: Arc<Fleet>,
    member: Arc<Member>,
    reservation: Option<Reservation>,
    first_token_seen: bool,
    is_whole: bool,
}

/// A prompt that was sent to an endpoint whose cache is guessed, for what the answer may tell of it.
#[derive(Debug)]
pub(crate) struct Sent {
    blocks: Vec<BlockHash>,
    tokens: u32,
}

impl Sent {
    pub(crate) fn new(blocks: &[BlockHash], tokens: u32) -> Self {
        Self { blocks: blocks.to_vec(), tokens }
    }

    /// Its tokens.
    pub(crate) fn tokens(&self) -> u32 {
        self.tokens
    }
}

impl Flight {
    /// With whether the endpoint computes the prompt.
    pub(crate) fn new(fleet: Arc<Fleet>, member: Arc<Member>, reservation: Reservation, is_whole: bool) -> Self {
        Self { fleet, member, reservation: Some(reservation), first_token_seen: false, is_whole }
    }

    /// The prompt is computed: it burdens the endpoint no longer.
    pub(crate) fn first_token(&mut self) {
        if let Some(reservation) = &mut self.reservation
            && !self.first_token_seen
        {
            self.first_token_seen = true;
            self.fleet.first_token(reservation);
        }
    }

    /// Ends a request that went well, whose answer had so many tokens as far as is known. What is no stream comes as a whole:
    /// a short answer then says how long the prompt took. `told` is the prompt, with how many of its tokens had been cached.
    pub(crate) fn end(mut self, generated: Option<u32>, is_stream: bool, told: Option<(Sent, u32)>) {
        let Some(mut reservation) = self.reservation.take() else { return };
        let is_first = !is_stream && generated.is_none_or(|tokens| tokens <= SHORT);
        // All tokens of a whole came at once, so they do not tell how long one takes.
        let generated = if is_first { generated.map(|tokens| tokens.min(1)) } else { generated };
        self.fleet.end(&mut reservation, is_first, generated);
        if let Some((sent, cached)) = told {
            self.fleet.report(&reservation, &sent.blocks, cached);
        }
        self.fleet.settle(reservation, Outcome::Success);
    }

    pub(crate) fn settle(mut self, outcome: Outcome) {
        if let Some(reservation) = self.reservation.take() {
            self.fleet.settle(reservation, outcome);
        }
    }

    /// Whether what the endpoint holds is guessed by the prompt of this request.
    pub(crate) fn is_guessed(&self) -> bool {
        self.is_whole && self.member.endpoint.kv_events.is_none()
    }

    /// The endpoint's name.
    pub(crate) fn endpoint(&self) -> &str {
        &self.member.endpoint.name
    }

    /// Where it leads.
    pub(crate) fn member(&self) -> &Arc<Member> {
        &self.member
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            self.fleet.settle(reservation, Outcome::ClientGone);
        }
    }
}
