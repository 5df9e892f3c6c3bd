//! Candidates one by one, and what each costs.

use super::Balancer;
use crate::line::Tokens;
use crate::policy::{Combination, FailMode, Measure, ONE, Policy, Scorer, Weighted};
use crate::pool::Pool;
use crate::price::{self, Known};
use crate::request::{Refusal, Request};
use crate::seed::{Seed, Stage};

/// Whether an endpoint passes all filters.
pub(super) fn passes(policy: &Policy, known: &Known<'_>, at: usize) -> bool {
    let kept = |measure, below: u32| price::measure(known, measure, at, Tokens::new(1, 0)) < i64::from(below);
    policy.filters().iter().all(|filter| kept(filter.measure, filter.below))
}

/// Candidates and their costs, kept for their memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Weighed {
    /// Ascending.
    pub(super) slots: Vec<u32>,
    pub(super) costs: Vec<i64>,
    values: Vec<i64>,
}

impl Balancer {
    /// The endpoints that a request may go to, in the order of their slots.
    pub(super) fn candidates(&self, pool: &Pool, request: &Request<'_>, slots: &mut Vec<u32>) -> Result<(), Refusal> {
        slots.clear();
        let of_pool = |at: &usize| pool.has(*at);
        match request.subset {
            Some(subset) => {
                slots.extend(subset.iter().filter_map(|id| self.columns.at(*id)).filter(of_pool).map(|at| at as u32));
                slots.sort_unstable();
                slots.dedup();
            }
            None => slots.extend(pool.slots().map(|at| at as u32)),
        }
        if slots.is_empty() {
            let subset = request.subset.map_or(0, |subset| subset.len() as u32);
            return Err(Refusal::NoCandidates { subset });
        }
        self.keep_fitting(request, slots)?;
        let candidates = slots.len() as u32;
        if !request.excluded.is_empty() {
            slots.retain(|&at| !request.excluded.contains(&self.columns.id(at as usize)));
            if slots.is_empty() {
                return Err(Refusal::AllExcluded { candidates });
            }
        }
        self.filter_for(pool, &self.known_for(pool, request), slots)
    }

    /// Leaves out those who do not pass the filters, for a request without an adapter.
    pub(super) fn filter(&self, pool: &Pool, slots: &mut Vec<u32>) -> Result<(), Refusal> {
        self.filter_for(pool, &self.known(&pool.policy), slots)
    }

    fn filter_for(&self, pool: &Pool, known: &Known<'_>, slots: &mut Vec<u32>) -> Result<(), Refusal> {
        for (filter, place) in pool.policy.filters().iter().zip(0..) {
            let kept = |at: u32| {
                price::measure(known, filter.measure, at as usize, Tokens::new(1, 0)) < i64::from(filter.below)
            };
            if slots.iter().any(|&at| kept(at)) {
                slots.retain(|&at| kept(at));
            } else if filter.fail == FailMode::Closed {
                return Err(Refusal::AllFiltered { filter: place, candidates: slots.len() as u32 });
            }
        }
        Ok(())
    }

    /// What each candidate costs by a combination of the policy's; `held` tells the tokens that one holds.
    pub(super) fn weigh(
        &self,
        pool: &Pool,
        combination: &Combination,
        request: &Request<'_>,
        now: i64,
        held: impl Fn(usize) -> u32,
        weighed: &mut Weighed,
    ) {
        let known = self.known_for(pool, request);
        let Weighed { slots, costs, values } = weighed;
        costs.clear();
        if let Combination::Sum(parts) = combination {
            costs.resize(slots.len(), 0);
            for part in parts {
                score(&known, self.seed, part, request, slots, &held, values);
                for (cost, score) in costs.iter_mut().zip(values.iter()) {
                    *cost -= price::weighed(part, *score);
                }
            }
            return;
        }
        let cost = |&at: &u32| {
            let tokens = Tokens::new(request.prompt_tokens, held(at as usize));
            price::cost(combination, &known, at as usize, tokens, now)
        };
        costs.extend(slots.iter().map(cost));
    }
}

/// The scores of all candidates in one respect.
pub(super) fn score(
    known: &Known<'_>,
    seed: Seed,
    part: &Weighted,
    request: &Request<'_>,
    slots: &[u32],
    held: impl Fn(usize) -> u32,
    scores: &mut Vec<i64>,
) {
    scores.clear();
    let measured =
        |measure: Measure| slots.iter().map(move |&at| price::measure(known, measure, at as usize, Tokens::new(1, 0)));
    match part.scorer {
        Scorer::Prefix => {
            let full = request.full_tokens();
            scores.extend(slots.iter().map(|&at| price::share(held(at as usize), full)));
        }
        Scorer::Room { measure, limit } => {
            scores.extend(slots.iter().map(|&at| price::room(known, measure, limit, at as usize)));
        }
        Scorer::Spread(measure) => {
            scores.extend(measured(measure));
            let (least, most) = ends(scores);
            spread(scores, least, most);
        }
        Scorer::BelowMost(measure) => {
            scores.extend(measured(measure));
            let (_, most) = ends(scores);
            spread(scores, 0, most);
        }
        Scorer::Adapter => scores.extend(slots.iter().map(|&at| price::adapter_score(known.sought.state(at as usize)))),
        Scorer::Latency { ttft_ppm } => latency(known, slots, ttft_ppm, scores),
        Scorer::Draw => scores.extend(
            slots.iter().map(|&at| i64::from(seed.draw_nth(Stage::Score, request.key, at.into(), ONE as u32 + 1))),
        ),
    }
}

fn ends(values: &[i64]) -> (i64, i64) {
    values.iter().fold((i64::MAX, i64::MIN), |(least, most), &value| (least.min(value), most.max(value)))
}

/// From the most, which scores nothing, to the least; all in full when they are equal.
fn spread(values: &mut [i64], least: i64, most: i64) {
    let range = most.saturating_sub(least);
    for value in values {
        *value = if range <= 0 { ONE } else { (most - *value) * ONE / range };
    }
}

fn latency(known: &Known<'_>, slots: &[u32], ttft_ppm: u32, scores: &mut Vec<i64>) {
    use crate::columns::UNKNOWN;

    let columns = known.columns;
    let both = |at: u32| {
        let (ttft, tpot) = (columns.ttft[at as usize], columns.tpot[at as usize]);
        (ttft != UNKNOWN && tpot != UNKNOWN && ttft > 0 && tpot > 0).then(|| (i64::from(ttft), i64::from(tpot)))
    };
    let known = || slots.iter().filter_map(|&at| both(at));
    let of = |values: &mut dyn Iterator<Item = i64>| {
        values.fold((i64::MAX, i64::MIN), |(least, most), value| (least.min(value), most.max(value)))
    };
    let (ttft, tpot) = (of(&mut known().map(|pair| pair.0)), of(&mut known().map(|pair| pair.1)));
    let one = |value: i64, (least, most): (i64, i64)| {
        if most == least { ONE } else { (most - value) * ONE / (most - least) }
    };
    scores.extend(slots.iter().map(|&at| {
        let weight = i64::from(ttft_ppm);
        both(at).map_or(ONE / 2, |(first, each)| (weight * one(first, ttft) + (ONE - weight) * one(each, tpot)) / ONE)
    }));
}
