//! One part of a request: who may have it, and what it costs them.

use super::side::{Listed, NEVER, Side, Who};
use super::{Ask, Balancer};
use crate::adapter::Sought;
use crate::endpoint::Role;
use crate::evidence::{self, Held, Wide};
use crate::line::Tokens;
use crate::pair::{Class, Members};
use crate::pool::Pool;
use crate::price::{self, Known};
use crate::standings::{Among, Ties};

/// What is needed to look at candidates for a part.
pub(super) struct Part<'a> {
    pub(super) balancer: &'a Balancer,
    pub(super) ask: &'a Ask<'a>,
    pub(super) role: Role,
    pub(super) pool: &'a Pool,
    pub(super) held: &'a Held,
    known: Known<'a>,
    /// Where the request's adapter is, if that matters.
    sought: Sought<'a>,
}

/// Kept for its memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    mask: Vec<u64>,
    ties: Ties,
}

impl<'a> Part<'a> {
    pub(super) fn new(balancer: &'a Balancer, ask: &'a Ask<'a>, role: Role, held: &'a Held) -> Self {
        let pool = balancer.pool_of(ask.policy, role);
        let sought = balancer.sought(pool, &ask.of(role));
        Self { balancer, ask, role, pool, held, known: balancer.known(&pool.policy), sought }
    }

    /// Levels of what many hold, deepest first.
    pub(super) fn wide(&self) -> impl Iterator<Item = Wide<'a>> {
        evidence::wide(self.ask.request.evidence)
    }

    /// Tokens of the prompt that the endpoint of a slot holds.
    pub(super) fn held_by(&self, at: usize) -> u32 {
        self.held.of(self.ask.request.evidence, at)
    }

    /// Whether endpoints of a class may have this part.
    pub(super) fn knows(&self, class: &Class) -> bool {
        (class.role == self.role || class.role == Role::Both) && self.ask.policy.links.knows(class.domain)
    }

    /// Whether a slot is a candidate for all that the standings tell.
    pub(super) fn stands(&self, at: u32) -> bool {
        let (slot, classes) = (at as usize, &self.balancer.classes);
        self.knows(classes.class(classes.of(slot)))
            && !self.pool.standings.line(slot).is_never()
            && !self.excludes(slot)
    }

    fn excludes(&self, at: usize) -> bool {
        self.ask.request.excluded.contains(&self.balancer.columns.id(at))
    }

    /// Endpoints of a class that are excluded, each once.
    pub(super) fn excluded_of(&self, class: usize) -> impl Iterator<Item = u32> {
        let (excluded, columns) = (self.ask.request.excluded, &self.balancer.columns);
        let new = move |(at, id): (usize, &_)| (!excluded[..at].contains(id)).then_some(*id);
        let slots = excluded.iter().enumerate().filter_map(new).filter_map(|id| columns.at(id));
        slots.filter(move |at| self.balancer.classes.of(*at) == class).map(|at| at as u32)
    }

    pub(super) fn is_falling(&self, at: usize) -> bool {
        self.pool.standings.line(at).falling
    }

    /// What a slot's endpoint costs if it holds so much.
    pub(super) fn cost(&self, at: usize, held: u32) -> i64 {
        let tokens =
            Tokens::new(self.ask.request.prompt_tokens, if self.role == Role::Decode { u32::MAX } else { held });
        let line = self.pool.standings.line(at);
        let exactly = if line.is_never() { None } else { line.exactly(tokens, self.ask.now) };
        let combination = self.pool.policy.combination();
        let cost = exactly.unwrap_or_else(|| price::cost(combination, &self.known, at, tokens, self.ask.now));
        if self.sought.is_any() { cost + price::adapter_cost(combination, self.sought.state(at)) } else { cost }
    }

    /// What the lines of a class are asked, for those that hold so much.
    pub(super) fn tokens(&self, held: u32) -> Tokens {
        Tokens::new(self.ask.request.prompt_tokens, if self.role == Role::Decode { 0 } else { held })
    }

    /// The members of a unit's class.
    fn members(&self, side: &Side, unit: usize) -> Option<&'a Members> {
        self.pool.sorted(self.role)?.of(side.group_of(unit).class)
    }

    fn cost_at(&self, members: &Members, place: usize, held: u32) -> i64 {
        let exactly = members.line(place).exactly(self.tokens(held), self.ask.now);
        exactly.unwrap_or_else(|| self.cost(members.slots()[place] as usize, held))
    }

    /// Who of a class is of a unit, as bits by place; all if there is no mask.
    fn mask<'b>(
        &self,
        (side, unit, members): (&Side, usize, &Members),
        without: Option<u32>,
        mask: &'b mut Vec<u64>,
    ) -> Option<&'b [u64]> {
        let group = side.group_of(unit);
        let without = without.filter(|&at| members.place(at).is_some());
        let listed = &side.listed[group.listed.0 as usize..group.listed.1 as usize];
        let is_wide = self.wide().next().is_some();
        let excludes = self.excluded_of(group.class).next().is_some();
        if listed.is_empty() && without.is_none() && !is_wide && !excludes {
            return None;
        }
        mask.clear();
        mask.resize(members.slots().len().div_ceil(64), if is_wide { 0 } else { u64::MAX });
        if is_wide {
            let level = if let Who::Level(level) = side.units[unit].who { Some(level as usize) } else { None };
            let of = level.and_then(|level| self.wide().nth(level));
            let deeper = match level {
                Some(level) => level.checked_sub(1).and_then(|deeper| self.wide().nth(deeper)),
                None => self.wide().last(),
            };
            for (place, &slot) in members.slots().iter().enumerate() {
                let slot = slot as usize;
                let is_in = of.is_none_or(|of| of.holds(slot)) && !deeper.is_some_and(|deeper| deeper.holds(slot));
                mask[place / 64] |= u64::from(is_in) << (place % 64);
            }
        }
        let gone = listed.iter().map(|of| of.at).chain(self.excluded_of(group.class)).chain(without);
        for place in gone.filter_map(|at| members.place(at)) {
            mask[place / 64] &= !(1 << (place % 64));
        }
        Some(mask)
    }

    /// What the cheapest of a unit costs, without somebody.
    pub(super) fn least(&self, side: &Side, unit: usize, without: Option<u32>, work: &mut Work) -> i64 {
        let Some(members) = self.members(side, unit).filter(|_| listed(side, unit).is_none()) else {
            let others = listed(side, unit).unwrap_or_default().iter().filter(|of| Some(of.at) != without);
            return others.map(|of| of.cost).min().unwrap_or(NEVER);
        };
        let (held, mask) = (side.units[unit].held, self.mask((side, unit, members), without, &mut work.mask));
        let tokens = self.tokens(held);
        let cost = |place: usize| self.cost_at(members, place, held);
        let now = self.ask.now;
        members.standings.least(&Among { mask, tokens, offset: 0, now }, NEVER, cost)
    }

    /// How many of a unit have a cost, without somebody. It is the least of theirs.
    pub(super) fn count(&self, side: &Side, unit: usize, cost: i64, without: Option<u32>, work: &mut Work) -> u32 {
        if let Some(listed) = listed(side, unit) {
            let has = |of: &&Listed| of.cost == cost && Some(of.at) != without;
            return listed.iter().filter(has).count() as u32;
        }
        let Some(members) = self.members(side, unit) else { return 0 };
        self.tie(side, (unit, members), cost, without, work);
        work.ties.total
    }

    /// The nth of those of a unit that have a cost, without somebody. It is the least of theirs.
    pub(super) fn nth(
        &self,
        side: &Side,
        unit: usize,
        cost: i64,
        without: Option<u32>,
        nth: u32,
        work: &mut Work,
    ) -> Option<u32> {
        if let Some(listed) = listed(side, unit) {
            let has = |of: &&Listed| of.cost == cost && Some(of.at) != without;
            return listed.iter().filter(has).nth(nth as usize).map(|of| of.at);
        }
        let members = self.members(side, unit)?;
        self.tie(side, (unit, members), cost, without, work);
        let tokens = self.tokens(side.units[unit].held);
        let among = Among { mask: None, tokens, offset: 0, now: self.ask.now };
        Some(members.slots()[members.standings.slot(&among, &work.ties, nth)?])
    }

    fn tie(
        &self,
        side: &Side,
        (unit, members): (usize, &Members),
        least: i64,
        without: Option<u32>,
        Work { mask, ties }: &mut Work,
    ) {
        let (held, mask) = (side.units[unit].held, self.mask((side, unit, members), without, mask));
        let tokens = self.tokens(held);
        let cost = |place: usize| self.cost_at(members, place, held);
        members.standings.tied(&Among { mask, tokens, offset: 0, now: self.ask.now }, least, cost, ties);
    }

    /// Whether a slot is of a unit and has a cost.
    pub(super) fn has(&self, side: &Side, unit: usize, cost: i64, at: u32) -> bool {
        if let Some(listed) = listed(side, unit) {
            return listed.iter().any(|of| of.at == at && of.cost == cost);
        }
        let slot = at as usize;
        let of_level = || match side.units[unit].who {
            Who::Level(level) => self.wide().position(|wide| wide.holds(slot)) == Some(level as usize),
            _ => !self.wide().any(|wide| wide.holds(slot)),
        };
        let is_member = self.members(side, unit).is_some_and(|members| members.place(at).is_some());
        let is_of_unit = is_member && !self.excludes(slot) && !self.held.is_named(slot) && of_level();
        is_of_unit && self.cost(slot, side.units[unit].held) == cost
    }

    /// Slots of a unit that have a cost, in the order in which they are drawn.
    pub(super) fn each<'b>(&'b self, side: &'b Side, unit: usize, cost: i64) -> impl Iterator<Item = u32> + 'b {
        let members = if listed(side, unit).is_none() { self.members(side, unit) } else { None };
        let of_list = listed(side, unit).unwrap_or_default().iter().filter(move |of| of.cost == cost).map(|of| of.at);
        let standing = [false, true].into_iter().flat_map(move |falls| {
            let slots = members.map(Members::slots).unwrap_or_default().iter().copied();
            slots.filter(move |&at| self.is_falling(at as usize) == falls && self.has(side, unit, cost, at))
        });
        of_list.chain(standing)
    }

    /// One of a group.
    pub(super) fn first(&self, side: &Side, group: usize) -> Option<u32> {
        let group = &side.groups[group];
        let listed = side.listed[group.listed.0 as usize..group.listed.1 as usize].first().map(|of| of.at);
        let members = || self.pool.sorted(self.role)?.of(group.class);
        let may = |at: &&u32| self.stands(**at);
        listed.or_else(|| members()?.slots().iter().find(may).copied())
    }
}

/// Those of a unit, where they are listed.
fn listed(side: &Side, unit: usize) -> Option<&[Listed]> {
    match side.units[unit].who {
        Who::Listed(from, to) => Some(&side.listed[from as usize..to as usize]),
        _ => None,
    }
}
