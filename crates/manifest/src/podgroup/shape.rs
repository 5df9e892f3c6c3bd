//! Which Pods of a PodGroup are needed, which may be there besides, and how they hang together.

use std::collections::BTreeMap;

use super::{PodGroup, PodGroupError};
use crate::pod::ClusterPod;

/// Pods of a PodGroup that go together: a sub-group, a task, or those that are in neither.
#[derive(Clone, Debug)]
pub(super) struct Unit<'a> {
    /// The position of its policy; none for a task and for the rest.
    pub(super) policy: Option<usize>,
    pub(super) name: String,
    /// In the order of their names.
    pub(super) pods: Vec<&'a ClusterPod>,
    /// How many of them are placed if any is.
    pub(super) least: usize,
    /// Whether it has to be placed.
    pub(super) needed: bool,
}

/// All Pods of a PodGroup, in units.
#[derive(Clone, Debug)]
pub(super) struct Shape<'a> {
    /// By policy and in order, then the rest, then tasks.
    pub(super) units: Vec<Unit<'a>>,
    /// Pods of sub-groups that are too small to be placed.
    pub(super) left_out: Vec<&'a ClusterPod>,
}

/// The Pods of each sub-group, by the position of its policy and the values of its labels, in the order of both.
type SubGroups<'a> = BTreeMap<(usize, Vec<Natural>), Vec<&'a ClusterPod>>;

/// A key by which names are in the order in which people count, and the name.
type Natural = (String, String);

/// The name of those that are in no sub-group and no task.
const REST: &str = "pods";

impl<'a> Shape<'a> {
    pub(super) fn new(group: &PodGroup, pods: impl IntoIterator<Item = &'a ClusterPod>) -> Result<Self, PodGroupError> {
        let mut pods: Vec<_> = pods.into_iter().collect();
        pods.sort_by_cached_key(|pod| natural(pod.name().name()));
        let all = pods.len();
        let mut sub_groups: SubGroups<'_> = BTreeMap::new();
        let mut tasks: BTreeMap<&str, Vec<&ClusterPod>> = BTreeMap::new();
        let mut rest = Vec::new();
        for pod in pods {
            let policies = group.policies.iter().enumerate();
            let sub_group = policies.filter_map(|(at, policy)| Some((at, policy.sub_group(pod.labels())?))).next();
            let task = pod.task().filter(|task| group.policies.is_empty() && group.min_tasks.contains_key(*task));
            match (sub_group, task) {
                (Some((policy, values)), _) => {
                    let values = values.iter().map(|value| natural(value)).collect();
                    sub_groups.entry((policy, values)).or_default().push(pod);
                }
                (None, Some(task)) => tasks.entry(task).or_default().push(pod),
                (None, None) => rest.push(pod),
            }
        }
        let mut shape = Self { units: Vec::new(), left_out: Vec::new() };
        shape.add_sub_groups(group, sub_groups)?;
        if !rest.is_empty() {
            shape.units.push(Unit { policy: None, name: REST.to_owned(), pods: rest, least: 0, needed: true });
        }
        if group.policies.is_empty() {
            shape.add_tasks(group, &tasks)?;
        }
        shape.top_up(group, all)?;
        shape.check_tasks(group)?;
        Ok(shape)
    }

    fn add_sub_groups(&mut self, group: &PodGroup, sub_groups: SubGroups<'a>) -> Result<(), PodGroupError> {
        let first = self.units.len();
        for ((at, _), pods) in sub_groups {
            let policy = &group.policies[at];
            if pods.len() < policy.size as usize {
                self.left_out.extend(pods);
                continue;
            }
            let (name, least) = (policy.name.clone(), policy.size as usize);
            self.units.push(Unit { policy: Some(at), name, pods, least, needed: false });
        }
        // Those that are there already count first.
        self.units[first..].sort_by_key(|unit| (unit.policy, !unit.stands()));
        for (at, policy) in group.policies.iter().enumerate() {
            let units = self.units.iter_mut().filter(|unit| unit.policy == Some(at));
            let found = units.take(policy.min as usize).map(|unit| unit.needed = true).count();
            if found < policy.min as usize {
                return Err(PodGroupError::TooFewSubGroups {
                    group: group.name.to_string(),
                    policy: policy.name.clone(),
                    found,
                    wanted: policy.min,
                    size: policy.size,
                });
            }
        }
        Ok(())
    }

    fn add_tasks(
        &mut self,
        group: &PodGroup,
        tasks: &BTreeMap<&str, Vec<&'a ClusterPod>>,
    ) -> Result<(), PodGroupError> {
        for (task, min) in &group.min_tasks {
            let pods = tasks.get(task.as_str()).cloned().unwrap_or_default();
            let (found, least) = (pods.len(), *min as usize);
            if found < least {
                let of = format!("task {task:?} of {}", group.name);
                return Err(PodGroupError::TooFewPods { group: of, found, wanted: *min });
            }
            if found > 0 {
                // A name of a task may be any text; that of a group holds no '/'.
                let name = task.replace('/', "_");
                self.units.push(Unit { policy: None, name, pods, least, needed: true });
            }
        }
        Ok(())
    }

    /// Needs so many more that `minMember` is reached: sub-groups in order, then the rest and tasks, then more of each
    /// sub-group.
    fn top_up(&mut self, group: &PodGroup, all: usize) -> Result<(), PodGroupError> {
        let needed: usize = self.units.iter().filter(|unit| unit.needed).map(|unit| unit.least).sum();
        let mut short = (group.min_member as usize).saturating_sub(needed);
        for unit in self.units.iter_mut().filter(|unit| !unit.needed) {
            if short == 0 {
                break;
            }
            unit.needed = true;
            short = short.saturating_sub(unit.least);
        }
        let (sub_groups, others): (Vec<_>, Vec<_>) = self.units.iter_mut().partition(|unit| unit.policy.is_some());
        for unit in others.into_iter().chain(sub_groups) {
            let more = short.min(unit.pods.len() - unit.least);
            unit.least += more;
            short -= more;
        }
        if short > 0 {
            let found = all - self.left_out.len();
            let wanted = group.min_member;
            return Err(PodGroupError::TooFewPods { group: group.name.to_string(), found, wanted });
        }
        Ok(())
    }

    /// Beside sub-groups the minima of tasks have to follow from them.
    fn check_tasks(&self, group: &PodGroup) -> Result<(), PodGroupError> {
        if group.policies.is_empty() {
            return Ok(());
        }
        for (task, min) in &group.min_tasks {
            let needed = self.units.iter().filter(|unit| unit.needed);
            let pods = needed.flat_map(|unit| unit.first().into_iter().map(|at| unit.pods[at]));
            let found = pods.filter(|pod| pod.task() == Some(task)).count();
            if found < *min as usize {
                return Err(PodGroupError::TaskBesideSubGroups {
                    group: group.name.to_string(),
                    task: task.clone(),
                    found,
                    wanted: *min,
                });
            }
        }
        Ok(())
    }
}

impl Unit<'_> {
    /// The positions of the Pods that are needed: of those that have a node, and then of the others, the first.
    pub(super) fn first(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.pods.len()).collect();
        order.sort_by_key(|&at| self.pods[at].stays().is_none());
        order.truncate(self.least);
        order
    }

    /// Whether as many Pods of it have a node as have to.
    fn stands(&self) -> bool {
        self.pods.iter().filter(|pod| pod.stays().is_some()).count() >= self.least
    }
}

/// Orders names as people count: `decode-9` before `decode-10`.
fn natural(text: &str) -> Natural {
    let mut key = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let end = rest[start..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |length| start + length);
        let digits = rest[start..end].trim_start_matches('0');
        key.push_str(&rest[..start]);
        // More digits are a greater number; among numbers of one length the text decides.
        key.extend(u32::try_from(digits.len()).ok().and_then(char::from_u32));
        key.push_str(digits);
        rest = &rest[end..];
    }
    key.push_str(rest);
    (key, text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn names_are_in_the_order_of_their_numbers() {
        let mut names = ["a-10", "a-9", "a-1-2", "b-0", "a-1", "a-01", "a", "a-1-10"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["a", "a-01", "a-1", "a-1-2", "a-1-10", "a-9", "a-10", "b-0"]);
    }
}
