//! What a rank can be said to hold, if its engine gives one name to several blocks: no more than it told.

use std::collections::BTreeSet;

use phalanx_kvcache::{BlockHash, Change, Layer};

/// All that one rank stored since it was last cleared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Testimony {
    told: Vec<Stored>,
}

#[derive(Clone, Debug)]
struct Stored {
    layer: Layer,
    parent: Option<BlockHash>,
    names: Vec<BlockHash>,
    /// None where blocks were placed by their names.
    contents: Vec<BlockHash>,
}

impl Testimony {
    pub(crate) fn hear(&mut self, change: Change<'_>) {
        match change {
            Change::Stored { layer, parent, names, contents } => {
                let (names, contents) = (names.to_vec(), contents.to_vec());
                self.told.push(Stored { layer, parent, names, contents });
            }
            Change::Removed { .. } => {}
            Change::Cleared => self.told.clear(),
        }
    }

    /// How much of the prompt the rank may hold in the layer: the longest prefix of which each block was stored there,
    /// behind some block with the name of its parent. What was removed again, and when, is not looked at.
    pub(crate) fn most(&self, layer: Layer, prompt: &[BlockHash]) -> u32 {
        // By depth: the names that the path may have, and whether it was stored in the layer.
        let mut names: Vec<BTreeSet<BlockHash>> = vec![BTreeSet::new(); prompt.len() + 1];
        let mut stored = vec![false; prompt.len() + 1];
        for depth in 0..=prompt.len() {
            for told in &self.told {
                let behind = told.parent.map_or(depth == 0, |parent| names[depth].contains(&parent));
                if told.contents.is_empty() {
                    stored[depth] |= told.layer == layer && told.names.iter().any(|name| names[depth].contains(name));
                } else if behind {
                    let blocks = told.names.iter().zip(&told.contents).zip(&prompt[depth..]);
                    for (at, ((&name, _), _)) in blocks.take_while(|((_, of), is)| of == is).enumerate() {
                        names[depth + at + 1].insert(name);
                        stored[depth + at + 1] |= told.layer == layer;
                    }
                }
            }
        }
        stored[1..].iter().take_while(|&&stored| stored).count() as u32
    }
}
