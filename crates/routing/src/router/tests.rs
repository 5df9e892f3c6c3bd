//! The router against a naive one: caches as sets of paths, and the balancer's long way.

use std::collections::BTreeMap;

use phalanx_kvcache::Layer;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::policy::Policy;
use crate::pool::PoolId;

const BLOCK: u32 = 16;

/// What may happen. Numbers are taken modulo what there is; prompts are numbers whose common low digits are shared blocks.
#[derive(Clone, Debug)]
enum Step {
    Join,
    Leave(usize),
    Store { at: usize, prompt: u64, blocks: usize },
    StoreEverywhere { prompt: u64, blocks: usize },
    Remove { at: usize, prompt: u64, from: usize, blocks: usize },
    Clear(usize),
    Decide { key: u64, prompt: u64, blocks: usize, rest: u32, excluded: Option<usize> },
    FirstToken(usize),
    Settle(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let at = any::<usize>;
    let prompt = || 0..16_u64;
    let blocks = || 1..12_usize;
    prop_oneof![
        2 => Just(Step::Join),
        1 => at().prop_map(Step::Leave),
        4 => (at(), prompt(), blocks()).prop_map(|(at, prompt, blocks)| Step::Store { at, prompt, blocks }),
        1 => (prompt(), blocks()).prop_map(|(prompt, blocks)| Step::StoreEverywhere { prompt, blocks }),
        2 => (at(), prompt(), 0..12_usize, blocks())
            .prop_map(|(at, prompt, from, blocks)| Step::Remove { at, prompt, from, blocks }),
        1 => at().prop_map(Step::Clear),
        6 => (any::<u64>(), prompt(), blocks(), 0..BLOCK, proptest::option::weighted(0.2, at()))
            .prop_map(|(key, prompt, blocks, rest, excluded)| Step::Decide { key, prompt, blocks, rest, excluded }),
        2 => at().prop_map(Step::FirstToken),
        2 => at().prop_map(Step::Settle),
        1 => (0..2_000_000_000_u64).prop_map(Step::Wait),
    ]
}

/// A prompt's blocks: prompts that are alike in their lowest bits share as many blocks.
fn contents(prompt: u64, blocks: usize) -> Vec<BlockHash> {
    let shared = |at: usize| if at < 4 { 0 } else { prompt & ((1 << (at - 3).min(4)) - 1) };
    (0..blocks).map(|at| BlockHash(1 + at as u64 * 100 + shared(at))).collect()
}

struct World {
    router: Router,
    pool: PoolId,
    live: Vec<EndpointId>,
    /// Blocks that each holds, by their place in their path, and what each in flight was promised.
    held: BTreeMap<EndpointId, Vec<BlockHash>>,
    open: Vec<(Reservation, Vec<BlockHash>)>,
    now: Duration,
}

impl World {
    fn new(policy: Policy, endpoints: usize) -> Self {
        let mut router = Router::new(BlockSize::new(BLOCK).expect("a size"), Seed::from(3));
        let pool = router.balancer_mut().add_pool(policy);
        let mut world =
            Self { router, pool, live: vec![], held: BTreeMap::new(), open: vec![], now: Duration::from_secs(9) };
        for _ in 0..endpoints {
            world.apply(&Step::Join);
        }
        world
    }

    fn store(&mut self, id: EndpointId, blocks: &[BlockHash]) {
        let stored = Change::Stored { layer: Layer::MAIN, parent: None, names: blocks, contents: blocks };
        let _ = self.router.apply(id, stored).expect("it has joined");
        let held = self.held.entry(id).or_default();
        for block in blocks {
            if !held.contains(block) {
                held.push(*block);
            }
        }
    }

    /// Tokens of a prompt that an endpoint holds, or will.
    fn tokens(&self, id: EndpointId, blocks: &[BlockHash]) -> u32 {
        let held = self.held.get(&id).map_or(0, |held| blocks.iter().take_while(|block| held.contains(block)).count());
        let promised = self.open.iter().filter(|(open, _)| open.endpoint() == id && open.is_prefilling());
        let shared = promised.map(|(_, path)| path.iter().zip(blocks).take_while(|(a, b)| a == b).count());
        shared.max().unwrap_or(0).max(held) as u32 * BLOCK
    }

    fn apply(&mut self, step: &Step) {
        let some = |which: usize, of: usize| (of > 0).then(|| which % of);
        match *step {
            Step::Join => {
                let id = self.router.join(Endpoint::new());
                assert!(self.router.balancer_mut().enter(self.pool, id));
                self.live.push(id);
            }
            Step::Leave(which) => {
                if let Some(at) = some(which, self.live.len()) {
                    let id = self.live.remove(at);
                    assert!(self.router.leave(id));
                    self.held.remove(&id);
                }
            }
            Step::Store { at, prompt, blocks } => {
                if let Some(at) = some(at, self.live.len()) {
                    self.store(self.live[at], &contents(prompt, blocks));
                }
            }
            Step::StoreEverywhere { prompt, blocks } => {
                for id in self.live.clone() {
                    self.store(id, &contents(prompt, blocks));
                }
            }
            Step::Remove { at, prompt, from, blocks } => {
                if let Some(at) = some(at, self.live.len()) {
                    let id = self.live[at];
                    let path = contents(prompt, from + blocks);
                    let held = self.held.entry(id).or_default();
                    let names: Vec<_> = path[from..].iter().copied().filter(|block| held.contains(block)).collect();
                    held.retain(|block| !names.contains(block));
                    // Stored as often as told: all copies go.
                    for _ in 0..64 {
                        let _ = self.router.apply(id, Change::Removed { layer: Layer::MAIN, names: &names });
                    }
                }
            }
            Step::Clear(which) => {
                if let Some(at) = some(which, self.live.len()) {
                    self.held.remove(&self.live[at]);
                    let _ = self.router.apply(self.live[at], Change::Cleared).expect("it has joined");
                }
            }
            Step::Decide { key, prompt, blocks, rest, excluded } => {
                let blocks = contents(prompt, blocks);
                // A share of full blocks is one of all tokens if there are no others.
                let shares = self.router.balancer().policy(self.pool).is_some_and(|of| of.name() == "llm-d");
                let prompt_tokens = blocks.len() as u32 * BLOCK + if shares { 0 } else { rest };
                let excluded: Vec<_> = excluded
                    .and_then(|which| some(which, self.live.len()))
                    .map(|at| self.live[at])
                    .into_iter()
                    .collect();
                let request = Request::new(self.pool, key, prompt_tokens).with_excluded(&excluded);
                let tokens: Vec<_> = self.live.iter().map(|id| (*id, self.tokens(*id, &blocks))).collect();
                let evidence: Vec<_> = tokens.iter().copied().filter(|(_, tokens)| *tokens > 0).collect();
                // The same by the long way: a pool of everyone as a subset; from what was told, and from the index's answer.
                let decide = |evidence: Evidence<'_>| {
                    let request = request.with_evidence(evidence).with_subset(&self.live);
                    self.router.balancer().clone().decide(&request, self.now)
                };
                let (mut overlap, mut promised) = (Overlap::new(), Vec::new());
                self.router.index.overlap(&blocks, &mut overlap);
                self.router.promises.ask(&blocks, 0, &mut promised);
                let block = BlockSize::new(BLOCK).expect("a size");
                let expected = decide(Evidence::Overlap { overlap: &overlap, promised: &promised, block });
                let told = decide(Evidence::Tokens(&evidence));
                let decision = self.router.decide(&request, &blocks, self.now);
                match (decision, expected, told) {
                    (Ok(decision), Ok(expected), Ok(told)) => {
                        assert_eq!(decision, expected);
                        // What is told of each is no level: equals stand in another order.
                        assert_eq!((decision.cost, decision.ties), (told.cost, told.ties));
                        let held = tokens.iter().find(|(id, _)| *id == decision.endpoint).map_or(0, |(_, held)| *held);
                        assert_eq!(decision.cached_tokens, held.min(prompt_tokens.saturating_sub(1)));
                        self.open.push((decision.reservation, blocks));
                    }
                    (Err(_), Err(_), Err(_)) => {}
                    (decision, expected, _) => panic!("{decision:?} is not {expected:?}"),
                }
            }
            Step::FirstToken(which) => {
                if let Some(at) = some(which, self.open.len()) {
                    self.router.first_token(&mut self.open[at].0, self.now);
                }
            }
            Step::Settle(which) => {
                if let Some(at) = some(which, self.open.len()) {
                    let (reservation, _) = self.open.remove(at);
                    let _ = self.router.settle(reservation, Outcome::Success, self.now);
                }
            }
            Step::Wait(nanos) => self.now += Duration::from_nanos(nanos),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_router_is_the_naive_one(
        policy in prop::sample::select(vec!["phalanx", "lmetric", "round-robin", "least-request", "llm-d"]),
        endpoints in 0..90_usize,
        steps in vec(step(), 1..60),
    ) {
        let mut world = World::new(Policy::preset(policy).expect("a preset"), endpoints);
        for step in &steps {
            world.apply(step);
        }
        for (reservation, _) in core::mem::take(&mut world.open) {
            let _ = world.router.settle(reservation, Outcome::Success, world.now);
        }
        prop_assert_eq!(world.router.balancer().outstanding(), 0);
        prop_assert_eq!(world.router.promises.len(), 0, "nothing stays promised");
    }
}

/// Two endpoints without events.
fn guessed(capacity: u32) -> (Router, PoolId, [EndpointId; 2]) {
    let mut router = Router::new(BlockSize::new(BLOCK).expect("in range"), Seed::from(3));
    let pool = router.balancer_mut().add_pool(Policy::phalanx());
    let fleet = [Endpoint::new(), Endpoint::new()].map(|endpoint| router.join(endpoint));
    for endpoint in fleet {
        router.balancer_mut().enter(pool, endpoint);
        assert!(router.guess(endpoint, capacity, ApproximateConfig::new()));
    }
    (router, pool, fleet)
}

/// Sends a prompt to one endpoint, says how much of it was held, and how it ends.
fn send(
    router: &mut Router,
    (pool, to): (PoolId, EndpointId),
    blocks: &[BlockHash],
    seconds: u64,
    end: Outcome,
) -> u32 {
    let (to, now) = ([to], Duration::from_secs(seconds));
    let request = Request::new(pool, seconds, blocks.len() as u32 * BLOCK + 1).with_subset(&to);
    let decision = router.decide(&request, blocks, now).expect("it is in the pool");
    router.settle(decision.reservation, end, now);
    decision.cached_tokens / BLOCK
}

#[test]
fn what_is_guessed_is_what_was_sent() {
    let (mut router, pool, [one, other]) = guessed(10);
    let [first, second] = [contents(0, 6), contents(9, 6)];
    let (at, success) = (|to| (pool, to), Outcome::Success);
    assert_eq!(send(&mut router, at(one), &first, 1, success), 0);
    assert_eq!(send(&mut router, at(one), &first, 2, success), 6);
    assert_eq!(send(&mut router, at(other), &first, 3, success), 0, "it went to the other one");
    // The two have four blocks in common, so there is room for both.
    assert_eq!(send(&mut router, at(one), &second, 4, success), 4);
    assert_eq!(send(&mut router, at(one), &first, 5, success), 6);
    // There is not for ten others, and what is used last stays.
    let long: Vec<_> = (0..10).map(|block| BlockHash(5000 + block)).collect();
    assert_eq!(send(&mut router, at(one), &long, 6, success), 0);
    assert_eq!(send(&mut router, at(one), &first, 7, success), 0);
    assert_eq!(send(&mut router, at(one), &first, 8, success), 6);
    // Nothing is there for ever: each decision looks at one endpoint for that.
    let _ = [998, 999].map(|seconds| send(&mut router, at(other), &long, seconds, success));
    assert_eq!(send(&mut router, at(one), &first, 1000, success), 0);
    let _ = [5000, 5001].map(|seconds| send(&mut router, at(one), &long, seconds, success));
    assert_eq!(router.index().blocks_of(router.ranks[other.index()]), 0, "it was sent nothing for long");
}

#[test]
fn what_fails_leaves_nothing_behind_and_what_is_told_counts_more() {
    let (mut router, pool, [one, other]) = guessed(100);
    let blocks = contents(0, 6);
    assert_eq!(send(&mut router, (pool, one), &blocks[..2], 1, Outcome::Success), 0);
    assert_eq!(send(&mut router, (pool, one), &blocks, 2, Outcome::Error), 2);
    assert_eq!(send(&mut router, (pool, one), &blocks, 3, Outcome::Success), 2);
    assert_eq!(send(&mut router, (pool, one), &blocks, 4, Outcome::Success), 6);
    assert_eq!(router.guessed_capacity(one), Some(100));
    // It tells of two blocks: that is what it holds.
    let stored = Change::Stored { layer: Layer::MAIN, parent: None, names: &blocks[..2], contents: &blocks[..2] };
    let _ = router.apply(one, stored).expect("it is there");
    assert_eq!(router.guessed_capacity(one), None);
    assert_eq!(send(&mut router, (pool, one), &blocks, 5, Outcome::Success), 2);
    assert_eq!(send(&mut router, (pool, one), &blocks, 6, Outcome::Success), 2, "nothing is guessed any more");
    // Who has its place holds nothing.
    assert_eq!(send(&mut router, (pool, other), &blocks, 7, Outcome::Success), 0);
    assert!(router.leave(other) && !router.guess(other, 100, ApproximateConfig::new()));
    let next = router.join(Endpoint::new());
    router.balancer_mut().enter(pool, next);
    assert_eq!(next.index(), other.index());
    assert_eq!(send(&mut router, (pool, next), &blocks, 8, Outcome::Success), 0);
    assert_eq!(send(&mut router, (pool, next), &blocks, 9, Outcome::Success), 0, "it is not guessed");
}
