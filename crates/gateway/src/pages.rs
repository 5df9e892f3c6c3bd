//! Pages beside those that clients have, on sockets of their own.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::api_error::ApiError;
use crate::server::Running;

/// Connections at once; further ones wait. An answer may be as large as the index.
const AT_ONCE: usize = 4;
/// How long one connection may take.
const LONGEST: Duration = Duration::from_secs(60);
/// The pause after an accept that failed, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What answers a request.
pub(crate) type Answer = fn(&Request<Incoming>, &Running) -> Result<Response<Bytes>, ApiError>;

/// Answers GETs, one a connection, until it is dropped.
pub(crate) async fn serve(listener: TcpListener, running: Arc<Running>, answer: Answer) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < AT_ONCE => {
                let Ok((stream, _)) = accepted else {
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let running = Arc::clone(&running);
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = match *request.method() {
                        Method::GET => answer(&request, &running),
                        _ => Err(ApiError::wrong_method("GET")),
                    };
                    async move { Ok::<_, Infallible>(answer.unwrap_or_else(Response::from).map(Full::new)) }
                });
                let mut http = http1::Builder::new();
                let http = http.timer(TokioTimer::new()).keep_alive(false);
                let connection = http.serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move { _ = timeout(LONGEST, connection).await });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}
