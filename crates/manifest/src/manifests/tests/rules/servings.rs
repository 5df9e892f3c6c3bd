//! The rules of ModelServings, each broken once.

use super::{SERVING, check, read, warn};

#[test]
fn servings() {
    let at = |line: u32, rest: &str| format!("{line}: ModelServing default/chat: {rest}");
    let check = |from, to, line, rest: &str| check(SERVING, from, to, &[&at(line, rest)]);
    check(
        "replicas: 2\n  template",
        "replicas: -1\n  template",
        6,
        "spec.replicas: found -1, expected a whole number from 0 to 2147483647",
    );
    check(
        "replicas: 2\n  template",
        "replicas: 2.5\n  template",
        6,
        "spec.replicas: found 2.5, expected a whole number from 0 to 2147483647",
    );
    check(
        "replicas: 2\n  template",
        "replicas: 99999999999999999999\n  template",
        6,
        "spec.replicas: found 100000000000000000000, expected a whole number from 0 to 2147483647",
    );
    check(
        "replicas: 2\n  template",
        "replicas: 2000000\n  template",
        5,
        "spec: found 8000000 pods in all, expected at most 1000000 in one ModelServing",
    );
    check(
        "replicas: 2\n  template",
        "replica: 2\n  template",
        6,
        "spec.replica: found an unknown field, expected one of replicas, schedulerName, rolloutStrategy, recoveryPolicy, template, plugins",
    );
    check(
        "      replicas: 2\n",
        "      replicas: -1\n",
        10,
        "spec.template.roles[0].replicas: found -1, expected a whole number from 0 to 2147483647",
    );
    check(
        "name: decode",
        "name: prefill",
        13,
        "spec.template.roles[1].name: found a second role \"prefill\", expected each role once",
    );
    check(
        "name: decode",
        "name: decode-decode-decode",
        13,
        "spec.template.roles[1].name: found \"decode-decode-decode\", expected at most 12 lower-case letters, digits and `-`, beginning with a letter",
    );
    check(
        "name: decode",
        "name: 1decode",
        13,
        "spec.template.roles[1].name: found \"1decode\", expected at most 12 lower-case letters, digits and `-`, beginning with a letter",
    );
    check(
        "workerReplicas: 0\n",
        "\n",
        9,
        "spec.template.roles[0].workerReplicas: found nothing, expected how many workers a replica has, 0 or more",
    );
    check(
        "      workerTemplate: {spec: {containers: [{image: vllm}]}}\n",
        "",
        13,
        "spec.template.roles[1].workerTemplate: found nothing, expected the template of the workers",
    );
    check(
        "image: vllm}",
        "image: v llm}",
        12,
        "spec.template.roles[0].entryTemplate.spec.containers[0].image: found \"v llm\", expected an image name without spaces",
    );
    check(
        "containers: [{image: vllm}]",
        "containers: []",
        12,
        "spec.template.roles[0].entryTemplate.spec.containers: found no container, expected at least one",
    );
    check(
        "{spec: {containers: [{image: vllm}]}}",
        "{spac: {}, spec: {containers: [{}]}}",
        12,
        "spec.template.roles[0].entryTemplate.spac: found an unknown field, expected one of metadata, spec",
    );
    check(
        "image: vllm}",
        "resources: {limits: {a.b/gpu: 1, c.d/gpu: 1}}}",
        12,
        "spec.template.roles[0].entryTemplate: found both a.b/gpu and c.d/gpu, expected one accelerator resource in a pod",
    );
    check(
        "image: vllm}",
        "resources: {limits: {cpu: 1}, requests: {cpu: 2}}}",
        12,
        "spec.template.roles[0].entryTemplate.spec.containers[0].resources.requests.cpu: found 2, expected no more than its limit",
    );
    check(
        "    - name: prefill\n",
        "    - null\n    - name: prefill\n",
        9,
        "spec.template.roles[0]: found nothing, expected an item",
    );
    check(
        "    roles:",
        "    rolls: 1\n    roles:",
        8,
        "spec.template.rolls: found an unknown field, expected one of restartGracePeriodSeconds, roles, gangPolicy, networkTopology",
    );
    let many: String = ('a'..'d')
        .map(|c| format!("    - {{name: {c}, workerReplicas: 0, entryTemplate: {{spec: {{containers: [{{}}]}}}}}}\n"))
        .collect();
    check(
        "    - name: prefill",
        &format!("{many}    - name: prefill"),
        8,
        "spec.template.roles: found 5 roles, expected 1 to 4",
    );
}

#[test]
fn groups_without_pods_are_bounded_too() {
    let empty = SERVING
        .replace("      replicas: 2\n", "      replicas: 0\n")
        .replace("- name: decode\n", "- name: decode\n      replicas: 0\n");
    let groups = |count: &str| read(&empty.replace("  replicas: 2\n", &format!("  replicas: {count}\n"))).0;
    assert_eq!(groups("1000000"), Vec::<String>::new());
    for count in ["1000001", "2147483647"] {
        let expected = "expected at most 1000000 groups in one ModelServing";
        let problem = format!("6: ModelServing default/chat: spec.replicas: found {count}, {expected}");
        assert_eq!(groups(count), [problem]);
    }
}

#[test]
fn long_names_are_told() {
    let name = "a".repeat(55);
    let text = SERVING.replace("{name: chat}", &format!("{{name: {name}}}"));
    let problems = read(&text).0;
    assert_eq!(problems.len(), 2);
    assert!(problems[0].starts_with(&format!(
        "9: ModelServing default/{name}: spec.template.roles[0].name: found the longest pod name"
    )));
    // A name that no pod can have is told with the roles too.
    let dotted = read(&SERVING.replace("{name: chat}", "{name: 1chat}")).0;
    assert!(dotted[0].contains("begins with a letter"), "{dotted:?}");
}

#[test]
fn gang_policies() {
    let policy = |text: &str| format!("  template:\n    gangPolicy: {text}\n");
    let check = |text: &str, rest: &str| {
        check(
            SERVING,
            "  template:\n",
            &policy(text),
            &[&format!("8: ModelServing default/chat: spec.template.gangPolicy{rest}")],
        );
    };
    check(
        "{minRoleReplicas: {encode: 1}}",
        ".minRoleReplicas.encode: found an unknown role \"encode\", expected one of prefill, decode",
    );
    check(
        "{minRoleReplicas: {prefill: 3}}",
        ".minRoleReplicas.prefill: found 3, expected at most the role's 2 replicas",
    );
    check(
        "{minRoleReplicas: {prefill: -1}}",
        ".minRoleReplicas.prefill: found -1, expected a whole number from 0 to 2147483647",
    );
    check("{minReplicas: 1}", ".minReplicas: found an unknown field, expected one of minRoleReplicas");
    check("[]", ": found a list, expected a mapping");
}

#[test]
fn topologies() {
    let check = |policy: &str, rest: &str| {
        let text = format!("  template:\n    networkTopology:\n      groupPolicy: {policy}\n");
        check(
            SERVING,
            "  template:\n",
            &text,
            &[&format!("9: ModelServing default/chat: spec.template.networkTopology.groupPolicy{rest}")],
        );
    };
    let range = "expected a tier from 1 to 3 (1 = rack, 2 = block, 3 = zone)";
    check("{highestTierAllowed: 0}", &format!(".highestTierAllowed: found 0, {range}"));
    check("{highestTierAllowed: 4}", &format!(".highestTierAllowed: found 4, {range}"));
    check("{highestTierAllowed: one}", &format!(".highestTierAllowed: found \"one\", {range}"));
    check("{highestTierName: row}", ".highestTierName: found \"row\", expected one of zone, block, rack, node");
    check(
        "{highestTierName: rack, highestTierAllowed: 1}",
        ".highestTierName: found \"rack\", expected either highestTierAllowed or highestTierName, not both",
    );
    check("{mode: harsh, highestTierAllowed: 1}", ".mode: found \"harsh\", expected one of hard, soft");
    check(
        "{tier: 1, highestTierAllowed: 1}",
        ".tier: found an unknown field, expected one of mode, highestTierAllowed, highestTierName",
    );
    warn(
        SERVING,
        "  template:\n",
        "  template:\n    networkTopology: {rolePolicy: {mode: hard}}\n",
        "rolePolicy: neither highestTierAllowed nor",
    );
}

#[test]
fn rollouts() {
    let check = |text: &str, rest: &str| {
        let text = format!("spec:\n  {text}\n");
        check(SERVING, "spec:\n", &text, &[&format!("6: ModelServing default/chat: spec.{rest}")]);
    };
    let all = "expected at least 1 of 2, rounded down";
    check(
        "rolloutStrategy: {type: Recreate}",
        "rolloutStrategy.type: found \"Recreate\", expected one of ServingGroupRollingUpdate, RoleRollingUpdate",
    );
    check(
        "rolloutStrategy: {rollingUpdateConfiguration: {maxUnavailable: 0}}",
        &format!("rolloutStrategy.rollingUpdateConfiguration.maxUnavailable: found 0, {all}"),
    );
    check(
        "rolloutStrategy: {rollingUpdateConfiguration: {maxUnavailable: 10%}}",
        &format!("rolloutStrategy.rollingUpdateConfiguration.maxUnavailable: found \"10%\", {all}"),
    );
    check(
        "rolloutStrategy: {rollingUpdateConfiguration: {partition: half}}",
        "rolloutStrategy.rollingUpdateConfiguration.partition: found \"half\", expected a whole number of 0 or more, or a percentage like \"25%\"",
    );
    check(
        "rolloutStrategy: {type: RoleRollingUpdate, rollingUpdateConfiguration: {maxUnavailable: 1}}",
        "rolloutStrategy.rollingUpdateConfiguration: found a mapping, expected nothing under RoleRollingUpdate: each role has its own maxUnavailable and partition",
    );
    check(
        "recoveryPolicy: Restart",
        "recoveryPolicy: found \"Restart\", expected one of ServingGroupRecreate, RoleRecreate, None",
    );
    check(
        "plugins: [{name: mine, type: BuiltIn}]",
        "plugins[0].name: found \"mine\", expected one of demo-pod-tweaks, lws-standard-labels",
    );
    check("plugins: [{name: lws-standard-labels}]", "plugins[0].type: found nothing, expected BuiltIn");
    check(
        "plugins: [{name: lws-standard-labels, type: BuiltIn, scope: {roles: [encode]}}]",
        "plugins[0].scope.roles[0]: found \"encode\", expected one of prefill, decode",
    );
    let role = "rolloutStrategy: {type: RoleRollingUpdate}\n  recoveryPolicy: ServingGroupRecreate";
    let both = SERVING.replacen("spec:\n", &format!("spec:\n  {role}\n"), 1);
    assert_eq!(
        read(&both).0,
        [
            "7: ModelServing default/chat: spec.recoveryPolicy: found \"ServingGroupRecreate\", expected RoleRecreate or None under RoleRollingUpdate"
        ]
    );
}

#[test]
fn rollouts_of_roles() {
    let check = |text: &str, rest: &str| {
        let text = format!("- name: prefill\n      {text}\n");
        check(
            SERVING,
            "- name: prefill\n",
            &text,
            &[&format!("10: ModelServing default/chat: spec.template.roles[0].{rest}")],
        );
    };
    check("partition: 1", "partition: found 1, expected nothing unless rolloutStrategy.type is RoleRollingUpdate");
    check("maxUnavailable: 3", "maxUnavailable: found 3, expected at most the role's 2 replicas");
    check("maxUnavailable: 40%", "maxUnavailable: found \"40%\", expected at least 1 of 2, rounded down");
}
