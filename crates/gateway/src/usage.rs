//! What an answer says of its tokens.

use memchr::memmem;

/// What the names of all counts end with, and their values begin behind.
const NAMES_END: &[u8] = b"_tokens\":";

/// Tokens as an engine counts them, read from an answer on its way: the last that is said counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Of the prompt.
    pub(crate) prompt: Option<u32>,
    /// Of the answer.
    pub(crate) generated: Option<u32>,
    /// Of the prompt, which had been computed before.
    pub(crate) cached: Option<u32>,
}

impl Usage {
    /// Notes the next bytes. Within a text of an answer the quote would be escaped, so no answer can speak for an engine; a
    /// count that is cut in two by the pieces is not read.
    pub(crate) fn note(&mut self, data: &[u8]) {
        for at in memmem::find_iter(data, NAMES_END) {
            let name = &data[..at];
            let count = if name.ends_with(b"\"completion") || name.ends_with(b"\"output") {
                &mut self.generated
            } else if name.ends_with(b"\"prompt") {
                &mut self.prompt
            } else if name.ends_with(b"\"cached") || name.ends_with(b"\"cache_read_input") {
                &mut self.cached
            } else {
                continue;
            };
            *count = number(&data[at + NAMES_END.len()..]).or(*count);
        }
    }
}

/// The number at the front, if it ends there.
fn number(bytes: &[u8]) -> Option<u32> {
    let bytes = bytes.trim_ascii_start();
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // With nothing behind it more digits may come.
    bytes.get(digits)?;
    std::str::from_utf8(&bytes[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(pieces: &[&str]) -> Usage {
        let mut usage = Usage::default();
        pieces.iter().for_each(|piece| usage.note(piece.as_bytes()));
        usage
    }

    fn noted(pieces: &[&str]) -> (Option<u32>, Option<u32>) {
        let Usage { generated, cached, .. } = usage(pieces);
        (generated, cached)
    }

    #[test]
    fn counts_are_read_where_engines_write_them() {
        let chat =
            r#"{"usage":{"prompt_tokens":9,"completion_tokens": 12,"prompt_tokens_details":{"cached_tokens":8}}}"#;
        assert_eq!(noted(&[chat]), (Some(12), Some(8)));
        assert_eq!(usage(&[chat]).prompt, Some(9));
        let message = r#"{"usage":{"input_tokens":9,"cache_read_input_tokens":4,"output_tokens":7}}"#;
        assert_eq!(noted(&[message]), (Some(7), Some(4)));
        assert_eq!(usage(&[message]).prompt, None, "what was cached is not in its count");
        let stream = [r#"data: {"usage":{"output_tokens":1}}"#, r#"data: {"usage":{"output_tokens":90}}"#];
        assert_eq!(noted(&stream), (Some(90), None));
    }

    #[test]
    fn what_is_no_count_is_left_alone() {
        let text = r#"{"content":"\"completion_tokens\":5,","completion_tokens_details":{},"max_completion_tokens":3}"#;
        assert_eq!(noted(&[text]), (None, None));
        for odd in ["\"completion_tokens\":null,", "\"completion_tokens\":-1}", "\"completion_tokens\":99999999999,"] {
            assert_eq!(noted(&[odd]), (None, None), "{odd}");
        }
        assert_eq!(noted(&["\"completion_tokens\":1", "2}"]), (None, None), "cut");
    }
}
