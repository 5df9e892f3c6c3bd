//! Whether answers are right when evictions leave holes.

use rustc_hash::FxHashMap;

use phalanx_kvcache::{BlockHash, Change, FleetIndex, IndexConfig, Layer, Overlap};

use crate::index::{Chain, Crtc, Index, Ours};
use crate::random::{Random, mix};
use crate::table::Table;
use crate::workload::Query;
use crate::workload::oracle::Oracle;
use crate::workload::stream::{Kind, Stream};

const RANKS: u32 = 16;
const CHAINS: usize = 40;
const CHAIN: usize = 48;

/// Forty chains that branch off each other, as queries.
fn chains(random: &mut Random) -> Vec<Query> {
    let mut chains: Vec<Query> = Vec::new();
    for at in 0..CHAINS {
        let shared = if at == 0 { 0 } else { random.below(CHAIN as u32) as usize };
        let mut chain = match chains.get(random.below(at.max(1) as u32) as usize) {
            Some(other) => Query { names: other.names[..shared].to_vec(), contents: other.contents[..shared].to_vec() },
            None => Query { names: Vec::new(), contents: Vec::new() },
        };
        while chain.names.len() < CHAIN {
            let content = random.word();
            chain.names.push(mix(chain.names.last().unwrap_or(&0) ^ content) | 1);
            chain.contents.push(content);
        }
        chains.push(chain);
    }
    chains
}

/// Every rank serves chains and evicts any blocks; then each index is asked for each chain. Nothing is stored twice.
pub fn run(table: &mut Table) {
    let mut random = Random::new(24);
    let chains = chains(&mut random);
    let mut stream = Stream::default();
    let mut held: Vec<Vec<(u64, u64)>> = vec![Vec::new(); RANKS as usize];
    for _ in 0..1_000 {
        let rank = random.below(RANKS);
        let chain = &chains[random.below(CHAINS as u32) as usize];
        let mine = &mut held[rank as usize];
        let blocks: Vec<(u64, u64)> = chain.names.iter().copied().zip(chain.contents.iter().copied()).collect();
        let mut at = 0;
        while at < blocks.len() {
            let missing = blocks[at..].iter().take_while(|block| !mine.contains(block)).count();
            let parent = at.checked_sub(1).map(|before| blocks[before].0);
            stream.push(rank, Kind::Stored { parent }, blocks[at..at + missing].iter().copied());
            mine.extend(&blocks[at..at + missing]);
            at += missing.max(1);
        }
        while mine.len() > 160 {
            let count = 1 + random.below(12);
            let gone: Vec<_> = (0..count).map(|_| mine.swap_remove(random.below(mine.len() as u32) as usize)).collect();
            stream.push(rank, Kind::Removed, gone);
        }
    }
    let mut oracle = Oracle::new(RANKS, &chains);
    oracle.play(&stream);
    check::<Ours>(&stream, &chains, &oracle, table);
    check::<Chain>(&stream, &chains, &oracle, table);
    check::<Crtc>(&stream, &chains, &oracle, table);
}

fn check<I: Index>(stream: &Stream, chains: &[Query], oracle: &Oracle, table: &mut Table) {
    let mut index = I::new(RANKS);
    index.apply(index.feed(stream));
    let (mut over, mut under, mut pairs, mut truth) = (0, 0, Vec::new(), Vec::new());
    for chain in chains {
        pairs.clear();
        index.pairs(&index.prompt(chain), &mut pairs);
        oracle.answer(chain, &mut truth);
        let depth = |pairs: &[(u32, u32)], rank| pairs.iter().find(|pair| pair.0 == rank).map_or(0, |pair| pair.1);
        for rank in 0..RANKS {
            let (seen, true_depth) = (depth(&pairs, rank), depth(&truth, rank));
            over += u32::from(seen > true_depth);
            under += u32::from(seen < true_depth);
        }
    }
    let mut saw = |figure, value| table.saw("holes", RANKS, figure, I::NAME, value);
    saw("events", stream.events.len() as f64);
    saw("answers", (RANKS as usize * CHAINS) as f64);
    saw("answers overstated", f64::from(over));
    saw("answers understated", f64::from(under));
}

/// `operations` random changes of our index, with blocks stored twice, stored after blocks that are not there, removed
/// that are not there, and ranks cleared; beside the plainest model. Every answer of every twentieth is compared.
pub fn random(operations: u32, table: &mut Table) {
    let mut random = Random::new(u64::from(operations));
    let chains = chains(&mut random);
    let mut index = FleetIndex::with_config(IndexConfig::new());
    let ranks: Vec<_> = (0..RANKS).map(|_| index.join()).collect();
    let mut model: Vec<FxHashMap<u64, u32>> = vec![FxHashMap::default(); RANKS as usize];
    let (mut asked, mut wrong) = (0_u32, 0_u32);
    let mut overlap = Overlap::new();
    for operation in 0..operations {
        let rank = random.below(RANKS) as usize;
        let chain = &chains[random.below(CHAINS as u32) as usize];
        let start = random.below(CHAIN as u32) as usize;
        let start = if random.below(3) == 0 { 0 } else { start };
        let end = start + 1 + random.below((CHAIN - start) as u32) as usize;
        let hashes = |words: &[u64]| words.iter().map(|&word| BlockHash(word)).collect::<Vec<_>>();
        let (names, contents) = (hashes(&chain.names[start..end]), hashes(&chain.contents[start..end]));
        let mine = &mut model[rank];
        let layer = Layer::MAIN;
        let change = match random.below(1_000) {
            0 => {
                mine.clear();
                Change::Cleared
            }
            1..500 => {
                let parent = start.checked_sub(1).map(|before| chain.names[before]);
                if parent.is_none_or(|parent| mine.contains_key(&parent)) {
                    chain.names[start..end].iter().for_each(|name| *mine.entry(*name).or_default() += 1);
                }
                Change::Stored { layer, parent: parent.map(BlockHash), names: &names, contents: &contents }
            }
            _ => {
                for name in &chain.names[start..end] {
                    if let Some(copies) = mine.get_mut(name) {
                        *copies -= 1;
                        if *copies == 0 {
                            mine.remove(name);
                        }
                    }
                }
                Change::Removed { layer, names: &names }
            }
        };
        let _ = index.apply(ranks[rank], change).expect("every rank has joined");
        if operation % 20 == 0 {
            let chain = &chains[random.below(CHAINS as u32) as usize];
            index.overlap(&hashes(&chain.contents), &mut overlap);
            for (rank, mine) in ranks.iter().zip(&model) {
                let depth = chain.names.iter().take_while(|name| mine.contains_key(name)).count() as u32;
                asked += 1;
                wrong += u32::from(overlap.blocks_of(*rank) != depth);
            }
        }
    }
    let mut saw = |figure, value| table.saw("random", RANKS, figure, "ours", f64::from(value));
    saw("operations", operations);
    saw("answers", asked);
    saw("wrong answers", wrong);
}
