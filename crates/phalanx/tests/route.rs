//! `phalanx route` and `phalanx replay` as a person runs them.

#[path = "support/run.rs"]
mod run;
#[path = "support/scratch.rs"]
mod scratch;

use std::time::Duration;

use phalanx_routing::{Balancer, Endpoint, Evidence, Outcome, Policy, Request, Seed};
use serde_json::Value;

use run::{json, phalanx, refused, stderr, stdout};
use scratch::Scratch;

const FLEET: &str = "\
seed: 7
endpoints:
- {name: a, load: {decoding: 3, prefilling: 2, pending_tokens: 5000, prompt_tokens: 9000}}
- {name: b, signals: {waiting: 12, kv_used_ppm: 250000, age_ms: 300}}
- {name: c, seats: 2, load: {decoding: 3, prompt_tokens: 100}}
pools:
- {name: pair, endpoints: [a, b]}
- {name: all, policy: kthena}
";

const REQUESTS: &str = r#"{"key": 42, "prompt_tokens": 1000, "held": {"a": 800}}

{"prompt_tokens": 1000, "pool": "all", "exclude": ["a"]}
"#;

/// A log of some decisions under a policy.
fn log(policy: Policy, limit: usize) -> String {
    let mut balancer = Balancer::new(Seed::from(7));
    assert!(balancer.record(limit));
    let pool = balancer.add_pool(policy);
    let fleet: Vec<_> = (0..4).map(|_| balancer.join(Endpoint::new())).collect();
    for id in &fleet {
        balancer.enter(pool, *id);
    }
    for key in 0..20 {
        let held = [(fleet[(key % 3) as usize], 900)];
        let request = Request::new(pool, key, 1000).with_evidence(Evidence::Tokens(&held));
        let now = Duration::from_millis(key * 10);
        let mut decision = balancer.decide(&request, now).expect("there are four");
        balancer.first_token(&mut decision.reservation, now);
        if key % 2 == 0 {
            balancer.settle(decision.reservation, Outcome::Success, now);
        }
    }
    String::from_utf8(balancer.recorded().to_vec()).expect("text")
}

#[test]
fn requests_are_decided_with_their_reasons() {
    let (fleet, requests) = (Scratch::new("fleet.yaml", FLEET), Scratch::new("requests.jsonl", REQUESTS));
    let answer = json(&phalanx(&["route", fleet.path(), requests.path(), "--explain", "all", "-o", "json"]));
    let [first, second] = &answer.as_array().expect("an array")[..] else { panic!("two requests: {answer}") };
    assert_eq!((&first["endpoint"], &first["cached_tokens"], &first["line"]), (&"a".into(), &800.into(), &1.into()));
    for candidate in first["candidates"].as_array().expect("candidates") {
        let parts = candidate["parts"].as_array().expect("parts").iter();
        let sum: i64 = parts.filter_map(|part| part["amount"].as_i64()).sum();
        assert_eq!(candidate["total"], sum, "{candidate}");
    }
    assert_eq!(first["candidates"][0]["pending_tokens"], 5000);
    assert_eq!(first["candidates"][0]["prompt_tokens"], 9000);
    assert_eq!(first["candidates"][1]["signal_age_ms"], 300);
    assert_eq!((&second["endpoint"], &second["key"], &second["policy"]), (&"c".into(), &3.into(), &"kthena".into()));
    let omitted: Vec<_> = second["omitted"].as_array().expect("two").iter().map(|of| &of["why"]).collect();
    assert_eq!(omitted, ["excluded", "the policy's filter 0"]);

    // The winner alone is the default of a table; the same again is the same.
    let table = stdout(&phalanx(&["route", fleet.path(), requests.path()]));
    assert!(table.contains("a: 466945000 = wait 402500000, own 16100000"), "{table}");
    assert!(!table.contains("no candidate"), "{table}");
    assert_eq!(table, stdout(&phalanx(&["route", fleet.path(), requests.path()])));
}

#[test]
fn load_accumulates_when_asked() {
    let fleet = Scratch::new("two.json", r#"{"policy": "least-request", "endpoints": [{"name": "a"}, {"name": "b"}]}"#);
    let requests = Scratch::new("same.jsonl", &"{\"key\": 1, \"prompt_tokens\": 10}\n".repeat(4));
    let endpoints = |more: &[&str]| -> Vec<Value> {
        let args = [&["route", fleet.path(), requests.path(), "-o", "json"], more].concat();
        json(&phalanx(&args)).as_array().expect("an array").iter().map(|row| row["endpoint"].clone()).collect()
    };
    let apart = endpoints(&[]);
    assert!(apart.iter().all(|endpoint| *endpoint == apart[0]));
    let together = endpoints(&["--accumulate"]);
    assert_eq!(together.iter().filter(|endpoint| **endpoint == "a").count(), 2, "{together:?}");
}

#[test]
fn a_refused_request_exits_1() {
    let fleet = Scratch::new("refused.yaml", "endpoints: [{name: a}]\n");
    let requests = Scratch::new("refused.jsonl", r#"{"prompt_tokens": 10, "exclude": ["a"]}"#);
    let output = phalanx(&["route", fleet.path(), requests.path()]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stdout(&output).contains("all 1 candidate endpoints are excluded"), "{}", stdout(&output));
}

#[test]
fn what_is_wrong_is_told_with_file_and_line() {
    let requests = Scratch::new("right.jsonl", REQUESTS);
    let wrong = |from: &str, to: &str, words: &[&str]| {
        let fleet = Scratch::new(
            &format!("wrong{}.yaml", words[0].replace([':', '.'], "-") + &to.len().to_string()),
            &FLEET.replace(from, to),
        );
        refused(&["route", fleet.path(), requests.path()], words);
    };
    wrong("[a, b]", "[a, d]", &["yaml:7:31:", "expected the name of one"]);
    wrong("name: b", "name: a", &["yaml:4:", "a name of its own"]);
    wrong("kthena", "kthen", &["yaml:8:", "expected one of phalanx"]);
    wrong("waiting: 12", "waiting: -2", &["yaml:4:"]);
    wrong("seats", "chairs", &["yaml:5:", "unknown field"]);
    wrong("pending_tokens: 5000, ", "pending_tokens: 5000, x: 1,", &["yaml:3:", "x"]);
    wrong("prefilling: 2", "prefilling: 0", &["yaml:3:", "load.pending_tokens"]);

    let fleet = Scratch::new("right.yaml", FLEET);
    let wrong = |text: &str, words: &[&str]| {
        let requests = Scratch::new(&format!("wrong-{}.jsonl", text.len()), &format!("{REQUESTS}{text}\n"));
        refused(&["route", fleet.path(), requests.path()], words);
    };
    wrong(r#"{"prompt_tokens": -1}"#, &["jsonl:4:20:", "expected u32"]);
    wrong(r#"{"prompt_tokens": 1, "held": {"z": 1}}"#, &["jsonl:4:", "held: \"z\" is no endpoint"]);
    wrong(r#"{"prompt_tokens": 1, "pool": "none"}"#, &["jsonl:4:", "expected one of pair, all"]);
    wrong("{", &["jsonl:4:"]);
    refused(&["route", fleet.path(), requests.path(), "--policy", "nix"], &["expected one of phalanx", "or a file"]);
    refused(&["route", fleet.path()], &["REQUESTS"]);
}

#[test]
fn the_schema_is_json() {
    let schema = json(&phalanx(&["route", "--schema"]));
    assert_eq!(schema["required"][0], "endpoints");
}

#[test]
fn a_log_is_replayed_bit_for_bit() {
    for policy in Policy::presets() {
        let log = Scratch::new(&format!("{policy}.jsonl"), &log(policy, 1 << 20));
        let output = phalanx(&["replay", log.path()]);
        assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
        assert_eq!(stdout(&output), "20 decisions, 0 differ\n");
    }
}

#[test]
fn another_policy_differs_and_says_where() {
    let log = Scratch::new("other.jsonl", &log(Policy::phalanx(), 1 << 20));
    let output = phalanx(&["replay", log.path(), "--policy", "least-request", "-o", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let differences = answer["differences"].as_array().expect("an array");
    assert_eq!(answer["differing"], differences.len());
    assert_eq!((&answer["policy"], &answer["decisions"]), (&"least-request".into(), &20.into()));
    let first = differences.first().expect("it sends elsewhere");
    assert_ne!(first["was"]["endpoint"], first["now"]["endpoint"]);

    // A policy from a file.
    let policy = Scratch::new("mine.yaml", "name: mine\ncombination: {cost: [{term: own, permille: 1000}]}\n");
    let table = stdout(&phalanx(&["replay", log.path(), "--policy", policy.path(), "--first", "1"]));
    assert!(table.contains("differ under mine"), "{table}");
}

#[test]
fn a_changed_answer_is_found() {
    let log = log(Policy::least_request(), 1 << 20);
    let log = Scratch::new("changed.jsonl", &log.replacen("\"ties\":4", "\"ties\":3", 1));
    let output = phalanx(&["replay", log.path()]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stdout(&output).contains("20 decisions, 1 differ"), "{}", stdout(&output));
    assert!(stdout(&output).contains("other ties"), "{}", stdout(&output));
}

#[test]
fn a_log_that_is_cut_is_told() {
    let whole = log(Policy::phalanx(), 1 << 20);
    let cut = Scratch::new("cut.jsonl", &whole[..whole.len() - 9]);
    refused(&["replay", cut.path()], &[&format!("cut.jsonl:{}: cut off", whole.lines().count())]);
    refused(&["replay", cut.path(), "--policy", "nix"], &["--policy nix"]);
    refused(&["replay", "no-such-log"], &["no-such-log"]);
    let limited = Scratch::new("limited.jsonl", &log(Policy::phalanx(), 2000));
    let output = phalanx(&["replay", limited.path()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("the log came to its limit"), "{}", stderr(&output));
}
