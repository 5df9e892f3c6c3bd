//! Why a topology cannot be built.

use crate::Member;

/// Why a set of rows or labels is not a topology.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopologyError {
    /// No level was named.
    #[error("a topology needs at least one level above its nodes")]
    NoLevels,
    /// More levels than [`Topology::MAX_LEVELS`](crate::Topology::MAX_LEVELS).
    #[error("{found} levels are named, at most {max} are possible")]
    TooManyLevels {
        /// How many were named.
        found: usize,
        /// How many are possible.
        max: usize,
    },
    /// A level has an empty name.
    #[error("level {position} has an empty name")]
    EmptyLevelName {
        /// Its position, 0 being the coarsest.
        position: usize,
    },
    /// Two levels have the same name.
    #[error("level {level:?} is named twice")]
    DuplicateLevel {
        /// The name.
        level: String,
    },
    /// A level is called like the one that is always there.
    #[error("level \"node\" is always there, below the last named one: leave it out")]
    ReservedLevel,
    /// A node names a level that the topology does not have.
    #[error("node {node:?} names level {level:?}, expected one of {expected}")]
    UnknownLevel {
        /// The node.
        node: String,
        /// The level that it names.
        level: String,
        /// The names that there are, coarse to fine.
        expected: String,
    },
    /// A node gives two domains for one level.
    #[error("node {node:?} gives two domains for level {level:?}")]
    TwoDomains {
        /// The node.
        node: String,
        /// The level.
        level: String,
    },
    /// A node has an empty name.
    #[error("a node has an empty name")]
    EmptyNodeName,
    /// Two nodes have the same name.
    #[error("node {node:?} is listed twice")]
    DuplicateNode {
        /// The name.
        node: String,
    },
    /// A name contains the separator of paths.
    #[error("{name:?} contains '/', which separates the parts of a path")]
    SlashInName {
        /// The name of a tree, level, domain or node.
        name: String,
    },
    /// A tree has an empty name.
    #[error("a tree has an empty name")]
    EmptyTreeName,
    /// Two trees have the same name.
    #[error("tree {tree:?} is named twice")]
    DuplicateTree {
        /// The name.
        tree: String,
    },
    /// More trees than [`Topology::MAX_TREES`](crate::Topology::MAX_TREES).
    #[error("tree {tree:?} is one too many: at most {max} are possible")]
    TooManyTrees {
        /// The tree.
        tree: String,
        /// How many are possible.
        max: usize,
    },
    /// A tree or a domain holds something that does not exist.
    #[error("{holder:?} holds {member}, which is not known")]
    UnknownMember {
        /// The name of the tree or domain.
        holder: String,
        /// What it holds.
        member: Member,
    },
    /// A domain has an empty name.
    #[error("a domain of level {level:?} has an empty name")]
    EmptyDomainName {
        /// Its level.
        level: String,
    },
    /// Two domains of an explicit tree have the same name.
    #[error("domain {domain:?} is listed twice")]
    DuplicateDomain {
        /// The name.
        domain: String,
    },
    /// A domain names a level that the topology does not have.
    #[error("domain {domain:?} names level {level:?}, expected one of {expected}")]
    UnknownDomainLevel {
        /// The domain.
        domain: String,
        /// The level that it names.
        level: String,
        /// The names that there are, coarse to fine.
        expected: String,
    },
    /// Two domains hold the same one.
    #[error("domain {domain:?} is in two domains, {first:?} and {second:?}")]
    TwoParents {
        /// The domain that is held.
        domain: String,
        /// The first of the two by name.
        first: String,
        /// The other.
        second: String,
    },
    /// Two domains hold the same node directly.
    #[error("node {node:?} is in two domains, {first:?} and {second:?}")]
    NodeInTwoDomains {
        /// The node.
        node: String,
        /// The first of the two by name.
        first: String,
        /// The other.
        second: String,
    },
    /// A domain holds itself, directly or through others.
    #[error("domain {:?} holds itself: {}", .domains.first().map_or("", String::as_str), around(.domains))]
    Cycle {
        /// The names around the cycle, each holding the next and the last one the first; the first is the least.
        domains: Vec<String>,
    },
    /// The HyperNodes of one tier call it differently.
    #[error("tier {tier} is called {first:?} and {second:?}")]
    TwoTierNames {
        /// The tier.
        tier: u32,
        /// The lesser of the two names.
        first: String,
        /// The other.
        second: String,
    },
    /// A domain is held by one of the same level or a finer one.
    #[error(
        "domain {domain:?} of level {level:?} is in {parent:?} of level {parent_level:?}, expected a coarser level"
    )]
    NotFiner {
        /// The domain that is held.
        domain: String,
        /// Its level.
        level: String,
        /// What holds it.
        parent: String,
        /// The level of that.
        parent_level: String,
    },
    /// More nodes than ids.
    #[error("{found} nodes are too many: nodes and domains together must fit 32 bits")]
    TooManyNodes {
        /// How many there are.
        found: usize,
    },
}

/// The names around a cycle, cut short where there are many.
fn around(domains: &[String]) -> String {
    const MOST: usize = 8;
    let told = domains.iter().take(MOST).map(String::as_str);
    let end = if domains.len() > MOST {
        format!("... ({} domains)", domains.len())
    } else {
        domains.first().cloned().unwrap_or_default()
    };
    told.chain([end.as_str()]).collect::<Vec<_>>().join(" > ")
}
