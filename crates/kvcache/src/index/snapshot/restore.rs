//! An index out of bytes.

use xxhash_rust::xxh3::xxh3_64;

use super::read::{Known, Node, Reader};
use crate::index::coverage::Part;
use crate::index::names::Rank;
use crate::index::pages::NONE;
use crate::index::{CROWD, FleetIndex, IndexConfig, MAX_LAYERS};
use crate::snapshot::{MAGIC, Restored, SnapshotError, VERSION};
use crate::{Layer, RankId, Tier};

/// So many ranks are taken in whatever the bound, as an index takes them whatever its bound.
const FREE_RANKS: u64 = 1024;

impl FleetIndex {
    /// The index that a [`snapshot`](Self::snapshot) holds, with the tags of its ranks.
    ///
    /// Ranks have the numbers that they had; those between them that stand for none are given out again first, the
    /// lowest one first. From here on the index answers and goes on as the one did that was written.
    ///
    /// Bounds are those of `config`, and what does not fit is left out and counted as ever: in the order of the bytes,
    /// a rank's blocks beyond [`max_rank_blocks`](IndexConfig::max_rank_blocks), and at
    /// [`max_bytes`](IndexConfig::max_bytes) a piece of a path with all that follows it. Without
    /// [`counted_copies`](IndexConfig::counted_copies), copies are not taken over.
    ///
    /// The bytes may be anybody's: they are read with suspicion, and no more memory is asked for than they can fill. Some
    /// 70 ns a block.
    ///
    /// # Errors
    /// [`SnapshotError`] if they are not what [`snapshot`](Self::snapshot) wrote, or of another version, or have more than
    /// 1,024 ranks, too many for [`max_bytes`](IndexConfig::max_bytes) without any block.
    ///
    /// ```
    /// use phalanx_kvcache::snapshot::SnapshotError;
    /// use phalanx_kvcache::{FleetIndex, IndexConfig};
    ///
    /// let mut bytes = Vec::new();
    /// FleetIndex::new().snapshot(|_| "", &mut bytes);
    /// assert!(FleetIndex::restore(&bytes, IndexConfig::new()).is_ok());
    /// bytes[9] ^= 1;
    /// let error = FleetIndex::restore(&bytes, IndexConfig::new()).err();
    /// assert_eq!(error, Some(SnapshotError::Version { found: 257 }));
    /// ```
    pub fn restore(bytes: &[u8], config: IndexConfig) -> Result<Restored<Self>, SnapshotError> {
        let Some((version, _)) = bytes.strip_prefix(MAGIC).and_then(<[u8]>::split_first_chunk) else {
            return Err(SnapshotError::Foreign);
        };
        let found = u16::from_le_bytes(*version);
        if found != VERSION {
            return Err(SnapshotError::Version { found });
        }
        let begin = MAGIC.len() + version.len();
        let (body, checksum) = match bytes.split_last_chunk() {
            Some((body, checksum)) if body.len() >= begin => (body, u64::from_le_bytes(*checksum)),
            _ => return Err(SnapshotError::Malformed { at: bytes.len(), expected: "a checksum" }),
        };
        let expected = xxh3_64(body);
        if checksum != expected {
            return Err(SnapshotError::Checksum { at: body.len(), found: checksum, expected });
        }
        let mut reader = Reader::new(body, begin);
        let mut index = Self::with_config(config);
        let ranks = index.restore_ranks(&mut reader)?;
        let layers = index.restore_layers(&mut reader)?;
        let left_out = index.restore_nodes(&mut reader, &layers)?;
        if reader.left() > 0 {
            return Err(SnapshotError::Malformed { at: reader.at, expected: "the checksum" });
        }
        index.clean_up();
        Ok(Restored { index, ranks, left_out })
    }

    fn restore_ranks(&mut self, reader: &mut Reader<'_>) -> Result<Vec<(RankId, Vec<u8>)>, SnapshotError> {
        let most = (reader.left() as u64).min(u64::from(u32::MAX));
        let at = reader.at;
        let count = reader.number(most, "a number of ranks that fits the bytes left")?;
        // Each takes a single byte of the snapshot at the least, and far more here.
        let (needed, max_bytes) = (count * Rank::LEAST as u64, self.config.max_bytes);
        if count > FREE_RANKS && needed > max_bytes as u64 {
            return Err(SnapshotError::TooManyRanks { at, ranks: count, needed, max_bytes });
        }
        self.ranks.reserve_exact(count as usize);
        let (mut ranks, mut holes) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let rank = self.join();
            let at = reader.at;
            let most = reader.left() as u64;
            match reader.number(most, "a length that fits the bytes left")? {
                0 => {
                    if rank.index() as u64 + 1 == count {
                        return Err(SnapshotError::Malformed {
                            at,
                            expected: "a rank that has joined, as the last one",
                        });
                    }
                    self.ranks[rank.index()].joined = false;
                    holes.push(rank);
                }
                length => {
                    let tag = reader.take(length as usize - 1, "a tag of this length")?;
                    ranks.push((rank, tag.to_vec()));
                }
            }
        }
        // The last one is given out first.
        self.vacant.extend(holes.into_iter().rev());
        Ok(ranks)
    }

    /// The index's numbers of the snapshot's layers.
    fn restore_layers(&mut self, reader: &mut Reader<'_>) -> Result<Vec<u16>, SnapshotError> {
        let count = reader.number(MAX_LAYERS as u64, "a number of layers, 1024 at the most")?;
        let mut layers = Vec::new();
        let mut last = None;
        for _ in 0..count {
            let at = reader.at;
            let group = reader.number(u16::MAX.into(), "a group")? as u16;
            let tier = match reader.take(1, "a tier")? {
                [0] => Tier::Gpu,
                [1] => Tier::Cpu,
                [2] => Tier::Disk,
                [3] => Tier::Remote,
                _ => return Err(SnapshotError::Malformed { at: reader.at - 1, expected: "a tier, 0 to 3" }),
            };
            let layer = Layer { group, tier };
            if last.replace(layer) >= Some(layer) {
                return Err(SnapshotError::Malformed { at, expected: "a layer after the one before" });
            }
            let expected = "no more layers than 1024, the main one among them";
            layers.push(self.open_layer(layer).ok_or(SnapshotError::Malformed { at, expected })?);
        }
        Ok(layers)
    }

    /// Says how many blocks of ranks were left out.
    fn restore_nodes(&mut self, reader: &mut Reader<'_>, layers: &[u16]) -> Result<u64, SnapshotError> {
        let joined: Vec<bool> = self.ranks.iter().map(|rank| rank.joined).collect();
        let known = Known { joined: &joined, layers: layers.len() as u32 };
        let children = reader.number(u64::MAX, "a number of beginnings")?;
        let mut ways = vec![Way { run: Some(NONE), depth: 0, children, last: None }];
        let mut node = Node::default();
        let mut left_out = 0;
        while let Some(way) = ways.last_mut() {
            if way.children == 0 {
                ways.pop();
                continue;
            }
            way.children -= 1;
            let at = reader.at;
            reader.node(way.depth, &known, &mut node)?;
            let content = node.contents[0];
            if way.last.replace(content) >= Some(content) {
                return Err(SnapshotError::Malformed { at, expected: "a first content after that of the one before" });
            }
            let depth = way.depth + node.len();
            let run = match way.run {
                Some(parent) if self.has_room_for(&node) => {
                    Some(self.restore_node(parent, at, &node, layers, &mut left_out)?)
                }
                parent => {
                    left_out += node.stretches.iter().map(|of| u64::from(of.to - of.from)).sum::<u64>();
                    // Where nobody holds what is before, that goes as well.
                    self.dirty.extend(parent.filter(|&parent| parent != NONE));
                    None
                }
            };
            ways.push(Way { run, depth, children: node.children, last: None });
        }
        Ok(left_out)
    }

    /// Whether a node fits below the bound on memory, with what it is cut into.
    fn has_room_for(&self, node: &Node) -> bool {
        let words = self.ranks.len().div_ceil(64) * 8;
        let sets = node.stretches.chunk_by(|a, b| a.layer == b.layer).count();
        let parts = node.stretches.len();
        let runs = 1 + parts / 4;
        let coverage = runs * (sets * (words + 128) + 192) + parts * 48;
        // Tables of own names and copies grow by doubling.
        let copies = if self.config.counted_copies { &node.copies[..] } else { &[] };
        let mut odd: Vec<u32> = node.own_names.iter().map(|own| own.rank).collect();
        odd.extend(copies.iter().map(|of| of.rank));
        odd.sort_unstable();
        let odd = odd.chunk_by(|a, b| a == b).map(|same| self.ranks[same[0] as usize].bytes() + same.len() * 100 + 512);
        let needed =
            self.forest.growth(node.contents.len()).unwrap_or(usize::MAX / 2) + coverage + odd.sum::<usize>() + 256;
        self.bytes().saturating_add(needed).saturating_add(self.margin()) <= self.config.max_bytes
    }

    fn restore_node(
        &mut self,
        parent: u32,
        at: usize,
        node: &Node,
        layers: &[u16],
        left_out: &mut u64,
    ) -> Result<u32, SnapshotError> {
        let run = self.forest.add(parent, self.sweep.epoch(), &node.names, &node.contents);
        let (start, len) = (self.forest.run(run).start, node.len());
        self.forest.list_some(run, start, start + len);
        let mut cut = false;
        for stretches in node.stretches.chunk_by(|a, b| a.layer == b.layer) {
            let Self { forest, ranks, config, .. } = self;
            let (mut held, mut all) = (0, 0);
            forest.cover(run, layers[stretches[0].layer as usize], |coverage| {
                for of in stretches {
                    let state = &mut ranks[of.rank as usize];
                    let count = (of.to - of.from).min(config.max_rank_blocks.saturating_sub(state.held));
                    state.held += count;
                    held += u64::from(count);
                    all += u64::from(of.to - of.from);
                    if count > 0 {
                        coverage.restore(Part { rank: of.rank, from: of.from, to: of.from + count }, len);
                    }
                }
                coverage.settle();
            });
            self.pairs += held;
            *left_out += all - held;
            cut |= held < all;
        }
        if cut {
            self.forest.edit(run, crate::index::run::Run::tidy);
        }
        for own in &node.own_names {
            let rank = RankId(own.rank);
            if self.holds(rank, run, start + own.at) {
                let block = self.forest.block(run, start + own.at);
                self.edit_rank(rank, |rank, seed| rank.rename(block, own.name, seed));
            } else if !cut {
                return Err(SnapshotError::Malformed { at, expected: "a node whose own names are those of holders" });
            }
        }
        for of in &node.copies {
            let (rank, layer) = (RankId(of.rank), layers[of.layer as usize]);
            if self.holds_in(rank, layer, run, start + of.at) {
                if self.config.counted_copies {
                    let block = self.forest.block(run, start + of.at);
                    self.edit_rank(rank, |rank, seed| rank.add_copies(layer, block, of.more, seed));
                }
            } else if !cut {
                return Err(SnapshotError::Malformed { at, expected: "a node whose copies are those of holders" });
            }
        }
        if cut {
            self.dirty.push(run);
        }
        self.cut_crowded(run);
        Ok(run)
    }
}

impl FleetIndex {
    /// Cuts a new run for as long as its parts are too many; the part behind keeps the number.
    fn cut_crowded(&mut self, run: u32) {
        let mut crowded = vec![run];
        while let Some(run) = crowded.pop() {
            let of = self.forest.run(run);
            let crowd = of.coverages().find(|(_, coverage)| coverage.parts().len() > CROWD);
            if let Some(at) = crowd.and_then(|(_, coverage)| coverage.middle(of.len)) {
                let depth = of.start + at;
                let head = self.forest.split(run, depth);
                crowded.extend([head, run]);
            }
        }
    }
}

/// A node whose children are being read.
struct Way {
    /// Its last run, if it was taken in.
    run: Option<u32>,
    /// Depth at which it ends.
    depth: u32,
    /// How many are still to come.
    children: u64,
    /// First content of the one before.
    last: Option<crate::BlockHash>,
}
