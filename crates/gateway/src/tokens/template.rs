//! A model's chat template: messages in, the text that the model reads out.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, Value};

use super::python;

/// What one rendering may spend: some milliseconds, and bytes 64 times this at the most.
const FUEL: u64 = 2_000_000;
/// The templates' names.
const PLAIN: &str = "chat";
const TOOLS: &str = "tools";

/// A chat template.
#[derive(Debug)]
pub(super) struct ChatTemplate {
    environment: Environment<'static>,
    /// `bos_token` and the like.
    special: Vec<(String, Value)>,
    has_tools: bool,
    wants_parts: bool,
}

/// A conversation, as templates see it.
#[derive(Debug, Default)]
pub(super) struct Chat {
    pub(super) messages: Vec<Value>,
    pub(super) tools: Option<Value>,
    pub(super) documents: Option<Value>,
    /// What else the client gives the template.
    pub(super) more: Vec<(String, Value)>,
    /// Whether the text ends where the model is to speak.
    pub(super) asks: bool,
    /// Whether the model goes on with the last message.
    pub(super) goes_on: bool,
}

impl ChatTemplate {
    /// Compiles a template, and another one for conversations with tools if there is one.
    pub(super) fn new(plain: &str, tools: Option<&str>, special: Vec<(String, Value)>) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        environment.set_fuel(Some(FUEL));
        python::add_to(&mut environment);
        environment.add_template_owned(PLAIN, without_generation(plain))?;
        if let Some(tools) = tools {
            environment.add_template_owned(TOOLS, without_generation(tools))?;
        }
        Ok(Self { environment, special, has_tools: tools.is_some(), wants_parts: wants_parts(plain) })
    }

    /// Whether the template takes each content as a list of parts, and not as a text.
    pub(super) fn wants_parts(&self) -> bool {
        self.wants_parts
    }

    /// The text of a conversation; `None` if it cannot go on with the last message.
    pub(super) fn render(&self, chat: &Chat) -> Result<Option<String>, Error> {
        let name = if self.has_tools && chat.tools.is_some() { TOOLS } else { PLAIN };
        let none = || Value::from(());
        let absent = [("tools", none()), ("documents", none())];
        let given = [
            ("messages", Some(Value::from(chat.messages.clone()))),
            ("tools", chat.tools.clone()),
            ("documents", chat.documents.clone()),
            ("add_generation_prompt", Some(Value::from(chat.asks))),
        ];
        let named = |(name, value): (&str, Value)| (name.to_owned(), value);
        let given = given.into_iter().filter_map(|(name, value)| Some(named((name, value?))));
        // What comes later replaces what came before: a field of the API counts more than what the client gives the template.
        let pairs = self.special.iter().cloned().chain(absent.map(named)).chain(chat.more.iter().cloned()).chain(given);
        let text = self.environment.get_template(name)?.render(Value::from_pairs(pairs))?;
        Ok(if chat.goes_on { up_to_last(text, &chat.messages) } else { Some(text) })
    }
}

/// The text up to the end of the last message's content.
fn up_to_last(mut text: String, messages: &[Value]) -> Option<String> {
    let content = messages.last()?.get_attr("content").ok()?;
    let last = match content.as_str() {
        Some(content) => content.to_owned(),
        None => {
            let texts = content.try_iter().ok()?.filter_map(|part| part.get_attr("text").ok());
            texts.filter_map(|text| text.as_str().map(str::to_owned)).last()?
        }
    };
    let whole = last.trim_start_matches(python::is_space);
    let trimmed = whole.trim_end_matches(python::is_space);
    let at = text.rfind(trimmed)?;
    // A template may have trimmed the space behind it.
    let length = if text[at..].starts_with(whole) { whole.len() } else { trimmed.len() };
    text.truncate(at + length);
    Some(text)
}

/// The template without the marks of what a model has generated, which training alone looks at.
fn without_generation(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start + 2);
        out.push_str(before);
        let inside = tag.trim_start_matches(['-', '+']);
        let word = inside.trim_start();
        let end = |word: &str| word.trim_start().trim_start_matches(['-', '+']).starts_with("%}");
        let (plain, behind) = match (word.strip_prefix("generation"), word.strip_prefix("endgeneration")) {
            (Some(behind), _) if end(behind) => ("if true", behind),
            (_, Some(behind)) if end(behind) => ("endif", behind),
            _ => {
                rest = tag;
                continue;
            }
        };
        out.push_str(&tag[..tag.len() - word.len()]);
        out.push_str(plain);
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Whether a template walks through a message's content: engines that look for this give it parts then, and a text
/// otherwise.
fn wants_parts(template: &str) -> bool {
    let squeezed: String = template.chars().filter(|letter| !letter.is_whitespace()).collect();
    let is_renamed = squeezed.contains("setcontent=message");
    template.split("{%").skip(1).any(|tag| {
        let tag = tag.split("%}").next().unwrap_or_default().trim_start_matches(['-', '+']).trim();
        let Some((_, walked)) = tag.strip_prefix("for ").and_then(|tag| tag.split_once(" in ")) else { return false };
        let walked = walked.split(['|']).next().unwrap_or_default();
        let walked = walked.split(" if ").next().unwrap_or_default().trim_end_matches('-').trim();
        let is_content = [".content", "['content']", "[\"content\"]"].iter().any(|end| walked.ends_with(end));
        is_content || (is_renamed && walked == "content")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: &str, content: &str) -> Value {
        Value::from_pairs([("role", role), ("content", content)])
    }

    fn chat(messages: Vec<Value>) -> Chat {
        Chat { messages, asks: true, ..Chat::default() }
    }

    fn render(template: &str, chat: &Chat) -> String {
        let special = vec![("bos_token".to_owned(), "<s>".into()), ("eos_token".to_owned(), "</s>".into())];
        ChatTemplate::new(template, None, special).expect("Jinja").render(chat).expect("rendered").expect("whole")
    }

    const CHATML: &str = "{%- for message in messages %}\n    {{- '<|im_start|>' + message.role + '\\n' + message.content + \
                          '<|im_end|>' + '\\n' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    \
                          {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n";

    #[test]
    fn chatml() {
        let chat = chat(vec![message("system", "Be brief."), message("user", "Hi")]);
        let expected =
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
        assert_eq!(render(CHATML, &chat), expected);
    }

    #[test]
    fn llama_style_sets_and_trims() {
        let template = "{{- bos_token }}{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = \
                        '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + \
                        '<|eot_id|>' %}{{ content }}{% endfor %}{% if add_generation_prompt %}\
                        {{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";
        let expected = "<s><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>\
                        <|start_header_id|>assistant<|end_header_id|>\n\n";
        assert_eq!(render(template, &chat(vec![message("user", "  Hi\n")])), expected);
        assert!(!wants_parts(template));
    }

    const MISTRAL: &str = "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != \
                           (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}\
                           {% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}\
                           {% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}";

    #[test]
    fn mistral_style_alternates() {
        let turns = vec![message("user", "Hi"), message("assistant", "Hello"), message("user", "Bye")];
        assert_eq!(render(MISTRAL, &chat(turns)), "<s>[INST] Hi [/INST]Hello</s>[INST] Bye [/INST]");
        let template = ChatTemplate::new(MISTRAL, None, Vec::new()).expect("Jinja");
        let error = template.render(&chat(vec![message("assistant", "Hi")])).expect_err("it is raised");
        assert!(error.to_string().contains("must alternate"));
    }

    #[test]
    fn tools_and_methods_of_python() {
        let template = "{%- if tools %}{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}{% endif %}\
                        {%- set ns = namespace(last='') %}{%- for message in messages[::-1] %}\
                        {%- if message.content.startswith('H') and loop.first %}{%- set ns.last = message.content.strip('!') %}\
                        {%- endif %}{%- endfor %}{{ ns.last }}{% if enable_thinking is defined and enable_thinking is false %}-{% endif %}";
        let tool: Value =
            serde_json::from_str(r#"{"type":"function","function":{"name":"f","parameters":{}}}"#).expect("JSON");
        let mut chat = chat(vec![message("user", "Hi!!")]);
        chat.tools = Some(Value::from(vec![tool]));
        chat.more = vec![("enable_thinking".to_owned(), false.into())];
        let expected = "{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {}}}\nHi-";
        assert_eq!(render(template, &chat), expected);
    }

    #[test]
    fn another_template_for_tools() {
        let template = ChatTemplate::new("plain", Some("with tools"), Vec::new()).expect("Jinja");
        let mut chat = chat(Vec::new());
        assert_eq!(template.render(&chat).expect("rendered").as_deref(), Some("plain"));
        chat.tools = Some(Value::from(Vec::<Value>::new()));
        assert_eq!(template.render(&chat).expect("rendered").as_deref(), Some("with tools"));
    }

    #[test]
    fn the_last_message_is_gone_on_with() {
        let template = "{% for message in messages %}<{{ message.content | trim }}>{% endfor %}";
        for (last, expected) in [("Sure,", "<Hi><Sure,"), (" Sure, ", "<Hi><Sure,"), ("Hi", "<Hi><Hi")] {
            let mut chat = chat(vec![message("user", "Hi"), message("assistant", last)]);
            (chat.asks, chat.goes_on) = (false, true);
            assert_eq!(render(template, &chat), expected);
        }
        let kept = "{% for message in messages %}<{{ message.content }}>{% endfor %}";
        let mut chat = chat(vec![message("assistant", " Sure, ")]);
        chat.goes_on = true;
        assert_eq!(render(kept, &chat), "< Sure, ");
    }

    #[test]
    fn marks_of_generation_are_left_out() {
        let template = "{% for m in messages %}{%- generation -%} {{ m.content }} {%- endgeneration %}{% endfor %}{% set generation = 1 %}{{ generation }}";
        assert_eq!(render(template, &chat(vec![message("user", "Hi")])), "Hi1");
    }

    #[test]
    fn parts_are_wanted_where_they_are_walked_through() {
        for template in [
            "{% for part in message['content'] %}",
            "{%- for part in message.content -%}",
            "{% for part in message.content | selectattr('type', 'equalto', 'text') %}",
            "{% set content = message['content'] %}{% for part in content if part.text %}",
        ] {
            assert!(wants_parts(template), "{template}");
        }
        for template in
            ["{% for message in messages %}", "{% for line in contents %}", "for x in message.content", CHATML]
        {
            assert!(!wants_parts(template), "{template}");
        }
    }

    #[test]
    fn what_never_ends_is_ended() {
        let endless = "{% for a in range(90000) %}{% for b in range(90000) %}{{ a * b }}{% endfor %}{% endfor %}";
        let huge = "{% set ns = namespace(x='aaaaaaaaaaaaaaaa') %}{% for a in range(64) %}{% set ns.x = ns.x + ns.x %}{% endfor %}";
        let deep = "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}";
        for template in [endless, huge, deep] {
            let template = ChatTemplate::new(template, None, Vec::new()).expect("Jinja");
            template.render(&chat(Vec::new())).expect_err("it is bounded");
        }
        ChatTemplate::new("{% for %}", None, Vec::new()).expect_err("no template");
    }
}
