//! Terms in nanoseconds.

use super::Known;
use crate::adapter::STATES;
use crate::columns::{MOST_REQUESTS, UNKNOWN};
use crate::line::{Line, MOST_ADDED, Tokens};
use crate::policy::{Priced, Term, Unknown};
use crate::step::{CONTEXT, SEQUENCE};

const SECOND: i64 = 1_000_000_000;
/// Of the first prompt in a row, so much may have been computed when nothing is heard of it, in hundredths.
const PROGRESS: i64 = 95;
/// Until an adapter is there, in nanoseconds: loaded, coming, a free slot, none free.
const LOADS: [i64; STATES] = [0, SECOND / 20, SECOND / 10, SECOND / 5];
/// KV memory in use, in parts of a million, from which on it is scarce.
const SCARCE: i64 = 900_000;

/// Load of an endpoint with that which others put on it, as far as its metrics tell.
struct Shared {
    in_flight: i64,
    decoding: i64,
    prefilling: i64,
    /// Requests of others that wait there.
    queued: i64,
}

/// What others do at an endpoint: what its engine ran and held in its queue beyond this router's own requests of that
/// moment, in the same proportion. With one router it is nothing.
fn shared(known: &Known<'_>, at: usize) -> Shared {
    let columns = known.columns;
    let (running, waiting) = (columns.running[at], columns.waiting[at]);
    let (mut fd, mut fw) = (0, 0);
    if running != UNKNOWN && waiting != UNKNOWN {
        let (running, waiting) = (i64::from(running.min(MOST_REQUESTS)), i64::from(waiting.min(MOST_REQUESTS)));
        let all = running + waiting;
        let others = (all - i64::from(columns.own_then[at].min(2 * MOST_REQUESTS))).max(0);
        if all > 0 {
            (fd, fw) = (others * running / all, others * waiting / all);
        }
    }
    Shared {
        in_flight: columns.in_flight(at) + fd + fw,
        decoding: columns.decoding(at) + fd,
        prefilling: columns.prefilling(at) + fw,
        queued: fw,
    }
}

/// What a token costs at the endpoint's pace, times a number of requests, at a price.
fn delay(known: &Known<'_>, at: usize, requests: i64, permille: u32) -> i64 {
    known.columns.pace[at].token() * requests * i64::from(permille) / 1000
}

/// The wait at its longest and at its shortest, in nanoseconds: from when the first prompt in the row had its turn, and
/// when that is nearly done.
fn wait(known: &Known<'_>, at: usize) -> (i64, i64) {
    let columns = known.columns;
    let pace = columns.pace[at].token();
    let others = shared(known, at).queued.saturating_mul(known.means.uncached_tokens);
    let full = columns.pending_tokens(at).saturating_add(others).saturating_mul(pace).min(MOST_ADDED);
    let head = known.flights.head(columns.row[at]).map_or(0, i64::from);
    (full, full - (head * PROGRESS / 100).saturating_mul(pace).min(full))
}

/// A term as a line over the tokens to compute: never more than its value.
pub(super) fn line(known: &Known<'_>, priced: &Priced, at: usize) -> Line {
    unlimited(known, priced, at).addend()
}

fn unlimited(known: &Known<'_>, priced: &Priced, at: usize) -> Line {
    let permille = i64::from(priced.permille);
    if permille == 0 {
        return Line::ZERO;
    }
    let slope = |slope: i64| Line { slope, ..Line::ZERO };
    match priced.term {
        Term::Wait => {
            let (full, least) = wait(known, at);
            if full == least {
                return Line { base: price(full, permille), ..Line::ZERO };
            }
            if permille != 1000 {
                return Line { base: price(least, permille), exact_to: 0, ..Line::ZERO };
            }
            let since = known.columns.head_since[at].as_nanos() as i64;
            Line { base: full.saturating_add(since), falling: true, floor: least, ..Line::ZERO }
        }
        Term::Own => slope(delay(known, at, 1, priced.permille)),
        Term::DelayDecoding => slope(delay(known, at, shared(known, at).decoding, priced.permille)),
        Term::DelayPrefilling => slope(delay(known, at, shared(known, at).prefilling, priced.permille)),
        Term::Sequence => {
            let count = shared(known, at).in_flight * known.means.output_tokens;
            let context = price(count * CONTEXT, permille);
            Line { base: price(count * SEQUENCE, permille), slope: context, context, ..Line::ZERO }
        }
        Term::MemoryWall => {
            let Some((beyond, token)) = memory(known, at) else { return Line::ZERO };
            if beyond >= 0 {
                return Line { base: price(beyond, permille), slope: price(token, permille), ..Line::ZERO };
            }
            // It costs nothing up to so many tokens.
            let free = if token == 0 { Line::ALWAYS } else { 2 * (-beyond / token) };
            Line { exact_to: free, ..Line::ZERO }
        }
        Term::AdapterLoad => Line::ZERO,
        Term::SeatWall | Term::EngineQueue => Line { base: wall(known, priced, at), ..Line::ZERO },
    }
}

/// KV memory in use beyond what is scarce, and that of a token, both as nanoseconds.
fn memory(known: &Known<'_>, at: usize) -> Option<(i64, i64)> {
    let columns = known.columns;
    let used = match (columns.kv_used[at], known.unknown) {
        (UNKNOWN, Unknown::Idle) => return None,
        (UNKNOWN, Unknown::Worst) => 1_000_000,
        (used, _) => i64::from(used),
    };
    Some(((used - SCARCE) * (SECOND / 1_000_000), SECOND / i64::from(columns.endpoint[at].kv_tokens().max(1))))
}

/// A term for a request, in nanoseconds.
pub(crate) fn value(known: &Known<'_>, priced: &Priced, at: usize, tokens: Tokens, now: i64) -> i64 {
    let permille = i64::from(priced.permille);
    match priced.term {
        Term::Wait => {
            let (full, least) = wait(known, at);
            let passed = (now - known.columns.head_since[at].as_nanos() as i64).max(0);
            price((full - passed).max(least), permille).min(MOST_ADDED)
        }
        Term::MemoryWall => match memory(known, at) {
            Some((beyond, token)) if beyond < 0 => {
                price((beyond + token * i64::from(tokens.uncached)).max(0), permille).min(MOST_ADDED)
            }
            _ => line(known, priced, at).at(tokens),
        },
        Term::AdapterLoad => adapter_load(priced, known.sought.state(at)),
        _ => line(known, priced, at).at(tokens),
    }
}

/// What it takes until an adapter in a state is there.
pub(super) fn adapter_load(priced: &Priced, state: usize) -> i64 {
    price(LOADS[state], priced.permille.into()).min(MOST_ADDED)
}

/// Nanoseconds until the first token of a request, and for each further one.
pub(crate) fn forecast(known: &Known<'_>, at: usize, tokens: Tokens, now: i64) -> (i64, i64) {
    let whole = |term| value(known, &Priced::new(term, 1000), at, tokens, now);
    let ttft = whole(Term::Wait).saturating_add(whole(Term::Own));
    let sequences = shared(known, at).in_flight + 1;
    let context = known.columns.held_tokens(at).saturating_add(tokens.prompt.into());
    (ttft, known.columns.step[at].of(sequences, context))
}

/// A term that is the same for every request.
fn wall(known: &Known<'_>, priced: &Priced, at: usize) -> i64 {
    let (columns, permille) = (known.columns, i64::from(priced.permille));
    if priced.term == Term::SeatWall {
        let seats = i64::from(columns.endpoint[at].seats());
        return price((shared(known, at).in_flight + 1 - seats).max(0) * SECOND, permille);
    }
    let (waiting, running) = (columns.waiting[at], columns.running[at]);
    let queue = match (waiting, known.unknown) {
        (UNKNOWN, Unknown::Idle) => 0,
        (UNKNOWN, Unknown::Worst) => i64::from(MOST_REQUESTS),
        (waiting, _) => i64::from(waiting.min(MOST_REQUESTS)),
    };
    let behind = running == UNKNOWN || columns.in_flight(at) > i64::from(running);
    if behind { price(queue * SECOND, permille) } else { 0 }
}

fn price(nanos: i64, permille: i64) -> i64 {
    if permille == 1000 { nanos } else { (i128::from(nanos) * i128::from(permille) / 1000).min(i64::MAX.into()) as i64 }
}
