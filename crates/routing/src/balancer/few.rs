//! The choice among a few: by their lines in the standings, without a look at the others.

use super::Balancer;
use super::choose::{Choice, Scratch};
use crate::line::Tokens;
use crate::pool::Pool;
use crate::price;
use crate::request::{Refusal, Request};

impl Balancer {
    /// The best of a subset, in a pool that has standings. Linear in the subset, but for putting it in order.
    pub(super) fn choose_from_few(
        &self,
        pool: &Pool,
        request: &Request<'_>,
        now: i64,
        scratch: &mut Scratch,
    ) -> Result<Choice, Refusal> {
        let Scratch { held, weighed, .. } = scratch;
        self.candidates(pool, request, &mut weighed.slots)?;
        let combination = pool.policy.combination();
        let (known, sought, full) = (self.known(&pool.policy), self.sought(pool, request), request.full_tokens());
        let cost = |at: usize| {
            let held = held.of(request.evidence, at);
            let tokens = Tokens::new(request.prompt_tokens, held);
            let line = pool.standings.line(at);
            // One that is here because a filter is open has no line.
            let exactly = if line.is_never() { None } else { line.exactly(tokens, now) };
            let cost = exactly.unwrap_or_else(|| price::cost(combination, &known, at, tokens, now));
            let of_adapter = if pool.sees_adapter { price::adapter_cost(combination, sought.state(at)) } else { 0 };
            cost + price::share_cost(combination, held, full) + of_adapter
        };
        weighed.costs.clear();
        weighed.costs.extend(weighed.slots.iter().map(|&at| cost(at as usize)));
        Ok(self.least_of(pool, combination, request, scratch))
    }
}
