//! XXH3-64 under a fixed seed: the secret is derived once, and blocks of 64 tokens have an unrolled kernel.
//!
//! Inputs of up to 240 bytes are XXH3's short forms, which take the seed as it is: `xxhash-rust` is as fast there as
//! anything tried. Longer ones are hashed under a secret of 192 bytes derived from the seed, and deriving it costs as
//! much as hashing a block of 64 tokens: here it is a part of the key. That block, 256 bytes, is the one size past the
//! short forms that most engines use, and has a kernel of its own: with a constant length the loops are unrolled and
//! turned into vector code, which takes two thirds of the time.

use core::fmt;

use xxhash_rust::const_xxh3::const_custom_default_secret;
use xxhash_rust::xxh3::{xxh3_64_with_secret, xxh3_64_with_seed};

/// Bytes of a secret.
const SECRET: usize = 192;

/// Bytes that are taken into the lanes at once.
const STRIPE: usize = 64;

/// The longest input of the short forms, which know no secret of one's own.
const SHORT: usize = 240;

/// The input that has a kernel of its own: 64 tokens. It is far too short for the lanes to be scrambled.
const BLOCK: usize = 256;

/// Whether that kernel is the faster one. Where the compiler may use wider vectors from the start, `xxhash-rust` has
/// code of its own for them, and the kernel has not.
const KERNEL: bool = cfg!(all(target_arch = "x86_64", not(target_feature = "avx2")));

const PRIME32_1: u64 = 0x9E37_79B1;
const PRIME32_2: u64 = 0x85EB_CA77;
const PRIME32_3: u64 = 0xC2B2_AE3D;
const PRIME64_1: u64 = 0x9E37_79B1_85EB_CA87;
const PRIME64_2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const PRIME64_3: u64 = 0x1656_67B1_9E37_79F9;
const PRIME64_4: u64 = 0x85EB_CA77_C2B2_AE63;
const PRIME64_5: u64 = 0x27D4_EB2F_1656_67C5;
const AVALANCHE: u64 = 0x1656_6791_9E37_79F9;

/// The lanes before the first stripe.
const LANES: [u64; 8] = [PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1];

/// A seed, and the secret that belongs to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    seed: u64,
    secret: [u8; SECRET],
}

/// Takes a series of hashes. The series has another type for each kernel, hence a trait and not a closure.
pub(super) trait Sink {
    fn take(self, hashes: impl ExactSizeIterator<Item = u64>);
}

impl Key {
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed, secret: const_custom_default_secret(seed) }
    }

    /// The hash of one input.
    pub(super) fn hash(&self, input: &[u8]) -> u64 {
        if input.len() <= SHORT {
            xxh3_64_with_seed(input, self.seed)
        } else {
            xxh3_64_with_secret(input, &self.secret)
        }
    }

    /// The hashes of all full pieces of `size` bytes, in their order.
    pub(super) fn hash_each(&self, input: &[u8], size: usize, sink: impl Sink) {
        match size {
            BLOCK if KERNEL => sink.take(input.as_chunks().0.iter().map(|block| hash_block(block, &self.secret))),
            ..=SHORT => sink.take(input.chunks_exact(size).map(|piece| xxh3_64_with_seed(piece, self.seed))),
            _ => sink.take(input.chunks_exact(size).map(|piece| xxh3_64_with_secret(piece, &self.secret))),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("seed", &self.seed).finish_non_exhaustive()
    }
}

/// The hash of 16 bytes, given as two numbers, under a seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    low: u64,
    high: u64,
}

impl Pair {
    pub(super) const fn new(seed: u64) -> Self {
        let secret = const_custom_default_secret(0);
        let low = word(&secret, 24) ^ word(&secret, 32);
        let high = word(&secret, 40) ^ word(&secret, 48);
        Self { low: low.wrapping_add(seed), high: high.wrapping_sub(seed) }
    }

    /// The hash of `first` and `second`, each as 8 little-endian bytes.
    #[inline(always)]
    pub(super) const fn hash(self, first: u64, second: u64) -> u64 {
        let (low, high) = (first ^ self.low, second ^ self.high);
        avalanche(16u64.wrapping_add(low.swap_bytes()).wrapping_add(high).wrapping_add(fold(low, high)))
    }
}

/// XXH3-64 of a block of 64 tokens.
#[inline(always)]
fn hash_block(input: &[u8; BLOCK], secret: &[u8; SECRET]) -> u64 {
    let mut lanes = LANES;
    for stripe in 0..(BLOCK - 1) / STRIPE {
        take_stripe(&mut lanes, piece(input, stripe * STRIPE), piece(secret, stripe * 8));
    }
    take_stripe(&mut lanes, piece(input, BLOCK - STRIPE), piece(secret, SECRET - STRIPE - 7));
    let mut hash = (BLOCK as u64).wrapping_mul(PRIME64_1);
    for pair in 0..4 {
        let at = 11 + pair * 16;
        hash = hash.wrapping_add(fold(lanes[pair * 2] ^ word(secret, at), lanes[pair * 2 + 1] ^ word(secret, at + 8)));
    }
    avalanche(hash)
}

/// Mixes one stripe into the lanes: each lane takes its neighbour's data, and the product of its own data's halves.
#[inline(always)]
fn take_stripe(lanes: &mut [u64; 8], input: &[u8; STRIPE], secret: &[u8; STRIPE]) {
    // Plain loops over arrays, data and keys before the products: so the compiler sees that the eight lanes are alike.
    let (mut data, mut keyed) = ([0; 8], [0; 8]);
    for lane in 0..8 {
        data[lane] = word(input, lane * 8);
        keyed[lane] = data[lane] ^ word(secret, lane * 8);
    }
    for lane in 0..8 {
        let product = (keyed[lane] & 0xFFFF_FFFF).wrapping_mul(keyed[lane] >> 32);
        lanes[lane] = lanes[lane].wrapping_add(data[lane ^ 1]).wrapping_add(product);
    }
}

/// `N` bytes at `at`.
#[inline(always)]
const fn piece<const N: usize>(bytes: &[u8], at: usize) -> &[u8; N] {
    match bytes.split_at(at).1.first_chunk() {
        Some(piece) => piece,
        None => panic!("every offset is a constant within the input"),
    }
}

/// Eight bytes at `at` as a little-endian number.
#[inline(always)]
const fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*piece(bytes, at))
}

/// Both halves of the product, one over the other.
#[inline(always)]
const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128) * (b as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

#[inline(always)]
const fn avalanche(mut hash: u64) -> u64 {
    hash ^= hash >> 37;
    hash = hash.wrapping_mul(AVALANCHE);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Gather<'a>(&'a mut Vec<u64>);

    impl Sink for Gather<'_> {
        fn take(self, hashes: impl ExactSizeIterator<Item = u64>) {
            self.0.extend(hashes);
        }
    }

    fn each(key: &Key, input: &[u8], size: usize) -> Vec<u64> {
        let mut out = Vec::new();
        key.hash_each(input, size, Gather(&mut out));
        out
    }

    #[test]
    fn every_length_hashes_like_the_seeded_function() {
        let bytes: Vec<u8> = (0..3 * 1040u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
        for seed in [0, 1337, u64::MAX, 0x0123_4567_89AB_CDEF] {
            let key = Key::new(seed);
            for size in 1..=1040 {
                let want: Vec<u64> = bytes.chunks_exact(size).map(|piece| xxh3_64_with_seed(piece, seed)).collect();
                assert_eq!(each(&key, &bytes, size), want, "{size} bytes");
                assert_eq!(key.hash(&bytes[..size]), want[0], "{size} bytes");
            }
        }
    }

    proptest! {
        #[test]
        fn a_pair_is_its_sixteen_bytes(seed in any::<u64>(), first in any::<u64>(), second in any::<u64>()) {
            let bytes = [first.to_le_bytes(), second.to_le_bytes()].concat();
            prop_assert_eq!(Pair::new(seed).hash(first, second), xxh3_64_with_seed(&bytes, seed));
        }

        #[test]
        fn the_kernel_agrees_on_any_bytes(seed in any::<u64>(), bytes in prop::collection::vec(any::<u8>(), 512..600)) {
            let key = Key::new(seed);
            let want: Vec<u64> = bytes.chunks_exact(BLOCK).map(|piece| xxh3_64_with_seed(piece, seed)).collect();
            prop_assert_eq!(each(&key, &bytes, BLOCK), &want[..]);
            // It is not taken on every machine.
            let (blocks, _) = bytes.as_chunks();
            prop_assert_eq!(blocks.iter().map(|block| hash_block(block, &key.secret)).collect::<Vec<_>>(), want);
        }
    }
}
