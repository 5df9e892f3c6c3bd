//! Routes of HTTP requests and their rules.

use core::time::Duration;

use super::backend::Backend;
use super::matches::HttpMatch;
use super::rewrite::UrlRewrite;
use crate::route::age::Age;
use crate::route::listener::ParentRef;

/// Where HTTP requests go, whatever model they are for.
///
/// ```
/// use phalanx_routing::{Backend, HttpMatch, HttpRoute, HttpRule, PathMatch};
///
/// let chat = HttpRule::new([Backend::to("chat")]).when(HttpMatch::new().with_path(PathMatch::prefix("/v1/chat")));
/// let route = HttpRoute::new("prod/chat", [chat]).with_hostname("chat.example.com");
/// assert_eq!((route.namespace(), route.hostnames().len()), ("prod", 1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRoute {
    name: String,
    hostnames: Vec<String>,
    parents: Vec<ParentRef>,
    age: Age,
    rules: Vec<HttpRule>,
}

/// One way through a route: matches of which one has to be met, what changes of the URL, and the backends that share what
/// is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRule {
    matches: Vec<HttpMatch>,
    rewrite: Option<UrlRewrite>,
    backends: Vec<Backend>,
}

impl HttpRoute {
    /// A route for every host; [`HttpRouteTable::new`](crate::HttpRouteTable::new) validates it. What stands before a `/` in
    /// `name` is its namespace.
    ///
    /// ```
    /// use phalanx_routing::{Backend, HttpRoute, HttpRule};
    ///
    /// let route = HttpRoute::new("all", [HttpRule::new([Backend::to("pool")])]);
    /// assert_eq!((route.name(), route.namespace()), ("all", "default"));
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>, rules: impl IntoIterator<Item = HttpRule>) -> Self {
        Self {
            name: name.into(),
            hostnames: Vec::new(),
            parents: Vec::new(),
            age: Age::default(),
            rules: rules.into_iter().collect(),
        }
    }

    /// A host that it is for, or every host below a name after `*.`, beside those given before.
    #[must_use]
    pub fn with_hostname(mut self, hostname: impl Into<String>) -> Self {
        self.hostnames.push(hostname.into());
        self
    }

    /// The Gateways, or listeners of theirs, that it is taken on. Without any it is taken on the default listener and on the
    /// Gateways of its namespace.
    #[must_use]
    pub fn with_parents(mut self, parents: impl IntoIterator<Item = ParentRef>) -> Self {
        self.parents = parents.into_iter().collect();
        self
    }

    /// When it was made, since the caller's epoch: of two routes that are equally specific the older has the request. One
    /// without a time is the youngest.
    #[must_use]
    pub fn with_age(mut self, created: Duration) -> Self {
        self.age.created = Some(created);
        self
    }

    /// Its name, unique in a table.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What stands before the `/` in its name; `default` without one.
    #[must_use]
    pub fn namespace(&self) -> &str {
        crate::route::namespace_of(&self.name)
    }

    /// The hosts that it is for; none is every host.
    #[must_use]
    pub fn hostnames(&self) -> &[String] {
        &self.hostnames
    }

    /// The Gateways that it is taken on.
    #[must_use]
    pub fn parents(&self) -> &[ParentRef] {
        &self.parents
    }

    /// Its rules, in order.
    #[must_use]
    pub fn rules(&self) -> &[HttpRule] {
        &self.rules
    }

    /// Its age, then its name.
    pub(super) fn key(&self) -> impl Ord + use<'_> {
        (self.age.key(), self.name.as_str())
    }
}

impl HttpRule {
    /// A rule for every request, which `backends` share. Without a backend that has a weight it answers with an error.
    ///
    /// ```
    /// use phalanx_routing::{Backend, HttpRule};
    ///
    /// let rule = HttpRule::new([Backend::to("stable").with_weight(70), Backend::to("next").with_weight(30)]);
    /// assert_eq!(rule.backends().len(), 2);
    /// ```
    #[must_use]
    pub fn new(backends: impl IntoIterator<Item = Backend>) -> Self {
        Self { matches: Vec::new(), rewrite: None, backends: backends.into_iter().collect() }
    }

    /// Takes the requests only that meet this match, or one of those given before.
    #[must_use]
    pub fn when(mut self, wanted: HttpMatch) -> Self {
        self.matches.push(wanted);
        self
    }

    /// Changes the URL of what it takes. The last call counts.
    #[must_use]
    pub fn with_rewrite(mut self, rewrite: UrlRewrite) -> Self {
        self.rewrite = Some(rewrite);
        self
    }

    /// The matches of which one has to be met; none is every request.
    #[must_use]
    pub fn matches(&self) -> &[HttpMatch] {
        &self.matches
    }

    /// What changes of the URL.
    #[must_use]
    pub fn rewrite(&self) -> Option<&UrlRewrite> {
        self.rewrite.as_ref()
    }

    /// The backends that share its requests.
    #[must_use]
    pub fn backends(&self) -> &[Backend] {
        &self.backends
    }
}
