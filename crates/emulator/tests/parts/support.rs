//! Engines and a client.

use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use phalanx_emulator::{Emulator, EmulatorConfig};
use phalanx_engine::EngineConfig;
use serde_json::Value;
use tokio::net::TcpListener;

pub(crate) const COMPLETIONS: &str = "/v1/completions";

pub(crate) fn config() -> EmulatorConfig {
    EmulatorConfig::new("tiny", EngineConfig::a100_8b())
}

pub(crate) async fn start(config: EmulatorConfig) -> Emulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    Emulator::start(config, listener).expect("a bound listener")
}

pub(crate) async fn call(
    address: SocketAddr,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<Response<Incoming>, Error> {
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    let request = request.header("content-type", "application/json").body(body);
    client.request(request.expect("a valid request")).await
}

pub(crate) async fn read(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.expect("a whole body").to_bytes()
}

/// The status and the body of an answer to a POST.
pub(crate) async fn post(emulator: &Emulator, path: &str, body: Value) -> (StatusCode, Value) {
    let answer = call(emulator.address(), Method::POST, path, Some(body)).await.expect("an answer");
    let status = answer.status();
    let body = read(answer).await;
    let text = || Value::from(String::from_utf8_lossy(&body).into_owned());
    (status, serde_json::from_slice(&body).unwrap_or_else(|_| text()))
}

/// The body of an answer to a GET, as text.
pub(crate) async fn get(emulator: &Emulator, path: &str) -> String {
    let answer = call(emulator.address(), Method::GET, path, None).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    String::from_utf8(read(answer).await.to_vec()).expect("text")
}

pub(crate) fn message(error: &Value) -> &str {
    error["error"]["message"].as_str().expect("a message")
}
