//! One client's request, from its head to the last byte of its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::access_log::Entry;
use crate::cause::Cause;
use crate::desk::{Desk, Member};
use crate::meters::{Path, Went};

/// What becomes of a request. Counted and logged when it is dropped, on whatever path that happens.
#[derive(Debug)]
pub(crate) struct Visit(Option<Box<Account>>);

#[derive(Debug)]
struct Account {
    desk: Arc<Desk>,
    path: Path,
    arrived: Instant,
    line: u32,
    /// The answer's, once it has a head.
    status: Option<StatusCode>,
    cause: Option<Cause>,
    tries: u32,
    /// Where it was sent last, for the log.
    endpoint: Option<Arc<Member>>,
    prompt_tokens: u32,
    first_byte: Option<Instant>,
    events: u64,
    entry: Option<Box<Entry>>,
}

impl Visit {
    /// One that is not counted.
    pub(crate) fn uncounted() -> Self {
        Self(None)
    }

    pub(crate) fn new(desk: Arc<Desk>, path: Path, entry: Option<Box<Entry>>) -> Self {
        desk.meters.totals.active.add(1);
        Self(Some(Box::new(Account {
            desk,
            path,
            arrived: Instant::now(),
            line: 0,
            status: None,
            cause: None,
            tries: 0,
            endpoint: None,
            prompt_tokens: 0,
            first_byte: None,
            events: 0,
            entry,
        })))
    }

    /// When the request's head had come.
    pub(crate) fn arrived(&self) -> Option<Instant> {
        self.0.as_ref().map(|account| account.arrived)
    }

    /// What it asks for is known.
    pub(crate) fn asks(&mut self, model: &str, server: &str, prompt_tokens: u32) {
        let Some(account) = &mut self.0 else { return };
        account.prompt_tokens = prompt_tokens;
        account.line = account.desk.meters.line(model, server);
        if account.line != 0 {
            account.desk.meters.begin(account.line);
        }
        if let Some(entry) = &mut account.entry {
            entry.asks(model, server);
        }
    }

    /// It is sent to an endpoint.
    pub(crate) fn is_sent(&mut self, endpoint: &Arc<Member>) {
        let Some(account) = &mut self.0 else { return };
        account.tries += 1;
        if account.entry.is_some() {
            account.endpoint = Some(Arc::clone(endpoint));
        }
    }

    /// The head of its answer is there.
    pub(crate) fn answer(&mut self, status: StatusCode) {
        let Some(account) = &mut self.0 else { return };
        account.status = Some(status);
    }

    /// It ends badly.
    pub(crate) fn fail(&mut self, cause: Cause) {
        let Some(account) = &mut self.0 else { return };
        account.cause.get_or_insert(cause);
        account.status.get_or_insert(cause.status());
    }

    /// Bytes of its answer's body are there.
    pub(crate) fn begin_answer(&mut self) {
        let Some(account) = &mut self.0 else { return };
        account.first_byte.get_or_insert_with(Instant::now);
    }

    /// Its answer has ended, after so many events.
    pub(crate) fn end_answer(&mut self, events: u64) {
        let Some(account) = &mut self.0 else { return };
        account.events = events;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let Some(account) = self.0.take() else { return };
        let now = Instant::now();
        // Without a head of an answer nobody waited for one.
        let cause = account.cause.or(account.status.is_none().then_some(Cause::ClientGone));
        let status = account.status.unwrap_or(Cause::ClientGone.status()).as_u16();
        let gaps = u32::try_from(account.events.saturating_sub(1)).unwrap_or(u32::MAX);
        let first = account.first_byte.filter(|_| (200..300).contains(&status));
        let went = Went {
            line: account.line,
            path: account.path,
            status,
            cause,
            retries: account.tries.saturating_sub(1),
            prompt_tokens: account.prompt_tokens,
            total: nanos(now.duration_since(account.arrived)),
            first_token: first.map(|first| nanos(first.duration_since(account.arrived))),
            next_token: first.filter(|_| gaps > 0).map(|first| nanos(now.duration_since(first) / gaps)),
        };
        let meters = &account.desk.meters;
        meters.totals.active.take(1);
        meters.end(&went);
        if let (Some(entry), Some(log)) = (account.entry, &account.desk.access_log) {
            let endpoint = account.endpoint.as_ref().map(|member| member.endpoint.name());
            if !log.write(&entry, &went, endpoint, account.tries) {
                meters.totals.lost_lines.add(1);
            }
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
