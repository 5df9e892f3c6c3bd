//! The rules of PodGroups, each broken once.

use super::{check, read, warn};

const GROUP: &str = "
apiVersion: scheduling.volcano.sh/v1beta1
kind: PodGroup
metadata: {name: g}
spec:
  minMember: 4
  minTaskMember: {worker: 2}
  minResources: {cpu: 4, memory: 1Gi}
  networkTopology: {mode: hard, highestTierAllowed: 2}
  queue: default
  subGroupPolicy:
  - name: decode
    labelSelector: {matchLabels: {role: decode}}
    matchLabelKeys: [id]
    subGroupSize: 2
    minSubGroups: 1
    networkTopology: {highestTierName: rack}
  - {name: all}
status: {phase: Running}
";

#[test]
fn pod_groups() {
    assert_eq!(read(GROUP), (Vec::new(), Vec::new()));
    let at = |line: u32, rest: &str| format!("{line}: PodGroup default/g: {rest}");
    let check = |from, to, line, rest: &str| check(GROUP, from, to, &[&at(line, rest)]);
    check("minMember: 4", "minMember: -4", 6, "spec.minMember: found -4, expected a whole number from 0 to 2147483647");
    check(
        "worker: 2",
        "worker: two",
        7,
        "spec.minTaskMember.worker: found \"two\", expected a whole number from 0 to 2147483647",
    );
    check(
        "cpu: 4",
        "cpu: x",
        8,
        "spec.minResources.cpu: found \"x\" is no quantity, expected a number like 8, 500m, 64Gi or 1.5",
    );
    let tiers = "expected a tier from 1 to 3 (1 = rack, 2 = block, 3 = zone)";
    check("Allowed: 2", "Allowed: 4", 9, &format!("spec.networkTopology.highestTierAllowed: found 4, {tiers}"));
    check(
        "queue:",
        "quueue:",
        10,
        "spec.quueue: found an unknown field, expected one of minMember, minTaskMember, queue, priorityClassName, minResources, networkTopology, subGroupPolicy",
    );
    let policy = |rest: &str| format!("spec.subGroupPolicy[0].{rest}");
    check("{name: all}", "{}", 18, "spec.subGroupPolicy[1].name: found nothing, expected a policy's name");
    check("name: decode", "name: a/b", 12, &policy("name: found \"a/b\", expected a name without '/'"));
    check(
        "name: all",
        "name: decode",
        18,
        "spec.subGroupPolicy[1].name: found a second policy \"decode\", expected each policy once",
    );
    check(
        "[id]",
        "[i d]",
        14,
        &policy(
            "matchLabelKeys[0]: found \"i d\", expected a label key: a name of 63 at most, after an optional `domain/`",
        ),
    );
    check(
        "subGroupSize: 2",
        "subGroupSize: 0",
        15,
        &policy("subGroupSize: found 0, expected a whole number from 1 to 2147483647"),
    );
    check(
        "minSubGroups: 1",
        "minSubGroups: x",
        16,
        &policy("minSubGroups: found \"x\", expected a whole number from 0 to 2147483647"),
    );
    check(
        "highestTierName: rack",
        "highestTierName: row",
        17,
        &policy("networkTopology.highestTierName: found \"row\", expected one of zone, block, rack, node"),
    );
}

#[test]
fn what_is_not_acted_on_is_told() {
    warn(GROUP, "queue: default", "queue: gold", "10: PodGroup default/g: spec.queue: queues are not acted on");
    warn(
        GROUP,
        "queue: default",
        "priorityClassName: high",
        "10: PodGroup default/g: spec.priorityClassName: priorities are not",
    );
    warn(
        GROUP,
        "scheduling.volcano.sh/v1beta1",
        "scheduling.k8s.io/v1alpha1",
        "PodGroup of scheduling.k8s.io/v1alpha1 is not read",
    );
    let other = GROUP.replace("volcano.sh/v1beta1", "volcano.sh/v1");
    assert_eq!(
        read(&other).0,
        [
            "2: PodGroup default/g: apiVersion: found \"scheduling.volcano.sh/v1\", expected scheduling.volcano.sh/v1beta1"
        ]
    );
}
