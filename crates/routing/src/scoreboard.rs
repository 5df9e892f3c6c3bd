//! Sums of scores that compare the members of a pool, kept while little changes.

mod column;
mod scale;

pub(crate) use self::column::ABSENT;
use self::column::Column;
pub(crate) use self::scale::{Scale, blended};
use crate::policy::{Combination, Policy, Scorer};

/// Slots whose least cost is kept together.
pub(crate) const BLOCK: usize = 64;
/// Of a [sum](Combination::Sum) with scores that depend on all members: what each member costs a request that nothing is
/// known of, and the least cost in each block of slots.
///
/// A change that leaves the least and the most of each measure as they are costs a block; one that moves them costs a pass
/// over all, once, at the next decision.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scoreboard {
    columns: Vec<Column>,
    /// The part of the cost that depends on nobody else.
    fixed: Vec<i64>,
    /// A bit for each slot that has a place here.
    members: Vec<u64>,
    costs: Vec<i64>,
    blocks: Vec<Block>,
    is_stale: bool,
}

/// The least cost of some slots, and how many have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) least: i64,
    pub(crate) count: u32,
}

impl Scoreboard {
    /// One for a policy whose best can be told from it; none if it has no use for one.
    pub(crate) fn of(policy: &Policy) -> Option<Self> {
        let Combination::Sum(parts) = policy.combination() else { return None };
        if policy.is_relative() || parts.iter().any(|part| matches!(part.scorer, Scorer::Draw | Scorer::NoHitLru)) {
            return None;
        }
        let columns: Vec<_> = parts.iter().filter_map(Column::new).collect();
        (!columns.is_empty()).then(|| Self { columns, ..Self::default() })
    }

    /// Makes room for slots up to a number of them.
    pub(crate) fn grow(&mut self, slots: usize) {
        let blocks = slots.div_ceil(BLOCK);
        if blocks <= self.blocks.len() {
            return;
        }
        let slots = blocks * BLOCK;
        self.columns.iter_mut().flat_map(Column::measured).for_each(|measured| measured.grow(blocks));
        self.fixed.resize(slots, 0);
        self.costs.resize(slots, i64::MAX);
        self.members.resize(blocks, 0);
        self.blocks.resize(blocks, Block { least: i64::MAX, count: 0 });
    }

    /// Notes what a slot's endpoint costs whatever the others do, and what each scorer measures of it: the second number
    /// is for those of latencies. The slot must have room.
    pub(crate) fn set(&mut self, slot: usize, fixed: i64, measured: impl Fn(Scorer) -> [i64; 2]) {
        let (block, bit) = (slot / BLOCK, 1 << (slot % BLOCK));
        let mut is_new = self.members[block] & bit == 0 || self.fixed[slot] != fixed;
        self.members[block] |= bit;
        self.fixed[slot] = fixed;
        let members = self.members[block];
        for column in &mut self.columns {
            is_new |= column.set(slot, measured(column.part.scorer));
            self.is_stale |= column.follow(block, members);
        }
        if is_new && !self.is_stale {
            self.weigh(slot);
        }
    }

    /// Takes a slot out.
    pub(crate) fn clear(&mut self, slot: usize) {
        let (block, bit) = (slot / BLOCK, 1 << (slot % BLOCK));
        let Some(members) = self.members.get_mut(block).filter(|members| **members & bit != 0) else { return };
        *members &= !bit;
        let members = *members;
        for column in &mut self.columns {
            self.is_stale |= column.follow(block, members);
        }
        if !self.is_stale {
            self.costs[slot] = i64::MAX;
            self.blocks[block] = Block::of(&self.costs[block * BLOCK..(block + 1) * BLOCK]);
        }
    }

    fn weigh(&mut self, slot: usize) {
        let block = slot / BLOCK;
        let relative: i64 = self.columns.iter().map(|column| column.cost(slot)).sum();
        let cost = self.fixed[slot] + relative;
        let before = core::mem::replace(&mut self.costs[slot], cost);
        let of = &mut self.blocks[block];
        // Most changes are far from the least.
        if before > of.least && cost > of.least {
            return;
        }
        *of = Block::of(&self.costs[block * BLOCK..(block + 1) * BLOCK]);
    }

    /// Brings costs up to date, where those of all have changed.
    pub(crate) fn settle(&mut self) {
        if !core::mem::take(&mut self.is_stale) {
            return;
        }
        for measured in self.columns.iter_mut().flat_map(Column::measured) {
            measured.scale = measured.fresh_scale();
        }
        for (block, of) in self.blocks.iter_mut().enumerate() {
            let slots = block * BLOCK..(block + 1) * BLOCK;
            let costs = &mut self.costs[slots.clone()];
            costs.copy_from_slice(&self.fixed[slots.clone()]);
            for column in &self.columns {
                column.add(block, costs);
            }
            let mut absent = !self.members[block];
            while absent != 0 {
                costs[absent.trailing_zeros() as usize] = i64::MAX;
                absent &= absent - 1;
            }
            *of = Block::of(costs);
        }
    }

    /// Whether costs are up to date.
    pub(crate) fn is_settled(&self) -> bool {
        !self.is_stale
    }

    /// Who has a place here, as bits.
    pub(crate) fn members(&self) -> &[u64] {
        &self.members
    }

    /// Whether somebody has a place here.
    pub(crate) fn has(&self, slot: usize) -> bool {
        self.members.get(slot / BLOCK).is_some_and(|word| word >> (slot % BLOCK) & 1 == 1)
    }

    /// The cost of a member.
    pub(crate) fn cost(&self, slot: usize) -> i64 {
        self.costs[slot]
    }

    /// The least cost below `best` of those in `mask`, all of them members.
    pub(crate) fn least(&self, mask: &[u64], offset: i64, mut best: i64) -> i64 {
        for (at, (&word, block)) in mask.iter().zip(&self.blocks).enumerate() {
            if word == 0 || block.least.saturating_add(offset) >= best {
                continue;
            }
            if word == self.members[at] {
                best = block.least + offset;
                continue;
            }
            for bit in bits(word) {
                best = best.min(self.costs[at * BLOCK + bit] + offset);
            }
        }
        best
    }

    /// How many in `mask` cost exactly `least`.
    pub(crate) fn count(&self, mask: &[u64], offset: i64, least: i64) -> u32 {
        let each = mask.iter().zip(&self.blocks).enumerate();
        each.map(|(at, (&word, block))| self.count_in(at, word, block, offset, least)).sum()
    }

    /// The slot at a place among those.
    pub(crate) fn slot(&self, mask: &[u64], offset: i64, least: i64, mut place: u32) -> Option<usize> {
        for (at, (&word, block)) in mask.iter().zip(&self.blocks).enumerate() {
            let count = self.count_in(at, word, block, offset, least);
            if place < count {
                let mut tied = bits(word).filter(|bit| self.costs[at * BLOCK + bit] + offset == least);
                return tied.nth(place as usize).map(|bit| at * BLOCK + bit);
            }
            place -= count;
        }
        None
    }

    fn count_in(&self, at: usize, word: u64, block: &Block, offset: i64, least: i64) -> u32 {
        if word == 0 || block.least.saturating_add(offset) > least {
            return 0;
        }
        if word == self.members[at] {
            return if block.least + offset == least { block.count } else { 0 };
        }
        bits(word).filter(|bit| self.costs[at * BLOCK + bit] + offset == least).count() as u32
    }
}

impl Block {
    fn of(costs: &[i64]) -> Self {
        let least = costs.iter().copied().fold(i64::MAX, i64::min);
        let count = if least == i64::MAX { 0 } else { costs.iter().filter(|&&cost| cost == least).count() as u32 };
        Self { least, count }
    }
}

/// Places of the set bits, ascending.
fn bits(word: u64) -> impl Iterator<Item = usize> {
    let mut left = word;
    core::iter::from_fn(move || {
        let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
        left &= left - 1;
        Some(bit)
    })
}

#[cfg(test)]
mod tests;
