//! What it costs to hash the tokens of a prompt.

use std::hint::black_box;

use dynamo_kv_router::protocols::{BlockHashOptions, compute_block_hash_for_seq, compute_seq_hash_for_block};
use phalanx_kvcache::{BlockHash, BlockSize, ChainHasher};

use crate::clock::spent;
use crate::random::Random;
use crate::table::Table;

/// Tokens of the prompt.
pub const TOKENS: usize = 16_384;

/// Repetitions that one reading of the clock spans.
const TIMES: u32 = 1_000;

type Hash<'a> = dyn FnMut(&[u32]) + 'a;

/// A way to hash, and the figure that it is measured for.
struct Way<'a> {
    figure: &'static str,
    index: &'static str,
    hash: Box<Hash<'a>>,
}

/// Measures each way in turn, with blocks of 16 and 64 tokens, and compares our hashes with Dynamo's.
pub fn run(rounds: usize, table: &mut Table) {
    let mut random = Random::new(7);
    let tokens: Vec<u32> = (0..TOKENS).map(|_| random.below(128_000)).collect();
    for size in [16, 64] {
        let workload = format!("tokens{size}");
        let hasher = ChainHasher::new(BlockSize::new(size).expect("a block size that is allowed"));
        table.saw(&workload, 0, "same hashes as dynamo", "ours", f64::from(u8::from(same(&hasher, &tokens, size))));
        let (mut contents, mut both) = (Vec::new(), (Vec::new(), Vec::new()));
        let mut ways = ways(&hasher, size, &mut contents, &mut both);
        for _ in 0..rounds {
            for Way { figure, index, hash } in &mut ways {
                hash(&tokens);
                let (time, ()) = spent(|| (0..TIMES).for_each(|_| hash(black_box(&tokens))));
                let each = TOKENS as f64 * f64::from(TIMES) / time.as_secs_f64() / 1e6;
                table.saw(&workload, 0, figure, index, each);
            }
        }
    }
}

fn same(hasher: &ChainHasher, tokens: &[u32], size: u32) -> bool {
    let (mut contents, mut chain) = (Vec::new(), Vec::new());
    hasher.contents_and_chain_into(tokens, &mut contents, &mut chain);
    let theirs = compute_block_hash_for_seq(tokens, size, BlockHashOptions::default());
    let same = theirs.iter().map(|hash| hash.0).eq(contents.iter().map(|hash| hash.0));
    same && compute_seq_hash_for_block(&theirs).into_iter().eq(chain.iter().map(|hash| hash.0))
}

fn ways<'a>(
    hasher: &'a ChainHasher,
    size: u32,
    out: &'a mut Vec<BlockHash>,
    (contents, chain): &'a mut (Vec<BlockHash>, Vec<BlockHash>),
) -> Vec<Way<'a>> {
    let way = |figure, index, hash| Way { figure, index, hash };
    vec![
        way("contents Mtok/s", "ours", {
            Box::new(|tokens| {
                hasher.contents_into(tokens, out);
                black_box(&*out);
            })
        }),
        way("contents Mtok/s", "dynamo", {
            Box::new(move |tokens| {
                black_box(compute_block_hash_for_seq(tokens, size, BlockHashOptions::default()));
            })
        }),
        way("contents Mtok/s", "chain", {
            Box::new(move |tokens| {
                black_box(kv_index::compute_request_content_hashes(tokens, size as usize));
            })
        }),
        way("contents and chain Mtok/s", "ours", {
            Box::new(|tokens| {
                hasher.contents_and_chain_into(tokens, contents, chain);
                black_box((&*contents, &*chain));
            })
        }),
        way("contents and chain Mtok/s", "dynamo", {
            Box::new(move |tokens| {
                let contents = compute_block_hash_for_seq(tokens, size, BlockHashOptions::default());
                black_box(compute_seq_hash_for_block(&contents));
            })
        }),
    ]
}
