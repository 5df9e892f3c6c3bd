//! What the gateway answers on which path.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::json;

use crate::access_log::Entry;
use crate::answer::{error_response, json_response};
use crate::api_error::ApiError;
use crate::ask::{Api, Ask};
use crate::body::GatewayBody;
use crate::desk::{Desk, Routed};
use crate::dialect::Manner;
use crate::meters::{Page, Path};
use crate::proxy::{Due, Proxy, Relayed};
use crate::visit::Visit;

/// Answers one request.
pub(crate) async fn respond(request: Request<Incoming>, desk: &Arc<Desk>) -> Response<GatewayBody> {
    let manner = Manner::of(&request);
    let mut response = match path_of(request.uri().path()) {
        Some((path, api)) => prompted(request, path, api, &manner, desk).await,
        None => {
            let answer = own(&request, desk).unwrap_or_else(|error| error_response(&error, &manner.json(&error)));
            answer.map(|bytes| GatewayBody::own(bytes, Visit::uncounted()))
        }
    };
    if desk.fleet.is_leaving() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The paths that engines answer: those below `/v1/` whose parts are letters, digits, `-` and `_`, but for the models.
fn path_of(path: &str) -> Option<(Path, Api)> {
    match path {
        "/v1/chat/completions" => return Some((Path::Chat, Api::Chat)),
        "/v1/completions" => return Some((Path::Completions, Api::Completions)),
        "/v1/embeddings" => return Some((Path::Embeddings, Api::Other)),
        "/v1/messages" => return Some((Path::Messages, Api::Messages)),
        "/v1/responses" => return Some((Path::Responses, Api::Responses)),
        _ => {}
    }
    let mut parts = path.strip_prefix("/v1/")?.split('/');
    let is_plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let is_model = parts.clone().next() == Some("models");
    (parts.all(is_plain) && !is_model).then_some((Path::Other, Api::Other))
}

/// Answers what needs no engine.
fn own(request: &Request<Incoming>, desk: &Arc<Desk>) -> Result<Response<Bytes>, ApiError> {
    let path = request.uri().path();
    let answer: fn(&Arc<Desk>) -> Result<Response<Bytes>, ApiError> = match path {
        "/v1/models" => |desk| Ok(models(desk)),
        "/healthz" => |_| Ok(json_response(StatusCode::OK, &json!({ "status": "ok" }))),
        "/readyz" => ready,
        "/metrics" => |desk| Ok(metrics(desk)),
        _ => return Err(ApiError::unknown_path(path)),
    };
    match *request.method() {
        Method::GET | Method::HEAD => answer(desk),
        _ => Err(ApiError::wrong_method("GET")),
    }
}

/// Answers a prompt, with an engine's answer if there is one.
async fn prompted(
    request: Request<Incoming>,
    path: Path,
    api: Api,
    manner: &Manner,
    desk: &Arc<Desk>,
) -> Response<GatewayBody> {
    let entry = desk.access_log.is_some().then(|| Box::new(Entry::new(&request)));
    let mut visit = Visit::new(Arc::clone(desk), path, entry);
    match route(request, api, desk, &mut visit).await {
        Ok((head, answer)) => {
            visit.answer(head.status);
            Response::from_parts(head, GatewayBody::relay(answer, visit))
        }
        Err(error) => {
            visit.fail(error.cause());
            error_response(&error, &manner.json(&error)).map(|bytes| GatewayBody::own(bytes, visit))
        }
    }
}

async fn route(request: Request<Incoming>, api: Api, desk: &Arc<Desk>, visit: &mut Visit) -> Result<Relayed, ApiError> {
    if request.method() != Method::POST {
        return Err(ApiError::wrong_method("POST"));
    }
    let (head, body) = request.into_parts();
    let body = read(body, desk.limits.max_body, desk.limits.body_timeout).await?;
    // Whose prompts a tokenizer is for is known when there is a route.
    let is_later = !desk.tokenizers.is_empty();
    let mut ask = if is_later { Ask::read_head(body, api)? } else { Ask::read(body, api, &desk.fleet.hasher)? };
    let key = desk.fleet.key(head.headers.get("x-request-id").map(|id| id.as_bytes()));
    let Routed { server, model, adapter } = desk.route(&ask.model, &head, key)?;
    if is_later {
        let lora = if adapter.is_some() { ask.model.clone() } else { String::new() };
        Box::pin(ask.cut(server.tokenizer.as_ref(), api, &lora, &desk.fleet.hasher)).await;
    }
    visit.asks(&ask.model, server.name(), ask.prompt_tokens);
    let due = Due::new(server, visit.arrived());
    Proxy { desk, head: &head, ask: &ask, server, model, adapter, key, due }.run(visit).await
}

async fn read(body: Incoming, limit: usize, time: Duration) -> Result<Bytes, ApiError> {
    // What says that it is too large is not read at all.
    if body.size_hint().lower() > limit as u64 {
        return Err(ApiError::too_large(limit));
    }
    tokio::time::timeout(time, collect(body, limit)).await.unwrap_or_else(|_| Err(ApiError::slow_body()))
}

/// All of a body in one piece, with room for what it says that it has: it is in memory once.
async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, ApiError> {
    let mut all = BytesMut::new();
    loop {
        let data = match body.frame().await {
            None => return Ok(all.freeze()),
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(error)) => return Err(ApiError::bad_request(format!("the body could not be read: {error}"))),
        };
        if all.len() + data.len() > limit {
            return Err(ApiError::too_large(limit));
        }
        if all.is_empty() {
            if body.is_end_stream() {
                return Ok(data);
            }
            let more = usize::try_from(body.size_hint().lower()).unwrap_or(0);
            all.reserve((data.len() + more).min(limit));
        }
        all.extend_from_slice(&data);
    }
}

fn ready(desk: &Arc<Desk>) -> Result<Response<Bytes>, ApiError> {
    if desk.fleet.is_leaving() {
        Err(ApiError::stopping())
    } else {
        Ok(json_response(StatusCode::OK, &json!({ "status": "ready" })))
    }
}

fn metrics(desk: &Arc<Desk>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(Page(Arc::clone(desk)).text()));
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn models(desk: &Arc<Desk>) -> Response<Bytes> {
    let model = |id| json!({ "id": id, "object": "model", "created": 0, "owned_by": "phalanx" });
    let data: Vec<_> = desk.models().map(model).collect();
    json_response(StatusCode::OK, &json!({ "object": "list", "data": data }))
}
