//! The same gang, changed in one thing: what is planned on one choice of kinds, or tried to explain why there is no place.

use phalanx_topology::{KindSet, LevelId};

use crate::gang::Content;
use crate::{Bound, Gang};

impl Gang {
    /// The same gang with another hard level for one group.
    pub(crate) fn with_hard(&self, row: usize, level: Option<LevelId>) -> Self {
        let mut gang = self.clone();
        gang.rows[row].hard = level;
        gang
    }

    /// The same gang without one bound of a group; none if the group has no such bound.
    pub(crate) fn without(&self, row: usize, bound: Bound) -> Option<Self> {
        let mut gang = self.clone();
        let group = &mut gang.rows[row];
        let had = match bound {
            Bound::Slices => !std::mem::take(&mut group.slices).is_empty(),
            Bound::Spread => group.spread.take().is_some(),
            Bound::Exclusive => group.exclusive.take().is_some(),
            Bound::Key => group.shared.take().is_some(),
            Bound::PerNode => group.per_node.take().is_some(),
            Bound::Homogeneous => std::mem::take(&mut group.homogeneous),
            Bound::Kinds => {
                let mut had = !std::mem::take(&mut group.kinds).is_empty();
                if let Content::Pods { demand, count } = group.content {
                    let any = self.demands[demand].clone().of_kinds(KindSet::default());
                    had |= any != self.demands[demand];
                    let demand = gang.intern(any);
                    gang.rows[row].content = Content::Pods { demand, count };
                }
                had
            }
        };
        had.then_some(gang)
    }

    /// The same gang with no more than the groups around one group, that group and what it holds.
    pub(crate) fn only(&self, row: usize) -> Self {
        let mut gang = self.clone();
        let mut at = row;
        while let Some(outer) = gang.rows[at].parent {
            let Content::Groups(children) = gang.rows[outer].content.clone() else { break };
            for &other in children.iter().filter(|&&child| child != at) {
                (gang.rows[other].min, gang.rows[other].max) = (0, 0);
            }
            gang.rows[outer].pods = gang.rows[at].pods * gang.rows[at].min;
            at = outer;
        }
        gang
    }

    /// The same gang on these kinds only: a set for each row that says something of kinds. None if a pod would have none.
    pub(crate) fn on_kinds(&self, sets: &[(usize, KindSet)]) -> Option<Self> {
        let mut gang = self.clone();
        gang.demands.clear();
        for row in 0..self.rows.len() {
            let Content::Pods { demand, count } = self.rows[row].content else { continue };
            let demand = &self.demands[demand];
            let around = sets.iter().filter(|&&(outer, _)| self.is_within(row, outer)).map(|&(_, set)| set);
            let mut kinds = demand.kinds();
            for set in around {
                kinds = if kinds.is_empty() { set } else { KindSet::from_mask(kinds.mask() & set.mask()) };
                if kinds.is_empty() {
                    return None;
                }
            }
            let demand = gang.intern(demand.clone().of_kinds(kinds));
            gang.rows[row].content = Content::Pods { demand, count };
        }
        Some(gang)
    }
}
