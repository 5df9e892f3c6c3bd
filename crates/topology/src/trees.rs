//! Several named trees over the same nodes.

use crate::builder::check_tree_name;
use crate::columns::NONE;
use crate::topology::{Level, Tree};
use crate::{DomainId, LevelId, Member, NodeId, Topology, TopologyError, TreeId};

impl Topology {
    /// The name of the primary tree, unless it is given another.
    pub const DEFAULT_TREE: &'static str = "default";

    /// The most trees that a topology can have.
    pub const MAX_TREES: usize = 7;

    /// Adds the primary tree of `other` under a name; the nodes of both are the same by name. A node that `other` does not
    /// have, or has outside its tree, is outside the new tree. Ids of nodes, levels and domains that exist stay as they are.
    ///
    /// # Errors
    ///
    /// [`TopologyError::UnknownMember`] if `other` has a node, in its tree or outside, that this topology lacks; the name is
    /// empty, has a `/` or is taken; there are too many trees or domains. O(levels x nodes + n log n).
    ///
    /// ```
    /// # use phalanx_topology::Topology;
    /// let network = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).node("n2", &[("rack", "r2")]).build()?;
    /// let power = Topology::builder(["feed"]).node("n2", &[("feed", "a")]).node("n1", &[("feed", "a")]).build()?;
    /// let topology = network.with_tree("power", &power)?;
    ///
    /// let power = topology.tree("power").unwrap();
    /// let feed = topology.level_in(power, "feed").unwrap();
    /// let [n1, n2] = ["n1", "n2"].map(|name| topology.node(name).unwrap());
    /// assert_eq!(topology.domain_of(n1, feed), topology.domain_of(n2, feed));
    /// assert_eq!(topology.common_domain([n1, n2]), None, "they share no rack");
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    pub fn with_tree(mut self, name: &str, other: &Self) -> Result<Self, TopologyError> {
        check_tree_name(name)?;
        if self.tree(name).is_some() {
            return Err(TopologyError::DuplicateTree { tree: name.to_owned() });
        }
        if self.trees.len() == Self::MAX_TREES {
            return Err(TopologyError::TooManyTrees { tree: name.to_owned(), max: Self::MAX_TREES });
        }
        let added = &other.trees[0];
        let levels = usize::from(added.levels.end);
        let domains = self.domains_len() + other.columns.level_start[levels] as usize;
        if domains >= NONE as usize {
            return Err(TopologyError::TooManyNodes { found: self.len() });
        }
        let mut order = Vec::with_capacity(other.len());
        for node in &other.nodes {
            let Some(known) = self.node(node) else {
                return Err(TopologyError::UnknownMember { holder: name.to_owned(), member: Member::node(node) });
            };
            order.push(known.index() as u32);
        }
        // Those outside the other tree were only to be checked.
        order.truncate(added.len as usize);

        let tree = TreeId::new(self.trees.len() as u8);
        let first = self.levels.len() as u8;
        self.columns.append(&other.columns, levels, &order, self.nodes.len());
        self.levels.extend(other.levels[..levels].iter().map(|level| Level { name: level.name.clone(), tree }));
        let levels = first..first + added.levels.end;
        self.trees.push(Tree { name: name.to_owned(), levels, len: added.len, order });
        Ok(self)
    }

    /// All trees, the primary one first.
    pub fn trees(&self) -> impl DoubleEndedIterator<Item = TreeId> + ExactSizeIterator + use<> {
        (0..self.trees.len() as u8).map(TreeId::new)
    }

    /// The tree with this name. O(trees).
    ///
    /// ```
    /// # use phalanx_topology::{Topology, TreeId};
    /// let topology = Topology::builder(["rack"]).named("network").build()?;
    /// assert_eq!(topology.tree("network"), Some(TreeId::PRIMARY));
    /// assert_eq!(topology.tree("power"), None);
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    #[must_use]
    pub fn tree(&self, name: &str) -> Option<TreeId> {
        self.trees.iter().position(|tree| tree.name == name).map(|at| TreeId::new(at as u8))
    }

    /// The tree's name. Panics if the topology has no such tree.
    #[must_use]
    pub fn tree_name(&self, tree: TreeId) -> &str {
        &self.trees[tree.index()].name
    }

    /// The tree that a level belongs to. O(1). Panics on an unknown level.
    #[must_use]
    pub fn tree_of(&self, level: LevelId) -> TreeId {
        self.levels[level.index()].tree
    }

    /// The levels of a tree, coarse to fine, the level of the nodes last. Panics on an unknown tree.
    pub fn tree_levels(&self, tree: TreeId) -> impl DoubleEndedIterator<Item = LevelId> + ExactSizeIterator + use<> {
        self.trees[tree.index()].levels.clone().map(LevelId::new)
    }

    /// The level of the nodes in a tree, its finest. O(1). Panics on an unknown tree.
    #[must_use]
    pub fn tree_node_level(&self, tree: TreeId) -> LevelId {
        self.trees[tree.index()].node_level()
    }

    /// The level of a tree with this name; `"node"` is the level of its nodes. O(levels). Panics on an unknown tree.
    ///
    /// ```
    /// # use phalanx_topology::{Topology, TreeId};
    /// let power = Topology::builder(["feed"]).build()?;
    /// let topology = Topology::builder(["rack"]).build()?.with_tree("power", &power)?;
    /// let power = topology.tree("power").unwrap();
    /// let feed = topology.level_in(power, "feed").unwrap();
    /// assert_eq!((topology.tree_of(feed), topology.level_name(feed)), (power, "feed"));
    /// assert_eq!(topology.level_in(TreeId::PRIMARY, "feed"), None);
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    #[must_use]
    pub fn level_in(&self, tree: TreeId, name: &str) -> Option<LevelId> {
        self.tree_levels(tree).find(|&level| self.level_name(level) == name)
    }

    /// How many nodes are in a tree. O(1). Panics on an unknown tree.
    #[must_use]
    pub fn tree_len(&self, tree: TreeId) -> usize {
        self.trees[tree.index()].len as usize
    }

    /// All domains of a tree, level by level from the coarsest, its nodes last. Their ids follow each other. Panics on an
    /// unknown tree.
    ///
    /// ```
    /// # use phalanx_topology::{Topology, TreeId};
    /// let power = Topology::builder(["feed"]).node("n1", &[("feed", "a")]).build()?;
    /// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r")]).build()?.with_tree("power", &power)?;
    /// let paths = |tree| topology.tree_domains(tree).map(|domain| topology.domain_path(domain)).collect::<Vec<_>>();
    /// assert_eq!(paths(TreeId::PRIMARY), ["r", "r/n1"]);
    /// assert_eq!(paths(topology.tree("power").unwrap()), ["a", "a/n1"]);
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    pub fn tree_domains(&self, tree: TreeId) -> impl DoubleEndedIterator<Item = DomainId> + ExactSizeIterator + use<> {
        let levels = &self.trees[tree.index()].levels;
        let start = |level: u8| self.columns.level_start[usize::from(level)];
        (start(levels.start)..start(levels.end)).map(DomainId::new)
    }

    /// The node at a position of a tree's order, `0..tree_len`. O(1). Panics on an unknown tree or position.
    ///
    /// ```
    /// # use phalanx_topology::Topology;
    /// let power = Topology::builder(["feed"]).node("n1", &[("feed", "b")]).node("n2", &[("feed", "a")]).build()?;
    /// let network = Topology::builder(["rack"]).node("n1", &[("rack", "r")]).node("n2", &[("rack", "r")]).build()?;
    /// let topology = network.with_tree("power", &power)?;
    /// let power = topology.tree("power").unwrap();
    /// assert_eq!(topology.node_name(topology.node_at(power, 0)), "n2", "feed a comes first");
    /// assert_eq!(topology.position(power, topology.node("n2").unwrap()), Some(0));
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    #[must_use]
    pub fn node_at(&self, tree: TreeId, position: usize) -> NodeId {
        let tree = &self.trees[tree.index()];
        assert!(position < tree.len as usize, "a position belongs to its tree");
        tree.node_at(position)
    }

    /// The position of a node in a tree's order; none if it is outside that tree. O(1). Panics on an unknown tree or node.
    #[must_use]
    pub fn position(&self, tree: TreeId, node: NodeId) -> Option<usize> {
        let level = self.tree_node_level(tree);
        let domain = self.domain_of(node, level)?;
        // The nodes of a tree are its last domains, in its order.
        Some(domain.index() - self.columns.level_start[level.index()] as usize)
    }

    /// The domain of a node at the node level of a tree; none if it is outside that tree. O(1). Panics on an unknown tree
    /// or node.
    #[must_use]
    pub fn node_domain(&self, tree: TreeId, node: NodeId) -> Option<DomainId> {
        self.domain_of(node, self.tree_node_level(tree))
    }

    /// The node that a domain at a node level is; none for a coarser domain. O(1). Panics on an unknown domain.
    ///
    /// ```
    /// # use phalanx_topology::{Topology, TreeId};
    /// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).build()?;
    /// let n1 = topology.node("n1").unwrap();
    /// let domain = topology.node_domain(TreeId::PRIMARY, n1).unwrap();
    /// assert_eq!(topology.node_of(domain), Some(n1));
    /// assert_eq!(topology.parent(domain).and_then(|rack| topology.node_of(rack)), None);
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    #[must_use]
    pub fn node_of(&self, domain: DomainId) -> Option<NodeId> {
        let level = self.level_of(domain);
        let tree = &self.trees[self.tree_of(level).index()];
        (level == tree.node_level()).then(|| tree.node_at(self.columns.first_node[domain.index()] as usize))
    }

    /// The smallest domain of a tree that holds all these nodes; none if no domain does, as when one of them is outside the
    /// tree, or no node is given. O(nodes given + levels). Panics on an unknown tree or node.
    ///
    /// ```
    /// # use phalanx_topology::Topology;
    /// let power = Topology::builder(["feed"]).node("n1", &[("feed", "a")]).node("n2", &[("feed", "a")]).build()?;
    /// let network = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).node("n2", &[("rack", "r2")]).build()?;
    /// let topology = network.with_tree("power", &power)?;
    /// let feed = topology.common_domain_in(topology.tree("power").unwrap(), topology.nodes()).unwrap();
    /// assert_eq!(topology.domain_path(feed), "a");
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    pub fn common_domain_in(&self, tree: TreeId, nodes: impl IntoIterator<Item = NodeId>) -> Option<DomainId> {
        // Domains are ranges: what holds the first and the last holds all between.
        let mut bounds: Option<(usize, usize)> = None;
        for node in nodes {
            let at = self.position(tree, node)?;
            bounds = Some(bounds.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        }
        let (first, last) = bounds?;
        let (first, last) = (self.node_at(tree, first), self.node_at(tree, last));
        self.tree_levels(tree).rev().find_map(|level| {
            let domain = self.domain_of(first, level)?;
            (self.domain_of(last, level) == Some(domain)).then_some(domain)
        })
    }
}

#[cfg(test)]
mod tests;
