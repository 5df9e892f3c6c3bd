//! The listening socket, from its first connection to its last.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::connection::{linger, serve};
use crate::desk::Desk;
use crate::latest::Latest;
use crate::probe;
use crate::upstream::Upstream;

/// The pause after an accept that failed, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections over the limit that are told so at the same time; more are closed without a word.
const REFUSED_AT_ONCE: usize = 64;
/// How long a refused client may take to read why.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\n\
    content-length: 106\r\n\r\n{\"error\":{\"message\":\"the gateway has too many connections\",\
    \"type\":\"server_error\",\"param\":null,\"code\":503}}";

/// Serves connections until `stopped`, and then to the end of those that are open.
pub(crate) async fn accept(
    listener: TcpListener,
    desks: watch::Receiver<Arc<Desk>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let (close, closing) = watch::channel(false);
    // All are aborted with this task, and so cut, unless they have ended.
    let (mut connections, mut refused, mut others) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
    others.spawn(probe::run(desks.clone()));
    others.spawn(sweep(desks.clone()));
    let latest = || Arc::clone(&desks.borrow());
    let mut close_at = None;
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
            Some(_) = refused.join_next() => continue,
            _ = &mut stopped, if close_at.is_none() => {
                let desk = latest();
                desk.fleet.leave();
                close_at = Some(Instant::now() + desk.config.care.drain.delay);
                continue;
            }
            () = sleep_until(close_at.unwrap_or_else(Instant::now)), if close_at.is_some() => break,
        };
        let desk = latest();
        if connections.len() < desk.limits.max_connections {
            connections.spawn(serve(stream, Latest::of(&desks), closing.clone()));
            continue;
        }
        desk.meters.totals.refused_connections.add(1);
        if refused.len() < REFUSED_AT_ONCE {
            refused.spawn(refuse(stream));
        }
    }
    // Whoever has connected by now is served: closing the socket would reset them.
    if let Ok(listener) = listener.into_std() {
        while let Ok((stream, _)) = listener.accept() {
            if let Ok(stream) = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                connections.spawn(serve(stream, Latest::of(&desks), closing.clone()));
            }
        }
    }
    let _ = close.send(true);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(latest().config.care.drain.grace, all).await;
}

/// Closes connections to engines that nobody needs any more, in the pool of now.
async fn sweep(mut desks: watch::Receiver<Arc<Desk>>) {
    loop {
        let upstream: Upstream = desks.borrow_and_update().upstream.clone();
        tokio::select! {
            () = upstream.clone().sweep() => return,
            other = desks.wait_for(|desk| !desk.upstream.is(&upstream)) => if other.is_err() { return },
        }
    }
}

/// Tells a client that there are too many.
async fn refuse(mut stream: TcpStream) {
    let told = async {
        if stream.write_all(FULL).await.is_ok() {
            linger(&mut stream).await;
        }
    };
    let _ = timeout(REFUSAL_TIMEOUT, told).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_has_the_length_that_it_says() {
        let text = std::str::from_utf8(FULL).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
