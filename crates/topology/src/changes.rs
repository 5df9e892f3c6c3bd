//! Which nodes changed lately, so that what is derived from the ledger can follow it.

use std::sync::Arc;

use crate::{Inventory, NodeId};

/// Nodes kept: beyond a good part of a cluster, going over all of it is no dearer.
const NODES: usize = 4096;

/// Versions kept.
const VERSIONS: usize = 1024;

/// A ring of the nodes that changed, and where in it each version ends. A copy shares it until either is written.
#[derive(Clone, Debug)]
pub(crate) struct Changes {
    ring: Arc<Ring>,
}

#[derive(Clone, Debug)]
struct Ring {
    /// The node at position `p` of the sequence of all changes is at `p % NODES`.
    nodes: Vec<u32>,
    /// Where in the sequence version `v` ends is at `v % VERSIONS`.
    ends: Vec<u64>,
    /// The oldest version whose end, and all nodes after it, are still here.
    first: u64,
    last: u64,
}

impl Changes {
    /// The log of a ledger at this version, of which no earlier change is known.
    pub(crate) fn new(version: u64) -> Self {
        let ends = vec![0; version as usize % VERSIONS + 1];
        Self { ring: Arc::new(Ring { nodes: Vec::new(), ends, first: version, last: version }) }
    }

    /// Notes the nodes that the next version changes.
    pub(crate) fn push(&mut self, nodes: &[u32]) {
        Arc::make_mut(&mut self.ring).push(nodes);
    }

    fn since(&self, version: u64) -> Option<impl Iterator<Item = NodeId>> {
        let ring = &*self.ring;
        let kept = (ring.first..=ring.last).contains(&version);
        kept.then(|| (ring.end(version)..ring.end(ring.last)).map(|at| NodeId::new(ring.nodes[at as usize % NODES])))
    }
}

impl Ring {
    fn push(&mut self, nodes: &[u32]) {
        let mut end = self.end(self.last);
        for &node in nodes {
            put(&mut self.nodes, end as usize % NODES, node);
            end += 1;
        }
        self.last += 1;
        put(&mut self.ends, self.last as usize % VERSIONS, end);
        self.first = self.first.max((self.last + 1).saturating_sub(VERSIONS as u64));
        while end - self.end(self.first) > NODES as u64 {
            self.first += 1;
        }
    }

    fn end(&self, version: u64) -> u64 {
        self.ends[version as usize % VERSIONS]
    }
}

/// Writes to a ring that has not yet grown to its full length.
fn put<T>(ring: &mut Vec<T>, at: usize, value: T) {
    if at == ring.len() { ring.push(value) } else { ring[at] = value }
}

impl Inventory {
    /// The nodes whose free state, capacity or cordon changed after a [`version`](Self::version) of this inventory, in the
    /// order of the changes, a node perhaps more than once. None if that was too long ago (the last 4,096 nodes and 1,024
    /// versions are kept), or while a transaction is open that holds something: go over all nodes then.
    ///
    /// A version that only a fork or the origin of this inventory has been through says nothing here.
    ///
    /// ```
    /// # use phalanx_topology::{Inventory, Topology};
    /// # use std::sync::Arc;
    /// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).node("n2", &[]).build()?;
    /// let n2 = topology.node("n2").unwrap();
    /// let mut inventory = Inventory::new(Arc::new(topology));
    /// inventory.set_devices_everywhere(8, "H100")?;
    /// let version = inventory.version();
    /// inventory.set_cordoned(n2, true);
    /// assert_eq!(inventory.changes_since(version).unwrap().collect::<Vec<_>>(), [n2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn changes_since(&self, version: u64) -> Option<impl Iterator<Item = NodeId>> {
        if self.indexes.is_dirty() { None } else { self.changes.since(version) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(changes: &Changes, version: u64) -> Option<Vec<usize>> {
        Some(changes.since(version)?.map(NodeId::index).collect())
    }

    #[test]
    fn what_is_kept_is_complete_and_what_is_not_is_none() {
        let mut changes = Changes::new(7);
        assert_eq!(since(&changes, 6), None);
        assert_eq!(since(&changes, 7), Some(vec![]));
        assert_eq!(since(&changes, 8), None);
        changes.push(&[1, 2]);
        changes.push(&[]);
        changes.push(&[2]);
        assert_eq!(since(&changes, 7), Some(vec![1, 2, 2]));
        assert_eq!(since(&changes, 9), Some(vec![2]));
        let fork = changes.clone();
        changes.push(&[5]);
        assert_eq!(since(&fork, 10), Some(vec![]));
        assert_eq!(since(&changes, 10), Some(vec![5]));
    }

    #[test]
    fn the_oldest_versions_go_first() {
        let mut changes = Changes::new(0);
        for version in 1..=5_000_u64 {
            changes.push(&[version as u32; 3]);
            let first = version.saturating_sub(VERSIONS as u64 - 1);
            assert_eq!(since(&changes, first).map(|nodes| nodes.len() as u64), Some((version - first) * 3));
            assert_eq!(first.checked_sub(1).and_then(|before| since(&changes, before)), None);
        }
    }

    #[test]
    fn the_oldest_nodes_go_first() {
        let mut changes = Changes::new(0);
        changes.push(&[1; NODES]);
        assert_eq!(since(&changes, 0), Some(vec![1; NODES]));
        changes.push(&[2]);
        assert_eq!(since(&changes, 0), None);
        assert_eq!(since(&changes, 1), Some(vec![2]));
        changes.push(&[3; 2 * NODES]);
        assert_eq!(since(&changes, 2), None);
        assert_eq!(since(&changes, 3), Some(vec![]));
    }
}
