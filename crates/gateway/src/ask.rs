//! What the gateway reads of a request's body: the model, where its name stands, and the prompt's blocks.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use phalanx_kvcache::text::{CHAT_END, CHAT_FRAME, PART_END};
use phalanx_kvcache::{BlockHash, ChainHasher, TextHasher};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::api_error::ApiError;
use crate::json_text::each_piece;

/// A request's body and what routing needs to know of it.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// The client's bytes.
    pub(crate) body: Bytes,
    pub(crate) model: String,
    /// Where the value of `model`, quotes included, stands in the body.
    model_span: Range<usize>,
    /// The contents of the prompt's full blocks.
    pub(crate) blocks: Vec<BlockHash>,
    pub(crate) prompt_tokens: u32,
    /// Whether one endpoint may compute the prompt and another one answer.
    pub(crate) is_divisible: bool,
}

/// The fields that are looked at, messages as `M`. All others pass through unread.
#[derive(Deserialize)]
struct Fields<'a, M> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
    messages: Option<M>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    system: Option<&'a RawValue>,
    #[serde(borrow)]
    instructions: Option<&'a RawValue>,
}

/// Which field holds the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Completions,
    Chat,
    /// Anthropic's: messages, and what stands before them.
    Messages,
    /// OpenAI's responses: an input, and what stands before it.
    Responses,
    /// Whichever is there: a prompt, messages, or an input that is one of both.
    Other,
}

impl Api {
    /// Whether one endpoint may compute the prompt and another one answer.
    fn is_divisible(self) -> bool {
        matches!(self, Self::Completions | Self::Chat)
    }
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

impl<'a> Fields<'a, Vec<Message<'a>>> {
    /// Reads messages along with the rest, in one pass, if they are asked for and of a known shape; those of another one
    /// are as good as none.
    fn read(text: &'a str, with_messages: bool) -> serde_json::Result<Self> {
        if with_messages && let Ok(fields) = serde_json::from_str(text) {
            return Ok(fields);
        }
        let Fields { model, prompt, messages: _, input, system, instructions } =
            serde_json::from_str::<Fields<'a, IgnoredAny>>(text)?;
        Ok(Self { model, prompt, messages: None, input, system, instructions })
    }
}

impl Ask {
    /// Reads a body. A prompt of a shape that is not known here has no blocks and still goes to an engine, which knows
    /// better what it accepts.
    pub(crate) fn read(body: Bytes, api: Api, hasher: &ChainHasher) -> Result<Self, ApiError> {
        Self::parse(body, api, Some(hasher))
    }

    /// Reads a body whose blocks are to be found [later](Self::cut).
    pub(crate) fn read_head(body: Bytes, api: Api) -> Result<Self, ApiError> {
        Self::parse(body, api, None)
    }

    /// Finds the blocks of the text.
    pub(crate) fn cut_text(&mut self, api: Api, hasher: &ChainHasher) {
        if let Ok(Self { blocks, prompt_tokens, .. }) = Self::parse(self.body.clone(), api, Some(hasher)) {
            (self.blocks, self.prompt_tokens) = (blocks, prompt_tokens);
        }
    }

    fn parse(body: Bytes, api: Api, hasher: Option<&ChainHasher>) -> Result<Self, ApiError> {
        // A struct could be read from an array too.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(ApiError::bad_request("the body is not a JSON object"));
        }
        // All of it, also what is passed on unread: an engine is not the one to find out.
        let text = std::str::from_utf8(&body)
            .map_err(|error| ApiError::bad_request(format!("the body is not UTF-8: {error}")))?;
        let fields = Fields::read(text, hasher.is_some())
            .map_err(|error| ApiError::bad_request(format!("the body is not a JSON object: {error}")))?;
        let raw = fields.model.ok_or_else(|| ApiError::bad_parameter("model", "`model` is missing"))?;
        let model: String = serde_json::from_str(raw.get())
            .map_err(|_| ApiError::bad_parameter("model", "`model` must be a string"))?;
        let start = raw.get().as_ptr() as usize - body.as_ptr() as usize;
        let model_span = start..start + raw.get().len();
        let (blocks, prompt_tokens) = match (api, hasher) {
            (_, None) => None,
            (Api::Completions, Some(hasher)) => fields.prompt.map(|raw| prompt_blocks(raw.get(), hasher)),
            (Api::Chat, Some(hasher)) => fields.messages.and_then(|messages| chat_blocks(None, &messages, hasher)),
            (_, Some(hasher)) => other_blocks(&fields, hasher),
        }
        .unwrap_or_default();
        let is_divisible = api.is_divisible();
        Ok(Self { model, model_span, blocks, prompt_tokens, is_divisible, body })
    }

    /// The body for an engine that serves the model as `name`: the client's own bytes but for that value.
    pub(crate) fn body_for(&self, name: Option<&str>) -> Bytes {
        let Some(name) = name.filter(|&name| name != self.model) else { return self.body.clone() };
        let name = serde_json::Value::from(name).to_string();
        [&self.body[..self.model_span.start], name.as_bytes(), &self.body[self.model_span.end..]].concat().into()
    }
}

/// The blocks of a prompt's start and its tokens. The shape is told by the first bytes, so that a long list of tokens is
/// read once and straight into numbers; of several prompts the first is the one whose blocks count.
fn prompt_blocks(raw: &str, hasher: &ChainHasher) -> (Vec<BlockHash>, u32) {
    let mut bytes = raw.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let read = match (bytes.next(), bytes.next()) {
        (Some(b'"'), _) => Some(hash_text(raw, hasher)),
        (Some(b'['), Some(b'"')) => serde_json::from_str(raw).ok().and_then(|texts: Vec<&RawValue>| {
            let mut hashed =
                texts.iter().map(|text| text.get().starts_with('"').then(|| hash_text(text.get(), hasher)));
            let (blocks, first) = hashed.next()??;
            hashed.try_fold(first, |sum, text| Some(sum.saturating_add(text?.1))).map(|tokens| (blocks, tokens))
        }),
        (Some(b'['), Some(b'[')) => serde_json::from_str(raw).ok().and_then(|lists: Vec<Vec<u32>>| {
            let tokens = lists.iter().fold(0_u32, |sum, list| sum.saturating_add(count(list)));
            lists.first().map(|list| (hasher.contents(list), tokens))
        }),
        _ => serde_json::from_str(raw).ok().map(|tokens: Vec<u32>| (hasher.contents(&tokens), count(&tokens))),
    };
    read.unwrap_or_default()
}

/// Of messages, behind what stands before all of them.
fn chat_blocks(
    system: Option<&RawValue>,
    messages: &[Message<'_>],
    hasher: &ChainHasher,
) -> Option<(Vec<BlockHash>, u32)> {
    let mut text = hasher.text();
    if system.is_some() {
        message_text("system", system, &mut text)?;
    }
    for message in messages {
        message_text(&message.role, message.content, &mut text)?;
    }
    text.push(CHAT_END.as_bytes());
    let tokens = text.tokens();
    Some((text.finish(), tokens))
}

/// A message as a model would read it; `None` for a content that has no text.
fn message_text(role: &str, content: Option<&RawValue>, text: &mut TextHasher<'_>) -> Option<()> {
    let [begin, behind_role, end] = CHAT_FRAME;
    [begin, role, behind_role].iter().for_each(|part| text.push(part.as_bytes()));
    if let Some(content) = content.map(RawValue::get)
        && !each_piece(content, |piece| text.push(piece))
    {
        let parts: Vec<Part<'_>> = serde_json::from_str(content).ok()?;
        for (place, part) in parts.iter().filter_map(|part| part.text).enumerate() {
            if place > 0 {
                text.push(PART_END.as_bytes());
            }
            each_piece(part.get(), |piece| text.push(piece)).then_some(())?;
        }
    }
    text.push(end.as_bytes());
    Some(())
}

/// Of an API that may have its prompt in one of several fields.
fn other_blocks(fields: &Fields<'_, Vec<Message<'_>>>, hasher: &ChainHasher) -> Option<(Vec<BlockHash>, u32)> {
    let system = fields.system.or(fields.instructions);
    if let Some(messages) = &fields.messages {
        return chat_blocks(system, messages, hasher);
    }
    let input = fields.prompt.or(fields.input)?.get();
    let mut bytes = input.bytes().filter(|byte| !byte.is_ascii_whitespace());
    match (bytes.next(), bytes.next()) {
        (Some(b'['), Some(b'{')) => chat_blocks(system, &serde_json::from_str::<Vec<_>>(input).ok()?, hasher),
        (Some(b'"'), _) if system.is_some() => {
            let content = serde_json::from_str(input).ok()?;
            chat_blocks(system, &[Message { role: Cow::Borrowed("user"), content: Some(content) }], hasher)
        }
        _ => Some(prompt_blocks(input, hasher)),
    }
}

/// Of a string of JSON.
fn hash_text(raw: &str, hasher: &ChainHasher) -> (Vec<BlockHash>, u32) {
    let mut text = hasher.text();
    each_piece(raw, |piece| text.push(piece));
    let tokens = text.tokens();
    (text.finish(), tokens)
}

fn count(tokens: &[u32]) -> u32 {
    u32::try_from(tokens.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use phalanx_kvcache::BlockSize;

    use super::*;

    fn read(body: &str) -> Result<Ask, ApiError> {
        let hasher = ChainHasher::new(BlockSize::new(4).expect("4 is a block size"));
        let api = if body.contains("messages") { Api::Chat } else { Api::Completions };
        Ask::read(Bytes::copy_from_slice(body.as_bytes()), api, &hasher)
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
        let listed = read(&format!(r#"{{"model":"m","prompt":[ "{text}", "more"]}}"#)).expect("valid");
        assert_eq!((listed.blocks, listed.prompt_tokens), (ask.blocks, 9));
        for (prompt, tokens) in [("[1,2,3,4,5]", 5), ("[ [1,2,3,4,5], [6]]", 6)] {
            let ask = read(&format!(r#"{{"model":"m","prompt":{prompt}}}"#)).expect("valid");
            assert_eq!((ask.blocks.len(), ask.prompt_tokens), (1, tokens), "{prompt}");
        }
        let content = [r#""a long enough question""#, r#"[{"type":"text","text":"a long enough question"}]"#];
        let [plain, parts] = content.map(|content| {
            let body =
                format!(r#"{{"model":"m","prompt":"ignored","messages":[{{"role":"user","content":{content}}}]}}"#);
            read(&body).expect("valid").blocks
        });
        assert_eq!(plain, parts);
        assert!(!plain.is_empty());
    }

    #[test]
    fn other_apis_have_the_blocks_of_the_same_chat() {
        let hasher = ChainHasher::new(BlockSize::new(4).expect("4 is a block size"));
        let other = |fields: &str| {
            let body = Bytes::from(format!(r#"{{"model":"m",{fields}}}"#));
            Ask::read(body, Api::Other, &hasher).expect("valid").blocks
        };
        let user = r#"{"role":"user","content":"a long enough question"}"#;
        let system = r#"{"role":"system","content":"be brief and to the point"}"#;
        let chat = read(&format!(r#"{{"model":"m","messages":[{system},{user}]}}"#)).expect("valid").blocks;
        let text = r#""be brief and to the point""#;
        for fields in [
            format!(r#""system":{text},"messages":[{user}]"#),
            format!(r#""system":[{{"type":"text","text":{text}}}],"messages":[{user}]"#),
            format!(r#""instructions":{text},"input":[{user}]"#),
            format!(r#""instructions":{text},"input":"a long enough question""#),
        ] {
            assert_eq!(other(&fields), chat, "{fields}");
        }
        let plain = read(r#"{"model":"m","prompt":"a long enough question"}"#).expect("valid").blocks;
        assert_eq!(other(r#""input":"a long enough question""#), plain);
        assert_eq!(other(r#""input":["a long enough question","another"]"#), plain);
        assert_eq!(other(r#""documents":["a long enough question"]"#), []);
    }

    #[test]
    fn an_unknown_prompt_shape_still_passes() {
        for prompt in [r#"{"odd":true}"#, "[]", "[-1]", "7", "null"] {
            let ask = read(&format!(r#"{{"model":"m","prompt":{prompt}}}"#)).expect("the engine decides");
            assert!(ask.blocks.is_empty(), "{prompt}");
        }
    }

    #[test]
    fn a_body_without_a_model_is_refused() {
        for body in ["", "[]", "{", r#"{"prompt":"x"}"#, r#"{"model":7}"#, r#"["m","hi",null,null]"#] {
            assert!(read(body).is_err(), "{body}");
        }
    }
}
