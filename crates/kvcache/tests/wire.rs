//! What engines publish: the captured messages of a real one, the forms of older ones by hand, and what is broken.

#[path = "wire/captures.rs"]
mod captures;
mod cases;
#[path = "wire/forms.rs"]
mod forms;
#[path = "wire/hostile.rs"]
mod hostile;
#[path = "wire/pack.rs"]
mod pack;

use phalanx_kvcache::BlockHash;
use phalanx_kvcache::wire::EventBatch;

/// The captured messages, each as its frames.
fn messages() -> Vec<Vec<Vec<u8>>> {
    let lines = include_str!("data/vllm-0.32.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(' ').map(unhex).collect()).collect()
}

/// Bytes from hexadecimal; a dash is none.
fn unhex(digits: &str) -> Vec<u8> {
    let digits = digits.trim_matches('-').as_bytes();
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a hexadecimal digit") as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn read(payload: &[u8]) -> EventBatch {
    let mut batch = EventBatch::new();
    batch.read(payload).unwrap_or_else(|error| panic!("{error}"));
    batch
}

fn names(numbers: &[u64]) -> Vec<BlockHash> {
    numbers.iter().copied().map(BlockHash).collect()
}
