//! All routes of HTTP requests.

use std::borrow::Cow;

use thiserror::Error;

use super::backend::Backend;
use super::matches::HttpMatch;
use super::rewrite::PathRewrite;
use super::rule::{HttpRoute, HttpRule};
use crate::route::head::RequestHead;
use crate::route::host::{self, HostError, Hosts};
use crate::route::listener::Listener;
use crate::route::target;
use crate::seed::Seed;

/// All routes of HTTP requests, by how specific they are.
///
/// Of all matches that a request meets the first one in this order has it:
///
/// 1. the host: named exactly, then below the longest name after `*`, then every host;
/// 2. the path: exactly, then by the longest prefix, then by an expression;
/// 3. with a method before without;
/// 4. by the most headers;
/// 5. by the most query parameters;
/// 6. of the older route, then of the first by name;
/// 7. of the first rule, and of its first match.
///
/// ```
/// use phalanx_routing::{Backend, HttpMatch, HttpRoute, HttpRouteTable, HttpRule, Listener, PathMatch, RequestHead};
///
/// let below = |prefix| HttpMatch::new().with_path(PathMatch::prefix(prefix));
/// let table = HttpRouteTable::new([
///     HttpRoute::new("all", [HttpRule::new([Backend::to("all")])]),
///     HttpRoute::new("chat", [HttpRule::new([Backend::to("chat")]).when(below("/v1/chat"))]),
/// ])?;
/// let pool = |path| {
///     let found = table.find(&RequestHead { path, ..RequestHead::default() }, Listener::Default, 7);
///     found.ok().and_then(|found| found.backend()).map(|backend| backend.pool())
/// };
/// assert_eq!((pool("/v1/chat/completions"), pool("/v1/chatter")), (Some("chat"), Some("all")));
/// # Ok::<(), phalanx_routing::HttpRouteTableError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRouteTable {
    /// The oldest first.
    routes: Vec<HttpRoute>,
    /// For each host the matches, the most specific first.
    hosts: Hosts<Vec<Entry>>,
    seed: Seed,
}

/// One match of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    wanted: HttpMatch,
    route: usize,
    rule: usize,
}

/// Where an HTTP request goes, and by which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpRouteMatch<'a> {
    route: &'a HttpRoute,
    rule: usize,
    wanted: &'a HttpMatch,
    backend: Option<&'a Backend>,
}

/// Why routes make no table. Rules count from 0.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HttpRouteTableError {
    /// Two routes of one name.
    #[error("route {route:?} is given twice")]
    Duplicate {
        /// The name of both.
        route: String,
    },
    /// A host that is none.
    #[error("route {route:?}: {error}")]
    Host {
        /// The route's name.
        route: String,
        /// What is wrong.
        error: HostError,
    },
    /// A path that no request has.
    #[error("route {route:?} rule {rule} has the path {path:?}: expected one that begins with /")]
    Path {
        /// The route's name.
        route: String,
        /// The rule's place.
        rule: usize,
        /// The path found.
        path: String,
    },
    /// A rewrite of a prefix where a match asks for none.
    #[error("route {route:?} rule {rule} rewrites a prefix: expected every match of it to ask for a path prefix")]
    NoPrefix {
        /// The route's name.
        route: String,
        /// The rule's place.
        rule: usize,
    },
    /// A backend without a name.
    #[error("route {route:?} rule {rule} has a backend without a name")]
    NoPool {
        /// The route's name.
        route: String,
        /// The rule's place.
        rule: usize,
    },
    /// A weight that is too large.
    #[error("route {route:?} rule {rule} gives {pool:?} weight {weight}: expected 0 to 1000000")]
    Weight {
        /// The route's name.
        route: String,
        /// The rule's place.
        rule: usize,
        /// The backend's pool.
        pool: String,
        /// The weight found.
        weight: u32,
    },
}

/// No route takes the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no route takes this request")]
pub struct NoHttpRoute;

impl HttpRouteTable {
    /// A table of `routes`, in any order.
    ///
    /// # Errors
    ///
    /// The first fault found, in order of age and name.
    ///
    /// ```
    /// use phalanx_routing::{HttpRoute, HttpRouteTable};
    ///
    /// let error = HttpRouteTable::new([HttpRoute::new("all", []).with_hostname("a b")]).unwrap_err();
    /// assert!(error.to_string().starts_with("route \"all\": hostname \"a b\": expected a DNS name"));
    /// ```
    pub fn new(routes: impl IntoIterator<Item = HttpRoute>) -> Result<Self, HttpRouteTableError> {
        let mut routes: Vec<HttpRoute> = routes.into_iter().collect();
        routes.sort_by(|a, b| a.key().cmp(&b.key()));
        let mut names: Vec<&str> = routes.iter().map(HttpRoute::name).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(HttpRouteTableError::Duplicate { route: pair[0].to_owned() });
        }
        let mut hosts: Hosts<Vec<Entry>> = Hosts::default();
        for (index, route) in routes.iter().enumerate() {
            check(route)?;
            let entries = entries(index, route);
            let mut names: Vec<_> = route.hostnames().iter().map(|name| name.to_ascii_lowercase()).collect();
            names.sort_unstable();
            names.dedup();
            if names.is_empty() {
                hosts.entry(None).extend(entries.clone());
            }
            for name in names {
                hosts.entry(Some(&name)).extend(entries.clone());
            }
        }
        // Entries stand by age, rule and match already, and the sort is stable.
        hosts.values_mut().for_each(|entries| entries.sort_by_cached_key(|entry| entry.wanted.rank()));
        Ok(Self { routes, hosts, seed: Seed::default() })
    }

    /// Draws backends from `seed` instead of seed 0.
    #[must_use]
    pub fn with_seed(mut self, seed: Seed) -> Self {
        self.seed = seed;
        self
    }

    /// Where a request goes; its backend is drawn by weight from `key`, the same for the same key. O(labels of the host +
    /// matches for it), without an allocation but for what [`HttpMatch::is_met`] says.
    ///
    /// # Errors
    ///
    /// When no match is met on this listener.
    ///
    /// ```
    /// use phalanx_routing::{HttpRouteTable, Listener, NoHttpRoute, RequestHead};
    ///
    /// let found = HttpRouteTable::new([])?.find(&RequestHead::default(), Listener::Any, 7).map(|found| found.rule_index());
    /// assert_eq!(found, Err(NoHttpRoute));
    /// # Ok::<(), phalanx_routing::HttpRouteTableError>(())
    /// ```
    pub fn find(
        &self,
        head: &RequestHead<'_>,
        listener: Listener<'_>,
        key: u64,
    ) -> Result<HttpRouteMatch<'_>, NoHttpRoute> {
        let met = |entry: &&Entry| {
            let route = &self.routes[entry.route];
            entry.wanted.is_met(head) && listener.takes(route.namespace(), route.parents())
        };
        let entry = self.hosts.find(head.host, |entries| entries.iter().find(met)).ok_or(NoHttpRoute)?;
        let route = &self.routes[entry.route];
        let backend = target::draw(route.rules()[entry.rule].backends(), Backend::weight, self.seed, key);
        Ok(HttpRouteMatch { route, rule: entry.rule, wanted: &entry.wanted, backend })
    }

    /// The routes, oldest first.
    #[must_use]
    pub fn routes(&self) -> &[HttpRoute] {
        &self.routes
    }
}

impl<'a> HttpRouteMatch<'a> {
    /// The route.
    #[must_use]
    pub fn route(&self) -> &'a HttpRoute {
        self.route
    }

    /// The rule of the route.
    #[must_use]
    pub fn rule(&self) -> &'a HttpRule {
        &self.route.rules()[self.rule]
    }

    /// The rule's place among the rules of the route, from 0.
    #[must_use]
    pub fn rule_index(&self) -> usize {
        self.rule
    }

    /// The backend drawn; `None` when the rule has none with a weight, which a client is to be told as an error of the
    /// server's.
    #[must_use]
    pub fn backend(&self) -> Option<&'a Backend> {
        self.backend
    }

    /// The host that the backend is to see, if it changes.
    #[must_use]
    pub fn hostname(&self) -> Option<&'a str> {
        self.rule().rewrite()?.hostname()
    }

    /// The path that the backend is to see for the request's `path`. Allocates only to join a new prefix and a rest.
    ///
    /// ```
    /// use phalanx_routing::{
    ///     Backend, HttpMatch, HttpRoute, HttpRouteTable, HttpRule, Listener, PathMatch, RequestHead, UrlRewrite,
    /// };
    ///
    /// let rule = HttpRule::new([Backend::to("pool")])
    ///     .when(HttpMatch::new().with_path(PathMatch::prefix("/llama")))
    ///     .with_rewrite(UrlRewrite::new().with_prefix("/"));
    /// let table = HttpRouteTable::new([HttpRoute::new("llama", [rule])])?;
    /// let head = RequestHead { path: "/llama/v1/models", ..RequestHead::default() };
    /// assert_eq!(table.find(&head, Listener::Any, 7).map(|found| found.path(head.path)), Ok("/v1/models".into()));
    /// # Ok::<(), phalanx_routing::HttpRouteTableError>(())
    /// ```
    #[must_use]
    pub fn path<'p>(&self, path: &'p str) -> Cow<'p, str>
    where
        'a: 'p,
    {
        let rewrite = self.rule().rewrite().and_then(|rewrite| rewrite.path());
        rewrite.map_or(Cow::Borrowed(path), |rewrite| rewrite.apply(path, self.wanted.path().as_prefix()))
    }
}

/// Each match of each rule, in order; a rule without one takes every request.
fn entries(index: usize, route: &HttpRoute) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (rule, of_rule) in route.rules().iter().enumerate() {
        let every = [HttpMatch::new()];
        let matches = if of_rule.matches().is_empty() { &every[..] } else { of_rule.matches() };
        entries.extend(matches.iter().map(|wanted| Entry { wanted: wanted.clone(), route: index, rule }));
    }
    entries
}

fn check(route: &HttpRoute) -> Result<(), HttpRouteTableError> {
    let name = || route.name().to_owned();
    for hostname in route.hostnames() {
        host::check(hostname).map_err(|error| HttpRouteTableError::Host { route: name(), error })?;
    }
    for (index, rule) in route.rules().iter().enumerate() {
        let path = rule.rewrite().and_then(|rewrite| rewrite.path());
        let fault = rule.matches().iter().find_map(|wanted| wanted.path().fault());
        if let Some(path) = fault.or_else(|| path.and_then(PathRewrite::fault)) {
            return Err(HttpRouteTableError::Path { route: name(), rule: index, path: path.to_owned() });
        }
        let prefixes = rule.matches().iter().all(|wanted| wanted.path().is_prefix());
        if matches!(path, Some(PathRewrite::Prefix(_))) && !prefixes {
            return Err(HttpRouteTableError::NoPrefix { route: name(), rule: index });
        }
        for backend in rule.backends() {
            if backend.pool().is_empty() {
                return Err(HttpRouteTableError::NoPool { route: name(), rule: index });
            }
            if backend.weight() > Backend::MAX_WEIGHT {
                let (pool, weight) = (backend.pool().to_owned(), backend.weight());
                return Err(HttpRouteTableError::Weight { route: name(), rule: index, pool, weight });
            }
        }
    }
    Ok(())
}
