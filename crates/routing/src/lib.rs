//! Which endpoint a request goes to, and why.
//!
//! A [`Router`] owns what it knows about each endpoint's load in plain columns, a [`Policy`] that turns it into a cost,
//! and a [`Seed`] for ties. A decision counts its load at once and hands out a [`Reservation`], which has to be settled
//! on every path, so that the load is the router's own account and never a stale reading of somebody's metrics. The same
//! request against the same state gives the same answer, and [`Router::explain`] shows the terms that led to it.
//! A [`RouteTable`] comes before that: it names the server that a model's request goes to, by the model's name, the
//! request's headers and its path; an [`HttpRouteTable`] does the same by Gateway API's rules. [`Listeners`] tell where a
//! request came in.
//!
//! This crate does no I/O, reads no clock and knows no names: endpoints are dense [`EndpointId`]s, time is an argument,
//! and what an endpoint's cache holds arrives with the request as tokens (`phalanx-kvcache` can say, or anything else).
//!
//! ```
//! use core::time::Duration;
//! use phalanx_routing::{Outcome, Policy, Request, Router, Seed};
//!
//! let mut router = Router::new(Policy::parse("prefix-aware")?, Seed::from(7));
//! let fleet = [router.join(), router.join()];
//!
//! // 1,000 tokens of prompt, of which the second endpoint holds 800 in its cache.
//! let evidence = [(fleet[1], 800)];
//! let request = Request { key: 42, prompt_tokens: 1000, evidence: &evidence, candidates: &fleet, excluded: &[] };
//! let now = Duration::ZERO;
//! let decision = router.decide(&request, now)?;
//! assert_eq!((decision.endpoint, decision.uncached_tokens), (fleet[1], 200));
//!
//! // The answer starts, then ends: the load is gone again.
//! let mut reservation = decision.reservation;
//! router.first_token(&mut reservation, now + Duration::from_millis(20));
//! router.settle(reservation, Outcome::Success, now + Duration::from_millis(900));
//! assert_eq!(router.outstanding(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod columns;
mod cost;
mod endpoint;
mod explanation;
mod policy;
mod request;
mod reservation;
mod route;
mod router;
mod seed;

pub use columns::{Load, Totals};
pub use cost::{Contribution, Term};
pub use endpoint::EndpointId;
pub use explanation::{Candidate, Explanation, Omission};
pub use policy::{Policy, PrefixAware, UnknownPolicy};
pub use request::{Decision, Refusal, Request};
pub use reservation::{Outcome, Reservation, Settled};
pub use route::{
    Backend, Condition, GatewayListener, Headers, HostError, HttpMatch, HttpRoute, HttpRouteMatch, HttpRouteTable,
    HttpRouteTableError, HttpRule, Listener, Listeners, ModelRoute, NoHttpRoute, ParentRef, PathMatch, PathRewrite,
    PatternError, RequestHead, RouteError, RouteMatch, RouteRequest, RouteTable, RouteTableError, Rule, StringMatch,
    Target, UrlRewrite, ValueMatch,
};
pub use router::Router;
pub use seed::Seed;
