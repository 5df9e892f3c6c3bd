//! What it is worth to know a fleet's caches, and how much of that a guess is worth: a trace replayed on a modelled fleet
//! whose requests go where most of the prompt is cached, as events tell it, or as a ledger guesses it.
//!
//! `guessing TRACE [ENGINES [BLOCKS]]`: 8 engines of 800 blocks of 512 tokens if nothing else is said. Same trace, same
//! table.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use phalanx_engine::{Engine, EngineConfig, Event, EventKind, Request, RequestId};
use phalanx_kvcache::{
    Accuracy, ApproximateConfig, ApproximateLedger, BlockHash, BlockSize, ChainHasher, Change, Expectation, FleetIndex,
    Overlap, RankId,
};
use phalanx_sim::{TRACE_BLOCK_TOKENS, Trace};

fn main() {
    let mut args = std::env::args().skip(1);
    let path = args.next().expect("the path of a trace");
    let mut number = |default| args.next().map_or(default, |arg| arg.parse().expect("a number"));
    let (engines, blocks) = (number(8), number(800));
    let text = std::fs::read_to_string(path).expect("a trace that can be read");
    let trace = Trace::parse(&text).expect("a trace in Mooncake's form");
    let engines = NonZeroU32::new(engines).expect("at least one engine");
    let rows = [
        ("least loaded, nothing known", Source::Nothing),
        ("events", Source::Events),
        ("guessed", Source::Guessed { said: blocks, reports: false }),
        ("guessed, with reports", Source::Guessed { said: blocks, reports: true }),
        ("guessed, capacity said 4 times too large", Source::Guessed { said: 4 * blocks, reports: false }),
        ("the same, with reports", Source::Guessed { said: 4 * blocks, reports: true }),
    ];
    let mut table = format!("{engines} engines of {blocks} blocks, {} requests\n\n", trace.len());
    table += "| what is known | blocks reused | precision | recall | assumed capacity |\n|---|--:|--:|--:|--:|\n";
    for (name, source) in rows {
        table += &Fleet::new(engines, blocks, source).run(&trace).row(name);
    }
    write(&table);
}

#[expect(clippy::print_stdout, reason = "this program's answer")]
fn write(text: &str) {
    print!("{text}");
}

/// Where the index's knowledge comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Nothing,
    Events,
    Guessed {
        /// What the ledgers are told of the capacity.
        said: u32,
        reports: bool,
    },
}

struct Fleet {
    source: Source,
    engines: Vec<Engine>,
    ledgers: Vec<ApproximateLedger>,
    ranks: Vec<RankId>,
    index: FleetIndex,
    /// Blocks of the requests under way, by engine.
    loads: Vec<u32>,
    flights: Vec<Flight>,
    /// When each engine has something to do.
    agenda: BTreeSet<(Duration, usize)>,
    overlap: Overlap,
    accuracy: Accuracy,
    prompt_blocks: u64,
}

struct Flight {
    contents: Vec<BlockHash>,
    expected: Option<Expectation>,
}

impl Fleet {
    fn new(engines: NonZeroU32, blocks: u32, source: Source) -> Self {
        let size = BlockSize::new(TRACE_BLOCK_TOKENS).expect("a valid size");
        let config = EngineConfig::a100_8b().with_block_size(size).report_cache(source == Source::Events);
        let config = config.with_kv_tokens(blocks * TRACE_BLOCK_TOKENS).expect("room for a block at least");
        let said = if let Source::Guessed { said, .. } = source { said } else { 0 };
        let settings = ApproximateConfig::new().ttl(Duration::MAX);
        let mut index = FleetIndex::new();
        let engines = engines.get() as usize;
        Self {
            source,
            engines: (0..engines).map(|_| Engine::new(config.clone())).collect(),
            ledgers: vec![ApproximateLedger::with_config(said, settings); engines],
            ranks: (0..engines).map(|_| index.join()).collect(),
            index,
            loads: vec![0; engines],
            flights: Vec::new(),
            agenda: BTreeSet::new(),
            overlap: Overlap::new(),
            accuracy: Accuracy::default(),
            prompt_blocks: 0,
        }
    }

    fn run(mut self, trace: &Trace) -> Self {
        for request in trace.requests() {
            while self.agenda.first().is_some_and(|&(at, _)| at < request.at) {
                self.advance();
            }
            let full = (request.prompt_tokens / TRACE_BLOCK_TOKENS) as usize;
            self.send(
                ChainHasher::chain_ids(&request.blocks[..full]),
                request.prompt_tokens,
                request.output_tokens,
                request.at,
            );
        }
        while !self.agenda.is_empty() {
            self.advance();
        }
        self
    }

    /// Sends a request where the most of it is cached, less a block for each four that are under way there.
    fn send(&mut self, contents: Vec<BlockHash>, prompt_tokens: u32, output_tokens: u32, now: Duration) {
        self.index.overlap(&contents, &mut self.overlap);
        let gain = |&engine: &usize| {
            let cached = i64::from(self.overlap.blocks_of(self.ranks[engine]));
            (
                cached - i64::from(self.loads[engine]) / 4,
                core::cmp::Reverse(self.loads[engine]),
                core::cmp::Reverse(engine),
            )
        };
        let to = (0..self.engines.len()).max_by_key(gain).expect("at least one engine");
        let request = Request {
            id: RequestId(self.flights.len() as u64),
            blocks: contents.clone(),
            prompt_tokens,
            output_tokens,
            transferred: false,
        };
        let mut flight = Flight { contents, expected: None };
        if self.engines[to].submit(request, now).is_ok() {
            if let Source::Guessed { .. } = self.source {
                let (index, rank) = (&mut self.index, self.ranks[to]);
                flight.expected =
                    Some(self.ledgers[to].learn(&flight.contents, now, |change| apply(index, rank, change)));
            }
            self.loads[to] += flight.contents.len() as u32;
            self.note(to);
        }
        self.flights.push(flight);
    }

    fn note(&mut self, engine: usize) {
        self.agenda.retain(|&(_, of)| of != engine);
        self.agenda.extend(self.engines[engine].next_timeout().map(|at| (at, engine)));
    }

    /// Lets the next thing happen.
    fn advance(&mut self) {
        let Some((at, engine)) = self.agenda.pop_first() else { return };
        let mut events = Vec::new();
        self.engines[engine].advance(at, &mut events);
        for Event { at, kind } in events {
            match kind {
                EventKind::Cache(event) => apply(&mut self.index, self.ranks[engine], Change::from(&event)),
                EventKind::Finished { id, cached_tokens, .. } => {
                    self.finish(engine, id, cached_tokens / TRACE_BLOCK_TOKENS, at);
                }
                _ => {}
            }
        }
        self.note(engine);
    }

    fn finish(&mut self, engine: usize, id: RequestId, cached: u32, now: Duration) {
        let Flight { contents, expected } = &self.flights[id.0 as usize];
        self.loads[engine] -= contents.len() as u32;
        self.prompt_blocks += contents.len() as u64;
        let believed = expected.map_or(0, |expected| expected.believed_blocks());
        self.accuracy.believed += u64::from(believed);
        self.accuracy.cached += u64::from(cached);
        self.accuracy.agreed += u64::from(believed.min(cached));
        if let (Source::Guessed { reports: true, .. }, Some(expected)) = (self.source, expected) {
            let (index, rank) = (&mut self.index, self.ranks[engine]);
            self.ledgers[engine].report(expected, contents, cached, now, |change| apply(index, rank, change));
        }
    }

    fn row(&self, name: &str) -> String {
        let percent = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{:.1}%", 100.0 * share));
        let reused = percent(Some(self.accuracy.cached as f64 / self.prompt_blocks as f64));
        let Source::Guessed { .. } = self.source else {
            return format!("| {name} | {reused} | - | - | - |\n");
        };
        let assumed = self.ledgers.iter().map(|ledger| u64::from(ledger.assumed_blocks())).sum::<u64>();
        let assumed = assumed / self.ledgers.len() as u64;
        let (precision, recall) = (percent(self.accuracy.precision()), percent(self.accuracy.recall()));
        format!("| {name} | {reused} | {precision} | {recall} | {assumed} |\n")
    }
}

fn apply(index: &mut FleetIndex, rank: RankId, change: Change<'_>) {
    let applied = index.apply(rank, change).expect("it joined");
    assert_eq!((applied.unplaced, applied.left_out), (0, 0), "changes come in order, and there is room");
}
