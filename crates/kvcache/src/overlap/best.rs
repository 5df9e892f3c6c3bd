//! The best of an answer's ranks under a load.

use super::RankSet;
use crate::RankId;

/// The best offer so far, of blocks less load.
#[derive(Debug)]
pub(super) struct Best<'a> {
    loads: &'a [u32],
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
    pub(super) fn new(loads: &'a [u32]) -> Self {
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
        let Some(&load) = self.loads.get(rank.index()) else { return };
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

    /// Of a set as bits, the rank with the least load: the first of equals.
    fn least_loaded(&self, words: &[u64]) -> Option<RankId> {
        let (mut least, mut at) = (u64::MAX, 0);
        for (place, (&word, loads)) in words.iter().zip(self.loads.chunks(64)).enumerate() {
            if word == 0 {
                continue;
            }
            let load = match loads.first_chunk::<64>() {
                Some(loads) => least_of(word, loads),
                None => each(word, loads).map(|(_, load)| u64::from(load)).min().unwrap_or(u64::MAX),
            };
            if load < least {
                (least, at) = (load, place);
            }
        }
        let loads = self.loads.chunks(64).nth(at)?;
        let (bit, _) = each(*words.get(at)?, loads).find(|&(_, load)| u64::from(load) == least)?;
        Some(RankId(at as u32 * 64 + bit))
    }
}

/// Bits of a word that have a load, and the load.
fn each(word: u64, loads: &[u32]) -> impl Iterator<Item = (u32, u32)> {
    loads.iter().zip(0..).filter(move |&(_, bit)| word >> bit & 1 == 1).map(|(&load, bit)| (bit, load))
}

/// The least of 64 loads whose bit is set. `u64::MAX` if none is.
fn least_of(word: u64, loads: &[u32; 64]) -> u64 {
    if word == u64::MAX {
        return u64::from(loads.iter().fold(u32::MAX, |least, &load| least.min(load)));
    }
    let mut least = u64::MAX;
    let mut left = word;
    while left != 0 {
        least = least.min(u64::from(loads[left.trailing_zeros() as usize]));
        left &= left - 1;
    }
    least
}
