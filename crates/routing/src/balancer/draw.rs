//! Choices that are not the best: by odds, by a ring, by what was before.

use core::time::Duration;

use super::Balancer;
use super::choose::{Choice, Scratch};
use crate::endpoint::Role;
use crate::odds;
use crate::policy::{Bound, Overflow};
use crate::pool::Pool;
use crate::request::{Refusal, Request};
use crate::seed::Stage;

impl Balancer {
    /// By a draw with odds: those of scores, or by a temperature.
    pub(super) fn choose_by_odds(
        &self,
        pool: &Pool,
        request: &Request<'_>,
        now: i64,
        temperature: Option<u32>,
        scratch: &mut Scratch,
    ) -> Result<Choice, Refusal> {
        let Scratch { held, weighed, weights, .. } = scratch;
        self.candidates(pool, request, &mut weighed.slots)?;
        let gate = self.narrow(&pool.policy, request, now, held, &mut weighed.slots)?;
        let held = |at: usize| held.of(request.evidence, at);
        self.weigh(pool, pool.policy.behind(gate), request, now, held, weighed);
        match temperature {
            Some(permille) => odds::softmax(&weighed.costs, permille, weights),
            None => odds::by_score(&weighed.costs, weights),
        }
        let sum = weights.iter().fold(0, |sum: u64, weight| sum.saturating_add(*weight));
        let place = odds::place(weights, self.seed.draw_wide(Stage::Odds, request.key, sum));
        let at = weighed.slots[place] as usize;
        Ok(Choice { at, held: held(at), cost: weighed.costs[place], ties: 1 })
    }

    /// By the ring of the pool.
    pub(super) fn choose_by_ring(
        &self,
        pool: &Pool,
        request: &Request<'_>,
        now: i64,
        bound: Option<Bound>,
        scratch: &mut Scratch,
    ) -> Result<Choice, Refusal> {
        let listed = self.listed(pool, request, now, scratch)?;
        let slots = &scratch.weighed.slots;
        let is_candidate = |at: usize| !listed || slots.binary_search(&(at as u32)).is_ok();
        let load = |at: usize| u64::from(self.columns.account[at].load.in_flight);
        let (count, in_flight) = match listed {
            true => (slots.len() as u64, slots.iter().map(|&at| load(at as usize)).sum()),
            false => (u64::from(pool.count), pool.in_flight),
        };
        // By the count: in whole numbers.
        let limit = |bound: Bound| u128::from(in_flight + 1) * u128::from(bound.permille);
        let share = |at: usize| u128::from(load(at)) * u128::from(count) * 1000;
        let mut points = pool.ring.from(request.affinity.unwrap_or(request.key)).filter(|at| is_candidate(*at));
        let found = match bound {
            Some(bound @ Bound { then: Overflow::Next, .. }) => points.find(|at| share(*at) < limit(bound)),
            Some(bound) => points.next().filter(|at| share(*at) <= limit(bound)),
            None => points.next(),
        };
        match found {
            Some(at) => Ok(self.choice_of(pool, request, now, at, scratch)),
            None => self.choose_best(pool, request, now, scratch),
        }
    }

    /// The one that had the affinity before, or the best.
    pub(super) fn choose_by_session(
        &self,
        pool: &Pool,
        request: &Request<'_>,
        now: i64,
        idle_seconds: u32,
        scratch: &mut Scratch,
    ) -> Result<Choice, Refusal> {
        let idle = Duration::from_secs(idle_seconds.into());
        let time = Duration::from_nanos(now.unsigned_abs());
        let had = request.affinity.and_then(|affinity| pool.sessions.get(affinity, time, idle));
        let Some(at) = had.and_then(|id| self.columns.at(id)).filter(|at| pool.has(*at)) else {
            return self.choose_best(pool, request, now, scratch);
        };
        let listed = self.listed(pool, request, now, scratch)?;
        if !listed || scratch.weighed.slots.binary_search(&(at as u32)).is_ok() {
            return Ok(self.choice_of(pool, request, now, at, scratch));
        }
        self.choose_best(pool, request, now, scratch)
    }

    /// By the share of lengths that the prompt is in, or the best where the load is uneven.
    pub(super) fn choose_by_length(
        &self,
        pool: &Pool,
        request: &Request<'_>,
        now: i64,
        (above, permille): (u32, u32),
        scratch: &mut Scratch,
    ) -> Result<Choice, Refusal> {
        let Scratch { held, weighed, .. } = &mut *scratch;
        self.candidates(pool, request, &mut weighed.slots)?;
        let held = |at: usize| held.of(request.evidence, at);
        self.keep_timely(Role::Both, &pool.policy, request, now, held, &mut weighed.slots)?;
        let loads = || weighed.slots.iter().map(|&at| u64::from(self.columns.account[at as usize].load.in_flight));
        let (least, most) = (loads().min().unwrap_or(0), loads().max().unwrap_or(0));
        let is_uneven = most - least > u64::from(above) && most * 1000 > least * u64::from(permille);
        match pool.lengths.as_ref().filter(|_| !is_uneven) {
            Some(lengths) => {
                let at = weighed.slots[lengths.part(request.prompt_tokens, weighed.slots.len())] as usize;
                Ok(self.choice_of(pool, request, now, at, scratch))
            }
            None => self.choose_best(pool, request, now, scratch),
        }
    }

    /// Lists the candidates where they are not just all of the pool; says whether it did.
    fn listed(&self, pool: &Pool, request: &Request<'_>, now: i64, scratch: &mut Scratch) -> Result<bool, Refusal> {
        let is_all = request.subset.is_none() && request.excluded.is_empty() && pool.policy.filters().is_empty();
        let is_all = is_all && pool.policy.targets().is_none() && self.fit_all(request);
        if is_all && pool.count > 0 && pool.out == 0 {
            return Ok(false);
        }
        let Scratch { held, weighed, .. } = scratch;
        self.candidates(pool, request, &mut weighed.slots)?;
        let held = |at: usize| held.of(request.evidence, at);
        self.keep_timely(Role::Both, &pool.policy, request, now, held, &mut weighed.slots)?;
        Ok(true)
    }

    /// One that was found without a look at its cost, as if it were the only one.
    fn choice_of(&self, pool: &Pool, request: &Request<'_>, now: i64, at: usize, scratch: &mut Scratch) -> Choice {
        let Scratch { held, weighed, .. } = scratch;
        weighed.slots.clear();
        weighed.slots.push(at as u32);
        let held = |at: usize| held.of(request.evidence, at);
        self.weigh(pool, pool.policy.combination(), request, now, held, weighed);
        Choice { at, held: held(at), cost: weighed.costs[0], ties: 1 }
    }
}
