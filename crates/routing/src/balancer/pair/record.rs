//! A pair as it is written down, and made again.

use core::time::Duration;

use super::{Balancer, Found};
use crate::adapter::AdapterId;
use crate::endpoint::EndpointId;
use crate::log::{Leg, Legs, id};
use crate::pair::PairRequest;
use crate::request::Refusal;
use crate::reservation::Reservation;

impl Balancer {
    pub(super) fn record_pair(&mut self, request: &PairRequest<'_>, now: Duration, found: &Result<Found, Refusal>) {
        // An unknown pair has no pool; what is asked of it is written all the same.
        let pool = self.pairs.get(request.pair.index()).map_or(crate::PoolId(0), |policy| policy.decode);
        let asked = request.of_pool(pool);
        let answer = found.as_ref().map_err(Clone::clone).map(|found| self.legs(request, found));
        self.recording.decide_pair(request.pair.0, &asked, now, &self.pairing.scratch.held, answer);
    }

    fn legs(&self, request: &PairRequest<'_>, found: &Found) -> Legs {
        let (prompt, alone) = (request.prompt_tokens, found.prefill.is_none());
        let leg = |(at, cost): (usize, i64), computes: bool| {
            let cached_tokens = self.pairing.held(request, at).min(prompt.saturating_sub(1));
            let uncached_tokens = if computes { prompt - cached_tokens } else { prompt.min(1) };
            Leg { endpoint: id(self.columns.id(at)), cached_tokens, uncached_tokens, cost }
        };
        Legs {
            prefill: found.prefill.map(|prefill| leg(prefill, true)),
            decode: leg(found.decode, alone),
            transfer: found.transfer,
            ties: found.ties,
        }
    }

    /// Who would be chosen at `now`, which counts as given.
    pub(crate) fn redecide_pair(&mut self, request: &PairRequest<'_>, now: Duration) -> Result<Legs, Refusal> {
        let elapsed = self.advance(now);
        let mut pairing = core::mem::take(&mut self.pairing);
        let found = self.pair(request, elapsed, &mut pairing);
        self.pairing = pairing;
        found.map(|found| self.legs(request, &found))
    }

    /// Counts one part of a request where it was sent; none for an endpoint that left.
    pub(crate) fn follow_part(
        &mut self,
        endpoint: EndpointId,
        (prompt, uncached): (u32, u32),
        computes: bool,
        adapter: Option<AdapterId>,
    ) -> Option<Reservation> {
        let at = self.columns.at(endpoint)?;
        let reservation = self.book(at, (prompt, uncached.min(prompt)));
        if let Some(adapter) = adapter {
            self.promise_adapter(&reservation, adapter);
        }
        if computes {
            self.note_uncached(uncached);
        }
        Some(reservation)
    }
}
