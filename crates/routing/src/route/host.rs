//! Host names, and what is kept by them.

use std::collections::BTreeMap;

use thiserror::Error;

/// Values by the host names that they are for. The most specific comes first: the whole name, then the longest suffix
/// after `*`, then what is for every host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hosts<T> {
    exact: BTreeMap<String, T>,
    /// By what stands after the `*`, the dot included.
    wildcard: BTreeMap<String, T>,
    every: T,
}

/// A text that is no host name of a route or listener.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("hostname {found:?}: expected a DNS name like chat.example.com or *.example.com")]
pub struct HostError {
    /// The text given.
    pub found: String,
}

/// The longest DNS name.
const MAX: usize = 253;

impl<T: Default> Hosts<T> {
    /// The value for a host name; `None` is every host.
    pub(crate) fn entry(&mut self, hostname: Option<&str>) -> &mut T {
        match hostname.map(|name| (name, name.strip_prefix('*'))) {
            None => &mut self.every,
            Some((_, Some(suffix))) => self.wildcard.entry(suffix.to_ascii_lowercase()).or_default(),
            Some((name, None)) => self.exact.entry(name.to_ascii_lowercase()).or_default(),
        }
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.exact.values_mut().chain(self.wildcard.values_mut()).chain([&mut self.every])
    }
}

impl<T> Hosts<T> {
    /// Hands what is for `host` to `visit`, the most specific first, until it answers. O(labels × log names), without an
    /// allocation.
    pub(crate) fn find<'a, R>(&'a self, host: &str, mut visit: impl FnMut(&'a T) -> Option<R>) -> Option<R> {
        let mut buffer = [0_u8; MAX];
        let host = lowered(name_of(host), &mut buffer);
        if let Some(found) = self.exact.get(host).and_then(&mut visit) {
            return Some(found);
        }
        if !self.wildcard.is_empty() {
            for (dot, _) in host.match_indices('.').filter(|(dot, _)| *dot > 0) {
                if let Some(found) = self.wildcard.get(&host[dot..]).and_then(&mut visit) {
                    return Some(found);
                }
            }
        }
        visit(&self.every)
    }
}

impl<T: Default> Default for Hosts<T> {
    fn default() -> Self {
        Self { exact: BTreeMap::new(), wildcard: BTreeMap::new(), every: T::default() }
    }
}

/// Whether `text` is a DNS name, or one after `*.`.
pub(crate) fn check(text: &str) -> Result<(), HostError> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() <= MAX && name.split('.').all(label) { Ok(()) } else { Err(HostError { found: text.to_owned() }) }
}

/// A host without its port and without a dot at its end.
fn name_of(host: &str) -> &str {
    let name = match host.rfind(':') {
        // The colons of an IPv6 address stand in brackets.
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

/// The name in lower case; one that is too long to be a name is empty.
fn lowered<'b>(name: &str, buffer: &'b mut [u8; MAX]) -> &'b str {
    let Some(place) = buffer.get_mut(..name.len()) else { return "" };
    place.copy_from_slice(name.as_bytes());
    place.make_ascii_lowercase();
    core::str::from_utf8(place).expect("changing the case of ASCII letters keeps UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_name_comes_first() {
        let mut hosts: Hosts<Option<&str>> = Hosts::default();
        for name in ["chat.example.com", "*.example.com", "*.com"] {
            *hosts.entry(Some(name)) = Some(name);
        }
        *hosts.entry(None) = Some("every");
        let check = |host: &str, expected: &[&str]| {
            let mut found = Vec::new();
            let none: Option<()> = hosts.find(host, |name| {
                found.extend(*name);
                None
            });
            assert_eq!((found.as_slice(), none), (expected, None), "{host}");
        };
        check("chat.example.com", &["chat.example.com", "*.example.com", "*.com", "every"]);
        check("CHAT.Example.com:8080", &["chat.example.com", "*.example.com", "*.com", "every"]);
        check("chat.example.com.", &["chat.example.com", "*.example.com", "*.com", "every"]);
        check("a.b.example.com", &["*.example.com", "*.com", "every"]);
        check("example.com", &["*.com", "every"]);
        check(".com", &["every"]);
        check("com", &["every"]);
        check("", &["every"]);
        check("[::1]:80", &["every"]);
        check("[::1]", &["every"]);
        check(&"a.".repeat(500), &["every"]);
        check(&"\u{e9}.com".repeat(60), &["every"]);
    }

    #[test]
    fn names_are_checked() {
        for good in ["a", "a.b", "*.a.b", "A-1.b"] {
            assert_eq!(super::check(good), Ok(()), "{good}");
        }
        for bad in ["", "*", "*.", "a..b", "-a", "a-", "a.*.b", "*a.b", "a:80", "a b", &"a.".repeat(200)] {
            assert_eq!(super::check(bad), Err(HostError { found: bad.to_owned() }));
        }
    }
}
