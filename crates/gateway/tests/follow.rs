//! What the gateway learns of its endpoints by their metrics and KV events, on real sockets.

#[allow(dead_code, reason = "the other tests use the rest")]
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use phalanx_emulator::{Emulator, EmulatorConfig};
use phalanx_engine::EngineConfig;
use phalanx_gateway::{Endpoint, Gateway, GatewayConfig, Pool};
use phalanx_kvcache::feed::Standing;
use phalanx_kvcache::wire::{Event, Stored, Tokens, encode};
use phalanx_kvcache::{BlockSize, ChainHasher};
use phalanx_routing::{ModelRoute, Policy, RouteTable};
use phalanx_signals::{EventReport, EventSource, MetricsSource, Publisher, PublisherConfig, ScrapeReport, Watch};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use support::{Engine, Script, response, send, settled};

const COMPLETIONS: &str = "/v1/completions";
const BLOCK: u32 = 16;

async fn bind(address: &str) -> TcpListener {
    // What was there before may still be on its way out.
    for _ in 0..100_000 {
        if let Ok(listener) = TcpListener::bind(address).await {
            return listener;
        }
        tokio::task::yield_now().await;
    }
    panic!("{address} stays taken")
}

async fn publisher(events: &str, replays: &str) -> Publisher {
    let config = PublisherConfig::new().with_topic("kv@here@m");
    Publisher::start(&config, bind(events).await, Some(bind(replays).await)).expect("bound")
}

async fn free_publisher() -> Publisher {
    publisher("127.0.0.1:0", "127.0.0.1:0").await
}

fn source(publisher: &Publisher) -> EventSource {
    let replay = publisher.replay_address().expect("it has one");
    EventSource::new(publisher.address().into()).with_replay(replay.into()).with_topic("kv@here@m")
}

async fn gateway(policy: Policy, endpoints: impl IntoIterator<Item = Endpoint>) -> Gateway {
    gateway_of(ModelRoute::to("m", "server"), policy, endpoints).await
}

async fn gateway_of(route: ModelRoute, policy: Policy, endpoints: impl IntoIterator<Item = Endpoint>) -> Gateway {
    let routes = RouteTable::new([route]).expect("one route");
    let config = GatewayConfig::new(routes, policy)
        .with_block_size(BlockSize::new(BLOCK).expect("in range"))
        .with_pool("server", Pool::of(endpoints));
    Gateway::start(config, bind("127.0.0.1:0").await).expect("sound")
}

async fn until<T: Clone + std::fmt::Debug>(watch: &Watch<T>, wanted: impl FnMut(&T) -> bool) -> T {
    match tokio::time::timeout(Duration::from_secs(20), watch.wait_for(wanted)).await {
        Ok(report) => report.expect("it runs"),
        Err(_) => panic!("never: {:?}", watch.report()),
    }
}

async fn events(gateway: &Gateway, endpoint: &str, wanted: impl FnMut(&EventReport) -> bool) -> EventReport {
    until(&gateway.handle().kv_events(endpoint).expect("it is followed"), wanted).await
}

async fn metrics(gateway: &Gateway, endpoint: &str, wanted: impl FnMut(&ScrapeReport) -> bool) -> ScrapeReport {
    until(&gateway.handle().metrics(endpoint).expect("they are read"), wanted).await
}

/// Which endpoint answers a prompt.
async fn chosen(gateway: &Gateway, prompt: &str) -> String {
    chosen_for(gateway, "m", prompt).await
}

async fn chosen_for(gateway: &Gateway, model: &str, prompt: &str) -> String {
    let body = json!({ "model": model, "prompt": prompt, "max_tokens": 1 }).to_string();
    let answer = send(gateway, Method::POST, COMPLETIONS, &body).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let endpoint = answer.headers()["x-phalanx-endpoint"].to_str().expect("text").to_owned();
    answer.into_body().collect().await.expect("a whole body");
    settled(gateway).await;
    endpoint
}

/// A batch that stores a prompt's full blocks.
fn stored(prompt: &str) -> Vec<u8> {
    let hasher = ChainHasher::new(BlockSize::new(BLOCK).expect("in range"));
    let mut tokens = phalanx_kvcache::text::tokens_of_text(prompt.as_bytes());
    let names = hasher.hash_tokens(&tokens);
    tokens.truncate(names.len() * BLOCK as usize);
    let mut payload = Vec::new();
    encode(1.0, None, &[Event::Stored(Stored::new(&names, Tokens::Ids(&tokens), BLOCK))], &mut payload);
    payload
}

fn prompt(about: &str) -> String {
    format!("a prompt about {about}, told at some length. ").repeat(40)
}

fn whole(report: &EventReport) -> bool {
    report.connected && report.standing == Standing::Whole
}

#[tokio::test]
async fn an_engine_tells_what_it_computed_and_gets_the_same_prompt_again() {
    let (mut endpoints, mut engines) = (Vec::new(), Vec::new());
    for name in ["e0", "e1"] {
        let publisher = free_publisher().await;
        let endpoint = |address| Endpoint::new(name, address).with_metrics(MetricsSource::new(address));
        let (source, http) = (source(&publisher), bind("127.0.0.1:0").await);
        let config = EmulatorConfig::new("m", EngineConfig::a100_8b());
        let engine = Emulator::publishing(config, http, publisher).expect("bound");
        endpoints.push(endpoint(engine.address()).with_kv_events(source));
        engines.push(engine);
    }
    let gateway = gateway(Policy::preset("phalanx").expect("a policy"), endpoints).await;
    for name in ["e0", "e1"] {
        events(&gateway, name, whole).await;
    }
    for about in ["shields", "walls", "spears"] {
        let prompt = prompt(about);
        let before = ["e0", "e1"].map(|name| gateway.handle().kv_events(name).expect("followed").report().batches);
        let first = chosen(&gateway, &prompt).await;
        let before = before[usize::from(first == "e1")];
        let report = events(&gateway, &first, |report| report.batches > before).await;
        assert!(report.applied.stored > 0 && report.applied.unplaced == 0, "{report:?}");
        for _ in 0..3 {
            assert_eq!(chosen(&gateway, &prompt).await, first, "{about}");
        }
    }
    let cached: u64 = engines[0].counters().await.map_or(0, |sums| sums.cached_tokens)
        + engines[1].counters().await.map_or(0, |sums| sums.cached_tokens);
    assert!(cached > 3_000, "{cached}");
    for name in ["e0", "e1"] {
        let signals = metrics(&gateway, name, |report| report.pages > 0).await.signals.expect("a page");
        assert_eq!(signals.waiting, Some(0));
    }
    gateway.shutdown().await;
}

/// Two scripted engines, the second of which publishes.
async fn pair(publisher: &Publisher) -> (Gateway, [Engine; 2]) {
    let answer = Script::Answer(response("200 OK", "application/json", "{}"));
    let engines = [Engine::start(answer.clone()).await, Engine::start(answer).await];
    let endpoints = [
        Endpoint::new("e0", engines[0].address),
        Endpoint::new("e1", engines[1].address).with_kv_events(source(publisher)),
    ];
    (gateway(Policy::preset("phalanx").expect("a policy"), endpoints).await, engines)
}

#[tokio::test]
async fn a_gap_is_replayed_into_the_index() {
    let publisher = free_publisher().await;
    let (gateway, _engines) = pair(&publisher).await;
    events(&gateway, "e1", whole).await;
    publisher.publish(stored(&prompt("one")));
    events(&gateway, "e1", |report| report.batches == 1).await;
    publisher.lose(stored(&prompt("two")));
    publisher.publish(stored(&prompt("three")));
    let report = events(&gateway, "e1", |report| report.batches == 3 && whole(report)).await;
    assert_eq!(report.dropped, 0);
    for about in ["one", "two", "three"] {
        for _ in 0..4 {
            assert_eq!(chosen(&gateway, &prompt(about)).await, "e1", "{about}");
        }
    }
}

#[tokio::test]
async fn an_engine_that_restarts_is_learned_anew() {
    let first = free_publisher().await;
    let addresses = [first.address(), first.replay_address().expect("one")].map(|address| address.to_string());
    let (gateway, _engines) = pair(&first).await;
    first.publish(stored(&prompt("one")));
    events(&gateway, "e1", |report| report.batches == 1 && whole(report)).await;
    drop(first);
    events(&gateway, "e1", |report| !report.connected).await;
    let second = publisher(&addresses[0], &addresses[1]).await;
    second.publish(stored(&prompt("two")));
    let report = events(&gateway, "e1", |report| report.batches == 2 && whole(report)).await;
    assert!(report.dropped >= 1);
    for _ in 0..4 {
        assert_eq!(chosen(&gateway, &prompt("two")).await, "e1");
    }
}

/// An engine's metrics, on a socket of their own.
async fn tells(page: String) -> SocketAddr {
    let listener = bind("127.0.0.1:0").await;
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let page = page.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while stream.read_buf(&mut head).await.is_ok_and(|count| count > 0) {
                    if head.ends_with(b"\r\n\r\n") {
                        let _ = stream.write_all(response("200 OK", "text/plain", &page).as_bytes()).await;
                        head.clear();
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn metrics_reach_the_load() {
    let answer = Script::Answer(response("200 OK", "application/json", "{}"));
    let engines = [Engine::start(answer.clone()).await, Engine::start(answer).await];
    let mut endpoints = Vec::new();
    for (name, engine, waiting) in [("busy", &engines[0], 50), ("idle", &engines[1], 0)] {
        let page = format!("vllm:num_requests_waiting {waiting}\nvllm:num_requests_running 8\n");
        let source = MetricsSource::new(tells(page).await).with_interval(Duration::from_millis(10));
        endpoints.push(Endpoint::new(name, engine.address).with_metrics(source));
    }
    let gateway = gateway(Policy::preset("phalanx").expect("a policy"), endpoints).await;
    for name in ["busy", "idle"] {
        metrics(&gateway, name, |report| report.pages > 0).await;
    }
    for _ in 0..8 {
        assert_eq!(chosen(&gateway, "anything").await, "idle");
    }
}

#[tokio::test]
async fn a_request_for_an_adapter_goes_where_it_is_loaded() {
    let answer = Script::Answer(response("200 OK", "application/json", "{}"));
    let engines = [Engine::start(answer.clone()).await, Engine::start(answer).await];
    let mut endpoints = Vec::new();
    // The one that has it is the busier one.
    for (name, engine, loaded, running) in [("has", &engines[0], "poet,other", 12), ("lacks", &engines[1], "other", 5)]
    {
        let page = format!(
            "vllm:num_requests_waiting 0\nvllm:num_requests_running {running}\n\
             vllm:lora_requests_info{{running_lora_adapters=\"{loaded}\",waiting_lora_adapters=\"\",max_lora=\"4\"}} 1\n"
        );
        let source = MetricsSource::new(tells(page).await).with_interval(Duration::from_millis(10));
        endpoints.push(Endpoint::new(name, engine.address).with_metrics(source));
    }
    let route = ModelRoute::to("tiny", "server").with_adapters(["poet"]);
    let gateway = gateway_of(route, Policy::preset("phalanx").expect("a policy"), endpoints).await;
    for name in ["has", "lacks"] {
        metrics(&gateway, name, |report| report.pages > 0).await;
    }
    // What was read while a request was under way took it for one of the engine's others.
    let read_again = async || {
        for name in ["has", "lacks"] {
            let before = gateway.handle().metrics(name).expect("they are read").report().pages;
            metrics(&gateway, name, |report| report.pages > before).await;
        }
    };
    for _ in 0..8 {
        assert_eq!(chosen_for(&gateway, "poet", "anything").await, "has");
        read_again().await;
        assert_eq!(chosen_for(&gateway, "tiny", "anything").await, "lacks");
        read_again().await;
    }
}

/// Asks an emulated engine for something that has to do with an adapter.
async fn adapter(engine: &Emulator, what: &str, name: &str) {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let body = json!({ "lora_name": name, "lora_path": "/anywhere" }).to_string();
    let request = Request::post(format!("http://{}/v1/{what}_lora_adapter", engine.address()));
    let answer = client.request(request.body(Full::new(body.into())).expect("a valid request")).await;
    assert_eq!(answer.expect("it answers").status(), StatusCode::OK);
}

#[tokio::test]
async fn requests_follow_an_adapter_from_engine_to_engine() {
    let mut engines = Vec::new();
    let mut endpoints = Vec::new();
    for name in ["e0", "e1", "e2"] {
        let config = EmulatorConfig::new("tiny", EngineConfig::a100_8b()).with_max_loras(2);
        let engine = Emulator::start(config, bind("127.0.0.1:0").await).expect("bound");
        let source = MetricsSource::new(engine.address()).with_interval(Duration::from_millis(10));
        endpoints.push(Endpoint::new(name, engine.address()).with_metrics(source));
        engines.push(engine);
    }
    let route = ModelRoute::to("tiny", "server").with_adapters(["poet"]);
    let gateway = gateway_of(route, Policy::preset("phalanx").expect("a policy"), endpoints).await;
    // Two pages later each engine has been asked after what was done before.
    let told = async || {
        for name in ["e0", "e1", "e2"] {
            let before = metrics(&gateway, name, |_| true).await.pages;
            metrics(&gateway, name, |report| report.pages >= before + 2).await;
        }
    };
    for (at, name) in ["e1", "e2", "e0"].into_iter().enumerate().map(|(i, name)| ((i + 1) % 3, name)) {
        adapter(&engines[at], "load", "poet").await;
        told().await;
        for _ in 0..8 {
            assert_eq!(chosen_for(&gateway, "poet", "anything").await, name);
        }
        adapter(&engines[at], "unload", "poet").await;
        told().await;
    }
    // Where nobody has it, an engine says so.
    let answer = send(&gateway, Method::POST, COMPLETIONS, r#"{"model":"poet","prompt":"x"}"#).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    settled(&gateway).await;
}

#[tokio::test]
async fn without_events_a_prompt_goes_where_a_like_one_went() {
    let answer = Script::Answer(response("200 OK", "application/json", "{}"));
    let mut endpoints = Vec::new();
    for name in ["e0", "e1", "e2", "e3"] {
        endpoints.push(Endpoint::new(name, Engine::start(answer.clone()).await.address));
    }
    let gateway = gateway(Policy::preset("phalanx").expect("a policy"), endpoints).await;
    let mut first = Vec::new();
    for group in 0..8 {
        first.push(chosen(&gateway, &prompt(&format!("group {group} "))).await);
    }
    assert!(first.iter().any(|of| *of != first[0]), "prompts that are new are spread: {first:?}");
    for group in (0..8).cycle().take(32) {
        assert_eq!(chosen(&gateway, &prompt(&format!("group {group} "))).await, first[group]);
    }
}

#[tokio::test]
async fn a_gateway_that_starts_takes_over_what_its_peer_knows() {
    // An engine that has published more than it can repeat.
    let config = PublisherConfig::new().with_topic("kv@here@m").with_kept(4, 1 << 20);
    let publisher =
        Publisher::start(&config, bind("127.0.0.1:0").await, Some(bind("127.0.0.1:0").await)).expect("bound");
    let (mut first, engines) = pair(&publisher).await;
    events(&first, "e1", whole).await;
    publisher.publish(stored(&prompt("one")));
    for number in 0..6 {
        publisher.publish(stored(&prompt(&format!("number {number}"))));
    }
    events(&first, "e1", |report| report.batches == 7 && whole(report)).await;
    let peer = first.peers(bind("127.0.0.1:0").await).expect("bound");

    // Nothing comes from there: what is held is what was taken over.
    let nobody = support::nobody().await;
    let silent = EventSource::new(nobody.into()).with_replay(nobody.into());
    let named = |model: &str, name: &str| {
        let routes = RouteTable::new([ModelRoute::to(model, model)]).expect("one route");
        let endpoints = [
            Endpoint::new("e0", engines[0].address),
            Endpoint::new(name, engines[1].address).with_kv_events(silent.clone()),
        ];
        GatewayConfig::new(routes, Policy::phalanx())
            .with_block_size(BlockSize::new(BLOCK).expect("in range"))
            .with_pool(model, Pool::of(endpoints).serving("m"))
    };
    let routes = RouteTable::new([ModelRoute::to("m", "server")]).expect("one route");
    let endpoints = [
        Endpoint::new("e0", engines[0].address),
        Endpoint::new("e1", engines[1].address).with_kv_events(source(&publisher)),
    ];
    let mut warm = GatewayConfig::new(routes, Policy::phalanx())
        .with_block_size(BlockSize::new(BLOCK).expect("in range"))
        .with_pool("server", Pool::of(endpoints));
    let warmth = warm.warm_from(peer, Duration::from_secs(20)).await.expect("it answers");
    assert!(warmth.endpoints == 2 && warmth.blocks > 0, "{warmth:?}");
    // Published while the second one starts: it asks for it.
    publisher.publish(stored(&prompt("two")));
    let second = Gateway::start(warm, bind("127.0.0.1:0").await).expect("sound");
    let report = events(&second, "e1", |report| report.batches >= 1 && whole(report)).await;
    assert_eq!((report.dropped, report.applied.unplaced), (0, 0), "{report:?}");
    for about in ["one", "number 3", "two"] {
        for _ in 0..4 {
            assert_eq!(chosen(&second, &prompt(about)).await, "e1", "{about}");
        }
    }
    // Nothing is believed of an endpoint of another name or model, whoever has its address.
    for (model, name) in [("n", "e7"), ("n", "e1")] {
        let mut other = named(model, name);
        other.warm_from(peer, Duration::from_secs(20)).await.expect("it answers");
        let mut other = Gateway::start(other, bind("127.0.0.1:0").await).expect("sound");
        let address = other.debug(bind("127.0.0.1:0").await).expect("loopback");
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream
            .write_all(b"GET /debug/endpoints HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .await
            .expect("open");
        let mut page = String::new();
        stream.read_to_string(&mut page).await.expect("text");
        let all: serde_json::Value =
            serde_json::from_str(page.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
        let held = all.as_array().expect("a list").iter().find(|of| of["name"] == name).map(|of| &of["blocks"]);
        assert_eq!(held, Some(&0.into()), "{model} {name}");
    }
    let wrong = GatewayConfig::new(RouteTable::new([]).expect("none"), Policy::phalanx());
    let mut wrong = wrong.with_block_size(BlockSize::new(64).expect("in range"));
    assert!(wrong.warm_from(peer, Duration::from_secs(20)).await.is_err_and(|error| error.to_string().contains("400")));
    assert!(wrong.warm_from(engines[0].address, Duration::from_secs(20)).await.is_err());
}
