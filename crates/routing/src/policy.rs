//! What a router weighs: a value, made of parts.

mod check;
mod error;
mod filter;
mod gate;
mod measure;
mod near;
mod picker;
mod preset;
mod scorer;
mod targets;
mod term;

use core::fmt;

use serde::{Deserialize, Serialize};

pub use self::error::PolicyError;
pub use self::filter::{FailMode, Filter};
pub use self::gate::{Gate, Trigger};
pub use self::measure::{Measure, Measured};
pub use self::near::{Limit, Near};
pub use self::picker::{Bound, Overflow, Picker};
pub use self::preset::UnknownPolicy;
pub use self::scorer::{ONE, Scorer, Weighted};
pub use self::targets::Targets;
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gates: Vec<Gate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    near: Option<Near>,
    #[serde(skip_serializing_if = "Option::is_none")]
    targets: Option<Targets>,
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
    /// The sum of price times measure: the least wins.
    Total(Vec<Measured>),
}

impl Combination {
    /// The scores of a sum; none of the others.
    pub(crate) fn scores(&self) -> &[Weighted] {
        match self {
            Self::Sum(parts) => parts,
            _ => &[],
        }
    }
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
    #[serde(default)]
    gates: Vec<Gate>,
    #[serde(default)]
    near: Option<Near>,
    #[serde(default)]
    targets: Option<Targets>,
    combination: Combination,
    #[serde(default)]
    picker: Picker,
    #[serde(default)]
    unknown: Unknown,
}

impl Policy {
    /// A policy without filters that picks the best, and takes what is unknown for the worst.
    ///
    /// # Errors
    ///
    /// [`PolicyError`], which names the field: an empty or overlong list, a weight above a million, a limit or a number of
    /// steps of 0, a share above a million, or a measure of the request where that makes no sense.
    pub fn new(name: impl Into<String>, combination: Combination) -> Result<Self, PolicyError> {
        let policy = Self {
            name: name.into(),
            filters: Vec::new(),
            gates: Vec::new(),
            near: None,
            targets: None,
            combination,
            picker: Picker::Best,
            unknown: Unknown::Worst,
        };
        policy.checked()
    }

    /// With filters, in this order.
    ///
    /// # Errors
    ///
    /// [`PolicyError::OfRequest`] for a filter by a measure of the request's prompt, [`PolicyError::TooMany`] for more than 16.
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

    /// With gates: the first one that is open has its combination weigh the candidates, and the policy's own does if none
    /// is. A policy with gates looks at every candidate.
    ///
    /// # Errors
    ///
    /// [`PolicyError`], which names the field, for a combination that is none, a condition on a measure of the request, and
    /// more than 16 gates.
    ///
    /// ```
    /// use phalanx_routing::{Combination, Trigger, Gate, Measure, Policy};
    ///
    /// // The most of the prompt, as long as the load is even.
    /// let uneven = Trigger::Spread { measure: Measure::InFlight, above: 32, permille: 1100 };
    /// let gate = Gate { when: uneven, combination: Combination::Lexicographic(vec![Measure::InFlight]) };
    /// let most = Combination::Lexicographic(vec![Measure::UncachedTokens, Measure::InFlight]);
    /// assert_eq!(Policy::new("even", most)?.with_gates(vec![gate.clone()])?.gates(), [gate]);
    /// # Ok::<(), phalanx_routing::PolicyError>(())
    /// ```
    pub fn with_gates(mut self, gates: Vec<Gate>) -> Result<Self, PolicyError> {
        self.gates = gates;
        self.checked()
    }

    /// Weighs only those that are near the others in a measure; there is always one. Gates are asked before. A policy of
    /// this kind looks at every candidate.
    ///
    /// # Errors
    ///
    /// [`PolicyError::OfRequest`] for a measure of the request, [`PolicyError::Range`] for a limit below the least or more
    /// than a thousand times it.
    ///
    /// ```
    /// use phalanx_routing::{Combination, Limit, Measure, Near, Policy};
    ///
    /// // The most of the prompt, among those with hardly more requests than the least has.
    /// let near = Near { measure: Measure::InFlight, limit: Limit::Least { permille: 1100, above: 8 } };
    /// let most = Combination::Lexicographic(vec![Measure::UncachedTokens, Measure::InFlight]);
    /// assert_eq!(Policy::new("window", most)?.with_near(near)?.near(), Some(near));
    /// # Ok::<(), phalanx_routing::PolicyError>(())
    /// ```
    pub fn with_near(mut self, near: Near) -> Result<Self, PolicyError> {
        self.near = Some(near);
        self.checked()
    }

    /// Weighs only those that are expected to keep the request's [`Slo`](crate::Slo), or that of the targets where it says
    /// nothing. A policy without targets does not care. Of a pair each part keeps what is its own: see
    /// [`PairRequest::with_slo`](crate::PairRequest::with_slo).
    ///
    /// ```
    /// use phalanx_routing::{FailMode, Policy, Targets};
    ///
    /// let targets = Targets { ttft_millis: Some(2000), tpot_millis: Some(100), fail: FailMode::Open };
    /// assert_eq!(Policy::phalanx().with_targets(targets).targets(), Some(targets));
    /// ```
    #[must_use]
    pub fn with_targets(mut self, targets: Targets) -> Self {
        self.targets = Some(targets);
        self
    }

    /// With another way to pick.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Range`] for the best of none, or of more than 64, and for other numbers that are out of range;
    /// [`PolicyError::NeedsScores`] for a draw by score where no scores are summed.
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

    /// Its gates, in order.
    #[must_use]
    pub fn gates(&self) -> &[Gate] {
        &self.gates
    }

    /// Whether it matters what an endpoint's cache holds of the prompt.
    ///
    /// ```
    /// use phalanx_routing::Policy;
    ///
    /// assert!(Policy::phalanx().sees_cache() && !Policy::least_request().sees_cache());
    /// ```
    #[must_use]
    pub fn sees_cache(&self) -> bool {
        let gates = self.gates.iter().map(|gate| &gate.combination);
        gates.chain([&self.combination]).any(crate::price::sees_cache)
    }

    /// Only those are weighed that are as near as this.
    #[must_use]
    pub fn near(&self) -> Option<Near> {
        self.near
    }

    /// What is expected of endpoints that are weighed, for requests that say nothing of it.
    #[must_use]
    pub fn targets(&self) -> Option<Targets> {
        self.targets
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

    /// How endpoints are weighed when that gate is open, or none is.
    pub(crate) fn behind(&self, gate: Option<u32>) -> &Combination {
        gate.and_then(|gate| self.gates.get(gate as usize)).map_or(&self.combination, |gate| &gate.combination)
    }

    /// Whether it can tell of each candidate alone whether it is weighed.
    pub(crate) fn asks_one(&self) -> bool {
        !self.is_relative() && self.targets.is_none()
    }

    /// Whether what is chosen depends on candidates together.
    pub(crate) fn is_relative(&self) -> bool {
        !self.gates.is_empty() || self.near.is_some()
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { name, filters, gates, near, targets, combination, picker, unknown } =
            Written::deserialize(deserializer)?;
        Self { name, filters, gates, near, targets, combination, picker, unknown }
            .checked()
            .map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}
