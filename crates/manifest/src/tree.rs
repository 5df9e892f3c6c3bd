//! YAML as a tree that knows its lines.

use core::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;
use serde_saphyr::Spanned;

use crate::problem::Sink;

/// A value and the line it stands on; for a value in a mapping the line of its key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    pub(crate) line: u32,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

/// The documents of `text` that are not empty. One that does not parse is told to `sink`; the others are read.
pub(crate) fn documents(text: &str, sink: &Sink) -> Vec<Tree> {
    let mut trees = Vec::new();
    for (offset, document) in split(text) {
        match parse(document) {
            Ok(Tree { value: Value::Null, .. }) => {}
            Ok(mut tree) => {
                tree.shift(offset);
                trees.push(tree);
            }
            Err((line, message)) => {
                let problem = sink.place(line.saturating_add(offset), "").problem(&message, expectation(&message));
                sink.problems.borrow_mut().push(problem);
            }
        }
    }
    trees
}

/// Cuts a stream at its `---` lines, which cannot be part of any value: (lines before, text of the document).
fn split(text: &str) -> Vec<(u32, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    let (mut start, mut start_line, mut at) = (0, 0, 0);
    for (line, row) in (0_u32..).zip(text.split_inclusive('\n')) {
        let marker =
            row.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if marker && at > start {
            documents.push((start_line, &text[start..at]));
            (start, start_line) = (at, line);
        }
        at += row.len();
    }
    documents.push((start_line, &text[start..]));
    documents
}

fn parse(document: &str) -> Result<Tree, (u32, String)> {
    // A dump of a large cluster is one document; depth and aliases stay bounded by the defaults.
    let budget = serde_saphyr::budget! {
        max_nodes: 20_000_000,
        max_events: 80_000_000,
        max_total_scalar_bytes: 1 << 30,
    };
    let options = serde_saphyr::options! {
        budget: budget,
        with_snippet: false,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    serde_saphyr::from_str_with_options(document, options).map_err(|error| {
        let message = error.to_string();
        let Some(location) = error.location() else { return (1, message) };
        let place = format!(" at line {}, column {}", location.line(), location.column());
        let message = message
            .strip_suffix(&place)
            .unwrap_or(&message)
            .replace(", set DuplicateKeyPolicy in Options if acceptable", "");
        (line_number(location.line()), message)
    })
}

/// What would have parsed, for the mistakes that people make.
fn expectation(message: &str) -> &'static str {
    const KNOWN: [(&str, &str); 9] = [
        ("duplicate mapping key", "each key once"),
        ("tabs disallowed", "spaces for indentation"),
        ("unclosed quote", "a closing quote"),
        ("unclosed bracket", "a closing bracket"),
        (
            "mapping values are not allowed",
            "one `key: value` a line, its siblings indented alike, and quotes around a value with `: ` in it",
        ),
        ("did not find expected key", "a key indented like its siblings"),
        ("simple key expected", "a `key: value` line"),
        ("unexpected character", "quotes around a value that begins with a special character"),
        ("unknown anchor", "an alias of an anchor above it"),
    ];
    KNOWN.iter().find(|(part, _)| message.contains(part)).map_or("well-formed YAML", |(_, expected)| expected)
}

fn line_number(line: u64) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX).max(1)
}

impl Tree {
    pub(crate) fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            // Beyond 64 bits JSON has floats only.
            Value::Int(value) => i64::try_from(*value)
                .map(Json::from)
                .or_else(|_| u64::try_from(*value).map(Json::from))
                .unwrap_or_else(|_| Json::from(*value as f64)),
            Value::Float(value) => Json::from(*value),
            Value::Text(value) => Json::String(value.clone()),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|(key, value)| (key.clone(), value.to_json())).collect())
            }
        }
    }

    fn shift(&mut self, lines: u32) {
        self.line = self.line.saturating_add(lines);
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.shift(lines)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, item)| item.shift(lines)),
            _ => {}
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("nothing"),
            Self::Bool(value) => write!(f, "the boolean {value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Text(value) => {
                let short: String = value.chars().take(80).collect();
                let rest = if short.len() < value.len() { "…" } else { "" };
                write!(f, "{short:?}{rest}")
            }
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a mapping"),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { line: line_number(referenced.line()), value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(i128::try_from(value).map_or(Value::Float(value as f64), Value::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(Spanned { value: key, referenced, .. }) = access.next_key::<Spanned<String>>()? {
            let value: Tree = access.next_value()?;
            entries.push((key, Tree { line: line_number(referenced.line()), value: value.value }));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Tree>, Vec<String>) {
        let sink = Sink::new("f");
        let trees = documents(text, &sink);
        (trees, sink.problems.into_inner().iter().map(ToString::to_string).collect())
    }

    #[track_caller]
    fn refuse(text: &str, expected: &str) {
        assert_eq!(read(text).1, [expected]);
    }

    #[test]
    fn lines_count_from_the_start_of_the_file() {
        let (trees, problems) = read("# head\n---\na: 1\n---\n\nb:\n- x\n- y: z\n");
        assert_eq!(problems, Vec::<String>::new());
        let Value::Map(entries) = &trees[1].value else { panic!("a mapping") };
        let Value::List(items) = &entries[0].1.value else { panic!("a list") };
        assert_eq!((trees[0].line, entries[0].1.line, items[0].line, items[1].line), (3, 6, 7, 8));
    }

    #[test]
    fn documents_around_a_broken_one_are_read() {
        let (trees, problems) = read("a: 1\n---\nb: [1\n---\nc: 3\n");
        assert_eq!(trees.len(), 2);
        assert_eq!(problems, ["f:3: found unclosed bracket '[', expected a closing bracket"]);
    }

    #[test]
    fn a_marker_inside_a_value_is_none() {
        let (trees, problems) = read("a: |\n  text\n  ---\n  more\nb: \"---\"\n");
        assert_eq!((trees.len(), problems.len()), (1, 0));
    }

    #[test]
    fn mistakes_say_what_would_have_parsed() {
        refuse("a: 1\na: 2\n", "f:2: found duplicate mapping key: a, expected each key once");
        refuse(
            "a:\n\tb: 1\n",
            "f:2: found tabs disallowed within this context (block indentation), expected spaces for indentation",
        );
        refuse("a: \"b\n", "f:1: found unclosed quote, expected a closing quote");
        refuse(
            "a:\n  - b\n c: d\n",
            "f:3: found while parsing a block mapping, did not find expected key, expected a key indented like its siblings",
        );
    }

    #[test]
    fn numbers_keep_what_was_written() {
        let (trees, _) = read("[0755, 1_000, 18446744073709551615, 0.5]");
        assert_eq!(trees[0].to_json(), serde_json::json!(["0755", "1_000", u64::MAX, 0.5]));
    }
}
