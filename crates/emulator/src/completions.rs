//! Answers of `/v1/completions` and `/v1/chat/completions`, plain and streamed.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use phalanx_engine::{Rejection, Request, RequestId};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::api::{Ask, ChatBody, CompletionBody};
use crate::driver::{Command, Token};
use crate::error::ApiError;
use crate::shared::Shared;

/// The filler that every answer is made of, one word a token.
const WORDS: [&str; 16] = [
    "the ",
    "shield ",
    "wall ",
    "holds ",
    "while ",
    "each ",
    "spear ",
    "stands ",
    "beside ",
    "its ",
    "neighbour ",
    "and ",
    "no ",
    "line ",
    "breaks ",
    "today ",
];

/// Which of the two endpoints answers: they differ in the shape of a choice only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Completion,
    Chat,
}

pub(crate) async fn completion(
    State(shared): State<Arc<Shared>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let body: CompletionBody = parse(&body?)?;
    let ask = body.check(&shared)?;
    answer(shared, ask, Kind::Completion).await
}

pub(crate) async fn chat(
    State(shared): State<Arc<Shared>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let body: ChatBody = parse(&body?)?;
    let ask = body.check(&shared)?;
    answer(shared, ask, Kind::Chat).await
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::body(format!("the body is not a valid request: {error}")))
}

async fn answer(shared: Arc<Shared>, ask: Ask, kind: Kind) -> Result<Response, ApiError> {
    let id = shared.next_id();
    let (sender, tokens) = mpsc::unbounded_channel();
    let (accepted, verdict) = oneshot::channel();
    let request = Request {
        id,
        blocks: ask.blocks,
        prompt_tokens: ask.prompt_tokens,
        output_tokens: ask.output_tokens,
        transferred: ask.kv_arrives,
    };
    let seat = Seat { id, shared: Arc::clone(&shared), over: false };
    let submit = Command::Submit { request, prompt: ask.prompt, tokens: sender, accepted };
    shared.commands.send(submit).map_err(|_| ApiError::stopping())?;
    verdict.await.map_err(|_| ApiError::stopping())?.map_err(refusal)?;

    let frame = Frame {
        kind,
        id: format!("{}-{}-{}", if kind == Kind::Chat { "chatcmpl" } else { "cmpl" }, shared.address.port(), id.0),
        prompt_tokens: ask.prompt_tokens,
        hands_over_kv: ask.hands_over_kv,
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        shared,
    };
    if ask.stream {
        let usage = ask.include_usage;
        return Ok(Sse::new(Streamed { frame, seat, tokens, usage, phase: Phase::Tokens }).into_response());
    }
    whole(frame, seat, tokens).await
}

async fn whole(frame: Frame, mut seat: Seat, mut tokens: mpsc::UnboundedReceiver<Token>) -> Result<Response, ApiError> {
    let mut text = String::new();
    while let Some(token) = tokens.recv().await {
        text.push_str(word(token.index));
        if token.last {
            seat.over = true;
            return Ok(Json(frame.complete(text, token)).into_response());
        }
    }
    Err(ApiError::stopping())
}

/// A request's place in the engine. Dropped before the last token, when the client has gone, it frees the place.
#[derive(Debug)]
struct Seat {
    id: RequestId,
    shared: Arc<Shared>,
    over: bool,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.over {
            // A driver that has ended holds no seats.
            let _ = self.shared.commands.send(Command::Cancel(self.id));
        }
    }
}

/// The parts of an answer that every chunk of it repeats.
#[derive(Debug)]
struct Frame {
    kind: Kind,
    id: String,
    prompt_tokens: u32,
    hands_over_kv: bool,
    /// Unix seconds.
    created: u64,
    shared: Arc<Shared>,
}

impl Frame {
    fn complete(&self, text: String, last: Token) -> Value {
        let mut choice = json!({ "index": 0, "finish_reason": "length", "logprobs": null });
        match self.kind {
            Kind::Chat => choice["message"] = json!({ "role": "assistant", "content": text }),
            Kind::Completion => choice["text"] = text.into(),
        }
        let mut answer = self.envelope(json!([choice]), false);
        answer["usage"] = self.usage(last);
        if self.hands_over_kv {
            answer["kv_transfer_params"] = json!({
                "do_remote_prefill": true, "do_remote_decode": false, "remote_engine_id": self.shared.address.to_string(),
                "remote_block_ids": [], "remote_host": self.shared.address.ip().to_string(), "remote_port": self.shared.address.port(),
            });
        }
        answer
    }

    fn chunk(&self, token: Token) -> Value {
        let reason = if token.last { json!("length") } else { Value::Null };
        let mut choice = json!({ "index": 0, "finish_reason": reason, "logprobs": null });
        match self.kind {
            Kind::Chat if token.index == 0 => {
                choice["delta"] = json!({ "role": "assistant", "content": word(token.index) });
            }
            Kind::Chat => choice["delta"] = json!({ "content": word(token.index) }),
            Kind::Completion => choice["text"] = word(token.index).into(),
        }
        self.envelope(json!([choice]), true)
    }

    fn usage_chunk(&self, last: Token) -> Value {
        let mut chunk = self.envelope(json!([]), true);
        chunk["usage"] = self.usage(last);
        chunk
    }

    fn usage(&self, last: Token) -> Value {
        let completion = last.index + 1;
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": u64::from(self.prompt_tokens) + u64::from(completion),
            "prompt_tokens_details": { "cached_tokens": last.cached_tokens },
        })
    }

    fn envelope(&self, choices: Value, streamed: bool) -> Value {
        let object = match (self.kind, streamed) {
            (Kind::Chat, false) => "chat.completion",
            (Kind::Chat, true) => "chat.completion.chunk",
            (Kind::Completion, _) => "text_completion",
        };
        json!({ "id": self.id, "object": object, "created": self.created, "model": self.shared.models[0], "choices": choices })
    }
}

/// Server-sent events of one answer: a chunk a token, the usage if asked for, and `[DONE]`.
#[derive(Debug)]
struct Streamed {
    frame: Frame,
    seat: Seat,
    tokens: mpsc::UnboundedReceiver<Token>,
    usage: bool,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Tokens,
    Usage(Token),
    Done,
    Over,
}

impl Stream for Streamed {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let data = match self.phase {
            Phase::Tokens => match ready!(self.tokens.poll_recv(context)) {
                // The engine ended before the answer did: no `[DONE]`, so that the client sees a cut.
                None => return Poll::Ready(None),
                Some(token) => {
                    if token.last {
                        self.seat.over = true;
                        self.phase = if self.usage { Phase::Usage(token) } else { Phase::Done };
                    }
                    self.frame.chunk(token).to_string()
                }
            },
            Phase::Usage(last) => {
                self.phase = Phase::Done;
                self.frame.usage_chunk(last).to_string()
            }
            Phase::Done => {
                self.phase = Phase::Over;
                "[DONE]".to_owned()
            }
            Phase::Over => return Poll::Ready(None),
        };
        Poll::Ready(Some(Ok(Event::default().data(data))))
    }
}

fn refusal(rejection: Rejection) -> ApiError {
    ApiError::body(rejection.to_string())
}

fn word(index: u32) -> &'static str {
    WORDS[index as usize % WORDS.len()]
}
