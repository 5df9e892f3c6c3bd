//! The trees themselves: levels, domains and nodes as columns.

use std::ops::Range;

use crate::columns::{Columns, NONE};
use crate::{DomainId, LevelId, NodeId, TreeId};

/// A cluster as a tree: levels named from coarse to fine, domains in each, nodes at the leaves. Immutable.
///
/// Nodes are numbered in path order (ascending, byte by byte, of `zone/block/rack/node`), so every domain is a contiguous
/// range of nodes and a greater id is a later path. Nodes outside the tree are numbered after all others, by name: they
/// belong to no domain, not even at the node level, and are never eligible where a level is required.
///
/// Built by [`Topology::builder`], [`Topology::from_labels`], [`Topology::from_domains`] or
/// [`Topology::from_hypernodes`].
///
/// A cluster has more trees than one where the network and the power feed divide it differently:
/// [`with_tree`](Self::with_tree) adds a named one over the same nodes. The first tree is the primary one, which numbers
/// the nodes; what does not ask for a tree means it. [`LevelId`] and [`DomainId`] run on over all trees, so that each
/// implies its tree, and a column by domain covers all of them.
///
/// ```
/// # use phalanx_topology::Topology;
/// let topology = Topology::builder(["block", "rack"])
///     .node("n1", &[("block", "b1"), ("rack", "r1")])
///     .node("n2", &[("block", "b1"), ("rack", "r2")])
///     .build()?;
/// let rack = topology.level("rack").unwrap();
/// let racks: Vec<_> = topology.domains(rack).map(|r| topology.domain_path(r)).collect();
/// assert_eq!(racks, ["b1/r1", "b1/r2"]);
/// # Ok::<(), phalanx_topology::TopologyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Of all trees.
    pub(crate) levels: Vec<Level>,
    /// Never empty.
    pub(crate) trees: Vec<Tree>,
    /// Names of all nodes, those of the primary tree first.
    pub(crate) nodes: Vec<String>,
    /// Node ids in ascending order of name.
    pub(crate) by_name: Vec<u32>,
    pub(crate) columns: Columns,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) name: String,
    pub(crate) tree: TreeId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) name: String,
    /// Coarse to fine; the last one is the level of the nodes.
    pub(crate) levels: Range<u8>,
    /// How many nodes are in the tree.
    pub(crate) len: u32,
    /// The node at each position; empty for the primary tree, where position and id are the same.
    pub(crate) order: Vec<u32>,
}

impl Tree {
    pub(crate) fn node_level(&self) -> LevelId {
        LevelId::new(self.levels.end - 1)
    }

    pub(crate) fn node_at(&self, position: usize) -> NodeId {
        NodeId::new(if self.order.is_empty() { position as u32 } else { self.order[position] })
    }
}

impl Topology {
    /// A topology of one tree. The level names do not hold that of the nodes.
    pub(crate) fn single(
        tree: String,
        mut levels: Vec<String>,
        nodes: Vec<String>,
        by_name: Vec<u32>,
        columns: Columns,
    ) -> Self {
        levels.push(Self::NODE_LEVEL.to_owned());
        let len = columns.domain_of[levels.len() - 1].len() as u32;
        let tree = Tree { name: tree, levels: 0..levels.len() as u8, len, order: Vec::new() };
        let levels = levels.into_iter().map(|name| Level { name, tree: TreeId::PRIMARY }).collect();
        Self { levels, trees: vec![tree], nodes, by_name, columns }
    }

    /// The level of the primary tree with this name; `"node"` is the level of the nodes. O(levels). For other trees see
    /// [`level_in`](Self::level_in).
    ///
    /// ```
    /// # use phalanx_topology::Topology;
    /// let topology = Topology::builder(["zone", "rack"]).build()?;
    /// assert!(topology.level("zone") < topology.level("rack"));
    /// assert_eq!(topology.level("node"), Some(topology.node_level()));
    /// assert_eq!(topology.level("row"), None);
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    #[must_use]
    pub fn level(&self, name: &str) -> Option<LevelId> {
        self.level_in(TreeId::PRIMARY, name)
    }

    /// The levels of the primary tree, coarse to fine, the level of the nodes last.
    pub fn levels(&self) -> impl DoubleEndedIterator<Item = LevelId> + ExactSizeIterator + use<> {
        self.tree_levels(TreeId::PRIMARY)
    }

    /// The level of the nodes, the finest of the primary tree.
    #[must_use]
    pub fn node_level(&self) -> LevelId {
        self.trees[0].node_level()
    }

    /// Whether this topology has the level, in any tree.
    #[must_use]
    pub fn has_level(&self, level: LevelId) -> bool {
        level.index() < self.levels.len()
    }

    /// The level's name. Panics if the topology has no such level.
    #[must_use]
    pub fn level_name(&self, level: LevelId) -> &str {
        &self.levels[level.index()].name
    }

    /// How many nodes there are, in and outside the trees.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many nodes are outside the primary tree.
    #[must_use]
    pub fn outside_len(&self) -> usize {
        self.nodes.len() - self.primary_len()
    }

    /// All nodes: those of the primary tree in path order, then those outside it by name.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = NodeId> + ExactSizeIterator + use<> {
        (0..self.nodes.len() as u32).map(NodeId::new)
    }

    /// Whether the node is in the primary tree. For other trees see [`node_domain`](Self::node_domain).
    #[must_use]
    pub fn in_tree(&self, node: NodeId) -> bool {
        node.index() < self.primary_len()
    }

    /// The nodes of the primary tree, as a range of positions; the rest are outside.
    #[must_use]
    pub fn tree_nodes(&self) -> Range<usize> {
        0..self.primary_len()
    }

    /// The node with this name. O(log n).
    ///
    /// ```
    /// # use phalanx_topology::Topology;
    /// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// assert_eq!(topology.node("n1").map(|n| topology.node_name(n)), Some("n1"));
    /// assert_eq!(topology.node("n2"), None);
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    #[must_use]
    pub fn node(&self, name: &str) -> Option<NodeId> {
        let at = self.by_name.binary_search_by(|&id| self.nodes[id as usize].as_str().cmp(name)).ok()?;
        Some(NodeId::new(self.by_name[at]))
    }

    /// The node's name. Panics if the topology has no such node.
    #[must_use]
    pub fn node_name(&self, node: NodeId) -> &str {
        &self.nodes[node.index()]
    }

    /// The node's full path in the primary tree, `zone/block/rack/node`; a level that it passes through is an empty part.
    /// A node outside that tree has its name alone.
    #[must_use]
    pub fn node_path(&self, node: NodeId) -> String {
        match self.domain_of(node, self.node_level()) {
            Some(domain) => self.domain_path(domain),
            None => self.node_name(node).to_owned(),
        }
    }

    /// How many domains there are over all levels of all trees, the nodes in them included: the length of a column by
    /// [`DomainId`].
    #[must_use]
    pub fn domains_len(&self) -> usize {
        self.columns.name.len()
    }

    /// The domains of a level in path order; at a node level the nodes of its tree. Panics on an unknown level.
    pub fn domains(&self, level: LevelId) -> impl DoubleEndedIterator<Item = DomainId> + ExactSizeIterator + use<> {
        (self.columns.level_start[level.index()]..self.columns.level_start[level.index() + 1]).map(DomainId::new)
    }

    /// The domain's children, in path order; a node has none. O(1).
    ///
    /// ```
    /// # use phalanx_topology::Topology;
    /// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).node("n2", &[("rack", "r1")]).build()?;
    /// let rack = topology.domains(topology.level("rack").unwrap()).next().unwrap();
    /// let names: Vec<_> = topology.children(rack).map(|child| topology.domain_name(child)).collect();
    /// assert_eq!(names, ["n1", "n2"]);
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    pub fn children(&self, domain: DomainId) -> impl DoubleEndedIterator<Item = DomainId> + ExactSizeIterator + use<> {
        let first = self.columns.first_child[domain.index()];
        let range = if first == NONE {
            0..0
        } else {
            let next = domain.index() + 1;
            let level = self.level_of(domain).index();
            // The next domain's first child, or the end of the level below.
            let end = if next < self.columns.level_start[level + 1] as usize {
                self.columns.first_child[next]
            } else {
                self.columns.level_start[level + 2]
            };
            first..end
        };
        range.map(DomainId::new)
    }

    /// The domain that holds this one; none at the coarsest level of a tree.
    #[must_use]
    pub fn parent(&self, domain: DomainId) -> Option<DomainId> {
        let parent = self.columns.parent[domain.index()];
        (parent != NONE).then(|| DomainId::new(parent))
    }

    /// The level of a domain.
    #[must_use]
    pub fn level_of(&self, domain: DomainId) -> LevelId {
        LevelId::new(self.columns.level[domain.index()])
    }

    /// The domain's own name; empty where it is passed through.
    #[must_use]
    pub fn domain_name(&self, domain: DomainId) -> &str {
        &self.columns.name[domain.index()]
    }

    /// The names from the coarsest level down to this domain, joined by `/`.
    #[must_use]
    pub fn domain_path(&self, domain: DomainId) -> String {
        let mut names = vec![self.domain_name(domain)];
        let mut at = domain;
        while let Some(parent) = self.parent(at) {
            names.push(self.domain_name(parent));
            at = parent;
        }
        names.reverse();
        names.join("/")
    }

    /// The nodes of a domain, as a range of positions in the order of its tree. In the primary tree these are the node
    /// ids; elsewhere [`node_at`](Self::node_at) tells the node. O(1).
    ///
    /// ```
    /// # use phalanx_topology::Topology;
    /// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).node("n2", &[("rack", "r2")]).build()?;
    /// let ranges: Vec<_> = topology.domains(topology.level("rack").unwrap()).map(|r| topology.node_range(r)).collect();
    /// assert_eq!(ranges, [0..1, 1..2]);
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    #[must_use]
    pub fn node_range(&self, domain: DomainId) -> Range<usize> {
        let first = self.columns.first_node[domain.index()] as usize;
        first..first + self.columns.node_len[domain.index()] as usize
    }

    /// The nodes of a domain, in path order: [`node_range`](Self::node_range) as ids. In the primary tree they ascend.
    pub fn nodes_of(&self, domain: DomainId) -> impl DoubleEndedIterator<Item = NodeId> + ExactSizeIterator {
        let tree = &self.trees[self.tree_of(self.level_of(domain)).index()];
        self.node_range(domain).map(|position| tree.node_at(position))
    }

    /// The domain of a node at a level of any tree; none if the node is outside that tree. O(1). Panics on an unknown level
    /// or node.
    #[must_use]
    pub fn domain_of(&self, node: NodeId, level: LevelId) -> Option<DomainId> {
        assert!(node.index() < self.nodes.len(), "a node id belongs to its topology");
        let domain = self.columns.domain_of[level.index()].get(node.index());
        domain.filter(|&&domain| domain != NONE).map(|&domain| DomainId::new(domain))
    }

    /// The smallest domain of the primary tree that holds all these nodes; none if only the cluster as a whole does, or no
    /// node is given. O(nodes given + levels). For other trees see [`common_domain_in`](Self::common_domain_in).
    ///
    /// ```
    /// # use phalanx_topology::Topology;
    /// let topology = Topology::builder(["zone", "rack"])
    ///     .node("n1", &[("zone", "z"), ("rack", "r1")])
    ///     .node("n2", &[("zone", "z"), ("rack", "r2")])
    ///     .build()?;
    /// let zone = topology.common_domain(topology.nodes()).unwrap();
    /// assert_eq!(topology.domain_path(zone), "z");
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    pub fn common_domain(&self, nodes: impl IntoIterator<Item = NodeId>) -> Option<DomainId> {
        self.common_domain_in(TreeId::PRIMARY, nodes)
    }

    /// The level of the lowest common ancestor of these nodes: that of [`common_domain`](Self::common_domain).
    pub fn common_level(&self, nodes: impl IntoIterator<Item = NodeId>) -> Option<LevelId> {
        self.common_domain(nodes).map(|domain| self.level_of(domain))
    }

    fn primary_len(&self) -> usize {
        self.trees[0].len as usize
    }
}

#[cfg(test)]
mod tests;
