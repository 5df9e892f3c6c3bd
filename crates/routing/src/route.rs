//! Which server the requests for a model go to.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::seed::{Seed, Stage};

/// The servers that share a model's requests.
///
/// ```
/// use phalanx_routing::{ModelRoute, Target};
///
/// let canary = ModelRoute::new("chat", "llama-70b", [Target::new("stable", 95), Target::new("next", 5)]);
/// assert_eq!(canary.targets()[1].server(), "next");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRoute {
    name: String,
    model: String,
    order: u32,
    targets: Vec<Target>,
}

/// A server and its share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    server: String,
    weight: u32,
}

/// All routes, by model.
///
/// When several routes name one model the oldest has it, by order and then by name; the others stay in the table without
/// a request.
///
/// ```
/// use phalanx_routing::{ModelRoute, RouteTable, Target};
///
/// let chat = ModelRoute::new("chat", "llama-70b", [Target::new("stable", 70), Target::new("next", 30)]);
/// let table = RouteTable::new([chat, ModelRoute::to("tiny", "tiny-server")])?;
/// assert_eq!(table.resolve("tiny", 1)?.server(), "tiny-server");
/// assert!(table.resolve("gpt", 1).is_err());
///
/// // A key keeps its target; over many keys the shares are those of the weights.
/// let next = (0..10_000).filter(|&key| table.resolve("llama-70b", key).is_ok_and(|t| t.server() == "next")).count();
/// assert!((2_800..3_200).contains(&next));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTable {
    routes: Vec<ModelRoute>,
    models: BTreeMap<String, usize>,
    seed: Seed,
}

/// Why routes make no table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RouteTableError {
    /// A route without a model name.
    #[error("route {route:?} has no model name")]
    NoModel {
        /// The route's name.
        route: String,
    },
    /// A route that leads nowhere.
    #[error("route {route:?} has no targets: expected at least one")]
    NoTargets {
        /// The route's name.
        route: String,
    },
    /// A target without a server name.
    #[error("route {route:?} has a target without a server name")]
    NoServer {
        /// The route's name.
        route: String,
    },
    /// A weight that is no percentage.
    #[error("route {route:?} gives server {server:?} weight {weight}: expected 0 to 100")]
    Weight {
        /// The route's name.
        route: String,
        /// The target's server.
        server: String,
        /// The weight found.
        weight: u32,
    },
    /// Only zero weights.
    #[error("route {route:?} gives every target weight 0: expected one above 0")]
    NoWeight {
        /// The route's name.
        route: String,
    },
    /// Two routes of one name.
    #[error("route {route:?} is given twice")]
    Duplicate {
        /// The name of both.
        route: String,
    },
}

/// Why a model leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RouteError {
    /// No route names the model.
    #[error("no route for model {model:?}")]
    UnknownModel {
        /// The name asked for.
        model: String,
    },
}

impl ModelRoute {
    /// A route for the requests that name `model`; [`RouteTable::new`] validates it.
    #[must_use]
    pub fn new(name: impl Into<String>, model: impl Into<String>, targets: impl IntoIterator<Item = Target>) -> Self {
        Self { name: name.into(), model: model.into(), order: 0, targets: targets.into_iter().collect() }
    }

    /// A route named like its model, all of it to one server.
    ///
    /// ```
    /// let route = phalanx_routing::ModelRoute::to("tiny", "tiny-server");
    /// assert_eq!((route.name(), route.model()), ("tiny", "tiny"));
    /// ```
    #[must_use]
    pub fn to(model: impl Into<String>, server: impl Into<String>) -> Self {
        let model = model.into();
        Self::new(model.clone(), model, [Target::new(server, Target::DEFAULT_WEIGHT)])
    }

    /// Its age among the routes of one model: the smallest number is the oldest. 0 unless given.
    #[must_use]
    pub fn with_order(mut self, order: u32) -> Self {
        self.order = order;
        self
    }

    /// Its name, unique in a table.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The model that clients ask for.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The servers that share its requests.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    fn check(&self) -> Result<(), RouteTableError> {
        let route = || self.name.clone();
        if self.model.is_empty() {
            return Err(RouteTableError::NoModel { route: route() });
        }
        if self.targets.is_empty() {
            return Err(RouteTableError::NoTargets { route: route() });
        }
        for Target { server, weight } in &self.targets {
            if server.is_empty() {
                return Err(RouteTableError::NoServer { route: route() });
            }
            if *weight > 100 {
                return Err(RouteTableError::Weight { route: route(), server: server.clone(), weight: *weight });
            }
        }
        if self.targets.iter().all(|target| target.weight == 0) {
            return Err(RouteTableError::NoWeight { route: route() });
        }
        Ok(())
    }
}

impl Target {
    /// The weight of a target that gives none.
    pub const DEFAULT_WEIGHT: u32 = 100;

    /// A server with a share of `weight` among the weights of its route, 0 to 100.
    ///
    /// ```
    /// assert_eq!(phalanx_routing::Target::new("stable", 70).weight(), 70);
    /// ```
    #[must_use]
    pub fn new(server: impl Into<String>, weight: u32) -> Self {
        Self { server: server.into(), weight }
    }

    /// The server's name.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Its weight.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }
}

impl RouteTable {
    /// A table of `routes`, in any order.
    ///
    /// # Errors
    ///
    /// The first fault found, in order of age and name.
    ///
    /// ```
    /// use phalanx_routing::{ModelRoute, RouteTable};
    ///
    /// let error = RouteTable::new([ModelRoute::new("chat", "llama-70b", [])]).unwrap_err();
    /// assert_eq!(error.to_string(), "route \"chat\" has no targets: expected at least one");
    /// ```
    pub fn new(routes: impl IntoIterator<Item = ModelRoute>) -> Result<Self, RouteTableError> {
        let mut routes: Vec<ModelRoute> = routes.into_iter().collect();
        routes.sort_by(|a, b| (a.order, &a.name).cmp(&(b.order, &b.name)));
        let mut names: Vec<&str> = routes.iter().map(ModelRoute::name).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(RouteTableError::Duplicate { route: pair[0].to_owned() });
        }
        let mut models = BTreeMap::new();
        for (index, route) in routes.iter().enumerate() {
            route.check()?;
            models.entry(route.model.clone()).or_insert(index);
        }
        Ok(Self { routes, models, seed: Seed::default() })
    }

    /// Draws targets from `seed` instead of seed 0.
    #[must_use]
    pub fn with_seed(mut self, seed: Seed) -> Self {
        self.seed = seed;
        self
    }

    /// The target of a request for `model`: drawn by weight from `key`, the same for the same key.
    ///
    /// # Errors
    ///
    /// [`RouteError::UnknownModel`] when no route names the model.
    ///
    /// ```
    /// use phalanx_routing::{ModelRoute, RouteTable};
    ///
    /// let table = RouteTable::new([ModelRoute::to("tiny", "tiny-server")])?;
    /// assert_eq!(table.resolve("tiny", 7)?.server(), "tiny-server");
    /// assert_eq!(table.resolve("huge", 7).unwrap_err().to_string(), "no route for model \"huge\"");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resolve(&self, model: &str, key: u64) -> Result<&Target, RouteError> {
        let index = self.models.get(model).ok_or_else(|| RouteError::UnknownModel { model: model.to_owned() })?;
        let targets = self.routes[*index].targets();
        let sum = targets.iter().fold(0_u32, |sum, target| sum.saturating_add(target.weight));
        let mut rest = self.seed.draw(Stage::Target, key, sum);
        for target in targets {
            match rest.checked_sub(target.weight) {
                Some(less) => rest = less,
                None => return Ok(target),
            }
        }
        Ok(targets.last().expect("a route in a table has targets"))
    }

    /// The routes, oldest first, those without a request included.
    #[must_use]
    pub fn routes(&self) -> &[ModelRoute] {
        &self.routes
    }

    /// The models that have a route, in byte order.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
