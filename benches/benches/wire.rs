//! What it costs to take in what engines publish: a batch as vLLM 0.32 writes it, read, and translated for the index.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use phalanx_kvcache::wire::{Event, EventBatch, Stored, Tokens, Translator, encode};
use phalanx_kvcache::{BlockHash, BlockSize, Layer};

/// Tokens in a block.
const SIZE: u32 = 16;

/// Names that look like digests, and token ids of a vocabulary of 128 k.
struct Blocks {
    names: Vec<BlockHash>,
    tokens: Vec<u32>,
}

impl Blocks {
    fn new(count: u64) -> Self {
        let mixed = |n: u64| (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let names = (0..count).map(|n| BlockHash(mixed(n))).collect();
        let tokens = (0..count * u64::from(SIZE)).map(|n| (mixed(n) >> 32) as u32 % 128_000).collect();
        Self { names, tokens }
    }

    fn stored(&self) -> Event<'_> {
        Event::Stored(Stored::new(&self.names, Tokens::Ids(&self.tokens), SIZE))
    }

    /// One event a block, as vLLM does.
    fn removed(&self) -> impl Iterator<Item = Event<'_>> {
        self.names.chunks(1).map(|names| Event::Removed { layer: Layer::MAIN, names })
    }
}

fn bench(criterion: &mut Criterion) {
    let (step, prompt, gone) = (Blocks::new(1), Blocks::new(64), Blocks::new(64));
    // A decoded block; a prompt of 1,024 tokens; the evictions that make room for it; both.
    let batches = [
        ("one block", vec![step.stored()]),
        ("prompt", vec![prompt.stored()]),
        ("evictions", gone.removed().collect()),
        ("evictions and prompt", gone.removed().chain([prompt.stored()]).collect()),
    ];
    let mut group = criterion.benchmark_group("wire");
    for (name, events) in &batches {
        let mut payload = Vec::new();
        encode(1.5e9, Some(0), events, &mut payload);
        group.throughput(Throughput::ElementsAndBytes { elements: events.len() as u64, bytes: payload.len() as u64 });
        let mut batch = EventBatch::new();
        group.bench_function(BenchmarkId::new("read", name), |bencher| {
            bencher.iter(|| {
                batch.read(black_box(&payload)).expect("a batch");
                batch.events().count()
            });
        });
        let mut translator = Translator::new(BlockSize::new(SIZE).expect("a valid size"));
        group.bench_function(BenchmarkId::new("read and translate", name), |bencher| {
            bencher.iter(|| {
                batch.read(black_box(&payload)).expect("a batch");
                for event in batch.events() {
                    let _ = black_box(translator.change(&event));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
