//! A set of ranks: a few numbers, or a bit for each rank.

const FEW: usize = 3;

/// Up to three ranks in place, ascending; more of them as bits.
#[derive(Clone, Debug)]
#[expect(clippy::box_collection, reason = "a set lies in each run's one cache line")]
pub(crate) enum Holders {
    Few {
        len: u8,
        ranks: [u32; FEW],
    },
    /// Boxed once more, so that a set is 16 bytes.
    Many(Box<Vec<u64>>),
}

impl Default for Holders {
    fn default() -> Self {
        Self::NONE
    }
}

impl PartialEq for Holders {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Many(some), Self::Many(others)) => {
                let shared = some.len().min(others.len());
                let rest = some[shared..].iter().chain(&others[shared..]);
                some[..shared] == others[..shared] && rest.into_iter().all(|&word| word == 0)
            }
            _ => self.iter().eq(other.iter()),
        }
    }
}

impl Holders {
    pub(crate) const NONE: Self = Self::Few { len: 0, ranks: [0; FEW] };

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Few { len: 0, .. })
    }

    /// Whether this rank, and no other, is in it.
    pub(crate) fn is_only(&self, rank: u32) -> bool {
        matches!(self, Self::Few { len: 1, ranks } if ranks[0] == rank)
    }

    /// Whether there are more than a few.
    pub(crate) fn are_many(&self) -> bool {
        matches!(self, Self::Many(_))
    }

    pub(crate) fn contains(&self, rank: u32) -> bool {
        match self {
            Self::Few { len, ranks } => ranks[..usize::from(*len)].contains(&rank),
            Self::Many(words) => words.get(rank as usize / 64).is_some_and(|word| word >> (rank % 64) & 1 == 1),
        }
    }

    /// Adds a rank that is not in it.
    pub(crate) fn insert(&mut self, rank: u32) {
        match self {
            Self::Few { len, ranks } => {
                let count = usize::from(*len);
                if count == FEW {
                    let mut words = Vec::new();
                    for &rank in ranks.iter().chain([&rank]) {
                        set(&mut words, rank);
                    }
                    *self = Self::Many(Box::new(words));
                    return;
                }
                let at = ranks[..count].iter().position(|&of| of > rank).unwrap_or(count);
                ranks.copy_within(at..FEW - 1, at + 1);
                ranks[at] = rank;
                *len += 1;
            }
            Self::Many(words) => set(words, rank),
        }
    }

    /// Takes a rank out; says whether it was in it.
    pub(crate) fn remove(&mut self, rank: u32) -> bool {
        match self {
            Self::Few { len, ranks } => {
                let count = usize::from(*len);
                let Some(at) = ranks[..count].iter().position(|&of| of == rank) else { return false };
                ranks.copy_within(at + 1..FEW, at);
                *len -= 1;
                true
            }
            Self::Many(words) => {
                let Some(word) = words.get_mut(rank as usize / 64) else { return false };
                let bit = 1 << (rank % 64);
                if *word & bit == 0 {
                    return false;
                }
                *word &= !bit;
                if word.count_ones() < 2 {
                    self.settle();
                }
                true
            }
        }
    }

    /// Goes back to a few numbers where no more are left.
    fn settle(&mut self) {
        let Self::Many(words) = self else { return };
        let count: u32 = words.iter().map(|word| word.count_ones()).sum();
        if count as usize >= FEW {
            return;
        }
        let mut ranks = [0; FEW];
        for (slot, rank) in ranks.iter_mut().zip(bits(words)) {
            *slot = rank;
        }
        *self = Self::Few { len: count as u8, ranks };
    }

    /// Ranks, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        let (few, words): (&[u32], &[u64]) = match self {
            Self::Few { len, ranks } => (&ranks[..usize::from(*len)], &[]),
            Self::Many(words) => (&[], words),
        };
        few.iter().copied().chain(bits(words))
    }

    /// Adds all of them to bits.
    pub(crate) fn mark(&self, words: &mut Vec<u64>) {
        match self {
            Self::Few { .. } => self.iter().for_each(|rank| set(words, rank)),
            Self::Many(ranks) => {
                if words.len() < ranks.len() {
                    words.resize(ranks.len(), 0);
                }
                words.iter_mut().zip(ranks.iter()).for_each(|(word, ranks)| *word |= ranks);
            }
        }
    }

    /// Memory beside the value itself, in bytes.
    pub(crate) fn heap(&self) -> usize {
        match self {
            Self::Few { .. } => 0,
            Self::Many(words) => size_of::<Vec<u64>>() + words.capacity() * 8,
        }
    }
}

/// Adds a rank to bits.
pub(crate) fn set(words: &mut Vec<u64>, rank: u32) {
    let word = rank as usize / 64;
    if word >= words.len() {
        words.reserve_exact(word + 1 - words.len());
        words.resize(word + 1, 0);
    }
    words[word] |= 1 << (rank % 64);
}

/// Numbers of the set bits, ascending.
pub(crate) fn bits(words: &[u64]) -> impl Iterator<Item = u32> {
    words.iter().zip(0u32..).flat_map(|(&word, at)| {
        let mut left = word;
        core::iter::from_fn(move || {
            let bit = (left != 0).then(|| left.trailing_zeros())?;
            left &= left - 1;
            Some(at * 64 + bit)
        })
    })
}

#[cfg(test)]
mod tests;
