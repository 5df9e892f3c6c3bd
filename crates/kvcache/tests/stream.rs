//! From an engine's cache over the wire, through what a channel does to it, to the index.

mod cases;

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use phalanx_kvcache::feed::{Action, Feed, Standing};
use phalanx_kvcache::wire::{Event, EventBatch, Message, Stored, Tokens, Translator, encode};
use phalanx_kvcache::{BlockHash, BlockObjects, BlockSize, ChainHasher, FleetIndex, Layer, Overlap, RankId};
use proptest::prelude::*;

use cases::cases;

/// Tokens in a block.
const SIZE: u32 = 2;

fn size() -> BlockSize {
    BlockSize::new(SIZE).expect("a valid size")
}

/// Who keeps one rank's entries true: what a gateway does, without sockets.
struct Follower {
    feed: Feed<Vec<u8>>,
    batch: EventBatch,
    translator: Translator,
    index: FleetIndex,
    rank: RankId,
}

impl Follower {
    fn new(size: BlockSize) -> Self {
        let mut index = FleetIndex::new();
        let rank = index.join();
        let (feed, batch) = (Feed::new(), EventBatch::new());
        Self { feed, batch, translator: Translator::new(size), index, rank }
    }

    /// Does what the feed says; returns the replays that it asks for, with their tickets.
    fn act(&mut self) -> Vec<(u64, u32)> {
        let mut asked = Vec::new();
        while let Some(action) = self.feed.poll() {
            match action {
                Action::Apply { payload, .. } => {
                    if self.batch.read(&payload).is_err() {
                        self.feed.on_unreadable();
                        continue;
                    }
                    for event in self.batch.events() {
                        let change = self.translator.change(&event).expect("blocks of our size");
                        let _ = self.index.apply(self.rank, change).expect("the rank is there");
                    }
                    if self.batch.events().any(|event| event == Event::Cleared) {
                        self.feed.on_emptied();
                    }
                }
                Action::Clear => {
                    let _ = self.index.apply(self.rank, phalanx_kvcache::Change::Cleared).expect("the rank is there");
                }
                Action::Ask { from, ticket } => asked.push((from, ticket)),
            }
        }
        asked
    }

    fn overlap(&self, tokens: &[u32], salt: &str) -> u32 {
        let (mut contents, mut overlap) = (Vec::new(), Overlap::new());
        let hasher = ChainHasher::new(size());
        hasher.prompt_contents_into(tokens, "", salt, &BlockObjects::new(), &mut contents);
        self.index.overlap(&contents, &mut overlap);
        overlap.blocks_of(self.rank)
    }
}

#[test]
fn captured_messages_become_overlaps() {
    let size = BlockSize::new(32).expect("a valid size");
    let mut follower = Follower::new(size);
    let lines = include_str!("data/vllm-0.32.txt").lines().filter(|line| !line.starts_with('#'));
    let unhex = |digits: &str| -> Vec<u8> {
        let digits = digits.trim_matches('-').as_bytes();
        let digit = |byte: u8| (byte as char).to_digit(16).expect("a hexadecimal digit") as u8;
        digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    };
    let mut blocks = Vec::new();
    for line in lines {
        let frames: Vec<_> = line.split(' ').map(unhex).collect();
        let Ok(Message::Batch { seq, payload, .. }) = Message::from_frames(&frames) else { panic!("a batch") };
        follower.feed.on_live(seq, payload.to_vec(), Duration::ZERO);
        assert_eq!(follower.act(), [], "nothing is missing, and number 0 begins anew");
        assert_eq!(follower.feed.standing(), Standing::Whole);
        blocks.push(follower.index.blocks_of(follower.rank));
        // What was stored last is there, as far as it has no parent.
        let Some(Event::Stored(stored)) = follower.batch.events().last() else { panic!("a stored event") };
        let Tokens::Ids(tokens) = stored.tokens else { panic!("token ids") };
        let salt = if stored.extras.is_empty() { "" } else { "tenantA" };
        let (mut contents, mut overlap) = (Vec::new(), Overlap::new());
        let hasher = ChainHasher::new(size);
        hasher.prompt_contents_into(tokens, "", salt, &BlockObjects::new(), &mut contents);
        follower.index.overlap(&contents, &mut overlap);
        let expected = if stored.parent.is_none() { stored.names.len() as u32 } else { 0 };
        assert_eq!(overlap.blocks_of(follower.rank), expected);
        if !salt.is_empty() {
            follower.index.overlap(&hasher.contents(tokens), &mut overlap);
            assert_eq!(overlap.blocks_of(follower.rank), 0, "not without the salt");
        }
    }
    // The second engine begins with the fourth message. It has room for 40 blocks, one of them never used.
    assert_eq!(blocks, [5, 6, 7, 10, 20, 30, 38, 38, 38, 1]);
}

/// An engine that stores prompts and evicts whatever block it likes, and its publisher.
#[derive(Default)]
struct Engine {
    /// The blocks that it has: the tokens up to the block's end, and its name.
    blocks: BTreeMap<Vec<u32>, u64>,
    names: u64,
    published: VecDeque<(u64, Vec<u8>)>,
    next: u64,
    process: u32,
}

/// Blocks that are new, one behind the other.
struct Run {
    parent: Option<BlockHash>,
    names: Vec<BlockHash>,
    tokens: Vec<u32>,
}

impl Run {
    fn event(&self) -> Event<'_> {
        let mut stored = Stored::new(&self.names, Tokens::Ids(&self.tokens), SIZE);
        stored.parent = self.parent;
        Event::Stored(stored)
    }
}

/// How many batches are kept for replays.
const KEPT: usize = 10;

impl Engine {
    fn publish(&mut self, events: &[Event<'_>]) -> (u64, Vec<u8>) {
        let mut payload = Vec::new();
        encode(f64::from(self.process) * 1e6 + self.next as f64, Some(0), events, &mut payload);
        let batch = (self.next, payload);
        self.next += 1;
        self.published.push_back(batch.clone());
        if self.published.len() > KEPT {
            self.published.pop_front();
        }
        batch
    }

    /// Computes what it does not have of a prompt.
    fn store(&mut self, tokens: &[u32]) -> Option<(u64, Vec<u8>)> {
        let size = SIZE as usize;
        let mut runs: Vec<Run> = Vec::new();
        let (mut parent, mut behind_new) = (None, false);
        for end in (size..=tokens.len()).step_by(size) {
            let known = self.blocks.get(&tokens[..end]).copied();
            let name = known.unwrap_or_else(|| {
                // Another process names blocks differently.
                self.names += 1;
                u64::from(self.process) << 32 | self.names
            });
            if known.is_none() {
                self.blocks.insert(tokens[..end].to_vec(), name);
                if !behind_new {
                    runs.push(Run { parent, names: Vec::new(), tokens: Vec::new() });
                }
                let run = runs.last_mut().expect("one was begun");
                run.names.push(BlockHash(name));
                run.tokens.extend(&tokens[end - size..end]);
            }
            (parent, behind_new) = (Some(BlockHash(name)), known.is_none());
        }
        let events: Vec<_> = runs.iter().map(Run::event).collect();
        (!events.is_empty()).then(|| self.publish(&events))
    }

    fn evict(&mut self, at: usize) -> Option<(u64, Vec<u8>)> {
        let block = self.blocks.keys().nth(at % self.blocks.len().max(1)).cloned()?;
        let name = BlockHash(self.blocks.remove(&block)?);
        Some(self.publish(&[Event::Removed { layer: Layer::MAIN, names: &[name] }]))
    }

    fn clear(&mut self) -> (u64, Vec<u8>) {
        self.blocks.clear();
        self.publish(&[Event::Cleared])
    }

    fn restart(&mut self) {
        let process = self.process + 1;
        *self = Self { process, ..Self::default() };
    }

    fn overlap(&self, tokens: &[u32]) -> u32 {
        let ends = (SIZE as usize..=tokens.len()).step_by(SIZE as usize);
        ends.take_while(|end| self.blocks.contains_key(&tokens[..*end])).count() as u32
    }
}

#[derive(Clone, Debug)]
enum Step {
    Store(Vec<u32>),
    Evict(usize),
    Clear,
    Restart,
    /// The next batch that is published is lost, repeated or broken on its way.
    Lose,
    Repeat,
    Break,
    /// Replays are answered from here on, or not.
    Answer(bool),
}

fn any_prompt() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0..2_u32, 0..10)
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => any_prompt().prop_map(Step::Store),
        12 => any::<usize>().prop_map(Step::Evict),
        1 => Just(Step::Clear),
        1 => Just(Step::Restart),
        2 => Just(Step::Lose),
        1 => Just(Step::Repeat),
        1 => Just(Step::Break),
        2 => prop::bool::weighted(0.8).prop_map(Step::Answer),
    ]
}

proptest! {
    #![proptest_config(cases(200))]

    /// Invariant 9 of the design, from the engine to the index: it equals a recount, or says that it does not and claims
    /// nothing that is not so.
    #[test]
    fn invariant_9_the_index_is_true_behind_any_channel(
        steps in prop::collection::vec(any_step(), 0..120),
        prompts in prop::collection::vec(any_prompt(), 8),
    ) {
        let (mut engine, mut follower) = (Engine::default(), Follower::new(size()));
        let (mut fault, mut unheard, mut answers) = (None, false, true);
        let now = Duration::ZERO;
        for step in steps {
            let batch = match &step {
                Step::Store(tokens) => engine.store(tokens),
                Step::Evict(at) => engine.evict(*at),
                Step::Clear => Some(engine.clear()),
                Step::Restart => {
                    engine.restart();
                    unheard = false;
                    follower.feed.check(now);
                    None
                }
                Step::Lose | Step::Repeat | Step::Break => {
                    fault = Some(step.clone());
                    None
                }
                Step::Answer(yes) => {
                    answers = *yes;
                    None
                }
            };
            if let Some((seq, mut payload)) = batch {
                unheard = matches!(fault, Some(Step::Lose));
                match fault.take() {
                    Some(Step::Lose) => continue,
                    Some(Step::Repeat) => follower.feed.on_live(seq, payload.clone(), now),
                    Some(Step::Break) => payload.truncate(payload.len() - 1),
                    _ => {}
                }
                follower.feed.on_live(seq, payload, now);
            }
            // Answered at once, or never: what happens in between is tried with the feed alone.
            let mut asked = follower.act();
            while let Some((from, ticket)) = asked.pop() {
                if !answers {
                    follower.feed.on_replay_failed(ticket);
                } else {
                    for (seq, payload) in engine.published.iter().filter(|(seq, _)| *seq >= from) {
                        follower.feed.on_replayed(ticket, *seq, payload.clone(), now);
                    }
                    follower.feed.on_replay_end(ticket, now);
                }
                asked = follower.act();
            }
            if unheard {
                continue; // nobody can know
            }
            prop_assert_ne!(follower.feed.standing(), Standing::CatchingUp);
            for tokens in &prompts {
                let (is, says) = (engine.overlap(tokens), follower.overlap(tokens, ""));
                match follower.feed.standing() {
                    Standing::Whole => prop_assert_eq!(says, is, "{:?}", tokens),
                    _ => prop_assert!(says <= is, "{} of {} for {:?}", says, is, tokens),
                }
            }
            if follower.feed.standing() == Standing::Whole {
                prop_assert_eq!(follower.index.blocks_of(follower.rank) as usize, engine.blocks.len());
            }
        }
    }
}
