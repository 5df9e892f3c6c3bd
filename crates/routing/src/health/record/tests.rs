//! How an endpoint goes out and comes back.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn breaker() -> Breaker {
    let breaker = Breaker::new().with_failures(3).expect("in range").with_trials(2, 2).expect("in range");
    breaker.with_pause(10 * SECOND, 40 * SECOND).expect("in range").with_outlier(None).expect("in range")
}

/// A record alone, at a time.
struct Alone {
    record: Record,
    shares: Shares,
    now: Duration,
}

impl Alone {
    fn new() -> Self {
        Self { record: Record::default(), shares: Shares::default(), now: Duration::ZERO }
    }

    /// A request decided a second ago ends; says whether that puts it out.
    fn end(&mut self, succeeded: Option<bool>) -> bool {
        let decided = self.now;
        self.now += SECOND;
        self.record.end(&breaker(), &mut self.shares, decided, succeeded, self.now)
    }

    fn open(&mut self) -> Duration {
        self.record.open(&breaker(), &mut self.shares, self.now) - self.now
    }

    fn wait(&mut self) {
        let State::Out { until } = self.record.state else { panic!("it is out") };
        self.now = until;
        assert!(self.record.try_out(until));
    }
}

#[test]
fn failures_in_a_row_put_it_out_and_a_success_breaks_the_row() {
    let mut alone = Alone::new();
    assert_eq!([Some(false), Some(false), Some(true)].map(|how| alone.end(how)), [false; 3]);
    assert_eq!([Some(false), None, Some(false), Some(false)].map(|how| alone.end(how)), [false, false, false, true]);
}

#[test]
fn a_trial_that_fails_doubles_the_pause_up_to_the_longest() {
    let mut alone = Alone::new();
    for seconds in [10, 20, 40, 40] {
        assert_eq!(alone.open(), seconds * SECOND);
        assert!(alone.record.is_out(&breaker()));
        alone.wait();
        assert!(!alone.record.is_out(&breaker()));
        alone.record.begin();
        alone.record.begin();
        assert!(alone.record.is_out(&breaker()), "two trials at once");
        assert!(!alone.end(None));
        assert!(!alone.record.is_out(&breaker()));
        assert!(alone.end(Some(false)));
    }
}

#[test]
fn enough_trials_that_succeed_bring_it_back_and_a_long_time_without_failure_begins_anew() {
    let mut alone = Alone::new();
    assert_eq!(alone.open(), 10 * SECOND);
    alone.wait();
    for is_in in [false, true] {
        alone.record.begin();
        alone.end(Some(true));
        assert_eq!(alone.record.is_in(), is_in);
    }
    let mut soon = Alone { record: alone.record, shares: alone.shares, now: alone.now };
    assert_eq!(soon.open(), 20 * SECOND);
    alone.now += 40 * SECOND;
    alone.end(Some(true));
    assert_eq!(alone.open(), 10 * SECOND);
}

#[test]
fn what_was_sent_before_the_trial_says_nothing() {
    let mut alone = Alone::new();
    alone.open();
    alone.wait();
    let before = alone.now - SECOND;
    assert!(!alone.record.end(&breaker(), &mut alone.shares, before, Some(false), alone.now));
    assert_eq!(alone.record.state, State::OnTrial { since: alone.now, in_flight: 0, successes: 0 });
}

#[test]
fn an_outlier_is_out_of_line_with_the_others() {
    let outlier = Outlier { deviations_permille: 1900, share_ppm: 100_000, outcomes: 10, endpoints: 5 };
    let breaker = Breaker::new().with_failures(64).expect("in range").with_outlier(Some(outlier)).expect("in range");
    let mut shares = Shares::default();
    let mut fleet = [Record::default(); 10];
    let mut end = |record: &mut Record, succeeded: bool| {
        record.end(&breaker, &mut shares, Duration::ZERO, Some(succeeded), Duration::ZERO)
    };
    for record in &mut fleet {
        for _ in 0..10 {
            assert!(!end(record, true));
        }
    }
    // A tenth is in line: 1 of 11, and then 2 of 12 alone is not.
    assert!(!end(&mut fleet[0], false));
    assert!(end(&mut fleet[0], false));
    // Where all fail alike nobody is.
    for record in &mut fleet[1..9] {
        end(record, false);
        end(record, false);
    }
    assert_eq!([false; 2].map(|succeeded| end(&mut fleet[9], succeeded)), [false; 2]);
}
