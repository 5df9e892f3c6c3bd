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
    /// Pods by demand, scopes inside included.
    pods: Vec<u64>,
    devices: u64,
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
        scope.finish(gang);
        scope
    }

    /// One replica of a group, with what is in it at its minimum. It binds what the group binds.
    pub(crate) fn of_replica(gang: &Gang, row: usize) -> Self {
        let group = &gang.rows()[row];
        let preferred = group.preferred.clone();
        let mut scope = Self { row: Some(row), hard: group.hard, preferred, ..Self::default() };
        scope.add_body(gang, row, 1);
        scope.finish(gang);
        scope
    }

    /// Whether a group's replicas are scopes of their own.
    pub(crate) fn is_bound(gang: &Gang, row: usize) -> bool {
        let group = &gang.rows()[row];
        group.hard.is_some() || !group.preferred.is_empty()
    }

    /// How many pods of each demand are in it, scopes inside included.
    pub(crate) fn pods(&self) -> &[u64] {
        &self.pods
    }

    /// How many devices its pods ask together.
    pub(crate) fn devices(&self) -> u64 {
        self.devices
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

    /// Sums up, and puts the hardest first: the scopes inside by devices, then the pods by what they ask.
    fn finish(&mut self, gang: &Gang) {
        let demands = gang.demands();
        self.pods = vec![0; demands.len()];
        for pool in &self.pools {
            self.pods[pool.demand] += u64::from(pool.count);
        }
        for class in &self.classes {
            for (pods, inner) in self.pods.iter_mut().zip(&class.scope.pods) {
                *pods += inner * u64::from(class.count);
            }
        }
        self.devices = self.pods.iter().zip(demands).map(|(pods, of)| pods * u64::from(of.device_count())).sum();
        self.classes.sort_by_key(|class| (Reverse(class.scope.devices), class.scope.row));
        self.pools.sort_by_key(|pool| Reverse(&demands[pool.demand]));
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
