//! Pods that are there already, as a form has them.

use serde::{Deserialize, Serialize};

use super::{Demand, Field, FormError, FormProblem, Pattern};
use crate::{DeviceSet, Inventory, Transaction};

/// Pods that hold room on some nodes: one on each that `nodes` names, or `count`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Held {
    /// The nodes, as a pattern: `n[1-4]`.
    pub nodes: String,
    /// How many such pods are on each of the nodes; one if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// What each holds.
    pub demand: Demand,
    /// The devices that each holds, such as `0-3,6`; for a share the one of which it holds a part. The first ones that are
    /// free if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// The most pods that a form may have held.
pub const MAX_HELD: u64 = 1 << 20;

impl Held {
    /// Reserves the pods; how many there are in all is counted in `total`.
    pub(super) fn hold(&self, field: Field<'_>, inventory: &mut Inventory, total: &mut u64) -> Result<(), FormError> {
        let nodes = field.name("nodes");
        let pattern = Pattern::parse(&self.nodes).map_err(|problem| nodes.wrong(problem))?;
        let count = self.count.unwrap_or(1);
        *total = total.saturating_add(pattern.len().saturating_mul(u64::from(count)));
        if *total > MAX_HELD {
            return Err(field.wrong(FormProblem::TooMany { what: "held pods", found: *total, max: MAX_HELD }));
        }
        let demand = self.demand.build(field.name("demand"), inventory)?;
        let at = self.at.as_deref().map(|at| device_set(at, field.name("at"))).transpose()?;
        let topology = inventory.topology().clone();
        let mut transaction = inventory.transaction();
        for (name, _) in pattern.names() {
            let node = topology.node(&name).ok_or_else(|| nodes.wrong(FormProblem::UnknownNode { found: name }))?;
            for _ in 0..count {
                take(&mut transaction, node, &demand, at).map_err(|error| field.wrong(error))?;
            }
        }
        // They stay for good: nobody gives them back.
        drop(transaction.commit());
        Ok(())
    }
}

fn take(
    transaction: &mut Transaction<'_>,
    node: crate::NodeId,
    demand: &crate::Demand,
    at: Option<DeviceSet>,
) -> Result<(), crate::ReserveError> {
    match at {
        Some(devices) => transaction.claim(node, devices, demand),
        None => transaction.reserve(node, demand).map(drop),
    }
}

/// Devices by index as a form writes them: `0-3,6`, as [`DeviceSet`] prints them.
///
/// # Errors
///
/// It is no list of indices and ascending ranges below 64.
///
/// ```
/// # use phalanx_topology::form::{Field, device_set};
/// let devices = device_set("0-3,6", Field::ROOT)?;
/// assert_eq!(devices.to_string(), "0-3,6");
/// assert!(device_set("0-64", Field::ROOT).is_err());
/// # Ok::<(), phalanx_topology::form::FormError>(())
/// ```
pub fn device_set(text: &str, field: Field<'_>) -> Result<DeviceSet, FormError> {
    let wrong = || field.expected(text, "devices by index, 0 to 63, such as 0-3,6");
    let index = |text: &str| text.parse().ok().filter(|&index: &u32| index < DeviceSet::MAX);
    let mut mask = 0_u64;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = index(first).zip(index(last)).filter(|(first, last)| first <= last);
        let (first, last) = range.ok_or_else(wrong)?;
        mask |= (first..=last).fold(0, |mask, index| mask | 1 << index);
    }
    Ok(DeviceSet::from_mask(mask))
}
