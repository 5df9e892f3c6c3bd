//! The body of a response: bytes of our own, or an engine's, followed to its last byte.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use phalanx_routing::Outcome;

use crate::api_error::ApiError;
use crate::cause::Cause;
use crate::dialect::Dialect;
use crate::disaggregated::Leg;
use crate::flight::{Flight, Sent};
use crate::patience::Patience;
use crate::sse::Events;
use crate::upstream::{BrokenBody, EngineBody};
use crate::usage::Usage;
use crate::visit::Visit;

/// What the gateway sends to a client. The visit ends with it, or with its drop.
#[derive(Debug)]
pub(crate) struct GatewayBody {
    source: Source,
    visit: Visit,
}

#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every body is an engine's: a box would be one more allocation for each"
)]
enum Source {
    /// `None` once sent.
    Own(Option<Bytes>),
    Engine(Answer),
}

/// An engine's body and the flight that ends with it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: EngineBody,
    /// Where both legs of a request were sent at once.
    pub(crate) pair: Option<Box<Pair>>,
    /// `None` once settled.
    pub(crate) flight: Option<Flight>,
    /// The prompt, where what the endpoint holds is guessed by it.
    pub(crate) sent: Option<Sent>,
    /// How the flight ends if the body does.
    pub(crate) end: Outcome,
    /// Whether it is a stream of events: its first bytes are the first token then.
    pub(crate) is_stream: bool,
    /// Followed where it is a stream of events: one that breaks ends with an event that says so.
    pub(crate) events: Option<Events>,
    /// In whose words that event is.
    pub(crate) dialect: Dialect,
    /// What it says of its tokens.
    pub(crate) usage: Usage,
    pub(crate) patience: Patience,
    /// Why it is cut, once what came before has been written.
    pub(crate) broken: Option<Broken>,
}

/// What comes with the answer of a decode leg that did not wait for its prefill leg.
#[derive(Debug)]
pub(crate) struct Pair {
    /// What was read of the body before its head was passed on.
    pub(crate) ahead: Option<Bytes>,
    /// The prefill leg, while it runs.
    pub(crate) leg: Option<Leg>,
}

/// Why a body was cut.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Upstream(#[from] BrokenBody),
    #[error("the endpoint did not go on in time")]
    Stalled,
}

impl GatewayBody {
    pub(crate) fn own(bytes: Bytes, visit: Visit) -> Self {
        Self { source: Source::Own(Some(bytes)), visit }
    }

    /// Passes an answer on and settles its flight with the body's end, its error or its drop.
    pub(crate) fn relay(mut answer: Answer, visit: Visit) -> Self {
        answer.settle_at_end();
        Self { source: Source::Engine(answer), visit }
    }
}

impl Answer {
    /// A body may be known to be over with its last byte: hyper then drops it without asking for more.
    fn settle_at_end(&mut self) {
        if self.ahead().is_none() && self.body.is_end_stream() {
            self.settle();
        }
    }

    /// What was read before.
    fn ahead(&self) -> Option<&Bytes> {
        self.pair.as_ref()?.ahead.as_ref()
    }

    fn settle(&mut self) {
        if let Some(leg) = self.pair.take().and_then(|pair| pair.leg) {
            leg.go_on();
        }
        let Some(flight) = self.flight.take() else { return };
        if self.end != Outcome::Success {
            return flight.settle(self.end);
        }
        // The last event says that there are no more.
        let events = self.events.as_ref().map(|events| events.complete().saturating_sub(1));
        let generated = self.usage.generated.or(events.and_then(|events| u32::try_from(events).ok()));
        // Where the engine counts other tokens in the prompt, its cached ones say nothing about our blocks.
        let sent = self.sent.take().filter(|sent| self.usage.prompt == Some(sent.tokens()));
        flight.end(generated, self.is_stream, sent.zip(self.usage.cached));
    }

    fn poll(&mut self, context: &mut Context<'_>, visit: &mut Visit) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(flight) = &mut self.flight else { return Poll::Ready(self.broken.take().map(Err)) };
        let next = match self.pair.as_mut().and_then(|pair| pair.ahead.take()) {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => Pin::new(&mut self.body).poll_frame(context),
        };
        match next {
            Poll::Ready(Some(Ok(frame))) => {
                self.patience.rest();
                if let Some(data) = frame.data_ref() {
                    // The body of an error says nothing about how fast prompts are computed.
                    if self.end == Outcome::Success {
                        if self.is_stream {
                            flight.first_token();
                        }
                        self.usage.note(data);
                    }
                    visit.begin_answer();
                    if let Some(events) = &mut self.events {
                        events.note(data);
                    }
                }
                self.settle_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let told = ApiError::cut(flight.endpoint(), &error);
                self.break_off(&told, Broken::Upstream(error), visit, context)
            }
            Poll::Ready(None) => {
                self.settle();
                Poll::Ready(None)
            }
            Poll::Pending => {
                if self.patience.poll(context).is_pending() {
                    return Poll::Pending;
                }
                let told = ApiError::stalled(flight.endpoint());
                self.break_off(&told, Broken::Stalled, visit, context)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let Some(ahead) = self.ahead().map(|data| data.len() as u64) else { return hint };
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + ahead);
        }
        hint.set_lower(hint.lower() + ahead);
        hint
    }

    /// Ends a stream of events with one that tells why, and cuts any other body.
    fn break_off(
        &mut self,
        told: &ApiError,
        why: Broken,
        visit: &mut Visit,
        context: &Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        visit.fail(told.cause());
        if let Some(flight) = self.flight.take() {
            flight.settle(Outcome::Cut);
        }
        drop(self.pair.take());
        let Some(events) = &self.events else {
            // With an error hyper drops what it has not written yet: it gets the time to.
            self.broken = Some(why);
            context.waker().wake_by_ref();
            return Poll::Pending;
        };
        // An event that was cut in its middle is ended first, or the two would be read as one.
        let event = format!("{}{}", events.ending(), self.dialect.event(told));
        Poll::Ready(Some(Ok(Frame::data(event.into()))))
    }
}

impl Body for GatewayBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Self { source, visit } = &mut *self;
        match source {
            Source::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Source::Engine(answer) => answer.poll(context, visit),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(bytes) => bytes.is_none(),
            Source::Engine(answer) => answer.flight.is_none() && answer.broken.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Source::Engine(answer) => answer.size_hint(),
        }
    }
}

impl Drop for GatewayBody {
    fn drop(&mut self) {
        if let Source::Engine(answer) = &self.source {
            if answer.flight.is_some() {
                self.visit.fail(Cause::ClientGone);
            }
            self.visit.end_answer(answer.events.as_ref().map_or(0, Events::complete));
        }
    }
}
