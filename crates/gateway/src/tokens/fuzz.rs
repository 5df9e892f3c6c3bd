//! Prompts as tokens, for the project's fuzz targets.

use tokenizers::Tokenizer;

use super::folder::Ends;
use super::pieces::Pieces;
use super::prompt::{Prompt, Prompts};
use super::template::ChatTemplate;
use super::tiny;
use crate::ask::Api;

const MERGES: [(&str, &str); 10] = [
    ("t", "h"),
    ("h", "e"),
    ("th", "e"),
    (" ", "t"),
    (" t", "he"),
    ("\n", "\n"),
    (" ", " "),
    ("<", "|"),
    ("|", ">"),
    ("e", "r"),
];
const SPECIAL: [&str; 5] = ["<|im_start|>", "<|im_end|>", "<s>", "<s>x", "<|a|>"];

/// A small tokenizer that remembers pieces, and the same one without a memory.
#[derive(Debug)]
pub struct Prompter {
    pieces: Pieces,
    plain: Tokenizer,
}

/// A prompt's tokens: by pieces, by pieces that are remembered, and of its text as a whole.
pub type Ways = [Vec<u32>; 3];

impl Default for Prompter {
    fn default() -> Self {
        Self::new()
    }
}

impl Prompter {
    /// Makes the tokenizer.
    #[must_use]
    pub fn new() -> Self {
        let json = tiny::tokenizer(&MERGES, &SPECIAL).to_string().into_bytes();
        // Little enough that it has to let go.
        let pieces = Pieces::new(&json, &Ends::default(), 1 << 14).expect("it is sound");
        Self { pieces, plain: Tokenizer::from_bytes(&json).expect("it is sound") }
    }

    /// The prompts of a body of completions (0), chats (1), messages (2) or responses (3), under a chat template, ChatML where
    /// it is empty; `None` where it is cut by its text.
    #[must_use]
    pub fn prompts(&self, body: &[u8], api: u8, template: &str) -> Option<Vec<Ways>> {
        let api = [Api::Completions, Api::Chat, Api::Messages, Api::Responses][usize::from(api % 4)];
        let template = if template.is_empty() { tiny::CHATML } else { template };
        let special = vec![("bos_token".to_owned(), "<s>".into())];
        let template = ChatTemplate::new(template, None, special).ok();
        let Prompts { prompts, .. } = Prompts::read(body, api, template.as_ref()).ok()?;
        let ways = |prompt| match prompt {
            Prompt::Tokens(tokens) => [tokens.clone(), tokens.clone(), tokens],
            Prompt::Text(text, is_special) => {
                let cut = || self.pieces.encode(&text, is_special).expect("a text").0;
                let whole = self.plain.encode_fast(text.as_str(), is_special).expect("a text").get_ids().to_vec();
                [cut(), cut(), whole]
            }
        };
        Some(prompts.into_iter().map(ways).collect())
    }

    /// Bytes that its memory has.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.pieces.cache_bytes()
    }
}
