//! A set of ranks beside an ordered set of numbers.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Holders, bits};

fn check(holders: &Holders, naive: &BTreeSet<u32>) {
    assert!(holders.iter().eq(naive.iter().copied()), "{holders:?} is {naive:?}");
    assert_eq!(holders.is_empty(), naive.is_empty());
    for rank in (0..200).chain(naive.iter().copied()) {
        assert_eq!(holders.contains(rank), naive.contains(&rank), "{rank} in {holders:?}");
        assert_eq!(holders.is_only(rank), naive.len() == 1 && naive.contains(&rank), "only {rank} in {holders:?}");
    }
    let words = naive.last().map_or(0, |&rank| rank as usize / 64 + 1);
    assert!(holders.heap() == 0 || naive.len() > 1, "{naive:?} has {} bytes", holders.heap());
    assert!(naive.len() <= 3 || holders.heap() >= words * 8, "{} bytes for {words} words", holders.heap());
}

proptest! {
    #[test]
    fn a_set_is_a_set(ranks in prop::collection::vec(prop_oneof![0_u32..6, 60_u32..70, 0_u32..5_000], 0..80)) {
        let (mut holders, mut naive) = (Holders::default(), BTreeSet::new());
        for rank in ranks {
            // In if it is not, out if it is.
            if naive.insert(rank) {
                assert!(!holders.remove(rank), "{rank} is not in it");
                holders.insert(rank);
            } else {
                naive.remove(&rank);
                assert!(holders.remove(rank), "{rank} is in it");
            }
            check(&holders, &naive);
            // Equal to one that was made in another way.
            let mut other = Holders::NONE;
            (7..4_000).step_by(500).for_each(|rank| other.insert(rank));
            let extra: Vec<u32> = other.iter().filter(|rank| !naive.contains(rank)).collect();
            naive.iter().filter(|&&rank| rank % 500 != 7 || rank > 4_000).for_each(|&rank| other.insert(rank));
            assert_eq!(holders == other, extra.is_empty());
            extra.into_iter().for_each(|rank| assert!(other.remove(rank)));
            assert_eq!(holders, other);
            assert_eq!(other, holders);
        }
        for rank in core::mem::take(&mut naive) {
            assert!(holders.remove(rank));
        }
        check(&holders, &naive);
    }
}

#[test]
fn a_set_is_two_words() {
    assert_eq!(size_of::<Holders>(), 16);
}

#[test]
fn set_bits_by_number() {
    assert_eq!(bits(&[]).count(), 0);
    let words = [1 | 1 << 63, 0, 1 << 5];
    assert!(bits(&words).eq([0, 63, 133]));
    assert!(bits(&[u64::MAX]).eq(0..64));
}
