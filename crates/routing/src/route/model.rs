//! The routes of models: which requests they take, and whom they give them to.

use core::time::Duration;

use super::age::Age;
use super::condition::Condition;
use super::listener::ParentRef;
use super::target::Target;

/// Where the requests for a model go.
///
/// ```
/// use phalanx_routing::{Condition, ModelRoute, Rule, StringMatch, Target};
///
/// let canary = ModelRoute::new("chat", "llama-70b", [Target::new("stable", 95), Target::new("next", 5)]);
/// assert_eq!(canary.rules()[0].targets()[1].server(), Some("next"));
///
/// // Premium users have a server of their own; so has whoever asks for the adapter.
/// let premium = Condition::new().with_header("user-type", StringMatch::exact("premium"));
/// let rules = [Rule::to("large").when(premium), Rule::to("small")];
/// let tiers = ModelRoute::with_rules("tiers", "llama", rules).with_adapters(["sql"]);
/// assert_eq!(tiers.adapters(), ["sql"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRoute {
    name: String,
    model: String,
    aliases: Vec<String>,
    adapters: Vec<String>,
    parents: Vec<ParentRef>,
    age: Age,
    rules: Vec<Rule>,
}

/// One way through a route: a condition, and the targets that share what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    name: String,
    condition: Condition,
    targets: Vec<Target>,
}

impl ModelRoute {
    /// A route of one rule for all requests that name `model`; [`RouteTable::new`](crate::RouteTable::new) validates it.
    /// What stands before a `/` in `name` is its namespace.
    ///
    /// ```
    /// use phalanx_routing::{ModelRoute, Target};
    ///
    /// let route = ModelRoute::new("prod/chat", "llama-70b", [Target::new("stable", 100)]);
    /// assert_eq!(route.namespace(), "prod");
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>, model: impl Into<String>, targets: impl IntoIterator<Item = Target>) -> Self {
        Self::with_rules(name, model, [Rule::new(targets)])
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
        Self::with_rules(model.clone(), model, [Rule::to(server)])
    }

    /// A route of several rules, of which the first takes a request whose condition holds. `model` may be empty when the
    /// route is for adapters only.
    ///
    /// ```
    /// use phalanx_routing::{Condition, ModelRoute, Rule, StringMatch};
    ///
    /// let chat = Condition::new().with_path(StringMatch::prefix("/v1/chat"));
    /// let route = ModelRoute::with_rules("split", "m", [Rule::to("chat").when(chat), Rule::to("rest")]);
    /// assert_eq!(route.rules().len(), 2);
    /// ```
    #[must_use]
    pub fn with_rules(
        name: impl Into<String>,
        model: impl Into<String>,
        rules: impl IntoIterator<Item = Rule>,
    ) -> Self {
        Self {
            name: name.into(),
            model: model.into(),
            aliases: Vec::new(),
            adapters: Vec::new(),
            parents: Vec::new(),
            age: Age::default(),
            rules: rules.into_iter().collect(),
        }
    }

    /// Further names under which clients may ask for the model.
    #[must_use]
    pub fn with_aliases<A: Into<String>>(mut self, names: impl IntoIterator<Item = A>) -> Self {
        self.aliases = names.into_iter().map(Into::into).collect();
        self
    }

    /// LoRA adapters that lead here where no route has their name as a model's.
    #[must_use]
    pub fn with_adapters<A: Into<String>>(mut self, names: impl IntoIterator<Item = A>) -> Self {
        self.adapters = names.into_iter().map(Into::into).collect();
        self
    }

    /// The Gateways, or listeners of theirs, that it is taken on. Without any it is taken on the default listener and on the
    /// Gateways of its namespace.
    #[must_use]
    pub fn with_parents(mut self, parents: impl IntoIterator<Item = ParentRef>) -> Self {
        self.parents = parents.into_iter().collect();
        self
    }

    /// Its place among the routes of one model, before their age: the smallest number is first. 0 unless given.
    #[must_use]
    pub fn with_order(mut self, order: u32) -> Self {
        self.age.order = order;
        self
    }

    /// When it was made, since the caller's epoch, and its version then: the oldest route of a model is asked first. One
    /// without a time is the youngest.
    #[must_use]
    pub fn with_age(mut self, created: Duration, version: u64) -> Self {
        (self.age.created, self.age.version) = (Some(created), version);
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
        super::namespace_of(&self.name)
    }

    /// The model that clients ask for; empty when the route is for adapters only.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Further names of the model.
    #[must_use]
    pub fn aliases(&self) -> &[String] {
        &self.aliases
    }

    /// The LoRA adapters that lead here.
    #[must_use]
    pub fn adapters(&self) -> &[String] {
        &self.adapters
    }

    /// The Gateways that it is taken on.
    #[must_use]
    pub fn parents(&self) -> &[ParentRef] {
        &self.parents
    }

    /// Its rules, in order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The targets of all its rules, in order.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.rules.iter().flat_map(|rule| &rule.targets)
    }

    /// Its age, then its name: the order in which routes are asked.
    pub(crate) fn key(&self) -> impl Ord + use<'_> {
        (self.age.key(), self.name.as_str())
    }

    /// When it was made, and its version.
    #[cfg(test)]
    pub(crate) fn age(&self) -> (Option<Duration>, u64) {
        (self.age.created, self.age.version)
    }
}

impl Rule {
    /// A rule for all requests, which `targets` share.
    ///
    /// ```
    /// use phalanx_routing::{Rule, Target};
    ///
    /// assert_eq!(Rule::new([Target::to("a"), Target::to("b")]).targets().len(), 2);
    /// ```
    #[must_use]
    pub fn new(targets: impl IntoIterator<Item = Target>) -> Self {
        Self { name: String::new(), condition: Condition::new(), targets: targets.into_iter().collect() }
    }

    /// A rule for all requests, all of them to one server.
    ///
    /// ```
    /// assert_eq!(phalanx_routing::Rule::to("a").targets()[0].server(), Some("a"));
    /// ```
    #[must_use]
    pub fn to(server: impl Into<String>) -> Self {
        Self::new([Target::to(server)])
    }

    /// Takes the requests only for which `condition` holds.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }

    /// Names it, for people.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Its name; empty unless given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What has to hold for a request to be taken.
    #[must_use]
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// The targets that share its requests.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }
}
