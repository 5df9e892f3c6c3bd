//! Why a gateway could not start.

/// What is wrong with a [`GatewayConfig`](crate::GatewayConfig).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A route leads to a pool that was not given.
    #[error("the route of model `{model}` leads to the server `{server}`, which has no pool")]
    UnknownServer {
        /// The model's name.
        model: String,
        /// The missing pool's name.
        server: String,
    },
    /// Two endpoints of different addresses have one name, so that logs and headers could not tell them apart.
    #[error("two endpoints are named `{0}` and have different addresses")]
    DuplicateEndpoint(String),
}

/// Why a gateway could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The listener has no local address: it is not bound.
    #[error("the listener has no address: {0}")]
    Address(#[source] std::io::Error),
    /// The access log's thread could not start.
    #[error("the access log could not start: {0}")]
    AccessLog(#[source] std::io::Error),
    /// The decision log's thread could not start.
    #[error("the decision log could not start: {0}")]
    DecisionLog(#[source] std::io::Error),
    /// Whoever is elsewhere has no business with what a gateway tells of itself.
    #[error("the address {0} is not one of this machine alone; expected one such as 127.0.0.1:9090")]
    NotLoopback(std::net::SocketAddr),
}
