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
        let (chunks, rest) = self.loads.as_chunks::<64>();
        let mut lanes = [i32::MAX; LANES];
        for (&word, loads) in words.iter().zip(chunks) {
            if word != 0 {
                narrow(&mut lanes, word, loads);
            }
        }
        // From here on the order of unsigned numbers again.
        let mut least = lanes.into_iter().min().map(|least| least as u32 ^ SIGN)?;
        let last = words.get(chunks.len()).copied().unwrap_or(0);
        for (_, load) in each(last, rest) {
            least = least.min(load);
        }
        let first = |(at, (&word, loads)): (usize, (&u64, &[u32]))| {
            // Whether it is among them is quickly seen; where, only once.
            let here = loads.iter().fold(false, |here, &load| here | (load == least));
            let (bit, _) = here.then(|| each(word, loads).find(|&(_, load)| load == least))??;
            Some(RankId(at as u32 * 64 + bit))
        };
        words.iter().zip(self.loads.chunks(64)).enumerate().find_map(first)
    }
}

/// Loads that are compared side by side.
const LANES: usize = 16;

/// Turns the order of unsigned numbers into that of signed ones: which any vector unit can compare.
const SIGN: u32 = 1 << 31;

/// Takes those of 64 loads whose bit is set into the least of each lane.
#[inline]
fn narrow(lanes: &mut [i32; LANES], word: u64, loads: &[u32; 64]) {
    for (bits, loads) in word.to_le_bytes().as_chunks::<2>().0.iter().zip(loads.as_chunks::<LANES>().0) {
        let bits = u32::from(u16::from_le_bytes(*bits));
        for (at, (lane, &load)) in lanes.iter_mut().zip(loads).enumerate() {
            let load = (load ^ SIGN) as i32;
            let load = if bits & 1 << at == 0 { i32::MAX } else { load };
            *lane = if load < *lane { load } else { *lane };
        }
    }
}

/// Bits of a word that have a load, and the load.
fn each(word: u64, loads: &[u32]) -> impl Iterator<Item = (u32, u32)> {
    let mut left = word;
    core::iter::from_fn(move || {
        let bit = (left != 0).then(|| left.trailing_zeros())?;
        left &= left - 1;
        Some((bit, *loads.get(bit as usize)?))
    })
}
