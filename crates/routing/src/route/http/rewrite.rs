//! Host and path as a backend gets them.

use std::borrow::Cow;

/// What changes of a request's URL on its way to a backend. The query stays.
///
/// ```
/// use phalanx_routing::UrlRewrite;
///
/// let rewrite = UrlRewrite::new().with_hostname("engine.internal").with_prefix("/");
/// assert_eq!(rewrite.hostname(), Some("engine.internal"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlRewrite {
    hostname: Option<String>,
    path: Option<PathRewrite>,
}

/// What becomes of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// It is this one.
    Full(String),
    /// The prefix that the rule asks for gives way to this one; whole segments, a `/` at its end makes no difference.
    Prefix(String),
}

impl UrlRewrite {
    /// One that changes nothing.
    ///
    /// ```
    /// assert_eq!(phalanx_routing::UrlRewrite::new().path(), None);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The host that the backend sees.
    #[must_use]
    pub fn with_hostname(mut self, hostname: impl Into<String>) -> Self {
        self.hostname = Some(hostname.into());
        self
    }

    /// The path that the backend sees, whole.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(PathRewrite::Full(path.into()));
        self
    }

    /// What takes the place of the prefix that a rule asks for; every match of the rule must ask for one.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.path = Some(PathRewrite::Prefix(prefix.into()));
        self
    }

    /// The host that the backend sees, if it changes.
    #[must_use]
    pub fn hostname(&self) -> Option<&str> {
        self.hostname.as_deref()
    }

    /// What becomes of the path, if it changes.
    #[must_use]
    pub fn path(&self) -> Option<&PathRewrite> {
        self.path.as_ref()
    }
}

impl PathRewrite {
    /// The new path of a request whose path has `prefix`, which has no `/` at its end.
    pub(super) fn apply<'p>(&'p self, path: &'p str, prefix: Option<&str>) -> Cow<'p, str> {
        match self {
            Self::Full(full) => Cow::Borrowed(full),
            Self::Prefix(new) => {
                // A table has prefix rewrites with prefix matches only.
                let rest = path.strip_prefix(prefix.unwrap_or_default()).unwrap_or(path);
                let new = new.trim_end_matches('/');
                match (new, rest) {
                    ("", "") => Cow::Borrowed("/"),
                    ("", rest) => Cow::Borrowed(rest),
                    (new, "") => Cow::Borrowed(new),
                    (new, rest) => Cow::Owned([new, rest].concat()),
                }
            }
        }
    }

    /// The text of a path that does not begin with `/`.
    pub(super) fn fault(&self) -> Option<&str> {
        let (Self::Full(path) | Self::Prefix(path)) = self;
        let is_fine = path.starts_with('/') || matches!(self, Self::Prefix(_)) && path.is_empty();
        (!is_fine).then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_give_way_by_whole_segments() {
        // The table of the Gateway API's documentation: path, prefix, replacement, result.
        let cases = [
            ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
            ("/foo", "/foo", "/xyz", "/xyz"),
            ("/foo/", "/foo", "/xyz", "/xyz/"),
            ("/foo/bar", "/foo", "", "/bar"),
            ("/foo/", "/foo", "", "/"),
            ("/foo", "/foo", "", "/"),
            ("/foo/", "/foo", "/", "/"),
            ("/foo", "/foo", "/", "/"),
            ("/foo/bar", "/", "/xyz", "/xyz/foo/bar"),
        ];
        for (path, prefix, new, expected) in cases {
            let rewrite = PathRewrite::Prefix(new.to_owned());
            assert_eq!(rewrite.apply(path, Some(prefix.trim_end_matches('/'))), expected, "{path} {prefix} {new}");
        }
        assert_eq!(PathRewrite::Full("/a/b/".to_owned()).apply("/c", None), "/a/b/");
    }
}
