//! The best pair, by the best of each unit on both sides.

use super::part::{Part, Work};
use super::side::{Group, NEVER, Side};
use super::{Ask, Found};
use crate::link::{Cell, Domain};
use crate::pair::{Class, PairOrder};
use crate::seed::{Seed, Stage};

/// What the search for a pair needs, kept for its memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Meeting {
    pub(super) kinds: Vec<Kind>,
    /// The prefill groups of each kind, the cheapest first, by what they were known to cost at the least in the beginning.
    ranks: Vec<(i64, u32)>,
    /// Those that have the least cost, in the order in which they are drawn: by class and unit of the decode endpoint.
    pub(super) entries: Vec<Entry>,
    pub(super) ranked: Vec<(i64, u32, u32)>,
    pub(super) work: Work,
}

/// The groups of both sides that have the same connector and group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) prefills: (u32, u32),
    pub(super) decodes: (u32, u32),
    /// The most promising of each, and what they cost at the least.
    prefill: u32,
    decode: u32,
    computes: i64,
    answers: i64,
}

/// Candidates of two units that are as good as each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) decode: u32,
    pub(super) prefill: u32,
    pub(super) answers: i64,
    pub(super) computes: i64,
    pub(super) who: Of,
    /// How many pairs these are.
    pub(super) count: u64,
}

/// Nobody is paired with himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Any,
    /// He answers, and others compute.
    Answers(u32),
    /// He computes, and others answer.
    Computes(u32),
}

/// A search on its way.
pub(super) struct Search<'a> {
    pub(super) ask: &'a Ask<'a>,
    pub(super) seed: Seed,
    /// Of the prefill side and of the decode side.
    pub(super) parts: &'a [Part<'a>; 2],
    pub(super) prefill: &'a mut Side,
    pub(super) decode: &'a mut Side,
    pub(super) meeting: &'a mut Meeting,
    pub(super) best: i64,
}

pub(super) fn range((from, to): (u32, u32)) -> core::ops::Range<usize> {
    from as usize..to as usize
}

impl Search<'_> {
    /// The pair that is chosen, if any two go together.
    pub(super) fn meet(&mut self) -> Option<Found> {
        self.line_up();
        match self.ask.policy.order {
            PairOrder::Joint => self.joint(),
            PairOrder::DecodeFirst => self.decode_first(),
            PairOrder::Walk { decodes } => self.walk(decodes as usize),
        }
    }

    /// Finds the groups that may go together.
    fn line_up(&mut self) {
        let (kinds, ranks, prefills) = (&mut self.meeting.kinds, &mut self.meeting.ranks, &self.prefill.groups);
        kinds.clear();
        ranks.clear();
        ranks.extend(prefills.iter().zip(0..).map(|(group, at)| (group.least, at)));
        let (mut from, mut first) = (0, 0);
        for decodes in self.decode.groups.chunk_by(|one, other| one.kind == other.kind) {
            let last = first + decodes.len();
            while prefills.get(from).is_some_and(|of| of.kind < decodes[0].kind) {
                from += 1;
            }
            let begin = from;
            while prefills.get(from).is_some_and(|of| of.kind == decodes[0].kind) {
                from += 1;
            }
            ranks[begin..from].sort_unstable();
            let least = |groups: &[Group], first: usize| {
                let least = groups.iter().zip(first as u32..).min_by_key(|(group, _)| group.least);
                least.map(|(group, at)| (at, group.least))
            };
            if let (Some(prefill), Some(decode)) = (least(&prefills[begin..from], begin), least(decodes, first)) {
                kinds.push(Kind {
                    prefills: (begin as u32, from as u32),
                    decodes: (first as u32, last as u32),
                    prefill: prefill.0,
                    decode: decode.0,
                    computes: prefill.1,
                    answers: decode.1,
                });
            }
            first = last;
        }
    }

    fn joint(&mut self) -> Option<Found> {
        self.meeting.entries.clear();
        // A good pair first: with a bound by it few others are worth a look.
        let promising = self.meeting.kinds.iter().min_by_key(|kind| kind.computes + kind.answers).copied()?;
        self.compare(promising.prefills, promising.decode as usize);
        for decode in range(promising.decodes) {
            self.compare_with(promising.prefill as usize, decode);
        }
        self.meeting.entries.clear();
        for kind in 0..self.meeting.kinds.len() {
            let kind = self.meeting.kinds[kind];
            if kind.computes + kind.answers > self.best {
                continue;
            }
            for decode in range(kind.decodes) {
                if self.decode.groups[decode].least + kind.computes <= self.best {
                    self.compare(kind.prefills, decode);
                }
            }
        }
        let place = |of: &Entry| {
            let groups = (self.decode.units[of.decode as usize].group, self.prefill.units[of.prefill as usize].group);
            (groups, of.decode, of.prefill, matches!(of.who, Of::Computes(_)))
        };
        self.meeting.entries.sort_unstable_by_key(place);
        let ties = self.count();
        let (prefill, decode) = self.draw(self.seed.draw_wide(Stage::Tie, self.ask.request.key, ties))?;
        Some(self.found(prefill, decode, ties))
    }

    /// Some prefill groups with a decode group: those that may be as good as the best so far.
    fn compare(&mut self, prefills: (u32, u32), decode: usize) {
        for place in range(prefills) {
            let (least, prefill) = self.meeting.ranks[place];
            if least + self.decode.groups[decode].least > self.best {
                break;
            }
            self.compare_with(prefill as usize, decode);
        }
    }

    /// Two groups, if they fit together and may be as good as the best so far.
    fn compare_with(&mut self, prefill: usize, decode: usize) {
        let policy = self.ask.policy;
        let (from, to) = (&self.prefill.groups[prefill], &self.decode.groups[decode]);
        let least = from.least + to.least;
        if least > self.best || !Class::fits(from.rank, to.rank) {
            return;
        }
        let link = policy.links.to(Domain::from(to.domain))[from.domain as usize];
        if least + link.nanos(policy.bytes(self.ask.request.prompt_tokens, to.most_held)) <= self.best {
            self.compare_groups(prefill, decode, link);
        }
    }

    fn compare_groups(&mut self, prefill: usize, decode: usize, link: Cell) {
        let (from, to) = (self.prefill.groups[prefill], self.decode.groups[decode]);
        for decode in range(to.units) {
            let held = self.decode.units[decode].held;
            let moving = link.nanos(self.ask.policy.bytes(self.ask.request.prompt_tokens, held));
            if self.decode.units[decode].least + from.least + moving > self.best {
                continue;
            }
            for prefill in range(from.units) {
                if self.decode.units[decode].least + self.prefill.units[prefill].least + moving <= self.best {
                    self.compare_units(prefill, decode, moving, from.class == to.class);
                }
            }
        }
    }

    fn compare_units(&mut self, prefill: usize, decode: usize, moving: i64, is_same_class: bool) {
        let [computing, answering] = self.parts;
        let work = &mut self.meeting.work;
        self.prefill.resolve(prefill, computing, work);
        if self.prefill.units[prefill].least + self.decode.units[decode].least + moving > self.best {
            return;
        }
        self.decode.resolve(decode, answering, work);
        let (computes, answers) = (self.prefill.units[prefill].least, self.decode.units[decode].least);
        if computes + answers + moving > self.best {
            return;
        }
        let entry = Entry { decode: decode as u32, prefill: prefill as u32, answers, computes, who: Of::Any, count: 0 };
        let itself = if is_same_class { self.itself(&entry) } else { None };
        let Some(itself) = itself else {
            self.offer(entry, moving);
            return;
        };
        let work = &mut self.meeting.work;
        let computes = computing.least(self.prefill, prefill, Some(itself), work);
        let answers = answering.least(self.decode, decode, Some(itself), work);
        self.offer(Entry { computes, who: Of::Answers(itself), ..entry }, moving);
        self.offer(Entry { answers, who: Of::Computes(itself), ..entry }, moving);
    }

    /// Who is the only one on both sides, if that is so.
    fn itself(&mut self, entry: &Entry) -> Option<u32> {
        let ([computing, answering], work) = (self.parts, &mut self.meeting.work);
        let (prefill, decode) = (entry.prefill as usize, entry.decode as usize);
        let alone =
            self.prefill.count(prefill, computing, work) == 1 && self.decode.count(decode, answering, work) == 1;
        let computes = computing.nth(self.prefill, prefill, entry.computes, None, 0, work).filter(|_| alone)?;
        answering.has(self.decode, decode, entry.answers, computes).then_some(computes)
    }

    pub(super) fn offer(&mut self, entry: Entry, moving: i64) {
        if entry.computes >= NEVER || entry.answers >= NEVER {
            return;
        }
        let total = entry.computes + entry.answers + moving;
        if total < self.best {
            self.best = total;
            self.meeting.entries.clear();
        }
        if total == self.best {
            self.meeting.entries.push(entry);
        }
    }

    /// Counts the pairs of each entry, and all of them.
    pub(super) fn count(&mut self) -> u64 {
        let [computing, answering] = self.parts;
        let Self { prefill: from, decode: to, meeting: Meeting { entries, work, .. }, .. } = self;
        for entry in entries.iter_mut() {
            let (prefill, decode) = (entry.prefill as usize, entry.decode as usize);
            entry.count = match entry.who {
                Of::Any => {
                    let count = u64::from(from.count(prefill, computing, work));
                    let all = count * u64::from(to.count(decode, answering, work));
                    let both = |at: &u32| answering.has(to, decode, entry.answers, *at);
                    if all > 0 && from.group_of(prefill).class == to.group_of(decode).class {
                        all - computing.each(from, prefill, entry.computes).filter(both).count() as u64
                    } else {
                        all
                    }
                }
                Of::Answers(at) => computing.count(from, prefill, entry.computes, Some(at), work).into(),
                Of::Computes(at) => answering.count(to, decode, entry.answers, Some(at), work).into(),
            };
        }
        entries.iter().map(|entry| entry.count).sum()
    }

    /// The nth pair, with what both cost.
    pub(super) fn draw(&mut self, mut nth: u64) -> Option<((u32, i64), (u32, i64))> {
        let [computing, answering] = self.parts;
        let Self { prefill: from, decode: to, meeting: Meeting { entries, work, .. }, .. } = self;
        let entry = *entries.iter().find(|entry| {
            let is_it = nth < entry.count;
            if !is_it {
                nth -= entry.count;
            }
            is_it
        })?;
        let Entry { computes, answers, .. } = entry;
        let (prefill, decode) = (entry.prefill as usize, entry.decode as usize);
        let mut computing_nth =
            |nth: u64, without| Some((computing.nth(from, prefill, computes, without, nth as u32, work)?, computes));
        if let Of::Answers(at) = entry.who {
            return Some((computing_nth(nth, Some(at))?, (at, answers)));
        }
        if let Of::Computes(at) = entry.who {
            return Some(((at, computes), (answering.nth(to, decode, answers, Some(at), nth as u32, work)?, answers)));
        }
        let prefills = u64::from(from.units[prefill].count);
        if from.group_of(prefill).class != to.group_of(decode).class {
            let prefill = computing_nth(nth % prefills, None)?;
            let decode = answering.nth(to, decode, answers, None, (nth / prefills) as u32, work)?;
            return Some((prefill, (decode, answers)));
        }
        let mut answering = answering.each(to, decode, answers);
        let (at, itself) = answering.find_map(|at| {
            let itself = computing.has(from, prefill, computes, at);
            let count = prefills - u64::from(itself);
            if nth < count {
                return Some((at, itself));
            }
            nth -= count;
            None
        })?;
        let mut others = computing.each(from, prefill, computes).filter(|of| !itself || *of != at);
        Some(((others.nth(nth as usize)?, computes), (at, answers)))
    }

    pub(super) fn found(&self, prefill: (u32, i64), decode: (u32, i64), ties: u64) -> Found {
        let (from, to) = (prefill.0 as usize, decode.0 as usize);
        let part = &self.parts[1];
        let domain = |at: usize| part.balancer.classes.class(part.balancer.classes.of(at)).domain;
        let bytes = self.ask.policy.bytes(self.ask.request.prompt_tokens, part.held_by(to));
        let transfer = self.ask.policy.links.to(domain(to))[domain(from).index()].nanos(bytes);
        Found { prefill: Some((from, prefill.1)), decode: (to, decode.1), transfer, ties }
    }
}
