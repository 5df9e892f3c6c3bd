//! Events and queries of the workloads, through every index in turn.

use std::hint::black_box;
use std::time::Instant;

use crate::clock::quantile;
use crate::index::{Chain, Crtc, Index, Ours};
use crate::table::Table;
use crate::workload::Workload;
use crate::workload::oracle::Oracle;

/// What to do.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The name of the workload.
    pub workload: String,
    /// Whole repetitions.
    pub rounds: usize,
    /// The indexes to measure; all if empty.
    pub only: Vec<String>,
    /// Whether to fill and drain.
    pub fill: bool,
    /// Whether to churn.
    pub churn: bool,
    /// Whether to query after the churn.
    pub query: bool,
    /// Whether to compare every answer with the oracle's.
    pub check: bool,
}

/// Runs all rounds, the indexes in turn, each round beginning with another one.
pub fn run(setting: &Setting, work: &Workload, table: &mut Table) {
    let answers = setting.check.then(|| Answers::of(work));
    let subjects: [(&str, Round); 4] = [
        (<Ours>::NAME, round::<Ours>),
        (Chain::NAME, round::<Chain>),
        (Crtc::NAME, round::<Crtc>),
        (Ours::<false>::NAME, round::<Ours<false>>),
    ];
    let chosen = |name: &str| setting.only.is_empty() || setting.only.iter().any(|only| only == name);
    let subjects: Vec<_> = subjects.into_iter().filter(|(name, _)| chosen(name)).collect();
    for at in 0..setting.rounds {
        for step in 0..subjects.len() {
            let (_, round) = subjects[(at + step) % subjects.len()];
            round(setting, work, if at == 0 { answers.as_ref() } else { None }, table);
        }
    }
}

type Round = fn(&Setting, &Workload, Option<&Answers>, &mut Table);

/// What is true of every query after the churn.
struct Answers {
    pairs: Vec<Vec<(u32, u32)>>,
    best: Vec<Option<(u32, u32)>>,
}

impl Answers {
    fn of(work: &Workload) -> Self {
        let mut oracle = Oracle::new(work.ranks, &work.queries);
        oracle.play(&work.churn);
        let answer = |query| {
            let mut pairs = Vec::new();
            oracle.answer(query, &mut pairs);
            pairs
        };
        let pairs: Vec<_> = work.queries.iter().map(answer).collect();
        let best = pairs.iter().map(|pairs| Oracle::best(pairs, &work.loads)).collect();
        Self { pairs, best }
    }
}

fn round<I: Index>(setting: &Setting, work: &Workload, answers: Option<&Answers>, table: &mut Table) {
    let mut saw = |figure: &str, way: &str, value: f64| {
        let index = if way.is_empty() { I::NAME.to_owned() } else { format!("{} {way}", I::NAME) };
        table.saw(&setting.workload, work.ranks, figure, &index, value);
    };
    let each = |time: std::time::Duration, count: usize| time.as_nanos() as f64 / count.max(1) as f64;
    if setting.fill {
        let mut index = I::new(work.ranks);
        let time = index.apply(index.feed(&work.fill));
        saw("fill ns/block", "", each(time, work.fill.ops()));
        let undone = work.fill.undone();
        let time = index.apply(index.feed(&undone));
        saw("remove ns/block", "", each(time, undone.ops()));
    }
    if !setting.churn && !setting.query {
        return;
    }
    let mut index = I::new(work.ranks);
    let time = index.apply(index.feed(&work.churn));
    saw("churn ns/block", "", each(time, work.churn.ops()));
    saw("churn ns/event", "", each(time, work.churn.events.len()));
    if !setting.query {
        return;
    }
    let prompts: Vec<_> = work.queries.iter().map(|query| index.prompt(query)).collect();
    if let Some(answers) = answers {
        let mut wrong = 0;
        let mut pairs = Vec::new();
        for (prompt, truth) in prompts.iter().zip(&answers.pairs) {
            pairs.clear();
            index.pairs(prompt, &mut pairs);
            pairs.sort_unstable();
            wrong += usize::from(pairs != *truth);
        }
        saw("wrong answers", "", wrong as f64);
    }
    for (way, word) in I::WAYS.iter().enumerate() {
        if let Some(answers) = answers {
            let best = prompts.iter().map(|prompt| index.best(way, prompt, &work.loads));
            let wrong = best.zip(&answers.best).filter(|(best, truth)| best != *truth).count();
            saw("wrong best", word, wrong as f64);
        }
        for cold in [false, true] {
            let heat = if cold { "cold" } else { "warm" };
            let best =
                timed(&prompts, cold, |prompt| index.best(way, prompt, &work.loads).map_or(0, |best| best.0 as usize));
            let bare = timed(&prompts, cold, |prompt| index.bare(way, prompt));
            for (what, timed) in [("best", best), ("bare", bare)] {
                saw(&format!("{what} ns mean, {heat}"), word, timed.mean);
                saw(&format!("{what} ns p50, {heat}"), word, timed.p50);
                saw(&format!("{what} ns p99, {heat}"), word, timed.p99);
            }
        }
    }
}

/// What a question costs, in wall time with a clock read before and after each.
struct Timed {
    mean: f64,
    p50: f64,
    p99: f64,
}

/// Asks every prompt once. Warm, after all were asked once before; cold, after the caches were filled with other things
/// than the index. The prompt itself is warm, as one that a router has just hashed is.
fn timed<P: Clone>(prompts: &[P], cold: bool, mut ask: impl FnMut(&P) -> usize) -> Timed {
    let mut each: Vec<u32> = Vec::with_capacity(prompts.len());
    if cold {
        forget();
    } else {
        prompts.iter().for_each(|prompt| {
            black_box(ask(black_box(prompt)));
        });
    }
    for prompt in prompts {
        let prompt = prompt.clone();
        let start = Instant::now();
        black_box(ask(black_box(&prompt)));
        each.push(start.elapsed().as_nanos() as u32);
    }
    let mean = each.iter().map(|&time| f64::from(time)).sum::<f64>() / each.len() as f64;
    each.sort_unstable();
    Timed { mean, p50: quantile(&each, 0.5), p99: quantile(&each, 0.99) }
}

/// Fills the processor's caches with other things.
fn forget() {
    let mut other = vec![1_u64; 96 << 17];
    for word in &mut other {
        *word = word.wrapping_mul(3);
    }
    black_box(other);
}
