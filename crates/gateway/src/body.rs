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
    /// How the flight ends if the body does.
    end: Outcome,
    /// A stream of events that breaks ends with an event that says so.
    events: bool,
    /// The last two bytes that came.
    tail: [u8; 2],
}

impl GatewayBody {
    /// Relays `body` and settles `flight`: as `end` with the body's end, and otherwise with its error or its drop.
    pub(crate) fn relay(body: Incoming, flight: Flight, end: Outcome, events: bool) -> Self {
        let mut relayed = Relayed { body, flight: Some(flight), end, events, tail: *b"\n\n" };
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
            flight.settle(self.end);
        }
    }

    /// Remembers how `data` ends.
    fn note(&mut self, data: &[u8]) {
        match *data {
            [] => {}
            [last] => self.tail = [self.tail[1], last],
            [.., before, last] => self.tail = [before, last],
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(flight) = &mut self.flight else { return Poll::Ready(None) };
        match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    flight.first_token();
                    self.note(data);
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
                // An event that was cut in its middle is ended first, or the two would be read as one.
                let gap = if self.tail == *b"\n\n" { "" } else { "\n\n" };
                let event = format!("{gap}data: {}\n\n", ApiError::bad_gateway(message).json());
                Poll::Ready(Some(Ok(Frame::data(event.into()))))
            }
            None => {
                if let Some(flight) = self.flight.take() {
                    flight.settle(self.end);
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
