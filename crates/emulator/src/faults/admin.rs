//! Faults while the engine runs: `/fault`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use serde_json::{Value, json};

use super::fault::{Fault, Written};
use crate::error::ApiError;
use crate::shared::Shared;

/// `GET /fault`: the faults, and how often each struck.
pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(told(&shared))
}

/// `POST /fault`: one more.
pub(crate) async fn inject(
    State(shared): State<Arc<Shared>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    let written: Result<Written, _> = serde_json::from_slice(&body?);
    let written = written.map_err(|error| ApiError::body(format!("the body is not a fault: {error}")))?;
    let fault = Fault::try_from(written).map_err(|error| ApiError::body(error.to_string()))?;
    shared.faults.add(fault);
    Ok(Json(told(&shared)))
}

/// `DELETE /fault`: all is well again.
pub(crate) async fn clear(State(shared): State<Arc<Shared>>) -> Json<Value> {
    shared.faults.clear();
    Json(told(&shared))
}

fn told(shared: &Shared) -> Value {
    let rules = shared.faults.rules();
    let faults = rules.iter().map(|rule| json!({ "fault": rule.fault.written(), "hits": rule.hits }));
    let refuses = shared.faults.refuses().map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
    json!({ "faults": faults.collect::<Vec<_>>(), "refuses_millis": refuses })
}
