//! The answer of the fleet index for one prompt.

mod best;
mod loads;
mod set;

pub use self::loads::Loads;
pub use self::set::RankSet;
use crate::RankId;
use crate::index::holders::Holders;

/// How many blocks of a prompt, counted from its start, each rank holds.
///
/// Ranks of a fleet share prefixes, so the answer is made of *levels*: a depth, and the ranks that hold every block up to
/// there. Each level's ranks are among those of the level before. A few ranks may end between two levels: these are
/// told one by one. Ranks that hold nothing are in neither.
///
/// Meant to be kept and asked into again: once warm, no question allocates.
#[derive(Clone, Debug, Default)]
pub struct Overlap {
    levels: Vec<Span>,
    partial: Vec<(RankId, u32)>,
    /// Sets as bits, and sets as numbers, one after the other. What lies behind the last level is being built.
    words: Vec<u64>,
    ids: Vec<RankId>,
    /// Of the set that is being built.
    wide: bool,
    words_from: usize,
    ids_from: usize,
    partial_from: usize,
}

/// A level, and where its set lies.
#[derive(Clone, Copy, Debug)]
struct Span {
    blocks: u32,
    wide: bool,
    from: usize,
    to: usize,
}

/// A depth of an [`Overlap`].
#[derive(Clone, Copy, Debug)]
pub struct Level<'a> {
    /// Blocks from the start of the prompt.
    pub blocks: u32,
    /// The ranks that hold all of them.
    pub ranks: RankSet<'a>,
}

impl Overlap {
    /// An empty answer.
    ///
    /// ```
    /// assert!(phalanx_kvcache::Overlap::new().is_empty());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether no rank holds the first block.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty() && self.partial.is_empty()
    }

    /// The levels, by ascending depth.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, CacheEvent, Change, FleetIndex, Overlap};
    ///
    /// let mut index = FleetIndex::new();
    /// let (a, b) = (index.join(), index.join());
    /// let [one, two] = [1, 2].map(BlockHash);
    /// let _ = index.apply(a, Change::from(&CacheEvent::Stored { parent: None, blocks: vec![one] }))?;
    /// let _ = index.apply(b, Change::from(&CacheEvent::Stored { parent: None, blocks: vec![one, two] }))?;
    /// let mut overlap = Overlap::new();
    /// index.overlap(&[one], &mut overlap);
    /// let level = overlap.levels().next().expect("both hold it");
    /// assert_eq!((level.blocks, level.ranks.len()), (1, 2));
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn levels(&self) -> impl DoubleEndedIterator<Item = Level<'_>> + ExactSizeIterator {
        self.levels.iter().map(|span| Level { blocks: span.blocks, ranks: self.set(span) })
    }

    /// Ranks that end between two levels, or behind the last one, each with its own depth in blocks.
    pub fn partial(&self) -> &[(RankId, u32)] {
        &self.partial
    }

    /// Blocks of one rank; 0 for one that holds none. Linear in levels.
    ///
    /// ```
    /// use phalanx_kvcache::{FleetIndex, Overlap};
    ///
    /// let rank = FleetIndex::new().join();
    /// assert_eq!(Overlap::new().blocks_of(rank), 0);
    /// ```
    pub fn blocks_of(&self, rank: RankId) -> u32 {
        if let Some(&(_, blocks)) = self.partial.iter().find(|(of, _)| *of == rank) {
            return blocks;
        }
        self.levels().rev().find(|level| level.ranks.contains(rank)).map_or(0, |level| level.blocks)
    }

    /// Each rank that holds something and its blocks, by ascending rank, into a buffer of the caller, which is emptied
    /// first.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, CacheEvent, Change, FleetIndex, Overlap};
    ///
    /// let mut index = FleetIndex::new();
    /// let rank = index.join();
    /// let _ = index.apply(rank, Change::from(&CacheEvent::Stored { parent: None, blocks: vec![BlockHash(1)] }))?;
    /// let (mut overlap, mut pairs) = (Overlap::new(), Vec::new());
    /// index.overlap(&[BlockHash(1), BlockHash(2)], &mut overlap);
    /// overlap.pairs_into(&mut pairs);
    /// assert_eq!(pairs, [(rank, 1)]);
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn pairs_into(&self, out: &mut Vec<(RankId, u32)>) {
        out.clear();
        out.extend_from_slice(&self.partial);
        for (at, level) in self.levels().enumerate() {
            let next = self.levels.get(at + 1).map(|span| self.set(span));
            let ends_here = |rank: &RankId| next.is_none_or(|next| !next.contains(*rank));
            out.extend(level.ranks.iter().filter(ends_here).map(|rank| (rank, level.blocks)));
        }
        // A rank that ends between levels is also in the level before: its greater depth stands first.
        out.sort_unstable_by(|a, b| (a.0, b.1).cmp(&(b.0, a.1)));
        out.dedup_by_key(|(rank, _)| *rank);
    }

    /// The rank with the greatest sum of blocks held less its load, and its blocks. Of equals the least loaded, of these
    /// the one with the lowest number.
    ///
    /// Ranks without a load are passed over, and so are those that hold nothing. A level is looked at only if it can beat
    /// what a deeper one offers, and of a level only the neighbourhoods of low loads.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, CacheEvent, Change, FleetIndex, Loads, Overlap};
    ///
    /// let mut index = FleetIndex::new();
    /// let (a, b) = (index.join(), index.join());
    /// let blocks: Vec<_> = (0..10).map(BlockHash).collect();
    /// let stored = |blocks: &[_]| CacheEvent::Stored { parent: None, blocks: blocks.to_vec() };
    /// let _ = index.apply(a, Change::from(&stored(&blocks)))?;
    /// let _ = index.apply(b, Change::from(&stored(&blocks[..6])))?;
    /// let mut overlap = Overlap::new();
    /// index.overlap(&blocks, &mut overlap);
    /// assert_eq!(overlap.best(&Loads::from(vec![0, 0])), Some((a, 10)));
    /// assert_eq!(overlap.best(&Loads::from(vec![7, 0])), Some((b, 6)), "six blocks for nothing are more than ten at the price of seven");
    /// # Ok::<(), phalanx_kvcache::IndexError>(())
    /// ```
    pub fn best(&self, loads: &Loads) -> Option<(RankId, u32)> {
        let mut best = best::Best::new(loads);
        for &(rank, blocks) in &self.partial {
            best.offer(blocks, rank);
        }
        for level in self.levels().rev() {
            if best.is_out_of_reach(level.blocks) {
                break;
            }
            best.offer_all(level.blocks, level.ranks);
        }
        best.take()
    }

    fn set(&self, span: &Span) -> RankSet<'_> {
        match span.wide {
            true => RankSet::of_words(&self.words[span.from..span.to]),
            false => RankSet::of_ids(&self.ids[span.from..span.to]),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.levels.clear();
        self.partial.clear();
        self.words.clear();
        self.ids.clear();
    }

    /// Begins a set: those of the last level's ranks that are in `full`.
    pub(crate) fn narrow(&mut self, full: &Holders) {
        (self.words_from, self.ids_from, self.partial_from) = (self.words.len(), self.ids.len(), self.partial.len());
        let last = self.levels.last().copied();
        self.wide = matches!(full, Holders::Many(_)) && last.is_none_or(|last| last.wide);
        match (full, last) {
            (Holders::Many(words), None) => self.words.extend_from_slice(words),
            (Holders::Many(words), Some(last)) if last.wide => {
                let shared = (last.to - last.from).min(words.len());
                self.words.extend_from_within(last.from..last.from + shared);
                for (to, word) in self.words[self.words_from..].iter_mut().zip(words.iter()) {
                    *to &= word;
                }
            }
            (Holders::Many(_), Some(last)) => {
                for at in last.from..last.to {
                    let rank = self.ids[at];
                    if full.contains(rank.0) {
                        self.ids.push(rank);
                    }
                }
            }
            (Holders::Few { .. }, _) => {
                for rank in full.iter().map(RankId) {
                    if last.is_none_or(|last| self.set(&last).contains(rank)) {
                        self.ids.push(rank);
                    }
                }
            }
        }
    }

    /// A rank that holds the first `held` blocks of a run that begins at `start`: it is in the set if these are
    /// `matched` or more, and ends here otherwise.
    pub(crate) fn admit(&mut self, rank: u32, start: u32, held: u32, matched: u32) {
        let id = RankId(rank);
        if self.levels.last().is_some_and(|last| !self.set(last).contains(id)) {
            return;
        }
        if held < matched {
            self.partial.push((id, start + held));
        } else if self.wide {
            let word = self.words_from + rank as usize / 64;
            if word >= self.words.len() {
                self.words.resize(word + 1, 0);
            }
            self.words[word] |= 1 << (rank % 64);
        } else {
            let at = self.ids_from + self.ids[self.ids_from..].partition_point(|of| *of < id);
            self.ids.insert(at, id);
        }
    }

    /// Takes ranks out of the set that is being built, and out of those that end in this run.
    pub(crate) fn expel(&mut self, is_out: impl Fn(u32) -> bool) {
        for at in (self.partial_from..self.partial.len()).rev() {
            if is_out(self.partial[at].0.0) {
                self.partial.remove(at);
            }
        }
        if self.wide {
            for (word, at) in self.words[self.words_from..].iter_mut().zip(0u32..) {
                let mut left = *word;
                while left != 0 {
                    let bit = left.trailing_zeros();
                    left &= left - 1;
                    *word &= !(u64::from(is_out(at * 64 + bit)) << bit);
                }
            }
        } else {
            for at in (self.ids_from..self.ids.len()).rev() {
                if is_out(self.ids[at].0) {
                    self.ids.remove(at);
                }
            }
        }
    }

    /// Makes the set a level; says whether there is any rank in it.
    pub(crate) fn close(&mut self, blocks: u32) -> bool {
        let (from, to) = match self.wide {
            true => (self.words_from, self.words.len()),
            false => (self.ids_from, self.ids.len()),
        };
        let any = match self.wide {
            true => self.words[from..to].iter().any(|&word| word != 0),
            false => from < to,
        };
        if any {
            self.levels.push(Span { blocks, wide: self.wide, from, to });
        }
        any
    }
}
