//! What makes one place better than another, as a form has it.

use std::fmt;

use phalanx_topology::form::{Demand, Field, level};
use phalanx_topology::{Inventory, MixError, ShapeMix};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use super::ScenarioError;
use crate::Fragmentation;

/// An objective as a file may write it: with all fields, or only its name.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
pub(super) enum Written {
    /// Only its name, where it needs no more.
    Name(ObjectiveName),
    /// With what it needs.
    Fields(Objective),
}

/// Reads an objective as a file may write it. By hand, so that what is wrong is told as for any other field.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Objective>, D::Error> {
    struct Either;

    impl<'de> Visitor<'de> for Either {
        type Value = Option<Objective>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the name of an objective, such as tight, or its fields, such as {name: spread, level: rack}")
        }

        fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
            let name = ObjectiveName::deserialize(de::value::StrDeserializer::new(name))?;
            Ok(Some(Objective { name, level: None, mix: Vec::new() }))
        }

        fn visit_map<A: de::MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
            Objective::deserialize(de::value::MapAccessDeserializer::new(fields)).map(Some)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_any(self)
        }
    }

    deserializer.deserialize_any(Either)
}

/// What makes one place better than another, once all hard bounds hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Objective {
    /// Which objective.
    pub name: ObjectiveName,
    /// For `spread`: the level over whose domains the pods are spread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// For `fragmentation`: the pods that are expected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mix: Vec<Shape>,
}

/// Pods that are expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shape {
    /// What each asks.
    pub demand: Demand,
    /// How often they come, beside the other ones.
    pub weight: u64,
}

/// The objectives by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ObjectiveName {
    /// The fewest domains, of those the ones with the least room.
    Tight,
    /// The roomiest first; for the rest the smallest that holds it.
    GreedyBestFit,
    /// The fullest first.
    LeastFree,
    /// Even parts on the fewest domains.
    Balanced,
    /// The least number of pods on the fullest domain of a level.
    Spread,
    /// Where the pods that are expected lose least.
    Fragmentation,
}

impl Objective {
    pub(super) fn build(&self, field: Field<'_>, inventory: &mut Inventory) -> Result<crate::Objective, ScenarioError> {
        let over = field.name("level");
        if self.level.is_some() && self.name != ObjectiveName::Spread {
            return Err(ScenarioError::expected(over, "a level", "none: only spread has one"));
        }
        let mix = field.name("mix");
        if !self.mix.is_empty() && self.name != ObjectiveName::Fragmentation {
            return Err(ScenarioError::expected(mix, "a mix", "none: only fragmentation has one"));
        }
        Ok(match self.name {
            ObjectiveName::Fragmentation => {
                let mut shapes = Vec::with_capacity(self.mix.len());
                for (at, shape) in self.mix.iter().enumerate() {
                    shapes.push((shape.demand.build(mix.index(at).name("demand"), inventory)?, shape.weight));
                }
                let built = ShapeMix::new(shapes).map_err(|error: MixError| ScenarioError::new(mix, error))?;
                crate::Objective::Fragmentation(Fragmentation::new(built))
            }
            ObjectiveName::Tight => crate::Objective::Tight,
            ObjectiveName::GreedyBestFit => crate::Objective::GreedyBestFit,
            ObjectiveName::LeastFree => crate::Objective::LeastFree,
            ObjectiveName::Balanced => crate::Objective::Balanced,
            ObjectiveName::Spread => {
                let expected = "the level over whose domains pods are spread";
                let name = self.level.as_deref().ok_or_else(|| ScenarioError::expected(over, "nothing", expected))?;
                let level = level(inventory.topology(), name).map_err(|problem| ScenarioError::new(over, problem))?;
                crate::Objective::Spread { level }
            }
        })
    }
}
