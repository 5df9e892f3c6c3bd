//! Endpoints that serve the same requests under one policy.

use crate::endpoint::{EndpointId, Role};
use crate::lengths::Lengths;
use crate::line::Line;
use crate::pair::Sorted;
use crate::policy::{Picker, Policy};
use crate::ring::Ring;
use crate::scoreboard::Scoreboard;
use crate::sessions::Sessions;
use crate::standings::Standings;

/// A pool of a [`Balancer`](crate::Balancer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolId(pub(crate) u32);

impl PoolId {
    /// Its number, from 0, in the order in which pools were added.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Members, and who is cheapest among them where that can be told without a request.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) policy: Policy,
    /// A bit for each slot.
    pub(crate) members: Vec<u64>,
    pub(crate) count: u32,
    /// Members that are out, or on trial.
    pub(crate) out: u32,
    /// Whether standings are kept.
    pub(crate) is_local: bool,
    /// Whether it matters where a request's adapter is.
    pub(crate) sees_adapter: bool,
    pub(crate) standings: Standings,
    /// The same class by class, for each part that pair policies have for the pool.
    pub(crate) sorted: Vec<(Role, Sorted)>,
    /// Who is cheapest where scores compare the members.
    pub(crate) board: Option<Scoreboard>,
    /// Where the policy picks by one.
    pub(crate) ring: Ring,
    pub(crate) sessions: Sessions,
    pub(crate) lengths: Option<Lengths>,
    /// By slot, requests in flight, and their sum: where there is a ring.
    noted: Vec<u32>,
    pub(crate) in_flight: u64,
}

impl Pool {
    pub(crate) fn new(policy: Policy) -> Self {
        let is_local = crate::price::is_local(&policy);
        let sees_adapter = crate::price::sees_adapter(&policy);
        let board = if is_local { None } else { Scoreboard::of(&policy) };
        let is_bucket = matches!(policy.picker(), Picker::Bucket { .. });
        let lengths = is_bucket.then(Lengths::default);
        Self {
            policy,
            members: Vec::new(),
            count: 0,
            out: 0,
            is_local,
            sees_adapter,
            standings: Standings::default(),
            sorted: Vec::new(),
            board,
            ring: Ring::default(),
            sessions: Sessions::default(),
            lengths,
            noted: Vec::new(),
            in_flight: 0,
        }
    }

    pub(crate) fn has(&self, at: usize) -> bool {
        self.members.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Takes an endpoint in or out; says whether that is a change.
    pub(crate) fn set(&mut self, id: EndpointId, name: Option<u64>, member: bool) -> bool {
        let at = id.index();
        if self.has(at) == member {
            return false;
        }
        if self.members.len() <= at / 64 {
            self.members.resize(at / 64 + 1, 0);
        }
        self.members[at / 64] ^= 1 << (at % 64);
        self.count = if member { self.count + 1 } else { self.count - 1 };
        if self.is_local {
            self.standings.grow(at + 1);
        }
        if let Some(board) = &mut self.board {
            board.grow(at + 1);
        }
        if let Some(points) = self.policy.picker().points() {
            if member {
                self.ring.insert(id, name, points);
            } else {
                self.ring.remove(id, name, points);
            }
        }
        true
    }

    /// The line of a slot, whose endpoint has a class of that number and that role, is `line` from now on.
    pub(crate) fn stand(&mut self, at: usize, class: usize, role: Role, line: &Line) {
        self.standings.set(at, line);
        for (_, sorted) in &mut self.sorted {
            sorted.set(at, class, role, line);
        }
    }

    /// Those who may have a part, class by class.
    pub(crate) fn sorted(&self, role: Role) -> Option<&Sorted> {
        self.sorted.iter().find(|(of, _)| *of == role).map(|(_, sorted)| sorted)
    }

    /// Notes the requests in flight of a member, or of one that is none any more.
    pub(crate) fn note(&mut self, at: usize, in_flight: u32) {
        if self.policy.picker().points().is_none() {
            return;
        }
        if self.noted.len() <= at {
            self.noted.resize(at + 1, 0);
        }
        let now = if self.has(at) { in_flight } else { 0 };
        let before = core::mem::replace(&mut self.noted[at], now);
        self.in_flight = self.in_flight - u64::from(before) + u64::from(now);
    }

    /// Members, ascending.
    pub(crate) fn slots(&self) -> impl Iterator<Item = usize> {
        bits(&self.members)
    }
}

/// Places of the set bits, ascending.
pub(crate) fn bits(words: &[u64]) -> impl Iterator<Item = usize> {
    words.iter().enumerate().flat_map(|(at, &word)| {
        let mut left = word;
        core::iter::from_fn(move || {
            let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(at * 64 + bit)
        })
    })
}
