//! Terms in nanoseconds.

use super::Known;
use crate::adapter::STATES;
use crate::columns::{MOST_REQUESTS, UNKNOWN};
use crate::line::{Line, MOST, MOST_ADDED, Tokens};
use crate::policy::{Priced, Term, Unknown};
use crate::step::{CONTEXT, SEQUENCE};

const SECOND: i64 = 1_000_000_000;
/// A token that has to be computed, in nanoseconds.
const RECOMPUTED: i64 = 15_000;
/// Of the first prompt in a row, so much may have been computed when nothing is heard of it, in hundredths.
const PROGRESS: i64 = 95;
/// Until an adapter is there, in nanoseconds: loaded, coming, a free slot, none free.
const LOADS: [i64; STATES] = [0, SECOND / 20, SECOND / 10, SECOND / 5];
/// KV memory in use, in parts of a million, from which on it is scarce.
const SCARCE: i64 = 900_000;

/// What more than one term asks of an endpoint.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    /// Nanoseconds for a prompt token.
    pace: i64,
    /// Load of an endpoint with that which others put on it, as far as its metrics tell.
    in_flight: i64,
    decoding: i64,
    prefilling: i64,
    /// Requests of others that wait there.
    queued: i64,
}

/// Load with that which others put on the endpoint.
#[inline]
pub(crate) fn see(known: &Known<'_>, at: usize) -> Seen {
    let (columns, account) = (known.columns, &known.columns.account[at]);
    let (running, waiting) = (i64::from(account.others_running), i64::from(account.others_waiting));
    Seen {
        pace: account.pace.token(),
        in_flight: columns.in_flight(at) + running + waiting,
        decoding: columns.decoding(at) + running,
        prefilling: columns.prefilling(at) + waiting,
        queued: waiting,
    }
}

/// What a token costs at the endpoint's pace, times a number of requests, at a price.
fn delay(seen: &Seen, requests: i64, permille: u32) -> i64 {
    seen.pace * requests * i64::from(permille) / 1000
}

/// The wait at its longest and at its shortest, in nanoseconds: from when the first prompt in the row had its turn, and
/// when that is nearly done.
#[inline]
fn wait(known: &Known<'_>, seen: &Seen, at: usize) -> (i64, i64) {
    let (columns, pace) = (known.columns, seen.pace);
    let others = seen.queued.saturating_mul(columns.account[at].means.uncached_tokens);
    let full = columns.pending_tokens(at).saturating_add(others).saturating_mul(pace).min(MOST_ADDED);
    let head = i64::from(columns.account[at].row.head());
    (full, full - (head * PROGRESS / 100).saturating_mul(pace).min(full))
}

/// All terms as one line.
pub(super) fn sum(known: &Known<'_>, terms: &[Priced], at: usize) -> Line {
    let seen = see(known, at);
    let mut sum = Line::ZERO;
    for &priced in terms {
        told(known, priced, &seen, at, |line| sum = sum.plus(line.addend()));
    }
    sum
}

/// Tells a term's line, not limited yet. It is told in each arm, so that what is nothing there is never added.
#[inline(always)]
fn told<T>(known: &Known<'_>, priced: Priced, seen: &Seen, at: usize, tell: impl FnOnce(Line) -> T) -> T {
    let permille = i64::from(priced.permille);
    if permille == 0 {
        return tell(Line::ZERO);
    }
    match priced.term {
        Term::Wait => {
            let (full, least) = wait(known, seen, at);
            if full == least {
                return tell(Line { base: price(full, permille), ..Line::ZERO });
            }
            let base = full + known.columns.account[at].head_since.as_nanos() as i64;
            if permille != 1000 || base > MOST_ADDED {
                return tell(Line { base: price(least, permille), exact_to: 0, ..Line::ZERO });
            }
            tell(Line { base, falling: true, floor: least, ..Line::ZERO })
        }
        Term::Own => tell(Line { slope: delay(seen, 1, priced.permille), ..Line::ZERO }),
        Term::DelayDecoding => tell(Line { slope: delay(seen, seen.decoding, priced.permille), ..Line::ZERO }),
        Term::DelayPrefilling => tell(Line { slope: delay(seen, seen.prefilling, priced.permille), ..Line::ZERO }),
        Term::Sequence => {
            let count = seen.in_flight * known.columns.account[at].means.output_tokens;
            let context = price(count * CONTEXT, permille);
            tell(Line { base: price(count * SEQUENCE, permille), slope: context, context, ..Line::ZERO })
        }
        Term::MemoryWall => tell(match memory(known, at) {
            None => Line::ZERO,
            Some((beyond, token)) if beyond >= 0 => {
                Line { base: price(beyond, permille), slope: price(token, permille), ..Line::ZERO }
            }
            // It costs nothing up to so many tokens.
            Some((_, 0)) => Line::ZERO,
            Some((beyond, token)) => Line { exact_to: 2 * (-beyond / token), ..Line::ZERO },
        }),
        Term::Recompute => tell(Line { slope: price(RECOMPUTED, permille), ..Line::ZERO }),
        Term::AdapterLoad => tell(Line::ZERO),
        Term::SeatWall | Term::EngineQueue => tell(Line { base: wall(known, priced, seen, at), ..Line::ZERO }),
    }
}

/// KV memory in use beyond what is scarce, and that of a token, both as nanoseconds.
fn memory(known: &Known<'_>, at: usize) -> Option<(i64, i64)> {
    let columns = known.columns;
    let used = match (columns.account[at].kv_used, known.unknown) {
        (UNKNOWN, Unknown::Idle) => return None,
        (UNKNOWN, Unknown::Worst) => 1_000_000,
        (used, _) => i64::from(used),
    };
    Some(((used - SCARCE) * (SECOND / 1_000_000), SECOND / i64::from(columns.endpoint[at].kv_tokens().max(1))))
}

/// A term for a request, in nanoseconds.
#[inline(always)]
pub(super) fn value(known: &Known<'_>, priced: Priced, seen: &Seen, at: usize, tokens: Tokens, now: i64) -> i64 {
    let permille = i64::from(priced.permille);
    match priced.term {
        Term::Wait => {
            let (full, least) = wait(known, seen, at);
            let passed = (now - known.columns.account[at].head_since.as_nanos() as i64).max(0);
            price((full - passed).max(least), permille).min(MOST_ADDED)
        }
        Term::MemoryWall => match memory(known, at) {
            Some((beyond, token)) if beyond < 0 => {
                price((beyond + token * i64::from(tokens.uncached)).max(0), permille).min(MOST_ADDED)
            }
            _ => told(known, priced, seen, at, |line| line.addend().at(tokens)),
        },
        Term::AdapterLoad => adapter_load(&priced, known.sought.state(at)),
        _ => told(known, priced, seen, at, |line| line.addend().at(tokens)),
    }
}

/// What it takes until an adapter in a state is there.
pub(super) fn adapter_load(priced: &Priced, state: usize) -> i64 {
    price(LOADS[state], priced.permille.into()).min(MOST_ADDED)
}

/// Nanoseconds until the first token of a request, and for each further one.
pub(crate) fn forecast(known: &Known<'_>, at: usize, tokens: Tokens, now: i64) -> (i64, i64) {
    let seen = see(known, at);
    let whole = |term| value(known, Priced::new(term, 1000), &seen, at, tokens, now);
    let ttft = whole(Term::Wait).saturating_add(whole(Term::Own)).saturating_add(whole(Term::AdapterLoad));
    let context = known.columns.held_tokens(at).saturating_add(tokens.prompt.into());
    (ttft, known.columns.step[at].of(seen.in_flight + 1, context))
}

/// Endpoints that are priced together, so that what is seen of them stays near.
const TOGETHER: usize = 64;

/// Every term for each of some endpoints, whose tokens are at the same places: all terms of the first, then all of the
/// second. Adds them to `totals`.
pub(crate) fn rows(
    known: &Known<'_>,
    terms: &[Priced],
    slots: &[u32],
    tokens: &[Tokens],
    now: i64,
    totals: &mut [i64],
) -> Vec<i64> {
    let mut values = vec![0; terms.len() * slots.len()];
    let mut seen = Vec::with_capacity(TOGETHER);
    let rows = values.chunks_mut(terms.len().max(1) * TOGETHER).zip(totals.chunks_mut(TOGETHER));
    for ((slots, tokens), (values, totals)) in slots.chunks(TOGETHER).zip(tokens.chunks(TOGETHER)).zip(rows) {
        seen.clear();
        seen.extend(slots.iter().map(|&at| see(known, at as usize)));
        for (part, priced) in terms.iter().enumerate() {
            let permille = priced.permille;
            let rows = values.chunks_exact_mut(terms.len()).zip(&mut *totals).zip(slots).zip(tokens).zip(&seen);
            // With the term as a constant each loop is of that one term only.
            macro_rules! fill {
                ($($term:ident),*) => {
                    match priced.term {
                        $(Term::$term => {
                            for ((((row, total), &at), &tokens), seen) in rows {
                                let priced = Priced { term: Term::$term, permille };
                                row[part] = value(known, priced, seen, at as usize, tokens, now);
                                *total += row[part];
                            }
                        })*
                    }
                };
            }
            fill!(
                Wait,
                Own,
                DelayDecoding,
                DelayPrefilling,
                Sequence,
                MemoryWall,
                SeatWall,
                EngineQueue,
                Recompute,
                AdapterLoad
            );
        }
        totals.iter_mut().for_each(|total| *total = (*total).min(MOST));
    }
    values
}

/// A term that is the same for every request.
#[inline]
fn wall(known: &Known<'_>, priced: Priced, seen: &Seen, at: usize) -> i64 {
    let (columns, permille) = (known.columns, i64::from(priced.permille));
    if priced.term == Term::SeatWall {
        let seats = i64::from(columns.endpoint[at].seats());
        return price((seen.in_flight + 1 - seats).max(0) * SECOND, permille);
    }
    let (waiting, running) = (columns.account[at].waiting, columns.account[at].running);
    let queue = match (waiting, known.unknown) {
        (UNKNOWN, Unknown::Idle) => 0,
        (UNKNOWN, Unknown::Worst) => i64::from(MOST_REQUESTS),
        (waiting, _) => i64::from(waiting.min(MOST_REQUESTS)),
    };
    let behind = running == UNKNOWN || columns.in_flight(at) > i64::from(running);
    if behind { price(queue * SECOND, permille) } else { 0 }
}

#[inline]
fn price(nanos: i64, permille: i64) -> i64 {
    match nanos.checked_mul(permille) {
        _ if permille == 1000 => nanos,
        Some(product) => product / 1000,
        None => (i128::from(nanos) * i128::from(permille) / 1000).min(i64::MAX.into()) as i64,
    }
}
