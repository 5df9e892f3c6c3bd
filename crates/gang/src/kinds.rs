//! The choices of kinds that a gang accepts, the most preferred first.

use phalanx_topology::{Inventory, KindId, KindSet};

use crate::Gang;
use crate::running::Running;

/// For each group that says something of kinds, the sets that it accepts, the most preferred first.
#[derive(Debug)]
pub(crate) struct Kinds {
    options: Vec<(usize, Vec<KindSet>)>,
}

impl Kinds {
    /// Where pods run already, a homogeneous group stays with the kind of most of them, if it accepts that.
    pub(crate) fn new(gang: &Gang, inventory: &Inventory, running: &Running) -> Self {
        let mut names: Vec<KindId> = inventory.kinds().collect();
        names.sort_by_key(|&kind| inventory.kind_name(kind));
        let rows = gang.rows().iter().enumerate().filter(|(_, row)| !row.kinds.is_empty() || row.homogeneous);
        let options = rows.map(|(at, row)| {
            let mut kinds: Vec<KindId> = Vec::new();
            let listed = if row.kinds.is_empty() { &names } else { &row.kinds };
            listed.iter().for_each(|kind| {
                if !kinds.contains(kind) {
                    kinds.push(*kind)
                }
            });
            if row.homogeneous
                && let Some(kind) = running.kind(gang, inventory, at).filter(|kind| kinds.contains(kind))
            {
                kinds = vec![kind];
            }
            let sets = if row.homogeneous {
                kinds.into_iter().map(|kind| KindSet::from_iter([kind])).collect()
            } else {
                (1..=kinds.len()).map(|len| kinds[..len].iter().copied().collect()).collect()
            };
            (at, sets)
        });
        Self { options: options.collect() }
    }

    /// Whether no group says anything of kinds.
    pub(crate) fn is_empty(&self) -> bool {
        self.options.is_empty()
    }

    /// All choices: a set for each such group, the first group's choice changing last.
    pub(crate) fn choices(&self) -> impl Iterator<Item = Vec<(usize, KindSet)>> {
        let some = self.options.iter().all(|(_, sets)| !sets.is_empty());
        let mut at = some.then(|| vec![0; self.options.len()]);
        std::iter::from_fn(move || {
            let now = at.take()?;
            let choice = now.iter().zip(&self.options).map(|(&at, (row, sets))| (*row, sets[at])).collect();
            let mut next = now;
            for (position, (_, sets)) in self.options.iter().enumerate().rev() {
                if next[position] + 1 < sets.len() {
                    next[position] += 1;
                    at = Some(next);
                    break;
                }
                next[position] = 0;
            }
            Some(choice)
        })
    }

    /// All kinds that each group accepts.
    pub(crate) fn widest(&self) -> Vec<(usize, KindSet)> {
        let all = |sets: &[KindSet]| KindSet::from_mask(sets.iter().fold(0, |mask, set| mask | set.mask()));
        self.options.iter().map(|(row, sets)| (*row, all(sets))).collect()
    }
}
