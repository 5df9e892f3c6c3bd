//! Which requests a rule takes.

use phalanx_routing::{Condition, StringMatch};

use crate::field::Field;

/// Reads a `modelMatch` of a route for these models and adapters.
pub(super) fn read(field: &Field<'_>, names: &[&str]) -> Condition {
    let mut condition = Condition::new();
    let Some(mut fields) = field.fields() else { return condition };
    let headers = fields.get("headers").and_then(|field| field.entries()).unwrap_or_default();
    for (name, value) in headers {
        condition = condition.with_header(name, string_match(&value));
    }
    if let Some(uri) = fields.get("uri") {
        condition = condition.with_path(string_match(&uri));
    }
    if let Some(mut body) = fields.get("body").and_then(|field| field.fields()) {
        if let Some(field) = body.get("model")
            && let Some(text) = field.text()
        {
            if !names.contains(&text) {
                field.warn("never true here: requests come by other names");
            }
            // One that every request meets is none.
            if names != [text] {
                condition = condition.with_model(text);
            }
        }
        body.finish();
    }
    fields.finish();
    condition
}

/// Reads an `exact`, `prefix` or `regex`, the first of which counts.
fn string_match(field: &Field<'_>) -> StringMatch {
    let Some(mut fields) = field.fields() else { return StringMatch::any() };
    let mut found: Option<(&str, StringMatch)> = None;
    for key in ["exact", "prefix", "regex"] {
        let Some(field) = fields.get(key) else { continue };
        let Some(text) = field.text() else { continue };
        let read = match key {
            "exact" => StringMatch::exact(text),
            "prefix" => StringMatch::prefix(text),
            _ => StringMatch::regex(text).unwrap_or_else(|error| {
                field.expected(format!("a regular expression: {}", error.reason()));
                StringMatch::any()
            }),
        };
        match &found {
            Some((first, _)) => field.warn(format!("not looked at: {first} is given too")),
            None => found = Some((key, read)),
        }
    }
    fields.finish();
    if found.is_none() {
        field.warn("asks for nothing: every value meets it");
    }
    found.map_or_else(StringMatch::any, |(_, read)| read)
}
