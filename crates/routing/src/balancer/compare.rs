//! The choice where scores compare the candidates: by the pool's scoreboard.

use super::Balancer;
use super::choose::{Choice, Scratch, Tied, clear, for_each_level, members};
use super::layers::Layer;
use crate::evidence;
use crate::policy::Measure;
use crate::pool::Pool;
use crate::price;
use crate::request::{Evidence, Request};
use crate::scoreboard::Scoreboard;

impl Balancer {
    /// Whether all who stand in a pool are compared for a request: none is left out for it alone.
    pub(super) fn compares_all(&self, pool: &Pool, request: &Request<'_>) -> bool {
        let by_adapter =
            request.adapter.is_some() && pool.policy.filters().iter().any(|of| of.measure == Measure::Adapter);
        self.fit_all(request) && !by_adapter
    }

    /// By the scores of the pool, for a request to any of it; none if nobody has a score.
    pub(super) fn choose_from_scores(
        &self,
        pool: &Pool,
        board: &Scoreboard,
        request: &Request<'_>,
        scratch: &mut Scratch,
    ) -> Option<Choice> {
        let combination = pool.policy.combination();
        let sees = price::sees_cache(combination);
        let Scratch { held, mask, layers, tied, groups, .. } = scratch;
        self.lay(pool, request, layers);
        let layers = &*layers;
        let full = request.full_tokens();
        let evidence = if sees { request.evidence } else { Evidence::None };
        let touched = if sees { held.touched() } else { &[] };
        let share = |held: u32| price::share_cost(combination, held, full);
        let own = |at: u32| {
            let (at, held) = (at as usize, held.of(evidence, at as usize));
            let layer = layers.of(at).filter(|_| board.has(at))?;
            Some((board.cost(at) + share(held) + layer.offset, held, layer.state))
        };

        // Who holds more costs less, so nobody is taken for cheaper by a level that is not his own.
        let mut least = touched.iter().filter_map(|&at| own(at)).fold(i64::MAX, |least, (cost, ..)| least.min(cost));
        for layer in layers.iter() {
            for wide in evidence::wide(evidence) {
                members(board.members(), layer, Some(wide.slots), mask);
                least = board.least(mask, share(wide.tokens) + layer.offset, least);
            }
            members(board.members(), layer, None, mask);
            least = board.least(mask, share(0) + layer.offset, least);
        }
        if least == i64::MAX {
            return None;
        }

        tied.clear();
        for &at in touched {
            if let Some((_, held, state)) = own(at).filter(|(cost, ..)| *cost == least) {
                tied.push(Tied::new(pool, at, held, state, false));
            }
        }
        tied.sort_unstable();
        let narrow = tied.len() as u32;
        let mut total = narrow;
        groups.clear();
        let level = |layer: &Layer, slots: Option<&[u64]>, deeper: Option<&[u64]>, mask: &mut Vec<u64>| {
            members(board.members(), layer, slots, mask);
            touched.iter().for_each(|&at| clear(mask, at as usize));
            for (word, deeper) in mask.iter_mut().zip(deeper.into_iter().flatten()) {
                *word &= !deeper;
            }
        };
        for_each_level(evidence, layers, |held, layer, slots, deeper| {
            level(layer, slots, deeper, mask);
            let count = board.count(mask, share(held) + layer.offset, least);
            groups.push(count);
            total += count;
        });
        let (tied, groups) = (&*tied, &*groups);
        let mut nth = |mut place: u32| {
            if place < narrow {
                let Tied { at, lack, .. } = tied[place as usize];
                return Some((at as usize, u32::MAX - lack));
            }
            place -= narrow;
            let (mut found, mut counts) = (None, groups.iter());
            for_each_level(evidence, layers, |cached, layer, slots, deeper| {
                let count = counts.next().copied().unwrap_or(0);
                if found.is_some() {
                    return;
                }
                if place >= count {
                    place -= count;
                    return;
                }
                level(layer, slots, deeper, mask);
                found = board.slot(mask, share(cached) + layer.offset, least, place).map(|at| (at, cached));
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
