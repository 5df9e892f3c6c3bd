//! Parameters of a query.

use std::borrow::Cow;

/// The value of the first parameter of this name, as it was sent.
pub(super) fn first<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| decoded(key).eq(name.bytes())).map(|(_, value)| value)
}

/// The bytes that `text` stands for: `+` is a space, and `%` begins two digits of a byte. What is no such pair stands for
/// itself.
pub(super) fn decoded(text: &str) -> impl Iterator<Item = u8> {
    let mut rest = text.as_bytes();
    core::iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        let pair = match tail {
            [high, low, ..] if first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        rest = if pair.is_some() { &tail[2..] } else { tail };
        Some(match (pair, first) {
            (Some((high, low)), _) => high << 4 | low,
            (None, b'+') => b' ',
            (None, byte) => byte,
        })
    })
}

/// The same as one piece; allocates only where something is encoded.
pub(super) fn decode(text: &str) -> Cow<'_, [u8]> {
    if text.contains(['%', '+']) { decoded(text).collect() } else { Cow::Borrowed(text.as_bytes()) }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_parameter_of_a_name_counts() {
        let check = |query, name, expected| assert_eq!(first(query, name), expected, "{query} {name}");
        check("a=1&b=2&a=3", "a", Some("1"));
        check("a=1&b=2", "b", Some("2"));
        check("a&b", "a", Some(""));
        check("a%20b=x=y", "a b", Some("x=y"));
        check("", "a", None);
        check("ab=1", "a", None);
    }

    #[test]
    fn bytes_are_decoded_where_they_are_encoded() {
        let check = |text, expected: &[u8]| assert_eq!(decode(text), expected, "{text}");
        check("a+b%2B%c3%A9", "a b+\u{e9}".as_bytes());
        check("50%", b"50%");
        check("%4", b"%4");
        check("%zz", b"%zz");
        check("plain", b"plain");
        assert!(matches!(decode("plain"), Cow::Borrowed(_)));
    }
}
