//! The tree that a gang is planned on, one of those of a topology.

use phalanx_topology::{DomainId, LevelId, NodeId, Topology, TreeId};

/// The tree that a gang is planned on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree<'a> {
    pub(crate) topology: &'a Topology,
    pub(crate) id: TreeId,
}

impl<'a> Tree<'a> {
    /// The coarsest level.
    pub(crate) fn top(self) -> LevelId {
        self.topology.tree_levels(self.id).next().expect("a tree has at least the level of its nodes")
    }

    /// The level of the nodes.
    pub(crate) fn bottom(self) -> LevelId {
        self.topology.tree_node_level(self.id)
    }

    /// All levels, coarse to fine.
    pub(crate) fn levels(self) -> impl DoubleEndedIterator<Item = LevelId> + ExactSizeIterator + use<> {
        self.topology.tree_levels(self.id)
    }

    /// The position of a level in this tree, from the coarsest.
    pub(crate) fn depth(self, level: LevelId) -> usize {
        level.index() - self.top().index()
    }

    pub(crate) fn domains(
        self,
        level: LevelId,
    ) -> impl DoubleEndedIterator<Item = DomainId> + ExactSizeIterator + use<> {
        self.topology.domains(level)
    }

    /// The domains of a level inside a domain, in path order: itself if the level is its own or coarser.
    pub(crate) fn domains_in(self, within: Option<DomainId>, level: LevelId) -> std::ops::Range<u32> {
        let all = |domains: &mut dyn ExactSizeIterator<Item = DomainId>| {
            let len = domains.len() as u32;
            domains.next().map_or(0..0, |first| first.index() as u32..first.index() as u32 + len)
        };
        let Some(within) = within else { return all(&mut self.domains(level)) };
        let at = within.index() as u32;
        let (mut first, mut end, mut depth) = (at, at + 1, self.topology.level_of(within));
        while depth < level && first < end {
            let ends = |domain: u32| self.topology.children(DomainId::new(domain));
            let (start, last) = (ends(first).next(), ends(end - 1).next_back());
            let Some((start, last)) = start.zip(last) else { return 0..0 };
            (first, end) = (start.index() as u32, last.index() as u32 + 1);
            depth = self.topology.level_of(start);
        }
        first..end
    }

    /// The node of a domain of the level of nodes.
    pub(crate) fn node(self, domain: DomainId) -> NodeId {
        self.topology.node_of(domain).expect("a domain of the level of nodes is a node")
    }

    /// The node's own domain; none outside the tree.
    pub(crate) fn domain(self, node: NodeId) -> Option<DomainId> {
        self.topology.node_domain(self.id, node)
    }

    pub(crate) fn domain_at(self, node: NodeId, level: LevelId) -> Option<DomainId> {
        self.topology.domain_of(node, level)
    }

    /// Where the node stands in path order; those outside the tree come last, by name.
    pub(crate) fn order(self, node: NodeId) -> u64 {
        match self.domain(node) {
            Some(domain) => domain.index() as u64,
            None => (1 << 32) + node.index() as u64,
        }
    }

    /// The nodes outside the tree, in order of their ids.
    pub(crate) fn outside(self) -> impl Iterator<Item = NodeId> {
        let none = self.topology.tree_len(self.id) == self.topology.len();
        let nodes = if none { 0..0 } else { 0..self.topology.len() as u32 };
        nodes.map(NodeId::new).filter(move |&node| self.domain(node).is_none())
    }

    /// The smallest domain that holds all these nodes; none if only the cluster does.
    pub(crate) fn common(self, nodes: impl IntoIterator<Item = NodeId>) -> Option<DomainId> {
        self.topology.common_domain_in(self.id, nodes)
    }

    /// Whether a domain is another one or inside it; everything is inside none, the cluster.
    pub(crate) fn is_within(self, domain: DomainId, within: Option<DomainId>) -> bool {
        let Some(within) = within else { return true };
        let level = self.topology.level_of(within);
        let mut at = Some(domain);
        while let Some(domain) = at {
            if self.topology.level_of(domain) <= level {
                return domain == within;
            }
            at = self.topology.parent(domain);
        }
        false
    }
}
