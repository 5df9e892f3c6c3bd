//! The load that a decision counted, until it is settled.

use core::time::Duration;

use crate::endpoint::EndpointId;

/// The load of one request under way: a claim on the balancer that [`decide`](crate::Balancer::decide)d it, given back by
/// [`settle`](crate::Balancer::settle).
///
/// It cannot be cloned, so it cannot be settled twice. One that is dropped instead leaves its load counted until
/// [`Balancer::reclaim`](crate::Balancer::reclaim) finds it: hold it in a guard that settles as
/// [`ClientGone`](Outcome::ClientGone) when work is abandoned.
///
/// ```compile_fail
/// use core::time::Duration;
/// use phalanx_routing::{Balancer, Outcome, Reservation};
///
/// fn twice(balancer: &mut Balancer, reservation: Reservation) {
///     balancer.settle(reservation, Outcome::Success, Duration::ZERO);
///     balancer.settle(reservation, Outcome::Success, Duration::ZERO);
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "load is counted until the reservation is settled"]
pub struct Reservation {
    pub(crate) endpoint: EndpointId,
    pub(crate) flight: u32,
    pub(crate) serial: u64,
    pub(crate) prefilling: bool,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The answer was complete.
    Success,
    /// The endpoint failed or refused before the answer began.
    Error,
    /// The client went away.
    ClientGone,
    /// The endpoint's answer broke off.
    Cut,
    /// The endpoint was not asked after all.
    Unused,
}

/// What a settled request took, by the times that the caller gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settled {
    /// From the decision to the first token, if one came.
    pub first_token: Option<Duration>,
    /// From the decision to the end.
    pub total: Duration,
}

impl Reservation {
    /// The endpoint that bears the load.
    #[must_use]
    pub fn endpoint(&self) -> EndpointId {
        self.endpoint
    }

    /// Whether the prompt is still to be computed, as far as the balancer was told.
    #[must_use]
    pub fn is_prefilling(&self) -> bool {
        self.prefilling
    }
}
