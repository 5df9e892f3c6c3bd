//! The tree itself: levels, domains and nodes as columns.

use std::ops::Range;

use crate::{DomainId, LevelId, NodeId};

/// Stands for "none" in the columns of ids.
pub(crate) const NONE: u32 = u32::MAX;

/// A cluster as a tree: levels named from coarse to fine, domains in each, nodes at the leaves. Immutable.
///
/// Nodes are numbered in path order (ascending, byte by byte, of `zone/block/rack/node`), so every domain is a contiguous
/// range of nodes and a greater id is a later path. Nodes outside the tree are numbered after all others, by name: they
/// belong to no domain, not even at the node level, and are never eligible where a level is required.
///
/// Built by [`Topology::builder`] or [`Topology::from_labels`].
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
    levels: Vec<String>,
    /// Names of all nodes, those of the tree first.
    nodes: Vec<String>,
    /// Node ids in ascending order of name.
    by_name: Vec<u32>,
    columns: Columns,
}

/// The tree's columns. Domains run level by level; the last level's domains are the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    /// First domain of each level, and one past the last.
    level_start: Vec<u32>,
    level: Vec<u8>,
    name: Vec<String>,
    parent: Vec<u32>,
    first_child: Vec<u32>,
    first_node: Vec<u32>,
    node_len: Vec<u32>,
    /// For each level the domain of every node of the tree.
    domain_of: Vec<Vec<u32>>,
}

impl Columns {
    pub(crate) fn new(nodes: usize, levels: usize) -> Self {
        Self { domain_of: vec![Vec::with_capacity(nodes); levels + 1], ..Self::default() }
    }

    pub(crate) fn start_level(&mut self) {
        self.level_start.push(self.name.len() as u32);
    }

    /// Adds the node at position `at` to a level: to the domain before it if it `continues`, else to a new one.
    pub(crate) fn push_node(&mut self, level: usize, at: usize, continues: bool, name: impl FnOnce() -> String) {
        if !continues {
            let parent = if level == 0 { NONE } else { self.domain_of[level - 1][at] };
            let id = self.name.len() as u32;
            if parent != NONE && self.first_child[parent as usize] == NONE {
                self.first_child[parent as usize] = id;
            }
            self.level.push(level as u8);
            self.name.push(name());
            self.parent.push(parent);
            self.first_child.push(NONE);
            self.first_node.push(at as u32);
            self.node_len.push(0);
        }
        let domain = self.name.len() - 1;
        self.node_len[domain] += 1;
        self.domain_of[level].push(domain as u32);
    }

    pub(crate) fn finish(&mut self) {
        self.start_level();
    }
}

impl Topology {
    pub(crate) fn from_columns(levels: Vec<String>, nodes: Vec<String>, by_name: Vec<u32>, columns: Columns) -> Self {
        Self { levels, nodes, by_name, columns }
    }

    /// The level with this name; `"node"` is the level of the nodes. O(levels).
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
        if name == Self::NODE_LEVEL {
            return Some(self.node_level());
        }
        self.levels.iter().position(|level| level == name).map(|at| LevelId::new(at as u8))
    }

    /// All levels, coarse to fine, the level of the nodes last.
    pub fn levels(&self) -> impl DoubleEndedIterator<Item = LevelId> + ExactSizeIterator + use<> {
        (0..self.levels.len() as u8 + 1).map(LevelId::new)
    }

    /// The level of the nodes, the finest.
    #[must_use]
    pub fn node_level(&self) -> LevelId {
        LevelId::new(self.levels.len() as u8)
    }

    /// Whether this topology has the level.
    #[must_use]
    pub fn has_level(&self, level: LevelId) -> bool {
        level <= self.node_level()
    }

    /// The level's name. Panics if the topology has no such level.
    #[must_use]
    pub fn level_name(&self, level: LevelId) -> &str {
        if level == self.node_level() { Self::NODE_LEVEL } else { &self.levels[level.index()] }
    }

    /// How many nodes there are, in and outside the tree.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many nodes are outside the tree.
    #[must_use]
    pub fn outside_len(&self) -> usize {
        self.nodes.len() - self.tree_len()
    }

    /// All nodes: those of the tree in path order, then those outside it by name.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = NodeId> + ExactSizeIterator + use<> {
        (0..self.nodes.len() as u32).map(NodeId::new)
    }

    /// Whether the node is in the tree.
    #[must_use]
    pub fn in_tree(&self, node: NodeId) -> bool {
        node.index() < self.tree_len()
    }

    /// The nodes of the tree, as a range of positions; the rest are outside.
    #[must_use]
    pub fn tree_nodes(&self) -> Range<usize> {
        0..self.tree_len()
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

    /// The node's full path, `zone/block/rack/node`; a level that it passes through is an empty part. A node outside the
    /// tree has its name alone.
    #[must_use]
    pub fn node_path(&self, node: NodeId) -> String {
        match self.domain_of(node, self.node_level()) {
            Some(domain) => self.domain_path(domain),
            None => self.node_name(node).to_owned(),
        }
    }

    /// How many domains there are over all levels, the nodes of the tree included: the length of a column by [`DomainId`].
    #[must_use]
    pub fn domains_len(&self) -> usize {
        self.columns.name.len()
    }

    /// The domains of a level in path order; at the node level the nodes of the tree. Panics on an unknown level.
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

    /// The domain that holds this one; none at the coarsest level.
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

    /// The nodes of a domain, as a range of positions in the node columns. O(1).
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

    /// The nodes of a domain, in path order: [`node_range`](Self::node_range) as ids.
    pub fn nodes_of(&self, domain: DomainId) -> impl DoubleEndedIterator<Item = NodeId> + ExactSizeIterator + use<> {
        let Range { start, end } = self.node_range(domain);
        (start as u32..end as u32).map(NodeId::new)
    }

    /// The domain of a node at a level; none if the node is outside the tree. O(1). Panics on an unknown level or node.
    #[must_use]
    pub fn domain_of(&self, node: NodeId, level: LevelId) -> Option<DomainId> {
        assert!(node.index() < self.nodes.len(), "a node id belongs to its topology");
        self.columns.domain_of[level.index()].get(node.index()).map(|&domain| DomainId::new(domain))
    }

    /// The smallest domain that holds all these nodes; none if only the cluster as a whole does, or no node is given.
    /// O(nodes given + levels).
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
        // Domains are ranges: what holds the first and the last holds all between.
        let (first, last) = nodes.into_iter().fold(None, |bounds: Option<(NodeId, NodeId)>, node| {
            Some(bounds.map_or((node, node), |(first, last)| (first.min(node), last.max(node))))
        })?;
        self.levels().rev().find_map(|level| {
            let domain = self.domain_of(first, level)?;
            (self.domain_of(last, level) == Some(domain)).then_some(domain)
        })
    }

    /// The level of the lowest common ancestor of these nodes: that of [`common_domain`](Self::common_domain).
    pub fn common_level(&self, nodes: impl IntoIterator<Item = NodeId>) -> Option<LevelId> {
        self.common_domain(nodes).map(|domain| self.level_of(domain))
    }

    fn tree_len(&self) -> usize {
        self.columns.domain_of[self.levels.len()].len()
    }
}

#[cfg(test)]
mod tests;
