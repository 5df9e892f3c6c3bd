//! The rules of a route: what they take, change and lead to.

use phalanx_routing::{Backend, HttpRule, UrlRewrite};

use super::matches;
use crate::field::Field;
use crate::name::{ObjectName, hostname};

/// Reads one of `rules` of a route in `namespace`.
pub(super) fn read(item: &Field<'_>, namespace: &str) -> Option<HttpRule> {
    let mut fields = item.fields()?;
    if let Some(name) = fields.get("name") {
        name.text();
    }
    let mut list = |key| fields.get(key).and_then(|field| field.list()).unwrap_or_default();
    let (wanted, filters, backends) = (list("matches"), list("filters"), list("backendRefs"));
    for key in ["timeouts", "retry", "sessionPersistence"] {
        fields.not_acted_on(key, "not acted on in this release");
    }
    fields.finish();
    let rule = HttpRule::new(backends.iter().filter_map(|item| backend(item, namespace)));
    let rule = wanted.iter().filter_map(matches::read).fold(rule, HttpRule::when);
    let all_prefixes = rule.matches().iter().all(|wanted| wanted.path().is_prefix());
    let rewrite = filters.iter().filter_map(|item| filter(item, all_prefixes));
    Some(rewrite.fold(rule, HttpRule::with_rewrite))
}

/// Reads a filter; those that do not rewrite are passed over.
fn filter(item: &Field<'_>, all_prefixes: bool) -> Option<UrlRewrite> {
    let mut fields = item.fields()?;
    let kind = fields.require("type", "a type such as URLRewrite")?;
    if kind.text()? != "URLRewrite" {
        kind.warn("not acted on in this release: requests are passed on without it");
        return None;
    }
    let mut rewrite = UrlRewrite::new();
    let mut url = fields.require("urlRewrite", "what to rewrite")?.fields()?;
    fields.finish();
    if let Some(host) = url.get("hostname").and_then(|field| hostname(&field)) {
        rewrite = rewrite.with_hostname(host);
    }
    if let Some(mut path) = url.get("path").and_then(|field| field.fields()) {
        let kind = path.require("type", "ReplaceFullPath or ReplacePrefixMatch");
        let full = path.get("replaceFullPath");
        let prefix = path.get("replacePrefixMatch");
        path.finish();
        let is_full = kind.as_ref()?.choice(&["ReplaceFullPath", "ReplacePrefixMatch"])? == 0;
        let (field, other) = if is_full { (full, prefix) } else { (prefix, full) };
        if let Some(other) = other {
            other.wrong("the path of another type", format!("only that of {}", kind.as_ref()?.text()?));
            return None;
        }
        let Some(field) = field else {
            kind?.expected("its path beside it");
            return None;
        };
        let text = field.text()?;
        if !text.starts_with('/') && (is_full || !text.is_empty()) {
            field.expected("a path that begins with /");
            return None;
        }
        if !is_full && !all_prefixes {
            field.wrong("a new prefix", "every match of the rule to ask for a PathPrefix");
            return None;
        }
        rewrite = if is_full { rewrite.with_path(text) } else { rewrite.with_prefix(text) };
    }
    url.finish();
    Some(rewrite)
}

/// Reads a backend; one that is no InferencePool is passed over.
fn backend(item: &Field<'_>, namespace: &str) -> Option<Backend> {
    let mut fields = item.fields()?;
    let mut text = |key| fields.get(key).and_then(|field| field.text());
    let (kind, group) = (text("kind"), text("group"));
    let namespace = text("namespace").unwrap_or(namespace);
    let name = fields.require("name", "a name").and_then(|field| field.non_empty());
    // The pool knows its ports.
    if let Some(port) = fields.get("port") {
        port.integer(1..=65535);
    }
    let weight = fields.get("weight").map_or(Some(1), |field| field.integer(0..=i64::from(Backend::MAX_WEIGHT)));
    fields.not_acted_on("filters", "not acted on in this release");
    fields.finish();
    if (kind, group) != (Some("InferencePool"), Some("inference.networking.k8s.io")) {
        item.warn("no InferencePool: not acted on in this release, its share goes to the rule's other backends");
        return None;
    }
    Some(Backend::to(ObjectName::new(namespace, name?).to_string()).with_weight(u32::try_from(weight?).ok()?))
}
