//! A look inside a running gateway, for this machine alone.

mod decisions;
mod dump;

use std::net::IpAddr;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::answer::json_response;
use crate::api_error::ApiError;
use crate::server::Running;

/// Answers one request.
pub(crate) fn respond(request: &Request<Incoming>, running: &Running) -> Result<Response<Bytes>, ApiError> {
    // A page of somebody else's that a browser here shows asks under a name of its own.
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !is_local(host) {
        return Err(ApiError::foreign_host(host));
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
