//! Which requests a rule takes.

use phalanx_routing::{HttpMatch, PathMatch, PatternError, ValueMatch};

use crate::field::{Field, Fields};

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// One of `matches`.
pub(super) fn read(item: &Field<'_>) -> Option<HttpMatch> {
    let mut fields = item.fields()?;
    let mut wanted = HttpMatch::new();
    if let Some(path) = fields.get("path").and_then(|field| path(&field)) {
        wanted = wanted.with_path(path);
    }
    if let Some(method) = fields.get("method").and_then(|field| field.choice(&METHODS)) {
        wanted = wanted.with_method(METHODS[method]);
    }
    for (name, value) in named(&mut fields, "headers") {
        wanted = wanted.with_header(name, value);
    }
    for (name, value) in named(&mut fields, "queryParams") {
        wanted = wanted.with_query(name, value);
    }
    fields.finish();
    Some(wanted)
}

fn path(field: &Field<'_>) -> Option<PathMatch> {
    let mut fields = field.fields()?;
    let kind = fields.get("type").map_or(Some(1), |field| field.choice(&["Exact", "PathPrefix", "RegularExpression"]));
    let value = fields.get("value");
    fields.finish();
    let text = value.as_ref().map_or(Some("/"), Field::text)?;
    if kind? == 2 {
        return expression(value.as_ref()?, PathMatch::regex(text));
    }
    if !text.starts_with('/') {
        value?.expected("a path that begins with /");
        return None;
    }
    Some(if kind? == 0 { PathMatch::exact(text) } else { PathMatch::prefix(text) })
}

/// The values of a list of headers or parameters that have a name, a value and maybe a type.
fn named<'a>(fields: &mut Fields<'a>, key: &'static str) -> Vec<(&'a str, ValueMatch)> {
    let items = fields.get(key).and_then(|field| field.list()).unwrap_or_default();
    items.iter().filter_map(value).collect()
}

fn value<'a>(item: &Field<'a>) -> Option<(&'a str, ValueMatch)> {
    let mut fields = item.fields()?;
    let kind = fields.get("type").map_or(Some(0), |field| field.choice(&["Exact", "RegularExpression"]));
    let name = fields.require("name", "a name").and_then(|field| field.non_empty());
    let field = fields.require("value", "a value");
    fields.finish();
    let text = field.as_ref()?.text()?;
    let read = if kind? == 0 { ValueMatch::exact(text) } else { expression(&field?, ValueMatch::regex(text))? };
    Some((name?, read))
}

fn expression<T>(field: &Field<'_>, read: Result<T, PatternError>) -> Option<T> {
    read.map_err(|error| field.expected(format!("a regular expression: {}", error.reason()))).ok()
}
