//! One word of a line.

use phalanx_topology::{Demand, Inventory, LevelId, Topology};

use super::{NotationError, WORDS};
use crate::Group;

/// A word of the line and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) column: usize,
}

/// The most different resources that an inventory can come to know by lines.
const MAX_RESOURCES: usize = 1_024;

impl Word<'_> {
    pub(super) fn level(self, name: &str, inventory: &Inventory) -> Result<LevelId, NotationError> {
        self.level_of(name, inventory.topology())
    }

    /// A level of the first topology, or of a further one as `TOPOLOGY/LEVEL`.
    pub(super) fn level_of(self, name: &str, topology: &Topology) -> Result<LevelId, NotationError> {
        let found = match name.split_once('/') {
            None => topology.level(name),
            Some((tree, level)) => topology.tree(tree).and_then(|tree| topology.level_in(tree, level)),
        };
        found.ok_or_else(|| NotationError::UnknownLevel {
            column: self.column,
            found: name.to_owned(),
            expected: topology.levels().map(|level| topology.level_name(level)).collect::<Vec<_>>().join(", "),
        })
    }

    pub(super) fn level_and_number(
        self,
        text: &str,
        inventory: &Inventory,
        expected: &'static str,
    ) -> Result<(LevelId, u32), NotationError> {
        let (level, number) = text.split_once(':').ok_or_else(|| self.wrong(expected))?;
        Ok((self.level(level, inventory)?, number.parse().map_err(|_| self.wrong(expected))?))
    }

    pub(super) fn key(self, key: &str, expected: &'static str) -> Result<String, NotationError> {
        if key.is_empty() { Err(self.wrong(expected)) } else { Ok(key.to_owned()) }
    }

    /// A group of pods.
    pub(super) fn pods(self, name: &str, inventory: &mut Inventory) -> Result<Group, NotationError> {
        let (count, asked) = self.text.split_once("p(").ok_or_else(|| self.wrong(WORDS))?;
        let asked = asked.strip_suffix(')').ok_or_else(|| self.wrong("`)` at the end of the word"))?;
        let number = |text: &str| text.parse().map_err(|_| self.wrong("a number of pods before p(, 0 or more"));
        let range = |text: &str| -> Result<(u32, u32), NotationError> {
            let (min, max) = text.split_once("..").unwrap_or((text, text));
            Ok((number(min)?, number(max)?))
        };
        let (replicas, pods) = match count.split_once('x') {
            Some((replicas, pods)) => (Some(range(replicas)?), pods),
            None => (None, count),
        };
        let demand = self.demand(asked, inventory)?;
        Ok(match replicas {
            Some((min, max)) => Group::pods(name, number(pods)?, demand).between(min, max),
            // Two to four pods are as many replicas of one.
            None if pods.contains("..") => {
                let (min, max) = range(pods)?;
                Group::pods(name, 1, demand).between(min, max)
            }
            None => Group::pods(name, number(pods)?, demand),
        })
    }

    fn demand(self, asked: &str, inventory: &mut Inventory) -> Result<Demand, NotationError> {
        let mut parts = asked.split(',');
        let devices = parts.next().and_then(devices);
        let mut demand =
            devices.ok_or_else(|| self.wrong("a number of devices after p(, or a share such as 0.5 or 500m"))?;
        for part in parts {
            demand = match part {
                "island" => demand.within_island(),
                "numa" => demand.within_numa(),
                _ => {
                    let (resource, amount) = part
                        .split_once('=')
                        .and_then(|(name, amount)| Some((name, amount.parse().ok()?)))
                        .filter(|(name, _)| !name.is_empty())
                        .ok_or_else(|| {
                            self.wrong("RESOURCE=AMOUNT after the devices, a whole number; island or numa")
                        })?;
                    if inventory.find_resource(resource).is_none() && inventory.resources_len() >= MAX_RESOURCES {
                        return Err(self.wrong("no more than 1024 different resources"));
                    }
                    demand.with(inventory.resource(resource), amount)
                }
            };
        }
        Ok(demand)
    }

    pub(super) fn wrong(self, expected: &'static str) -> NotationError {
        NotationError::Syntax { column: self.column, found: self.text.to_owned(), expected }
    }
}

/// So many whole devices, or a share of one in milli (`500m`) or as a decimal with three places at most (`0.5`).
pub(super) fn devices(text: &str) -> Option<Demand> {
    if let Some(milli) = text.strip_suffix('m') {
        return Demand::share(milli.parse().ok()?).ok();
    }
    let Some((whole, part)) = text.split_once('.') else { return text.parse().ok().map(Demand::devices) };
    let digits = (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if whole != "0" || !digits {
        return None;
    }
    Demand::share(format!("{part:0<3}").parse().ok()?).ok()
}
