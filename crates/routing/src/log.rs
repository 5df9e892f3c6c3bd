//! Everything that a balancer was told and what it answered, line by line.

mod error;
mod line;
mod pair;
mod recorder;
mod replay;
mod report;

use core::fmt;
use core::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use self::error::LogError;
pub(crate) use self::line::id;
use self::line::{Head, Line, NAME, VERSION};
pub(crate) use self::pair::{Leg, Legs};
pub(crate) use self::recorder::Recording;
use self::replay::Replay;
pub use self::report::{Answer, Difference, Report};
use crate::policy::Policy;

/// The decisions of a [`Balancer`](crate::Balancer) with all that led to them, to be made again.
///
/// [`Balancer::record`](crate::Balancer::record) writes one. The form, version 1, is a JSON object a line, of integers,
/// names and policies; no text of a prompt is in it. Times are nanoseconds since the caller's epoch, an endpoint is
/// `[slot, generation]`, and requests that were sent somewhere have the numbers 1, 2, 3, ... in the order of their
/// decisions; those that were adopted count among them.
///
/// | line | fields |
/// |---|---|
/// | the first | `log` (`phalanx-routing`), `version`, `seed` |
/// | `"do":"max-age"` | `age` |
/// | `breaker` | `breaker`; null from when there is none |
/// | `pool` | `policy`; pools have the numbers 0, 1, ... |
/// | `policy` | `pool`, `policy`: its own from now on |
/// | `join` | `endpoint`, `seats`, `kv_tokens`, `prefill_token`, `decode_token`, `labels` (bits), `context_tokens` if there is a limit, and unless it is as usual `place` (`role`, `domain`, `group`, `connector`, `rank`) |
/// | `leave` | `endpoint` |
/// | `enter`, `exit` | `pool`, `endpoint` |
/// | `signals` | `endpoint`, `read`, and as far as known `waiting`, `running`, `kv_used_ppm`, `ttft`, `tpot` |
/// | `adapters` | `endpoint`, `read`, `loaded`, `queued` (numbers), and `slots` if that is known |
/// | `timeout` | `now` |
/// | `decide` | `now`, `pool`, `key`, `prompt_tokens`, `held` (`[slot, tokens]` each), `levels` (`[tokens, words]` each, where bit b of word w is slot 64 w + b), `block_tokens`, `affinity`, `adapter`, `labels` (bits), `output_tokens`, `ttft`, `tpot`, `subset`, `excluded`, `answer`; where a list was asked for `others` (how many at the most, and the endpoints) |
/// | `pair` | `policy`, as a [`PairPolicy`](crate::PairPolicy) is written; pair policies have the numbers 0, 1, ... |
/// | `decide-pair` | `pair`, and `asked`: what is in `decide`, where the pool is the one of those who answer |
/// | `adopt` | `endpoint`, `prompt_tokens`, `uncached_tokens`, `came` (whether the first token did), `now` |
/// | `first-token` | `of` (the number; 0 for a request that is no longer open), `now` |
/// | `generated` | `of`, `tokens` |
/// | `settle` | `of`, `outcome` (`success`, `error`, `client-gone`, `cut` or `unused`), `now` |
/// | `reclaim` | `age`, `now` |
/// | `left-out` | nothing: the log came to its limit |
///
/// An answer is `{"sent": {"endpoint", "cached_tokens", "cost", "ties"}}`, `{"unknown-pool": {"pool"}}`,
/// `{"no-candidates": {"subset"}}`, `{"none-labeled": {"labels", "unknown", "candidates"}}`,
/// `{"too-long": {"tokens", "longest", "candidates"}}`, `{"all-excluded": {"candidates"}}`,
/// `{"all-late": {"candidates"}}` or `{"all-filtered": {"filter", "candidates"}}`; of a pair it is
/// `{"paired": {"prefill", "decode", "transfer", "ties"}}`, whose parts are `{"endpoint", "cached_tokens",
/// "uncached_tokens", "cost"}` (those of the decode endpoint are counted first), or besides those above
/// `{"unknown-pair": {"pair"}}`, `{"of-role": {"role", "why"}}`, `{"unknown-domain": {"domain", "domains"}}` or
/// `{"no-pair": {"prefills", "decodes"}}`.
/// Lists that are empty are left out, a subset aside, and so are labels that are none, an output of no tokens, and a
/// block of one token. What changed nothing, such as an
/// endpoint that entered twice, is not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    seed: u64,
    lines: Vec<Line>,
    /// The number of the line that says that something was left out.
    left_out: Option<usize>,
}

impl Log {
    /// A log from its bytes. Linear in them.
    ///
    /// # Errors
    ///
    /// A [`LogError`] with the line: of another version, cut off within a line, or with a field that is missing, unknown
    /// or of another kind. Whether lines go together is seen when they are replayed.
    ///
    /// ```
    /// use phalanx_routing::Log;
    ///
    /// let text = "{\"log\":\"phalanx-routing\",\"version\":1,\"seed\":7}\n{\"do\":\"leave\",\"endpoint\":3}\n";
    /// let error = Log::read(text.as_bytes()).unwrap_err();
    /// assert_eq!(error.line(), 2);
    /// assert!(Log::read(&text.as_bytes()[..47])?.left_out().is_none());
    /// # Ok::<(), phalanx_routing::LogError>(())
    /// ```
    pub fn read(bytes: &[u8]) -> Result<Self, LogError> {
        let mut lines = bytes.split(|byte| *byte == b'\n').peekable();
        let seed = head(lines.next().unwrap_or_default())?;
        let mut log = Self { seed, lines: Vec::new(), left_out: None };
        for line in 2.. {
            let Some(text) = lines.next() else { break };
            let is_last = lines.peek().is_none();
            if is_last && text.is_empty() {
                break;
            }
            let read: Line = parse(text).map_err(|error| match error {
                Wrong::Cut if is_last => LogError::Cut { line },
                wrong => LogError::Form { line, problem: wrong.to_string() },
            })?;
            if matches!(read, Line::LeftOut {}) {
                log.left_out = Some(line);
                break;
            }
            log.lines.push(read);
        }
        Ok(log)
    }

    /// How many decisions are in it, refusals included.
    #[must_use]
    pub fn decisions(&self) -> usize {
        self.lines.iter().filter(|line| matches!(line, Line::Decide(_) | Line::DecidePair { .. })).count()
    }

    /// The line after which things happened that are not in it, if there is one: it tells nothing from there on.
    #[must_use]
    pub fn left_out(&self) -> Option<usize> {
        self.left_out
    }

    /// Makes every decision again, with the policies that are in it. Of a log that was recorded by the same version each
    /// is the same, bit for bit.
    ///
    /// # Errors
    ///
    /// [`LogError::Order`] for a line that cannot have come after those before it.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Log, Policy, Request, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(7));
    /// balancer.record(1 << 20);
    /// let pool = balancer.add_pool(Policy::phalanx());
    /// assert!(balancer.decide(&Request::new(pool, 1, 100), Duration::ZERO).is_err());
    /// let report = Log::read(balancer.recorded())?.replay()?;
    /// assert_eq!((report.decisions, report.refused, report.differences.len()), (1, 1, 0));
    /// # Ok::<(), phalanx_routing::LogError>(())
    /// ```
    pub fn replay(&self) -> Result<Report, LogError> {
        Replay::new(self.seed, |_, policy| policy.clone()).run(&self.lines, self.left_out)
    }

    /// Makes every decision again, with the policy that `policies` gives for the number and the policy of each pool, and
    /// says which endpoints would be others.
    ///
    /// Each decision is asked of the load that there was: it follows the choices that were made, not those that would be.
    /// So a difference says what the other policy would have done in that situation, and not what the fleet would be like
    /// had it always decided. A difference costs a look at the whole pool.
    ///
    /// # Errors
    ///
    /// [`LogError::Order`] for a line that cannot have come after those before it.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Evidence, Factor, Log, Measure, Policy, Request, Seed};
    ///
    /// let mut balancer = Balancer::new(Seed::from(7));
    /// balancer.record(1 << 20);
    /// let pool = balancer.add_pool(Policy::phalanx());
    /// let fleet = [Endpoint::new(), Endpoint::new()].map(|endpoint| balancer.join(endpoint));
    /// fleet.map(|endpoint| balancer.enter(pool, endpoint));
    /// for key in 0..2 {
    ///     // The second one waits for what the first one computes.
    ///     let evidence = [(fleet[0], 9000)];
    ///     let request = Request::new(pool, key, 10_000).with_evidence(Evidence::Tokens(&evidence));
    ///     core::mem::forget(balancer.decide(&request, Duration::ZERO)?);
    /// }
    /// let report = Log::read(balancer.recorded())?.replay_with(|_, _| Policy::least_request())?;
    /// let difference = report.differences.last().expect("the second goes elsewhere");
    /// assert_eq!(difference.now.endpoint(), Some(fleet[1]));
    /// assert_eq!(difference.factor, Some(Factor::Measure(Measure::InFlight)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replay_with(&self, policies: impl FnMut(usize, &Policy) -> Policy) -> Result<Report, LogError> {
        Replay::new(self.seed, policies).of_others().run(&self.lines, self.left_out)
    }
}

/// As it is written.
impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = Head { log: NAME.to_owned(), version: VERSION, seed: self.seed };
        writeln!(f, "{}", serde_json::to_string(&head).map_err(|_| fmt::Error)?)?;
        let left_out = self.left_out.map(|_| &Line::LeftOut {});
        for line in self.lines.iter().chain(left_out) {
            writeln!(f, "{}", serde_json::to_string(line).map_err(|_| fmt::Error)?)?;
        }
        Ok(())
    }
}

/// A time in nanoseconds; none for one that a log cannot hold, after more than 584 years.
fn nanos(time: Duration) -> Option<u64> {
    u64::try_from(time.as_nanos()).ok()
}

/// Reads the first line: the seed.
fn head(text: &[u8]) -> Result<u64, LogError> {
    #[derive(Deserialize)]
    struct Any {
        log: String,
        version: u64,
    }
    let wrong = |wrong: Wrong| LogError::Head { problem: wrong.to_string() };
    let any: Any = parse(text).map_err(wrong)?;
    if any.log != NAME {
        return Err(LogError::Head { problem: format!("a log of {:?}", any.log) });
    }
    if any.version != u64::from(VERSION) {
        return Err(LogError::Version { found: any.version, expected: VERSION });
    }
    parse(text).map(|head: Head| head.seed).map_err(wrong)
}

/// What is wrong with a line.
enum Wrong {
    /// It ends too early.
    Cut,
    Otherwise(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("ends too early"),
            Self::Otherwise(problem) => f.write_str(problem),
        }
    }
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, Wrong> {
    serde_json::from_slice(text).map_err(|error| {
        if error.is_eof() {
            return Wrong::Cut;
        }
        let text = error.to_string();
        // The number of the line is told by the log, which has many.
        let problem = text.split_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
        Wrong::Otherwise(match error.column() {
            0 => problem.to_owned(),
            column => format!("{problem}, in column {column}"),
        })
    })
}

#[cfg(test)]
mod tests;
