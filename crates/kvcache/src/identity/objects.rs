//! What stands in a prompt besides text: images, sounds and the like.

use std::collections::BTreeSet;
use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use crate::BlockSize;

/// Which blocks of a prompt hold which objects: images, sounds, videos.
///
/// Before the model sees it, an object is a row of equal placeholder tokens: two prompts about two pictures have the same
/// tokens. [`ChainHasher::contents_with_into`](crate::ChainHasher::contents_with_into) hashes a block's objects with its
/// tokens, so that such blocks differ. Each object is known by a hash of 64 bits, counts once a block, and the order in
/// which objects are added is of no account.
///
/// Memory is that of the spans that were added, however long they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockObjects {
    spans: BTreeSet<Span>,
}

/// An object, and the blocks from the first to the last that hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    first: u32,
    last: u32,
    object: u64,
}

impl BlockObjects {
    /// A prompt of nothing but text.
    ///
    /// ```
    /// use phalanx_kvcache::BlockObjects;
    ///
    /// assert!(BlockObjects::new().is_empty());
    /// ```
    pub const fn new() -> Self {
        Self { spans: BTreeSet::new() }
    }

    /// The hash of an object that an engine or a request knows by a name, as Dynamo's router derives it: the first 16
    /// digits of a name of 64 hexadecimal digits, as vLLM makes them, and XXH3-64 of any other name.
    ///
    /// ```
    /// use phalanx_kvcache::BlockObjects;
    ///
    /// assert_eq!(BlockObjects::hash_of(&"0123456789abcdef".repeat(4)), 0x0123_4567_89AB_CDEF);
    /// assert_ne!(BlockObjects::hash_of("cat.png"), BlockObjects::hash_of("dog.png"));
    /// ```
    pub fn hash_of(name: &str) -> u64 {
        let digits = (name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| &name[..16]);
        digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_else(|| xxh3_64(name.as_bytes()))
    }

    /// Says that `block` holds `object`, as an engine's event does.
    ///
    /// ```
    /// use phalanx_kvcache::BlockObjects;
    ///
    /// let mut objects = BlockObjects::new();
    /// objects.add(3, 7);
    /// assert_eq!(objects.of(3), [7]);
    /// ```
    pub fn add(&mut self, block: u32, object: u64) {
        self.spans.insert(Span { first: block, last: block, object });
    }

    /// Says that `object` stands for `tokens` of the prompt, as a request does: it is in every block that has one of
    /// them.
    ///
    /// ```
    /// use phalanx_kvcache::{BlockObjects, BlockSize};
    ///
    /// let mut objects = BlockObjects::new();
    /// objects.add_span(7, 10..33, BlockSize::new(16)?); // the last token is the first of block 2
    /// assert_eq!((0..4).map(|block| objects.of(block).len()).collect::<Vec<_>>(), [1, 1, 1, 0]);
    /// # Ok::<(), phalanx_kvcache::BlockSizeError>(())
    /// ```
    pub fn add_span(&mut self, object: u64, tokens: Range<u32>, size: BlockSize) {
        if !tokens.is_empty() {
            let (first, last) = (size.blocks_full(tokens.start), size.blocks_full(tokens.end - 1));
            self.spans.insert(Span { first, last, object });
        }
    }

    /// The objects in `block`, by ascending hash.
    ///
    /// ```
    /// # use phalanx_kvcache::BlockObjects;
    /// let mut objects = BlockObjects::new();
    /// (objects.add(0, 8), objects.add(0, 7));
    /// assert_eq!((objects.of(0), objects.of(1)), (vec![7, 8], vec![]));
    /// ```
    pub fn of(&self, block: u32) -> Vec<u64> {
        let here = self.spans.iter().filter(|span| (span.first..=span.last).contains(&block));
        let objects: BTreeSet<u64> = here.map(|span| span.object).collect();
        objects.into_iter().collect()
    }

    /// Whether no block holds an object.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Visits the blocks before `end` that hold objects, in ascending order, with those objects by ascending hash.
    pub(super) fn visit_blocks(&self, end: u32, mut visit: impl FnMut(u32, &[u64])) {
        let mut coming = self.spans.iter().peekable();
        let (mut here, mut objects) = (Vec::<Span>::new(), Vec::new());
        let mut block = 0;
        loop {
            match coming.peek() {
                Some(next) if here.is_empty() => block = next.first,
                None if here.is_empty() => return,
                _ => {}
            }
            if block >= end {
                return;
            }
            while let Some(span) = coming.next_if(|span| span.first <= block) {
                here.push(*span);
            }
            objects.clear();
            objects.extend(here.iter().map(|span| span.object));
            objects.sort_unstable();
            objects.dedup();
            visit(block, &objects);
            here.retain(|span| span.last > block);
            block += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_visit_is_a_look_at_every_block(
            spans in prop::collection::vec((0u64..4, 0u32..60, 0u32..20), 0..8),
            single in prop::collection::vec((0u32..30, 0u64..4), 0..4),
            size in 1u32..5,
            end in 0u32..70,
        ) {
            let size = BlockSize::new(size).expect("a valid size");
            let mut objects = BlockObjects::new();
            let mut naive = vec![BTreeSet::new(); 80];
            for (object, from, tokens) in spans {
                objects.add_span(object, from..from + tokens, size);
                for token in from..from + tokens {
                    naive[size.blocks_full(token) as usize].insert(object);
                }
            }
            for (block, object) in single {
                objects.add(block, object);
                naive[block as usize].insert(object);
            }
            let mut seen = vec![BTreeSet::new(); 80];
            objects.visit_blocks(end, |block, objects| {
                assert!(objects.is_sorted() && !objects.is_empty());
                seen[block as usize] = objects.iter().copied().collect();
            });
            for (block, want) in naive.iter().enumerate() {
                prop_assert!(objects.of(block as u32).iter().eq(want));
                prop_assert_eq!(&seen[block], if block < end as usize { want } else { &BTreeSet::new() });
            }
        }
    }

    #[test]
    fn an_endless_object_costs_no_more_than_the_prompt() {
        let mut objects = BlockObjects::new();
        objects.add_span(1, 0..u32::MAX, BlockSize::new(1).expect("a valid size"));
        objects.add(u32::MAX, 2);
        let mut blocks = 0;
        objects.visit_blocks(3, |_, _| blocks += 1);
        assert_eq!(blocks, 3);
    }

    #[test]
    fn names_of_another_form_are_hashed() {
        assert_eq!(BlockObjects::hash_of(&"g".repeat(64)), xxh3_64("g".repeat(64).as_bytes()));
        assert_eq!(BlockObjects::hash_of(&"F".repeat(64)), u64::MAX);
        assert_eq!(BlockObjects::hash_of(&"F".repeat(63)), xxh3_64("F".repeat(63).as_bytes()));
    }
}
