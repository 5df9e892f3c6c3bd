//! Who is cheapest, without a look at everyone: a tree over the lines of all endpoints.

mod search;

pub(crate) use self::search::{Among, Ties};
use crate::line::Line;

/// Children of a node.
const FAN: usize = 8;
/// Prompt lengths at which the least cost is kept, in half tokens. They are odd, so no prompt is as long as one of them.
const MARKS: [i64; 5] = [1, 1025, 4097, 16_385, 65_537];
/// Stretches between two marks, and the one behind the last.
const SPANS: usize = MARKS.len();

/// A tree over slots. Each node keeps the least cost below it at some prompt lengths. Between two of them the least
/// cost is a concave function, so what lies on the chord is a bound that is close to it. Where one line is the least at
/// both ends it is the least all the way, and the node counts the endpoints that have it.
///
/// A change costs a node of each level; a question usually looks at a few nodes of each level, however many endpoints
/// there are, and at all of them at the worst.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standings {
    /// Whether all lines [fall](Line::falling).
    falls: bool,
    lines: Vec<Line>,
    /// From the nodes over eight slots each up to the root.
    levels: Vec<Vec<Node>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    /// Twice the least cost at each mark.
    least: [i64; SPANS],
    /// The same, of lines that have fallen as far as they can: only where lines fall.
    floor: [i64; SPANS],
    /// The least slope.
    slope: i64,
    /// Of each span: how many endpoints share the one line that is the least all the way, and that is all of their
    /// cost. 0 if there is no such line.
    shared: [u32; SPANS],
    /// Of each span: whether what is cached costs none of them anything.
    is_free: [bool; SPANS],
}

impl Node {
    const EMPTY: Self = Self {
        least: [i64::MAX; SPANS],
        floor: [i64::MAX; SPANS],
        slope: i64::MAX,
        shared: [0; SPANS],
        is_free: [false; SPANS],
    };

    #[inline]
    fn of(line: &Line) -> Self {
        if line.is_never() {
            return Self::EMPTY;
        }
        Self {
            least: MARKS.map(|mark| 2 * line.base + mark * line.slope),
            floor: if line.falling { MARKS.map(|mark| 2 * line.floor + mark * line.slope) } else { [i64::MAX; SPANS] },
            slope: line.slope,
            shared: core::array::from_fn(|span| {
                let end = MARKS.get(span + 1).copied().unwrap_or(Line::ALWAYS);
                u32::from(!line.falling && end <= line.exact_to)
            }),
            is_free: [line.context == 0; SPANS],
        }
    }

    #[inline]
    fn end(&self, span: usize) -> i64 {
        if span + 1 < SPANS { self.least[span + 1] } else { self.slope }
    }

    /// Whether a node over this one and others is what it is without regard to this one.
    fn is_above(&self, over: &Self) -> bool {
        let above = |own: &[i64; SPANS], all: &[i64; SPANS]| own.iter().zip(all).all(|(own, all)| own > all);
        let is_floor = over.floor[0] == i64::MAX || above(&self.floor, &over.floor);
        above(&self.least, &over.least) && self.slope > over.slope && is_floor
    }

    /// The node over some others.
    #[expect(clippy::needless_range_loop, reason = "several arrays at the same place")]
    fn over(nodes: &[Self], falls: bool) -> Self {
        let mut all = Self::EMPTY;
        for node in nodes {
            for (least, of) in all.least.iter_mut().zip(node.least) {
                *least = (*least).min(of);
            }
            all.slope = all.slope.min(node.slope);
        }
        if falls {
            for node in nodes {
                for (floor, of) in all.floor.iter_mut().zip(node.floor) {
                    *floor = (*floor).min(of);
                }
            }
            return all;
        }
        // Without branches: which node has what is hard to foresee.
        let ends: [i64; SPANS] = core::array::from_fn(|span| all.end(span));
        let mut is_mixed = [false; SPANS];
        all.is_free = [true; SPANS];
        for node in nodes {
            for span in 0..SPANS {
                let is_least = (node.least[span] == all.least[span]) & (node.end(span) == ends[span]);
                is_mixed[span] |= is_least & (node.shared[span] == 0);
                all.is_free[span] &= !is_least | node.is_free[span];
                all.shared[span] += node.shared[span] * u32::from(is_least);
            }
        }
        for span in 0..SPANS {
            let stands = all.least[span] < i64::MAX;
            all.shared[span] *= u32::from(stands & !is_mixed[span]);
            all.is_free[span] &= stands;
        }
        all
    }
}

impl Standings {
    /// Of lines that fall.
    pub(crate) fn falling() -> Self {
        Self { falls: true, ..Self::default() }
    }

    /// Makes room for slots up to a number of them.
    pub(crate) fn grow(&mut self, slots: usize) {
        if slots <= self.lines.len() {
            return;
        }
        self.lines.resize(slots.next_multiple_of(FAN), Line::NEVER);
        let mut nodes = self.lines.len() / FAN;
        let mut level = 0;
        loop {
            let padded = if nodes == 1 { 1 } else { nodes.next_multiple_of(FAN) };
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let fresh = self.levels[level].is_empty();
            self.levels[level].resize(padded, Node::EMPTY);
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

    fn over(&self, level: usize, node: usize) -> Node {
        let range = node * FAN..(node + 1) * FAN;
        if level == 0 {
            let nodes: [Node; FAN] = core::array::from_fn(|at| Node::of(&self.lines[range.start + at]));
            Node::over(&nodes, self.falls)
        } else {
            Node::over(self.levels[level - 1].get(range).unwrap_or_default(), self.falls)
        }
    }

    /// The line of a slot is `line` from now on. The slot must have room.
    pub(crate) fn set(&mut self, slot: usize, line: Line) {
        let before = core::mem::replace(&mut self.lines[slot], line);
        if before == line {
            return;
        }
        let (mut before, mut after) = (Node::of(&before), Node::of(&line));
        let mut at = slot;
        for level in 0..self.levels.len() {
            at /= FAN;
            let node = &self.levels[level][at];
            if before.is_above(node) && after.is_above(node) {
                return;
            }
            let over = self.over(level, at);
            if *node == over {
                return;
            }
            before = core::mem::replace(&mut self.levels[level][at], over);
            after = over;
        }
    }

    /// The line of a slot; [`Line::NEVER`] of one without room.
    pub(crate) fn line(&self, slot: usize) -> Line {
        self.lines.get(slot).copied().unwrap_or(Line::NEVER)
    }
}

#[cfg(test)]
mod tests;
