//! The subscription, kept up.

use std::convert::Infallible;

use phalanx_kvcache::wire::Message;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::EventSource;
use crate::backoff::Backoff;
use crate::zmtp::{Kind, LinkError, Received, connect};

/// What comes of a subscription.
#[derive(Debug)]
pub(super) enum News {
    /// It stands anew.
    Connected,
    /// It is lost, or could not be made.
    Lost(LinkError),
    /// A batch was published.
    Batch { seq: u64, payload: Vec<u8> },
    /// A message came that is no batch.
    Unreadable,
}

/// Subscribes again and again, until nobody reads the news.
pub(super) async fn subscribe(source: EventSource, seed: u64, news: mpsc::Sender<News>) {
    let mut backoff = Backoff::new(seed);
    loop {
        let Err(error) = listen(&source, &mut backoff, &news).await;
        if news.send(News::Lost(error)).await.is_err() {
            return;
        }
        sleep(backoff.pause()).await;
    }
}

/// Listens on one connection until it fails.
async fn listen(
    source: &EventSource,
    backoff: &mut Backoff,
    news: &mpsc::Sender<News>,
) -> Result<Infallible, LinkError> {
    let mut connection = connect(&source.events, Kind::Subscriber, source.max_message).await?;
    connection.send(&[&[&[1], source.topic.as_slice()].concat()]).await?;
    tell(news, News::Connected).await?;
    let mut asked = false;
    loop {
        match timeout(source.silence, connection.recv()).await {
            Err(_) if asked => return Err(LinkError::Silent),
            Err(_) => {
                connection.ping().await?;
                asked = true;
                continue;
            }
            Ok(received) => match received? {
                Received::Command(name, body) => connection.obey(&name, &body).await?,
                Received::Message(mut frames) => {
                    backoff.reset();
                    let seq = match Message::from_frames(&frames) {
                        Ok(Message::Batch { topic, seq, .. }) if topic.starts_with(&source.topic) => Some(seq),
                        _ => None,
                    };
                    let item = match seq.zip(frames.pop()) {
                        Some((seq, payload)) => News::Batch { seq, payload },
                        None => News::Unreadable,
                    };
                    tell(news, item).await?;
                }
            },
        }
        asked = false;
    }
}

async fn tell(news: &mpsc::Sender<News>, item: News) -> Result<(), LinkError> {
    // Nobody reads any more: what is returned is not looked at.
    news.send(item).await.map_err(|_| LinkError::Silent)
}
