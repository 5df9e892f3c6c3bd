//! A look inside a running gateway, for this machine alone.

mod decisions;
mod dump;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::answer::json_response;
use crate::api_error::ApiError;
use crate::server::Running;

/// Connections at once; further ones wait.
const CONNECTIONS: usize = 32;

/// Answers until it is dropped.
pub(crate) async fn serve(listener: TcpListener, running: Arc<Running>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => {
                let Ok((stream, _)) = accepted else {
                    // Most likely for want of file descriptors.
                    tokio::task::yield_now().await;
                    continue;
                };
                let running = Arc::clone(&running);
                let service = service_fn(move |request| {
                    let answer = respond(&request, &running).unwrap_or_else(Response::from);
                    async move { Ok::<_, Infallible>(answer.map(Full::new)) }
                });
                let mut http = http1::Builder::new();
                let connection = http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move { _ = connection.await });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

fn respond(request: &Request<Incoming>, running: &Running) -> Result<Response<Bytes>, ApiError> {
    if request.method() != Method::GET {
        return Err(ApiError::wrong_method("GET"));
    }
    // A page of somebody else's that a browser here shows asks under a name of its own.
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !is_local(host) {
        return Err(ApiError::unknown_host(host));
    }
    let desk = running.desk();
    let path = request.uri().path();
    let body = match path {
        "/debug" | "/debug/" => json!({
            "gateway": dump::gateway(&desk),
            "endpoints": dump::endpoints(&desk, running),
            "pools": dump::pools(&desk),
            "index": dump::index(&desk),
            "requests": dump::requests(&desk),
            "decisions": decisions::list(&desk),
            "config": dump::config(&desk),
        }),
        "/debug/gateway" => dump::gateway(&desk),
        "/debug/endpoints" => dump::endpoints(&desk, running),
        "/debug/pools" => dump::pools(&desk),
        "/debug/index" => dump::index(&desk),
        "/debug/requests" => dump::requests(&desk),
        "/debug/config" => dump::config(&desk),
        "/debug/decisions" => {
            if let Some(count) = asked(request.uri().query().unwrap_or_default())? {
                desk.fleet.explain_next(count);
            }
            decisions::list(&desk)
        }
        _ => return Err(ApiError::unknown_page(path)),
    };
    Ok(json_response(StatusCode::OK, &body))
}

/// How many decisions are to be explained, if that is asked.
fn asked(query: &str) -> Result<Option<usize>, ApiError> {
    let Some(text) = query.split('&').find_map(|part| part.strip_prefix("explain=")) else { return Ok(None) };
    let wrong = |_| ApiError::bad_request(format!("explain: found {text:?}; expected a number of decisions"));
    text.parse().map(Some).map_err(wrong)
}

/// Whether a host is this machine under a name that is nobody else's.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Milliseconds with three places, as all times are told.
fn millis(time: std::time::Duration) -> Value {
    json!(time.as_micros() as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_local() {
        for host in ["localhost", "localhost:9", "127.0.0.1", "127.0.0.1:80", "[::1]:80", "[::1]"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["", "example.com", "localhost.example.com:80", "10.0.0.1", "[::2]:1", "127.0.0.1.example.com"] {
            assert!(!is_local(host), "{host}");
        }
    }
}
