//! What must outlive a restart and is in no other object.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use crate::{PodKey, ReplicaKey};

/// What a ModelServing's status remembers beyond Kthena's fields. It is small: groups that are being formed, and parts that
/// wait after a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, rename_all = "camelCase"))]
pub struct Ledger {
    /// Groups whose pods are being created: what is missing there was not lost.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "BTreeSet::is_empty"))]
    pub forming: BTreeSet<u32>,
    /// Groups that have not run since they were created or mended.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "BTreeSet::is_empty"))]
    pub starting: BTreeSet<u32>,
    /// How many replicas each role has.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "BTreeMap::is_empty"))]
    pub replicas: BTreeMap<String, u32>,
    /// How many each had when an update began: groups that are to be replaced stay with that.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "BTreeMap::is_empty"))]
    pub replicas_before: BTreeMap<String, u32>,
    /// What has failed and is to be created again, and when.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "BTreeMap::is_empty"))]
    pub setbacks: BTreeMap<Part, Setback>,
}

/// What has failed is not created again before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Setback {
    /// How often it has failed without a calm time between.
    pub failures: u32,
    /// Until when it waits, in whole seconds.
    pub until: Duration,
}

/// A part of a ModelServing that is recovered as one. As text it is `3`, `3/decode/1` or `3/decode/1/0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "String", try_from = "String")
)]
pub enum Part {
    /// A group.
    Group(u32),
    /// A role replica.
    Replica(ReplicaKey),
    /// A pod.
    Pod(PodKey),
}

/// A text that names no part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no part of a ModelServing: expected a group as in 3, a replica as in 3/decode/1, or a pod as in 3/decode/1/0"
)]
pub struct PartError(String);

impl Part {
    /// The group that it is or is in.
    #[must_use]
    pub fn group(&self) -> u32 {
        match self {
            Self::Group(group) => *group,
            Self::Replica(key) => key.group,
            Self::Pod(key) => key.of.group,
        }
    }
}

impl Ledger {
    /// The last setback of a pod or of what it is part of.
    pub(crate) fn setback(&self, pod: &PodKey) -> Option<Setback> {
        if self.setbacks.is_empty() {
            return None;
        }
        let parts = [Part::Group(pod.of.group), Part::Replica(pod.of.clone()), Part::Pod(pod.clone())];
        let found = parts.iter().filter_map(|part| self.setbacks.get(part)).copied();
        found.max_by_key(|setback| (setback.until, setback.failures))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let replica =
            |f: &mut fmt::Formatter<'_>, key: &ReplicaKey| write!(f, "{}/{}/{}", key.group, key.role, key.replica);
        match self {
            Self::Group(group) => write!(f, "{group}"),
            Self::Replica(key) => replica(f, key),
            Self::Pod(key) => {
                replica(f, &key.of)?;
                write!(f, "/{}", key.index)
            }
        }
    }
}

impl FromStr for Part {
    type Err = PartError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || PartError(text.to_owned());
        let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
        let parts: Vec<&str> = text.split('/').collect();
        match parts[..] {
            [group] => Ok(Self::Group(number(group)?)),
            [group, role, replica] => Ok(Self::Replica(ReplicaKey::new(number(group)?, role, number(replica)?))),
            [group, role, replica, index] => {
                Ok(Self::Pod(ReplicaKey::new(number(group)?, role, number(replica)?).pod(number(index)?)))
            }
            _ => Err(wrong()),
        }
    }
}

impl From<Part> for String {
    fn from(part: Part) -> Self {
        part.to_string()
    }
}

impl TryFrom<String> for Part {
    type Error = PartError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_they_are_written() {
        for text in ["3", "3/decode/1", "3/decode/1/0"] {
            assert_eq!(text.parse::<Part>().expect("a part").to_string(), text);
        }
        for text in ["", "3/decode", "x", "3/decode/1/0/0", "3/decode/one"] {
            assert!(text.parse::<Part>().is_err(), "{text}");
        }
    }
}
