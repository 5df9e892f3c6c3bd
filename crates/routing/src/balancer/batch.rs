//! Several requests at once.

use core::time::Duration;

use super::Balancer;
use crate::request::{Decision, Refusal, Request};

impl Balancer {
    /// Decides requests that came together, in their order, each of which sees the load of those before it; appends an
    /// answer for each to `answers`. It is as if they were [decided](Self::decide) one by one at the same time.
    ///
    /// Allocates nothing once the buffers are warm and `answers` has room.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Policy, Request, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(0));
    /// let pool = balancer.add_pool(Policy::least_request());
    /// let fleet = [Endpoint::new(), Endpoint::new()].map(|endpoint| balancer.join(endpoint));
    /// fleet.map(|endpoint| balancer.enter(pool, endpoint));
    /// let requests: Vec<_> = (0..6).map(|key| Request::new(pool, key, 100)).collect();
    /// let mut answers = Vec::new();
    /// balancer.decide_batch(&requests, Duration::ZERO, &mut answers);
    /// assert_eq!(fleet.map(|endpoint| balancer.load(endpoint).in_flight), [3, 3]);
    /// # let _ = answers;
    /// ```
    pub fn decide_batch(
        &mut self,
        requests: &[Request<'_>],
        now: Duration,
        answers: &mut Vec<Result<Decision, Refusal>>,
    ) {
        answers.reserve(requests.len());
        answers.extend(requests.iter().map(|request| self.decide(request, now)));
    }
}
