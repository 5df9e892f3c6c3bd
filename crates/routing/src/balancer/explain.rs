//! Why: every candidate, part by part.

use core::time::Duration;

use super::Balancer;
use super::choose::Scratch;
use super::weigh;
use crate::endpoint::{EndpointId, Role};
use crate::explanation::{Candidate, Explanation, Factor, Omission, Parts};
use crate::line::Tokens;
use crate::policy::{Combination, FailMode, Policy};
use crate::pool::Pool;
use crate::price::{self, Known};
use crate::request::{Refusal, Request};

impl Balancer {
    /// The candidates of `request` with their costs, and the one that [`decide`](Self::decide) would choose at that time.
    /// Changes nothing; looks at everyone, so keep it off the hot path. Allocates a few buffers, whatever their number.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownPool`]. A request that would be refused otherwise has an explanation that shows why, with nothing
    /// chosen.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Evidence, Policy, Request, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let pool = balancer.add_pool(Policy::phalanx());
    /// let fleet = [Endpoint::new(), Endpoint::new()].map(|endpoint| balancer.join(endpoint));
    /// fleet.map(|endpoint| balancer.enter(pool, endpoint));
    /// let evidence = [(fleet[0], 640)];
    /// let request = Request::new(pool, 1, 1000).with_evidence(Evidence::Tokens(&evidence));
    /// let explanation = balancer.explain(&request, Duration::ZERO)?;
    /// assert_eq!(explanation.chosen, Some(fleet[0]));
    /// let first = explanation.candidates[0];
    /// let parts = explanation.contributions(first.endpoint);
    /// assert_eq!(first.total, parts.map(|part| part.amount).sum::<i64>());
    /// # Ok::<(), phalanx_routing::Refusal>(())
    /// ```
    pub fn explain(&self, request: &Request<'_>, now: Duration) -> Result<Explanation, Refusal> {
        let unknown = Refusal::UnknownPool { pool: request.pool.index() };
        let pool = self.pools.get(request.pool.index()).ok_or(unknown)?;
        // As a decision would, without a trace.
        if self.next_timeout().is_some_and(|due| due <= now) {
            let mut then = self.clone();
            then.handle_timeout(now);
            return then.explain(request, now);
        }
        let elapsed = self.nanos(now);
        let mut scratch = Scratch::default();
        let choice = self.choose(request, elapsed, &mut scratch).ok();
        let (mut slots, mut omitted) = (Vec::new(), Vec::new());
        self.sift(pool, request, &mut slots, &mut omitted);
        let held = |at: usize| scratch.held.of(request.evidence, at);
        let mut gate = None;
        let narrows = pool.policy.is_relative() || Self::promise(&pool.policy, request).is_some();
        if narrows && !slots.is_empty() {
            let all = slots.clone();
            gate = self.relate(&pool.policy, request, &scratch.held, &mut slots);
            let near = slots.clone();
            if self.keep_timely(Role::Both, &pool.policy, request, elapsed, held, &mut slots).is_err() {
                slots.clear();
            }
            let mut omit = |of: &[u32], left: &[u32], why: Omission| {
                let out = of.iter().filter(|at| left.binary_search(at).is_err());
                omitted.extend(out.map(|&at| (self.columns.id(at as usize), why)));
            };
            omit(&all, &near, Omission::Far);
            omit(&near, &slots, Omission::Late);
        }
        omitted.sort_unstable_by_key(|(id, _)| *id);
        let (candidates, parts) = self.weighed_with(pool, gate, request, (elapsed, now), held, &slots);
        Ok(Explanation {
            policy: pool.policy.name().to_owned(),
            gate,
            chosen: choice.map(|choice| self.columns.id(choice.at)),
            ties: choice.map_or(0, |choice| choice.ties),
            margin: margin(&candidates),
            candidates,
            omitted,
            parts,
        })
    }

    /// The candidates in some slots, where `held` tells the tokens that one holds, and the parts of their costs.
    pub(super) fn weighed_with(
        &self,
        pool: &Pool,
        gate: Option<u32>,
        request: &Request<'_>,
        (elapsed, now): (i64, Duration),
        held: impl Fn(usize) -> u32,
        slots: &[u32],
    ) -> (Vec<Candidate>, Parts) {
        let combination = pool.policy.behind(gate);
        let known = self.known_for(pool, request);
        let tokens: Vec<_> = slots.iter().map(|&at| Tokens::new(request.prompt_tokens, held(at as usize))).collect();
        let (parts, totals) = self.parts(combination, &known, request, elapsed, &held, slots, &tokens);
        let candidate = |((&at, &tokens), total): ((&u32, &Tokens), i64)| {
            let at = at as usize;
            // Those of a prompt that is as long as costs are told for are counted already.
            let cached_tokens = if tokens.prompt == request.prompt_tokens {
                tokens.prompt - tokens.uncached
            } else {
                held(at).min(request.prompt_tokens.saturating_sub(1))
            };
            Candidate {
                endpoint: self.columns.id(at),
                load: self.columns.account[at].load,
                cached_tokens,
                uncached_tokens: request.prompt_tokens - cached_tokens,
                signal_age: self.columns.read[at].map(|read| now.saturating_sub(read)),
                total,
            }
        };
        (slots.iter().zip(&tokens).zip(totals).map(candidate).collect(), parts)
    }

    /// Each part of a combination for each candidate, and their totals.
    #[expect(clippy::too_many_arguments, reason = "one call, which has all of them at hand")]
    fn parts(
        &self,
        combination: &Combination,
        known: &Known<'_>,
        request: &Request<'_>,
        now: i64,
        held: impl Fn(usize) -> u32,
        slots: &[u32],
        tokens: &[Tokens],
    ) -> (Parts, Vec<i64>) {
        let (mut values, mut amounts) = (Vec::new(), Vec::new());
        let mut totals = vec![0; slots.len()];
        let each = || slots.iter().map(|&at| at as usize).zip(tokens.iter().copied());
        let factors: Vec<_> = match combination {
            Combination::Sum(parts) => {
                let mut scores = Vec::new();
                values = vec![0; parts.len() * slots.len()];
                amounts = values.clone();
                for (place, part) in parts.iter().enumerate() {
                    weigh::score(known, self.seed, part, request, slots, &held, &mut scores);
                    for (row, &score) in scores.iter().enumerate() {
                        let at = row * parts.len() + place;
                        (values[at], amounts[at]) = (score, -price::weighed(part, score));
                        totals[row] += amounts[at];
                    }
                }
                parts.iter().map(|part| Factor::Scorer(part.scorer)).collect()
            }
            Combination::Product(measures) | Combination::Lexicographic(measures) => {
                for ((at, tokens), total) in each().zip(&mut totals) {
                    values.extend(measures.iter().map(|&measure| price::measure(known, measure, at, tokens)));
                    *total = price::cost(combination, known, at, tokens, now);
                }
                measures.iter().map(|measure| Factor::Measure(*measure)).collect()
            }
            Combination::Cost(terms) => {
                values = price::terms(known, terms, slots, tokens, now, &mut totals);
                terms.iter().map(|priced| Factor::Term(priced.term)).collect()
            }
            Combination::Total(measures) => {
                for ((at, tokens), total) in each().zip(&mut totals) {
                    values.extend(measures.iter().map(|priced| price::measure(known, priced.measure, at, tokens)));
                    let priced = measures.iter().map(|priced| price::measured(known, priced, at, tokens));
                    amounts.extend(priced.inspect(|amount| *total += amount));
                }
                measures.iter().map(|priced| Factor::Measure(priced.measure)).collect()
            }
        };
        (Parts { factors, values, amounts }, totals)
    }

    /// Whom a request may go to, in the order of their slots, and who is left out and why.
    fn sift(
        &self,
        pool: &Pool,
        request: &Request<'_>,
        slots: &mut Vec<u32>,
        omitted: &mut Vec<(EndpointId, Omission)>,
    ) {
        match request.subset {
            Some(subset) => {
                for &id in subset {
                    match self.columns.at(id).filter(|at| pool.has(*at)) {
                        Some(at) => slots.push(at as u32),
                        None => omitted.push((id, Omission::NotInPool)),
                    }
                }
                slots.sort_unstable();
                slots.dedup();
            }
            None => {
                slots.reserve(pool.count as usize);
                slots.extend(pool.slots().map(|at| at as u32));
            }
        }
        self.unfit(request, slots, omitted);
        if !request.excluded.is_empty() {
            slots.retain(|&at| {
                let id = self.columns.id(at as usize);
                let excluded = request.excluded.contains(&id);
                if excluded {
                    omitted.push((id, Omission::Excluded));
                }
                !excluded
            });
        }
        if pool.out > 0 && slots.iter().any(|&at| !self.is_out(at as usize)) {
            slots.retain(|&at| {
                let is_out = self.is_out(at as usize);
                if is_out {
                    omitted.push((self.columns.id(at as usize), Omission::Out));
                }
                !is_out
            });
        }
        self.filtered(&pool.policy, &self.known_for(pool, request), slots, omitted);
    }

    /// Leaves out who does not pass the filters, and says so.
    pub(super) fn filtered(
        &self,
        policy: &Policy,
        known: &Known<'_>,
        slots: &mut Vec<u32>,
        omitted: &mut Vec<(EndpointId, Omission)>,
    ) {
        for (filter, place) in policy.filters().iter().zip(0..) {
            let kept = |at: u32| {
                price::measure(known, filter.measure, at as usize, Tokens::new(1, 0)) < i64::from(filter.below)
            };
            if filter.fail == FailMode::Open && !slots.iter().any(|&at| kept(at)) {
                continue;
            }
            slots.retain(|&at| {
                let kept = kept(at);
                if !kept {
                    omitted.push((self.columns.id(at as usize), Omission::Filtered(place)));
                }
                kept
            });
        }
    }
}

/// By how much the next total is greater than the least.
pub(super) fn margin(candidates: &[Candidate]) -> Option<i64> {
    let least = candidates.iter().map(|candidate| candidate.total).min()?;
    let others = candidates.iter().map(|candidate| candidate.total).filter(|total| *total > least);
    others.min().map(|next| next - least)
}
