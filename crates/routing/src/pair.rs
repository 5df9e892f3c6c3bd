//! Prefill and decode by two endpoints: what is weighed, asked and answered.

mod class;
mod request;
mod sorted;
mod written;

use thiserror::Error;

pub(crate) use self::class::{Class, Classes};
pub use self::request::{PairDecision, PairLeg, PairRequest, Transfer};
pub(crate) use self::sorted::{Members, Sorted};
use crate::link::LinkCosts;
use crate::pool::PoolId;

/// A pair policy of a [`Balancer`](crate::Balancer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairId(pub(crate) u32);

impl PairId {
    /// Its number, from 0, in the order in which pair policies were added.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a request gets an endpoint that computes its prompt, and one that answers.
///
/// The two are one choice: the least sum of what the prompt costs at the first by its pool's policy, of the time to move
/// the prompt's KV to the second, and of what the answer costs there by its pool's policy, with one token to compute. Two
/// endpoints go together if they have the same group and connector class, and the same rank unless one of them is bound
/// to none. An endpoint is never paired with itself.
///
/// ```
/// use core::time::Duration;
/// use phalanx_routing::{Balancer, Link, LinkCosts, Local, PairPolicy, Policy, Seed};
///
/// let mut balancer = Balancer::new(Seed::from(0));
/// let [prefill, decode] = [Policy::phalanx(), Policy::phalanx()].map(|policy| balancer.add_pool(policy));
/// let link = Link::new(Duration::from_micros(20), 21_000);
/// let links = LinkCosts::uniform(1, link, link)?;
/// // 128 KiB of KV for each token.
/// let policy = PairPolicy::new(prefill, decode, links, 128 << 10).with_local(Local::NEVER);
/// assert!(balancer.add_pair(policy).is_ok());
/// # Ok::<(), phalanx_routing::LinkError>(())
/// ```
///
/// In a file the pools are numbers; `order` is `joint` if it is left out, and `local` is when that is cheaper:
///
/// ```
/// use phalanx_routing::{Local, PairOrder, PairPolicy};
///
/// let link = r#"{"latency_nanos": 20000, "nanos_per_mib": 21000}"#;
/// let written = format!(
///     r#"{{
///         "prefill": 0, "decode": 1, "kv_bytes_per_token": 131072,
///         "links": {{"uniform": {{"domains": 1, "within": {link}, "between": {link}}}}},
///         "order": {{"walk": {{"decodes": 5}}}},
///         "local": {{"when": "at-need", "within": {{"tokens": 2048, "permille": 700}}}}
///     }}"#
/// );
/// let policy: PairPolicy = serde_json::from_str(&written)?;
/// assert_eq!((policy.order(), policy.local()), (PairOrder::Walk { decodes: 5 }, Local::DYNAMO));
/// assert_eq!(serde_json::from_str::<PairPolicy>(&serde_json::to_string(&policy)?)?, policy);
///
/// let error = serde_json::from_str::<PairPolicy>(&written.replace(": 5}", ": 65}")).unwrap_err();
/// assert!(error.to_string().starts_with("order.walk.decodes is 65; expected 1 to 64"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairPolicy {
    pub(crate) prefill: PoolId,
    pub(crate) decode: PoolId,
    pub(crate) links: LinkCosts,
    pub(crate) kv_bytes_per_token: u32,
    pub(crate) order: PairOrder,
    pub(crate) local: Local,
}

/// In what order the two endpoints of a pair are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PairOrder {
    /// Both at once: the least sum.
    #[default]
    Joint,
    /// The best decode endpoint that goes with any, then the best prefill endpoint for it, the transfer included:
    /// LMCache's.
    DecodeFirst,
    /// Of so many best decode endpoints the first one that goes with any, and the prefill endpoint that is the best for
    /// itself: Kthena's with 5.
    Walk {
        /// How many decode endpoints are tried: 1 to 64.
        decodes: u32,
    },
}

impl PairOrder {
    pub(crate) const MOST_DECODES: u32 = 64;
}

/// When the decode endpoint computes the prompt itself.
///
/// What that costs is its pool's policy with what it does not hold of the prompt. Unless it is [`NEVER`](Self::NEVER), it
/// also does so when there is no pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Local {
    pub(crate) is_allowed: bool,
    pub(crate) when_cheaper: bool,
    /// Tokens to compute, and thousandths of the prompt.
    pub(crate) within: Option<(u32, u32)>,
}

impl Local {
    /// Never.
    pub const NEVER: Self = Self { is_allowed: false, when_cheaper: false, within: None };
    /// When it costs no more than the pair.
    pub const WHEN_CHEAPER: Self = Self { is_allowed: true, when_cheaper: true, within: None };
    /// When there is no pair.
    pub const AT_NEED: Self = Self { is_allowed: true, when_cheaper: false, within: None };
    /// Dynamo's rule: 2,048 tokens to compute and 70 % of the prompt at the most.
    pub const DYNAMO: Self = Self::AT_NEED.or_within(2048, 700);

    /// Also where the endpoint to which the whole request would go has at most so many tokens to compute, and so many
    /// thousandths of the prompt: above 1,000 they are 1,000.
    ///
    /// ```
    /// use phalanx_routing::Local;
    ///
    /// assert_eq!(Local::AT_NEED.or_within(2048, 700), Local::DYNAMO);
    /// assert_ne!(Local::WHEN_CHEAPER.or_within(2048, 700), Local::WHEN_CHEAPER);
    /// ```
    #[must_use]
    pub const fn or_within(self, tokens: u32, permille: u32) -> Self {
        let permille = if permille > 1000 { 1000 } else { permille };
        Self { is_allowed: true, within: Some((tokens, permille)), ..self }
    }

    /// Whether so many tokens to compute of a prompt are few enough.
    pub(crate) fn holds_within(self, uncached: u32, prompt: u32) -> bool {
        self.within.is_some_and(|(tokens, permille)| {
            uncached <= tokens && u64::from(uncached) * 1000 <= u64::from(prompt) * u64::from(permille)
        })
    }
}

impl Default for Local {
    /// [`WHEN_CHEAPER`](Self::WHEN_CHEAPER).
    fn default() -> Self {
        Self::WHEN_CHEAPER
    }
}

/// Why a pair policy cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PairError {
    /// There is no such pool.
    #[error("pool {pool} does not exist")]
    UnknownPool {
        /// Its number.
        pool: usize,
    },
    /// A pool whose costs are not nanoseconds, so that a transfer cannot be added.
    #[error("policy {policy:?} of pool {pool} does not weigh in nanoseconds; expected a sum of priced terms (cost)")]
    NotTime {
        /// Its number.
        pool: usize,
        /// The policy's name.
        policy: String,
    },
    /// A pool whose policy does not pick the best.
    #[error("policy {policy:?} of pool {pool} picks by a draw; expected the picker best")]
    Drawn {
        /// Its number.
        pool: usize,
        /// The policy's name.
        policy: String,
    },
    /// A walk over too few decode endpoints, or too many.
    #[error("a walk over {decodes} decode endpoints; expected 1 to 64")]
    Decodes {
        /// How many.
        decodes: u32,
    },
}

impl PairPolicy {
    /// A joint choice of an endpoint of the pool `prefill` and one of the pool `decode`, which stays local
    /// [when that is cheaper](Local::WHEN_CHEAPER). A token of the prompt has so many bytes of KV.
    #[must_use]
    pub const fn new(prefill: PoolId, decode: PoolId, links: LinkCosts, kv_bytes_per_token: u32) -> Self {
        Self { prefill, decode, links, kv_bytes_per_token, order: PairOrder::Joint, local: Local::WHEN_CHEAPER }
    }

    /// With another order.
    #[must_use]
    pub const fn with_order(mut self, order: PairOrder) -> Self {
        self.order = order;
        self
    }

    /// With another rule for when the decode endpoint computes the prompt.
    #[must_use]
    pub const fn with_local(mut self, local: Local) -> Self {
        self.local = local;
        self
    }

    /// The pool of those that compute prompts.
    #[must_use]
    pub const fn prefill(&self) -> PoolId {
        self.prefill
    }

    /// The pool of those that answer.
    #[must_use]
    pub const fn decode(&self) -> PoolId {
        self.decode
    }

    /// What moving KV costs.
    #[must_use]
    pub const fn links(&self) -> &LinkCosts {
        &self.links
    }

    /// Bytes of KV for each token of a prompt.
    #[must_use]
    pub const fn kv_bytes_per_token(&self) -> u32 {
        self.kv_bytes_per_token
    }

    /// In what order the two are found.
    #[must_use]
    pub const fn order(&self) -> PairOrder {
        self.order
    }

    /// When the decode endpoint computes the prompt itself.
    #[must_use]
    pub const fn local(&self) -> Local {
        self.local
    }

    /// The bytes to move to an endpoint that holds so many tokens of the prompt.
    pub(crate) fn bytes(&self, prompt: u32, held: u32) -> u64 {
        u64::from(prompt - held.min(prompt)) * u64::from(self.kv_bytes_per_token)
    }
}
