//! How long somebody is waited for.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A limit on each wait, and one on all of them. The timer is made when the first wait begins and set anew only when it
/// fires, so a stream costs one timer, however many chunks it has.
#[derive(Debug)]
pub(crate) struct Patience {
    each: Option<Duration>,
    all: Option<Instant>,
    /// When the wait under way began.
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(crate) fn new(each: Option<Duration>, all: Option<Instant>) -> Self {
        Self { each, all, since: None, timer: None }
    }

    /// What was waited for is here.
    pub(crate) fn rest(&mut self) {
        self.since = None;
    }

    /// Waits on: ready when a limit has passed.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.each.is_none() && self.all.is_none() {
            return Poll::Pending;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        let each = self.each.map(|limit| since + limit);
        let Some(due) = each.into_iter().chain(self.all).min() else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        while timer.as_mut().poll(context).is_ready() {
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            // It was set for an earlier wait.
            timer.as_mut().reset(due);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Waits for `time`; `false` when patience ends before.
    async fn waits(patience: &mut Patience, time: Duration) -> bool {
        let came = tokio::select! {
            biased;
            () = poll_fn(|context| patience.poll(context)) => false,
            () = tokio::time::sleep(time) => true,
        };
        patience.rest();
        came
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_limit_and_all_have_one() {
        let mut patience = Patience::new(Some(3 * SECOND), Some(Instant::now() + 10 * SECOND));
        assert!(waits(&mut patience, 2 * SECOND).await);
        assert!(waits(&mut patience, 2 * SECOND).await);
        assert!(!waits(&mut patience, 4 * SECOND).await);
        assert!(waits(&mut patience, 2 * SECOND).await);
        // Nine seconds have passed: a wait of two is too long for all.
        assert!(!waits(&mut patience, 2 * SECOND).await);
    }

    #[tokio::test(start_paused = true)]
    async fn without_limits_it_has_no_end_and_no_timer() {
        let mut patience = Patience::new(None, None);
        assert!(waits(&mut patience, 86_400 * SECOND).await);
        assert!(patience.timer.is_none());
    }
}
