//! Prompts without a tokenizer: each 4 bytes of UTF-8 are one token.
//!
//! A gateway that has no tokenizer still wants to know which engine holds a prompt's prefix. It is enough that all who
//! hash the prompt cut it in the same way; about four bytes a token is what English text has under common tokenizers,
//! so counts are of the right size as well.

/// Tokens of `text`: its length in bytes divided by 4, rounded up; `u32::MAX` for longer ones.
///
/// ```
/// assert_eq!(phalanx_kvcache::text::text_tokens(b"seven b"), 2);
/// ```
pub const fn text_tokens(text: &[u8]) -> u32 {
    let tokens = text.len().div_ceil(4);
    if tokens > u32::MAX as usize { u32::MAX } else { tokens as u32 }
}

/// The token ids of `text`: each 4 bytes as a little-endian number, the last one padded with zero bytes.
///
/// ```
/// assert_eq!(phalanx_kvcache::text::tokens_of_text(b"\x01\0\0\0\x02"), [1, 2]);
/// ```
pub fn tokens_of_text(text: &[u8]) -> Vec<u32> {
    let token = |bytes: &[u8]| {
        let mut id = [0; 4];
        id[..bytes.len()].copy_from_slice(bytes);
        u32::from_le_bytes(id)
    };
    text.chunks(4).map(token).collect()
}

/// A conversation as one prompt, in ChatML framing, ending where the assistant is to speak.
///
/// Whoever hashes a chat request (a gateway that routes it, an engine that serves it) must frame it alike for their
/// blocks to agree.
///
/// ```
/// use phalanx_kvcache::text::chat_text;
///
/// assert_eq!(chat_text([("user", "Hi")].into_iter()), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
/// ```
pub fn chat_text<'a>(messages: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (role, content) in messages {
        for part in [CHAT_FRAME[0], role, CHAT_FRAME[1], content, CHAT_FRAME[2]] {
            out.push_str(part);
        }
    }
    out.push_str(CHAT_END);
    out
}

/// What stands before a message's role, between that and its content, and behind it, in [`chat_text`].
pub const CHAT_FRAME: [&str; 3] = ["<|im_start|>", "\n", "<|im_end|>\n"];
/// What stands behind all messages in [`chat_text`].
pub const CHAT_END: &str = "<|im_start|>assistant\n";
/// What stands between the parts of a message in [`join_parts`].
pub const PART_END: &str = "\n";

/// A message whose content is in parts, as one text: the parts' texts with a line feed between them.
///
/// Like [`chat_text`], a rule that whoever routes and whoever serves must share.
///
/// ```
/// assert_eq!(phalanx_kvcache::text::join_parts(["Look:", "a cat"].into_iter()), "Look:\na cat");
/// ```
pub fn join_parts<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    parts.collect::<Vec<_>>().join(PART_END)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_token() {
        assert_eq!((text_tokens(b""), tokens_of_text(b"")), (0, vec![]));
    }

    #[test]
    fn a_longer_chat_extends_a_shorter_one() {
        let turns = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello."), ("user", "Bye")];
        let short = chat_text(turns[..2].iter().copied());
        let long = chat_text(turns.iter().copied());
        let shared = short.strip_suffix("<|im_start|>assistant\n").expect("it ends where the assistant speaks");
        assert!(long.starts_with(shared));
        assert!(long.starts_with(&short), "the answer follows the frame that asked for it");
    }
}
