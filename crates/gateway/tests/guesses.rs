//! What the gateway guesses of caches that nobody tells of, and how answers correct it.

#[allow(dead_code, reason = "the other tests use the rest")]
mod support;

use http::{Method, StatusCode};
use phalanx_emulator::{Emulator, EmulatorConfig};
use phalanx_engine::EngineConfig;
use phalanx_gateway::{Endpoint, Gateway, GatewayConfig, Pool};
use phalanx_kvcache::BlockSize;
use phalanx_routing::{ModelRoute, Policy, RouteTable};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use support::{Engine, json_ok, send, settled, text};

async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

/// A gateway before one endpoint that tells nothing, with its debug socket.
async fn gateway(endpoint: Endpoint) -> (Gateway, std::net::SocketAddr) {
    let routes = RouteTable::new([ModelRoute::to("m", "server")]).expect("one route");
    let config = GatewayConfig::new(routes, Policy::phalanx())
        .with_block_size(BlockSize::new(16).expect("in range"))
        .with_pool("server", Pool::of([endpoint]));
    let mut gateway = Gateway::start(config, bind().await).expect("sound");
    let debug = gateway.debug(bind().await).expect("loopback");
    (gateway, debug)
}

async fn ask(gateway: &Gateway, about: &str) -> Value {
    ask_at_length(gateway, about, 40).await
}

async fn ask_at_length(gateway: &Gateway, about: &str, times: usize) -> Value {
    let prompt = format!("a prompt about {about}, told at some length. ").repeat(times);
    let body = json!({ "model": "m", "prompt": prompt, "max_tokens": 1 }).to_string();
    let answer = send(gateway, Method::POST, "/v1/completions", &body).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let answer = serde_json::from_str(&text(answer).await).expect("JSON");
    settled(gateway).await;
    answer
}

/// The first row of a part of the debug dump.
async fn first(debug: std::net::SocketAddr, part: &str) -> Value {
    let mut stream = TcpStream::connect(debug).await.expect("it listens");
    let request = format!("GET /debug/{part} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("open");
    let mut page = String::new();
    stream.read_to_string(&mut page).await.expect("text");
    let rows: Value = serde_json::from_str(page.split_once("\r\n\r\n").expect("a body").1).expect("JSON");
    rows[0].clone()
}

#[tokio::test]
async fn an_answer_that_says_what_was_cached_corrects_the_guess() {
    // It has room for four of the prompts, and the gateway takes it for a larger one.
    let engine = EngineConfig::a100_8b().with_block_size(BlockSize::new(16).expect("in range")).with_kv_tokens(2_048);
    let config = EmulatorConfig::new("m", engine.expect("in range"));
    let engine = Emulator::start(config, bind().await).expect("bound");
    let (gateway, debug) = gateway(Endpoint::new("e0", engine.address())).await;
    let cached = |answer: &Value| answer["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64();
    ask(&gateway, "roofs").await;
    ask(&gateway, "shields").await;
    assert!(cached(&ask(&gateway, "shields").await) > Some(400), "it is there");
    // A hit of another length: the engine does not reuse in large steps only.
    assert!(cached(&ask_at_length(&gateway, "shields", 25).await) > Some(200), "the first part is");
    for about in ["walls", "spears", "towers", "gates", "ditches", "bridges", "moats"] {
        ask(&gateway, about).await;
    }
    let guessed = first(debug, "endpoints").await["blocks"].as_u64().expect("a number");
    assert!(guessed > 200, "all nine are guessed to be there: {guessed}");
    assert_eq!(cached(&ask(&gateway, "shields").await), Some(0), "it has gone");
    let endpoint = first(debug, "endpoints").await;
    let reports = &endpoint["cache_reports"];
    assert_eq!(reports["count"], 12, "{endpoint}");
    assert!(reports["guessed"].as_u64() > reports["agreed"].as_u64(), "{endpoint}");
    assert!(endpoint["blocks"].as_u64() < Some(guessed), "what was used earlier has gone, too: {endpoint}");
    assert!(first(debug, "decisions").await["cached_tokens"].as_u64() > Some(400), "it was guessed to be there");
    // Now it is, and what came last as well.
    assert!(cached(&ask(&gateway, "shields").await) > Some(400));
    assert!(first(debug, "decisions").await["cached_tokens"].as_u64() > Some(400));
    gateway.shutdown().await;
}

#[tokio::test]
async fn counts_of_other_tokens_correct_nothing() {
    // Another tokenizer: what it calls cached is nothing in blocks of ours.
    let body = r#"{"usage":{"prompt_tokens":7,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":4}}}"#;
    let engine = Engine::start(json_ok(body)).await;
    let (gateway, debug) = gateway(Endpoint::new("e0", engine.address)).await;
    for _ in 0..3 {
        ask(&gateway, "shields").await;
    }
    let endpoint = first(debug, "endpoints").await;
    assert_eq!(endpoint["cache_reports"]["count"], 0, "{endpoint}");
    assert!(first(debug, "decisions").await["cached_tokens"].as_u64() > Some(400));
}
