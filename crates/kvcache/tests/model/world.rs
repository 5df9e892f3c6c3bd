//! An index beside its model.

use std::collections::{BTreeMap, VecDeque};

use phalanx_kvcache::{BlockHash, Change, FleetIndex, IndexConfig, IndexError, Layer, Overlap, RankId};

use super::change::Told;
use super::operation::{Naming, Parent};
use super::{Counts, Model, Operation, Prompt, Rank, Refusal, Testimony, check, mix};

/// Names of each rank that are remembered.
const PAST: usize = 32;

/// What a world begins with.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    /// One rank that takes part for each number, after so many that only listen.
    pub(crate) idle_before: Vec<u16>,
    pub(crate) max_bytes: Option<usize>,
    pub(crate) max_rank_blocks: Option<u32>,
    /// Whether engines may give one name to several blocks: from there on the index need not be the model for that rank,
    /// only claim no more than the rank told, until it clears.
    pub(crate) lying: bool,
    pub(crate) counted_copies: bool,
    pub(crate) seed: u64,
}

impl Fleet {
    /// So many ranks that take part, and nobody else.
    pub(crate) fn of(ranks: usize) -> Self {
        let idle_before = vec![0; ranks];
        Self { idle_before, max_bytes: None, max_rank_blocks: None, lying: false, counted_copies: true, seed: 1 }
    }

    fn config(&self) -> IndexConfig {
        let mut config = IndexConfig::default().seed(self.seed).counted_copies(self.counted_copies);
        if let Some(bytes) = self.max_bytes {
            config = config.max_bytes(bytes);
        }
        if let Some(blocks) = self.max_rank_blocks {
            config = config.max_rank_blocks(blocks);
        }
        config
    }
}

/// An index, the model that it must agree with, and who is who in them.
#[derive(Clone, Debug)]
pub(crate) struct World {
    fleet: Fleet,
    pub(crate) index: FleetIndex,
    pub(crate) model: Model,
    /// Each rank of the model in the index.
    ids: BTreeMap<usize, RankId>,
    /// Those that take part.
    active: Vec<usize>,
    /// The last ones to leave, unless their numbers came back.
    gone: Vec<RankId>,
    /// What each rank of liars told.
    testimonies: BTreeMap<usize, Testimony>,
    /// The last names of each rank, the newest first.
    past: BTreeMap<usize, VecDeque<BlockHash>>,
    /// What the index was told, if that is kept.
    told: Option<Vec<Told>>,
    overlap: Overlap,
}

impl World {
    pub(crate) fn new(fleet: Fleet) -> Self {
        let mut world = Self {
            index: FleetIndex::with_config(fleet.config()),
            model: Model::new(fleet.max_rank_blocks.filter(|_| fleet.max_bytes.is_none()), fleet.counted_copies),
            ids: BTreeMap::new(),
            active: Vec::new(),
            gone: Vec::new(),
            testimonies: BTreeMap::new(),
            past: BTreeMap::new(),
            told: None,
            overlap: Overlap::new(),
            fleet,
        };
        for idle in world.fleet.idle_before.clone() {
            for _ in 0..idle {
                world.join();
            }
            let rank = world.join();
            world.active.push(rank);
        }
        world
    }

    /// Keeps what the index is told from now on, for as long as nobody joins or leaves.
    pub(crate) fn record(&mut self) {
        self.told = Some(Vec::new());
    }

    /// The same told anew, in batches of these sizes: they must do what the changes did one by one. None if not all is
    /// known.
    ///
    /// Not for a bound on memory, as a batch may reach it elsewhere.
    pub(crate) fn retold(&self, sizes: &[usize]) -> Option<Self> {
        let mut told = &self.told.as_ref()?[..];
        let mut world = Self::new(self.fleet.clone());
        let mut sizes = sizes.iter().cycle();
        while !told.is_empty() {
            let size = sizes.next().map_or(1, |&size| size.clamp(1, told.len()));
            let (batch, rest) = told.split_at(size);
            told = rest;
            let mut counts = Counts::default();
            for told in batch {
                counts.add(told.counts);
                world.learn(told.rank, told.change()).expect("it was applied before");
            }
            let changes: Vec<_> = batch.iter().map(|told| (world.ids[&told.rank], told.change())).collect();
            let applied = world.index.apply_batch(&changes).expect("each was applied before");
            assert_eq!(Counts::from(applied), counts, "what became of {changes:?}");
            world.count();
        }
        Some(world)
    }

    /// The ids of the ranks that are there.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (usize, RankId)> {
        self.ids.iter().map(|(&rank, &id)| (rank, id))
    }

    pub(crate) fn id(&self, rank: usize) -> RankId {
        self.ids[&rank]
    }

    /// A rank that takes part, by any number; none if there is none.
    pub(crate) fn active(&self, number: u16) -> Option<usize> {
        self.active.get(usize::from(number).checked_rem(self.active.len())?).copied()
    }

    /// A new rank in both, which must hold nothing.
    pub(crate) fn join(&mut self) -> usize {
        let rank = self.model.join();
        let id = self.index.join();
        assert_eq!(self.index.blocks_of(id), 0, "{id:?} is new, or nothing of its former holder is left");
        assert!(self.ids.values().all(|&other| other != id), "{id:?} is given out and in use");
        self.gone.retain(|&gone| gone != id);
        self.ids.insert(rank, id);
        self.told = None;
        rank
    }

    pub(crate) fn leave(&mut self, rank: usize) {
        let id = self.ids.remove(&rank).expect("the rank is there");
        assert!(self.model.leave(rank));
        assert_eq!(self.index.leave(id), Ok(()));
        self.active.retain(|&other| other != rank);
        self.gone.push(id);
        self.told = None;
        self.count();
    }

    /// One change in both: what becomes of each block must be the same.
    pub(crate) fn tell(&mut self, rank: usize, change: Change<'_>) -> Option<Counts> {
        let id = self.ids[&rank];
        if let Change::Stored { names, .. } | Change::Removed { names, .. } = change {
            let past = self.past.entry(rank).or_default();
            names.iter().rev().take(PAST).rev().for_each(|&name| past.push_front(name));
            past.truncate(PAST);
        }
        let before = self.index.blocks_of(id);
        let answer = self.index.apply(id, change);
        let (counts, expected) = match (answer, self.learn(rank, change)) {
            (Ok(applied), Ok(expected)) => (Counts::from(applied), expected),
            (Err(IndexError::Lengths { names, contents }), Err(Refusal::Lengths(n, c))) => {
                assert_eq!((names, contents), (n, c), "the lengths that do not fit");
                self.count();
                return None;
            }
            (answer, model) => panic!("{change:?} of {id:?}: the index says {answer:?}, the model {model:?}"),
        };
        let after = self.index.blocks_of(id);
        if self.is_exact(rank) {
            assert_eq!(counts, expected, "what became of {change:?} of {id:?}");
        } else {
            let sheds = self.fleet.max_bytes.is_some();
            let adds_up = counts.add_up(change, before, after, sheds);
            assert!(adds_up, "{change:?} of {id:?} from {before} blocks to {after}: {counts:?}");
        }
        self.count_one(rank, id);
        let bound = self.fleet.max_rank_blocks.unwrap_or(u32::MAX);
        assert!(after <= bound, "{id:?} has {after} blocks, more than {bound}");
        if let Some(told) = &mut self.told {
            told.push(Told::new(rank, change, counts));
        }
        if after == 0 && !self.is_exact(rank) {
            // It holds nothing, so that there is no doubt about it any more.
            self.model.forgive(rank);
            self.testimonies.remove(&rank);
        }
        self.count();
        Some(counts)
    }

    /// Whether the index must be the model for this rank. At a bound on memory it may forget more than it is told to, but
    /// never hold more than the model does without a bound. For one that contradicts itself there is no model.
    fn is_exact(&self, rank: usize) -> bool {
        let has_lied = self.model.rank(rank).is_some_and(Rank::has_lied);
        assert!(self.fleet.lying || !has_lied, "this was to be a fleet of engines that do not contradict themselves");
        self.fleet.max_bytes.is_none() && !has_lied
    }

    /// The model's part of a change.
    fn learn(&mut self, rank: usize, change: Change<'_>) -> Result<Counts, Refusal> {
        let counts = self.model.apply(rank, change)?;
        if self.fleet.lying {
            self.testimonies.entry(rank).or_default().hear(change);
        }
        Ok(counts)
    }

    /// The figure of one rank.
    fn count_one(&self, rank: usize, id: RankId) {
        let blocks = self.model.rank(rank).map_or(0, |rank| rank.blocks() as u32);
        if self.is_exact(rank) {
            assert_eq!(self.index.blocks_of(id), blocks, "blocks of {id:?}");
        } else if !self.fleet.lying {
            assert!(self.index.blocks_of(id) <= blocks, "{id:?} has more than its {blocks} blocks");
        }
    }

    /// The figures of the whole.
    fn count(&self) {
        let pairs = if self.fleet.lying || self.fleet.max_bytes.is_some() {
            self.ids.values().map(|&id| u64::from(self.index.blocks_of(id))).sum()
        } else {
            self.model.pairs()
        };
        assert_eq!(self.index.pairs(), pairs, "pairs are the ranks' blocks");
        if let Some(bytes) = self.fleet.max_bytes {
            assert!(self.index.bytes() <= bytes, "{} bytes of {bytes}", self.index.bytes());
        }
    }

    /// Every rank's own figure, the number of different blocks, and that nobody is there who left.
    pub(crate) fn count_all(&self) {
        self.count();
        for (rank, id) in self.ids() {
            self.count_one(rank, id);
        }
        if !self.fleet.lying && self.fleet.max_bytes.is_none() {
            // Blocks that nobody holds are kept before those that somebody does, and until they are swept.
            assert!(self.index.blocks() >= self.model.distinct() as u64, "{} different blocks", self.index.blocks());
        }
        let mut index = self.index.clone();
        for &id in &self.gone {
            let rank = id.index();
            assert_eq!(index.apply(id, Change::Cleared), Err(IndexError::UnknownRank { rank }));
            assert_eq!(index.leave(id), Err(IndexError::UnknownRank { rank }));
            assert_eq!(index.blocks_of(id), 0, "{id:?} left");
        }
    }

    /// Who holds how much of these contents?
    pub(crate) fn ask(&mut self, layer: Layer, contents: &[BlockHash]) {
        let mut expected = self.plausible(layer, contents);
        for (rank, blocks) in self.model.overlap_in(layer, contents) {
            if self.is_exact(rank) {
                expected.push((self.ids[&rank], blocks));
            }
        }
        expected.sort_unstable();
        check(&self.index, &mut self.overlap, layer, contents, &expected);
    }

    /// Those for which there is no exact model, as the index tells of them: each of them told so itself; and has not removed
    /// it since, if that is known.
    fn plausible(&mut self, layer: Layer, contents: &[BlockHash]) -> Vec<(RankId, u32)> {
        if !self.fleet.lying && self.fleet.max_bytes.is_none() {
            return Vec::new();
        }
        self.index.overlap_in(layer, contents, &mut self.overlap);
        let mut pairs = Vec::new();
        self.overlap.pairs_into(&mut pairs);
        let ranks: BTreeMap<RankId, usize> = self.ids().map(|(rank, id)| (id, rank)).collect();
        pairs.retain(|(id, _)| !self.is_exact(ranks[id]));
        for &(id, blocks) in &pairs {
            assert!(blocks <= self.index.blocks_of(id), "{id:?} has {blocks} blocks of one prompt, and fewer in all");
            let rank = ranks[&id];
            let most = match self.fleet.lying {
                true => self.testimonies.get(&rank).map_or(0, |told| told.most(layer, contents)),
                false => self.model.depth(rank, layer, contents),
            };
            assert!(blocks <= most, "{id:?} is said to hold {blocks} blocks of {contents:?}, and has {most}");
        }
        pairs
    }

    /// One operation, and questions about what it touched.
    pub(crate) fn step(&mut self, operation: &Operation) {
        match *operation {
            Operation::Join => {
                let rank = self.join();
                self.active.push(rank);
            }
            Operation::Leave { rank } => {
                let Some(rank) = self.active(rank) else { return };
                self.leave(rank);
            }
            Operation::Clear { rank } => {
                let Some(rank) = self.active(rank) else { return };
                self.tell(rank, Change::Cleared);
            }
            Operation::Store { rank, layer, prompt, from, blocks, naming, parent } => {
                let Some(rank) = self.active(rank) else { return };
                let (from, to) = (usize::from(from), usize::from(from) + usize::from(blocks));
                let contents = prompt.contents(to);
                let names = self.names_of(rank, &contents, naming);
                let from = match parent {
                    Parent::Missing => self.model.depth(rank, layer, &contents) as usize,
                    _ => from,
                };
                let parent = match parent {
                    Parent::Missing if from == to => return,
                    Parent::Missing | Parent::Right => from.checked_sub(1).map(|at| names[at]),
                    Parent::None => None,
                    Parent::Unknown => Some(BlockHash(0xdead_beef_dead_beef)),
                    Parent::Other(at) => Some(names.get(usize::from(at)).copied().unwrap_or(BlockHash(u64::MAX))),
                };
                let change = Change::Stored { layer, parent, names: &names[from..], contents: &contents[from..] };
                self.tell(rank, change);
                self.ask_around(layer, prompt, to);
            }
            Operation::StoreAll { layer, prompt, blocks, naming } => {
                let contents = prompt.contents(usize::from(blocks));
                let ranks: Vec<usize> = self.ids.keys().copied().collect();
                for rank in ranks {
                    let names = self.names_of(rank, &contents, naming);
                    self.tell(rank, Change::Stored { layer, parent: None, names: &names, contents: &contents });
                }
                self.ask_around(layer, prompt, usize::from(blocks));
            }
            Operation::Place { rank, layer, prompt, from, blocks, naming } => {
                let Some(rank) = self.active(rank) else { return };
                let names = self.names(rank, prompt, from, blocks, naming);
                self.tell(rank, Change::Stored { layer, parent: None, names: &names, contents: &[] });
                self.ask_around(layer, prompt, usize::from(from) + names.len());
            }
            Operation::Ragged { rank, layer, names, contents } => {
                let Some(rank) = self.active(rank) else { return };
                let names = vec![BlockHash(7); usize::from(names)];
                let contents = vec![BlockHash(8); usize::from(contents)];
                self.tell(rank, Change::Stored { layer, parent: None, names: &names, contents: &contents });
            }
            Operation::Remove { rank, layer, prompt, from, blocks, naming, order } => {
                let Some(rank) = self.active(rank) else { return };
                let names = self.names(rank, prompt, from, blocks, naming);
                self.tell(rank, Change::Removed { layer, names: &order.of(&names) });
                self.ask_around(layer, prompt, usize::from(from) + names.len());
            }
            Operation::Evict { rank, layer, pick } => {
                let Some(rank) = self.active(rank) else { return };
                let names = self.model.rank(rank).map(|rank| rank.names()).expect("the rank is there");
                let Some(pick) = usize::from(pick).checked_rem(names.len()) else { return };
                let name: Vec<BlockHash> = names.skip(pick).take(1).collect();
                self.tell(rank, Change::Removed { layer, names: &name });
            }
            Operation::Haunt { rank, layer, pick, removed } => {
                let Some(rank) = self.active(rank) else { return };
                let past = self.past.get(&rank).and_then(|past| past.get(usize::from(pick)));
                let Some(&name) = past else { return };
                if removed {
                    self.tell(rank, Change::Removed { layer, names: &[name] });
                } else {
                    let (block, below) = ([BlockHash(0xb0b)], [BlockHash(mix(name.0.rotate_left(5) ^ 0xb0b))]);
                    let path = self.model.child(rank, name, block[0]);
                    let taken = self.model.rank(rank).and_then(|rank| rank.path(below[0]));
                    if !self.fleet.lying && taken.is_some() && taken != path {
                        return;
                    }
                    self.tell(rank, Change::Stored { layer, parent: Some(name), names: &below, contents: &block });
                }
            }
            Operation::Ask { layer, prompt, blocks } => self.ask(layer, &prompt.contents(usize::from(blocks))),
        }
    }

    fn names(&self, rank: usize, prompt: Prompt, from: u8, blocks: u8, naming: Naming) -> Vec<BlockHash> {
        let contents = prompt.contents(usize::from(from) + usize::from(blocks));
        self.names_of(rank, &contents, naming).split_off(usize::from(from))
    }

    fn names_of(&self, rank: usize, contents: &[BlockHash], naming: Naming) -> Vec<BlockHash> {
        match naming {
            Naming::Slots => self.model.slots(rank, contents),
            _ => naming.names(rank, contents),
        }
    }

    /// A prompt that an operation touched, a little further than it went; in the main layer, too.
    fn ask_around(&mut self, layer: Layer, prompt: Prompt, blocks: usize) {
        let contents = prompt.contents(blocks + 3);
        self.ask(layer, &contents);
        if layer != Layer::MAIN {
            self.ask(Layer::MAIN, &contents[..blocks]);
        }
    }
}
