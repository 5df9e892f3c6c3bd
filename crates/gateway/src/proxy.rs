//! One request's way to an engine and back.

mod pair;

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::response;
use phalanx_routing::{AdapterId, EndpointId, Outcome, PoolId};
use tokio::time::{Instant, timeout_at};

use crate::api_error::ApiError;
use crate::ask::Ask;
use crate::body::Answer;
use crate::desk::{Desk, Server, Work};
use crate::dialect::Dialect;
use crate::flight::{Flight, Sent};
use crate::patience::Patience;
use crate::sse::Events;
use crate::upstream::{AskError, EngineBody};
use crate::usage::Usage;
use crate::visit::Visit;

/// The name of the endpoint that answered.
const ENDPOINT: HeaderName = HeaderName::from_static("x-phalanx-endpoint");

/// Which data-parallel rank of an engine is to answer.
const RANK: HeaderName = HeaderName::from_static("x-data-parallel-rank");

/// A request that has been read, on its way.
#[derive(Debug)]
pub(crate) struct Proxy<'a> {
    pub(crate) desk: &'a Arc<Desk>,
    pub(crate) head: &'a Parts,
    pub(crate) ask: &'a Ask,
    pub(crate) server: &'a Server,
    /// The name to ask the server for, where it is not the client's.
    pub(crate) model: Option<&'a str>,
    /// The adapter that is asked for.
    pub(crate) adapter: Option<AdapterId>,
    pub(crate) key: u64,
    /// The ends of the time for a response head, and for all.
    pub(crate) due: Due,
}

/// Until when something has to be there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    head: Option<Instant>,
    all: Option<Instant>,
}

/// The head of an answer, and what is to come.
pub(crate) type Relayed = (response::Parts, Answer);

/// The endpoints that failed a request before their response head, in id order, and what the last one did.
#[derive(Debug, Default)]
struct Tried {
    endpoints: Vec<EndpointId>,
    last: Option<ApiError>,
}

/// What one try gave: a response head, or an endpoint that failed.
type Try = Result<(Response<EngineBody>, Flight), Broken>;

/// One of them.
#[derive(Debug)]
struct Broken {
    id: EndpointId,
    error: ApiError,
}

/// Which limit has passed.
#[derive(Clone, Copy, Debug)]
enum Late {
    /// That of one try.
    Try,
    /// That of the request.
    Request,
}

impl Due {
    /// The ends for a request to `server` that came then.
    pub(crate) fn new(server: &Server, arrived: Option<std::time::Instant>) -> Self {
        let limits = server.timeouts;
        if limits.head.or(limits.total).is_none() {
            return Self { head: None, all: None };
        }
        let start = arrived.map_or_else(Instant::now, Instant::from_std);
        let (head, all) = (limits.head.map(|limit| start + limit), limits.total.map(|limit| start + limit));
        Self { head: head.into_iter().chain(all).min(), all }
    }
}

impl Tried {
    fn note(&mut self, id: EndpointId, error: Option<ApiError>) {
        let place = self.endpoints.partition_point(|&other| other < id);
        self.endpoints.insert(place, id);
        self.last = error.or(self.last.take());
    }
}

impl Proxy<'_> {
    pub(crate) async fn run(&self, visit: &mut Visit) -> Result<Relayed, ApiError> {
        self.server.budget.request();
        match self.server.is_disaggregated() {
            true if self.ask.is_divisible => self.run_pair(visit).await,
            true => self.run_whole(self.server.decode, visit).await,
            false => self.run_whole(self.server.whole, visit).await,
        }
    }

    /// Tries endpoints of a pool, best first, until one gives a response head.
    async fn run_whole(&self, pool: PoolId, visit: &mut Visit) -> Result<Relayed, ApiError> {
        let flight = self.choose(Work::Prompt(self.ask), pool, &[])?;
        self.try_each(flight, pool, visit).await
    }

    /// Sends the client's request where `flight` leads, and then to others of the pool, as long as that may help.
    async fn try_each(&self, flight: Flight, among: PoolId, visit: &mut Visit) -> Result<Relayed, ApiError> {
        let first = self.try_one(flight, self.ask.body_for(self.model), visit).await?;
        self.go_on(first, among, visit).await
    }

    /// Passes on what the first try gave, or what further ones give at other endpoints of the pool, where that is better.
    async fn go_on(&self, first: Try, among: PoolId, visit: &mut Visit) -> Result<Relayed, ApiError> {
        let (mut last, mut tried) = (first, Tried::default());
        loop {
            let refused = match last {
                Ok((response, flight)) if !self.server.retry.is_again(response.status()) => {
                    return Ok(self.relay(response, flight));
                }
                Ok((response, flight)) => {
                    tried.note(flight.member().id, None);
                    Some((response, flight))
                }
                Err(broken) => {
                    tried.note(broken.id, Some(broken.error));
                    None
                }
            };
            match (self.another(among, &tried).await, refused) {
                (Some(next), refused) => {
                    if let Some((_, flight)) = refused {
                        flight.settle(Outcome::Error);
                    }
                    last = self.try_one(next, self.ask.body_for(self.model), visit).await?;
                }
                (None, Some((response, flight))) => return Ok(self.relay(response, flight)),
                (None, None) => return Err(tried.last.unwrap_or_else(|| ApiError::unavailable("nobody was asked"))),
            }
        }
    }

    /// Another endpoint to try, after a pause; `None` when there is none, or enough has been tried.
    async fn another(&self, among: PoolId, tried: &Tried) -> Option<Flight> {
        let count = tried.endpoints.len();
        if self.server.retry.is_enough(count) {
            return None;
        }
        let flight = self.choose(Work::Prompt(self.ask), among, &tried.endpoints).ok()?;
        if !self.desk.may_retry(self.server) {
            flight.settle(Outcome::Unused);
            return None;
        }
        let pause = self.desk.pause_after(self.server, count, self.key);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Some(flight)
    }

    /// Sends a body where `flight` leads. What fails there before the response head may go better elsewhere,
    /// but for a request whose time is over.
    async fn try_one(&self, flight: Flight, body: Bytes, visit: &mut Visit) -> Result<Try, ApiError> {
        visit.is_sent(flight.member());
        let (late, error) = match self.in_time(self.send(&flight, body)).await {
            Ok(Ok(response)) => return Ok(Ok((response, flight))),
            Ok(Err(reason)) => (None, ApiError::bad_gateway(format!("endpoint {}: {reason}", flight.endpoint()))),
            Err(late) => (Some(late), ApiError::timed_out(flight.endpoint())),
        };
        let id = flight.member().id;
        flight.settle(Outcome::Error);
        if let Some(Late::Request) = late { Err(error) } else { Ok(Err(Broken { id, error })) }
    }

    /// Waits as long as the server's limits allow.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, Late> {
        let one = self.server.timeouts.per_try.map(|limit| Instant::now() + limit);
        let Some(due) = one.into_iter().chain(self.due.head).min() else { return Ok(work.await) };
        let late = if self.due.head == Some(due) { Late::Request } else { Late::Try };
        timeout_at(due, work).await.map_err(|_| late)
    }

    fn choose(&self, work: Work<'_>, among: PoolId, excluded: &[EndpointId]) -> Result<Flight, ApiError> {
        let refused = |refusal| ApiError::unavailable(format!("no endpoint for model `{}`: {refusal}", self.ask.model));
        let (fleet, is_whole) = (&self.desk.fleet, matches!(work, Work::Prompt(_)));
        let (member, decision) = fleet.choose(work, self.adapter, self.key, among, excluded).map_err(refused)?;
        Ok(Flight::new(Arc::clone(fleet), member, decision.reservation, is_whole))
    }

    async fn send(&self, flight: &Flight, body: Bytes) -> Result<Response<EngineBody>, AskError> {
        self.desk.upstream.send(flight.member().endpoint.address, &self.head_for(flight), body).await
    }

    /// The client's head, with the rank where the endpoint is one.
    fn head_for(&self, flight: &Flight) -> Cow<'_, Parts> {
        let Some(rank) = flight.member().endpoint.rank else { return Cow::Borrowed(self.head) };
        let mut head = self.head.clone();
        head.headers.insert(RANK, rank.into());
        Cow::Owned(head)
    }

    /// The engine's response as the client gets it: status, headers and body unchanged, but for the connection's own.
    fn relay(&self, response: Response<EngineBody>, flight: Flight) -> Relayed {
        let (mut head, body) = response.into_parts();
        if let Ok(name) = HeaderValue::from_str(flight.endpoint()) {
            head.headers.insert(ENDPOINT, name);
        }
        let kind = head.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        // A stream of known length has no room for another event.
        let is_stream = kind.is_some_and(|kind| kind.starts_with(b"text/event-stream"));
        let follows = is_stream && !head.headers.contains_key(header::CONTENT_LENGTH);
        // An endpoint that has too much to do is alive.
        let end = if head.status.is_server_error() { Outcome::Error } else { Outcome::Success };
        let patience = Patience::new(self.server.timeouts.idle, self.due.all);
        let (events, usage) = (follows.then(Events::new), Usage::default());
        let dialect = Dialect::of(self.head.uri.path());
        let sent = flight.is_guessed().then(|| Sent::new(&self.ask.blocks, self.ask.prompt_tokens));
        let (pair, flight, broken) = (None, Some(flight), None);
        (head, Answer { body, pair, flight, sent, end, is_stream, events, dialect, usage, patience, broken })
    }
}
