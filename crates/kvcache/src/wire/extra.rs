//! What decides the identity of a block besides its tokens and its adapter.

use rmp::Marker;

use super::WireError;
use super::reader::{Reader, array, int, text};

/// A key of one block of a [`Stored`](super::Stored).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// Number of the block in the event, counted from 0.
    pub block: u32,
    /// The key.
    pub key: ExtraKey,
}

/// A key that engines mix into a block's hash. On the wire they are untagged, so their kind follows from their form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtraKey {
    /// The name of the LoRA adapter, the cache salt of a prompt's first block, or a digest.
    Text(String),
    /// A digest.
    Bytes(Vec<u8>),
    /// An image or another object of the prompt.
    Object {
        /// What the engine knows it by.
        identifier: String,
        /// Where it begins, in tokens from the beginning of the block.
        offset: i64,
    },
    /// The hash of an object (Dynamo), or another number; its sign is not kept.
    Number(u64),
    /// Anything else, as it is on the wire: equal bytes, equal keys.
    Other(Vec<u8>),
}

impl ExtraKey {
    /// Reads a key of any form.
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        const EXPECTED: &str = "a key";
        let start = reader.at();
        Ok(match reader.peek(EXPECTED)? {
            text!() => match core::str::from_utf8(reader.raw_text(EXPECTED)?) {
                Ok(text) => Self::Text(text.to_owned()),
                Err(_) => Self::Other(reader.since(start).to_vec()),
            },
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => Self::Bytes(reader.bytes(EXPECTED)?.to_vec()),
            int!() => Self::Number(reader.int(EXPECTED)?.bits),
            _ => {
                let mut form = *reader;
                if let Some(object) = Self::object(&mut form) {
                    *reader = form;
                    return Ok(object);
                }
                reader.skip()?;
                Self::Other(reader.since(start).to_vec())
            }
        })
    }

    /// A pair of identifier and offset.
    fn object(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.array("a pair").ok()? != 2 {
            return None;
        }
        let identifier = reader.text("an identifier").ok()?.to_owned();
        let offset = reader.int("an offset").ok()?.bits as i64;
        Some(Self::Object { identifier, offset })
    }
}

/// Reads the keys of all blocks: nil, or for each block nil or a list of keys. What stands for a block and is no list is
/// a key by itself.
pub(super) fn extra_keys(reader: &mut Reader<'_>, out: &mut Vec<Extra>) -> Result<(), WireError> {
    if reader.nil() {
        return Ok(());
    }
    for block in 0..reader.array("the extra keys of the blocks, or nil")? {
        if reader.nil() {
            continue;
        }
        // No payload has more blocks than that.
        let block = u32::try_from(block).unwrap_or(u32::MAX);
        let keys = match reader.peek("a list of keys, or nil")? {
            array!() => reader.array("a list of keys")?,
            _ => 1,
        };
        for _ in 0..keys {
            let key = ExtraKey::read(reader)?;
            out.push(Extra { block, key });
        }
    }
    Ok(())
}

/// Reads Dynamo's list of each block's objects: nil, or for each block nil or a map with `mm_objects`, a list of maps
/// with `mm_hash`. What looks different is kept as it is.
pub(super) fn object_infos(reader: &mut Reader<'_>, out: &mut Vec<Extra>) -> Result<(), WireError> {
    if reader.nil() {
        return Ok(());
    }
    for block in 0..reader.array("the objects of the blocks, or nil")? {
        if reader.nil() {
            continue;
        }
        let block = u32::try_from(block).unwrap_or(u32::MAX);
        let (start, known) = (reader.at(), out.len());
        let mut form = *reader;
        if object_hashes(&mut form, block, out).is_ok_and(|all| all) {
            *reader = form;
        } else {
            out.truncate(known);
            reader.skip()?;
            out.push(Extra { block, key: ExtraKey::Other(reader.since(start).to_vec()) });
        }
    }
    Ok(())
}

/// Reads the hashes of one block's objects; whether there is one of each.
fn object_hashes(reader: &mut Reader<'_>, block: u32, out: &mut Vec<Extra>) -> Result<bool, WireError> {
    let mut all = false;
    for _ in 0..reader.map("a block's objects")? {
        if reader.raw_text("a key")? != b"mm_objects" {
            reader.skip()?;
            continue;
        }
        all = true;
        for _ in 0..reader.array("objects")? {
            let mut found = false;
            for _ in 0..reader.map("an object")? {
                if reader.raw_text("a key")? == b"mm_hash" {
                    out.push(Extra { block, key: ExtraKey::Number(reader.int("a hash")?.bits) });
                    found = true;
                } else {
                    reader.skip()?;
                }
            }
            all &= found;
        }
    }
    Ok(all)
}
