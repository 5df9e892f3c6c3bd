//! Messages and tools of a request, as engines hand them to a chat template.

use std::borrow::Cow;

use minijinja::Value;
use minijinja::value::ValueKind;
use phalanx_kvcache::text::join_parts;
use serde::Deserialize;

use crate::tokens::error::Fallback;

/// One message. Fields that engines do not hand on are not read.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    tool_calls: Option<Vec<Value>>,
    #[serde(borrow)]
    tool_call_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reasoning: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reasoning_content: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    #[serde(borrow)]
    Text(Cow<'a, str>),
    #[serde(borrow)]
    Parts(Vec<Part<'a>>),
}

/// A part of a content: text, by one of its names.
#[derive(Debug, Deserialize)]
pub(super) struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}

impl<'a> Message<'a> {
    pub(super) fn of(role: &'static str, content: Content<'a>) -> Self {
        Self {
            role: Cow::Borrowed(role),
            content: Some(content),
            name: None,
            tool_calls: None,
            tool_call_id: None,
            reasoning: None,
            reasoning_content: None,
        }
    }

    /// A system message as engines have it that take Anthropic's: its texts in one, without those that tell who pays; `None`
    /// if nothing is left of it.
    fn system(self) -> Result<Option<Self>, Fallback> {
        let texts = self.content.map_or(Ok(Vec::new()), Content::texts)?;
        let texts = texts.into_iter().filter(|text| !text.starts_with("x-anthropic-billing-header"));
        let text: String = texts.collect();
        Ok((!text.is_empty()).then(|| Self::of("system", Content::Text(Cow::Owned(text)))))
    }

    /// The message as a template sees it.
    pub(super) fn value(self, wants_parts: bool) -> Result<Value, Fallback> {
        let content = self.content.map_or(Ok(Vec::new()), Content::texts)?;
        let content = if wants_parts {
            let part = |text: Cow<'_, str>| Value::from_pairs([("type", Value::from("text")), ("text", text.into())]);
            content.into_iter().map(part).collect()
        } else {
            match <[_; 1]>::try_from(content) {
                Ok([text]) => text.into(),
                Err(texts) => join_parts(texts.iter().map(AsRef::as_ref)).into(),
            }
        };
        let (is_assistant, is_tool) = (self.role == "assistant", self.role == "tool");
        let mut pairs = vec![("role", Value::from(self.role)), ("content", content)];
        if is_assistant {
            let calls = self.tool_calls.map(|calls| calls.iter().map(call).collect::<Result<Vec<_>, _>>());
            pairs.extend(calls.transpose()?.map(|calls| ("tool_calls", Value::from(calls))));
            if let Some(reasoning) = self.reasoning.or(self.reasoning_content).map(Value::from) {
                pairs.extend([("reasoning", reasoning.clone()), ("reasoning_content", reasoning)]);
            }
        } else if is_tool {
            pairs.extend(self.tool_call_id.map(|id| ("tool_call_id", Value::from(id))));
        }
        pairs.extend(self.name.map(|name| ("name", Value::from(name))));
        Ok(Value::from_pairs(pairs))
    }
}

/// Anthropic's messages, as engines make a conversation of them.
pub(super) fn anthropic(messages: Vec<Message<'_>>) -> Result<Vec<Message<'_>>, Fallback> {
    let mut made = Vec::with_capacity(messages.len());
    for message in messages {
        if message.role == "system" {
            made.extend(message.system()?);
        } else {
            made.push(message);
        }
    }
    Ok(made)
}

impl<'a> Content<'a> {
    fn texts(self) -> Result<Vec<Cow<'a, str>>, Fallback> {
        match self {
            Self::Text(text) => Ok(vec![text]),
            Self::Parts(parts) => parts.into_iter().map(Part::text).collect(),
        }
    }
}

impl<'a> Part<'a> {
    fn text(self) -> Result<Cow<'a, str>, Fallback> {
        let is_text = matches!(self.kind.as_ref(), "text" | "input_text" | "output_text");
        self.text.filter(|_| is_text).ok_or(Fallback::Unsupported)
    }
}

/// The entries of an object, in their order.
fn entries(value: &Value) -> Result<Vec<(String, Value)>, Fallback> {
    if value.kind() != ValueKind::Map {
        return Err(Fallback::Unsupported);
    }
    let keys = value.try_iter().map_err(|_| Fallback::Unsupported)?;
    let entry = |key: Value| Some((key.as_str()?.to_owned(), value.get_item(&key).ok()?));
    keys.map(|key| entry(key).ok_or(Fallback::Unsupported)).collect()
}

/// A tool: what it must have first, in one order, then the rest.
pub(super) fn tool(tool: &Value) -> Result<Value, Fallback> {
    let mut function = None;
    let mut rest = Vec::new();
    let mut kind = Value::from("function");
    for (name, value) in entries(tool)? {
        match name.as_str() {
            "type" => kind = value,
            "function" => function = Some(value),
            _ => rest.push((name, value)),
        }
    }
    let none = || Value::from(());
    let mut first = [("name", None), ("description", None), ("parameters", None)];
    let mut others = Vec::new();
    for (name, value) in entries(&function.ok_or(Fallback::Unsupported)?)? {
        match first.iter_mut().find(|(known, _)| *known == name) {
            Some((_, slot)) => *slot = Some(value),
            None => others.push((name, value)),
        }
    }
    let first = first.into_iter().map(|(name, value)| (name.to_owned(), value.unwrap_or_else(none)));
    let function = Value::from_pairs(first.chain(others));
    Ok(Value::from_pairs([("type".to_owned(), kind), ("function".to_owned(), function)].into_iter().chain(rest)))
}

/// A call of a tool, its arguments as what they mean.
fn call(call: &Value) -> Result<Value, Fallback> {
    let mut call = entries(call)?;
    if let Some((_, function)) = call.iter_mut().find(|(name, _)| name == "function") {
        let mut fields = entries(function)?;
        if let Some((_, arguments)) = fields.iter_mut().find(|(name, _)| name == "arguments") {
            match arguments.as_str() {
                Some("") => *arguments = Value::from_pairs(std::iter::empty::<(&str, Value)>()),
                Some(text) => *arguments = serde_json::from_str(text).map_err(|_| Fallback::Unsupported)?,
                None => {}
            }
        }
        *function = Value::from_pairs(fields);
    }
    Ok(Value::from_pairs(call))
}
