//! In whose words a client is told what went wrong.

use http::{HeaderValue, Request};
use serde_json::{Value, json};

use crate::api_error::ApiError;

/// Whose clients ask: each vendor's read errors of its own shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    Anthropic,
}

/// How one request's client is told.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    dialect: Dialect,
    /// What the client calls its request; only Anthropic's errors say it.
    request_id: Option<HeaderValue>,
}

impl Dialect {
    /// That of whoever asks on this path.
    pub(crate) fn of(path: &str) -> Self {
        let below = path.strip_prefix("/v1/messages");
        if below.is_some_and(|below| below.is_empty() || below.starts_with('/')) {
            Self::Anthropic
        } else {
            Self::OpenAi
        }
    }

    /// The last event of a stream that broke.
    pub(crate) fn event(self, error: &ApiError) -> String {
        match self {
            Self::OpenAi => format!("data: {}\n\n", error.json()),
            Self::Anthropic => format!("event: error\ndata: {}\n\n", anthropic(error)),
        }
    }
}

impl Manner {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let dialect = Dialect::of(request.uri().path());
        let id = || request.headers().get("x-request-id").cloned();
        Self { dialect, request_id: (dialect == Dialect::Anthropic).then(id).flatten() }
    }

    /// What a client reads instead of an answer.
    pub(crate) fn json(&self, error: &ApiError) -> Value {
        if self.dialect == Dialect::OpenAi {
            return error.json();
        }
        let mut told = anthropic(error);
        told["request_id"] = self.request_id.as_ref().map(|id| String::from_utf8_lossy(id.as_bytes())).into();
        told
    }
}

fn anthropic(error: &ApiError) -> Value {
    // Their clients look at the status first, and these are the words that belong to it.
    let kind = match error.status().as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    json!({ "type": "error", "error": { "type": kind, "message": error.message() } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anthropics_clients_ask_for_messages() {
        for path in ["/v1/messages", "/v1/messages/count_tokens"] {
            assert_eq!(Dialect::of(path), Dialect::Anthropic, "{path}");
        }
        for path in ["/v1/messages2", "/v1/chat/completions", "/v1", "/messages"] {
            assert_eq!(Dialect::of(path), Dialect::OpenAi, "{path}");
        }
    }

    #[test]
    fn each_status_has_its_word() {
        for (error, kind) in [
            (ApiError::bad_request("odd"), "invalid_request_error"),
            (ApiError::slow_body(), "invalid_request_error"),
            (ApiError::wrong_method("POST"), "invalid_request_error"),
            (ApiError::unknown_path("/"), "not_found_error"),
            (ApiError::too_large(1), "request_too_large"),
            (ApiError::bad_gateway("gone"), "api_error"),
            (ApiError::stopping(), "overloaded_error"),
            (ApiError::timed_out("e"), "timeout_error"),
        ] {
            assert_eq!(anthropic(&error)["error"]["type"], kind);
        }
        let request = Request::post("/v1/messages?beta=true").header("x-request-id", "r-1").body(()).expect("valid");
        let told = Manner::of(&request).json(&ApiError::bad_request("odd"));
        let expected = json!({ "type": "error", "request_id": "r-1", "error": { "type": "invalid_request_error", "message": "odd" } });
        assert_eq!(told, expected);
        let event = Dialect::Anthropic.event(&ApiError::stalled("e"));
        assert!(event.starts_with("event: error\ndata: {") && event.ends_with("}\n\n"), "{event}");
    }
}
