//! Tests of the approximate ledger.

mod corrections;
mod hostile;
mod indexed;
mod naive;
mod properties;
mod served;

use core::time::Duration;
use std::collections::BTreeMap;

use crate::{BlockHash, Change, Layer};

fn blocks(contents: &[u64]) -> Vec<BlockHash> {
    contents.iter().copied().map(BlockHash).collect()
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What a listener knows of the rank: it takes each change at its word, and finds fault with those that cannot be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    paths: BTreeMap<BlockHash, Vec<u64>>,
}

impl Told {
    fn hear(&mut self, change: Change<'_>) {
        match change {
            Change::Stored { layer, parent, names, contents } => {
                assert_eq!((layer, names.len()), (Layer::MAIN, contents.len()));
                assert!(!names.is_empty(), "news of nothing");
                let mut path = parent.map_or(Vec::new(), |name| self.paths[&name].clone());
                for (&name, content) in names.iter().zip(contents) {
                    path.push(content.get());
                    assert_eq!(self.paths.insert(name, path.clone()), None, "stored twice");
                }
            }
            Change::Removed { layer, names } => {
                assert_eq!(layer, Layer::MAIN);
                assert!(!names.is_empty(), "news of nothing");
                for name in names {
                    let path = self.paths.remove(name).expect("what is removed was stored");
                    let behind = self.paths.values().any(|other| other.starts_with(&path));
                    assert!(!behind, "a block went before one that continues it");
                }
            }
            Change::Cleared => self.paths.clear(),
        }
    }

    fn paths(&self) -> Vec<Vec<u64>> {
        let mut paths: Vec<_> = self.paths.values().cloned().collect();
        paths.sort();
        paths
    }
}
