//! What it costs to send from one place of a tree to another.

use std::sync::Arc;

use crate::{DomainId, LevelId, NodeId, Topology, TreeId};

/// The cost of a link by how far it reaches: one number for each level of a tree, and one for what no domain of it holds.
///
/// The unit is the caller's (microseconds a MiB, hops, anything additive). Two nodes are as far apart as the smallest
/// domain that holds both is wide. A level without a cost of its own has that of the next coarser one that has; a node to
/// itself costs nothing unless the node level is given a cost. What is outside the tree is beyond it, save to itself.
///
/// ```
/// use phalanx_topology::{LinkCosts, Topology};
/// use std::sync::Arc;
///
/// let topology = Topology::builder(["block", "rack"])
///     .node("n1", &[("block", "b1"), ("rack", "r1")])
///     .node("n2", &[("block", "b1"), ("rack", "r1")])
///     .node("n3", &[("block", "b1"), ("rack", "r2")])
///     .node("n4", &[("block", "b2"), ("rack", "r3")])
///     .build()?;
/// let [block, rack] = ["block", "rack"].map(|name| topology.level(name).unwrap());
/// let [n1, n2, n3, n4] = ["n1", "n2", "n3", "n4"].map(|name| topology.node(name).unwrap());
///
/// let costs = LinkCosts::new(Arc::new(topology), [(rack, 10), (block, 25)], 100)?;
/// assert_eq!([n1, n2, n3, n4].map(|node| costs.cost(n1, node)), [0, 10, 25, 100]);
/// assert_eq!(costs.table(rack), [10, 25, 100, 25, 10, 100, 100, 100, 10]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkCosts {
    topology: Arc<Topology>,
    tree: TreeId,
    /// For each level of the tree, coarse to fine; never rises.
    by_level: Vec<u64>,
    beyond: u64,
}

/// Why costs are no measure of distance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkCostError {
    /// The topology has no such level.
    #[error("level {level} has a cost, but the topology has only {levels} levels")]
    UnknownLevel {
        /// The level's position.
        level: LevelId,
        /// How many levels there are, over all trees.
        levels: usize,
    },
    /// Levels of two trees are given.
    #[error("level {first:?} is of tree {first_tree:?}, level {second:?} of tree {second_tree:?}: expected one tree")]
    TwoTrees {
        /// A level.
        first: String,
        /// Its tree.
        first_tree: String,
        /// A level of another tree.
        second: String,
        /// That tree.
        second_tree: String,
    },
    /// A level is given two costs.
    #[error("level {level:?} has two costs")]
    TwoCosts {
        /// The level.
        level: String,
    },
    /// A short way costs more than a longer one.
    #[error("inside one {level:?} the cost is {cost}, expected at most {most}, as it is {wider}")]
    NotMonotone {
        /// The finer level.
        level: String,
        /// What it costs there.
        cost: u64,
        /// The next coarser cost.
        most: u64,
        /// Where that holds.
        wider: String,
    },
}

impl LinkCosts {
    /// The costs inside one domain of each level, all of one tree, in any order, and between nodes that share no domain of
    /// the tree. Without any level the tree is the primary one.
    ///
    /// # Errors
    ///
    /// An unknown level, levels of two trees, a level twice, or a cost that is less for a wider level: [`LinkCostError`].
    ///
    /// ```
    /// # use phalanx_topology::{LinkCosts, Topology};
    /// # use std::sync::Arc;
    /// let topology = Arc::new(Topology::builder(["block", "rack"]).build()?);
    /// let [block, rack] = ["block", "rack"].map(|name| topology.level(name).unwrap());
    /// let error = LinkCosts::new(topology, [(rack, 30), (block, 20)], 100).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     r#"inside one "rack" the cost is 30, expected at most 20, as it is inside one "block""#
    /// );
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    pub fn new(
        topology: Arc<Topology>,
        costs: impl IntoIterator<Item = (LevelId, u64)>,
        beyond: u64,
    ) -> Result<Self, LinkCostError> {
        let name = |level| topology.level_name(level).to_owned();
        let mut given = vec![None; topology.levels.len()];
        let mut first: Option<LevelId> = None;
        for (level, cost) in costs {
            if !topology.has_level(level) {
                return Err(LinkCostError::UnknownLevel { level, levels: given.len() });
            }
            let first = *first.get_or_insert(level);
            let trees = [first, level].map(|level| topology.tree_of(level));
            if trees[0] != trees[1] {
                let [first_tree, second_tree] = trees.map(|tree| topology.tree_name(tree).to_owned());
                let (first, second) = (name(first), name(level));
                return Err(LinkCostError::TwoTrees { first, first_tree, second, second_tree });
            }
            if given[level.index()].replace(cost).is_some() {
                return Err(LinkCostError::TwoCosts { level: name(level) });
            }
        }
        let tree = first.map_or(TreeId::PRIMARY, |level| topology.tree_of(level));
        let mut by_level = Vec::new();
        let (mut most, mut wider) = (beyond, None);
        for level in topology.tree_levels(tree) {
            let of_itself = if level == topology.tree_node_level(tree) { 0 } else { most };
            let cost = given[level.index()].unwrap_or(of_itself);
            if cost > most {
                let wider = wider.map_or("beyond the tree".to_owned(), |wider| format!("inside one {:?}", name(wider)));
                return Err(LinkCostError::NotMonotone { level: name(level), cost, most, wider });
            }
            if given[level.index()].is_some() {
                (most, wider) = (cost, Some(level));
            }
            by_level.push(cost);
        }
        Ok(Self { topology, tree, by_level, beyond })
    }

    /// The topology that these costs are of.
    #[must_use]
    pub fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// The tree that the distances are taken in.
    #[must_use]
    pub fn tree(&self) -> TreeId {
        self.tree
    }

    /// The cost between two nodes. O(levels), no allocation. Panics on an unknown node.
    #[must_use]
    pub fn cost(&self, a: NodeId, b: NodeId) -> u64 {
        if a == b {
            return *self.by_level.last().expect("a tree has a level of nodes");
        }
        let shared = self.topology.tree_levels(self.tree).rev().skip(1).position(|level| {
            let domain = self.topology.domain_of(a, level);
            domain.is_some() && domain == self.topology.domain_of(b, level)
        });
        shared.map_or(self.beyond, |above| self.by_level[self.by_level.len() - 2 - above])
    }

    /// The cost between two domains of the tree: that inside the smallest domain that holds both, which may be one of the
    /// two or both. O(levels), no allocation. Panics on a domain that is not of the tree.
    ///
    /// ```
    /// # use phalanx_topology::{LinkCosts, Topology};
    /// # use std::sync::Arc;
    /// let topology = Topology::builder(["block", "rack"])
    ///     .node("n1", &[("block", "b"), ("rack", "r1")])
    ///     .node("n2", &[("block", "b"), ("rack", "r2")])
    ///     .build()?;
    /// let [block, rack] = ["block", "rack"].map(|name| topology.level(name).unwrap());
    /// let racks: Vec<_> = topology.domains(rack).collect();
    /// let costs = LinkCosts::new(Arc::new(topology), [(rack, 10), (block, 25)], 100)?;
    /// assert_eq!(costs.between(racks[0], racks[1]), 25);
    /// assert_eq!(costs.between(racks[0], racks[0]), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn between(&self, a: DomainId, b: DomainId) -> u64 {
        let level = |domain| self.topology.level_of(domain);
        for domain in [a, b] {
            assert!(self.topology.tree_of(level(domain)) == self.tree, "a domain belongs to the tree of the costs");
        }
        // The finer of the two goes up until both meet.
        let (mut low, mut high) = (a, b);
        while low != high {
            if level(low) < level(high) {
                (low, high) = (high, low);
            }
            let Some(parent) = self.topology.parent(low) else { return self.beyond };
            low = parent;
        }
        self.by_level[self.depth(level(low))]
    }

    /// [`between`](Self::between) for all pairs of domains of a level, row by row in the order of
    /// [`Topology::domains`]: the cost from the domain at `i` to that at `j` is at `i * domains + j`. Takes the square of
    /// their number in memory. Panics on a level that is not of the tree.
    ///
    /// ```
    /// # use phalanx_topology::{LinkCosts, Topology};
    /// # use std::sync::Arc;
    /// let topology = Topology::builder(["rack"]).node("n1", &[("rack", "r1")]).node("n2", &[("rack", "r1")]).build()?;
    /// let (rack, node) = (topology.level("rack").unwrap(), topology.node_level());
    /// let costs = LinkCosts::new(Arc::new(topology), [(rack, 7)], 50)?;
    /// assert_eq!(costs.table(node), [0, 7, 7, 0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn table(&self, level: LevelId) -> Vec<u64> {
        let topology = &*self.topology;
        assert!(topology.tree_of(level) == self.tree, "a level belongs to the tree of the costs");
        let (first, len) = (topology.columns.level_start[level.index()] as usize, topology.domains(level).len());
        // Domains of a level that lie in one wider domain follow each other, so every wider domain is a square on the
        // diagonal; the finer ones are drawn over the coarser.
        let mut table = vec![self.beyond; len * len];
        for above in topology.tree_levels(self.tree).take_while(|&above| above <= level) {
            let cost = self.by_level[self.depth(above)];
            for domain in topology.domains(above) {
                let range = topology.node_range(domain);
                let [start, last] = [range.start, range.end - 1].map(|position| {
                    let node = topology.node_at(self.tree, position);
                    topology.domain_of(node, level).expect("the node is in the tree").index() - first
                });
                for row in start..=last {
                    table[row * len + start..=row * len + last].fill(cost);
                }
            }
        }
        table
    }

    /// The position of a level in its tree.
    fn depth(&self, level: LevelId) -> usize {
        level.index() - usize::from(self.topology.trees[self.tree.index()].levels.start)
    }
}

#[cfg(test)]
mod tests;
