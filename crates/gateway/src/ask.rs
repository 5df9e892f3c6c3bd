//! What the gateway reads of a request's body: the model, where its name stands, and the prompt's blocks.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use phalanx_kvcache::text::{chat_text, text_tokens};
use phalanx_kvcache::{BlockHash, ChainHasher};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api_error::ApiError;

/// A request's body and what routing needs to know of it.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// The client's bytes.
    pub(crate) body: Bytes,
    pub(crate) model: String,
    /// Where the value of `model`, quotes included, stands in the body.
    model_span: Range<usize>,
    pub(crate) blocks: Vec<BlockHash>,
    pub(crate) prompt_tokens: u32,
}

/// The fields that are looked at. All others pass through unread.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Prompt<'a> {
    #[serde(borrow)]
    Text(Cow<'a, str>),
    Tokens(Vec<u32>),
    #[serde(borrow)]
    Texts(Vec<Cow<'a, str>>),
    TokenLists(Vec<Vec<u32>>),
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content<'a> {
    #[serde(borrow)]
    Text(Cow<'a, str>),
    #[serde(borrow)]
    Parts(Vec<Part<'a>>),
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}

impl Ask {
    /// Reads a body. A prompt of a shape that is not known here has no blocks and still goes to an engine, which knows
    /// better what it accepts.
    pub(crate) fn read(body: Bytes, hasher: &ChainHasher) -> Result<Self, ApiError> {
        let fields: Fields<'_> = serde_json::from_slice(&body)
            .map_err(|error| ApiError::bad_request(format!("the body is not a JSON object: {error}")))?;
        let raw = fields.model.ok_or_else(|| ApiError::bad_parameter("model", "`model` is missing"))?;
        let model: String = serde_json::from_str(raw.get())
            .map_err(|_| ApiError::bad_parameter("model", "`model` must be a string"))?;
        let start = raw.get().as_ptr() as usize - body.as_ptr() as usize;
        let model_span = start..start + raw.get().len();
        let (blocks, prompt_tokens) = fields.blocks(hasher);
        Ok(Self { model, model_span, blocks, prompt_tokens, body })
    }

    /// The body for an engine that serves the model as `name`: the client's own bytes but for that name.
    pub(crate) fn body_for(&self, name: Option<&str>) -> Bytes {
        let Some(name) = name.filter(|&name| name != self.model) else { return self.body.clone() };
        let name = serde_json::Value::from(name).to_string();
        [&self.body[..self.model_span.start], name.as_bytes(), &self.body[self.model_span.end..]].concat().into()
    }
}

impl Fields<'_> {
    fn blocks(&self, hasher: &ChainHasher) -> (Vec<BlockHash>, u32) {
        if let Some(raw) = self.prompt {
            return match serde_json::from_str(raw.get()) {
                Ok(Prompt::Text(text)) => hash_text(&text, hasher),
                Ok(Prompt::Tokens(tokens)) => hash_tokens(&tokens, hasher),
                Ok(Prompt::Texts(texts)) => texts.first().map_or((Vec::new(), 0), |text| hash_text(text, hasher)),
                Ok(Prompt::TokenLists(lists)) => {
                    lists.first().map_or((Vec::new(), 0), |list| hash_tokens(list, hasher))
                }
                Err(_) => (Vec::new(), 0),
            };
        }
        let messages: Option<Vec<Message<'_>>> = self.messages.and_then(|raw| serde_json::from_str(raw.get()).ok());
        messages.map_or((Vec::new(), 0), |messages| {
            let contents: Vec<Cow<'_, str>> = messages.iter().map(Message::text).collect();
            let roles = messages.iter().map(|message| message.role.as_ref());
            hash_text(&chat_text(roles.zip(contents.iter().map(AsRef::as_ref))), hasher)
        })
    }
}

impl Message<'_> {
    fn text(&self) -> Cow<'_, str> {
        match &self.content {
            None => Cow::Borrowed(""),
            Some(Content::Text(text)) => Cow::Borrowed(text),
            Some(Content::Parts(parts)) => {
                Cow::Owned(parts.iter().filter_map(|part| part.text.as_deref()).collect::<Vec<_>>().join("\n"))
            }
        }
    }
}

fn hash_text(text: &str, hasher: &ChainHasher) -> (Vec<BlockHash>, u32) {
    (hasher.hash_text(text.as_bytes()), text_tokens(text.as_bytes()))
}

fn hash_tokens(tokens: &[u32], hasher: &ChainHasher) -> (Vec<BlockHash>, u32) {
    (hasher.hash_tokens(tokens), u32::try_from(tokens.len()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use phalanx_kvcache::BlockSize;

    use super::*;

    fn read(body: &str) -> Result<Ask, ApiError> {
        let hasher = ChainHasher::new(BlockSize::new(4).expect("4 is a block size"));
        Ask::read(Bytes::copy_from_slice(body.as_bytes()), &hasher)
    }

    #[test]
    fn a_new_model_name_leaves_every_other_byte_alone() {
        let body = r#"{ "n":1.50, "model" :"a\u0062c","prompt":"hi","x":[1e3] }"#;
        let ask = read(body).expect("valid");
        assert_eq!(ask.model, "abc");
        assert_eq!(ask.body_for(None), body);
        assert_eq!(ask.body_for(Some("abc")), body);
        assert_eq!(ask.body_for(Some("q\"q")), body.replace(r#""a\u0062c""#, r#""q\"q""#));
    }

    #[test]
    fn text_tokens_and_chat_have_blocks() {
        let text = "0123456789abcdef0123456789abcdef";
        let ask = read(&format!(r#"{{"model":"m","prompt":"{text}"}}"#)).expect("valid");
        assert_eq!((ask.blocks.len(), ask.prompt_tokens), (2, 8));
        let listed = read(&format!(r#"{{"model":"m","prompt":["{text}"]}}"#)).expect("valid");
        assert_eq!(listed.blocks, ask.blocks);
        let tokens = read(r#"{"model":"m","prompt":[1,2,3,4,5]}"#).expect("valid");
        assert_eq!((tokens.blocks.len(), tokens.prompt_tokens), (1, 5));
        let chat =
            read(r#"{"model":"m","messages":[{"role":"user","content":"a long enough question"}]}"#).expect("valid");
        let parts =
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a long enough question"}]}]}"#;
        assert_eq!(read(parts).expect("valid").blocks, chat.blocks);
        assert!(!chat.blocks.is_empty());
    }

    #[test]
    fn an_unknown_prompt_shape_still_passes() {
        let ask = read(r#"{"model":"m","prompt":{"odd":true}}"#).expect("the engine decides");
        assert!(ask.blocks.is_empty());
    }

    #[test]
    fn a_body_without_a_model_is_refused() {
        for body in ["", "[]", "{", r#"{"prompt":"x"}"#, r#"{"model":7}"#] {
            assert!(read(body).is_err(), "{body}");
        }
    }
}
