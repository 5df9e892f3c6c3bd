//! What of a gang's minimum is missing, without the groups that bind nothing.

use std::cmp::Reverse;

use phalanx_topology::{DomainId, LevelId, NodeId, Topology};

use crate::Gang;
use crate::gang::Content;
use crate::running::{Running, majority};

/// Pods that share their bounds: one replica of a group that asks something, a slice of one, or the gang as a whole. Groups
/// inside that ask nothing are dissolved into it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// The group whose replica or slice it is; none for the gang as a whole.
    pub(crate) row: Option<usize>,
    /// 0 for a replica, otherwise the layer of slices, from 1.
    pub(crate) layer: usize,
    /// The ordinals down to this replica, and of its first pod if it is a slice, when some of its pods run.
    pub(crate) instance: Option<Vec<u32>>,
    pub(crate) hard: Option<LevelId>,
    /// Coarse to fine.
    pub(crate) preferred: Vec<LevelId>,
    pub(crate) spread: Option<(LevelId, u32)>,
    /// The level and the key.
    pub(crate) exclusive: Option<(LevelId, usize)>,
    /// The level and the key.
    pub(crate) shared: Option<(LevelId, usize)>,
    pub(crate) per_node: Option<u32>,
    /// Where its running pods put it, of its hard level.
    pub(crate) fixed: Option<DomainId>,
    /// The nodes of its running pods, those of the scopes inside left out.
    pub(crate) running: Vec<NodeId>,
    pub(crate) pools: Vec<Pool>,
    pub(crate) classes: Vec<Class>,
    /// Missing pods by demand, scopes inside included.
    pods: Vec<u64>,
    devices: u64,
}

/// Equal pods of a scope.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pool {
    pub(crate) demand: usize,
    pub(crate) count: u32,
}

/// Equal scopes inside a scope: the replicas of one group, or the slices of them.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    pub(crate) scope: Scope,
    pub(crate) count: u32,
}

/// Makes scopes of a gang's groups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scopes<'a> {
    pub(crate) gang: &'a Gang,
    pub(crate) topology: &'a Topology,
    pub(crate) running: &'a Running,
}

impl Scopes<'_> {
    /// What is missing of the gang's minimum.
    pub(crate) fn of_gang(self) -> Scope {
        let mut scope = Scope::default();
        self.add_group(&mut scope, 0, &mut Vec::new(), 1, None);
        scope.finish(self.gang);
        scope
    }

    /// What is missing of one replica of a group, with what is in it at its minimum; `ordinals` are those down to it. It
    /// asks what the group asks.
    pub(crate) fn of_replica(self, row: usize, ordinals: &mut Vec<u32>, within: Option<DomainId>) -> Scope {
        let group = &self.gang.rows()[row];
        let mut scope = Scope { preferred: group.preferred.clone(), ..Scope::shell(self.gang, row) };
        let mut inside = within;
        if self.running.count(row, ordinals) > 0 {
            scope.instance = Some(ordinals.clone());
            let nodes = self.running.nodes(self.gang, row, ordinals);
            scope.fixed = self.fixed(scope.hard, within, nodes);
            inside = scope.fixed.or(within);
        }
        self.add_body(&mut scope, row, ordinals, 1, inside);
        scope.finish(self.gang);
        scope
    }

    /// The domain that most running pods are in, of those that are inside the one around.
    fn fixed(self, hard: Option<LevelId>, within: Option<DomainId>, mut nodes: Vec<NodeId>) -> Option<DomainId> {
        nodes.retain(|&node| {
            within.is_none_or(|within| self.topology.domain_of(node, self.topology.level_of(within)) == Some(within))
        });
        let hard = hard?;
        // A coarser level inside a finer one says nothing new.
        let finer = within.filter(|&within| self.topology.level_of(within) >= hard);
        finer.or_else(|| majority(self.topology, hard, &nodes))
    }

    fn add_group(self, scope: &mut Scope, row: usize, ordinals: &mut Vec<u32>, times: u32, within: Option<DomainId>) {
        let group = &self.gang.rows()[row];
        if group.pods == 0 || group.min == 0 || times == 0 {
            return;
        }
        let known = self.running.count(row_parent(self.gang, row), ordinals) > 0 && !self.running.is_empty();
        let root = group.parent.is_none() && !self.running.is_empty();
        if !known && !root {
            // No replica has a running pod, so all are alike.
            ordinals.push(0);
            let times = times.saturating_mul(group.min);
            if group.is_bound() {
                let inner = self.of_replica(row, ordinals, within);
                scope.classes.push(Class { scope: inner, count: times });
            } else {
                self.add_body(scope, row, ordinals, times, within);
            }
            ordinals.pop();
            return;
        }
        let mut fresh = 0;
        for ordinal in self.running.minimum(self.gang, row, ordinals) {
            ordinals.push(ordinal);
            if self.running.count(row, ordinals) == 0 {
                fresh += 1;
            } else if group.is_bound() {
                let inner = self.of_replica(row, ordinals, within);
                scope.classes.push(Class { scope: inner, count: 1 });
            } else {
                self.add_body(scope, row, ordinals, 1, within);
            }
            ordinals.pop();
        }
        if fresh > 0 {
            // An ordinal that no replica has: nothing of it runs.
            ordinals.push(u32::MAX);
            if group.is_bound() {
                let inner = self.of_replica(row, ordinals, within);
                scope.classes.push(Class { scope: inner, count: fresh });
            } else {
                self.add_body(scope, row, ordinals, fresh, within);
            }
            ordinals.pop();
        }
    }

    fn add_body(self, scope: &mut Scope, row: usize, ordinals: &mut Vec<u32>, times: u32, within: Option<DomainId>) {
        match &self.gang.rows()[row].content {
            Content::Pods { count: 0, .. } => {}
            &Content::Pods { demand, count } => {
                self.add_pods(scope, row, demand, (ordinals, 0, count), times, 0, within);
            }
            Content::Groups(children) => {
                children.iter().for_each(|&child| self.add_group(scope, child, ordinals, times, within));
            }
        }
    }

    /// Adds the pods of a run of ordinals, cut into the slices of the layers from `layer` on.
    #[expect(clippy::too_many_arguments, reason = "a run of pods is named by its replica, start and length")]
    fn add_pods(
        self,
        scope: &mut Scope,
        row: usize,
        demand: usize,
        (ordinals, first, count): (&[u32], u32, u32),
        times: u32,
        layer: usize,
        within: Option<DomainId>,
    ) {
        let runs = |from: u32, to: u32| -> Vec<NodeId> {
            if self.running.count(row, ordinals) == 0 {
                return Vec::new();
            }
            (from..to).filter_map(|ordinal| self.running.node(row, ordinals, ordinal)).collect()
        };
        let Some(&(level, size)) = self.gang.rows()[row].slices.get(layer) else {
            let there = runs(first, first + count);
            let missing = (count - there.len() as u32).saturating_mul(times);
            scope.running.extend(there);
            if missing > 0 {
                match scope.pools.iter_mut().find(|pool| pool.demand == demand) {
                    Some(pool) => pool.count += missing,
                    None => scope.pools.push(Pool { demand, count: missing }),
                }
            }
            return;
        };
        let mut slice = |first: u32, count: u32, there: Vec<NodeId>| {
            let mut inner = Scope { row: Some(row), layer: layer + 1, hard: Some(level), ..Scope::default() };
            if !there.is_empty() {
                inner.instance = Some(ordinals.iter().copied().chain([first]).collect());
                inner.fixed = self.fixed(Some(level), within, there);
            }
            let inside = inner.fixed.or(within);
            self.add_pods(&mut inner, row, demand, (ordinals, first, size), 1, layer + 1, inside);
            inner.finish(self.gang);
            scope.classes.push(Class { scope: inner, count });
        };
        let mut fresh = 0;
        for at in 0..count / size {
            let from = first + at * size;
            let there = runs(from, from + size);
            if there.is_empty() { fresh += 1 } else { slice(from, 1, there) }
        }
        if fresh > 0 {
            // Nothing runs in these slices, so all are alike.
            let blank = Scopes { running: &Running::default(), ..self };
            let mut inner = Scope { row: Some(row), layer: layer + 1, hard: Some(level), ..Scope::default() };
            blank.add_pods(&mut inner, row, demand, (ordinals, first, size), 1, layer + 1, within);
            inner.finish(self.gang);
            let count = times.saturating_mul(fresh);
            scope.classes.push(Class { scope: inner, count });
        }
    }
}

fn row_parent(gang: &Gang, row: usize) -> usize {
    gang.rows()[row].parent.unwrap_or(row)
}

impl Scope {
    /// What a replica of a group asks of the pods in it, without any.
    pub(crate) fn shell(gang: &Gang, row: usize) -> Self {
        let group = &gang.rows()[row];
        Self {
            row: Some(row),
            hard: group.hard.max(group.shared.map(|(level, _)| level)),
            spread: group.spread,
            exclusive: group.exclusive,
            shared: group.shared,
            per_node: group.per_node,
            pods: vec![0; gang.demands().len()],
            ..Self::default()
        }
    }

    /// How many missing pods of each demand are in it, scopes inside included.
    pub(crate) fn pods(&self) -> &[u64] {
        &self.pods
    }

    /// Whether none of its pods is missing.
    pub(crate) fn is_complete(&self) -> bool {
        self.pods.iter().all(|&pods| pods == 0)
    }

    /// How many devices its missing pods ask together.
    pub(crate) fn devices(&self) -> u64 {
        self.devices
    }

    /// How many missing pods and scopes are in it.
    pub(crate) fn size(&self) -> u64 {
        let inner = self.classes.iter().map(|class| u64::from(class.count) * (1 + class.scope.size()));
        self.pools.iter().map(|pool| u64::from(pool.count)).sum::<u64>() + inner.sum::<u64>()
    }

    /// The nodes of its running pods, scopes inside included.
    pub(crate) fn all_running(&self) -> Vec<NodeId> {
        let inner = self.classes.iter().flat_map(|class| class.scope.all_running());
        self.running.iter().copied().chain(inner).collect()
    }

    /// Sums up, and puts the hardest first: the scopes that are fixed, then by devices, then the pods by what they ask.
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
        self.classes.sort_by_key(|class| {
            let scope = &class.scope;
            (scope.instance.is_none(), Reverse(scope.devices), scope.row, scope.layer)
        });
        self.pools.sort_by_key(|pool| Reverse(&demands[pool.demand]));
    }
}
