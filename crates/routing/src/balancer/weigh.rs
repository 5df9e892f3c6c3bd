//! Candidates one by one, and what each costs.

use super::Balancer;
use crate::columns::UNKNOWN;
use crate::line::Tokens;
use crate::policy::{Combination, FailMode, ONE, Policy, Scorer, Weighted};
use crate::pool::Pool;
use crate::price::{self, Known};
use crate::request::{Refusal, Request};
use crate::scoreboard::{ABSENT, Scale, blended};
use crate::seed::{Seed, Stage};

/// Whether an endpoint passes all filters.
pub(super) fn passes(policy: &Policy, known: &Known<'_>, at: usize) -> bool {
    let kept = |measure, below: u32| price::measure(known, measure, at, Tokens::new(1, 0)) < i64::from(below);
    policy.filters().iter().all(|filter| kept(filter.measure, filter.below))
}

/// Candidates and their costs, kept for their memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Weighed {
    /// Ascending, but in a choice among a few.
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
        self.leave_alone(pool, slots);
        self.filter_for(pool, &self.known_for(pool, request), slots)
    }

    /// Leaves out those who failed too often, unless all of them did.
    pub(super) fn leave_alone(&self, pool: &Pool, slots: &mut Vec<u32>) {
        if pool.out > 0 && slots.iter().any(|&at| !self.is_out(at as usize)) {
            slots.retain(|&at| !self.is_out(at as usize));
        }
    }

    /// Leaves out those who do not pass the filters.
    pub(super) fn filter_for(&self, pool: &Pool, known: &Known<'_>, slots: &mut Vec<u32>) -> Result<(), Refusal> {
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
    match part.scorer {
        Scorer::Prefix => {
            let full = request.full_tokens();
            scores.extend(slots.iter().map(|&at| price::share(held(at as usize), full)));
        }
        Scorer::Room { measure, limit } => {
            scores.extend(slots.iter().map(|&at| price::room(known, measure, limit, at as usize)));
        }
        Scorer::Spread(measure) => {
            price::measures(known, measure, slots, scores);
            let (least, most) = ends(scores);
            spread(scores, least, most);
        }
        Scorer::BelowMost(measure) => {
            price::measures(known, measure, slots, scores);
            let (_, most) = ends(scores);
            spread(scores, 0, most);
        }
        Scorer::Adapter => scores.extend(slots.iter().map(|&at| price::adapter_score(known.sought.state(at as usize)))),
        Scorer::Latency { ttft_ppm } => latency(known, slots, ttft_ppm, scores),
        Scorer::NoHitLru => no_hit(known, slots, held, scores),
        Scorer::Draw => scores.extend(
            slots.iter().map(|&at| i64::from(seed.draw_nth(Stage::Score, request.key, at.into(), ONE as u32 + 1))),
        ),
    }
}

fn ends(values: &[i64]) -> (i64, i64) {
    values.iter().fold((i64::MAX, i64::MIN), |(least, most), &value| (least.min(value), most.max(value)))
}

fn spread(values: &mut [i64], least: i64, most: i64) {
    let scale = Scale::new(least, most);
    for value in values {
        *value = scale.score(*value);
    }
}

/// By the order in which candidates had requests that nobody held anything of.
fn no_hit(known: &Known<'_>, slots: &[u32], held: impl Fn(usize) -> u32, scores: &mut Vec<i64>) {
    if slots.len() < 2 || slots.iter().any(|&at| held(at as usize) > 0) {
        scores.extend(slots.iter().map(|_| ONE / 2));
        return;
    }
    // How many had one longer ago; those that never had one are equals. The turns stand behind the scores meanwhile.
    let (count, turn) = (slots.len(), |at: u32| known.columns.cold_turn[at as usize] as i64);
    scores.resize(count, 0);
    scores.extend(slots.iter().map(|&at| turn(at)));
    let (of, turns) = scores.split_at_mut(count);
    turns.sort_unstable();
    for (score, &at) in of.iter_mut().zip(slots) {
        let rank = turns.partition_point(|other| *other < turn(at)) as i64;
        *score = ONE - rank * ONE / (count as i64 - 1);
    }
    scores.truncate(count);
}

/// Both latencies of an endpoint that reports both.
fn latencies(known: &Known<'_>, at: usize) -> Option<[i64; 2]> {
    let both = [known.columns.ttft[at], known.columns.tpot[at]];
    both.iter().all(|time| *time != UNKNOWN && *time > 0).then(|| both.map(i64::from))
}

/// What a scorer compares of an endpoint with that of others.
pub(super) fn compared(known: &Known<'_>, scorer: Scorer, at: usize) -> [i64; 2] {
    match scorer {
        Scorer::Spread(measure) | Scorer::BelowMost(measure) => {
            [price::measure(known, measure, at, Tokens::new(1, 0)), 0]
        }
        Scorer::Latency { .. } => latencies(known, at).unwrap_or([ABSENT; 2]),
        Scorer::Prefix | Scorer::Adapter | Scorer::Room { .. } | Scorer::NoHitLru | Scorer::Draw => [0; 2],
    }
}

fn latency(known: &Known<'_>, slots: &[u32], ttft_ppm: u32, scores: &mut Vec<i64>) {
    let both = || slots.iter().filter_map(|&at| latencies(known, at as usize));
    let [first, second] = [0, 1].map(|which| {
        let (least, most) =
            both().fold((i64::MAX, i64::MIN), |(least, most), times| (least.min(times[which]), most.max(times[which])));
        Scale::new(least, most)
    });
    let score = |&at: &u32| {
        let times = latencies(known, at as usize);
        times.map_or(ONE / 2, |[ttft, tpot]| blended(ttft_ppm, first.score(ttft), second.score(tpot)))
    };
    scores.extend(slots.iter().map(score));
}
