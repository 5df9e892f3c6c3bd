//! The task that follows one engine.

use core::time::Duration;

use phalanx_kvcache::feed::Standing;
use phalanx_kvcache::{Applied, Change};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::live::{News, subscribe};
use super::reader::Reader;
use super::replay::{Answer, Replay};
use super::{EventReport, EventSource};
use crate::child::Child;
use crate::watch::Reporter;

/// News that may wait to be taken: behind them the connection waits, and behind that the engine lets go.
const WAITING: usize = 64;
/// When the first look comes whether something was missed while the subscription was made.
const SETTLED: Duration = Duration::from_secs(1);

/// Follows until it is aborted.
pub(super) async fn follow<F>(source: EventSource, seed: u64, mut reader: Reader<F>, reporter: Reporter<EventReport>)
where
    F: FnMut(Change<'_>) -> Applied + Send + 'static,
{
    let epoch = Instant::now();
    let (sender, mut news) = mpsc::channel(WAITING);
    let _live = Child::start(subscribe(source.clone(), seed, sender));
    let mut replay: Option<Replay> = None;
    let mut look: Option<Duration> = None;
    let mut misses = Misses::default();
    loop {
        let due = reader.feed.next_timeout().into_iter().chain(look).min();
        tokio::select! {
            item = news.recv() => {
                let Some(item) = item else { return };
                let now = epoch.elapsed();
                look = Some(now + source.silence);
                match item {
                    News::Batch { seq, payload } => reader.feed.on_live(seq, payload, now),
                    News::Unreadable => reader.on_unreadable(),
                    News::Connected => {
                        look = Some(now + source.silence.min(SETTLED));
                        reader.on_connected(now);
                    }
                    News::Lost(error) => {
                        look = None;
                        reader.on_lost(error, now);
                    }
                }
            }
            (ticket, answer) = next(&mut replay) => {
                let now = epoch.elapsed();
                match answer {
                    Answer::Batch { seq, payload } => reader.feed.on_replayed(ticket, seq, payload, now),
                    Answer::Over(Ok(())) => {
                        misses = Misses::default();
                        reader.feed.on_replay_end(ticket, now);
                        replay = None;
                    }
                    Answer::Over(Err(error)) => {
                        misses.add(source.silence, now);
                        reader.on_failure(error);
                        reader.feed.on_replay_failed(ticket);
                        replay = None;
                    }
                }
            }
            () = until(due.map(|due| epoch + due)) => {
                let now = epoch.elapsed();
                if reader.feed.next_timeout().is_some_and(|due| due <= now) {
                    misses.add(source.silence, now);
                    reader.feed.on_timeout(now);
                }
                if look.is_some_and(|due| due <= now) {
                    look = Some(now + source.silence);
                    if source.replay.is_some() && reader.feed.standing() != Standing::CatchingUp {
                        if misses.count == 0 {
                            reader.feed.check(now);
                        } else if misses.retry <= now {
                            reader.feed.start_over(now);
                        }
                    }
                }
            }
        }
        if let Some(wanted) = reader.work() {
            replay = source.replay.as_ref().map(|address| Replay::start(&source, address, wanted, seed));
        } else if reader.report().standing != Standing::CatchingUp {
            replay = None;
        }
        reporter.send_if_modified(|report| {
            let is_news = report != reader.report();
            if is_news {
                report.clone_from(reader.report());
            }
            is_news
        });
    }
}

/// Replays in a row that were wanted and not had. Each costs all entries, so the next try without need is put off.
#[derive(Clone, Copy, Debug, Default)]
struct Misses {
    count: u32,
    retry: Duration,
}

impl Misses {
    fn add(&mut self, silence: Duration, now: Duration) {
        self.retry = now.saturating_add(silence.saturating_mul(1 << self.count.min(7)));
        self.count = self.count.saturating_add(1);
    }
}

/// The next answer of a replay, if there is one.
async fn next(replay: &mut Option<Replay>) -> (u32, Answer) {
    match replay {
        Some(replay) => (replay.ticket, replay.next().await),
        None => std::future::pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
