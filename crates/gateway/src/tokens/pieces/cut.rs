//! Where a text may be cut so that its tokens stay what they are.

use aho_corasick::{AhoCorasick, MatchKind};
use serde::Deserialize;
use serde_json::Value;
use tokenizers::{AddedToken, Tokenizer};

/// How long a piece is at least before it is cut between two words, in bytes.
const LONG: usize = 2048;
/// How far behind that a place between two words is looked for.
const SEARCH: usize = 512;

/// Ways to split text into words of which none reaches from a letter over a space: those of GPT-2 and of the tokenizers
/// that were made after it.
pub(super) const WORDS: [&str; 7] = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
];

/// Cuts behind tokens that the tokenizer takes out of the text before anything else, and in long pieces between two words
/// where its words end there whatever follows.
#[derive(Debug)]
pub(super) struct Cutter {
    /// All tokens that are taken out, found as the tokenizer finds them: the leftmost, and of those the longest.
    taken: Option<AhoCorasick>,
    /// Whether the place behind each is one to cut at.
    is_safe: Vec<bool>,
    /// One of those.
    anchor: Option<String>,
    splits_words: bool,
}

/// What is read of tokenizer.json here.
#[derive(Deserialize)]
struct File {
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
}

impl Cutter {
    pub(super) fn new(json: &[u8], tokenizer: &Tokenizer) -> Result<Self, String> {
        let file: File = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let added = tokenizer.get_added_tokens_decoder();
        let mut taken: Vec<_> = added.values().filter(|token| !token.normalized && !token.content.is_empty()).collect();
        taken.sort_by(|one, other| one.content.cmp(&other.content));
        let is_safe: Vec<bool> = taken
            .iter()
            .map(|token| {
                // Nothing that follows may make it another token, or widen it; and what follows must not see whether a
                // word is before it, which some tokens look for.
                let ends_plainly =
                    token.content.ends_with(|letter: char| letter.is_ascii_punctuation() && letter != '_');
                let goes_on =
                    |other: &str| other.find(&token.content).is_some_and(|at| at + token.content.len() < other.len());
                ends_plainly
                    && !token.single_word
                    && !token.rstrip
                    && !taken.iter().any(|other| goes_on(&other.content))
            })
            .collect();
        let anchor = taken.iter().zip(&is_safe).find(|(_, is_safe)| **is_safe).map(|(token, _)| token.content.clone());
        let is_across =
            |token: &AddedToken| token.lstrip || token.rstrip || token.content.contains(char::is_whitespace);
        let splits_words = !added.values().any(is_across) && splits_words(&file);
        let taken = (!taken.is_empty())
            .then(|| {
                AhoCorasick::builder()
                    .match_kind(MatchKind::LeftmostLongest)
                    .build(taken.iter().map(|token| &token.content))
            })
            .transpose()
            .map_err(|error| error.to_string())?;
        Ok(Self { taken, is_safe, anchor, splits_words })
    }

    /// What stands before a piece that is not the first, to have it treated as one that is not.
    pub(super) fn anchor(&self) -> Option<&str> {
        self.anchor.as_deref()
    }

    /// The pieces of a text, none of them empty.
    pub(super) fn pieces<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        let found = self.taken.iter().flat_map(move |taken| taken.find_iter(text));
        let ends = found.filter(|found| self.is_safe[found.pattern().as_usize()]).map(|found| found.end());
        let mut start = 0;
        let whole = ends.chain([text.len()]).filter_map(move |end| {
            let piece = &text[start..end];
            start = end;
            (!piece.is_empty()).then_some(piece)
        });
        whole.flat_map(move |piece| Words { rest: piece, is_on: self.splits_words })
    }
}

/// A piece in smaller ones.
struct Words<'a> {
    rest: &'a str,
    is_on: bool,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let end = if self.is_on { between_words(self.rest.as_bytes()) } else { None };
        let (piece, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        Some(piece)
    }
}

/// The first place behind so many bytes that stands before a space, with a letter on both sides.
fn between_words(text: &[u8]) -> Option<usize> {
    let window = text.get(LONG - 1..)?;
    let mut places = window.windows(3).take(SEARCH);
    let at =
        places.position(|three| three[0].is_ascii_alphabetic() && three[1] == b' ' && three[2].is_ascii_alphabetic());
    at.map(|at| LONG + at)
}

/// Whether the tokenizer's words end where a letter is followed by a space and a letter.
fn splits_words(file: &File) -> bool {
    let kind = |value: &Value| value.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_plain = file.normalizer.as_ref().is_none_or(|value| value.is_null() || kind(value) == "NFC");
    let Some(splitter) = file.pre_tokenizer.as_ref().filter(|_| is_plain) else { return false };
    let is_gpt2 = |value: &Value| kind(value) == "ByteLevel" && value.get("use_regex").is_none_or(|flag| flag == true);
    let is_split = |value: &Value| {
        let pattern = value.pointer("/pattern/Regex").and_then(Value::as_str);
        kind(value) == "Split"
            && value.get("behavior").is_some_and(|behavior| behavior == "Isolated")
            && value.get("invert").is_none_or(|flag| flag == false)
            && pattern.is_some_and(|pattern| WORDS.contains(&pattern))
    };
    match kind(splitter).as_str() {
        // The first to split decides: what comes after it splits what it made.
        "Sequence" => splitter
            .get("pretokenizers")
            .and_then(Value::as_array)
            .and_then(|all| all.first())
            .is_some_and(|first| is_gpt2(first) || is_split(first)),
        _ => is_gpt2(splitter) || is_split(splitter),
    }
}
