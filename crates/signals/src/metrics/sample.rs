//! One line of the text format.

use std::borrow::Cow;

use super::families::{Family, family};

/// What a line is.
#[derive(Debug)]
pub(super) enum Line<'a> {
    /// A comment, an empty line, or a sample that nobody asks for.
    Nothing,
    /// None of the format, or without a number.
    Bad,
    Sample(Sample<'a>),
}

/// A sample of a family that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample<'a> {
    pub(super) family: Family,
    /// What stands between the braces.
    labels: &'a [u8],
    pub(super) value: f64,
}

/// Reads a line. What stands behind the value (a time, an exemplar) is not looked at.
pub(super) fn line(text: &[u8]) -> Line<'_> {
    let text = text.trim_ascii();
    if text.is_empty() || text[0] == b'#' {
        return Line::Nothing;
    }
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
    let length = text.iter().take_while(|byte| is_name(byte)).count();
    let (name, rest) = text.split_at(length);
    if name.is_empty() || name[0].is_ascii_digit() || !matches!(rest.first(), Some(b'{' | b' ' | b'\t')) {
        return Line::Bad;
    }
    let Some(family) = family(name) else { return Line::Nothing };
    read(family, rest).map_or(Line::Bad, Line::Sample)
}

fn read(family: Family, rest: &[u8]) -> Option<Sample<'_>> {
    let rest = rest.trim_ascii_start();
    let (labels, rest) = match rest.strip_prefix(b"{") {
        Some(inner) => {
            let end = closing_brace(inner)?;
            (&inner[..end], &inner[end + 1..])
        }
        None => (&b""[..], rest),
    };
    let number = rest.trim_ascii_start().split(u8::is_ascii_whitespace).next()?;
    let value = core::str::from_utf8(number).ok()?.parse().ok()?;
    Some(Sample { family, labels, value })
}

/// Where the labels end: at the first brace outside of quotes.
fn closing_brace(text: &[u8]) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.iter().position(|&byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'}' => return !quoted,
            _ => {}
        }
        false
    })
}

impl<'a> Sample<'a> {
    /// The value of a label; `None` if it is not there, or the labels are broken before it.
    pub(super) fn label(&self, wanted: &[u8]) -> Option<Cow<'a, str>> {
        let mut rest = self.labels;
        loop {
            rest = rest.trim_ascii_start();
            rest = rest.strip_prefix(b",").unwrap_or(rest).trim_ascii_start();
            let equals = rest.iter().position(|&byte| byte == b'=')?;
            let name = rest[..equals].trim_ascii();
            let value = rest[equals + 1..].trim_ascii_start().strip_prefix(b"\"")?;
            let end = closing_quote(value)?;
            if name == wanted {
                return unescaped(&value[..end]);
            }
            rest = &value[end + 1..];
        }
    }
}

fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|&byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unescaped(text: &[u8]) -> Option<Cow<'_, str>> {
    let text = core::str::from_utf8(text).ok()?;
    if !text.contains('\\') {
        return Some(Cow::Borrowed(text));
    }
    let (mut out, mut letters) = (String::new(), text.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => out.push(match letters.next()? {
                'n' => '\n',
                other => other,
            }),
            other => out.push(other),
        }
    }
    Some(Cow::Owned(out))
}
