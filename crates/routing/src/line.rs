//! A cost as a line over the tokens that have to be computed.

/// Costs above this are this.
pub(crate) const MOST: i64 = 1 << 60;
/// Slopes above this are this: times the longest prompt they stay below [`MOST`].
const STEEPEST: i64 = 1 << 36;
/// So many lines may be added.
const ADDENDS: i64 = 16;
/// What is added is not more than this.
pub(crate) const MOST_ADDED: i64 = MOST / ADDENDS;
/// Prompts above this many tokens cost what one of so many does.
pub(crate) const LONGEST: u32 = (1 << 24) - 1;

/// What an endpoint costs a request, as a function of the prompt and of its tokens that are not cached there:
/// `base + slope × uncached + context × (prompt − uncached)`.
///
/// No slope is negative, so what is cached never makes an endpoint dearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// In the policy's unit. Of a [falling](Self::falling) line: at time 0.
    pub(crate) base: i64,
    /// For each token of the prompt that has to be computed.
    pub(crate) slope: i64,
    /// For each token of the prompt that is cached.
    pub(crate) context: i64,
    /// Up to so many half tokens to compute this is all of the cost; beyond it is a lower bound.
    pub(crate) exact_to: i64,
    /// Whether the base falls with time, by one for each nanosecond.
    pub(crate) falling: bool,
    /// What a falling base does not fall below.
    pub(crate) floor: i64,
}

impl Line {
    /// All of the cost whatever is computed.
    pub(crate) const ALWAYS: i64 = i64::MAX;
    /// Of an endpoint that is not to be chosen.
    pub(crate) const NEVER: Self =
        Self { base: i64::MAX, slope: 0, context: 0, exact_to: Self::ALWAYS, falling: false, floor: 0 };
    /// Costs nothing.
    pub(crate) const ZERO: Self =
        Self { base: 0, slope: 0, context: 0, exact_to: Self::ALWAYS, falling: false, floor: 0 };

    #[inline]
    pub(crate) fn is_never(&self) -> bool {
        self.base == i64::MAX
    }

    /// Brings all parts within their limits.
    #[inline]
    pub(crate) fn limited(self) -> Self {
        let slope = self.slope.clamp(0, STEEPEST);
        let limited = |base: i64| base.clamp(-MOST, MOST);
        let context = self.context.clamp(0, slope);
        Self { base: limited(self.base), floor: limited(self.floor), slope, context, ..self }
    }

    /// The same, so that sixteen of them can be added.
    #[inline]
    pub(crate) fn addend(self) -> Self {
        let slope = self.slope.clamp(0, STEEPEST / ADDENDS);
        let limited = |base: i64| base.clamp(-MOST_ADDED, MOST_ADDED);
        let context = self.context.clamp(0, slope);
        Self { base: limited(self.base), floor: limited(self.floor), slope, context, ..self }
    }

    /// The cost at a time, or a lower bound of it.
    #[inline]
    pub(crate) fn low(&self, tokens: Tokens, now: i64) -> i64 {
        let fallen = if self.falling { self.base - (self.base - now).max(self.floor) } else { 0 };
        self.at(tokens) - fallen
    }

    /// The cost at a time, if this is all of it.
    #[inline]
    pub(crate) fn exactly(&self, tokens: Tokens, now: i64) -> Option<i64> {
        (2 * i64::from(tokens.uncached) <= self.exact_to).then(|| self.low(tokens, now))
    }

    /// What an answer costs, for which one token of the prompt is computed, as a line over the tokens of the prompt.
    pub(crate) fn answering(self) -> Self {
        if self.is_never() {
            return self;
        }
        let more = self.slope - self.context;
        let exact_to = if self.exact_to < 2 { 0 } else { Self::ALWAYS };
        let (base, floor) = (self.base + more, self.floor + more);
        Self { base, floor, slope: self.context, context: 0, exact_to, falling: self.falling }
    }

    /// Two [addends](Self::addend) as one line.
    #[inline]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            base: self.base + other.base,
            slope: self.slope + other.slope,
            context: self.context + other.context,
            exact_to: self.exact_to.min(other.exact_to),
            falling: self.falling | other.falling,
            floor: self.floor + if other.falling { other.floor } else { other.base },
        }
    }

    /// The cost without regard to time.
    #[inline]
    pub(crate) fn at(&self, tokens: Tokens) -> i64 {
        let cached = i64::from(tokens.prompt - tokens.uncached);
        self.base + self.slope * i64::from(tokens.uncached) + self.context * cached
    }
}

/// A prompt, and how much of it has to be computed: 1 at the least, and no more than [`LONGEST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) prompt: u32,
    pub(crate) uncached: u32,
}

impl Tokens {
    /// Of a prompt of which `cached` tokens are cached. The last token is always computed: the first answer token comes
    /// from it.
    #[inline]
    pub(crate) fn new(prompt: u32, cached: u32) -> Self {
        let prompt = prompt.clamp(1, LONGEST);
        Self { prompt, uncached: prompt - cached.min(prompt - 1) }
    }
}
