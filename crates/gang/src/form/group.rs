//! A group, as a form has it.

use phalanx_topology::form::{Demand, Field, FormProblem, level};
use phalanx_topology::{Inventory, LevelId};
use serde::{Deserialize, Serialize};

use super::ScenarioError;
use crate::{Gang, GangError};

/// A group: so many replicas of a body, which is either `pods` of one `demand` or further `groups`.
///
/// Levels are those of the cluster's first topology, or `TOPOLOGY/LEVEL`; `node` is one too. Whatever is asked binds each
/// replica by itself; to bind all together, put a group around it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    /// Its name, unlike that of any other group beside it.
    pub name: String,
    /// How many replicas there are, all needed; 1 if neither this nor `min` or `max` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Instead of `replicas`: with fewer the gang is not placed at all. 1 if only `max` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
    /// Instead of `replicas`: those above `min` are extras, added where there is room. As many as `min` if only that is
    /// there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// A replica lies within one domain of this level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<String>,
    /// A replica should lie within one domain of each of these levels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferred: Vec<String>,
    /// The pods of a replica, by ordinal, in runs that lie within one domain each. Only beside `pods`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slices: Vec<Slices>,
    /// The pods of a replica spread over the domains of a level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
    /// Replicas that keep apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusive: Option<Exclusive>,
    /// What has the same key, in this gang and in others, lies within one domain of the level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind: Option<Key>,
    /// At most so many pods of a replica on one node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_node: Option<u32>,
    /// The kinds of devices that it can use, the best first; any if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// All pods of all replicas on devices of one kind.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub homogeneous: bool,
    /// How many pods a replica has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<u32>,
    /// What each of the `pods` asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demand: Option<Demand>,
    /// Instead of `pods`: a replica is one of each of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
}

/// Runs of pods that lie within one domain each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Slices {
    /// The level of the domains.
    pub level: String,
    /// How many pods each has: it divides the pods of a replica, and the size at each coarser level.
    pub size: u32,
}

/// How evenly pods are spread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spread {
    /// The level over whose domains they are spread.
    pub level: String,
    /// By how much the counts of two domains may differ at most.
    pub max_skew: u32,
}

/// Replicas that keep apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exclusive {
    /// No two of them share a domain of this level.
    pub level: String,
    /// They keep apart also from all other groups with this key, in this gang and in others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What belongs together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Key {
    /// The level of the domain that holds all of it.
    pub level: String,
    /// The key.
    pub key: String,
}

impl Group {
    /// The group as the planner has it. What makes no gang is told by [`Gang::new`].
    pub(super) fn build(
        &self,
        field: Field<'_>,
        depth: usize,
        inventory: &mut Inventory,
    ) -> Result<crate::Group, ScenarioError> {
        if depth > Gang::MAX_DEPTH {
            let error = GangError::TooDeep { group: self.name.clone(), depth, max: Gang::MAX_DEPTH };
            return Err(ScenarioError::new(field, error));
        }
        let (min, max) = self.replicas(field)?;
        let mut group = self.body(field, depth, inventory)?.between(min, max);
        let find = |inventory: &Inventory, field: Field<'_>, name: &str| -> Result<LevelId, ScenarioError> {
            level(inventory.topology(), name).map_err(|problem| ScenarioError::new(field, problem))
        };
        if let Some(name) = &self.required {
            group = group.hard(find(inventory, field.name("required"), name)?);
        }
        let preferred = field.name("preferred");
        for (at, name) in self.preferred.iter().enumerate() {
            group = group.prefer(find(inventory, preferred.index(at), name)?);
        }
        let slices = field.name("slices");
        for (at, slice) in self.slices.iter().enumerate() {
            group = group.slices(find(inventory, slices.index(at).name("level"), &slice.level)?, slice.size);
        }
        if let Some(spread) = &self.spread {
            let level = find(inventory, field.name("spread").name("level"), &spread.level)?;
            group = group.spread(level, spread.max_skew);
        }
        if let Some(exclusive) = &self.exclusive {
            let level = find(inventory, field.name("exclusive").name("level"), &exclusive.level)?;
            group = match &exclusive.key {
                None => group.exclusive(level),
                Some(key) => group.exclusive_as(level, key),
            };
        }
        if let Some(bind) = &self.bind {
            group = group.bind(find(inventory, field.name("bind").name("level"), &bind.level)?, &bind.key);
        }
        let (kinds, mut ids) = (field.name("kinds"), Vec::with_capacity(self.kinds.len()));
        for (at, kind) in self.kinds.iter().enumerate() {
            let id = inventory.intern_kind(kind);
            let id = id.map_err(|error| ScenarioError::new(kinds.index(at), FormProblem::from(error)))?;
            if ids.contains(&id) {
                return Err(ScenarioError::expected(kinds.index(at), format!("{kind:?} again"), "each kind once"));
            }
            ids.push(id);
        }
        group = group.kinds(ids);
        if let Some(most) = self.per_node {
            group = group.per_node(most);
        }
        Ok(if self.homogeneous { group.homogeneous() } else { group })
    }

    fn replicas(&self, field: Field<'_>) -> Result<(u32, u32), ScenarioError> {
        match (self.replicas, self.min, self.max) {
            (None, None, None) => Ok((1, 1)),
            (Some(count), None, None) => Ok((count, count)),
            (Some(_), _, _) => {
                Err(ScenarioError::expected(field, "replicas beside min or max", "replicas, or min and max"))
            }
            (None, min, max) => Ok((min.unwrap_or(1), max.or(min).unwrap_or(1))),
        }
    }

    fn body(&self, field: Field<'_>, depth: usize, inventory: &mut Inventory) -> Result<crate::Group, ScenarioError> {
        let expected = "pods and their demand, or groups";
        match (self.pods, &self.demand, self.groups.as_slice()) {
            (Some(pods), Some(demand), []) => {
                let demand = demand.build(field.name("demand"), inventory)?;
                Ok(crate::Group::pods(&self.name, pods, demand))
            }
            (None, None, []) => Err(ScenarioError::expected(field, "neither pods nor groups", expected)),
            (None, Some(_), []) => Err(ScenarioError::expected(field, "a demand without pods", expected)),
            (Some(_), None, []) => Err(ScenarioError::expected(field, "pods without a demand", expected)),
            (None, None, groups) => {
                let (field, mut inner) = (field.name("groups"), Vec::with_capacity(groups.len()));
                for (at, group) in groups.iter().enumerate() {
                    inner.push(group.build(field.index(at), depth + 1, inventory)?);
                }
                Ok(crate::Group::of(&self.name, inner))
            }
            _ => Err(ScenarioError::expected(field, "groups beside pods or a demand", expected)),
        }
    }

    /// The place of what an error of the gang speaks of.
    pub(super) fn place_of(&self, field: Field<'_>, error: &GangError) -> String {
        use GangError as E;
        // The group that holds it, and the field there.
        let (path, part) = match error {
            E::EmptyName { parent } if parent.is_empty() => return field.name("name").to_string(),
            E::EmptyName { parent } => (parent, "groups"),
            E::SlashInName { group } | E::DuplicateGroup { group } => (group, "name"),
            E::MinAboveMax { group, .. } => (group, "min"),
            E::SlicesOfGroups { group } | E::DuplicateSlices { group, .. } => (group, "slices"),
            E::SlicesDoNotDivide { group, .. } => (group, "slices"),
            E::TwoLevelsOfKey { group, .. } => (group, "bind"),
            E::UnknownKind { group, .. } => (group, "kinds"),
            E::TooDeep { group, .. }
            | E::TooLarge { group, .. }
            | E::UnknownLevel { group, .. }
            | E::UnknownResource { group, .. }
            | E::EmptyKey { group }
            | E::TwoTopologies { group, .. } => (group, ""),
            _ => return field.to_string(),
        };
        // Names can hold what separates paths; then the search ends at the group around.
        let (mut at, mut place, mut rest) = (self, field.to_string(), path.strip_prefix(self.name.as_str()));
        while let Some(names) = rest.and_then(|rest| rest.strip_prefix('/')) {
            // Of two groups with one name the later one is the mistake.
            let mut inner = at.groups.iter().enumerate().rev();
            let found = inner.find_map(|(index, group)| {
                let after = names.strip_prefix(group.name.as_str())?;
                (after.is_empty() || after.starts_with('/')).then_some((index, group, after))
            });
            let Some((index, group, after)) = found else { return place };
            place.push_str(&format!(".groups[{index}]"));
            (at, rest) = (group, Some(after));
        }
        if !part.is_empty() {
            place.push_str(&format!(".{part}"));
        }
        if let E::SlicesDoNotDivide { size, .. } = error
            && let Some(index) = at.slices.iter().position(|slices| slices.size == *size)
        {
            place.push_str(&format!("[{index}].size"));
        }
        place
    }
}
