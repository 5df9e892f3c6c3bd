//! The gateway on real sockets, in front of engines that behave and engines that do not.

mod routes;
mod support;

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use phalanx_gateway::{ConfigError, Endpoint, Gateway, GatewayConfig, Limits, Phase, Pool, StartError};
use phalanx_kvcache::{BlockSize, ChainHasher, Change, Layer};
use phalanx_routing::{ModelRoute, Policy, RouteTable, Target};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use support::{
    Engine, Script, Seen, events, gateway, gateway_with, json_ok, nobody, pool, response, send, settled, text,
};

const CHAT: &str = "/v1/chat/completions";

#[tokio::test]
async fn the_clients_bytes_reach_the_engine_and_the_engines_reach_the_client() {
    let mut engine = Engine::start(json_ok(r#"{"id": 1.0}"#)).await;
    let gateway = gateway(pool(&[engine.address])).await;
    let body = r#"{ "model":"m", "messages":[{"role":"user","content":"hi"}], "unknown": 1.50 }"#;
    let answer = send(&gateway, Method::POST, CHAT, body).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["x-phalanx-endpoint"], "e0");
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(text(answer).await, r#"{"id": 1.0}"#);
    let (head, seen) = engine.request().await;
    assert_eq!(seen, body);
    assert!(head.starts_with("post /v1/chat/completions http/1.1\r\n"), "{head}");
    assert!(!head.contains("x-hop"), "a header of one connection went on: {head}");
    settled(&gateway).await;
    assert_eq!(gateway.handle().decision_times().count(), 1);
}

#[tokio::test]
async fn the_model_is_renamed_for_the_engine() {
    let mut engine = Engine::start(json_ok("{}")).await;
    let gateway = gateway(pool(&[engine.address]).serving("real-name")).await;
    let answer = send(&gateway, Method::POST, "/v1/completions", r#"{"prompt":"x", "model": "m" }"#).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(engine.request().await.1, r#"{"prompt":"x", "model": "real-name" }"#);
}

#[tokio::test]
async fn any_path_below_v1_goes_by_the_bodys_model() {
    let mut engine = Engine::start(json_ok(r#"{"data": []}"#)).await;
    let gateway = gateway(pool(&[engine.address]).serving("real-name")).await;
    for (path, field) in [
        ("/v1/embeddings", r#""input": ["one", "two"]"#),
        ("/v1/responses", r#""instructions": "be brief", "input": [{"role":"user","content":"hi"}]"#),
        ("/v1/messages", r#""system": "be brief", "max_tokens": 5, "messages": [{"role":"user","content":"hi"}]"#),
        ("/v1/rerank", r#""query": "q", "documents": ["a", "b"]"#),
        ("/v1/audio/transcriptions", r#""file": 3.0"#),
    ] {
        let answer = send(&gateway, Method::POST, path, &format!(r#"{{ {field}, "model":"m" }}"#)).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(text(answer).await, r#"{"data": []}"#);
        let (head, body) = engine.request().await;
        assert!(head.starts_with(&format!("post {path} http/1.1\r\n")), "{head}");
        assert_eq!(body, format!(r#"{{ {field}, "model":"real-name" }}"#));
    }
    let answer = send(&gateway, Method::GET, "/v1/responses/7", "").await;
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    settled(&gateway).await;
}

#[tokio::test]
async fn an_engines_error_is_the_clients_to_read() {
    for status in ["400 Bad Request", "422 Unprocessable Entity", "429 Too Many Requests", "500 Internal Server Error"]
    {
        let engine = Engine::start(Script::Answer(response(status, "application/json", r#"{"error":"mine"}"#))).await;
        let gateway = gateway(pool(&[engine.address])).await;
        let answer = send(&gateway, Method::POST, CHAT, r#"{"model":"m"}"#).await;
        assert_eq!(answer.status().as_str(), &status[..3]);
        assert_eq!(text(answer).await, r#"{"error":"mine"}"#);
        settled(&gateway).await;
    }
}

#[tokio::test]
async fn bad_requests_are_told_what_was_expected() {
    let gateway = gateway(Pool::default()).await;
    let cases = [
        (Method::POST, CHAT, "{", 400, "JSON"),
        (Method::POST, CHAT, r#"{"messages":[]}"#, 400, "`model` is missing"),
        (Method::POST, CHAT, r#"{"model":"other"}"#, 404, "`other` has no route"),
        (Method::POST, CHAT, r#"{"model":"m"}"#, 503, "no endpoint for model `m`"),
        (Method::GET, CHAT, "", 405, "POST"),
        (Method::POST, "/v1/models", "", 405, "GET"),
        (Method::GET, "/v2/anything", "", 404, "/v2/anything"),
    ];
    for (method, path, body, status, message) in cases {
        let answer = send(&gateway, method, path, body).await;
        assert_eq!(answer.status().as_u16(), status, "{path} {body}");
        let error: Value = serde_json::from_str(&text(answer).await).expect("JSON");
        assert_eq!(error["error"]["code"], status);
        assert!(error["error"]["message"].as_str().expect("a message").contains(message), "{error}");
    }
}

#[tokio::test]
async fn whoever_asks_for_messages_is_told_in_anthropics_words() {
    let gateway = gateway(Pool::default()).await;
    let cases = [
        (Method::POST, "/v1/messages", "{", 400, "invalid_request_error"),
        (Method::POST, "/v1/messages?beta=true", r#"{"messages":[]}"#, 400, "invalid_request_error"),
        (Method::POST, "/v1/messages/count_tokens", r#"{"model":"other"}"#, 404, "not_found_error"),
        (Method::POST, "/v1/messages", r#"{"model":"m"}"#, 503, "overloaded_error"),
        (Method::GET, "/v1/messages", "", 405, "invalid_request_error"),
        (Method::GET, "/v1/messages/../models", "", 404, "not_found_error"),
    ];
    for (method, path, body, status, kind) in cases {
        let answer = send(&gateway, method, path, body).await;
        assert_eq!(answer.status().as_u16(), status, "{path} {body}");
        let told: Value = serde_json::from_str(&text(answer).await).expect("JSON");
        assert_eq!((&told["type"], &told["error"]["type"]), (&"error".into(), &kind.into()), "{told}");
        assert!(told["error"]["message"].is_string() && told["request_id"].is_null(), "{told}");
    }
}

#[tokio::test]
async fn models_and_health_are_answered_here() {
    let gateway = gateway(Pool::default()).await;
    let models: Value =
        serde_json::from_str(&text(send(&gateway, Method::GET, "/v1/models", "").await).await).expect("JSON");
    assert_eq!(models["data"][0]["id"], "m");
    assert_eq!(send(&gateway, Method::GET, "/healthz", "").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let gateway =
        gateway_with(Pool::default(), |config| config.with_limits(Limits { max_body: 100, ..Limits::default() })).await;
    let body = json!({ "model": "m", "prompt": "x".repeat(200) }).to_string();
    let answer = send(&gateway, Method::POST, CHAT, &body).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn an_endpoint_that_is_down_costs_no_request() {
    let engine = Engine::start(json_ok("{}")).await;
    let closing = Engine::start(Script::Close).await;
    let gateway = gateway(pool(&[nobody().await, closing.address, engine.address])).await;
    for _ in 0..20 {
        let answer = send(&gateway, Method::POST, CHAT, r#"{"model":"m"}"#).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["x-phalanx-endpoint"], "e2");
    }
    settled(&gateway).await;
}

#[tokio::test]
async fn when_all_are_down_the_client_is_told() {
    let gateway = gateway(pool(&[nobody().await, nobody().await])).await;
    let answer = send(&gateway, Method::POST, CHAT, r#"{"model":"m"}"#).await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    settled(&gateway).await;
}

#[tokio::test]
async fn a_stream_passes_whole() {
    let engine = Engine::start(Script::Answer(events(&["1", "2", "[DONE]"], true))).await;
    let gateway = gateway(pool(&[engine.address])).await;
    let answer = send(&gateway, Method::POST, CHAT, r#"{"model":"m","stream":true}"#).await;
    assert_eq!(text(answer).await, "data: 1\n\ndata: 2\n\ndata: [DONE]\n\n");
    settled(&gateway).await;
}

#[tokio::test]
async fn a_stream_that_breaks_keeps_its_chunks_and_says_so() {
    let engine = Engine::start(Script::Answer(events(&["1", "2"], false))).await;
    let gateway = gateway(pool(&[engine.address])).await;
    let answer = text(send(&gateway, Method::POST, CHAT, r#"{"model":"m","stream":true}"#).await).await;
    let rest = answer.strip_prefix("data: 1\n\ndata: 2\n\ndata: ").expect("both chunks");
    let error: Value = serde_json::from_str(rest).expect("an error event");
    assert_eq!(error["error"]["code"], 502);
    assert!(!answer.contains("[DONE]"));
    settled(&gateway).await;
}

#[tokio::test]
async fn a_client_that_leaves_frees_the_engine() {
    let mut engine = Engine::start(Script::AnswerThenWait(events(&["1"], false))).await;
    let gateway = gateway(pool(&[engine.address])).await;
    let mut answer = send(&gateway, Method::POST, CHAT, r#"{"model":"m","stream":true}"#).await;
    assert!(answer.frame().await.is_some());
    engine.request().await;
    assert_eq!(gateway.handle().outstanding(), 1);
    drop(answer);
    assert_eq!(engine.seen.recv().await, Some(Seen::Closed));
    settled(&gateway).await;
}

#[tokio::test]
async fn an_engine_that_is_too_slow_times_out() {
    let engine = Engine::start(Script::AnswerThenWait(String::new())).await;
    let slow = pool(&[engine.address]).with_timeout(std::time::Duration::from_millis(50));
    let gateway = gateway(slow).await;
    let answer = send(&gateway, Method::POST, CHAT, r#"{"model":"m"}"#).await;
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    settled(&gateway).await;
}

fn pair(prefill: &Engine, decode: &Engine) -> Pool {
    Pool::of([
        Endpoint::new("p", prefill.address).in_phase(Phase::Prefill, "g"),
        Endpoint::new("d", decode.address).in_phase(Phase::Decode, "g"),
    ])
}

#[tokio::test]
async fn prefill_hands_its_kv_to_decode() {
    let mut prefill = Engine::start(json_ok(r#"{"kv_transfer_params":{"remote_port":7}}"#)).await;
    let mut decode = Engine::start(json_ok(r#"{"text":"done"}"#)).await;
    let gateway = gateway(pair(&prefill, &decode)).await;
    let answer = send(&gateway, Method::POST, CHAT, r#"{"model":"m","max_tokens":9}"#).await;
    assert_eq!(answer.headers()["x-phalanx-endpoint"], "d");
    assert_eq!(text(answer).await, r#"{"text":"done"}"#);
    let first: Value = serde_json::from_str(&prefill.request().await.1).expect("JSON");
    assert_eq!((&first["max_tokens"], &first["kv_transfer_params"]["do_remote_decode"]), (&json!(1), &json!(true)));
    let second = decode.request().await.1;
    assert_eq!(second, r#"{"kv_transfer_params":{"remote_port":7},"model":"m","max_tokens":9}"#);
    settled(&gateway).await;
}

#[tokio::test]
async fn decode_does_all_when_prefill_cannot() {
    let prefill = Engine::start(Script::Close).await;
    let mut decode = Engine::start(json_ok("{}")).await;
    let gateway = gateway(pair(&prefill, &decode)).await;
    let answer = send(&gateway, Method::POST, CHAT, r#"{"model":"m"}"#).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(decode.request().await.1, r#"{"model":"m"}"#);
    settled(&gateway).await;
}

#[tokio::test]
async fn a_request_that_prefill_refuses_is_the_clients_to_mend() {
    let refusal = Script::Answer(response("400 Bad Request", "application/json", "{}"));
    let (prefill, decode) = (Engine::start(refusal).await, Engine::start(json_ok("{}")).await);
    let gateway = gateway(pair(&prefill, &decode)).await;
    let answer = send(&gateway, Method::POST, CHAT, r#"{"model":"m"}"#).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    settled(&gateway).await;
}

#[tokio::test]
async fn shutdown_waits_for_open_answers() {
    let engine = Engine::start(Script::Answer(events(&["1", "[DONE]"], true))).await;
    let gateway = gateway(pool(&[engine.address])).await;
    let answer = send(&gateway, Method::POST, CHAT, r#"{"model":"m","stream":true}"#).await;
    let (read, ()) = tokio::join!(text(answer), gateway.shutdown());
    assert!(read.ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_configuration_that_contradicts_itself_starts_nothing() {
    let address = nobody().await;
    let two = RouteTable::new([ModelRoute::to("a", "one"), ModelRoute::to("b", "two")]).expect("two routes");
    let config = GatewayConfig::new(two, Policy::least_request()).with_pool("one", pool(&[address]));
    let unknown = ConfigError::UnknownServer { model: "b".to_owned(), server: "two".to_owned() };
    assert_eq!(refused(config.clone()).await, unknown);

    // One endpoint may serve two pools, but one name is one address.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    assert!(Gateway::start(config.clone().with_pool("two", pool(&[address])), listener).is_ok());
    let elsewhere = config.with_pool("two", pool(&[nobody().await]));
    assert_eq!(refused(elsewhere).await, ConfigError::DuplicateEndpoint("e0".to_owned()));
}

async fn refused(config: GatewayConfig) -> ConfigError {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    match Gateway::start(config, listener) {
        Err(StartError::Config(error)) => error,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn a_prefill_engine_that_stalls_after_its_head_times_out() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n";
    let (prefill, decode) =
        (Engine::start(Script::AnswerThenWait(head.to_owned())).await, Engine::start(json_ok("{}")).await);
    let gateway = gateway(pair(&prefill, &decode).with_timeout(std::time::Duration::from_millis(50))).await;
    let answer = send(&gateway, Method::POST, CHAT, r#"{"model":"m"}"#).await;
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    settled(&gateway).await;
}

#[tokio::test]
async fn a_decode_endpoint_that_broke_is_not_asked_again() {
    let prefill = Engine::start(json_ok(r#"{"kv_transfer_params":{}}"#)).await;
    let mut decode = Engine::start(Script::Close).await;
    let gateway = gateway(pair(&prefill, &decode)).await;
    let answer = send(&gateway, Method::POST, CHAT, r#"{"model":"m"}"#).await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert!(decode.request().await.1.contains("kv_transfer_params"));
    settled(&gateway).await;
    assert!(decode.seen.try_recv().is_err(), "the broken endpoint was tried twice");
}

#[tokio::test]
async fn an_event_cut_in_its_middle_does_not_swallow_the_error() {
    let mut stream = events(&["1"], false);
    stream.push_str("8\r\ndata: 2x\r\n");
    let engine = Engine::start(Script::Answer(stream)).await;
    let gateway = gateway(pool(&[engine.address])).await;
    let answer = text(send(&gateway, Method::POST, CHAT, r#"{"model":"m","stream":true}"#).await).await;
    let rest = answer.strip_prefix("data: 1\n\ndata: 2x\n\ndata: ").unwrap_or_else(|| panic!("{answer}"));
    assert!(serde_json::from_str::<Value>(rest).is_ok_and(|error| error["error"]["code"] == 502), "{answer}");
    settled(&gateway).await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_frees_engine_and_load() {
    let (mut whole, mut prefill) = (
        Engine::start(Script::AnswerThenWait(String::new())).await,
        Engine::start(Script::AnswerThenWait(String::new())).await,
    );
    let decode = Engine::start(json_ok("{}")).await;
    for (pool, engine) in [(pool(&[whole.address]), &mut whole), (pair(&prefill, &decode), &mut prefill)] {
        let gateway = std::sync::Arc::new(gateway(pool).await);
        let client = std::sync::Arc::clone(&gateway);
        let waiting = tokio::spawn(async move { send(&client, Method::POST, CHAT, r#"{"model":"m"}"#).await });
        engine.request().await;
        waiting.abort();
        assert_eq!(engine.seen.recv().await, Some(Seen::Closed));
        settled(&gateway).await;
    }
}

#[tokio::test]
async fn the_endpoint_that_holds_the_prompt_is_chosen() {
    let engines = [Engine::start(json_ok("{}")).await, Engine::start(json_ok("{}")).await];
    let routes = RouteTable::new([ModelRoute::to("m", "server")]).expect("one route");
    let config = GatewayConfig::new(routes, Policy::preset("phalanx").expect("a policy"))
        .with_pool("server", pool(&engines.map(|engine| engine.address)));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let gateway = Gateway::start(config, listener).expect("valid");
    let (handle, prompt) = (gateway.handle(), "a prompt of some length ".repeat(40));
    let blocks = ChainHasher::new(BlockSize::new(16).expect("valid")).contents_of_text(prompt.as_bytes());
    let stored = Change::Stored { layer: Layer::MAIN, parent: None, names: &blocks, contents: &blocks };
    let body = json!({ "model": "m", "prompt": prompt }).to_string();
    for holder in ["e1", "e0"] {
        assert!(handle.cache_change(holder, stored).is_some_and(|applied| applied.stored > 0));
        for _ in 0..8 {
            let answer = send(&gateway, Method::POST, "/v1/completions", &body).await;
            assert_eq!(answer.headers()["x-phalanx-endpoint"], holder);
            settled(&gateway).await;
        }
        assert!(handle.cache_change(holder, Change::Cleared).is_some());
    }
    assert!(handle.cache_change("e7", stored).is_none());
}

#[tokio::test]
async fn a_weighted_route_shares_its_requests() {
    let engines = [Engine::start(json_ok("{}")).await, Engine::start(json_ok("{}")).await];
    let targets = [Target::new("stable", 75), Target::new("next", 25)];
    let routes = RouteTable::new([ModelRoute::new("canary", "m", targets)]).expect("one route");
    let endpoint = |name: &str, engine: &Engine| Pool::of([Endpoint::new(name, engine.address)]);
    let config = GatewayConfig::new(routes, Policy::least_request())
        .with_pool("stable", endpoint("stable", &engines[0]))
        .with_pool("next", endpoint("next", &engines[1]));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let gateway = Gateway::start(config, listener).expect("valid");
    let mut next = 0;
    for _ in 0..200 {
        let answer = send(&gateway, Method::POST, CHAT, r#"{"model":"m"}"#).await;
        next += usize::from(answer.headers()["x-phalanx-endpoint"] == "next");
    }
    assert!((30..70).contains(&next), "{next} of 200 went to a quarter");
}

#[tokio::test]
async fn dropping_a_gateway_cuts_its_answers() {
    let mut engine = Engine::start(Script::AnswerThenWait(events(&["1"], false))).await;
    let gateway = gateway(pool(&[engine.address])).await;
    let mut answer = send(&gateway, Method::POST, CHAT, r#"{"model":"m","stream":true}"#).await;
    assert!(answer.frame().await.is_some_and(|frame| frame.is_ok()));
    engine.request().await;
    drop(gateway);
    assert_eq!(engine.seen.recv().await, Some(Seen::Closed));
    assert!(answer.frame().await.is_none_or(|frame| frame.is_err()));
}

#[tokio::test]
async fn a_rank_is_told_to_its_engine() {
    let mut engine = Engine::start(json_ok("{}")).await;
    let ranks = (0..4).map(|rank| Endpoint::new(format!("e/{rank}"), engine.address).with_rank(rank));
    let gateway = gateway(Pool::of(ranks)).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..32 {
        let answer = send(&gateway, Method::POST, CHAT, r#"{"model":"m"}"#).await;
        let name = answer.headers()["x-phalanx-endpoint"].to_str().expect("text").to_owned();
        let (head, _) = engine.request().await;
        let rank = name.strip_prefix("e/").expect("a rank");
        assert!(head.contains(&format!("x-data-parallel-rank: {rank}\r\n")), "{name}: {head}");
        seen.insert(name);
    }
    assert!(seen.len() > 1, "{seen:?}");
    settled(&gateway).await;
}
