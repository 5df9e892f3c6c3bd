//! Whoever holds a block can find it by its name, whatever came before.

use super::super::pages::NONE;
use super::super::table::Mixer;
use super::super::unlisted::Unlisted;
use super::*;
use crate::{BlockHash, Change, IndexConfig, Layer, Tier};

/// Contents of a path of its own.
fn path(path: u64, blocks: u64) -> Vec<BlockHash> {
    let mixer = Mixer::new(7);
    (0..blocks).map(|at| BlockHash(mixer.two(path as u32, at))).collect()
}

/// Stores blocks behind others, and says how many were not there.
fn store_behind(
    index: &mut FleetIndex,
    rank: RankId,
    parent: Option<BlockHash>,
    names: &[BlockHash],
    contents: &[BlockHash],
) -> u32 {
    let change = Change::Stored { layer: Layer::MAIN, parent, names, contents };
    index.apply(rank, change).expect("the rank has joined").stored
}

fn store(index: &mut FleetIndex, rank: RankId, names: &[BlockHash], contents: &[BlockHash]) -> u32 {
    store_behind(index, rank, None, names, contents)
}

/// Removes blocks, and says how many were there.
fn remove(index: &mut FleetIndex, rank: RankId, names: &[BlockHash]) -> u32 {
    index.apply(rank, Change::Removed { layer: Layer::MAIN, names }).expect("the rank has joined").removed
}

/// A name that nobody has given.
const UNKNOWN: BlockHash = BlockHash(0x0123_4567_89ab_cdef);

fn list_of(index: &FleetIndex, rank: RankId) -> &Unlisted {
    &index.ranks[rank.index()].unlisted
}

/// Whoever holds a block has a name of its own for it, or it is listed, or it is in the rank's list.
fn check(index: &FleetIndex) {
    let forest = &index.forest;
    let noted: Vec<Vec<(u32, u32)>> = index
        .ranks
        .iter()
        .map(|rank| {
            let mut sorted = Vec::new();
            rank.unlisted.sort_into(&mut sorted);
            sorted
        })
        .collect();
    let (mut blocks, mut unlisted) = (0, 0);
    for run in 0..forest.runs() {
        let of = forest.run(run);
        for depth in of.start..of.end() {
            let block = forest.block(run, depth);
            let is_unlisted = forest.pages.is_unlisted(block);
            let is_listed = forest.named(forest.pages.name(block), |other| other == block).is_some();
            assert!(is_unlisted || is_listed, "block {block} is neither listed nor unlisted");
            blocks += 1;
            unlisted += usize::from(is_unlisted);
            for rank in index.ranks() {
                let stretches = &noted[rank.index()];
                let is_noted = || stretches.iter().any(|&(first, count)| (first..first + count).contains(&block));
                let is_found = !is_unlisted || index.ranks[rank.index()].name_of(block).is_some() || is_noted();
                assert!(!index.holds(rank, run, depth) || is_found, "{rank:?} cannot find block {block}");
            }
        }
    }
    assert_eq!(blocks, forest.blocks());
    assert_eq!(unlisted, forest.listed.unlisted(), "blocks that are not listed");
    let odd: usize = index.ranks.iter().map(super::super::names::Rank::bytes).sum();
    assert_eq!(odd, index.odd, "bytes of the ranks");
    let heap: usize = (0..forest.runs()).map(|run| forest.run(run).heap()).sum();
    assert_eq!(heap, forest.heap(), "bytes of the runs");
}

/// Removes all that a rank holds by its names, one at a time.
fn drain(index: &mut FleetIndex, rank: RankId, names: &[BlockHash]) {
    for &name in names {
        while remove(index, rank, &[name]) > 0 {}
    }
    assert_eq!(index.blocks_of(rank), 0, "all that it holds can be found by name");
}

#[test]
fn what_is_held_is_found_after_any_changes() {
    for seed in 0..120_u64 {
        let (mixer, mut word) = (Mixer::new(seed), 0_u32);
        let mut below = |most: u64| {
            word += 1;
            mixer.two(word, seed) % most
        };
        let mut config = IndexConfig::new().counted_copies(seed % 2 == 0);
        if seed % 5 == 4 {
            config = config.max_bytes(FleetIndex::new().bytes() + 60_000);
        }
        let mut index = FleetIndex::with_config(config);
        let mut ranks: Vec<_> = (0..6).map(|_| index.join()).collect();
        // Prompts that share beginnings; how names follow from contents is each engine's affair, or all do alike.
        let prompts: Vec<_> =
            (0..8).map(|at| [path(at / 4, 40), path(at / 2 + 10, 30), path(at + 20, 30)].concat()).collect();
        let kind = seed % 4;
        let name = |rank: usize, at: usize, content: BlockHash| match kind {
            0 | 1 => content,
            2 => BlockHash(content.0 ^ (rank as u64 / 3) ^ at as u64),
            _ => BlockHash(content.0 % 3),
        };
        for _ in 0..150 {
            let at = below(6) as usize;
            let rank = ranks[at];
            let prompt = &prompts[below(8) as usize];
            let names: Vec<_> = prompt.iter().enumerate().map(|(place, &content)| name(at, place, content)).collect();
            let from = below(100) as usize;
            let to = from + 1 + below(100 - from as u64) as usize;
            match below(12) {
                0..5 => {
                    store(&mut index, rank, &names[..to], &prompt[..to]);
                }
                5 => {
                    let parent = from.checked_sub(1).map(|at| names[at]);
                    store_behind(&mut index, rank, parent, &names[from..to], &prompt[from..to]);
                }
                6 => {
                    remove(&mut index, rank, &names[from..to]);
                }
                7 | 8 => {
                    let names: Vec<_> = names[from..to].iter().rev().copied().collect();
                    remove(&mut index, rank, &names);
                }
                9 => {
                    let layer = Layer { group: 0, tier: Tier::Cpu };
                    let change = Change::Stored { layer, parent: None, names: &names[from..to], contents: &[] };
                    let _ = index.apply(rank, change).expect("the rank has joined");
                }
                10 => {
                    remove(&mut index, rank, &[UNKNOWN; 3]);
                }
                _ if below(2) == 0 => index.clear(rank).expect("the rank has joined"),
                _ => {
                    index.leave(rank).expect("the rank has joined");
                    ranks[at] = index.join();
                }
            }
            check(&index);
            if below(8) == 0 {
                index = index.clone();
                check(&index);
            }
        }
    }
}

#[test]
fn an_index_that_holds_nothing_has_room_again() {
    let config = IndexConfig::new().max_bytes(1 << 20);
    let mut index = FleetIndex::with_config(config);
    let empty = index.bytes();
    let ranks = [(); 3].map(|()| index.join());
    let paths = [path(1, 6_400), path(2, 6_400)];
    for rank in ranks {
        // By turns, so that the list has many stretches; and a search, so that its blocks have tags.
        for at in (0..6_400).step_by(64) {
            for path in &paths {
                let parent = (at > 0).then(|| path[at - 1]);
                assert_eq!(store_behind(&mut index, rank, parent, &path[at..at + 64], &path[at..at + 64]), 64);
            }
        }
        remove(&mut index, rank, &[UNKNOWN]);
    }
    let full = index.bytes();
    for rank in ranks {
        for path in &paths {
            let reversed: Vec<_> = path.iter().rev().copied().collect();
            assert_eq!(remove(&mut index, rank, &reversed), 6_400);
        }
        let list = list_of(&index, rank);
        assert!(list.len() <= 256 && list.bytes() < 4_096, "{} bytes for {} blocks", list.bytes(), list.len());
    }
    assert!(index.odd < 12_000 && index.bytes() < full, "{} bytes of {full}, {empty} before", index.bytes());
    check(&index);
}

/// Dead entries make room for living ones, also in a list as long as can be.
#[test]
fn a_full_list_is_tidied_before_it_is_shortened() {
    let mut index = FleetIndex::new();
    let rank = index.join();
    let keeper = index.join();
    let contents = path(1, MOST as u64 / 2);
    store(&mut index, rank, &contents, &contents);
    store(&mut index, keeper, &contents, &contents);
    for round in 0..6 {
        let some = path(2 + round, MOST as u64 / 4);
        store(&mut index, rank, &some, &some);
        let listed = index.blocks() - index.forest.listed.unlisted() as u64;
        assert!(listed < 100, "{listed} living blocks are listed in place of dead ones");
        assert!(list_of(&index, rank).len() <= MOST);
        let reversed: Vec<_> = some.iter().rev().copied().collect();
        assert_eq!(remove(&mut index, rank, &reversed), some.len() as u32);
    }
}

#[test]
fn what_is_stored_again_is_not_searched_for() {
    let mut index = FleetIndex::new();
    let rank = index.join();
    let contents = path(1, 1_000);
    store(&mut index, rank, &contents, &contents);
    let before = list_of(&index, rank).len();
    assert_eq!(store(&mut index, rank, &contents, &contents), 0);
    assert_eq!((before, list_of(&index, rank).len()), (1_000, 1_000), "a search would have shortened the list");
}

/// Each step is short, or makes those that follow short.
#[test]
fn what_a_search_rejects_is_paid_for() {
    let mut index = FleetIndex::new();
    let (rank, other) = (index.join(), index.join());
    // The first half of them is held no longer, and must be rejected.
    let contents = path(1, 2_000);
    let mut names = vec![BlockHash(1); 2_000];
    // Those that a search lists have other names.
    names[0] = BlockHash(2);
    names[1_900..].copy_from_slice(&contents[1_900..]);
    store(&mut index, rank, &names, &contents);
    store(&mut index, other, &names, &contents);
    assert_eq!(remove(&mut index, rank, &names[..1_000]), 1_000);
    let before = list_of(&index, rank).len();
    assert!(index.resolve(rank, 1, NONE).is_some());
    let after = list_of(&index, rank).len();
    assert!(before - after >= 999, "{before} blocks, and then {after}");
}

/// The table has room for some hundred names that are alike: others are unlisted again, and let go.
#[test]
fn a_block_that_the_table_lost_is_found_by_who_stores_it_again() {
    let mut index = FleetIndex::with_config(IndexConfig::new().counted_copies(false));
    let (first, second) = (index.join(), index.join());
    let contents = path(1, 2_000);
    let mut names = vec![BlockHash(1); 2_000];
    // Blocks behind keep those before.
    names[1_999] = BlockHash(2);
    store(&mut index, first, &names, &contents);
    store(&mut index, second, &names, &contents);
    for _ in 0..120 {
        remove(&mut index, first, &[UNKNOWN]);
        check(&index);
    }
    assert!(index.blocks_of(second) < 2_000, "some were lost");
    store(&mut index, first, &names, &contents);
    check(&index);
    drain(&mut index, first, &[BlockHash(1), BlockHash(2)]);
    drain(&mut index, second, &[BlockHash(1), BlockHash(2)]);
    assert_eq!((index.blocks(), index.forest.listed.unlisted()), (0, 0));
}

/// What is freed is lost no longer, and who gets its number holds it.
#[test]
fn a_block_with_the_number_of_a_lost_one_is_not_lost() {
    let mut index = FleetIndex::new();
    let (liar, other) = (index.join(), index.join());
    let (names, contents) = (vec![BlockHash(1); 2_000], path(1, 2_000));
    store(&mut index, liar, &names, &contents);
    index.list_last(liar, 1_990);
    // All of it is freed before anybody has let the lost ones go.
    index.clear(liar).expect("the rank has joined");
    index.sweep_runs(100);
    assert_eq!(index.blocks(), 0);
    let contents = path(2, 2_000);
    assert_eq!(store(&mut index, other, &contents, &contents), 2_000);
    assert_eq!(index.blocks_of(other), 2_000, "nothing of it was lost");
    check(&index);
}
