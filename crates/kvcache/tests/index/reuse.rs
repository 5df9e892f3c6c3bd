//! What engines could reuse, over groups and tiers: the index answers as one who tries every length.

use phalanx_kvcache::{BlockHash, CacheGroups, Change, GroupRule, Layer, Reuse, Tier};
use proptest::prelude::*;

use crate::cases::cases;
use crate::model::{Fleet, Manner, Operation, World};
use crate::random::{Random, hold};

/// Layers that ranks speak of: a few groups in a few tiers, so that they meet.
const LAYERS: [Layer; 8] = [
    Layer::MAIN,
    Layer::MAIN,
    Layer::new(0, Tier::Cpu),
    Layer::new(0, Tier::Remote),
    Layer::new(1, Tier::Gpu),
    Layer::new(1, Tier::Cpu),
    Layer::new(1, Tier::Disk),
    Layer::new(7, Tier::Gpu),
];

/// The same in one of the layers that are spoken of.
fn within(mut operation: Operation, at: u8) -> Operation {
    match &mut operation {
        Operation::Store { layer, .. }
        | Operation::StoreAll { layer, .. }
        | Operation::Place { layer, .. }
        | Operation::Remove { layer, .. }
        | Operation::Evict { layer, .. }
        | Operation::Haunt { layer, .. }
        | Operation::Ragged { layer, .. }
        | Operation::Ask { layer, .. } => *layer = LAYERS[usize::from(at) % LAYERS.len()],
        Operation::Join | Operation::Leave { .. } | Operation::Clear { .. } => {}
    }
    operation
}

fn operations(small: bool) -> impl Strategy<Value = Vec<Operation>> {
    let manner = prop_oneof![Just(Manner::Alike), Just(Manner::Own)];
    let steps = prop::collection::vec(any::<([u8; Operation::BYTES], u8)>(), 0..60);
    (manner, steps).prop_map(move |(manner, steps)| {
        let operation = |(bytes, at)| within(Operation::read(bytes, manner), at);
        let squeeze = |operation: Operation| if small { operation.small() } else { operation };
        steps.into_iter().map(operation).map(squeeze).collect()
    })
}

fn rule() -> impl Strategy<Value = GroupRule> {
    let window = prop_oneof![0_u32..6, 0_u32..40, Just(u32::MAX)].prop_map(|blocks| GroupRule::Window { blocks });
    prop_oneof![2 => Just(GroupRule::Full), 3 => window, 1 => Just(GroupRule::State)]
}

/// One group of full attention, or any groups.
fn groups() -> impl Strategy<Value = CacheGroups> {
    let any = prop::collection::vec((prop_oneof![3 => Just(0_u16), 3 => Just(1), 1 => Just(7)], rule()), 0..4);
    let any = any.prop_map(|rules| {
        rules.into_iter().fold(CacheGroups::new().without(0), |groups, (group, rule)| groups.with(group, rule))
    });
    let hybrid = rule().prop_map(|rule| CacheGroups::new().with(1, rule));
    prop_oneof![1 => Just(CacheGroups::new()), 2 => hybrid, 2 => any]
}

/// Does the steps, and asks by some rules after each. Clears are pending most of the time, as only changes sweep.
fn run(fleet: Fleet, operations: &[Operation], groups: &[CacheGroups]) -> usize {
    let (mut world, mut reuse, mut answers) = (World::new(fleet), Reuse::new(), 0);
    let prompts: Vec<_> = operations.iter().filter_map(|operation| Some((operation.prompt()?.1, groups))).collect();
    for (at, operation) in operations.iter().enumerate() {
        world.step(operation);
        for (ahead, groups) in groups.iter().enumerate() {
            if let Some((contents, _)) = prompts.get((at + ahead * 7) % prompts.len().max(1)) {
                answers += world.ask_reuse(contents, groups, &mut reuse);
            }
        }
    }
    for (contents, groups) in prompts {
        answers += groups.iter().map(|groups| world.ask_reuse(contents.as_slice(), groups, &mut reuse)).sum::<usize>();
    }
    answers
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn invariant_10_a_match_is_the_prefix_that_the_engine_could_reuse(
        ranks in 1_usize..6,
        operations in any::<bool>().prop_flat_map(operations),
        groups in prop::collection::vec(groups(), 1..4),
    ) {
        run(Fleet::of(ranks), &operations, &groups);
    }
}

/// Many ranks, whose sets are bits; long prompts, cut in many places.
#[test]
fn invariant_10_in_a_long_life_of_a_fleet() {
    let groups = [
        CacheGroups::new(),
        CacheGroups::new().with(1, GroupRule::Window { blocks: 3 }),
        CacheGroups::new().with(1, GroupRule::State),
        CacheGroups::new().without(0).with(1, GroupRule::Window { blocks: 2 }),
        CacheGroups::new().with(0, GroupRule::State).with(1, GroupRule::Full),
    ];
    let mut answers = 0;
    for life in 0..u64::from(cases(200).cases.div_ceil(100)) {
        let mut random = Random::new(life);
        let bytes = |random: &mut Random| core::array::from_fn(|_| random.word() as u8);
        let operations: Vec<_> =
            (0..500).map(|_| within(Operation::read(bytes(&mut random), Manner::Alike), random.word() as u8)).collect();
        hold(&operations, |operations| {
            run(Fleet { seed: life, ..Fleet::of(40) }, operations, &groups);
        });
        answers += run(Fleet { seed: life, ..Fleet::of(40) }, &operations, &groups);
    }
    assert!(answers > 1_000, "only {answers} ranks could reuse anything: this proves little");
}

#[test]
fn coverage_from_before_a_clear_does_not_count() {
    let mut world = World::new(Fleet::of(2));
    let blocks: Vec<_> = (1..100).map(BlockHash).collect();
    let (window, mut reuse) = (Layer::new(1, Tier::Gpu), Reuse::new());
    let groups = [
        CacheGroups::new(),
        CacheGroups::new().with(1, GroupRule::Window { blocks: 2 }),
        CacheGroups::new().without(0).with(1, GroupRule::State),
    ];
    for layer in [Layer::MAIN, Layer::new(0, Tier::Cpu), window] {
        for rank in 0..2 {
            world.tell(rank, Change::Stored { layer, parent: None, names: &blocks, contents: &blocks });
        }
    }
    // Branches cut the path into runs, of which each change sweeps a few.
    for (at, &parent) in blocks.iter().enumerate() {
        let (names, contents) = ([BlockHash(1_000 + at as u64)], [BlockHash(1_000)]);
        world.tell(1, Change::Stored { layer: Layer::MAIN, parent: Some(parent), names: &names, contents: &contents });
    }
    assert!(groups.iter().all(|groups| world.ask_reuse(&blocks, groups, &mut reuse) == 2));
    world.tell(0, Change::Cleared);
    assert!(groups.iter().all(|groups| world.ask_reuse(&blocks, groups, &mut reuse) == 1));
    let (names, contents) = (&blocks[..9], &blocks[..9]);
    world.tell(0, Change::Stored { layer: window, parent: None, names, contents });
    for groups in groups {
        world.ask_reuse(&blocks, &groups, &mut reuse);
    }
}
