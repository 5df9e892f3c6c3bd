//! A tree of bounds over slots.

use super::Kept;
use crate::line::Line;
use crate::standings::Among;

/// Children of a node.
pub(super) const FAN: usize = 8;
/// Prompt lengths at which the least cost is kept, in half tokens. They are odd, so no prompt is as long as one of them.
pub(super) const MARKS: [i64; 5] = [1, 1025, 4097, 16_385, 65_537];
/// Stretches between two marks, and the one behind the last.
pub(super) const SPANS: usize = MARKS.len();

/// What is known of all lines of one kind below a place. A node keeps the least cost at some prompt lengths; between two
/// of them the least cost is a concave function, so what lies on the chord is a bound that is close to it.
pub(super) trait Node: Copy + PartialEq {
    /// Of nothing.
    const EMPTY: Self;

    /// Whether a line is of its kind.
    fn has(line: &Line) -> bool;

    /// Of one line; empty if it is of another kind.
    fn of(line: &Line) -> Self;

    /// Over some others.
    fn over(nodes: &[Self; FAN]) -> Self;

    /// Whether a node over this one and others is what it is without regard to this one.
    fn is_above(&self, over: &Self) -> bool;

    /// What becomes of this one when `before`, one of those below it, is `after`; none if that needs a look at all of them.
    fn with(&self, before: &Self, after: &Self) -> Option<Self>;

    /// Twice a bound of the costs below; `i64::MAX` if there are none.
    fn bound(&self, among: &Among<'_>, span: usize) -> i64;

    /// How many have the one line that is the least all the way in a span, and that is all of their cost; and whether what
    /// is cached costs none of them anything. 0 if there is no such line.
    fn shared(&self, _span: usize) -> (u32, bool) {
        (0, false)
    }

    /// Whether another one has the same least cost all the way in a span.
    fn is_like(&self, _other: &Self, _span: usize) -> bool {
        false
    }
}

/// The nodes over eight slots each, and so on up to the root.
#[derive(Clone, Debug)]
pub(super) struct Tree<N> {
    pub(super) levels: Vec<Vec<N>>,
}

impl<N> Default for Tree<N> {
    fn default() -> Self {
        Self { levels: Vec::new() }
    }
}

impl<N: Node> Tree<N> {
    /// Makes room for a number of slots that is a multiple of eight.
    pub(super) fn grow(&mut self, slots: usize) {
        let mut nodes = slots / FAN;
        let mut level = 0;
        loop {
            let padded = if nodes == 1 { 1 } else { nodes.next_multiple_of(FAN) };
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let fresh = self.levels[level].is_empty();
            self.levels[level].resize(padded, N::EMPTY);
            if fresh && level > 0 {
                for node in 0..padded {
                    self.levels[level][node] = self.over(level, node);
                }
            }
            if nodes == 1 {
                break;
            }
            nodes = padded / FAN;
            level += 1;
        }
    }

    /// The node at a place of a level above the lowest, from those below it.
    fn over(&self, level: usize, node: usize) -> N {
        let below = &self.levels[level - 1];
        N::over(&core::array::from_fn(|child| below.get(node * FAN + child).copied().unwrap_or(N::EMPTY)))
    }

    /// A slot's line was `before`, and is what `lines` says.
    pub(super) fn set(&mut self, slot: usize, before: &Line, after: &Line, lines: &[Kept]) {
        let (mut before, mut after) = (N::of(before), N::of(after));
        let mut at = slot;
        for level in 0..self.levels.len() {
            at /= FAN;
            let node = self.levels[level][at];
            if before.is_above(&node) && after.is_above(&node) {
                return;
            }
            let now = node.with(&before, &after).unwrap_or_else(|| {
                if level == 0 {
                    N::over(&core::array::from_fn(|place| N::of(&lines[at * FAN + place].0)))
                } else {
                    self.over(level, at)
                }
            });
            if node == now {
                return;
            }
            self.levels[level][at] = now;
            (before, after) = (node, now);
        }
    }

    /// Whether each node is what it should be by those below it.
    #[cfg(test)]
    pub(super) fn is_sound(&self, lines: &[Kept]) -> bool {
        self.levels.iter().enumerate().all(|(level, nodes)| {
            nodes.iter().enumerate().all(|(at, node)| {
                let of_line = |place| lines.get(at * FAN + place).map_or(N::EMPTY, |kept: &Kept| N::of(&kept.0));
                let over = if level == 0 { N::over(&core::array::from_fn(of_line)) } else { self.over(level, at) };
                over == *node
            })
        })
    }
}
