//! Why a node cannot take a pod.

use crate::{DeviceSet, Locality, NodeId};

/// Why a node cannot take a pod.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReserveError {
    /// The topology has no such node.
    #[error("node {node} does not exist, the topology has {len} nodes")]
    UnknownNode {
        /// The id.
        node: NodeId,
        /// How many nodes there are.
        len: usize,
    },
    /// The demand names a resource that this inventory has not interned.
    #[error("resource {resource} is not one of this inventory's {len}")]
    UnknownResource {
        /// The id's position.
        resource: usize,
        /// How many resources the inventory knows.
        len: usize,
    },
    /// The node is gone.
    #[error("node {node:?} is removed")]
    Removed {
        /// The node.
        node: String,
    },
    /// The node takes no new pods.
    #[error("node {node:?} is cordoned")]
    Cordoned {
        /// The node.
        node: String,
    },
    /// The node is of none of the kinds asked.
    #[error("node {node:?} is of kind {kind:?}, expected one of {}", expected.join(", "))]
    Kind {
        /// The node.
        node: String,
        /// Its kind; empty if it was given none.
        kind: String,
        /// The kinds asked, as far as this inventory knows them.
        expected: Vec<String>,
    },
    /// Fewer devices are free than asked.
    #[error("node {node:?} has {free} devices free, {asked} are asked")]
    Devices {
        /// The node.
        node: String,
        /// How many are asked.
        asked: u32,
        /// How many are free.
        free: u32,
    },
    /// Of no device is as much left as a share asks.
    #[error("node {node:?} has a device with {left} milli left at most, a share of {asked} is asked")]
    Share {
        /// The node.
        node: String,
        /// How many milli are asked.
        asked: u32,
        /// How many are left on the device with most, or on the one that was named.
        left: u32,
    },
    /// Enough devices are free, but not near enough to each other.
    #[error("node {node:?} has {most} devices free in one {locality} at most, {asked} are asked")]
    Locality {
        /// The node.
        node: String,
        /// How near they must be.
        locality: Locality,
        /// How many are asked.
        asked: u32,
        /// How many are free in the place with most.
        most: u32,
    },
    /// The devices named are not near enough to each other.
    #[error("devices {devices} of node {node:?} are not in one {locality}")]
    Apart {
        /// The node.
        node: String,
        /// How near they must be.
        locality: Locality,
        /// The devices.
        devices: DeviceSet,
    },
    /// A device that was named is held by somebody, or does not exist.
    #[error("node {node:?} does not have devices {devices} free")]
    NotFree {
        /// The node.
        node: String,
        /// Those of the named devices that are not free.
        devices: DeviceSet,
    },
    /// The devices named are not as many as the demand asks.
    #[error("{named} devices are named for a demand of {asked}")]
    DeviceCount {
        /// How many were named.
        named: u32,
        /// How many the demand asks; one for a share.
        asked: u32,
    },
    /// Less of a resource is free than asked.
    #[error("node {node:?} has {free} of {resource:?} free, {asked} are asked")]
    Resource {
        /// The node.
        node: String,
        /// The resource.
        resource: String,
        /// How much is asked.
        asked: u64,
        /// How much is free.
        free: u64,
    },
}
