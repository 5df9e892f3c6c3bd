//! The fields of a JSON object by their places, to change some and leave every other byte as it is.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// An object's own fields, in their order.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    body: &'a str,
    fields: Vec<Field<'a>>,
}

#[derive(Debug)]
struct Field<'a> {
    name: Cow<'a, str>,
    /// Where its name begins, quote included.
    start: usize,
    value: Range<usize>,
}

/// A change of the fields of one name.
#[derive(Clone, Debug)]
pub(crate) enum Edit<'a> {
    /// Has this value, which is JSON, whether it was there or not.
    Set(&'a str, Cow<'a, str>),
    /// The same, where it is there.
    Replace(&'a str, Cow<'a, str>),
    Remove(&'a str),
}

impl<'a> Fields<'a> {
    /// `None` when it is no object.
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        let body = std::str::from_utf8(body).ok()?;
        let Listed(listed) = serde_json::from_str(body).ok()?;
        let mut end = body.find('{')? + 1;
        let mut fields = Vec::with_capacity(listed.len());
        for (name, value) in listed {
            let from = value.get().as_ptr() as usize - body.as_ptr() as usize;
            // Between two values there is nothing else that has a quote.
            let start = end + body[end..from].find('"')?;
            end = from + value.get().len();
            fields.push(Field { name, start, value: from..end });
        }
        Some(Self { body, fields })
    }

    /// The values of a field, as they are written.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |field| field.name == name).map(|field| &self.body[field.value.clone()])
    }

    /// The object with these changes: new fields stand first.
    pub(crate) fn with(&self, edits: &[Edit<'_>]) -> Bytes {
        let (Some(first), Some(last)) = (self.fields.first(), self.fields.last()) else {
            return Bytes::copy_from_slice(self.body.as_bytes());
        };
        let mut parts: Vec<&str> = vec![&self.body[..first.start]];
        for edit in edits {
            if let Edit::Set(name, value) = edit
                && self.values(name).next().is_none()
            {
                parts.extend(["\"", *name, "\":", value, ","]);
            }
        }
        let mut is_open = false;
        for (field, next) in self.fields.iter().zip(self.fields.iter().skip(1).map(Some).chain([None])) {
            let edit = edits.iter().find(|edit| edit.name() == field.name);
            let value = match edit {
                Some(Edit::Remove(_)) => continue,
                Some(Edit::Set(_, value) | Edit::Replace(_, value)) => value,
                None => &self.body[field.value.clone()],
            };
            let gap = next.map_or("", |next| &self.body[field.value.end..next.start]);
            parts.extend([&self.body[field.start..field.value.start], value, gap]);
            is_open = next.is_some();
        }
        // The last fields were removed: so is the comma before them.
        if is_open {
            parts.pop();
        }
        parts.push(&self.body[last.value.end..]);
        parts.concat().into()
    }
}

impl Edit<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Set(name, _) | Self::Replace(name, _) | Self::Remove(name) => name,
        }
    }
}

/// Names and values as they come.
struct Listed<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Listed<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut listed = Vec::new();
                while let Some((Name(name), value)) = map.next_entry()? {
                    listed.push((name, value));
                }
                Ok(listed)
            }
        }

        deserializer.deserialize_map(Each).map(Listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(body: &str, edits: &[Edit<'_>]) -> String {
        let fields = Fields::read(body.as_bytes()).unwrap_or_else(|| panic!("{body} is an object"));
        String::from_utf8(fields.with(edits).to_vec()).expect("text")
    }

    #[test]
    fn every_other_byte_stays() {
        let body = r#" { "a" :1.50 , "b":{"c":[1e3,"}"]}, "\u0063":"\"", "d":null } "#;
        assert_eq!(edited(body, &[]), body);
        let set = Edit::Set("c", "2".into());
        assert_eq!(edited(body, &[set]), body.replace(r#""\"""#, "2"));
        let new = [Edit::Set("e", "5".into()), Edit::Set("f", "{}".into()), Edit::Replace("g", "0".into())];
        assert_eq!(edited(body, &new), body.replace(r#" { ""#, r#" { "e":5,"f":{},""#));
    }

    #[test]
    fn what_is_removed_takes_its_comma_along() {
        let body = r#"{"a":1, "b":2 ,"c":3}"#;
        let removed = |names: &[&str]| {
            let edits: Vec<Edit<'_>> = names.iter().map(|name| Edit::Remove(name)).collect();
            edited(body, &edits)
        };
        assert_eq!(removed(&["a"]), r#"{"b":2 ,"c":3}"#);
        assert_eq!(removed(&["b"]), r#"{"a":1, "c":3}"#);
        assert_eq!(removed(&["c"]), r#"{"a":1, "b":2}"#);
        assert_eq!(removed(&["b", "c"]), r#"{"a":1}"#);
        assert_eq!(removed(&["a", "c"]), r#"{"b":2}"#);
        for names in [["a", "b"], ["a", "c"], ["b", "c"]] {
            assert!(serde_json::from_str::<serde_json::Value>(&removed(&names)).is_ok(), "{names:?}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_changed_twice() {
        let body = r#"{"a":1,"a":2,"b":3}"#;
        assert_eq!(edited(body, &[Edit::Set("a", "9".into())]), r#"{"a":9,"a":9,"b":3}"#);
        assert_eq!(edited(body, &[Edit::Remove("a")]), r#"{"b":3}"#);
        let fields = Fields::read(body.as_bytes()).expect("an object");
        assert_eq!(fields.values("a").collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        for body in ["[]", "", "{", "null", "{} {}"] {
            assert!(Fields::read(body.as_bytes()).is_none(), "{body}");
        }
        assert_eq!(edited("{ }", &[Edit::Set("a", "1".into())]), "{ }");
    }
}
