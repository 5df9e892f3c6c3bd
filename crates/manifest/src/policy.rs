//! How close together pods go: topology policies, and which level of the cluster they mean.

use phalanx_gang::Group;
use phalanx_topology::{Inventory, LevelId, TreeId};
use serde_json::{Value as Json, json};

use crate::field::Field;
use crate::manifests::Manifests;
use crate::problem::{Place, Problem};
use crate::settings::Settings;
use crate::tree::Value;

/// How close together pods go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyPolicy {
    pub(crate) mode: TopologyMode,
    /// As it is written.
    pub(crate) highest: Highest,
    pub(crate) level: String,
    pub(crate) of: LevelOf,
}

/// Whether a topology policy binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TopologyMode {
    /// Inside one domain of the level, or not at all.
    Hard,
    /// Inside one domain of the level if that can be.
    Soft,
}

/// What a policy asks of a group; by default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bound(Option<(TopologyMode, LevelId)>);

/// What a policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Highest {
    /// A tier, counted from the closest; none when what is there is no such number.
    Tier(Option<u32>),
    /// The name of a tier.
    Name(String),
}

/// What makes a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LevelOf {
    /// Labels of nodes.
    Labels,
    /// The HyperNodes of a tier.
    HyperNodes { tier: u32 },
    /// The nodes themselves, in whichever tree.
    Nodes,
}

impl LevelOf {
    /// Whether one of these policies, which are of one object, is of HyperNodes.
    pub(crate) fn any_of_hypernodes<'p>(policies: impl IntoIterator<Item = &'p TopologyPolicy>) -> bool {
        policies.into_iter().any(|policy| policy.tier().is_some())
    }
}

/// Where a policy names its level, and what it found there: for what is told once all HyperNodes are known.
#[derive(Clone, Debug)]
pub(crate) struct PolicyPlace {
    place: Place,
    found: String,
}

/// The levels that policies can name.
#[derive(Clone, Debug)]
pub(crate) struct Levels {
    /// Levels by labels, coarse to fine; none where HyperNodes are the only tree.
    labels: Vec<String>,
    /// Tiers with the names of their levels, the highest first.
    tiers: Vec<(u32, String)>,
}

impl TopologyPolicy {
    /// Whether it binds.
    #[must_use]
    pub fn mode(&self) -> TopologyMode {
        self.mode
    }

    /// The name of the level: a HyperNode tier's, where HyperNodes are given, else that of a level of the settings.
    #[must_use]
    pub fn level(&self) -> &str {
        &self.level
    }

    /// The tier of HyperNodes that the level is; `None` for a level by node labels, and for the nodes themselves.
    #[must_use]
    pub fn tier(&self) -> Option<u32> {
        match self.of {
            LevelOf::HyperNodes { tier } => Some(tier),
            LevelOf::Labels | LevelOf::Nodes => None,
        }
    }

    /// Reads a policy, whose level is found once all HyperNodes are known: see [`resolve`].
    pub(crate) fn read(field: &Field<'_>) -> Option<(Self, PolicyPlace)> {
        let mut fields = field.fields()?;
        let mode = fields.get("mode").map_or(Some(0), |field| field.choice(&["hard", "soft"]));
        let (allowed, name) = (fields.get("highestTierAllowed"), fields.get("highestTierName"));
        fields.finish();
        // Volcano takes an empty name for none.
        let name = name.filter(|name| name.tree.value != Value::Text(String::new()));
        let (highest, at) = match (allowed, name) {
            (Some(_), Some(name)) => {
                name.expected("either highestTierAllowed or highestTierName, not both");
                return None;
            }
            (Some(tier), None) => (Highest::Tier(whole(&tier.tree.value)), tier),
            (None, Some(name)) => (Highest::Name(name.text()?.to_owned()), name),
            (None, None) => {
                field.warn("neither highestTierAllowed nor highestTierName is given: nothing is constrained");
                return None;
            }
        };
        let mode = if mode? == 0 { TopologyMode::Hard } else { TopologyMode::Soft };
        let place = PolicyPlace { place: at.place(), found: at.tree.value.to_string() };
        Some((Self { mode, highest, level: String::new(), of: LevelOf::Labels }, place))
    }

    /// What it asks of groups on an inventory, of those levels that the HyperNodes make or of the primary tree's; none if
    /// the level is not there.
    pub(crate) fn bound_in(&self, inventory: &Inventory, of_hypernodes: bool) -> Option<Bound> {
        let topology = inventory.topology();
        let tree = topology.tree(Manifests::HYPERNODES).filter(|_| of_hypernodes).unwrap_or(TreeId::PRIMARY);
        Some(Bound(Some((self.mode, topology.level_in(tree, &self.level)?))))
    }

    /// The policy as it is written.
    pub(crate) fn json(&self) -> Json {
        let mode = match self.mode {
            TopologyMode::Hard => "hard",
            TopologyMode::Soft => "soft",
        };
        match &self.highest {
            Highest::Tier(tier) => json!({"mode": mode, "highestTierAllowed": tier}),
            Highest::Name(name) => json!({"mode": mode, "highestTierName": name}),
        }
    }
}

impl Bound {
    /// The group so bound.
    pub(crate) fn put(self, group: Group) -> Group {
        match self.0 {
            Some((TopologyMode::Hard, level)) => group.hard(level),
            Some((TopologyMode::Soft, level)) => group.prefer(level),
            None => group,
        }
    }
}

fn whole(value: &Value) -> Option<u32> {
    match value {
        Value::Int(value) => u32::try_from(*value).ok(),
        _ => None,
    }
}

impl Levels {
    /// `tiers` are those of the HyperNodes that are given, the highest first.
    pub(crate) fn new(settings: &Settings, tiers: Vec<(u32, String)>) -> Self {
        let labels = if tiers.is_empty() || settings.names_levels() { settings.level_names() } else { Vec::new() };
        Self { labels: labels.into_iter().map(str::to_owned).collect(), tiers }
    }

    /// The level that is meant, or what could have been.
    fn find(&self, highest: &Highest) -> Result<(&str, LevelOf), String> {
        match highest {
            Highest::Tier(tier) if self.tiers.is_empty() => {
                // The finest level with a name is the closest.
                let levels = self.labels.iter().rev();
                let index = tier.and_then(|tier| usize::try_from(tier).ok()).and_then(|tier| tier.checked_sub(1));
                let level = index.and_then(|index| levels.clone().nth(index));
                let told = || levels.clone().zip(1..).map(|(level, tier)| format!("{tier} = {level}"));
                level.map(|level| (level.as_str(), LevelOf::Labels)).ok_or_else(|| {
                    let told: Vec<_> = told().collect();
                    format!("a tier from 1 to {} ({})", told.len(), told.join(", "))
                })
            }
            Highest::Tier(tier) => {
                let known = self.tiers.iter().find(|(known, _)| Some(*known) == *tier);
                known.map(|(tier, level)| (level.as_str(), LevelOf::HyperNodes { tier: *tier })).ok_or_else(|| {
                    let told: Vec<_> =
                        self.tiers.iter().rev().map(|(tier, level)| format!("{tier} = {level}")).collect();
                    format!("a tier of the HyperNodes ({})", told.join(", "))
                })
            }
            Highest::Name(name) => {
                let tiers =
                    self.tiers.iter().map(|(tier, level)| (level.as_str(), LevelOf::HyperNodes { tier: *tier }));
                let labels = self.labels.iter().map(|level| (level.as_str(), LevelOf::Labels));
                let all = tiers.chain(labels).chain([(Settings::NODE_LEVEL, LevelOf::Nodes)]);
                all.clone()
                    .find(|(level, _)| level == name)
                    .ok_or_else(|| format!("one of {}", all.map(|(level, _)| level).collect::<Vec<_>>().join(", ")))
            }
        }
    }

    /// Finds the levels of the policies of one object, which have to be levels of one tree.
    pub(crate) fn resolve<'p>(
        &self,
        policies: impl IntoIterator<Item = &'p mut TopologyPolicy>,
        places: &[PolicyPlace],
        problems: &mut Vec<Problem>,
    ) {
        let mut first: Option<(LevelOf, String)> = None;
        for (policy, PolicyPlace { place, found }) in policies.into_iter().zip(places) {
            match self.find(&policy.highest) {
                Ok((level, of)) => (policy.level, policy.of) = (level.to_owned(), of),
                Err(expected) => {
                    problems.push(place.problem(found, expected));
                    continue;
                }
            }
            let tree = |of| matches!(of, LevelOf::HyperNodes { .. });
            match &first {
                _ if policy.of == LevelOf::Nodes => {}
                None => first = Some((policy.of, policy.level.clone())),
                Some((of, level)) if tree(*of) != tree(policy.of) => {
                    let makes = |of| if tree(of) { "HyperNodes" } else { "node labels" };
                    let expected = format!("a level that {} make, as {level:?} is", makes(*of));
                    problems.push(place.problem(format!("{found}, a level that {} make", makes(policy.of)), expected));
                }
                Some(_) => {}
            }
        }
    }
}
