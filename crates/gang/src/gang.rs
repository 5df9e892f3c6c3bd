//! A gang: a tree of groups that was found sound, as a table in pre-order.

use std::collections::BTreeSet;

use phalanx_topology::{Demand, Inventory, KindId, LevelId, Locality, TreeId};

use crate::group::Body;
use crate::{GangError, Group, Objective};

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
    pub(crate) rows: Vec<Row>,
    pub(crate) demands: Vec<Demand>,
    /// Keys that groups are bound to.
    shared_keys: Vec<String>,
    /// Keys that keep replicas apart; none for a group's own.
    apart_keys: Vec<Option<String>>,
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
    /// Coarse to fine.
    pub(crate) slices: Vec<(LevelId, u32)>,
    pub(crate) spread: Option<(LevelId, u32)>,
    /// The level and the position among the keys that keep apart.
    pub(crate) exclusive: Option<(LevelId, usize)>,
    /// The level and the position among the keys that bind.
    pub(crate) shared: Option<(LevelId, usize)>,
    pub(crate) per_node: Option<u32>,
    /// In order of preference; none for any.
    pub(crate) kinds: Vec<KindId>,
    pub(crate) homogeneous: bool,
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

impl Row {
    /// Whether its replicas are scopes of their own: it asks something of them.
    pub(crate) fn is_bound(&self) -> bool {
        self.hard.is_some()
            || !self.preferred.is_empty()
            || self.spread.is_some()
            || self.exclusive.is_some()
            || self.shared.is_some()
            || self.per_node.is_some()
    }

    /// Every level that it names.
    pub(crate) fn levels(&self) -> impl Iterator<Item = LevelId> {
        let keyed = [self.exclusive, self.shared].into_iter().flatten().map(|(level, _)| level);
        let spread = self.spread.map(|(level, _)| level);
        let slices = self.slices.iter().map(|&(level, _)| level);
        self.hard.into_iter().chain(self.preferred.iter().copied()).chain(slices).chain(spread).chain(keyed)
    }
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
        let mut gang = Self {
            rows: Vec::new(),
            demands: Vec::new(),
            shared_keys: Vec::new(),
            apart_keys: Vec::new(),
            min_pods: 0,
            max_pods: 0,
        };
        (gang.min_pods, gang.max_pods) = gang.add(root, None, 1)?;
        Ok(gang)
    }

    /// All groups in pre-order.
    pub fn groups(&self) -> impl DoubleEndedIterator<Item = GroupId> + ExactSizeIterator + use<> {
        (0..self.rows.len() as u32).map(GroupId)
    }

    /// The group with this path. O(groups).
    ///
    /// ```
    /// # use phalanx_gang::{Gang, Group};
    /// # use phalanx_topology::Demand;
    /// let gang = Gang::new(Group::of("serving", [Group::pods("decode", 1, Demand::devices(1))]))?;
    /// assert_eq!(gang.group("serving/decode").map(|group| group.index()), Some(1));
    /// assert_eq!(gang.group("decode"), None);
    /// # Ok::<(), phalanx_gang::GangError>(())
    /// ```
    #[must_use]
    pub fn group(&self, path: &str) -> Option<GroupId> {
        self.rows.iter().position(|row| row.path == path).map(|row| self.id(row))
    }

    /// The names from the root down to the group, joined by `/`.
    #[must_use]
    pub fn group_path(&self, group: GroupId) -> &str {
        &self.rows[group.index()].path
    }

    /// What each pod of a group of pods asks; none for a group of groups. Panics on a group of another gang.
    ///
    /// ```
    /// # use phalanx_gang::{Gang, Group};
    /// # use phalanx_topology::Demand;
    /// let gang = Gang::new(Group::of("serving", [Group::pods("worker", 2, Demand::devices(8))]))?;
    /// let demand = |path: &str| gang.demand(gang.group(path).unwrap());
    /// assert_eq!((demand("serving"), demand("serving/worker")), (None, Some(&Demand::devices(8))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn demand(&self, group: GroupId) -> Option<&Demand> {
        match self.rows[group.index()].content {
            Content::Pods { demand, .. } => Some(&self.demands[demand]),
            Content::Groups(_) => None,
        }
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

    pub(crate) fn shared_keys(&self) -> &[String] {
        &self.shared_keys
    }

    pub(crate) fn apart_keys(&self) -> &[Option<String>] {
        &self.apart_keys
    }

    /// The different demands, in the order of the first group that makes them.
    pub(crate) fn demands(&self) -> &[Demand] {
        &self.demands
    }

    /// Whether a group is another one or somewhere in it.
    pub(crate) fn is_within(&self, row: usize, outer: usize) -> bool {
        let mut at = Some(row);
        while let Some(row) = at.filter(|&row| row > outer) {
            at = self.rows[row].parent;
        }
        at == Some(outer)
    }

    /// How many groups there are from the root down to a group: the number of ordinals of its replicas.
    pub(crate) fn depth(&self, row: usize) -> usize {
        std::iter::successors(Some(row), |&row| self.rows[row].parent).count()
    }

    /// What the pods that a replica of a group can have ask, by position.
    pub(crate) fn demands_in(&self, row: usize) -> Vec<usize> {
        let can_be = |inner: usize| {
            let mut around = std::iter::successors(Some(inner), |&row| self.rows[row].parent);
            self.is_within(inner, row) && around.by_ref().take_while(|&at| at != row).all(|at| self.rows[at].max > 0)
        };
        let demand = |inner: usize| match self.rows[inner].content {
            Content::Pods { demand, count } if count > 0 && can_be(inner) => Some(demand),
            _ => None,
        };
        (row..self.rows.len()).filter_map(demand).collect()
    }

    /// Whether it can depend on the devices that one pod gets whether another one fits beside it.
    pub(crate) fn mixes_devices(&self) -> bool {
        let asks = |demand: &&Demand| demand.device_count() > 0 || demand.milli() > 0;
        let chooses = |demand: &Demand| demand.milli() > 0 || demand.locality() != Locality::Node;
        self.demands.iter().filter(asks).count() > 1 && self.demands.iter().any(chooses)
    }

    /// Whether a group asks what has to be counted pod by pod.
    pub(crate) fn is_counted(&self) -> bool {
        let counted = |row: &Row| {
            row.spread.is_some() || row.exclusive.is_some() || row.shared.is_some() || row.per_node.is_some()
        };
        self.rows.iter().any(counted)
    }

    /// The tree whose levels the gang names, if this inventory knows every level, kind and resource of it.
    pub(crate) fn check(&self, inventory: &Inventory, objective: &Objective) -> Result<TreeId, GangError> {
        let topology = inventory.topology();
        let last = topology.trees().map(|tree| topology.tree_node_level(tree)).max().unwrap_or(topology.node_level());
        let mut tree = None;
        let root = self.rows.first().map_or("", |row| &row.path);
        let spread = match objective {
            Objective::Spread { level } => Some((root, *level)),
            _ => None,
        };
        let levels = self.rows.iter().flat_map(|row| row.levels().map(|level| (&*row.path, level)));
        for (group, level) in levels.chain(spread) {
            let group = || group.to_owned();
            if level > last {
                return Err(GangError::UnknownLevel { group: group(), level: level.index(), last: last.index() });
            }
            let of = topology.tree_of(level);
            if tree.is_some_and(|tree| tree != of) {
                return Err(GangError::TwoTopologies { group: group(), level: level.index() });
            }
            tree = Some(of);
        }
        for row in &self.rows {
            let group = || row.path.clone();
            let known = inventory.kinds().len();
            if let Some(kind) = row.kinds.iter().find(|kind| kind.index() >= known) {
                return Err(GangError::UnknownKind { group: group(), kind: kind.index(), known });
            }
            let Content::Pods { demand, .. } = row.content else { continue };
            let known = inventory.resources_len();
            let unknown = self.demands[demand].resources().iter().find(|(resource, _)| resource.index() >= known);
            if let Some((resource, _)) = unknown {
                return Err(GangError::UnknownResource { group: group(), resource: resource.index(), known });
            }
        }
        Ok(tree.unwrap_or(TreeId::PRIMARY))
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
        let depth_in = (depth - 1).saturating_add(group.depth);
        if depth_in > Self::MAX_DEPTH {
            return Err(GangError::TooDeep { group: path, depth: depth_in, max: Self::MAX_DEPTH });
        }
        let too_large = || GangError::TooLarge { group: path.clone(), max: Self::MAX_PODS };
        if row >= Self::MAX_PODS as usize {
            return Err(too_large());
        }
        let mut preferred = group.preferred;
        preferred.sort_unstable();
        preferred.dedup();
        let mut slices = group.slices;
        slices.sort_unstable();
        check_slices(&path, &slices, &group.body)?;
        let shared = group.shared.map(|(level, key)| (level, self.shared_key(key)));
        let exclusive = group.exclusive.map(|(level, key)| (level, self.apart_key(key)));
        let mut around = std::iter::successors(parent, |&row| self.rows[row].parent).map(|row| &self.rows[row]);
        let same = |row: &&Row| row.exclusive.is_some_and(|of| exclusive.is_some_and(|it| it.1 == of.1));
        if let Some(outer) = around.find(same) {
            return Err(GangError::KeyInsideItself { group: path, outer: outer.path.clone() });
        }
        let other = |row: &&Row| row.shared.is_some_and(|of| shared.is_some_and(|it| it.1 == of.1 && it.0 != of.0));
        if let Some(row) = self.rows.iter().filter(|_| shared.is_some()).find(other) {
            return Err(GangError::TwoLevelsOfKey { group: path, other: row.path.clone() });
        }
        let keyed = shared.is_some() || exclusive.is_some();
        if keyed && self.shared_keys.iter().chain(self.apart_keys.iter().flatten()).any(String::is_empty) {
            return Err(GangError::EmptyKey { group: path });
        }
        self.rows.push(Row {
            path: path.clone(),
            parent,
            min: group.min,
            max: group.max,
            hard: group.hard,
            preferred,
            slices,
            spread: group.spread,
            exclusive,
            shared,
            per_node: group.per_node,
            kinds: group.kinds,
            homogeneous: group.homogeneous,
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

    fn shared_key(&mut self, key: String) -> usize {
        self.shared_keys.iter().position(|known| *known == key).unwrap_or_else(|| {
            self.shared_keys.push(key);
            self.shared_keys.len() - 1
        })
    }

    /// A key of the group's own is never another group's.
    fn apart_key(&mut self, key: Option<String>) -> usize {
        let known = self.apart_keys.iter().position(|known| key.is_some() && *known == key);
        known.unwrap_or_else(|| {
            self.apart_keys.push(key);
            self.apart_keys.len() - 1
        })
    }

    pub(crate) fn intern(&mut self, demand: Demand) -> usize {
        self.demands.iter().position(|known| *known == demand).unwrap_or_else(|| {
            self.demands.push(demand);
            self.demands.len() - 1
        })
    }
}

/// Slices are ordered coarse to fine; each size has to divide what it cuts.
fn check_slices(path: &str, slices: &[(LevelId, u32)], body: &Body) -> Result<(), GangError> {
    let group = || path.to_owned();
    let Body::Pods { count, .. } = *body else {
        return if slices.is_empty() { Ok(()) } else { Err(GangError::SlicesOfGroups { group: group() }) };
    };
    let mut of = count;
    for (at, &(level, size)) in slices.iter().enumerate() {
        if at > 0 && slices[at - 1].0 == level {
            return Err(GangError::DuplicateSlices { group: group(), level: level.index() });
        }
        if of.checked_rem(size) != Some(0) {
            return Err(GangError::SlicesDoNotDivide { group: group(), size, of });
        }
        of = size;
    }
    Ok(())
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
        let level = LevelId::new(0);
        check(pods("g").slices(level, 0), "group \"g\": slices of 0 do not divide 1 pods");
        check(Group::of("g", [pods("a")]).slices(level, 1), "group \"g\": only a group of pods can be cut into slices");
        check(pods("g").slices(level, 1).slices(level, 1), "group \"g\": level 0 has two sizes of slices");
        check(pods("g").bind(level, ""), "group \"g\": a key is empty");
        check(pods("g").exclusive_as(level, ""), "group \"g\": a key is empty");
        let inside = Group::of("g", [pods("a").exclusive_as(level, "k")]).exclusive_as(level, "k");
        check(inside, "group \"g/a\" keeps to itself under the key of group \"g\", which it is in");
        let deep = (0..40).fold(pods("a"), |inner, _| Group::of("a", [inner]));
        let error = Gang::new(deep).unwrap_err();
        assert!(matches!(error, GangError::TooDeep { depth: 41, max: 32, .. }), "{error}");
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
