//! How long somebody is waited for.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A wait is too long when the timer has fired so often in it.
const TURNS: u32 = 4;
/// Without a limit of each wait: as long as any timer lasts.
const FAR: Duration = Duration::from_secs(86_400);

/// A limit on each wait, and one on all of them. A wait ends no sooner than its limit says, and a quarter of it later at
/// most. There is one timer, made when the first wait begins; no wait reads a clock, and only a timer that fires is set
/// anew, so a stream of many chunks costs no more than one of few. Polled by one task only.
#[derive(Debug)]
pub(crate) struct Patience {
    each: Option<Duration>,
    all: Option<Instant>,
    /// How often the timer has fired in this wait.
    turns: u32,
    /// Whether something came since the timer was set.
    came: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(crate) fn new(each: Option<Duration>, all: Option<Instant>) -> Self {
        Self { each, all, turns: 0, came: false, timer: None }
    }

    /// What was waited for is here.
    pub(crate) fn rest(&mut self) {
        self.came = true;
    }

    /// Waits on: ready when a limit has passed.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &self.timer {
            // It wakes the task that it was set by.
            Some(timer) if !timer.is_elapsed() => return Poll::Pending,
            Some(_) => {}
            None if self.each.is_none() && self.all.is_none() => return Poll::Pending,
            None => self.came = false,
        }
        let mut now = Instant::now();
        loop {
            if self.all.is_some_and(|all| now >= all) {
                return Poll::Ready(());
            }
            let turn = self.each.map_or(FAR, |each| each / TURNS).max(Duration::from_millis(1));
            let due = self.all.map_or(now + turn, |all| all.min(now + turn));
            match &mut self.timer {
                None => self.timer = Some(Box::pin(sleep_until(due))),
                Some(timer) => {
                    self.turns = if std::mem::take(&mut self.came) { 0 } else { self.turns + 1 };
                    if self.each.is_some() && self.turns >= TURNS {
                        return Poll::Ready(());
                    }
                    timer.as_mut().reset(due);
                }
            }
            match self.timer.as_mut().map(|timer| timer.as_mut().poll(context)) {
                Some(Poll::Ready(())) => now = Instant::now(),
                _ => return Poll::Pending,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Waits for `time`; how long when patience ends before.
    async fn wait(patience: &mut Patience, time: Duration) -> Option<Duration> {
        let start = Instant::now();
        let late = tokio::time::timeout(time, poll_fn(|context| patience.poll(context))).await;
        let late = late.ok().map(|()| start.elapsed());
        patience.rest();
        late
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_lasts_its_limit_and_a_quarter_at_most() {
        for early in 0..12 {
            let mut patience = Patience::new(Some(4 * SECOND), None);
            for _ in 0..early {
                assert_eq!(wait(&mut patience, SECOND * 7 / 10).await, None);
            }
            // Nobody waits meanwhile.
            tokio::time::advance(early * SECOND * 3).await;
            assert_eq!(wait(&mut patience, 3 * SECOND).await, None);
            let late = wait(&mut patience, 10 * SECOND).await.expect("too long");
            assert!(late >= 4 * SECOND && late <= 5 * SECOND + SECOND / 100, "{early}: {late:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_waits_have_a_limit() {
        for each in [None, Some(4 * SECOND)] {
            let mut patience = Patience::new(each, Some(Instant::now() + 9 * SECOND));
            for _ in 0..8 {
                assert_eq!(wait(&mut patience, SECOND).await, None);
            }
            let late = wait(&mut patience, 3 * SECOND).await.expect("too long");
            assert!(late >= SECOND && late < 2 * SECOND, "{late:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_limits_it_has_no_end_and_no_timer() {
        let mut patience = Patience::new(None, None);
        assert_eq!(wait(&mut patience, 86_400 * SECOND).await, None);
        assert!(patience.timer.is_none());
    }
}
