//! What a gateway does when engines, clients or the network fail it.

use std::time::Duration;

use phalanx_routing::Breaker;

use super::GatewayConfig;
use crate::access_log::AccessLog;
use crate::decision_log::DecisionLog;
use crate::limits::{Drain, Limits};
use crate::probe::HealthCheck;
use crate::retry::Retry;

/// How long an engine may take for the parts of an answer; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the response head, in one try. Another endpoint is tried then. None.
    pub per_try: Option<Duration>,
    /// Until the response head, over all tries: 504. None.
    pub head: Option<Duration>,
    /// From one part of the body to the next: the answer is cut, as if the engine had died. 5 minutes.
    pub idle: Option<Duration>,
    /// Until the answer's end, from the request's head on: 504 before the response head, cut after it. None.
    pub total: Option<Duration>,
}

/// The settings of a [`GatewayConfig`] that matter when something fails.
#[derive(Clone, Debug)]
pub(crate) struct Care {
    pub(crate) limits: Limits,
    pub(crate) connect_timeout: Duration,
    pub(crate) retry: Retry,
    pub(crate) drain: Drain,
    pub(crate) breaker: Option<Breaker>,
    pub(crate) health_check: Option<HealthCheck>,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) decision_log: Option<DecisionLog>,
}

impl GatewayConfig {
    /// With other limits for clients.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.care.limits = limits;
        self
    }

    /// With another limit for an engine to accept a connection, 5 s by default. Another endpoint is tried then.
    #[must_use]
    pub fn with_connect_timeout(mut self, limit: Duration) -> Self {
        self.care.connect_timeout = limit;
        self
    }

    /// With other rules for further tries.
    ///
    /// ```
    /// use phalanx_gateway::{GatewayConfig, Retry};
    /// use phalanx_routing::{ModelRoute, Policy, RouteTable};
    ///
    /// let routes = RouteTable::new([ModelRoute::to("tiny", "server")])?;
    /// let retry = Retry::new().with_tries(2)?.with_statuses([503])?;
    /// let config = GatewayConfig::new(routes, Policy::least_request()).with_retry(retry);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.care.retry = retry;
        self
    }

    /// With another end.
    #[must_use]
    pub fn with_drain(mut self, drain: Drain) -> Self {
        self.care.drain = drain;
        self
    }

    /// With another breaker, or none: then an endpoint gets requests however many of them fail there.
    #[must_use]
    pub fn with_breaker(mut self, breaker: Option<Breaker>) -> Self {
        self.care.breaker = breaker;
        self
    }

    /// With every endpoint asked again and again whether it is well. Without this call none is.
    #[must_use]
    pub fn with_health_check(mut self, check: HealthCheck) -> Self {
        self.care.health_check = Some(check);
        self
    }

    /// With a line for each request. Without this call there is no log.
    #[must_use]
    pub fn with_access_log(mut self, log: AccessLog) -> Self {
        self.care.access_log = Some(log);
        self
    }

    /// With every decision written down, so that it can be made again, also by another policy. A decision takes a few
    /// microseconds longer then. Takes effect at the start only. Without this call nothing is written.
    #[must_use]
    pub fn with_decision_log(mut self, log: DecisionLog) -> Self {
        self.care.decision_log = Some(log);
        self
    }
}

impl Default for Care {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            connect_timeout: Duration::from_secs(5),
            retry: Retry::new(),
            drain: Drain::default(),
            breaker: Some(Breaker::new()),
            health_check: None,
            access_log: None,
            decision_log: None,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { per_try: None, head: None, idle: Some(Duration::from_secs(300)), total: None }
    }
}
