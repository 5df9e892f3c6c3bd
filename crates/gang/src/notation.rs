//! A gang in one line, for tests and the command line.

#[cfg(test)]
mod tests;
mod word;

use phalanx_topology::{CapacityError, Inventory, KindId, LevelId, MixError, ShapeMix, Topology};

use self::word::Word;
use crate::{Fragmentation, Gang, GangError, Group, Objective};

/// Why a line is no gang.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotationError {
    /// A word is neither pods nor a bound.
    #[error("at column {column}: found {found:?}, expected {expected}")]
    Syntax {
        /// Where, in bytes from 1.
        column: usize,
        /// The word, or the part of it that is wrong.
        found: String,
        /// What could stand there.
        expected: &'static str,
    },
    /// A bound names a level that the cluster does not have. It is never ignored.
    #[error("at column {column}: found level {found:?}, expected one of {expected}")]
    UnknownLevel {
        /// Where, in bytes from 1.
        column: usize,
        /// The level's name.
        found: String,
        /// The names that there are, coarse to fine.
        expected: String,
    },
    /// The line has no pods.
    #[error("no pods: expected something like 4p(8), four pods of eight devices")]
    NoPods,
    /// A kind more than the inventory can know.
    #[error(transparent)]
    Kind(#[from] CapacityError),
    /// The pods that are expected make no mix.
    #[error(transparent)]
    Mix(#[from] MixError),
    /// The pods make no gang.
    #[error(transparent)]
    Gang(#[from] GangError),
}

/// The words that may stand in a line.
const WORDS: &str = "pods, such as 4p(8), 2..4p(8,cpu=6) or 3x4p(0.5), or one of required=LEVEL, preferred=LEVEL, \
                     slice=LEVEL:SIZE, spread=LEVEL:SKEW, exclusive=LEVEL, bind=LEVEL:KEY, per-node=N, kinds=A,B, homogeneous";

const OBJECTIVES: &str =
    "one of tight, greedy-best-fit, least-free, balanced, spread:LEVEL, fragmentation:WEIGHTxDEVICES,…";

impl Gang {
    /// A gang in one line: pods, and what binds them. `4p(8) required=rack` is four pods of eight devices within one rack.
    ///
    /// | pods | |
    /// |---|---|
    /// | `4p(8)` | four pods of eight devices each |
    /// | `2..4p(8)` | at least two pods and up to four |
    /// | `3x4p(8)`, `2..3x4p(8)` | replicas of four pods: three, or two to three |
    /// | `2p(0.5)`, `2p(500m)` | two pods of half a device |
    /// | `2p(4,island)`, `2p(4,numa)` | all devices of a pod in one island, in one NUMA zone |
    /// | `3p(0,cpu=6)` | a resource, in the unit in which the inventory counts it |
    ///
    /// Words of pods stand side by side as groups `0`, `1`, … of the gang `gang`. These bind the pods before them, each
    /// replica by itself: `slice=rack:4` (each four pods by ordinal in one rack; repeat), `exclusive=rack` (no two replicas in
    /// one rack), `exclusive=rack:KEY` (nor in one with anything else that has the key). These bind the whole:
    /// `required=rack`, `preferred=node` (repeat), `spread=rack:1` (counts differ by one at most), `bind=block:KEY`,
    /// `per-node=1`, `kinds=H100,A100` (the best first), `homogeneous`. A level of a further topology is `power/feed`.
    /// Kinds and resources that the inventory does not know are added to it, with none on any node.
    ///
    /// # Errors
    ///
    /// [`NotationError`] with the column and what was expected.
    ///
    /// ```
    /// use phalanx_gang::{Gang, Options, plan};
    /// use phalanx_topology::Inventory;
    ///
    /// let mut inventory = Inventory::from_notation("b1{r1{n1:8 n2:8} r2{n3:8 n4:4}}")?;
    /// let gang = Gang::from_notation("2p(8) required=rack", &mut inventory)?;
    /// let outcome = plan(&gang, &inventory, &Options::default())?;
    /// let nodes: Vec<_> = outcome.plan().unwrap().placements().map(|pod| inventory.topology().node_name(pod.node())).collect();
    /// assert_eq!(nodes, ["n1", "n2"]);
    ///
    /// let error = Gang::from_notation("2p(8) required=shelf", &mut inventory).unwrap_err();
    /// assert_eq!(error.to_string(), "at column 7: found level \"shelf\", expected one of block, rack, node");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_notation(line: &str, inventory: &mut Inventory) -> Result<Self, NotationError> {
        let mut groups: Vec<Group> = Vec::new();
        let mut root = Bounds::default();
        for word in line.split_whitespace() {
            let word = Word { text: word, column: word.as_ptr() as usize - line.as_ptr() as usize + 1 };
            if let Some(bound) = word.text.strip_prefix("slice=") {
                let (level, size) =
                    word.level_and_number(bound, inventory, "slice=LEVEL:SIZE, such as slice=rack:4")?;
                let last = groups.pop().ok_or_else(|| word.wrong("pods before slice=, which cuts them"))?;
                groups.push(last.slices(level, size));
            } else if let Some(bound) = word.text.strip_prefix("exclusive=") {
                let (level, key) = match bound.split_once(':') {
                    Some((level, key)) => (level, Some(word.key(key, "exclusive=LEVEL:KEY")?)),
                    None => (bound, None),
                };
                let level = word.level(level, inventory)?;
                let last = groups.pop().ok_or_else(|| word.wrong("pods before exclusive=, which keeps them apart"))?;
                if last.exclusive.is_some() {
                    return Err(word.wrong("exclusive=LEVEL once for the same pods"));
                }
                groups.push(match key {
                    Some(key) => last.exclusive_as(level, key),
                    None => last.exclusive(level),
                });
            } else if !root.read(word, inventory)? {
                groups.push(word.pods(&groups.len().to_string(), inventory)?);
            }
        }
        if groups.is_empty() {
            return Err(NotationError::NoPods);
        }
        Ok(Self::new(root.onto(Group::of("gang", groups)))?)
    }
}

/// What binds the whole.
#[derive(Debug, Default)]
struct Bounds {
    required: Option<LevelId>,
    preferred: Vec<LevelId>,
    spread: Option<(LevelId, u32)>,
    bind: Option<(LevelId, String)>,
    per_node: Option<u32>,
    kinds: Option<Vec<KindId>>,
    homogeneous: bool,
}

impl Bounds {
    /// Takes a word that binds the whole; false if it is another one.
    fn read(&mut self, word: Word<'_>, inventory: &mut Inventory) -> Result<bool, NotationError> {
        let (name, bound) = word.text.split_once('=').unwrap_or((word.text, ""));
        let once = |first: bool, expected: &'static str| if first { Ok(()) } else { Err(word.wrong(expected)) };
        match (name, word.text.contains('=')) {
            ("required", true) => {
                once(self.required.is_none(), "required=LEVEL once")?;
                self.required = Some(word.level(bound, inventory)?);
            }
            ("preferred", true) => self.preferred.push(word.level(bound, inventory)?),
            ("spread", true) => {
                once(self.spread.is_none(), "spread=LEVEL:SKEW once")?;
                self.spread =
                    Some(word.level_and_number(bound, inventory, "spread=LEVEL:SKEW, such as spread=rack:1")?);
            }
            ("bind", true) => {
                once(self.bind.is_none(), "bind=LEVEL:KEY once")?;
                let expected = "bind=LEVEL:KEY, such as bind=block:replica-0";
                let (level, key) = bound.split_once(':').ok_or_else(|| word.wrong(expected))?;
                self.bind = Some((word.level(level, inventory)?, word.key(key, expected)?));
            }
            ("per-node", true) => {
                once(self.per_node.is_none(), "per-node=N once")?;
                self.per_node = Some(bound.parse().map_err(|_| word.wrong("per-node=N, a number of pods"))?);
            }
            ("kinds", true) => {
                once(self.kinds.is_none(), "kinds=A,B once")?;
                let mut kinds = Vec::new();
                for kind in bound.split(',') {
                    let kind = if kind.is_empty() { None } else { Some(inventory.intern_kind(kind)?) };
                    let kind = kind.filter(|kind| !kinds.contains(kind));
                    kinds.push(kind.ok_or_else(|| word.wrong("kinds=A,B, each kind once"))?);
                }
                self.kinds = Some(kinds);
            }
            ("homogeneous", false) => self.homogeneous = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn onto(self, mut group: Group) -> Group {
        group = self.required.into_iter().fold(group, Group::hard);
        group = self.preferred.into_iter().fold(group, Group::prefer);
        group = self.spread.into_iter().fold(group, |group, (level, skew)| group.spread(level, skew));
        group = self.bind.into_iter().fold(group, |group, (level, key)| group.bind(level, key));
        group = self.per_node.into_iter().fold(group, Group::per_node);
        group = group.kinds(self.kinds.unwrap_or_default());
        if self.homogeneous { group.homogeneous() } else { group }
    }
}

impl Objective {
    /// An objective in one word: its [name](Self::name), for spread with the level, `spread:rack`, for fragmentation with the
    /// pods that are expected, `fragmentation:3x8,7x1,2x0.5`: of twelve pods three ask eight devices, and two half of one.
    ///
    /// # Errors
    ///
    /// There is no such objective, level or mix.
    ///
    /// ```
    /// # use phalanx_gang::Objective;
    /// # use phalanx_topology::Topology;
    /// let topology = Topology::builder(["rack"]).build()?;
    /// let rack = topology.level("rack").unwrap();
    /// assert_eq!(Objective::from_notation("spread:rack", &topology)?, Objective::Spread { level: rack });
    /// assert!(Objective::from_notation("spread", &topology).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_notation(text: &str, topology: &Topology) -> Result<Self, NotationError> {
        let word = Word { text, column: 1 };
        match text.split_once(':') {
            Some(("spread", level)) => Ok(Self::Spread { level: word.level_of(level, topology)? }),
            Some(("fragmentation", mix)) => {
                let shape = |text: &str| {
                    let (weight, devices) = text.split_once('x')?;
                    Some((word::devices(devices)?, weight.parse().ok()?))
                };
                let expected = "fragmentation:WEIGHTxDEVICES,…, such as fragmentation:3x8,7x1,2x0.5";
                let shapes: Option<Vec<_>> = mix.split(',').map(shape).collect();
                Ok(Self::Fragmentation(Fragmentation::new(ShapeMix::new(shapes.ok_or_else(|| word.wrong(expected))?)?)))
            }
            _ => [Self::Tight, Self::GreedyBestFit, Self::LeastFree, Self::Balanced]
                .into_iter()
                .find(|objective| objective.name() == text)
                .ok_or_else(|| word.wrong(OBJECTIVES)),
        }
    }
}
