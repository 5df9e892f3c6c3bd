//! A set of ranks, as an answer lends it.

use crate::RankId;
use crate::index::holders::bits;

/// The ranks of one level.
#[derive(Clone, Copy, Debug)]
pub struct RankSet<'a>(Form<'a>);

#[derive(Clone, Copy, Debug)]
enum Form<'a> {
    /// Ascending.
    Ids(&'a [RankId]),
    Words(&'a [u64]),
}

impl<'a> RankSet<'a> {
    pub(super) fn of_ids(ids: &'a [RankId]) -> Self {
        Self(Form::Ids(ids))
    }

    pub(super) fn of_words(words: &'a [u64]) -> Self {
        Self(Form::Words(words))
    }

    /// Whether the rank is in it. Constant time.
    pub fn contains(&self, rank: RankId) -> bool {
        match self.0 {
            Form::Ids(ids) => ids.contains(&rank),
            Form::Words(words) => words.get(rank.index() / 64).is_some_and(|word| word >> (rank.index() % 64) & 1 == 1),
        }
    }

    /// How many ranks there are.
    pub fn len(&self) -> usize {
        match self.0 {
            Form::Ids(ids) => ids.len(),
            Form::Words(words) => words.iter().map(|word| word.count_ones() as usize).sum(),
        }
    }

    /// Whether there is none: never in a level.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ranks, ascending.
    pub fn iter(&self) -> impl Iterator<Item = RankId> + use<'a> {
        let (ids, words): (&[RankId], &[u64]) = match self.0 {
            Form::Ids(ids) => (ids, &[]),
            Form::Words(words) => (&[], words),
        };
        ids.iter().copied().chain(bits(words).map(RankId))
    }

    /// The ranks as bits, 64 to a word from rank 0 on, if they are many; few are kept as a list.
    pub fn words(&self) -> Option<&'a [u64]> {
        self.as_words().ok()
    }

    /// The ranks as bits, 64 to a word, or else as a list.
    pub(super) fn as_words(&self) -> Result<&'a [u64], &'a [RankId]> {
        match self.0 {
            Form::Ids(ids) => Err(ids),
            Form::Words(words) => Ok(words),
        }
    }
}
