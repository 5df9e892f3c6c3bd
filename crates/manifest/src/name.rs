//! Names and labels, by the rules of Kubernetes.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;

use crate::field::{Field, Fields};
use crate::time;
use crate::tree::Value;

/// The name of an object within its namespace. Displays as `namespace/name`.
///
/// ```
/// use phalanx_manifest::ObjectName;
///
/// assert_eq!(ObjectName::new("default", "chat").to_string(), "default/chat");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    namespace: String,
    name: String,
}

/// What every object says about itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    /// Since 1970.
    pub(crate) created: Option<Duration>,
    /// The version that the cluster had it in; the largest where it is no number.
    pub(crate) version: u64,
    /// Whether it is being deleted.
    pub(crate) terminating: bool,
}

/// The fields of Kubernetes' ObjectMeta.
const OBJECT_META: [&str; 15] = [
    "name",
    "generateName",
    "namespace",
    "labels",
    "annotations",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "finalizers",
    "ownerReferences",
    "managedFields",
    "selfLink",
];

impl ObjectName {
    /// A name in a namespace.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name without the namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl Metadata {
    /// Reads `metadata` of an object; without a name there is none.
    pub(crate) fn read(object: &mut Fields<'_>) -> Option<Self> {
        let mut fields = metadata(&object.require("metadata", "a mapping with a name")?)?;
        let namespace = fields.get("namespace").and_then(|field| {
            let text = field.text()?;
            is_dns_label(text).then_some(text).or_else(|| {
                field.expected("a lower-case name of letters, digits and `-`, 63 at most");
                None
            })
        });
        let labels = fields.get("labels").map(|field| labels(&field)).unwrap_or_default();
        let annotations = fields.get("annotations").map(|field| strings(&field)).unwrap_or_default();
        let terminating = fields.get("deletionTimestamp").is_some();
        let created = fields.get("creationTimestamp").and_then(|field| {
            let time = if let Value::Text(text) = &field.tree.value { time::parse(text) } else { None };
            if time.is_none() {
                field.warn("no time like 2026-01-02T03:04:05Z: the object counts as just made");
            }
            time
        });
        let version = fields.get("resourceVersion").map(|field| match &field.tree.value {
            Value::Text(text) => text.parse().ok(),
            Value::Int(version) => u64::try_from(*version).ok(),
            _ => None,
        });
        let version = version.flatten().unwrap_or(u64::MAX);
        let field = fields.require("name", "a name");
        fields.finish();
        let field = field?;
        let name = field.text()?;
        if !is_dns_subdomain(name) {
            field.expected("a lower-case name of letters, digits, `-` and `.`, 253 at most");
            return None;
        }
        let namespace = namespace.unwrap_or("default").to_owned();
        Some(Self { namespace, name: name.to_owned(), labels, annotations, created, version, terminating })
    }

    pub(crate) fn object_name(&self) -> ObjectName {
        ObjectName::new(&self.namespace, &self.name)
    }
}

/// A `metadata`, with the fields that Kubernetes' ObjectMeta has. Those that nobody asks for are the cluster's own.
pub(crate) fn metadata<'a>(field: &Field<'a>) -> Option<Fields<'a>> {
    let mut fields = field.fields()?;
    for key in OBJECT_META {
        fields.get(key);
    }
    Some(fields)
}

/// A mapping of strings to strings.
pub(crate) fn strings(field: &Field<'_>) -> BTreeMap<String, String> {
    let entries = field.entries().unwrap_or_default();
    entries.iter().filter_map(|(key, value)| Some(((*key).to_owned(), value.text()?.to_owned()))).collect()
}

/// A mapping of label keys to label values.
pub(crate) fn labels(field: &Field<'_>) -> BTreeMap<String, String> {
    for (key, value) in field.entries().unwrap_or_default() {
        if !is_label_key(key) {
            value.wrong(format!("the key {key:?}"), "a label key: a name of 63 at most, after an optional `domain/`");
        }
        if let Value::Text(text) = &value.tree.value
            && !is_label_value(text)
        {
            value.expected("a label value: letters, digits, `-`, `_` and `.`, 63 at most");
        }
    }
    strings(field)
}

/// A mapping of labels that is not empty.
pub(crate) fn some_labels(field: &Field<'_>) -> BTreeMap<String, String> {
    let labels = labels(field);
    if field.tree.value == Value::Map(Vec::new()) {
        field.wrong("an empty mapping", "at least one label");
    }
    labels
}

/// RFC 1123, one label: letters, digits and `-`, beginning and ending with a letter or digit, 63 at most.
pub(crate) fn is_dns_label(text: &str) -> bool {
    text.len() <= 63 && is_dns_subdomain(text) && !text.contains('.')
}

/// RFC 1035, one label: as [`is_dns_label`], and beginning with a letter.
pub(crate) fn is_dns_1035_label(text: &str) -> bool {
    is_dns_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// RFC 1123: labels joined by dots, 253 at most. Kubernetes bounds the whole and not each label.
pub(crate) fn is_dns_subdomain(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let label =
        |part: &str| !part.is_empty() && part.bytes().all(inner) && !part.starts_with('-') && !part.ends_with('-');
    text.len() <= 253 && text.split('.').all(label)
}

/// The host that a route or listener is for: a DNS name, or one after `*.`.
pub(crate) fn hostname<'a>(field: &Field<'a>) -> Option<&'a str> {
    let text = field.text()?;
    let name = text.strip_prefix("*.").unwrap_or(text);
    if text.len() <= 253 && is_dns_subdomain(name) && name.split('.').all(is_dns_label) {
        return Some(text);
    }
    field.expected("a lower-case DNS name like chat.example.com or *.example.com");
    None
}

pub(crate) fn is_label_key(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    prefix.is_none_or(is_dns_subdomain) && !name.is_empty() && is_label_value(name)
}

/// Empty, or letters, digits, `-`, `_` and `.`, beginning and ending with a letter or digit, 63 at most.
pub(crate) fn is_label_value(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let edge = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 63 && text.bytes().all(inner) && edge(text.bytes().next()) && edge(text.bytes().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_kubernetes() {
        let long = "a".repeat(64);
        assert!(is_dns_label("a-1") && is_dns_label("1a") && is_dns_label(&long[1..]));
        assert!(
            !is_dns_label("")
                && !is_dns_label("A")
                && !is_dns_label("a-")
                && !is_dns_label("a.b")
                && !is_dns_label(&long)
        );
        assert!(is_dns_1035_label("a1") && !is_dns_1035_label("1a"));
        assert!(is_dns_subdomain("node-1.example.com") && is_dns_subdomain(&long));
        assert!(!is_dns_subdomain("a..b") && !is_dns_subdomain("a.b.") && !is_dns_subdomain(&"a".repeat(254)));
        assert!(is_label_key("nvidia.com/gpu.product") && is_label_key("app"));
        assert!(!is_label_key("/app") && !is_label_key("a/b/c") && !is_label_key("a/") && !is_label_key("A_/x"));
        assert!(
            is_label_value("")
                && is_label_value("NVIDIA-H100_80GB.x")
                && !is_label_value("-a")
                && !is_label_value("a b")
        );
    }
}
