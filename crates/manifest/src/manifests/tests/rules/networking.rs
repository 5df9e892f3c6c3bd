//! The rules of ModelServers and ModelRoutes, each broken once.

use super::{ROUTE, SERVER, SERVING, check, warn};

#[test]
fn servers() {
    let check = |from, to, line: u32, rest: &str| {
        check(SERVER, from, to, &[&format!("{line}: ModelServer default/chat: spec{rest}")])
    };
    check("vLLM", "TGI", 6, ".inferenceEngine: found \"TGI\", expected one of vLLM, SGLang");
    check("  inferenceEngine: vLLM\n", "", 5, ".inferenceEngine: found nothing, expected vLLM or SGLang");
    check(
        "  inferenceEngine",
        "  model: \"\"\n  inferenceEngine",
        6,
        ".model: found \"\", expected a string that is not empty",
    );
    check("{app: chat}", "{}", 8, ".workloadSelector.matchLabels: found an empty mapping, expected at least one label");
    check(
        "    matchLabels: {app: chat}\n",
        "",
        7,
        ".workloadSelector.matchLabels: found nothing, expected at least one label",
    );
    check(
        "groupKey: group",
        "groupKey: \"\"",
        10,
        ".workloadSelector.pdGroup.groupKey: found \"\", expected a label key",
    );
    check(
        "{role: prefill}",
        "{}",
        11,
        ".workloadSelector.pdGroup.prefillLabels: found an empty mapping, expected at least one label",
    );
    check(
        "      decodeLabels: {role: decode}\n",
        "",
        9,
        ".workloadSelector.pdGroup.decodeLabels: found nothing, expected at least one label",
    );
    check("port: 8000", "port: 0", 14, ".workloadPort.port: found 0, expected a whole number from 1 to 65535");
    check(
        "port: 8000",
        "port: 8000\n    protocol: grpc",
        15,
        ".workloadPort.protocol: found \"grpc\", expected one of http, https",
    );
    check(
        "  workloadPort",
        "  trafficPolicy: {timeout: 10}\n  workloadPort",
        13,
        ".trafficPolicy.timeout: found 10, expected a duration like 30s, 1m30s or 100ms",
    );
    check(
        "  workloadPort",
        "  trafficPolicy: {retry: {attempts: -1}}\n  workloadPort",
        13,
        ".trafficPolicy.retry.attempts: found -1, expected a whole number from 0 to 2147483647",
    );
    check(
        "  workloadPort",
        "  kvConnector: {type: rdma}\n  workloadPort",
        13,
        ".kvConnector.type: found \"rdma\", expected one of http, lmcache, nixl, mooncake",
    );
    warn(SERVER, "port: 8000", "port: 8000\n    protocol: https", "spec.workloadPort.protocol: not acted on");
    let at_once = "spec:\n  trafficPolicy: {retry: {attempts: 2, retryInterval: 0s}}";
    warn(SERVER, "spec:", at_once, "spec.trafficPolicy.retry: not acted on");
    warn(SERVER, "spec:", "spec:\n  trafficPolicy: {retry: {attempts: 2}}", "spec.trafficPolicy.retry: not acted on");
    warn(SERVER, "", "", "7: ModelServer default/chat: spec.workloadSelector: selects no role of the ModelServings");
}

#[test]
fn a_timeout_of_nothing_is_refused() {
    for none in ["0s", "0", "0m0ms", "0.1ns"] {
        let text = format!("  trafficPolicy: {{timeout: \"{none}\"}}\n  workloadPort");
        let problem = format!(
            "13: ModelServer default/chat: spec.trafficPolicy.timeout: found \"{none}\", expected a duration above 0 like 30s, 1m30s or 100ms"
        );
        check(SERVER, "  workloadPort", &text, &[&problem]);
    }
}

#[test]
fn selectors_of_half_a_pair_are_told() {
    let server = SERVER
        .replace("app: chat", "modelserving.volcano.sh/name: chat")
        .replace("role: prefill", "modelserving.volcano.sh/role: prefill");
    let both =
        format!("{SERVING}---{}", server.replace("groupKey: group", "groupKey: modelserving.volcano.sh/group-name"));
    warn(&both, "", "", "spec.workloadSelector: selects prefill pods but no decode pods");
}

#[test]
fn routes() {
    let check = |from, to, line: u32, rest: &str| {
        check(ROUTE, from, to, &[&format!("{line}: ModelRoute default/chat: spec{rest}")])
    };
    check("  modelName: llama\n", "", 5, ": found neither modelName nor loraAdapters, expected one of them at least");
    check(
        "  rules:",
        "  loraAdapters: [\"\"]\n  rules:",
        7,
        ".loraAdapters[0]: found \"\", expected a string that is not empty",
    );
    check(
        "modelServerName: chat\n      weight",
        "modelServerName: char\n      weight",
        9,
        ".rules[0].targetModels[0].modelServerName: found \"char\", which is not there, expected a ModelServer of namespace default that is given too",
    );
    check(
        "weight: 70",
        "weight: 101",
        10,
        ".rules[0].targetModels[0].weight: found 101, expected a whole number from 0 to 100",
    );
    check(
        "weight: 70\n    - modelServerName: chat\n",
        "weight: 0\n",
        8,
        ".rules[0].targetModels: found weights that add up to 0, expected one above 0",
    );
    check(
        "    - modelServerName: chat\n---",
        "    - {}\n---",
        11,
        ".rules[0].targetModels[1]: found no target, expected exactly one of modelServerName and externalModelProviderName",
    );
    check(
        "weight: 70",
        "externalModelProviderName: x",
        9,
        ".rules[0].targetModels[0]: found two targets in one, expected exactly one of modelServerName and externalModelProviderName",
    );
    check(
        "  - targetModels:",
        "  - modelMatch: {host: a}\n    targetModels:",
        8,
        ".rules[0].modelMatch.host: found an unknown field, expected one of headers, uri, body",
    );
    check(
        "  rules:",
        "  rateLimit: {unit: week}\n  rules:",
        7,
        ".rateLimit.unit: found \"week\", expected one of second, minute, hour, day, month",
    );
    check(
        "  rules:",
        "  rateLimit: {inputTokensPerUnit: 0}\n  rules:",
        7,
        ".rateLimit.inputTokensPerUnit: found 0, expected a whole number from 1 to 4294967295",
    );
    check(
        "  rules:",
        "  rateLimit: {global: {redis: {}}}\n  rules:",
        7,
        ".rateLimit.global.redis.address: found nothing, expected the address of a Redis server",
    );
    let lora = "  loraAdapters: [x]\n  rules:\n  - targetModels: [{externalModelProviderName: x}]\n";
    let expected = ".rules[0].targetModels[0].externalModelProviderName: found \"x\", expected a modelServerName: adapters are not for external providers";
    check("  rules:\n", lora, 9, expected);
}

#[test]
fn conditions_of_routes() {
    let check = |condition: &str, rest: &str| {
        let to = format!("  - modelMatch: {condition}\n    targetModels:");
        let problem = format!("8: ModelRoute default/chat: spec.rules[0].modelMatch{rest}");
        check(ROUTE, "  - targetModels:", &to, &[&problem]);
    };
    check(
        "{headers: {beta: {regex: 'n('}}}",
        ".headers.beta.regex: found \"n(\", expected a regular expression: found open group without closing ')'",
    );
    check(
        "{uri: {regex: 'n{1000}{1000}'}}",
        ".uri.regex: found \"n{1000}{1000}\", expected a regular expression: compiled regex exceeded size limit",
    );
    check("{headers: [beta]}", ".headers: found a list, expected a mapping");
    check("{headers: {beta: on-1}}", ".headers.beta: found \"on-1\", expected a mapping");
    check("{uri: {suffix: a}}", ".uri.suffix: found an unknown field, expected one of exact, prefix, regex");
    check("{uri: {exact: 5}}", ".uri.exact: found 5, expected a string: quote it");
    check("{body: {model: 5}}", ".body.model: found 5, expected a string: quote it");
    check("{body: {prompt: a}}", ".body.prompt: found an unknown field, expected one of model");
}

#[test]
fn adapters_and_parents_of_routes() {
    let check = |spec: &str, rest: &str| {
        let problem = format!("7: ModelRoute default/chat: spec{rest}");
        check(ROUTE, "  rules:", &format!("  {spec}\n  rules:"), &[&problem]);
    };
    check("loraAdapters: [a, b, c, d, e, f, g, h, i, j, k]", ".loraAdapters: found 11 adapters, expected 10 at most");
    check("parentRefs: [{sectionName: a}]", ".parentRefs[0].name: found nothing, expected a Gateway's name");
    check("parentRefs: [{name: a, kind: Service}]", ".parentRefs[0].kind: found \"Service\", expected one of Gateway");
    check(
        "parentRefs: [{name: a, group: core}]",
        ".parentRefs[0].group: found \"core\", expected one of gateway.networking.k8s.io",
    );
    check("parentRefs: [{name: a, port: 0}]", ".parentRefs[0].port: found 0, expected a whole number from 1 to 65535");
}

#[test]
fn routes_say_what_is_not_acted_on() {
    let warn = |from: &str, to: &str, expected: &str| warn(ROUTE, from, to, expected);
    warn("  rules:", "  rateLimit: {inputTokensPerUnit: 5}\n  rules:", "spec.rateLimit: not acted on");
    let first = "  rules:\n  - targetModels: [{modelServerName: chat}]\n";
    warn("  rules:\n", first, "9: ModelRoute default/chat: spec.rules[1]: never reached");
    let external = "externalModelProviderName: not asked in this release";
    warn("weight: 70", "weight: 70\n    - externalModelProviderName: x", external);
    warn("", "", "11: ModelRoute default/chat: spec.rules[0].targetModels[1]: has weight 100, as other targets");
    let when = |condition: &str, expected: &str| {
        warn("  - targetModels:", &format!("  - modelMatch: {condition}\n    targetModels:"), expected);
    };
    when("{uri: {}}", "8: ModelRoute default/chat: spec.rules[0].modelMatch.uri: asks for nothing");
    when("{uri: {regex: a, exact: b}}", "spec.rules[0].modelMatch.uri.regex: not looked at: exact is given too");
    when("{body: {model: other}}", "spec.rules[0].modelMatch.body.model: never true here");
    let second = ROUTE.split("---").next().unwrap_or_default().replace("name: chat}", "name: second}");
    let owner = "default/chat has the model \"llama\"";
    let both = |second: &str, expected: &str| warn("\napiVersion", &format!("{second}---\napiVersion"), expected);
    both(&second, &format!("ModelRoute default/second: takes no request: {owner}"));
    let adapter = second.replace("  rules:", "  loraAdapters: [a]\n  rules:");
    both(&adapter, &format!("ModelRoute default/second: takes requests by its adapters only: {owner}"));
    warn("{name: chat}", "{name: chat, creationTimestamp: now}", "metadata.creationTimestamp: no time like 2026");
}

#[test]
fn a_route_that_an_older_one_leaves_requests_to_is_not_warned_of() {
    let second = ROUTE.split("---").next().unwrap_or_default().replace("name: chat}", "name: second}");
    let first = second.replace("name: second}", "name: a}");
    let conditional = first.replace("  - targetModels:", "  - modelMatch: {uri: {prefix: /v1}}\n    targetModels:");
    let elsewhere = first.replace("  rules:", "  parentRefs: [{name: gw}]\n  rules:");
    for first in [conditional, elsewhere] {
        let server = ROUTE.split_once("---").expect("two objects").1;
        let (problems, warnings) = super::read(&format!("{first}---{second}---{server}"));
        assert_eq!(problems, Vec::<String>::new());
        assert!(!warnings.iter().any(|warning| warning.contains("takes no request")), "{warnings:#?}");
    }
}

#[test]
fn selectors_may_name_one_replica() {
    let server = |label: &str| SERVER.replace("{app: chat}", &format!("{{modelserving.volcano.sh/{label}}}"));
    let server = |label: &str| {
        let text = server(label);
        let (head, rest) = text.split_once("    pdGroup").expect("the base pairs");
        format!("{SERVING}---{head}{}", &rest[rest.find("  workloadPort").expect("the base has a port")..])
    };
    assert_eq!(super::read(&server("group-name: chat-1")), (Vec::new(), Vec::new()));
    assert_eq!(super::read(&server("role-id: prefill-1")), (Vec::new(), Vec::new()));
    warn(&server("group-name: chat-2"), "", "", "selects no role");
    warn(&server("role-id: decode-1"), "", "", "selects no role");
}
