//! One loop that reads the metrics of all engines.

mod fetch;
mod schedule;

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use phalanx_routing::Signals;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

pub use self::fetch::ScrapeError;
use self::fetch::{Client, client, fetch};
use self::schedule::Schedule;
use crate::child::Child;
use crate::metrics::{EngineMetrics, Meter};
use crate::watch::{Reporter, Watch, report};

/// Where one engine tells its metrics, and how often they are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsSource {
    address: SocketAddr,
    path: String,
    interval: Duration,
    rank: Option<u32>,
}

/// How metrics are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScraperConfig {
    timeout: Duration,
    at_once: usize,
    max_page: usize,
    seed: u64,
}

/// What reading one engine's metrics has come to so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScrapeReport {
    /// Pages that were read.
    pub pages: u64,
    /// Tries that failed.
    pub failures: u64,
    /// Why the last try failed; `None` if it did not.
    pub failure: Option<ScrapeError>,
    /// What the last page said, however old it is.
    pub signals: Option<Signals>,
}

/// Reads the metrics of many engines, each again and again, until it is dropped.
///
/// A reading carries the time at which it was asked for. When a try fails nothing is told: the last reading stays, and
/// grows old; whoever uses it decides when it is too old. An engine that cannot be read is tried less often.
#[derive(Debug)]
pub struct Scraper {
    watches: BTreeMap<usize, Watch<ScrapeReport>>,
    /// The number of the next source.
    next: usize,
    changes: mpsc::UnboundedSender<(usize, Option<Source>)>,
    _task: Child,
}

/// A source that is read.
#[derive(Debug)]
struct Source {
    of: MetricsSource,
    meter: Meter,
    reporter: Reporter<ScrapeReport>,
}

impl MetricsSource {
    /// The metrics of the engine at an address: `/metrics`, every second.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_signals::MetricsSource;
    ///
    /// let source = MetricsSource::new("10.0.0.1:8000".parse()?).with_interval(Duration::from_millis(200));
    /// assert_eq!(source.interval(), Duration::from_millis(200));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, path: "/metrics".to_owned(), interval: Duration::from_secs(1), rank: None }
    }

    /// Reads another path; what is no path of HTTP fails each time.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Reads what the page says of one data-parallel rank: see [`EngineMetrics::read_rank`].
    #[must_use]
    pub fn of_rank(mut self, rank: u32) -> Self {
        self.rank = Some(rank);
        self
    }

    /// Reads so often: at least 10 milliseconds lie between.
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(10));
        self
    }

    /// How often they are read.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }
}

impl Default for ScraperConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl ScraperConfig {
    /// A page may take 1 second and have 4 MiB, 64 are read at a time, and the seed is 0.
    ///
    /// ```
    /// use phalanx_signals::ScraperConfig;
    ///
    /// let config = ScraperConfig::new().with_at_once(8).with_seed(7);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self { timeout: Duration::from_secs(1), at_once: 64, max_page: 4 << 20, seed: 0 }
    }

    /// How long a page may take, connecting included.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many pages are read at the same time; at least one.
    #[must_use]
    pub fn with_at_once(mut self, at_once: usize) -> Self {
        self.at_once = at_once.max(1);
        self
    }

    /// The largest page in bytes.
    #[must_use]
    pub fn with_max_page(mut self, bytes: usize) -> Self {
        self.max_page = bytes;
        self
    }

    /// Spreads the first readings over the interval of each.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

impl Scraper {
    /// Reads `sources` from now on; must be called within a tokio runtime. Each reading goes to `sink`, with the number
    /// of its source and what the page said; its time counts from `epoch`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Instant;
    ///
    /// use phalanx_signals::{MetricsSource, Scraper, ScraperConfig};
    ///
    /// let sources = vec![MetricsSource::new("127.0.0.1:8000".parse()?)];
    /// let scraper = Scraper::start(&ScraperConfig::new(), sources, Instant::now(), |engine, signals, _| {
    ///     println!("{engine}: {signals:?}");
    /// });
    /// assert_eq!(scraper.watch(0).map(|watch| watch.report().pages), Some(0));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn start<F>(config: &ScraperConfig, sources: Vec<MetricsSource>, epoch: Instant, sink: F) -> Self
    where
        F: FnMut(usize, Signals, &EngineMetrics) + Send + 'static,
    {
        let (changes, changed) = mpsc::unbounded_channel();
        let scraping = Scraping {
            schedule: Schedule::new(config.at_once, config.seed),
            sources: BTreeMap::new(),
            changed,
            client: client(),
            config: config.clone(),
            epoch,
            sink,
        };
        let mut scraper = Self { watches: BTreeMap::new(), next: 0, changes, _task: Child::start(scraping.run()) };
        for source in sources {
            scraper.add(source);
        }
        scraper
    }

    /// Reads one more source from now on; says its number, which no other has or had.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Instant;
    ///
    /// use phalanx_signals::{MetricsSource, Scraper, ScraperConfig};
    ///
    /// let mut scraper = Scraper::start(&ScraperConfig::new(), Vec::new(), Instant::now(), |_, _, _| {});
    /// let source = scraper.add(MetricsSource::new("127.0.0.1:8000".parse()?));
    /// assert!(scraper.watch(source).is_some());
    /// assert!(scraper.remove(source));
    /// assert!(scraper.watch(source).is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn add(&mut self, source: MetricsSource) -> usize {
        let number = self.next;
        self.next += 1;
        let (reporter, watch) = report(ScrapeReport::default());
        self.watches.insert(number, watch);
        // The task ends with this scraper.
        let _ = self.changes.send((number, Some(Source { of: source, meter: Meter::new(), reporter })));
        number
    }

    /// Reads a source no longer; a reading that is under way may still be told. `false` when there is none of that number.
    pub fn remove(&mut self, source: usize) -> bool {
        let was_there = self.watches.remove(&source).is_some();
        let _ = self.changes.send((source, None));
        was_there
    }

    /// How it goes with the source of that number.
    #[must_use]
    pub fn watch(&self, source: usize) -> Option<&Watch<ScrapeReport>> {
        self.watches.get(&source)
    }
}

/// The loop and what it works with.
struct Scraping<F> {
    schedule: Schedule,
    sources: BTreeMap<usize, Source>,
    changed: mpsc::UnboundedReceiver<(usize, Option<Source>)>,
    client: Client,
    config: ScraperConfig,
    epoch: Instant,
    sink: F,
}

impl<F: FnMut(usize, Signals, &EngineMetrics)> Scraping<F> {
    async fn run(mut self) {
        let mut tasks = JoinSet::new();
        loop {
            let now = self.epoch.elapsed();
            while let Some(source) = self.schedule.start(now) {
                let Some(Source { of: MetricsSource { address, path, rank, .. }, .. }) = self.sources.get(&source)
                else {
                    continue;
                };
                let url = format!("http://{address}{path}");
                let page = fetch(self.client.clone(), url, self.config.max_page, *rank);
                let page = tokio::time::timeout(self.config.timeout, page);
                tasks.spawn(async move { (source, now, page.await.unwrap_or(Err(ScrapeError::Slow))) });
            }
            let due = self.schedule.next_due();
            let due = async {
                match due {
                    Some(due) => sleep_until((self.epoch + due).into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                change = self.changed.recv() => match change {
                    Some((number, source)) => self.change(number, source),
                    None => return,
                },
                Some(done) = tasks.join_next() => {
                    // A task that fell over would be a defect of ours: its source rests then.
                    if let Ok((source, read, page)) = done {
                        self.finish(source, read, page);
                    }
                }
                () = due => {}
            }
        }
    }

    fn change(&mut self, number: usize, source: Option<Source>) {
        match source {
            Some(source) => {
                self.schedule.add(number, source.of.interval, self.epoch.elapsed());
                self.sources.insert(number, source);
            }
            None => {
                self.schedule.remove(number);
                self.sources.remove(&number);
            }
        }
    }

    fn finish(&mut self, source: usize, read: Duration, page: Result<EngineMetrics, ScrapeError>) {
        self.schedule.finish(source, page.is_ok(), self.epoch.elapsed());
        let Some(of) = self.sources.get_mut(&source) else { return };
        let signals = page.map(|page| {
            let signals = of.meter.signals(&page, read);
            (self.sink)(source, signals, &page);
            signals
        });
        of.reporter.send_modify(|report| match signals {
            Ok(signals) => {
                report.pages += 1;
                report.failure = None;
                report.signals = Some(signals);
            }
            Err(error) => {
                report.failures += 1;
                report.failure = Some(error);
            }
        });
    }
}
