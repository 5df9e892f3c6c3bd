//! Numbers and nodes out of bytes that anybody may have written.

use super::{Copies, OwnName, Stretch};
use crate::BlockHash;
use crate::snapshot::SnapshotError;

/// Bytes, and how far they are read.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
}

/// One node, its buffers used again for the next one.
#[derive(Default)]
pub(super) struct Node {
    pub(super) contents: Vec<BlockHash>,
    pub(super) names: Vec<BlockHash>,
    pub(super) children: u64,
    /// By layer: holders of all by rank, then parts by (rank, place).
    pub(super) stretches: Vec<Stretch>,
    pub(super) own_names: Vec<OwnName>,
    pub(super) copies: Vec<Copies>,
}

impl Node {
    /// Blocks: fewer than there are bytes, and fewer than `u32::MAX`.
    pub(super) fn len(&self) -> u32 {
        self.contents.len() as u32
    }
}

/// What a node may speak of.
pub(super) struct Known<'a> {
    pub(super) joined: &'a [bool],
    pub(super) layers: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn take(&mut self, count: usize, expected: &'static str) -> Result<&'a [u8], SnapshotError> {
        let taken = self.bytes[self.at..].get(..count).ok_or(SnapshotError::Malformed { at: self.at, expected })?;
        self.at += count;
        Ok(taken)
    }

    /// A number of at most `most`.
    #[inline]
    pub(super) fn number(&mut self, most: u64, expected: &'static str) -> Result<u64, SnapshotError> {
        let (mut number, mut shift) = (0, 0);
        for (at, &byte) in self.bytes[self.at..].iter().enumerate().take(10) {
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits || (byte == 0 && at > 0) {
                break;
            }
            number |= bits << shift;
            shift += 7;
            if byte < 0x80 {
                if number > most {
                    break;
                }
                self.at += at + 1;
                return Ok(number);
            }
        }
        Err(SnapshotError::Malformed { at: self.at, expected })
    }

    /// A number of at most `most`, where that is at most 32 bits.
    #[inline]
    fn word(&mut self, most: u32, expected: &'static str) -> Result<u32, SnapshotError> {
        self.number(most.into(), expected).map(|number| number as u32)
    }

    fn hashes(&mut self, count: usize, into: &mut Vec<BlockHash>) -> Result<(), SnapshotError> {
        let bytes = self.take(count * 8, "a hash for each block")?;
        into.clear();
        into.extend(bytes.as_chunks().0.iter().map(|&hash| BlockHash(u64::from_le_bytes(hash))));
        Ok(())
    }

    /// The next node, which begins at a depth.
    pub(super) fn node(&mut self, depth: u32, known: &Known<'_>, node: &mut Node) -> Result<(), SnapshotError> {
        let begin = self.at;
        // Depths are less than the largest number.
        let most = (self.left() as u64 / 8).min(u64::from(u32::MAX - 1 - depth));
        let blocks = self.number(most, "a number of blocks that fits the bytes left")? as usize;
        if blocks == 0 {
            return Err(SnapshotError::Malformed { at: begin, expected: "one block or more" });
        }
        let at = self.at;
        let how = self.number(u64::MAX, "a number of children")?;
        node.children = how / 2;
        if node.children == 1 {
            return Err(SnapshotError::Malformed { at, expected: "no child, or two or more" });
        }
        self.hashes(blocks, &mut node.contents)?;
        if how % 2 == 1 {
            node.names.clone_from(&node.contents);
        } else {
            self.hashes(blocks, &mut node.names)?;
        }
        let at = self.at;
        self.stretches(known, node)?;
        let end = node.stretches.iter().map(|stretch| stretch.to).max();
        if node.children == 0 && end != Some(node.len()) {
            return Err(SnapshotError::Malformed { at, expected: "a holder of the last block, as nothing follows" });
        }
        self.own_names(known, node)?;
        self.copies(known, node)
    }

    fn stretches(&mut self, known: &Known<'_>, node: &mut Node) -> Result<(), SnapshotError> {
        node.stretches.clear();
        let blocks = node.len();
        let layers = self.word(known.layers, "a number of layers, not more than there are")?;
        let mut from_layer = 0;
        for _ in 0..layers {
            let at = self.at;
            let layer = self.word(u32::MAX, "a layer")?;
            if layer < from_layer || layer >= known.layers {
                return Err(SnapshotError::Malformed { at, expected: "a layer of the list, after the one before" });
            }
            from_layer = layer + 1;
            let first = node.stretches.len();
            self.full(known, layer, node)?;
            let middle = node.stretches.len();
            let at_parts = self.at;
            let parts = self.number(u64::MAX, "a number of parts")?;
            if middle == first && parts == 0 {
                return Err(SnapshotError::Malformed { at: at_parts, expected: "a holder in the layer" });
            }
            let (mut rank, mut end) = (0, None);
            let mut full = first;
            for _ in 0..parts {
                let at = self.at;
                let more = self.word(u32::MAX, "a rank")?;
                if more > 0 {
                    end = None;
                }
                rank = joined(known, u64::from(rank) + u64::from(more), at)?;
                while full < middle && node.stretches[full].rank < rank {
                    full += 1;
                }
                if full < middle && node.stretches[full].rank == rank {
                    return Err(SnapshotError::Malformed { at, expected: "a rank that does not hold all anyhow" });
                }
                let at = self.at;
                let from = u64::from(self.word(u32::MAX, "a place")?) + end.map_or(0, |end| u64::from(end) + 1);
                let to = from + u64::from(self.word(u32::MAX, "a number of blocks")?) + 1;
                if to > u64::from(blocks) || to - from == u64::from(blocks) {
                    return Err(SnapshotError::Malformed { at, expected: "some of the node's blocks, and not all" });
                }
                let (from, to) = (from as u32, to as u32);
                node.stretches.push(Stretch { layer, rank, from, to });
                end = Some(to);
            }
        }
        Ok(())
    }

    /// Ranks that hold all of a node in a layer.
    fn full(&mut self, known: &Known<'_>, layer: u32, node: &mut Node) -> Result<(), SnapshotError> {
        let ranks = self.number(known.joined.len() as u64, "a number of ranks, not more than there are")?;
        let (mut next, to) = (0, node.len());
        for _ in 0..ranks {
            let at = self.at;
            let between = self.word(u32::MAX, "a rank")?;
            let rank = joined(known, next + u64::from(between), at)?;
            next = u64::from(rank) + 1;
            node.stretches.push(Stretch { layer, rank, from: 0, to });
        }
        Ok(())
    }

    fn own_names(&mut self, known: &Known<'_>, node: &mut Node) -> Result<(), SnapshotError> {
        node.own_names.clear();
        let count = self.number(u64::MAX, "a number of names")?;
        let mut last = None;
        for _ in 0..count {
            let begin = self.at;
            let at = self.word(node.len() - 1, "a block of the node")?;
            let rank = joined(known, self.number(u64::MAX, "a rank")?, begin)?;
            if last.replace((at, rank)) >= Some((at, rank)) {
                return Err(SnapshotError::Malformed { at: begin, expected: "a place and rank after the ones before" });
            }
            let name = self.take(8, "a name")?;
            let name = u64::from_le_bytes(core::array::from_fn(|at| name[at]));
            if name == node.names[at as usize].0 {
                return Err(SnapshotError::Malformed { at: begin, expected: "a name that is not the block's own" });
            }
            node.own_names.push(OwnName { at, rank, name });
        }
        Ok(())
    }

    fn copies(&mut self, known: &Known<'_>, node: &mut Node) -> Result<(), SnapshotError> {
        node.copies.clear();
        let count = self.number(u64::MAX, "a number of copies")?;
        let mut last = None;
        for _ in 0..count {
            let begin = self.at;
            let layer = self.word(u32::MAX, "a layer")?;
            let at = self.word(node.len() - 1, "a block of the node")?;
            let rank = joined(known, self.number(u64::MAX, "a rank")?, begin)?;
            if layer >= known.layers || last.replace((layer, at, rank)) >= Some((layer, at, rank)) {
                let expected = "a layer of the list, a place and a rank after the ones before";
                return Err(SnapshotError::Malformed { at: begin, expected });
            }
            let begin = self.at;
            let more = self.word(u32::MAX, "a number of copies")?;
            if more == 0 {
                return Err(SnapshotError::Malformed { at: begin, expected: "more copies than one" });
            }
            node.copies.push(Copies { layer, at, rank, more });
        }
        Ok(())
    }
}

fn joined(known: &Known<'_>, rank: u64, at: usize) -> Result<u32, SnapshotError> {
    match known.joined.get(usize::try_from(rank).unwrap_or(usize::MAX)) {
        Some(true) => Ok(rank as u32),
        _ => Err(SnapshotError::Malformed { at, expected: "a rank that has joined" }),
    }
}
