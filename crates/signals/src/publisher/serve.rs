//! The publisher's sockets.

use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};

use phalanx_kvcache::wire::{REPLAY_END, replay_start};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use super::kept::{Batch, Kept};
use crate::zmtp::{Connection, Kind, LinkError, Received};

/// Batches that may wait for a subscriber.
pub(super) const WAITING: usize = 1024;
/// The largest message of a subscriber, in bytes.
const LIMIT: usize = 1 << 16;
/// The most topics of a subscriber.
const TOPICS: usize = 64;
/// The pause after an accept that failed, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the sockets share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) topic: Vec<u8>,
    pub(super) kept: Mutex<Kept>,
    pub(super) live: broadcast::Sender<Batch>,
}

/// Serves subscribers until it is aborted.
pub(super) async fn serve_events(listener: TcpListener, shared: Arc<Shared>) {
    // Whoever leaves does so for reasons of its own.
    serve(listener, |stream| {
        let shared = Arc::clone(&shared);
        async move { drop(events(stream, &shared).await) }
    })
    .await;
}

/// Serves those who ask for replays until it is aborted.
pub(super) async fn serve_replays(listener: TcpListener, shared: Arc<Shared>) {
    serve(listener, |stream| {
        let shared = Arc::clone(&shared);
        async move { drop(replays(stream, &shared).await) }
    })
    .await;
}

/// Accepts, and serves each connection in a task that ends with this one.
async fn serve<T: Future<Output = ()> + Send + 'static>(listener: TcpListener, each: impl Fn(TcpStream) -> T) {
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(tasks.spawn(each(stream))),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = tasks.join_next() => {}
        }
    }
}

async fn events(stream: TcpStream, shared: &Shared) -> Result<(), LinkError> {
    let mut connection = Connection::accept(stream, Kind::Publisher, LIMIT).await?;
    let mut live = shared.live.subscribe();
    let mut topics: Vec<Vec<u8>> = Vec::new();
    loop {
        tokio::select! {
            received = connection.recv() => match received? {
                Received::Message(frames) => match frames.first().and_then(|frame| frame.split_first()) {
                    Some((1, topic)) => subscribe(&mut topics, topic)?,
                    Some((0, topic)) => unsubscribe(&mut topics, topic),
                    _ => {}
                },
                Received::Command(name, body) => match name.as_slice() {
                    b"SUBSCRIBE" => subscribe(&mut topics, &body)?,
                    b"CANCEL" => unsubscribe(&mut topics, &body),
                    _ => connection.obey(&name, &body).await?,
                },
            },
            batch = live.recv() => match batch {
                Ok(batch) if topics.iter().any(|topic| shared.topic.starts_with(topic)) => {
                    connection.send(&[&shared.topic, &batch.seq.to_be_bytes(), &batch.payload]).await?;
                }
                // It was too slow: what it has not read is lost to it.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

fn subscribe(topics: &mut Vec<Vec<u8>>, topic: &[u8]) -> Result<(), LinkError> {
    if topics.len() == TOPICS {
        return Err(LinkError::Framing);
    }
    topics.push(topic.to_vec());
    Ok(())
}

fn unsubscribe(topics: &mut Vec<Vec<u8>>, topic: &[u8]) {
    if let Some(place) = topics.iter().position(|known| known == topic) {
        topics.swap_remove(place);
    }
}

async fn replays(stream: TcpStream, shared: &Shared) -> Result<(), LinkError> {
    let mut connection = Connection::accept(stream, Kind::Router, LIMIT).await?;
    loop {
        let frames = match connection.recv().await? {
            Received::Message(frames) => frames,
            Received::Command(name, body) => {
                connection.obey(&name, &body).await?;
                continue;
            }
        };
        let [delimiter, start] = frames.as_slice() else { return Err(LinkError::Message) };
        if !delimiter.is_empty() {
            return Err(LinkError::Message);
        }
        let mut from = replay_start(start).map_err(|_| LinkError::Message)?;
        // One at a time: what is published meanwhile does not wait for whoever reads slowly.
        while let Some(batch) = { shared.kept.lock().unwrap_or_else(PoisonError::into_inner).at_least(from) } {
            connection.send(&[b"", &shared.topic, &batch.seq.to_be_bytes(), &batch.payload]).await?;
            from = batch.seq + 1;
        }
        connection.send(&[b"", b"", &REPLAY_END, b""]).await?;
    }
}
