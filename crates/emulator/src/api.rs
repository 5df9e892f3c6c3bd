//! What a client may ask: the bodies of `/v1/completions` and `/v1/chat/completions`, read and checked.

use phalanx_kvcache::BlockHash;
use phalanx_kvcache::text::{chat_text, join_parts};
use serde::Deserialize;

use crate::error::ApiError;
use crate::handover::{Fields, Handover, digest};
use crate::shared::Shared;

/// Tokens generated when a request states no limit: OpenAI's default for completions.
const DEFAULT_COMPLETION_TOKENS: u32 = 16;
/// Tokens generated when a chat request states no limit: there is no model to stop by itself.
const DEFAULT_CHAT_TOKENS: u32 = 64;

/// The body of `/v1/completions`. Fields that only steer sampling are accepted, as any engine does, and change nothing.
#[derive(Debug, Deserialize)]
pub(crate) struct CompletionBody {
    model: Option<String>,
    prompt: PromptField,
    #[serde(flatten)]
    common: Common,
}

/// The body of `/v1/chat/completions`.
#[derive(Debug, Deserialize)]
pub(crate) struct ChatBody {
    model: Option<String>,
    messages: Vec<Message>,
    #[serde(flatten)]
    common: Common,
}

#[derive(Debug, Default, Deserialize)]
struct Common {
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
    #[serde(default)]
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<i64>,
    #[serde(flatten)]
    handover: Fields,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum PromptField {
    Text(String),
    Tokens(Vec<u32>),
    Texts(Vec<String>),
    TokenLists(Vec<Vec<u32>>),
}

#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    #[serde(default)]
    role: String,
    content: Option<Content>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
pub(crate) struct Part {
    text: Option<String>,
}

/// A request that passed every check, in the engine's terms.
#[derive(Debug)]
pub(crate) struct Ask {
    /// The prompt itself.
    pub(crate) prompt: Vec<u32>,
    pub(crate) blocks: Vec<BlockHash>,
    pub(crate) prompt_tokens: u32,
    pub(crate) output_tokens: u32,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    /// Where the prompt's KV comes from, and where it goes.
    pub(crate) handover: Handover,
    /// What tells the prompt from others.
    pub(crate) digest: u64,
    /// The adapter that is asked for.
    pub(crate) adapter: Option<String>,
}

impl CompletionBody {
    pub(crate) fn check(self, shared: &Shared) -> Result<Ask, ApiError> {
        let adapter = check_model(self.model, shared)?;
        let prompt = match self.prompt {
            PromptField::Text(text) => (shared.tokens)(text.as_bytes()),
            PromptField::Tokens(tokens) => tokens,
            PromptField::Texts(texts) => (shared.tokens)(only_one(texts)?.as_bytes()),
            PromptField::TokenLists(lists) => only_one(lists)?,
        };
        self.common.ask(prompt, adapter, shared, DEFAULT_COMPLETION_TOKENS)
    }
}

impl ChatBody {
    pub(crate) fn check(self, shared: &Shared) -> Result<Ask, ApiError> {
        let adapter = check_model(self.model, shared)?;
        let prompt = conversation(&self.messages, shared)?;
        self.common.ask(prompt, adapter, shared, DEFAULT_CHAT_TOKENS)
    }
}

impl Ask {
    /// Of a conversation, for an answer of a known length.
    pub(crate) fn of_messages(
        model: Option<String>,
        messages: &[Message],
        output_tokens: i64,
        stream: bool,
        shared: &Shared,
    ) -> Result<Self, ApiError> {
        let adapter = check_model(model, shared)?;
        let common = Common { max_tokens: Some(output_tokens), stream: Some(stream), ..Common::default() };
        common.ask(conversation(messages, shared)?, adapter, shared, DEFAULT_CHAT_TOKENS)
    }
}

/// The tokens of messages.
fn conversation(messages: &[Message], shared: &Shared) -> Result<Vec<u32>, ApiError> {
    if messages.is_empty() {
        return Err(ApiError::invalid("messages", "`messages` is empty; expected one message or more"));
    }
    let contents: Vec<String> = messages.iter().map(Message::text).collect();
    let roles = messages.iter().map(|message| message.role.as_str());
    let text = chat_text(roles.zip(contents.iter().map(String::as_str)));
    Ok((shared.tokens)(text.as_bytes()))
}

impl Common {
    fn ask(self, prompt: Vec<u32>, adapter: Option<String>, shared: &Shared, default: u32) -> Result<Ask, ApiError> {
        let too_long = |_| ApiError::invalid("prompt", "`prompt` is too long");
        let prompt_tokens = u32::try_from(prompt.len()).map_err(too_long)?;
        if prompt_tokens == 0 {
            return Err(ApiError::invalid("prompt", "the prompt is empty; expected one token or more"));
        }
        if self.n.is_some_and(|n| n != 1) {
            return Err(ApiError::invalid("n", "`n` must be 1: an emulated engine gives one answer a request"));
        }
        let limit = match (self.max_completion_tokens, self.max_tokens) {
            (Some(limit), _) => Some(("max_completion_tokens", limit)),
            (None, limit) => limit.map(|limit| ("max_tokens", limit)),
        };
        let output_tokens = match limit {
            None => default,
            Some((field, limit)) => u32::try_from(limit)
                .ok()
                .filter(|&limit| limit > 0)
                .ok_or_else(|| ApiError::invalid(field, format!("`{field}` is {limit}; expected 1 to {}", u32::MAX)))?,
        };
        // What an adapter computes is its own.
        let name = adapter.as_deref().unwrap_or_default();
        let hasher = if name.is_empty() { shared.hasher } else { shared.hasher.with_namespace(name, "") };
        Ok(Ask {
            blocks: hasher.hash_tokens(&prompt),
            digest: digest(name, &prompt),
            adapter,
            prompt,
            prompt_tokens,
            output_tokens,
            stream: self.stream.unwrap_or(false),
            include_usage: self.stream_options.is_some_and(|options| options.include_usage),
            handover: self.handover.handover(),
        })
    }
}

impl Message {
    pub(crate) fn of(role: &str, content: Content) -> Self {
        Self { role: role.to_owned(), content: Some(content) }
    }

    fn text(&self) -> String {
        match &self.content {
            None => String::new(),
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => join_parts(parts.iter().filter_map(|part| part.text.as_deref())),
        }
    }
}

/// The adapter that a name is of, if it is not the model's own.
fn check_model(asked: Option<String>, shared: &Shared) -> Result<Option<String>, ApiError> {
    match asked {
        Some(name) if shared.models.contains(&name) => Ok(None),
        None => Ok(None),
        Some(name) if shared.adapters.has(&name) => Ok(Some(name)),
        Some(name) => Err(ApiError::unknown_model(&name, shared.models.iter().map(String::as_str))),
    }
}

fn only_one<T>(mut prompts: Vec<T>) -> Result<T, ApiError> {
    match (prompts.pop(), prompts.is_empty()) {
        (Some(prompt), true) => Ok(prompt),
        _ => Err(ApiError::invalid("prompt", "`prompt` must hold exactly one prompt: send one request a prompt")),
    }
}
