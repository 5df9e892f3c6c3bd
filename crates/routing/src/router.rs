//! Index, load and policy as one machine.

mod guesses;
mod promises;

use core::time::Duration;

use phalanx_kvcache::snapshot::Restored;
use phalanx_kvcache::{
    Accuracy, Applied, ApproximateConfig, BlockHash, BlockSize, Change, FleetIndex, IndexConfig, IndexError, Overlap,
    RankId,
};

use self::guesses::Guesses;
use self::promises::Promises;
use crate::balancer::Balancer;
use crate::endpoint::{Endpoint, EndpointId};
use crate::explanation::Explanation;
use crate::health::Breaker;
use crate::request::{Decision, Evidence, Refusal, Request};
use crate::reservation::{Outcome, Reservation, Settled};
use crate::seed::Seed;

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
    /// Endpoints that have joined and not left.
    live: usize,
    promises: Promises,
    guesses: Guesses,
    overlap: Overlap,
    promised: Vec<(EndpointId, u32)>,
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
            live: 0,
            promises: Promises::new(IndexConfig::new().byte_limit() / 4),
            guesses: Guesses::default(),
            overlap: Overlap::new(),
            promised: Vec::new(),
        }
    }

    /// With an index of another size or seed. To be called before endpoints join.
    #[must_use]
    pub fn with_index(mut self, config: IndexConfig) -> Self {
        // What is promised is a small part of what is held.
        self.promises = Promises::new(config.byte_limit() / 4);
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
                self.ranks.push(rank);
            }
            self.ranks[rank.index()] = rank;
            if let Some(id) = self.balancer.join_at(rank.index(), endpoint) {
                self.live += 1;
                return id;
            }
        }
    }

    /// Starts from an index that somebody else had. Each of its ranks for whose tag there is an endpoint joins with all that
    /// it held there, the others leave; says who joined, with the tags. To be called before endpoints join.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockHash, BlockSize, Change, FleetIndex, IndexConfig, Layer};
    /// use phalanx_routing::{Endpoint, Router, Seed};
    ///
    /// let mut peer = Router::new(BlockSize::new(16)?, Seed::from(0));
    /// let there = peer.join(Endpoint::new());
    /// let blocks = [1, 2].map(BlockHash);
    /// let _ = peer.apply(there, Change::Stored { layer: Layer::MAIN, parent: None, names: &blocks, contents: &blocks })?;
    /// let mut bytes = Vec::new();
    /// peer.index().snapshot(|_| "pod-1", &mut bytes);
    ///
    /// let mut router = Router::new(BlockSize::new(16)?, Seed::from(0));
    /// let restored = FleetIndex::restore(&bytes, IndexConfig::new())?;
    /// let joined = router.restore(restored, |tag| (tag == b"pod-1").then(Endpoint::new));
    /// assert_eq!(router.blocks_of(joined[0].0), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(
        &mut self,
        restored: Restored<FleetIndex>,
        mut endpoint: impl FnMut(&[u8]) -> Option<Endpoint>,
    ) -> Vec<(EndpointId, Vec<u8>)> {
        let mut joined = Vec::new();
        self.index = restored.index;
        for (rank, tag) in restored.ranks {
            while self.ranks.len() <= rank.index() {
                self.ranks.push(rank);
            }
            self.ranks[rank.index()] = rank;
            match endpoint(&tag).and_then(|endpoint| self.balancer.join_at(rank.index(), endpoint)) {
                Some(id) => {
                    self.live += 1;
                    joined.push((id, tag));
                }
                // It is there: it was restored.
                None => _ = self.index.leave(rank),
            }
        }
        joined
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
        self.live -= 1;
        self.promises.leave(endpoint);
        self.guesses.end(endpoint.index());
        // The index knows the rank: it joined with the endpoint.
        self.index.leave(self.ranks[endpoint.index()]).is_ok()
    }

    /// Guesses from now on what an endpoint holds that tells nothing of its cache: each prompt that is sent there leaves
    /// its blocks behind, and of `capacity_blocks` the least recently used go first. Of one that is guessed already the
    /// capacity is another one from now on. What it told before is forgotten, and the first change that it
    /// [tells](Self::apply) ends the guessing. `false` if it has left.
    ///
    /// A decision then takes some tens of nanoseconds more for each block of the prompt: see
    /// [`ApproximateLedger`](phalanx_kvcache::ApproximateLedger).
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::{ApproximateConfig, BlockHash, BlockSize};
    /// use phalanx_routing::{Endpoint, Outcome, Policy, Request, Router, Seed};
    ///
    /// let mut router = Router::new(BlockSize::new(16)?, Seed::from(7));
    /// let pool = router.balancer_mut().add_pool(Policy::phalanx());
    /// let fleet = [Endpoint::new(), Endpoint::new()].map(|endpoint| router.join(endpoint));
    /// for endpoint in fleet {
    ///     router.balancer_mut().enter(pool, endpoint);
    ///     router.guess(endpoint, 25_000, ApproximateConfig::new());
    /// }
    /// let blocks: Vec<_> = (0..60).map(BlockHash).collect();
    /// let first = router.decide(&Request::new(pool, 1, 1000), &blocks, Duration::ZERO)?;
    /// router.settle(first.reservation, Outcome::Success, Duration::from_secs(1));
    /// let second = router.decide(&Request::new(pool, 2, 1000), &blocks, Duration::from_secs(2))?;
    /// assert_eq!((second.endpoint, second.cached_tokens), (first.endpoint, 960));
    /// # let _ = second.reservation;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn guess(&mut self, endpoint: EndpointId, capacity_blocks: u32, config: ApproximateConfig) -> bool {
        let is_there = self.balancer.has(endpoint);
        if is_there {
            self.guesses.begin(self.ranks[endpoint.index()], capacity_blocks, config, &mut self.index);
        }
        is_there
    }

    /// How many blocks an endpoint is taken to keep, if it is [guessed](Self::guess) what it holds.
    #[must_use]
    pub fn guessed_capacity(&self, endpoint: EndpointId) -> Option<u32> {
        if self.balancer.has(endpoint) { self.guesses.capacity(endpoint.index()) } else { None }
    }

    /// How well what is [guessed](Self::guess) of an endpoint agreed with what it [reported](Self::report); `None` where nothing
    /// is guessed.
    #[must_use]
    pub fn accuracy(&self, endpoint: EndpointId) -> Option<Accuracy> {
        if self.balancer.has(endpoint) { self.guesses.accuracy(endpoint.index()) } else { None }
    }

    /// An answer says how many tokens of its prompt had been in the cache: what is [guessed](Self::guess) of its endpoint is
    /// corrected by it. `blocks` are those of the prompt again. To be called before the request is settled; heeded once, and
    /// only where the endpoint is guessed: says whether it was.
    ///
    /// The tokens must be counted as the blocks were cut: who cuts prompts by their text cannot tell what an engine's count
    /// means in blocks. Constant time for each block.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_kvcache::{ApproximateConfig, BlockHash, BlockSize};
    /// use phalanx_routing::{Endpoint, Outcome, Policy, Request, Router, Seed};
    ///
    /// let mut router = Router::new(BlockSize::new(16)?, Seed::from(7));
    /// let pool = router.balancer_mut().add_pool(Policy::phalanx());
    /// let endpoint = router.join(Endpoint::new());
    /// router.balancer_mut().enter(pool, endpoint);
    /// router.guess(endpoint, 25_000, ApproximateConfig::new());
    /// let blocks: Vec<_> = (0..60).map(BlockHash).collect();
    /// let first = router.decide(&Request::new(pool, 1, 1000), &blocks, Duration::ZERO)?;
    /// assert!(router.report(&first.reservation, &blocks, 0, Duration::from_secs(1)));
    /// router.settle(first.reservation, Outcome::Success, Duration::from_secs(1));
    /// assert_eq!(router.accuracy(endpoint).map(|accuracy| accuracy.reports), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn report(
        &mut self,
        reservation: &Reservation,
        blocks: &[BlockHash],
        cached_tokens: u32,
        now: Duration,
    ) -> bool {
        if !self.balancer.has(reservation.endpoint) {
            return false;
        }
        let rank = self.ranks[reservation.endpoint.index()];
        let cached = cached_tokens / self.block.tokens();
        self.guesses.report(reservation, (blocks, cached), now, rank, &mut self.index)
    }

    /// Applies a change of an endpoint's cache. It is not [guessed](Self::guess) any more then.
    ///
    /// # Errors
    ///
    /// Those of [`FleetIndex::apply`]; nothing is changed then.
    pub fn apply(&mut self, endpoint: EndpointId, change: Change<'_>) -> Result<Applied, IndexError> {
        if !self.balancer.has(endpoint) {
            return Err(IndexError::UnknownRank { rank: endpoint.index() });
        }
        let rank = self.ranks[endpoint.index()];
        if self.guesses.end(endpoint.index()) {
            let _ = self.index.apply(rank, Change::Cleared);
        }
        self.index.apply(rank, change)
    }

    /// Asks the index who holds the prompt's blocks, chooses an endpoint and counts its load there. `blocks` are the
    /// contents of the prompt's full blocks; evidence in the request is not looked at.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] when no candidate is left; nothing is counted then.
    pub fn decide(&mut self, request: &Request<'_>, blocks: &[BlockHash], now: Duration) -> Result<Decision, Refusal> {
        self.guesses.tend(now, &self.ranks, &mut self.index);
        self.index.overlap(blocks, &mut self.overlap);
        self.promises.ask(blocks, held_by_all(&self.overlap, self.live), &mut self.promised);
        let evidence = Evidence::Overlap { overlap: &self.overlap, promised: &self.promised, block: self.block };
        let decision = self.balancer.decide(&request.with_evidence(evidence), now)?;
        self.promises.make(&decision.reservation, blocks);
        let rank = self.ranks[decision.endpoint.index()];
        self.guesses.learn(&decision.reservation, blocks, now, rank, &mut self.index);
        Ok(decision)
    }

    /// What [`decide`](Self::decide) would do, and why.
    ///
    /// # Errors
    ///
    /// [`Refusal::UnknownPool`].
    pub fn explain(&self, request: &Request<'_>, blocks: &[BlockHash], now: Duration) -> Result<Explanation, Refusal> {
        let (mut overlap, mut promised) = (Overlap::new(), Vec::new());
        self.index.overlap(blocks, &mut overlap);
        self.promises.ask(blocks, held_by_all(&overlap, self.live), &mut promised);
        let evidence = Evidence::Overlap { overlap: &overlap, promised: &promised, block: self.block };
        self.balancer.explain(&request.with_evidence(evidence), now)
    }

    /// Notes the first token of an answer.
    pub fn first_token(&mut self, reservation: &mut Reservation, now: Duration) {
        if reservation.is_prefilling() {
            self.promises.end(reservation);
        }
        self.balancer.first_token(reservation, now);
    }

    /// Takes back the load of a request that ended. One that failed before its first token leaves nothing behind where
    /// caches are guessed.
    pub fn settle(&mut self, reservation: Reservation, outcome: Outcome, now: Duration) -> Settled {
        if reservation.is_prefilling() {
            if outcome != Outcome::Success && self.balancer.has(reservation.endpoint) {
                let rank = self.ranks[reservation.endpoint.index()];
                self.guesses.retract(&reservation, self.promises.blocks(&reservation), rank, &mut self.index);
            }
            self.promises.end(&reservation);
        }
        self.balancer.settle(reservation, outcome, now)
    }

    /// How many blocks an endpoint is known or guessed to hold; none of one that left.
    #[must_use]
    pub fn blocks_of(&self, endpoint: EndpointId) -> u32 {
        if self.balancer.has(endpoint) { self.index.blocks_of(self.ranks[endpoint.index()]) } else { 0 }
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
}

/// Blocks that each of so many endpoints holds: what is promised of them is nothing new.
fn held_by_all(overlap: &Overlap, endpoints: usize) -> u32 {
    let all = overlap.levels().rev().find(|level| level.ranks.len() == endpoints);
    all.map_or(0, |level| level.blocks)
}

#[cfg(test)]
mod tests;
