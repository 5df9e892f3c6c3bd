//! A gang's minimum without the groups that bind nothing.

use std::cmp::Reverse;

use phalanx_topology::LevelId;

use crate::Gang;
use crate::gang::Content;

/// Pods that share their bounds: one replica of a group that names a level, or the gang as a whole. Groups inside that name
/// none are dissolved into it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// The group whose replica it is; none for the gang as a whole.
    pub(crate) row: Option<usize>,
    pub(crate) hard: Option<LevelId>,
    /// Coarse to fine.
    pub(crate) preferred: Vec<LevelId>,
    pub(crate) pools: Vec<Pool>,
    pub(crate) classes: Vec<Class>,
}

/// Equal pods of a scope.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pool {
    pub(crate) demand: usize,
    pub(crate) count: u32,
}

/// Equal scopes inside a scope: the replicas of one group.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    pub(crate) scope: Scope,
    pub(crate) count: u32,
}

impl Scope {
    /// The gang at its minimum.
    pub(crate) fn of_gang(gang: &Gang) -> Self {
        let mut scope = Self::default();
        scope.add_group(gang, 0, 1);
        scope.sort(gang);
        scope
    }

    /// One replica of a group, with what is in it at its minimum. It binds what the group binds.
    pub(crate) fn of_replica(gang: &Gang, row: usize) -> Self {
        let group = &gang.rows()[row];
        let preferred = group.preferred.clone();
        let mut scope = Self { row: Some(row), hard: group.hard, preferred, ..Self::default() };
        scope.add_body(gang, row, 1);
        scope.sort(gang);
        scope
    }

    /// Whether a group's replicas are scopes of their own.
    pub(crate) fn is_bound(gang: &Gang, row: usize) -> bool {
        let group = &gang.rows()[row];
        group.hard.is_some() || !group.preferred.is_empty()
    }

    /// How many pods of a demand are in it, scopes inside included.
    pub(crate) fn pods_of(&self, demand: usize) -> u64 {
        let own = self.pools.iter().filter(|pool| pool.demand == demand).map(|pool| u64::from(pool.count));
        let inner = self.classes.iter().map(|class| class.scope.pods_of(demand) * u64::from(class.count));
        own.sum::<u64>() + inner.sum::<u64>()
    }

    /// How many devices its pods ask together.
    pub(crate) fn devices(&self, gang: &Gang) -> u64 {
        (0..gang.demands().len()).map(|d| self.pods_of(d) * u64::from(gang.demands()[d].device_count())).sum()
    }

    /// How many pods and scopes are in it.
    pub(crate) fn size(&self) -> u64 {
        let inner = self.classes.iter().map(|class| u64::from(class.count) * (1 + class.scope.size()));
        self.pools.iter().map(|pool| u64::from(pool.count)).sum::<u64>() + inner.sum::<u64>()
    }

    /// The finest hard level and the pool, if the scope is no more than equal pods under one bound.
    pub(crate) fn flat(&self) -> Option<(Option<LevelId>, Pool)> {
        match (&self.pools[..], &self.classes[..]) {
            ([pool], []) => Some((self.hard, *pool)),
            ([], [class]) if class.count == 1 => {
                let (inner, pool) = class.scope.flat()?;
                Some((self.hard.max(inner), pool))
            }
            _ => None,
        }
    }

    /// The hardest first: the scopes inside by devices, then the pods by what they ask.
    fn sort(&mut self, gang: &Gang) {
        self.classes.sort_by_cached_key(|class| (Reverse(class.scope.devices(gang)), class.scope.row));
        self.pools.sort_by_key(|pool| Reverse(&gang.demands()[pool.demand]));
    }

    fn add_group(&mut self, gang: &Gang, row: usize, times: u32) {
        let group = &gang.rows()[row];
        let times = times.saturating_mul(group.min);
        if group.pods == 0 || times == 0 {
            return;
        }
        if Self::is_bound(gang, row) {
            self.classes.push(Class { scope: Self::of_replica(gang, row), count: times });
        } else {
            self.add_body(gang, row, times);
        }
    }

    fn add_body(&mut self, gang: &Gang, row: usize, times: u32) {
        match &gang.rows()[row].content {
            Content::Pods { count: 0, .. } => {}
            &Content::Pods { demand, count } => match self.pools.iter_mut().find(|pool| pool.demand == demand) {
                Some(pool) => pool.count += count * times,
                None => self.pools.push(Pool { demand, count: count * times }),
            },
            Content::Groups(children) => children.iter().for_each(|&child| self.add_group(gang, child, times)),
        }
    }
}
