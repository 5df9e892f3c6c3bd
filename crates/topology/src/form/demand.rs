//! What one pod asks, as a form has it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Field, FormError, FormProblem};
use crate::{Inventory, KindSet, ResourceId};

/// What one pod asks of its node. One of `devices`, `share` and `resources` at least is there: `devices: 0` says that a pod
/// asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Demand {
    /// Whole devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<u32>,
    /// A share of one device instead, in thousandths (milli): 1 to 1000, `500` is half of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<u32>,
    /// How near to each other the devices must be; anywhere on the node if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Within>,
    /// The kinds of devices that it can use, in no order; any if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// How much of which resource, in the unit in which nodes have it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, u64>,
}

/// How near to each other the devices of a pod must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Within {
    /// In one island of the node.
    Island,
    /// In one NUMA zone of the node.
    Numa,
}

/// The most different resources that a form may name.
pub const MAX_RESOURCES: usize = 64;

impl Demand {
    /// What the pod asks of nodes of this inventory. Kinds and resources that it does not know are added to it, with none
    /// on any node.
    ///
    /// # Errors
    ///
    /// The field, below `field`, that is wrong: `devices` beside `share`, a share of nothing or of more than 1000 milli,
    /// nothing at all, more kinds or resources than are possible.
    ///
    /// ```
    /// # use phalanx_topology::{Inventory, form::{Demand, Field}};
    /// let mut inventory = Inventory::from_notation("r1{n1:8}")?;
    /// let share: Demand = serde_json::from_str(r#"{"share": 250, "resources": {"cpu": 4}}"#)?;
    /// assert_eq!(share.build(Field::ROOT, &mut inventory)?.milli(), 250);
    ///
    /// let error = Demand { share: Some(0), ..Demand::default() }.build(Field::ROOT, &mut inventory).unwrap_err();
    /// assert_eq!(error.to_string(), "share: a share of 0 milli, expected 1 to 1000 milli of one device");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(&self, field: Field<'_>, inventory: &mut Inventory) -> Result<crate::Demand, FormError> {
        let mut demand = match (self.devices, self.share) {
            (Some(_), Some(_)) => {
                let expected = "one of both: devices are whole, share is thousandths of one";
                return Err(field.expected("devices beside share", expected));
            }
            (None, None) if self.resources.is_empty() => {
                return Err(
                    field.expected("nothing", "devices, share or resources; `devices: 0` for a pod without any")
                );
            }
            (devices, None) => crate::Demand::devices(devices.unwrap_or(0)),
            (None, Some(milli)) => crate::Demand::share(milli).map_err(|error| field.name("share").wrong(error))?,
        };
        demand = match self.within {
            None => demand,
            Some(Within::Island) => demand.within_island(),
            Some(Within::Numa) => demand.within_numa(),
        };
        let (kinds, resources) = (field.name("kinds"), field.name("resources"));
        let mut set = KindSet::default();
        for (at, kind) in self.kinds.iter().enumerate() {
            set = set.with(inventory.intern_kind(kind).map_err(|error| kinds.index(at).wrong(error))?);
        }
        for (name, &amount) in &self.resources {
            demand = demand.with(resource(inventory, name, resources)?, amount);
        }
        Ok(demand.of_kinds(set))
    }
}

/// A resource by name, interned within bounds.
pub(super) fn resource(inventory: &mut Inventory, name: &str, field: Field<'_>) -> Result<ResourceId, FormError> {
    if name.is_empty() {
        return Err(field.expected(name, "the name of a resource"));
    }
    if inventory.find_resource(name).is_none() && inventory.resources_len() >= MAX_RESOURCES {
        let (found, max) = (inventory.resources_len() as u64 + 1, MAX_RESOURCES as u64);
        return Err(field.name(name).wrong(FormProblem::TooMany { what: "resources", found, max }));
    }
    Ok(inventory.resource(name))
}
