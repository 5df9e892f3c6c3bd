//! What a router weighs: a value, made of parts.

mod filter;
mod measure;
mod picker;
mod preset;
mod scorer;
mod term;

use core::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::filter::{FailMode, Filter};
pub use self::measure::Measure;
pub use self::picker::Picker;
pub use self::preset::UnknownPolicy;
pub use self::scorer::{ONE, Scorer, Weighted};
pub use self::term::{Priced, Term};

/// How an endpoint is chosen: who is left out, how the others are weighed, and who of them is picked.
///
/// A policy is plain data: it can be written in code or in a file, compared, and sent elsewhere. It is checked when it is
/// made, and the same policy decides in a gateway, in a simulation and in a replay.
///
/// ```
/// use phalanx_routing::{Combination, Measure, Policy, Scorer, Weighted};
///
/// let scorers = vec![Weighted::new(Scorer::Prefix, 3), Weighted::new(Scorer::Spread(Measure::Waiting), 2)];
/// let policy = Policy::new("mine", Combination::Sum(scorers))?;
/// assert_eq!(policy.name(), "mine");
/// assert!(Policy::new("empty", Combination::Sum(vec![])).is_err());
/// # Ok::<(), phalanx_routing::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Policy {
    name: String,
    filters: Vec<Filter>,
    combination: Combination,
    picker: Picker,
    unknown: Unknown,
}

/// How what is known of an endpoint becomes one number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Combination {
    /// The sum of weight times score: the most wins.
    Sum(Vec<Weighted>),
    /// The product of measures: the least wins.
    Product(Vec<Measure>),
    /// Measures one after the other, two at the most: the least wins.
    Lexicographic(Vec<Measure>),
    /// The sum of price times term: the least wins.
    Cost(Vec<Priced>),
}

/// What an endpoint counts whose signals are not known, or too old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// As the worst: it never looks better than one that is known.
    #[default]
    Worst,
    /// As if there were nothing to say: for policies that keep account themselves.
    Idle,
}

/// A policy as it is written, before it was checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    name: String,
    #[serde(default)]
    filters: Vec<Filter>,
    combination: Combination,
    #[serde(default)]
    picker: Picker,
    #[serde(default)]
    unknown: Unknown,
}

/// Why parts make no policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Nothing that is weighed.
    #[error("policy {policy:?}: {field} is empty; expected one part or more")]
    Empty {
        /// The policy's name.
        policy: String,
        /// The field.
        field: &'static str,
    },
    /// Too many parts.
    #[error("policy {policy:?}: {field} has {found} parts; expected {most} at the most")]
    TooMany {
        /// The policy's name.
        policy: String,
        /// The field.
        field: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A number that is out of range.
    #[error("policy {policy:?}: {field} is {found}; expected {least} to {most}")]
    Range {
        /// The policy's name.
        policy: String,
        /// The field, with its place in a list.
        field: String,
        /// The number.
        found: u64,
        /// The least that is allowed.
        least: u64,
        /// The most that is allowed.
        most: u64,
    },
    /// A term that stands twice.
    #[error("policy {policy:?}: {field} is {term} again; expected each term once")]
    Twice {
        /// The policy's name.
        policy: String,
        /// The field, with its place in a list.
        field: String,
        /// The term.
        term: Term,
    },
    /// A measure of the request where only one of the endpoint makes sense.
    #[error(
        "policy {policy:?}: {field} is {measure}, which depends on the request; expected a measure of the endpoint"
    )]
    OfRequest {
        /// The policy's name.
        policy: String,
        /// The field, with its place in a list.
        field: String,
        /// The measure.
        measure: Measure,
    },
}

/// Parts of a combination: so many scores fit in a total without overflow.
const MOST_PARTS: usize = 16;
/// Weights up to this, for the same reason.
const MOST_WEIGHT: u32 = 1_000_000;

impl Policy {
    /// A policy without filters that picks the best, and takes what is unknown for the worst.
    ///
    /// # Errors
    ///
    /// [`PolicyError`], which names the field: an empty or overlong list, a weight above a million, a limit or a number of
    /// steps of 0, a share above a million, or a measure of the request where that makes no sense.
    pub fn new(name: impl Into<String>, combination: Combination) -> Result<Self, PolicyError> {
        let policy =
            Self { name: name.into(), filters: Vec::new(), combination, picker: Picker::Best, unknown: Unknown::Worst };
        policy.checked()
    }

    /// With filters, in this order.
    ///
    /// # Errors
    ///
    /// [`PolicyError::OfRequest`] for a filter by a measure of the request, [`PolicyError::TooMany`] for more than 16.
    ///
    /// ```
    /// use phalanx_routing::{Combination, FailMode, Filter, Measure, Policy};
    ///
    /// let filter = Filter { measure: Measure::Waiting, below: 10, fail: FailMode::Open };
    /// let policy = Policy::new("calm", Combination::Lexicographic(vec![Measure::InFlight]))?.with_filters(vec![filter])?;
    /// assert_eq!(policy.filters(), [filter]);
    /// # Ok::<(), phalanx_routing::PolicyError>(())
    /// ```
    pub fn with_filters(mut self, filters: Vec<Filter>) -> Result<Self, PolicyError> {
        self.filters = filters;
        self.checked()
    }

    /// With another way to pick.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Range`] for the best of none, or of more than 64.
    ///
    /// ```
    /// use phalanx_routing::{Combination, Measure, Picker, Policy};
    ///
    /// let policy = Policy::new("two", Combination::Lexicographic(vec![Measure::InFlight]))?;
    /// assert_eq!(policy.clone().with_picker(Picker::PowerOf(2))?.picker(), Picker::PowerOf(2));
    /// assert!(policy.with_picker(Picker::PowerOf(0)).is_err());
    /// # Ok::<(), phalanx_routing::PolicyError>(())
    /// ```
    pub fn with_picker(mut self, picker: Picker) -> Result<Self, PolicyError> {
        self.picker = picker;
        self.checked()
    }

    /// With another meaning of signals that are not known.
    #[must_use]
    pub fn with_unknown(mut self, unknown: Unknown) -> Self {
        self.unknown = unknown;
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its filters, in order.
    #[must_use]
    pub fn filters(&self) -> &[Filter] {
        &self.filters
    }

    /// How endpoints are weighed.
    #[must_use]
    pub fn combination(&self) -> &Combination {
        &self.combination
    }

    /// How one is picked.
    #[must_use]
    pub fn picker(&self) -> Picker {
        self.picker
    }

    /// What is unknown counts so.
    #[must_use]
    pub fn unknown(&self) -> Unknown {
        self.unknown
    }

    fn checked(self) -> Result<Self, PolicyError> {
        let policy = || self.name.clone();
        let (field, len, most) = match &self.combination {
            Combination::Sum(parts) => ("combination.sum", parts.len(), MOST_PARTS),
            Combination::Product(parts) => ("combination.product", parts.len(), 4),
            Combination::Lexicographic(parts) => ("combination.lexicographic", parts.len(), 2),
            Combination::Cost(parts) => ("combination.cost", parts.len(), MOST_PARTS),
        };
        if len == 0 {
            return Err(PolicyError::Empty { policy: policy(), field });
        }
        for (field, found, most) in [(field, len, most), ("filters", self.filters.len(), MOST_PARTS)] {
            if found > most {
                return Err(PolicyError::TooMany { policy: policy(), field, found, most });
            }
        }
        let range = |field: String, found: u32, least: u32, most: u32| {
            let (found, least, most) = (found.into(), least.into(), most.into());
            if (least..=most).contains(&found) {
                Ok(())
            } else {
                Err(PolicyError::Range { policy: policy(), field, found, least, most })
            }
        };
        let of_endpoint = |field: String, measure: Measure| {
            if measure.is_of_request() {
                Err(PolicyError::OfRequest { policy: policy(), field, measure })
            } else {
                Ok(())
            }
        };
        for (at, filter) in self.filters.iter().enumerate() {
            of_endpoint(format!("filters[{at}].measure"), filter.measure)?;
        }
        match &self.combination {
            Combination::Sum(parts) => {
                for (at, part) in parts.iter().enumerate() {
                    let field = |name: &str| format!("combination.sum[{at}].{name}");
                    range(field("weight"), part.weight, 0, MOST_WEIGHT)?;
                    if let Some(steps) = part.steps {
                        range(field("steps"), steps, 1, ONE as u32)?;
                    }
                    match part.scorer {
                        Scorer::Spread(measure) | Scorer::BelowMost(measure) => {
                            of_endpoint(field("scorer"), measure)?;
                        }
                        Scorer::Room { measure, limit } => {
                            of_endpoint(field("scorer.room.measure"), measure)?;
                            range(field("scorer.room.limit"), limit, 1, u32::MAX)?;
                        }
                        Scorer::Latency { ttft_ppm } => {
                            range(field("scorer.latency.ttft_ppm"), ttft_ppm, 0, ONE as u32)?;
                        }
                        Scorer::Prefix | Scorer::Draw => {}
                    }
                }
            }
            Combination::Cost(parts) => {
                for (at, part) in parts.iter().enumerate() {
                    range(format!("combination.cost[{at}].permille"), part.permille, 0, MOST_WEIGHT)?;
                    if parts[..at].iter().any(|other| other.term == part.term) {
                        let field = format!("combination.cost[{at}].term");
                        return Err(PolicyError::Twice { policy: policy(), field, term: part.term });
                    }
                }
            }
            Combination::Product(_) | Combination::Lexicographic(_) => {}
        }
        if let Picker::PowerOf(count) = self.picker {
            range("picker.power-of".to_owned(), count, 1, 64)?;
        }
        Ok(self)
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { name, filters, combination, picker, unknown } = Written::deserialize(deserializer)?;
        Self { name, filters, combination, picker, unknown }.checked().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}
