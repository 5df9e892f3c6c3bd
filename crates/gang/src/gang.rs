//! A gang: a tree of groups that was found sound, as a table in pre-order.

use std::collections::BTreeSet;

use phalanx_topology::{Demand, Inventory, LevelId};

use crate::group::Body;
use crate::{GangError, Group};

/// A group of a gang, numbered in pre-order: the root is 0, and a group comes before what it holds.
///
/// ```
/// # use phalanx_gang::{Gang, Group};
/// # use phalanx_topology::Demand;
/// let gang = Gang::new(Group::of("serving", [Group::pods("decode", 1, Demand::devices(1))]))?;
/// let paths: Vec<_> = gang.groups().map(|group| gang.group_path(group)).collect();
/// assert_eq!(paths, ["serving", "serving/decode"]);
/// # Ok::<(), phalanx_gang::GangError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(u32);

impl GroupId {
    /// The position in pre-order.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A gang: a tree of [`Group`]s that was found sound.
///
/// ```
/// # use phalanx_gang::{Gang, GangError, Group};
/// # use phalanx_topology::Demand;
/// let decode = Group::pods("decode", 1, Demand::devices(8)).between(3, 2);
/// let error = Gang::new(Group::of("serving", [decode])).unwrap_err();
/// assert_eq!(error.to_string(), "group \"serving/decode\": min 3 exceeds max 2");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gang {
    rows: Vec<Row>,
    demands: Vec<Demand>,
    min_pods: u32,
    max_pods: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) path: String,
    pub(crate) parent: Option<usize>,
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) hard: Option<LevelId>,
    /// Ascending (coarse to fine), each once.
    pub(crate) preferred: Vec<LevelId>,
    pub(crate) content: Content,
    /// Pods of one replica with all groups in it at their minimum.
    pub(crate) pods: u32,
    /// Pods of one replica with all groups in it at their maximum.
    pub(crate) most_pods: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// So many pods of the demand at this position.
    Pods { demand: usize, count: u32 },
    /// Rows of the child groups, in the order given.
    Groups(Vec<usize>),
}

impl Gang {
    /// The most pods that a gang can have with all replicas, and the most groups.
    pub const MAX_PODS: u32 = 1 << 20;

    /// The deepest that groups can be nested.
    pub const MAX_DEPTH: usize = 32;

    /// Checks a tree of groups and lays it out.
    ///
    /// # Errors
    ///
    /// The first mistake in pre-order, with the path of the group: see [`GangError`].
    pub fn new(root: Group) -> Result<Self, GangError> {
        let mut gang = Self { rows: Vec::new(), demands: Vec::new(), min_pods: 0, max_pods: 0 };
        (gang.min_pods, gang.max_pods) = gang.add(root, None, 1)?;
        Ok(gang)
    }

    /// All groups in pre-order.
    pub fn groups(&self) -> impl DoubleEndedIterator<Item = GroupId> + ExactSizeIterator + use<> {
        (0..self.rows.len() as u32).map(GroupId)
    }

    /// The names from the root down to the group, joined by `/`.
    #[must_use]
    pub fn group_path(&self, group: GroupId) -> &str {
        &self.rows[group.index()].path
    }

    /// How many pods there are with every group at its minimum.
    #[must_use]
    pub fn min_pods(&self) -> u32 {
        self.min_pods
    }

    /// How many pods there are with every group at its maximum.
    #[must_use]
    pub fn max_pods(&self) -> u32 {
        self.max_pods
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(crate) fn id(&self, row: usize) -> GroupId {
        GroupId(row as u32)
    }

    /// The different demands, in the order of the first group that makes them.
    pub(crate) fn demands(&self) -> &[Demand] {
        &self.demands
    }

    /// The same gang with another hard level for one group.
    pub(crate) fn with_hard(&self, row: usize, level: Option<LevelId>) -> Self {
        let mut gang = self.clone();
        gang.rows[row].hard = level;
        gang
    }

    /// The same gang with no more than the groups around one group, that group and what it holds.
    pub(crate) fn only(&self, row: usize) -> Self {
        let mut gang = self.clone();
        let mut at = row;
        while let Some(outer) = gang.rows[at].parent {
            let Content::Groups(children) = gang.rows[outer].content.clone() else { break };
            for &other in children.iter().filter(|&&child| child != at) {
                (gang.rows[other].min, gang.rows[other].max) = (0, 0);
            }
            gang.rows[outer].pods = gang.rows[at].pods * gang.rows[at].min;
            at = outer;
        }
        gang
    }

    /// Whether this inventory knows every level and resource that the gang names.
    pub(crate) fn check(&self, inventory: &Inventory) -> Result<(), GangError> {
        let last = inventory.topology().node_level();
        for row in &self.rows {
            if let Some(level) = row.hard.iter().chain(&row.preferred).find(|&&level| level > last) {
                let group = row.path.clone();
                return Err(GangError::UnknownLevel { group, level: level.index(), last: last.index() });
            }
            let Content::Pods { demand, .. } = row.content else { continue };
            let known = inventory.resources_len();
            let unknown = self.demands[demand].resources().iter().find(|(resource, _)| resource.index() >= known);
            if let Some((resource, _)) = unknown {
                let group = row.path.clone();
                return Err(GangError::UnknownResource { group, resource: resource.index(), known });
            }
        }
        Ok(())
    }

    /// Adds a group and what it holds; returns its pods with all groups at their minimum and at their maximum.
    fn add(&mut self, group: Group, parent: Option<usize>, depth: usize) -> Result<(u32, u32), GangError> {
        let row = self.rows.len();
        let outer = parent.map_or("", |parent| &self.rows[parent].path);
        if group.name.is_empty() {
            return Err(GangError::EmptyName { parent: outer.to_owned() });
        }
        let path = if outer.is_empty() { group.name.clone() } else { format!("{outer}/{}", group.name) };
        if group.name.contains('/') {
            return Err(GangError::SlashInName { group: path });
        }
        if group.min > group.max {
            return Err(GangError::MinAboveMax { group: path, min: group.min, max: group.max });
        }
        if depth > Self::MAX_DEPTH {
            return Err(GangError::TooDeep { group: path, depth, max: Self::MAX_DEPTH });
        }
        let too_large = || GangError::TooLarge { group: path.clone(), max: Self::MAX_PODS };
        if row >= Self::MAX_PODS as usize {
            return Err(too_large());
        }
        let mut preferred = group.preferred;
        preferred.sort_unstable();
        preferred.dedup();
        self.rows.push(Row {
            path: path.clone(),
            parent,
            min: group.min,
            max: group.max,
            hard: group.hard,
            preferred,
            content: Content::Groups(Vec::new()),
            pods: 0,
            most_pods: 0,
        });
        let (mut min_pods, mut max_pods) = (0u32, 0u32);
        self.rows[row].content = match group.body {
            Body::Pods { demand, count } => {
                (min_pods, max_pods) = (count, count);
                Content::Pods { demand: self.intern(demand), count }
            }
            Body::Groups(groups) => {
                let mut children = Vec::with_capacity(groups.len());
                let mut names = BTreeSet::new();
                for group in groups {
                    if !names.insert(group.name.clone()) {
                        return Err(GangError::DuplicateGroup { group: format!("{path}/{}", group.name) });
                    }
                    children.push(self.rows.len());
                    let (min, max) = self.add(group, Some(row), depth + 1)?;
                    // No overflow: each is at most MAX_PODS.
                    (min_pods, max_pods) = (min_pods + min, max_pods + max);
                    if max_pods > Self::MAX_PODS {
                        return Err(too_large());
                    }
                }
                Content::Groups(children)
            }
        };
        (self.rows[row].pods, self.rows[row].most_pods) = (min_pods, max_pods);
        let all = max_pods.checked_mul(group.max);
        let all = all.filter(|&pods| pods <= Self::MAX_PODS && group.max <= Self::MAX_PODS).ok_or_else(too_large)?;
        // No overflow: the minimum is at most the maximum.
        Ok((min_pods * group.min, all))
    }

    fn intern(&mut self, demand: Demand) -> usize {
        self.demands.iter().position(|known| *known == demand).unwrap_or_else(|| {
            self.demands.push(demand);
            self.demands.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods(name: &str) -> Group {
        Group::pods(name, 1, Demand::devices(1))
    }

    #[track_caller]
    fn check(root: Group, message: &str) {
        assert_eq!(Gang::new(root).unwrap_err().to_string(), message);
    }

    #[test]
    fn mistakes_name_the_group() {
        check(pods(""), "a group in \"\" has an empty name");
        check(Group::of("g", [pods("")]), "a group in \"g\" has an empty name");
        check(pods("a/b"), "group \"a/b\": '/' separates the parts of a path and cannot be in a name");
        check(Group::of("g", [pods("a"), pods("a")]), "group \"g/a\" is listed twice");
        check(Group::of("g", [pods("a").between(2, 1)]), "group \"g/a\": min 2 exceeds max 1");
        let deep = (0..40).fold(pods("a"), |inner, _| Group::of("a", [inner]));
        let error = Gang::new(deep).unwrap_err();
        assert!(matches!(error, GangError::TooDeep { depth: 33, max: 32, .. }), "{error}");
    }

    #[test]
    fn a_gang_that_overflows_is_refused() {
        let message = "group \"g\": the gang has more than 1048576 groups or pods with it";
        check(Group::pods("g", u32::MAX, Demand::devices(1)).replicas(u32::MAX), message);
        check(Group::of("g", [pods("a").replicas(1 << 20), pods("b")]), message);
        check(Group::of("g", []).replicas(u32::MAX), message);
        assert!(Gang::new(Group::of("g", [pods("a").replicas(1 << 20)])).is_ok());
    }

    #[test]
    fn empty_groups_are_sound() {
        let gang = Gang::new(Group::of("g", [pods("a").replicas(0), Group::pods("b", 0, Demand::devices(1))]));
        assert_eq!(gang.map(|gang| gang.max_pods()), Ok(0));
    }
}
