//! The scheme against its bytes, and against the vectors of others.

use proptest::prelude::*;

use super::*;

fn hasher(block_size: u32) -> ChainHasher {
    ChainHasher::new(BlockSize::new(block_size).expect("a valid size"))
}

#[test]
fn golden_vectors_of_the_scheme() {
    let first: Vec<u32> = (0..16).collect();
    let second: Vec<u32> = (1000..1016).collect();
    let both = [first.as_slice(), second.as_slice()].concat();
    assert_eq!(hasher(16).hash_tokens(&first), [BlockHash(15310707395893867146)]);
    assert_eq!(hasher(16).hash_tokens(&second), [BlockHash(17863182269597592868)]);
    assert_eq!(hasher(16).hash_tokens(&both), [BlockHash(15310707395893867146), BlockHash(14119623318381745760)]);
}

#[test]
fn golden_vector_of_the_namespace() {
    assert_eq!(hasher(16).with_namespace("adapter", "salty").key, Key::new(7709613182634776700));
    assert_eq!(hasher(16).with_namespace("", "").key, Key::new(SEED));
    assert_ne!(hasher(16).with_namespace("a", ""), hasher(16).with_namespace("", "a"));
}

#[test]
fn partial_blocks_have_no_identity() {
    assert_eq!(hasher(16).hash_tokens(&[]), []);
    assert_eq!(hasher(16).hash_tokens(&[1; 15]), []);
    assert_eq!(hasher(4).hash_text(b"twelve bytes"), []);
    assert_eq!(hasher(4).hash_text(b"thirteen byte").len(), 1, "the fourth token is there in part");
}

#[test]
fn content_and_chain_of_every_size_are_those_of_its_bytes() {
    let tokens: Vec<u32> = (0..9000u32).map(|i| i.wrapping_mul(2_654_435_761)).collect();
    let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
    for size in (1..140).chain([255, 256, 257, 511, 512, 1023, 1024, 1025, 4095, 4096]) {
        let hasher = hasher(size);
        let (mut contents, mut chain) = (vec![BlockHash(7)], vec![BlockHash(8)]);
        hasher.contents_and_chain_into(&tokens, &mut contents, &mut chain);
        let blocks = bytes.chunks_exact(size as usize * 4);
        let want: Vec<_> = blocks.map(|block| BlockHash(xxh3_64_with_seed(block, SEED))).collect();
        assert_eq!(contents, want, "{size} tokens");
        assert_eq!(hasher.contents(&tokens), want, "{size} tokens");
        let mut before: Option<BlockHash> = None;
        for (content, hash) in contents.iter().zip(&chain) {
            let link = |before: BlockHash| {
                let bytes = [before.0.to_le_bytes(), content.0.to_le_bytes()].concat();
                BlockHash(xxh3_64_with_seed(&bytes, SEED))
            };
            assert_eq!(*hash, before.map_or(*content, link), "{size} tokens");
            before = Some(*hash);
        }
        assert_eq!(chain.len(), want.len());
    }
}

#[test]
fn pairs_are_windows_of_one_token_more() {
    let tokens: Vec<u32> = (0..400).collect();
    for size in [1, 2, 16, 59, 60, 63, 64, 100] {
        let hasher = hasher(size).with_bigrams();
        let (mut contents, mut chain, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for length in 0..tokens.len() {
            let size = size as usize;
            let blocks = length.saturating_sub(1) / size;
            hasher.contents_and_chain_into(&tokens[..length], &mut contents, &mut chain);
            let window = |at: usize| {
                let bytes: Vec<u8> =
                    tokens[at * size..=(at + 1) * size].iter().flat_map(|token| token.to_le_bytes()).collect();
                BlockHash(xxh3_64_with_seed(&bytes, SEED))
            };
            assert_eq!(contents, (0..blocks).map(window).collect::<Vec<_>>(), "{length} tokens in blocks of {size}");
            ChainHasher::chain_of(&contents, &mut again);
            assert_eq!(chain, again);
        }
    }
    let text = b"seventeen letters";
    assert_eq!(hasher(2).with_bigrams().contents_of_text(text).len(), 2);
}

#[test]
fn objects_are_appended_to_their_blocks_in_ascending_order() {
    let tokens: Vec<u32> = (0..16).collect();
    let mut objects = BlockObjects::new();
    for (block, object) in [(1, u64::MAX), (1, 2), (0, 7), (9, 1)] {
        objects.add(block, object);
    }
    let mut seen = Vec::new();
    hasher(6).contents_with_into(&tokens, &objects, &mut seen);
    let block = |from: usize, to: usize, objects: &[u64]| {
        let tokens = tokens[from..to].iter().flat_map(|token| token.to_le_bytes());
        let bytes: Vec<u8> = tokens.chain(objects.iter().flat_map(|object| object.to_le_bytes())).collect();
        BlockHash(xxh3_64_with_seed(&bytes, SEED))
    };
    assert_eq!(seen, [block(0, 6, &[7]), block(6, 12, &[2, u64::MAX])]);
    hasher(6).with_bigrams().contents_with_into(&tokens, &objects, &mut seen);
    assert_eq!(seen, [block(0, 7, &[7]), block(6, 13, &[2, u64::MAX])]);
    hasher(6).contents_with_into(&tokens, &BlockObjects::new(), &mut seen);
    assert_eq!(seen, hasher(6).contents(&tokens));
}

proptest! {
    #[test]
    fn one_pass_is_two(tokens in prop::collection::vec(any::<u32>(), 0..700), size in 1u32..140, salt in ".?") {
        let hasher = hasher(size).with_namespace("", &salt);
        let (mut contents, mut chain, mut again) = (Vec::new(), Vec::new(), Vec::new());
        hasher.contents_and_chain_into(&tokens, &mut contents, &mut chain);
        ChainHasher::chain_of(&contents, &mut again);
        prop_assert_eq!(&contents, &hasher.contents(&tokens));
        prop_assert_eq!(&chain, &hasher.hash_tokens(&tokens));
        prop_assert_eq!(&chain, &again);
        prop_assert_eq!(contents.len() as u32, tokens.len() as u32 / size);
    }

    #[test]
    fn other_namespaces_have_other_blocks(token in any::<u32>(), a in "[a-c]{0,2}", b in "[a-c]{0,2}") {
        let plain = hasher(1).with_namespace(&a, "").contents(&[token]);
        prop_assert_eq!(plain == hasher(1).with_namespace(&b, "").contents(&[token]), a == b);
        let salted = hasher(1).with_namespace("", &b).contents(&[token]);
        prop_assert_eq!(plain == salted, a.is_empty() && b.is_empty());
    }

    #[test]
    fn text_blocks_are_the_blocks_of_its_tokens(text in prop::collection::vec(any::<u8>(), 0..200), size in 1u32..9) {
        let tokens = text::tokens_of_text(&text);
        let hashes = hasher(size).hash_text(&text);
        prop_assert_eq!(hasher(size).contents_of_text(&text), hasher(size).contents(&tokens));
        prop_assert_eq!(&hashes, &hasher(size).hash_tokens(&tokens));
        prop_assert_eq!(hashes.len() as u32, text::text_tokens(&text) / size);
    }

    #[test]
    fn equal_hashes_mean_equal_prefixes(
        a in prop::collection::vec(0u32..3, 0..24),
        b in prop::collection::vec(0u32..3, 0..24),
        size in 1u32..5,
    ) {
        let (x, y) = (hasher(size).hash_tokens(&a), hasher(size).hash_tokens(&b));
        for i in 0..x.len().min(y.len()) {
            let end = (i + 1) * size as usize;
            prop_assert_eq!(x[i] == y[i], a[..end] == b[..end]);
        }
    }
}
