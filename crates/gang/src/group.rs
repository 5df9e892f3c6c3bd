//! A vertex of a gang's tree.

use phalanx_topology::{Demand, KindId, LevelId};

use crate::Gang;

/// A group of a gang: so many replicas of a body, which is either pods of one demand or further groups.
///
/// Whatever a group asks binds each replica by itself: `hard` puts every pod of one replica into one domain of that level,
/// `preferred` asks for it, `per_node` counts the pods of one replica. To bind all replicas together, wrap the group in
/// one with a single replica.
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
    pub(crate) slices: Vec<(LevelId, u32)>,
    pub(crate) spread: Option<(LevelId, u32)>,
    pub(crate) exclusive: Option<(LevelId, Option<String>)>,
    pub(crate) shared: Option<(LevelId, String)>,
    pub(crate) per_node: Option<u32>,
    pub(crate) kinds: Vec<KindId>,
    pub(crate) homogeneous: bool,
    /// How deep the groups in it are nested, itself included.
    pub(crate) depth: usize,
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
        let mut groups: Vec<Self> = groups.into_iter().collect();
        let depth = groups.iter().map(|group| group.depth).max().unwrap_or(0).saturating_add(1);
        if depth > Gang::MAX_DEPTH {
            // No gang comes of it, whatever is in it. What is let go here is not deep, so nothing ever overflows the stack.
            groups.clear();
        }
        Self { depth, ..Self::new(name.into(), Body::Groups(groups)) }
    }

    /// A group whose replica is a leader and so many equal workers: rank 0 is the leader, in group `leader`, the workers
    /// follow in group `worker`.
    ///
    /// ```
    /// # use phalanx_gang::{Gang, Group};
    /// # use phalanx_topology::{Demand, LevelId};
    /// # let rack = LevelId::new(2);
    /// // Three replicas, each a leader without a device and four workers together in a rack.
    /// let decode = Group::leader_workers("decode", Demand::devices(0), 4, Demand::devices(8)).hard(rack);
    /// assert_eq!(Gang::new(decode.replicas(3))?.min_pods(), 15);
    /// # Ok::<(), phalanx_gang::GangError>(())
    /// ```
    pub fn leader_workers(name: impl Into<String>, leader: Demand, workers: u32, worker: Demand) -> Self {
        Self::of(name, [Self::pods("leader", 1, leader), Self::pods("worker", workers, worker)])
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

    /// The same group of pods, cut into slices: in a replica each run of `size` pods, by ordinal, lies within one domain of
    /// the level. Several layers of slices nest: the size of a finer level divides that of a coarser one, and all divide
    /// the number of pods.
    ///
    /// ```
    /// # use phalanx_gang::{Gang, Group};
    /// # use phalanx_topology::{Demand, LevelId};
    /// # let (block, rack) = (LevelId::new(1), LevelId::new(2));
    /// // 64 pods in a block; each 16 of them, ranks 0 to 15 and so on, in a rack.
    /// let train = Group::pods("train", 64, Demand::devices(8)).hard(block).slices(rack, 16);
    /// assert!(Gang::new(train).is_ok());
    /// let error = Gang::new(Group::pods("train", 10, Demand::devices(8)).slices(rack, 4)).unwrap_err();
    /// assert_eq!(error.to_string(), "group \"train\": slices of 4 do not divide 10 pods");
    /// # Ok::<(), phalanx_gang::GangError>(())
    /// ```
    #[must_use]
    pub fn slices(mut self, level: LevelId, size: u32) -> Self {
        self.slices.push((level, size));
        self
    }

    /// The same group, the pods of each replica spread over the domains of a level: the counts of two domains differ by at
    /// most `max_skew`. Counted are the domains, within the one that holds the replica, in which one of its pods runs or
    /// fits at first.
    ///
    /// ```
    /// # use phalanx_gang::{Gang, Group};
    /// # use phalanx_topology::{Demand, LevelId};
    /// # let rack = LevelId::new(2);
    /// let gang = Gang::new(Group::pods("decode", 4, Demand::devices(1)).spread(rack, 1))?;
    /// assert_eq!(gang.min_pods(), 4);
    /// # Ok::<(), phalanx_gang::GangError>(())
    /// ```
    #[must_use]
    pub fn spread(mut self, level: LevelId, max_skew: u32) -> Self {
        self.spread = Some((level, max_skew));
        self
    }

    /// The same group, whose replicas keep apart: no two of them share a domain of the level.
    ///
    /// ```
    /// # use phalanx_gang::{Gang, Group};
    /// # use phalanx_topology::{Demand, LevelId};
    /// # let rack = LevelId::new(2);
    /// // Four replicas in four racks.
    /// let gang = Gang::new(Group::pods("decode", 2, Demand::devices(8)).replicas(4).hard(rack).exclusive(rack))?;
    /// assert_eq!(gang.min_pods(), 8);
    /// # Ok::<(), phalanx_gang::GangError>(())
    /// ```
    #[must_use]
    pub fn exclusive(mut self, level: LevelId) -> Self {
        self.exclusive = Some((level, None));
        self
    }

    /// The same group, whose replicas keep apart from each other and from every group with the same key, in this gang or
    /// in another: see [`Present::exclude`](crate::Present::exclude).
    ///
    /// ```
    /// # use phalanx_gang::{Gang, Group};
    /// # use phalanx_topology::{Demand, LevelId};
    /// # let rack = LevelId::new(2);
    /// let gang = Gang::new(Group::pods("decode", 2, Demand::devices(8)).hard(rack).exclusive_as(rack, "tenant-a"))?;
    /// assert_eq!(gang.min_pods(), 2);
    /// # Ok::<(), phalanx_gang::GangError>(())
    /// ```
    #[must_use]
    pub fn exclusive_as(mut self, level: LevelId, key: impl Into<String>) -> Self {
        self.exclusive = Some((level, Some(key.into())));
        self
    }

    /// The same group bound to a key: all that is bound to the key, in this gang and in others, lies within one domain of
    /// the level. Where pods of other gangs with the key are is told by [`Present::bind`](crate::Present::bind).
    ///
    /// ```
    /// # use phalanx_gang::{Gang, Group};
    /// # use phalanx_topology::{Demand, LevelId};
    /// # let block = LevelId::new(1);
    /// let gang = Gang::new(Group::pods("extra", 1, Demand::devices(8)).bind(block, "replica-0"))?;
    /// assert_eq!(gang.min_pods(), 1);
    /// # Ok::<(), phalanx_gang::GangError>(())
    /// ```
    #[must_use]
    pub fn bind(mut self, level: LevelId, key: impl Into<String>) -> Self {
        self.shared = Some((level, key.into()));
        self
    }

    /// The same group with at most so many pods of a replica on one node.
    ///
    /// ```
    /// # use phalanx_gang::{Gang, Group};
    /// # use phalanx_topology::Demand;
    /// let gang = Gang::new(Group::pods("decode", 4, Demand::devices(1)).per_node(1))?;
    /// assert_eq!(gang.min_pods(), 4);
    /// # Ok::<(), phalanx_gang::GangError>(())
    /// ```
    #[must_use]
    pub fn per_node(mut self, most: u32) -> Self {
        self.per_node = Some(most);
        self
    }

    /// The same group, all pods of which go to nodes with devices of these kinds, the earlier ones preferred: the gang is
    /// placed on the first kind alone if it can be, then on the first two, and so on. A pod has to be of the kinds of
    /// every group around it.
    ///
    /// ```
    /// # use phalanx_gang::{Gang, Group};
    /// # use phalanx_topology::{Demand, Inventory};
    /// # let mut inventory = Inventory::from_notation("r1{n1:8}")?;
    /// let (h100, a100) = (inventory.intern_kind("H100")?, inventory.intern_kind("A100")?);
    /// let gang = Gang::new(Group::pods("decode", 4, Demand::devices(8)).kinds([h100, a100]).homogeneous())?;
    /// assert_eq!(gang.min_pods(), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = KindId>) -> Self {
        self.kinds = kinds.into_iter().collect();
        self
    }

    /// The same group, all pods of which, in all its replicas, are on nodes with devices of one kind: the first that it
    /// accepts and that has room. Without a list of [`kinds`](Self::kinds) they are tried in order of name.
    #[must_use]
    pub fn homogeneous(mut self) -> Self {
        self.homogeneous = true;
        self
    }

    fn new(name: String, body: Body) -> Self {
        Self {
            name,
            min: 1,
            max: 1,
            hard: None,
            preferred: Vec::new(),
            slices: Vec::new(),
            spread: None,
            exclusive: None,
            shared: None,
            per_node: None,
            kinds: Vec::new(),
            homogeneous: false,
            depth: 1,
            body,
        }
    }
}
