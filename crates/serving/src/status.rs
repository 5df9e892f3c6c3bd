//! What a ModelServing says of itself.

use core::time::Duration;

use crate::Ledger;

/// The status of a ModelServing: Kthena's fields, and a ledger beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, rename_all = "camelCase"))]
pub struct Status {
    /// The edition of the spec that this is about.
    pub observed_generation: i64,
    /// Groups that exist.
    pub replicas: u32,
    /// Groups that are not of the update revision; all that are, when none is left.
    pub current_replicas: u32,
    /// Groups of the update revision.
    pub updated_replicas: u32,
    /// Groups that run.
    pub available_replicas: u32,
    /// The revision before the last update, until that is complete.
    pub current_revision: String,
    /// The revision of the spec.
    pub update_revision: String,
    /// A selector that matches one pod of each group, for the scale subresource.
    pub label_selector: String,
    /// The conditions.
    pub conditions: Vec<Condition>,
    /// What has to be remembered.
    pub ledger: Ledger,
}

/// One condition of a status.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
pub struct Condition {
    /// Which one.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub kind: ConditionKind,
    /// Whether it holds.
    pub holds: bool,
    /// Why, in one word.
    pub reason: String,
    /// Why, in words.
    pub message: String,
    /// Since when it holds, or does not, in whole seconds.
    pub since: Duration,
}

/// The conditions that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ConditionKind {
    /// All groups run.
    Available,
    /// Some do not.
    Progressing,
    /// Some do not, and more groups than are protected are of another revision.
    UpdateInProgress,
}

impl ConditionKind {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "Available",
            Self::Progressing => "Progressing",
            Self::UpdateInProgress => "UpdateInProgress",
        }
    }

    /// The reason that goes with it.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Available => "AllGroupsReady",
            Self::Progressing => "GroupProgressing",
            Self::UpdateInProgress => "GroupsUpdating",
        }
    }

    /// Whether both cannot hold at a time.
    pub(crate) fn excludes(self, other: Self) -> bool {
        (self == Self::Available) != (other == Self::Available)
    }
}

impl Status {
    /// The condition of a kind, if it is there.
    #[must_use]
    pub fn condition(&self, kind: ConditionKind) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Sets a condition to true and those that it excludes to false. What does not change keeps its time; messages are
    /// always those of now.
    pub(crate) fn set(&mut self, kind: ConditionKind, message: &str, now: Duration) {
        let now = Duration::from_secs(now.as_secs());
        for condition in &mut self.conditions {
            let holds = match condition.kind {
                other if other == kind => true,
                other if kind.excludes(other) => false,
                _ => condition.holds,
            };
            if holds != condition.holds {
                condition.since = now;
            }
            condition.holds = holds;
            condition.reason = condition.kind.reason().to_owned();
            condition.message = message.to_owned();
        }
        if self.condition(kind).is_none() {
            let (reason, message) = (kind.reason().to_owned(), message.to_owned());
            self.conditions.push(Condition { kind, holds: true, reason, message, since: now });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: &Status) -> Vec<(&str, bool, &str, u64)> {
        let row = |of: &Condition| (of.kind.as_str(), of.holds, of.message.as_str().to_owned(), of.since.as_secs());
        let rows: Vec<_> = status.conditions.iter().map(row).collect();
        rows.into_iter().map(|(kind, holds, message, since)| (kind, holds, &*message.leak(), since)).collect()
    }

    #[test]
    fn a_condition_keeps_its_time_and_not_its_message() {
        let mut status = Status::default();
        status.set(ConditionKind::Progressing, "0 and 1", Duration::from_millis(1500));
        status.set(ConditionKind::Progressing, "1", Duration::from_secs(2));
        assert_eq!(told(&status), [("Progressing", true, "1", 1)]);
        status.set(ConditionKind::Available, "all", Duration::from_secs(3));
        assert_eq!(told(&status), [("Progressing", false, "all", 3), ("Available", true, "all", 3)]);
        status.set(ConditionKind::UpdateInProgress, "0", Duration::from_secs(4));
        let rows = [("Progressing", false, "0", 3), ("Available", false, "0", 4), ("UpdateInProgress", true, "0", 4)];
        assert_eq!(told(&status), rows);
    }
}
