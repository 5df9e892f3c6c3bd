//! Measures of an endpoint as numbers.

use super::Known;
use crate::columns::UNKNOWN;
use crate::line::{LONGEST, Line, MOST, Tokens};
use crate::policy::{Measure, Unknown};

/// Counts that engines report above this are this; so is a count that is unknown and taken for the worst.
const MOST_REPORTED: u32 = (1 << 20) - 1;

/// A measure for a request.
#[inline]
pub(crate) fn value(known: &Known<'_>, measure: Measure, at: usize, tokens: Tokens) -> i64 {
    if measure == Measure::Adapter {
        return known.sought.state(at) as i64;
    }
    let line = line(known, measure, at);
    line.base + line.slope * i64::from(tokens.uncached)
}

/// A measure of the endpoint for each of some slots.
pub(crate) fn values(known: &Known<'_>, measure: Measure, slots: &[u32], values: &mut Vec<i64>) {
    // Each measure has its own loop, which knows what to load.
    macro_rules! each {
        ($($of:ident)*) => {
            match measure {
                $(Measure::$of => {
                    let value = |&at: &u32| value(known, Measure::$of, at as usize, Tokens::new(1, 0));
                    values.extend(slots.iter().map(value));
                })*
            }
        };
    }
    values.clear();
    each!(InFlight Decoding Prefilling Batch PendingTokens HeldTokens UncachedTokens PrefillTokens Turn Waiting Running
        Unstarted KvUsed Ttft Tpot Adapter ContextTokens);
}

/// A measure as a line over the tokens to compute, for a request without an adapter.
#[inline]
pub(super) fn line(known: &Known<'_>, measure: Measure, at: usize) -> Line {
    let columns = known.columns;
    let reported = |value: u32, most: u32| match (value, known.unknown) {
        (UNKNOWN, Unknown::Idle) => 0,
        (value, _) => i64::from(value.min(most)),
    };
    let (base, slope) = match measure {
        Measure::InFlight => (columns.in_flight(at), 0),
        Measure::Decoding => (columns.decoding(at), 0),
        Measure::Prefilling => (columns.prefilling(at), 0),
        Measure::Batch => (columns.in_flight(at) + 1, 0),
        Measure::PendingTokens => (columns.pending_tokens(at), 0),
        Measure::HeldTokens => (columns.held_tokens(at), 0),
        Measure::UncachedTokens => (0, 1),
        Measure::PrefillTokens => (columns.pending_tokens(at), 1),
        Measure::Turn => (columns.turn[at].min(MOST as u64) as i64, 0),
        Measure::Waiting => (reported(columns.account[at].waiting, MOST_REPORTED), 0),
        Measure::Running => (reported(columns.account[at].running, MOST_REPORTED), 0),
        Measure::Unstarted => {
            let running =
                if columns.account[at].running == UNKNOWN { 0 } else { i64::from(columns.account[at].running) };
            let ours = columns.in_flight(at);
            (ours + 100 * (ours - running).max(0), 0)
        }
        Measure::KvUsed => (reported(columns.account[at].kv_used, 1_000_000), 0),
        Measure::Ttft => (reported(columns.ttft[at], UNKNOWN / 2), 0),
        Measure::Tpot => (reported(columns.tpot[at], UNKNOWN / 2), 0),
        Measure::Adapter => (0, 0),
        Measure::ContextTokens => {
            let most = columns.endpoint[at].context_tokens().unwrap_or(LONGEST);
            (most.min(LONGEST).into(), 0)
        }
    };
    Line { base, slope, ..Line::ZERO }
}
