//! How objectives that look at one domain at a time deal units out to its children.

use std::cmp::Reverse;

use crate::Objective;
use crate::capacity::Capacity;
use crate::choice::{Item, Place, items};
use crate::tree::Tree;

/// Deals units out, from items of one level down to the nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deal<'a> {
    pub(crate) tree: Tree<'a>,
    pub(crate) caps: &'a Capacity<'a>,
    /// How many units a domain takes at a time, by depth of its level.
    pub(crate) granules: &'a [u64],
    pub(crate) objective: &'a Objective,
}

impl Deal<'_> {
    /// Units on items of the level at `depth`, which hold them; what goes to each node is appended.
    pub(crate) fn deal(self, items: &[Item], depth: usize, want: u64, out: &mut Vec<(Place, u64)>) {
        for (at, units) in split(self.objective, items, want, self.granules[depth]) {
            self.down(items[at], depth, units, out);
        }
    }

    /// Units on one item of the level at `depth`.
    pub(crate) fn down(self, item: Item, depth: usize, units: u64, out: &mut Vec<(Place, u64)>) {
        match item.place {
            Place::Domain(domain) if depth + 1 < self.granules.len() => {
                let children = items(self.caps.by_domain(), self.tree.topology.children(domain));
                self.deal(&children, depth + 1, units, out);
            }
            place => out.push((place, units)),
        }
    }
}

/// How many units each item gets, as positions; the items hold them all.
fn split(objective: &Objective, items: &[Item], want: u64, granule: u64) -> Vec<(usize, u64)> {
    if want == 0 {
        return Vec::new();
    }
    match objective {
        Objective::LeastFree => {
            let mut order: Vec<usize> = (0..items.len()).collect();
            order.sort_by_key(|&at| (items[at].cap, at));
            fill(items, order.into_iter(), want)
        }
        Objective::Balanced => balanced(items, want, granule).unwrap_or_else(|| best_fit(items, want)),
        _ => best_fit(items, want),
    }
}

/// All of each in this order, until nothing is left.
fn fill(items: &[Item], order: impl Iterator<Item = usize>, want: u64) -> Vec<(usize, u64)> {
    let (mut left, mut dealt) = (want, Vec::new());
    for at in order {
        if left == 0 {
            break;
        }
        let units = items[at].cap.min(left);
        left -= units;
        dealt.push((at, units));
    }
    dealt
}

/// Roomiest first; as soon as the rest fits into one, the smallest that holds it.
fn best_fit(items: &[Item], want: u64) -> Vec<(usize, u64)> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&at| (Reverse(items[at].cap), at));
    let (mut left, mut dealt) = (want, Vec::new());
    for (taken, &at) in order.iter().enumerate() {
        if items[at].cap >= left {
            let holds = order[taken..].iter().copied().filter(|&at| items[at].cap >= left);
            dealt.extend(holds.min_by_key(|&at| (items[at].cap, at)).map(|at| (at, left)));
            break;
        }
        left -= items[at].cap;
        dealt.push((at, items[at].cap));
    }
    dealt
}

/// Even parts on the fewest items that take them, the least capacity in sum; none if no number of parts fits.
fn balanced(items: &[Item], want: u64, granule: u64) -> Option<Vec<(usize, u64)>> {
    let whole = want / granule;
    let cap = |at: usize| items[at].cap / granule;
    // Ascending by capacity, then by path: parts are cut off at both ends of this order.
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&at| (cap(at), at));
    for parts in 1..=order.len().min(usize::try_from(whole).unwrap_or(usize::MAX)) {
        let (floor, more) = (whole / parts as u64, (whole % parts as u64) as usize);
        let from = order.partition_point(|&at| cap(at) < floor);
        let full = order.partition_point(|&at| cap(at) <= floor);
        // Those that hold just the smaller part, and those that hold the larger one.
        let (exact, larger) = (&order[from..full], &order[full..]);
        let of_exact = exact.len().min(parts - more);
        let of_larger = parts - of_exact;
        if larger.len() < of_larger {
            continue;
        }
        let mut chosen: Vec<usize> = exact[..of_exact].iter().chain(&larger[..of_larger]).copied().collect();
        chosen.sort_by_key(|&at| (Reverse(cap(at)), at));
        let units = |(position, at): (usize, usize)| (at, (floor + u64::from(position < more)) * granule);
        return Some(chosen.into_iter().enumerate().map(units).collect());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use phalanx_topology::DomainId;

    #[track_caller]
    fn check(objective: &Objective, caps: &[u64], want: u64, expected: &[u64]) {
        let items: Vec<Item> = caps.iter().map(|&cap| Item { place: Place::Domain(DomainId::new(0)), cap }).collect();
        let mut units = vec![0; caps.len()];
        split(objective, &items, want, 1).into_iter().for_each(|(at, dealt)| units[at] += dealt);
        assert_eq!(units, expected);
    }

    #[test]
    fn best_fit_takes_the_smallest_that_holds_the_rest() {
        check(&Objective::GreedyBestFit, &[5, 4, 3], 7, &[5, 0, 2]);
        check(&Objective::GreedyBestFit, &[5, 4, 3, 3], 3, &[0, 0, 3, 0]);
        check(&Objective::GreedyBestFit, &[2, 2, 2], 6, &[2, 2, 2]);
    }

    #[test]
    fn least_free_takes_the_fullest_first() {
        check(&Objective::LeastFree, &[5, 4, 3], 7, &[0, 4, 3]);
        check(&Objective::LeastFree, &[1, 9, 1], 3, &[1, 1, 1]);
    }

    #[test]
    fn balanced_is_even_on_the_fewest() {
        check(&Objective::Balanced, &[5, 4, 3], 7, &[0, 4, 3]);
        check(&Objective::Balanced, &[8, 8, 8], 8, &[8, 0, 0]);
        check(&Objective::Balanced, &[4, 6, 5], 8, &[4, 0, 4]);
        check(&Objective::Balanced, &[3, 3, 3], 8, &[3, 3, 2]);
        check(&Objective::Balanced, &[1, 20], 21, &[1, 20]);
    }
}
