//! Any bytes as operations on a fleet index, beside the naive model of its tests.

#[allow(dead_code, unused_imports, reason = "the tests of the index ask the model for more")]
#[path = "../../crates/kvcache/tests/model/mod.rs"]
mod model;

use crate::bytes::Bytes;
use model::{Fleet, Manner, Operation, World};

/// Operations read from one input; what follows is not looked at.
const OPERATIONS: usize = 200;

/// Reads a fleet and operations on its index and does them. After each one the index has counted what became of every block
/// as the model did, and says the same of who holds how much of the prompts that were touched.
///
/// # Panics
///
/// If one of these does not hold.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let fleet = fleet(&mut bytes);
    let kind = bytes.below(6);
    let (manner, small) = ([Manner::Alike, Manner::Own, Manner::Lying][kind / 2], kind % 2 == 1);
    let bounded = fleet.max_bytes.is_some();
    let mut world = World::new(Fleet { lying: manner == Manner::Lying, ..fleet });
    world.record();
    for _ in 0..OPERATIONS {
        if bytes.is_empty() {
            break;
        }
        let operation = Operation::read(core::array::from_fn(|_| bytes.byte()), manner);
        let operation = if small { operation.small() } else { operation };
        // Those who come need room that no bound can refuse.
        if !bounded || !matches!(operation, Operation::Join) {
            world.step(&operation);
        }
    }
    world.count_all();
    // Once more in batches, unless somebody came or left, or memory was short.
    if !bounded && let Some(batched) = world.retold(&[1, 7, 2, 30]) {
        batched.count_all();
    }
}

/// Some ranks, with others that only listen, and bounds.
fn fleet(bytes: &mut Bytes<'_>) -> Fleet {
    let idle_before = match bytes.byte() {
        few @ 0..160 => vec![0; usize::from(few % 6) + 1],
        160..240 => vec![0, 61, 0, 0, 2],
        _ => vec![1, 62, 200, 0, 70],
    };
    let room = match bytes.byte() {
        0..180 => None,
        room => Some(512 * usize::from(room - 180)),
    };
    let max_rank_blocks = Some(u32::from(bytes.byte())).filter(|&blocks| blocks > 180).map(|blocks| blocks - 181);
    let (counted_copies, seed) = (!bytes.flag(), u64::from(bytes.byte()));
    let fleet = Fleet { idle_before, max_bytes: None, max_rank_blocks, counted_copies, seed, lying: false };
    // What an empty index takes, no bound can refuse.
    let max_bytes = room.map(|room| World::new(fleet.clone()).index.bytes() + room);
    Fleet { max_bytes, ..fleet }
}
