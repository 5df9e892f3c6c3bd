//! Who is left alone: by the breaker, and by health checks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use phalanx_gateway::{Gateway, HealthCheck, Retry};
use phalanx_routing::Breaker;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::client::{CHAT, SOON, get};
use super::support::{Engine, Script, gateway_with, json_ok, pool, response, send, settled, text};

const BODY: &str = r#"{"model":"m"}"#;

async fn ask(gateway: &Gateway) -> (StatusCode, String) {
    let answer = send(gateway, Method::POST, CHAT, BODY).await;
    let endpoint = answer.headers().get("x-phalanx-endpoint").map(|name| name.to_str().expect("text").to_owned());
    let status = answer.status();
    text(answer).await;
    settled(gateway).await;
    (status, endpoint.unwrap_or_default())
}

/// Waits until the gateway's metrics say so.
pub(crate) async fn says(gateway: &Gateway, line: &str) {
    let said = async {
        while !get(gateway, "/metrics").await.contains(&format!("{line}\n")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, said).await.unwrap_or_else(|_| panic!("{line} in the end"));
}

#[tokio::test]
async fn an_endpoint_whose_requests_fail_is_left_alone() {
    let error = Script::Answer(response("500 Internal Server Error", "application/json", "{}"));
    let (fails, whole) = (Engine::start(error).await, Engine::start(json_ok("{}")).await);
    let breaker = Breaker::new().with_failures(3).expect("valid");
    let gateway =
        gateway_with(pool(&[fails.address, whole.address]), |config| config.with_breaker(Some(breaker))).await;
    let mut failures = 0;
    for _ in 0..40 {
        failures += usize::from(ask(&gateway).await.0 != StatusCode::OK);
    }
    assert_eq!(failures, 3);
    says(&gateway, "phalanx_gateway_endpoint_out{endpoint=\"e0\"} 1").await;
}

#[tokio::test]
async fn without_a_breaker_nobody_is_left_alone() {
    let error = Script::Answer(response("500 Internal Server Error", "application/json", "{}"));
    let (fails, whole) = (Engine::start(error).await, Engine::start(json_ok("{}")).await);
    let gateway = gateway_with(pool(&[fails.address, whole.address]), |config| config.with_breaker(None)).await;
    let mut failures = 0;
    for _ in 0..40 {
        failures += usize::from(ask(&gateway).await.0 != StatusCode::OK);
    }
    assert!(failures > 6, "{failures}");
}

#[tokio::test]
async fn an_endpoint_that_has_too_much_to_do_is_alive() {
    let busy = Script::Answer(response("429 Too Many Requests", "application/json", "{}"));
    let engines = [Engine::start(busy.clone()).await, Engine::start(busy).await];
    let gateway = gateway_with(pool(&engines.map(|engine| engine.address)), |config| config).await;
    for _ in 0..40 {
        assert_eq!(ask(&gateway).await.0, StatusCode::TOO_MANY_REQUESTS);
    }
    says(&gateway, "phalanx_gateway_endpoint_out{endpoint=\"e0\"} 0").await;
    says(&gateway, "phalanx_gateway_endpoint_out{endpoint=\"e1\"} 0").await;
}

/// An engine that says that it is well as long as `is_well`, and answers requests whatever it says.
async fn checked(is_well: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&is_well)));
        }
    });
    address
}

async fn answer(mut stream: TcpStream, is_well: Arc<AtomicBool>) {
    let mut request = Vec::new();
    let is_complete = |bytes: &[u8]| match bytes.starts_with(b"GET /health ") {
        true => bytes.ends_with(b"\r\n\r\n"),
        false => bytes.ends_with(BODY.as_bytes()),
    };
    while !is_complete(&request) {
        match stream.read_buf(&mut request).await {
            Ok(count) if count > 0 => {}
            _ => return,
        }
    }
    let is_check = request.starts_with(b"GET");
    let status = if is_check && !is_well.load(Ordering::SeqCst) { "503 Service Unavailable" } else { "200 OK" };
    let _ = stream.write_all(response(status, "application/json", "{}").as_bytes()).await;
}

#[tokio::test]
async fn an_endpoint_that_is_not_well_gets_no_requests_until_it_is() {
    let flags = [(); 2].map(|()| Arc::new(AtomicBool::new(true)));
    let addresses = [checked(Arc::clone(&flags[0])).await, checked(Arc::clone(&flags[1])).await];
    let millis = Duration::from_millis;
    let check = HealthCheck::get("/health").and_then(|check| check.with_interval(millis(20), millis(20)));
    let check = check.and_then(|check| check.with_thresholds(1, 2)).expect("valid");
    let once = Retry::new().with_tries(1).expect("valid");
    let gateway = gateway_with(pool(&addresses), |config| config.with_health_check(check).with_retry(once)).await;
    says(&gateway, "phalanx_gateway_endpoint_up{endpoint=\"e0\"} 1").await;

    flags[0].store(false, Ordering::SeqCst);
    says(&gateway, "phalanx_gateway_endpoint_up{endpoint=\"e0\"} 0").await;
    for _ in 0..10 {
        assert_eq!(ask(&gateway).await, (StatusCode::OK, "e1".to_owned()));
    }
    flags[1].store(false, Ordering::SeqCst);
    says(&gateway, "phalanx_gateway_endpoint_up{endpoint=\"e1\"} 0").await;
    assert_eq!(ask(&gateway).await.0, StatusCode::SERVICE_UNAVAILABLE);

    flags[0].store(true, Ordering::SeqCst);
    says(&gateway, "phalanx_gateway_endpoint_up{endpoint=\"e0\"} 1").await;
    assert_eq!(ask(&gateway).await, (StatusCode::OK, "e0".to_owned()));
}
