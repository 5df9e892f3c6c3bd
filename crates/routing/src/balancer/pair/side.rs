//! The candidates for one part, by units of those that are alike but for their cost.

use super::part::{Part, Work};
use crate::pair::Classes;

/// No cost is as high.
pub(super) const NEVER: i64 = 1 << 61;

/// Where each class stands in the order of classes. Kept as long as that does not change.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    changes: u64,
    /// By the number of the class.
    place: Vec<u32>,
    /// By place: those of one connector and group have one kind.
    kind: Vec<u32>,
}

/// Candidates for one part. Those of one class that hold as much of the prompt are a unit.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    /// Candidates that are looked at one by one, in order.
    pub(super) listed: Vec<Listed>,
    /// Of each group those that are listed, then the wide levels, then the others.
    pub(super) units: Vec<Unit>,
    pub(super) groups: Vec<Group>,
    pub(super) slots: Vec<u32>,
}

/// A candidate with its cost, in the order in which equals are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listed {
    /// Of its class.
    pub(super) place: u32,
    pub(super) is_of_many: bool,
    pub(super) lack: u32,
    pub(super) cost: i64,
    pub(super) is_falling: bool,
    pub(super) at: u32,
}

/// Candidates of one class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) kind: u32,
    /// Its number.
    pub(super) class: usize,
    pub(super) rank: Option<u32>,
    pub(super) domain: u32,
    /// No unit of it costs less.
    pub(super) least: i64,
    pub(super) most_held: u32,
    pub(super) units: (u32, u32),
    pub(super) listed: (u32, u32),
    /// How many there are.
    pub(super) count: u32,
}

/// Candidates of one class that hold as much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) group: u32,
    pub(super) held: u32,
    pub(super) who: Who,
    /// What the cheapest costs, or a bound of it; [`NEVER`] if there is none.
    pub(super) least: i64,
    pub(super) is_exact: bool,
    /// How many cost that; 0 when they were not counted.
    pub(super) count: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Those at these places of the list.
    Listed(u32, u32),
    /// Those of a wide level, by its number, who are not listed.
    Level(u32),
    /// All others.
    Rest,
}

impl Order {
    pub(super) fn follow(&mut self, classes: &Classes) {
        if self.changes == classes.changes() {
            return;
        }
        self.changes = classes.changes();
        self.place.clear();
        self.place.resize(classes.len(), 0);
        self.kind.clear();
        let (mut kind, mut last) = (0, None);
        for (place, (id, class)) in (0..).zip(classes.iter()) {
            let of = (class.connector, class.group);
            kind += u32::from(last.is_some_and(|last| last != of));
            last = Some(of);
            self.place[id] = place;
            self.kind.push(kind);
        }
    }
}

impl Side {
    /// Takes up those that the standings tell of, and those that the evidence names one by one.
    pub(super) fn stand(&mut self, part: &Part<'_>, order: &Order) {
        self.clear();
        let Some(sorted) = part.pool.sorted(part.role) else { return };
        for &at in part.held.touched() {
            if part.stands(at) {
                self.list(part, order, at);
            }
        }
        self.listed.sort_unstable();
        let levels: u32 = part.wide().map(|_| 1).sum();
        let mut next = 0;
        for (place, (id, class)) in part.balancer.classes.iter().enumerate() {
            if !part.knows(class) {
                continue;
            }
            let Some(members) = sorted.of(id) else { continue };
            let from = next;
            while self.listed.get(next).is_some_and(|of| of.place as usize == place) {
                next += 1;
            }
            let excluded = part.excluded_of(id).filter(|&at| members.place(at).is_some()).count();
            let count = members.count() - excluded as u32;
            if count == 0 {
                continue;
            }
            self.begin(part, (id, order.kind[place]), (from, next), count);
            if (next - from) as u32 == count {
                continue;
            }
            let wide = (0..levels).zip(part.wide()).map(|(level, wide)| (Who::Level(level), wide.tokens));
            for (who, held) in wide.chain([(Who::Rest, 0)]) {
                let least = members.bound(part.tokens(held), part.ask.now).unwrap_or(NEVER);
                self.push(Unit { group: 0, held, who, least, is_exact: false, count: 0 });
            }
        }
    }

    /// Takes up those in `slots`, each by itself.
    pub(super) fn weigh(&mut self, part: &Part<'_>, order: &Order) {
        self.clear();
        for at in 0..self.slots.len() {
            self.list(part, order, self.slots[at]);
        }
        self.listed.sort_unstable();
        let mut from = 0;
        while let Some(first) = self.listed.get(from).copied() {
            let to = from + self.listed[from..].partition_point(|of| of.place == first.place);
            let id = part.balancer.classes.of(first.at as usize);
            self.begin(part, (id, order.kind[first.place as usize]), (from, to), (to - from) as u32);
            from = to;
        }
    }

    fn clear(&mut self) {
        self.listed.clear();
        self.units.clear();
        self.groups.clear();
    }

    fn list(&mut self, part: &Part<'_>, order: &Order, at: u32) {
        let slot = at as usize;
        let held = part.held_by(slot);
        self.listed.push(Listed {
            place: order.place[part.balancer.classes.of(slot)],
            is_of_many: !part.held.is_named(slot),
            lack: u32::MAX - held,
            cost: part.cost(slot, held),
            is_falling: part.is_falling(slot),
            at,
        });
    }

    /// A new group, with the units of those that are listed.
    fn begin(&mut self, part: &Part<'_>, (id, kind): (usize, u32), (from, to): (usize, usize), count: u32) {
        let class = part.balancer.classes.class(id);
        let first = self.units.len() as u32;
        self.groups.push(Group {
            kind,
            class: id,
            rank: class.rank,
            domain: class.domain.index() as u32,
            least: NEVER,
            most_held: 0,
            units: (first, first),
            listed: (from as u32, to as u32),
            count,
        });
        let mut from = from;
        while from < to {
            let Listed { is_of_many, lack, cost, .. } = self.listed[from];
            let of_unit = |of: &Listed| (of.is_of_many, of.lack) == (is_of_many, lack);
            let end = from + self.listed[from..to].partition_point(of_unit);
            let count = self.listed[from..end].partition_point(|of| of.cost == cost);
            self.push(Unit {
                group: 0,
                held: u32::MAX - lack,
                who: Who::Listed(from as u32, end as u32),
                least: cost,
                is_exact: true,
                count: count as u32,
            });
            from = end;
        }
    }

    /// A unit of the last group.
    fn push(&mut self, unit: Unit) {
        let Some(group) = self.groups.last_mut() else { return };
        group.least = group.least.min(unit.least);
        group.most_held = group.most_held.max(unit.held);
        group.units.1 += 1;
        self.units.push(Unit { group: self.groups.len() as u32 - 1, ..unit });
    }

    /// The unit of a candidate that is listed.
    pub(super) fn unit_of(&self, at: u32) -> Option<usize> {
        let listed = self.listed.iter().position(|of| of.at == at)? as u32;
        let is_it = |who: Who| matches!(who, Who::Listed(from, to) if (from..to).contains(&listed));
        self.units.iter().position(|unit| is_it(unit.who))
    }

    pub(super) fn group_of(&self, unit: usize) -> &Group {
        &self.groups[self.units[unit].group as usize]
    }

    /// Finds what the cheapest of a unit costs, where that is not known.
    pub(super) fn resolve(&mut self, unit: usize, part: &Part<'_>, work: &mut Work) {
        if self.units[unit].is_exact {
            return;
        }
        self.units[unit].least = part.least(self, unit, None, work);
        self.units[unit].is_exact = true;
        let group = &mut self.groups[self.units[unit].group as usize];
        let (from, to) = group.units;
        let costs = self.units[from as usize..to as usize].iter().map(|unit| unit.least);
        group.least = costs.min().unwrap_or(NEVER);
    }

    /// How many of a unit cost the least, which is known.
    pub(super) fn count(&mut self, unit: usize, part: &Part<'_>, work: &mut Work) -> u32 {
        if self.units[unit].count == 0 {
            let least = self.units[unit].least;
            self.units[unit].count = part.count(self, unit, least, None, work);
        }
        self.units[unit].count
    }
}
