//! The identity of an endpoint, and what does not change about it.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::label::Labels;
use crate::link::Domain;

/// An endpoint of a [`Balancer`](crate::Balancer): a dense slot, and which of the slot's tenants is meant.
///
/// Ids order by slot. A slot is used again after its endpoint [left](crate::Balancer::leave), under a new generation, so
/// an id that was kept too long names nothing instead of a stranger.
///
/// ```
/// use phalanx_routing::{Balancer, Endpoint, Seed};
///
/// let mut balancer = Balancer::new(Seed::from(0));
/// let first = balancer.join(Endpoint::new());
/// balancer.leave(first);
/// let second = balancer.join(Endpoint::new());
/// assert_eq!(first.index(), second.index());
/// assert_ne!(first, second);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId {
    slot: u32,
    generation: u32,
}

impl EndpointId {
    pub(crate) fn new(slot: u32, generation: u32) -> Self {
        Self { slot, generation }
    }

    /// The slot, from 0: a place in a table of the caller's own.
    #[must_use]
    pub fn index(self) -> usize {
        self.slot as usize
    }

    /// How many endpoints had the slot before this one.
    #[must_use]
    pub fn generation(self) -> u32 {
        self.generation
    }
}

/// What an endpoint is. Start from [`new`](Self::new) and say what is known.
///
/// ```
/// use core::time::Duration;
/// use phalanx_routing::Endpoint;
///
/// let endpoint = Endpoint::new().with_seats(128).with_kv_tokens(400_000).with_prefill_token(Duration::from_micros(70));
/// assert_eq!(endpoint.seats(), 128);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    seats: u32,
    kv_tokens: u32,
    prefill_token: Duration,
    decode_token: Duration,
    role: Role,
    domain: Domain,
    group: Option<u32>,
    connector: u32,
    rank: Option<u32>,
    labels: Labels,
    context_tokens: Option<u32>,
    /// A hash of its name.
    name: Option<u64>,
}

/// The part of a request that an endpoint may have where prefill and decode are two endpoints' work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Either.
    #[default]
    Both,
    /// It computes prompts.
    Prefill,
    /// It answers.
    Decode,
}

impl Endpoint {
    /// An engine with 256 seats, room for 400,000 tokens of KV, 70 µs for a prompt token and 8 ms for a step of decoding: an
    /// 8B model in 16 bits on an accelerator of the A100's class. It has either role, is in domain 0 and in no group, moves KV
    /// by connector class 0, is bound to no rank, and has no labels, no limit of its context and no name.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            seats: 256,
            kv_tokens: 400_000,
            prefill_token: Duration::from_micros(70),
            decode_token: Duration::from_millis(8),
            role: Role::Both,
            domain: Domain::FIRST,
            group: None,
            connector: 0,
            rank: None,
            labels: Labels::NONE,
            context_tokens: None,
            name: None,
        }
    }

    /// Requests that it can run at once.
    #[must_use]
    pub const fn with_seats(mut self, seats: u32) -> Self {
        self.seats = seats;
        self
    }

    /// Tokens that its KV memory holds.
    #[must_use]
    pub const fn with_kv_tokens(mut self, tokens: u32) -> Self {
        self.kv_tokens = tokens;
        self
    }

    /// What it takes for a prompt token when it does nothing else. How fast the fleet is in proportion to that is learned;
    /// and of an endpoint that differs by a third or more how fast it is itself.
    #[must_use]
    pub const fn with_prefill_token(mut self, time: Duration) -> Self {
        self.prefill_token = time;
        self
    }

    /// What it takes for a token of an answer when it does nothing else. The step that is learned stays between a third of
    /// that and ten times as much.
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::Endpoint;
    ///
    /// let endpoint = Endpoint::new().with_decode_token(Duration::from_millis(20));
    /// assert_eq!(endpoint.decode_token(), Duration::from_millis(20));
    /// ```
    #[must_use]
    pub const fn with_decode_token(mut self, time: Duration) -> Self {
        self.decode_token = time;
        self
    }

    /// The part of a request that it may have in a [pair](crate::PairPolicy). Other decisions do not ask.
    ///
    /// ```
    /// use phalanx_routing::{Domain, Endpoint, Role};
    ///
    /// let endpoint = Endpoint::new().with_role(Role::Prefill).with_domain(Domain::from(4)).with_group(17);
    /// assert_eq!((endpoint.role(), endpoint.domain(), endpoint.group()), (Role::Prefill, Domain::from(4), Some(17)));
    /// let endpoint = endpoint.with_connector(2).with_rank(5);
    /// assert_eq!((endpoint.connector(), endpoint.rank()), (2, Some(5)));
    /// ```
    #[must_use]
    pub const fn with_role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Where it is in the network.
    #[must_use]
    pub const fn with_domain(mut self, domain: Domain) -> Self {
        self.domain = domain;
        self
    }

    /// The serving group that it belongs to, by a number of the caller's: it is paired within that one only. Those without
    /// a group are paired with each other.
    #[must_use]
    pub const fn with_group(mut self, group: u32) -> Self {
        self.group = Some(group);
        self
    }

    /// How it moves KV, by a number of the caller's: it is paired with those of the same class only.
    #[must_use]
    pub const fn with_connector(mut self, connector: u32) -> Self {
        self.connector = connector;
        self
    }

    /// The rank that it is bound to: it is paired with those that are bound to the same one, and with those bound to none.
    #[must_use]
    pub const fn with_rank(mut self, rank: u32) -> Self {
        self.rank = Some(rank);
        self
    }

    /// The classes that it belongs to: a request that [asks](crate::Request::with_labels) for others does not go there.
    ///
    /// ```
    /// use phalanx_routing::{Endpoint, Labels};
    ///
    /// let endpoint = Endpoint::new().with_labels(Labels::from(0b101)).with_context_tokens(32_768);
    /// assert!(endpoint.labels().contains(Labels::from(0b100)));
    /// assert_eq!(endpoint.context_tokens(), Some(32_768));
    /// ```
    #[must_use]
    pub const fn with_labels(mut self, labels: Labels) -> Self {
        self.labels = labels;
        self
    }

    /// The most tokens of prompt and answer that it takes in one request: longer ones do not go there.
    #[must_use]
    pub const fn with_context_tokens(mut self, most: u32) -> Self {
        self.context_tokens = Some(most);
        self
    }

    /// A name that it has wherever it joins: its points on [rings](crate::Picker::Ring) are made of it, so that routers
    /// which know the same endpoints agree on who owns a key, in whatever order these joined. Without one they are made of
    /// its id. Names should be different within a pool: of two that are the same only one owns anything. Only a hash of it is kept (64 bits of FNV-1a).
    ///
    /// ```
    /// use core::time::Duration;
    /// use phalanx_routing::{Balancer, Endpoint, Policy, Request, Seed};
    ///
    /// let owner = |seed: u64, names: [&'static str; 3]| {
    ///     let mut router = Balancer::new(Seed::from(seed));
    ///     let pool = router.add_pool(Policy::ring());
    ///     let ids = names.map(|name| router.join(Endpoint::new().with_name(name)));
    ///     ids.map(|id| router.enter(pool, id));
    ///     let chosen = router.explain(&Request::new(pool, 1, 100).with_affinity(42), Duration::ZERO)?.chosen;
    ///     Ok::<_, phalanx_routing::Refusal>(ids.iter().position(|id| Some(*id) == chosen).map(|at| names[at]))
    /// };
    /// assert_eq!(owner(1, ["a", "b", "c"])?, owner(2, ["c", "a", "b"])?);
    /// # Ok::<(), phalanx_routing::Refusal>(())
    /// ```
    #[must_use]
    pub fn with_name(self, name: &str) -> Self {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        self.with_name_hash(name.bytes().fold(0xcbf2_9ce4_8422_2325, step))
    }

    /// The same, of a name whose hash is known.
    pub(crate) const fn with_name_hash(mut self, hash: u64) -> Self {
        self.name = Some(hash);
        self
    }

    /// The hash of its name.
    pub(crate) const fn name_hash(&self) -> Option<u64> {
        self.name
    }

    /// Requests that it can run at once.
    #[must_use]
    pub const fn seats(&self) -> u32 {
        self.seats
    }

    /// Tokens that its KV memory holds.
    #[must_use]
    pub const fn kv_tokens(&self) -> u32 {
        self.kv_tokens
    }

    /// What it takes for a prompt token when it does nothing else.
    #[must_use]
    pub const fn prefill_token(&self) -> Duration {
        self.prefill_token
    }

    /// What it takes for a token of an answer when it does nothing else.
    #[must_use]
    pub const fn decode_token(&self) -> Duration {
        self.decode_token
    }

    /// The part of a request that it may have in a pair.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Where it is in the network.
    #[must_use]
    pub const fn domain(&self) -> Domain {
        self.domain
    }

    /// The serving group that it belongs to.
    #[must_use]
    pub const fn group(&self) -> Option<u32> {
        self.group
    }

    /// How it moves KV.
    #[must_use]
    pub const fn connector(&self) -> u32 {
        self.connector
    }

    /// The rank that it is bound to.
    #[must_use]
    pub const fn rank(&self) -> Option<u32> {
        self.rank
    }

    /// The classes that it belongs to.
    #[must_use]
    pub const fn labels(&self) -> Labels {
        self.labels
    }

    /// The most tokens of prompt and answer that it takes in one request; none if there is no limit.
    #[must_use]
    pub const fn context_tokens(&self) -> Option<u32> {
        self.context_tokens
    }

    /// Whether it takes a request of so many tokens, prompt and answer.
    pub(crate) fn takes(&self, tokens: u32) -> bool {
        self.context_tokens.is_none_or(|most| tokens <= most)
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Both => "both",
            Self::Prefill => "prefill",
            Self::Decode => "decode",
        })
    }
}
