//! Why a gang has no place.

use std::fmt;

use phalanx_topology::{DomainId, NodeId};

use crate::GroupId;

/// Why a node cannot take part, in the order in which it is asked: a node counts under the first that applies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// The group is bound to a level and the node is outside the tree.
    OutsideTree,
    /// The node is gone.
    Removed,
    /// The node takes no new pods.
    Cordoned,
    /// The node's devices are of no kind that one pod accepts.
    Kind,
    /// Fewer devices are free than one pod asks.
    Devices,
    /// Enough devices are free, but not in one island or NUMA zone.
    Locality,
    /// Less of a resource is free than one pod asks; resources are asked in the inventory's order.
    Resource {
        /// The resource's name.
        name: String,
    },
    /// One pod would fit, but a bound keeps it off the node: it is not where the gang's running pods or what is bound to
    /// the same key are, has as many of the pods as it may, or is in a domain that another replica has for itself.
    Bound,
    /// One pod would fit, but not all that must be in the node's domain of the level.
    DomainTooSmall {
        /// The level's name.
        level: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideTree => write!(f, "are outside the tree"),
            Self::Removed => write!(f, "are gone"),
            Self::Cordoned => write!(f, "are cordoned"),
            Self::Kind => write!(f, "have devices of another kind"),
            Self::Devices => write!(f, "have too few free devices"),
            Self::Locality => write!(f, "have too few free devices together"),
            Self::Bound => write!(f, "are where a bound keeps pods off"),
            Self::Resource { name } => write!(f, "have too little free {name}"),
            Self::DomainTooSmall { level } => write!(f, "are in a {level} with too little room"),
        }
    }
}

/// A change with which the gang would be placed. It was applied to a copy and planned before it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Counterfactual {
    /// The group bound to a coarser level, or to none.
    Level {
        /// The group.
        group: GroupId,
        /// Its path.
        path: String,
        /// The level's name; none for no bound at all.
        level: Option<String>,
    },
    /// The group without one of its bounds.
    Without {
        /// The group.
        group: GroupId,
        /// Its path.
        path: String,
        /// The bound.
        bound: Bound,
    },
    /// The cordoned nodes taking pods again.
    Uncordon {
        /// How many are cordoned.
        nodes: u32,
    },
    /// More free devices on some nodes of a domain: of what is held, or as many as its largest node has.
    Devices {
        /// The domain; none for the whole cluster.
        domain: Option<DomainId>,
        /// The domain's path; `cluster` for the whole.
        path: String,
        /// On which nodes, and how many more on each.
        nodes: Vec<(NodeId, u32)>,
    },
}

/// A bound of a group, other than its hard level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Bound {
    /// [`Group::slices`](crate::Group::slices).
    Slices,
    /// [`Group::spread`](crate::Group::spread).
    Spread,
    /// [`Group::exclusive`](crate::Group::exclusive), also with a key.
    Exclusive,
    /// [`Group::bind`](crate::Group::bind).
    Key,
    /// [`Group::per_node`](crate::Group::per_node).
    PerNode,
    /// [`Group::homogeneous`](crate::Group::homogeneous).
    Homogeneous,
    /// The kinds of devices that it accepts.
    Kinds,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slices => "slices",
            Self::Spread => "spread",
            Self::Exclusive => "exclusivity",
            Self::Key => "binding to a key",
            Self::PerNode => "cap a node",
            Self::Homogeneous => "need of one kind for all",
            Self::Kinds => "limits on kinds",
        })
    }
}

impl fmt::Display for Counterfactual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level { path, level: Some(level), .. } => write!(f, "with group {path:?} bound to a {level} only"),
            Self::Level { path, level: None, .. } => write!(f, "with group {path:?} bound to no level"),
            Self::Without { path, bound, .. } => write!(f, "with group {path:?} without its {bound}"),
            Self::Uncordon { nodes } => {
                write!(f, "with the {} taking pods again", Many((*nodes).into(), "cordoned node"))
            }
            Self::Devices { path, nodes, .. } => {
                let devices: u32 = nodes.iter().map(|&(_, devices)| devices).sum();
                let (devices, nodes) = (Many(devices.into(), "more free device"), Many(nodes.len() as u64, "node"));
                let of = if path == "cluster" { "the cluster" } else { path };
                write!(f, "with {devices} on {nodes} of {of}")
            }
        }
    }
}

/// The domain that comes closest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BestDomain {
    pub(crate) domain: Option<DomainId>,
    pub(crate) path: String,
    pub(crate) fits: u64,
}

impl BestDomain {
    /// The domain; none for the whole cluster.
    #[must_use]
    pub fn domain(&self) -> Option<DomainId> {
        self.domain
    }

    /// Its path; `cluster` for the whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How many pods of the demand in question it could hold.
    #[must_use]
    pub fn fits(&self) -> u64 {
        self.fits
    }
}

/// Why no pod of a gang is placed: the group that fails first, what every node lacks for it, and what comes closest.
///
/// ```
/// use phalanx_gang::{Gang, Group, Options, plan};
/// use phalanx_topology::{Demand, Inventory, Topology};
/// use std::sync::Arc;
///
/// let topology = Topology::builder(["rack"])
///     .node("n1", &[("rack", "r1")])
///     .node("n2", &[("rack", "r2")])
///     .build()?;
/// let rack = topology.level("rack").unwrap();
/// let mut inventory = Inventory::new(Arc::new(topology));
/// inventory.set_devices_everywhere(8, "H100")?;
///
/// let gang = Gang::new(Group::pods("train", 2, Demand::devices(8)).hard(rack))?;
/// let outcome = plan(&gang, &inventory, &Options::default())?;
/// assert_eq!(
///     outcome.rejection().unwrap().to_string(),
///     "group \"train\" needs 2 pods in one rack, the best is r1 with room for 1; \
///      of 2 nodes 2 are in a rack with too little room. \
///      It would fit with group \"train\" bound to no level."
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub(crate) group: GroupId,
    pub(crate) path: String,
    pub(crate) wanted: u64,
    pub(crate) times: u64,
    /// The level within one domain of which they are wanted.
    pub(crate) level: Option<String>,
    pub(crate) best: Option<BestDomain>,
    pub(crate) reasons: Vec<(Reason, u32)>,
    pub(crate) eligible: u32,
    pub(crate) nodes: u32,
    pub(crate) counterfactual: Option<Counterfactual>,
    pub(crate) exhausted: bool,
    pub(crate) steps: u64,
}

impl Rejection {
    /// The first group, in pre-order, whose minimum alone has no place under its own bounds and those around it; it is as
    /// deep in the tree as can be said. If every group alone has a place, it is the one around them.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// That group's path.
    #[must_use]
    pub fn group_path(&self) -> &str {
        &self.path
    }

    /// How many pods of the demand in question must be together: in one domain of [`level`](Self::level), or in the cluster.
    /// The demand is the largest of the group that fails.
    #[must_use]
    pub fn wanted(&self) -> u64 {
        self.wanted
    }

    /// How many times so many are wanted: the replicas that are bound to the level, at the minimum.
    #[must_use]
    pub fn times(&self) -> u64 {
        self.times
    }

    /// The name of the finest hard level on the way to the group; none if nothing binds it.
    #[must_use]
    pub fn level(&self) -> Option<&str> {
        self.level.as_deref()
    }

    /// The domain with room for most such pods, the first in path order among equals; none if there is no domain.
    #[must_use]
    pub fn best(&self) -> Option<&BestDomain> {
        self.best.as_ref()
    }

    /// How many nodes cannot take part, by first reason, in the order in which reasons are asked. Reasons without a node are
    /// left out.
    #[must_use]
    pub fn reasons(&self) -> &[(Reason, u32)] {
        &self.reasons
    }

    /// How many nodes no reason speaks against. With those of all reasons they are [`nodes`](Self::nodes).
    #[must_use]
    pub fn eligible(&self) -> u32 {
        self.eligible
    }

    /// How many nodes the cluster has.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        self.nodes
    }

    /// One change with which the gang would be placed; it was tried. None if none of those tried does.
    #[must_use]
    pub fn counterfactual(&self) -> Option<&Counterfactual> {
        self.counterfactual.as_ref()
    }

    /// Whether the search was cut short: there may be a place after all. If not, it is proven that there is none.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// How many steps of the budget were taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

/// One to three sentences.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group {:?} needs ", self.path)?;
        if self.times > 1 {
            write!(f, "{} times ", self.times)?;
        }
        write!(f, "{}", Many(self.wanted, "pod"))?;
        match &self.level {
            Some(level) => write!(f, " in one {level}")?,
            None => write!(f, " in the cluster")?,
        }
        match &self.best {
            Some(best) if best.fits < self.wanted && best.domain.is_some() => {
                write!(f, ", the best is {} with room for {}", best.path, best.fits)?;
            }
            Some(best) if best.fits < self.wanted => write!(f, ", which has room for {}", best.fits)?,
            Some(best) if best.domain.is_some() => {
                write!(f, "; {} has room for {}, but not with all else that is needed", best.path, best.fits)?;
            }
            Some(best) => write!(f, ", which has room for {}, but not with all else that is needed", best.fits)?,
            None => {}
        }
        write!(f, "; of {}", Many(self.nodes.into(), "node"))?;
        for (at, (reason, count)) in self.reasons.iter().enumerate() {
            write!(f, "{} {count} {reason}", if at == 0 { "" } else { "," })?;
        }
        if self.eligible > 0 {
            write!(f, "{} {} could take part", if self.reasons.is_empty() { "" } else { "," }, self.eligible)?;
        }
        write!(f, ".")?;
        if self.exhausted {
            write!(f, " The search was cut short after {} steps, so there may be a place after all.", self.steps)?;
        }
        if let Some(change) = &self.counterfactual {
            write!(f, " It would fit {change}.")?;
        }
        Ok(())
    }
}

/// So many of something.
struct Many(u64, &'static str);

impl fmt::Display for Many {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}
