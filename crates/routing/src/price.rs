//! What an endpoint costs a request: as a line that is good for every request, and exactly.

mod adapter;
mod measure;
mod term;

pub(crate) use self::adapter::{cost as adapter_cost, score as adapter_score, sees as sees_adapter};
pub(crate) use self::measure::{value as measure, values as measures};
pub(crate) use self::term::{forecast, rows as terms};
use crate::adapter::Sought;
use crate::columns::Columns;
use crate::line::{LONGEST, Line, MOST, Tokens};
use crate::policy::{Combination, Measure, Measured, ONE, Policy, Scorer, Term, Unknown, Weighted};

/// What prices are made from.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) columns: &'a Columns,
    pub(crate) unknown: Unknown,
    /// Where the request's adapter is; without a request there is none.
    pub(crate) sought: Sought<'a>,
}

/// What is usual in the fleet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Means {
    /// Tokens of an answer.
    pub(crate) output_tokens: i64,
    /// Tokens of a prompt that have to be computed.
    pub(crate) uncached_tokens: i64,
}

/// Values above this are this where two of them are packed into one number.
const PACKED: i64 = (1 << 29) - 1;
const PACK: i64 = 1 << 30;

/// Whether a policy's cost of an endpoint is a line that depends on nothing but that endpoint, less something that
/// depends on the request's cached share only, and something that depends on where its adapter is.
pub(crate) fn is_local(policy: &Policy) -> bool {
    !policy.is_relative() && is_line(policy.combination())
}

fn is_line(combination: &Combination) -> bool {
    match combination {
        Combination::Sum(parts) => {
            parts.iter().all(|part| matches!(part.scorer, Scorer::Prefix | Scorer::Adapter | Scorer::Room { .. }))
        }
        Combination::Product(measures) => {
            let of_prompt = measures.iter().filter(|measure| measure.is_of_prompt()).count();
            of_prompt <= 1 && !measures.contains(&Measure::Adapter)
        }
        Combination::Lexicographic(_) | Combination::Cost(_) | Combination::Total(_) => true,
    }
}

/// The line of an endpoint under a combination that has one, as for a request without an adapter: see [`is_local`].
pub(crate) fn line(combination: &Combination, known: &Known<'_>, at: usize) -> Line {
    let line = match combination {
        Combination::Sum(parts) => Line { base: fixed(parts, known, at), ..Line::ZERO },
        Combination::Product(measures) => {
            let mut product = Line { base: 1, ..Line::ZERO };
            for &measure in measures {
                let factor = measure::line(known, measure, at);
                let by = if factor.slope == 0 { factor.base } else { product.base };
                let other = if factor.slope == 0 { product } else { factor };
                product = Line {
                    base: other.base.saturating_mul(by).min(MOST),
                    slope: other.slope.saturating_mul(by).min(MOST),
                    ..Line::ZERO
                };
            }
            product
        }
        Combination::Lexicographic(measures) => match measures.as_slice() {
            [first, second] => {
                let (first, second) = (measure::line(known, *first, at), measure::line(known, *second, at));
                packed_line(first, second)
            }
            measures => measures.first().map_or(Line::ZERO, |measure| measure::line(known, *measure, at)),
        },
        Combination::Cost(terms) => term::sum(known, terms, at),
        Combination::Total(measures) => {
            measures.iter().fold(Line::ZERO, |sum, measured| sum.plus(priced_line(known, measured, at)))
        }
    };
    line.limited()
}

/// The cost by those scores of a sum that depend on nothing but the endpoint.
pub(crate) fn fixed(parts: &[Weighted], known: &Known<'_>, at: usize) -> i64 {
    let cost = |part: &Weighted| match part.scorer {
        Scorer::Room { measure, limit } => -weighed(part, room(known, measure, limit, at)),
        _ => 0,
    };
    parts.iter().map(cost).sum()
}

/// A measure at its price.
fn priced_line(known: &Known<'_>, measured: &Measured, at: usize) -> Line {
    let (line, permille) = (measure::line(known, measured.measure, at), i64::from(measured.permille));
    Line { base: line.base.saturating_mul(permille), slope: line.slope.saturating_mul(permille), ..Line::ZERO }.addend()
}

/// A measure at its price for a request, in thousandths of its unit.
pub(crate) fn measured(known: &Known<'_>, measured: &Measured, at: usize, tokens: Tokens) -> i64 {
    if measured.measure == Measure::Adapter {
        return adapter::priced(measured, known.sought.state(at));
    }
    priced_line(known, measured, at).at(tokens)
}

/// Two measures as one number.
fn packed_line(first: Line, second: Line) -> Line {
    // A measure that might pass the limit for some prompt is at the limit for all of them.
    let limited = |line: Line| {
        let fits = line.base <= PACKED - i64::from(LONGEST) || (line.slope == 0 && line.base <= PACKED);
        if fits { (line.base, line.slope) } else { (PACKED, 0) }
    };
    let ((first, slope), (second, less)) = (limited(first), limited(second));
    Line { base: first * PACK + second, slope: slope * PACK + less, ..Line::ZERO }
}

/// The cost of an endpoint for a request, but for what depends on the cached share: that is [`share_cost`]. Not for a
/// sum that has no [line](is_local), and of a sum without what depends on the adapter.
pub(crate) fn cost(combination: &Combination, known: &Known<'_>, at: usize, tokens: Tokens, now: i64) -> i64 {
    match combination {
        Combination::Cost(terms) => {
            let seen = term::see(known, at);
            let values = terms.iter().map(|priced| term::value(known, *priced, &seen, at, tokens, now));
            values.sum::<i64>().min(MOST)
        }
        Combination::Product(measures) if !is_line(combination) => {
            let values = measures.iter().map(|&measure| measure::value(known, measure, at, tokens));
            values.fold(1, |product: i64, value| product.saturating_mul(value).min(MOST))
        }
        Combination::Lexicographic(_) | Combination::Total(_) if known.sought.is_any() => {
            line(combination, known, at).at(tokens) + adapter_cost(combination, known.sought.state(at))
        }
        _ => line(combination, known, at).at(tokens),
    }
}

/// Whether what is cached changes costs.
pub(crate) fn sees_cache(combination: &Combination) -> bool {
    match combination {
        Combination::Sum(_) => share_cost(combination, 1, 1) != 0,
        Combination::Product(measures) | Combination::Lexicographic(measures) => {
            measures.iter().any(|measure| measure.is_of_prompt())
        }
        Combination::Total(measures) => measures.iter().any(|priced| priced.measure.is_of_prompt()),
        Combination::Cost(terms) => {
            let is_of_prompt =
                |term| !matches!(term, Term::Wait | Term::SeatWall | Term::EngineQueue | Term::AdapterLoad);
            terms.iter().any(|priced| is_of_prompt(priced.term))
        }
    }
}

/// What a combination takes off for a share of the prompt's full blocks, as a cost that is not above 0.
pub(crate) fn share_cost(combination: &Combination, cached: u32, full: u32) -> i64 {
    let Combination::Sum(parts) = combination else { return 0 };
    let prefix = parts.iter().filter(|part| part.scorer == Scorer::Prefix);
    -prefix.map(|part| weighed(part, share(cached, full))).sum::<i64>()
}

/// A share of the full blocks as a score.
pub(crate) fn share(cached: u32, full: u32) -> i64 {
    if full == 0 { 0 } else { i64::from(cached.min(full)) * ONE / i64::from(full) }
}

/// A score, rounded to its steps, times its weight.
pub(crate) fn weighed(part: &Weighted, score: i64) -> i64 {
    stepped(part, score) * i64::from(part.weight)
}

pub(crate) fn stepped(part: &Weighted, score: i64) -> i64 {
    part.steps.map_or(score, |steps| score * i64::from(steps) / ONE * ONE / i64::from(steps))
}

/// What is left up to a limit, as a score.
pub(crate) fn room(known: &Known<'_>, measure: Measure, limit: u32, at: usize) -> i64 {
    let value = measure::value(known, measure, at, Tokens::new(1, 0)).min(limit.into());
    ONE - value * ONE / i64::from(limit)
}
