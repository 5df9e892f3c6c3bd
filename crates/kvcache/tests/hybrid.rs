//! Hybrid models and offloading, from what vLLM publishes to what it could reuse.

use phalanx_kvcache::wire::{AttentionKind, Event, EventBatch, Stored, Tokens, Translator, encode};
use phalanx_kvcache::{
    BlockHash, BlockSize, CacheGroups, ChainHasher, FleetIndex, GroupRule, IndexConfig, Layer, RankId, Reuse,
    SharedIndex, Tier,
};

const SIZE: u32 = 4;
const FULL: Layer = Layer::MAIN;
const WINDOW: Layer = Layer::new(1, Tier::Gpu);

/// One engine, its events as bytes, and what is known of it.
struct Engine {
    index: FleetIndex,
    rank: RankId,
    groups: CacheGroups,
    translator: Translator,
    batch: EventBatch,
    hasher: ChainHasher,
    reuse: Reuse,
}

impl Engine {
    fn new() -> Self {
        let size = BlockSize::new(SIZE).expect("a valid size");
        let mut index = FleetIndex::new();
        let rank = index.join();
        let (translator, hasher) = (Translator::new(size), ChainHasher::new(size));
        let (batch, reuse) = (EventBatch::new(), Reuse::new());
        Self { index, rank, groups: CacheGroups::new(), translator, batch, hasher, reuse }
    }

    /// Sends events over the wire and takes them in; returns how many of their blocks could be placed.
    fn publish(&mut self, events: &[Event<'_>]) -> u32 {
        let mut payload = Vec::new();
        encode(1.0, Some(0), events, &mut payload);
        self.batch.read(&payload).expect("it was just written");
        let mut placed = 0;
        for event in self.batch.events() {
            if let Event::Stored(stored) = &event {
                self.groups.learn(stored);
            }
            let change = self.translator.change(&event).expect("blocks of our size");
            let applied = self.index.apply(self.rank, change).expect("the rank is there");
            placed += applied.stored + applied.removed;
        }
        placed
    }

    /// Blocks of a prompt that could be reused, and from where.
    fn reusable(&mut self, tokens: &[u32]) -> (u32, [u32; 4]) {
        self.index.reuse(&self.hasher.contents(tokens), &self.groups, &mut self.reuse);
        let found = self.reuse.of(self.rank).map_or((0, [0; 4]), |found| (found.blocks, found.by_tier));
        // Readers of a shared index are told the same.
        let (shared, mut reuse) = (SharedIndex::from(&self.index), Reuse::new());
        shared.reuse(&self.hasher.contents(tokens), &self.groups, &mut reuse);
        assert_eq!(reuse.ranks(), self.reuse.ranks());
        found
    }
}

fn prompt(blocks: u32) -> (Vec<u32>, Vec<BlockHash>) {
    ((0..blocks * SIZE).collect(), (0..u64::from(blocks)).map(|block| BlockHash(1_000 + block)).collect())
}

fn full<'a>(names: &'a [BlockHash], tokens: &'a [u32]) -> Stored<'a> {
    let mut stored = Stored::new(names, Tokens::Ids(tokens), SIZE);
    (stored.layer, stored.kind) = (FULL, Some(AttentionKind::Full));
    stored
}

/// A window of 9 tokens: two blocks of four.
fn window<'a>(names: &'a [BlockHash], tokens: &'a [u32]) -> Stored<'a> {
    let mut stored = Stored::new(names, Tokens::Ids(tokens), SIZE);
    (stored.layer, stored.kind) = (WINDOW, Some(AttentionKind::SlidingWindow));
    stored.sliding_window = Some(9);
    stored
}

#[test]
fn a_sliding_window_is_reused_where_the_window_is_there() {
    let mut engine = Engine::new();
    let (tokens, names) = prompt(10);
    // A prefill of ten blocks. Of the window's the engine kept the last three: it names these, and tells all tokens.
    let stored = [Event::Stored(full(&names, &tokens)), Event::Stored(window(&names[7..], &tokens))];
    assert_eq!(engine.publish(&stored), 13, "blocks of the window are placed by their names");
    assert_eq!(engine.groups.rules(), [(0, GroupRule::Full), (1, GroupRule::Window { blocks: 2 })]);

    assert_eq!(engine.reusable(&tokens), (10, [10, 0, 0, 0]));
    assert_eq!(engine.reusable(&tokens[..38]).0, 9, "blocks 7 and 8 are the window of the tenth");
    assert_eq!(engine.reusable(&tokens[..32]).0, 0, "block 6 is not there any more, nor any before");
    let other = [&tokens[..36], &[7; 12][..]].concat();
    assert_eq!(engine.reusable(&other).0, 9, "a prompt that parts behind block 8");

    // The engine runs on, and the window with it: its block 7 goes.
    assert_eq!(engine.publish(&[Event::Removed { layer: WINDOW, names: &names[7..8] }]), 1);
    assert_eq!((engine.reusable(&tokens).0, engine.reusable(&tokens[..36]).0), (10, 0));

    // Another request begins alike, and is short: its first blocks have the whole window from the start on.
    assert_eq!(engine.publish(&[Event::Stored(window(&names[..3], &tokens[..12]))]), 3);
    assert_eq!(engine.reusable(&tokens[..16]).0, 3);
    assert_eq!(engine.reusable(&tokens[..8]).0, 2);
    assert_eq!(engine.reusable(&tokens).0, 10);

    // A block of full attention goes: nothing behind it counts, whatever the window has.
    assert_eq!(engine.publish(&[Event::Removed { layer: FULL, names: &names[4..5] }]), 1);
    assert_eq!(engine.reusable(&tokens), (3, [3, 0, 0, 0]), "the least over the groups");
    assert_eq!(engine.publish(&[Event::Removed { layer: WINDOW, names: &names[..1] }]), 1);
    assert_eq!(engine.reusable(&tokens).0, 3, "blocks 1 and 2 are enough");
    assert_eq!(engine.publish(&[Event::Removed { layer: WINDOW, names: &names[2..3] }]), 1);
    assert_eq!(engine.reusable(&tokens).0, 0);
    assert_eq!(engine.publish(&[Event::Cleared]), 0);
    assert_eq!(engine.reusable(&tokens).0, 0);
}

#[test]
fn a_state_is_reused_where_it_was_kept() {
    let mut engine = Engine::new();
    let (tokens, names) = prompt(6);
    let mut states = Stored::new(&names[2..3], Tokens::Ids(&tokens[..12]), SIZE);
    (states.layer, states.kind) = (WINDOW, Some(AttentionKind::Mamba));
    assert_eq!(engine.publish(&[Event::Stored(full(&names, &tokens)), Event::Stored(states)]), 7);
    assert_eq!(engine.reusable(&tokens).0, 3);
    assert_eq!(engine.reusable(&tokens[..8]).0, 0);
}

#[test]
fn what_was_offloaded_is_reused_and_told_by_tier() {
    let mut engine = Engine::new();
    let (tokens, names) = prompt(8);
    engine.publish(&[Event::Stored(full(&names, &tokens))]);
    assert_eq!(engine.reusable(&tokens), (8, [8, 0, 0, 0]));
    // Copied to the host, where each block is told again; the last two are on disk as well.
    let mut copied = full(&names, &tokens);
    copied.layer.tier = Tier::Cpu;
    let mut disk = full(&names[6..], &tokens[24..]);
    (disk.layer.tier, disk.parent) = (Tier::Disk, Some(names[5]));
    assert_eq!(engine.publish(&[Event::Stored(copied), Event::Stored(disk)]), 10);
    assert_eq!(engine.reusable(&tokens), (8, [8, 0, 0, 0]), "each in its fastest tier");
    // Evicted from the accelerator, as vLLM tells it: one event a block.
    for name in [3, 4, 5, 6, 7] {
        engine.publish(&[Event::Removed { layer: FULL, names: &names[name..=name] }]);
    }
    assert_eq!(engine.reusable(&tokens), (8, [3, 5, 0, 0]));
    engine.publish(&[Event::Removed { layer: Layer::new(0, Tier::Cpu), names: &names[7..] }]);
    assert_eq!(engine.reusable(&tokens), (8, [3, 4, 1, 0]));
    engine.publish(&[Event::Removed { layer: Layer::new(0, Tier::Cpu), names: &names[4..5] }]);
    assert_eq!(engine.reusable(&tokens), (4, [3, 1, 0, 0]), "block 4 is nowhere");
    // It comes back to the accelerator.
    let mut back = full(&names[4..5], &tokens[16..20]);
    back.parent = Some(names[3]);
    assert_eq!(engine.publish(&[Event::Stored(back)]), 1);
    assert_eq!(engine.reusable(&tokens), (8, [4, 3, 1, 0]));
}

#[test]
fn a_group_without_blocks_or_no_group_at_all_leaves_nothing() {
    let mut engine = Engine::new();
    let (tokens, names) = prompt(2);
    engine.publish(&[Event::Stored(full(&names, &tokens))]);
    engine.groups = CacheGroups::new().with(3, GroupRule::State);
    assert_eq!(engine.reusable(&tokens).0, 0);
    engine.groups = CacheGroups::new().without(0);
    assert_eq!(engine.reusable(&tokens).0, 0);
    engine.groups = CacheGroups::new();
    assert_eq!(engine.reusable(&[]).0, 0);
    let config = IndexConfig::new();
    engine.index = FleetIndex::with_config(config);
    assert_eq!(engine.reusable(&tokens).0, 0);
}
