//! `phalanx gateway` and its file, as a person uses them.

#[path = "support/run.rs"]
mod run;
#[path = "support/scratch.rs"]
mod scratch;
mod support;

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;

use run::{json, phalanx, refused, stderr, stdout};
use scratch::Scratch;
use support::Serving;

const QUICKSTART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/quickstart");

fn config(name: &str, engine: &str) -> Scratch {
    let models = format!("- name: small\n  served_as: tiny\n  endpoints:\n  - name: first\n    address: {engine}\n");
    Scratch::new(name, &format!("listen: 127.0.0.1:0\npolicy: phalanx\nblock_size: 16\nmodels:\n{models}"))
}

fn ask(address: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("it serves");
    let length = body.len();
    write!(
        socket,
        "POST /v1/completions HTTP/1.1\r\nhost: g\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .expect("it takes a request");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("it answers in text");
    answer
}

#[test]
fn it_serves_the_models_of_its_file_under_their_names() {
    let engine = Serving::start(&["engine", "--model", "tiny", "--listen", "127.0.0.1:0"]);
    let file = config("serves.yaml", &engine.address);
    let gateway = Serving::start(&["gateway", "--config", file.path()]);
    let answer = ask(&gateway.address, r#"{"model":"small","prompt":"Hello","max_tokens":2}"#);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("x-phalanx-endpoint: first"), "{answer}");
    let answer = ask(&gateway.address, r#"{"model":"tiny","prompt":"Hello"}"#);
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    let (_, code) = gateway.stop();
    assert_eq!(code, Some(0));
}

#[test]
fn it_follows_the_engines_that_publish() {
    let free = || std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
    let [events, replays] = [free(), free()];
    let [events_flag, replays_flag] = [events, replays].map(|address| format!("tcp://{address}"));
    let plain = Serving::start(&["engine", "--model", "tiny", "--listen", "127.0.0.1:0"]);
    let flags = ["--kv-events", &events_flag, "--kv-replay", &replays_flag, "--kv-topic", "kv@a"];
    let telling =
        Serving::start(&[&["engine", "--model", "tiny", "--listen", "127.0.0.1:0"], flags.as_slice()].concat());
    // Computed before the gateway is there: it learns of it by a replay.
    let prompt = "a prompt that is told at some length. ".repeat(200);
    let body = format!(r#"{{"model":"tiny","prompt":"{prompt}","max_tokens":1}}"#);
    assert!(ask(&telling.address, &body).starts_with("HTTP/1.1 200"));
    let file = Scratch::new(
        "follows.yaml",
        &format!(
            "listen: 127.0.0.1:0\nmodels:\n- name: tiny\n  metrics: true\n  endpoints:\n  - {{name: plain, address: '{}'}}\n  \
             - name: telling\n    address: '{}'\n    kv_events: {{address: {}, replay: {}, topic: kv@}}\n",
            plain.address,
            telling.address,
            events.port(),
            replays.port()
        ),
    );
    let gateway = Serving::start(&["gateway", "--config", file.path()]);
    // A question that goes to the other engine leaves nothing to learn: soon all go where the prompt is held.
    let asked = std::time::Instant::now();
    let mut row = 0;
    while row < 5 {
        let answer = ask(&gateway.address, &body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        row = if answer.contains("x-phalanx-endpoint: telling") { row + 1 } else { 0 };
        assert!(asked.elapsed() < std::time::Duration::from_secs(20), "the prompt is not found");
    }
    refused(&["engine", "--kv-events", "127.0.0.1:1"], &["--kv-events", "tcp://"]);
}

#[test]
fn a_file_that_is_wrong_is_refused_with_line_and_field() {
    let file = Scratch::new("wrong.yaml", "listen: 127.0.0.1:0\nmodels:\n- name: a\n  endpoints:\n  - nowhere\n");
    let words = ["wrong.yaml:5:", "endpoints", "nowhere"];
    refused(&["gateway", "--config", file.path()], &words);
    refused(&["check", file.path()], &words);
    let output = phalanx(&["check", file.path(), "-o", "json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&answer["valid"], &answer["problems"][0]["line"]), (&false.into(), &5.into()), "{answer}");
    assert_eq!(answer["problems"][0]["field"], "endpoints", "{answer}");
}

#[test]
fn check_knows_the_file_alone_and_among_manifests() {
    const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/gateway.yaml");
    let output = phalanx(&["check", EXAMPLE]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let file = config("right.yaml", "127.0.0.1:1");
    let output = phalanx(&["check", file.path()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("gateway file 1"), "{}", stdout(&output));
    let answer = json(&phalanx(&["check", file.path(), QUICKSTART, "-o", "json"]));
    assert_eq!((&answer["gateway_files"], &answer["nodes"]), (&1.into(), &8.into()), "{answer}");
}

#[test]
fn a_signal_ends_readiness_first_and_requests_are_still_taken() {
    let engine = Serving::start(&["engine", "--model", "tiny", "--listen", "127.0.0.1:0"]);
    let models = format!("models:\n- name: small\n  served_as: tiny\n  endpoints: ['{}']\n", engine.address);
    let file = Scratch::new("drains.yaml", &format!("listen: 127.0.0.1:0\ndrain: {{delay: 60m}}\n{models}"));
    let gateway = Serving::start(&["gateway", "--config", file.path()]);
    assert!(get(&gateway.address, "/readyz").starts_with("HTTP/1.1 200"));
    gateway.interrupt();
    // As often as it takes for the signal to arrive.
    while !get(&gateway.address, "/readyz").starts_with("HTTP/1.1 503") {}
    let answer = ask(&gateway.address, r#"{"model":"small","prompt":"Hello","max_tokens":2}"#);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // The second signal ends the wait.
    let (_, code) = gateway.stop();
    assert_eq!(code, Some(0));
}

#[test]
fn its_decisions_are_logged_and_its_policy_may_be_kthenas() {
    let engine = Serving::start(&["engine", "--model", "tiny", "--listen", "127.0.0.1:0"]);
    let log = Scratch::new("decisions.jsonl", "of an earlier run\n");
    let models = format!("models:\n- {{name: tiny, endpoints: ['{}']}}\n", engine.address);
    let more = format!("listen: 127.0.0.1:0\ndebug: 127.0.0.1:0\ndecision_log: {{path: {}}}\n", log.path());
    let file = Scratch::new("logs.yaml", &format!("{more}{models}"));
    let scheduler = "scheduler:\n  plugins:\n    Score:\n      enabled:\n      - {name: prefix-cache, weight: 1}\n";
    let policy = Scratch::new("router.yaml", scheduler);
    let mut gateway = Serving::start(&["gateway", "--config", file.path(), "--policy", policy.path()]);
    let line = until(&mut gateway, "debug at http://");
    let debug = line.trim().trim_start_matches("debug at http://").trim_end_matches("/debug");
    for about in 0..5 {
        let answer = ask(&gateway.address, &format!(r#"{{"model":"tiny","prompt":"{about}","max_tokens":2}}"#));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert!(get(debug, "/debug/config").contains("\"name\":\"kthena-file\""), "{}", get(debug, "/debug/config"));
    assert_eq!(gateway.stop().1, Some(0));
    let report = json(&phalanx(&["replay", log.path(), "-o", "json"]));
    assert_eq!((&report["decisions"], &report["differing"]), (&5.into(), &0.into()), "{report}");
    let old = format!("{}.old", log.path());
    assert_eq!(std::fs::read_to_string(&old).expect("it is kept"), "of an earlier run\n");
    std::fs::remove_file(old).expect("it was there");
}

#[test]
fn kthenas_router_configuration_is_checked_with_line_and_field() {
    let text = "scheduler:\n  plugins:\n    Filter: {enabled: [lora-affinity]}\n    Score: {enabled: [{name: magic, weight: 1}]}\n";
    let file = Scratch::new("kthena.yaml", text);
    let output = phalanx(&["check", file.path()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for words in
        ["router configuration 1", ":3: plugins.Filter.enabled lora-affinity: ", ":4: plugins.Score.enabled magic: "]
    {
        assert!(stdout(&output).contains(words), "{}", stdout(&output));
    }
    let answer = json(&phalanx(&["check", file.path(), "-o", "json"]));
    assert_eq!((&answer["router_configurations"], &answer["warnings"][0]["line"]), (&1.into(), &4.into()), "{answer}");
    let file = Scratch::new("kthena-auth.yaml", "scheduler: {}\nauth:\n  jwksUri: https://example.com/keys\n");
    refused(&["check", file.path()], &["kthena-auth.yaml:3:", "auth.jwksUri: tokens are not checked"]);
    let config = config("any.yaml", "127.0.0.1:1");
    refused(&["gateway", "--config", config.path(), "--policy", file.path()], &["kthena-auth.yaml:3:", "auth.jwksUri"]);
    refused(&["gateway", "--config", config.path(), "--policy", "none-such"], &["--policy none-such", "least-request"]);
}

/// Its lines up to one that begins so.
fn until(gateway: &mut Serving, begin: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(gateway.lines.read_line(&mut line).expect("text") > 0, "it ended");
        if line.starts_with(begin) {
            return line;
        }
    }
}

#[cfg(unix)]
#[test]
fn what_changes_in_its_file_is_applied_while_it_runs() {
    let engine = Serving::start(&["engine", "--model", "tiny", "--listen", "127.0.0.1:0"]);
    let text = |model: &str, listen: &str, more: &str| {
        let endpoint = &engine.address;
        format!("listen: {listen}\nmodels:\n- {{name: {model}, served_as: tiny, endpoints: ['{endpoint}']}}\n{more}")
    };
    // As a mounted ConfigMap has it: a link to one version, which is swapped for one to the next.
    let versions = ["one", "two"].map(|name| Scratch::new(&format!("reloads-{name}.yaml"), ""));
    let path = format!("{}-link", versions[0].path());
    let swap = |to: usize, text: &str| {
        std::fs::write(versions[to].path(), text).expect("a scratch file");
        let next = format!("{path}-next");
        std::os::unix::fs::symlink(versions[to].path(), &next).expect("a link");
        std::fs::rename(&next, &path).expect("a swap");
    };
    swap(0, &text("one", "127.0.0.1:0", ""));
    let mut gateway = Serving::start(&["gateway", "--config", &path]);
    let answers = |gateway: &Serving, model: &str| {
        let answer = ask(&gateway.address, &format!(r#"{{"model":"{model}","prompt":"Hello","max_tokens":1}}"#));
        answer.split(' ').nth(1).map(str::to_owned)
    };
    assert_eq!(answers(&gateway, "one").as_deref(), Some("200"));
    swap(1, &text("two", "127.0.0.1:1", "policy: least-request\n"));
    let told = until(&mut gateway, "reloaded ");
    assert!(told.contains("policy least-request, models 1") && told.contains("(0 new, 0 gone)"), "{told}");
    assert_eq!(answers(&gateway, "one").as_deref(), Some("404"));
    assert_eq!(answers(&gateway, "two").as_deref(), Some("200"), "and it listens where it did");
    // One that is wrong changes nothing.
    swap(0, &text("three", "127.0.0.1:0", "policy: none-such\n"));
    while !get(&gateway.address, "/metrics").contains("phalanx_gateway_config_reload_failures_total 1\n") {}
    assert!(get(&gateway.address, "/metrics").contains("phalanx_gateway_config_last_reload_successful 0\n"));
    assert_eq!(answers(&gateway, "two").as_deref(), Some("200"));
    // At once, when it is asked to.
    swap(0, &text("three", "127.0.0.1:0", ""));
    gateway.signal("-HUP");
    until(&mut gateway, "reloaded ");
    assert_eq!(answers(&gateway, "three").as_deref(), Some("200"));
    std::fs::remove_file(&path).expect("it was there");
    gateway.signal("-HUP");
    while !get(&gateway.address, "/metrics").contains("phalanx_gateway_config_reload_failures_total 2\n") {}
    assert_eq!(answers(&gateway, "three").as_deref(), Some("200"));
}

fn get(address: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("it serves");
    write!(socket, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").expect("it takes a request");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("it answers in text");
    answer
}

#[test]
fn prefill_and_decode_engines_pair_up_by_the_file() {
    let start = || Serving::start(&["engine", "--model", "tiny", "--listen", "127.0.0.1:0"]);
    let (prefill, decode) = (start(), start());
    for connector in ["http", "nixl", "sglang"] {
        let (_, port) = prefill.address.rsplit_once(':').expect("a port");
        let met = if connector == "sglang" { format!(", bootstrap_port: {port}") } else { String::new() };
        let endpoints = format!(
            "  - {{name: p, address: '{}', phase: prefill{met}}}\n  - {{name: d, address: '{}', phase: decode}}\n",
            prefill.address, decode.address
        );
        let text = format!(
            "listen: 127.0.0.1:0\nmodels:\n- name: tiny\n  kv_connector: {connector}\n  endpoints:\n{endpoints}"
        );
        let file = Scratch::new(&format!("pair-{connector}.yaml"), &text);
        assert_eq!(phalanx(&["check", file.path()]).status.code(), Some(0), "{text}");
        let gateway = Serving::start(&["gateway", "--config", file.path()]);
        let answer = ask(&gateway.address, r#"{"model":"tiny","prompt":"Hello","max_tokens":2}"#);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("x-phalanx-endpoint: d"), "{answer}");
        assert!(answer.contains("\"completion_tokens\":2"), "{answer}");
        assert_eq!(gateway.stop().1, Some(0));
    }
}
