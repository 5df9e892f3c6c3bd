//! The parts of the state's hash: one word a node and column, combined by exclusive or, so that the order of changes does
//! not matter and a change costs what it touches.

use crate::{DeviceSet, NodeId};

const FLAGS: u64 = 0x6b1d_39c8_52ef_7a45;
const DEVICES: u64 = 0x1f83_d9ab_fb41_bd6b;
const SHARES: u64 = 0x5be0_cd19_137e_2179;

/// A node without free devices adds nothing, like one that never had any.
pub(crate) fn devices(node: NodeId, free: DeviceSet) -> u64 {
    if free.is_empty() { 0 } else { word(node, DEVICES, free.mask()) }
}

/// A node without any of a resource free adds nothing, so that interning a name changes nothing.
pub(crate) fn resource(node: NodeId, salt: u64, free: u64) -> u64 {
    if free == 0 { 0 } else { word(node, salt, free) }
}

/// A device of which no share holds anything adds nothing.
pub(crate) fn shared(node: NodeId, device: u32, milli: u32) -> u64 {
    if milli == 0 { 0 } else { word(node, SHARES, u64::from(device) << 32 | u64::from(milli)) }
}

/// A flag that is set.
pub(crate) fn flag(node: NodeId, flag: u8) -> u64 {
    word(node, FLAGS, u64::from(flag))
}

/// A resource's salt, from its name.
pub(crate) fn name(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| mix(hash ^ u64::from(byte)))
}

fn word(node: NodeId, column: u64, value: u64) -> u64 {
    mix(mix(mix(column) ^ node.index() as u64) ^ value)
}

/// splitmix64's step.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
