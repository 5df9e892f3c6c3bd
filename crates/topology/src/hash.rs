//! The parts of the state's hash: one word a node and column, combined by exclusive or, so that the order of changes does
//! not matter and a change costs what it touches.

use crate::{DeviceSet, NodeId};

const FLAGS: u64 = 0x6b1d_39c8_52ef_7a45;
const DEVICES: u64 = 0x1f83_d9ab_fb41_bd6b;
const SHARES: u64 = 0x5be0_cd19_137e_2179;

/// What changes as a node's free devices do. A node without any adds nothing, like one that never had any.
pub(crate) fn devices(node: NodeId, was: DeviceSet, now: DeviceSet) -> u64 {
    change(node, DEVICES, was.mask(), now.mask())
}

/// What changes as the free amount of a resource does. A node without any of it adds nothing, so that interning a name
/// changes nothing.
pub(crate) fn resource(node: NodeId, salt: u64, was: u64, now: u64) -> u64 {
    change(node, salt, was, now)
}

/// What changes as shares hold more or less of a device. A device of which they hold nothing adds nothing.
pub(crate) fn shared(node: NodeId, device: u32, was: u32, now: u32) -> u64 {
    let value = |milli| if milli == 0 { 0 } else { u64::from(device) << 32 | u64::from(milli) };
    change(node, SHARES, value(was), value(now))
}

/// A flag that is set.
pub(crate) fn flag(node: NodeId, flag: u8) -> u64 {
    change(node, FLAGS, 0, flag.into())
}

/// A resource's salt, from its name.
pub(crate) fn name(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| mix(hash ^ u64::from(byte)))
}

/// The word of what was and the word of what is, combined; a value of 0 has none.
fn change(node: NodeId, column: u64, was: u64, now: u64) -> u64 {
    // Both words begin alike: what depends on the value is last.
    let key = mix(column ^ node.index() as u64);
    let word = |value| if value == 0 { 0 } else { mix(key ^ value) };
    word(was) ^ word(now)
}

/// splitmix64's step.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
