//! Any bytes as operations on a few ledgers, each beside a naive model of it.

mod model;
mod operation;
mod trees;
mod world;

use phalanx_topology::Inventory;

use crate::bytes::Bytes;
use operation::{Pod, apply};
use world::World;

/// Operations read from one input; what follows is not looked at.
const OPERATIONS: usize = 200;

/// Reads operations on ledgers of one cluster and does them. After each operation the ledger shows what a naive model sums
/// up, its indexes equal a recount, its hash is the one that the same state had before, and its changes are told in full;
/// the other ledgers are as they were.
///
/// # Panics
///
/// If one of these does not hold.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let mut worlds = vec![World::new(Inventory::new(trees::tree(bytes.below(trees::COUNT))))];
    operation::furnish(&mut worlds[0], &mut bytes);
    let mut at = 0;
    let mut demand = Pod::default().demand();
    worlds[0].check(&demand);
    for _ in 0..OPERATIONS {
        if bytes.is_empty() {
            break;
        }
        let acted = at;
        // What is asked of the ledger after the operation.
        if let Some(pod) = apply(&mut worlds, &mut at, &mut bytes) {
            demand = pod;
        }
        worlds[acted].check(&demand);
        worlds.iter_mut().for_each(World::stand_still);
    }
    worlds.into_iter().for_each(|world| world.finish(&demand));
}
