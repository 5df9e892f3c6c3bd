//! Who is waited for, and how long.

use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use phalanx_gateway::{GatewayConfig, Limits, Pool, Timeouts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::{CHAT, SOON, get, post, raw, rest};
use super::support::{Engine, Script, Seen, events, gateway, gateway_with, json_ok, pool, send, settled, text};

const SHORT: Duration = Duration::from_millis(50);
const BODY: &str = r#"{"model":"m","stream":true}"#;

fn limits(limits: Limits) -> impl FnOnce(GatewayConfig) -> GatewayConfig {
    move |config| config.with_limits(limits)
}

#[tokio::test]
async fn a_head_that_does_not_come_is_answered_408() {
    let gateway = gateway_with(Pool::default(), limits(Limits { head_timeout: SHORT, ..Limits::default() })).await;
    let answer = raw(&gateway, b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    assert!(answer.contains("\"code\":408"), "{answer:?}");
    // One that has said nothing is closed without a word.
    assert_eq!(raw(&gateway, b"").await, "");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_408() {
    let gateway = gateway_with(Pool::default(), limits(Limits { body_timeout: SHORT, ..Limits::default() })).await;
    let answer = raw(&gateway, &post(BODY).as_bytes()[..post(BODY).len() - 1]).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    assert!(answer.contains("the body did not arrive in time"), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_read() {
    let gateway = gateway_with(Pool::default(), limits(Limits { max_body: 1000, ..Limits::default() })).await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nexpect: 100-continue\r\nconnection: close\r\n";
    // A gigabyte is announced, and none of it sent.
    let answer = raw(&gateway, format!("{head}content-length: 1073741824\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");
    // What is not announced is read up to the limit.
    let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1000));
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n");
    let answer = raw(&gateway, chunked.as_bytes()).await;
    assert!(answer.contains("HTTP/1.1 413 "), "{answer:?}");
}

#[tokio::test]
async fn connections_over_the_limit_are_answered_503() {
    let gateway = gateway_with(Pool::default(), limits(Limits { max_connections: 2, ..Limits::default() })).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(gateway.address()).await.expect("it listens");
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: g\r\n\r\n").await.expect("it reads");
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).await.expect("it answers");
        assert_eq!(&begin, b"HTTP/1.1 200");
        open.push(stream);
    }
    let answer = raw(&gateway, b"GET /healthz HTTP/1.1\r\nhost: g\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer:?}");
    drop(open.pop());
    // The gateway learns of it soon.
    let room = async { while !get(&gateway, "/healthz").await.starts_with("HTTP/1.1 200 ") {} };
    tokio::time::timeout(SOON, room).await.expect("there is room again");
    assert!(get(&gateway, "/metrics").await.contains("phalanx_gateway_connections 2\n"));
}

#[tokio::test]
async fn a_try_that_is_too_slow_goes_elsewhere() {
    let (hangs, whole) =
        (Engine::start(Script::AnswerThenWait(String::new())).await, Engine::start(json_ok("{}")).await);
    let timeouts = Timeouts { per_try: Some(SHORT), ..Timeouts::default() };
    let gateway = gateway(pool(&[hangs.address, whole.address]).with_timeouts(timeouts)).await;
    for _ in 0..4 {
        let answer = send(&gateway, Method::POST, CHAT, BODY).await;
        assert_eq!(
            (answer.status(), &answer.headers()["x-phalanx-endpoint"]),
            (StatusCode::OK, &"e1".parse().expect("e1"))
        );
    }
    settled(&gateway).await;
}

#[tokio::test]
async fn all_tries_together_have_a_limit() {
    let engines = [
        Engine::start(Script::AnswerThenWait(String::new())).await,
        Engine::start(Script::AnswerThenWait(String::new())).await,
    ];
    let timeouts = Timeouts { per_try: Some(SHORT), head: Some(SHORT * 3 / 2), ..Timeouts::default() };
    let gateway = gateway(pool(&engines.map(|engine| engine.address)).with_timeouts(timeouts)).await;
    let answer = send(&gateway, Method::POST, CHAT, BODY).await;
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    settled(&gateway).await;
}

#[tokio::test]
async fn a_stream_that_stalls_ends_with_an_error() {
    let idle = Timeouts { idle: Some(SHORT), ..Timeouts::default() };
    let total = Timeouts { total: Some(SHORT), ..Timeouts::default() };
    for timeouts in [idle, total] {
        let mut engine = Engine::start(Script::AnswerThenWait(events(&["1", "2"], false))).await;
        let gateway = gateway(pool(&[engine.address]).with_timeouts(timeouts)).await;
        let answer = text(send(&gateway, Method::POST, CHAT, BODY).await).await;
        let rest = answer.strip_prefix("data: 1\n\ndata: 2\n\ndata: ").expect("both chunks");
        assert!(rest.contains("\"code\":504") && !answer.contains("[DONE]"), "{answer}");
        engine.request().await;
        assert_eq!(engine.seen.recv().await, Some(Seen::Closed));
        settled(&gateway).await;
    }
}

#[tokio::test]
async fn an_answer_that_stalls_is_cut() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let engine = Engine::start(Script::AnswerThenWait(head.to_owned())).await;
    let timeouts = Timeouts { idle: Some(SHORT), ..Timeouts::default() };
    let gateway = gateway(pool(&[engine.address]).with_timeouts(timeouts)).await;
    let answer = send(&gateway, Method::POST, CHAT, BODY).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.into_body().collect().await.is_err());
    settled(&gateway).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_no_engine() {
    // More than the sockets between hold.
    let long = "x".repeat(32 << 20);
    let mut engine = Engine::start(Script::AnswerThenWait(events(&[&long], false))).await;
    let strict = limits(Limits { stall_timeout: SHORT, ..Limits::default() });
    let gateway = gateway_with(pool(&[engine.address]), strict).await;
    let mut client = TcpStream::connect(gateway.address()).await.expect("it listens");
    client.write_all(post(BODY).as_bytes()).await.expect("it reads");
    engine.request().await;
    settled(&gateway).await;
    let closed = tokio::time::timeout(SOON, engine.seen.recv()).await.expect("the engine is told");
    assert_eq!(closed, Some(Seen::Closed));
    assert!(rest(&mut client).await.len() < long.len());
}
