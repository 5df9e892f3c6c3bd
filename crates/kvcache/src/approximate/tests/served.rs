//! Belief against truth: an exact pool serves conversations, and the ledger guesses what it holds.

use core::time::Duration;

use crate::{Accuracy, ApproximateLedger, BlockHash, ChainHasher, Expectation, Pool, Sequence};

/// Conversations that are open at a time, and those that are answered at a time.
const OPEN: usize = 40;
const RUNNING: usize = 6;
const REQUESTS: u64 = 4000;
const POOL: u32 = 800;

struct Random(u64);

impl Random {
    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

struct Running {
    sequence: Sequence,
    /// Nothing for a request that came by another gateway.
    expected: Option<Expectation>,
    /// Content ids of the prompt and of what is generated after it.
    ids: Vec<u64>,
    prompt: usize,
    home: usize,
}

/// What a run is like: all that is reported is what the engine could reuse.
#[derive(Clone, Copy)]
struct Run {
    /// What the ledger is told of the pool's capacity.
    said: u32,
    reports: bool,
    /// One request of so many comes by another gateway, and the ledger is not told.
    unseen: u64,
    /// The engine reuses this many blocks, or a multiple.
    step: u32,
    /// Engines behind the one that is guessed at, chosen by chance.
    pools: usize,
    seed: u64,
}

impl Run {
    /// One engine that is told right, and seen in full.
    const PLAIN: Self = Self { said: POOL, reports: false, unseen: 1 << 40, step: 1, pools: 1, seed: 0 };

    /// Beliefs and truth at the moments that requests were sent, in the run's second half.
    fn accuracy(self) -> Accuracy {
        let Self { said, reports, unseen, step, pools, seed } = self;
        let mut random = Random(seed);
        let (mut engines, mut events) = (vec![Pool::new(POOL); pools], Vec::new());
        let mut ledger = ApproximateLedger::new(said);
        let mut conversations: Vec<Vec<u64>> = vec![Vec::new(); OPEN];
        let mut running: Vec<Running> = Vec::new();
        let mut fresh = 1000u64;
        let mut accuracy = Accuracy::default();
        for request in 0..REQUESTS {
            let now = Duration::from_millis(100 * request);
            while running.len() >= RUNNING {
                let done = random.below(running.len() as u64) as usize;
                let Running { mut sequence, expected, ids, prompt, home } = running.swap_remove(done);
                let pool = &mut engines[home];
                let hashes = ChainHasher::chain_ids(&ids);
                let sealed = sequence.sealed_blocks() as usize;
                while (sequence.blocks() as usize) < ids.len() {
                    pool.grow(&mut sequence, &mut events).expect("the pool is large enough for those that run");
                }
                pool.seal(&mut sequence, &hashes[sealed..], &mut events).expect("as many hashes as blocks");
                let cached = sequence.reused_blocks() / step * step;
                pool.free(sequence);
                if let Some(expected) = expected.filter(|_| reports) {
                    let contents: Vec<_> = ids.iter().copied().map(BlockHash).collect();
                    assert!(cached as usize <= prompt);
                    ledger.report(&expected, &contents, cached, now, |_| {});
                }
            }
            // Some conversations go on more often than others, some end.
            let open = random.below(OPEN as u64).min(random.below(OPEN as u64)) as usize;
            let ids = &mut conversations[open];
            if ids.len() > 90 || random.below(20) == 0 {
                ids.clear();
            }
            if ids.is_empty() {
                let system = 10 * random.below(4);
                ids.extend(system..system + 8);
            }
            let mut more = |ids: &mut Vec<u64>, blocks| {
                ids.extend(fresh..fresh + blocks);
                fresh += blocks;
            };
            more(ids, 2 + random.below(8));
            let prompt = ids.len();
            more(ids, 1 + random.below(5));
            let hashes = ChainHasher::chain_ids(&ids[..prompt]);
            let contents: Vec<_> = ids[..prompt].iter().copied().map(BlockHash).collect();
            let expected = (random.below(unseen) > 0).then(|| ledger.learn(&contents, now, |_| {}));
            let home = random.below(pools as u64) as usize;
            let pool = &mut engines[home];
            let mut sequence = pool.allocate(&hashes, prompt as u32, &mut events).expect("room for those that run");
            if let Some(expected) = expected.filter(|_| request >= REQUESTS / 2) {
                accuracy.add(expected.believed_blocks(), sequence.reused_blocks() / step * step);
            }
            let reused = sequence.reused_blocks() as usize;
            pool.seal(&mut sequence, &hashes[reused..], &mut events).expect("as many hashes as blocks");
            running.push(Running { sequence, expected, ids: ids.clone(), prompt, home });
        }
        for Running { sequence, home, .. } in running {
            engines[home].free(sequence);
        }
        accuracy
    }
}

/// Precision and recall, in per cent, over a few runs.
fn figures(run: Run) -> (u32, u32) {
    let mut all = Accuracy::default();
    for seed in 0..4 {
        let of_run = Run { seed, ..run }.accuracy();
        all.believed += of_run.believed;
        all.cached += of_run.cached;
        all.agreed += of_run.agreed;
    }
    let percent = |share: Option<f64>| (100.0 * share.expect("some were believed, and cached")) as u32;
    (percent(all.precision()), percent(all.recall()))
}

/// The same with reports: not less than the floors.
#[track_caller]
fn check(run: Run, without: (u32, u32), with: (u32, u32)) {
    let least = |(precision, recall): (u32, u32), least: (u32, u32)| precision >= least.0 && recall >= least.1;
    let (blind, told) = (figures(run), figures(Run { reports: true, ..run }));
    assert!(least(blind, without), "without reports: {blind:?}, expected {without:?} at least");
    assert!(least(told, with), "with reports: {told:?}, expected {with:?} at least");
}

#[test]
fn a_known_capacity_makes_a_good_guess() {
    check(Run::PLAIN, (90, 90), (97, 97));
}

#[test]
fn reports_find_the_capacity_that_nobody_said() {
    check(Run { said: 4 * POOL, ..Run::PLAIN }, (50, 90), (97, 97));
    check(Run { said: 16 * POOL, ..Run::PLAIN }, (50, 90), (97, 97));
}

#[test]
fn reports_make_up_for_what_other_gateways_send() {
    check(Run { unseen: 10, ..Run::PLAIN }, (88, 87), (93, 92));
    check(Run { unseen: 4, ..Run::PLAIN }, (80, 80), (88, 84));
    check(Run { unseen: 4, said: 4 * POOL, ..Run::PLAIN }, (50, 85), (84, 84));
    check(Run { unseen: 2, ..Run::PLAIN }, (75, 70), (79, 70));
}

#[test]
fn an_engine_that_reuses_whole_steps_is_understood() {
    check(Run { step: 4, ..Run::PLAIN }, (85, 90), (93, 96));
    check(Run { step: 7, said: 4 * POOL, ..Run::PLAIN }, (50, 90), (88, 96));
}

#[test]
fn reports_of_several_engines_behind_one_do_little_harm() {
    check(Run { pools: 2, ..Run::PLAIN }, (70, 75), (74, 68));
    check(Run { pools: 4, ..Run::PLAIN }, (60, 70), (62, 58));
}
