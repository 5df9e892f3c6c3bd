//! Answers of `/v1/completions`, `/v1/chat/completions` and `/v1/messages`, plain and streamed.

use std::collections::VecDeque;
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
use crate::handover::Handover;
use crate::messages::{self, MessagesBody};
use crate::shared::Shared;
use crate::transfers::{Room, Source};

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

/// Which of the endpoints answers: the first two differ in the shape of a choice only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Completion,
    Chat,
    Messages,
}

impl Kind {
    /// How the ids of its answers begin.
    fn prefix(self) -> &'static str {
        match self {
            Self::Completion => "cmpl",
            Self::Chat => "chatcmpl",
            Self::Messages => "msg",
        }
    }
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

pub(crate) async fn message(
    State(shared): State<Arc<Shared>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let answered = async {
        let body: MessagesBody = parse(&body?)?;
        let ask = body.check(&shared)?;
        answer(shared, ask, Kind::Messages).await
    };
    answered.await.map_err(ApiError::for_anthropic)
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::body(format!("the body is not a valid request: {error}")))
}

async fn answer(shared: Arc<Shared>, ask: Ask, kind: Kind) -> Result<Response, ApiError> {
    if let Some(adapter) = &ask.adapter {
        shared.adapters.touch(adapter);
    }
    let (mut room, mut arrives, keeps) = (None, false, matches!(ask.handover, Handover::Keep));
    match ask.handover {
        Handover::None | Handover::Keep => {}
        Handover::Fetch { host, port, from } => {
            shared.fetch(&host, port, ask.digest, from).await?;
            arrives = true;
        }
        Handover::Meet { host, port, room: number } if shared.is_met_here(host.as_deref(), port) => {
            let opened = shared.transfers.open(number, ask.digest).map_err(|missed| ApiError::missed(&missed))?;
            room = Some(opened);
        }
        Handover::Meet { host, port, room } => {
            let host = host.unwrap_or_default();
            shared.fetch(&host, port, ask.digest, Source::Room { room }).await?;
            arrives = true;
        }
    }
    let id = shared.next_id();
    let (sender, tokens) = mpsc::unbounded_channel();
    let (accepted, verdict) = oneshot::channel();
    let request = Request {
        id,
        blocks: ask.blocks,
        prompt_tokens: ask.prompt_tokens,
        output_tokens: ask.output_tokens,
        transferred: arrives,
    };
    let seat = Seat { id, shared: Arc::clone(&shared), over: false };
    let submit =
        Command::Submit { request, prompt: ask.prompt, adapter: ask.adapter.clone(), tokens: sender, accepted };
    shared.commands.send(submit).map_err(|_| ApiError::stopping())?;
    verdict.await.map_err(|_| ApiError::stopping())?.map_err(refusal)?;

    let frame = Frame {
        kind,
        id: format!("{}-{}-{}", kind.prefix(), shared.address.port(), id.0),
        prompt_tokens: ask.prompt_tokens,
        kept: keeps.then_some(ask.digest),
        model: ask.adapter.unwrap_or_else(|| shared.models[0].clone()),
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        shared,
    };
    // The KV of a prompt goes before its answer does.
    if ask.stream && room.is_none() {
        let (usage, ready) = (ask.include_usage, VecDeque::new());
        return Ok(Sse::new(Streamed { frame, seat, tokens, usage, ready }).into_response());
    }
    whole(frame, seat, tokens, room).await
}

async fn whole(
    frame: Frame,
    mut seat: Seat,
    mut tokens: mpsc::UnboundedReceiver<Token>,
    room: Option<Room>,
) -> Result<Response, ApiError> {
    let mut text = String::new();
    while let Some(token) = tokens.recv().await {
        text.push_str(word(token.index));
        if token.last {
            seat.over = true;
            if let Some(room) = room {
                room.hand_over().await.map_err(|missed| ApiError::missed(&missed))?;
            }
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
    /// The prompt whose KV is kept for another engine.
    kept: Option<u64>,
    /// The model or the adapter.
    model: String,
    /// Unix seconds.
    created: u64,
    shared: Arc<Shared>,
}

impl Frame {
    fn complete(&self, text: String, last: Token) -> Value {
        if self.kind == Kind::Messages {
            return messages::whole(&self.id, &self.model, &text, messages::usage(self.prompt_tokens, last));
        }
        let mut choice = json!({ "index": 0, "finish_reason": "length", "logprobs": null });
        match self.kind {
            Kind::Chat => choice["message"] = json!({ "role": "assistant", "content": text }),
            Kind::Completion | Kind::Messages => choice["text"] = text.into(),
        }
        let mut answer = self.envelope(json!([choice]), false);
        answer["usage"] = self.usage(last);
        if let Some(prompt) = self.kept {
            answer["kv_transfer_params"] = self.shared.keep(prompt, self.prompt_tokens);
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
            Kind::Completion | Kind::Messages => choice["text"] = word(token.index).into(),
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
            (Kind::Completion | Kind::Messages, _) => "text_completion",
        };
        json!({ "id": self.id, "object": object, "created": self.created, "model": self.model, "choices": choices })
    }
}

/// Server-sent events of one answer: a chunk a token, the usage if asked for, and `[DONE]`; or Anthropic's.
#[derive(Debug)]
struct Streamed {
    frame: Frame,
    seat: Seat,
    tokens: mpsc::UnboundedReceiver<Token>,
    usage: bool,
    /// What a token has brought and is not sent yet.
    ready: VecDeque<Event>,
}

impl Streamed {
    /// The events that a token brings.
    fn note(&mut self, token: Token) {
        self.seat.over |= token.last;
        let frame = &self.frame;
        if frame.kind == Kind::Messages {
            let events = messages::events(&frame.id, &frame.model, frame.prompt_tokens, word(token.index), token);
            self.ready
                .extend(events.into_iter().map(|(name, data)| Event::default().event(name).data(data.to_string())));
            return;
        }
        let event = |data: String| Event::default().data(data);
        self.ready.push_back(event(frame.chunk(token).to_string()));
        if token.last {
            let usage = self.usage.then(|| event(frame.usage_chunk(token).to_string()));
            self.ready.extend(usage.into_iter().chain([event("[DONE]".to_owned())]));
        }
    }
}

impl Stream for Streamed {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ready.is_empty() && !self.seat.over {
            match ready!(self.tokens.poll_recv(context)) {
                Some(token) => self.note(token),
                // The engine ended before the answer did: no end of it, so that the client sees a cut.
                None => return Poll::Ready(None),
            }
        }
        Poll::Ready(self.ready.pop_front().map(Ok))
    }
}

fn refusal(rejection: Rejection) -> ApiError {
    ApiError::body(rejection.to_string())
}

fn word(index: u32) -> &'static str {
    WORDS[index as usize % WORDS.len()]
}
