//! A balancer with load on it, which changes.

use std::collections::VecDeque;
use std::time::Duration;

use phalanx_routing::{Balancer, EndpointId, Outcome, PoolId, Request, Reservation, Signals};

use crate::random::Random;

/// How many endpoints hold a part of a prompt.
pub const HOLDERS: u32 = 64;

/// Tokens of a prompt.
pub const PROMPT: u32 = 4_096;

/// Different prompts, asked for in turn.
pub const PROMPTS: usize = 64;

/// A balancer, and requests that are in flight.
pub struct Fleet {
    /// The balancer.
    pub balancer: Balancer,
    /// All endpoints, each with a pool that it is in.
    pub members: Vec<(PoolId, EndpointId)>,
    /// What time it is.
    pub now: Duration,
    /// The draws that its changes are made of.
    pub random: Random,
    /// By endpoint, oldest first.
    held: Vec<VecDeque<Reservation>>,
    /// Requests that an engine says wait there: from the first to below the second.
    waiting: (u32, u32),
}

impl Fleet {
    /// Puts one to five requests on each endpoint, and has each say something of itself.
    pub fn new(balancer: Balancer, members: Vec<(PoolId, EndpointId)>, waiting: (u32, u32)) -> Self {
        let held = members.iter().map(|_| VecDeque::with_capacity(8)).collect();
        let mut fleet = Self { balancer, members, now: Duration::ZERO, random: Random::new(5), held, waiting };
        for at in 0..fleet.members.len() {
            for _ in 0..=fleet.random.below(5) {
                fleet.send(at);
            }
        }
        fleet.now += Duration::from_millis(100);
        for at in 0..fleet.members.len() {
            for held in &mut fleet.held[at] {
                fleet.balancer.first_token(held, fleet.now);
            }
            fleet.read(at);
        }
        fleet
    }

    /// Changes the load of one endpoint: its oldest request ends, the one before has its first token, another one comes,
    /// and its engine is read.
    pub fn change(&mut self) {
        let at = self.pick();
        self.now += Duration::from_micros(10);
        if let Some(oldest) = self.held[at].pop_front() {
            let _ = self.balancer.settle(oldest, Outcome::Success, self.now);
        }
        if let Some(latest) = self.held[at].back_mut() {
            self.balancer.first_token(latest, self.now);
        }
        self.send(at);
        self.read(at);
    }

    /// The place of any endpoint.
    pub fn pick(&mut self) -> usize {
        self.random.below(self.members.len() as u32) as usize
    }

    /// What an engine might say of itself now.
    pub fn reading(&mut self) -> Signals {
        let (least, beyond) = self.waiting;
        Signals {
            waiting: Some(least + self.random.below(beyond - least)),
            running: Some(self.random.below(8)),
            kv_used_ppm: Some(100_000 + self.random.below(800_000)),
            ..Signals::unknown(self.now)
        }
    }

    /// Sets of endpoints from a range that hold a part of a prompt, and how much each holds.
    pub fn evidence(&self, among: std::ops::Range<usize>, holders: u32) -> Vec<Vec<(EndpointId, u32)>> {
        let mut random = Random::new(11);
        let mut set = |_| {
            let places = distinct(&mut random, among.len(), holders);
            let held = |at: usize| (self.members[among.start + at].1, (1 + random.below(PROMPT / 64 - 1)) * 64);
            places.into_iter().map(held).collect()
        };
        (0..PROMPTS).map(&mut set).collect()
    }

    fn send(&mut self, at: usize) {
        let (pool, id) = self.members[at];
        let only = [id];
        let tokens = 100 + self.random.below(5_000);
        let request = Request::new(pool, self.random.word(), tokens).with_subset(&only);
        let decision = self.balancer.decide(&request, self.now).expect("it is in the pool");
        self.held[at].push_back(decision.reservation);
    }

    fn read(&mut self, at: usize) {
        let signals = self.reading();
        self.balancer.signals(self.members[at].1, signals);
    }
}

/// So many different numbers below `bound`, or all of them.
pub fn distinct(random: &mut Random, bound: usize, count: u32) -> Vec<usize> {
    let count = bound.min(count as usize);
    let mut places = Vec::with_capacity(count);
    while places.len() < count {
        let place = random.below(bound as u32) as usize;
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}
