//! What goes wrong with a request.

use http::StatusCode;
use phalanx_routing::RouteError;
use serde_json::{Value, json};

use crate::cause::Cause;

/// An error of the gateway's own.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    cause: Cause,
    param: Option<&'static str>,
    message: String,
    /// The methods that the path takes, for status 405.
    allowed: Option<&'static str>,
}

impl ApiError {
    fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, param: None, message: message.into(), allowed: None }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Cause::Malformed, message)
    }

    pub(crate) fn bad_parameter(param: &'static str, message: impl Into<String>) -> Self {
        Self { param: Some(param), ..Self::bad_request(message) }
    }

    fn unknown_model(name: &str) -> Self {
        let message = format!("the model `{name}` has no route here; GET /v1/models lists those that have one");
        Self { param: Some("model"), ..Self::new(Cause::NoRoute, message) }
    }

    pub(crate) fn no_route(error: &RouteError) -> Self {
        match error {
            RouteError::UnknownModel { model } => Self::unknown_model(model),
            other => Self::new(Cause::NoRoute, other.to_string()),
        }
    }

    pub(crate) fn unknown_host(host: &str) -> Self {
        Self::new(Cause::NoPath, format!("no listener is for the host {host:?}"))
    }

    pub(crate) fn foreign_host(host: &str) -> Self {
        Self::new(Cause::NoPath, format!("asked under the name {host:?}; expected localhost or a loopback address"))
    }

    pub(crate) fn external(provider: &str) -> Self {
        let message = format!("the route leads to the external provider {provider}, which this release does not ask");
        Self::new(Cause::External, message)
    }

    pub(crate) fn unknown_path(path: &str) -> Self {
        let expected = "/v1/chat/completions, /v1/completions, /v1/models, /metrics, /readyz or /healthz";
        Self::new(Cause::NoPath, format!("no such path: {path}; expected {expected}"))
    }

    pub(crate) fn unknown_page(path: &str) -> Self {
        let expected = "/debug, or /debug/ and gateway, endpoints, pools, index, requests, decisions or config";
        Self::new(Cause::NoPath, format!("no such page: {path}; expected {expected}"))
    }

    pub(crate) fn wrong_method(allowed: &'static str) -> Self {
        let message = format!("this path takes {allowed} only");
        Self { allowed: Some(allowed), ..Self::new(Cause::WrongMethod, message) }
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(Cause::TooLarge, format!("the body is larger than {limit} bytes"))
    }

    pub(crate) fn slow_body() -> Self {
        Self::new(Cause::SlowBody, "the body did not arrive in time")
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Cause::NoEndpoint, message)
    }

    pub(crate) fn stopping() -> Self {
        Self::new(Cause::Busy, "the gateway is about to stop")
    }

    pub(crate) fn bad_gateway(message: impl Into<String>) -> Self {
        Self::new(Cause::Broken, message)
    }

    pub(crate) fn timed_out(endpoint: &str) -> Self {
        Self::new(Cause::Slow, format!("endpoint {endpoint} did not answer in time"))
    }

    pub(crate) fn cut(endpoint: &str, why: &dyn std::fmt::Display) -> Self {
        Self::new(Cause::Cut, format!("endpoint {endpoint} broke off: {why}"))
    }

    pub(crate) fn stalled(endpoint: &str) -> Self {
        Self::new(Cause::Stalled, format!("endpoint {endpoint} did not go on in time"))
    }

    pub(crate) fn cause(&self) -> Cause {
        self.cause
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.cause.status()
    }

    pub(crate) fn allowed(&self) -> Option<&'static str> {
        self.allowed
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// In OpenAI's shape; a [dialect](crate::dialect) has others.
    pub(crate) fn json(&self) -> Value {
        json!({ "error": {
            "message": self.message, "type": self.cause.kind(), "param": self.param, "code": self.status().as_u16(),
        }})
    }
}
