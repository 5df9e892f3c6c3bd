//! What is compared, by slot.

use super::BLOCK;
use super::bits;
use super::scale::{SHIFT, Scale, blended};
use crate::policy::{ONE, Scorer, Weighted};
use crate::price;

/// A value that does not take part.
pub(crate) const ABSENT: i64 = i64::MIN;

/// A score against the others.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) part: Weighted,
    first: Measured,
    /// What else is blended in, where the score is one of latencies.
    second: Option<Measured>,
}

/// A measure of each slot, and its least and its most.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    /// Whether the scale begins at 0 instead of the least.
    is_from_zero: bool,
    /// [`ABSENT`] where nothing is known that is compared.
    values: Vec<i64>,
    /// Of each block of slots.
    ends: Vec<Ends>,
    of_all: Ends,
    pub(super) scale: Scale,
}

/// The least and the most of some values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    least: i64,
    most: i64,
}

impl Ends {
    const NONE: Self = Self { least: i64::MAX, most: i64::MIN };

    fn with(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }

    /// Of those values that have a bit.
    fn of(values: &[i64], members: u64) -> Self {
        let each = |ends: Self, value: i64| {
            let least = if value == ABSENT { i64::MAX } else { value };
            ends.with(Self { least, most: value })
        };
        if members == u64::MAX {
            return values.iter().fold(Self::NONE, |ends, &value| each(ends, value));
        }
        bits(members).fold(Self::NONE, |ends, at| each(ends, values[at]))
    }
}

impl Measured {
    fn new(is_from_zero: bool) -> Self {
        Self { is_from_zero, values: vec![], ends: vec![], of_all: Ends::NONE, scale: Scale::new(0, 0) }
    }

    pub(super) fn fresh_scale(&self) -> Scale {
        Scale::new(if self.is_from_zero { 0 } else { self.of_all.least }, self.of_all.most)
    }

    pub(super) fn grow(&mut self, blocks: usize) {
        self.values.resize(blocks * BLOCK, 0);
        self.ends.resize(blocks, Ends::NONE);
    }

    /// Takes up the values of a block; says whether scores change by it.
    fn follow(&mut self, block: usize, members: u64) -> bool {
        let ends = Ends::of(&self.values[block * BLOCK..(block + 1) * BLOCK], members);
        if core::mem::replace(&mut self.ends[block], ends) == ends {
            return false;
        }
        self.of_all = self.ends.iter().fold(Ends::NONE, |all, ends| all.with(*ends));
        self.fresh_scale() != self.scale
    }
}

impl Column {
    pub(super) fn new(part: &Weighted) -> Option<Self> {
        let (is_from_zero, second) = match part.scorer {
            Scorer::Spread(_) => (false, None),
            Scorer::BelowMost(_) => (true, None),
            Scorer::Latency { .. } => (false, Some(Measured::new(false))),
            _ => return None,
        };
        Some(Self { part: *part, first: Measured::new(is_from_zero), second })
    }

    pub(super) fn measured(&mut self) -> impl Iterator<Item = &mut Measured> {
        core::iter::once(&mut self.first).chain(&mut self.second)
    }

    pub(super) fn follow(&mut self, block: usize, members: u64) -> bool {
        self.measured().fold(false, |is_stale, measured| measured.follow(block, members) | is_stale)
    }

    /// Notes what is measured of a slot; says whether that is new.
    pub(super) fn set(&mut self, slot: usize, values: [i64; 2]) -> bool {
        let each = self.measured().zip(values);
        each.fold(false, |is_new, (measured, value)| {
            core::mem::replace(&mut measured.values[slot], value) != value || is_new
        })
    }

    pub(super) fn cost(&self, slot: usize) -> i64 {
        let first = self.first.values[slot];
        let score = match (&self.second, self.part.scorer) {
            (Some(_), _) if first == ABSENT => ONE / 2,
            (Some(second), Scorer::Latency { ttft_ppm }) => {
                blended(ttft_ppm, self.first.scale.score(first), second.scale.score(second.values[slot]))
            }
            _ => self.first.scale.score(first),
        };
        -price::weighed(&self.part, score)
    }

    /// Adds the costs of a block.
    pub(super) fn add(&self, block: usize, costs: &mut [i64]) {
        let scale = self.first.scale;
        if self.part.steps.is_some() || self.second.is_some() || scale.factor == 0 {
            for (cost, slot) in costs.iter_mut().zip(block * BLOCK..) {
                *cost += self.cost(slot);
            }
            return;
        }
        let weight = i64::from(self.part.weight);
        for (cost, &value) in costs.iter_mut().zip(&self.first.values[block * BLOCK..]) {
            let distance = scale.most.wrapping_sub(value) as u64;
            *cost -= (distance.wrapping_mul(scale.factor) >> SHIFT) as i64 * weight;
        }
    }
}
