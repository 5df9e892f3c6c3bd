//! What the words of the index mean, case by case and by hand: the index and its model must both say so.

use phalanx_kvcache::{
    Applied, BlockHash, CacheEvent, Change, FleetIndex, IndexConfig, IndexError, Layer, Overlap, Tier,
};

use crate::model::{Counts, Fleet, World};

const CPU: Layer = Layer { group: 0, tier: Tier::Cpu };

/// Each letter is a block.
fn blocks(letters: &str) -> Vec<BlockHash> {
    letters.bytes().map(|letter| BlockHash(u64::from(letter))).collect()
}

fn block(letter: char) -> BlockHash {
    BlockHash(letter as u64)
}

/// One rank or more, told in letters: names are digits, contents are letters.
struct Told(World);

impl Told {
    fn new(ranks: usize) -> Self {
        Self(World::new(Fleet::of(ranks)))
    }

    fn bounded(max_rank_blocks: u32) -> Self {
        Self(World::new(Fleet { max_rank_blocks: Some(max_rank_blocks), ..Fleet::of(1) }))
    }

    /// What became of the blocks: stored, repeated, removed, unplaced, left out.
    fn tell(&mut self, rank: usize, change: Change<'_>) -> [u32; 5] {
        let Counts { stored, repeated, removed, unplaced, left_out } = self.0.tell(rank, change).expect("it is sound");
        self.0.count_all();
        assert!(self.0.model.ranks().all(|(_, rank)| rank.is_sound()), "the model contradicts itself");
        [stored, repeated, removed, unplaced, left_out]
    }

    fn store(&mut self, rank: usize, parent: &str, names: &str, contents: &str) -> [u32; 5] {
        self.store_in(Layer::MAIN, rank, parent, names, contents)
    }

    fn store_in(&mut self, layer: Layer, rank: usize, parent: &str, names: &str, contents: &str) -> [u32; 5] {
        let (names, contents) = (blocks(names), blocks(contents));
        let parent = parent.chars().next().map(block);
        self.tell(rank, Change::Stored { layer, parent, names: &names, contents: &contents })
    }

    fn remove(&mut self, rank: usize, names: &str) -> [u32; 5] {
        self.remove_in(Layer::MAIN, rank, names)
    }

    fn remove_in(&mut self, layer: Layer, rank: usize, names: &str) -> [u32; 5] {
        self.tell(rank, Change::Removed { layer, names: &blocks(names) })
    }

    /// How much of the contents each rank holds, by rank.
    fn depths(&mut self, contents: &str) -> Vec<(usize, u32)> {
        self.depths_in(Layer::MAIN, contents)
    }

    fn depths_in(&mut self, layer: Layer, contents: &str) -> Vec<(usize, u32)> {
        let contents = blocks(contents);
        // The index must agree with the model.
        self.0.ask(layer, &contents);
        self.0.model.overlap_in(layer, &contents)
    }
}

#[test]
fn a_prefix_is_held_up_to_the_first_block_that_differs() {
    let mut fleet = Told::new(2);
    assert_eq!(fleet.store(0, "", "123", "abc"), [3, 0, 0, 0, 0]);
    assert_eq!(fleet.store(1, "", "123", "abx"), [3, 0, 0, 0, 0], "another rank's names are its own");
    assert_eq!(fleet.depths("abcd"), [(0, 3), (1, 2)]);
    assert_eq!(fleet.depths("abx"), [(0, 2), (1, 3)]);
    assert_eq!(fleet.depths("b"), [], "a prefix begins at block 0");
    assert_eq!(fleet.depths(""), []);
}

#[test]
fn blocks_go_behind_their_parent_if_the_rank_holds_it() {
    let mut fleet = Told::new(2);
    fleet.store(0, "", "12", "ab");
    assert_eq!(fleet.store(0, "2", "34", "cd"), [2, 0, 0, 0, 0]);
    assert_eq!(fleet.depths("abcd"), [(0, 4)]);
    assert_eq!(fleet.store(0, "1", "5", "x"), [1, 0, 0, 0, 0], "a parent can have more children");
    assert_eq!(fleet.depths("axcd"), [(0, 2)]);
    assert_eq!(fleet.store(1, "2", "34", "cd"), [0, 0, 0, 2, 0], "the other rank does not know the name");
    assert_eq!(fleet.store(0, "9", "67", "cd"), [0, 0, 0, 2, 0], "nobody does");
    assert_eq!(fleet.depths("cd"), []);
}

#[test]
fn a_hole_hides_what_is_behind_it_until_it_is_filled() {
    let mut fleet = Told::new(1);
    fleet.store(0, "", "1234", "abcd");
    assert_eq!(fleet.remove(0, "2"), [0, 0, 1, 0, 0]);
    assert_eq!(fleet.depths("abcd"), [(0, 1)]);
    assert_eq!(fleet.store(0, "4", "5", "e"), [1, 0, 0, 0, 0], "behind the hole, a name still has its place");
    assert_eq!(fleet.remove(0, "1"), [0, 0, 1, 0, 0]);
    assert_eq!(fleet.depths("abcde"), []);
    assert_eq!(fleet.store(0, "", "12", "ab"), [2, 0, 0, 0, 0]);
    assert_eq!(fleet.depths("abcde"), [(0, 5)]);
}

#[test]
fn equal_contents_behind_different_ones_are_different_blocks() {
    let mut fleet = Told::new(1);
    fleet.store(0, "", "12", "ax");
    fleet.store(0, "", "34", "bx");
    assert_eq!(fleet.remove(0, "2"), [0, 0, 1, 0, 0]);
    assert_eq!((fleet.depths("ax"), fleet.depths("bx")), (vec![(0, 1)], vec![(0, 2)]));
    fleet.store(0, "", "567", "ccc");
    assert_eq!(fleet.depths("ccccc"), [(0, 3)]);
    assert_eq!(fleet.remove(0, "6"), [0, 0, 1, 0, 0]);
    assert_eq!(fleet.depths("ccccc"), [(0, 1)]);
}

#[test]
fn what_is_stored_twice_goes_when_it_is_removed_twice() {
    let mut fleet = Told::new(1);
    fleet.store(0, "", "12", "ab");
    assert_eq!(fleet.store(0, "", "123", "abc"), [1, 2, 0, 0, 0]);
    assert_eq!(fleet.remove(0, "321"), [0, 2, 1, 0, 0], "one copy is left of each that was stored twice");
    assert_eq!(fleet.depths("abc"), [(0, 2)]);
    assert_eq!(fleet.remove(0, "11"), [0, 0, 1, 1, 0], "then none, and one cannot go twice");
    let mut fleet = Told(World::new(Fleet { counted_copies: false, ..Fleet::of(1) }));
    fleet.store(0, "", "12", "ab");
    assert_eq!(fleet.store(0, "", "12", "ab"), [0, 2, 0, 0, 0]);
    assert_eq!(fleet.remove(0, "2"), [0, 0, 1, 0, 0], "copies do not count");
    assert_eq!(fleet.depths("ab"), [(0, 1)]);
}

/// An engine that names two blocks alike holds both; by that name it can remove both, one after the other.
#[test]
fn a_name_for_two_blocks_takes_one_of_them() {
    let mut fleet = Told(World::new(Fleet { lying: true, ..Fleet::of(1) }));
    assert_eq!(fleet.store(0, "", "1", "a"), [1, 0, 0, 0, 0]);
    assert_eq!(fleet.store(0, "", "1", "x"), [1, 0, 0, 0, 0]);
    assert_eq!(fleet.0.index.pairs(), 2);
    assert_eq!(fleet.remove(0, "1"), [0, 0, 1, 0, 0]);
    assert_eq!(fleet.0.index.pairs(), 1);
    assert_eq!(fleet.remove(0, "1"), [0, 0, 1, 0, 0]);
    assert_eq!(fleet.remove(0, "1"), [0, 0, 0, 1, 0]);
    assert_eq!(fleet.store(0, "", "11", "ab"), [2, 0, 0, 0, 0], "in one store, too");
    assert_eq!(fleet.remove(0, "111"), [0, 0, 2, 1, 0]);
    assert_eq!(fleet.0.index.pairs(), 0);
}

#[test]
fn a_path_has_the_name_that_it_got_last() {
    let mut fleet = Told::new(1);
    fleet.store(0, "", "12", "ab");
    assert_eq!(fleet.store(0, "", "9", "a"), [0, 1, 0, 0, 0]);
    assert_eq!(fleet.remove(0, "1"), [0, 0, 0, 1, 0], "the old name is forgotten");
    assert_eq!(fleet.store(0, "1", "3", "x"), [0, 0, 0, 1, 0]);
    assert_eq!(fleet.remove(0, "99"), [0, 1, 1, 0, 0], "its copies are not");
    assert_eq!(fleet.depths("ab"), []);
}

#[test]
fn layers_are_apart_and_share_names() {
    let mut fleet = Told::new(1);
    fleet.store(0, "", "12", "ab");
    assert_eq!(fleet.remove_in(CPU, 0, "1"), [0, 0, 0, 1, 0], "it is in another layer");
    assert_eq!(fleet.store_in(CPU, 0, "2", "3", "c"), [1, 0, 0, 0, 0], "a parent may be in any layer");
    assert_eq!((fleet.depths("abc"), fleet.depths_in(CPU, "abc")), (vec![(0, 2)], vec![]));
    assert_eq!(fleet.store_in(CPU, 0, "7", "192", ""), [2, 0, 0, 1, 0], "placed by name, whatever the parent");
    assert_eq!(fleet.depths_in(CPU, "abc"), [(0, 3)]);
    assert_eq!(fleet.remove(0, "12"), [0, 0, 2, 0, 0], "offloaded");
    assert_eq!((fleet.depths("abc"), fleet.depths_in(CPU, "abc")), (vec![], vec![(0, 3)]));
    assert_eq!(fleet.store_in(Layer::MAIN, 0, "", "12", ""), [2, 0, 0, 0, 0], "and back");
    assert_eq!(fleet.depths("abc"), [(0, 2)]);
    assert_eq!(fleet.store_in(CPU, 0, "", "1", ""), [0, 1, 0, 0, 0]);
    assert_eq!(fleet.remove_in(CPU, 0, "11"), [0, 1, 1, 0, 0], "copies are counted by layer");
}

/// Found by chance among 20,000 sequences: a place of a page keeps its last name when the page goes to another branch.
#[test]
fn a_name_that_is_gone_is_not_found_where_it_was() {
    let mut fleet = Told::new(2);
    fleet.store(0, "", "12", "ab");
    fleet.remove(0, "1");
    fleet.store(1, "", "7", "x");
    fleet.remove(0, "2");
    fleet.store(0, "", "73", "xy");
    assert_eq!(fleet.remove(0, "1"), [0, 0, 0, 1, 0], "the next to go has gone already");
    assert_eq!(fleet.depths("xy"), [(0, 2), (1, 1)]);

    let mut fleet = Told::new(2);
    for rank in 0..2 {
        fleet.store(rank, "", "78", "xy");
    }
    fleet.store(0, "", "12", "ab");
    fleet.remove(0, "21");
    fleet.store(1, "8", "9", "z");
    assert_eq!(fleet.store(0, "2", "5", "q"), [0, 0, 0, 1, 0], "the last one stored is no parent any more");
    assert_eq!(fleet.depths("xyq"), [(0, 2), (1, 2)]);
}

#[test]
fn clearing_and_leaving_forget_all_of_one_rank() {
    let mut fleet = Told::new(2);
    for rank in 0..2 {
        fleet.store(rank, "", "12", "ab");
        fleet.store_in(CPU, rank, "", "12", "ab");
    }
    assert_eq!(fleet.tell(0, Change::Cleared), [0; 5]);
    assert_eq!((fleet.depths("ab"), fleet.depths_in(CPU, "ab")), (vec![(1, 2)], vec![(1, 2)]));
    assert_eq!(fleet.remove(0, "1"), [0, 0, 0, 1, 0]);
    assert_eq!(fleet.store(0, "1", "2", "b"), [0, 0, 0, 1, 0]);
    fleet.0.leave(1);
    fleet.0.count_all();
    let again = fleet.0.join();
    assert_eq!(fleet.depths("ab"), []);
    assert_eq!(fleet.remove(again, "1"), [0, 0, 0, 1, 0]);
    fleet.store(again, "", "1", "a");
    assert_eq!(fleet.depths("ab"), [(again, 1)]);
}

#[test]
fn a_rank_at_its_bound_keeps_what_it_has() {
    let mut fleet = Told::bounded(3);
    assert_eq!(fleet.store(0, "", "1234", "abcd"), [3, 0, 0, 0, 1]);
    assert_eq!(fleet.store(0, "", "15", "ax"), [0, 1, 0, 0, 1], "what is there already is no new block");
    assert_eq!(fleet.store_in(CPU, 0, "", "1", ""), [0, 0, 0, 0, 1], "another layer is one more");
    assert_eq!(fleet.store(0, "4", "5", "e"), [0, 0, 0, 1, 0], "what was left out is no parent");
    assert_eq!(fleet.store(0, "", "3", "x"), [0, 0, 0, 0, 1], "nor does it take out what its name was for");
    assert_eq!(fleet.remove(0, "3"), [0, 0, 1, 0, 0]);
    assert_eq!(fleet.store(0, "2", "67", "yz"), [1, 0, 0, 0, 1]);
    assert_eq!(fleet.depths("abyz"), [(0, 3)]);
    let mut nothing = Told::bounded(0);
    assert_eq!(nothing.store(0, "", "12", "ab"), [0, 0, 0, 0, 2]);
}

#[test]
fn lengths_must_fit_and_strangers_are_refused() {
    let mut index = FleetIndex::with_config(IndexConfig::default());
    let rank = index.join();
    let (names, contents) = (blocks("123"), blocks("ab"));
    let ragged = Change::Stored { layer: Layer::MAIN, parent: None, names: &names, contents: &contents };
    assert_eq!(index.apply(rank, ragged), Err(IndexError::Lengths { names: 3, contents: 2 }));
    let nameless = Change::Stored { layer: Layer::MAIN, parent: None, names: &[], contents: &contents };
    assert_eq!(index.apply(rank, nameless), Err(IndexError::Lengths { names: 0, contents: 2 }));
    let nothing = Change::Stored { layer: Layer::MAIN, parent: None, names: &[], contents: &[] };
    assert_eq!(index.apply(rank, nothing), Ok(Applied::default()));
    assert_eq!((index.pairs(), index.blocks(), index.blocks_of(rank)), (0, 0, 0));
    index.leave(rank).expect("it is there");
    let stranger = IndexError::UnknownRank { rank: rank.index() };
    for change in [ragged, nothing, Change::Cleared, Change::Removed { layer: Layer::MAIN, names: &names }] {
        assert_eq!(index.apply(rank, change), Err(stranger.clone()));
    }
    assert_eq!(index.leave(rank), Err(stranger));
}

#[test]
fn the_events_of_a_pool_are_changes_of_the_main_layer() {
    let mut index = FleetIndex::new();
    let rank = index.join();
    let mut overlap = Overlap::new();
    let events = [
        CacheEvent::Stored { parent: None, blocks: blocks("ab") },
        CacheEvent::Stored { parent: Some(block('b')), blocks: blocks("c") },
        CacheEvent::Removed { blocks: blocks("b") },
        CacheEvent::Cleared,
    ];
    for (event, depth) in events.iter().zip([2, 3, 1, 0]) {
        let _ = index.apply(rank, Change::from(event)).expect("the rank is there");
        index.overlap(&blocks("abc"), &mut overlap);
        assert_eq!(overlap.blocks_of(rank), depth, "{event:?}");
    }
}
