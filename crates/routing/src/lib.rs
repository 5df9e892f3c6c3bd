//! Which endpoint a request goes to, and why.
//!
//! A [`Balancer`] owns what it knows about each endpoint's load in plain columns. A [`Policy`] is a value that turns it into
//! a cost, and a [`Seed`] decides ties. A decision counts its load at once and hands out a [`Reservation`], which has to be
//! settled on every path, so that the load is the balancer's own account and never a stale reading of somebody's metrics.
//! The same request against the same state gives the same answer, and [`Balancer::explain`] shows the parts that led to
//! it. A [`RouteTable`] comes before that: it names the server that a model's request goes to, by the model's name, the
//! request's headers and its path; an [`HttpRouteTable`] does the same by Gateway API's rules. [`Listeners`] tell where a
//! request came in. Where one endpoint computes prompts and another answers, a [`PairPolicy`] chooses the
//! two together, with what it takes to move the KV between them.
//!
//! This crate does no I/O, reads no clock and knows no names: endpoints are dense [`EndpointId`]s, time is an argument,
//! and what an endpoint's cache holds arrives with the request as [`Evidence`] (`phalanx-kvcache` can say, or anything
//! else).
//!
//! ```
//! use core::time::Duration;
//! use phalanx_routing::{Balancer, Endpoint, Evidence, Outcome, Policy, Request, Seed};
//!
//! let mut balancer = Balancer::new(Seed::from(7));
//! let pool = balancer.add_pool(Policy::preset("phalanx")?);
//! let fleet = [Endpoint::new(), Endpoint::new()].map(|endpoint| balancer.join(endpoint));
//! fleet.map(|endpoint| balancer.enter(pool, endpoint));
//!
//! // 1,000 tokens of prompt, of which the second endpoint holds 800 in its cache.
//! let evidence = [(fleet[1], 800)];
//! let request = Request::new(pool, 42, 1000).with_evidence(Evidence::Tokens(&evidence));
//! let now = Duration::ZERO;
//! let decision = balancer.decide(&request, now)?;
//! assert_eq!((decision.endpoint, decision.uncached_tokens), (fleet[1], 200));
//!
//! // The answer starts, then ends: the load is gone again.
//! let mut reservation = decision.reservation;
//! balancer.first_token(&mut reservation, now + Duration::from_millis(20));
//! balancer.settle(reservation, Outcome::Success, now + Duration::from_millis(900));
//! assert_eq!(balancer.outstanding(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adapter;
mod balancer;
mod columns;
mod endpoint;
mod evidence;
mod explanation;
mod flights;
mod health;
mod kinds;
mod label;
mod lengths;
mod line;
mod link;
mod load;
mod log;
mod odds;
mod pace;
mod pair;
mod policy;
mod pool;
mod price;
mod request;
mod reservation;
mod ring;
mod route;
mod router;
mod scoreboard;
mod seed;
mod sessions;
mod signals;
mod slo;
mod standings;
mod step;

pub use adapter::{AdapterId, AdapterReading, AdapterState};
pub use balancer::Balancer;
pub use endpoint::{Endpoint, EndpointId, Role};
pub use evidence::Noted;
pub use explanation::{Candidate, Contribution, Explanation, Factor, Omission, PairExplanation};
pub use flights::InFlight;
pub use health::{Breaker, BreakerError, Health, Outlier};
pub use label::Labels;
pub use link::{Domain, Link, LinkCosts, LinkError};
pub use load::{Load, Totals};
pub use log::{Answer, Difference, Log, LogError, Report};
pub use pair::{Local, PairDecision, PairError, PairId, PairLeg, PairOrder, PairPolicy, PairRequest, Transfer};
pub use policy::{
    Bound, Combination, FailMode, Filter, Gate, Limit, Measure, Measured, Near, ONE, Overflow, Picker, Policy,
    PolicyError, Priced, Scorer, Targets, Term, Trigger, Unknown, UnknownPolicy, Weighted,
};
pub use pool::PoolId;
pub use request::{Decision, Evidence, Refusal, Request};
pub use reservation::{Outcome, Reservation, Settled};
pub use route::{
    Backend, Condition, GatewayListener, Headers, HostError, HttpMatch, HttpRoute, HttpRouteMatch, HttpRouteTable,
    HttpRouteTableError, HttpRule, Listener, Listeners, ModelRoute, NoHttpRoute, ParentRef, PathMatch, PathRewrite,
    PatternError, RequestHead, RouteError, RouteMatch, RouteRequest, RouteTable, RouteTableError, Rule, StringMatch,
    Target, UrlRewrite, ValueMatch,
};
pub use router::Router;
pub use seed::Seed;
pub use signals::Signals;
pub use slo::{Forecast, Slo};

/// The README's examples, which are run as these docs' are.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
