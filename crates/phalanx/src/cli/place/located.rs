//! Where in a YAML text a field stands.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A value and where it stands; for a value in a mapping where its key does.
#[derive(Debug)]
pub(super) struct Located {
    line: u64,
    column: u64,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Leaf,
    List(Vec<Located>),
    Map(Vec<(String, Located)>),
}

/// Line and column of the field with this path, `gangs[0].group`, or of the innermost around it that is there.
pub(super) fn find(tree: &Located, path: &str) -> Option<(u64, u64)> {
    let (mut at, mut rest) = (tree, path);
    loop {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let next = match &at.value {
            Value::Leaf => None,
            Value::List(items) => rest
                .strip_prefix('[')
                .and_then(|rest| rest.split_once(']'))
                .and_then(|(index, rest)| Some((items.get(index.parse::<usize>().ok()?)?, rest))),
            // A key may hold what separates the parts of a path: the longest that fits is meant.
            Value::Map(entries) => {
                let fits = |key: &str| {
                    rest.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                };
                let best = entries.iter().filter(|(key, _)| fits(key)).max_by_key(|(key, _)| key.len());
                best.map(|(key, value)| (value, &rest[key.len()..]))
            }
        };
        match next {
            Some((inner, after)) => (at, rest) = (inner, after),
            None => return (at.line > 0).then_some((at.line, at.column)),
        }
    }
}

/// The path of the last field that stands at a place or before it: of the value that begins there.
pub(super) fn path_at(tree: &Located, place: (u64, u64)) -> String {
    let (mut at, mut path) = (tree, String::new());
    loop {
        let before = |inner: &Located| inner.line > 0 && (inner.line, inner.column) <= place;
        let next = match &at.value {
            Value::Leaf => None,
            Value::List(items) => {
                let last = items.iter().enumerate().rev().find(|(_, item)| before(item));
                last.map(|(index, item)| (format!("[{index}]"), item))
            }
            Value::Map(entries) => {
                let last = entries.iter().rev().find(|(_, value)| before(value));
                last.map(|(key, value)| (if path.is_empty() { key.clone() } else { format!(".{key}") }, value))
            }
        };
        let Some((part, inner)) = next else { return path };
        path.push_str(&part);
        at = inner;
    }
}

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { line: referenced.line(), column: referenced.column(), value })
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
        Ok(Value::Leaf)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Leaf)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Leaf)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Value, E> {
        Ok(Value::Leaf)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Value, E> {
        Ok(Value::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Leaf)
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Leaf)
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
            let Located { value, .. } = access.next_value()?;
            entries.push((key, Located { line: referenced.line(), column: referenced.column(), value }));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_that_is_there_is_told() {
        let text = "cluster:\n  nodes:\n    - names: n\n      in: {power/feed: a, a.b: c}\ngangs: [x, {group: y}]\n";
        let tree: Located = serde_saphyr::from_str(text).expect("YAML");
        let cases = [
            ("cluster.nodes[0].names", (3, 7)),
            ("cluster.nodes[0].in.power/feed", (4, 12)),
            ("cluster.nodes[0].in.a.b", (4, 27)),
            ("cluster.nodes[0].islands[1]", (3, 7)),
            ("gangs[1].group.slices[0].size", (5, 13)),
            ("gangs[7]", (5, 1)),
        ];
        for (path, place) in cases {
            assert_eq!(find(&tree, path), Some(place), "{path}");
        }
        for (place, path) in
            [((3, 14), "cluster.nodes[0].names"), ((4, 30), "cluster.nodes[0].in.a.b"), ((1, 1), "cluster")]
        {
            assert_eq!(path_at(&tree, place), path);
        }
        assert_eq!(path_at(&tree, (5, 20)), "gangs[1].group");
    }
}
