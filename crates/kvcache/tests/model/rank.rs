//! One rank of the model.

use std::collections::BTreeMap;

use phalanx_kvcache::{BlockHash, Layer};

use super::{Counts, Path};

/// Its names for paths, and the paths that it holds. What is held has one name, and what has a name is held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rank {
    named: BTreeMap<BlockHash, Path>,
    /// The same the other way round.
    name_of: BTreeMap<Path, BlockHash>,
    /// How often, by path and layer.
    held: BTreeMap<(Path, Layer), u32>,
    /// Whether it gave one name to several paths that it held at the same time.
    lied: bool,
}

impl Rank {
    pub(crate) fn path(&self, name: BlockHash) -> Option<Path> {
        self.named.get(&name).copied()
    }

    pub(crate) fn name_of(&self, path: Path) -> Option<BlockHash> {
        self.name_of.get(&path).copied()
    }

    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = BlockHash> {
        self.named.keys().copied()
    }

    pub(crate) fn holds(&self, layer: Layer, path: Path) -> bool {
        self.held.contains_key(&(path, layer))
    }

    /// How many (layer, path) pairs it holds.
    pub(crate) fn blocks(&self) -> usize {
        self.held.len()
    }

    /// The paths that it holds in any layer.
    pub(crate) fn paths(&self) -> impl Iterator<Item = Path> {
        self.name_of.keys().copied()
    }

    /// Whether the engine has contradicted itself since it was last cleared.
    pub(crate) fn has_lied(&self) -> bool {
        self.lied
    }

    /// From now on the name stands for the path, and only the name does. If it stood for another one, the engine
    /// contradicts itself, and that one is gone from all layers.
    pub(crate) fn name(&mut self, name: BlockHash, path: Path) {
        if let Some(&other) = self.named.get(&name)
            && other != path
        {
            for layer in self.layers(other) {
                self.held.remove(&(other, layer));
            }
            self.name_of.remove(&other);
            self.lied = true;
        }
        if let Some(old) = self.name_of.insert(path, name)
            && old != name
        {
            self.named.remove(&old);
        }
        self.named.insert(name, path);
    }

    /// The layers that hold a path. The main one is the least of all.
    fn layers(&self, path: Path) -> Vec<Layer> {
        let range = self.held.range((path, Layer::MAIN)..).take_while(|((held, _), _)| *held == path);
        range.map(|((_, layer), _)| *layer).collect()
    }

    /// One more copy of a path that has a name.
    pub(crate) fn store(&mut self, layer: Layer, path: Path, counted: bool, counts: &mut Counts) {
        match self.held.get_mut(&(path, layer)) {
            Some(copies) => {
                *copies += u32::from(counted);
                counts.repeated += 1;
            }
            None => {
                self.held.insert((path, layer), 1);
                counts.stored += 1;
            }
        }
    }

    /// One copy less. A path that no layer holds any more has no name either.
    pub(crate) fn remove(&mut self, layer: Layer, name: BlockHash, counts: &mut Counts) {
        let Some(path) = self.path(name) else {
            counts.unplaced += 1;
            return;
        };
        let Some(copies) = self.held.get_mut(&(path, layer)) else {
            counts.unplaced += 1;
            return;
        };
        *copies -= 1;
        if *copies > 0 {
            counts.repeated += 1;
            return;
        }
        counts.removed += 1;
        self.held.remove(&(path, layer));
        if self.layers(path).is_empty() {
            self.name_of.remove(&path);
            self.named.remove(&name);
        }
    }

    /// Names and paths stand for each other one to one, and exactly what is held has a name.
    pub(crate) fn is_sound(&self) -> bool {
        let there_and_back = self.named.iter().all(|(name, path)| self.name_of.get(path) == Some(name));
        let held = self.name_of.keys().all(|&path| !self.layers(path).is_empty());
        let named = self.held.keys().all(|(path, _)| self.name_of.contains_key(path));
        there_and_back && self.named.len() == self.name_of.len() && held && named
    }
}
