//! Any bytes as a batch of an engine's events.

use phalanx_kvcache::wire::{Event, EventBatch, Translator, encode};
use phalanx_kvcache::{BlockSize, Change, FleetIndex};

/// Levels of values within values that the reading here follows; deeper ones are left to the crate.
const DEEPEST: usize = 100;

/// Reads the bytes as a batch. If they are none, the error's place is in them and nothing is left of what was there before.
/// If they are one, an own reading of the format ends where they end, no shorter part of them is a batch, what is written
/// of it is read as the same again, and a translator and an index take it.
///
/// # Panics
///
/// If one of these does not hold.
pub fn run(data: &[u8]) {
    let mut batch = EventBatch::new();
    if let Err(error) = batch.read(data) {
        assert!(error.offset() <= data.len() && !error.to_string().is_empty(), "{error:?}");
        assert_eq!((batch.events().count(), batch.rank(), batch.unknown()), (0, None, 0));
        return;
    }
    match value(data, 0) {
        Some(end) => assert_eq!(end, data.len(), "the batch is one value"),
        None => assert!(deep(data), "the batch is a value"),
    }
    let mut shorter = EventBatch::new();
    for end in [0, 1, data.len() / 2, data.len() - 1] {
        assert!(end == data.len() || shorter.read(&data[..end]).is_err(), "{end} of {} bytes", data.len());
    }
    again(&batch);
    take(&batch);
}

/// Writes a batch and reads it, three times. At first some keys become plainer (what stood for an object may be one that is
/// known), and those of blocks without a name go.
fn again(batch: &EventBatch) {
    let write = |batch: &EventBatch| {
        let mut payload = Vec::new();
        encode(batch.timestamp(), batch.rank(), &batch.events().collect::<Vec<_>>(), &mut payload);
        let mut read = EventBatch::new();
        read.read(&payload).unwrap_or_else(|error| panic!("{error}: {payload:02x?}"));
        (payload, read)
    };
    let (_, once) = write(batch);
    let (second, twice) = write(&once);
    let (third, thrice) = write(&twice);
    assert_eq!(second, third);
    assert!(once.events().eq(twice.events()) && twice.events().eq(thrice.events()));
    assert_eq!((once.rank(), once.unknown(), once.events().count()), (batch.rank(), 0, batch.events().count()));
    for (one, other) in batch.events().zip(once.events()) {
        match (one, other) {
            (Event::Stored(mut one), Event::Stored(mut other)) => {
                (one.extras, other.extras) = (&[], &[]);
                assert_eq!(one, other);
            }
            _ => assert_eq!(one, other),
        }
    }
}

/// Hands the events on to an index.
fn take(batch: &EventBatch) {
    let mut index = FleetIndex::new();
    let rank = index.join();
    // The size that the first stored event says, so that not all of them are refused.
    let stated = batch.events().find_map(|event| match event {
        Event::Stored(stored) => BlockSize::new(stored.block_size).ok(),
        _ => None,
    });
    let mut translator = Translator::new(stated.unwrap_or(BlockSize::new(16).expect("a size in range")));
    let mut refused = 0;
    for event in batch.events() {
        match translator.change(&event) {
            Ok(change) => {
                if let Change::Stored { names, contents, .. } = change {
                    assert!(contents.is_empty() || contents.len() == names.len());
                }
                let _ = index.apply(rank, change).expect("the rank is there, and lengths agree");
            }
            Err(_) => refused += 1,
        }
    }
    assert_eq!(translator.mismatches(), refused);
}

/// Where the value at the front ends, by the plainest reading of the format.
fn value(data: &[u8], depth: usize) -> Option<usize> {
    let first = *data.first()?;
    let number = |bytes: usize| Some(data.get(1..1 + bytes)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)));
    let flat = |end: usize| (end <= data.len()).then_some(end);
    let (head, inner) = match first {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => return Some(1),
        0x80..=0x8f => (1, usize::from(first & 0x0f) * 2),
        0x90..=0x9f => (1, usize::from(first & 0x0f)),
        0xa0..=0xbf => return flat(1 + usize::from(first & 0x1f)),
        0xc1 => return None,
        0xc4 | 0xd9 => return flat(2 + number(1)?),
        0xc5 | 0xda => return flat(3 + number(2)?),
        0xc6 | 0xdb => return flat(5 + number(4)?),
        0xc7 => return flat(3 + number(1)?),
        0xc8 => return flat(4 + number(2)?),
        0xc9 => return flat(6 + number(4)?),
        0xcc | 0xd0 => return flat(2),
        0xcd | 0xd1 => return flat(3),
        0xca | 0xce | 0xd2 => return flat(5),
        0xcb | 0xcf | 0xd3 => return flat(9),
        0xd4..=0xd8 => return flat(2 + (1 << (first - 0xd4))),
        0xdc => (3, number(2)?),
        0xdd => (5, number(4)?),
        0xde => (3, number(2)? * 2),
        0xdf => (5, number(4)? * 2),
    };
    if depth == DEEPEST {
        return None;
    }
    let mut end = head;
    for _ in 0..inner {
        end += value(&data[end..], depth + 1)?;
    }
    Some(end)
}

/// Whether the bytes could be so many values within values.
fn deep(data: &[u8]) -> bool {
    data.iter().filter(|byte| matches!(byte, 0x80..=0x9f | 0xdc..=0xdf)).count() >= DEEPEST
}
