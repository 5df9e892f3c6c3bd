use super::*;

fn refused(text: &str) -> String {
    GatewayFile::parse(text).expect_err("it is wrong").to_string()
}

#[test]
fn a_short_file_has_defaults_and_a_long_one_says_all() {
    let file = GatewayFile::parse("models: [{name: a, endpoints: [127.0.0.1:1]}]").expect("it is sound");
    assert_eq!(file.listen(), "127.0.0.1:8080".parse().expect("an address"));
    assert_eq!(file.to_string(), "policy phalanx, models 1, endpoints 1");
    assert!(file.config().is_ok());
    let text = "listen: 0.0.0.0:80\npolicy: least-request\nblock_size: 64\nmodels:\n- name: a\n  served_as: b\n  \
                timeout: 500ms\n  endpoints:\n  - 127.0.0.1:1\n  - {name: x, address: '127.0.0.1:2'}\n\
                - {name: c, endpoints: [127.0.0.1:1]}\n";
    let file = GatewayFile::parse(text).expect("it is sound");
    assert_eq!(file.to_string(), "policy least-request, models 2, endpoints 3");
    assert!(file.config().is_ok());
}

#[test]
fn what_is_wrong_is_told_with_line_and_field() {
    let cases = [
        ("models: []", ":1:", "models is empty"),
        ("listen: here\nmodels: [{name: a, endpoints: [127.0.0.1:1]}]", ":1:", "listen: found \"here\""),
        ("block_size: 0\nmodels: [{name: a, endpoints: [127.0.0.1:1]}]", ":1:", "block_size"),
        ("policy: none-such\nmodels: [{name: a, endpoints: [127.0.0.1:1]}]", ":1:", "none-such"),
        ("\nmodels:\n- name: a\n  endpoints:\n  - 127.0.0.1", ":5:", "endpoints: found \"127.0.0.1\""),
        ("models:\n- name: a\n  endpoints:\n  - {name: x, address: host:1}", ":4:", "address: found \"host:1\""),
        ("models:\n- name: a\n  timeout: 5\n  endpoints: [127.0.0.1:1]", ":3:", "timeout: found \"5\""),
        ("models:\n- name: a\n  endpoint: [127.0.0.1:1]", ":3:", "endpoint"),
        ("models:\n- name: a\n", ":2:", "endpoints"),
        ("models:\n- name: a\n  endpoints: []", ":3:", "endpoints of a is empty"),
        (
            "models:\n- {name: a, endpoints: [127.0.0.1:1]}\n- {name: a, endpoints: [127.0.0.1:1]}",
            ":3:",
            "name: a is also the name of the model in line 2",
        ),
        (
            "models:\n- name: a\n  endpoints:\n  - {name: x, address: '127.0.0.1:1'}\n  - {name: x, address: '127.0.0.1:1'}",
            ":5:",
            "endpoints: x stands twice",
        ),
        (
            "models:\n- {name: a, endpoints: [{name: x, address: '127.0.0.1:1'}]}\n- name: b\n  endpoints:\n  \
             - {name: x, address: '127.0.0.1:2'}",
            ":5:",
            "name: x is also the name of 127.0.0.1:1",
        ),
    ];
    for (text, place, message) in cases {
        let told = refused(text);
        assert!(told.starts_with(place) && told.contains(message), "{text:?}: {told}");
    }
}

#[test]
fn a_tokenizer_is_loaded_once_for_models_that_say_the_same() {
    let folder = std::env::temp_dir().join(format!("phalanx-file-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let json = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,"pre_tokenizer":null,
                   "post_processor":null,"decoder":null,"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}"#;
    std::fs::write(folder.join("tokenizer.json"), json).expect("a file");
    let part = format!("{{path: {}, threads: 1, cache: 1MiB}}", folder.display());
    let text = format!(
        "models:\n- {{name: a, tokenizer: {part}, endpoints: [127.0.0.1:1]}}\n- {{name: b, tokenizer: {part}, endpoints: [127.0.0.1:1]}}"
    );
    let file = GatewayFile::parse(&text);
    std::fs::remove_dir_all(&folder).expect("it is there");
    let file = file.expect("it is sound");
    assert!(file.config().is_ok(), "the files are not read again");
    let parts: Vec<_> = file.models.value.iter().filter_map(|model| model.tokenizer.as_ref()).collect();
    assert_eq!(parts[0].load([]).ok(), parts[1].load([]).ok());
}

#[test]
fn a_tokenizer_is_kept_for_the_next_file_while_it_is_the_same() {
    let folder = std::env::temp_dir().join(format!("phalanx-keep-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let write = |more: &str| {
        let json = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,"pre_tokenizer":null,
                       "post_processor":null,"decoder":null,"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}"#;
        std::fs::write(folder.join("tokenizer.json"), format!("{json}{more}")).expect("a file");
    };
    write("");
    let text = |name: &str, threads: u32| {
        let part = format!("{{path: {}, threads: {threads}}}", folder.display());
        format!("models:\n- {{name: {name}, tokenizer: {part}, endpoints: [127.0.0.1:1]}}")
    };
    let loaded =
        |file: &GatewayFile| file.tokenizers().next().and_then(|part| part.load([]).ok()).expect("it is loaded");
    let after = |text: &str, before: &GatewayFile| GatewayFile::parse_after(text, Some(before)).expect("it is sound");
    let first = GatewayFile::parse(&text("a", 1)).expect("it is sound");
    let second = after(&text("b", 1), &first);
    assert_eq!(loaded(&second), loaded(&first), "the same, for a model of another name");
    let third = after(&text("b", 2), &second);
    assert_ne!(loaded(&third), loaded(&second), "of other settings");
    write(" ");
    let fourth = after(&text("b", 2), &third);
    assert_ne!(loaded(&fourth), loaded(&third), "of other files");
    assert_eq!(loaded(&after(&text("b", 2), &fourth)), loaded(&fourth));
    std::fs::remove_dir_all(&folder).expect("it is there");
}

#[test]
fn what_is_wrong_with_a_tokenizer_is_told_with_line_and_field() {
    for (part, message) in [
        ("{path: /no/such}", "tokenizer.path: /no/such: "),
        ("{path: /no/such}", "expected a model's folder with tokenizer.json"),
        ("{path: x, threads: 0}", "tokenizer.threads: found 0; expected 1 to 64"),
        ("{path: x, cache: much}", "tokenizer.cache: found \"much\"; expected a size"),
        ("{path: x, thread: 1}", "thread"),
        ("{threads: 1}", "path"),
    ] {
        let told = refused(&format!("models:\n- name: a\n  tokenizer: {part}\n  endpoints: [127.0.0.1:1]"));
        assert!(told.starts_with(":3:") && told.contains(message), "{part}: {told}");
    }
}

#[test]
fn manifests_are_not_taken_for_it() {
    assert!(is_meant("models: []\nlisten: nowhere"));
    for text in ["kind: Gateway\nmodels: []", "apiVersion: v1", "[]", "a: 1\n---\nmodels: []", "models: ["] {
        assert!(!is_meant(text), "{text}");
    }
}

const MODELS: &str = "models: [{name: a, endpoints: [127.0.0.1:1]}]\n";

#[test]
fn what_matters_when_something_fails_is_said_in_parts() {
    for part in [
        "connect_timeout: 1s",
        "limits: {head_timeout: 1s, body_timeout: 2s, stall_timeout: 3s, max_body: 1GiB, max_head: 9000}",
        "limits: {max_connections: 10}",
        "retry: {}",
        "retry: {tries: 1, share: 0%, per_second: 0, pause: 1ms, longest_pause: 2ms, statuses: [429, 503]}",
        "breaker: off",
        "breaker: false",
        "breaker: {failures: 3, pause: 1s, longest_pause: 2s, trials: 2, successes: 4, most_out: 100%, outlier: off}",
        "breaker: {outlier: {deviations_permille: 2000, share: 50%, outcomes: 64, endpoints: 2}}",
        "health_check: {path: /health}",
        "health_check: {path: /health, interval: 100ms, timeout: 50ms, up_after: 1, down_after: 1}",
        "drain: {delay: 0s, grace: 1m}",
        "access_log: {format: text}",
        "access_log: {format: json, output: stdout}",
        "decision_log: {path: /var/log/decisions.jsonl}",
        "debug: 127.0.0.1:9090",
        "debug: '[::1]:0'",
        "peers: {listen: 0.0.0.0:9091, from: [peers:9091, '10.0.0.1:1', '[::1]:2'], wait: 2s}",
    ] {
        let text = format!("{MODELS}{part}\n");
        let told = GatewayFile::parse(&text).map_err(|wrong| wrong.to_string());
        assert!(told.is_ok(), "{part}: {told:?}");
    }
    let timeouts =
        "models: [{name: a, endpoints: [127.0.0.1:1], timeouts: {per_try: 1s, head: 2s, idle: 3s, total: 4s}}]";
    assert!(GatewayFile::parse(timeouts).is_ok());
    assert!(GatewayFile::parse("models: [{name: a, endpoints: [127.0.0.1:1], retry: {tries: 5}}]").is_ok());
    assert!(refused("models:\n- {name: a, endpoints: [127.0.0.1:1], retry: {tries: 0}}").starts_with(":2:"));
}

#[test]
fn what_is_wrong_in_a_part_is_told_with_line_and_field() {
    for (part, message) in [
        ("connect_timeout: 0s", "connect_timeout: found \"0s\"; expected a time"),
        ("limits: {max_body: 64MB}", "max_body: found \"64MB\"; expected a size"),
        ("limits: {max_connections: many}", "max_connections: found \"many\"; expected a whole number"),
        ("limits: {max_bodies: 1}", "max_bodies"),
        ("retry: {tries: 0}", "retry.tries: found 0; expected 1 or more"),
        ("retry: {share: 20}", "share: found \"20\"; expected a share from 0% to 100%"),
        ("retry: {share: 101%}", "share: found \"101%\""),
        ("retry: {pause: 1s}", "retry.pause: found 1s; expected no more than the longest pause"),
        ("retry: {statuses: [400]}", "retry.statuses: found 400; expected 408, 425, 429 or 500 to 599"),
        ("breaker: {failures: 0}", "breaker: a breaker's failures: expected 1 or more"),
        ("breaker: on", "expected off, or fields"),
        ("breaker: {outlier: {outcomes: 65}}", "outlier.outcomes: expected 1 to 64"),
        ("health_check: {path: health}", "health_check.path: found \"health\"; expected a path"),
        ("health_check: {path: /health, interval: 1s, timeout: 2s}", "health_check.timeout: found 2s"),
        ("health_check: {interval: 1s}", "path"),
        ("drain: {grace: long}", "grace: found \"long\""),
        ("access_log: {format: xml}", "xml"),
        ("decision_log: here", "mapping"),
        ("decision_log: {file: here}", "file"),
        ("debug: 0.0.0.0:9090", "debug: found \"0.0.0.0:9090\"; expected a loopback address and a port"),
        ("peers: {listen: here}", "listen: found \"here\"; expected an IP address and a port"),
        ("peers: {from: [peers]}", "from: found \"peers\"; expected a host and a port"),
        ("peers: {wait: 0s}", "wait: found \"0s\"; expected a time"),
        ("peers: {form: []}", "form"),
        ("debug: 9090", "debug: found \"9090\"; expected a loopback address and a port"),
    ] {
        let told = refused(&format!("{MODELS}{part}\n"));
        assert!(told.starts_with(":2:") && told.contains(message), "{part}: {told}");
    }
}

fn paired(model: &str, endpoints: &str) -> String {
    format!("models:\n- name: a\n{model}  endpoints:\n{endpoints}")
}

#[test]
fn prefill_and_decode_endpoints_pair_up() {
    let prefill = "  - {name: p, address: '127.0.0.1:1', phase: prefill, group: g}\n";
    let decode = "  - {name: d, address: '127.0.0.1:2', phase: decode, group: g}\n";
    for connector in ["http", "lmcache", "nixl", "mooncake", "sglang"] {
        let text = paired(&format!("  kv_connector: {connector}\n"), &format!("{prefill}{decode}"));
        let told = GatewayFile::parse(&text).map_err(|wrong| wrong.to_string());
        assert!(told.is_ok(), "{connector}: {told:?}");
    }
    let met = prefill.replace("group: g", "group: g, bootstrap_port: 9000");
    let sound = [
        paired("", &format!("{prefill}{decode}")),
        paired("  kv_connector: sglang\n", &format!("{met}{decode}")),
        paired("", "  - {name: w, address: '127.0.0.1:1', phase: both}\n  - 127.0.0.1:2\n"),
    ];
    for text in sound {
        let told = GatewayFile::parse(&text).map_err(|wrong| wrong.to_string());
        assert!(told.is_ok(), "{text}: {told:?}");
    }
    let plain = "  - {name: w, address: '127.0.0.1:3'}\n";
    let cases = [
        (paired("  kv_connector: rdma\n", plain), ":3:", "kv_connector: found \"rdma\"; expected http, lmcache"),
        (paired("  kv_connector: nixl\n", plain), ":3:", "kv_connector: no endpoint of a has a phase"),
        (paired("", prefill), ":4:", "phase: prefill, but no endpoint of a has the phase decode"),
        (paired("", decode), ":4:", "phase: decode, but no endpoint of a has the phase prefill"),
        (paired("", &format!("{prefill}{decode}{plain}")), ":6:", "phase: missing"),
        (paired("", &prefill.replace("prefill", "first")), ":4:", "phase: found \"first\"; expected prefill"),
        (
            paired("", &format!("{prefill}{}", decode.replace("group: g", "group: h"))),
            ":4:",
            "group: no endpoint of a with the phase decode is in \"g\"",
        ),
        (paired("", &plain.replace("}", ", group: g}")), ":4:", "group: stands without a phase"),
        (paired("", &format!("{met}{decode}")), ":4:", "bootstrap_port: only a prefill endpoint"),
        (
            paired("", &plain.replace("}", ", bootstrap_port: 0}")),
            ":4:",
            "bootstrap_port: found 0; expected 1 to 65535",
        ),
    ];
    for (text, place, message) in cases {
        let told = refused(&text);
        assert!(told.starts_with(place) && told.contains(message), "{text:?}: {told}");
    }
}

#[test]
fn each_rank_of_an_engine_is_an_endpoint() {
    let ranked = |more: &str| {
        format!("models:\n- name: a\n  endpoints:\n  - {{name: x, address: '127.0.0.1:1', {more}}}\n  - 127.0.0.1:2\n")
    };
    let file = GatewayFile::parse(&ranked("ranks: 4, metrics: true, kv_events: {address: 5557}")).expect("it is sound");
    assert_eq!(file.to_string(), "policy phalanx, models 1, endpoints 5");
    let engine = &file.models.value[0].endpoints.value[0].value;
    let names: Vec<_> = engine.endpoints(&file.models.value[0]).iter().map(|known| known.name().to_owned()).collect();
    assert_eq!(names, ["x/0", "x/1", "x/2", "x/3"]);
    for (more, message) in [
        ("ranks: 0", "ranks: found 0; expected 1 to 65535"),
        ("ranks: many", "ranks"),
        ("ranks: 2, kv_events: {address: 'tcp://10.0.0.1:5557'}", "kv_events: an address stands for several ranks"),
    ] {
        let told = refused(&ranked(more));
        assert!(told.starts_with(":4:") && told.contains(message), "{more}: {told}");
    }
}
