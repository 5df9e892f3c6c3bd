//! The prefill leg of a request whose decode leg is under way at the same time.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body_util::BodyExt;
use phalanx_routing::Outcome;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Said;
use crate::flight::Flight;
use crate::upstream::{EngineBody, Upstream};

/// How long a leg may go on that nobody waits for, where no limit is set.
const PATIENCE: Duration = Duration::from_secs(300);

/// A prefill leg that runs by itself. Dropping it ends it, as when a client goes away.
#[derive(Debug)]
pub(crate) struct Leg {
    end: JoinHandle<LegEnd>,
    word: Option<oneshot::Sender<Word>>,
}

/// How it ended. Its flight is settled, but for a refusal's.
#[derive(Debug)]
pub(crate) enum LegEnd {
    /// The answer was read to its end.
    Well,
    /// The engine found fault with the request.
    Refused(Box<(Response<EngineBody>, Flight)>),
    Failed,
}

/// What the answer is, by its head, and a refusal's.
type Asked = (Said, Option<Response<EngineBody>>);

/// What a leg is told from outside.
#[derive(Clone, Copy, Debug)]
enum Word {
    /// End, with this outcome.
    End(Outcome),
    /// Nobody waits any more: run to the end.
    GoOn,
}

impl Leg {
    /// Sends `body` where `flight` leads, under a client's head. When nobody waits any more it may go on for `idle`.
    pub(crate) fn start(flight: Flight, upstream: &Upstream, head: Parts, body: Bytes, idle: Option<Duration>) -> Self {
        let (word, told) = oneshot::channel();
        let upstream = upstream.clone();
        let work = async move {
            let address = flight.member().endpoint.address;
            let work = pin!(ask(&upstream, address, &head, body));
            run(flight, work, told, idle.unwrap_or(PATIENCE)).await
        };
        Self { end: tokio::spawn(work), word: Some(word) }
    }

    /// Waits for its end. To be called again only if it was dropped before that.
    pub(crate) async fn end(&mut self) -> LegEnd {
        // One that panicked has failed too.
        (&mut self.end).await.unwrap_or(LegEnd::Failed)
    }

    /// Ends it, and says how that counts.
    pub(crate) fn cut(mut self, outcome: Outcome) {
        self.tell(Word::End(outcome));
    }

    /// Lets it run to its end by itself: an engine that is left too early gives up what it is sending.
    pub(crate) fn go_on(mut self) {
        self.tell(Word::GoOn);
    }

    fn tell(&mut self, word: Word) {
        if let Some(told) = self.word.take() {
            // One that has ended needs no word.
            let _ = told.send(word);
        }
    }
}

async fn ask(upstream: &Upstream, address: std::net::SocketAddr, head: &Parts, body: Bytes) -> Asked {
    let Ok(mut response) = upstream.send(address, head, body).await else { return (Said::Failed, None) };
    match Said::of(response.status()) {
        Said::Well => loop {
            match response.body_mut().frame().await {
                None => return (Said::Well, None),
                Some(Ok(_)) => {}
                Some(Err(_)) => return (Said::Failed, None),
            }
        },
        Said::Refused => (Said::Refused, Some(response)),
        said => (said, None),
    }
}

async fn run(
    mut flight: Flight,
    mut work: Pin<&mut impl Future<Output = Asked>>,
    told: oneshot::Receiver<Word>,
    idle: Duration,
) -> LegEnd {
    let said = tokio::select! {
        biased;
        said = &mut work => Ok(said),
        word = told => match word {
            Ok(Word::End(outcome)) => Err(outcome),
            Ok(Word::GoOn) => timeout(idle, work).await.map_err(|_| Outcome::Error),
            Err(_) => Err(Outcome::ClientGone),
        },
    };
    match said {
        Ok((Said::Well, _)) => {
            flight.first_token();
            flight.settle(Outcome::Success);
            LegEnd::Well
        }
        Ok((Said::Refused, Some(response))) => LegEnd::Refused(Box::new((response, flight))),
        // An endpoint that has too much to do is alive.
        Ok((Said::Busy, _)) => {
            flight.settle(Outcome::Success);
            LegEnd::Failed
        }
        Ok(_) => {
            flight.settle(Outcome::Error);
            LegEnd::Failed
        }
        Err(outcome) => {
            flight.settle(outcome);
            LegEnd::Failed
        }
    }
}
