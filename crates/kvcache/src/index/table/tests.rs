//! A table beside a list of all that is in it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{FRONT, LANES, Mixer, Segment, Table, tag};

/// Entries by hash, as often as they are in it.
#[derive(Debug, Default)]
struct Naive(BTreeMap<u64, Vec<u32>>);

impl Naive {
    fn insert(&mut self, hash: u64, number: u32) {
        self.0.entry(hash).or_default().push(number);
    }

    /// Whether there was one.
    fn remove(&mut self, hash: u64, number: u32) -> bool {
        let Some(numbers) = self.0.get_mut(&hash) else { return false };
        let Some(at) = numbers.iter().position(|&of| of == number) else { return false };
        numbers.swap_remove(at);
        true
    }

    fn of(&self, hash: u64) -> Vec<u32> {
        let mut numbers = self.0.get(&hash).cloned().unwrap_or_default();
        numbers.sort_unstable();
        numbers
    }

    fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

/// All numbers that a search is offered.
fn offered(table: &Table, hash: u64) -> Vec<u32> {
    let mut offered = Vec::new();
    assert_eq!(
        table.find(hash, |number| {
            offered.push(number);
            false
        }),
        None,
        "none was accepted"
    );
    offered
}

/// What is in the table is found; and what is in its segments is in the naive one, too, and nothing else.
fn check(table: &Table, naive: &Naive) {
    assert_eq!(table.len(), naive.len());
    for &hash in naive.0.keys() {
        let offered = offered(table, hash);
        for number in naive.of(hash) {
            assert!(offered.contains(&number), "{number} with the hash {hash:#x} is not found");
            assert_eq!(table.find(hash, |of| of == number), Some(number));
        }
    }
    let mut there: BTreeMap<(usize, u16), Vec<u32>> = BTreeMap::new();
    for (&hash, numbers) in &naive.0 {
        let key = ((hash >> (64 - table.bits)) as usize, tag(hash));
        there.entry(key).or_default().extend(numbers);
    }
    there.retain(|_, numbers| !numbers.is_empty());
    there.values_mut().for_each(|numbers| numbers.sort_unstable());
    let mut flushed = table.clone();
    let mut held: BTreeMap<(usize, u16), Vec<u32>> = BTreeMap::new();
    let mut lines = 0;
    for (at, segment) in flushed.segments.iter_mut().enumerate() {
        segment.flush(&mut Vec::new());
        for line in &segment.lines {
            assert!(line.tags[usize::from(line.len)..].iter().all(|&tag| tag == super::EMPTY), "{line:?}");
            for lane in 0..usize::from(line.len) {
                held.entry((at, line.tags[lane])).or_default().push(line.numbers[lane]);
            }
        }
        let entries: usize = segment.lines.iter().map(|line| usize::from(line.len)).sum();
        assert_eq!(entries, segment.len as usize);
        lines += segment.lines.len();
    }
    held.values_mut().for_each(|numbers| numbers.sort_unstable());
    assert_eq!(held, there, "entries by segment and tag");
    assert!(lines * 8 <= 64 * flushed.segments.len() + naive.len() * 8, "{lines} lines for {} entries", naive.len());
    let lines: usize = table.segments.iter().map(|segment| segment.lines.len()).sum();
    assert_eq!(table.bytes(), table.segments.len() * size_of::<Segment>() + 64 * lines);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(u64, u32),
    /// One that is there, by number modulo how many there are.
    Remove(u16),
    /// The same, and in again under another hash: as the number of a block is used again.
    Move(u16, u64),
    /// The same, and in again as it was.
    Again(u16),
}

fn steps(hash: impl Strategy<Value = u64> + Clone, longest: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (hash.clone(), 0_u32..40).prop_map(|(hash, number)| Step::Insert(hash, number)),
        3 => any::<u16>().prop_map(Step::Remove),
        2 => (any::<u16>(), hash).prop_map(|(which, hash)| Step::Move(which, hash)),
        1 => any::<u16>().prop_map(Step::Again),
    ];
    prop::collection::vec(step, 0..longest)
}

fn run(bits: u32, steps: &[Step]) {
    let (mut table, mut naive) = (Table::new(bits), Naive::default());
    let mut there: Vec<(u64, u32)> = Vec::new();
    for (at, &step) in steps.iter().enumerate() {
        let which = |which: u16| usize::from(which).checked_rem(there.len());
        let (out, into) = match step {
            Step::Insert(hash, number) => (None, Some((hash, number))),
            Step::Remove(one) => (which(one), None),
            Step::Move(one, hash) => (which(one), which(one).map(|at| (hash, there[at].1))),
            Step::Again(one) => (which(one), which(one).map(|at| there[at])),
        };
        if let Some(at) = out {
            let (hash, number) = there.swap_remove(at);
            table.remove(hash, number);
            assert!(naive.remove(hash, number));
        }
        if let Some((hash, number)) = into {
            table.insert(hash, number);
            naive.insert(hash, number);
            there.push((hash, number));
        }
        if at % 8 == 0 {
            check(&table, &naive);
        }
    }
    for (hash, number) in there {
        table.remove(hash, number);
        assert!(naive.remove(hash, number));
    }
    check(&table, &naive);
}

proptest! {
    #[test]
    fn a_table_is_a_list_of_entries(steps in steps(any::<u64>(), 400)) {
        run(2, &steps);
    }

    /// Few hashes, some of them one apart: all in a line or two, which overflow.
    #[test]
    fn a_table_is_a_list_of_entries_whose_hashes_are_alike(steps in steps(0_u64..8, 400)) {
        run(1, &steps);
    }

    /// Tags at both ends, so that the last line overflows into the first one.
    #[test]
    fn a_table_is_a_list_of_entries_at_the_ends_of_segments(
        steps in steps(prop_oneof![0_u64..4, 0xfff8_u64..0x1_0000], 600),
    ) {
        run(1, &steps);
    }
}

#[test]
fn a_number_under_two_hashes_that_are_one_apart_goes_under_the_right_one() {
    let (hash, beside) = (0x8000, 0x8001);
    let mut table = Table::new(1);
    // The first line is full, and 99 overflows.
    for number in 0..LANES as u32 {
        table.insert(hash, number);
    }
    table.insert(hash, 99);
    let flush = |table: &mut Table| {
        let changed = table.segments[0].flush(&mut Vec::new());
        table.lines = table.lines.wrapping_add_signed(changed);
    };
    flush(&mut table);
    for number in 5..LANES as u32 {
        table.remove(hash, number);
    }
    flush(&mut table);
    // Now there is room in the first line, just above one with the other hash; and what goes is in the second line.
    table.insert(beside, 99);
    table.remove(hash, 99);
    flush(&mut table);
    assert_eq!(table.find(beside, |number| number == 99), Some(99));
    table.remove(beside, 99);
    flush(&mut table);
    assert_eq!((table.len(), offered(&table, beside)), (5, vec![]));
}

#[test]
fn what_was_removed_may_be_offered_until_its_segment_is_full() {
    let mut table = Table::new(1);
    table.insert(5, 1);
    for segment in &mut table.segments {
        segment.flush(&mut Vec::new());
    }
    table.remove(5, 1);
    assert_eq!((table.len(), offered(&table, 5)), (0, vec![1]), "the removal waits");
    table.insert(5, 2);
    table.remove(5, 2);
    assert_eq!(offered(&table, 5), [1], "what comes and goes is taken back at once");
    for number in 0..FRONT as u32 {
        table.insert(6, number);
    }
    assert_eq!(offered(&table, 5), []);
    assert_eq!(table.len(), FRONT);
}

/// Memory follows what is in the table, on the way up and down.
#[test]
fn a_table_is_never_much_larger_than_its_entries() {
    const ENTRIES: u32 = 200_000;
    let mixer = Mixer::new(3);
    let mut table = Table::new(6);
    let empty = table.bytes();
    for number in 0..ENTRIES {
        table.insert(mixer.one(u64::from(number)), number);
        let entries = number as usize + 1;
        assert!(table.bytes() <= empty + 64 * 64 + entries * 10, "{} bytes for {entries}", table.bytes());
    }
    for number in 0..ENTRIES {
        assert_eq!(table.find(mixer.one(u64::from(number)), |of| of == number), Some(number));
        assert_eq!(table.find(mixer.one(u64::from(number + ENTRIES)), |of| of >= ENTRIES), None);
    }
    for number in 0..ENTRIES {
        table.remove(mixer.one(u64::from(number)), number);
        let entries = (ENTRIES - number - 1) as usize;
        assert!(table.bytes() <= empty + 64 * 64 * 8 + entries * 30, "{} bytes for {entries}", table.bytes());
    }
    assert_eq!(table.len(), 0);
}

/// More entries of one hash than a line counts: it goes on as if some were left, and a search ends where it began.
#[test]
fn a_line_that_too_many_have_passed_by() {
    const HASH: u64 = 0x1234;
    let mut table = Table::new(1);
    for number in 0..1_000 {
        table.insert(u64::from(number) * 65, number);
    }
    let home = table.segments[0].home(tag(HASH));
    table.segments[0].lines[home].passed = u16::MAX - 3;
    let numbers = 1_000..1_040;
    for number in numbers.clone() {
        table.insert(HASH, number);
    }
    for number in numbers.clone() {
        assert_eq!(table.find(HASH, |of| of == number), Some(number));
    }
    assert_eq!(table.segments[0].lines[home].passed, u16::MAX, "this is what the test is for");
    for number in numbers.clone() {
        table.remove(HASH, number);
    }
    assert_eq!(table.segments[0].lines[home].passed, u16::MAX);
    // All changes are made when as many more have come and gone.
    for number in 0..FRONT as u32 {
        table.insert(9, number);
    }
    assert_eq!(table.find(HASH, |number| numbers.contains(&number)), None);
    for number in 0..1_000 {
        assert_eq!(table.find(u64::from(number) * 65, |of| of == number), Some(number));
    }
}

#[test]
fn a_seed_and_both_parts_of_a_key_matter() {
    let mixer = Mixer::new(1);
    assert_ne!(mixer.one(7), Mixer::new(2).one(7));
    assert_ne!(mixer.one(7), mixer.one(8));
    assert_ne!(mixer.two(1, 7), mixer.two(2, 7));
    assert_ne!(mixer.two(1, 7), mixer.two(1, 8));
    assert_eq!(mixer.two(1, 7), Mixer::new(1).two(1, 7));
}
