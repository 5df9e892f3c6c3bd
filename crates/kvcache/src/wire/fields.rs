//! The fields of one event, gathered in whatever order they come.

use rmp::Marker;

use super::batch::{Buffers, Span};
use super::reader::{Reader, array, int, map, text};
use super::{AttentionKind, WireError, extra, medium};
use crate::{BlockHash, Layer, Tier};

/// The place of a field behind the required ones, where events are arrays.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Group,
    Kind,
    Window,
    Locality,
    Ownership,
    Session,
    Beyond,
}

/// What was read of an event so far. Lists and texts are in the buffers.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    pub(super) names: Option<Span>,
    pub(super) parent: Option<Option<BlockHash>>,
    pub(super) tokens: Option<Span>,
    pub(super) bigrams: bool,
    pub(super) block_size: Option<u32>,
    pub(super) lora_id: Option<u64>,
    pub(super) lora_name: Span,
    pub(super) cache_salt: Span,
    pub(super) extras: Span,
    pub(super) kind: Option<AttentionKind>,
    pub(super) window: Option<u32>,
    pub(super) ownership: Span,
    pub(super) session: Span,
    group: u16,
    /// `None` for a medium that is not known.
    tier: Option<Tier>,
    remote: bool,
}

impl Fields {
    pub(super) fn new() -> Self {
        Self {
            names: None,
            parent: None,
            tokens: None,
            bigrams: false,
            block_size: None,
            lora_id: None,
            lora_name: Span::EMPTY,
            cache_salt: Span::EMPTY,
            extras: Span::EMPTY,
            kind: None,
            window: None,
            ownership: Span::EMPTY,
            session: Span::EMPTY,
            group: 0,
            tier: Some(Tier::Gpu),
            remote: false,
        }
    }

    /// Where the event's blocks are; `None` if that is no medium that is known.
    pub(super) fn layer(&self) -> Option<Layer> {
        let tier = if self.remote { Tier::Remote } else { self.tier? };
        Some(Layer { group: self.group, tier })
    }

    /// Reads the field of this name; whether there is one.
    pub(super) fn named(&mut self, name: &[u8], reader: &mut Reader<'_>, to: &mut Buffers) -> Result<bool, WireError> {
        match name {
            b"block_hashes" => self.names = Some(hashes(reader, to)?),
            b"parent_block_hash" => self.parent = Some(parent(reader)?),
            b"token_ids" => self.tokens(reader, to)?,
            b"block_size" => self.block_size = Some(block_size(reader)?),
            b"lora_id" => self.lora_id = lora_id(reader)?,
            b"medium" => self.medium(reader)?,
            b"lora_name" => self.lora_name = text(reader, to, "the name of an adapter, or nil")?,
            b"cache_salt" => self.cache_salt = text(reader, to, "a cache salt, or nil")?,
            b"extra_keys" => self.extra_keys(reader, to)?,
            b"block_mm_infos" => self.object_infos(reader, to)?,
            b"group_idx" => self.group = group(reader)?,
            b"kv_cache_spec_kind" => self.kind(reader)?,
            b"kv_cache_spec_sliding_window" => self.window = window(reader)?,
            b"locality" => self.locality(reader)?,
            b"ownership" => self.ownership = words(reader, to)?,
            b"session_id" => self.session = words(reader, to)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Reads the fields of a stored event that is an array, behind its name.
    pub(super) fn stored(&mut self, count: usize, reader: &mut Reader<'_>, to: &mut Buffers) -> Result<(), WireError> {
        for place in 0..count {
            match place {
                0 => self.names = Some(hashes(reader, to)?),
                1 => self.parent = Some(parent(reader)?),
                2 => self.tokens(reader, to)?,
                3 => self.block_size = Some(block_size(reader)?),
                4 => self.lora_id = lora_id(reader)?,
                5 => self.medium(reader)?,
                // SGLang puts a map with the salt where the name was.
                6 if matches!(reader.peek("the name of an adapter")?, map!()) => self.map(reader, to)?,
                6 => self.lora_name = text(reader, to, "the name of an adapter, a map, or nil")?,
                7 => self.extra_keys(reader, to)?,
                _ => return self.tail(count - place, reader, to),
            }
        }
        Ok(())
    }

    /// Reads the fields of a removal that is an array, behind its name.
    pub(super) fn removed(&mut self, count: usize, reader: &mut Reader<'_>, to: &mut Buffers) -> Result<(), WireError> {
        for place in 0..count {
            match place {
                0 => self.names = Some(hashes(reader, to)?),
                1 => self.medium(reader)?,
                _ => return self.tail(count - place, reader, to),
            }
        }
        Ok(())
    }

    /// Reads what follows the fields that every version has. Some senders leave out fields of the tail or put a list of
    /// objects among them, so each value goes to the next place that its type fits.
    fn tail(&mut self, count: usize, reader: &mut Reader<'_>, to: &mut Buffers) -> Result<(), WireError> {
        let mut slot = Slot::Group;
        for _ in 0..count {
            let fits = match reader.peek("a field")? {
                Marker::Null => slot,
                map!() => {
                    self.map(reader, to)?;
                    continue;
                }
                array!() => {
                    self.object_infos(reader, to)?;
                    continue;
                }
                text!() => match peek_text(reader)? {
                    b"LOCAL" | b"REMOTE" if slot <= Slot::Locality => Slot::Locality,
                    _ if slot <= Slot::Kind => Slot::Kind,
                    _ if slot == Slot::Window => Slot::Ownership,
                    _ => slot,
                },
                int!() => match slot {
                    Slot::Group => Slot::Group,
                    Slot::Kind | Slot::Window => Slot::Window,
                    _ => Slot::Beyond,
                },
                _ => Slot::Beyond,
            };
            if fits == Slot::Beyond {
                reader.skip()?;
                continue;
            }
            slot = match fits {
                Slot::Group => {
                    self.group = group(reader)?;
                    Slot::Kind
                }
                Slot::Kind => {
                    self.kind(reader)?;
                    Slot::Window
                }
                Slot::Window => {
                    self.window = window(reader)?;
                    Slot::Locality
                }
                Slot::Locality => {
                    self.locality(reader)?;
                    Slot::Ownership
                }
                Slot::Ownership => {
                    self.ownership = words(reader, to)?;
                    Slot::Session
                }
                Slot::Session | Slot::Beyond => {
                    self.session = words(reader, to)?;
                    Slot::Beyond
                }
            };
        }
        Ok(())
    }

    /// Reads a map among the places of an array: fields by name.
    fn map(&mut self, reader: &mut Reader<'_>, to: &mut Buffers) -> Result<(), WireError> {
        for _ in 0..reader.map("fields by name")? {
            let known = match key(reader)? {
                Some(name) => self.named(name, reader, to)?,
                None => false,
            };
            if !known {
                reader.skip()?;
            }
        }
        Ok(())
    }

    fn tokens(&mut self, reader: &mut Reader<'_>, to: &mut Buffers) -> Result<(), WireError> {
        const PAIR: &str = "a pair of token ids below 2^32";
        const ID: &str = "a token id below 2^32";
        let count = reader.array("token ids")?;
        let start = to.tokens.len();
        self.bigrams = count > 0 && matches!(reader.peek(ID)?, array!());
        if self.bigrams {
            to.tokens.reserve(count);
            for _ in 0..count {
                let pair = *reader;
                if reader.array(PAIR)? != 2 {
                    return Err(pair.unexpected(PAIR));
                }
                to.tokens.push(reader.u32(PAIR)?);
                to.tokens.push(reader.u32(PAIR)?);
            }
        } else {
            to.tokens.reserve(count);
            for _ in 0..count {
                to.tokens.push(reader.u32(ID)?);
            }
        }
        self.tokens = Some(Span::new(start, to.tokens.len()));
        Ok(())
    }

    fn medium(&mut self, reader: &mut Reader<'_>) -> Result<(), WireError> {
        self.tier = if reader.nil() { Some(Tier::Gpu) } else { medium::tier(reader.raw_text("a medium, or nil")?) };
        Ok(())
    }

    fn kind(&mut self, reader: &mut Reader<'_>) -> Result<(), WireError> {
        const EXPECTED: &str = "a kind of attention, or nil";
        self.kind = if reader.nil() { None } else { Some(AttentionKind::from_name(reader.raw_text(EXPECTED)?)) };
        Ok(())
    }

    fn locality(&mut self, reader: &mut Reader<'_>) -> Result<(), WireError> {
        self.remote = !reader.nil() && reader.raw_text("a locality, or nil")? == b"REMOTE";
        Ok(())
    }

    fn extra_keys(&mut self, reader: &mut Reader<'_>, to: &mut Buffers) -> Result<(), WireError> {
        let start = to.extras.len();
        extra::extra_keys(reader, &mut to.extras)?;
        self.extras = Span::new(start, to.extras.len());
        Ok(())
    }

    /// Objects say again what extra keys say: they count only where there are none.
    fn object_infos(&mut self, reader: &mut Reader<'_>, to: &mut Buffers) -> Result<(), WireError> {
        if self.extras != Span::EMPTY {
            return reader.skip();
        }
        let start = to.extras.len();
        extra::object_infos(reader, &mut to.extras)?;
        self.extras = Span::new(start, to.extras.len());
        Ok(())
    }
}

/// A key of a map; `None`, and passed, if it is no text.
pub(super) fn key<'p>(reader: &mut Reader<'p>) -> Result<Option<&'p [u8]>, WireError> {
    if matches!(reader.peek("a key")?, text!()) {
        return reader.raw_text("a key").map(Some);
    }
    reader.skip()?;
    Ok(None)
}

fn peek_text<'p>(reader: &Reader<'p>) -> Result<&'p [u8], WireError> {
    let mut ahead = *reader;
    ahead.raw_text("text")
}

fn hashes(reader: &mut Reader<'_>, to: &mut Buffers) -> Result<Span, WireError> {
    let count = reader.array("block hashes")?;
    let start = to.hashes.len();
    to.hashes.reserve(count);
    for _ in 0..count {
        to.hashes.push(reader.hash()?);
    }
    Ok(Span::new(start, to.hashes.len()))
}

fn parent(reader: &mut Reader<'_>) -> Result<Option<BlockHash>, WireError> {
    if reader.nil() { Ok(None) } else { reader.hash().map(Some) }
}

fn block_size(reader: &mut Reader<'_>) -> Result<u32, WireError> {
    reader.u32("a block size in tokens")
}

fn lora_id(reader: &mut Reader<'_>) -> Result<Option<u64>, WireError> {
    if reader.nil() { Ok(None) } else { reader.int("the number of an adapter, or nil").map(|id| Some(id.bits)) }
}

fn group(reader: &mut Reader<'_>) -> Result<u16, WireError> {
    const EXPECTED: &str = "a group from 0 to 65535, or nil";
    if reader.nil() {
        return Ok(0);
    }
    let value = *reader;
    u16::try_from(reader.u32(EXPECTED)?).map_err(|_| value.unexpected(EXPECTED))
}

fn window(reader: &mut Reader<'_>) -> Result<Option<u32>, WireError> {
    if reader.nil() { Ok(None) } else { reader.u32("a sliding window in tokens, or nil").map(Some) }
}

/// Text that decides what blocks are: anything else is an error.
fn text(reader: &mut Reader<'_>, to: &mut Buffers, expected: &'static str) -> Result<Span, WireError> {
    if reader.nil() {
        return Ok(Span::EMPTY);
    }
    let text = reader.text(expected)?;
    Ok(to.keep(text))
}

/// Text that is only passed on: anything else is skipped.
fn words(reader: &mut Reader<'_>, to: &mut Buffers) -> Result<Span, WireError> {
    match reader.peek("text")? {
        text!() => Ok(to.keep(reader.text("text")?)),
        _ => reader.skip().map(|()| Span::EMPTY),
    }
}
