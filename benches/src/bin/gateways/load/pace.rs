//! Arrivals at their own times: a thread that sleeps until each, since a poll waits in whole milliseconds only.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use mio::Waker;

/// When requests are to be sent.
pub(super) struct Pace {
    due: Receiver<Instant>,
    start: Option<Box<dyn FnOnce(Waker) + Send>>,
}

impl Pace {
    /// Arrivals with such gaps, without end or so many.
    pub(super) fn new(gap: impl FnMut() -> Duration + Send + 'static, most: Option<usize>) -> Self {
        let (send, due) = mpsc::channel();
        Self { due, start: Some(Box::new(move |waker| arrive(gap, most, &send, &waker))) }
    }

    /// Lets time begin.
    pub(super) fn start(&mut self, waker: Waker) {
        if let Some(start) = self.start.take() {
            // Ends with the receiver.
            thread::spawn(move || start(waker));
        }
    }

    /// Those that have come since the last call.
    pub(super) fn due(&self) -> impl Iterator<Item = Instant> {
        self.due.try_iter()
    }
}

fn arrive(mut gap: impl FnMut() -> Duration, most: Option<usize>, send: &Sender<Instant>, waker: &Waker) {
    let mut next = Instant::now();
    for _ in 0..most.unwrap_or(usize::MAX) {
        next += gap();
        thread::sleep(next.saturating_duration_since(Instant::now()));
        if send.send(next).is_err() || waker.wake().is_err() {
            return;
        }
    }
}
