//! Prompts as the tokens that engines compute, on real sockets.

#[allow(dead_code, reason = "the other tests use the rest")]
mod support;
#[path = "../src/tokens/tiny.rs"]
mod tiny;

use std::path::PathBuf;
use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use phalanx_emulator::{Emulator, EmulatorConfig};
use phalanx_engine::EngineConfig;
use phalanx_gateway::{Endpoint, Gateway, GatewayConfig, Pool, Tokenizer, TokenizerConfig};
use phalanx_kvcache::feed::Standing;
use phalanx_kvcache::wire::{Event, Stored, Tokens, encode};
use phalanx_kvcache::{BlockSize, ChainHasher};
use phalanx_routing::{ModelRoute, Policy, RouteTable};
use phalanx_signals::{EventReport, EventSource, Publisher, PublisherConfig};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use support::{Engine, Script, response, send, settled};

const CHAT: &str = "/v1/chat/completions";
const COMPLETIONS: &str = "/v1/completions";
const BLOCK: u32 = 16;

/// A model's folder that is gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, tokenizer: &Value, template: &str) -> Self {
        let path = std::env::temp_dir().join(format!("phalanx-gateway-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        let config = json!({ "eos_token": "<|im_end|>", "chat_template": template });
        for (file, json) in [("tokenizer.json", tokenizer), ("tokenizer_config.json", &config)] {
            std::fs::write(path.join(file), json.to_string()).expect("a file");
        }
        Self(path)
    }

    fn load(&self) -> Tokenizer {
        TokenizerConfig::new(&self.0).load().expect("a folder")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports")
}

async fn publisher() -> (Publisher, EventSource) {
    let publisher = Publisher::start(&PublisherConfig::new(), bind().await, Some(bind().await)).expect("bound");
    let replay = publisher.replay_address().expect("it has one");
    let source = EventSource::new(publisher.address().into()).with_replay(replay.into());
    (publisher, source)
}

async fn gateway(tokenizer: Tokenizer, endpoints: impl IntoIterator<Item = Endpoint>) -> Gateway {
    let routes = RouteTable::new([ModelRoute::to("m", "server").with_adapters(["poet"])]).expect("one route");
    let config = GatewayConfig::new(routes, Policy::preset("phalanx").expect("a policy"))
        .with_block_size(BlockSize::new(BLOCK).expect("in range"))
        .with_pool("server", Pool::of(endpoints).with_tokenizer(tokenizer));
    Gateway::start(config, bind().await).expect("sound")
}

async fn events(gateway: &Gateway, endpoint: &str, wanted: impl FnMut(&EventReport) -> bool) {
    let handle = gateway.handle();
    let watch = handle.kv_events(endpoint).expect("it is followed");
    let report = tokio::time::timeout(Duration::from_secs(20), watch.wait_for(wanted)).await;
    report.unwrap_or_else(|_| panic!("never: {:?}", watch.report())).expect("it runs");
}

/// Which endpoint answers.
async fn chosen(gateway: &Gateway, path: &str, body: &Value) -> String {
    let answer = send(gateway, Method::POST, path, &body.to_string()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let endpoint = answer.headers()["x-phalanx-endpoint"].to_str().expect("text").to_owned();
    answer.into_body().collect().await.expect("a whole body");
    settled(gateway).await;
    endpoint
}

async fn metrics(gateway: &Gateway) -> String {
    let answer = send(gateway, Method::GET, "/metrics", "").await;
    let bytes = answer.into_body().collect().await.expect("a whole body").to_bytes();
    String::from_utf8(bytes.into()).expect("text")
}

/// The sum of a metric's samples that have these labels.
fn sum(page: &str, name: &str, labels: &str) -> f64 {
    let lines = page.lines().filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(labels));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

/// A batch that stores full blocks of these tokens, perhaps computed with an adapter.
fn stored(tokens: &[u32], adapter: Option<&str>) -> Vec<u8> {
    let hasher = ChainHasher::new(BlockSize::new(BLOCK).expect("in range"));
    let names = hasher.hash_tokens(tokens);
    let mut stored = Stored::new(&names, Tokens::Ids(&tokens[..names.len() * BLOCK as usize]), BLOCK);
    stored.lora_name = adapter;
    let mut payload = Vec::new();
    encode(1.0, None, &[Event::Stored(stored)], &mut payload);
    payload
}

/// Two scripted engines, of which the second tells what it holds.
async fn pair(tokenizer: Tokenizer) -> (Gateway, [Engine; 2], Publisher) {
    let answer = Script::Answer(response("200 OK", "application/json", "{}"));
    let engines = [Engine::start(answer.clone()).await, Engine::start(answer).await];
    let (publisher, source) = publisher().await;
    let endpoints =
        [Endpoint::new("e0", engines[0].address), Endpoint::new("e1", engines[1].address).with_kv_events(source)];
    let gateway = gateway(tokenizer, endpoints).await;
    events(&gateway, "e1", |report| report.connected && report.standing == Standing::Whole).await;
    (gateway, engines, publisher)
}

#[tokio::test]
async fn the_same_chat_goes_where_its_tokens_are() {
    let folder = Folder::new("emulators", &tiny::tokenizer(&[], &[]), tiny::CHATML);
    let (mut endpoints, mut engines) = (Vec::new(), Vec::new());
    for name in ["e0", "e1"] {
        let (publisher, source) = publisher().await;
        let config = EmulatorConfig::new("m", EngineConfig::a100_8b()).with_byte_tokens();
        let engine = Emulator::publishing(config, bind().await, publisher).expect("bound");
        endpoints.push(Endpoint::new(name, engine.address()).with_kv_events(source));
        engines.push(engine);
    }
    let gateway = gateway(folder.load(), endpoints).await;
    for name in ["e0", "e1"] {
        events(&gateway, name, |report| report.connected && report.standing == Standing::Whole).await;
    }
    for about in ["shields", "walls", "spears"] {
        let content = format!("a question about {about}, asked at some length. ").repeat(10);
        let body = json!({ "model": "m", "messages": [{ "role": "user", "content": content }], "max_tokens": 1 });
        let before = ["e0", "e1"].map(|name| gateway.handle().kv_events(name).expect("followed").report().batches);
        let first = chosen(&gateway, CHAT, &body).await;
        let before = before[usize::from(first == "e1")];
        events(&gateway, &first, |report| report.batches > before).await;
        for _ in 0..3 {
            assert_eq!(chosen(&gateway, CHAT, &body).await, first, "{about}");
        }
    }
    let (mut cached, mut prompts) = (0, 0);
    for engine in &engines {
        let counters = engine.counters().await.expect("it runs");
        cached += counters.cached_tokens;
        prompts += counters.prompt_tokens;
    }
    assert!(cached * 10 > prompts * 7, "{cached} of {prompts}");
    let page = metrics(&gateway).await;
    // Every token is one that the engines counted too.
    assert!((sum(&page, "kthena_router_tokens_total", "token_type=\"input\"") - prompts as f64).abs() < 0.5, "{page}");
    assert!((sum(&page, "phalanx_gateway_tokenize_seconds_count", "") - 12.0).abs() < 0.5, "{page}");
    assert!(sum(&page, "phalanx_gateway_tokenizer_fallbacks_total", "").abs() < 0.5, "{page}");
    gateway.shutdown().await;
}

#[tokio::test]
async fn what_an_engine_tells_in_tokens_is_found_in_text() {
    let merges = [("t", "h"), ("h", "e"), ("t", "he"), (" ", "t"), (" t", "he"), ("a", "n")];
    let special = ["<|im_start|>", "<|im_end|>"];
    let folder = Folder::new("tokens", &tiny::tokenizer(&merges, &special), tiny::CHATML);
    let (gateway, _engines, publisher) = pair(folder.load()).await;
    let own = tokenizers::Tokenizer::from_file(folder.0.join("tokenizer.json")).expect("a tokenizer");
    let content = "an answer to the question of the other one, then another. ".repeat(8);
    let text = format!("<|im_start|>user\n{content}<|im_end|>\n<|im_start|>assistant\n");
    let chat = own.encode(text.as_str(), false).expect("text").get_ids().to_vec();
    let plain = own.encode(content.as_str(), true).expect("text").get_ids().to_vec();
    assert!(plain.len() < content.len(), "some letters are one token");
    let message = json!([{ "role": "user", "content": content }]);
    let bodies = [
        (CHAT, json!({ "model": "m", "messages": message })),
        ("/v1/messages", json!({ "model": "m", "max_tokens": 1, "messages": message })),
        ("/v1/responses", json!({ "model": "m", "input": content })),
        (COMPLETIONS, json!({ "model": "m", "prompt": content })),
        (COMPLETIONS, json!({ "model": "m", "prompt": [content, "more"] })),
        (COMPLETIONS, json!({ "model": "m", "prompt": plain })),
    ];
    publisher.publish(stored(&chat, None));
    publisher.publish(stored(&plain, None));
    events(&gateway, "e1", |report| report.batches == 2).await;
    for (path, body) in &bodies {
        for _ in 0..3 {
            assert_eq!(chosen(&gateway, path, body).await, "e1", "{path} {body}");
        }
    }
}

#[tokio::test]
async fn an_adapters_blocks_are_its_own() {
    let folder = Folder::new("adapters", &tiny::tokenizer(&[], &[]), tiny::CHATML);
    let (gateway, _engines, publisher) = pair(folder.load()).await;
    let prompt = "a verse about shields and spears and walls, ".repeat(8);
    let tokens: Vec<u32> = prompt.bytes().map(u32::from).collect();
    publisher.publish(stored(&tokens, Some("poet")));
    events(&gateway, "e1", |report| report.batches == 1).await;
    for _ in 0..4 {
        assert_eq!(chosen(&gateway, COMPLETIONS, &json!({ "model": "poet", "prompt": prompt })).await, "e1");
    }
}

#[tokio::test]
async fn a_template_that_fails_costs_no_request() {
    for (name, template) in [
        ("refuses", "{{ raise_exception('no') }}"),
        ("endless", "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}"),
    ] {
        let folder = Folder::new(name, &tiny::tokenizer(&[], &[]), template);
        let (gateway, _engines, _publisher) = pair(folder.load()).await;
        let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hi" }] });
        chosen(&gateway, CHAT, &body).await;
        let page = metrics(&gateway).await;
        // On a machine that is slow the time is over before the fuel is.
        let counted = |reason: &str| sum(&page, "phalanx_gateway_tokenizer_fallbacks_total", reason);
        assert!(counted("reason=\"template\"") + counted("reason=\"late\"") > 0.5, "{page}");
    }
}
