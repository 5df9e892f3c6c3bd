//! What each endpoint holds of a prompt, slot by slot.

use phalanx_kvcache::Overlap;

use crate::columns::Columns;
use crate::request::Evidence;

/// The evidence of one request, kept for its memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    /// Tokens by slot, 0 but for those touched.
    tokens: Vec<u32>,
    touched: Vec<u32>,
}

/// What a [log](crate::Log) says that was known of the endpoints' caches: of single ones, and of many at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// Slots and tokens.
    pub(crate) few: Vec<(u32, u32)>,
    /// Deepest first: tokens, and the slots that hold so many as bits.
    pub(crate) many: Vec<(u32, Vec<u64>)>,
    /// Tokens of a block; 1 where blocks are not known.
    pub(crate) block: u32,
}

/// Endpoints that hold the same and more, as bits: too many to name each.
#[derive(Clone, Copy)]
pub(crate) struct Wide<'a> {
    pub(crate) tokens: u32,
    pub(crate) slots: &'a [u64],
}

impl Held {
    /// Takes up what is said of single endpoints. Those that have left, and those that nobody knows, are passed over.
    pub(crate) fn fill(&mut self, evidence: Evidence<'_>, columns: &Columns) {
        for &at in &self.touched {
            self.tokens[at as usize] = 0;
        }
        self.touched.clear();
        self.tokens.resize(columns.len(), 0);
        match evidence {
            Evidence::None => {}
            Evidence::Tokens(pairs) => {
                for &(id, tokens) in pairs {
                    if let Some(at) = columns.at(id) {
                        self.raise(at, tokens);
                    }
                }
            }
            Evidence::Noted(noted) => {
                for &(slot, tokens) in &noted.few {
                    self.raise(slot as usize, tokens);
                }
            }
            Evidence::Overlap { overlap, promised, block } => {
                let tokens = |blocks: u32| blocks.saturating_mul(block.tokens());
                for &(rank, blocks) in overlap.partial() {
                    self.raise(rank.index(), tokens(blocks));
                }
                for level in overlap.levels().rev().take_while(|level| level.ranks.words().is_none()) {
                    for rank in level.ranks.iter() {
                        self.raise(rank.index(), tokens(level.blocks));
                    }
                }
                for &(id, blocks) in promised {
                    if let Some(at) = columns.at(id) {
                        self.promise(evidence, at, tokens(blocks));
                    }
                }
            }
        }
    }

    /// Counts what is promised, unless as much is held.
    fn promise(&mut self, evidence: Evidence<'_>, at: usize, tokens: u32) {
        if tokens > self.of(evidence, at) {
            self.raise(at, tokens);
        }
    }

    fn raise(&mut self, at: usize, tokens: u32) {
        let Some(held) = self.tokens.get_mut(at) else { return };
        if *held == 0 && tokens > 0 {
            self.touched.push(at as u32);
        }
        *held = tokens.max(*held);
    }

    /// Slots that something is said of, and what.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        self.touched.iter().map(|&at| (at, self.tokens[at as usize]))
    }

    /// Slots that something is said of.
    pub(crate) fn touched(&self) -> &[u32] {
        &self.touched
    }

    /// Whether something is said of this one endpoint.
    pub(crate) fn is_named(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|tokens| *tokens > 0)
    }

    /// Tokens that a slot's endpoint holds.
    #[inline]
    pub(crate) fn of(&self, evidence: Evidence<'_>, at: usize) -> u32 {
        let held = self.tokens.get(at).copied().unwrap_or(0);
        if held > 0 || matches!(evidence, Evidence::None | Evidence::Tokens(_)) {
            return held;
        }
        wide(evidence).find(|wide| wide.holds(at)).map_or(0, |wide| wide.tokens)
    }
}

impl Wide<'_> {
    pub(crate) fn holds(&self, at: usize) -> bool {
        self.slots.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }
}

/// The wide levels of what is held, deepest first.
pub(crate) fn wide(evidence: Evidence<'_>) -> impl Iterator<Item = Wide<'_>> {
    let of = match evidence {
        Evidence::Overlap { overlap, block, .. } => Some((overlap, block)),
        _ => None,
    };
    let noted: &[_] = match evidence {
        Evidence::Noted(noted) => &noted.many,
        _ => &[],
    };
    let noted = noted.iter().map(|(tokens, slots)| Wide { tokens: *tokens, slots });
    let of_overlap = of.into_iter().flat_map(|(overlap, block): (&Overlap, _)| {
        overlap.levels().rev().filter_map(move |level| {
            let slots = level.ranks.words()?;
            Some(Wide { tokens: level.blocks.saturating_mul(block.tokens()), slots })
        })
    });
    of_overlap.chain(noted)
}
