//! The gateway's own answers.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;

use crate::api_error::ApiError;

pub(crate) fn json_response(status: StatusCode, value: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What went wrong, as JSON.
pub(crate) fn error_response(error: &ApiError, told: &Value) -> Response<Bytes> {
    let mut response = json_response(error.status(), told);
    if let Some(allowed) = error.allowed() {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    }
    response
}

impl From<ApiError> for Response<Bytes> {
    fn from(error: ApiError) -> Self {
        error_response(&error, &error.json())
    }
}
