//! Pairs of which one endpoint is found before the other.

use super::Found;
use super::search::{Entry, Of, Search, range};
use crate::link::Domain;
use crate::pair::Class;
use crate::seed::Stage;

/// Who computes for those of a decode group: nobody, only one, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Partners {
    None,
    Only(u32),
    Some,
}

impl Search<'_> {
    /// The best decode endpoint that goes with any, and the best prefill endpoint for it.
    pub(super) fn decode_first(&mut self) -> Option<Found> {
        let [_, answering] = self.parts;
        self.meeting.entries.clear();
        for at in 0..self.meeting.kinds.len() {
            let kind = self.meeting.kinds[at];
            for group in range(kind.decodes) {
                let without = match self.partners(group, kind.prefills) {
                    Partners::None => continue,
                    Partners::Only(at) => Some(at),
                    Partners::Some => None,
                };
                for unit in range(self.decode.groups[group].units) {
                    if self.decode.units[unit].least > self.best {
                        continue;
                    }
                    let (side, work) = (&mut *self.decode, &mut self.meeting.work);
                    side.resolve(unit, answering, work);
                    let mut answers = side.units[unit].least;
                    if without.is_some() {
                        answers = answering.least(side, unit, without, work);
                    }
                    let who = without.map_or(Of::Any, Of::Computes);
                    let entry = Entry { decode: unit as u32, prefill: 0, answers, computes: 0, who, count: 0 };
                    self.offer(entry, 0);
                }
            }
        }
        let (side, work) = (&mut *self.decode, &mut self.meeting.work);
        let mut tied = 0;
        for entry in &mut self.meeting.entries {
            let unit = entry.decode as usize;
            let count = match entry.who {
                Of::Computes(at) => answering.count(side, unit, entry.answers, Some(at), work),
                _ => side.count(unit, answering, work),
            };
            entry.count = count.into();
            tied += count;
        }
        let mut nth = u64::from(self.seed.draw(Stage::Pick, self.ask.request.key, tied));
        let entry = self.meeting.entries.iter().find(|entry| {
            let is_it = nth < entry.count;
            nth -= if is_it { 0 } else { entry.count };
            is_it
        })?;
        let (unit, answers) = (entry.decode as usize, entry.answers);
        let without = if let Of::Computes(at) = entry.who { Some(at) } else { None };
        let decode = answering.nth(side, unit, answers, without, nth as u32, work)?;
        let bytes = self.ask.policy.bytes(self.ask.request.prompt_tokens, side.units[unit].held);
        self.best_for(unit, (decode, answers), bytes, tied.into())
    }

    /// Of some best decode endpoints, all of which are listed, the first that goes with any.
    pub(super) fn walk(&mut self, decodes: usize) -> Option<Found> {
        let mut ranked = core::mem::take(&mut self.meeting.ranked);
        ranked.clear();
        let draw = |slot: u32| self.seed.draw_nth(Stage::Pick, self.ask.request.key, slot.into(), u32::MAX);
        ranked.extend(self.decode.listed.iter().map(|of| (of.cost, draw(of.at), of.at)));
        if ranked.len() > decodes {
            ranked.select_nth_unstable(decodes - 1);
            ranked.truncate(decodes);
        }
        ranked.sort_unstable();
        let found = ranked.iter().find_map(|&(cost, _, at)| {
            let unit = self.decode.unit_of(at)?;
            let group = self.decode.units[unit].group as usize;
            let kind = self.decode.groups[group].kind;
            let prefills = self.of_kind(kind);
            let partners = self.partners(group, prefills);
            let meets = partners != Partners::None && partners != Partners::Only(at);
            meets.then_some((unit, (at, cost)))
        });
        self.meeting.ranked = ranked;
        let (unit, decode) = found?;
        // As if nothing were moved.
        self.best_for(unit, decode, 0, 1)
    }

    fn of_kind(&self, kind: u32) -> (u32, u32) {
        let groups = &self.prefill.groups;
        let from = groups.partition_point(|of| of.kind < kind);
        (from as u32, groups.partition_point(|of| of.kind <= kind) as u32)
    }

    /// Which of some prefill groups go together with a decode group.
    fn partners(&self, decode: usize, prefills: (u32, u32)) -> Partners {
        let rank = self.decode.groups[decode].rank;
        let mut partners = Partners::None;
        for group in range(prefills).filter(|&group| Class::fits(self.prefill.groups[group].rank, rank)) {
            if partners != Partners::None || self.prefill.groups[group].count > 1 {
                return Partners::Some;
            }
            partners = self.parts[0].first(self.prefill, group).map_or(Partners::None, Partners::Only);
        }
        partners
    }

    /// The best prefill endpoint for one that answers, to which so many bytes are moved.
    fn best_for(&mut self, decode: usize, (at, answers): (u32, i64), bytes: u64, decodes: u64) -> Option<Found> {
        let [computing, _] = self.parts;
        let to = *self.decode.group_of(decode);
        let links = self.ask.policy.links.to(Domain::from(to.domain));
        self.meeting.entries.clear();
        self.best = i64::MAX;
        for group in range(self.of_kind(to.kind)) {
            let from = self.prefill.groups[group];
            let moving = links[from.domain as usize].nanos(bytes);
            if !Class::fits(from.rank, to.rank) || answers + from.least + moving > self.best {
                continue;
            }
            for unit in range(from.units) {
                if answers + self.prefill.units[unit].least + moving > self.best {
                    continue;
                }
                let (side, work) = (&mut *self.prefill, &mut self.meeting.work);
                side.resolve(unit, computing, work);
                let mut computes = side.units[unit].least;
                if from.class == to.class {
                    computes = computing.least(side, unit, Some(at), work);
                }
                let (decode, prefill) = (decode as u32, unit as u32);
                self.offer(Entry { decode, prefill, answers, computes, who: Of::Answers(at), count: 0 }, moving);
            }
        }
        let ties = self.count();
        let (prefill, decode) = self.draw(self.seed.draw_wide(Stage::Tie, self.ask.request.key, ties))?;
        Some(self.found(prefill, decode, ties * decodes))
    }
}
