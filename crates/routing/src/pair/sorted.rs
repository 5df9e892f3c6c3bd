//! Who is cheapest in each class of a pool.

use crate::endpoint::Role;
use crate::line::{Line, Tokens};
use crate::standings::Standings;

/// Members of a pool that may have a part, class by class. An update costs what it does in [`Standings`]; a slot that is
/// new to its class makes those after it move.
#[derive(Clone, Debug)]
pub(crate) struct Sorted {
    role: Role,
    /// By the number of the class.
    classes: Vec<Members>,
    /// Members that may not have the part.
    others: Members,
}

/// Members of a class.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    /// Ascending; some may not stand any more.
    slots: Vec<u32>,
    /// How many stand.
    count: u32,
    /// By place.
    pub(crate) standings: Standings,
}

impl Sorted {
    /// For [`Role::Prefill`] the lines are those of the pool, over the tokens to compute; for [`Role::Decode`] they are
    /// [those of an answer](Line::answering).
    pub(crate) fn new(role: Role) -> Self {
        Self { role, classes: Vec::new(), others: Members::default() }
    }

    /// The line of a slot, whose endpoint has a class of this number and this role, is `line` from now on.
    pub(crate) fn set(&mut self, at: usize, class: usize, role: Role, line: &Line) {
        if role != self.role && role != Role::Both {
            self.others.set(at as u32, line);
            return;
        }
        let line = if self.role == Role::Decode { &line.answering() } else { line };
        if self.classes.len() <= class {
            if line.is_never() {
                return;
            }
            self.classes.resize_with(class + 1, Members::default);
        }
        self.classes[class].set(at as u32, line);
    }

    /// Whether any stand that may not have the part, or are of a class that is not known.
    pub(crate) fn has_others(&self, known: impl Fn(usize) -> bool) -> bool {
        let strange = |(class, members): (usize, &Members)| members.count > 0 && !known(class);
        self.others.count > 0 || self.classes.iter().enumerate().any(strange)
    }

    /// The members of a class.
    pub(crate) fn of(&self, class: usize) -> Option<&Members> {
        self.classes.get(class).filter(|members| members.count > 0)
    }
}

impl Members {
    fn set(&mut self, slot: u32, line: &Line) {
        let place = match self.slots.binary_search(&slot) {
            Ok(place) => place,
            Err(_) if line.is_never() => return,
            Err(place) => self.make_room(slot, place),
        };
        let before = self.line(place);
        self.count = self.count + u32::from(!line.is_never()) - u32::from(!before.is_never());
        self.standings.set(place, line);
    }

    /// Moves those behind a place by one. Where most have gone, they give up their places first.
    fn make_room(&mut self, slot: u32, place: usize) -> usize {
        let mut place = place;
        if self.slots.len() >= 16 && self.slots.len() > 2 * self.count as usize {
            let (mut kept, all) = (0, self.slots.len());
            for from in 0..all {
                if !self.line(from).is_never() {
                    self.slots[kept] = self.slots[from];
                    self.move_line(from, kept);
                    kept += 1;
                }
            }
            self.slots.truncate(kept);
            place = self.slots.partition_point(|&of| of < slot);
        }
        self.slots.insert(place, slot);
        self.standings.grow(self.slots.len());
        for to in (place + 1..self.slots.len()).rev() {
            self.move_line(to - 1, to);
        }
        place
    }

    fn move_line(&mut self, from: usize, to: usize) {
        if from != to {
            let line = *self.line(from);
            self.standings.set(to, &line);
            self.standings.set(from, &Line::NEVER);
        }
    }

    /// How many stand.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// A bound of what each costs at a time; none if nobody stands.
    pub(crate) fn bound(&self, tokens: Tokens, now: i64) -> Option<i64> {
        if self.count > 0 { self.standings.bound(tokens, now) } else { None }
    }

    /// The line at a place.
    pub(crate) fn line(&self, place: usize) -> &Line {
        self.standings.line(place)
    }

    /// The slots, by place.
    pub(crate) fn slots(&self) -> &[u32] {
        &self.slots
    }

    /// The place of a slot, if it stands.
    pub(crate) fn place(&self, slot: u32) -> Option<usize> {
        self.slots.binary_search(&slot).ok().filter(|&place| !self.line(place).is_never())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_slot_has_its_own_line(steps in vec((0..60_u32, 0..5_i64, any::<bool>()), 0..200)) {
            let mut members = Members::default();
            let mut naive = [Line::NEVER; 60];
            for (slot, base, falling) in steps {
                let line = if base == 0 { Line::NEVER } else { Line { base, falling, ..Line::ZERO } };
                members.set(slot, &line);
                naive[slot as usize] = line;
                for (slot, line) in (0..).zip(&naive) {
                    let place = members.place(slot);
                    prop_assert_eq!(place.is_some(), !line.is_never());
                    prop_assert!(place.is_none_or(|place| members.line(place) == line));
                }
                let stand = naive.iter().filter(|line| !line.is_never()).count();
                prop_assert_eq!(members.count() as usize, stand);
                prop_assert!(members.slots().is_sorted());
            }
        }
    }
}
