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

/// An answer in OpenAI's error shape, or in Anthropic's.
#[derive(Debug)]
pub(crate) struct ApiError {
    is_anthropic: bool,
    status: StatusCode,
    kind: &'static str,
    param: Option<&'static str>,
    message: String,
}

impl ApiError {
    pub(crate) fn invalid(param: &'static str, message: impl Into<String>) -> Self {
        Self {
            is_anthropic: false,
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            param: Some(param),
            message: message.into(),
        }
    }

    pub(crate) fn body(message: impl Into<String>) -> Self {
        Self {
            is_anthropic: false,
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            param: None,
            message: message.into(),
        }
    }

    pub(crate) fn unknown_model<'a>(name: &str, served: impl Iterator<Item = &'a str>) -> Self {
        let served = served.collect::<Vec<_>>().join(", ");
        Self {
            is_anthropic: false,
            status: StatusCode::NOT_FOUND,
            kind: "not_found_error",
            param: Some("model"),
            message: format!("the model `{name}` does not exist here; this engine serves {served}"),
        }
    }

    pub(crate) fn unknown_adapter(name: &str) -> Self {
        Self {
            is_anthropic: false,
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
                is_anthropic: false,
                status: StatusCode::NOT_FOUND,
                kind: "not_found_error",
                param: None,
                message: missed.to_string(),
            },
        }
    }

    fn failed(message: String) -> Self {
        Self {
            is_anthropic: false,
            status: StatusCode::INTERNAL_SERVER_ERROR,
            kind: "server_error",
            param: None,
            message,
        }
    }

    pub(crate) fn unknown_path() -> Self {
        Self {
            is_anthropic: false,
            status: StatusCode::NOT_FOUND,
            kind: "not_found_error",
            param: None,
            message:
                "no such path; this engine serves /v1/completions, /v1/chat/completions, /v1/messages and /v1/models"
                    .to_owned(),
        }
    }

    pub(crate) fn wrong_method(method: &Method) -> Self {
        Self {
            is_anthropic: false,
            status: StatusCode::METHOD_NOT_ALLOWED,
            kind: "invalid_request_error",
            param: None,
            message: format!("this path does not take {method}"),
        }
    }

    /// As Anthropic's clients read it.
    pub(crate) fn for_anthropic(self) -> Self {
        Self { is_anthropic: true, ..self }
    }

    pub(crate) fn stopping() -> Self {
        Self {
            is_anthropic: false,
            status: StatusCode::SERVICE_UNAVAILABLE,
            kind: "server_error",
            param: None,
            message: "the engine is stopping".to_owned(),
        }
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        Self {
            is_anthropic: false,
            status: rejection.status(),
            kind: "invalid_request_error",
            param: None,
            message: rejection.body_text(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.is_anthropic {
            let kind = match self.status {
                StatusCode::NOT_FOUND => "not_found_error",
                StatusCode::PAYLOAD_TOO_LARGE => "request_too_large",
                StatusCode::SERVICE_UNAVAILABLE => "overloaded_error",
                status if status.is_server_error() => "api_error",
                _ => "invalid_request_error",
            };
            let body = json!({ "type": "error", "error": { "type": kind, "message": self.message } });
            return (self.status, Json(body)).into_response();
        }
        let body = json!({ "error": {
            "message": self.message, "type": self.kind, "param": self.param, "code": self.status.as_u16(),
        }});
        (self.status, Json(body)).into_response()
    }
}
