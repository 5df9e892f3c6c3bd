//! The spread objective: the least on the fullest domain of a level.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use phalanx_topology::DomainId;

use crate::budget::Steps;
use crate::capacity::Capacity;
use crate::choice::{Choice, Item, Place};
use crate::tight::Tight;
use crate::tree::Tree;

/// So many units on items of the level at `depth`, which hold them: over all domains at `level` in them the least number on
/// the fullest, and inside each domain tight. A domain that takes several units at a time gets whole ones.
pub(crate) fn spread(
    tree: Tree<'_>,
    (caps, granules): (&Capacity<'_>, &[u64]),
    items: &[Item],
    (depth, level): (usize, usize),
    want: u64,
    steps: &mut Steps,
) -> Choice {
    // What has to stay together in a coarser domain cannot be spread over this level.
    let level = if granules[depth..].first() == granules.get(level) { level } else { depth };
    if level <= depth && items.len() == 1 || want == 0 {
        return Tight::new(tree, caps, granules, steps).solve(items, depth, want);
    }
    let over: Vec<Item> = items.iter().flat_map(|&item| inside(tree, caps, item, level)).collect();
    let granule = granules[level.max(depth)];
    let mut choice = Choice { units: Vec::new(), optimal: true };
    let mut dealt = even(&over, want, granule);
    if !caps.is_sum {
        let paths: Vec<Vec<DomainId>> = over.iter().map(|&item| around(tree, items, item)).collect();
        if !is_within(caps, &paths, &dealt) {
            dealt = within(caps, &paths, &over, want, granule);
        }
    }
    for (item, units) in over.iter().zip(dealt) {
        if units > 0 {
            let inner = Tight::new(tree, caps, granules, steps).solve(&[*item], level.max(depth), units);
            choice.optimal &= inner.optimal;
            choice.units.extend(inner.units);
        }
    }
    choice
}

/// The domains at a depth inside an item, with room.
fn inside(tree: Tree<'_>, caps: &Capacity<'_>, item: Item, level: usize) -> Vec<Item> {
    let Place::Domain(domain) = item.place else { return vec![item] };
    let level = tree.levels().nth(level).expect("a level of the tree");
    let domains = tree.domains_in(Some(domain), level).map(DomainId::new);
    crate::choice::items(caps.by_domain(), domains)
}

/// How many units each item gets: the least that the fullest can have. What is over is taken off the fullest with the least
/// capacity, the last in path order first.
fn even(items: &[Item], want: u64, granule: u64) -> Vec<u64> {
    let whole = want / granule;
    let caps: Vec<u64> = items.iter().map(|item| item.cap / granule).collect();
    let room = |most: u64| caps.iter().map(|&cap| cap.min(most)).sum::<u64>();
    let (mut low, mut high) = (0, whole);
    while low < high {
        let middle = low + (high - low) / 2;
        if room(middle) >= whole { high = middle } else { low = middle + 1 }
    }
    let mut units: Vec<u64> = caps.iter().map(|&cap| cap.min(low)).collect();
    let mut full: Vec<usize> = (0..caps.len()).filter(|&at| caps[at] >= low).collect();
    full.sort_by_key(|&at| (caps[at], Reverse(at)));
    let over = (room(low) - whole) as usize;
    full.into_iter().take(over).for_each(|at| units[at] -= 1);
    units.into_iter().map(|units| units * granule).collect()
}

/// A domain and those around it, up to an item at the top.
fn around(tree: Tree<'_>, top: &[Item], item: Item) -> Vec<DomainId> {
    let Place::Domain(domain) = item.place else { return Vec::new() };
    let mut path: Vec<DomainId> = Vec::new();
    for at in std::iter::successors(Some(domain), |&domain| tree.topology.parent(domain)) {
        path.push(at);
        if top.iter().any(|item| item.place == Place::Domain(at)) {
            break;
        }
    }
    path
}

/// Whether no domain around is given more than it holds.
fn is_within(caps: &Capacity<'_>, paths: &[Vec<DomainId>], dealt: &[u64]) -> bool {
    let mut sums = BTreeMap::<DomainId, u64>::new();
    for (path, &units) in paths.iter().zip(dealt) {
        path.iter().for_each(|&domain| *sums.entry(domain).or_default() += units);
    }
    sums.into_iter().all(|(domain, units)| units <= caps.of(domain))
}

/// The same where a domain around holds less than that: one by one to the one that has the fewest, the first in path order
/// among equals, as long as all around it have room. Bounds of domains nest, so this gets as many in as there is room for,
/// and the fullest has as few as can be.
fn within(caps: &Capacity<'_>, paths: &[Vec<DomainId>], over: &[Item], want: u64, granule: u64) -> Vec<u64> {
    let mut left: BTreeMap<DomainId, u64> = paths.iter().flatten().map(|&domain| (domain, caps.of(domain))).collect();
    let mut queue: BinaryHeap<Reverse<(u64, usize)>> = (0..over.len()).map(|at| Reverse((0, at))).collect();
    let (mut units, mut missing) = (vec![0; over.len()], want);
    while missing > 0
        && let Some(Reverse((has, at))) = queue.pop()
    {
        let fits = has + granule <= over[at].cap && paths[at].iter().all(|domain| left[domain] >= granule);
        if !fits {
            continue;
        }
        for domain in &paths[at] {
            if let Some(left) = left.get_mut(domain) {
                *left -= granule;
            }
        }
        units[at] = has + granule;
        missing -= granule;
        queue.push(Reverse((units[at], at)));
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_has_as_few_as_can_be() {
        let check = |caps: &[u64], want, granule, expected: &[u64]| {
            let item = |&cap: &u64| Item { place: Place::Domain(DomainId::new(0)), cap };
            assert_eq!(even(&caps.iter().map(item).collect::<Vec<_>>(), want, granule), expected);
        };
        check(&[5, 4, 3], 7, 1, &[3, 2, 2]);
        check(&[1, 9, 9], 7, 1, &[1, 3, 3]);
        check(&[4, 4], 4, 1, &[2, 2]);
        check(&[4, 8, 4], 8, 4, &[4, 4, 0]);
    }
}
