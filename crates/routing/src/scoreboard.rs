//! Sums of scores that compare the members of a pool, kept while little changes.

use crate::policy::{Combination, Measure, ONE, Policy, Scorer, Weighted};
use crate::price;

/// Slots whose least cost is kept together.
pub(crate) const BLOCK: usize = 64;
/// Ranges up to this are divided by with a multiplication.
const SHORT: i64 = 1 << 21;
const SHIFT: u32 = 43;

/// How a value becomes a score between the least and the most of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    most: i64,
    range: i64,
    /// 2^43 scores for each unit, rounded up; 0 for a range that is too long for that.
    factor: u64,
}

impl Scale {
    /// From the most, which scores nothing, to the least; all in full when they are equal.
    pub(crate) fn new(least: i64, most: i64) -> Self {
        let range = most.saturating_sub(least).max(0);
        // A distance d of the range r comes out at d × ONE / r and less than 2^-22 more, and 1/r is twice that or more: so
        // it is rounded down to the same whole number. The product stays below 2^64.
        let factor = if (1..=SHORT).contains(&range) { ((ONE as u64) << SHIFT) / range as u64 + 1 } else { 0 };
        Self { most, range, factor }
    }

    #[inline]
    pub(crate) fn score(&self, value: i64) -> i64 {
        let distance = self.most.saturating_sub(value).clamp(0, self.range);
        if self.factor != 0 {
            return ((distance as u64 * self.factor) >> SHIFT) as i64;
        }
        if self.range == 0 { ONE } else { distance.saturating_mul(ONE) / self.range }
    }
}

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

/// A measure that is scored against that of the others.
#[derive(Clone, Debug)]
struct Column {
    part: Weighted,
    /// Whether the scale begins at 0 instead of the least.
    is_from_zero: bool,
    values: Vec<i64>,
    /// Of each block of slots.
    ends: Vec<Ends>,
    of_all: Ends,
    scale: Scale,
}

/// The least and the most of some values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    least: i64,
    most: i64,
}

/// The least cost of some slots, and how many have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) least: i64,
    pub(crate) count: u32,
}

impl Ends {
    const NONE: Self = Self { least: i64::MAX, most: i64::MIN };

    fn with(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }

    /// Of those values that have a bit.
    fn of(values: &[i64], members: u64) -> Self {
        let each = |ends: Self, value: i64| ends.with(Self { least: value, most: value });
        if members == u64::MAX {
            return values.iter().fold(Self::NONE, |ends, &value| each(ends, value));
        }
        bits(members).fold(Self::NONE, |ends, at| each(ends, values[at]))
    }
}

impl Column {
    fn scale(&self) -> Scale {
        Scale::new(if self.is_from_zero { 0 } else { self.of_all.least }, self.of_all.most)
    }

    #[inline]
    fn cost(&self, value: i64) -> i64 {
        -price::weighed(&self.part, self.scale.score(value))
    }
}

impl Scoreboard {
    /// One for a policy whose best can be told from it; none if it has no use for one.
    pub(crate) fn of(policy: &Policy) -> Option<Self> {
        let Combination::Sum(parts) = policy.combination() else { return None };
        let is_known = |part: &Weighted| !matches!(part.scorer, Scorer::Latency { .. } | Scorer::Draw);
        if policy.is_relative() || !parts.iter().all(is_known) {
            return None;
        }
        let column = |part: &Weighted| {
            let is_from_zero = match part.scorer {
                Scorer::Spread(_) => false,
                Scorer::BelowMost(_) => true,
                _ => return None,
            };
            let scale = Scale::new(0, 0);
            Some(Column { part: *part, is_from_zero, values: vec![], ends: vec![], of_all: Ends::NONE, scale })
        };
        let columns: Vec<_> = parts.iter().filter_map(column).collect();
        (!columns.is_empty()).then(|| Self { columns, ..Self::default() })
    }

    /// Makes room for slots up to a number of them.
    pub(crate) fn grow(&mut self, slots: usize) {
        let blocks = slots.div_ceil(BLOCK);
        if blocks <= self.blocks.len() {
            return;
        }
        let slots = blocks * BLOCK;
        for column in &mut self.columns {
            column.values.resize(slots, 0);
            column.ends.resize(blocks, Ends::NONE);
        }
        self.fixed.resize(slots, 0);
        self.costs.resize(slots, i64::MAX);
        self.members.resize(blocks, 0);
        self.blocks.resize(blocks, Block { least: i64::MAX, count: 0 });
    }

    /// Notes what a slot's endpoint costs whatever the others do, and what is measured of it. The slot must have room.
    pub(crate) fn set(&mut self, slot: usize, fixed: i64, measured: impl Fn(Measure) -> i64) {
        let (block, bit) = (slot / BLOCK, 1 << (slot % BLOCK));
        let mut is_new = self.members[block] & bit == 0 || self.fixed[slot] != fixed;
        self.members[block] |= bit;
        self.fixed[slot] = fixed;
        let members = self.members[block];
        for column in &mut self.columns {
            let (Scorer::Spread(measure) | Scorer::BelowMost(measure)) = column.part.scorer else { continue };
            let value = measured(measure);
            is_new |= column.values[slot] != value;
            column.values[slot] = value;
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
        let relative: i64 = self.columns.iter().map(|column| column.cost(column.values[slot])).sum();
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
        for column in &mut self.columns {
            column.scale = column.scale();
        }
        for (block, of) in self.blocks.iter_mut().enumerate() {
            let slots = block * BLOCK..(block + 1) * BLOCK;
            let costs = &mut self.costs[slots.clone()];
            costs.copy_from_slice(&self.fixed[slots.clone()]);
            for column in &self.columns {
                column.add(costs, &column.values[slots.clone()]);
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

impl Column {
    /// Takes up the values of a block; says whether costs change by it.
    fn follow(&mut self, block: usize, members: u64) -> bool {
        let ends = Ends::of(&self.values[block * BLOCK..(block + 1) * BLOCK], members);
        if core::mem::replace(&mut self.ends[block], ends) == ends {
            return false;
        }
        self.of_all = self.ends.iter().fold(Ends::NONE, |all, ends| all.with(*ends));
        self.scale() != self.scale
    }

    /// Adds the costs of a block.
    fn add(&self, costs: &mut [i64], values: &[i64]) {
        let (scale, weight) = (self.scale, i64::from(self.part.weight));
        if self.part.steps.is_some() || scale.factor == 0 {
            for (cost, &value) in costs.iter_mut().zip(values) {
                *cost += self.cost(value);
            }
            return;
        }
        for (cost, &value) in costs.iter_mut().zip(values) {
            let distance = scale.most.wrapping_sub(value) as u64;
            *cost -= (distance.wrapping_mul(scale.factor) >> SHIFT) as i64 * weight;
        }
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
