//! One request's way to an engine and back.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use phalanx_routing::{EndpointId, Outcome};

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
    pub(crate) key: u64,
}

/// Why one try failed before its response head.
#[derive(Debug)]
enum Failure {
    /// Another endpoint may do better.
    Broken(String),
    TimedOut,
}

impl Proxy<'_> {
    pub(crate) async fn run(&self) -> Result<Response<GatewayBody>, ApiError> {
        if self.server.is_disaggregated() { self.run_pair().await } else { self.run_whole().await }
    }

    /// Tries endpoints, best first, until one gives a response head.
    async fn run_whole(&self) -> Result<Response<GatewayBody>, ApiError> {
        let body = self.ask.body_for(self.server.served_model.as_deref());
        self.try_each(Work::Prompt(self.ask), &self.server.whole, &body).await
    }

    async fn run_pair(&self) -> Result<Response<GatewayBody>, ApiError> {
        let body = self.ask.body_for(self.server.served_model.as_deref());
        let decode = self.choose(Work::Decode, &self.server.decode, &[])?;
        let prefill = self.server.prefill_for(decode.index());
        let prefilled = match self.choose(Work::Prompt(self.ask), prefill, &[]) {
            Ok(flight) => self.prefill(flight, &body).await,
            Err(_) => Prefilled::Nowhere,
        };
        match prefilled {
            Prefilled::At(parameters) => {
                let body = disaggregated::decode_body(&body, &parameters);
                match self.send(&decode, body).await {
                    Ok(response) => return Ok(relay(response, decode)),
                    Err(_) => decode.settle(Outcome::Error),
                }
            }
            Prefilled::Refused(response) => {
                decode.settle(Outcome::Error);
                return Ok(response);
            }
            Prefilled::Nowhere => drop(decode),
        }
        // No KV comes: a decode endpoint computes the prompt itself.
        self.try_each(Work::Prompt(self.ask), &self.server.decode, &body).await
    }

    /// Runs the prompt where `flight` leads.
    async fn prefill(&self, mut flight: Flight, body: &Bytes) -> Prefilled {
        let Some(body) = disaggregated::prefill_body(body) else { return Prefilled::Nowhere };
        match self.send(&flight, body).await {
            Ok(response) if response.status().is_client_error() => Prefilled::Refused(relay(response, flight)),
            Ok(response) => {
                let parameters = disaggregated::read_prefilled(response).await;
                flight.first_token();
                flight.settle(if parameters.is_some() { Outcome::Success } else { Outcome::Error });
                parameters.map_or(Prefilled::Nowhere, Prefilled::At)
            }
            Err(_) => {
                flight.settle(Outcome::Error);
                Prefilled::Nowhere
            }
        }
    }

    async fn try_each(
        &self,
        work: Work<'_>,
        candidates: &[EndpointId],
        body: &Bytes,
    ) -> Result<Response<GatewayBody>, ApiError> {
        let mut excluded: Vec<EndpointId> = Vec::new();
        let mut last = None;
        for _ in 0..self.desk.tries {
            let flight = match self.choose(work, candidates, &excluded) {
                Ok(flight) => flight,
                Err(refusal) => return Err(last.unwrap_or(refusal)),
            };
            match self.send(&flight, body.clone()).await {
                Ok(response) => return Ok(relay(response, flight)),
                Err(Failure::TimedOut) => {
                    let error = ApiError::timed_out(flight.endpoint());
                    flight.settle(Outcome::Error);
                    return Err(error);
                }
                Err(Failure::Broken(message)) => {
                    last = Some(ApiError::bad_gateway(format!("endpoint {}: {message}", flight.endpoint())));
                    let id = self.desk.id(flight.index());
                    let place = excluded.partition_point(|&other| other < id);
                    excluded.insert(place, id);
                    flight.settle(Outcome::Error);
                }
            }
        }
        Err(last.unwrap_or_else(|| ApiError::unavailable("no endpoint was tried")))
    }

    fn choose(&self, work: Work<'_>, among: &[EndpointId], excluded: &[EndpointId]) -> Result<Flight, ApiError> {
        let refused = |refusal| ApiError::unavailable(format!("no endpoint for model `{}`: {refusal}", self.ask.model));
        let decision = self.desk.choose(work, self.key, among, excluded).map_err(refused)?;
        Ok(Flight::new(Arc::clone(self.desk), decision.endpoint.index(), decision.reservation))
    }

    /// Sends `body` and waits for the response head.
    async fn send(&self, flight: &Flight, body: Bytes) -> Result<Response<Incoming>, Failure> {
        let address = self.desk.endpoint(flight.index()).address;
        let path = self.head.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri = Uri::builder().scheme("http").authority(address.to_string()).path_and_query(path).build();
        let uri = uri.map_err(|error| Failure::Broken(error.to_string()))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = end_to_end(&self.head.headers);
        // Both are the connection's own: set anew from the address and the body.
        request.headers_mut().remove(header::HOST);
        request.headers_mut().remove(header::CONTENT_LENGTH);
        let answer = self.upstream.request(request);
        let answer = match self.server.timeout {
            None => answer.await,
            Some(limit) => tokio::time::timeout(limit, answer).await.map_err(|_| Failure::TimedOut)?,
        };
        answer.map_err(|error| Failure::Broken(error.to_string()))
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
    head.extensions.clear();
    head.version = http::Version::HTTP_11;
    Response::from_parts(head, GatewayBody::relay(body, flight, events))
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
