//! One page over HTTP.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::metrics::EngineMetrics;

/// Why an engine's metrics could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScrapeError {
    /// It took too long.
    #[error("no page in time")]
    Slow,
    /// The path is none.
    #[error("the path is none of a URL")]
    Path,
    /// No connection, or no answer on it.
    #[error("no answer")]
    Unreachable,
    /// The answer has another status than 200.
    #[error("status {0}")]
    Status(u16),
    /// The page is too large.
    #[error("a page of more than {0} bytes")]
    TooLarge(usize),
    /// The page broke off.
    #[error("the page broke off")]
    Cut,
    /// The page says nothing that is known of an engine.
    #[error("no metrics of an engine that is known")]
    Unknown,
}

pub(super) type Client = legacy::Client<HttpConnector, Empty<Bytes>>;

/// A client that keeps one connection to each engine.
pub(super) fn client() -> Client {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    legacy::Client::builder(TokioExecutor::new()).pool_max_idle_per_host(1).build(connector)
}

/// Reads a page of at most so many bytes, of one rank or of all.
pub(super) async fn fetch(
    client: Client,
    url: String,
    limit: usize,
    rank: Option<u32>,
) -> Result<EngineMetrics, ScrapeError> {
    let request = Request::get(url).header("accept", "text/plain").body(Empty::new());
    let answer = client.request(request.map_err(|_| ScrapeError::Path)?).await;
    let answer = answer.map_err(|_| ScrapeError::Unreachable)?;
    if answer.status() != StatusCode::OK {
        return Err(ScrapeError::Status(answer.status().as_u16()));
    }
    let page = Limited::new(answer.into_body(), limit).collect().await;
    let page = page.map_err(|error| match error.is::<LengthLimitError>() {
        true => ScrapeError::TooLarge(limit),
        false => ScrapeError::Cut,
    })?;
    let page = page.to_bytes();
    let metrics = rank.map_or_else(|| EngineMetrics::read(&page), |rank| EngineMetrics::read_rank(&page, rank));
    if metrics.is_of_an_engine() { Ok(metrics) } else { Err(ScrapeError::Unknown) }
}
