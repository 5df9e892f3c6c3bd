//! A set of devices of one node.

use std::fmt;

/// Up to 64 devices of one node, by index.
///
/// ```
/// # use phalanx_topology::DeviceSet;
/// let set = DeviceSet::from_mask(0b1011);
/// assert_eq!(set.len(), 3);
/// assert_eq!(set.iter().collect::<Vec<_>>(), [0, 1, 3]);
/// assert_eq!(set.to_string(), "0-1,3");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceSet(u64);

impl DeviceSet {
    /// The most devices a node can have.
    pub const MAX: u32 = 64;

    /// The devices whose bits are set.
    #[must_use]
    pub const fn from_mask(mask: u64) -> Self {
        Self(mask)
    }

    /// The devices 0 to `count` - 1; none if `count` exceeds [`MAX`](Self::MAX).
    ///
    /// ```
    /// # use phalanx_topology::DeviceSet;
    /// assert_eq!(DeviceSet::first(2), Some(DeviceSet::from_mask(0b11)));
    /// assert_eq!(DeviceSet::first(65), None);
    /// ```
    #[must_use]
    pub const fn first(count: u32) -> Option<Self> {
        match count {
            0 => Some(Self(0)),
            1..=64 => Some(Self(u64::MAX >> (64 - count))),
            _ => None,
        }
    }

    /// The bits.
    #[must_use]
    pub const fn mask(self) -> u64 {
        self.0
    }

    /// How many devices.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all devices of `other` are in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The `count` devices of lowest index; none if there are fewer.
    ///
    /// ```
    /// # use phalanx_topology::DeviceSet;
    /// let free = DeviceSet::from_mask(0b1101);
    /// assert_eq!(free.lowest(2), Some(DeviceSet::from_mask(0b0101)));
    /// assert_eq!(free.lowest(4), None);
    /// ```
    #[must_use]
    pub const fn lowest(self, count: u32) -> Option<Self> {
        if count > self.len() {
            return None;
        }
        let (mut rest, mut taken) = (self.0, 0);
        while taken < count {
            rest &= rest - 1;
            taken += 1;
        }
        Some(Self(self.0 & !rest))
    }

    /// The devices of this set that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The devices of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The devices that are in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The device of lowest index.
    #[must_use]
    pub const fn lowest_index(self) -> Option<u32> {
        if self.0 == 0 { None } else { Some(self.0.trailing_zeros()) }
    }

    /// The indices, ascending. O(devices in the set).
    pub fn iter(self) -> impl Iterator<Item = u32> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let index = Self(rest).lowest_index()?;
            rest &= rest - 1;
            Some(index)
        })
    }
}

/// Indices and ranges of them, `0-3,7`.
impl fmt::Display for DeviceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut separator = "";
        while rest != 0 {
            let first = rest.trailing_zeros();
            let run = (rest >> first).trailing_ones();
            let last = first + run - 1;
            match run {
                1 => write!(f, "{separator}{first}")?,
                _ => write!(f, "{separator}{first}-{last}")?,
            }
            rest &= if last == Self::MAX - 1 { 0 } else { u64::MAX << (last + 1) };
            separator = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_range_is_usable() {
        let all = DeviceSet::first(64).expect("64 devices are possible");
        assert_eq!((all.len(), all.mask()), (64, u64::MAX));
        assert_eq!(all.to_string(), "0-63");
        assert_eq!(all.lowest(64), Some(all));
        assert_eq!(all.lowest(0), Some(DeviceSet::default()));
        assert_eq!(DeviceSet::from_mask(1 << 63 | 1).to_string(), "0,63");
        assert_eq!(DeviceSet::default().to_string(), "");
    }
}
