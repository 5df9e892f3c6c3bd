//! What is asked, in the words of each API: the prompt's text, or its tokens.

mod messages;

use std::borrow::Cow;

use minijinja::Value;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use self::messages::{Content, Message};
use super::error::Fallback;
use super::template::{Chat, ChatTemplate};
use crate::ask::Api;

/// A request's prompts, of which the first counts for the cache.
#[derive(Debug)]
pub(super) struct Prompts {
    pub(super) prompts: Vec<Prompt>,
    /// What keeps the blocks of some clients apart from others'.
    pub(super) salt: String,
}

/// One prompt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    Tokens(Vec<u32>),
    /// A text, and whether the tokens that begin and end a prompt are added.
    Text(String, bool),
}

/// What is read of a body. The rest is the engine's.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    system: Option<Content<'a>>,
    #[serde(borrow)]
    instructions: Option<Cow<'a, str>>,
    tools: Option<Vec<Value>>,
    documents: Option<Value>,
    chat_template_kwargs: Option<Value>,
    reasoning_effort: Option<Value>,
    /// Of responses.
    reasoning: Option<Effort>,
    /// Of Anthropic's messages, as is what follows.
    output_config: Option<Effort>,
    #[serde(borrow)]
    thinking: Option<Thinking<'a>>,
    add_generation_prompt: Option<bool>,
    continue_final_message: Option<bool>,
    add_special_tokens: Option<bool>,
    #[serde(borrow)]
    cache_salt: Option<Cow<'a, str>>,
    // What changes the prompt in ways that are not followed here.
    chat_template: Option<IgnoredAny>,
    truncate_prompt_tokens: Option<IgnoredAny>,
    prompt_embeds: Option<IgnoredAny>,
    previous_response_id: Option<IgnoredAny>,
}

/// How hard a model is to think, where that is not a field of its own.
#[derive(Deserialize)]
struct Effort {
    effort: Option<Value>,
}

#[derive(Deserialize)]
struct Thinking<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

impl Prompts {
    /// Reads a body's prompts.
    pub(super) fn read(body: &[u8], api: Api, template: Option<&ChatTemplate>) -> Result<Self, Fallback> {
        let body: Body<'_> = serde_json::from_slice(body).map_err(|_| Fallback::Unsupported)?;
        let strange =
            [&body.chat_template, &body.truncate_prompt_tokens, &body.prompt_embeds, &body.previous_response_id];
        if strange.into_iter().any(Option::is_some) {
            return Err(Fallback::Unsupported);
        }
        let salt = body.cache_salt.as_deref().unwrap_or_default().to_owned();
        let prompts = match api {
            Api::Completions => {
                plain(body.prompt.ok_or(Fallback::Unsupported)?, body.add_special_tokens.unwrap_or(true))?
            }
            Api::Chat | Api::Messages | Api::Responses => {
                let template = template.ok_or(Fallback::Template)?;
                // What vLLM asks of its tokenizer for responses, whose template may have them too.
                let is_special = body.add_special_tokens.unwrap_or(api == Api::Responses);
                let chat = body.chat(api, template)?;
                let text = template.render(&chat).map_err(|_| Fallback::Template)?.ok_or(Fallback::Template)?;
                vec![Prompt::Text(text, is_special)]
            }
            Api::Other => return Err(Fallback::Unsupported),
        };
        Ok(Self { prompts, salt })
    }
}

/// Of completions: a text, tokens, or a list of either.
fn plain(raw: &RawValue, is_special: bool) -> Result<Vec<Prompt>, Fallback> {
    let mut bytes = raw.get().bytes().filter(|byte| !byte.is_ascii_whitespace());
    match (bytes.next(), bytes.next()) {
        (Some(b'"'), _) => Ok(vec![Prompt::Text(parse(raw)?, is_special)]),
        (Some(b'['), Some(b'"')) => {
            let texts: Vec<String> = parse(raw)?;
            Ok(texts.into_iter().map(|text| Prompt::Text(text, is_special)).collect())
        }
        (Some(b'['), Some(b'[')) => Ok(parse::<Vec<Vec<u32>>>(raw)?.into_iter().map(Prompt::Tokens).collect()),
        _ => Ok(vec![Prompt::Tokens(parse(raw)?)]),
    }
}

impl<'a> Body<'a> {
    /// The conversation, as an engine gives it to the template.
    fn chat(self, api: Api, template: &ChatTemplate) -> Result<Chat, Fallback> {
        // How other APIs' tools come to a template depends on the engine.
        if self.tools.is_some() && api != Api::Chat {
            return Err(Fallback::Unsupported);
        }
        let (asks, goes_on) =
            (self.add_generation_prompt.unwrap_or(true), self.continue_final_message.unwrap_or(false));
        if asks && goes_on {
            return Err(Fallback::Unsupported);
        }
        let messages = match api {
            Api::Responses => said(self.instructions.map(Content::Text), self.input)?,
            Api::Messages => messages::anthropic(said(self.system, self.messages)?)?,
            _ => said(None, self.messages)?,
        };
        let wants_parts = template.wants_parts();
        let messages = messages.into_iter().map(|message| message.value(wants_parts)).collect::<Result<_, _>>()?;
        let tools =
            self.tools.map(|tools| tools.iter().map(messages::tool).collect::<Result<Vec<_>, _>>()).transpose()?;
        let effort = match api {
            // What it means not to think depends on the model's template.
            Api::Messages if self.thinking.is_some_and(|thinking| thinking.kind == "disabled") => {
                return Err(Fallback::Unsupported);
            }
            Api::Messages => self.output_config.and_then(|config| config.effort),
            Api::Responses => self.reasoning.and_then(|reasoning| reasoning.effort),
            _ => self.reasoning_effort,
        };
        let mut more: Vec<(String, Value)> = Vec::new();
        // Unless the client says so itself.
        more.extend(
            effort.as_ref().map(|effort| ("enable_thinking".to_owned(), (effort.as_str() != Some("none")).into())),
        );
        if let Some(given) = self.chat_template_kwargs {
            for name in given.try_iter().map_err(|_| Fallback::Unsupported)? {
                let value = given.get_item(&name).map_err(|_| Fallback::Unsupported)?;
                more.push((name.to_string(), value));
            }
        }
        more.extend(effort.map(|effort| ("reasoning_effort".to_owned(), effort)));
        Ok(Chat { messages, tools: tools.map(Value::from), documents: self.documents, more, asks, goes_on })
    }
}

/// Messages, or one text of the user's, behind what stands before all of them.
fn said<'a>(system: Option<Content<'a>>, raw: Option<&'a RawValue>) -> Result<Vec<Message<'a>>, Fallback> {
    let raw = raw.ok_or(Fallback::Unsupported)?;
    let mut messages: Vec<Message<'a>> =
        if raw.get().starts_with('"') { vec![Message::of("user", Content::Text(parse(raw)?))] } else { parse(raw)? };
    if let Some(system) = system {
        messages.insert(0, Message::of("system", system));
    }
    Ok(messages)
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, Fallback> {
    serde_json::from_str(raw.get()).map_err(|_| Fallback::Unsupported)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: &str =
        "{% for m in messages %}{{ m.role }}:{% for part in m.content %}[{{ part.text }}]{% endfor %}{% endfor %}";
    const TEXTS: &str = "{% for m in messages %}{{ m.role }}:{{ m.content }}{% if m.tool_calls %}\
                         {{ m.tool_calls[0].function.arguments.x }}{% endif %}{% if m.tool_call_id %}#{{ m.tool_call_id }}{% endif %};\
                         {% endfor %}{% if tools %}{{ tools | tojson }}{% endif %}{% if add_generation_prompt %}>{% endif %}{{ mood }}";

    fn read(template: &str, api: Api, body: &str) -> Result<Prompts, Fallback> {
        let template = ChatTemplate::new(template, None, Vec::new()).expect("Jinja");
        Prompts::read(body.as_bytes(), api, Some(&template))
    }

    fn text(template: &str, api: Api, body: &str) -> String {
        match read(template, api, body).expect("known").prompts.remove(0) {
            Prompt::Text(text, is_special) => {
                assert_eq!(is_special, api == Api::Responses, "elsewhere the template has them");
                text
            }
            Prompt::Tokens(tokens) => panic!("{tokens:?}"),
        }
    }

    #[test]
    fn completions_are_texts_or_tokens() {
        let prompts = |body: &str| Prompts::read(body.as_bytes(), Api::Completions, None).map(|read| read.prompts);
        let text = |text: &str, is_special| Prompt::Text(text.to_owned(), is_special);
        assert_eq!(prompts(r#"{"prompt":"a\u0062"}"#), Ok(vec![text("ab", true)]));
        assert_eq!(prompts(r#"{"prompt":"a","add_special_tokens":false}"#), Ok(vec![text("a", false)]));
        assert_eq!(prompts(r#"{"prompt":[ "a","b"]}"#), Ok(vec![text("a", true), text("b", true)]));
        assert_eq!(prompts(r#"{"prompt":[1,2]}"#), Ok(vec![Prompt::Tokens(vec![1, 2])]));
        assert_eq!(prompts(r#"{"prompt":[[1,2],[3]]}"#), Ok(vec![Prompt::Tokens(vec![1, 2]), Prompt::Tokens(vec![3])]));
        for body in
            ["{}", r#"{"prompt":{}}"#, r#"{"prompt":[-1]}"#, "[]", r#"{"prompt":"a","truncate_prompt_tokens":5}"#]
        {
            assert_eq!(prompts(body), Err(Fallback::Unsupported), "{body}");
        }
    }

    #[test]
    fn contents_are_texts_or_parts_as_the_template_wants_them() {
        let body = r#"{"messages":[{"role":"user","content":"a"},{"role":"user","content":[{"type":"text","text":"b"},{"type":"text","text":"c"}]}]}"#;
        assert_eq!(text(TEXTS, Api::Chat, body), "user:a;user:b\nc;>");
        assert_eq!(text(PARTS, Api::Chat, body), "user:[a]user:[b][c]");
    }

    #[test]
    fn tools_calls_and_more_reach_the_template() {
        let body = r#"{"messages":[
            {"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"x\": 7}"}}]},
            {"role":"tool","tool_call_id":"1","content":"ok"}],
            "tools":[{"function":{"parameters":{"b":1,"a":2},"name":"f"},"type":"function"}],
            "chat_template_kwargs":{"mood":"!","add_generation_prompt":true},"add_generation_prompt":false,"cache_salt":"s"}"#;
        let expected = "assistant:7;tool:ok#1;[{\"type\": \"function\", \"function\": {\"name\": \"f\", \"description\": null, \
                        \"parameters\": {\"b\": 1, \"a\": 2}}}]!";
        assert_eq!(text(TEXTS, Api::Chat, body), expected);
        assert_eq!(read(TEXTS, Api::Chat, body).expect("known").salt, "s");
    }

    #[test]
    fn effort_is_thought_unless_the_client_says_otherwise() {
        const EFFORT: &str = "{{ reasoning_effort }},{{ enable_thinking }}";
        let messages = r#""messages":[]"#;
        for (api, fields, expected) in [
            (Api::Chat, format!(r#"{messages},"reasoning_effort":"low""#), "low,True"),
            (Api::Chat, format!(r#"{messages},"reasoning_effort":"none""#), "none,False"),
            (
                Api::Chat,
                format!(
                    r#"{messages},"reasoning_effort":"low","chat_template_kwargs":{{"enable_thinking":false,"reasoning_effort":"high"}}"#
                ),
                "low,False",
            ),
            (
                Api::Messages,
                format!(r#"{messages},"output_config":{{"effort":"max"}},"thinking":{{"type":"adaptive"}}"#),
                "max,True",
            ),
            (Api::Responses, r#""input":"a","reasoning":{"effort":"high","summary":null}"#.to_owned(), "high,True"),
            (Api::Chat, messages.to_owned(), ","),
        ] {
            assert_eq!(text(EFFORT, api, &format!("{{{fields}}}")), expected, "{fields}");
        }
        let body = format!(r#"{{{messages},"thinking":{{"type":"disabled"}}}}"#);
        assert_eq!(read(EFFORT, Api::Messages, &body).map(|_| ()), Err(Fallback::Unsupported));
    }

    #[test]
    fn other_apis_have_the_text_of_the_same_chat() {
        let user = r#"{"role":"user","content":"a"}"#;
        let expected = text(TEXTS, Api::Chat, &format!(r#"{{"messages":[{{"role":"system","content":"s"}},{user}]}}"#));
        for (api, fields) in [
            (Api::Messages, format!(r#""system":"s","messages":[{user}]"#)),
            (Api::Messages, format!(r#""system":[{{"type":"text","text":"s"}}],"messages":[{user}]"#)),
            (
                Api::Messages,
                r#""messages":[{"role":"system","content":[{"type":"text","text":"x-anthropic-billing-header: 1"},
                {"type":"text","text":""},{"type":"text","text":"s"}]},{"role":"user","content":"a"}]"#
                    .to_owned(),
            ),
            (Api::Responses, r#""instructions":"s","input":"a""#.to_owned()),
            (
                Api::Responses,
                r#""instructions":"s","input":[{"role":"user","content":[{"type":"input_text","text":"a"}]}]"#
                    .to_owned(),
            ),
        ] {
            assert_eq!(text(TEXTS, api, &format!("{{{fields}}}")), expected, "{fields}");
        }
    }

    #[test]
    fn what_is_more_than_text_is_left_to_the_engine() {
        for (api, body) in [
            (Api::Chat, r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}"#),
            (Api::Chat, r#"{"messages":[],"chat_template":"mine"}"#),
            (Api::Chat, r#"{"messages":[],"continue_final_message":true}"#),
            (Api::Chat, r#"{"messages":"a","tools":[7]}"#),
            (Api::Chat, r#"{"messages":[],"chat_template_kwargs":7}"#),
            (Api::Messages, r#"{"messages":[],"tools":[{}]}"#),
            (Api::Messages, r#"{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"1"}]}]}"#),
            (Api::Responses, r#"{"input":"a","previous_response_id":"1"}"#),
            (Api::Responses, r#"{"input":[{"type":"function_call_output","call_id":"1","output":"x"}]}"#),
            (Api::Other, r#"{"input":"a"}"#),
        ] {
            assert_eq!(read(TEXTS, api, body).map(|_| ()), Err(Fallback::Unsupported), "{body}");
        }
        let refuses = read("{{ raise_exception('no') }}", Api::Chat, r#"{"messages":[]}"#);
        assert_eq!(refuses.map(|_| ()), Err(Fallback::Template));
        assert_eq!(Prompts::read(br#"{"messages":[]}"#, Api::Chat, None).map(|_| ()), Err(Fallback::Template));
    }
}
