//! What a rank has beside its coverage: names of its own, copies, and guesses at what it does next.

use ahash::RandomState;

use super::pages::NONE;
use super::unlisted::Unlisted;

#[expect(clippy::disallowed_types, reason = "lookup only, fixed seeds")]
type Map<K, V> = std::collections::HashMap<K, V, RandomState>;

/// One rank's state.
#[derive(Clone, Debug)]
pub(super) struct Rank {
    pub(super) joined: bool,
    /// Blocks that it holds, over all layers.
    pub(super) held: u32,
    /// The block that it stored last: most often the next one's parent.
    pub(super) tail: Guess,
    /// The next to go, most often: the block behind those that it removed last, if it holds that, or else the one before.
    pub(super) next_out: Guess,
    /// Blocks that no table listed when they came, among them all that it holds and that are not listed now.
    pub(super) unlisted: Unlisted,
    odd: Option<Box<Odd>>,
}

/// A block and its name, as they were.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guess {
    pub(super) name: u64,
    pub(super) block: u32,
}

impl Guess {
    pub(super) const NONE: Self = Self { name: 0, block: NONE };
}

/// What few ranks have.
#[derive(Clone, Debug)]
struct Odd {
    /// Blocks to which this rank's engine gives another name than the block's first holder does, both ways.
    by_name: Map<u64, u32>,
    by_block: Map<u32, u64>,
    /// Copies beyond the first, by (layer, block).
    copies: Map<(u16, u32), u32>,
}

/// Bytes of a table for each entry that it has room for: key, value and a control byte, at seven eighths of its load.
const ENTRY: usize = (size_of::<(u64, u64)>() + 1) * 8 / 7;

impl Rank {
    /// Bytes that one takes at the least.
    pub(super) const LEAST: usize = size_of::<Self>() + Unlisted::LEAST;

    pub(super) fn new() -> Self {
        let unlisted = Unlisted::new();
        Self { joined: false, held: 0, tail: Guess::NONE, next_out: Guess::NONE, unlisted, odd: None }
    }

    /// Nothing is held any more.
    pub(super) fn reset(&mut self) {
        *self = Self { joined: self.joined, ..Self::new() };
    }

    /// Whether all that it holds is one copy under the block's own name.
    pub(super) fn is_plain(&self) -> bool {
        self.odd.is_none()
    }

    pub(super) fn bytes(&self) -> usize {
        let odd = self.odd.as_ref().map_or(0, |odd| {
            let room = odd.by_name.capacity() + odd.by_block.capacity() + odd.copies.capacity();
            room * ENTRY + size_of::<Odd>()
        });
        odd + self.unlisted.bytes()
    }

    /// The block to which the rank gives a name that is not the block's own.
    pub(super) fn block_of(&self, name: u64) -> Option<u32> {
        self.odd.as_ref()?.by_name.get(&name).copied()
    }

    /// The rank's name of a block, where it is not the block's own.
    pub(super) fn name_of(&self, block: u32) -> Option<u64> {
        self.odd.as_ref()?.by_block.get(&block).copied()
    }

    pub(super) fn rename(&mut self, block: u32, name: u64, seed: u64) {
        self.forget_name(block);
        let odd = self.odd(seed);
        odd.by_name.insert(name, block);
        odd.by_block.insert(block, name);
    }

    pub(super) fn forget_name(&mut self, block: u32) {
        if let Some(odd) = &mut self.odd
            && let Some(name) = odd.by_block.remove(&block)
        {
            odd.by_name.remove(&name);
        }
        self.release();
    }

    pub(super) fn add_copy(&mut self, layer: u16, block: u32, seed: u64) {
        self.add_copies(layer, block, 1, seed);
    }

    pub(super) fn add_copies(&mut self, layer: u16, block: u32, more: u32, seed: u64) {
        let copies = self.odd(seed).copies.entry((layer, block)).or_insert(0);
        *copies = copies.saturating_add(more);
    }

    /// Blocks to which it gives names of its own, in no order.
    pub(super) fn own_names(&self) -> impl Iterator<Item = (u32, u64)> {
        self.odd.iter().flat_map(|odd| odd.by_block.iter().map(|(&block, &name)| (block, name)))
    }

    /// Copies beyond the first by (layer, block), in no order.
    pub(super) fn copies(&self) -> impl Iterator<Item = ((u16, u32), u32)> {
        self.odd.iter().flat_map(|odd| odd.copies.iter().map(|(&of, &more)| (of, more)))
    }

    /// Takes a copy beyond the first away, if there is one.
    pub(super) fn take_copy(&mut self, layer: u16, block: u32) -> bool {
        let Some(odd) = &mut self.odd else { return false };
        let Some(copies) = odd.copies.get_mut(&(layer, block)) else { return false };
        *copies -= 1;
        if *copies == 0 {
            odd.copies.remove(&(layer, block));
        }
        self.release();
        true
    }

    pub(super) fn forget_copies(&mut self, layer: u16, block: u32) {
        if let Some(odd) = &mut self.odd {
            odd.copies.remove(&(layer, block));
        }
        self.release();
    }

    fn odd(&mut self, seed: u64) -> &mut Odd {
        let make = || {
            let state = || RandomState::with_seeds(seed, !seed, seed.rotate_left(21), seed.rotate_left(42));
            Box::new(Odd {
                by_name: Map::with_hasher(state()),
                by_block: Map::with_hasher(state()),
                copies: Map::with_hasher(state()),
            })
        };
        self.odd.get_or_insert_with(make)
    }

    fn release(&mut self) {
        let Some(odd) = &mut self.odd else { return };
        if odd.by_name.is_empty() && odd.copies.is_empty() {
            self.odd = None;
            return;
        }
        if odd.by_name.len() < odd.by_name.capacity() / 8 {
            odd.by_name.shrink_to(2 * odd.by_name.len());
            odd.by_block.shrink_to(2 * odd.by_block.len());
        }
        if odd.copies.len() < odd.copies.capacity() / 8 {
            odd.copies.shrink_to(2 * odd.copies.len());
        }
    }
}
