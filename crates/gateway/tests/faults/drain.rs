//! The end of a gateway, under load.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http_body_util::BodyExt;
use phalanx_gateway::Drain;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::{CHAT, SOON, get, post, rest};
use super::support::{Engine, Script, events, gateway, gateway_with, json_ok, pool, send, text};

const BODY: &str = r#"{"model":"m"}"#;

/// Asks over kept connections until nobody listens any more; says how many requests were answered.
pub(crate) async fn drive(address: std::net::SocketAddr) -> usize {
    let request = post(BODY).replace("connection: close\r\n", "");
    let mut answered = 0;
    // A connection that is refused loses no request: its client knows that nothing was sent.
    while let Ok(mut stream) = TcpStream::connect(address).await {
        loop {
            stream.write_all(request.as_bytes()).await.expect("a connection that was not closed takes a request");
            let mut answer = Vec::new();
            while !answer.ends_with(b"{}") {
                let count = stream.read_buf(&mut answer).await.expect("an answer comes");
                assert!(count > 0, "a request was lost: {:?}", String::from_utf8_lossy(&answer));
            }
            let answer = String::from_utf8(answer).expect("text");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            answered += 1;
            if answer.contains("connection: close\r\n") {
                break;
            }
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_when_the_gateway_stops_under_load() {
    let engines = [Engine::start(json_ok("{}")).await, Engine::start(json_ok("{}")).await];
    let drain = Drain { delay: Duration::from_millis(300), ..Drain::default() };
    let gateway = gateway_with(pool(&engines.map(|engine| engine.address)), |config| config.with_drain(drain)).await;
    let clients: Vec<_> = (0..16).map(|_| tokio::spawn(drive(gateway.address()))).collect();
    let handle = gateway.handle();
    let busy = async {
        while handle.decision_times().count() < 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, busy).await.expect("there is load");
    gateway.shutdown().await;
    let mut answered = 0;
    for client in clients {
        answered += client.await.expect("no request was lost");
    }
    assert!(answered >= 200, "{answered}");
    assert_eq!(handle.outstanding(), 0);
}

#[tokio::test]
async fn readiness_ends_before_the_socket_does() {
    let engine = Engine::start(json_ok("{}")).await;
    let drain = Drain { delay: Duration::from_secs(3600), ..Drain::default() };
    let gateway = gateway_with(pool(&[engine.address]), |config| config.with_drain(drain)).await;
    let address = gateway.address();
    assert!(get(&gateway, "/readyz").await.starts_with("HTTP/1.1 200 "));
    let stopping = tokio::spawn(gateway.shutdown());
    let ask = async |bytes: String| {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream.write_all(bytes.as_bytes()).await.expect("it reads");
        rest(&mut stream).await
    };
    let ready = "GET /readyz HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n";
    let told = async { while !ask(ready.to_owned()).await.starts_with("HTTP/1.1 503 ") {} };
    tokio::time::timeout(SOON, told).await.expect("readers of /readyz are told");
    // It still lives, and still takes requests; but connections are not kept.
    assert!(ask("GET /healthz HTTP/1.1\r\nhost: g\r\n\r\n".to_owned()).await.starts_with("HTTP/1.1 200 "));
    assert!(ask(post(BODY)).await.starts_with("HTTP/1.1 200 "));
    stopping.abort();
}

#[tokio::test]
async fn what_takes_longer_than_the_grace_is_cut() {
    let engine = Engine::start(Script::AnswerThenWait(events(&["1"], false))).await;
    let drain = Drain { grace: Duration::from_millis(50), ..Drain::default() };
    let gateway = gateway_with(pool(&[engine.address]), |config| config.with_drain(drain)).await;
    let mut answer = send(&gateway, Method::POST, CHAT, BODY).await;
    assert!(answer.frame().await.is_some_and(|frame| frame.is_ok()));
    let handle = gateway.handle();
    tokio::time::timeout(SOON, gateway.shutdown()).await.expect("it ends");
    assert!(answer.frame().await.is_none_or(|frame| frame.is_err()));
    assert_eq!(handle.outstanding(), 0);
}

#[tokio::test]
async fn a_connection_that_came_last_is_served() {
    let engine = Engine::start(json_ok("{}")).await;
    let gateway = Arc::new(gateway(pool(&[engine.address])).await);
    let mut stream = TcpStream::connect(gateway.address()).await.expect("it listens");
    // The socket has the connection; nothing has been said on it when the gateway stops.
    let gateway = Arc::into_inner(gateway).expect("one owner");
    let stopping = tokio::spawn(gateway.shutdown());
    tokio::task::yield_now().await;
    stream.write_all(post(BODY).as_bytes()).await.expect("it is not reset");
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200 "));
    tokio::time::timeout(SOON, stopping).await.expect("it ends").expect("it does not panic");
}

#[tokio::test]
async fn a_stream_under_way_is_finished() {
    let engine = Engine::start(Script::Answer(events(&["1", "2", "[DONE]"], true))).await;
    let gateway = gateway(pool(&[engine.address])).await;
    let answer = send(&gateway, Method::POST, CHAT, BODY).await;
    let (read, ()) = tokio::join!(text(answer), gateway.shutdown());
    assert_eq!(read, "data: 1\n\ndata: 2\n\ndata: [DONE]\n\n");
}
