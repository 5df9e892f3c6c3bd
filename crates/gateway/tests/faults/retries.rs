//! What is tried again, where, and how often.

use std::time::Duration;

use http::{Method, StatusCode};
use phalanx_gateway::{Gateway, Retry};

use super::client::{CHAT, get};
use super::support::{Engine, Script, gateway, gateway_with, json_ok, nobody, pool, response, send, settled, text};

const BODY: &str = r#"{"model":"m"}"#;

fn status(status: &str) -> Script {
    Script::Answer(response(status, "application/json", r#"{"error":"mine"}"#))
}

async fn all_succeed(gateway: &Gateway, requests: usize) {
    for _ in 0..requests {
        let answer = send(gateway, Method::POST, CHAT, BODY).await;
        assert_eq!(answer.status(), StatusCode::OK);
        text(answer).await;
    }
    settled(gateway).await;
}

#[tokio::test]
async fn what_fails_before_the_head_goes_elsewhere() {
    let whole = Engine::start(json_ok("{}")).await;
    let (closes, garbage) = (Script::Close, Script::Answer("this is no HTTP\r\n\r\n".to_owned()));
    let half_a_head = Script::Answer("HTTP/1.1 200 OK\r\ncontent-le".to_owned());
    for script in [closes, garbage, half_a_head] {
        let broken = Engine::start(script).await;
        let gateway = gateway(pool(&[nobody().await, broken.address, whole.address])).await;
        all_succeed(&gateway, 8).await;
    }
}

#[tokio::test]
async fn one_of_eight_engines_down_costs_none_of_eighty_requests() {
    let mut engines = Vec::new();
    for _ in 0..7 {
        engines.push(Engine::start(json_ok("{}")).await);
    }
    let mut addresses: Vec<_> = engines.iter().map(|engine| engine.address).collect();
    addresses.push(nobody().await);
    let gateway = gateway(pool(&addresses)).await;
    all_succeed(&gateway, 80).await;
    // The breaker has seen enough of it by then.
    assert!(get(&gateway, "/metrics").await.contains("phalanx_gateway_endpoint_out{endpoint=\"e7\"} 1\n"));
    all_succeed(&gateway, 80).await;
}

#[tokio::test]
async fn an_engines_error_is_asked_for_once() {
    for error in ["400 Bad Request", "429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable"] {
        let mut engines = [Engine::start(status(error)).await, Engine::start(status(error)).await];
        let gateway = gateway(pool(&[engines[0].address, engines[1].address])).await;
        let answer = send(&gateway, Method::POST, CHAT, BODY).await;
        assert_eq!(answer.status().as_str(), &error[..3]);
        assert_eq!(text(answer).await, r#"{"error":"mine"}"#);
        settled(&gateway).await;
        let asked = engines.iter_mut().filter_map(|engine| engine.seen.try_recv().ok()).count();
        assert_eq!(asked, 1, "{error}");
    }
}

#[tokio::test]
async fn a_status_that_is_configured_goes_elsewhere() {
    let retry = Retry::new().with_statuses([503]).expect("valid");
    let (busy, whole) = (Engine::start(status("503 Service Unavailable")).await, Engine::start(json_ok("{}")).await);
    let gateway = gateway_with(pool(&[busy.address, whole.address]), |config| config.with_retry(retry)).await;
    all_succeed(&gateway, 8).await;
}

#[tokio::test]
async fn the_last_answer_is_the_clients_when_all_refuse() {
    let retry = Retry::new().with_statuses([502, 503]).expect("valid");
    let mut engines = Vec::new();
    for _ in 0..2 {
        engines.push(Engine::start(status("503 Service Unavailable")).await);
    }
    let addresses = [engines[0].address, engines[1].address];
    let gateway = gateway_with(pool(&addresses), |config| config.with_retry(retry)).await;
    let answer = send(&gateway, Method::POST, CHAT, BODY).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(answer).await, r#"{"error":"mine"}"#);
    settled(&gateway).await;
    for engine in &mut engines {
        assert!(engine.seen.try_recv().is_ok(), "each was asked");
        assert!(engine.seen.try_recv().is_err(), "and once only");
    }
}

#[tokio::test]
async fn no_more_is_tried_than_the_rules_allow() {
    let mut engines = Vec::new();
    for _ in 0..5 {
        engines.push(Engine::start(Script::Close).await);
    }
    let addresses: Vec<_> = engines.iter().map(|engine| engine.address).collect();
    for (tries, budget, asked) in [(4, 10, 4), (1, 10, 1), (4, 0, 1)] {
        let retry = Retry::new().with_tries(tries).and_then(|retry| retry.with_budget(0, budget)).expect("valid");
        let retry = retry.with_pause(Duration::from_micros(1), Duration::from_millis(1)).expect("valid");
        let gateway = gateway_with(pool(&addresses), |config| config.with_retry(retry)).await;
        let answer = send(&gateway, Method::POST, CHAT, BODY).await;
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
        settled(&gateway).await;
        let seen = engines.iter_mut().filter_map(|engine| engine.seen.try_recv().ok()).count();
        assert_eq!(seen, asked, "{tries} tries, a budget of {budget}");
    }
}

#[tokio::test]
async fn the_error_names_the_endpoint_and_not_its_address() {
    let address = nobody().await;
    let gateway = gateway(pool(&[address])).await;
    let answer = text(send(&gateway, Method::POST, CHAT, BODY).await).await;
    assert!(answer.contains("endpoint e0"), "{answer}");
    assert!(!answer.contains(&address.to_string()), "{answer}");
}
