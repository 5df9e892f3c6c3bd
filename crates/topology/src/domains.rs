//! From explicit trees, domain by domain, to a topology.

use std::collections::BTreeMap;

use crate::builder::{Row, check_levels, check_name};
use crate::{Member, Topology, TopologyError, tree};

/// A domain of an explicit tree: its name, the name of its level, and what it holds.
///
/// ```
/// # use phalanx_topology::{DomainRow, Member};
/// let row = DomainRow::new("r1", "rack", [Member::node("n1")]);
/// assert_eq!((row.name.as_str(), row.level.as_str(), row.members.len()), ("r1", "rack", 1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainRow {
    /// The domain's name, unlike that of any other domain on any level.
    pub name: String,
    /// The name of its level.
    pub level: String,
    /// The domains of finer levels and the nodes directly in it, in any order. One that is listed twice counts once.
    pub members: Vec<Member>,
}

impl DomainRow {
    /// The domain `name` of the level `level` with these members.
    ///
    /// ```
    /// # use phalanx_topology::{DomainRow, Member};
    /// let block = DomainRow::new("b1", "block", [Member::domain("r1"), Member::node("n9")]);
    /// assert_eq!(block.members[0].name(), "r1");
    /// ```
    pub fn new(name: impl Into<String>, level: impl Into<String>, members: impl IntoIterator<Item = Member>) -> Self {
        Self { name: name.into(), level: level.into(), members: members.into_iter().collect() }
    }
}

impl Topology {
    /// Reads an explicit tree: levels, coarse to fine, and domains, in any order, that name what they hold. The nodes are
    /// those that some domain holds. A domain may hold domains of any finer level, and nodes beside them: the levels
    /// between are passed through. One that no other holds stands at the top, whatever its level; one without a node
    /// anywhere below it does not become part of the topology.
    ///
    /// # Errors
    ///
    /// A name that is empty, has a `/` or is given twice; an unknown level or member; a domain held by two others, or by
    /// itself through others; a node in two domains; a member whose level is not finer than its holder's. O(n log n) in the
    /// number of members, with no recursion, so that no input is too deep.
    ///
    /// ```
    /// # use phalanx_topology::{DomainRow, Member, Topology};
    /// let topology = Topology::from_domains(
    ///     ["block", "rack"],
    ///     [
    ///         DomainRow::new("b1", "block", [Member::domain("r1"), Member::node("n3")]),
    ///         DomainRow::new("r1", "rack", [Member::node("n1"), Member::node("n2")]),
    ///     ],
    /// )?;
    /// assert_eq!(topology.node_path(topology.node("n2").unwrap()), "b1/r1/n2");
    /// assert_eq!(topology.node_path(topology.node("n3").unwrap()), "b1//n3", "the rack is passed through");
    ///
    /// let twice = ["r1", "r2"].map(|rack| DomainRow::new(rack, "rack", [Member::node("n1")]));
    /// let error = Topology::from_domains(["rack"], twice).unwrap_err();
    /// assert_eq!(error.to_string(), r#"node "n1" is in two domains, "r1" and "r2""#);
    /// # Ok::<(), phalanx_topology::TopologyError>(())
    /// ```
    pub fn from_domains<L: Into<String>>(
        levels: impl IntoIterator<Item = L>,
        domains: impl IntoIterator<Item = DomainRow>,
    ) -> Result<Self, TopologyError> {
        let levels: Vec<String> = levels.into_iter().map(Into::into).collect();
        check_levels(&levels)?;
        let domain = |row: DomainRow| match levels.iter().position(|level| *level == row.level) {
            Some(level) => Ok(Domain { name: row.name, level, members: row.members }),
            None => Err(TopologyError::UnknownDomainLevel {
                domain: row.name,
                level: row.level,
                expected: levels.join(", "),
            }),
        };
        let domains = domains.into_iter().map(domain).collect::<Result<_, _>>()?;
        build(levels, domains, None)
    }
}

/// A domain whose level is known, 0 being the coarsest.
#[derive(Debug)]
pub(crate) struct Domain {
    pub(crate) name: String,
    pub(crate) level: usize,
    pub(crate) members: Vec<Member>,
}

/// Builds the topology of sound levels and of domains that may be anything. With `nodes` there are these nodes and no
/// others, else those that the domains hold.
pub(crate) fn build(
    levels: Vec<String>,
    mut domains: Vec<Domain>,
    nodes: Option<Vec<String>>,
) -> Result<Topology, TopologyError> {
    // By name, so that the order of rows does not decide which mistake is told.
    domains.sort_by(|a, b| a.name.cmp(&b.name));
    for domain in &mut domains {
        if domain.name.is_empty() {
            return Err(TopologyError::EmptyDomainName { level: levels[domain.level].clone() });
        }
        check_name(&domain.name)?;
        domain.members.sort();
        domain.members.dedup();
    }
    if let Some(twice) = domains.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(TopologyError::DuplicateDomain { domain: twice[0].name.clone() });
    }
    let mut homes = Homes::new(domains.len(), nodes)?;
    for (at, domain) in domains.iter().enumerate() {
        for member in &domain.members {
            homes.add(&domains, at, member)?;
        }
    }
    check_cycles(&domains, &homes.parent)?;
    for (child, parent) in homes.parent.iter().enumerate() {
        let Some(parent) = *parent else { continue };
        let (child, parent) = (&domains[child], &domains[parent]);
        if child.level <= parent.level {
            return Err(TopologyError::NotFiner {
                domain: child.name.clone(),
                level: levels[child.level].clone(),
                parent: parent.name.clone(),
                parent_level: levels[parent.level].clone(),
            });
        }
    }
    let row = |(node, home): (String, Option<usize>)| {
        let mut names = vec![String::new(); levels.len()];
        // Every step is to a coarser level, so there are no more steps than levels.
        let mut next = home;
        while let Some(at) = next {
            names[domains[at].level].clone_from(&domains[at].name);
            next = homes.parent[at];
        }
        Row { node, domains: names }
    };
    let rows = homes.nodes.into_iter().map(row).collect();
    tree::build(Topology::DEFAULT_TREE.to_owned(), levels, rows)
}

/// What holds each domain and each node.
#[derive(Debug)]
struct Homes {
    parent: Vec<Option<usize>>,
    nodes: BTreeMap<String, Option<usize>>,
    /// Whether there are no nodes but those known at first.
    closed: bool,
}

impl Homes {
    fn new(domains: usize, names: Option<Vec<String>>) -> Result<Self, TopologyError> {
        let closed = names.is_some();
        let mut nodes = BTreeMap::new();
        for node in names.unwrap_or_default() {
            check_node(&node)?;
            if nodes.contains_key(&node) {
                return Err(TopologyError::DuplicateNode { node });
            }
            nodes.insert(node, None);
        }
        Ok(Self { parent: vec![None; domains], nodes, closed })
    }

    /// Puts a member into the domain at `holder`.
    fn add(&mut self, domains: &[Domain], holder: usize, member: &Member) -> Result<(), TopologyError> {
        let name = |at: usize| domains[at].name.clone();
        let unknown = || TopologyError::UnknownMember { holder: name(holder), member: member.clone() };
        match member {
            Member::Domain(domain) => {
                let at = domains.binary_search_by(|row| row.name.cmp(domain)).map_err(|_| unknown())?;
                if let Some(first) = self.parent[at].replace(holder) {
                    let domain = domain.clone();
                    return Err(TopologyError::TwoParents { domain, first: name(first), second: name(holder) });
                }
            }
            Member::Node(node) => {
                check_node(node)?;
                if self.closed && !self.nodes.contains_key(node) {
                    return Err(unknown());
                }
                if let Some(first) = self.nodes.insert(node.clone(), Some(holder)).flatten() {
                    let node = node.clone();
                    return Err(TopologyError::NodeInTwoDomains { node, first: name(first), second: name(holder) });
                }
            }
        }
        Ok(())
    }
}

fn check_node(name: &str) -> Result<(), TopologyError> {
    if name.is_empty() { Err(TopologyError::EmptyNodeName) } else { check_name(name) }
}

/// Tells the cycle that the first domain by name leads to. Every domain is passed once: O(domains).
fn check_cycles(domains: &[Domain], parent: &[Option<usize>]) -> Result<(), TopologyError> {
    // The walk on which each domain was first met, plus one.
    let mut met = vec![0; domains.len()];
    for start in 0..domains.len() {
        let mut at = start;
        while met[at] == 0 {
            met[at] = start + 1;
            let Some(holder) = parent[at] else { break };
            at = holder;
            if met[at] == start + 1 {
                return Err(TopologyError::Cycle { domains: cycle(domains, parent, at) });
            }
        }
    }
    Ok(())
}

/// The names around the cycle that `at` is on, each holding the next, from the least name on.
fn cycle(domains: &[Domain], parent: &[Option<usize>], at: usize) -> Vec<String> {
    let upwards = std::iter::successors(parent[at], |&at| parent[at]);
    let mut around: Vec<usize> = upwards.take_while(|&domain| domain != at).chain([at]).collect();
    around.reverse();
    // Domains are in the order of their names.
    let least = around.iter().enumerate().min_by_key(|&(_, &domain)| domain).map_or(0, |(place, _)| place);
    around.rotate_left(least);
    around.into_iter().map(|domain| domains[domain].name.clone()).collect()
}

#[cfg(test)]
mod tests;
