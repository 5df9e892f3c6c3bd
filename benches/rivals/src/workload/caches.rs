//! The caches of a fleet's ranks, simulated to have true events to tell.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::stream::{Kind, Stream};
use super::tree::Tree;

const NONE: u32 = u32::MAX;

/// A cache a rank, each evicting the leaf that was used least recently.
#[derive(Debug)]
pub(super) struct Caches<'a> {
    tree: &'a Tree,
    /// (rank, block) to its slot.
    held: FxHashMap<u64, u32>,
    slots: Vec<Slot>,
    vacant: Vec<u32>,
    ranks: Vec<Rank>,
    now: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    block: u32,
    parent: u32,
    children: u32,
    used: u32,
}

#[derive(Clone, Debug, Default)]
struct Rank {
    held: u32,
    /// (used, slot, block) of leaves; outdated entries are put right when they come up.
    leaves: BinaryHeap<Reverse<(u32, u32, u32)>>,
}

impl<'a> Caches<'a> {
    pub(super) fn new(ranks: u32, tree: &'a Tree) -> Self {
        let ranks = vec![Rank::default(); ranks as usize];
        Self { tree, held: FxHashMap::default(), slots: Vec::new(), vacant: Vec::new(), ranks, now: 0 }
    }

    pub(super) fn blocks_of(&self, rank: u32) -> u32 {
        self.ranks[rank as usize].held
    }

    /// Serves a request whose blocks are `prompt` and then `decoded` within `capacity` blocks, and tells what happened:
    /// one event makes room, one stores what is new of the prompt, one more each decoded block. The request's own
    /// blocks stay, even past the capacity.
    pub(super) fn serve(&mut self, rank: u32, prompt: &[u32], decoded: &[u32], capacity: u32, out: &mut Stream) {
        self.now += 1;
        let mut last = NONE;
        let mut known = 0;
        for &block in prompt {
            let Some(&slot) = self.held.get(&key(rank, block)) else { break };
            self.slots[slot as usize].used = self.now;
            last = slot;
            known += 1;
        }
        let fresh = &prompt[known..];
        self.make_room(rank, (fresh.len() + decoded.len()) as u32, capacity, out);
        self.store(rank, &mut last, fresh, out);
        for block in decoded {
            self.store(rank, &mut last, std::slice::from_ref(block), out);
        }
        if last != NONE && self.slots[last as usize].children == 0 {
            let entry = (self.now, last, self.slots[last as usize].block);
            self.ranks[rank as usize].leaves.push(Reverse(entry));
        }
    }

    fn store(&mut self, rank: u32, last: &mut u32, blocks: &[u32], out: &mut Stream) {
        let parent = (*last != NONE).then(|| self.tree.name(self.slots[*last as usize].block));
        let told = blocks.iter().map(|&block| (self.tree.name(block), self.tree.content(block)));
        out.push(rank, Kind::Stored { parent }, told);
        for &block in blocks {
            let slot = Slot { block, parent: *last, children: 0, used: self.now };
            if *last != NONE {
                self.slots[*last as usize].children += 1;
            }
            *last = match self.vacant.pop() {
                Some(at) => {
                    self.slots[at as usize] = slot;
                    at
                }
                None => {
                    self.slots.push(slot);
                    self.slots.len() as u32 - 1
                }
            };
            self.held.insert(key(rank, block), *last);
            self.ranks[rank as usize].held += 1;
        }
    }

    fn make_room(&mut self, rank: u32, needed: u32, capacity: u32, out: &mut Stream) {
        let mut gone = Vec::new();
        while self.ranks[rank as usize].held + needed > capacity {
            let Some(Reverse((used, at, block))) = self.ranks[rank as usize].leaves.pop() else { break };
            let slot = self.slots[at as usize];
            if self.held.get(&key(rank, block)) != Some(&at) || slot.children > 0 {
                continue;
            }
            if slot.used == self.now {
                self.ranks[rank as usize].leaves.push(Reverse((slot.used, at, block)));
                break;
            }
            if slot.used != used {
                self.ranks[rank as usize].leaves.push(Reverse((slot.used, at, block)));
                continue;
            }
            gone.push((self.tree.name(block), 0));
            self.held.remove(&key(rank, block));
            self.ranks[rank as usize].held -= 1;
            self.vacant.push(at);
            if slot.parent != NONE {
                let parent = &mut self.slots[slot.parent as usize];
                parent.children -= 1;
                if parent.children == 0 {
                    let entry = (parent.used, slot.parent, parent.block);
                    self.ranks[rank as usize].leaves.push(Reverse(entry));
                }
            }
        }
        out.push(rank, Kind::Removed, gone);
    }
}

fn key(rank: u32, block: u32) -> u64 {
    u64::from(rank) << 32 | u64::from(block)
}
