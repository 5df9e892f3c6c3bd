//! Faults, as a client meets them.

use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use phalanx_emulator::{Emulator, Fault};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{COMPLETIONS, call, config, get, message, post, start};

fn fault(text: &str) -> Fault {
    text.parse().expect("a fault")
}

fn prompt() -> Value {
    json!({ "prompt": "hello", "max_tokens": 5 })
}

/// All that comes back on a connection until it ends.
async fn raw(emulator: &Emulator, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let mut stream = TcpStream::connect(emulator.address()).await.expect("a connection");
    let head = format!("POST {COMPLETIONS} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}", body.len());
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.expect("it is sent");
    let mut answer = Vec::new();
    // How it ends is another question.
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

#[tokio::test]
async fn a_connection_ends_before_the_head_or_says_what_is_no_http() {
    let emulator = start(config().with_fault(fault("close,count=1"))).await;
    assert_eq!(raw(&emulator, &prompt()).await, b"");
    emulator.inject(fault("garbage,count=1"));
    let answer = raw(&emulator, &prompt()).await;
    assert!(!answer.is_empty() && !answer.starts_with(b"HTTP"), "{answer:?}");
    for text in ["close,count=1", "garbage,count=1"] {
        emulator.inject(fault(text));
        assert!(call(emulator.address(), Method::POST, COMPLETIONS, Some(prompt())).await.is_err(), "{text}");
        assert_eq!(post(&emulator, COMPLETIONS, prompt()).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn an_answer_dies_after_its_chunks() {
    let emulator = start(config()).await;
    for after in [0, 1, 3] {
        emulator.inject(fault(&format!("die,after={after},count=1")));
        let body = json!({ "prompt": "hello", "max_tokens": 5, "stream": true });
        let mut answer = call(emulator.address(), Method::POST, COMPLETIONS, Some(body)).await.expect("a head");
        assert_eq!(answer.status(), StatusCode::OK);
        let mut text = String::new();
        let end = loop {
            match answer.frame().await {
                Some(Ok(frame)) => {
                    text.push_str(std::str::from_utf8(frame.data_ref().expect("data")).expect("text"));
                }
                end => break end,
            }
        };
        assert!(matches!(end, Some(Err(_))), "{end:?}");
        assert_eq!(text.matches("data: ").count(), after, "{text}");
    }
    emulator.inject(fault("die,count=1"));
    let answer = call(emulator.address(), Method::POST, COMPLETIONS, Some(prompt())).await.expect("a head");
    assert!(answer.into_body().collect().await.is_err());
}

#[tokio::test]
async fn an_engine_hangs_until_its_client_leaves() {
    let emulator = start(config()).await;
    emulator.inject(fault("hang,path=/health"));
    let hung = call(emulator.address(), Method::GET, "/health", None);
    let waited = tokio::time::timeout(Duration::from_millis(50), hung).await;
    assert!(waited.is_err(), "{waited:?}");
    // Other paths go on.
    assert_eq!(post(&emulator, COMPLETIONS, prompt()).await.0, StatusCode::OK);
    emulator.clear_faults();
    get(&emulator, "/health").await;
}

#[tokio::test]
async fn chunks_come_late() {
    let emulator = start(config()).await;
    emulator.inject(fault("slow,millis=20"));
    let body = json!({ "prompt": "hello", "max_tokens": 5, "stream": true });
    let before = tokio::time::Instant::now();
    let answer = call(emulator.address(), Method::POST, COMPLETIONS, Some(body)).await.expect("a head");
    let text = answer.into_body().collect().await.expect("a whole body").to_bytes();
    assert!(text.ends_with(b"data: [DONE]\n\n"));
    assert!(before.elapsed() >= Duration::from_millis(6 * 20), "{:?}", before.elapsed());
}

#[tokio::test]
async fn faults_come_and_go_over_http() {
    let emulator = start(config()).await;
    let (status, told) =
        post(&emulator, "/fault", json!({ "fault": "status", "status": 503, "body": "{}", "count": 2 })).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(told["faults"][0]["hits"], 0);
    for expected in [503, 503, 200] {
        assert_eq!(post(&emulator, COMPLETIONS, prompt()).await.0.as_u16(), expected);
    }
    let told: Value = serde_json::from_str(&get(&emulator, "/fault").await).expect("JSON");
    assert_eq!((&told["faults"][0]["hits"], &told["faults"][0]["fault"]["status"]), (&json!(2), &json!(503)));
    post(&emulator, "/fault", json!({ "fault": "status" })).await;
    let (status, error) = post(&emulator, COMPLETIONS, prompt()).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(message(&error).contains("on purpose"), "{error}");
    let cleared = call(emulator.address(), Method::DELETE, "/fault", None).await.expect("an answer");
    assert_eq!(cleared.status(), StatusCode::OK);
    assert_eq!(post(&emulator, COMPLETIONS, prompt()).await.0, StatusCode::OK);
    for (body, told) in [
        (json!({ "fault": "explode" }), "fault: found \"explode\""),
        (json!({ "fault": "hang", "times": 1 }), "times"),
        (json!({ "fault": "refuse" }), "millis: found"),
        (json!([]), "not a fault"),
    ] {
        let (status, error) = post(&emulator, "/fault", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(message(&error).contains(told), "{error}");
    }
}

#[tokio::test]
async fn connections_are_refused_for_a_time() {
    let emulator = start(config()).await;
    let connects = async || TcpStream::connect(emulator.address()).await.is_ok();
    let until = async |wanted: bool| {
        let found = async {
            while connects().await != wanted {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.expect("it comes to that");
    };
    emulator.inject(fault("refuse,millis=600000"));
    until(false).await;
    emulator.clear_faults();
    until(true).await;
    assert_eq!(post(&emulator, COMPLETIONS, prompt()).await.0, StatusCode::OK);
    emulator.inject(fault("refuse,millis=50"));
    until(false).await;
    until(true).await;
}
