//! Why: every candidate, part by part.

use core::time::Duration;

use super::Balancer;
use super::choose::Scratch;
use super::weigh::{self, Weighed};
use crate::endpoint::EndpointId;
use crate::explanation::{Candidate, Contribution, Explanation, Factor, Omission};
use crate::line::Tokens;
use crate::policy::{Combination, Policy};
use crate::pool::Pool;
use crate::price::{self, Known};
use crate::request::{Refusal, Request};

impl Balancer {
    /// The candidates of `request` with their costs, and the one that [`decide`](Self::decide) would choose at that time.
    /// Changes nothing; allocates, and looks at everyone, so keep it off the hot path.
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
    /// let first = &explanation.candidates[0];
    /// assert_eq!(first.total, first.contributions.iter().map(|part| part.amount).sum::<i64>());
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
        let since = self.origin.map_or(Duration::ZERO, |origin| now.saturating_sub(origin)).max(self.elapsed);
        let elapsed = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
        let mut scratch = Scratch::default();
        let choice = self.choose(request, elapsed, &mut scratch).ok();
        let omitted = self.omitted(pool, request);
        let mut explanation = Explanation {
            policy: pool.policy.name().to_owned(),
            gate: None,
            chosen: choice.map(|choice| self.columns.id(choice.at)),
            ties: choice.map_or(0, |choice| choice.ties),
            margin: None,
            candidates: Vec::new(),
            omitted,
        };
        if self.candidates(pool, request, &mut scratch.weighed.slots).is_ok() {
            let all = scratch.weighed.slots.clone();
            let Scratch { held, weighed, .. } = &mut scratch;
            let gate = self.relate(&pool.policy, request, held, &mut weighed.slots);
            let near = weighed.slots.clone();
            let told = |at: usize| held.of(request.evidence, at);
            if self.keep_timely(&pool.policy, request, elapsed, told, &mut weighed.slots).is_err() {
                weighed.slots.clear();
            }
            let mut omit = |of: &[u32], left: &[u32], why: Omission| {
                let out = of.iter().filter(|at| left.binary_search(at).is_err());
                explanation.omitted.extend(out.map(|&at| (self.columns.id(at as usize), why)));
            };
            omit(&all, &near, Omission::Far);
            omit(&near, &weighed.slots, Omission::Late);
            explanation.omitted.sort_unstable_by_key(|(id, _)| *id);
            explanation.gate = gate;
            explanation.candidates = self.weighed(pool, gate, request, (elapsed, now), &mut scratch);
        }
        let mut totals: Vec<_> = explanation.candidates.iter().map(|candidate| candidate.total).collect();
        totals.sort_unstable();
        totals.dedup();
        explanation.margin = totals.get(1).map(|next| next - totals[0]);
        Ok(explanation)
    }

    fn weighed(
        &self,
        pool: &Pool,
        gate: Option<u32>,
        request: &Request<'_>,
        (elapsed, now): (i64, Duration),
        scratch: &mut Scratch,
    ) -> Vec<Candidate> {
        let Scratch { held, weighed, .. } = scratch;
        self.weighed_with(pool, gate, request, (elapsed, now), |at| held.of(request.evidence, at), weighed)
    }

    /// The candidates that are listed, where `held` tells the tokens that one holds.
    pub(super) fn weighed_with(
        &self,
        pool: &Pool,
        gate: Option<u32>,
        request: &Request<'_>,
        (elapsed, now): (i64, Duration),
        held: impl Fn(usize) -> u32 + Copy,
        weighed: &mut Weighed,
    ) -> Vec<Candidate> {
        let combination = pool.policy.behind(gate);
        self.weigh(pool, combination, request, elapsed, held, weighed);
        let known = self.known_for(pool, request);
        let parts = self.parts(combination, &known, request, elapsed, held, &weighed.slots);
        let candidate = |place: usize| {
            let at = weighed.slots[place] as usize;
            let cached_tokens = held(at).min(request.prompt_tokens.saturating_sub(1));
            Candidate {
                endpoint: self.columns.id(at),
                load: self.columns.load[at],
                cached_tokens,
                uncached_tokens: request.prompt_tokens - cached_tokens,
                signal_age: self.columns.read[at].map(|read| now.saturating_sub(read)),
                contributions: parts.iter().map(|part| part[place]).collect(),
                total: weighed.costs[place],
            }
        };
        (0..weighed.slots.len()).map(candidate).collect()
    }

    /// Each part of a combination, for each candidate.
    fn parts(
        &self,
        combination: &Combination,
        known: &Known<'_>,
        request: &Request<'_>,
        now: i64,
        held: impl Fn(usize) -> u32,
        slots: &[u32],
    ) -> Vec<Vec<Contribution>> {
        let tokens = |at: u32| Tokens::new(request.prompt_tokens, held(at as usize));
        match combination {
            Combination::Sum(parts) => parts
                .iter()
                .map(|part| {
                    let mut scores = Vec::new();
                    weigh::score(known, self.seed, part, request, slots, &held, &mut scores);
                    let of = |&value: &i64| Contribution {
                        factor: Factor::Scorer(part.scorer),
                        value,
                        amount: -price::weighed(part, value),
                    };
                    scores.iter().map(of).collect()
                })
                .collect(),
            Combination::Product(measures) | Combination::Lexicographic(measures) => measures
                .iter()
                .map(|&measure| {
                    let of = |&at: &u32| {
                        let value = price::measure(known, measure, at as usize, tokens(at));
                        Contribution { factor: Factor::Measure(measure), value, amount: value }
                    };
                    slots.iter().map(of).collect()
                })
                .collect(),
            Combination::Cost(terms) => terms
                .iter()
                .map(|priced| {
                    let of = |&at: &u32| {
                        let value = price::term(known, priced, at as usize, tokens(at), now);
                        Contribution { factor: Factor::Term(priced.term), value, amount: value }
                    };
                    slots.iter().map(of).collect()
                })
                .collect(),
            Combination::Total(measures) => measures
                .iter()
                .map(|priced| {
                    let of = |&at: &u32| Contribution {
                        factor: Factor::Measure(priced.measure),
                        value: price::measure(known, priced.measure, at as usize, tokens(at)),
                        amount: price::measured(known, priced, at as usize, tokens(at)),
                    };
                    slots.iter().map(of).collect()
                })
                .collect(),
        }
    }

    fn omitted(&self, pool: &Pool, request: &Request<'_>) -> Vec<(EndpointId, Omission)> {
        let mut omitted = Vec::new();
        let mut left = Vec::new();
        match request.subset {
            Some(subset) => {
                for &id in subset {
                    match self.columns.at(id).filter(|at| pool.has(*at)) {
                        Some(at) => left.push(at),
                        None => omitted.push((id, Omission::NotInPool)),
                    }
                }
                left.sort_unstable();
                left.dedup();
            }
            None => left.extend(pool.slots()),
        }
        self.unfit(request, &mut left, &mut omitted);
        left.retain(|&at| {
            let id = self.columns.id(at);
            let excluded = request.excluded.contains(&id);
            if excluded {
                omitted.push((id, Omission::Excluded));
            }
            !excluded
        });
        if left.iter().any(|&at| !self.is_out(at)) {
            left.retain(|&at| {
                let is_out = self.is_out(at);
                if is_out {
                    omitted.push((self.columns.id(at), Omission::Out));
                }
                !is_out
            });
        }
        self.filtered(&pool.policy, &self.known_for(pool, request), left, &mut omitted);
        omitted.sort_unstable_by_key(|(id, _)| *id);
        omitted
    }

    /// Leaves out who does not pass the filters, and says so.
    pub(super) fn filtered(
        &self,
        policy: &Policy,
        known: &Known<'_>,
        mut left: Vec<usize>,
        omitted: &mut Vec<(EndpointId, Omission)>,
    ) {
        for (filter, place) in policy.filters().iter().zip(0..) {
            let kept =
                |at: usize| price::measure(known, filter.measure, at, Tokens::new(1, 0)) < i64::from(filter.below);
            if !left.iter().any(|&at| kept(at)) && filter.fail == crate::policy::FailMode::Open {
                continue;
            }
            left.retain(|&at| {
                if !kept(at) {
                    omitted.push((self.columns.id(at), Omission::Filtered(place)));
                }
                kept(at)
            });
        }
    }
}
