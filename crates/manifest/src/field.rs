//! Reading values at their place, and telling all that is wrong instead of the first.

use core::ops::RangeInclusive;

use serde_json::Value as Json;

use crate::problem::{Place, Sink};
use crate::tree::{Tree, Value};

/// A value and where it stands. Readers tell the sink what is wrong and answer `None`.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) sink: &'a Sink,
    pub(crate) path: String,
    pub(crate) tree: &'a Tree,
}

/// A mapping whose keys are all to be known.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    field: Field<'a>,
    entries: &'a [(String, Tree)],
    known: Vec<&'static str>,
}

/// An integer or a percentage, as in a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntOrPercent {
    Int(u32),
    Percent(u32),
}

const INT32: RangeInclusive<i64> = 0..=i32::MAX as i64;

impl<'a> Field<'a> {
    pub(crate) fn root(sink: &'a Sink, tree: &'a Tree) -> Self {
        Self { sink, path: String::new(), tree }
    }

    pub(crate) fn place(&self) -> Place {
        self.sink.place(self.tree.line, &self.path)
    }

    pub(crate) fn wrong(&self, found: impl Into<String>, expected: impl Into<String>) {
        self.sink.problems.borrow_mut().push(self.place().problem(found, expected));
    }

    /// The value as it stands is not what was expected.
    pub(crate) fn expected(&self, expected: impl Into<String>) {
        self.wrong(self.tree.value.to_string(), expected);
    }

    pub(crate) fn warn(&self, message: impl Into<String>) {
        self.sink.warnings.borrow_mut().push(self.place().warning(message));
    }

    pub(crate) fn json(&self) -> Json {
        self.tree.to_json()
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        if let Value::Text(text) = &self.tree.value {
            return Some(text);
        }
        let hint =
            if matches!(self.tree.value, Value::Bool(_) | Value::Int(_) | Value::Float(_)) { ": quote it" } else { "" };
        self.expected(format!("a string{hint}"));
        None
    }

    pub(crate) fn non_empty(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.is_empty() {
            self.expected("a string that is not empty");
            return None;
        }
        Some(text)
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        if let Value::Bool(value) = self.tree.value {
            return Some(value);
        }
        self.expected("true or false");
        None
    }

    pub(crate) fn integer(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let value = match self.tree.value {
            Value::Int(value) => i64::try_from(value).ok().filter(|value| range.contains(value)),
            _ => None,
        };
        if value.is_none() {
            self.expected(format!("a whole number from {} to {}", range.start(), range.end()));
        }
        value
    }

    /// A count: 0 up to the largest int32.
    pub(crate) fn count(&self) -> Option<u32> {
        self.integer(INT32).and_then(|value| u32::try_from(value).ok())
    }

    pub(crate) fn int_or_percent(&self) -> Option<IntOrPercent> {
        let value = match &self.tree.value {
            Value::Int(value) => {
                u32::try_from(*value).ok().filter(|value| *value <= i32::MAX as u32).map(IntOrPercent::Int)
            }
            Value::Text(text) => text
                .strip_suffix('%')
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .map(IntOrPercent::Percent),
            _ => None,
        };
        if value.is_none() {
            self.expected("a whole number of 0 or more, or a percentage like \"25%\"");
        }
        value
    }

    /// One of `choices`, by index.
    pub(crate) fn choice(&self, choices: &[&str]) -> Option<usize> {
        let found = match &self.tree.value {
            Value::Text(text) => choices.iter().position(|choice| choice == text),
            _ => None,
        };
        if found.is_none() {
            self.expected(format!("one of {}", choices.join(", ")));
        }
        found
    }

    /// The items of a list, none of them null.
    pub(crate) fn list(&self) -> Option<Vec<Field<'a>>> {
        let Value::List(items) = &self.tree.value else {
            self.expected("a list");
            return None;
        };
        let field = |(index, tree)| Field { sink: self.sink, path: format!("{}[{index}]", self.path), tree };
        let fields: Vec<_> = items.iter().enumerate().map(field).collect();
        for field in fields.iter().filter(|field| field.tree.value == Value::Null) {
            field.expected("an item");
        }
        Some(fields.into_iter().filter(|field| field.tree.value != Value::Null).collect())
    }

    pub(crate) fn entries(&self) -> Option<Vec<(&'a str, Field<'a>)>> {
        let Value::Map(entries) = &self.tree.value else {
            self.expected("a mapping");
            return None;
        };
        Some(entries.iter().map(|(key, tree)| (key.as_str(), self.child(key, tree))).collect())
    }

    pub(crate) fn fields(&self) -> Option<Fields<'a>> {
        let Value::Map(entries) = &self.tree.value else {
            self.expected("a mapping");
            return None;
        };
        Some(Fields { field: self.clone(), entries, known: Vec::new() })
    }

    fn child(&self, key: &str, tree: &'a Tree) -> Field<'a> {
        // A key with dots, such as a label's, would look like several.
        let path = match (self.path.as_str(), key.contains(['.', '[']) || key.is_empty()) {
            (path, true) => format!("{path}[{key:?}]"),
            ("", false) => key.to_owned(),
            (path, false) => format!("{path}.{key}"),
        };
        Field { sink: self.sink, path, tree }
    }
}

impl<'a> Fields<'a> {
    /// The mapping itself.
    pub(crate) fn field(&self) -> &Field<'a> {
        &self.field
    }

    /// The value of `key`; null counts as absent.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<Field<'a>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let (_, tree) = self.entries.iter().find(|(name, tree)| name == key && tree.value != Value::Null)?;
        Some(self.field.child(key, tree))
    }

    pub(crate) fn require(&mut self, key: &'static str, expected: &str) -> Option<Field<'a>> {
        let field = self.get(key);
        if field.is_none() {
            let path = self.field.child(key, self.field.tree).path;
            Field { path, ..self.field.clone() }.wrong("nothing", expected);
        }
        field
    }

    /// Warns that `key` is not acted on, if it is there.
    pub(crate) fn not_acted_on(&mut self, key: &'static str, message: &str) -> Option<Field<'a>> {
        let field = self.get(key)?;
        field.warn(message);
        Some(field)
    }

    /// Tells the keys that were never asked for.
    pub(crate) fn finish(self) {
        for (key, tree) in self.entries.iter().filter(|(key, _)| !self.known.contains(&key.as_str())) {
            let expected =
                if self.known.is_empty() { "no field".to_owned() } else { format!("one of {}", self.known.join(", ")) };
            self.field.child(key, tree).wrong("an unknown field", expected);
        }
    }
}

impl IntOrPercent {
    /// The count out of `total`; a percentage rounds down.
    pub(crate) fn of_floor(self, total: u32) -> u32 {
        match self {
            Self::Int(count) => count,
            Self::Percent(percent) => u32::try_from(u64::from(total) * u64::from(percent) / 100).unwrap_or(u32::MAX),
        }
    }
}
