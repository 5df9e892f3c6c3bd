//! Why routes make no table, and why a request finds no route.

use thiserror::Error;

/// Why routes make no table. Rules count from 0.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RouteTableError {
    /// A route that no request can name.
    #[error("route {route:?} has neither a model name nor an adapter: expected one at least")]
    NoModel {
        /// The route's name.
        route: String,
    },
    /// An alias or adapter without a name.
    #[error("route {route:?} has an alias or adapter without a name")]
    NoName {
        /// The route's name.
        route: String,
    },
    /// A route without a rule.
    #[error("route {route:?} has no rules: expected at least one")]
    NoRules {
        /// The route's name.
        route: String,
    },
    /// A rule that leads nowhere.
    #[error("route {route:?} rule {rule} has no targets: expected at least one")]
    NoTargets {
        /// The route's name.
        route: String,
        /// The rule's place.
        rule: usize,
    },
    /// A target without a name.
    #[error("route {route:?} rule {rule} has a target without a name")]
    NoServer {
        /// The route's name.
        route: String,
        /// The rule's place.
        rule: usize,
    },
    /// A provider outside the cluster as the target of a route for adapters.
    #[error(
        "route {route:?} rule {rule} leads to the external provider {provider:?}: expected servers only, adapters are not for providers"
    )]
    ExternalAdapter {
        /// The route's name.
        route: String,
        /// The rule's place.
        rule: usize,
        /// The provider's name.
        provider: String,
    },
    /// A weight that is no percentage.
    #[error("route {route:?} rule {rule} gives {target:?} weight {weight}: expected 0 to 100")]
    Weight {
        /// The route's name.
        route: String,
        /// The rule's place.
        rule: usize,
        /// The target's name.
        target: String,
        /// The weight found.
        weight: u32,
    },
    /// A rule that gives some targets a weight and others none.
    #[error("route {route:?} rule {rule} gives {target:?} no weight: expected one for every target or for none")]
    MissingWeight {
        /// The route's name.
        route: String,
        /// The rule's place.
        rule: usize,
        /// The first target without a weight.
        target: String,
    },
    /// Only zero weights.
    #[error("route {route:?} rule {rule} gives every target weight 0: expected one above 0")]
    NoWeight {
        /// The route's name.
        route: String,
        /// The rule's place.
        rule: usize,
    },
    /// Two routes of one name.
    #[error("route {route:?} is given twice")]
    Duplicate {
        /// The name of both.
        route: String,
    },
}

/// Why a request finds no route.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RouteError {
    /// No route names the model, be it as a model or as an adapter.
    #[error("no route for model {model:?}")]
    UnknownModel {
        /// The name asked for.
        model: String,
    },
    /// Routes name the model, but none of them is taken on the listener.
    #[error("no route for model {model:?} is taken on this listener")]
    OtherListener {
        /// The name asked for.
        model: String,
    },
    /// Routes name the model, but the conditions of all their rules ask for something else.
    #[error("no rule of the routes for model {model:?} takes this request")]
    NoRule {
        /// The name asked for.
        model: String,
    },
}
