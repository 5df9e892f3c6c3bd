//! Any sequence of operations: the index answers, counts and refuses as the naive model does.

use phalanx_kvcache::{BlockHash, Layer, RankId};
use proptest::prelude::*;

use crate::cases::cases;
use crate::model::{Fleet, Manner, Operation, World, fingerprint};

/// Operations of one run.
const LONGEST: usize = 100;

pub(crate) fn operations(manner: Manner) -> impl Strategy<Value = Vec<Operation>> {
    let operation = any::<[u8; Operation::BYTES]>().prop_map(move |bytes| Operation::read(bytes, manner));
    prop::collection::vec(operation, 0..LONGEST)
}

/// Operations in any one manner, some of them on prompts of a few blocks; and whether they contradict themselves.
pub(crate) fn any_operations() -> impl Strategy<Value = (bool, Vec<Operation>)> {
    let manner = prop_oneof![
        2 => Just(Manner::Alike),
        2 => Just(Manner::Own),
        1 => Just(Manner::Fickle),
        1 => Just(Manner::Slots),
        2 => Just(Manner::Lying),
    ];
    (manner, any::<bool>()).prop_flat_map(|(manner, small)| {
        let small = move |operation: Operation| if small { operation.small() } else { operation };
        let operations = operations(manner).prop_map(move |operations| operations.into_iter().map(small).collect());
        (Just(manner == Manner::Lying), operations)
    })
}

/// A few ranks that take part; now and then with others before and between them, so that their numbers lie far apart.
pub(crate) fn fleet() -> impl Strategy<Value = Fleet> {
    let idle_before = prop_oneof![
        20 => prop::collection::vec(Just(0), 1..6),
        10 => Just(vec![0, 61, 0, 0, 2]),
        5 => Just(vec![0; 25]),
        1 => Just(vec![1, 62, 960, 0, 70]),
    ];
    let bound = prop::option::weighted(0.2, 0_u32..100);
    let fleet = (idle_before, bound, any::<bool>(), any::<u64>());
    fleet.prop_map(|(idle_before, max_rank_blocks, counted_copies, seed)| Fleet {
        idle_before,
        max_rank_blocks,
        counted_copies,
        seed,
        max_bytes: None,
        lying: false,
    })
}

/// All that the operations are about.
pub(crate) fn prompts(operations: &[Operation]) -> Vec<(Layer, Vec<BlockHash>)> {
    operations.iter().filter_map(Operation::prompt).collect()
}

pub(crate) fn run(world: &mut World, operations: &[Operation]) {
    for operation in operations {
        world.step(operation);
    }
    world.count_all();
}

/// Asks about all prompts.
pub(crate) fn review(world: &mut World, prompts: &[(Layer, Vec<BlockHash>)]) {
    for (layer, contents) in prompts {
        world.ask(*layer, contents);
    }
    world.count_all();
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn invariant_9_the_index_is_the_naive_model(fleet in fleet(), operations in operations(Manner::Alike)) {
        run(&mut World::new(fleet), &operations);
    }

    #[test]
    fn invariant_9_whatever_names_the_engines_give(fleet in fleet(), operations in operations(Manner::Own)) {
        run(&mut World::new(fleet), &operations);
    }

    #[test]
    fn invariant_9_if_blocks_get_new_names(
        fleet in fleet(), operations in operations(Manner::Fickle), small in any::<bool>(),
    ) {
        let small = |operation: Operation| if small { operation.small() } else { operation };
        let operations: Vec<Operation> = operations.into_iter().map(small).collect();
        run(&mut World::new(fleet), &operations);
    }

    #[test]
    fn invariant_9_if_names_are_used_again_for_other_blocks(
        fleet in fleet(), operations in operations(Manner::Slots), small in any::<bool>(),
    ) {
        let small = |operation: Operation| if small { operation.small() } else { operation };
        let operations: Vec<Operation> = operations.into_iter().map(small).collect();
        run(&mut World::new(fleet), &operations);
    }

    #[test]
    fn invariant_9_where_all_share_a_few_pages(fleet in fleet(), operations in operations(Manner::Alike)) {
        let operations: Vec<Operation> = operations.into_iter().map(Operation::small).collect();
        run(&mut World::new(fleet), &operations);
    }

    #[test]
    fn invariant_9_no_more_than_was_told_if_they_contradict_themselves(
        fleet in fleet(), operations in operations(Manner::Lying), small in any::<bool>(),
    ) {
        let small = |operation: Operation| if small { operation.small() } else { operation };
        let operations: Vec<Operation> = operations.into_iter().map(small).collect();
        run(&mut World::new(Fleet { lying: true, ..fleet }), &operations);
    }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn invariant_10_memory_is_bounded_and_what_is_left_out_is_told(
        fleet in fleet(), room in 0_usize..40_000, (lying, operations) in any_operations(),
    ) {
        // The ranks themselves take room that no bound can refuse, and so they come first and stay.
        let empty = World::new(Fleet { max_bytes: None, ..fleet.clone() }).index.bytes();
        let stay = |operation: &&Operation| !matches!(operation, Operation::Join | Operation::Leave { .. });
        let operations: Vec<Operation> = operations.iter().filter(stay).copied().collect();
        run(&mut World::new(Fleet { max_bytes: Some(empty + room), lying, ..fleet }), &operations);
    }

    #[test]
    fn a_batch_is_its_changes_one_by_one(
        fleet in fleet(), (lying, operations) in any_operations(), sizes in prop::collection::vec(1_usize..40, 1..10),
    ) {
        let stay = |operation: &&Operation| !matches!(operation, Operation::Join | Operation::Leave { .. });
        let operations: Vec<Operation> = operations.iter().filter(stay).copied().collect();
        let mut world = World::new(Fleet { lying, ..fleet });
        world.record();
        run(&mut world, &operations);
        let mut batched = world.retold(&sizes).expect("nobody joined or left");
        review(&mut batched, &prompts(&operations));
    }

    #[test]
    fn a_copy_goes_its_own_way(
        fleet in fleet(), (lying, operations) in any_operations(), cuts in any::<[prop::sample::Index; 2]>(),
    ) {
        let (here, there) = operations.split_at(cuts[0].index(operations.len() + 1));
        let (before, here) = here.split_at(cuts[1].index(here.len() + 1));
        let mut world = World::new(Fleet { lying, ..fleet });
        run(&mut world, before);
        let mut copy = world.clone();
        run(&mut world, here);
        review(&mut copy, &prompts(before));
        run(&mut copy, there);
        review(&mut world, &prompts(&operations));
    }

    #[test]
    fn the_same_operations_make_the_same_index(fleet in fleet(), (lying, operations) in any_operations()) {
        let [one, two] = [(); 2].map(|()| {
            let mut world = World::new(Fleet { lying, ..fleet.clone() });
            run(&mut world, &operations);
            let ids: Vec<RankId> = world.ids().map(|(_, id)| id).collect();
            (fingerprint(&world.index, &ids, &prompts(&operations)), ids)
        });
        prop_assert_eq!(one, two);
    }

    /// A seed decides where things lie, and not what is there.
    #[test]
    fn a_seed_changes_no_answer(fleet in fleet(), seed in any::<u64>(), (lying, operations) in any_operations()) {
        let mut world = World::new(Fleet { lying, ..fleet.clone() });
        run(&mut world, &operations);
        let mut other = World::new(Fleet { lying, seed, ..fleet });
        run(&mut other, &operations);
        prop_assert!(world.ids().eq(other.ids()), "the same ranks have the same numbers");
    }
}
