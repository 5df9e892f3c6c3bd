//! What it costs to store a prefix that others hold.

use crate::index::{Chain, Crtc, Index, Ours};
use crate::random::mix;
use crate::table::Table;
use crate::workload::DEEP_SHARED;
use crate::workload::stream::{Kind, Stream};

/// Ranks that hold it before the clock runs.
const HOLDERS: u32 = 64;

/// Ranks that store it while the clock runs, and give it back afterwards.
const MORE: u32 = 192;

/// Measures: 1,024 blocks that 64 ranks hold are stored by one rank more, and one more.
pub fn run(rounds: usize, table: &mut Table) {
    for at in 0..rounds {
        let subjects: [fn(&mut Table); 4] = [round::<Ours>, round::<Chain>, round::<Crtc>, round::<Ours<false>>];
        for step in 0..subjects.len() {
            subjects[(at + step) % subjects.len()](table);
        }
    }
}

fn round<I: Index>(table: &mut Table) {
    let blocks = || (0..DEEP_SHARED).map(|at| (mix(u64::from(at) + 1), mix(u64::from(at) + 1_000_000)));
    let (mut before, mut stores, mut removes) = (Stream::default(), Stream::default(), Stream::default());
    for rank in 0..HOLDERS {
        before.push(rank, Kind::Stored { parent: None }, blocks());
    }
    for rank in HOLDERS..HOLDERS + MORE {
        stores.push(rank, Kind::Stored { parent: None }, blocks());
        removes.push(rank, Kind::Removed, blocks().collect::<Vec<_>>().into_iter().rev());
    }
    let mut index = I::new(HOLDERS + MORE);
    index.apply(index.feed(&before));
    for _ in 0..20 {
        let time = index.apply(index.feed(&stores));
        table.saw(
            "deep",
            HOLDERS + MORE,
            "shared prefix ns/block",
            I::NAME,
            time.as_nanos() as f64 / stores.ops() as f64,
        );
        index.apply(index.feed(&removes));
    }
}
