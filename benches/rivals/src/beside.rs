//! What a question costs while a writer is at work.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use phalanx_kvcache::{BlockHash, IndexConfig, Loads, Overlap, SharedIndex};

use crate::clock::{quantile, spent};
use crate::index::{Chain, Index, OursFeed};
use crate::table::Table;
use crate::workload::Workload;
use crate::workload::stream::Stream;

/// Measures: a thread asks for the best rank of one prompt after the other while another applies the second half of the
/// churn, an event at a time.
pub fn run(rounds: usize, workload: &str, work: &Workload, table: &mut Table) {
    let (before, beside) = work.churn.halves();
    for at in 0..rounds {
        if at % 2 == 0 {
            ours(workload, work, &before, &beside, table);
        }
        chain(workload, work, &before, &beside, table);
        if at % 2 == 1 {
            ours(workload, work, &before, &beside, table);
        }
    }
}

fn chain(workload: &str, work: &Workload, before: &Stream, beside: &Stream, table: &mut Table) {
    let mut chain = Chain::new(work.ranks);
    chain.apply(chain.feed(before));
    let prompts: Vec<_> = work.queries.iter().map(|query| chain.prompt(query)).collect();
    let feed = chain.feed(beside);
    let (index, workers, maps) = chain.split();
    let ask = |prompt: &Vec<_>| Chain::best_of(index, prompt, &work.loads).map_or(0, |best| best.0);
    let write = || {
        black_box(Chain::replay(index, workers, maps, &feed));
    };
    let seen = race(&prompts, ask, write);
    note("chain callback", workload, work, beside.ops(), seen, table);
}

fn ours(workload: &str, work: &Workload, before: &Stream, beside: &Stream, table: &mut Table) {
    let shared = SharedIndex::new(IndexConfig::new().max_bytes(usize::MAX));
    let mut writers: Vec<_> = (0..work.ranks).map(|_| shared.join()).collect();
    let ranks: Vec<_> = writers.iter().map(|writer| writer.rank()).collect();
    let mut apply = |feed: &OursFeed| {
        for (rank, change) in feed.changes(&ranks) {
            let _: Result<_, _> = black_box(writers[rank.index()].apply(change));
        }
    };
    apply(&OursFeed::new(before));
    let hashes = |words: &[u64]| words.iter().map(|&word| BlockHash(word)).collect();
    let prompts: Vec<Vec<BlockHash>> = work.queries.iter().map(|query| hashes(&query.contents)).collect();
    let feed = OursFeed::new(beside);
    let mut overlap = Overlap::new();
    let loads = Loads::from(work.loads.clone());
    let ask = |prompt: &Vec<BlockHash>| {
        shared.overlap(prompt, &mut overlap);
        overlap.best(&loads).map_or(0, |best| best.1)
    };
    let seen = race(&prompts, ask, || apply(&feed));
    note("ours levels", workload, work, beside.ops(), seen, table);
}

fn note(index: &str, workload: &str, work: &Workload, ops: usize, seen: Seen, table: &mut Table) {
    let mut saw = |figure, value| table.saw(workload, work.ranks, figure, index, value);
    saw("beside a writer ns p50", quantile(&seen.each, 0.5));
    saw("beside a writer ns p99", quantile(&seen.each, 0.99));
    saw("beside a writer ns p99.9", quantile(&seen.each, 0.999));
    saw("beside a writer questions", seen.each.len() as f64);
    saw("writer beside a reader ns/block", seen.written.as_nanos() as f64 / ops as f64);
}

struct Seen {
    /// Sorted.
    each: Vec<u32>,
    written: Duration,
}

/// Asks until the writer is done.
fn race<P: Clone + Sync>(prompts: &[P], mut ask: impl FnMut(&P) -> u32, write: impl FnOnce() + Send) -> Seen {
    let done = AtomicBool::new(false);
    let mut each = Vec::with_capacity(1 << 22);
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (time, ()) = spent(write);
            done.store(true, Ordering::Release);
            time
        });
        for prompt in prompts.iter().cycle() {
            if done.load(Ordering::Acquire) || each.len() == each.capacity() {
                break;
            }
            let prompt = prompt.clone();
            let start = Instant::now();
            black_box(ask(black_box(&prompt)));
            each.push(start.elapsed().as_nanos() as u32);
        }
        writer.join().expect("the writer does not panic")
    });
    each.sort_unstable();
    Seen { each, written }
}
