//! Classes of the caller's that endpoints belong to.

use core::fmt;
use core::ops::BitOr;

/// A set of up to 64 labels, a bit each: what a bit means is the caller's.
///
/// An endpoint [has](crate::Endpoint::with_labels) some, and a request [asks](crate::Request::with_labels) for some: it goes
/// to an endpoint that has all of them.
///
/// ```
/// use phalanx_routing::Labels;
///
/// let (canary, gpu) = (Labels::from(0b01), Labels::from(0b10));
/// assert!((canary | gpu).contains(gpu));
/// assert!(!canary.contains(gpu));
/// assert_eq!((canary | gpu).to_string(), "0x3");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(u64);

impl Labels {
    /// No label.
    pub const NONE: Self = Self(0);

    /// Its bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether it has no label.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether each label of `other` is one of these.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl From<u64> for Labels {
    fn from(bits: u64) -> Self {
        Self(bits)
    }
}

impl BitOr for Labels {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
