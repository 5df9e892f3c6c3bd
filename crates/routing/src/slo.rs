//! What an answer is promised to take, and what it is expected to take.

use core::time::Duration;

/// The most that an answer should take: what is not said is not promised.
///
/// ```
/// use core::time::Duration;
/// use phalanx_routing::Slo;
///
/// let slo = Slo { ttft: Some(Duration::from_secs(2)), ..Slo::default() };
/// assert_eq!(slo.tpot, None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Slo {
    /// Until its first token.
    pub ttft: Option<Duration>,
    /// For each further token, in the mean.
    pub tpot: Option<Duration>,
}

/// What an answer is expected to take at an endpoint: see [`Balancer::forecast`](crate::Balancer::forecast).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forecast {
    /// Until its first token.
    pub ttft: Duration,
    /// For each further token.
    pub tpot: Duration,
}

impl Slo {
    /// With what is not said taken from another.
    pub(crate) fn or(self, other: Self) -> Self {
        Self { ttft: self.ttft.or(other.ttft), tpot: self.tpot.or(other.tpot) }
    }
}

impl Forecast {
    /// Whether that keeps the promise.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Policy, Request, Seed, Slo};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let (pool, endpoint) = (balancer.add_pool(Policy::phalanx()), balancer.join(Endpoint::new()));
    /// let request = Request::new(pool, 1, 10_000);
    /// let forecast = balancer.forecast(endpoint, &request, Duration::ZERO).expect("it is there");
    /// // 10,000 tokens at 80.5 µs.
    /// assert_eq!(forecast.ttft, Duration::from_millis(805));
    /// assert!(forecast.meets(Slo { ttft: Some(Duration::from_secs(1)), tpot: None }));
    /// ```
    #[must_use]
    pub fn meets(self, slo: Slo) -> bool {
        slo.ttft.is_none_or(|most| self.ttft <= most) && slo.tpot.is_none_or(|most| self.tpot <= most)
    }
}
