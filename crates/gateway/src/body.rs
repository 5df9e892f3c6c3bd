//! The body of a response: bytes of our own, or an engine's, followed to its last byte.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use phalanx_routing::Outcome;

use crate::api_error::ApiError;
use crate::flight::Flight;

/// What the gateway sends to a client.
#[derive(Debug)]
pub(crate) struct GatewayBody(Source);

#[derive(Debug)]
enum Source {
    /// `None` once sent.
    Own(Option<Bytes>),
    Engine(Relayed),
}

/// An engine's body and the flight that ends with it.
#[derive(Debug)]
struct Relayed {
    body: Incoming,
    /// `None` once settled.
    flight: Option<Flight>,
    /// A stream of events that breaks ends with an event that says so.
    events: bool,
}

impl GatewayBody {
    /// Relays `body` and settles `flight` with its end, its error or its drop.
    pub(crate) fn relay(body: Incoming, flight: Flight, events: bool) -> Self {
        let mut relayed = Relayed { body, flight: Some(flight), events };
        relayed.settle_at_end();
        Self(Source::Engine(relayed))
    }
}

impl Relayed {
    /// A body of known length is over with its last byte: hyper then drops it without asking for more.
    fn settle_at_end(&mut self) {
        if self.body.is_end_stream()
            && let Some(flight) = self.flight.take()
        {
            flight.settle(Outcome::Success);
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(flight) = &mut self.flight else { return Poll::Ready(None) };
        match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => {
                if frame.is_data() {
                    flight.first_token();
                }
                self.settle_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                let message = format!("endpoint {} broke off: {error}", flight.endpoint());
                if let Some(flight) = self.flight.take() {
                    flight.settle(Outcome::Cut);
                }
                if !self.events {
                    return Poll::Ready(Some(Err(error)));
                }
                let event = format!("data: {}\n\n", ApiError::bad_gateway(message).json());
                Poll::Ready(Some(Ok(Frame::data(event.into()))))
            }
            None => {
                if let Some(flight) = self.flight.take() {
                    flight.settle(Outcome::Success);
                }
                Poll::Ready(None)
            }
        }
    }
}

impl From<Bytes> for GatewayBody {
    fn from(bytes: Bytes) -> Self {
        Self(Source::Own(Some(bytes)))
    }
}

impl Body for GatewayBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.0 {
            Source::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Source::Engine(relayed) => relayed.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Own(bytes) => bytes.is_none(),
            Source::Engine(relayed) => relayed.flight.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Source::Engine(relayed) => relayed.body.size_hint(),
        }
    }
}
