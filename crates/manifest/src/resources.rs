//! Amounts of resources in manifests.

use std::collections::BTreeMap;

use phalanx_topology::DeviceSet;

use crate::field::Field;
use crate::quantity::Quantity;
use crate::tree::Value;

/// Resource names with amounts: `cpu` in thousandths, all others in units (bytes, devices, pods).
pub(crate) type Amounts = BTreeMap<String, u64>;

/// Which way an amount between two units goes: what is asked up, what is offered down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    Up,
    Down,
}

/// What a node with accelerators offers of their resource, of which each pod with such accelerators asks 1: it says which
/// make they are, and devices count them. As many as a node can have devices, so that it never runs out before they do.
pub(crate) const OFFERED_OF_A_MAKE: u64 = DeviceSet::MAX as u64;

/// Whether a resource counts accelerators: an extended resource whose last part is `gpu`, or one of the other names that
/// vendors' device plugins use.
pub(crate) fn is_accelerator(resource: &str) -> bool {
    const NAMES: [&str; 9] = ["gpu", "tpu", "npu", "gaudi", "neuron", "i915", "xe", "Ascend910", "Ascend310P"];
    resource.split_once('/').is_some_and(|(_, name)| NAMES.contains(&name))
}

/// A mapping of resource names to quantities.
pub(crate) fn amounts(field: &Field<'_>, rounding: Rounding) -> Amounts {
    let entries = field.entries().unwrap_or_default();
    entries.iter().filter_map(|(name, value)| Some(((*name).to_owned(), amount(name, value, rounding)?))).collect()
}

fn amount(resource: &str, field: &Field<'_>, rounding: Rounding) -> Option<u64> {
    let text = match &field.tree.value {
        Value::Text(text) => text.clone(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        _ => {
            field.expected("a quantity like 8, 500m or 64Gi");
            return None;
        }
    };
    let quantity = match Quantity::parse(&text) {
        Ok(quantity) => quantity,
        Err(error) => {
            let message = error.to_string();
            let (found, expected) = message.split_once(": expected ").unwrap_or((&message, "a quantity"));
            field.wrong(found, expected);
            return None;
        }
    };
    let extended = resource.contains('/');
    if extended && quantity.units_ceil() != quantity.units_floor() {
        field.expected("a whole number");
        return None;
    }
    let amount = match (resource, rounding) {
        ("cpu", Rounding::Up) => quantity.milli_ceil(),
        ("cpu", Rounding::Down) => quantity.milli_floor(),
        (_, Rounding::Up) => quantity.units_ceil(),
        (_, Rounding::Down) => quantity.units_floor(),
    };
    if amount.is_none() {
        field.expected("a quantity below 2^64 thousandths");
    }
    amount
}

/// The accelerators among `amounts`, those of amount 0 aside.
pub(crate) fn accelerators(amounts: &Amounts) -> impl Iterator<Item = (&str, u64)> {
    amounts
        .iter()
        .filter(|(name, amount)| **amount > 0 && is_accelerator(name))
        .map(|(name, amount)| (name.as_str(), *amount))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accelerators_are_known_by_name() {
        for name in ["nvidia.com/gpu", "amd.com/gpu", "google.com/tpu", "habana.ai/gaudi", "huawei.com/Ascend910"] {
            assert!(is_accelerator(name), "{name}");
        }
        for name in ["gpu", "cpu", "nvidia.com/gpu.product", "nvidia.com/mig-1g.5gb", "rdma/hca"] {
            assert!(!is_accelerator(name), "{name}");
        }
    }
}
