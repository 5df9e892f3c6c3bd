//! A gang in one line, for tests and the command line.

#[cfg(test)]
mod tests;

use phalanx_topology::{Demand, Inventory, LevelId};

use crate::{Gang, GangError, Group};

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
    /// The pods make no gang.
    #[error(transparent)]
    Gang(#[from] GangError),
}

const PODS: &str = "pods, such as 4p(8) or 2..4p(8,cpu=6)";

impl Gang {
    /// A gang in one line: `4p(8) required=rack` is four pods of eight devices within one rack, `3p(0,cpu=6)` three pods
    /// that ask six of the resource cpu, in the unit in which the inventory counts it, and `2..4p(8)` at least two pods
    /// and up to four. Words of pods stand side by side as groups `0`, `1`, … of the gang `gang`; `required=LEVEL` (once)
    /// and `preferred=LEVEL` (any number of times) bind the whole. Resources that the inventory does not know are added
    /// to it, with none on any node.
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
        let (mut groups, mut hard, mut preferred) = (Vec::new(), None, Vec::new());
        for word in line.split_whitespace() {
            let word = Word { text: word, column: word.as_ptr() as usize - line.as_ptr() as usize + 1 };
            match word.text.split_once('=') {
                Some(("required", _)) if hard.is_some() => return Err(word.wrong("required=LEVEL once")),
                Some(("required", level)) => hard = Some(word.level(level, inventory)?),
                Some(("preferred", level)) => preferred.push(word.level(level, inventory)?),
                _ => groups.push(word.pods(&groups.len().to_string(), inventory)?),
            }
        }
        if groups.is_empty() {
            return Err(NotationError::NoPods);
        }
        let mut root = Group::of("gang", groups);
        root = hard.into_iter().fold(root, Group::hard);
        Ok(Self::new(preferred.into_iter().fold(root, Group::prefer))?)
    }
}

/// A word of the line and where it stands.
#[derive(Clone, Copy, Debug)]
struct Word<'a> {
    text: &'a str,
    column: usize,
}

impl Word<'_> {
    fn level(self, name: &str, inventory: &Inventory) -> Result<LevelId, NotationError> {
        let topology = inventory.topology();
        topology.level(name).ok_or_else(|| NotationError::UnknownLevel {
            column: self.column,
            found: name.to_owned(),
            expected: topology.levels().map(|level| topology.level_name(level)).collect::<Vec<_>>().join(", "),
        })
    }

    fn pods(self, name: &str, inventory: &mut Inventory) -> Result<Group, NotationError> {
        let (count, asked) = self.text.split_once("p(").ok_or_else(|| self.wrong(PODS))?;
        let asked = asked.strip_suffix(')').ok_or_else(|| self.wrong("`)` at the end of the word"))?;
        let (min, max) = match count.split_once("..") {
            Some((min, max)) => (Some(min), max),
            None => (None, count),
        };
        let number = |text: &str| text.parse().map_err(|_| self.wrong("a number of pods before p(, 0 or more"));
        let (min, max): (Option<u32>, u32) = (min.map(number).transpose()?, number(max)?);

        let mut parts = asked.split(',');
        let devices = parts.next().and_then(|text| text.parse().ok());
        let mut demand = Demand::devices(devices.ok_or_else(|| self.wrong("a number of devices after p("))?);
        for part in parts {
            let (resource, amount) = part
                .split_once('=')
                .and_then(|(name, amount)| Some((name, amount.parse().ok()?)))
                .filter(|(name, _)| !name.is_empty())
                .ok_or_else(|| self.wrong("RESOURCE=AMOUNT after the devices, a whole number"))?;
            demand = demand.with(inventory.resource(resource), amount);
        }
        Ok(match min {
            None => Group::pods(name, max, demand),
            Some(min) => Group::pods(name, 1, demand).between(min, max),
        })
    }

    fn wrong(self, expected: &'static str) -> NotationError {
        NotationError::Syntax { column: self.column, found: self.text.to_owned(), expected }
    }
}
