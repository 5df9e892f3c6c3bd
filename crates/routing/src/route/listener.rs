//! Where requests come in, and which routes are taken there.

use super::host::{self, HostError, Hosts};

/// Where a request came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listener<'a> {
    /// The one that no Gateway describes: routes without parents are taken there.
    #[default]
    Default,
    /// One of a Gateway: the routes that name the Gateway as their parent are taken there, and those of its namespace
    /// that name none.
    Gateway(&'a GatewayListener),
    /// One that stands for all, where there is a single port: every route is taken there.
    Any,
}

/// A listener of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayListener {
    namespace: String,
    gateway: String,
    name: String,
    port: u16,
    hostname: Option<String>,
}

/// The Gateway that a route is for, or a listener of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentRef {
    namespace: Option<String>,
    gateway: String,
    section: Option<String>,
    port: Option<u16>,
}

/// All listeners of all Gateways.
///
/// ```
/// use phalanx_routing::{GatewayListener, Listeners};
///
/// let listeners = Listeners::new([
///     GatewayListener::new("prod", "edge", "all", 80),
///     GatewayListener::new("prod", "edge", "chat", 80).with_hostname("*.chat.example.com")?,
/// ]);
/// let name = |host| listeners.choose(host, 80).map(|listener| listener.name());
/// assert_eq!(name("eu.chat.example.com:80"), Some("chat"));
/// assert_eq!(name("example.com"), Some("all"));
/// assert_eq!(listeners.choose("example.com", 8080), None);
/// # Ok::<(), phalanx_routing::HostError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listeners {
    hosts: Hosts<Vec<GatewayListener>>,
}

impl Listener<'_> {
    /// Whether a route of `namespace` with these parents is taken here. O(parents).
    pub(crate) fn takes(&self, namespace: &str, parents: &[ParentRef]) -> bool {
        match self {
            Self::Any => true,
            Self::Default => parents.is_empty(),
            Self::Gateway(listener) if parents.is_empty() => listener.namespace == namespace,
            Self::Gateway(listener) => parents.iter().any(|parent| parent.is_of(namespace, listener)),
        }
    }
}

impl GatewayListener {
    /// The listener `name` of a Gateway, for every host.
    ///
    /// ```
    /// let listener = phalanx_routing::GatewayListener::new("prod", "edge", "http", 80);
    /// assert_eq!((listener.gateway(), listener.hostname()), ("edge", None));
    /// ```
    #[must_use]
    pub fn new(namespace: impl Into<String>, gateway: impl Into<String>, name: impl Into<String>, port: u16) -> Self {
        Self { namespace: namespace.into(), gateway: gateway.into(), name: name.into(), port, hostname: None }
    }

    /// Takes the requests only for this host, or for every host below a name after `*.`.
    ///
    /// # Errors
    ///
    /// When it is no DNS name.
    ///
    /// ```
    /// let listener = phalanx_routing::GatewayListener::new("prod", "edge", "http", 80);
    /// assert!(listener.clone().with_hostname("*.example.com").is_ok());
    /// assert!(listener.with_hostname("10.0.0.1:80").is_err());
    /// ```
    pub fn with_hostname(mut self, hostname: impl Into<String>) -> Result<Self, HostError> {
        let hostname = hostname.into();
        host::check(&hostname)?;
        self.hostname = Some(hostname);
        Ok(self)
    }

    /// The Gateway's namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The Gateway's name.
    #[must_use]
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// Its own name within the Gateway.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host that it is for; `None` for every host.
    #[must_use]
    pub fn hostname(&self) -> Option<&str> {
        self.hostname.as_deref()
    }
}

impl ParentRef {
    /// All listeners of a Gateway of the route's own namespace.
    ///
    /// ```
    /// let parent = phalanx_routing::ParentRef::new("edge").with_namespace("prod").with_section("http");
    /// assert_eq!((parent.gateway(), parent.section()), ("edge", Some("http")));
    /// ```
    #[must_use]
    pub fn new(gateway: impl Into<String>) -> Self {
        Self { namespace: None, gateway: gateway.into(), section: None, port: None }
    }

    /// A Gateway of another namespace.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Only the listener of this name.
    #[must_use]
    pub fn with_section(mut self, name: impl Into<String>) -> Self {
        self.section = Some(name.into());
        self
    }

    /// Only the listeners on this port.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The Gateway's name.
    #[must_use]
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// The Gateway's namespace; `None` for the route's own.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The listener's name; `None` for all.
    #[must_use]
    pub fn section(&self) -> Option<&str> {
        self.section.as_deref()
    }

    /// The port; `None` for all.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    fn is_of(&self, route_namespace: &str, listener: &GatewayListener) -> bool {
        self.gateway == listener.gateway
            && self.namespace.as_deref().unwrap_or(route_namespace) == listener.namespace
            && self.section.as_ref().is_none_or(|section| *section == listener.name)
            && self.port.is_none_or(|port| port == listener.port)
    }
}

impl Listeners {
    /// A table of listeners, in any order. Of several for one host and port the first has it, by namespace, Gateway and
    /// name.
    ///
    /// ```
    /// use phalanx_routing::Listeners;
    ///
    /// assert_eq!(Listeners::new([]).choose("example.com", 80), None);
    /// ```
    #[must_use]
    pub fn new(listeners: impl IntoIterator<Item = GatewayListener>) -> Self {
        let mut hosts: Hosts<Vec<GatewayListener>> = Hosts::default();
        for listener in listeners {
            hosts.entry(listener.hostname.as_deref()).push(listener.clone());
        }
        let key = |l: &GatewayListener| (l.namespace.clone(), l.gateway.clone(), l.name.clone());
        hosts.values_mut().for_each(|of_host| of_host.sort_by_cached_key(key));
        Self { hosts }
    }

    /// The listener of a request for `host` on `port`: the one for exactly that host, else the one for the longest name
    /// after `*`, else one for every host. O(labels × log listeners), without an allocation.
    ///
    /// ```
    /// use phalanx_routing::{GatewayListener, Listeners};
    ///
    /// let listeners = Listeners::new([GatewayListener::new("prod", "edge", "http", 80)]);
    /// assert!(listeners.choose("anything", 80).is_some());
    /// ```
    #[must_use]
    pub fn choose(&self, host: &str, port: u16) -> Option<&GatewayListener> {
        self.hosts.find(host, |listeners| listeners.iter().find(|listener| listener.port == port))
    }
}
