//! HTTP/1.1 messages as they come: a head, then a body of known length, in chunks, or to the end of the connection.

use std::io;

/// Reads messages of one direction of a connection from pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// A head, or the size line of a chunk, that is not complete yet.
    pending: Vec<u8>,
    part: Part,
}

/// Where in a message we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Head,
    /// Bytes of the body that are still to come.
    Sized(u64),
    /// Before the size of a chunk.
    ChunkSize,
    /// Bytes of the chunk that are still to come, the line break behind it included.
    Chunk(u64),
    /// After the last chunk.
    Trailer,
    /// Until the connection ends.
    Rest,
}

/// Takes what a reader finds.
pub(crate) trait Sink {
    /// A head has come: its first line and its headers, without the empty line.
    fn head(&mut self, head: &[u8]) -> io::Result<Framing>;
    /// A piece of the body.
    fn body(&mut self, piece: &[u8]) -> io::Result<()>;
    /// The message is over.
    fn end(&mut self) -> io::Result<()>;
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes.
    Sized(u64),
    /// In chunks.
    Chunked,
    /// All that comes.
    Rest,
}

/// The largest head.
const MAX_HEAD: usize = 64 << 10;

pub(crate) fn broken(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

impl Reader {
    /// Reads what has come.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], sink: &mut impl Sink) -> io::Result<()> {
        while !bytes.is_empty() {
            bytes = match self.part {
                Part::Head => self.feed_head(bytes, sink)?,
                Part::Sized(left) => {
                    let (piece, rest) = split(bytes, left);
                    sink.body(piece)?;
                    self.part = Part::Sized(left - piece.len() as u64);
                    if self.part == Part::Sized(0) {
                        self.finish(sink)?;
                    }
                    rest
                }
                Part::Rest => {
                    sink.body(bytes)?;
                    &[]
                }
                Part::Chunk(left) => {
                    let (piece, rest) = split(bytes, left);
                    let data = (left.saturating_sub(2)).min(piece.len() as u64) as usize;
                    if data > 0 {
                        sink.body(&piece[..data])?;
                    }
                    let left = left - piece.len() as u64;
                    self.part = if left == 0 { Part::ChunkSize } else { Part::Chunk(left) };
                    rest
                }
                Part::ChunkSize | Part::Trailer => self.feed_line(bytes, sink)?,
            };
        }
        Ok(())
    }

    /// The connection has ended: whether that was an end of a message.
    pub(crate) fn close(&mut self, sink: &mut impl Sink) -> io::Result<()> {
        match self.part {
            Part::Rest => self.finish(sink),
            Part::Head if self.pending.is_empty() => Ok(()),
            _ => Err(broken("the connection ended in the middle of a message")),
        }
    }

    fn finish(&mut self, sink: &mut impl Sink) -> io::Result<()> {
        self.part = Part::Head;
        sink.end()
    }

    fn feed_head<'a>(&mut self, bytes: &'a [u8], sink: &mut impl Sink) -> io::Result<&'a [u8]> {
        const END: &[u8] = b"\r\n\r\n";
        if self.pending.is_empty()
            && let Some(end) = memchr::memmem::find(bytes, END)
        {
            self.begin(sink.head(&bytes[..end])?, sink)?;
            return Ok(&bytes[end + END.len()..]);
        }
        let before = self.pending.len();
        self.pending.extend_from_slice(bytes);
        let from = before.saturating_sub(END.len());
        let Some(end) = memchr::memmem::find(&self.pending[from..], END).map(|at| from + at) else {
            return if self.pending.len() > MAX_HEAD { Err(broken("a head without an end")) } else { Ok(&[]) };
        };
        let framing = sink.head(&self.pending[..end])?;
        self.pending.clear();
        self.begin(framing, sink)?;
        Ok(&bytes[end + END.len() - before..])
    }

    fn begin(&mut self, framing: Framing, sink: &mut impl Sink) -> io::Result<()> {
        self.part = match framing {
            Framing::Sized(0) => return self.finish(sink),
            Framing::Sized(length) => Part::Sized(length),
            Framing::Chunked => Part::ChunkSize,
            Framing::Rest => Part::Rest,
        };
        Ok(())
    }

    fn feed_line<'a>(&mut self, bytes: &'a [u8], sink: &mut impl Sink) -> io::Result<&'a [u8]> {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            self.pending.extend_from_slice(bytes);
            return if self.pending.len() > MAX_HEAD { Err(broken("a line without an end")) } else { Ok(&[]) };
        };
        let rest = &bytes[end + 1..];
        let whole;
        let line = if self.pending.is_empty() {
            &bytes[..end]
        } else {
            self.pending.extend_from_slice(&bytes[..end]);
            whole = std::mem::take(&mut self.pending);
            &whole[..]
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.part == Part::Trailer {
            if line.is_empty() {
                self.finish(sink)?;
            }
            return Ok(rest);
        }
        let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
        let size = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
        let size = size.ok_or_else(|| broken(format!("`{}` is no size of a chunk", String::from_utf8_lossy(line))))?;
        self.part = if size == 0 { Part::Trailer } else { Part::Chunk(size + 2) };
        Ok(rest)
    }
}

/// The first `most` bytes and the rest.
fn split(bytes: &[u8], most: u64) -> (&[u8], &[u8]) {
    bytes.split_at(usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len()))
}

/// The value of a header of a head.
pub(crate) fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    head.split(|&byte| byte == b'\n').skip(1).find_map(|line| {
        let (key, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":").filter(|_| key.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(value.trim_ascii())
    })
}

/// How long the body behind a head is.
pub(crate) fn framing(head: &[u8], without: Framing) -> io::Result<Framing> {
    if let Some(length) = header(head, "content-length") {
        let length = std::str::from_utf8(length).ok().and_then(|length| length.parse().ok());
        return length.map(Framing::Sized).ok_or_else(|| broken("a content-length that is no number"));
    }
    let chunked = header(head, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
    Ok(if chunked { Framing::Chunked } else { without })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen(Vec<(String, String)>, usize);

    impl Sink for Seen {
        fn head(&mut self, head: &[u8]) -> io::Result<Framing> {
            self.0.push((String::from_utf8_lossy(head).into_owned(), String::new()));
            framing(head, Framing::Sized(0))
        }

        fn body(&mut self, piece: &[u8]) -> io::Result<()> {
            self.0.last_mut().unwrap().1.push_str(std::str::from_utf8(piece).unwrap());
            Ok(())
        }

        fn end(&mut self) -> io::Result<()> {
            self.1 += 1;
            Ok(())
        }
    }

    #[test]
    fn messages_are_the_same_however_they_are_cut() {
        let text = "A / 1\r\nContent-Length: 5\r\n\r\nhelloB\r\ntransfer-encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n10\r\n\
                    0123456789abcdef\r\n0\r\nt: 1\r\n\r\nC\r\n\r\n";
        for step in 1..text.len() {
            let (mut reader, mut seen) = (Reader::default(), Seen::default());
            for piece in text.as_bytes().chunks(step) {
                reader.feed(piece, &mut seen).unwrap();
            }
            reader.close(&mut seen).unwrap();
            let bodies: Vec<_> = seen.0.iter().map(|(_, body)| body.as_str()).collect();
            assert_eq!((bodies, seen.1), (vec!["hello", "abc0123456789abcdef", ""], 3), "{step}");
        }
    }

    #[test]
    fn an_end_in_the_middle_is_noticed() {
        for text in ["A", "A\r\ncontent-length: 2\r\n\r\n1", "A\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n"] {
            let (mut reader, mut seen) = (Reader::default(), Seen::default());
            reader.feed(text.as_bytes(), &mut seen).unwrap();
            assert!(reader.close(&mut seen).is_err(), "{text}");
        }
    }
}
