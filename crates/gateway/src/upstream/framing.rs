//! Where a response body begins and ends in the bytes of its connection (RFC 9112, section 6).

use bytes::{Buf as _, Bytes, BytesMut};

/// The longest line of a chunk's size, its extensions included.
const MAX_SIZE_LINE: usize = 4096;
/// The most bytes of trailers.
const MAX_TRAILERS: usize = 16 << 10;

/// How much of a body is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes.
    Length(u64),
    Chunked(Chunks),
    /// All until the connection is closed.
    UntilClose,
}

/// Where a body in chunks stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunks {
    /// Before the line of a chunk's size.
    Size,
    /// So many bytes of its data are to come.
    Data(u64),
    /// Before the line's end behind its data.
    Behind,
    /// Before a line of the trailers, of which there were so many bytes.
    Trailer(usize),
    /// Behind everything.
    End,
}

/// What was taken out of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Data(Bytes),
    /// Nothing: more bytes have to come.
    Nothing,
    /// The body has ended.
    End,
}

impl Framing {
    /// A body in chunks, from its start.
    pub(crate) const CHUNKED: Self = Self::Chunked(Chunks::Size);

    /// Whether all has been taken; that of a body until the close is never known before.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunks::End))
    }

    /// The bytes to come, where they are known.
    pub(crate) fn length(self) -> Option<u64> {
        match self {
            Self::Length(length) => Some(length),
            Self::Chunked(Chunks::End) => Some(0),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }

    /// Takes the data that is at the front of `buffer`, that of several chunks as one, and leaves what belongs to no body
    /// or is not whole. Says what is wrong with bytes that are no body, once all before them has been taken.
    pub(crate) fn take(&mut self, buffer: &mut BytesMut) -> Result<Taken, &'static str> {
        match self {
            Self::Chunked(chunks) => chunks.take(buffer),
            Self::Length(0) => Ok(Taken::End),
            _ if buffer.is_empty() => Ok(Taken::Nothing),
            Self::UntilClose => Ok(Taken::Data(buffer.split().freeze())),
            Self::Length(length) => {
                let count = usize::try_from(*length).unwrap_or(usize::MAX).min(buffer.len());
                *length -= count as u64;
                Ok(Taken::Data(buffer.split_to(count).freeze()))
            }
        }
    }
}

impl Chunks {
    fn take(&mut self, buffer: &mut BytesMut) -> Result<Taken, &'static str> {
        // Data is moved up to that of the first chunk, which stays where it is.
        let (mut read, mut data) = (0, 0..0);
        let mut fault = None;
        loop {
            let rest = &buffer[read..];
            match self {
                Self::Size => match line(rest, MAX_SIZE_LINE) {
                    Ok(None) => break,
                    Ok(Some(line)) => {
                        let Some(size) = size(line) else {
                            fault = Some("a chunk's size is no number");
                            break;
                        };
                        read += line.len() + 2;
                        *self = if size == 0 { Self::Trailer(0) } else { Self::Data(size) };
                    }
                    Err(Endless) => {
                        fault = Some("the line of a chunk's size has no end");
                        break;
                    }
                },
                Self::Data(left) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    if count == 0 {
                        break;
                    }
                    if data.is_empty() {
                        data = read..read;
                    }
                    buffer.copy_within(read..read + count, data.end);
                    data.end += count;
                    read += count;
                    *left -= count as u64;
                    if *left == 0 {
                        *self = Self::Behind;
                    }
                }
                Self::Behind => match rest {
                    [b'\r', b'\n', ..] => {
                        read += 2;
                        *self = Self::Size;
                    }
                    [] | [b'\r'] => break,
                    _ => {
                        fault = Some("a chunk is longer than its size");
                        break;
                    }
                },
                Self::Trailer(seen) => match line(rest, MAX_TRAILERS - *seen) {
                    Ok(None) => break,
                    Ok(Some([])) => {
                        read += 2;
                        *self = Self::End;
                    }
                    Ok(Some(line)) => {
                        read += line.len() + 2;
                        *seen = (*seen + line.len() + 2).min(MAX_TRAILERS);
                    }
                    Err(Endless) => {
                        fault = Some("the trailers have no end");
                        break;
                    }
                },
                Self::End => break,
            }
        }
        if let (Some(why), true) = (fault, data.is_empty()) {
            return Err(why);
        }
        let mut taken = buffer.split_to(read);
        if data.is_empty() {
            return Ok(if *self == Self::End { Taken::End } else { Taken::Nothing });
        }
        taken.truncate(data.end);
        taken.advance(data.start);
        Ok(Taken::Data(taken.freeze()))
    }
}

/// A line that has no end where it should have one.
#[derive(Debug)]
struct Endless;

/// The line at the front, without its end; none where its end has to come.
fn line(bytes: &[u8], most: usize) -> Result<Option<&[u8]>, Endless> {
    let seen = &bytes[..bytes.len().min(most)];
    match seen.iter().position(|&byte| byte == b'\n') {
        Some(end) => seen[..end].strip_suffix(b"\r").map(Some).ok_or(Endless),
        None if bytes.len() >= most => Err(Endless),
        None => Ok(None),
    }
}

/// The number at the front of a line, before its extensions.
fn size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits == 0 || digits > 16 || !matches!(line[digits..].trim_ascii_start(), [] | [b';', ..]) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All data of `bytes` when they come in pieces of these sizes in turn, and what is left of them.
    fn read(framing: &mut Framing, bytes: &[u8], sizes: &[usize]) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
        let (mut buffer, mut data, mut rest) = (BytesMut::new(), Vec::new(), bytes);
        for size in sizes.iter().cycle() {
            let (now, later) = rest.split_at((*size).clamp(1, rest.len().max(1)).min(rest.len()));
            rest = later;
            buffer.extend_from_slice(now);
            while let Taken::Data(bytes) = framing.take(&mut buffer)? {
                assert!(!bytes.is_empty());
                data.extend_from_slice(&bytes);
            }
            if rest.is_empty() {
                break;
            }
        }
        Ok((data, buffer.to_vec()))
    }

    fn chunked(bytes: &[u8], sizes: &[usize]) -> Result<(Vec<u8>, Vec<u8>, bool), &'static str> {
        let mut framing = Framing::CHUNKED;
        let (data, left) = read(&mut framing, bytes, sizes)?;
        Ok((data, left, framing.is_over()))
    }

    #[test]
    fn chunks_are_the_same_in_any_pieces() {
        let body = b"5\r\nhello\r\n6 ; x=\"y\"\r\n world\r\nA\r\n0123456789\r\n000\r\nx-a: 1\r\nx-b: 2\r\n\r\nHTTP/1.1";
        for pieces in [&[1][..], &[2], &[3], &[7], &[1, 30], &[1000]] {
            let (data, left, is_over) = chunked(body, pieces).expect("a body");
            assert_eq!(
                (data.as_slice(), left.as_slice(), is_over),
                (&b"hello world0123456789"[..], &b"HTTP/1.1"[..], true)
            );
        }
    }

    #[test]
    fn chunks_that_come_together_are_taken_together() {
        let mut buffer = BytesMut::from(&b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"[..]);
        let mut framing = Framing::CHUNKED;
        assert_eq!(framing.take(&mut buffer), Ok(Taken::Data(Bytes::from_static(b"abc"))));
        assert!(framing.is_over() && buffer.is_empty());
        assert_eq!(framing.take(&mut buffer), Ok(Taken::End));
    }

    #[test]
    fn what_is_no_chunk_is_told() {
        for bytes in
            ["\r\n", "x\r\n", "-1\r\n", "1 2\r\n", "11111111111111111\r\n", "1\r\nab\r\n", "1\nab", "3\r\nabc\n0\r\n"]
        {
            assert!(chunked(bytes.as_bytes(), &[1000]).is_err(), "{bytes:?}");
            assert!(chunked(bytes.as_bytes(), &[1]).is_err(), "{bytes:?}");
        }
        for bytes in ["1".repeat(5000), format!("1;{}", "x".repeat(5000)), format!("0\r\n{}", "a: b\r\n".repeat(5000))]
        {
            assert!(chunked(bytes.as_bytes(), &[700]).is_err(), "{}", bytes.len());
        }
    }

    #[test]
    fn a_length_is_a_length() {
        let mut framing = Framing::Length(5);
        assert_eq!(read(&mut framing, b"hello, world", &[3]), Ok((b"hello".to_vec(), b", world".to_vec())));
        assert!(framing.is_over());
        let mut framing = Framing::UntilClose;
        assert_eq!(read(&mut framing, b"hello", &[3]), Ok((b"hello".to_vec(), Vec::new())));
        assert!(!framing.is_over());
    }

    proptest::proptest! {
        #[test]
        fn chunks_of_any_data_come_back(parts: Vec<Vec<u8>>, sizes in proptest::collection::vec(1_usize..400, 1..8)) {
            let mut body = Vec::new();
            for part in parts.iter().filter(|part| !part.is_empty()) {
                body.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                body.extend_from_slice(part);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\nrest");
            proptest::prop_assert_eq!(chunked(&body, &sizes), Ok((parts.concat(), b"rest".to_vec(), true)));
        }
    }
}
