//! The body of an engine's response.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;

use super::framing::{Framing, Taken};
use super::head::Head;
use super::link::Link;
use super::pool::Pool;

/// A body that is read from its connection as it is asked for. The connection is put aside behind the last byte, and
/// closed when the body is dropped before.
#[derive(Debug)]
pub(crate) struct EngineBody {
    /// `None` once the body has ended.
    link: Option<Link>,
    framing: Framing,
    is_kept: bool,
    pool: Arc<Pool>,
}

/// Why a body broke off.
#[derive(Debug, Error)]
pub(crate) enum BrokenBody {
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    #[error("the connection was closed before the answer's end")]
    Short,
    #[error("{0}")]
    Malformed(&'static str),
}

impl EngineBody {
    pub(super) fn response(head: Head, link: Link, pool: Arc<Pool>) -> Response<Self> {
        let mut body = Self { link: Some(link), framing: head.framing, is_kept: head.is_kept, pool };
        if body.framing.is_over() {
            body.end();
        }
        head.into_response(body)
    }

    fn end(&mut self) {
        // Bytes behind the body belong to nobody.
        if let Some(link) = self.link.take().filter(|link| self.is_kept && link.buffer.is_empty()) {
            self.pool.put(link);
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenBody>>> {
        loop {
            let Some(link) = &mut self.link else { return Poll::Ready(None) };
            match self.framing.take(&mut link.buffer) {
                Ok(Taken::Data(data)) => {
                    if self.framing.is_over() {
                        self.end();
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                Ok(Taken::End) => {
                    self.end();
                    return Poll::Ready(None);
                }
                Ok(Taken::Nothing) => {}
                Err(why) => return self.fail(BrokenBody::Malformed(why)),
            }
            match link.poll_read(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) if self.framing == Framing::UntilClose => {
                    self.link = None;
                    return Poll::Ready(None);
                }
                Poll::Ready(Ok(0)) => return self.fail(BrokenBody::Short),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return self.fail(error.into()),
            }
        }
    }

    fn fail(&mut self, why: BrokenBody) -> Poll<Option<Result<Bytes, BrokenBody>>> {
        self.link = None;
        Poll::Ready(Some(Err(why)))
    }
}

impl Body for EngineBody {
    type Data = Bytes;
    type Error = BrokenBody;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenBody>>> {
        self.poll(context).map(|data| data.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.link.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.framing.length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
