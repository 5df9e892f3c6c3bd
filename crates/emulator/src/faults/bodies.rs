//! Answers that go wrong after their head.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use tokio::time::{Instant, Sleep, sleep};

/// Ends badly after some chunks.
#[derive(Debug)]
pub(super) struct Dying {
    body: Body,
    left: u32,
    has_rested: bool,
}

/// Has each chunk wait.
#[derive(Debug)]
pub(super) struct Slowed {
    body: Body,
    pause: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Dying {
    pub(super) fn new(body: Body, after: u32) -> Self {
        Self { body, left: after, has_rested: false }
    }
}

impl Slowed {
    pub(super) fn new(body: Body, pause: Duration) -> Self {
        Self { body, pause, timer: Box::pin(sleep(pause)) }
    }
}

impl HttpBody for Dying {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left > 0 {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            self.left -= 1;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        // What was sent before has to be on its way.
        if !self.has_rested {
            self.has_rested = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err("a fault on purpose".into())))
    }
}

impl HttpBody for Slowed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        ready!(self.timer.as_mut().poll(context));
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let next = Instant::now() + self.pause;
        self.timer.as_mut().reset(next);
        Poll::Ready(frame)
    }
}
