//! All routes of models.

use std::collections::BTreeMap;

use super::error::{RouteError, RouteTableError};
use super::head::RequestHead;
use super::listener::Listener;
use super::model::{ModelRoute, Rule};
use super::target::{self, Target};
use crate::seed::Seed;

/// All routes, by model and by adapter.
///
/// When several routes name one model the oldest is asked first, by order, time of creation, version and then by name; the
/// next one is asked when no rule of it takes the request. Adapters are looked up only where no route names the model.
///
/// ```
/// use phalanx_routing::{ModelRoute, RouteTable, Target};
///
/// let chat = ModelRoute::new("chat", "llama-70b", [Target::new("stable", 70), Target::new("next", 30)]);
/// let table = RouteTable::new([chat, ModelRoute::to("tiny", "tiny-server")])?;
/// assert_eq!(table.resolve("tiny", 1)?.server(), Some("tiny-server"));
/// assert!(table.resolve("gpt", 1).is_err());
///
/// // A key keeps its target; over many keys the shares are those of the weights.
/// let is_next = |&key: &u64| table.resolve("llama-70b", key).is_ok_and(|target| target.server() == Some("next"));
/// assert!((2_800..3_200).contains(&(0..10_000).filter(is_next).count()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTable {
    /// The oldest first.
    routes: Vec<ModelRoute>,
    /// Places in `routes`, ascending and so by age.
    models: BTreeMap<String, Vec<usize>>,
    adapters: BTreeMap<String, Vec<usize>>,
    seed: Seed,
}

/// What a request asks of a [`RouteTable`].
///
/// ```
/// use phalanx_routing::{Listener, RequestHead, RouteRequest};
///
/// let head = RequestHead { path: "/v1/completions", ..RequestHead::default() };
/// let request = RouteRequest { head, ..RouteRequest::new("llama-70b", 7) };
/// assert_eq!(request.listener, Listener::Default);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RouteRequest<'a> {
    /// The model that the body names, or an adapter.
    pub model: &'a str,
    /// The request's head.
    pub head: RequestHead<'a>,
    /// Where it came in.
    pub listener: Listener<'a>,
    /// What weighted targets are drawn from: the same key keeps its target.
    pub key: u64,
}

/// Where a request goes, and by which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteMatch<'a> {
    route: &'a ModelRoute,
    rule: usize,
    target: &'a Target,
    by_adapter: bool,
}

impl<'a> RouteRequest<'a> {
    /// A request for `model` on the default listener, whose head is of no interest.
    ///
    /// ```
    /// let request = phalanx_routing::RouteRequest::new("llama-70b", 7);
    /// assert_eq!((request.model, request.head.path), ("llama-70b", "/"));
    /// ```
    #[must_use]
    pub fn new(model: &'a str, key: u64) -> Self {
        Self { model, head: RequestHead::default(), listener: Listener::Default, key }
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
    /// assert_eq!(error.to_string(), "route \"chat\" rule 0 has no targets: expected at least one");
    /// ```
    pub fn new(routes: impl IntoIterator<Item = ModelRoute>) -> Result<Self, RouteTableError> {
        let mut routes: Vec<ModelRoute> = routes.into_iter().collect();
        routes.sort_by(|a, b| a.key().cmp(&b.key()));
        let mut names: Vec<&str> = routes.iter().map(ModelRoute::name).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(RouteTableError::Duplicate { route: pair[0].to_owned() });
        }
        let mut table = Self { seed: Seed::default(), ..Self::default() };
        for (index, route) in routes.iter().enumerate() {
            check(route)?;
            let models = route.aliases().iter().map(String::as_str).chain([route.model()]);
            enter(&mut table.models, models.filter(|model| !model.is_empty()), index);
            enter(&mut table.adapters, route.adapters().iter().map(String::as_str), index);
        }
        table.routes = routes;
        Ok(table)
    }

    /// Draws targets from `seed` instead of seed 0.
    #[must_use]
    pub fn with_seed(mut self, seed: Seed) -> Self {
        self.seed = seed;
        self
    }

    /// The target of a request for `model` on the default listener, of which nothing else is known: drawn by weight from
    /// `key`, the same for the same key. See [`find`](Self::find).
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    ///
    /// ```
    /// use phalanx_routing::{ModelRoute, RouteTable};
    ///
    /// let table = RouteTable::new([ModelRoute::to("tiny", "tiny-server")])?;
    /// assert_eq!(table.resolve("tiny", 7)?.server(), Some("tiny-server"));
    /// assert_eq!(table.resolve("huge", 7).unwrap_err().to_string(), "no route for model \"huge\"");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resolve(&self, model: &str, key: u64) -> Result<&Target, RouteError> {
        self.find(&RouteRequest::new(model, key)).map(|found| found.target)
    }

    /// Where `request` goes: the first rule that takes it, of the oldest route that has one and is taken on its listener.
    ///
    /// Takes O(log models + rules of the routes of the model) and allocates nothing, but for what a regular expression needs
    /// when several threads search at once for the first time, and for the name in an error.
    ///
    /// # Errors
    ///
    /// When no route names the model; when those that do are not taken on the listener; when no rule of them takes the
    /// request.
    ///
    /// ```
    /// use phalanx_routing::{Condition, ModelRoute, RequestHead, RouteRequest, RouteTable, Rule, StringMatch};
    ///
    /// let premium = Condition::new().with_header("user-type", StringMatch::exact("premium"));
    /// let rules = [Rule::to("large").when(premium), Rule::to("small")];
    /// let table = RouteTable::new([ModelRoute::with_rules("tiers", "llama", rules).with_adapters(["sql"])])?;
    ///
    /// let headers = [("user-type", "premium")];
    /// let head = RequestHead { headers: &headers, ..RequestHead::default() };
    /// assert_eq!(table.find(&RouteRequest { head, ..RouteRequest::new("llama", 7) })?.target().server(), Some("large"));
    /// let plain = table.find(&RouteRequest::new("sql", 7))?;
    /// assert_eq!((plain.target().server(), plain.is_by_adapter()), (Some("small"), true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn find(&self, request: &RouteRequest<'_>) -> Result<RouteMatch<'_>, RouteError> {
        let (indices, by_adapter) = match (self.models.get(request.model), self.adapters.get(request.model)) {
            (Some(indices), _) => (indices, false),
            (None, Some(indices)) => (indices, true),
            (None, None) => return Err(RouteError::UnknownModel { model: request.model.to_owned() }),
        };
        let mut is_here = false;
        for route in indices.iter().map(|&index| &self.routes[index]) {
            if !request.listener.takes(route.namespace(), route.parents()) {
                continue;
            }
            is_here = true;
            let rule = route.rules().iter().position(|rule| rule.condition().holds(request.model, &request.head));
            if let Some(rule) = rule {
                let targets = route.rules()[rule].targets();
                let target = target::draw(targets, Target::weight, self.seed, request.key)
                    .expect("a rule in a table has a weight above 0");
                return Ok(RouteMatch { route, rule, target, by_adapter });
            }
        }
        let model = request.model.to_owned();
        Err(if is_here { RouteError::NoRule { model } } else { RouteError::OtherListener { model } })
    }

    /// The routes, oldest first, those without a request included.
    #[must_use]
    pub fn routes(&self) -> &[ModelRoute] {
        &self.routes
    }

    /// The models that have a route, aliases included, in byte order.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// The adapters that have a route and no model's name, in byte order.
    pub fn adapters(&self) -> impl Iterator<Item = &str> {
        self.adapters.keys().map(String::as_str).filter(|name| !self.models.contains_key(*name))
    }
}

impl<'a> RouteMatch<'a> {
    /// The route.
    #[must_use]
    pub fn route(&self) -> &'a ModelRoute {
        self.route
    }

    /// The rule of the route.
    #[must_use]
    pub fn rule(&self) -> &'a Rule {
        &self.route.rules()[self.rule]
    }

    /// The rule's place among the rules of the route, from 0.
    #[must_use]
    pub fn rule_index(&self) -> usize {
        self.rule
    }

    /// The target drawn.
    #[must_use]
    pub fn target(&self) -> &'a Target {
        self.target
    }

    /// Whether the name asked for is an adapter's: the engine has to see it as it is.
    #[must_use]
    pub fn is_by_adapter(&self) -> bool {
        self.by_adapter
    }

    /// The name to put in the place of the model's, as the target wants it; `None` leaves the name as it is, an adapter's
    /// always.
    ///
    /// ```
    /// use phalanx_routing::{ModelRoute, RouteRequest, RouteTable, Target};
    ///
    /// let route = ModelRoute::new("chat", "llama", [Target::to("a").serving("meta/llama")]).with_adapters(["sql"]);
    /// let table = RouteTable::new([route])?;
    /// assert_eq!(table.find(&RouteRequest::new("llama", 7))?.served_model(), Some("meta/llama"));
    /// assert_eq!(table.find(&RouteRequest::new("sql", 7))?.served_model(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn served_model(&self) -> Option<&'a str> {
        if self.by_adapter { None } else { self.target.served_model() }
    }
}

/// Notes the route at `index` under each of its names, once.
fn enter<'n>(index_of: &mut BTreeMap<String, Vec<usize>>, names: impl Iterator<Item = &'n str>, index: usize) {
    for name in names {
        let routes = index_of.entry(name.to_owned()).or_default();
        if routes.last() != Some(&index) {
            routes.push(index);
        }
    }
}

fn check(route: &ModelRoute) -> Result<(), RouteTableError> {
    let name = || route.name().to_owned();
    if route.model().is_empty() && route.adapters().is_empty() && route.aliases().is_empty() {
        return Err(RouteTableError::NoModel { route: name() });
    }
    if route.adapters().iter().chain(route.aliases()).any(String::is_empty) {
        return Err(RouteTableError::NoName { route: name() });
    }
    if route.rules().is_empty() {
        return Err(RouteTableError::NoRules { route: name() });
    }
    for (index, rule) in route.rules().iter().enumerate() {
        check_targets(route, index, rule.targets())?;
    }
    Ok(())
}

fn check_targets(route: &ModelRoute, rule: usize, targets: &[Target]) -> Result<(), RouteTableError> {
    let name = || route.name().to_owned();
    if targets.is_empty() {
        return Err(RouteTableError::NoTargets { route: name(), rule });
    }
    let weighted = targets.iter().any(Target::has_weight);
    for target in targets {
        let named = || target.name().to_owned();
        if target.name().is_empty() {
            return Err(RouteTableError::NoServer { route: name(), rule });
        }
        if let Some(provider) = target.provider().filter(|_| !route.adapters().is_empty()) {
            return Err(RouteTableError::ExternalAdapter { route: name(), rule, provider: provider.to_owned() });
        }
        if target.weight() > Target::MAX_WEIGHT {
            return Err(RouteTableError::Weight { route: name(), rule, target: named(), weight: target.weight() });
        }
        if weighted && !target.has_weight() {
            return Err(RouteTableError::MissingWeight { route: name(), rule, target: named() });
        }
    }
    if targets.iter().all(|target| target.weight() == 0) {
        return Err(RouteTableError::NoWeight { route: name(), rule });
    }
    Ok(())
}
