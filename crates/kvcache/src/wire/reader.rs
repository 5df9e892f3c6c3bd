//! MessagePack values one after the other, with the place of each.

use rmp::Marker;

use super::WireError;
use crate::BlockHash;

/// The beginning of an array.
macro_rules! array {
    () => {
        rmp::Marker::FixArray(_) | rmp::Marker::Array16 | rmp::Marker::Array32
    };
}

/// The beginning of a map.
macro_rules! map {
    () => {
        rmp::Marker::FixMap(_) | rmp::Marker::Map16 | rmp::Marker::Map32
    };
}

/// The beginning of text.
macro_rules! text {
    () => {
        rmp::Marker::FixStr(_) | rmp::Marker::Str8 | rmp::Marker::Str16 | rmp::Marker::Str32
    };
}

/// The beginning of an integer.
macro_rules! int {
    () => {
        rmp::Marker::FixPos(_)
            | rmp::Marker::FixNeg(_)
            | rmp::Marker::U8
            | rmp::Marker::U16
            | rmp::Marker::U32
            | rmp::Marker::U64
            | rmp::Marker::I8
            | rmp::Marker::I16
            | rmp::Marker::I32
            | rmp::Marker::I64
    };
}

pub(super) use {array, int, map, text};

/// The longest digest that is taken for a block hash, in bytes.
const LONGEST_DIGEST: usize = 32;

/// An integer of either sign.
#[derive(Clone, Copy)]
pub(super) struct Int {
    /// Two's complement where it is negative.
    pub(super) bits: u64,
    negative: bool,
}

/// A position in a payload. Nothing is read past its end, and no length is believed that cannot fit into the rest.
#[derive(Clone, Copy)]
pub(super) struct Reader<'p> {
    payload: &'p [u8],
    at: usize,
}

impl<'p> Reader<'p> {
    pub(super) fn new(payload: &'p [u8]) -> Self {
        Self { payload, at: 0 }
    }

    /// The next byte's place.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn left(&self) -> usize {
        self.payload.len() - self.at
    }

    /// The bytes from a place up to here.
    pub(super) fn since(&self, start: usize) -> &'p [u8] {
        &self.payload[start..self.at]
    }

    /// What the next value is, without reading it.
    pub(super) fn peek(&self, expected: &'static str) -> Result<Marker, WireError> {
        match self.payload.get(self.at) {
            Some(&byte) => Ok(Marker::from_u8(byte)),
            None => Err(WireError::Ended { offset: self.at, expected }),
        }
    }

    /// An error about the next value.
    pub(super) fn unexpected(&self, expected: &'static str) -> WireError {
        match self.peek(expected) {
            Ok(marker) => WireError::Unexpected { offset: self.at, expected, found: kind(marker) },
            Err(ended) => ended,
        }
    }

    /// Nil read, or nothing read.
    pub(super) fn nil(&mut self) -> bool {
        let nil = self.payload.get(self.at) == Some(&Marker::Null.to_u8());
        self.at += usize::from(nil);
        nil
    }

    /// The number of values of an array.
    pub(super) fn array(&mut self, expected: &'static str) -> Result<usize, WireError> {
        let start = self.at;
        let count = match self.peek(expected)? {
            Marker::FixArray(count) => self.short(count),
            Marker::Array16 => self.length::<2>(expected)?,
            Marker::Array32 => self.length::<4>(expected)?,
            _ => return Err(self.unexpected(expected)),
        };
        self.announced(start, count)
    }

    /// The number of pairs of a map.
    pub(super) fn map(&mut self, expected: &'static str) -> Result<usize, WireError> {
        let start = self.at;
        let pairs = match self.peek(expected)? {
            Marker::FixMap(pairs) => self.short(pairs),
            Marker::Map16 => self.length::<2>(expected)?,
            Marker::Map32 => self.length::<4>(expected)?,
            _ => return Err(self.unexpected(expected)),
        };
        self.announced(start, pairs.saturating_mul(2))?;
        Ok(pairs)
    }

    /// The bytes of a string, which need not be UTF-8.
    pub(super) fn raw_text(&mut self, expected: &'static str) -> Result<&'p [u8], WireError> {
        let start = self.at;
        let bytes = match self.peek(expected)? {
            Marker::FixStr(bytes) => self.short(bytes),
            Marker::Str8 => self.length::<1>(expected)?,
            Marker::Str16 => self.length::<2>(expected)?,
            Marker::Str32 => self.length::<4>(expected)?,
            _ => return Err(self.unexpected(expected)),
        };
        self.take(start, bytes)
    }

    /// A string.
    pub(super) fn text(&mut self, expected: &'static str) -> Result<&'p str, WireError> {
        let offset = self.at;
        let bytes = self.raw_text(expected)?;
        core::str::from_utf8(bytes).map_err(|_| WireError::Unexpected {
            offset,
            expected,
            found: "text that is no UTF-8",
        })
    }

    /// A value of bytes.
    pub(super) fn bytes(&mut self, expected: &'static str) -> Result<&'p [u8], WireError> {
        let start = self.at;
        let bytes = match self.peek(expected)? {
            Marker::Bin8 => self.length::<1>(expected)?,
            Marker::Bin16 => self.length::<2>(expected)?,
            Marker::Bin32 => self.length::<4>(expected)?,
            _ => return Err(self.unexpected(expected)),
        };
        self.take(start, bytes)
    }

    /// An integer of either sign.
    pub(super) fn int(&mut self, expected: &'static str) -> Result<Int, WireError> {
        let signed = |value: i64| Int { bits: value as u64, negative: value < 0 };
        let unsigned = |bits| Int { bits, negative: false };
        Ok(match self.peek(expected)? {
            Marker::FixPos(value) => {
                self.at += 1;
                unsigned(u64::from(value))
            }
            Marker::FixNeg(value) => {
                self.at += 1;
                signed(i64::from(value))
            }
            Marker::U8 => unsigned(u64::from(u8::from_be_bytes(self.fixed(expected)?))),
            Marker::U16 => unsigned(u64::from(u16::from_be_bytes(self.fixed(expected)?))),
            Marker::U32 => unsigned(u64::from(u32::from_be_bytes(self.fixed(expected)?))),
            Marker::U64 => unsigned(u64::from_be_bytes(self.fixed(expected)?)),
            Marker::I8 => signed(i64::from(i8::from_be_bytes(self.fixed(expected)?))),
            Marker::I16 => signed(i64::from(i16::from_be_bytes(self.fixed(expected)?))),
            Marker::I32 => signed(i64::from(i32::from_be_bytes(self.fixed(expected)?))),
            Marker::I64 => signed(i64::from_be_bytes(self.fixed(expected)?)),
            _ => return Err(self.unexpected(expected)),
        })
    }

    /// An integer from 0 up to the largest `u32`.
    pub(super) fn u32(&mut self, expected: &'static str) -> Result<u32, WireError> {
        // Nearly every value of a payload is a token id in one of these forms.
        let (value, bytes) = match self.payload[self.at..] {
            [id @ 0..=0x7f, ..] => (u32::from(id), 1),
            [0xcc, id, ..] => (u32::from(id), 2),
            [0xcd, a, b, ..] => (u32::from(u16::from_be_bytes([a, b])), 3),
            [0xce, a, b, c, d, ..] => (u32::from_be_bytes([a, b, c, d]), 5),
            _ => return self.u32_of_any_form(expected),
        };
        self.at += bytes;
        Ok(value)
    }

    #[cold]
    fn u32_of_any_form(&mut self, expected: &'static str) -> Result<u32, WireError> {
        let offset = self.at;
        let value = self.int(expected)?;
        let found = if value.negative { "a negative number" } else { "a larger number" };
        u32::try_from(value.bits).map_err(|_| WireError::Unexpected { offset, expected, found })
    }

    /// A number as a float.
    pub(super) fn float(&mut self, expected: &'static str) -> Result<f64, WireError> {
        Ok(match self.peek(expected)? {
            Marker::F32 => f64::from(f32::from_be_bytes(self.fixed(expected)?)),
            Marker::F64 => f64::from_be_bytes(self.fixed(expected)?),
            Marker::Null | Marker::True | Marker::False => return Err(self.unexpected(expected)),
            _ => {
                let value = self.int(expected)?;
                if value.negative { value.bits as i64 as f64 } else { value.bits as f64 }
            }
        })
    }

    /// The identity that a block hash stands for: an integer of either sign as it is, of a digest its last 8 bytes.
    pub(super) fn hash(&mut self) -> Result<BlockHash, WireError> {
        const EXPECTED: &str = "a block hash: an integer, or 8 to 32 bytes";
        let offset = self.at;
        // As vLLM sends them.
        if let [0xcf, a, b, c, d, e, f, g, h, ..] = self.payload[self.at..] {
            self.at += 9;
            return Ok(BlockHash(u64::from_be_bytes([a, b, c, d, e, f, g, h])));
        }
        match self.peek(EXPECTED)? {
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
                let digest = self.bytes(EXPECTED)?;
                match BlockHash::from_bytes(digest) {
                    Ok(hash) if digest.len() <= LONGEST_DIGEST => Ok(hash),
                    _ => Err(WireError::Unexpected { offset, expected: EXPECTED, found: "bytes of another length" }),
                }
            }
            _ => Ok(BlockHash(self.int(EXPECTED)?.bits)),
        }
    }

    /// Passes one value of any kind, however deep.
    pub(super) fn skip(&mut self) -> Result<(), WireError> {
        const EXPECTED: &str = "a value";
        // How many values are still to come, at least a byte each.
        let mut open = 1_usize;
        while open > 0 {
            open -= 1;
            let start = self.at;
            let inner = match self.peek(EXPECTED)? {
                array!() => self.array(EXPECTED)?,
                map!() => self.map(EXPECTED)? * 2,
                _ => {
                    self.skip_leaf(EXPECTED)?;
                    0
                }
            };
            open += inner;
            if open > self.left() {
                return Err(WireError::Announced { offset: start, claimed: open, left: self.left() });
            }
        }
        Ok(())
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), WireError> {
        match self.left() {
            0 => Ok(()),
            bytes => Err(WireError::Trailing { offset: self.at, bytes }),
        }
    }

    /// Passes a value that holds no other ones.
    fn skip_leaf(&mut self, expected: &'static str) -> Result<(), WireError> {
        let start = self.at;
        let ext = match self.peek(expected)? {
            Marker::Null | Marker::True | Marker::False | Marker::FixPos(_) | Marker::FixNeg(_) => {
                self.at += 1;
                return Ok(());
            }
            Marker::U8 | Marker::I8 => return self.fixed::<1>(expected).map(drop),
            Marker::U16 | Marker::I16 => return self.fixed::<2>(expected).map(drop),
            Marker::U32 | Marker::I32 | Marker::F32 => return self.fixed::<4>(expected).map(drop),
            Marker::U64 | Marker::I64 | Marker::F64 => return self.fixed::<8>(expected).map(drop),
            text!() => {
                return self.raw_text(expected).map(drop);
            }
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => return self.bytes(expected).map(drop),
            Marker::FixExt1 => self.short(1),
            Marker::FixExt2 => self.short(2),
            Marker::FixExt4 => self.short(4),
            Marker::FixExt8 => self.short(8),
            Marker::FixExt16 => self.short(16),
            Marker::Ext8 => self.length::<1>(expected)?,
            Marker::Ext16 => self.length::<2>(expected)?,
            Marker::Ext32 => self.length::<4>(expected)?,
            _ => return Err(self.unexpected(expected)),
        };
        // The type of the extension is a byte more.
        self.take(start, ext.saturating_add(1)).map(drop)
    }

    /// A length in the marker itself.
    fn short(&mut self, length: u8) -> usize {
        self.at += 1;
        usize::from(length)
    }

    /// A length in the bytes behind the marker.
    fn length<const N: usize>(&mut self, expected: &'static str) -> Result<usize, WireError> {
        let bytes = self.fixed::<N>(expected)?;
        // At most 4 bytes: no platform that this runs on is too narrow for it, and if one were, no payload would be as long.
        Ok(bytes.iter().fold(0_usize, |length, &byte| length.saturating_mul(256).saturating_add(usize::from(byte))))
    }

    /// The bytes behind the marker, as many as it says.
    fn fixed<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], WireError> {
        match self.payload[self.at + 1..].first_chunk() {
            Some(bytes) => {
                self.at += 1 + N;
                Ok(*bytes)
            }
            None => Err(WireError::Ended { offset: self.at, expected }),
        }
    }

    fn take(&mut self, start: usize, bytes: usize) -> Result<&'p [u8], WireError> {
        self.announced(start, bytes)?;
        self.at += bytes;
        Ok(&self.payload[self.at - bytes..self.at])
    }

    /// Each announced value takes at least a byte.
    fn announced(&self, offset: usize, claimed: usize) -> Result<usize, WireError> {
        if claimed > self.left() {
            return Err(WireError::Announced { offset, claimed, left: self.left() });
        }
        Ok(claimed)
    }
}

/// A word for a value in an error.
fn kind(marker: Marker) -> &'static str {
    match marker {
        Marker::Null => "nil",
        Marker::True | Marker::False => "a boolean",
        Marker::F32 | Marker::F64 => "a float",
        text!() => "text",
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => "bytes",
        array!() => "an array",
        map!() => "a map",
        Marker::Reserved => "a byte that begins no value",
        Marker::FixExt1
        | Marker::FixExt2
        | Marker::FixExt4
        | Marker::FixExt8
        | Marker::FixExt16
        | Marker::Ext8
        | Marker::Ext16
        | Marker::Ext32 => "an extension",
        _ => "an integer",
    }
}
