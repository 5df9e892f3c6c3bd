//! From nodes by scope to pods by rank.

use phalanx_topology::{DeviceSet, Inventory, LevelId, NodeId};

use crate::gang::Content;
use crate::plan::{Pod, Replica, Unmet};
use crate::scope::Scope;
use crate::{Gang, GroupId};

/// A scope's pods, placed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filled {
    /// For each pool of the scope a node for each pod, in path order.
    pub(crate) pools: Vec<Vec<NodeId>>,
    /// For each class of the scope its scopes, in path order of their first nodes.
    pub(crate) classes: Vec<Vec<Filled>>,
}

impl Filled {
    /// Nothing placed yet.
    pub(crate) fn of(scope: &Scope) -> Self {
        Self { pools: vec![Vec::new(); scope.pools.len()], classes: vec![Vec::new(); scope.classes.len()] }
    }

    /// The first and last node of its pods.
    pub(crate) fn bounds(&self) -> Option<(NodeId, NodeId)> {
        let own = self.pools.iter().flat_map(|nodes| [nodes.first(), nodes.last()]).flatten().map(|&node| (node, node));
        let inner = self.classes.iter().flatten().filter_map(Self::bounds);
        own.chain(inner).reduce(|(first, last), (a, b)| (first.min(a), last.max(b)))
    }

    /// Puts pods and scopes in path order.
    pub(crate) fn sort(&mut self) {
        self.pools.iter_mut().for_each(|nodes| nodes.sort_unstable());
        for class in &mut self.classes {
            class.iter_mut().for_each(Self::sort);
            class.sort_by_cached_key(Self::bounds);
        }
    }
}

/// Deals the nodes of scopes out to the groups' replicas.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    pub(crate) replicas: Vec<Replica>,
    /// Pods by rank; they have no devices yet.
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
}

impl Layout {
    /// Deals out the gang's minimum.
    pub(crate) fn gang(&mut self, gang: &Gang, inventory: &Inventory, scope: &Scope, filled: &Filled) {
        let mut cursor = Cursor::new(scope, filled);
        self.group(gang, inventory, 0, &mut cursor, &mut Vec::new());
        self.unmet.sort_by_key(|unmet| unmet.level);
    }

    /// Deals out one replica of a group, `ordinals` being those of the groups around it and its own.
    pub(crate) fn replica(
        &mut self,
        gang: &Gang,
        inventory: &Inventory,
        row: usize,
        (scope, filled): (&Scope, &Filled),
        ordinals: &mut Vec<u32>,
    ) {
        self.preferences(gang.id(row), inventory, scope, filled, ordinals);
        self.body(gang, inventory, row, &mut Cursor::new(scope, filled), ordinals);
    }

    fn group(
        &mut self,
        gang: &Gang,
        inventory: &Inventory,
        row: usize,
        cursor: &mut Cursor<'_>,
        ordinals: &mut Vec<u32>,
    ) {
        let group = &gang.rows()[row];
        if group.pods == 0 {
            return;
        }
        let class = cursor.scope.classes.iter().position(|class| class.scope.row == Some(row));
        for ordinal in 0..group.min {
            ordinals.push(ordinal);
            match class {
                Some(class) => {
                    let next = cursor.classes[class];
                    cursor.classes[class] += 1;
                    let inner = (&cursor.scope.classes[class].scope, &cursor.filled.classes[class][next]);
                    self.replica(gang, inventory, row, inner, ordinals);
                }
                None => self.body(gang, inventory, row, cursor, ordinals),
            }
            ordinals.pop();
        }
    }

    fn body(
        &mut self,
        gang: &Gang,
        inventory: &Inventory,
        row: usize,
        cursor: &mut Cursor<'_>,
        ordinals: &mut Vec<u32>,
    ) {
        match &gang.rows()[row].content {
            Content::Groups(children) => {
                children.iter().for_each(|&child| self.group(gang, inventory, child, cursor, ordinals));
            }
            Content::Pods { count: 0, .. } => {}
            &Content::Pods { demand, count } => {
                let pool = cursor.scope.pools.iter().position(|pool| pool.demand == demand);
                let pool = pool.expect("a scope has a pool for each demand in it");
                let first = cursor.pools[pool];
                cursor.pools[pool] += count as usize;
                let replica = self.replicas.len() as u32;
                self.replicas.push(Replica { group: gang.id(row), demand, ordinals: ordinals.as_slice().into() });
                let nodes = &cursor.filled.pools[pool][first..cursor.pools[pool]];
                let devices = DeviceSet::default();
                self.pods.extend((0..).zip(nodes).map(|(ordinal, &node)| Pod { replica, ordinal, node, devices }));
            }
        }
    }

    fn preferences(&mut self, group: GroupId, inventory: &Inventory, scope: &Scope, filled: &Filled, ordinals: &[u32]) {
        if scope.preferred.is_empty() {
            return;
        }
        let Some((first, last)) = filled.bounds() else { return };
        let reached: Option<LevelId> = inventory.topology().common_level([first, last]);
        let unmet = scope.preferred.iter().filter(|&&level| reached.is_none_or(|reached| reached < level));
        self.unmet.extend(unmet.map(|&level| Unmet { group, ordinals: ordinals.into(), level }));
    }
}
