//! The best of an answer's ranks under a load.

use super::loads::{FEW, GROUP};
use super::{Loads, RankSet};
use crate::RankId;

/// The best offer so far, of blocks less load.
#[derive(Debug)]
pub(super) struct Best<'a> {
    loads: &'a Loads,
    best: Option<Offer>,
}

#[derive(Clone, Copy, Debug)]
struct Offer {
    rank: RankId,
    blocks: u32,
    load: u32,
}

impl Offer {
    fn score(&self) -> i64 {
        i64::from(self.blocks) - i64::from(self.load)
    }
}

impl<'a> Best<'a> {
    pub(super) fn new(loads: &'a Loads) -> Self {
        Self { loads, best: None }
    }

    pub(super) fn take(self) -> Option<(RankId, u32)> {
        self.best.map(|best| (best.rank, best.blocks))
    }

    /// Whether no rank with so many blocks or fewer can be better.
    pub(super) fn is_out_of_reach(&self, blocks: u32) -> bool {
        self.best.is_some_and(|best| i64::from(blocks) < best.score())
    }

    pub(super) fn offer(&mut self, blocks: u32, rank: RankId) {
        let Some(load) = self.loads.get(rank) else { return };
        let offer = Offer { rank, blocks, load };
        let key = |offer: &Offer| (-offer.score(), offer.load, offer.rank);
        if self.best.is_none_or(|best| key(&offer) < key(&best)) {
            self.best = Some(offer);
        }
    }

    pub(super) fn offer_all(&mut self, blocks: u32, ranks: RankSet<'_>) {
        match ranks.as_words() {
            Err(ids) => ids.iter().for_each(|&rank| self.offer(blocks, rank)),
            Ok(words) => {
                if let Some(rank) = self.least_loaded(words) {
                    self.offer(blocks, rank);
                }
            }
        }
    }

    /// Of a set as bits, the rank with the least load: the first of equals. A word, and a byte of it, is looked into only
    /// if the least load of its ranks, in the set or not, is less than what was found before.
    fn least_loaded(&self, words: &[u64]) -> Option<RankId> {
        let mut best: Option<(u32, RankId)> = None;
        for (at, &word) in words.iter().enumerate().filter(|(_, word)| **word != 0) {
            let Some(bound) = self.loads.least(at) else { break };
            if best.is_some_and(|(least, _)| least <= bound) {
                continue;
            }
            for (byte, &bound) in self.loads.least_of_few(at).iter().enumerate() {
                if best.is_some_and(|(least, _)| least <= bound) {
                    continue;
                }
                let mut left = (word >> (byte * FEW)) as u8;
                while left != 0 {
                    let rank = RankId((at * GROUP + byte * FEW) as u32 + left.trailing_zeros());
                    left &= left - 1;
                    let Some(load) = self.loads.get(rank) else { continue };
                    if best.is_none_or(|(least, _)| load < least) {
                        best = Some((load, rank));
                        if load == bound {
                            break;
                        }
                    }
                }
            }
        }
        best.map(|(_, rank)| rank)
    }
}
