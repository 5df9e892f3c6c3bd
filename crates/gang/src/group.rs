//! A vertex of a gang's tree.

use phalanx_topology::{Demand, LevelId};

/// A group of a gang: so many replicas of a body, which is either pods of one demand or further groups.
///
/// Levels bind each replica by itself: `hard` puts every pod of one replica into one domain of that level, `preferred`
/// asks for it. To bind all replicas together, wrap the group in one with a single replica.
///
/// ```
/// # use phalanx_gang::{Gang, Group};
/// # use phalanx_topology::{Demand, LevelId};
/// # let (block, rack) = (LevelId::new(1), LevelId::new(2));
/// // One block holds all; each decode replica, an entry pod and three workers, stays in one rack.
/// let decode = Group::of("decode", [
///     Group::pods("entry", 1, Demand::devices(0)),
///     Group::pods("worker", 3, Demand::devices(8)),
/// ]);
/// let serving = Group::of("serving", [decode.between(1, 4).hard(rack)]).hard(block);
/// assert_eq!(Gang::new(serving)?.min_pods(), 4);
/// # Ok::<(), phalanx_gang::GangError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub(crate) name: String,
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) hard: Option<LevelId>,
    pub(crate) preferred: Vec<LevelId>,
    pub(crate) body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Pods { demand: Demand, count: u32 },
    Groups(Vec<Group>),
}

impl Group {
    /// A group whose replica is `count` pods that ask the same; one replica, no level.
    ///
    /// ```
    /// # use phalanx_gang::{Gang, Group};
    /// # use phalanx_topology::Demand;
    /// let gang = Gang::new(Group::pods("train", 128, Demand::devices(8)))?;
    /// assert_eq!(gang.min_pods(), 128);
    /// # Ok::<(), phalanx_gang::GangError>(())
    /// ```
    pub fn pods(name: impl Into<String>, count: u32, demand: Demand) -> Self {
        Self::new(name.into(), Body::Pods { demand, count })
    }

    /// A group whose replica is one of each of these groups; one replica, no level.
    ///
    /// ```
    /// # use phalanx_gang::{Gang, Group};
    /// # use phalanx_topology::Demand;
    /// let roles = ["prefill", "decode"].map(|role| Group::pods(role, 2, Demand::devices(4)));
    /// assert_eq!(Gang::new(Group::of("serving", roles))?.min_pods(), 4);
    /// # Ok::<(), phalanx_gang::GangError>(())
    /// ```
    pub fn of(name: impl Into<String>, groups: impl IntoIterator<Item = Self>) -> Self {
        Self::new(name.into(), Body::Groups(groups.into_iter().collect()))
    }

    /// The same group with exactly `count` replicas, all needed.
    ///
    /// ```
    /// # use phalanx_gang::{Gang, Group};
    /// # use phalanx_topology::Demand;
    /// assert_eq!(Gang::new(Group::pods("w", 2, Demand::devices(1)).replicas(3))?.min_pods(), 6);
    /// # Ok::<(), phalanx_gang::GangError>(())
    /// ```
    #[must_use]
    pub fn replicas(self, count: u32) -> Self {
        self.between(count, count)
    }

    /// The same group with at least `min` and at most `max` replicas: the gang is placed with `min` or not at all, the
    /// others are extras that are added where there is room.
    ///
    /// ```
    /// # use phalanx_gang::{Gang, Group};
    /// # use phalanx_topology::Demand;
    /// let gang = Gang::new(Group::pods("w", 2, Demand::devices(1)).between(1, 3))?;
    /// assert_eq!((gang.min_pods(), gang.max_pods()), (2, 6));
    /// # Ok::<(), phalanx_gang::GangError>(())
    /// ```
    #[must_use]
    pub fn between(mut self, min: u32, max: u32) -> Self {
        (self.min, self.max) = (min, max);
        self
    }

    /// The same group, each replica of which must lie within one domain of this level.
    #[must_use]
    pub fn hard(mut self, level: LevelId) -> Self {
        self.hard = Some(level);
        self
    }

    /// The same group, each replica of which should lie within one domain of this level, in addition to the levels that it
    /// prefers already.
    ///
    /// ```
    /// # use phalanx_gang::{Gang, Group};
    /// # use phalanx_topology::{Demand, LevelId};
    /// # let (block, rack) = (LevelId::new(1), LevelId::new(2));
    /// // In one block; in one rack of it if possible.
    /// let gang = Gang::new(Group::pods("w", 4, Demand::devices(8)).hard(block).prefer(rack))?;
    /// assert_eq!(gang.group_path(gang.groups().next().unwrap()), "w");
    /// # Ok::<(), phalanx_gang::GangError>(())
    /// ```
    #[must_use]
    pub fn prefer(mut self, level: LevelId) -> Self {
        self.preferred.push(level);
        self
    }

    fn new(name: String, body: Body) -> Self {
        Self { name, min: 1, max: 1, hard: None, preferred: Vec::new(), body }
    }
}
