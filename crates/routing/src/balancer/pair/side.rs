//! The candidates for one part, and the best of each kind among them.

/// The unit of a candidate that is looked at for itself.
pub(super) const ALONE: u32 = u32::MAX;
const NOBODY: u32 = u32::MAX;

/// Candidates, ascending by slot.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    pub(super) slots: Vec<u32>,
    /// What each costs, where that is no more than the least of its unit; elsewhere a bound above it.
    pub(super) costs: Vec<i64>,
    exact: Vec<bool>,
    pub(super) unit_of: Vec<u32>,
    pub(super) units: Vec<Unit>,
}

/// Candidates that are the same to those of the other side, but for their costs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) least: i64,
    /// How many have it, and the place of the first of them.
    pub(super) count: u32,
    pub(super) at: u32,
    /// The cost next to it and how many have that, where all costs are exact.
    pub(super) next: i64,
    pub(super) next_count: u32,
    /// A mark of the search.
    pub(super) mark: i64,
}

impl Unit {
    const EMPTY: Self = Self { least: i64::MAX, count: 0, at: NOBODY, next: i64::MAX, next_count: 0, mark: -1 };
}

impl Side {
    pub(super) fn clear(&mut self, units: usize) {
        self.slots.clear();
        self.costs.clear();
        self.exact.clear();
        self.unit_of.clear();
        self.units.clear();
        self.units.resize(units, Unit::EMPTY);
    }

    /// A candidate with a bound of its cost, or all of it.
    #[inline]
    pub(super) fn push(&mut self, at: usize, unit: u32, bound: i64, exact: bool) {
        if let Some(unit) = self.units.get_mut(unit as usize)
            && bound < unit.least
        {
            unit.least = bound;
            unit.at = self.slots.len() as u32;
        }
        self.slots.push(at as u32);
        self.costs.push(bound);
        self.exact.push(exact);
        self.unit_of.push(unit);
    }

    /// Fills in the units and costs of candidates that are only listed.
    pub(super) fn weigh(&mut self, of: impl Fn(usize) -> (u32, i64)) {
        for (place, &at) in (0..).zip(&self.slots) {
            let (unit, cost) = of(at as usize);
            if let Some(unit) = self.units.get_mut(unit as usize)
                && cost < unit.least
            {
                unit.least = cost;
                unit.at = place;
            }
            self.costs.push(cost);
            self.exact.push(true);
            self.unit_of.push(unit);
        }
    }

    /// Finds the least cost of each unit and who has it; with `all` the exact costs of everyone.
    pub(super) fn settle(&mut self, all: bool, mut cost: impl FnMut(usize) -> i64) {
        let Self { slots, costs, exact, unit_of, units } = self;
        // First the one that promises most of each unit, so that few others are worth a look.
        for unit in units.iter_mut().filter(|unit| unit.at != NOBODY) {
            let place = unit.at as usize;
            if !exact[place] {
                costs[place] = cost(slots[place] as usize);
                exact[place] = true;
            }
            unit.least = if all { i64::MAX } else { costs[place] };
        }
        for place in 0..slots.len() {
            let unit = units.get_mut(unit_of[place] as usize);
            let counts = unit.as_ref().is_none_or(|unit| costs[place] <= unit.least);
            if !exact[place] && (all || counts) {
                costs[place] = cost(slots[place] as usize);
                exact[place] = true;
            }
            let (Some(unit), cost) = (unit, costs[place]) else { continue };
            if cost < unit.least {
                *unit = Unit {
                    least: cost,
                    count: 1,
                    at: place as u32,
                    next: unit.least,
                    next_count: unit.count,
                    mark: unit.mark,
                };
            } else if cost == unit.least {
                if unit.count == 0 {
                    unit.at = place as u32;
                }
                unit.count += 1;
            } else if cost < unit.next {
                (unit.next, unit.next_count) = (cost, 1);
            } else if cost == unit.next {
                unit.next_count += 1;
            }
        }
    }

    /// The unit and the cost of a slot.
    pub(super) fn find(&self, slot: u32) -> Option<(u32, i64)> {
        let place = self.slots.binary_search(&slot).ok()?;
        Some((self.unit_of[place], self.costs[place]))
    }
}
