//! One client's connection.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::desk::Desk;
use crate::latest::Latest;
use crate::meters::Totals;
use crate::paths::respond;
use crate::socket::Socket;

/// How long a connection that came just before the end may take to send its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// How long the last words to a client may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

const SLOW_HEAD: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\n\
    content-length: 120\r\n\r\n{\"error\":{\"message\":\"the request's head did not arrive in time\",\
    \"type\":\"invalid_request_error\",\"param\":null,\"code\":408}}";

/// Serves one connection to its end.
pub(crate) fn serve(
    stream: TcpStream,
    latest: Latest,
    mut closing: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send + use<> {
    // Without it the first chunk of a stream waits for a delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let desk = latest.desk();
    let (asked, counted, limits) = (Arc::new(AtomicBool::new(false)), Counted::new(&desk), desk.limits);
    let has_asked = Arc::clone(&asked);
    let service = service_fn(move |request| {
        has_asked.store(true, Ordering::Relaxed);
        let desk = latest.desk();
        async move { Ok::<_, Infallible>(respond(request, &desk).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head_timeout).max_header_size(limits.max_head.max(8192));
    let mut connection = http.serve_connection(TokioIo::new(Socket::new(stream, limits.stall_timeout)), service);
    async move {
        let _counted = counted;
        let mut ended = tokio::select! {
            ended = &mut connection => Some(ended),
            _ = closing.wait_for(|&closing| closing) => None,
        };
        if ended.is_none() && !asked.load(Ordering::Relaxed) {
            // Its first request may be on the way: a connection that is closed now would lose it.
            let begun = poll_fn(|context| match Pin::new(&mut connection).poll(context) {
                Poll::Pending if asked.load(Ordering::Relaxed) => Poll::Ready(None),
                ended => ended.map(Some),
            });
            ended = timeout(FIRST_REQUEST, begun).await.ok().flatten();
        }
        let ended = match ended {
            Some(ended) => ended,
            None => {
                Pin::new(&mut connection).graceful_shutdown();
                (&mut connection).await
            }
        };
        // Any other error is the client's business: load was settled when the body was dropped.
        if ended.is_err_and(|error| error.is_timeout()) {
            let parts = connection.into_parts();
            if !parts.read_buf.is_empty() {
                let mut stream = parts.io.into_inner().into_stream();
                let told = async {
                    if stream.write_all(SLOW_HEAD).await.is_ok() {
                        linger(&mut stream).await;
                    }
                };
                let _ = timeout(LAST_WORDS, told).await;
            }
        }
    }
}

/// Ends a connection whose client may still be sending: what was written would be lost if its bytes were not read.
pub(crate) async fn linger(stream: &mut TcpStream) {
    let mut scrap = [0; 4096];
    let _ = stream.shutdown().await;
    while stream.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
}

/// Counts a connection while it is open.
#[derive(Debug)]
struct Counted(Arc<Totals>);

impl Counted {
    fn new(desk: &Desk) -> Self {
        desk.meters.totals.connections.add(1);
        Self(Arc::clone(&desk.meters.totals))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.take(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_have_the_length_that_they_say() {
        let text = std::str::from_utf8(SLOW_HEAD).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
