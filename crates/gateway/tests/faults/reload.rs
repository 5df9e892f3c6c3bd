//! The configuration changes while the gateway runs.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use phalanx_gateway::{Drain, Endpoint, Gateway, GatewayConfig, HealthCheck, Limits, Pool, Retry};
use phalanx_kvcache::{BlockHash, BlockSize, ChainHasher, Change, Layer};
use phalanx_routing::{Breaker, ModelRoute, Policy, RouteTable};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::client::{CHAT, SOON, get, post};
use super::drain::drive;
use super::health::says;
use super::support::{Engine, Script, events, json_ok, nobody, response, send, settled, text};

const BODY: &str = r#"{"model":"m"}"#;
const PROMPT: &str = "a prompt of some length, and then some more of it ";

/// A gateway's configuration for some models, each with the endpoints of its own.
fn config(policy: &str, models: &[(&str, &[(&str, SocketAddr)])]) -> GatewayConfig {
    let routes = RouteTable::new(models.iter().map(|(model, _)| ModelRoute::to(*model, *model))).expect("each once");
    let config = GatewayConfig::new(routes, Policy::preset(policy).expect("a policy"));
    models.iter().fold(config, |config, (model, endpoints)| {
        config.with_pool(*model, Pool::of(endpoints.iter().map(|(name, address)| Endpoint::new(*name, *address))))
    })
}

async fn start(config: GatewayConfig) -> Gateway {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    Gateway::start(config, listener).expect("sound")
}

/// Which endpoint answers a prompt.
async fn asked(gateway: &Gateway, model: &str) -> String {
    let body = json!({ "model": model, "prompt": PROMPT.repeat(40) }).to_string();
    let answer = send(gateway, Method::POST, "/v1/completions", &body).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let endpoint = answer.headers()["x-phalanx-endpoint"].to_str().expect("text").to_owned();
    text(answer).await;
    settled(gateway).await;
    endpoint
}

fn blocks() -> Vec<BlockHash> {
    let hasher = ChainHasher::new(BlockSize::new(16).expect("valid"));
    hasher.contents_of_text(PROMPT.repeat(40).as_bytes())
}

/// The index hears that an endpoint holds the prompt.
fn holds(gateway: &Gateway, endpoint: &str) {
    let blocks = blocks();
    let stored = Change::Stored { layer: Layer::MAIN, parent: None, names: &blocks, contents: &blocks };
    assert!(gateway.handle().cache_change(endpoint, stored).is_some_and(|applied| applied.stored > 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_endpoints_and_policies_come_and_go_under_load() {
    let mut engines = Vec::new();
    for _ in 0..4 {
        engines.push(Engine::start(json_ok("{}")).await.address);
    }
    let all = [("e0", engines[0]), ("e1", engines[1]), ("e2", engines[2]), ("e3", engines[3])];
    let drain = Drain { delay: Duration::from_millis(300), ..Drain::default() };
    let of = |round: usize| {
        // Names move to other addresses too.
        let mut some = all.to_vec();
        some.rotate_left(round % 4);
        some.truncate(2 + round % 2);
        if round.is_multiple_of(5) {
            some[0].0 = "e9";
        }
        let policy = ["least-request", "phalanx", "round-robin"][round % 3];
        let tries = 2 + u32::try_from(round % 3).expect("small");
        let limits = Limits { max_head: 16_384 + round, ..Limits::default() };
        config(policy, &[("m", &some), ("other", &all[..1])])
            .with_drain(drain)
            .with_limits(limits)
            .with_retry(Retry::new().with_tries(tries).expect("valid"))
            .with_breaker((!round.is_multiple_of(4)).then(Breaker::new))
            .with_connect_timeout(Duration::from_secs(4 + (round % 7) as u64 / 6))
    };
    let gateway = start(of(1)).await;
    let clients: Vec<_> = (0..12).map(|_| tokio::spawn(drive(gateway.address()))).collect();
    let handle = gateway.handle();
    for round in 2..62 {
        let before = handle.decision_times().count();
        let reloaded = handle.reload(of(round)).expect("sound");
        assert!(reloaded.fixed.is_empty() && reloaded.servers == 2, "{reloaded}");
        let busy = async {
            while handle.decision_times().count() < before + 20 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, busy).await.expect("there is load");
    }
    says(&gateway, "phalanx_gateway_config_reloads_total 60").await;
    says(&gateway, "phalanx_gateway_config_last_reload_successful 1").await;
    gateway.shutdown().await;
    let mut answered = 0;
    for client in clients {
        answered += client.await.expect("no request was lost");
    }
    assert!(answered >= 1200, "{answered}");
    assert_eq!(handle.outstanding(), 0);
}

#[tokio::test]
async fn a_stream_goes_on_when_its_endpoint_is_removed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let address = listener.local_addr().expect("bound");
    let other = Engine::start(json_ok("{}")).await;
    let gateway = start(config("least-request", &[("m", &[("goes", address)])])).await;
    let asking = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("it is asked");
        let mut request = Vec::new();
        while !request.ends_with(BODY.as_bytes()) {
            assert!(stream.read_buf(&mut request).await.expect("it reads") > 0);
        }
        stream.write_all(events(&["1"], false).as_bytes()).await.expect("it writes");
        (stream, listener)
    });
    let mut answer = send(&gateway, Method::POST, CHAT, BODY).await;
    assert_eq!(answer.headers()["x-phalanx-endpoint"], "goes");
    assert!(answer.frame().await.is_some_and(|frame| frame.is_ok()));
    let (mut engine, _listener) = asking.await.expect("it does not panic");

    let reloaded = gateway.reload(config("least-request", &[("m", &[("stays", other.address)])])).expect("sound");
    assert_eq!((reloaded.joined, reloaded.left, reloaded.endpoints), (1, 1, 1));
    assert_eq!(gateway.handle().outstanding(), 1);
    for _ in 0..4 {
        let next = send(&gateway, Method::POST, CHAT, BODY).await;
        assert_eq!(next.headers()["x-phalanx-endpoint"], "stays");
    }
    engine.write_all(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n").await.expect("nobody has closed it");
    assert_eq!(text(answer).await, "data: 2\n\n");
    settled(&gateway).await;
    says(&gateway, "phalanx_gateway_endpoint_requests_in_flight{endpoint=\"stays\"} 0").await;
}

#[tokio::test]
async fn a_configuration_that_contradicts_itself_changes_nothing() {
    let engines = [Engine::start(json_ok("{}")).await.address, Engine::start(json_ok("{}")).await.address];
    let gateway = start(config("least-request", &[("m", &[("e0", engines[0])])])).await;
    let twice = config("phalanx", &[("m", &[("e1", engines[1])]), ("n", &[("e1", engines[0])])]);
    assert!(gateway.reload(twice).is_err_and(|error| error.to_string().contains("e1")));
    let nowhere = GatewayConfig::new(RouteTable::new([ModelRoute::to("m", "x")]).expect("one"), Policy::phalanx());
    assert!(gateway.reload(nowhere).is_err_and(|error| error.to_string().contains('x')));
    gateway.handle().note_reload_failure();
    for line in [
        "phalanx_gateway_config_reload_failures_total 3",
        "phalanx_gateway_config_last_reload_successful 0",
        "phalanx_gateway_config_reloads_total 0",
    ] {
        says(&gateway, line).await;
    }
    assert_eq!(asked(&gateway, "m").await, "e0");
    // What cannot change is told, and the rest is applied.
    let other = config("phalanx", &[("m", &[("e1", engines[1])])]).with_block_size(BlockSize::new(64).expect("valid"));
    let reloaded = gateway.reload(other).expect("sound");
    assert_eq!(reloaded.fixed, ["block_size"]);
    assert_eq!(asked(&gateway, "m").await, "e1");
    says(&gateway, "phalanx_gateway_config_last_reload_successful 1").await;
}

#[tokio::test]
async fn an_address_that_another_model_has_now_inherits_nothing() {
    let engines = [Engine::start(json_ok("{}")).await.address, Engine::start(json_ok("{}")).await.address];
    let both = [("10.0.0.1", engines[0]), ("10.0.0.2", engines[1])];
    let gateway = start(config("phalanx", &[("old", &both[..1]), ("new", &both[1..])])).await;
    holds(&gateway, "10.0.0.1");
    let reloaded = gateway.reload(config("phalanx", &[("new", &both)])).expect("sound");
    assert_eq!((reloaded.joined, reloaded.left), (1, 1), "the same name and address, and another engine");
    // Were it thought to hold the prompt as well, it would get some.
    holds(&gateway, "10.0.0.2");
    for _ in 0..12 {
        assert_eq!(asked(&gateway, "new").await, "10.0.0.2");
    }
    // A name that is at another address is another engine, too.
    let moved = [("10.0.0.1", engines[0]), ("10.0.0.2", nobody().await)];
    assert_eq!(gateway.reload(config("phalanx", &[("new", &moved)])).expect("sound").joined, 1);
    // And one that serves one more model is not.
    let shared = config("phalanx", &[("new", &moved), ("more", &moved[..1])]);
    assert_eq!(gateway.reload(shared).expect("sound").joined, 0);
    assert_eq!(asked(&gateway, "more").await, "10.0.0.1");
    let answer = send(&gateway, Method::POST, CHAT, r#"{"model":"old"}"#).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_was_learned_stays_when_the_policy_changes() {
    let (mut engines, names) = (Vec::new(), ["e0", "e1", "e2", "e3"]);
    for name in names {
        engines.push((name, Engine::start(json_ok("{}")).await.address));
    }
    let gateway = start(config("round-robin", &[("m", &engines)])).await;
    holds(&gateway, "e2");
    let mut seen = Vec::new();
    for _ in 0..8 {
        seen.push(asked(&gateway, "m").await);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, names, "it goes round");
    let reloaded = gateway.reload(config("phalanx", &[("m", &engines)])).expect("sound");
    assert_eq!((reloaded.joined, reloaded.left), (0, 0));
    for _ in 0..8 {
        assert_eq!(asked(&gateway, "m").await, "e2", "the index is what it was");
    }
    // Others come and go, and it is still known.
    gateway.reload(config("phalanx", &[("m", &engines[1..])])).expect("sound");
    gateway.reload(config("phalanx", &[("m", &engines)])).expect("sound");
    assert_eq!(asked(&gateway, "m").await, "e2");
    says(&gateway, "phalanx_gateway_endpoint_requests_total{endpoint=\"e0\",outcome=\"success\"} 0").await;
    let counted = async {
        let is_it = |line: &str| line.starts_with("kthena_router_requests_total{model=\"m\"") && line.ends_with(" 17");
        while !get(&gateway, "/metrics").await.lines().any(is_it) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, counted).await.expect("counters go on");
}

#[tokio::test]
async fn a_kept_connection_sees_the_new_configuration() {
    let whole = response("200 OK", "application/json", "{}");
    let engine = Engine::start(Script::Answer(whole)).await.address;
    let gateway = start(config("least-request", &[("m", &[("e0", engine)])])).await;
    let mut stream = TcpStream::connect(gateway.address()).await.expect("it listens");
    let mut ask = async |model: &str, end: &str| {
        let request = post(&format!("{{\"model\":\"{model}\"}}")).replace("connection: close\r\n", "");
        stream.write_all(request.as_bytes()).await.expect("it is open");
        let mut answer = Vec::new();
        while !answer.ends_with(end.as_bytes()) {
            assert!(stream.read_buf(&mut answer).await.expect("an answer comes") > 0);
        }
        String::from_utf8(answer).expect("text")
    };
    assert!(ask("m", "{}").await.starts_with("HTTP/1.1 200 "));
    assert!(ask("n", "}}").await.starts_with("HTTP/1.1 404 "));
    gateway.reload(config("least-request", &[("n", &[("e0", engine)])])).expect("sound");
    assert!(ask("n", "{}").await.starts_with("HTTP/1.1 200 "));
    assert!(ask("m", "}}").await.starts_with("HTTP/1.1 404 "));
    let none = Limits { max_body: 3, ..Limits::default() };
    gateway.reload(config("least-request", &[("m", &[("e0", engine)])]).with_limits(none)).expect("sound");
    assert!(ask("m", "}}").await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn checks_begin_and_end_with_the_configuration() {
    let engine = Engine::start(json_ok("{}")).await.address;
    let models: &[(&str, &[(&str, SocketAddr)])] = &[("m", &[("e0", engine), ("e1", nobody().await)])];
    let gateway = start(config("least-request", models)).await;
    let millis = Duration::from_millis;
    let check = HealthCheck::get("/health").and_then(|check| check.with_interval(millis(10), millis(10)));
    let check = check.and_then(|check| check.with_thresholds(1, 1)).expect("valid");
    gateway.reload(config("least-request", models).with_health_check(check.clone())).expect("sound");
    says(&gateway, "phalanx_gateway_endpoint_up{endpoint=\"e1\"} 0").await;
    // What was found stays found.
    gateway.reload(config("phalanx", models).with_health_check(check)).expect("sound");
    says(&gateway, "phalanx_gateway_endpoint_up{endpoint=\"e1\"} 0").await;
    gateway.reload(config("phalanx", models)).expect("sound");
    says(&gateway, "phalanx_gateway_endpoint_up{endpoint=\"e1\"} 1").await;
}
