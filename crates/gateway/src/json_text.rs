//! A string of JSON as the text that it stands for, in pieces: nothing is put together.

use memchr::memchr;

/// Hands out the text of a string in its quotes, which has been read as JSON before. Half of a surrogate pair stands for
/// U+FFFD. Says whether it is a string.
pub(crate) fn each_piece(raw: &str, mut piece: impl FnMut(&[u8])) -> bool {
    let inner = raw.trim_ascii().strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
    let Some(mut rest) = inner.map(str::as_bytes) else { return false };
    while let Some(at) = memchr(b'\\', rest) {
        piece(&rest[..at]);
        let (text, after) = unescaped(&rest[at + 1..]);
        piece(text.encode_utf8(&mut [0; 4]).as_bytes());
        rest = after;
    }
    piece(rest);
    true
}

/// What stands behind a backslash, and what follows.
fn unescaped(bytes: &[u8]) -> (char, &[u8]) {
    let Some((&kind, rest)) = bytes.split_first() else { return (char::REPLACEMENT_CHARACTER, bytes) };
    let text = match kind {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(rest),
        other => char::from(other),
    };
    (text, rest)
}

fn unicode(bytes: &[u8]) -> (char, &[u8]) {
    let Some((first, rest)) = unit(bytes) else { return (char::REPLACEMENT_CHARACTER, bytes) };
    let pair = rest.strip_prefix(b"\\u").and_then(unit).filter(|_| (0xd800..0xdc00).contains(&first));
    if let Some((second @ 0xdc00..0xe000, behind)) = pair {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), behind);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), rest)
}

/// Four hexadecimal digits.
fn unit(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(4)?;
    Some((u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(raw: &str) -> Option<String> {
        let mut text = Vec::new();
        let is_string = each_piece(raw, |piece| text.extend_from_slice(piece));
        is_string.then(|| String::from_utf8(text).expect("text"))
    }

    #[test]
    fn escapes_stand_for_what_they_do() {
        let raw = r#"  "a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 \ud83d! \ude00\ud83d\u0041" "#;
        let expected = "a\"\\/\u{8}\u{c}\n\r\té😀 \u{fffd}! \u{fffd}\u{fffd}A";
        assert_eq!(text(raw).as_deref(), Some(expected));
        assert_eq!((text("7"), text("null"), text("")), (None, None, None));
        assert_eq!(text("\"\"").as_deref(), Some(""));
    }

    proptest! {
        #[test]
        fn a_written_string_is_read_again(content: String) {
            let raw = serde_json::to_string(&content).expect("a string");
            prop_assert_eq!(text(&raw), Some(content));
        }
    }
}
