//! What the gateway counts: dense cells for what its configuration names, so that no client can make up a series.

mod histogram;
mod page;
mod tokenizers;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use phalanx_routing::RouteTable;

pub(crate) use self::histogram::Histogram;
pub(crate) use self::page::Page;
use crate::cause::Cause;

/// Bounds of the histogram of whole requests in nanoseconds.
const REQUEST: &[u64] =
    &seconds_e4([50, 100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 300_000, 600_000]);
/// Of the time until the first byte of an answer.
const FIRST_TOKEN: &[u64] = &seconds_e4([
    10, 50, 100, 200, 400, 600, 800, 1000, 2500, 5000, 7500, 10_000, 25_000, 50_000, 100_000, 200_000, 400_000,
]);
/// Of the time between two events of a stream.
const NEXT_TOKEN: &[u64] =
    &seconds_e4([10, 25, 50, 100, 250, 500, 750, 1000, 1500, 2000, 3000, 4000, 5000, 7500, 10_000]);

/// Ten-thousandths of a second as nanoseconds.
pub(crate) const fn seconds_e4<const N: usize>(mut bounds: [u64; N]) -> [u64; N] {
    let mut at = 0;
    while at < N {
        bounds[at] *= 100_000;
        at += 1;
    }
    bounds
}

/// The least status that an answer can have, and how many there are.
const LEAST_STATUS: u16 = 100;
const STATUSES: usize = 500;

/// The paths that requests are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Chat,
    Completions,
    Embeddings,
    Messages,
    Responses,
    /// Any other one, which clients may call what they like.
    Other,
}

/// All that is counted.
#[derive(Debug)]
pub(crate) struct Meters {
    /// The first is of requests without a route.
    lines: Vec<Arc<Line>>,
    /// The lines of a name that clients ask for, by server.
    places: BTreeMap<String, Vec<(String, u32)>>,
    pub(crate) totals: Arc<Totals>,
}

/// What is counted for the whole gateway, under all its configurations.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) active: Count,
    pub(crate) connections: Count,
    pub(crate) refused_connections: Count,
    pub(crate) lost_lines: Count,
    pub(crate) reloads: Count,
    pub(crate) reload_failures: Count,
    /// When the configuration that is applied was read, in seconds since 1970.
    pub(crate) last_reload: Count,
    /// Whether the last try to apply one failed.
    pub(crate) is_reload_broken: Count,
}

/// A number that is changed by many at once.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

/// Requests for one name that go to one server.
#[derive(Debug)]
struct Line {
    model: String,
    route: String,
    server: String,
    upstream_model: String,
    active: Count,
    paths: [Cells; Path::ALL.len()],
}

/// Requests for one name on one path.
#[derive(Debug)]
struct Cells {
    /// Engines' answers by status, once there is one.
    answers: OnceLock<Box<[Count]>>,
    failures: [Count; Cause::ALL.len()],
    /// Tries beyond the first.
    retries: Count,
    prompt_tokens: Count,
    request: Histogram,
    first_token: Histogram,
    next_token: Histogram,
}

/// How a request went, for its line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Went {
    pub(crate) line: u32,
    pub(crate) path: Path,
    pub(crate) status: u16,
    pub(crate) cause: Option<Cause>,
    pub(crate) retries: u32,
    pub(crate) prompt_tokens: u32,
    /// Nanoseconds, all.
    pub(crate) total: u64,
    pub(crate) first_token: Option<u64>,
    pub(crate) next_token: Option<u64>,
}

impl Path {
    pub(crate) const ALL: [Self; 6] =
        [Self::Chat, Self::Completions, Self::Embeddings, Self::Messages, Self::Responses, Self::Other];

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
            Self::Messages => "/v1/messages",
            Self::Responses => "/v1/responses",
            Self::Other => "other",
        }
    }
}

impl Meters {
    /// Cells for each name of each route and each server that it leads to; `served` is a server's own name of its model.
    /// What was counted `before` goes on.
    pub(crate) fn new<'a>(
        routes: &RouteTable,
        served: impl Fn(&str) -> Option<&'a str>,
        before: Option<&Self>,
    ) -> Self {
        let old = before.into_iter().flat_map(|before| &before.lines);
        let old: BTreeMap<_, _> = old.map(|line| (line.key(), line)).collect();
        let line = |model: &str, route: &str, server: &str, upstream_model: &str| {
            let known = old.get(&[model, route, server, upstream_model]).map(|line| Arc::clone(line));
            known.unwrap_or_else(|| Arc::new(Line::new(model, route, server, upstream_model)))
        };
        let mut lines = vec![line("unknown", "", "", "")];
        let mut places: BTreeMap<String, Vec<(String, u32)>> = BTreeMap::new();
        for route in routes.routes() {
            let models = [route.model()].into_iter().chain(route.aliases().iter().map(String::as_str));
            let adapters = route.adapters().iter().map(|name| (name.as_str(), true));
            for (name, is_adapter) in models.map(|name| (name, false)).chain(adapters) {
                for target in route.targets() {
                    let Some(server) = target.server().filter(|_| !name.is_empty()) else { continue };
                    let known = places.entry(name.to_owned()).or_default();
                    if known.iter().any(|(other, _)| other == server) {
                        continue;
                    }
                    let own = target.served_model().or_else(|| served(server)).filter(|_| !is_adapter);
                    // 2^32 lines do not fit in memory.
                    known.push((server.to_owned(), u32::try_from(lines.len()).unwrap_or_default()));
                    lines.push(line(name, route.name(), server, own.unwrap_or(name)));
                }
            }
        }
        let totals = before.map_or_else(Arc::default, |old| Arc::clone(&old.totals));
        Self { lines, places, totals }
    }

    /// The line of requests for `model` that go to `server`; that of requests without a route where there is none.
    pub(crate) fn line(&self, model: &str, server: &str) -> u32 {
        let known = self.places.get(model).and_then(|known| known.iter().find(|(other, _)| other == server));
        known.map_or(0, |(_, line)| *line)
    }

    pub(crate) fn begin(&self, line: u32) {
        self.lines[line as usize].active.add(1);
    }

    /// Counts a request that ended, which has [begun](Self::begin) if its line is not the first.
    pub(crate) fn end(&self, went: &Went) {
        let line = &self.lines[went.line as usize];
        if went.line != 0 {
            line.active.take(1);
        }
        let cells = &line.paths[went.path as usize];
        match went.cause {
            Some(cause) => cells.failures[cause as usize].add(1),
            None => {
                let answers = cells.answers.get_or_init(|| (0..STATUSES).map(|_| Count::default()).collect());
                let place = usize::from(went.status.saturating_sub(LEAST_STATUS)).min(STATUSES - 1);
                answers[place].add(1);
            }
        }
        cells.request.record(went.total);
        if went.retries > 0 {
            cells.retries.add(went.retries.into());
        }
        if went.prompt_tokens > 0 {
            cells.prompt_tokens.add(went.prompt_tokens.into());
        }
        if let Some(time) = went.first_token {
            cells.first_token.record(time);
        }
        if let Some(time) = went.next_token {
            cells.next_token.record(time);
        }
    }
}

impl Line {
    /// What tells it from others.
    fn key(&self) -> [&str; 4] {
        [&self.model, &self.route, &self.server, &self.upstream_model]
    }

    fn new(model: &str, route: &str, server: &str, upstream_model: &str) -> Self {
        let text = str::to_owned;
        Self {
            model: text(model),
            route: text(route),
            server: text(server),
            upstream_model: text(upstream_model),
            active: Count::default(),
            paths: Path::ALL.map(|_| Cells::new()),
        }
    }
}

impl Cells {
    fn new() -> Self {
        Self {
            answers: OnceLock::new(),
            failures: Cause::ALL.map(|_| Count::default()),
            retries: Count::default(),
            prompt_tokens: Count::default(),
            request: Histogram::new(REQUEST),
            first_token: Histogram::new(FIRST_TOKEN),
            next_token: Histogram::new(NEXT_TOKEN),
        }
    }
}

impl Count {
    pub(crate) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub(crate) fn take(&self, number: u64) {
        self.0.fetch_sub(number, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
