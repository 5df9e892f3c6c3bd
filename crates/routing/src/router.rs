//! Index, load and policy as one machine.

use core::time::Duration;

use phalanx_kvcache::{
    Applied, BlockHash, BlockSize, Change, FleetIndex, IndexConfig, IndexError, Layer, Overlap, RankId,
};

use crate::balancer::Balancer;
use crate::endpoint::{Endpoint, EndpointId};
use crate::explanation::Explanation;
use crate::health::Breaker;
use crate::request::{Decision, Evidence, Refusal, Request};
use crate::reservation::{Outcome, Reservation, Settled};
use crate::seed::Seed;

/// Lists of names that are kept for the next flights.
const SPARE: usize = 4096;

/// A [`Balancer`] with the fleet index that says who holds what: changes of caches and loads in, decisions out. It does no
/// I/O and reads no clock.
///
/// A prompt that was sent somewhere counts as cached there from then on: its blocks are promised until its first token
/// comes, and by then the engine has told of them.
#[derive(Clone, Debug)]
pub struct Router {
    balancer: Balancer,
    index: FleetIndex,
    /// By slot, which has the same number.
    ranks: Vec<RankId>,
    block: BlockSize,
    /// Blocks of prompts without a first token, and by the place of the flight what they are called there.
    promised: FleetIndex,
    promise_ranks: Vec<RankId>,
    promises: Vec<Vec<BlockHash>>,
    /// Lists that no flight needs now.
    spare: Vec<Vec<BlockHash>>,
    overlap: Overlap,
    of_promised: Overlap,
}

impl Router {
    /// A router without endpoints or pools, for blocks of a size.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::{BlockHash, BlockSize, Change, Layer};
    /// use phalanx_routing::{Endpoint, Outcome, Policy, Request, Router, Seed};
    ///
    /// let mut router = Router::new(BlockSize::new(16)?, Seed::from(7));
    /// let pool = router.balancer_mut().add_pool(Policy::phalanx());
    /// let fleet = [Endpoint::new(), Endpoint::new()].map(|endpoint| router.join(endpoint));
    /// fleet.map(|endpoint| router.balancer_mut().enter(pool, endpoint));
    ///
    /// let blocks: Vec<_> = (0..60).map(BlockHash).collect(); // of a prompt of 1,000 tokens
    /// let stored = Change::Stored { layer: Layer::MAIN, parent: None, names: &blocks, contents: &blocks };
    /// let _ = router.apply(fleet[1], stored)?;
    /// let request = Request::new(pool, 42, 1000);
    /// let decision = router.decide(&request, &blocks, Duration::ZERO)?;
    /// assert_eq!((decision.endpoint, decision.cached_tokens), (fleet[1], 960));
    /// router.settle(decision.reservation, Outcome::Success, Duration::from_secs(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(block: BlockSize, seed: Seed) -> Self {
        Self {
            balancer: Balancer::new(seed),
            index: FleetIndex::new(),
            ranks: Vec::new(),
            block,
            promised: FleetIndex::new(),
            promise_ranks: Vec::new(),
            promises: Vec::new(),
            spare: Vec::new(),
            overlap: Overlap::new(),
            of_promised: Overlap::new(),
        }
    }

    /// With an index of another size or seed. To be called before endpoints join.
    #[must_use]
    pub fn with_index(mut self, config: IndexConfig) -> Self {
        // What is promised is a small part of what is held.
        let quarter = config.byte_limit() / 4;
        self.promised = FleetIndex::with_config(config.clone().max_bytes(quarter));
        self.index = FleetIndex::with_config(config);
        self
    }

    /// Forgets signals that are older than this, as [`Balancer::with_max_age`] does.
    #[must_use]
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.balancer = self.balancer.with_max_age(age);
        self
    }

    /// Leaves endpoints alone where requests fail, as [`Balancer::with_breaker`] does.
    #[must_use]
    pub fn with_breaker(mut self, breaker: Breaker) -> Self {
        self.balancer = self.balancer.with_breaker(breaker);
        self
    }

    /// A new endpoint without load, in no pool yet, whose cache holds nothing.
    ///
    /// ```
    /// use phalanx_kvcache::BlockSize;
    /// use phalanx_routing::{Endpoint, Router, Seed};
    ///
    /// let mut router = Router::new(BlockSize::new(16)?, Seed::from(0));
    /// assert_eq!(router.join(Endpoint::new()).index(), 0);
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn join(&mut self, endpoint: Endpoint) -> EndpointId {
        loop {
            let rank = self.index.join();
            while self.ranks.len() <= rank.index() {
                // The numbers of this index are never given out again: they are those of the other.
                self.promise_ranks.push(self.promised.join());
                self.ranks.push(rank);
            }
            self.ranks[rank.index()] = rank;
            if let Some(id) = self.balancer.join_at(rank.index(), endpoint) {
                return id;
            }
        }
    }

    /// Takes an endpoint out for good, and all that its cache held. `false` when it had left already.
    ///
    /// ```
    /// use phalanx_kvcache::BlockSize;
    /// use phalanx_routing::{Endpoint, Router, Seed};
    ///
    /// let mut router = Router::new(BlockSize::new(16)?, Seed::from(0));
    /// let endpoint = router.join(Endpoint::new());
    /// assert!(router.leave(endpoint));
    /// assert!(!router.leave(endpoint));
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn leave(&mut self, endpoint: EndpointId) -> bool {
        if !self.balancer.leave(endpoint) {
            return false;
        }
        let at = endpoint.index();
        // Both know the rank: it joined with the endpoint.
        self.index.leave(self.ranks[at]).is_ok() && self.promised.clear(self.promise_ranks[at]).is_ok()
    }

    /// Applies a change of an endpoint's cache.
    ///
    /// # Errors
    ///
    /// Those of [`FleetIndex::apply`]; nothing is changed then.
    pub fn apply(&mut self, endpoint: EndpointId, change: Change<'_>) -> Result<Applied, IndexError> {
        if !self.balancer.has(endpoint) {
            return Err(IndexError::UnknownRank { rank: endpoint.index() });
        }
        self.index.apply(self.ranks[endpoint.index()], change)
    }

    /// Asks the index who holds the prompt's blocks, chooses an endpoint and counts its load there. `blocks` are the
    /// contents of the prompt's full blocks; evidence in the request is not looked at.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] when no candidate is left; nothing is counted then.
    pub fn decide(&mut self, request: &Request<'_>, blocks: &[BlockHash], now: Duration) -> Result<Decision, Refusal> {
        self.index.overlap(blocks, &mut self.overlap);
        self.promised.overlap(blocks, &mut self.of_promised);
        let promised = (!self.of_promised.is_empty()).then_some(&self.of_promised);
        let evidence = Evidence::Overlap { overlap: &self.overlap, promised, block: self.block };
        let decision = self.balancer.decide(&request.with_evidence(evidence), now)?;
        self.promise(&decision.reservation, blocks);
        Ok(decision)
    }

    /// What [`decide`](Self::decide) would do, and why.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownPool`].
    pub fn explain(&self, request: &Request<'_>, blocks: &[BlockHash], now: Duration) -> Result<Explanation, Refusal> {
        let (mut overlap, mut of_promised) = (Overlap::new(), Overlap::new());
        self.index.overlap(blocks, &mut overlap);
        self.promised.overlap(blocks, &mut of_promised);
        let evidence = Evidence::Overlap { overlap: &overlap, promised: Some(&of_promised), block: self.block };
        self.balancer.explain(&request.with_evidence(evidence), now)
    }

    /// Notes the first token of an answer.
    pub fn first_token(&mut self, reservation: &mut Reservation, now: Duration) {
        if reservation.is_prefilling() {
            self.keep_promise(reservation);
        }
        self.balancer.first_token(reservation, now);
    }

    /// Takes back the load of a request that ended.
    pub fn settle(&mut self, reservation: Reservation, outcome: Outcome, now: Duration) -> Settled {
        if reservation.is_prefilling() {
            self.keep_promise(&reservation);
        }
        self.balancer.settle(reservation, outcome, now)
    }

    /// The load and the policies.
    #[must_use]
    pub fn balancer(&self) -> &Balancer {
        &self.balancer
    }

    /// The load and the policies, to add pools, enter endpoints and tell signals. Endpoints join and leave by the router.
    pub fn balancer_mut(&mut self) -> &mut Balancer {
        &mut self.balancer
    }

    /// Who holds what.
    #[must_use]
    pub fn index(&self) -> &FleetIndex {
        &self.index
    }

    fn promise(&mut self, reservation: &Reservation, blocks: &[BlockHash]) {
        let place = reservation.flight as usize;
        if self.promises.len() <= place {
            self.promises.resize_with(place + 1, Vec::new);
        }
        // A flight needs its list until its first token only, so few of them are enough, and those are at hand.
        let names = &mut self.promises[place];
        if names.capacity() == 0 {
            *names = self.spare.pop().unwrap_or_default();
        }
        names.clear();
        let mut path = 0_u64;
        names.extend(blocks.iter().zip(1_u64..).map(|(block, depth)| {
            // Of each depth another hash, so that no two places of a path are named alike; all that takes its time is
            // done beside each other.
            let here = (block.0 ^ depth.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            path = path.rotate_left(7) ^ here ^ (here >> 32);
            BlockHash(path)
        }));
        let stored = Change::Stored { layer: Layer::MAIN, parent: None, names, contents: blocks };
        // The endpoint was just chosen, so it is there; at the index's bound less is promised.
        let _ = self.promised.apply(self.promise_ranks[reservation.endpoint.index()], stored);
    }

    fn keep_promise(&mut self, reservation: &Reservation) {
        let Some(names) = self.promises.get_mut(reservation.flight as usize) else { return };
        // Of an endpoint that left nothing is promised any more, and its slot may be another's.
        let stands = self.balancer.is_open(reservation) && self.balancer.has(reservation.endpoint);
        if stands && !names.is_empty() {
            names.reverse();
            let rank = self.promise_ranks[reservation.endpoint.index()];
            let _ = self.promised.apply(rank, Change::Removed { layer: Layer::MAIN, names });
        }
        names.clear();
        let names = core::mem::take(names);
        if names.capacity() > 0 && self.spare.len() < SPARE {
            self.spare.push(names);
        }
    }
}

#[cfg(test)]
mod tests;
