//! `lws-standard-labels`: pods that look like those of a LeaderWorkerSet.

use sha1::{Digest, Sha1};

use super::{Tweaks, Variable};
use crate::{PodKey, Spec};

/// Labels of a LeaderWorkerSet's pods.
pub(crate) const NAME: &str = "leaderworkerset.sigs.k8s.io/name";
const GROUP_INDEX: &str = "leaderworkerset.sigs.k8s.io/group-index";
pub(crate) const WORKER_INDEX: &str = "leaderworkerset.sigs.k8s.io/worker-index";
const GROUP_KEY: &str = "leaderworkerset.sigs.k8s.io/group-key";
/// Annotations of them.
const SIZE: &str = "leaderworkerset.sigs.k8s.io/size";
const LEADER: &str = "leaderworkerset.sigs.k8s.io/leader-name";

/// What a pod of a LeaderWorkerSet has beside its template; nothing for a ModelServing that was not made from one.
pub(super) fn tweaks(spec: &Spec, pod: &PodKey, size: u32) -> Tweaks {
    let Some(set) = spec.leader_worker_set.as_deref() else { return Tweaks::default() };
    let leader = format!("{set}-{}", pod.of.group);
    let mut tweaks = Tweaks { subdomain: Some(set.to_owned()), ..Tweaks::default() };
    let labels = [
        (NAME, set.to_owned()),
        (GROUP_INDEX, pod.of.group.to_string()),
        (WORKER_INDEX, pod.index.to_string()),
        (GROUP_KEY, group_key(&spec.namespace, &leader)),
    ];
    tweaks.labels.extend(labels.map(|(key, value)| (key.to_owned(), value)));
    tweaks.annotations.insert(SIZE.to_owned(), size.to_string());
    tweaks.env = vec![
        Variable::new("LWS_LEADER_ADDRESS", format!("{leader}.{set}.{}", spec.namespace)),
        Variable::new("LWS_GROUP_SIZE", size.to_string()),
        Variable::new("LWS_WORKER_INDEX", pod.index.to_string()),
    ];
    if pod.is_entry() {
        tweaks.hostname = Some(leader);
    } else {
        tweaks.hostname = Some(format!("{leader}-{}", pod.index));
        tweaks.annotations.insert(LEADER.to_owned(), leader);
    }
    tweaks
}

/// The SHA-1 by which a LeaderWorkerSet marks the pods of one group.
fn group_key(namespace: &str, leader: &str) -> String {
    let digest = Sha1::digest(format!("{namespace}/{leader}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_key_is_the_sha_1_of_namespace_and_leader() {
        // echo -n default/chat-0 | sha1sum
        assert_eq!(group_key("default", "chat-0"), "71e6537a23d60fc36ae01785b74ba52bc9a10aa1");
    }
}
