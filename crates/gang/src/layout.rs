//! From nodes by scope to pods by rank.

use phalanx_topology::{DeviceSet, NodeId};

use crate::gang::Content;
use crate::plan::{Pod, Replica, Unmet};
use crate::problem::Problem;
use crate::scope::Scope;
use crate::tree::Tree;

/// Where a pod goes. Without devices it is still to get those that it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) node: NodeId,
    pub(crate) devices: DeviceSet,
}

/// A scope's missing pods, placed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filled {
    /// For each pool of the scope a spot for each pod, in path order.
    pub(crate) pools: Vec<Vec<Spot>>,
    /// For each class of the scope its scopes, in path order of their first nodes.
    pub(crate) classes: Vec<Vec<Filled>>,
}

impl Filled {
    /// Nothing placed yet.
    pub(crate) fn of(scope: &Scope) -> Self {
        Self { pools: vec![Vec::new(); scope.pools.len()], classes: vec![Vec::new(); scope.classes.len()] }
    }

    /// Equal pods on these nodes, in path order, as the scope wants them: each of its scopes takes the next ones.
    pub(crate) fn of_equal(scope: &Scope, nodes: &mut std::vec::IntoIter<NodeId>) -> Self {
        let spot = |node| Spot { node, devices: DeviceSet::default() };
        Self {
            pools: scope
                .pools
                .iter()
                .map(|pool| nodes.by_ref().take(pool.count as usize).map(spot).collect())
                .collect(),
            classes: scope
                .classes
                .iter()
                .map(|class| (0..class.count).map(|_| Self::of_equal(&class.scope, nodes)).collect())
                .collect(),
        }
    }

    /// Whether there is no pod in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.pools.iter().all(Vec::is_empty) && self.classes.iter().flatten().all(Self::is_empty)
    }

    /// The nodes of all its pods.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        let mut nodes: Vec<NodeId> = Vec::new();
        self.collect(&mut nodes);
        nodes.into_iter()
    }

    fn collect(&self, nodes: &mut Vec<NodeId>) {
        self.pools.iter().flatten().for_each(|spot| nodes.push(spot.node));
        self.classes.iter().flatten().for_each(|inner| inner.collect(nodes));
    }

    /// Puts pods and scopes in path order.
    pub(crate) fn sort(&mut self, tree: Tree<'_>) {
        self.pools.iter_mut().for_each(|spots| spots.sort_by_key(|spot| (tree.order(spot.node), spot.devices)));
        for class in &mut self.classes {
            class.iter_mut().for_each(|inner| inner.sort(tree));
            class.sort_by_cached_key(|inner| {
                let orders = inner.nodes().map(|node| tree.order(node));
                orders.fold((u64::MAX, 0), |(first, last), at| (first.min(at), last.max(at)))
            });
        }
    }
}

/// Deals the nodes of scopes out to the groups' replicas.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    pub(crate) replicas: Vec<Replica>,
    /// Pods by rank.
    pub(crate) pods: Vec<Pod>,
    pub(crate) unmet: Vec<Unmet>,
}

/// How much of a scope has been dealt out.
struct Cursor<'a> {
    scope: &'a Scope,
    filled: &'a Filled,
    pools: Vec<usize>,
    classes: Vec<usize>,
}

impl<'a> Cursor<'a> {
    fn new(scope: &'a Scope, filled: &'a Filled) -> Self {
        Self { scope, filled, pools: vec![0; scope.pools.len()], classes: vec![0; scope.classes.len()] }
    }

    /// The next scope of a class: of this instance, if some of its pods run, otherwise of the common ones.
    fn next(&mut self, row: usize, layer: usize, instance: Option<&[u32]>) -> Option<(&'a Scope, &'a Filled)> {
        let is =
            |scope: &Scope| (scope.row, scope.layer) == (Some(row), layer) && scope.instance.as_deref() == instance;
        // Replicas without pods may be listed in parts: those beside one that runs, and those in groups of which none does.
        let classes = self.scope.classes.iter().zip(&self.classes);
        let class = classes.into_iter().position(|(class, &next)| is(&class.scope) && next < class.count as usize)?;
        let next = self.classes[class];
        self.classes[class] += 1;
        Some((&self.scope.classes[class].scope, &self.filled.classes[class][next]))
    }
}

impl Layout {
    /// Deals out the gang's minimum, as far as it is missing.
    pub(crate) fn gang(&mut self, problem: &Problem<'_>, filled: &Filled) {
        let mut cursor = Cursor::new(&problem.scope, filled);
        self.group(problem, 0, &mut cursor, &mut Vec::new());
        self.unmet.sort_by_key(|unmet| unmet.level);
    }

    /// Deals out one replica of a group, `ordinals` being those of the groups around it and its own.
    pub(crate) fn replica(
        &mut self,
        problem: &Problem<'_>,
        row: usize,
        (scope, filled): (&Scope, &Filled),
        ordinals: &mut Vec<u32>,
    ) {
        self.preferences(problem, row, scope, filled, ordinals);
        self.body(problem, row, &mut Cursor::new(scope, filled), ordinals);
    }

    fn group(&mut self, problem: &Problem<'_>, row: usize, cursor: &mut Cursor<'_>, ordinals: &mut Vec<u32>) {
        let group = &problem.gang.rows()[row];
        if group.pods == 0 {
            return;
        }
        for ordinal in problem.running.minimum(problem.gang, row, ordinals) {
            ordinals.push(ordinal);
            if group.is_bound() {
                let runs = problem.running.count(row, ordinals) > 0;
                let next = cursor.next(row, 0, runs.then_some(&**ordinals));
                let inner = next.expect("a scope has a class for each bound group in it");
                self.replica(problem, row, inner, ordinals);
            } else {
                self.body(problem, row, cursor, ordinals);
            }
            ordinals.pop();
        }
    }

    fn body(&mut self, problem: &Problem<'_>, row: usize, cursor: &mut Cursor<'_>, ordinals: &mut Vec<u32>) {
        match &problem.gang.rows()[row].content {
            Content::Groups(children) => {
                children.iter().for_each(|&child| self.group(problem, child, cursor, ordinals));
            }
            Content::Pods { count: 0, .. } => {}
            &Content::Pods { demand, count } => {
                let replica = self.replicas.len() as u32;
                let group = problem.gang.id(row);
                self.replicas.push(Replica { group, demand, ordinals: ordinals.as_slice().into() });
                self.pods(problem, (row, demand, replica), (ordinals, 0, count), 0, cursor);
            }
        }
    }

    /// Deals out the pods of a run of ordinals, cut into the slices of the layers from `layer` on.
    fn pods(
        &mut self,
        problem: &Problem<'_>,
        of @ (row, demand, replica): (usize, usize, u32),
        (ordinals, first, count): (&[u32], u32, u32),
        layer: usize,
        cursor: &mut Cursor<'_>,
    ) {
        let runs = |ordinal: u32| problem.running.node(row, ordinals, ordinal).is_some();
        if let Some(&(_, size)) = problem.gang.rows()[row].slices.get(layer) {
            for from in (first..first + count).step_by(size as usize) {
                let instance: Option<Vec<u32>> =
                    (from..from + size).any(runs).then(|| ordinals.iter().copied().chain([from]).collect());
                let next = cursor.next(row, layer + 1, instance.as_deref());
                let (scope, filled) = next.expect("a scope has a class for the slices in it");
                self.pods(problem, of, (ordinals, from, size), layer + 1, &mut Cursor::new(scope, filled));
            }
            return;
        }
        let Some(pool) = cursor.scope.pools.iter().position(|pool| pool.demand == demand) else { return };
        for ordinal in (first..first + count).filter(|&ordinal| !runs(ordinal)) {
            let Spot { node, devices } = cursor.filled.pools[pool][cursor.pools[pool]];
            cursor.pools[pool] += 1;
            self.pods.push(Pod { replica, ordinal, node, devices });
        }
    }

    fn preferences(&mut self, problem: &Problem<'_>, row: usize, scope: &Scope, filled: &Filled, ordinals: &[u32]) {
        if scope.preferred.is_empty() {
            return;
        }
        let nodes: Vec<NodeId> = filled.nodes().chain(scope.all_running()).collect();
        if nodes.is_empty() {
            return;
        }
        let reached = problem.tree.common(nodes).map(|domain| problem.tree.topology.level_of(domain));
        let group = problem.gang.id(row);
        let unmet = scope.preferred.iter().filter(|&&level| reached.is_none_or(|reached| reached < level));
        self.unmet.extend(unmet.map(|&level| Unmet { group, ordinals: ordinals.into(), level }));
    }
}
