//! Input that means harm.

use phalanx_gateway::{Limits, Pool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::{get, post, raw};
use super::support::{Engine, gateway, gateway_with, json_ok, pool, settled};

const HEAD: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\n";
const BODY: &str = r#"{"model":"m"}"#;

#[tokio::test]
async fn a_request_of_two_lengths_is_one_request() {
    let smuggled = "POST /v1/completions HTTP/1.1\r\nhost: g\r\ncontent-length: 13\r\n\r\n{\"model\":\"m\"}";
    for lengths in
        ["content-length: 13\r\ntransfer-encoding: chunked\r\n", "transfer-encoding: chunked\r\ncontent-length: 13\r\n"]
    {
        let mut engine = Engine::start(json_ok("{}")).await;
        let gateway = gateway(pool(&[engine.address])).await;
        let request = format!("{HEAD}{lengths}\r\nd\r\n{BODY}\r\n0\r\n\r\n{smuggled}");
        let answer = raw(&gateway, request.as_bytes()).await;
        // The chunks are the body, as the standard says, and nothing is read from the connection after them.
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        let (head, body) = engine.request().await;
        assert_eq!(body, BODY);
        assert!(head.contains("content-length: 13\r\n") && !head.contains("transfer-encoding"), "{head}");
        settled(&gateway).await;
        assert!(engine.seen.try_recv().is_err(), "a second request was smuggled");
    }
}

#[tokio::test]
async fn what_is_no_http_is_answered_400() {
    let gateway = gateway(Pool::default()).await;
    let chunked = format!("{HEAD}transfer-encoding: chunked\r\n\r\n");
    let cases = [
        format!("{HEAD}content-length: 13\r\ncontent-length: 14\r\n\r\n{BODY}"),
        format!("{HEAD}content-length: -1\r\n\r\n{BODY}"),
        format!("{HEAD}content-length: +13\r\n\r\n{BODY}"),
        format!("{HEAD}content-length: 0x0d\r\n\r\n{BODY}"),
        format!("{HEAD}content-length: 99999999999999999999999\r\n\r\n{BODY}"),
        format!("{HEAD}transfer-encoding: identity\r\n\r\n{BODY}"),
        format!("{HEAD}transfer-encoding: chunked, gzip\r\n\r\n{BODY}"),
        format!("{chunked}zz\r\n{BODY}\r\n0\r\n\r\n"),
        format!("{chunked}-d\r\n{BODY}\r\n0\r\n\r\n"),
        format!("{chunked}ffffffffffffffffff\r\n{BODY}\r\n0\r\n\r\n"),
        format!("{chunked}d\r\n{BODY}no end0\r\n\r\n"),
        "POST /v1/chat/completions HTTP/1.1\r\nhost : g\r\n\r\n".to_owned(),
        "POST /v1/chat/completions HTTP/1.1\r\nx: a\r\n\0: b\r\n\r\n".to_owned(),
        "POST /v1/chat completions HTTP/1.1\r\nhost: g\r\n\r\n".to_owned(),
        "POST /v1/chat/completions HTTP/9.9\r\nhost: g\r\n\r\n".to_owned(),
        "POST  HTTP/1.1\r\n\r\n".to_owned(),
    ];
    for case in cases {
        let answer = raw(&gateway, case.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{case:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_flood_of_fields_is_answered_431() {
    let gateway = gateway(Pool::default()).await;
    let many: String = (0..1000).map(|number| format!("x-{number}: 1\r\n")).collect();
    let long = format!("x: {}\r\n", "a".repeat(1 << 20));
    for fields in [many, long] {
        let answer = raw(&gateway, format!("{HEAD}{fields}\r\n").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
    }
    let path = format!("GET /{} HTTP/1.1\r\nhost: g\r\n\r\n", "a".repeat(1 << 20));
    let answer = raw(&gateway, path.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 414 ") || answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
}

#[tokio::test]
async fn json_of_any_depth_is_the_engines_to_judge() {
    let mut engine = Engine::start(json_ok("{}")).await;
    let gateway = gateway(pool(&[engine.address])).await;
    let deep =
        |open: &str, inner: &str, close: &str| format!("{}{inner}{}", open.repeat(100_000), close.repeat(100_000));
    for field in ["unknown", "messages", "prompt", "kv_transfer_params"] {
        for value in [deep("[", "", "]"), deep("{\"a\":", "1", "}")] {
            let body = format!(r#"{{"model":"m","{field}":{value}}}"#);
            let answer = raw(&gateway, post(&body).as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{field}: {answer}");
            assert_eq!(engine.request().await.1, body);
        }
    }
    let answer = raw(&gateway, post(&deep("[", "", "]")).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    settled(&gateway).await;
}

#[tokio::test]
async fn bytes_that_are_no_text_are_answered_400() {
    let mut engine = Engine::start(json_ok("{}")).await;
    let gateway = gateway(pool(&[engine.address])).await;
    let bodies: [&[u8]; 5] = [
        b"{\"model\":\"m\xff\"}",
        b"{\"model\":\"m\",\"prompt\":\"\xc3\x28\"}",
        b"{\"model\":\"m\",\"x\":\"\xed\xa0\x80\"}",
        b"{\"model\":\"m\",\"\xf0\x28\":1}",
        b"\xff\xfe{\"model\":\"m\"}",
    ];
    for body in bodies {
        let mut request = format!("{HEAD}connection: close\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
        request.extend_from_slice(body);
        let answer = raw(&gateway, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{body:?}: {answer}");
    }
    assert!(engine.seen.try_recv().is_err(), "none reached an engine");
}

#[tokio::test]
async fn paths_are_taken_as_they_are() {
    let mut engine = Engine::start(json_ok("{}")).await;
    let gateway = gateway(pool(&[engine.address])).await;
    for path in [
        "//v1/chat/completions",
        "/v1/../v1/chat/completions",
        "/v1/chat/completions/",
        "/v1/chat/completions/../../../metrics",
        "/V1/chat/completions",
        "/v1/chat%2fcompletions",
        "/%76%31/chat/completions",
        "/v1/chat/completions;x=1",
        "/",
        "*",
    ] {
        let request = post(BODY).replace("/v1/chat/completions", path);
        let answer = raw(&gateway, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404 ") || answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
    }
    assert!(engine.seen.try_recv().is_err(), "none reached an engine");
    // A whole URL names the same path, and its host is no address to ask.
    let request = post(BODY).replace("POST /v1", "POST http://198.51.100.1:1/v1");
    assert!(raw(&gateway, request.as_bytes()).await.starts_with("HTTP/1.1 200 "));
    let (head, _) = engine.request().await;
    assert!(head.starts_with("post /v1/chat/completions http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: {}\r\n", engine.address)), "{head}");
    // Nor can one be asked for.
    let answer = raw(&gateway, b"CONNECT 198.51.100.1:1 HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[tokio::test]
async fn a_client_that_stops_in_its_body_leaves_nothing_behind() {
    let mut engine = Engine::start(json_ok("{}")).await;
    let gateway = gateway(pool(&[engine.address])).await;
    for part in [&HEAD[..20], HEAD, &format!("{HEAD}content-length: 1000\r\n\r\n{BODY}")] {
        let mut stream = TcpStream::connect(gateway.address()).await.expect("it listens");
        stream.write_all(part.as_bytes()).await.expect("it reads");
        stream.shutdown().await.expect("it is open");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(!answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    assert!(engine.seen.try_recv().is_err(), "none reached an engine");
    assert!(get(&gateway, "/metrics").await.contains("kthena_router_active_requests 0\n"));
}

#[tokio::test]
async fn a_body_of_the_largest_size_passes_whole() {
    let mut engine = Engine::start(json_ok("{}")).await;
    let body = format!(r#"{{"model":"m","prompt":"{}"}}"#, "x".repeat(8 << 20));
    let exact = Limits { max_body: body.len(), ..Limits::default() };
    let gateway = gateway_with(pool(&[engine.address]), |config| config.with_limits(exact)).await;
    assert!(raw(&gateway, post(&body).as_bytes()).await.starts_with("HTTP/1.1 200 "));
    assert!(engine.request().await.1 == body, "the body was changed");
    let longer = body.replace("\"model\"", " \"model\"");
    assert!(raw(&gateway, post(&longer).as_bytes()).await.starts_with("HTTP/1.1 413 "));
}
