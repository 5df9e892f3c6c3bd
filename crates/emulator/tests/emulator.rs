//! The emulator over HTTP, as a client sees it.

use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use phalanx_emulator::{Emulator, EmulatorConfig};
use phalanx_engine::EngineConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;

async fn start() -> Emulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let config = EmulatorConfig::new("tiny", EngineConfig::a100_8b());
    Emulator::start(config, listener).expect("a bound listener")
}

async fn call(address: SocketAddr, path: &str, body: Option<Value>) -> Response<Incoming> {
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    let uri = format!("http://{address}{path}");
    let request = match body {
        Some(body) => Request::post(uri).body(Body::from(body.to_string())),
        None => Request::get(uri).body(Body::empty()),
    };
    client.request(request.expect("a valid request")).await.expect("the emulator answers")
}

async fn read(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.expect("a whole body").to_bytes()
}

async fn json_of(response: Response<Incoming>) -> Value {
    assert_eq!(response.status(), StatusCode::OK);
    serde_json::from_slice(&read(response).await).expect("JSON")
}

fn metric(page: &str, name: &str) -> f64 {
    let line = page.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {page}"));
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}

#[tokio::test]
async fn a_completion_has_the_length_asked_for() {
    let emulator = start().await;
    let body = json!({ "model": "tiny", "prompt": "x".repeat(402), "max_tokens": 3, "temperature": 0.5 });
    let answer = json_of(call(emulator.address(), "/v1/completions", Some(body)).await).await;
    assert_eq!(answer["object"], "text_completion");
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(answer["choices"][0]["text"].as_str().expect("text").split_whitespace().count(), 3);
    assert_eq!(answer["usage"]["prompt_tokens"], 101);
    assert_eq!(answer["usage"]["completion_tokens"], 3);
    assert_eq!(answer["usage"]["total_tokens"], 104);
}

#[tokio::test]
async fn the_second_of_two_equal_prompts_is_cached() {
    let emulator = start().await;
    let body = json!({ "model": "tiny", "prompt": (0..4096).collect::<Vec<u32>>(), "max_tokens": 1 });
    let address = emulator.address();
    let first = json_of(call(address, "/v1/completions", Some(body.clone())).await).await;
    let second = json_of(call(address, "/v1/completions", Some(body)).await).await;
    assert_eq!(first["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    let cached = second["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().expect("a number");
    assert!(cached > 3_000, "{cached}");

    let page = String::from_utf8(read(call(address, "/metrics", None).await).await.to_vec()).expect("text");
    assert!(metric(&page, "vllm:prefix_cache_hits_total") > 3_000.0);
    assert!((metric(&page, "vllm:prefix_cache_queries_total") - 8_192.0).abs() < 0.5);
    assert!(metric(&page, "vllm:num_requests_running").abs() < 0.5);
    assert!(metric(&page, "vllm:kv_cache_usage_perc") >= 0.0);
}

#[tokio::test]
async fn a_chat_streams_token_by_token() {
    let emulator = start().await;
    let body = json!({
        "model": "tiny", "messages": [{ "role": "user", "content": [{ "type": "text", "text": "hello" }] }],
        "max_completion_tokens": 4, "stream": true, "stream_options": { "include_usage": true },
    });
    let answer = call(emulator.address(), "/v1/chat/completions", Some(body)).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let text = String::from_utf8(read(answer).await.to_vec()).expect("text");
    let events: Vec<&str> = text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    assert_eq!(events.len(), 6, "{text}");
    assert_eq!(events[5], "[DONE]");
    let first: Value = serde_json::from_str(events[0]).expect("JSON");
    assert_eq!(first["choices"][0]["delta"]["role"], "assistant");
    let last: Value = serde_json::from_str(events[3]).expect("JSON");
    assert_eq!(last["choices"][0]["finish_reason"], "length");
    let usage: Value = serde_json::from_str(events[4]).expect("JSON");
    assert_eq!(usage["usage"]["completion_tokens"], 4);
    assert_eq!(usage["choices"], json!([]));
}

#[tokio::test]
async fn a_message_is_answered_as_anthropics_clients_read_it() {
    let emulator = start().await;
    let path = "/v1/messages";
    let long = "hello ".repeat(2_000);
    let mut body = json!({
        "model": "tiny", "system": [{ "type": "text", "text": "Be brief." }], "max_tokens": 3,
        "messages": [{ "role": "user", "content": long }],
    });
    let first = json_of(call(emulator.address(), path, Some(body.clone())).await).await;
    let text = first["content"][0]["text"].as_str().expect("a text").to_owned();
    assert_eq!((text.split_whitespace().count(), &first["stop_reason"]), (3, &json!("max_tokens")), "{first}");
    let tokens = first["usage"]["input_tokens"].as_u64().expect("a count");

    body["stream"] = true.into();
    let answer = call(emulator.address(), path, Some(body.clone())).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let streamed = String::from_utf8(read(answer).await.to_vec()).expect("text");
    let events: Vec<(&str, Value)> = streamed
        .split_terminator("\n\n")
        .map(|event| {
            let (name, data) =
                event.strip_prefix("event: ").and_then(|event| event.split_once("\ndata: ")).expect("an event");
            (name, serde_json::from_str(data).expect("JSON"))
        })
        .collect();
    let names: Vec<_> = events.iter().map(|(name, _)| *name).collect();
    let delta = "content_block_delta";
    let end = ["content_block_stop", "message_delta", "message_stop"];
    assert_eq!(names, [&["message_start", "content_block_start", delta, delta, delta], end.as_slice()].concat());
    assert!(events.iter().all(|(name, data)| data["type"] == *name), "{streamed}");
    let said: String = events.iter().filter_map(|(_, data)| data["delta"]["text"].as_str()).collect();
    assert_eq!(said, text);
    // The prompt is cached by now.
    let usage = &events[events.len() - 2].1["usage"];
    let [fresh, cached] =
        ["input_tokens", "cache_read_input_tokens"].map(|name| usage[name].as_u64().expect("a count"));
    assert!(cached > tokens / 2 && fresh + cached == tokens, "{usage}");

    body["model"] = "other".into();
    let no_limit = json!({ "model": "tiny", "messages": [{ "role": "user", "content": "hi" }] });
    for (body, status, kind) in [(body, 404, "not_found_error"), (no_limit, 400, "invalid_request_error")] {
        let refused = call(emulator.address(), path, Some(body)).await;
        assert_eq!(refused.status().as_u16(), status);
        let refused: Value = serde_json::from_slice(&read(refused).await).expect("JSON");
        assert_eq!((&refused["type"], &refused["error"]["type"]), (&json!("error"), &json!(kind)), "{refused}");
    }
}

#[tokio::test]
async fn transferred_kv_is_not_computed_again() {
    let emulator = start().await;
    let address = emulator.address();
    let prompt: Vec<u32> = (0..20_000).collect();
    let body = json!({ "prompt": prompt, "max_tokens": 1, "kv_transfer_params": { "do_remote_decode": true } });
    let prefill = json_of(call(address, "/v1/completions", Some(body)).await).await;
    let parameters = prefill["kv_transfer_params"].clone();
    assert_eq!(parameters["do_remote_prefill"], true);
    assert_eq!(parameters["remote_port"], address.port());

    let other = start().await;
    let body = json!({ "prompt": prompt, "max_tokens": 1, "kv_transfer_params": parameters });
    json_of(call(other.address(), "/v1/completions", Some(body)).await).await;
    let page = String::from_utf8(read(call(other.address(), "/metrics", None).await).await.to_vec()).expect("text");
    // 20,000 tokens would take 1.4 s to compute.
    assert!(metric(&page, "vllm:time_to_first_token_seconds_sum") < 0.5, "{page}");
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_seat() {
    let emulator = start().await;
    let address = emulator.address();
    let body = json!({ "prompt": "hello", "max_tokens": 100_000, "stream": true });
    let mut answer = call(address, "/v1/completions", Some(body)).await;
    assert!(answer.frame().await.is_some());
    drop(answer);
    let freed = async {
        loop {
            let page = String::from_utf8(read(call(address, "/metrics", None).await).await.to_vec()).expect("text");
            if metric(&page, "vllm:num_requests_running") < 0.5 {
                return page;
            }
        }
    };
    let page = tokio::time::timeout(std::time::Duration::from_secs(20), freed).await.expect("the seat comes free");
    assert!(page.contains("finished_reason=\"abort\""), "{page}");
}

#[tokio::test]
async fn bad_requests_name_the_field() {
    let emulator = start().await;
    let cases = [
        (json!({ "model": "other", "prompt": "x" }), 404, "`other`"),
        (json!({ "prompt": "" }), 400, "empty"),
        (json!({ "prompt": ["a", "b"] }), 400, "exactly one prompt"),
        (json!({ "prompt": "x", "max_tokens": -1 }), 400, "`max_tokens` is -1"),
        (json!({ "prompt": "x", "max_tokens": 0 }), 400, "`max_tokens` is 0"),
        (json!({ "prompt": "x", "n": 2 }), 400, "`n` must be 1"),
        (json!({ "model": "tiny" }), 400, "prompt"),
        (json!({ "prompt": "x", "max_tokens": 4_000_000_000_u32 }), 400, ""),
    ];
    for (body, status, message) in cases {
        let answer = call(emulator.address(), "/v1/completions", Some(body.clone())).await;
        assert_eq!(answer.status().as_u16(), status, "{body}");
        let error: Value = serde_json::from_slice(&read(answer).await).expect("JSON");
        assert!(error["error"]["message"].as_str().expect("a message").contains(message), "{error}");
    }
    let missing = call(emulator.address(), "/nothing", None).await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn models_and_health() {
    let emulator = start().await;
    let models = json_of(call(emulator.address(), "/v1/models", None).await).await;
    assert_eq!(models["data"][0]["id"], "tiny");
    assert_eq!(call(emulator.address(), "/healthz", None).await.status(), StatusCode::OK);
}
