//! Further endpoints for a request, for when the first one fails it.

use core::time::Duration;

use super::Balancer;
use super::choose::Scratch;
use crate::endpoint::EndpointId;
use crate::pool::Pool;
use crate::request::{Decision, Refusal, Request};
use crate::seed::Stage;

impl Balancer {
    /// Decides as [`decide`](Self::decide) does, and fills `others` with up to `most` further endpoints in order of
    /// preference, who bear no load of the request: by cost, equals by a draw; with a ring, as they follow on it. More of
    /// them begin with the same ones.
    ///
    /// Looks at every candidate. Allocates nothing once the buffers are warm.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] when no candidate is left; nothing is counted then, and `others` is empty.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Evidence, Policy, Request, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let pool = balancer.add_pool(Policy::phalanx());
    /// let fleet = [Endpoint::new(), Endpoint::new(), Endpoint::new()].map(|endpoint| balancer.join(endpoint));
    /// fleet.map(|endpoint| balancer.enter(pool, endpoint));
    /// let evidence = [(fleet[2], 900), (fleet[0], 500)];
    /// let request = Request::new(pool, 1, 1000).with_evidence(Evidence::Tokens(&evidence));
    /// let mut others = Vec::new();
    /// let decision = balancer.decide_list(&request, Duration::ZERO, 4, &mut others)?;
    /// assert_eq!((decision.endpoint, others), (fleet[2], vec![fleet[0], fleet[1]]));
    /// # let _ = decision;
    /// # Ok::<(), phalanx_routing::Refusal>(())
    /// ```
    pub fn decide_list(
        &mut self,
        request: &Request<'_>,
        now: Duration,
        most: usize,
        others: &mut Vec<EndpointId>,
    ) -> Result<Decision, Refusal> {
        others.clear();
        let elapsed = self.advance(now);
        self.settle_scores(request.pool);
        let mut scratch = core::mem::take(&mut self.scratch);
        let choice = self.choose(request, elapsed, &mut scratch);
        if let (Ok(choice), Some(pool)) = (&choice, self.pools.get(request.pool.index())) {
            self.list(pool, request, elapsed, choice.at, most, &mut scratch, others);
        }
        if self.recording.is_on() {
            self.record_choice(request, now, &choice, &scratch.held, Some((most, others)));
        }
        self.scratch = scratch;
        Ok(self.book_choice(request, choice?))
    }

    /// The list to an answer that was just [made again](Self::redecide).
    pub(crate) fn relist(
        &mut self,
        request: &Request<'_>,
        now: Duration,
        chosen: EndpointId,
        most: usize,
    ) -> Vec<EndpointId> {
        let elapsed = self.advance(now);
        let (mut scratch, mut others) = (core::mem::take(&mut self.scratch), Vec::new());
        if let (Some(pool), Some(at)) = (self.pools.get(request.pool.index()), self.columns.at(chosen)) {
            self.list(pool, request, elapsed, at, most, &mut scratch, &mut others);
        }
        self.scratch = scratch;
        others
    }

    #[expect(clippy::too_many_arguments, reason = "one call, which has all of them at hand")]
    fn list(
        &self,
        pool: &Pool,
        request: &Request<'_>,
        now: i64,
        chosen: usize,
        most: usize,
        scratch: &mut Scratch,
        others: &mut Vec<EndpointId>,
    ) {
        let Scratch { held, weighed, order, .. } = scratch;
        if most == 0 || self.candidates(pool, request, &mut weighed.slots).is_err() {
            return;
        }
        let Ok(gate) = self.narrow(&pool.policy, request, now, held, &mut weighed.slots) else { return };
        if pool.policy.picker().points().is_some() {
            for at in pool.ring.from(request.affinity.unwrap_or(request.key)) {
                let id = self.columns.id(at);
                let is_next = at != chosen && weighed.slots.binary_search(&(at as u32)).is_ok();
                if is_next && !others.contains(&id) {
                    others.push(id);
                    if others.len() == most {
                        return;
                    }
                }
            }
            return;
        }
        let held = |at: usize| held.of(request.evidence, at);
        self.weigh(pool, pool.policy.behind(gate), request, now, held, weighed);
        let drawn = |at: u32| self.seed.draw_nth(Stage::Order, request.key, at.into(), u32::MAX);
        let weighed = weighed.slots.iter().zip(&weighed.costs).filter(|(at, _)| **at as usize != chosen);
        order.clear();
        order.extend(weighed.map(|(&at, &cost)| (cost, drawn(at), at)));
        if most < order.len() {
            order.select_nth_unstable(most - 1);
            order.truncate(most);
        }
        order.sort_unstable();
        others.extend(order.iter().map(|&(_, _, at)| self.columns.id(at as usize)));
    }
}
