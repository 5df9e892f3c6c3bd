//! Where requests go, and in which shares.

use crate::seed::{Seed, Stage};

/// A server or an external provider, and its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    destination: Destination,
    weight: Option<u32>,
    model: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Destination {
    Server(String),
    Provider(String),
}

impl Target {
    /// The weight of a target that gives none.
    pub const DEFAULT_WEIGHT: u32 = 100;

    /// The largest weight.
    pub const MAX_WEIGHT: u32 = 100;

    /// A server with a share of `weight` among the weights of its rule, 0 to 100.
    ///
    /// ```
    /// assert_eq!(phalanx_routing::Target::new("stable", 70).weight(), 70);
    /// ```
    #[must_use]
    pub fn new(server: impl Into<String>, weight: u32) -> Self {
        Self::to(server).with_weight(weight)
    }

    /// A server that shares equally with the other targets of its rule, none of which gives a weight.
    ///
    /// ```
    /// assert_eq!(phalanx_routing::Target::to("stable").server(), Some("stable"));
    /// ```
    #[must_use]
    pub fn to(server: impl Into<String>) -> Self {
        Self { destination: Destination::Server(server.into()), weight: None, model: None }
    }

    /// A provider outside the cluster, which shares equally as [`to`](Self::to) says.
    ///
    /// ```
    /// let target = phalanx_routing::Target::external("openai").with_weight(5);
    /// assert_eq!((target.server(), target.provider()), (None, Some("openai")));
    /// ```
    #[must_use]
    pub fn external(provider: impl Into<String>) -> Self {
        Self { destination: Destination::Provider(provider.into()), weight: None, model: None }
    }

    /// Its share among the weights of its rule, 0 to 100. Either all targets of a rule have one or none has.
    #[must_use]
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = Some(weight);
        self
    }

    /// The name under which the model is served there, when it is not the one that clients ask for.
    ///
    /// ```
    /// let target = phalanx_routing::Target::to("stable").serving("meta/llama-70b");
    /// assert_eq!(target.served_model(), Some("meta/llama-70b"));
    /// ```
    #[must_use]
    pub fn serving(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// The server's name; `None` when it is an external provider.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        match &self.destination {
            Destination::Server(name) => Some(name),
            Destination::Provider(_) => None,
        }
    }

    /// The external provider's name; `None` when it is a server.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        match &self.destination {
            Destination::Server(_) => None,
            Destination::Provider(name) => Some(name),
        }
    }

    /// Its weight; [`DEFAULT_WEIGHT`](Self::DEFAULT_WEIGHT) where it was given none.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight.unwrap_or(Self::DEFAULT_WEIGHT)
    }

    /// The name under which the model is served there, if it was given one.
    #[must_use]
    pub fn served_model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    pub(crate) fn name(&self) -> &str {
        let (Destination::Server(name) | Destination::Provider(name)) = &self.destination;
        name
    }

    pub(crate) fn has_weight(&self) -> bool {
        self.weight.is_some()
    }
}

/// One of `items` by weight, drawn from `key`: the same for the same key. `None` when all weights are 0.
pub(crate) fn draw<T>(items: &[T], weight: impl Fn(&T) -> u32, seed: Seed, key: u64) -> Option<&T> {
    let sum = items.iter().fold(0_u32, |sum, item| sum.saturating_add(weight(item)));
    let mut rest = seed.draw(Stage::Target, key, sum);
    items.iter().find(|item| match rest.checked_sub(weight(item)) {
        Some(less) => {
            rest = less;
            false
        }
        None => true,
    })
}
