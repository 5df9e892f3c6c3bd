//! The rules of HyperNodes, each broken once.

use super::{check, read, warn};

/// Two leaves and a spine over three nodes, and a policy for tier 2.
const TREE: &str = "
apiVersion: topology.volcano.sh/v1alpha1
kind: HyperNode
metadata: {name: leaf-a}
spec:
  tier: 1
  tierName: rack
  members:
  - type: Node
    selector: {exactMatch: {name: n1}}
  - type: Node
    selector: {labelMatch: {matchLabels: {row: a}}}
---
apiVersion: topology.volcano.sh/v1alpha1
kind: HyperNode
metadata: {name: leaf-b}
spec:
  tier: 1
  members:
  - type: Node
    selector: {regexMatch: {pattern: '^m[0-9]$'}}
---
apiVersion: topology.volcano.sh/v1alpha1
kind: HyperNode
metadata: {name: spine}
spec:
  tier: 3
  members:
  - {type: HyperNode, selector: {exactMatch: {name: leaf-a}}}
  - {type: HyperNode, selector: {regexMatch: {pattern: ^leaf-b}}}
---
kind: NodeList
apiVersion: v1
items:
- {apiVersion: v1, kind: Node, metadata: {name: n1}, status: {capacity: {cpu: 1}}}
- {apiVersion: v1, kind: Node, metadata: {name: n2, labels: {row: a}}, status: {capacity: {cpu: 1}}}
- {apiVersion: v1, kind: Node, metadata: {name: m3}, status: {capacity: {cpu: 1}}}
---
apiVersion: workload.serving.volcano.sh/v1alpha1
kind: ModelServing
metadata: {name: chat}
spec:
  template:
    networkTopology:
      groupPolicy: {highestTierAllowed: 3}
    roles:
    - {name: decode, workerReplicas: 0, entryTemplate: {spec: {containers: [{image: vllm}]}}}
";

#[test]
fn the_base_is_valid() {
    assert_eq!(read(TREE), (Vec::new(), Vec::new()));
}

#[test]
fn specs() {
    let at = |line: u32, rest: &str| format!("{line}: HyperNode leaf-a: spec.{rest}");
    let check = |from, to, line, rest: &str| check(TREE, from, to, &[&at(line, rest)]);
    check("tier: 1", "tier: 0", 6, "tier: found 0, expected a whole number from 1 to 2147483647");
    check("tier: 1", "tier: one", 6, "tier: found \"one\", expected a whole number from 1 to 2147483647");
    check("  tier: 1\n", "", 5, "tier: found nothing, expected a tier: a whole number, 1 being the closest");
    check("rack", "a/b", 7, "tierName: found \"a/b\", expected a name without '/', 253 bytes at most");
    check(
        "rack",
        "node",
        7,
        "tierName: found \"node\", expected another name: the level of the nodes themselves is called so",
    );
    check("tierName", "tier_name", 7, "tier_name: found an unknown field, expected one of tier, tierName, members");
    check("type: Node", "type: Rack", 9, "members[0].type: found \"Rack\", expected one of Node, HyperNode");
    check(
        "selector: {exactMatch: {name: n1}}",
        "",
        9,
        "members[0].selector: found nothing, expected an exactMatch, regexMatch or labelMatch",
    );
    let selector = "members[0].selector";
    check(
        "{exactMatch: {name: n1}}",
        "{}",
        10,
        &format!("{selector}: found no selector, expected an exactMatch, regexMatch or labelMatch"),
    );
    check(
        "{exactMatch: {name: n1}}",
        "{exactMatch: {name: n1}, labelMatch: {}}",
        10,
        &format!("{selector}: found several selectors, expected only one of exactMatch, regexMatch and labelMatch"),
    );
    check(
        "{exactMatch: {name: n1}}",
        "{exactMatch: {}}",
        10,
        &format!("{selector}.exactMatch.name: found nothing, expected the name of a member"),
    );
    check(
        "{name: n1}",
        "{name: N1}",
        10,
        &format!(
            "{selector}.exactMatch.name: found \"N1\", expected a lower-case name of letters, digits, `-` and `.`, 253 at most"
        ),
    );
    check(
        "{exactMatch: {name: n1}}",
        "{regexMatch: {pattern: 'n('}}",
        10,
        &format!(
            "{selector}.regexMatch.pattern: found \"n(\", expected a regular expression: found open group without closing ')'"
        ),
    );
    check(
        "{exactMatch: {name: n1}}",
        "{regexMatch: {pattern: 'n{1000}{1000}'}}",
        10,
        &format!(
            "{selector}.regexMatch.pattern: found \"n{{1000}}{{1000}}\", expected a regular expression: compiled regex exceeded size limit"
        ),
    );
}

#[test]
fn the_whole_is_a_tree() {
    let at = |line: u32, name: &str, rest: &str| format!("{line}: HyperNode {name}: spec.members{rest}");
    let check = |from, to, line, name, rest: &str| check(TREE, from, to, &[&at(line, name, rest)]);
    check(
        "name: n1}",
        "name: n9}",
        10,
        "leaf-a",
        "[0].selector.exactMatch.name: found \"n9\", which is not there, expected a Node that is given too",
    );
    check(
        "name: leaf-a}}}",
        "name: leaf-c}}}",
        29,
        "spine",
        "[0].selector.exactMatch.name: found \"leaf-c\", which is not there, expected a HyperNode that is given too",
    );
    check(
        "^m[0-9]$",
        "[0-9]",
        21,
        "leaf-b",
        "[0].selector.regexMatch.pattern: found Node \"n1\", which is in \"leaf-a\" too, expected each Node in one HyperNode",
    );
    check(
        "{regexMatch: {pattern: ^leaf-b}}",
        "{exactMatch: {name: spine}}",
        30,
        "spine",
        "[1].selector.exactMatch.name: found \"spine\", which makes a cycle: spine > spine, expected members that do not hold it in turn",
    );
    check(
        "type: Node\n    selector: {labelMatch: {matchLabels: {row: a}}}",
        "type: HyperNode\n    selector: {exactMatch: {name: spine}}",
        12,
        "leaf-a",
        "[1].selector.exactMatch.name: found \"spine\", which makes a cycle: spine > leaf-a > spine, expected members that do not hold it in turn",
    );
    check(
        "type: Node\n    selector: {labelMatch: {matchLabels: {row: a}}}",
        "type: HyperNode\n    selector: {labelMatch: {matchLabels: {row: a}}}",
        12,
        "leaf-a",
        "[1].selector.labelMatch: found labels for HyperNodes, expected labelMatch for members of type Node only",
    );
}

#[test]
fn a_hypernode_holds_lower_tiers() {
    let rest = "selector.exactMatch.name: found";
    check(
        TREE,
        "type: Node\n    selector: {regexMatch: {pattern: '^m[0-9]$'}}",
        "type: HyperNode\n    selector: {exactMatch: {name: leaf-a}}",
        &[
            &format!(
                "21: HyperNode leaf-b: spec.members[0].{rest} \"leaf-a\", a HyperNode of tier 1, expected one of a tier below 1"
            ),
            &format!(
                "29: HyperNode spine: spec.members[0].{rest} HyperNode \"leaf-a\", which is in \"leaf-b\" too, expected each HyperNode in one HyperNode"
            ),
        ],
    );
}

#[test]
fn a_hypernode_is_in_one_other() {
    let other = TREE.replace("name: spine}", "name: spine-2}");
    let second = other.split("---").nth(2).expect("the spine");
    assert_eq!(
        read(&format!("{TREE}---{second}")).0,
        [
            "55: HyperNode spine-2: spec.members[0].selector.exactMatch.name: found HyperNode \"leaf-a\", which is in \"spine\" too, expected each HyperNode in one HyperNode",
            "56: HyperNode spine-2: spec.members[1].selector.regexMatch.pattern: found HyperNode \"leaf-b\", which is in \"spine\" too, expected each HyperNode in one HyperNode",
        ]
    );
}

#[test]
fn tiers_have_one_name_each() {
    let at = |line: u32, rest: &str| format!("{line}: HyperNode {rest}");
    check(
        TREE,
        "metadata: {name: leaf-b}\nspec:\n  tier: 1\n",
        "metadata: {name: leaf-b}\nspec:\n  tier: 1\n  tierName: leaf\n",
        &[&at(19, "leaf-b: spec.tierName: found \"leaf\", expected \"rack\", as tier 1 is called at f:7")],
    );
    check(
        TREE,
        "tier: 3\n",
        "tier: 3\n  tierName: rack\n",
        &[&at(28, "spine: spec.tierName: found \"rack\", expected a name of its own for tier 3: tier 1 is called so")],
    );
    check(
        TREE,
        "tierName: rack",
        "tierName: tier-3",
        &[&at(
            7,
            "leaf-a: spec.tierName: found \"tier-3\", expected a name of its own for tier 1: tier 3 is called so",
        )],
    );
    let many: String = (1..40).map(|tier| format!("---\napiVersion: topology.volcano.sh/v1alpha1\nkind: HyperNode\nmetadata: {{name: h{tier}}}\nspec: {{tier: {tier}, members: [{{type: Node, selector: {{regexMatch: {{pattern: x}}}}}}]}}\n")).collect();
    assert_eq!(
        read(&many).0,
        ["165: HyperNode h33: spec.tier: found one tier more, 33, expected at most 32 different tiers"]
    );
}

#[test]
fn policies_name_tiers_that_there_are() {
    let check = |policy: &str, rest: &str| {
        let at = format!("45: ModelServing default/chat: spec.template.networkTopology.groupPolicy.{rest}");
        check(TREE, "{highestTierAllowed: 3}", policy, &[&at]);
    };
    let tiers = "expected a tier of the HyperNodes (1 = rack, 3 = tier-3)";
    check("{highestTierAllowed: 2}", &format!("highestTierAllowed: found 2, {tiers}"));
    check("{highestTierAllowed: 4}", &format!("highestTierAllowed: found 4, {tiers}"));
    check("{highestTierAllowed: 0}", &format!("highestTierAllowed: found 0, {tiers}"));
    check("{highestTierName: block}", "highestTierName: found \"block\", expected one of tier-3, rack, node");
    // Of tiers that cannot be read nothing is said.
    let broken = TREE.replacen("tier: 1", "tier: x", 1).replace("Allowed: 3", "Allowed: 4");
    assert_eq!(read(&broken).0.len(), 1);
}

#[test]
fn a_selector_that_finds_nothing_is_told() {
    warn(
        TREE,
        "^m[0-9]$",
        "^x",
        "21: HyperNode leaf-b: spec.members[0].selector.regexMatch.pattern: selects nothing that is given",
    );
    warn(
        TREE,
        "row: a}}}",
        "row: b}}}",
        "12: HyperNode leaf-a: spec.members[1].selector.labelMatch: selects nothing that is given",
    );
}
