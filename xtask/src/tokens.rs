//! A source file as a flat list of words and signs, to look for sequences such as `Instant::now`.

use proc_macro2::{TokenStream, TokenTree};

/// One word, sign or literal and the line that it starts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// The token's text; a literal is the empty text, so that nothing is found inside a string.
    pub(crate) text: String,
    /// Its line, from 1.
    pub(crate) line: usize,
}

/// The tokens of a file in order, brackets included.
#[derive(Clone, Debug)]
pub(crate) struct Tokens(Vec<Token>);

impl Tokens {
    /// Flattens a tree of tokens.
    pub(crate) fn flatten(stream: TokenStream) -> Self {
        let mut tokens = Vec::new();
        push_all(stream, &mut tokens);
        Self(tokens)
    }

    /// The lines where this sequence starts, such as `["Instant", ":", ":", "now"]`.
    pub(crate) fn find(&self, sequence: &[&str]) -> Vec<usize> {
        let matches = |window: &[Token]| window.iter().zip(sequence).all(|(token, want)| token.text == *want);
        self.0.windows(sequence.len()).filter(|window| matches(window)).map(|window| window[0].line).collect()
    }

    /// The lines where a path with these parts starts, such as `["std", "net"]`, in a use list too
    /// (`std::{fmt, net}`).
    pub(crate) fn find_path(&self, parts: [&str; 2]) -> Vec<usize> {
        let [first, second] = parts;
        let mut lines = self.find(&[first, ":", ":", second]);
        for start in 0..self.0.len() {
            let head = &self.0[start..];
            if head.len() > 4
                && head[0].text == first
                && head[1].text == ":"
                && head[2].text == ":"
                && head[3].text == "{"
            {
                lines.extend(use_list(&head[3..]).filter(|token| token.text == second).map(|token| token.line));
            }
        }
        lines.sort_unstable();
        lines
    }

    /// All tokens.
    pub(crate) fn as_slice(&self) -> &[Token] {
        &self.0
    }
}

/// The words that head an entry of a brace list: depth one, right after the opening brace or a comma.
fn use_list(tokens: &[Token]) -> impl Iterator<Item = &Token> {
    let mut depth = 0_usize;
    let mut at_head = false;
    let mut done = false;
    tokens.iter().filter(move |token| {
        if done {
            return false;
        }
        match token.text.as_str() {
            "{" => {
                depth += 1;
                at_head = depth == 1;
                false
            }
            "}" => {
                depth -= 1;
                done = depth == 0;
                false
            }
            "," => {
                at_head = depth == 1;
                false
            }
            _ => std::mem::take(&mut at_head),
        }
    })
}

fn push_all(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    proc_macro2::Delimiter::Parenthesis => ("(", ")"),
                    proc_macro2::Delimiter::Brace => ("{", "}"),
                    proc_macro2::Delimiter::Bracket => ("[", "]"),
                    proc_macro2::Delimiter::None => ("", ""),
                };
                tokens.push(Token { text: open.to_owned(), line });
                push_all(group.stream(), tokens);
                tokens.push(Token { text: close.to_owned(), line: group.span_close().start().line });
            }
            TokenTree::Ident(word) => tokens.push(Token { text: word.to_string(), line }),
            TokenTree::Punct(sign) => tokens.push(Token { text: sign.as_char().to_string(), line }),
            TokenTree::Literal(_) => tokens.push(Token { text: String::new(), line }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Tokens {
        Tokens::flatten(text.parse().expect("the fixture's brackets match"))
    }

    #[test]
    fn a_sequence_is_found_across_layout_and_in_macros_but_not_in_strings_or_comments() {
        let tokens = tokens("// Instant::now\nlet a = \"Instant::now\";\nvec![Instant\n  ::now()];");
        assert_eq!(tokens.find(&["Instant", ":", ":", "now"]), [3]);
    }

    #[test]
    fn a_path_is_found_alone_and_at_the_head_of_an_entry_of_a_use_list() {
        let tokens = tokens("use std::fs;\nuse std::{fmt::{self, net}, fs::File,\n io, fs};");
        assert_eq!(tokens.find_path(["std", "fs"]), [1, 2, 3]);
        assert_eq!(tokens.find_path(["std", "net"]), [0_usize; 0]);
    }
}
