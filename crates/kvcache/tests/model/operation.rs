//! What happens to an index, as plain data that is easy to make smaller.

use phalanx_kvcache::{BlockHash, Layer, Tier};

use super::prompt::{Prompt, Words, mix};

/// One step. Ranks are counted among those that are there, modulo how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Join,
    Leave {
        rank: u16,
    },
    Clear {
        rank: u16,
    },
    /// The blocks `from..from + blocks` of a prompt.
    Store {
        rank: u16,
        layer: Layer,
        prompt: Prompt,
        from: u8,
        blocks: u8,
        naming: Naming,
        parent: Parent,
    },
    /// All ranks store the same from the start.
    StoreAll {
        layer: Layer,
        prompt: Prompt,
        blocks: u8,
        naming: Naming,
    },
    /// Blocks without their contents, placed by their names.
    Place {
        rank: u16,
        layer: Layer,
        prompt: Prompt,
        from: u8,
        blocks: u8,
        naming: Naming,
    },
    /// Not as many names as contents.
    Ragged {
        rank: u16,
        layer: Layer,
        names: u8,
        contents: u8,
    },
    /// The blocks `from..from + blocks` of a prompt, in some order.
    Remove {
        rank: u16,
        layer: Layer,
        prompt: Prompt,
        from: u8,
        blocks: u8,
        naming: Naming,
        order: Eviction,
    },
    /// Any one block that the rank has a name for.
    Evict {
        rank: u16,
        layer: Layer,
        pick: u16,
    },
    /// One of the last names that the rank removed or stored goes once more, or is continued, whether it is there or not.
    Haunt {
        rank: u16,
        layer: Layer,
        pick: u8,
        removed: bool,
    },
    /// Who holds how much?
    Ask {
        layer: Layer,
        prompt: Prompt,
        blocks: u8,
    },
}

/// How an engine names a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// By its path: an honest engine, and all of them alike.
    Fleet,
    /// By its path and a seed of the rank's own: honest, and no two alike.
    Own,
    /// By its path and one of some seeds: a block that is stored again has another name from then on.
    Salted(u8),
    /// By a number that no block of the rank has at the time, and that is another one's when the block is gone.
    Slots,
    /// By its content, whatever is before it: a name comes back behind another prefix.
    Content,
    /// By one of so many names.
    Few(u8),
}

/// What a store says to come after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parent {
    /// As an engine does: the store begins at the first block that is missing, wherever it was to begin.
    Missing,
    /// The block before its first one.
    Right,
    /// None, wherever the blocks come from.
    None,
    /// A name that nobody has.
    Unknown,
    /// Another block of the prompt.
    Other(u8),
}

/// In which order blocks go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eviction {
    TailFirst,
    HeadFirst,
    /// Those of the first 16 whose bit is set: holes.
    Some(u16),
    /// Each of them twice.
    Twice,
}

impl Naming {
    /// The names of a prompt's blocks, as the rank gives them.
    pub(crate) fn names(self, rank: usize, contents: &[BlockHash]) -> Vec<BlockHash> {
        let mut path = match self {
            Naming::Own => mix(rank as u64 + 1),
            Naming::Salted(seed) => mix(u64::from(seed) << 32),
            _ => 0,
        };
        let name = |&BlockHash(content): &BlockHash| {
            path = mix(path.rotate_left(5) ^ content);
            BlockHash(match self {
                Naming::Fleet | Naming::Own | Naming::Salted(_) => path,
                Naming::Content => content,
                Naming::Slots => unreachable!("what is free, the model knows"),
                Naming::Few(1..) if path.is_multiple_of(7) => u64::MAX,
                Naming::Few(names) => path % u64::from(names.max(1)),
            })
        };
        contents.iter().map(name).collect()
    }
}

impl Eviction {
    /// The names of what goes, in order.
    pub(crate) fn of(self, names: &[BlockHash]) -> Vec<BlockHash> {
        match self {
            Eviction::TailFirst => names.iter().rev().copied().collect(),
            Eviction::HeadFirst => names.to_vec(),
            Eviction::Some(bits) => {
                let chosen = names.iter().enumerate().filter(|&(at, _)| at < 16 && bits >> at & 1 == 1);
                chosen.map(|(_, &name)| name).collect()
            }
            Eviction::Twice => names.iter().flat_map(|&name| [name, name]).collect(),
        }
    }
}

/// How true the engines are to themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Names are functions of the path, and the same everywhere.
    Alike,
    /// Names are functions of the path and of the rank.
    Own,
    /// Blocks get new names.
    Fickle,
    /// Names are used again for other blocks, when the former ones are gone.
    Slots,
    /// Any names, any parents.
    Lying,
}

/// Lengths and places around those where an index might keep its blocks in groups.
const LENGTHS: [u8; 24] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 16, 17, 20, 23, 24, 25, 31, 32, 33, 40, 48, 65];
const TURNS: [u8; 16] = [255, 255, 0, 1, 2, 4, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32];
const STARTS: [u8; 16] = [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 24];

impl Operation {
    /// Bytes of an operation.
    pub(crate) const BYTES: usize = 12;

    /// Any bytes as an operation of engines with these manners. All zeros are a store of one block.
    pub(crate) fn read(bytes: [u8; Self::BYTES], manner: Manner) -> Self {
        let [kind, rank, layer, words, stem, turn, branch, turn2, branch2, from, blocks, how] = bytes;
        let rank = u16::from(rank);
        let one = |list: &[u8], byte: u8| list[usize::from(byte) % list.len()];
        let words = match words {
            0..150 => Words::Placed,
            150..220 => Words::Repeated,
            220.. => Words::Chained,
        };
        let turns = [(one(&TURNS, turn), branch % 4), (one(&TURNS, turn2), branch2 % 3)];
        let prompt = Prompt { words, stem: stem % 3, turns };
        let (from, blocks) = (one(&STARTS, from), one(&LENGTHS, blocks));
        let (naming, parent) = manner.naming(how);
        let layer = Self::layer(layer);
        match kind {
            0..85 => Self::Store { rank, layer, prompt, from, blocks, naming, parent },
            85..125 => {
                let order = match how {
                    0..80 => Eviction::TailFirst,
                    80..110 => Eviction::HeadFirst,
                    110..230 => Eviction::Some((u16::from(how) * 257) ^ u16::from(kind)),
                    230.. => Eviction::Twice,
                };
                Self::Remove { rank, layer, prompt, from, blocks, naming, order }
            }
            125..165 => Self::Evict { rank, layer, pick: u16::from_le_bytes([stem, blocks]) },
            165..185 => Self::Place { rank, layer, prompt, from, blocks, naming },
            185..203 => Self::Ask { layer, prompt, blocks },
            203..215 => Self::Haunt { rank, layer, pick: from, removed: how < 128 },
            215..221 => Self::StoreAll { layer, prompt, blocks, naming },
            221..231 => Self::Join,
            231..240 => Self::Leave { rank },
            240..250 => Self::Clear { rank },
            250.. => Self::Ragged { rank, layer, names: blocks, contents: blocks ^ (1 + from) },
        }
    }

    /// The same with prompts so short and so much alike that all of them share a few pages.
    pub(crate) fn small(mut self) -> Self {
        match &mut self {
            Self::Store { prompt, from, blocks, .. }
            | Self::Place { prompt, from, blocks, .. }
            | Self::Remove { prompt, from, blocks, .. } => {
                *from %= 4;
                *blocks = *blocks % 5 + 1;
                prompt.turns.iter_mut().for_each(|(turn, _)| *turn %= 5);
            }
            Self::StoreAll { prompt, blocks, .. } | Self::Ask { prompt, blocks, .. } => {
                *blocks = *blocks % 5 + 1;
                prompt.turns.iter_mut().for_each(|(turn, _)| *turn %= 5);
            }
            Self::Join
            | Self::Leave { .. }
            | Self::Clear { .. }
            | Self::Ragged { .. }
            | Self::Evict { .. }
            | Self::Haunt { .. } => {}
        }
        self
    }

    /// What it is about: the layer, and the prompt up to where it goes.
    pub(crate) fn prompt(&self) -> Option<(Layer, Vec<BlockHash>)> {
        let (layer, prompt, blocks) = match *self {
            Self::Store { layer, prompt, from, blocks, .. }
            | Self::Place { layer, prompt, from, blocks, .. }
            | Self::Remove { layer, prompt, from, blocks, .. } => {
                (layer, prompt, usize::from(from) + usize::from(blocks))
            }
            Self::StoreAll { layer, prompt, blocks, .. } | Self::Ask { layer, prompt, blocks } => {
                (layer, prompt, usize::from(blocks))
            }
            Self::Join
            | Self::Leave { .. }
            | Self::Clear { .. }
            | Self::Ragged { .. }
            | Self::Evict { .. }
            | Self::Haunt { .. } => {
                return None;
            }
        };
        Some((layer, prompt.contents(blocks)))
    }

    fn layer(byte: u8) -> Layer {
        let (group, tier) = match byte {
            0..160 => return Layer::MAIN,
            160..185 => (0, Tier::Cpu),
            185..200 => (0, Tier::Disk),
            200..210 => (0, Tier::Remote),
            210..230 => (1, Tier::Gpu),
            230..240 => (1, Tier::Cpu),
            240..250 => (7, Tier::Remote),
            250.. => (u16::MAX, Tier::Gpu),
        };
        Layer { group, tier }
    }
}

impl Manner {
    fn naming(self, how: u8) -> (Naming, Parent) {
        match (self, how) {
            (Manner::Alike, 0..190) => (Naming::Fleet, Parent::Missing),
            (Manner::Alike, 190..250) => (Naming::Fleet, Parent::Right),
            (Manner::Alike, _) => (Naming::Fleet, Parent::Unknown),
            (Manner::Own, 0..190) => (Naming::Own, Parent::Missing),
            (Manner::Own, 190..250) => (Naming::Own, Parent::Right),
            (Manner::Own, _) => (Naming::Own, Parent::Unknown),
            (Manner::Fickle, 0..190) => (Naming::Salted(how % 3), Parent::Missing),
            (Manner::Fickle, _) => (Naming::Salted(how % 3), Parent::Right),
            (Manner::Slots, 0..190) => (Naming::Slots, Parent::Missing),
            (Manner::Slots, _) => (Naming::Slots, Parent::Right),
            (Manner::Lying, 0..60) => (Naming::Fleet, Parent::Right),
            (Manner::Lying, 60..100) => (Naming::Own, Parent::Right),
            (Manner::Lying, 100..140) => (Naming::Content, Parent::Right),
            (Manner::Lying, 140..160) => (Naming::Content, Parent::None),
            (Manner::Lying, 160..200) => (Naming::Few(how % 20 + 1), Parent::Right),
            (Manner::Lying, 200..220) => (Naming::Few(how % 20 * 5 + 1), Parent::Other(how % 7)),
            (Manner::Lying, 220..240) => (Naming::Fleet, Parent::Other(how % 10)),
            (Manner::Lying, 240..250) => (Naming::Fleet, Parent::None),
            (Manner::Lying, 250..) => (Naming::Few(3), Parent::Unknown),
        }
    }
}
