//! Both legs under way at once, as SGLang has it.

use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use phalanx_gateway::{Gateway, KvConnector, Pool, Timeouts};
use serde_json::Value;

use crate::both::{CHAT, pairs};
use crate::support::{Engine, Script, Seen, events, gateway, json_ok, response, send, settled, text};

const BODY: &str = r#"{"model":"m","max_tokens":9,"stream":true}"#;
const WAITING: Script = Script::AnswerThenWait(String::new());

fn pair(prefill: &Engine, decode: &Engine) -> Pool {
    pairs(KvConnector::Sglang, &[prefill], &[decode])
}

fn of(status: &str) -> Script {
    Script::Answer(response(status, "application/json", r#"{"error":"mine"}"#))
}

/// The room in a body, which is the client's besides.
fn room(body: &str, engine: &Engine, limit: u32) -> u64 {
    let place =
        format!("\"bootstrap_host\":\"127.0.0.1\",\"bootstrap_port\":{},\"bootstrap_room\":", engine.address.port());
    let (room, rest) = body
        .strip_prefix('{')
        .and_then(|rest| rest.strip_prefix(&place))
        .and_then(|rest| rest.split_once(','))
        .expect(body);
    let stream = limit > 1;
    assert_eq!(rest, format!(r#""model":"m","max_tokens":{limit},"stream":{stream}}}"#));
    room.parse().expect("a number")
}

/// A client that waits for its answer.
async fn waiting(gateway: Gateway) -> (std::sync::Arc<Gateway>, tokio::task::JoinHandle<()>) {
    let gateway = std::sync::Arc::new(gateway);
    let client = std::sync::Arc::clone(&gateway);
    let task = tokio::spawn(async move {
        let answer = send(&client, Method::POST, CHAT, BODY).await;
        let _ = answer.into_body().collect().await;
    });
    (gateway, task)
}

#[tokio::test]
async fn both_legs_meet_in_a_room_of_their_own() {
    let mut prefill = Engine::start(json_ok("{}")).await;
    let mut decode = Engine::start(Script::Answer(events(&["1", "[DONE]"], true))).await;
    let gateway = gateway(pair(&prefill, &decode)).await;
    let mut rooms = Vec::new();
    for _ in 0..8 {
        let answer = send(&gateway, Method::POST, CHAT, BODY).await;
        assert_eq!(answer.headers()["x-phalanx-endpoint"], "d0");
        assert_eq!(text(answer).await, "data: 1\n\ndata: [DONE]\n\n");
        let (first, second) = (prefill.request().await.1, decode.request().await.1);
        rooms.push(room(&first, &prefill, 1));
        assert_eq!(rooms.last(), Some(&room(&second, &prefill, 9)));
        settled(&gateway).await;
    }
    rooms.sort_unstable();
    rooms.dedup();
    assert_eq!(rooms.len(), 8);
}

#[tokio::test]
async fn neither_leg_waits_for_the_other() {
    let (mut prefill, mut decode) = (Engine::start(WAITING).await, Engine::start(WAITING).await);
    let (gateway, client) = waiting(gateway(pair(&prefill, &decode)).await).await;
    prefill.request().await;
    decode.request().await;
    assert_eq!(gateway.handle().outstanding(), 2);
    // A client that leaves frees both.
    client.abort();
    assert_eq!(prefill.seen.recv().await, Some(Seen::Closed));
    assert_eq!(decode.seen.recv().await, Some(Seen::Closed));
    settled(&gateway).await;
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_frees_both() {
    let mut prefill = Engine::start(WAITING).await;
    let mut decode = Engine::start(Script::AnswerThenWait(events(&["1"], false))).await;
    let gateway = gateway(pair(&prefill, &decode)).await;
    // The first chunk says that KV has come, whatever the prefill leg says.
    let mut answer = send(&gateway, Method::POST, CHAT, BODY).await;
    assert_eq!(
        answer.frame().await.and_then(Result::ok).and_then(|frame| frame.into_data().ok()).as_deref(),
        Some(&b"data: 1\n\n"[..])
    );
    prefill.request().await;
    decode.request().await;
    assert_eq!(gateway.handle().outstanding(), 2);
    drop(answer);
    assert_eq!(prefill.seen.recv().await, Some(Seen::Closed));
    assert_eq!(decode.seen.recv().await, Some(Seen::Closed));
    settled(&gateway).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_ends_both() {
    let mut prefill = Engine::start(WAITING).await;
    let decode = Engine::start(Script::Answer(events(&["1", "2"], false))).await;
    let gateway = gateway(pair(&prefill, &decode)).await;
    let answer = text(send(&gateway, Method::POST, CHAT, BODY).await).await;
    let rest = answer.strip_prefix("data: 1\n\ndata: 2\n\ndata: ").expect("both chunks");
    assert!(serde_json::from_str::<Value>(rest).is_ok_and(|error| error["error"]["code"] == 502), "{rest}");
    prefill.request().await;
    assert_eq!(prefill.seen.recv().await, Some(Seen::Closed));
    settled(&gateway).await;
}

#[tokio::test]
async fn a_prefill_leg_runs_on_when_the_answer_is_whole() {
    let mut prefill = Engine::start(WAITING).await;
    let decode = Engine::start(json_ok(r#"{"text":"done"}"#)).await;
    let idle = Timeouts { idle: Some(Duration::from_millis(100)), ..Timeouts::default() };
    let gateway = gateway(pair(&prefill, &decode).with_timeouts(idle)).await;
    let answer = send(&gateway, Method::POST, CHAT, BODY).await;
    assert_eq!(text(answer).await, r#"{"text":"done"}"#);
    prefill.request().await;
    assert_eq!(gateway.handle().outstanding(), 1);
    assert!(prefill.seen.try_recv().is_err(), "it was left too early");
    // But not for ever.
    assert_eq!(prefill.seen.recv().await, Some(Seen::Closed));
    settled(&gateway).await;
}

#[tokio::test]
async fn what_the_prefill_engine_refuses_is_the_clients_to_mend() {
    let (prefill, mut decode) = (Engine::start(of("400 Bad Request")).await, Engine::start(WAITING).await);
    let gateway = gateway(pair(&prefill, &decode)).await;
    let answer = send(&gateway, Method::POST, CHAT, BODY).await;
    assert_eq!((answer.status(), text(answer).await.as_str()), (StatusCode::BAD_REQUEST, r#"{"error":"mine"}"#));
    decode.request().await;
    assert_eq!(decode.seen.recv().await, Some(Seen::Closed));
    settled(&gateway).await;
}

#[tokio::test]
async fn what_the_decode_engine_refuses_ends_the_prefill_leg() {
    for status in ["400 Bad Request", "429 Too Many Requests"] {
        let (mut prefill, decode) = (Engine::start(WAITING).await, Engine::start(of(status)).await);
        let gateway = gateway(pair(&prefill, &decode)).await;
        let answer = send(&gateway, Method::POST, CHAT, BODY).await;
        assert_eq!(answer.status().as_str(), &status[..3]);
        prefill.request().await;
        assert_eq!(prefill.seen.recv().await, Some(Seen::Closed));
        settled(&gateway).await;
    }
}

#[tokio::test]
async fn a_prefill_leg_that_fails_ends_the_decode_leg() {
    for failure in [Script::Close, of("500 Internal Server Error"), of("429 Too Many Requests")] {
        let (prefill, mut decode) = (Engine::start(failure).await, Engine::start(WAITING).await);
        let (gateway, client) = waiting(gateway(pair(&prefill, &decode)).await).await;
        room(&decode.request().await.1, &prefill, 9);
        // The decode engine is asked again, for all of it.
        let next = [decode.seen.recv().await, decode.seen.recv().await];
        assert!(next.contains(&Some(Seen::Closed)), "{next:?}");
        let again = next.iter().flatten().any(|seen| matches!(seen, Seen::Request { body, .. } if body == BODY));
        assert!(again, "{next:?}");
        assert_eq!(gateway.handle().outstanding(), 1);
        client.abort();
        settled(&gateway).await;
    }
}

#[tokio::test]
async fn a_stream_that_begins_with_an_error_got_no_kv() {
    let mut prefill = Engine::start(WAITING).await;
    let mut decode = Engine::start(Script::Answer(events(&[r#"{"error":{}}"#], true))).await;
    let gateway = gateway(pair(&prefill, &decode)).await;
    let answer = send(&gateway, Method::POST, CHAT, BODY).await;
    assert_eq!(text(answer).await, "data: {\"error\":{}}\n\n");
    room(&decode.request().await.1, &prefill, 9);
    prefill.request().await;
    assert_eq!(prefill.seen.recv().await, Some(Seen::Closed));
    // What it says to the whole request is the client's.
    assert_eq!(decode.request().await.1, BODY);
    settled(&gateway).await;
}

#[tokio::test]
async fn legs_that_wait_for_each_other_end_in_time() {
    let (mut prefill, mut decode) = (Engine::start(WAITING).await, Engine::start(WAITING).await);
    let head = Timeouts { head: Some(Duration::from_millis(50)), ..Timeouts::default() };
    let gateway = gateway(pair(&prefill, &decode).with_timeouts(head)).await;
    let answer = send(&gateway, Method::POST, CHAT, BODY).await;
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    for engine in [&mut prefill, &mut decode] {
        engine.request().await;
        assert_eq!(engine.seen.recv().await, Some(Seen::Closed));
    }
    settled(&gateway).await;
}
