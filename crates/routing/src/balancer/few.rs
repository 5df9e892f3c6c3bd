//! The choice among a few: by their lines in the standings, without a look at the others.

use super::Balancer;
use super::choose::{Choice, Scratch, Tied};
use super::layers::end;
use crate::adapter::STATES;
use crate::line::Tokens;
use crate::pool::Pool;
use crate::price;
use crate::request::{Refusal, Request};

impl Balancer {
    /// The best of a subset, in a pool that has standings. Linear in the subset, as long as one of it stands.
    pub(super) fn choose_from_few(
        &self,
        pool: &Pool,
        request: &Request<'_>,
        now: i64,
        scratch: &mut Scratch,
    ) -> Result<Choice, Refusal> {
        if let Some(choice) = self.best_that_stands(pool, request, now, scratch) {
            return Ok(choice);
        }
        // One that is here because a filter is open has no line.
        self.candidates(pool, request, &mut scratch.weighed.slots)?;
        Ok(self.best_of_weighed(pool, None, request, now, scratch))
    }

    /// The same, where one stands whom nothing leaves out: then nobody is a candidate who does not stand.
    fn best_that_stands(&self, pool: &Pool, request: &Request<'_>, now: i64, scratch: &mut Scratch) -> Option<Choice> {
        let (subset, excluded) = (request.subset?, request.excluded);
        let (combination, full) = (pool.policy.combination(), request.full_tokens());
        let (known, sought) = (self.known(&pool.policy), self.sought(pool, request));
        let (sees, fit_all, is_any) = (price::sees_cache(combination), self.fit_all(request), sought.is_any());
        let of_state: [i64; STATES] =
            core::array::from_fn(|state| if pool.sees_adapter { price::adapter_cost(combination, state) } else { 0 });
        let end = if is_any { end(pool) } else { STATES };

        let Scratch { held: told, weighed, named, tied, .. } = scratch;
        let told = &*told;
        let held = |at: usize| told.of(request.evidence, at);
        // In the order of the subset, and all at once, since each of them is far from the others in memory.
        weighed.slots.clear();
        weighed.slots.extend(subset.iter().filter_map(|id| self.columns.at(*id)).map(|at| at as u32));
        named.clear();
        named.extend(weighed.slots.iter().map(|&at| *pool.standings.line(at as usize)));
        tied.clear();
        let mut least = i64::MAX;
        for (&slot, line) in weighed.slots.iter().zip(&*named) {
            let at = slot as usize;
            if line.is_never() || (!excluded.is_empty() && excluded.contains(&self.columns.id(at))) {
                continue;
            }
            let state = if is_any { sought.state(at) } else { 0 };
            if state >= end || (!fit_all && self.misfit(request, at).is_some()) {
                continue;
            }
            let held = held(at);
            let tokens = Tokens::new(request.prompt_tokens, held);
            let exactly = line.exactly(tokens, now);
            let cost = exactly.unwrap_or_else(|| price::cost(combination, &known, at, tokens, now));
            let cost = cost + price::share_cost(combination, held, full) + of_state[state];
            if cost < least {
                least = cost;
                tied.clear();
            }
            if cost == least {
                let (held, is_of_many) = if sees { (held, !told.is_named(at)) } else { (0, true) };
                tied.push(Tied::new(pool, slot, held, state, is_of_many));
            }
        }
        tied.sort_unstable();
        // The subset may name one twice.
        tied.dedup();
        let ties = tied.len() as u32;
        if ties == 0 {
            return None;
        }
        let at = |place: u32| Some(tied[place as usize].at as usize);
        let at = tied[self.of_equals(request.key, ties, at) as usize].at as usize;
        Some(Choice { at, held: held(at), cost: least, ties })
    }
}
