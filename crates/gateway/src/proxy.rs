//! One request's way to an engine and back.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use phalanx_routing::{EndpointId, Outcome, PoolId};
use serde_json::value::RawValue;

use crate::api_error::ApiError;
use crate::ask::Ask;
use crate::body::GatewayBody;
use crate::desk::{Desk, Server, Work};
use crate::disaggregated::{self, Prefilled};
use crate::flight::Flight;

/// The name of the endpoint that answered.
const ENDPOINT: HeaderName = HeaderName::from_static("x-phalanx-endpoint");

/// Headers that belong to one connection, not to the message (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A client of engines, with its pool of connections.
pub(crate) type Upstream = Client<HttpConnector, Full<Bytes>>;

/// A request that has been read, on its way.
#[derive(Debug)]
pub(crate) struct Proxy<'a> {
    pub(crate) desk: &'a Arc<Desk>,
    pub(crate) upstream: &'a Upstream,
    pub(crate) head: &'a Parts,
    pub(crate) ask: &'a Ask,
    pub(crate) server: &'a Server,
    /// The name to ask the server for, where it is not the client's.
    pub(crate) model: Option<&'a str>,
    pub(crate) key: u64,
}

/// The endpoints that failed a request before their response head, in id order, and what the last one did.
#[derive(Debug, Default)]
struct Tried {
    endpoints: Vec<EndpointId>,
    last: Option<ApiError>,
}

/// One of them.
#[derive(Debug)]
struct Broken {
    index: usize,
    error: ApiError,
}

impl Tried {
    fn note(&mut self, desk: &Desk, broken: Broken) {
        let id = desk.id(broken.index);
        let place = self.endpoints.partition_point(|&other| other < id);
        self.endpoints.insert(place, id);
        self.last = Some(broken.error);
    }
}

impl Proxy<'_> {
    pub(crate) async fn run(&self) -> Result<Response<GatewayBody>, ApiError> {
        if self.server.is_disaggregated() { self.run_pair().await } else { self.run_whole().await }
    }

    /// Tries endpoints, best first, until one gives a response head.
    async fn run_whole(&self) -> Result<Response<GatewayBody>, ApiError> {
        self.try_each(self.server.whole, Tried::default()).await
    }

    /// Runs the prompt on one endpoint and the rest on another that it hands its KV to.
    async fn run_pair(&self) -> Result<Response<GatewayBody>, ApiError> {
        let decode = self.choose(Work::Decode, self.server.decode, &[])?;
        let prefill = self.server.prefill_for(decode.index());
        let prefilled = match prefill.map(|pool| self.choose(Work::Prompt(self.ask), pool, &[])) {
            Some(Ok(flight)) => self.prefill(flight).await?,
            Some(Err(_)) | None => Prefilled::Nowhere,
        };
        let mut tried = Tried::default();
        match prefilled {
            Prefilled::At(parameters) => match self.try_one(decode, Some(&parameters)).await? {
                Ok(response) => return Ok(response),
                Err(broken) => tried.note(self.desk, broken),
            },
            Prefilled::Refused(response) => {
                decode.settle(Outcome::Unused);
                return Ok(response);
            }
            Prefilled::Nowhere => decode.settle(Outcome::Unused),
        }
        // No KV comes: a decode endpoint computes the prompt itself.
        self.try_each(self.server.decode, tried).await
    }

    /// Runs the prompt where `flight` leads, to the end of the answer, which is short.
    async fn prefill(&self, mut flight: Flight) -> Result<Prefilled, ApiError> {
        let body = self.ask.body_for(self.model, None);
        let Some(body) = disaggregated::prefill_body(&body) else {
            flight.settle(Outcome::Unused);
            return Ok(Prefilled::Nowhere);
        };
        let leg = async {
            let response = self.send(&flight, body).await.map_err(|_| ())?;
            if response.status().is_client_error() && response.status() != StatusCode::TOO_MANY_REQUESTS {
                return Ok(Err(response));
            }
            disaggregated::read_prefilled(response).await.map(Ok).ok_or(())
        };
        match self.in_time(leg).await {
            None => {
                let error = ApiError::timed_out(flight.endpoint());
                flight.settle(Outcome::Error);
                Err(error)
            }
            Some(Ok(Ok(parameters))) => {
                flight.first_token();
                flight.settle(Outcome::Success);
                Ok(Prefilled::At(parameters))
            }
            Some(Ok(Err(refusal))) => Ok(Prefilled::Refused(relay(refusal, flight))),
            Some(Err(())) => {
                flight.settle(Outcome::Error);
                Ok(Prefilled::Nowhere)
            }
        }
    }

    async fn try_each(&self, among: PoolId, mut tried: Tried) -> Result<Response<GatewayBody>, ApiError> {
        while tried.endpoints.len() < self.desk.tries {
            let flight = match self.choose(Work::Prompt(self.ask), among, &tried.endpoints) {
                Ok(flight) => flight,
                Err(refusal) => return Err(tried.last.unwrap_or(refusal)),
            };
            match self.try_one(flight, None).await? {
                Ok(response) => return Ok(response),
                Err(broken) => tried.note(self.desk, broken),
            }
        }
        Err(tried.last.unwrap_or_else(|| ApiError::unavailable("no endpoint was tried")))
    }

    /// Sends the client's bytes where `flight` leads. A time-out ends the request; what else fails before the response
    /// head may go better elsewhere.
    async fn try_one(
        &self,
        flight: Flight,
        transfer: Option<&RawValue>,
    ) -> Result<Result<Response<GatewayBody>, Broken>, ApiError> {
        let body = self.ask.body_for(self.model, transfer);
        match self.in_time(self.send(&flight, body)).await {
            Some(Ok(response)) => Ok(Ok(relay(response, flight))),
            Some(Err(reason)) => {
                let broken = Broken {
                    index: flight.index(),
                    error: ApiError::bad_gateway(format!("endpoint {}: {reason}", flight.endpoint())),
                };
                flight.settle(Outcome::Error);
                Ok(Err(broken))
            }
            None => {
                let error = ApiError::timed_out(flight.endpoint());
                flight.settle(Outcome::Error);
                Err(error)
            }
        }
    }

    /// Waits as long as the server's time limit allows; `None` when that was not enough.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match self.server.timeout {
            None => Some(work.await),
            Some(limit) => tokio::time::timeout(limit, work).await.ok(),
        }
    }

    fn choose(&self, work: Work<'_>, among: PoolId, excluded: &[EndpointId]) -> Result<Flight, ApiError> {
        let refused = |refusal| ApiError::unavailable(format!("no endpoint for model `{}`: {refusal}", self.ask.model));
        let decision = self.desk.choose(work, self.key, among, excluded).map_err(refused)?;
        Ok(Flight::new(Arc::clone(self.desk), decision.endpoint.index(), decision.reservation))
    }

    /// Sends `body` and waits for the response head.
    async fn send(&self, flight: &Flight, body: Bytes) -> Result<Response<Incoming>, String> {
        let address = self.desk.endpoint(flight.index()).address;
        let path = self.head.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri = Uri::builder().scheme("http").authority(address.to_string()).path_and_query(path).build();
        let uri = uri.map_err(|error| error.to_string())?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = end_to_end(&self.head.headers);
        // Both are the connection's own: set anew from the address and the body.
        request.headers_mut().remove(header::HOST);
        request.headers_mut().remove(header::CONTENT_LENGTH);
        self.upstream.request(request).await.map_err(|error| error.to_string())
    }
}

/// The engine's response as the client gets it: status, headers and body unchanged, but for the connection's own.
fn relay(response: Response<Incoming>, flight: Flight) -> Response<GatewayBody> {
    let (mut head, body) = response.into_parts();
    head.headers = end_to_end(&head.headers);
    if let Ok(name) = HeaderValue::from_str(flight.endpoint()) {
        head.headers.insert(ENDPOINT, name);
    }
    let kind = head.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let events = kind.is_some_and(|kind| kind.starts_with(b"text/event-stream"));
    let overloaded = head.status.is_server_error() || head.status == StatusCode::TOO_MANY_REQUESTS;
    let end = if overloaded { Outcome::Error } else { Outcome::Success };
    head.extensions.clear();
    head.version = http::Version::HTTP_11;
    Response::from_parts(head, GatewayBody::relay(body, flight, end, events))
}

fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let mut kept = headers.clone();
    for name in HOP_BY_HOP.iter().chain(&named) {
        kept.remove(name);
    }
    kept
}
