//! Two gateways of one fleet: the one that starts takes over what the other one knows.

#[path = "support/scratch.rs"]
mod scratch;
#[allow(dead_code, reason = "the other tests use the rest")]
mod support;

use std::io::{BufRead, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use scratch::Scratch;
use serde_json::Value;
use support::Serving;

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port")
}

/// The answer to a request whose first lines are given.
fn exchange(address: &str, request: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("it serves");
    let length = body.len();
    let head = format!("{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n");
    write!(socket, "{head}content-type: application/json\r\n\r\n{body}").expect("it takes a request");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("it answers in text");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

fn ask(address: &str, prompt: &str) -> String {
    let body = serde_json::json!({ "model": "tiny", "prompt": prompt, "max_tokens": 1 }).to_string();
    exchange(address, "POST /v1/completions", &body)
}

/// A line that begins so, without that.
fn line(gateway: &mut Serving, begin: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(gateway.lines.read_line(&mut line).expect("text") > 0, "it ended");
        if let Some(rest) = line.strip_prefix(begin) {
            return rest.trim().to_owned();
        }
    }
}

/// The blocks that an endpoint is known to hold, by the debug dump.
fn blocks(debug: &str, name: &str) -> u64 {
    let answer = exchange(debug, "GET /debug/endpoints", "");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    let endpoints: Vec<Value> = serde_json::from_str(body).expect("JSON");
    let endpoint = endpoints.iter().find(|endpoint| endpoint["name"] == name).expect("it is there");
    endpoint["blocks"].as_u64().expect("a number")
}

fn debug_of(gateway: &mut Serving) -> String {
    line(gateway, "debug at http://").trim_end_matches("/debug").to_owned()
}

#[test]
fn a_gateway_that_starts_is_warm_by_one_that_runs() {
    let [events, replays] = [free(), free()];
    let plain = Serving::start(&["engine", "--model", "tiny", "--listen", "127.0.0.1:0"]);
    let flags = [events, replays].map(|address| format!("tcp://{address}"));
    let telling =
        ["engine", "--model", "tiny", "--listen", "127.0.0.1:0", "--kv-events", &flags[0], "--kv-replay", &flags[1]];
    let telling = Serving::start(&telling);
    let file = |name: &str, peers: &str| {
        let source = format!("{{address: {}, replay: {}}}", events.port(), replays.port());
        let endpoints = format!(
            "  - {{name: plain, address: '{}'}}\n  - {{name: telling, address: '{}', kv_events: {source}}}\n",
            plain.address, telling.address
        );
        let more = format!("debug: 127.0.0.1:0\npeers: {peers}\n");
        Scratch::new(name, &format!("listen: 127.0.0.1:0\n{more}models:\n- name: tiny\n  endpoints:\n{endpoints}"))
    };
    let first = file("peer-first.yaml", "{listen: 127.0.0.1:0}");
    let mut first = Serving::start(&["gateway", "--config", first.path()]);
    let debug = debug_of(&mut first);
    let answers = line(&mut first, "peers are answered on ");
    let prompt = "a prompt that is told at some length. ".repeat(200);
    ask(&telling.address, &prompt);
    let asked = Instant::now();
    while blocks(&debug, "telling") == 0 {
        assert!(asked.elapsed() < Duration::from_secs(20), "the first one does not learn of it");
    }
    let known = blocks(&debug, "telling");

    let second = file("peer-second.yaml", &format!("{{from: ['{answers}'], wait: 20s}}"));
    let mut second = Serving::start(&["gateway", "--config", second.path()]);
    let told = &second.before;
    assert!(told.starts_with(&format!("warm: {known} blocks of ")), "{told:?}");
    assert!(told.trim_end().ends_with(&format!("from peer {answers}")), "{told:?}");
    let debug = debug_of(&mut second);
    assert!(blocks(&debug, "telling") >= known, "what the first one knew");
    assert!(ask(&second.address, &prompt).contains("x-phalanx-endpoint: telling"));
    for gateway in [first, second] {
        assert_eq!(gateway.stop().1, Some(0));
    }
}
