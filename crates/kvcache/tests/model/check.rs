//! An answer of the index against the depths that it should have, by every way to read it.

use std::collections::{BTreeMap, BTreeSet};

use phalanx_kvcache::{BlockHash, FleetIndex, Layer, Loads, Overlap, RankId};

use super::mix;

/// Asks who holds how much of a prompt. `expected` has each holder and its blocks by ascending rank.
///
/// # Panics
///
/// If the answer is another one, or if it contradicts itself.
pub(crate) fn check(
    index: &FleetIndex,
    overlap: &mut Overlap,
    layer: Layer,
    contents: &[BlockHash],
    expected: &[(RankId, u32)],
) {
    index.overlap_in(layer, contents, overlap);
    let mut pairs = Vec::new();
    overlap.pairs_into(&mut pairs);
    assert_eq!(pairs, expected, "{layer:?}: the holders of {contents:?}");
    check_levels(overlap, contents.len() as u32, expected);
    for &(rank, blocks) in expected {
        assert_eq!(overlap.blocks_of(rank), blocks, "{rank:?} by itself");
    }
    check_best(overlap, expected);
    if layer == Layer::MAIN {
        let mut again = Overlap::new();
        index.overlap(contents, &mut again);
        let mut pairs = Vec::new();
        again.pairs_into(&mut pairs);
        assert_eq!(pairs, expected, "asked without a layer, into a new answer");
    }
}

/// The levels are nested sets, each of all ranks that hold so much; with the partial holders they say each depth exactly.
fn check_levels(overlap: &Overlap, asked: u32, expected: &[(RankId, u32)]) {
    let mut reached: BTreeMap<RankId, u32> = BTreeMap::new();
    let mut depths = vec![0];
    let mut before: Option<BTreeSet<RankId>> = None;
    for level in overlap.levels() {
        let last = depths[depths.len() - 1];
        assert!(level.blocks > last && level.blocks <= asked, "{} blocks after {last} of {asked}", level.blocks);
        let ranks: Vec<RankId> = level.ranks.iter().collect();
        assert!(ranks.is_sorted_by(|a, b| a < b), "a level's ranks ascend: {ranks:?}");
        assert_eq!(level.ranks.len(), ranks.len(), "a level counts its ranks");
        let should: Vec<RankId> =
            expected.iter().filter(|&&(_, depth)| depth >= level.blocks).map(|&(rank, _)| rank).collect();
        assert_eq!(ranks, should, "the ranks that hold {} blocks", level.blocks);
        let ranks: BTreeSet<RankId> = ranks.into_iter().collect();
        for &(rank, _) in expected {
            assert_eq!(level.ranks.contains(rank), ranks.contains(&rank), "{rank:?} in a level");
        }
        if let Some(before) = &before {
            assert!(ranks.is_subset(before), "levels are nested");
        }
        reached.extend(ranks.iter().map(|&rank| (rank, level.blocks)));
        before = Some(ranks);
        depths.push(level.blocks);
    }
    let mut partial = BTreeSet::new();
    for &(rank, depth) in overlap.partial() {
        assert!(partial.insert(rank), "{rank:?} is a partial holder twice");
        let level = reached.insert(rank, depth).unwrap_or(0);
        assert!(depth > level, "{rank:?} ends at {depth}, and a level has it at {level}");
        let next = depths.iter().find(|&&blocks| blocks > level);
        assert!(next.is_none_or(|&next| depth < next), "{rank:?} ends at {depth}, at or behind the level {next:?}");
    }
    let told: Vec<(RankId, u32)> = reached.into_iter().collect();
    assert_eq!(told, expected, "levels and partial holders, put together");
}

/// The best rank under a few loads, against a look at all of them.
fn check_best(overlap: &Overlap, expected: &[(RankId, u32)]) {
    let ranks = expected.last().map_or(0, |&(rank, _)| rank.index() + 1);
    for (seed, most) in [(1, 0), (2, 3), (3, 60), (4, u32::MAX)] {
        let load = |rank: usize| (mix(seed ^ mix(rank as u64)) % (u64::from(most) + 1)) as u32;
        let loads: Vec<u32> = (0..ranks).map(load).collect();
        let gain = |&(rank, depth): &(RankId, u32)| i64::from(depth) - i64::from(loads[rank.index()]);
        let key = |pair: &(RankId, u32)| (-gain(pair), loads[pair.0.index()], pair.0);
        // Who has no load does not take part.
        for known in [ranks, ranks * 2 / 3] {
            let loads = &loads[..known];
            let part = expected.iter().filter(|(rank, _)| rank.index() < known);
            let best = part.min_by_key(|pair| key(pair)).copied();
            assert_eq!(
                overlap.best(&Loads::from(loads.to_vec())),
                best,
                "the best rank under loads of up to {most} for {known} ranks"
            );
        }
    }
}

/// All that an index says of itself and of these prompts, in a form that can be compared.
pub(crate) fn fingerprint(index: &FleetIndex, ranks: &[RankId], asked: &[(Layer, Vec<BlockHash>)]) -> Vec<u64> {
    let mut told = vec![index.pairs(), index.blocks(), index.bytes() as u64];
    told.extend(ranks.iter().map(|&rank| u64::from(index.blocks_of(rank))));
    let mut overlap = Overlap::new();
    for (layer, contents) in asked {
        index.overlap_in(*layer, contents, &mut overlap);
        for level in overlap.levels() {
            told.push(u64::from(level.blocks));
            told.extend(level.ranks.iter().map(|rank| rank.index() as u64));
        }
        told.extend(overlap.partial().iter().flat_map(|&(rank, depth)| [rank.index() as u64, u64::from(depth)]));
        let mut pairs = Vec::new();
        overlap.pairs_into(&mut pairs);
        told.extend(pairs.iter().flat_map(|&(rank, depth)| [rank.index() as u64, u64::from(depth)]));
    }
    told
}
