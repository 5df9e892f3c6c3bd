//! The least cost, and who has it.

use super::Kept;
use super::steady::Steady;
use super::tree::{FAN, MARKS, Node, SPANS, Tree};
use crate::line::Tokens;

/// From each mark to the next.
const WIDTHS: [i64; SPANS - 1] = [MARKS[1] - MARKS[0], MARKS[2] - MARKS[1], MARKS[3] - MARKS[2], MARKS[4] - MARKS[3]];

/// Who may be chosen, and what is asked.
pub(crate) struct Among<'a> {
    /// Slots that may be chosen, a bit for each; all that have a line if there is none.
    pub(crate) mask: Option<&'a [u64]>,
    pub(crate) tokens: Tokens,
    /// What is added to every cost.
    pub(crate) offset: i64,
    /// The time, for lines that fall.
    pub(crate) now: i64,
}

/// Those who share the least cost: slots, or nodes with a number of slots that all do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ties {
    units: Vec<Unit>,
    pub(crate) total: u32,
}

#[derive(Clone, Copy, Debug)]
struct Unit {
    /// Level of a node, or none for a slot.
    level: Option<u8>,
    at: u32,
    count: u32,
}

impl Ties {
    /// None, and room for some.
    pub(crate) fn with_room() -> Self {
        Self { units: Vec::with_capacity(64), total: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.units.clear();
        self.total = 0;
    }

    pub(super) fn push_slot(&mut self, slot: u32) {
        self.units.push(Unit { level: None, at: slot, count: 1 });
        self.total += 1;
    }
}

impl Among<'_> {
    /// The span in which the question lies.
    fn span(&self) -> usize {
        let tokens = 2 * i64::from(self.tokens.uncached);
        MARKS[1..].partition_point(|&mark| mark < tokens)
    }

    /// What lies between two marks.
    #[inline]
    pub(super) fn chord(&self, marks: &[i64; SPANS], slope: i64, span: usize) -> i64 {
        let start = marks[span];
        if start == i64::MAX {
            return start;
        }
        let beyond = 2 * i64::from(self.tokens.uncached) - MARKS[span];
        if span + 1 == SPANS {
            return start + slope * beyond;
        }
        // The products may pass 2^63, and the quotient is exact where one line has both ends.
        let rise = marks[span + 1] - start;
        start
            + match rise.checked_mul(beyond) {
                // By a constant, which is quicker.
                Some(rise) => match span {
                    0 => rise.div_euclid(WIDTHS[0]),
                    1 => rise.div_euclid(WIDTHS[1]),
                    2 => rise.div_euclid(WIDTHS[2]),
                    _ => rise.div_euclid(WIDTHS[3]),
                },
                None => (i128::from(rise) * i128::from(beyond)).div_euclid(i128::from(WIDTHS[span])) as i64,
            }
    }

    /// Whether all slots with a line below a node may be chosen.
    fn allows_all(&self, lines: &[Kept], level: usize, at: usize) -> bool {
        let Some(mask) = self.mask else { return true };
        let slots = FAN.pow(level as u32 + 1);
        let (from, to) = (at * slots, ((at + 1) * slots).min(lines.len()));
        let mut slot = from;
        while slot < to {
            let some = (64 - slot % 64).min(to - slot);
            let bits = if some == 64 { u64::MAX } else { ((1 << some) - 1) << (slot % 64) };
            let lacking = bits & !mask.get(slot / 64).copied().unwrap_or(0);
            let mut left = lacking;
            while left != 0 {
                let bit = left.trailing_zeros() as usize;
                left &= left - 1;
                if !lines[slot / 64 * 64 + bit].0.is_never() {
                    return false;
                }
            }
            slot += some;
        }
        true
    }

    /// Whether any slot below a node may be chosen.
    fn allows_any(&self, level: usize, at: usize) -> bool {
        let Some(mask) = self.mask else { return true };
        let slots = FAN.pow(level as u32 + 1);
        let (from, to) = (at * slots, (at + 1) * slots);
        if slots < 64 {
            let word = mask.get(from / 64).copied().unwrap_or(0);
            return word >> (from % 64) & ((1 << slots) - 1) != 0;
        }
        let last = (to / 64).min(mask.len());
        mask.get(from / 64..last).is_some_and(|words| words.iter().any(|&word| word != 0))
    }

    fn allows(&self, slot: usize) -> bool {
        self.mask.is_none_or(|mask| mask.get(slot / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1))
    }

    /// What the line that is shared below a node costs, and how many share it, if they may all be chosen.
    #[inline]
    fn shared<N: Node>(&self, node: &N, lines: &[Kept], level: usize, at: usize, span: usize) -> Option<(i64, u32)> {
        let (count, is_free) = node.shared(span);
        // A price of what is cached is not in the bounds: without one nobody can be cheaper.
        let is_all = self.tokens.uncached == self.tokens.prompt || is_free;
        if count == 0 || !is_all || !self.allows_all(lines, level, at) {
            return None;
        }
        Some((node.bound(self, span) / 2 + self.offset, count))
    }
}

impl<N: Node> Tree<N> {
    /// Twice a bound of all costs; `i64::MAX` if nobody stands.
    pub(super) fn bound(&self, among: &Among<'_>) -> i64 {
        self.levels.last().and_then(|level| level.first()).map_or(i64::MAX, |root| root.bound(among, among.span()))
    }

    /// The least cost below `best`, where `cost` tells a slot's own.
    pub(super) fn least(
        &self,
        lines: &[Kept],
        among: &Among<'_>,
        mut best: i64,
        cost: &mut impl FnMut(usize) -> i64,
    ) -> i64 {
        let Some(root) = self.levels.len().checked_sub(1) else { return best };
        let span = among.span();
        let low = self.levels[root][0].bound(among, span);
        if low == i64::MAX || low.saturating_add(2 * among.offset) >= best.saturating_mul(2) {
            return best;
        }
        let mut stack = Stack::new();
        stack.push(root, 0, low);
        while let Some((level, at, low)) = stack.pop() {
            // Twice the cost: a bound that is no less than the best is of no use.
            if low == i64::MAX || low.saturating_add(2 * among.offset) >= best.saturating_mul(2) {
                continue;
            }
            if !among.allows_any(level, at) {
                continue;
            }
            if let Some((least, _)) = among.shared(&self.levels[level][at], lines, level, at, span) {
                best = best.min(least);
                continue;
            }
            if level == 0 {
                for (slot, Kept(line)) in (at * FAN..).zip(&lines[at * FAN..(at + 1) * FAN]) {
                    if N::has(line) && among.allows(slot) && line.low(among.tokens, among.now) + among.offset < best {
                        best = best.min(cost(slot));
                    }
                }
                continue;
            }
            let mut children: [(i64, usize); FAN] = core::array::from_fn(|child| {
                let at = at * FAN + child;
                (self.levels[level - 1].get(at).map_or(i64::MAX, |node| node.bound(among, span)), at)
            });
            // The most promising is looked at first, so it is pushed last.
            children.sort_unstable_by_key(|child| core::cmp::Reverse(child.0));
            for (low, at) in children {
                if low < i64::MAX {
                    stack.push(level - 1, at, low);
                }
            }
        }
        best
    }

    /// Adds to `ties` all that cost exactly `least`, in the order of their slots.
    pub(super) fn tied(
        &self,
        lines: &[Kept],
        among: &Among<'_>,
        least: i64,
        cost: &mut impl FnMut(usize) -> i64,
        ties: &mut Ties,
    ) {
        let Some(root) = self.levels.len().checked_sub(1) else { return };
        let span = among.span();
        let mut stack = Stack::new();
        stack.push(root, 0, self.levels[root][0].bound(among, span));
        while let Some((level, at, low)) = stack.pop() {
            if low == i64::MAX || low.saturating_add(2 * among.offset) > least.saturating_mul(2) {
                continue;
            }
            if !among.allows_any(level, at) {
                continue;
            }
            if let Some((cost, count)) = among.shared(&self.levels[level][at], lines, level, at, span) {
                if cost == least {
                    ties.units.push(Unit { level: Some(level as u8), at: at as u32, count });
                    ties.total += count;
                }
                continue;
            }
            if level == 0 {
                for (slot, Kept(line)) in (at * FAN..).zip(&lines[at * FAN..(at + 1) * FAN]) {
                    let possible = N::has(line) && among.allows(slot);
                    if possible && line.low(among.tokens, among.now) + among.offset <= least && cost(slot) == least {
                        ties.push_slot(slot as u32);
                    }
                }
                continue;
            }
            for child in (at * FAN..(at + 1) * FAN).rev() {
                if let Some(node) = self.levels[level - 1].get(child) {
                    stack.push(level - 1, child, node.bound(among, span));
                }
            }
        }
    }
}

impl Tree<Steady> {
    /// The slot at a place among those that are tied.
    pub(super) fn slot(&self, lines: &[Kept], among: &Among<'_>, ties: &Ties, mut place: u32) -> Option<usize> {
        let unit = ties.units.iter().find(|unit| {
            let is_it = place < unit.count;
            if !is_it {
                place -= unit.count;
            }
            is_it
        })?;
        let (Some(level), mut at) = (unit.level, unit.at as usize) else { return Some(unit.at as usize) };
        let (span, mut level) = (among.span(), usize::from(level));
        let node = self.levels[level][at];
        while level > 0 {
            level -= 1;
            at = (at * FAN..(at + 1) * FAN).find(|&child| {
                let of = &self.levels[level][child];
                let count = if of.is_like(&node, span) { of.shared(span).0 } else { 0 };
                let here = place < count;
                if !here {
                    place -= count;
                }
                here
            })?;
        }
        let is_it = |slot: &usize| Steady::of(&lines[*slot].0).is_like(&node, span);
        (at * FAN..(at + 1) * FAN).filter(is_it).nth(place as usize)
    }
}

/// Nodes that are still to be looked at: never more than seven a level and one.
struct Stack {
    nodes: [(u8, u32, i64); 7 * 11 + 1],
    len: usize,
}

impl Stack {
    fn new() -> Self {
        Self { nodes: [(0, 0, 0); 7 * 11 + 1], len: 0 }
    }

    fn push(&mut self, level: usize, at: usize, bound: i64) {
        self.nodes[self.len] = (level as u8, at as u32, bound);
        self.len += 1;
    }

    fn pop(&mut self) -> Option<(usize, usize, i64)> {
        self.len = self.len.checked_sub(1)?;
        let (level, at, bound) = self.nodes[self.len];
        Some((usize::from(level), at as usize, bound))
    }
}
