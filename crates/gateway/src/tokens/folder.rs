//! A model's folder: its tokenizer, which of its tokens are special, and its chat template.

use std::path::{Path, PathBuf};

use minijinja::Value;
use serde::Deserialize;

use super::error::TokenizerError;
use super::template::ChatTemplate;

/// What a folder has.
#[derive(Debug)]
pub(super) struct Folder {
    /// The bytes of tokenizer.json, and where they come from.
    pub(super) tokenizer: (PathBuf, Vec<u8>),
    pub(super) template: Option<ChatTemplate>,
    pub(super) ends: Ends,
}

/// What the tokenizer puts around a prompt, where its configuration says so and not the tokenizer itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    /// The token before it, or that there is none.
    pub(super) before: Option<Option<String>>,
    /// The token behind it.
    pub(super) behind: Option<Option<String>>,
}

/// What is read of tokenizer_config.json.
#[derive(Debug, Default, Deserialize)]
struct Config {
    tokenizer_class: Option<String>,
    add_bos_token: Option<bool>,
    add_eos_token: Option<bool>,
    chat_template: Option<Templates>,
    bos_token: Option<Token>,
    eos_token: Option<Token>,
    unk_token: Option<Token>,
    sep_token: Option<Token>,
    pad_token: Option<Token>,
    cls_token: Option<Token>,
    mask_token: Option<Token>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Templates {
    One(String),
    Several(Vec<Named>),
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
    template: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Token {
    Text(String),
    Added { content: String },
}

/// A file's text, if it is there.
fn read(path: &Path) -> Result<Option<String>, TokenizerError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TokenizerError::Read { path: path.to_owned(), reason: error.to_string() }),
    }
}

/// The files of a folder, or of the one that a tokenizer.json stands in: the tokenizer, its configuration, the chat template and
/// the one with tools.
pub(super) fn files(path: &Path) -> [PathBuf; 4] {
    let (folder, file) = if path.is_dir() {
        (path.to_owned(), path.join("tokenizer.json"))
    } else {
        (path.parent().unwrap_or(Path::new("")).to_owned(), path.to_owned())
    };
    let tools = folder.join("additional_chat_templates").join("tool_use.jinja");
    [file, folder.join("tokenizer_config.json"), folder.join("chat_template.jinja"), tools]
}

impl Folder {
    /// Reads a folder, or the one that a tokenizer.json stands in.
    pub(super) fn read(path: &Path) -> Result<Self, TokenizerError> {
        let [file, at, jinja, with_tools] = files(path);
        let bytes = std::fs::read(&file)
            .map_err(|error| TokenizerError::Read { path: file.clone(), reason: error.to_string() })?;
        let config: Config = match read(&at)? {
            Some(text) => serde_json::from_str(&text)
                .map_err(|error| TokenizerError::Config { path: at.clone(), reason: error.to_string() })?,
            None => Config::default(),
        };
        let ends = config.ends();
        let special = config.special();
        let (mut plain, mut tools, mut from) = (None, None, at);
        match config.chat_template {
            Some(Templates::One(template)) => plain = Some(template),
            Some(Templates::Several(templates)) => {
                for Named { name, template } in templates {
                    match name.as_str() {
                        "default" => plain = Some(template),
                        "tool_use" => tools = Some(template),
                        _ => {}
                    }
                }
            }
            None => {}
        }
        if let Some(template) = read(&jinja)? {
            (plain, tools, from) = (Some(template), None, jinja);
            tools = read(&with_tools)?.or(tools);
        }
        let template = plain.map(|plain| ChatTemplate::new(&plain, tools.as_deref(), special)).transpose();
        let template = template.map_err(|error| TokenizerError::Template { path: from, reason: error.to_string() })?;
        Ok(Self { tokenizer: (file, bytes), template, ends })
    }
}

impl Config {
    fn special(&self) -> Vec<(String, Value)> {
        let tokens = [
            ("bos_token", &self.bos_token),
            ("eos_token", &self.eos_token),
            ("unk_token", &self.unk_token),
            ("sep_token", &self.sep_token),
            ("pad_token", &self.pad_token),
            ("cls_token", &self.cls_token),
            ("mask_token", &self.mask_token),
        ];
        let named =
            tokens.into_iter().filter_map(|(name, token)| Some((name.to_owned(), token.as_ref()?.text().into())));
        named.collect()
    }

    /// Only some tokenizers heed these two settings.
    fn ends(&self) -> Ends {
        let class = self.tokenizer_class.as_deref().unwrap_or_default();
        let class = class.strip_suffix("Fast").unwrap_or(class);
        if !matches!(class, "LlamaTokenizer" | "CodeLlamaTokenizer" | "GemmaTokenizer") {
            return Ends::default();
        }
        let told = |is_added: Option<bool>, token: &Option<Token>| {
            is_added.map(|is_added| token.as_ref().filter(|_| is_added).map(|token| token.text().to_owned()))
        };
        Ends { before: told(self.add_bos_token, &self.bos_token), behind: told(self.add_eos_token, &self.eos_token) }
    }
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Added { content: text } => text,
        }
    }
}
