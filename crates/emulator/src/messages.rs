//! Anthropic's messages: the body of `/v1/messages`, and the shapes of its answers.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{Ask, Content, Message};
use crate::driver::Token;
use crate::error::ApiError;
use crate::shared::Shared;

/// The body of `/v1/messages`. Fields that only steer sampling are accepted, and change nothing.
#[derive(Debug, Deserialize)]
pub(crate) struct MessagesBody {
    model: Option<String>,
    system: Option<Content>,
    messages: Vec<Message>,
    max_tokens: Option<i64>,
    stream: Option<bool>,
}

impl MessagesBody {
    pub(crate) fn check(self, shared: &Shared) -> Result<Ask, ApiError> {
        let Some(limit) = self.max_tokens else {
            return Err(ApiError::invalid("max_tokens", "`max_tokens` is missing; expected a number of tokens"));
        };
        if self.messages.is_empty() {
            return Err(ApiError::invalid("messages", "`messages` is empty; expected one message or more"));
        }
        let system = self.system.map(|system| Message::of("system", system));
        let messages: Vec<Message> = system.into_iter().chain(self.messages).collect();
        Ask::of_messages(self.model, &messages, limit, self.stream.unwrap_or(false), shared)
    }
}

/// What a message says of its tokens: those that were cached count apart from those that were not.
pub(crate) fn usage(prompt_tokens: u32, last: Token) -> Value {
    json!({
        "input_tokens": prompt_tokens.saturating_sub(last.cached_tokens),
        "cache_read_input_tokens": last.cached_tokens,
        "output_tokens": last.index + 1,
    })
}

/// An answer in one piece.
pub(crate) fn whole(id: &str, model: &str, text: &str, usage: Value) -> Value {
    let mut message = begun(id, model);
    message["content"] = json!([{ "type": "text", "text": text }]);
    message["stop_reason"] = "max_tokens".into();
    message["usage"] = usage;
    message
}

/// The events that a token of an answer brings, by name: the first one begins the message, the last one ends it.
pub(crate) fn events(
    id: &str,
    model: &str,
    prompt_tokens: u32,
    word: &str,
    token: Token,
) -> Vec<(&'static str, Value)> {
    let mut events = Vec::new();
    let mut add = |name: &'static str, mut data: Value| {
        data["type"] = name.into();
        events.push((name, data));
    };
    if token.index == 0 {
        let mut message = begun(id, model);
        message["usage"] = json!({ "input_tokens": prompt_tokens, "output_tokens": 0 });
        add("message_start", json!({ "message": message }));
        add("content_block_start", json!({ "index": 0, "content_block": { "type": "text", "text": "" } }));
    }
    add("content_block_delta", json!({ "index": 0, "delta": { "type": "text_delta", "text": word } }));
    if token.last {
        add("content_block_stop", json!({ "index": 0 }));
        let delta = json!({ "stop_reason": "max_tokens", "stop_sequence": null });
        add("message_delta", json!({ "delta": delta, "usage": usage(prompt_tokens, token) }));
        add("message_stop", json!({}));
    }
    events
}

/// A message of which nothing is said yet.
fn begun(id: &str, model: &str) -> Value {
    json!({
        "id": id, "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": null, "stop_sequence": null,
    })
}
