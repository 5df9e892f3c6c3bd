//! Answers that break off.

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;

use super::client::{CHAT, post, raw};
use super::support::{Engine, Script, events, gateway, pool, send, settled, text};

const BODY: &str = r#"{"model":"m","stream":true}"#;

#[tokio::test]
async fn a_stream_that_dies_keeps_its_chunks_and_has_no_false_end() {
    let chunks: Vec<String> = (0..5).map(|number| format!("{{\"chunk\":{number}}}")).collect();
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
    for count in [0, 1, 5] {
        let engine = Engine::start(Script::Answer(events(&chunks[..count], false))).await;
        let gateway = gateway(pool(&[engine.address])).await;
        let answer = text(send(&gateway, Method::POST, CHAT, BODY).await).await;
        let mut told = answer.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").expect("data"));
        let kept: Vec<&str> = told.by_ref().take(count).collect();
        assert_eq!(kept, chunks[..count]);
        let error: Value = serde_json::from_str(told.next().expect("an error event")).expect("JSON");
        assert_eq!((&error["error"]["code"], told.next()), (&502.into(), None), "{answer}");
        assert!(!answer.contains("[DONE]"), "{answer}");
        settled(&gateway).await;
    }
}

#[tokio::test]
async fn a_message_that_dies_ends_with_anthropics_error_event() {
    let engine = Engine::start(Script::Answer(events(&["{}"], false))).await;
    let gateway = gateway(pool(&[engine.address])).await;
    let answer = text(send(&gateway, Method::POST, "/v1/messages", BODY).await).await;
    let told = answer.strip_prefix("data: {}\n\nevent: error\ndata: ").expect("the chunk and an error event");
    let told: Value = serde_json::from_str(told.trim_end()).expect("JSON");
    assert_eq!((&told["type"], &told["error"]["type"]), (&"error".into(), &"api_error".into()), "{answer}");
    settled(&gateway).await;
}

#[tokio::test]
async fn a_stream_of_known_length_that_dies_is_cut() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 100\r\n\r\n";
    let engine = Engine::start(Script::Answer(format!("{head}data: 1\n\n"))).await;
    let gateway = gateway(pool(&[engine.address])).await;
    let answer = raw(&gateway, post(BODY).as_bytes()).await;
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert_eq!(body, "data: 1\n\n");
    settled(&gateway).await;
}

#[tokio::test]
async fn an_answer_that_dies_is_cut_and_not_ended_well() {
    let bodies = ["content-length: 100\r\n\r\n{\"half\":", "transfer-encoding: chunked\r\n\r\n8\r\n{\"half\":\r\n"];
    for body in bodies {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
        let engine = Engine::start(Script::Answer(format!("{head}{body}"))).await;
        let gateway = gateway(pool(&[engine.address])).await;
        let answer = send(&gateway, Method::POST, CHAT, r#"{"model":"m"}"#).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.into_body().collect().await.is_err(), "{body}");
        let answer = raw(&gateway, post(r#"{"model":"m"}"#).as_bytes()).await;
        assert!(answer.contains("{\"half\":") && !answer.ends_with("0\r\n\r\n"), "{answer:?}");
        settled(&gateway).await;
    }
}

#[tokio::test]
async fn a_chunk_that_is_none_ends_the_stream_with_an_error() {
    let mut stream = events(&["1"], false);
    stream.push_str("zz\r\nnothing\r\n");
    let engine = Engine::start(Script::Answer(stream)).await;
    let gateway = gateway(pool(&[engine.address])).await;
    let answer = text(send(&gateway, Method::POST, CHAT, BODY).await).await;
    let rest = answer.strip_prefix("data: 1\n\ndata: ").expect("the chunk");
    assert!(rest.contains("\"code\":502"), "{answer}");
    settled(&gateway).await;
}
