//! Snapshots: what is restored answers and goes on as what was written, and no bytes do harm.

use phalanx_kvcache::snapshot::{Restored, SnapshotError};
use phalanx_kvcache::{BlockHash, Change, FleetIndex, IndexConfig, Layer, Overlap, RankId, SharedIndex, Tier};
use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use crate::cases::cases;
use crate::model::{Fleet, Manner, Operation, World};
use crate::properties::{any_operations, fleet, operations, prompts, review, run};

/// Bytes of an index whose ranks' tags are their numbers.
fn written(index: &FleetIndex) -> Vec<u8> {
    let mut bytes = Vec::new();
    index.snapshot(|rank| rank.index().to_string(), &mut bytes);
    bytes
}

fn restored(bytes: &[u8], config: &IndexConfig) -> Restored<FleetIndex> {
    FleetIndex::restore(bytes, config.clone()).unwrap_or_else(|error| panic!("our own bytes: {error}"))
}

/// Goes on with the index that its bytes are.
fn replace(world: &mut World) -> Vec<u8> {
    let bytes = written(&world.index);
    let Restored { index, ranks, left_out, .. } = restored(&bytes, world.index.config());
    assert_eq!((left_out, index.pairs()), (0, world.index.pairs()));
    assert!(index.blocks() <= world.index.blocks(), "nothing is added");
    assert_eq!(index.config(), world.index.config());
    let tags: Vec<_> = world.index.ranks().map(|rank| (rank, rank.index().to_string().into_bytes())).collect();
    assert_eq!(ranks, tags);
    assert!(index.ranks().eq(world.index.ranks()));
    world.index = index;
    assert_eq!(written(&world.index), bytes, "it writes what it was");
    bytes
}

fn stored<'a>(names: &'a [BlockHash], contents: &'a [BlockHash]) -> Change<'a> {
    Change::Stored { layer: Layer::MAIN, parent: None, names, contents }
}

/// The checksum that belongs to changed bytes.
fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let body = bytes.len().saturating_sub(8);
    bytes.truncate(body);
    bytes.extend(xxh3_64(&bytes).to_le_bytes());
    bytes
}

/// An index that changed bytes made keeps its accounts, and can be used.
fn check_sound(mut index: FleetIndex) {
    let ranks: Vec<RankId> = index.ranks().collect();
    assert_eq!(ranks.iter().map(|&rank| u64::from(index.blocks_of(rank))).sum::<u64>(), index.pairs());
    let bytes = written(&index);
    assert_eq!(written(&restored(&bytes, index.config()).index), bytes);
    for &rank in &ranks {
        let blocks = [1, 2, 3].map(BlockHash);
        let _ = index.apply(rank, stored(&blocks, &blocks)).expect("it is there");
        let _ = index.apply(rank, Change::Removed { layer: Layer::MAIN, names: &blocks }).expect("it is there");
        index.leave(rank).expect("it is there");
    }
    assert_eq!(index.pairs(), 0);
}

/// A little of all that there is: layers, copies, names of one's own, a hole in the numbers and in what is held.
fn all_sorts() -> FleetIndex {
    let mut index = FleetIndex::new();
    let ranks: Vec<RankId> = (0..5).map(|_| index.join()).collect();
    let contents = [1, 2, 3, 4, 5, 6].map(BlockHash);
    let other = [1, 2, 30, 40].map(BlockHash);
    let names = contents.map(|BlockHash(content)| BlockHash(content + 70));
    let mine = contents.map(|BlockHash(content)| BlockHash(content + 700));
    let mut tell = |rank: usize, change| index.apply(ranks[rank], change).map(drop).expect("it has joined");
    tell(0, stored(&names, &contents));
    tell(1, stored(&names[..3], &contents[..3]));
    tell(2, stored(&mine[..4], &contents[..4]));
    tell(4, stored(&other, &other));
    tell(0, stored(&names[..2], &contents[..2]));
    tell(0, Change::Removed { layer: Layer::MAIN, names: &names[3..4] });
    let layer = Layer::new(1, Tier::Remote);
    tell(1, Change::Stored { layer, parent: None, names: &names[1..2], contents: &[] });
    tell(3, stored(&contents, &contents));
    index.leave(ranks[3]).expect("it has joined");
    index
}

const GOLDEN: &[u8] = include_bytes!("../data/snapshot-1.bin");

/// Version 1 stays what it is. If this fails, write a new version, and go on reading this one.
#[test]
fn the_form_is_what_it_was() {
    assert_eq!(written(&all_sorts()), GOLDEN);
    let Restored { index, ranks, left_out, .. } = restored(GOLDEN, &IndexConfig::new());
    assert_eq!((index.pairs(), left_out), (17, 0));
    assert_eq!(ranks.iter().map(|(rank, _)| rank.index()).collect::<Vec<_>>(), [0, 1, 2, 4]);
}

#[test]
fn a_replica_knows_what_its_peer_knows() {
    let (before, contents) = (all_sorts(), [1, 2, 3, 4, 5, 6].map(BlockHash));
    let mut index = restored(&written(&before), before.config()).index;
    let (mut one, mut two) = (Overlap::new(), Overlap::new());
    for layer in [Layer::MAIN, Layer::new(1, Tier::Remote), Layer::new(0, Tier::Cpu)] {
        before.overlap_in(layer, &contents, &mut one);
        index.overlap_in(layer, &contents, &mut two);
        let (mut here, mut there) = (Vec::new(), Vec::new());
        one.pairs_into(&mut here);
        two.pairs_into(&mut there);
        assert_eq!(here, there);
    }
    // The copies of rank 0, and the names of rank 2.
    let ranks: Vec<RankId> = index.ranks().collect();
    let remove = |name: &'static [BlockHash]| Change::Removed { layer: Layer::MAIN, names: name };
    let applied = index.apply(ranks[0], remove(&[BlockHash(71)])).expect("it has joined");
    assert_eq!((applied.repeated, applied.removed), (1, 0));
    let applied = index.apply(ranks[2], remove(&[BlockHash(71), BlockHash(701)])).expect("it has joined");
    assert_eq!((applied.unplaced, applied.removed), (1, 1));
    // The number that is vacant, and then a new one.
    assert_eq!((index.join().index(), index.join().index()), (3, 5));
}

#[test]
fn the_bytes_do_not_tell_in_which_order_it_came_about() {
    let (contents, names) = ([1, 2, 3, 4].map(BlockHash), [11, 12, 13, 14].map(BlockHash));
    let index = |order: [usize; 3]| {
        let mut index = FleetIndex::new();
        let ranks = [(); 3].map(|()| index.join());
        for rank in order {
            // Rank 1 gives other names than the two others.
            let names = if rank == 1 { &contents } else { &names };
            let _ = index.apply(ranks[rank], stored(&names[..rank + 1], &contents[..rank + 1])).expect("it is there");
        }
        index
    };
    let bytes = written(&index([0, 1, 2]));
    assert_eq!(written(&index([1, 0, 2])), bytes);
    assert_eq!(written(&index([2, 1, 0])), bytes);
}

#[test]
fn many_holders_of_parts_are_kept_apart() {
    let contents: Vec<BlockHash> = (1..=200).map(BlockHash).collect();
    let mut index = FleetIndex::new();
    for depth in 1..=200 {
        let rank = index.join();
        let _ = index.apply(rank, stored(&contents[..depth], &contents[..depth])).expect("it has joined");
    }
    let after = restored(&written(&index), index.config()).index;
    let mut overlap = Overlap::new();
    after.overlap(&contents, &mut overlap);
    assert!(index.ranks().all(|rank| overlap.blocks_of(rank) == rank.index() as u32 + 1));
    assert!(after.bytes() < index.bytes() * 3 / 2, "{} and {}", after.bytes(), index.bytes());
}

#[test]
fn a_shared_index_starts_from_a_peer() {
    let shared = SharedIndex::from(&all_sorts());
    let mut bytes = Vec::new();
    shared.snapshot(|rank| rank.index().to_string(), &mut bytes);
    assert_eq!(bytes, GOLDEN);
    let restored = SharedIndex::restore(&bytes, IndexConfig::new()).expect("our own bytes");
    let mut writer = restored.index.writer(restored.ranks[0].0).expect("nobody has it");
    let applied = writer.apply(Change::Removed { layer: Layer::MAIN, names: &[BlockHash(73)] }).expect("it has joined");
    assert_eq!(applied.removed, 1);
}

#[test]
fn a_rank_at_its_bound_keeps_what_comes_first() {
    let before = all_sorts();
    for blocks in 0..8 {
        let Restored { index, left_out, .. } = restored(&written(&before), &IndexConfig::new().max_rank_blocks(blocks));
        assert_eq!(index.pairs() + left_out, before.pairs());
        for rank in index.ranks() {
            assert_eq!(index.blocks_of(rank), before.blocks_of(rank).min(blocks));
        }
        check_sound(index);
    }
}

#[test]
fn what_is_cut_or_changed_is_refused() {
    for end in 0..GOLDEN.len() {
        let error = FleetIndex::restore(&GOLDEN[..end], IndexConfig::new()).expect_err("it is cut");
        match end {
            0..10 => assert_eq!(error, SnapshotError::Foreign),
            10..18 => assert!(matches!(error, SnapshotError::Malformed { .. }), "{error}"),
            _ => assert!(matches!(error, SnapshotError::Checksum { .. }), "{error}"),
        }
    }
    for at in 0..GOLDEN.len() {
        for bit in 0..8 {
            let mut bytes = GOLDEN.to_vec();
            bytes[at] ^= 1 << bit;
            assert!(FleetIndex::restore(&bytes, IndexConfig::new()).is_err(), "byte {at}");
        }
    }
}

/// Ranks take a byte each in a snapshot, and far more in an index: no more of them than there is room for.
#[test]
fn invariant_10_ranks_count_against_the_bound() {
    let of = |ranks: usize| {
        let mut index = FleetIndex::new();
        let all: Vec<RankId> = (0..ranks).map(|_| index.join()).collect();
        all[..ranks - 1].iter().for_each(|&rank| index.leave(rank).expect("it has joined"));
        let mut bytes = Vec::new();
        index.snapshot(|_| "", &mut bytes);
        bytes
    };
    let bytes = of(200_000);
    let restore = |bytes: &[u8], most| FleetIndex::restore(bytes, IndexConfig::new().max_bytes(most)).map(|_| ());
    assert!(bytes.len() < 201_000, "a byte for each");
    let refused = SnapshotError::TooManyRanks { at: 10, ranks: 200_000, needed: 0, max_bytes: 2 << 20 };
    let blind = |error| match error {
        SnapshotError::TooManyRanks { at, ranks, max_bytes, needed } if needed > 2 << 20 => {
            SnapshotError::TooManyRanks { at, ranks, max_bytes, needed: 0 }
        }
        other => other,
    };
    assert_eq!(restore(&bytes, 2 << 20).map_err(blind), Err(refused));
    assert_eq!(restore(&bytes, 64 << 20), Ok(()));
    assert_eq!(restore(&of(1024), 0), Ok(()), "as an index takes them in");
}

/// With a checksum that is right: every cut and every changed byte is refused, or is another index.
#[test]
fn whoever_knows_the_checksum_does_no_harm() {
    let sealed = |bytes: Vec<u8>| {
        if let Ok(restored) = FleetIndex::restore(&seal(bytes), IndexConfig::new().max_bytes(4 << 20)) {
            check_sound(restored.index);
        }
    };
    for at in 10..GOLDEN.len() - 8 {
        sealed([&GOLDEN[..at], &[0; 8]].concat());
        for byte in 0..=u8::MAX {
            let mut bytes = GOLDEN.to_vec();
            bytes[at] = byte;
            sealed(bytes);
        }
    }
}

#[test]
fn errors_name_the_place() {
    let error = |bytes: &[u8]| FleetIndex::restore(bytes, IndexConfig::new()).expect_err("it is wrong").to_string();
    assert!(error(b"something").contains("phxindex"));
    let head = |rest: &[u8]| seal([b"phxindex\x01\x00", rest, &[0; 8]].concat());
    assert_eq!(error(&head(&[])), "byte 10: expected a number of ranks that fits the bytes left");
    // A number in more bytes than it needs; a number that no byte is left for; a rank that is not there.
    assert_eq!(error(&head(&[0x80, 0])), "byte 10: expected a number of ranks that fits the bytes left");
    assert_eq!(error(&head(&[9, 1])), "byte 10: expected a number of ranks that fits the bytes left");
    assert_eq!(error(&head(&[1, 0])), "byte 11: expected a rank that has joined, as the last one");
    let node = [&[1, 1, 1, 0, 0, 1, 1, 1], &7_u64.to_le_bytes()[..], &[1, 0, 1, 1, 0, 0, 0]].concat();
    assert_eq!(error(&head(&node)), "byte 29: expected a rank that has joined");
    assert_eq!(error(&head(&[0, 0, 0, 0])), "byte 13: expected the checksum");
}

proptest! {
    #![proptest_config(cases(200))]

    /// The same answers, and the same life from there on: own names and copies, too.
    #[test]
    fn a_replica_goes_on_as_its_peer(
        fleet in fleet(), (lying, operations) in any_operations(), at in any::<prop::sample::Index>(),
    ) {
        let mut world = World::new(Fleet { lying, ..fleet });
        let (before, after) = operations.split_at(at.index(operations.len() + 1));
        run(&mut world, before);
        replace(&mut world);
        review(&mut world, &prompts(before));
        run(&mut world, after);
        replace(&mut world);
        review(&mut world, &prompts(&operations));
    }

    /// Ranks in another order, one after the other: the same bytes.
    #[test]
    fn the_bytes_are_those_of_what_is_held(fleet in fleet(), operations in operations(Manner::Alike)) {
        let rank = |operation: &Operation| match *operation {
            Operation::Store { rank, .. } | Operation::Place { rank, .. } | Operation::Remove { rank, .. }
            | Operation::Evict { rank, .. } | Operation::Clear { rank } => Some(rank),
            _ => None,
        };
        let fleet = Fleet { lying: false, ..fleet };
        let count = fleet.idle_before.len() as u16;
        let mut operations: Vec<Operation> = operations.into_iter().filter(|of| rank(of).is_some()).collect();
        let mut one = World::new(fleet.clone());
        run(&mut one, &operations);
        operations.sort_by_key(|operation| core::cmp::Reverse(rank(operation).map(|rank| rank % count)));
        let mut two = World::new(Fleet { seed: !fleet.seed, ..fleet });
        run(&mut two, &operations);
        prop_assert_eq!(written(&one.index), written(&two.index));
    }

    #[test]
    fn memory_is_bounded_and_what_is_left_out_is_told(
        fleet in fleet(), room in 0_usize..60_000, operations in operations(Manner::Own),
    ) {
        let mut world = World::new(Fleet { lying: false, ..fleet });
        run(&mut world, &operations);
        let mut ranks = FleetIndex::new();
        (0..world.index.ranks().last().map_or(0, |last| last.index() + 1)).for_each(|_| _ = ranks.join());
        let config = world.index.config().clone().max_bytes(ranks.bytes() + room);
        let Restored { index, left_out, .. } = restored(&written(&world.index), &config);
        prop_assert!(index.bytes() <= ranks.bytes() + room, "{} of {}", index.bytes(), ranks.bytes() + room);
        prop_assert_eq!(index.pairs() + left_out, world.index.pairs());
        let (mut one, mut two) = (Overlap::new(), Overlap::new());
        for (layer, contents) in prompts(&operations) {
            world.index.overlap_in(layer, &contents, &mut one);
            index.overlap_in(layer, &contents, &mut two);
            for rank in world.index.ranks() {
                prop_assert!(two.blocks_of(rank) <= one.blocks_of(rank), "nothing is made up");
            }
        }
        check_sound(index);
    }

    #[test]
    fn any_changes_of_the_bytes_do_no_harm(
        operations in operations(Manner::Own), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut world = World::new(Fleet::of(4));
        run(&mut world, &operations);
        let mut bytes = written(&world.index);
        for (at, byte) in changes {
            let at = at.index(bytes.len() - 8);
            bytes[at] = byte;
        }
        if let Ok(restored) = FleetIndex::restore(&seal(bytes), IndexConfig::new().max_bytes(16 << 20)) {
            check_sound(restored.index);
        }
    }
}
