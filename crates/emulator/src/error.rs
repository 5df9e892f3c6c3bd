//! Errors: one for whoever starts an emulator, one for whoever sends it a request.

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::transfers::Missed;

/// Why an emulator could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The listener has no local address: it is not bound.
    #[error("the listener has no address: {0}")]
    Address(#[source] std::io::Error),
}

/// An answer in OpenAI's error shape.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    kind: &'static str,
    param: Option<&'static str>,
    message: String,
}

impl ApiError {
    pub(crate) fn invalid(param: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            param: Some(param),
            message: message.into(),
        }
    }

    pub(crate) fn body(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "invalid_request_error", param: None, message: message.into() }
    }

    pub(crate) fn unknown_model<'a>(name: &str, served: impl Iterator<Item = &'a str>) -> Self {
        let served = served.collect::<Vec<_>>().join(", ");
        Self {
            status: StatusCode::NOT_FOUND,
            kind: "not_found_error",
            param: Some("model"),
            message: format!("the model `{name}` does not exist here; this engine serves {served}"),
        }
    }

    pub(crate) fn unknown_adapter(name: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            kind: "not_found_error",
            param: Some("lora_name"),
            message: format!("no adapter `{name}` is loaded here"),
        }
    }

    /// The prompt's KV was to come from another engine.
    pub(crate) fn no_kv(peer: &str, why: &dyn std::fmt::Display) -> Self {
        Self::failed(format!("the prompt's KV does not come from {peer}: {why}"))
    }

    /// The prompt's KV was to go to another engine, or to be found here.
    pub(crate) fn missed(missed: &Missed) -> Self {
        match missed {
            Missed::Room(_) | Missed::Left(_) => Self::failed(missed.to_string()),
            Missed::Taken(_) => Self { param: Some("bootstrap_room"), ..Self::body(missed.to_string()) },
            Missed::Engine(_) | Missed::Blocks | Missed::Prompt => Self {
                status: StatusCode::NOT_FOUND,
                kind: "not_found_error",
                param: None,
                message: missed.to_string(),
            },
        }
    }

    fn failed(message: String) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, kind: "server_error", param: None, message }
    }

    pub(crate) fn unknown_path() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            kind: "not_found_error",
            param: None,
            message: "no such path; this engine serves /v1/completions, /v1/chat/completions and /v1/models".to_owned(),
        }
    }

    pub(crate) fn wrong_method(method: &Method) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            kind: "invalid_request_error",
            param: None,
            message: format!("this path does not take {method}"),
        }
    }

    pub(crate) fn stopping() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            kind: "server_error",
            param: None,
            message: "the engine is stopping".to_owned(),
        }
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        Self { status: rejection.status(), kind: "invalid_request_error", param: None, message: rejection.body_text() }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({ "error": {
            "message": self.message, "type": self.kind, "param": self.param, "code": self.status.as_u16(),
        }});
        (self.status, Json(body)).into_response()
    }
}
