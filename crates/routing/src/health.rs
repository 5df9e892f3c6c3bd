//! Who is left alone for a while because what was sent there failed.

mod error;
mod record;

use core::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::error::BreakerError;
pub(crate) use self::record::{Record, Shares, State};

/// A whole, in parts of a million.
const WHOLE: u32 = 1_000_000;

/// When an endpoint is left alone, for how long, and how it comes back.
///
/// An endpoint is *in* until so many requests in a row have failed there, or until its failures are out of line with those
/// of the others. Then it is *out*: it is no candidate while there are others. After a pause it is *on trial*: it gets a few
/// requests at once, and is in again when enough of them succeed; when one fails it is out for twice as long as before.
///
/// [`Outcome::Error`](crate::Outcome::Error) and [`Outcome::Cut`](crate::Outcome::Cut) are failures,
/// [`Outcome::Success`](crate::Outcome::Success) is a success, and the others say nothing about the endpoint.
///
/// ```
/// use core::time::Duration;
/// use phalanx_routing::{Balancer, Breaker, Endpoint, Health, Outcome, Policy, Request, Seed};
///
/// let mut balancer = Balancer::new(Seed::from(0)).with_breaker(Breaker::new().with_failures(2)?);
/// let pool = balancer.add_pool(Policy::phalanx());
/// let fleet = [Endpoint::new(), Endpoint::new()].map(|endpoint| balancer.join(endpoint));
/// fleet.map(|endpoint| balancer.enter(pool, endpoint));
/// for key in 0..2 {
///     let request = Request::new(pool, key, 1000).with_subset(&fleet[..1]);
///     let reservation = balancer.decide(&request, Duration::ZERO)?.reservation;
///     balancer.settle(reservation, Outcome::Error, Duration::from_secs(1));
/// }
/// assert_eq!(balancer.health(fleet[0]), Health::Out { until: Duration::from_secs(31) });
/// balancer.handle_timeout(Duration::from_secs(31));
/// assert_eq!(balancer.health(fleet[0]), Health::OnTrial);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Breaker {
    pub(crate) failures: u32,
    pub(crate) pause: Duration,
    pub(crate) longest_pause: Duration,
    pub(crate) trials: u32,
    pub(crate) successes: u32,
    pub(crate) outlier: Option<Outlier>,
    pub(crate) most_out_ppm: u32,
}

/// When an endpoint's failures are out of line with the others': their share among its last 64 outcomes is above the mean
/// of all endpoints by more than so many standard deviations, and above a floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outlier {
    /// Thousandths of the standard deviation of the shares of all endpoints that had enough outcomes.
    pub deviations_permille: u32,
    /// A share of failures up to this is in line, in parts of a million.
    pub share_ppm: u32,
    /// So many outcomes are enough, 1 to 64.
    pub outcomes: u32,
    /// So many endpoints have to have enough, 2 or more.
    pub endpoints: u32,
}

/// How an endpoint stands with its [`Breaker`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It gets requests.
    #[default]
    In,
    /// It gets none, as long as there are others.
    Out {
        /// Until this time, since the caller's epoch.
        until: Duration,
    },
    /// It gets a few, to see how they end.
    OnTrial,
}

/// A breaker as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    failures: u32,
    pause_millis: u64,
    longest_pause_millis: u64,
    trials: u32,
    successes: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outlier: Option<Outlier>,
    most_out_ppm: u32,
}

impl Breaker {
    /// Out after five failures in a row or with a share of failures above a tenth and 1.9 standard deviations above the
    /// mean, for 30 seconds the first time and 300 at the most, one trial at a time, three successes to come back, and no
    /// more than half of a pool out at once. The numbers are those that Envoy's outlier detection and SMG's circuit breaker
    /// have made usual; half of a pool is ours, since a fleet of engines is smaller than one of web servers.
    #[must_use]
    pub const fn new() -> Self {
        let outlier = Outlier { deviations_permille: 1900, share_ppm: 100_000, outcomes: 32, endpoints: 5 };
        Self {
            failures: 5,
            pause: Duration::from_secs(30),
            longest_pause: Duration::from_secs(300),
            trials: 1,
            successes: 3,
            outlier: Some(outlier),
            most_out_ppm: 500_000,
        }
    }

    /// Out after so many failures in a row.
    ///
    /// # Errors
    ///
    /// [`BreakerError`] for 0.
    pub fn with_failures(self, failures: u32) -> Result<Self, BreakerError> {
        Self { failures, ..self }.checked()
    }

    /// Out for so long the first time, twice as long each time after that, and never longer than `longest`. An endpoint
    /// that came back and had no failure for the longest pause begins anew.
    ///
    /// # Errors
    ///
    /// [`BreakerError`] for a first pause of 0 or above the longest, and for one above a hundred years.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::Breaker;
    ///
    /// let seconds = Duration::from_secs;
    /// assert!(Breaker::new().with_pause(seconds(5), seconds(60)).is_ok());
    /// assert!(Breaker::new().with_pause(seconds(61), seconds(60)).is_err());
    /// ```
    pub fn with_pause(self, first: Duration, longest: Duration) -> Result<Self, BreakerError> {
        Self { pause: first, longest_pause: longest, ..self }.checked()
    }

    /// On trial with so many requests at once, and in again after so many successes.
    ///
    /// # Errors
    ///
    /// [`BreakerError`] for 0 of either.
    pub fn with_trials(self, at_once: u32, successes: u32) -> Result<Self, BreakerError> {
        Self { trials: at_once, successes, ..self }.checked()
    }

    /// With another meaning of out of line; none at all leaves failures in a row alone.
    ///
    /// # Errors
    ///
    /// [`BreakerError`], which names the field.
    ///
    /// ```
    /// use phalanx_routing::{Breaker, Outlier};
    ///
    /// let outlier = Outlier { deviations_permille: 3000, share_ppm: 500_000, outcomes: 64, endpoints: 10 };
    /// assert!(Breaker::new().with_outlier(Some(outlier)).is_ok());
    /// assert!(Breaker::new().with_outlier(Some(Outlier { outcomes: 65, ..outlier })).is_err());
    /// ```
    pub fn with_outlier(self, outlier: Option<Outlier>) -> Result<Self, BreakerError> {
        Self { outlier, ..self }.checked()
    }

    /// Never more out at once than this share of a pool, in parts of a million; of two or more members one may always be
    /// out.
    ///
    /// # Errors
    ///
    /// [`BreakerError`] for more than a million.
    pub fn with_most_out(self, ppm: u32) -> Result<Self, BreakerError> {
        Self { most_out_ppm: ppm, ..self }.checked()
    }

    fn checked(self) -> Result<Self, BreakerError> {
        let century = Duration::from_secs(100 * 366 * 86_400);
        let check = |holds: bool, field: &'static str, expected: &'static str| {
            if holds { Ok(()) } else { Err(BreakerError { field, expected }) }
        };
        check(self.failures > 0, "failures", "1 or more")?;
        check(!self.pause.is_zero(), "pause", "more than 0")?;
        check(self.pause <= self.longest_pause, "pause", "no more than the longest pause")?;
        check(self.longest_pause <= century, "longest pause", "a hundred years at the most")?;
        check(self.trials > 0, "trials", "1 or more")?;
        check(self.successes > 0, "successes", "1 or more")?;
        check(self.most_out_ppm <= WHOLE, "most out", "a million parts at the most")?;
        if let Some(outlier) = self.outlier {
            check((1..=64).contains(&outlier.outcomes), "outlier.outcomes", "1 to 64")?;
            check(outlier.endpoints >= 2, "outlier.endpoints", "2 or more")?;
            check(outlier.share_ppm <= WHOLE, "outlier.share", "a million parts at the most")?;
            check(outlier.deviations_permille <= WHOLE, "outlier.deviations", "a million at the most")?;
        }
        Ok(self)
    }

    /// How long the next pause is, after so many in a row.
    pub(crate) fn pause_after(&self, pauses: u32) -> Duration {
        let doubled = 1_u32.checked_shl(pauses).and_then(|times| self.pause.checked_mul(times));
        doubled.map_or(self.longest_pause, |pause| pause.min(self.longest_pause))
    }

    /// Whether one more of a pool may be out.
    pub(crate) fn allows(&self, out: u32, members: u32) -> bool {
        let limit = (u64::from(members) * u64::from(self.most_out_ppm) / u64::from(WHOLE)).max(1);
        members > 1 && u64::from(out) < limit
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

impl TryFrom<Written> for Breaker {
    type Error = BreakerError;

    fn try_from(written: Written) -> Result<Self, BreakerError> {
        let Written { failures, pause_millis, longest_pause_millis, trials, successes, outlier, most_out_ppm } =
            written;
        let (pause, longest_pause) = (Duration::from_millis(pause_millis), Duration::from_millis(longest_pause_millis));
        Self { failures, pause, longest_pause, trials, successes, outlier, most_out_ppm }.checked()
    }
}

impl From<Breaker> for Written {
    fn from(breaker: Breaker) -> Self {
        let Breaker { failures, pause, longest_pause, trials, successes, outlier, most_out_ppm } = breaker;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (pause_millis, longest_pause_millis) = (millis(pause), millis(longest_pause));
        Self { failures, pause_millis, longest_pause_millis, trials, successes, outlier, most_out_ppm }
    }
}
