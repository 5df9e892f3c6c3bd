//! The best pair, by the best of each kind on both sides.

use super::side::{ALONE, Side};
use super::{Ask, Found, Pairing};
use crate::pair::{Class, Classes, PairOrder};
use crate::seed::{Seed, Stage};

/// What the search for a pair needs, kept for its memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Meeting {
    /// By class: those of one connector and group have one kind.
    kind_of: Vec<u32>,
    /// Units with candidates, by kind.
    prefills: Vec<Live>,
    decodes: Vec<Live>,
    /// Pairs of units that have the least cost, those of one decode unit side by side.
    entries: Vec<Entry>,
    groups: Vec<Group>,
    ranked: Vec<(i64, u32, u32)>,
}

/// A unit, or a candidate that stands alone, as the other side sees it.
#[derive(Clone, Copy, Debug)]
struct Live {
    kind: u32,
    rank: Option<u32>,
    domain: u32,
    who: Who,
    least: i64,
    count: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Unit(u32),
    /// By the place of the candidate.
    Alone(u32),
}

/// Prefill candidates of a unit at a cost, with the decode candidates of another at its least.
#[derive(Clone, Copy, Debug)]
struct Entry {
    decode: Who,
    prefill: u32,
    cost: i64,
    count: u32,
    decodes: u32,
}

/// The entries of one decode unit.
#[derive(Clone, Copy, Debug)]
struct Group {
    decode: Who,
    prefills: u64,
    from: usize,
    to: usize,
}

impl Pairing {
    /// The pair that is chosen, if any two go together.
    pub(super) fn meet(&mut self, ask: &Ask<'_>, classes: &Classes, seed: Seed) -> Option<Found> {
        self.line_up(classes);
        match ask.policy.order {
            PairOrder::Joint => self.joint(ask, classes, seed),
            PairOrder::DecodeFirst => self.decode_first(ask, classes, seed),
            PairOrder::Walk { decodes } => self.walk(ask, classes, seed, decodes as usize),
        }
    }

    /// Lists the units of both sides by kind.
    fn line_up(&mut self, classes: &Classes) {
        let Self { meeting, prefill, decode, .. } = self;
        let Meeting { kind_of, prefills, decodes, .. } = meeting;
        kind_of.clear();
        kind_of.resize(classes.len(), 0);
        prefills.clear();
        decodes.clear();
        let (mut kind, mut last) = (0, None);
        for (id, class) in classes.iter() {
            let of = (class.connector, class.group);
            kind += u32::from(last.is_some_and(|last| last != of));
            last = Some(of);
            kind_of[id] = kind;
            let live = |side: &Side, unit: usize| {
                let of = &side.units[unit];
                let Class { rank, domain, .. } = *class;
                let domain = domain.index() as u32;
                let live = Live { kind, rank, domain, who: Who::Unit(unit as u32), least: of.least, count: of.count };
                (of.count > 0).then_some(live)
            };
            if id < prefill.units.len() {
                prefills.extend(live(prefill, id));
            }
            let units = (id..decode.units.len()).step_by(classes.len());
            decodes.extend(units.filter_map(|unit| live(decode, unit)));
        }
    }

    /// A decode candidate that stands alone, as the other side sees it.
    fn alone(&self, classes: &Classes, place: usize) -> Live {
        let id = classes.of(self.decode.slots[place] as usize);
        let &Class { rank, domain, .. } = classes.class(id);
        Live {
            kind: self.meeting.kind_of[id],
            rank,
            domain: domain.index() as u32,
            who: Who::Alone(place as u32),
            least: self.decode.costs[place],
            count: 1,
        }
    }

    /// Decode candidates that stand alone, by place.
    fn places_alone(&self) -> impl Iterator<Item = usize> {
        let units = self.decode.unit_of.iter().enumerate();
        units.filter(|(_, unit)| **unit == ALONE).map(|(place, _)| place)
    }

    /// Prefill units of a kind.
    fn of_kind(&self, kind: u32) -> &[Live] {
        let prefills = &self.meeting.prefills;
        let from = prefills.partition_point(|of| of.kind < kind);
        let to = from + prefills[from..].partition_point(|of| of.kind == kind);
        &prefills[from..to]
    }

    /// The least cost of a prefill unit and how many have it, without the decode candidate itself. Where that one is of the
    /// unit, `own` is its unit and cost.
    fn without(&self, of: &Live, own: Option<(u32, i64)>) -> (i64, u32) {
        let Who::Unit(unit) = of.who else { return (of.least, of.count) };
        if own != Some((unit, of.least)) {
            return (of.least, of.count);
        }
        if of.count > 1 {
            return (of.least, of.count - 1);
        }
        let unit = &self.prefill.units[unit as usize];
        (unit.next, unit.next_count)
    }

    /// The prefill unit and cost of a decode candidate that stands alone, if it could have that part too.
    fn own(&self, decode: &Live) -> Option<(u32, i64)> {
        let Who::Alone(place) = decode.who else { return None };
        self.prefill.find(self.decode.slots[place as usize])
    }

    /// Whether a decode unit or candidate goes together with anybody.
    fn meets_any(&self, decode: &Live) -> bool {
        let own = self.own(decode);
        let fits = |of: &&Live| Class::fits(of.rank, decode.rank);
        self.of_kind(decode.kind).iter().filter(fits).any(|of| self.without(of, own).1 > 0)
    }

    /// Compares all prefill units with a decode unit or candidate, to which so many bytes are moved.
    fn compare(&mut self, ask: &Ask<'_>, decode: &Live, bytes: u64, best: &mut i64) {
        let mut entries = core::mem::take(&mut self.meeting.entries);
        let cells = ask.policy.links.to(crate::link::Domain::from(decode.domain));
        let own = self.own(decode);
        for of in self.of_kind(decode.kind) {
            // A transfer takes no time at the least.
            if of.least + decode.least > *best || !Class::fits(of.rank, decode.rank) {
                continue;
            }
            let total = cells[of.domain as usize].nanos(bytes) + decode.least;
            let ((cost, count), Who::Unit(prefill)) = (self.without(of, own), of.who) else { continue };
            if count == 0 || total + cost > *best {
                continue;
            }
            if total + cost < *best {
                *best = total + cost;
                entries.clear();
            }
            entries.push(Entry { decode: decode.who, prefill, cost, count, decodes: decode.count });
        }
        self.meeting.entries = entries;
    }

    /// Tokens held by those of a decode unit, or by a candidate.
    fn held_by(&self, classes: &Classes, who: Who) -> u32 {
        match who {
            Who::Alone(place) => self.held(self.decode.slots[place as usize] as usize),
            Who::Unit(unit) => {
                let deeper = self.levels.len().saturating_sub(1 + super::LEVELS);
                let level = unit as usize / classes.len();
                if level == 0 { 0 } else { self.levels[level + deeper] }
            }
        }
    }

    fn joint(&mut self, ask: &Ask<'_>, classes: &Classes, seed: Seed) -> Option<Found> {
        let prompt = ask.request.prompt_tokens;
        let mut best = i64::MAX;
        self.meeting.entries.clear();
        for at in 0..self.meeting.decodes.len() {
            let decode = self.meeting.decodes[at];
            let bytes = ask.policy.bytes(prompt, self.held_by(classes, decode.who));
            self.compare(ask, &decode, bytes, &mut best);
        }
        for place in 0..self.decode.slots.len() {
            if self.decode.unit_of[place] == ALONE {
                let decode = self.alone(classes, place);
                let bytes = ask.policy.bytes(prompt, self.held_by(classes, decode.who));
                self.compare(ask, &decode, bytes, &mut best);
            }
        }
        let ties = self.meeting.entries.iter().map(|of| u64::from(of.count) * u64::from(of.decodes)).sum();
        let (place, group, nth) = self.draw_decode(seed.draw_wide(Stage::Tie, ask.request.key, ties))?;
        let prefill = self.nth_prefill(place, group.from, group.to, nth)?;
        Some(self.found(ask, classes, prefill, place, ties))
    }

    /// The decode candidate of the pair at a place in the order of decode slots, then prefill slots; and what is left to
    /// count off of the prefill candidates that are tied with it.
    fn draw_decode(&mut self, mut nth: u64) -> Option<(usize, Group, u64)> {
        let Self { meeting: Meeting { entries, groups, .. }, decode, .. } = self;
        groups.clear();
        for (at, entry) in entries.iter().enumerate() {
            match groups.last_mut().filter(|group| group.decode == entry.decode) {
                Some(group) => {
                    group.prefills += u64::from(entry.count);
                    group.to = at + 1;
                }
                None => groups.push(Group { decode: entry.decode, prefills: entry.count.into(), from: at, to: at + 1 }),
            }
        }
        let mut alone = groups.len();
        for (at, group) in groups.iter().enumerate() {
            match group.decode {
                Who::Unit(unit) => decode.units[unit as usize].mark = at as i64,
                Who::Alone(_) => alone = alone.min(at),
            }
        }
        // Those alone come after the units, by place.
        for place in 0..decode.slots.len() {
            let group = match decode.units.get(decode.unit_of[place] as usize) {
                Some(unit) if unit.mark >= 0 && unit.least == decode.costs[place] => groups[unit.mark as usize],
                Some(_) => continue,
                None => match groups.get(alone) {
                    Some(group) if group.decode == Who::Alone(place as u32) => {
                        alone += 1;
                        *group
                    }
                    _ => continue,
                },
            };
            if nth < group.prefills {
                return Some((place, group, nth));
            }
            nth -= group.prefills;
        }
        None
    }

    /// The place of the prefill candidate that is the nth of those in some entries.
    fn nth_prefill(&mut self, decode: usize, from: usize, to: usize, mut nth: u64) -> Option<usize> {
        let itself = self.decode.slots[decode];
        let Self { meeting: Meeting { entries, .. }, prefill, .. } = self;
        for entry in &entries[from..to] {
            prefill.units[entry.prefill as usize].mark = entry.cost;
        }
        if let [entry] = &entries[from..to]
            && entry.count == 1
        {
            let unit = &prefill.units[entry.prefill as usize];
            if unit.least == entry.cost && prefill.slots[unit.at as usize] != itself {
                return Some(unit.at as usize);
            }
        }
        (0..prefill.slots.len()).find(|&place| {
            let unit = &prefill.units[prefill.unit_of[place] as usize];
            if unit.mark != prefill.costs[place] || prefill.slots[place] == itself {
                return false;
            }
            let is_it = nth == 0;
            nth = nth.saturating_sub(1);
            is_it
        })
    }

    fn found(&self, ask: &Ask<'_>, classes: &Classes, prefill: usize, decode: usize, ties: u64) -> Found {
        let (from, to) = (self.prefill.slots[prefill] as usize, self.decode.slots[decode] as usize);
        let domain = |at: usize| classes.class(classes.of(at)).domain;
        let bytes = ask.policy.bytes(ask.request.prompt_tokens, self.held(to));
        let transfer = ask.policy.links.to(domain(to))[domain(from).index()].nanos(bytes);
        Found {
            prefill: Some((from, self.prefill.costs[prefill])),
            decode: (to, self.decode.costs[decode]),
            transfer,
            ties,
        }
    }

    fn decode_first(&mut self, ask: &Ask<'_>, classes: &Classes, seed: Seed) -> Option<Found> {
        let mut least = i64::MAX;
        let mut tied = 0;
        let mut note = |decode: &Live| {
            if decode.least < least {
                (least, tied) = (decode.least, 0);
            }
            if decode.least == least {
                tied += decode.count;
            }
        };
        for at in 0..self.meeting.decodes.len() {
            let decode = self.meeting.decodes[at];
            if let (true, Who::Unit(unit)) = (self.meets_any(&decode), decode.who) {
                self.decode.units[unit as usize].mark = 0;
                note(&decode);
            }
        }
        self.places_alone()
            .map(|place| self.alone(classes, place))
            .filter(|of| self.meets_any(of))
            .for_each(|of| note(&of));
        let mut nth = seed.draw(Stage::Pick, ask.request.key, tied);
        let place = (0..self.decode.slots.len()).find(|&place| {
            let meets = match self.decode.units.get(self.decode.unit_of[place] as usize) {
                Some(unit) => unit.mark == 0,
                None => self.meets_any(&self.alone(classes, place)),
            };
            if !meets || self.decode.costs[place] != least {
                return false;
            }
            let is_it = nth == 0;
            nth = nth.saturating_sub(1);
            is_it
        })?;
        let bytes = ask.policy.bytes(ask.request.prompt_tokens, self.held(self.decode.slots[place] as usize));
        self.best_for(ask, classes, seed, place, bytes, u64::from(tied))
    }

    fn walk(&mut self, ask: &Ask<'_>, classes: &Classes, seed: Seed, decodes: usize) -> Option<Found> {
        let mut ranked = core::mem::take(&mut self.meeting.ranked);
        ranked.clear();
        let draw = |slot: u32| seed.draw_nth(Stage::Pick, ask.request.key, slot.into(), u32::MAX);
        let rows = self.decode.costs.iter().zip(&self.decode.slots).zip(0..);
        ranked.extend(rows.map(|((&cost, &slot), place)| (cost, draw(slot), place)));
        if ranked.len() > decodes {
            ranked.select_nth_unstable(decodes);
            ranked.truncate(decodes);
        }
        ranked.sort_unstable();
        let place = ranked.iter().map(|of| of.2 as usize).find(|&place| self.meets_any(&self.alone(classes, place)));
        self.meeting.ranked = ranked;
        // As if nothing were moved.
        self.best_for(ask, classes, seed, place?, 0, 1)
    }

    /// The best prefill candidate for a decode candidate, to which so many bytes are moved.
    fn best_for(
        &mut self,
        ask: &Ask<'_>,
        classes: &Classes,
        seed: Seed,
        place: usize,
        bytes: u64,
        decodes: u64,
    ) -> Option<Found> {
        let decode = self.alone(classes, place);
        self.meeting.entries.clear();
        self.compare(ask, &decode, bytes, &mut { i64::MAX });
        let count: u64 = self.meeting.entries.iter().map(|of| u64::from(of.count)).sum();
        let nth = seed.draw_wide(Stage::Tie, ask.request.key, count);
        let prefill = self.nth_prefill(place, 0, self.meeting.entries.len(), nth)?;
        Some(self.found(ask, classes, prefill, place, count * decodes))
    }
}
