//! So many, or so many of a hundred.

/// So many of a total: a number, or percent of it.
///
/// ```
/// use phalanx_serving::Count;
///
/// assert_eq!(Count::Number(3).floor_of(2), 3);
/// assert_eq!((Count::Percent(30).floor_of(5), Count::Percent(30).ceil_of(5)), (1, 2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So many, whatever the total.
    Number(u32),
    /// So many of a hundred.
    Percent(u32),
}

impl Count {
    /// Of a total, percent rounded down: how `maxUnavailable` is read.
    #[must_use]
    pub fn floor_of(self, total: u32) -> u32 {
        self.of(total, 0)
    }

    /// Of a total, percent rounded up: how `partition` and a surge are read.
    #[must_use]
    pub fn ceil_of(self, total: u32) -> u32 {
        self.of(total, 99)
    }

    fn of(self, total: u32, rounding: u64) -> u32 {
        match self {
            Self::Number(number) => number,
            Self::Percent(percent) => {
                let share = (u64::from(percent) * u64::from(total)).saturating_add(rounding) / 100;
                u32::try_from(share).unwrap_or(u32::MAX)
            }
        }
    }
}
