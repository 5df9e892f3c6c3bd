//! The tight objective for equal units: fewest domains, then the fullest that suffice, level by level.

mod cost;
mod exact;
mod subset;

use std::collections::BTreeMap;

use phalanx_topology::DomainId;

use crate::budget::Steps;
use crate::capacity::Capacity;
use crate::choice::{self, Choice, Item, Place};
use crate::tree::Tree;
use cost::Cost;
use exact::Exact;
use subset::Sums;

/// The search was cut short.
#[derive(Debug)]
struct OutOfSteps;

/// Solves one placement of equal units. Exact while the steps last; then largest domain first, the last one the smallest
/// that holds the rest.
#[derive(Debug)]
pub(crate) struct Tight<'a> {
    tree: Tree<'a>,
    /// Units by domain, those of nodes included.
    caps: &'a [u64],
    /// Whether a domain holds what its children do, no less.
    is_sum: bool,
    /// How many units a domain takes at a time, by depth of its level.
    granules: &'a [u64],
    /// The depth of the nodes.
    bottom: usize,
    /// The depth of the top items; costs are kept from there down.
    base: usize,
    steps: &'a mut Steps,
    exact: bool,
    /// What the levels below cost for so many units in a domain.
    below: BTreeMap<(DomainId, u64), Cost>,
    /// Domains by what is under them, and the numbers of what there is.
    kinds: BTreeMap<DomainId, u64>,
    shapes: BTreeMap<(usize, Vec<u64>), u64>,
}

impl<'a> Tight<'a> {
    pub(crate) fn new(tree: Tree<'a>, caps: &'a Capacity<'a>, granules: &'a [u64], steps: &'a mut Steps) -> Self {
        Self {
            tree,
            caps: caps.by_domain(),
            is_sum: caps.is_sum,
            granules,
            bottom: granules.len() - 1,
            base: 0,
            steps,
            exact: false,
            below: BTreeMap::new(),
            kinds: BTreeMap::new(),
            shapes: BTreeMap::new(),
        }
    }

    /// Places `want` units on items of the level at `depth`, as many of them as it takes; they hold them.
    pub(crate) fn solve(&mut self, items: &[Item], depth: usize, want: u64) -> Choice {
        self.base = depth;
        self.below.clear();
        self.exact = self.bottom - depth < Cost::LEVELS;
        for _ in 0..2 {
            let mut units = Vec::new();
            let solved = if want == 0 { Ok(()) } else { self.assign(items, depth, want, &mut units) };
            if solved.is_ok() {
                self.fill_roomiest(items, &mut units, want);
                return Choice { units, optimal: self.exact };
            }
            (self.exact, self.below) = (false, BTreeMap::new());
        }
        unreachable!("without search no step is taken")
    }

    /// Fills what was chosen in descending capacity, over all domains: one of the places with the least capacity, the last
    /// in path order, is left partly filled. Slices stay where they are.
    fn fill_roomiest(&self, items: &[Item], units: &mut [(Place, u64)], want: u64) {
        // A domain that holds less than its nodes do could be filled past that.
        if !self.is_sum || self.granules.iter().any(|&granule| granule > 1) {
            return;
        }
        let cap = |place: Place| match place {
            Place::Domain(domain) => self.caps[domain.index()],
            Place::Outside(_) => items.iter().find(|item| item.place == place).map_or(0, |item| item.cap),
        };
        let order = |place: Place| match place {
            Place::Domain(domain) => (0, domain.index()),
            Place::Outside(node) => (1, node.index()),
        };
        let over = units.iter().map(|&(place, _)| cap(place)).sum::<u64>() - want;
        let least = units.iter().map(|&(place, _)| place).min_by_key(|&at| (cap(at), std::cmp::Reverse(order(at))));
        // Of the best choice no place can be spared; without steps one may be.
        if let Some(least) = least.filter(|&least| over < cap(least)) {
            let part = |place: Place| if place == least { over } else { 0 };
            units.iter_mut().for_each(|(place, filled)| *filled = cap(*place) - part(*place));
        }
    }

    /// Chooses and fills the places at the bottom.
    fn assign(
        &mut self,
        items: &[Item],
        level: usize,
        want: u64,
        out: &mut Vec<(Place, u64)>,
    ) -> Result<(), OutOfSteps> {
        for (item, units) in self.choose(items, level, want, false)?.1 {
            match item.place {
                Place::Domain(domain) if level < self.bottom => {
                    if units == item.cap && self.is_sum {
                        self.all_of(domain, level, out);
                        continue;
                    }
                    let children = choice::items(self.caps, self.tree.topology.children(domain));
                    self.assign(&children, level + 1, units, out)?;
                }
                place => out.push((place, units)),
            }
        }
        Ok(())
    }

    /// Fills all that a domain holds: every node with room.
    fn all_of(&self, domain: DomainId, level: usize, out: &mut Vec<(Place, u64)>) {
        for child in self.tree.topology.children(domain) {
            match self.caps[child.index()] {
                0 => {}
                cap if level + 1 == self.bottom => out.push((Place::Domain(child), cap)),
                _ => self.all_of(child, level + 1, out),
            }
        }
    }

    /// The best split of `want` units over items of a level, and what it costs from that level down, if that is asked.
    fn choose(
        &mut self,
        items: &[Item],
        level: usize,
        want: u64,
        asked: bool,
    ) -> Result<(Cost, Vec<(Item, u64)>), OutOfSteps> {
        let caps: Vec<u64> = items.iter().map(|item| item.cap).collect();
        let fit = subset::best_fit(&caps, want);
        let count = fit.len();
        if self.exact
            && count > 1
            && let Some(exact) = self.exact_set(items, &caps, (level, count, want))?
        {
            return Ok(exact);
        }
        let (count, sum) = self.fewest(&caps, want, fit)?;
        let mut cost = Cost::default();
        cost.add_level(level - self.base, count as u64, sum);
        if !self.exact || level == self.bottom {
            let chosen = if self.exact { self.first_set(&caps, count, sum)? } else { subset::best_fit(&caps, want) };
            return Ok((cost, fill(items, chosen, want)));
        }
        if count == 1 {
            let mut equal = items.iter().filter(|item| item.cap == sum);
            let first = equal.next().copied();
            if let (Some(first), None, false) = (first, equal.next(), asked) {
                return Ok((cost, vec![(first, want)]));
            }
            let mut best: Option<(Cost, Item)> = None;
            for &item in items.iter().filter(|item| item.cap == sum) {
                let below = self.below(item, level, want)?;
                if best.as_ref().is_none_or(|(least, _)| below < *least) {
                    best = Some((below, item));
                }
            }
            let (below, item) = best.expect("a sum that was reached is some item's");
            cost.add(&below);
            return Ok((cost, vec![(item, want)]));
        }
        let sums = self.sums(&caps, count, sum)?;
        let kinds: Vec<u64> = items.iter().map(|&item| self.kind(item, level)).collect();
        let mut next = vec![items.len(); items.len()];
        for at in (1..items.len()).rev() {
            next[at - 1] = if kinds[at] == kinds[at - 1] { next[at] } else { at };
        }
        let granule = self.granules[level];
        let mut split = Split { items, next, sums, level, granule, memo: BTreeMap::new() };
        let below = split.best(self, State { at: 0, count, sum, slack: sum - want })?;
        cost.add(&below.expect("a sum that was reached has a set"));
        Ok((cost, split.walk(self, State { at: 0, count, sum, slack: sum - want })?))
    }

    /// The best of the sets of `count` items that `want` fills exactly, if there are few sets to try.
    #[expect(clippy::type_complexity, reason = "as what chooses")]
    fn exact_set(
        &mut self,
        items: &[Item],
        caps: &[u64],
        (level, count, want): (usize, usize, u64),
    ) -> Result<Option<(Cost, Vec<(Item, u64)>)>, OutOfSteps> {
        let Some(mut exact) = Exact::new(caps, count, want) else { return Ok(None) };
        // What each item costs below when it is full.
        let mut full: Vec<Cost> = Vec::new();
        if level < self.bottom {
            for &item in items {
                full.push(self.below(item, level, item.cap)?);
            }
        }
        // Where that only depends on the sum, or nothing is below, the first set is as good as any.
        let only_first = full.iter().zip(caps).all(|(cost, &cap)| cost.is_in_proportion(cap, &full[0], caps[0]));
        let mut sets: Vec<usize> = Vec::new();
        exact.each(|set| {
            sets.extend_from_slice(set);
            !only_first
        });
        if !self.steps.take(exact.visited() / 32 + sets.len() as u64 / 32) {
            return Err(OutOfSteps);
        }
        let mut best: Option<(Cost, &[usize])> = None;
        for set in sets.chunks_exact(count) {
            let mut cost = Cost::default();
            cost.add_level(level - self.base, count as u64, want);
            if !full.is_empty() {
                set.iter().for_each(|&at| cost.add(&full[at]));
            }
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, set));
            }
        }
        Ok(best.map(|(cost, set)| (cost, fill(items, set.to_vec(), want))))
    }

    /// What `units` on an item cost on the levels below it.
    fn below(&mut self, item: Item, level: usize, units: u64) -> Result<Cost, OutOfSteps> {
        if !self.steps.take(1) {
            return Err(OutOfSteps);
        }
        let mut cost = Cost::default();
        if level == self.bottom {
            return Ok(cost);
        }
        let domain = match item.place {
            Place::Domain(domain) => domain,
            Place::Outside(_) => {
                (level + 1..=self.bottom).for_each(|below| cost.add_level(below - self.base, 1, item.cap));
                return Ok(cost);
            }
        };
        if let Some(cost) = self.below.get(&(domain, units)) {
            return Ok(cost.clone());
        }
        if units == item.cap && self.is_sum {
            // All of it: every child with room, whatever the order.
            self.add_all_of(domain, level, &mut cost);
        } else {
            let children = choice::items(self.caps, self.tree.topology.children(domain));
            cost = self.choose(&children, level + 1, units, true)?.0;
        }
        self.below.insert((domain, units), cost.clone());
        Ok(cost)
    }

    /// Adds what all that a domain holds costs on the levels below it.
    fn add_all_of(&self, domain: DomainId, level: usize, cost: &mut Cost) {
        let (mut used, mut capacity) = (0, 0);
        for child in self.tree.topology.children(domain) {
            let cap = self.caps[child.index()];
            used += u64::from(cap > 0);
            capacity += cap;
            if cap > 0 && level + 1 < self.bottom {
                self.add_all_of(child, level + 1, cost);
            }
        }
        cost.add_level(level + 1 - self.base, used, capacity);
    }

    /// The fewest items that hold `want`, and the least capacity that so many of them can have and still hold it.
    fn fewest(&mut self, caps: &[u64], want: u64, fit: Vec<usize>) -> Result<(usize, u64), OutOfSteps> {
        let (count, sum) = (fit.len(), fit.iter().map(|&at| caps[at]).sum::<u64>());
        // Nothing is below an exact fit; with one item, or equal ones, the best fit is the optimum.
        if !self.exact || count == 1 || sum == want || subset::all_equal(caps) {
            return Ok((count, sum));
        }
        let kept = subset::kept(caps, count);
        let kept: Vec<u64> = kept.into_iter().map(|at| caps[at]).collect();
        let sums = self.sums(&kept, count, sum)?;
        Ok((count, sums.least_from(count, want).unwrap_or(sum)))
    }

    /// The first set in path order of exactly `count` items with exactly this sum.
    fn first_set(&mut self, caps: &[u64], count: usize, sum: u64) -> Result<Vec<usize>, OutOfSteps> {
        if count == 1 {
            let at = caps.iter().position(|&cap| cap == sum).expect("a sum that was reached is some item's");
            return Ok(vec![at]);
        }
        if subset::all_equal(caps) {
            return Ok((0..count).collect());
        }
        // Of equal items the first ones are taken, so no more than `count` of each capacity matter.
        let kept = subset::kept(caps, count);
        let kept_caps: Vec<u64> = kept.iter().map(|&at| caps[at]).collect();
        let sums = self.sums(&kept_caps, count, sum)?;
        Ok(sums.first_set(&kept_caps, count, sum).into_iter().map(|at| kept[at]).collect())
    }

    fn sums(&mut self, caps: &[u64], count: usize, most: u64) -> Result<Sums, OutOfSteps> {
        let cost = Sums::cost(caps.len(), count, most);
        if cost.is_none_or(|cost| !self.steps.take(cost)) {
            return Err(OutOfSteps);
        }
        Ok(Sums::new(caps, count, most))
    }

    /// A number that is the same for items under which everything is alike, in whatever order.
    fn kind(&mut self, item: Item, level: usize) -> u64 {
        let next = self.shapes.len() as u64;
        let domain = match item.place {
            _ if level == self.bottom => return item.cap,
            // One node at each level: the capacity says all.
            Place::Outside(_) => return *self.shapes.entry((usize::MAX, vec![item.cap])).or_insert(next),
            Place::Domain(domain) => domain,
        };
        if let Some(&kind) = self.kinds.get(&domain) {
            return kind;
        }
        let mut below: Vec<u64> = Vec::new();
        for child in choice::items(self.caps, self.tree.topology.children(domain)) {
            below.push(self.kind(child, level + 1));
        }
        below.sort_unstable();
        let next = self.shapes.len() as u64;
        let kind = *self.shapes.entry((level, below)).or_insert(next);
        self.kinds.insert(domain, kind);
        kind
    }
}

/// Fills chosen items in descending capacity, so that at most one, the smallest, is left partly filled.
fn fill(items: &[Item], chosen: Vec<usize>, want: u64) -> Vec<(Item, u64)> {
    let mut chosen: Vec<Item> = chosen.into_iter().map(|at| items[at]).collect();
    chosen.sort_by_key(|item| std::cmp::Reverse(item.cap));
    let mut left = want;
    let take = |item: Item| {
        let units = item.cap.min(left);
        left -= units;
        (item, units)
    };
    chosen.into_iter().map(take).collect()
}

/// Which items of a level to use, and how full, when several sets have the same count and sum: the levels below decide.
#[derive(Debug)]
struct Split<'a> {
    items: &'a [Item],
    /// The next item of another kind: items in a row that are alike need not be skipped one by one.
    next: Vec<usize>,
    sums: Sums,
    level: usize,
    /// What is left empty of an item is a multiple of this.
    granule: u64,
    memo: BTreeMap<State, Option<Cost>>,
}

/// From item `at` on, `count` items of total capacity `sum` are to be taken and `slack` of it to be left empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    at: usize,
    count: usize,
    sum: u64,
    slack: u64,
}

impl State {
    fn skip(self, next: usize) -> Self {
        Self { at: next, ..self }
    }

    fn take(self, cap: u64, empty: u64) -> Self {
        Self { at: self.at + 1, count: self.count - 1, sum: self.sum - cap, slack: self.slack - empty }
    }
}

/// A state whose best cost is being found: the ways that leave less than `empty` empty have been weighed.
#[derive(Debug)]
struct Open {
    state: State,
    empty: u64,
    best: Option<Cost>,
}

impl Open {
    fn new(state: State) -> Self {
        Self { state, empty: 0, best: None }
    }
}

impl Split<'_> {
    /// The least cost on the levels below from a state on; none if the state cannot be completed. Depth first with a stack
    /// of its own: there may be thousands of items, and each can be a state deeper.
    fn best(&mut self, tight: &mut Tight<'_>, start: State) -> Result<Option<Cost>, OutOfSteps> {
        if let Some(known) = self.known(start) {
            return Ok(known);
        }
        let mut stack = vec![Open::new(start)];
        while let Some(mut open) = stack.pop() {
            let way = self.way(open.state, open.empty);
            let rest = self.rest(open.state, way);
            let Some(known) = self.known(rest) else {
                stack.extend([open, Open::new(rest)]);
                continue;
            };
            if let Some(rest) = known {
                let cost = self.cost(tight, open.state, way, &rest)?;
                if open.best.as_ref().is_none_or(|least| cost < *least) {
                    open.best = Some(cost);
                }
            }
            if way.is_some() {
                open.empty += self.granule;
                stack.push(open);
            } else {
                self.memo.insert(open.state, open.best);
            }
        }
        Ok(self.known(start).expect("the first state is closed last"))
    }

    /// Follows the best choices: earlier items first, and fuller.
    fn walk(&mut self, tight: &mut Tight<'_>, start: State) -> Result<Vec<(Item, u64)>, OutOfSteps> {
        let (mut state, mut filled) = (start, Vec::new());
        while state.count > 0 {
            let mut best: Option<(Cost, Option<u64>)> = None;
            for empty in (0..).step_by(self.granule as usize) {
                let way = self.way(state, empty);
                if let Some(rest) = self.best(tight, self.rest(state, way))? {
                    let cost = self.cost(tight, state, way, &rest)?;
                    if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                        best = Some((cost, way));
                    }
                }
                if way.is_none() {
                    break;
                }
            }
            let (_, way) = best.expect("a state on the best way can be completed");
            let item = self.items[state.at];
            filled.extend(way.map(|empty| (item, item.cap - empty)));
            state = self.rest(state, way);
        }
        Ok(filled)
    }

    /// What is known of a state without a search.
    fn known(&self, state: State) -> Option<Option<Cost>> {
        if state.count == 0 {
            return Some((state.sum == 0 && state.slack == 0).then(Cost::default));
        }
        if !self.sums.has(state.at, state.count, state.sum) {
            return Some(None);
        }
        self.memo.get(&state).cloned()
    }

    /// A way to treat the item at hand: taken with `empty` of it left so, or skipped, which is the last way.
    fn way(&self, state: State, empty: u64) -> Option<u64> {
        let cap = self.items[state.at].cap;
        (cap <= state.sum && empty <= state.slack.min(cap - 1)).then_some(empty)
    }

    /// The state after the item at hand.
    fn rest(&self, state: State, way: Option<u64>) -> State {
        match way {
            Some(empty) => state.take(self.items[state.at].cap, empty),
            None => state.skip(self.next[state.at]),
        }
    }

    /// What a way costs, with the best for what comes after it.
    fn cost(&self, tight: &mut Tight<'_>, state: State, way: Option<u64>, rest: &Cost) -> Result<Cost, OutOfSteps> {
        let Some(empty) = way else { return Ok(rest.clone()) };
        let item = self.items[state.at];
        let mut cost = tight.below(item, self.level, item.cap - empty)?;
        cost.add(rest);
        Ok(cost)
    }
}
