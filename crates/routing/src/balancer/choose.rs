//! The choice itself: by a look at everyone, or only at those who may be the best.

use super::Balancer;
use super::layers::{Layer, Layers};
use super::weigh::{self, Weighed};
use crate::evidence::{self, Held};
use crate::kinds::and;
use crate::line::{Line, Tokens};
use crate::policy::{Combination, Picker};
use crate::pool::Pool;
use crate::price;
use crate::request::{Evidence, Refusal, Request};
use crate::seed::Stage;
use crate::standings::{Among, Ties};

/// So many equals are all looked at.
const FEW_EQUALS: u32 = 8;

/// Who was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) at: usize,
    /// Tokens of the prompt that it holds, those that must be computed nevertheless included.
    pub(super) held: u32,
    pub(super) cost: i64,
    pub(super) ties: u32,
}

/// A candidate of least cost. Those that the evidence names come first, then the levels that it tells of many, each time
/// those that hold more; of these by the state of the adapter; then those whose cost does not fall; then by slot. Both ways
/// to choose keep to that order, so a draw falls on the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tied {
    is_of_many: bool,
    pub(super) lack: u32,
    state: usize,
    is_falling: bool,
    pub(super) at: u32,
}

impl Tied {
    pub(super) fn new(pool: &Pool, at: u32, held: u32, state: usize, is_of_many: bool) -> Self {
        Self { is_of_many, lack: u32::MAX - held, state, is_falling: pool.standings.line(at as usize).falling, at }
    }
}

/// What a choice needs on its way, kept for its memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    pub(super) held: Held,
    pub(super) weighed: Weighed,
    pub(super) mask: Vec<u64>,
    pub(super) layers: Layers,
    /// Lines of those that are looked at one by one.
    pub(super) named: Vec<Line>,
    ties: Vec<Ties>,
    pub(super) groups: Vec<u32>,
    pub(super) tied: Vec<Tied>,
    pub(super) weights: Vec<u64>,
    /// Costs, draws and slots.
    pub(super) order: Vec<(i64, u32, u32)>,
}

impl Balancer {
    pub(super) fn choose(&self, request: &Request<'_>, now: i64, scratch: &mut Scratch) -> Result<Choice, Refusal> {
        let unknown = Refusal::UnknownPool { pool: request.pool.index() };
        let pool = self.pools.get(request.pool.index()).ok_or(unknown)?;
        scratch.held.fill(request.evidence, &self.columns);
        match pool.policy.picker() {
            Picker::Best => self.choose_best(pool, request, now, scratch),
            Picker::PowerOf(count) => self.choose_from_drawn(pool, request, now, count, scratch),
            Picker::Any => self.choose_from_drawn(pool, request, now, 1, scratch),
            Picker::Softmax(permille) => self.choose_by_odds(pool, request, now, Some(permille), scratch),
            Picker::ByScore => self.choose_by_odds(pool, request, now, None, scratch),
            Picker::Ring { bound, .. } => self.choose_by_ring(pool, request, now, bound, scratch),
            Picker::Bucket { above, permille } => self.choose_by_length(pool, request, now, (above, permille), scratch),
            Picker::Sticky { idle_seconds, .. } => self.choose_by_session(pool, request, now, idle_seconds, scratch),
        }
    }

    /// The best, the short way where there is one.
    pub(super) fn choose_best(
        &self,
        pool: &Pool,
        request: &Request<'_>,
        now: i64,
        scratch: &mut Scratch,
    ) -> Result<Choice, Refusal> {
        if pool.is_local && request.subset.is_some() && pool.policy.targets().is_none() {
            return self.choose_from_few(pool, request, now, scratch);
        }
        if pool.is_local
            && request.subset.is_none()
            && let Some(choice) = self.choose_from_standings(pool, request, now, scratch)
            && self.is_whole(pool, request, now, &choice)
        {
            return Ok(choice);
        }
        if let Some(board) = pool.board.as_ref().filter(|board| board.is_settled())
            && request.subset.is_none()
            && request.excluded.is_empty()
            && self.compares_all(pool, request)
            && let Some(choice) = self.choose_from_scores(pool, board, request, scratch)
            && self.is_whole(pool, request, now, &choice)
        {
            return Ok(choice);
        }
        self.choose_from_all(pool, request, now, scratch)
    }

    /// Whether the best of all is the best of those who are expected to be in time, too.
    fn is_whole(&self, pool: &Pool, request: &Request<'_>, now: i64, choice: &Choice) -> bool {
        pool.policy.targets().is_none()
            || (choice.ties == 1 && self.is_timely(&pool.policy, request, now, choice.at, choice.held))
    }

    /// By the cost of each candidate.
    pub(super) fn choose_from_all(
        &self,
        pool: &Pool,
        request: &Request<'_>,
        now: i64,
        scratch: &mut Scratch,
    ) -> Result<Choice, Refusal> {
        self.candidates(pool, request, &mut scratch.weighed.slots)?;
        let Scratch { held, weighed, .. } = &mut *scratch;
        let gate = self.narrow(&pool.policy, request, now, held, &mut weighed.slots)?;
        Ok(self.best_of_weighed(pool, gate, request, now, scratch))
    }

    /// The best of the candidates that are listed, at least one, when a gate is open.
    pub(super) fn best_of_weighed(
        &self,
        pool: &Pool,
        gate: Option<u32>,
        request: &Request<'_>,
        now: i64,
        scratch: &mut Scratch,
    ) -> Choice {
        let Scratch { held, weighed, .. } = scratch;
        let combination = pool.policy.behind(gate);
        self.weigh(pool, combination, request, now, |at| held.of(request.evidence, at), weighed);
        self.least_of(pool, combination, request, scratch)
    }

    /// The least cost of the candidates that are weighed, at least one.
    pub(super) fn least_of(
        &self,
        pool: &Pool,
        combination: &Combination,
        request: &Request<'_>,
        scratch: &mut Scratch,
    ) -> Choice {
        let Scratch { held: told, weighed, tied, .. } = scratch;
        let told = &*told;
        let held = |at: usize| told.of(request.evidence, at);
        let least = weighed.costs.iter().copied().min().unwrap_or(0);
        tied.clear();
        let (sees, sought) = (price::sees_cache(combination), self.sought(pool, request));
        for (&at, _) in weighed.slots.iter().zip(&weighed.costs).filter(|(_, cost)| **cost == least) {
            let state = sought.state(at as usize);
            tied.push(if sees {
                Tied::new(pool, at, held(at as usize), state, !told.is_named(at as usize))
            } else {
                Tied::new(pool, at, 0, state, true)
            });
        }
        // Without a short way, and without evidence, they are in order.
        if sees || pool.is_local || sought.is_any() {
            tied.sort_unstable();
        }
        let ties = tied.len() as u32;
        let at = |place: u32| Some(tied[place as usize].at as usize);
        let at = tied[self.of_equals(request.key, ties, at) as usize].at as usize;
        Choice { at, held: held(at), cost: least, ties }
    }

    /// Which of some equals has a request: of two that are drawn, or of all where these are few, the one that was chosen
    /// longest ago.
    pub(super) fn of_equals(&self, key: u64, ties: u32, mut at: impl FnMut(u32) -> Option<usize>) -> u32 {
        let first = self.seed.draw(Stage::Tie, key, ties);
        let mut turn = |place: &u32| at(*place).map_or(0, |at| self.columns.turn[at]);
        match ties {
            0 | 1 => 0,
            2..=FEW_EQUALS => (first..ties).chain(0..first).min_by_key(&mut turn).unwrap_or(first),
            _ => {
                let second = first + 1 + self.seed.draw_nth(Stage::Tie, key, 1, ties - 1);
                let second = if second < ties { second } else { second - ties };
                if turn(&second) < turn(&first) { second } else { first }
            }
        }
    }

    /// Of some that are drawn, each once.
    fn choose_from_drawn(
        &self,
        pool: &Pool,
        request: &Request<'_>,
        now: i64,
        count: u32,
        scratch: &mut Scratch,
    ) -> Result<Choice, Refusal> {
        let mut drawn = core::mem::take(&mut scratch.weighed.slots);
        drawn.clear();
        let (known, fit_all) = (self.known_for(pool, request), self.fit_all(request));
        let is_candidate = |at: usize| {
            let fits = fit_all || self.misfit(request, at).is_none();
            let may = pool.has(at) && fits && !request.excluded.contains(&self.columns.id(at));
            may && !self.is_out(at) && weigh::passes(&pool.policy, &known, at)
        };
        let draw = |nth: u64, bound: usize| self.seed.draw_nth(Stage::Pick, request.key, nth, bound as u32) as usize;
        // Slots at random, as long as most of them are candidates.
        let is_wide = request.subset.is_none() && pool.count > count && pool.policy.asks_one();
        let tries = if is_wide { 16 * u64::from(count) } else { 0 };
        for nth in 0..tries {
            let at = draw(nth, self.columns.len());
            if is_candidate(at) && !drawn.contains(&(at as u32)) {
                drawn.push(at as u32);
                if drawn.len() == count as usize {
                    break;
                }
            }
        }
        let mut gate = None;
        if drawn.len() < count as usize {
            if let Err(refusal) = self.candidates(pool, request, &mut drawn) {
                scratch.weighed.slots = drawn;
                return Err(refusal);
            }
            match self.narrow(&pool.policy, request, now, &scratch.held, &mut drawn) {
                Ok(open) => gate = open,
                Err(refusal) => {
                    scratch.weighed.slots = drawn;
                    return Err(refusal);
                }
            }
            let count = drawn.len().min(count as usize);
            for place in 0..count {
                let other = place + draw(tries + place as u64, drawn.len() - place);
                drawn.swap(place, other);
            }
            drawn.truncate(count);
        }
        drawn.sort_unstable();
        scratch.weighed.slots = drawn;
        Ok(self.best_of_weighed(pool, gate, request, now, scratch))
    }

    /// By the standings of the pool; none if nobody stands there.
    pub(super) fn choose_from_standings(
        &self,
        pool: &Pool,
        request: &Request<'_>,
        now: i64,
        scratch: &mut Scratch,
    ) -> Option<Choice> {
        let (combination, standings) = (pool.policy.combination(), &pool.standings);
        let sees = price::sees_cache(combination);
        let Scratch { held, mask, layers, named, ties: groups, tied, .. } = scratch;
        self.lay(pool, request, layers);
        let layers = &*layers;
        let known = self.known(&pool.policy);
        let full = request.full_tokens();
        let evidence = if sees { request.evidence } else { Evidence::None };
        let tokens = |held: u32| Tokens::new(request.prompt_tokens, held);
        let share = |held: u32| price::share_cost(combination, held, full);
        let cost = |at: usize, held: u32| {
            let exactly = standings.line(at).exactly(tokens(held), now);
            exactly.unwrap_or_else(|| price::cost(combination, &known, at, tokens(held), now))
        };
        let excluded: &[_] = request.excluded;

        // Those that the evidence names. Who holds more than the level that he is looked at in below costs less than it
        // says there.
        let mut least = i64::MAX;
        let touched = if sees { held.touched() } else { &[] };
        // All at once, since each of them is far from the others in memory.
        named.clear();
        named.extend(touched.iter().map(|&at| *standings.line(at as usize)));
        tied.clear();
        for ((at, held), line) in held.pairs().zip(&*named) {
            let slot = at as usize;
            if line.is_never() || (!excluded.is_empty() && excluded.contains(&self.columns.id(slot))) {
                continue;
            }
            let Some(layer) = layers.of(slot) else { continue };
            let exactly = line.exactly(tokens(held), now);
            let cost = exactly.unwrap_or_else(|| price::cost(combination, &known, slot, tokens(held), now));
            let cost = cost + share(held) + layer.offset;
            if cost < least {
                least = cost;
                tied.clear();
            }
            if cost == least {
                tied.push(Tied::new(pool, at, held, layer.state, false));
            }
        }
        let of_named = least;

        // Those of whom many hold the same, and those who hold nothing: as much as the least so far, or less.
        let no_mask = excluded.is_empty();
        let mut beyond = least.saturating_add(1);
        let mut search = |held: u32, slots: Option<&[u64]>, layer: &Layer, mask: &mut Vec<u64>| {
            let mask: Option<&[u64]> = if no_mask && (slots.is_none() || layer.slots().is_none()) {
                slots.or(layer.slots())
            } else {
                members(&pool.members, layer, slots, mask);
                excluded.iter().filter_map(|id| self.columns.at(*id)).for_each(|at| clear(mask, at));
                Some(mask)
            };
            let offset = share(held) + layer.offset;
            let among = Among { mask, tokens: tokens(held), offset, now };
            beyond = standings.least(&among, beyond, |at| cost(at, held) + offset);
        };
        for layer in layers.iter() {
            for wide in evidence::wide(evidence) {
                search(wide.tokens, Some(wide.slots), layer, mask);
            }
            search(0, None, layer, mask);
        }
        let is_above = beyond > least;
        least = least.min(beyond);
        if least == i64::MAX {
            return None;
        }

        // Who has it.
        if least < of_named {
            tied.clear();
        }
        tied.sort_unstable();
        let narrow = tied.len() as u32;
        let mut total = narrow;
        let mut count = 0;
        let plain = no_mask && touched.is_empty();
        let mut tie = |held: u32, layer: &Layer, slots: Option<&[u64]>, deeper: Option<&[u64]>| {
            let mask: Option<&[u64]> = if plain && slots.is_none() && deeper.is_none() {
                layer.slots()
            } else {
                members(&pool.members, layer, slots, mask);
                let excluded = excluded.iter().filter_map(|id| self.columns.at(*id));
                excluded.chain(touched.iter().map(|&at| at as usize)).for_each(|at| clear(mask, at));
                for (word, deeper) in mask.iter_mut().zip(deeper.into_iter().flatten()) {
                    *word &= !deeper;
                }
                Some(mask)
            };
            if groups.len() == count {
                // Room for most decisions that will come, so that few of those ask for memory in the middle of them.
                groups.resize_with(count + 32, Ties::with_room);
            }
            let offset = share(held) + layer.offset;
            let among = Among { mask, tokens: tokens(held), offset, now };
            standings.tied(&among, least, |at| cost(at, held) + offset, &mut groups[count]);
            total += groups[count].total;
            count += 1;
        };
        if !is_above {
            for_each_level(evidence, layers, &mut tie);
        }
        let (tied, groups) = (&*tied, &groups[..count]);
        let nth = |mut place: u32| {
            if place < narrow {
                let Tied { at, lack, .. } = tied[place as usize];
                return Some((at as usize, u32::MAX - lack));
            }
            place -= narrow;
            let mut groups = groups.iter();
            let mut found = None;
            for_each_level(evidence, layers, |held, layer, _, _| {
                let Some(ties) = groups.next().filter(|_| found.is_none()) else { return };
                if place < ties.total {
                    let offset = share(held) + layer.offset;
                    let among = Among { mask: None, tokens: tokens(held), offset, now };
                    found = standings.slot(&among, ties, place).map(|at| (at, held));
                } else {
                    place -= ties.total;
                }
            });
            found
        };
        let place = self.of_equals(request.key, total, |place| nth(place).map(|(at, _)| at));
        nth(place).map(|(at, cached)| {
            let held = if sees || place < narrow { cached } else { held.of(request.evidence, at) };
            Choice { at, held, cost: least, ties: total }
        })
    }
}

/// Each wide level, deepest first, with the slots of the deeper one, and at the end all that hold nothing; of each all
/// layers.
pub(super) fn for_each_level<'a>(
    evidence: Evidence<'a>,
    layers: &Layers,
    mut each: impl FnMut(u32, &Layer, Option<&'a [u64]>, Option<&'a [u64]>),
) {
    let mut deeper = None;
    for wide in evidence::wide(evidence) {
        layers.iter().for_each(|layer| each(wide.tokens, layer, Some(wide.slots), deeper));
        deeper = Some(wide.slots);
    }
    layers.iter().for_each(|layer| each(0, layer, None, deeper));
}

/// The members of a pool's layer among some slots, as bits.
pub(super) fn members(of_pool: &[u64], layer: &Layer, slots: Option<&[u64]>, mask: &mut Vec<u64>) {
    mask.clear();
    match slots {
        Some(slots) => mask.extend(of_pool.iter().zip(slots).map(|(member, slot)| member & slot)),
        None => mask.extend_from_slice(of_pool),
    }
    if let Some(slots) = layer.slots() {
        and(mask, slots);
    }
}

pub(super) fn clear(mask: &mut [u64], at: usize) {
    if let Some(word) = mask.get_mut(at / 64) {
        *word &= !(1 << (at % 64));
    }
}
