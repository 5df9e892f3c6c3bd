//! One replay, asked for on a connection of its own.

use phalanx_kvcache::wire::{Message, replay_request};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::EventSource;
use super::reader::Wanted;
use crate::address::Address;
use crate::backoff::Backoff;
use crate::child::Child;
use crate::zmtp::{Connection, Kind, LinkError, Received, connect};

/// Answers that may wait to be taken.
const WAITING: usize = 64;

/// What a replay brings.
#[derive(Debug)]
pub(super) enum Answer {
    Batch {
        seq: u64,
        payload: Vec<u8>,
    },
    /// It is over; the engine has no more, or the replay failed.
    Over(Result<(), LinkError>),
}

/// A replay under way. Dropped, it is given up.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) ticket: u32,
    answers: mpsc::Receiver<Answer>,
    _task: Child,
}

impl Replay {
    /// Asks, and asks again while nobody is there: how long that may go on is the feed's to say.
    pub(super) fn start(source: &EventSource, address: &Address, wanted: Wanted, seed: u64) -> Self {
        let (sender, answers) = mpsc::channel(WAITING);
        let (source, address) = (source.clone(), address.clone());
        let task = async move {
            let mut backoff = Backoff::new(seed);
            let outcome = loop {
                match connect(&address, Kind::Dealer, source.max_message).await {
                    Ok(connection) => break ask(connection, &source, wanted.from, &sender).await,
                    Err(LinkError::Io(_) | LinkError::Silent) => sleep(backoff.pause()).await,
                    Err(error) => break Err(error),
                }
            };
            // A receiver that is gone wants no answer.
            let _ = sender.send(Answer::Over(outcome)).await;
        };
        Self { ticket: wanted.ticket, answers, _task: Child::start(task) }
    }

    /// The next answer. Whoever stops waiting for it loses nothing.
    pub(super) async fn next(&mut self) -> Answer {
        self.answers.recv().await.unwrap_or(Answer::Over(Err(LinkError::Silent)))
    }
}

async fn ask(
    mut connection: Connection,
    source: &EventSource,
    from: u64,
    answers: &mpsc::Sender<Answer>,
) -> Result<(), LinkError> {
    connection.send(&[b"", &replay_request(from)]).await?;
    loop {
        let mut frames = match connection.recv().await? {
            Received::Command(name, body) => {
                connection.obey(&name, &body).await?;
                continue;
            }
            Received::Message(frames) => frames,
        };
        let seq = match Message::from_frames(&frames) {
            Ok(Message::End) => return Ok(()),
            // Older engines do not say the topic in a replay.
            Ok(Message::Batch { topic, seq, .. }) if topic.is_empty() || topic.starts_with(&source.topic) => seq,
            _ => return Err(LinkError::Message),
        };
        let payload = frames.pop().ok_or(LinkError::Message)?;
        if answers.send(Answer::Batch { seq, payload }).await.is_err() {
            return Ok(());
        }
    }
}
