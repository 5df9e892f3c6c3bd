//! Any bytes as a snapshot of a fleet index.

use phalanx_kvcache::{BlockHash, Change, FleetIndex, IndexConfig, Layer};
use xxhash_rust::xxh3::xxh3_64;

/// Memory of an index that bytes make.
const ROOM: usize = 2 << 20;

/// Reads a snapshot, as it is and with the checksum that it should have. Whatever is accepted keeps its bounds and its
/// accounts, writes a snapshot that reads the same, and goes on as an index does.
///
/// # Panics
///
/// If one of these does not hold.
pub fn run(data: &[u8]) {
    check(data);
    // The head is not what is looked for.
    let body = data.strip_prefix(b"phxindex\x01\x00").unwrap_or(data);
    let mut sealed = [b"phxindex\x01\x00", body].concat();
    sealed.extend(xxh3_64(&sealed).to_le_bytes());
    check(&sealed);
}

fn check(bytes: &[u8]) {
    for bound in [u32::MAX, 5] {
        let config = IndexConfig::new().max_bytes(ROOM).max_rank_blocks(bound);
        let Ok(restored) = FleetIndex::restore(bytes, config) else { return };
        let mut index = restored.index;
        let held: Vec<u32> = index.ranks().map(|rank| index.blocks_of(rank)).collect();
        assert!(held.iter().all(|&held| held <= bound), "the bound of a rank");
        assert_eq!(held.iter().map(|&held| u64::from(held)).sum::<u64>(), index.pairs(), "pairs");
        // Ranks by themselves take no more than that, and tables without an entry take little.
        assert!(index.bytes() <= 2 * ROOM, "{} bytes", index.bytes());

        let tags = restored.ranks;
        assert!(tags.iter().map(|(rank, _)| *rank).eq(index.ranks()), "a tag for each rank");
        let write = |index: &FleetIndex| {
            let (mut bytes, mut tags) = (Vec::new(), tags.iter());
            index.snapshot(|_| &tags.next().expect("a tag for each rank").1, &mut bytes);
            bytes
        };
        let written = write(&index);
        let again = FleetIndex::restore(&written, index.config().clone().max_bytes(4 * ROOM)).expect("our own bytes");
        assert_eq!((again.left_out, again.index.pairs()), (0, index.pairs()), "nothing is lost");
        assert_eq!(write(&again.index), written, "the same holders have the same bytes");

        let ranks: Vec<_> = index.ranks().collect();
        let blocks = [1, 2, 3].map(BlockHash);
        for &rank in ranks.iter().take(50) {
            let stored = Change::Stored { layer: Layer::MAIN, parent: None, names: &blocks, contents: &blocks };
            let _ = index.apply(rank, stored).expect("it has joined");
            let _ = index.apply(rank, Change::Removed { layer: Layer::MAIN, names: &blocks }).expect("it has joined");
        }
        for rank in ranks {
            index.leave(rank).expect("it has joined");
        }
        assert_eq!(index.pairs(), 0, "all have left");
    }
}
