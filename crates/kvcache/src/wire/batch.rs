//! A batch of events, kept in buffers that the next batch uses again.

use super::fields::{Fields, key};
use super::reader::{Reader, array, map};
use super::{AttentionKind, Event, Extra, Stored, Tokens, WireError};
use crate::{BlockHash, Layer};

/// A part of a buffer. 32 bits are enough: longer payloads are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(super) const EMPTY: Self = Self { start: 0, end: 0 };

    pub(super) fn new(start: usize, end: usize) -> Self {
        if start == end { Self::EMPTY } else { Self { start: start as u32, end: end as u32 } }
    }

    fn of<T>(self, all: &[T]) -> &[T] {
        &all[self.start as usize..self.end as usize]
    }
}

/// The lists and texts of all events, one behind the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffers {
    pub(super) hashes: Vec<BlockHash>,
    /// Of pairs both tokens, one behind the other.
    pub(super) tokens: Vec<u32>,
    pub(super) extras: Vec<Extra>,
    text: String,
}

impl Buffers {
    pub(super) fn keep(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        Span::new(start, self.text.len())
    }

    fn text(&self, span: Span) -> Option<&str> {
        let text = self.text.get(span.start as usize..span.end as usize)?;
        (!text.is_empty()).then_some(text)
    }

    fn clear(&mut self) {
        self.hashes.clear();
        self.tokens.clear();
        self.extras.clear();
        self.text.clear();
    }
}

/// An event whose lists and texts are in the buffers.
#[derive(Clone, Copy, Debug)]
enum Raw {
    Stored(RawStored),
    Removed { layer: Layer, names: Span },
    Cleared,
}

#[derive(Clone, Copy, Debug)]
struct RawStored {
    layer: Layer,
    parent: Option<BlockHash>,
    names: Span,
    tokens: Span,
    bigrams: bool,
    block_size: u32,
    lora_id: Option<u64>,
    lora_name: Span,
    cache_salt: Span,
    extras: Span,
    kind: Option<AttentionKind>,
    window: Option<u32>,
    ownership: Span,
    session: Span,
}

/// A published batch of events.
///
/// Read one batch after the other into the same value: once its buffers are large enough, nothing is allocated (texts
/// and extra keys of single blocks aside).
#[derive(Clone, Debug, Default)]
pub struct EventBatch {
    timestamp: f64,
    rank: Option<u32>,
    unknown: u32,
    events: Vec<Raw>,
    buffers: Buffers,
}

impl EventBatch {
    /// An empty batch, to be [read](Self::read) into.
    ///
    /// ```
    /// assert_eq!(phalanx_kvcache::wire::EventBatch::new().events().count(), 0);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a payload instead of what was here before.
    ///
    /// # Errors
    /// [`WireError`] if it is no batch in any of the known forms. Then nothing of it is taken in, and nothing is here.
    ///
    /// ```
    /// use phalanx_kvcache::wire::{Event, EventBatch};
    ///
    /// let mut batch = EventBatch::new();
    /// batch.read(b"\x92\xcb\x40\x29\0\0\0\0\0\0\x91\x91\xb0AllBlocksCleared")?;
    /// assert_eq!((batch.timestamp(), batch.rank()), (12.5, None));
    /// assert_eq!(batch.events().collect::<Vec<_>>(), [Event::Cleared]);
    /// # Ok::<(), phalanx_kvcache::wire::WireError>(())
    /// ```
    pub fn read(&mut self, payload: &[u8]) -> Result<(), WireError> {
        self.clear();
        let read = self.read_all(payload);
        if read.is_err() {
            self.clear();
        }
        read
    }

    /// When the batch was published: seconds by the engine's clock.
    pub const fn timestamp(&self) -> f64 {
        self.timestamp
    }

    /// The data-parallel rank that published it.
    pub const fn rank(&self) -> Option<u32> {
        self.rank
    }

    /// How many events were skipped, since their type or their medium is not known.
    ///
    /// ```
    /// let mut batch = phalanx_kvcache::wire::EventBatch::new();
    /// batch.read(b"\x92\x01\x91\x92\xaaBlockMoved\x07")?;
    /// assert_eq!((batch.events().count(), batch.unknown()), (0, 1));
    /// # Ok::<(), phalanx_kvcache::wire::WireError>(())
    /// ```
    pub const fn unknown(&self) -> u32 {
        self.unknown
    }

    /// The events, in the order in which they happened.
    pub fn events(&self) -> impl Iterator<Item = Event<'_>> {
        self.events.iter().map(|raw| self.event(raw))
    }

    fn event(&self, raw: &Raw) -> Event<'_> {
        let buffers = &self.buffers;
        match *raw {
            Raw::Stored(raw) => {
                let tokens = raw.tokens.of(&buffers.tokens);
                Event::Stored(Stored {
                    layer: raw.layer,
                    parent: raw.parent,
                    names: raw.names.of(&buffers.hashes),
                    tokens: if raw.bigrams { Tokens::Bigrams(tokens.as_chunks().0) } else { Tokens::Ids(tokens) },
                    block_size: raw.block_size,
                    lora_id: raw.lora_id,
                    lora_name: buffers.text(raw.lora_name),
                    cache_salt: buffers.text(raw.cache_salt),
                    extras: raw.extras.of(&buffers.extras),
                    kind: raw.kind,
                    sliding_window: raw.window,
                    ownership: buffers.text(raw.ownership),
                    session_id: buffers.text(raw.session),
                })
            }
            Raw::Removed { layer, names } => Event::Removed { layer, names: names.of(&buffers.hashes) },
            Raw::Cleared => Event::Cleared,
        }
    }

    fn clear(&mut self) {
        self.timestamp = 0.0;
        self.rank = None;
        self.unknown = 0;
        self.events.clear();
        self.buffers.clear();
    }

    fn read_all(&mut self, payload: &[u8]) -> Result<(), WireError> {
        const LONGEST: usize = u32::MAX as usize / 8;
        const EXPECTED: &str = "a batch of events: an array or a map";
        if payload.len() > LONGEST {
            return Err(WireError::Unexpected { offset: LONGEST, expected: "at most 512 MiB", found: "more" });
        }
        let mut reader = Reader::new(payload);
        match reader.peek(EXPECTED)? {
            array!() => self.read_array(&mut reader)?,
            map!() => self.read_map(&mut reader)?,
            _ => return Err(reader.unexpected(EXPECTED)),
        }
        reader.end()
    }

    /// `[timestamp, events, rank]` with more behind it, or without the rank.
    fn read_array(&mut self, reader: &mut Reader<'_>) -> Result<(), WireError> {
        let offset = reader.at();
        let count = reader.array("a batch")?;
        if count < 2 {
            let field = if count == 0 { "a timestamp" } else { "events" };
            return Err(WireError::Missing { offset, value: "a batch", field });
        }
        self.timestamp = reader.float("a timestamp")?;
        self.read_events(reader)?;
        if count > 2 {
            self.rank = rank(reader)?;
        }
        (3..count).try_for_each(|_| reader.skip())
    }

    /// The same by name.
    fn read_map(&mut self, reader: &mut Reader<'_>) -> Result<(), WireError> {
        let offset = reader.at();
        let (mut timestamp, mut events) = (false, false);
        for _ in 0..reader.map("a batch")? {
            match key(reader)? {
                Some(b"ts") => {
                    self.timestamp = reader.float("a timestamp")?;
                    timestamp = true;
                }
                // Once: a second list would be other events, and which of the two happened is not said.
                Some(b"events") if !events => {
                    self.read_events(reader)?;
                    events = true;
                }
                Some(b"data_parallel_rank" | b"attn_dp_rank") => self.rank = rank(reader)?,
                _ => reader.skip()?,
            }
        }
        match (timestamp, events) {
            (false, _) => Err(WireError::Missing { offset, value: "a batch", field: "a timestamp" }),
            (_, false) => Err(WireError::Missing { offset, value: "a batch", field: "events" }),
            _ => Ok(()),
        }
    }

    fn read_events(&mut self, reader: &mut Reader<'_>) -> Result<(), WireError> {
        (0..reader.array("a list of events")?).try_for_each(|_| self.read_event(reader))
    }

    fn read_event(&mut self, reader: &mut Reader<'_>) -> Result<(), WireError> {
        const EXPECTED: &str = "an event: an array or a map";
        const TYPE: &str = "the type of an event";
        let offset = reader.at();
        let mut fields = Fields::new();
        match reader.peek(EXPECTED)? {
            array!() => {
                let count = reader.array(EXPECTED)?;
                let Some(rest) = count.checked_sub(1) else {
                    return Err(WireError::Missing { offset, value: "an event", field: "its type" });
                };
                let name = reader.raw_text(TYPE)?;
                match name {
                    b"BlockStored" => fields.stored(rest, reader, &mut self.buffers)?,
                    b"BlockRemoved" => fields.removed(rest, reader, &mut self.buffers)?,
                    _ => (0..rest).try_for_each(|_| reader.skip())?,
                }
                self.push(name, &fields, offset)
            }
            map!() => {
                let mut pairs = reader.map(EXPECTED)?;
                // In front is where every engine puts it; elsewhere it is looked for first, since only of known types the
                // fields are known.
                let mut ahead = *reader;
                let name = if pairs > 0 && key(&mut ahead)? == Some(b"type") {
                    pairs -= 1;
                    let name = ahead.raw_text(TYPE)?;
                    *reader = ahead;
                    name
                } else {
                    find_type(*reader, pairs, offset)?
                };
                let known = matches!(name, b"BlockStored" | b"BlockRemoved");
                for _ in 0..pairs {
                    let read = match key(reader)? {
                        Some(field) if known => fields.named(field, reader, &mut self.buffers)?,
                        _ => false,
                    };
                    if !read {
                        reader.skip()?;
                    }
                }
                self.push(name, &fields, offset)
            }
            _ => Err(reader.unexpected(EXPECTED)),
        }
    }

    /// Takes in an event that was read.
    fn push(&mut self, name: &[u8], fields: &Fields, offset: usize) -> Result<(), WireError> {
        let raw = match name {
            b"BlockStored" => {
                let missing = |field| WireError::Missing { offset, value: "a stored event", field };
                let names = fields.names.ok_or_else(|| missing("block hashes"))?;
                let parent = fields.parent.ok_or_else(|| missing("the hash of its parent"))?;
                let tokens = fields.tokens.ok_or_else(|| missing("token ids"))?;
                let block_size = fields.block_size.ok_or_else(|| missing("a block size"))?;
                fields.layer().map(|layer| {
                    Raw::Stored(RawStored {
                        layer,
                        parent,
                        names,
                        tokens,
                        bigrams: fields.bigrams,
                        block_size,
                        lora_id: fields.lora_id,
                        lora_name: fields.lora_name,
                        cache_salt: fields.cache_salt,
                        extras: fields.extras,
                        kind: fields.kind,
                        window: fields.window,
                        ownership: fields.ownership,
                        session: fields.session,
                    })
                })
            }
            b"BlockRemoved" => {
                let missing = WireError::Missing { offset, value: "a removal", field: "block hashes" };
                let names = fields.names.ok_or(missing)?;
                fields.layer().map(|layer| Raw::Removed { layer, names })
            }
            b"AllBlocksCleared" => Some(Raw::Cleared),
            _ => None,
        };
        match raw {
            Some(raw) => self.events.push(raw),
            None => self.unknown += 1,
        }
        Ok(())
    }
}

/// The type of an event that is a map, wherever it stands.
fn find_type<'p>(mut reader: Reader<'p>, pairs: usize, offset: usize) -> Result<&'p [u8], WireError> {
    for _ in 0..pairs {
        if key(&mut reader)? == Some(b"type") {
            return reader.raw_text("the type of an event");
        }
        reader.skip()?;
    }
    Err(WireError::Missing { offset, value: "an event", field: "its type" })
}

fn rank(reader: &mut Reader<'_>) -> Result<Option<u32>, WireError> {
    if reader.nil() { Ok(None) } else { reader.u32("a data-parallel rank, or nil").map(Some) }
}
