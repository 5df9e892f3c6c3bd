//! Which HTTP requests a rule takes.

use core::cmp::Reverse;

use super::query;
use crate::route::head::RequestHead;
use crate::route::pattern::{Pattern, PatternError};

/// What has to hold of a request, all at once. Without anything it is met by every request.
///
/// ```
/// use phalanx_routing::{HttpMatch, PathMatch, RequestHead, ValueMatch};
///
/// let beta = HttpMatch::new()
///     .with_path(PathMatch::prefix("/v1"))
///     .with_method("POST")
///     .with_header("x-beta", ValueMatch::exact("yes"));
/// let headers = [("X-Beta", "yes")];
/// let head = RequestHead { path: "/v1/completions", headers: &headers, ..RequestHead::default() };
/// assert!(beta.is_met(&head) && !beta.is_met(&RequestHead { path: "/v10", ..head }));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpMatch {
    path: PathMatch,
    method: Option<String>,
    headers: Vec<(String, ValueMatch)>,
    query: Vec<(String, ValueMatch)>,
}

/// What a path has to be, as it was sent: no case is folded and nothing is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathMatch(Path);

/// What the value of a header or query parameter has to be. One that is not there meets nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueMatch(Value);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Path {
    Exact(String),
    /// Without a `/` at its end.
    Prefix(String),
    Regex(Pattern),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Exact(String),
    Regex(Pattern),
}

/// How specific a match is: the smallest comes first.
pub(super) type Rank = (u8, Reverse<usize>, bool, Reverse<usize>, Reverse<usize>);

impl HttpMatch {
    /// One that every request meets.
    ///
    /// ```
    /// use phalanx_routing::{HttpMatch, RequestHead};
    ///
    /// assert!(HttpMatch::new().is_met(&RequestHead::default()));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The path is what `path` asks for. The last call counts.
    #[must_use]
    pub fn with_path(mut self, path: PathMatch) -> Self {
        self.path = path;
        self
    }

    /// The method is this one, in capitals. The last call counts.
    #[must_use]
    pub fn with_method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// The first header of this name, in any case of letters, is what `value` asks for. A second call for one name is
    /// passed over.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: ValueMatch) -> Self {
        let name = name.into();
        if !self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            self.headers.push((name, value));
        }
        self
    }

    /// The first query parameter of this name is what `value` asks for, both decoded. A second call for one name is passed
    /// over.
    #[must_use]
    pub fn with_query(mut self, name: impl Into<String>, value: ValueMatch) -> Self {
        let name = name.into();
        if !self.query.iter().any(|(known, _)| *known == name) {
            self.query.push((name, value));
        }
        self
    }

    /// What the path has to be.
    #[must_use]
    pub fn path(&self) -> &PathMatch {
        &self.path
    }

    /// Whether a request is what is asked for. Allocates nothing, but for an expression that is searched for in an encoded
    /// query value.
    #[must_use]
    pub fn is_met(&self, head: &RequestHead<'_>) -> bool {
        self.path.is_met(head.path)
            && self.method.as_deref().is_none_or(|method| method == head.method)
            && self
                .headers
                .iter()
                .all(|(name, value)| head.headers.header(name).is_some_and(|found| value.is_met(found)))
            && self
                .query
                .iter()
                .all(|(name, value)| query::first(head.query, name).is_some_and(|found| value.is_met_encoded(found)))
    }

    pub(super) fn rank(&self) -> Rank {
        let (kind, length) = match &self.path.0 {
            Path::Exact(_) => (0, 0),
            Path::Prefix(prefix) => (1, prefix.chars().count()),
            Path::Regex(_) => (2, 0),
        };
        let (headers, query) = (Reverse(self.headers.len()), Reverse(self.query.len()));
        (kind, Reverse(length), self.method.is_none(), headers, query)
    }
}

impl PathMatch {
    /// This path and no other.
    ///
    /// ```
    /// let path = phalanx_routing::PathMatch::exact("/v1/models");
    /// assert!(path.is_met("/v1/models") && !path.is_met("/v1/models/"));
    /// ```
    #[must_use]
    pub fn exact(path: impl Into<String>) -> Self {
        Self(Path::Exact(path.into()))
    }

    /// This path and those below it, by whole segments; a `/` at its end makes no difference.
    ///
    /// ```
    /// let path = phalanx_routing::PathMatch::prefix("/v1/");
    /// assert!(path.is_met("/v1") && path.is_met("/v1/models") && !path.is_met("/v10"));
    /// ```
    #[must_use]
    pub fn prefix(path: impl Into<String>) -> Self {
        let mut path = path.into();
        path.truncate(path.trim_end_matches('/').len());
        Self(Path::Prefix(path))
    }

    /// Every path in which the expression is found, as [`StringMatch::regex`](crate::StringMatch::regex) says.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// ```
    /// let path = phalanx_routing::PathMatch::regex("^/v[12]/")?;
    /// assert!(path.is_met("/v2/models") && !path.is_met("/v3/models"));
    /// # Ok::<(), phalanx_routing::PatternError>(())
    /// ```
    pub fn regex(pattern: &str) -> Result<Self, PatternError> {
        Pattern::compile(pattern).map(|pattern| Self(Path::Regex(pattern)))
    }

    /// Whether `path` is what is asked for.
    ///
    /// ```
    /// assert!(phalanx_routing::PathMatch::default().is_met("/anything"));
    /// ```
    #[must_use]
    pub fn is_met(&self, path: &str) -> bool {
        match &self.0 {
            Path::Exact(wanted) => path == wanted,
            Path::Prefix(prefix) => {
                path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Path::Regex(pattern) => pattern.is_in(path),
        }
    }

    /// Whether it asks for a prefix.
    ///
    /// ```
    /// use phalanx_routing::PathMatch;
    ///
    /// assert!(PathMatch::default().is_prefix() && !PathMatch::exact("/").is_prefix());
    /// ```
    #[must_use]
    pub fn is_prefix(&self) -> bool {
        self.as_prefix().is_some()
    }

    /// The prefix without a `/` at its end, if it asks for one.
    pub(super) fn as_prefix(&self) -> Option<&str> {
        if let Path::Prefix(prefix) = &self.0 { Some(prefix) } else { None }
    }

    /// The text of a path that does not begin with `/`, which no request's does.
    pub(super) fn fault(&self) -> Option<&str> {
        match &self.0 {
            Path::Exact(path) if !path.starts_with('/') => Some(path),
            Path::Prefix(path) if !path.is_empty() && !path.starts_with('/') => Some(path),
            _ => None,
        }
    }
}

impl Default for PathMatch {
    /// Every path.
    fn default() -> Self {
        Self::prefix("/")
    }
}

impl ValueMatch {
    /// This value and no other, byte for byte.
    ///
    /// ```
    /// let value = phalanx_routing::ValueMatch::exact("yes");
    /// assert_ne!(value, phalanx_routing::ValueMatch::exact("Yes"));
    /// ```
    #[must_use]
    pub fn exact(text: impl Into<String>) -> Self {
        Self(Value::Exact(text.into()))
    }

    /// Every value in which the expression is found, as [`StringMatch::regex`](crate::StringMatch::regex) says.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// ```
    /// assert!(phalanx_routing::ValueMatch::regex("^beta-").is_ok());
    /// ```
    pub fn regex(pattern: &str) -> Result<Self, PatternError> {
        Pattern::compile(pattern).map(|pattern| Self(Value::Regex(pattern)))
    }

    fn is_met(&self, value: &[u8]) -> bool {
        match &self.0 {
            Value::Exact(text) => value == text.as_bytes(),
            Value::Regex(pattern) => pattern.is_in_bytes(value),
        }
    }

    /// The same of a value as a query has it.
    fn is_met_encoded(&self, value: &str) -> bool {
        match &self.0 {
            Value::Exact(text) => query::decoded(value).eq(text.bytes()),
            Value::Regex(pattern) => pattern.is_in_bytes(&query::decode(value)),
        }
    }
}
