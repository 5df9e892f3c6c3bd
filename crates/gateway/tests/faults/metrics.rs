//! What is counted and logged.

use std::io::Write;
use std::sync::mpsc;

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use phalanx_gateway::{AccessLog, LogFormat, Retry};
use serde_json::Value;

use super::client::{CHAT, SOON, get, raw};
use super::support::{
    Engine, Script, events, gateway, gateway_with, json_ok, nobody, pool, response, send, settled, text,
};

const BODY: &str = r#"{"model":"m"}"#;

/// The sum of the series of a name that have all of these labels.
fn sum(page: &str, name: &str, labels: &[&str]) -> f64 {
    let lines = page.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    });
    lines.map(|line| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).expect("a number")).sum()
}

#[tokio::test]
async fn requests_are_counted_by_what_their_clients_got() {
    let whole = Engine::start(json_ok("{}")).await;
    let once = Retry::new().with_tries(2).expect("valid");
    let gateway = gateway_with(pool(&[whole.address, nobody().await]), |config| config.with_retry(once)).await;
    for _ in 0..10 {
        assert_eq!(send(&gateway, Method::POST, CHAT, BODY).await.status(), StatusCode::OK);
    }
    send(&gateway, Method::POST, CHAT, r#"{"model":"another"}"#).await;
    send(&gateway, Method::POST, "/v1/completions", "{").await;
    settled(&gateway).await;
    let page = get(&gateway, "/metrics").await;
    let requests = |labels: &[&str]| sum(&page, "kthena_router_requests_total", labels);
    let served = ["model=\"m\"", "status_code=\"200\"", "error_type=\"\"", "backend_name=\"server\""];
    assert_eq!(requests(&served), 10.0, "{page}");
    let unknown = ["model=\"unknown\"", "status_code=\"404\"", "error_type=\"model_route_matching\""];
    assert_eq!(requests(&unknown), 1.0, "{page}");
    let malformed = ["model=\"unknown\"", "path=\"/v1/completions\"", "error_type=\"request_parsing\""];
    assert_eq!(requests(&malformed), 1.0, "{page}");
    assert_eq!(requests(&[]), 12.0, "{page}");
    assert!(!page.contains("another"), "a client's words are no label: {page}");
    let retries = sum(&page, "phalanx_gateway_retries_total", &[]);
    let errors = sum(&page, "phalanx_gateway_endpoint_requests_total", &["endpoint=\"e1\"", "outcome=\"error\""]);
    assert!(retries >= 1.0 && (retries - errors).abs() < 0.5, "{page}");
    assert_eq!(sum(&page, "kthena_router_request_duration_seconds_count", &[]), 12.0);
    assert_eq!(sum(&page, "phalanx_gateway_time_to_first_token_seconds_count", &["model=\"m\""]), 10.0);
    assert!(sum(&page, "phalanx_gateway_decision_seconds_count", &[]) >= 10.0);
    assert_eq!(sum(&page, "kthena_router_active_requests", &[]), 0.0);
    assert!(page.ends_with("# EOF\n"));
}

#[tokio::test]
async fn streams_are_timed_by_their_events() {
    let engine = Engine::start(Script::Answer(events(&["1", "2", "3"], true))).await;
    let gateway = gateway(pool(&[engine.address])).await;
    text(send(&gateway, Method::POST, CHAT, BODY).await).await;
    settled(&gateway).await;
    let page = get(&gateway, "/metrics").await;
    assert_eq!(sum(&page, "phalanx_gateway_time_per_output_token_seconds_count", &["model=\"m\""]), 1.0, "{page}");
}

#[tokio::test]
async fn clients_that_leave_and_answers_that_break_are_told_apart() {
    let cut = Engine::start(Script::Answer(events(&["1"], false))).await;
    let gateway_of_cut = gateway(pool(&[cut.address])).await;
    text(send(&gateway_of_cut, Method::POST, CHAT, BODY).await).await;
    settled(&gateway_of_cut).await;
    let page = get(&gateway_of_cut, "/metrics").await;
    assert_eq!(sum(&page, "kthena_router_requests_total", &["error_type=\"upstream_response\""]), 1.0, "{page}");

    let waits = Engine::start(Script::AnswerThenWait(events(&["1"], false))).await;
    let gateway = gateway(pool(&[waits.address])).await;
    let mut answer = send(&gateway, Method::POST, CHAT, BODY).await;
    assert!(answer.frame().await.is_some());
    let page = get(&gateway, "/metrics").await;
    assert_eq!(sum(&page, "kthena_router_active_downstream_requests", &["model=\"m\""]), 1.0, "{page}");
    assert_eq!(sum(&page, "phalanx_gateway_endpoint_requests_in_flight", &["endpoint=\"e0\""]), 1.0, "{page}");
    drop(answer);
    settled(&gateway).await;
    let page = get(&gateway, "/metrics").await;
    assert_eq!(sum(&page, "kthena_router_requests_total", &["error_type=\"client_gone\""]), 1.0, "{page}");
    assert_eq!(sum(&page, "kthena_router_active_downstream_requests", &["model=\"m\""]), 0.0, "{page}");
}

#[tokio::test]
async fn what_a_client_sends_makes_no_series() {
    let engine = Engine::start(json_ok("{}")).await;
    let gateway = gateway(pool(&[engine.address])).await;
    for number in 0..50 {
        send(&gateway, Method::POST, CHAT, &format!(r#"{{"model":"x{number}"}}"#)).await;
        send(&gateway, Method::POST, &format!("/v1/x{number}"), BODY).await;
    }
    let page = get(&gateway, "/metrics").await;
    let series = page.lines().filter(|line| line.starts_with("kthena_router_requests_total")).count();
    // That of all models without a route, and that of all paths without a name of their own.
    assert_eq!(series, 2, "{page}");
    assert_eq!(sum(&page, "kthena_router_requests_total", &["path=\"other\"", "status_code=\"200\""]), 50.0, "{page}");
}

/// A log that a test reads.
struct Lines(mpsc::Sender<String>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        // The test may have read enough.
        let _ = self.0.send(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_request_has_a_line() {
    let engine = Engine::start(json_ok("{}")).await;
    let (sender, lines) = mpsc::channel();
    let log = AccessLog::new(LogFormat::Json, Lines(sender));
    let gateway = gateway_with(pool(&[engine.address]), |config| config.with_access_log(log)).await;
    let request =
        "POST /v1/chat/completions?secret=1 HTTP/1.1\r\nhost: g\r\nx-request-id: r-7\r\nconnection: close\r\n";
    let answer = raw(&gateway, format!("{request}content-length: 13\r\n\r\n{BODY}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let line: Value = serde_json::from_str(&lines.recv_timeout(SOON).expect("a line")).expect("an object");
    let expected = [
        ("method", "POST"),
        ("path", "/v1/chat/completions"),
        ("model_name", "m"),
        ("model_server", "server"),
        ("selected_pod", "e0"),
        ("request_id", "r-7"),
        ("error", ""),
    ];
    for (field, value) in expected {
        assert_eq!(line[field], value, "{line}");
    }
    assert_eq!((&line["status_code"], &line["upstream_attempts"]), (&200.into(), &1.into()), "{line}");

    send(&gateway, Method::POST, CHAT, "[]").await;
    let line: Value = serde_json::from_str(&lines.recv_timeout(SOON).expect("a line")).expect("an object");
    assert_eq!((&line["status_code"], &line["error"]), (&400.into(), &"request_parsing".into()), "{line}");
}

#[tokio::test]
async fn an_engines_status_is_counted_as_it_is() {
    let engine = Engine::start(Script::Answer(response("418 Teapot", "text/plain", "short"))).await;
    let gateway = gateway(pool(&[engine.address])).await;
    send(&gateway, Method::POST, CHAT, BODY).await;
    settled(&gateway).await;
    let page = get(&gateway, "/metrics").await;
    assert_eq!(sum(&page, "kthena_router_requests_total", &["status_code=\"418\"", "error_type=\"\""]), 1.0, "{page}");
}
