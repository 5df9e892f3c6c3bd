//! From HyperNodes, in Volcano's sense, to a topology.

use std::collections::BTreeMap;

use crate::builder::check_levels;
use crate::domains::{self, Domain};
use crate::{Member, Topology, TopologyError};

/// A HyperNode of Volcano's, its members resolved to names: a domain whose level is told by a number, 1 being the closest.
///
/// ```
/// # use phalanx_topology::{HyperNode, Member};
/// let rack = HyperNode::new("r1", 1, [Member::node("n1")]).named_tier("rack");
/// assert_eq!((rack.tier, rack.tier_name.as_deref()), (1, Some("rack")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HyperNode {
    /// Its name, unlike that of any other HyperNode.
    pub name: String,
    /// Its tier. Where it is greater the domain is wider.
    pub tier: u32,
    /// What the tier is called; an empty name is none.
    pub tier_name: Option<String>,
    /// The HyperNodes of lower tiers and the nodes directly in it, in any order. One that is listed twice counts once.
    pub members: Vec<Member>,
}

impl HyperNode {
    /// The HyperNode `name` of a tier without a name, with these members.
    ///
    /// ```
    /// # use phalanx_topology::{HyperNode, Member};
    /// let spine = HyperNode::new("s1", 2, [Member::domain("r1"), Member::domain("r2")]);
    /// assert_eq!(spine.tier_name, None);
    /// ```
    pub fn new(name: impl Into<String>, tier: u32, members: impl IntoIterator<Item = Member>) -> Self {
        Self { name: name.into(), tier, tier_name: None, members: members.into_iter().collect() }
    }

    /// Names its tier.
    ///
    /// ```
    /// # use phalanx_topology::HyperNode;
    /// assert_eq!(HyperNode::new("r1", 1, []).named_tier("rack").tier_name.as_deref(), Some("rack"));
    /// ```
    #[must_use]
    pub fn named_tier(mut self, name: impl Into<String>) -> Self {
        self.tier_name = Some(name.into());
        self
    }

    /// The tiers of these HyperNodes and the names of their levels, the highest and so coarsest first: what
    /// [`Topology::from_hypernodes`] makes levels of. A tier is called what any of its HyperNodes call it, else `tier-N`.
    ///
    /// # Errors
    ///
    /// [`TopologyError::TwoTierNames`] where HyperNodes of one tier call it differently. O(n log n).
    ///
    /// ```
    /// # use phalanx_topology::{HyperNode, Member};
    /// let rows = [
    ///     HyperNode::new("r1", 1, [Member::node("n1")]).named_tier("rack"),
    ///     HyperNode::new("r2", 1, [Member::node("n2")]),
    ///     HyperNode::new("s1", 3, [Member::domain("r1"), Member::domain("r2")]),
    /// ];
    /// let tiers = HyperNode::tiers(&rows)?;
    /// assert_eq!(tiers, [(3, "tier-3".to_owned()), (1, "rack".to_owned())]);
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    pub fn tiers(rows: &[Self]) -> Result<Vec<(u32, String)>, TopologyError> {
        let mut tiers: BTreeMap<u32, Option<&str>> = BTreeMap::new();
        for row in rows {
            let known = tiers.entry(row.tier).or_default();
            let Some(name) = row.tier_name.as_deref().filter(|name| !name.is_empty()) else { continue };
            if let Some(other) = known.replace(name).filter(|&other| other != name) {
                let (first, second) = (other.min(name).to_owned(), other.max(name).to_owned());
                return Err(TopologyError::TwoTierNames { tier: row.tier, first, second });
            }
        }
        let name = |tier, name: Option<&str>| name.map_or_else(|| format!("tier-{tier}"), str::to_owned);
        Ok(tiers.into_iter().rev().map(|(tier, known)| (tier, name(tier, known))).collect())
    }
}

impl Topology {
    /// Reads a tree of HyperNodes, in any order, over the nodes of the cluster. Its levels are the
    /// [tiers](HyperNode::tiers), the highest coarsest; a node that no HyperNode holds is outside the tree.
    ///
    /// # Errors
    ///
    /// As [`from_domains`](Self::from_domains), with a tier for a level, and: a node that is not among `nodes`; no HyperNode
    /// at all, as there would be no level; more than [`MAX_LEVELS`](Self::MAX_LEVELS) tiers; one tier with two names or two
    /// with one. O(n log n) in the number of members, with no recursion.
    ///
    /// ```
    /// # use phalanx_topology::{HyperNode, Member, Topology};
    /// let rows = [
    ///     HyperNode::new("spine", 2, [Member::domain("leaf-a"), Member::domain("leaf-b")]),
    ///     HyperNode::new("leaf-a", 1, [Member::node("n1"), Member::node("n2")]),
    ///     HyperNode::new("leaf-b", 1, [Member::node("n3")]),
    /// ];
    /// let topology = Topology::from_hypernodes(rows, ["n1", "n2", "n3", "n4"])?;
    /// assert!(topology.level("tier-2") < topology.level("tier-1"), "tier 1 is the closest");
    /// assert_eq!(topology.node_path(topology.node("n3").unwrap()), "spine/leaf-b/n3");
    /// assert_eq!(topology.outside_len(), 1);
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    pub fn from_hypernodes<N: Into<String>>(
        rows: impl IntoIterator<Item = HyperNode>,
        nodes: impl IntoIterator<Item = N>,
    ) -> Result<Self, TopologyError> {
        let rows: Vec<HyperNode> = rows.into_iter().collect();
        let (tiers, levels): (Vec<u32>, Vec<String>) = HyperNode::tiers(&rows)?.into_iter().unzip();
        check_levels(&levels)?;
        let domain = |row: HyperNode| {
            // The tiers descend.
            let level = tiers.partition_point(|&tier| tier > row.tier);
            Domain { name: row.name, level, members: row.members }
        };
        let domains = rows.into_iter().map(domain).collect();
        domains::build(levels, domains, Some(nodes.into_iter().map(Into::into).collect()))
    }
}

#[cfg(test)]
mod tests;
