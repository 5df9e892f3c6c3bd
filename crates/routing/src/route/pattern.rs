//! Regular expressions of conditions.

use core::fmt;

use regex_lite::{Regex, RegexBuilder};
use thiserror::Error;

/// An expression and its compiled form. Two are equal when their text is.
#[derive(Clone)]
pub(crate) struct Pattern {
    text: String,
    regex: Regex,
}

/// Why a text is no regular expression that a route can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("pattern {pattern:?}: expected a regular expression: {reason}")]
pub struct PatternError {
    pattern: String,
    reason: String,
}

/// The longest text, in bytes: what Gateway API allows a header's expression.
const MAX_TEXT: usize = 4096;

/// The most memory that a compiled expression may take, in bytes. A search takes time in proportion to it.
const MAX_COMPILED: usize = 64 << 10;

impl Pattern {
    pub(crate) fn compile(text: &str) -> Result<Self, PatternError> {
        // The start alone is kept of what is too long.
        let shown: String = text.chars().take(200).collect();
        let error = |reason: String| PatternError { pattern: shown.clone(), reason };
        if text.len() > MAX_TEXT {
            return Err(error(format!("{} bytes are too many, {MAX_TEXT} at most", text.len())));
        }
        let regex = RegexBuilder::new(text).size_limit(MAX_COMPILED).build().map_err(|why| error(why.to_string()))?;
        let pattern = Self { text: text.to_owned(), regex };
        // The first search allocates what the later ones use again.
        pattern.is_in("");
        Ok(pattern)
    }

    /// Whether it is found anywhere in `text`.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The same of bytes; those that are no UTF-8 have nothing to be found in.
    pub(crate) fn is_in_bytes(&self, bytes: &[u8]) -> bool {
        core::str::from_utf8(bytes).is_ok_and(|text| self.is_in(text))
    }
}

impl PatternError {
    /// The text, cut after 200 characters.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// What is wrong with it.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_expression_or_too_large_is_refused() {
        let refused = |text: &str| Pattern::compile(text).expect_err(text).to_string();
        assert!(refused("n(").starts_with("pattern \"n(\": expected a regular expression: "));
        assert!(refused("(a{100}){100}").ends_with("size limit"));
        assert!(refused(&"a".repeat(4097)).ends_with("4097 bytes are too many, 4096 at most"));
        assert!(refused(r"(a)\1").contains("expected a regular expression"), "no look back, no backtracking");
    }

    #[test]
    fn an_expression_is_searched_for_anywhere() {
        let pattern = Pattern::compile("b+c$").expect("valid");
        assert!(pattern.is_in("abbc") && !pattern.is_in("abcd"));
        assert!(!pattern.is_in_bytes(b"\xffbc"));
        assert_eq!(format!("{pattern:?}"), "\"b+c$\"");
    }

    #[test]
    fn a_search_takes_time_in_proportion_to_the_text() {
        // A backtracking search would take 2^1000 steps.
        let pattern = Pattern::compile("^(a|a)*$").expect("valid");
        assert!(!pattern.is_in(&format!("{}b", "a".repeat(1000))));
    }
}
