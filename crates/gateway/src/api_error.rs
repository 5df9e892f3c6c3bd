//! What goes wrong with a request, in OpenAI's shape.

use http::StatusCode;
use phalanx_routing::RouteError;
use serde_json::{Value, json};

/// An error of the gateway's own.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    kind: &'static str,
    param: Option<&'static str>,
    message: String,
    /// The methods that the path takes, for status 405.
    allowed: Option<&'static str>,
}

impl ApiError {
    pub(crate) fn allowed(&self) -> Option<&'static str> {
        self.allowed
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, param: None, message: message.into(), allowed: None }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    pub(crate) fn bad_parameter(param: &'static str, message: impl Into<String>) -> Self {
        Self { param: Some(param), ..Self::bad_request(message) }
    }

    fn unknown_model(name: &str) -> Self {
        let message = format!("the model `{name}` has no route here; GET /v1/models lists those that have one");
        let error = Self::new(StatusCode::NOT_FOUND, "not_found_error", message);
        Self { param: Some("model"), ..error }
    }

    pub(crate) fn no_route(error: &RouteError) -> Self {
        match error {
            RouteError::UnknownModel { model } => Self::unknown_model(model),
            other => Self::new(StatusCode::NOT_FOUND, "not_found_error", other.to_string()),
        }
    }

    pub(crate) fn unknown_host(host: &str) -> Self {
        let message = format!("no listener is for the host {host:?}");
        Self::new(StatusCode::NOT_FOUND, "not_found_error", message)
    }

    pub(crate) fn external(provider: &str) -> Self {
        let message = format!("the route leads to the external provider {provider}, which this release does not ask");
        Self::new(StatusCode::NOT_IMPLEMENTED, "server_error", message)
    }

    pub(crate) fn unknown_path(path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found_error",
            format!("no such path: {path}; expected /v1/chat/completions, /v1/completions, /v1/models or /healthz"),
        )
    }

    pub(crate) fn wrong_method(allowed: &'static str) -> Self {
        let message = format!("this path takes {allowed} only");
        let error = Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", message);
        Self { allowed: Some(allowed), ..error }
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("the body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", message)
    }

    pub(crate) fn slow_body() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "invalid_request_error", "the body did not arrive in time")
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", message)
    }

    pub(crate) fn bad_gateway(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "server_error", message)
    }

    pub(crate) fn timed_out(endpoint: &str) -> Self {
        let message = format!("endpoint {endpoint} did not answer in time");
        Self::new(StatusCode::GATEWAY_TIMEOUT, "server_error", message)
    }

    /// The JSON that a client reads, also as the last event of a stream that broke.
    pub(crate) fn json(&self) -> Value {
        json!({ "error": {
            "message": self.message, "type": self.kind, "param": self.param, "code": self.status.as_u16(),
        }})
    }
}
