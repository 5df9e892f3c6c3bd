//! How Python writes a block's key as bytes before it is hashed: canonical CBOR, and pickle of protocol 5.
//!
//! Only what occurs in such a key is here: numbers, texts, bytes, tuples and nothing. Of pickle this is all that there
//! is to it, as no value refers to a class: the bytes are the same under every Python since 3.8.

use crate::BlockSize;

/// Writes values, one after the other, into a buffer.
pub(super) trait Form<'a>: Sized {
    /// Begins one encoded value.
    fn new(out: &'a mut Vec<u8>) -> Self;
    /// Python's `None`.
    fn none(&mut self);
    /// A whole number.
    fn int(&mut self, value: i64);
    /// A text that is an object of its own.
    fn text(&mut self, value: &str);
    /// A text that is a constant of vLLM's: one and the same object wherever it occurs.
    fn tag(&mut self, value: &'static str);
    /// Bytes.
    fn bytes(&mut self, value: &[u8]);
    /// A block's tokens, a tuple of numbers.
    fn tokens(&mut self, tokens: &[u32]);
    /// A tuple of `len` values, which `values` writes.
    fn tuple(&mut self, len: usize, values: impl FnOnce(&mut Self));
    /// Ends the value.
    fn finish(self);
}

/// Writes numbers of up to 8 bytes each: `encode` gives the bytes from the lowest on, and how many they are.
///
/// Token ids are of all sizes, and a branch on the size would be guessed wrong half of the time: so there is none.
fn write_numbers(out: &mut Vec<u8>, numbers: &[u32], encode: impl Fn(u64) -> (u64, usize)) {
    let mut at = out.len();
    out.resize(at + numbers.len() * 8, 0);
    for number in numbers {
        let (bytes, length) = encode(u64::from(*number));
        out[at..at + 8].copy_from_slice(&bytes.to_le_bytes());
        at += length;
    }
    out.truncate(at);
}

/// CBOR in its canonical form: every length and number in as few bytes as it fits.
#[derive(Debug)]
pub(super) struct Cbor<'a>(&'a mut Vec<u8>);

impl Cbor<'_> {
    fn head(&mut self, kind: u8, value: u64) {
        let kind = kind << 5;
        match value {
            0..24 => self.0.push(kind | value as u8),
            24..0x100 => self.0.extend([kind | 24, value as u8]),
            0x100..0x1_0000 => {
                self.0.push(kind | 25);
                self.0.extend((value as u16).to_be_bytes());
            }
            0x1_0000..0x1_0000_0000 => {
                self.0.push(kind | 26);
                self.0.extend((value as u32).to_be_bytes());
            }
            _ => {
                self.0.push(kind | 27);
                self.0.extend(value.to_be_bytes());
            }
        }
    }
}

impl<'a> Form<'a> for Cbor<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        Self(out)
    }

    fn none(&mut self) {
        self.0.push(0xF6);
    }

    fn int(&mut self, value: i64) {
        // A negative number is written as the distance from -1.
        match u64::try_from(value) {
            Ok(value) => self.head(0, value),
            Err(_) => self.head(1, (!value).cast_unsigned()),
        }
    }

    fn text(&mut self, value: &str) {
        self.head(3, value.len() as u64);
        self.0.extend_from_slice(value.as_bytes());
    }

    fn tag(&mut self, value: &'static str) {
        self.text(value);
    }

    fn bytes(&mut self, value: &[u8]) {
        self.head(2, value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn tokens(&mut self, tokens: &[u32]) {
        self.head(4, tokens.len() as u64);
        write_numbers(self.0, tokens, |token| {
            let (byte, two, four) = (u64::from(token >= 24), u64::from(token >= 0x100), u64::from(token >= 0x1_0000));
            let after = byte + two + 2 * four;
            let head = if byte == 0 { token } else { 23 + byte + two + four };
            // Big-endian, and the bytes that are not wanted shifted out at the low end.
            let bytes = (token << (32 - 8 * after)) as u32;
            (head | u64::from(bytes.swap_bytes()) << 8, 1 + after as usize)
        });
    }

    fn tuple(&mut self, len: usize, values: impl FnOnce(&mut Self)) {
        self.head(4, len as u64);
        values(self);
    }

    fn finish(self) {}
}

/// Pickle, protocol 5, as C Python's own pickler writes it.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    out: &'a mut Vec<u8>,
    /// Where the open frame's header stands.
    frame: Option<usize>,
    /// Objects that the reader has been told to remember.
    remembered: u32,
    /// The constants among them, and their numbers.
    tags: Vec<(&'static str, u32)>,
}

/// A frame's opcode and its length.
const FRAME_HEADER: usize = 9;

/// A frame is closed before the next value once it has so many bytes, and a payload of so many stands outside.
const FRAME: usize = 64 * 1024;

/// A frame of fewer bytes is written without its header.
const LEAST_FRAME: usize = 4;

impl Pickle<'_> {
    fn put(&mut self, bytes: &[u8]) {
        if self.frame.is_none() {
            self.frame = Some(self.out.len());
            self.out.extend([0; FRAME_HEADER]);
        }
        self.out.extend_from_slice(bytes);
    }

    /// Before each value: a frame that is full ends here.
    fn begin(&mut self) {
        if self.frame.is_some_and(|at| self.out.len() - at - FRAME_HEADER >= FRAME) {
            self.close_frame();
        }
    }

    fn close_frame(&mut self) {
        let Some(at) = self.frame.take() else { return };
        let body = at + FRAME_HEADER;
        let length = self.out.len() - body;
        if length < LEAST_FRAME {
            self.out.drain(at..body);
        } else {
            self.out[at] = 0x95;
            self.out[at + 1..body].copy_from_slice(&(length as u64).to_le_bytes());
        }
    }

    /// The object just written is remembered; its number.
    fn remember(&mut self) -> u32 {
        self.put(&[0x94]);
        self.remembered += 1;
        self.remembered - 1
    }

    /// Text or bytes: the opcode depends on whether the length fits one byte.
    fn payload(&mut self, short: u8, long: u8, payload: &[u8]) -> u32 {
        self.begin();
        let large = payload.len() >= FRAME;
        if large {
            self.close_frame();
        }
        let mut header = [0; FRAME_HEADER];
        let header = if let Ok(length) = u8::try_from(payload.len()) {
            header[..2].copy_from_slice(&[short, length]);
            &header[..2]
        } else {
            header[0] = long;
            header[1..5].copy_from_slice(&(payload.len() as u32).to_le_bytes());
            &header[..5]
        };
        if large {
            self.out.extend_from_slice(header);
            self.out.extend_from_slice(payload);
        } else {
            self.put(header);
            self.put(payload);
        }
        self.remember()
    }
}

impl<'a> Form<'a> for Pickle<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        out.extend([0x80, 5]);
        Self { out, frame: None, remembered: 0, tags: Vec::new() }
    }

    fn none(&mut self) {
        self.begin();
        self.put(b"N");
    }

    fn int(&mut self, value: i64) {
        self.begin();
        let bytes = value.to_le_bytes();
        match value {
            0..0x100 => self.put(&[b'K', bytes[0]]),
            0x100..0x1_0000 => self.put(&[b'M', bytes[0], bytes[1]]),
            -0x8000_0000..0x8000_0000 => self.put(&[b'J', bytes[0], bytes[1], bytes[2], bytes[3]]),
            _ => {
                // As few bytes as hold the number and its sign.
                let length = (5..8).find(|length| value >> (length * 8 - 1) == value >> 63).unwrap_or(8);
                self.put(&[0x8A, length as u8]);
                self.put(&bytes[..length]);
            }
        }
    }

    fn text(&mut self, value: &str) {
        self.payload(0x8C, b'X', value.as_bytes());
    }

    fn tag(&mut self, value: &'static str) {
        match self.tags.iter().find(|(tag, _)| *tag == value).map(|(_, number)| *number) {
            None => {
                let number = self.payload(0x8C, b'X', value.as_bytes());
                self.tags.push((value, number));
            }
            Some(number) => {
                self.begin();
                match u8::try_from(number) {
                    Ok(number) => self.put(&[b'h', number]),
                    Err(_) => {
                        let number = number.to_le_bytes();
                        self.put(&[b'j', number[0], number[1], number[2], number[3]]);
                    }
                }
            }
        }
    }

    fn bytes(&mut self, value: &[u8]) {
        self.payload(b'C', b'B', value);
    }

    fn tokens(&mut self, tokens: &[u32]) {
        if !(4..=BlockSize::MAX as usize).contains(&tokens.len()) {
            // A tuple with an opcode of its own, or no block, and perhaps longer than a frame.
            return self.tuple(tokens.len(), |form| tokens.iter().for_each(|token| form.int(i64::from(*token))));
        }
        self.begin();
        self.put(b"(");
        write_numbers(self.out, tokens, |token| match token {
            0x8000_0000.. => (0x8A | 5 << 8 | token << 16, 7),
            _ => {
                let (two, four) = (u64::from(token >= 0x100), u64::from(token >= 0x1_0000));
                let opcode = [b'K', b'M', b'J'][(two + four) as usize];
                (u64::from(opcode) | token << 8, (2 + two + 2 * four) as usize)
            }
        });
        self.put(b"t");
        self.remember();
    }

    fn tuple(&mut self, len: usize, values: impl FnOnce(&mut Self)) {
        self.begin();
        match len {
            0 => return self.put(b")"),
            1..=3 => {
                values(self);
                self.put(&[0x84 + len as u8]);
            }
            _ => {
                self.put(b"(");
                values(self);
                self.put(b"t");
            }
        }
        self.remember();
    }

    fn finish(mut self) {
        self.put(b".");
        self.close_frame();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written<'a, F: Form<'a>>(out: &'a mut Vec<u8>, write: impl FnOnce(&mut F)) {
        let mut form = F::new(out);
        write(&mut form);
        form.finish();
    }

    proptest! {
        #[test]
        fn tokens_are_a_tuple_of_numbers(
            tokens in prop::collection::vec(any::<u32>().prop_flat_map(|token| (0..32u32).prop_map(move |shift| token >> shift)), 0..40),
        ) {
            let (mut fast, mut slow) = (Vec::new(), Vec::new());
            let numbers = |form: &mut Cbor<'_>| tokens.iter().for_each(|token| form.int(i64::from(*token)));
            written::<Cbor<'_>>(&mut fast, |form| form.tokens(&tokens));
            written::<Cbor<'_>>(&mut slow, |form| form.tuple(tokens.len(), numbers));
            prop_assert_eq!(&fast, &slow);
            let numbers = |form: &mut Pickle<'_>| tokens.iter().for_each(|token| form.int(i64::from(*token)));
            fast.clear();
            slow.clear();
            written::<Pickle<'_>>(&mut fast, |form| form.tokens(&tokens));
            written::<Pickle<'_>>(&mut slow, |form| form.tuple(tokens.len(), numbers));
            prop_assert_eq!(&fast, &slow);
        }
    }
}
