//! How many further tries there may be.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Retry;

/// Thousandths of a try.
const TRY: u64 = 1000;
/// So many seconds' worth is saved up.
const SAVED_SECONDS: u64 = 10;

/// What is left for further tries: requests pay in a share of themselves, time pays in a few a second, and each further
/// try takes one out.
#[derive(Debug)]
pub(crate) struct Budget {
    share: u64,
    per_second: u64,
    /// Requests so far: all that a request costs that succeeds.
    requests: AtomicU64,
    purse: Mutex<Purse>,
}

#[derive(Debug)]
struct Purse {
    /// Thousandths of a try.
    left: u64,
    /// The requests that have paid in.
    requests: u64,
    /// Until when time has paid in, since the gateway's start.
    paid: Duration,
}

impl Budget {
    pub(crate) fn new(retry: &Retry) -> Self {
        let per_second = u64::from(retry.per_second);
        let purse = Purse { left: per_second * SAVED_SECONDS * TRY, requests: 0, paid: Duration::ZERO };
        let share = u64::from(retry.share_permille);
        Self { share, per_second, requests: AtomicU64::new(0), purse: Mutex::new(purse) }
    }

    /// Counts a request.
    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one try out; `false` when there is none.
    pub(crate) fn take(&self, now: Duration) -> bool {
        let requests = self.requests.load(Ordering::Relaxed);
        // Whoever panicked here has left numbers that are as good as any.
        let mut purse = self.purse.lock().unwrap_or_else(PoisonError::into_inner);
        let time = u64::try_from(now.saturating_sub(purse.paid).as_millis()).unwrap_or(u64::MAX);
        let new = requests.saturating_sub(purse.requests);
        let paid_in = time.saturating_mul(self.per_second).saturating_add(new.saturating_mul(self.share));
        // A share of a burst of requests is for that burst.
        let most = (self.per_second * SAVED_SECONDS).max(SAVED_SECONDS) * TRY;
        purse.left = purse.left.saturating_add(paid_in).min(most);
        purse.requests = purse.requests.max(requests);
        // What is less than a millisecond is paid in later.
        purse.paid += Duration::from_millis(time);
        match purse.left.checked_sub(TRY) {
            Some(left) => {
                purse.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(share_permille: u32, per_second: u32) -> Budget {
        Budget::new(&Retry::new().with_budget(share_permille, per_second).expect("valid"))
    }

    fn drain(budget: &Budget, now: Duration) -> usize {
        (0..10_000).take_while(|_| budget.take(now)).count()
    }

    #[test]
    fn time_pays_in_up_to_ten_seconds() {
        let budget = budget(0, 10);
        assert_eq!(drain(&budget, Duration::ZERO), 100);
        assert_eq!(drain(&budget, Duration::from_millis(50)), 0);
        assert_eq!(drain(&budget, Duration::from_millis(150)), 1);
        assert_eq!(drain(&budget, Duration::from_millis(1100)), 10);
        assert_eq!(drain(&budget, Duration::from_secs(3600)), 100);
        // A clock that goes back pays nothing.
        assert_eq!(drain(&budget, Duration::ZERO), 0);
    }

    #[test]
    fn requests_pay_in_a_share() {
        let budget = budget(200, 0);
        assert_eq!(drain(&budget, Duration::from_secs(60)), 0);
        (0..4).for_each(|_| budget.request());
        assert_eq!(drain(&budget, Duration::from_secs(60)), 0);
        budget.request();
        assert_eq!(drain(&budget, Duration::from_secs(60)), 1);
        // More than is saved up is for a burst that fails at once.
        (0..1000).for_each(|_| budget.request());
        assert_eq!(drain(&budget, Duration::from_secs(60)), 10);
    }

    #[test]
    fn without_a_budget_nothing_is_tried_again() {
        let budget = budget(0, 0);
        budget.request();
        assert!(!budget.take(Duration::from_secs(60)));
    }
}
