//! Frames: bytes of a stream to messages and commands, and back.

use super::LinkError;

/// The flags of a frame's first byte.
const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;
/// The most frames of a message.
const MOST_FRAMES: usize = 16;
/// What is kept of the buffer between messages.
const KEPT: usize = 1 << 18;

/// What came whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// The frames of a message.
    Message(Vec<Vec<u8>>),
    /// A command's name and what follows it.
    Command(Vec<u8>, Vec<u8>),
}

/// Takes bytes as they come, and gives messages and commands as they are whole.
#[derive(Debug)]
pub(super) struct Decoder {
    buffer: Vec<u8>,
    /// Bytes of the buffer that are used up.
    start: usize,
    /// The frames so far of a message that is not whole, and their bytes.
    frames: Vec<Vec<u8>>,
    size: usize,
    limit: usize,
}

impl Decoder {
    /// A decoder of messages of at most so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, frames: Vec::new(), size: 0, limit }
    }

    /// Where the next bytes go, behind what is there.
    pub(super) fn space(&mut self) -> &mut Vec<u8> {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.is_empty() {
            self.buffer.shrink_to(KEPT);
        }
        if self.buffer.capacity() - self.buffer.len() < 1 << 13 {
            // Twice what has come, not what was announced.
            self.buffer.reserve(self.buffer.len().max(1 << 14));
        }
        &mut self.buffer
    }

    /// Takes so many raw bytes from the front, once they are there.
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = *self.buffer[self.start..].first_chunk::<N>()?;
        self.start += N;
        Some(bytes)
    }

    /// The next message or command that is whole.
    pub(super) fn next(&mut self) -> Result<Option<Received>, LinkError> {
        loop {
            let rest = &self.buffer[self.start..];
            let Some((&flags, behind)) = rest.split_first() else { return Ok(None) };
            if flags & !(MORE | LONG | COMMAND) != 0 || flags & (MORE | COMMAND) == MORE | COMMAND {
                return Err(LinkError::Framing);
            }
            let (head, length) = if flags & LONG == 0 {
                let Some(&length) = behind.first() else { return Ok(None) };
                (2, u64::from(length))
            } else {
                let Some(length) = behind.first_chunk::<8>() else { return Ok(None) };
                (9, u64::from_be_bytes(*length))
            };
            let room = self.limit.saturating_sub(self.size);
            let length = usize::try_from(length).ok().filter(|length| *length <= room).ok_or(self.too_large())?;
            let Some(body) = rest.get(head..head + length) else { return Ok(None) };
            self.start += head + length;
            if flags & COMMAND != 0 {
                let (&name, body) = body.split_first().ok_or(LinkError::Framing)?;
                let (name, body) = body.split_at_checked(name.into()).ok_or(LinkError::Framing)?;
                return Ok(Some(Received::Command(name.to_vec(), body.to_vec())));
            }
            if self.frames.len() == MOST_FRAMES {
                return Err(self.too_large());
            }
            self.frames.push(body.to_vec());
            self.size += length;
            if flags & MORE == 0 {
                self.size = 0;
                return Ok(Some(Received::Message(core::mem::take(&mut self.frames))));
            }
        }
    }

    fn too_large(&self) -> LinkError {
        LinkError::TooLarge { limit: self.limit, frames: MOST_FRAMES }
    }
}

/// Writes a message behind what `out` holds. It has one frame at least.
pub(crate) fn write_message(frames: &[&[u8]], out: &mut Vec<u8>) {
    for (place, frame) in frames.iter().enumerate() {
        let more = if place + 1 < frames.len() { MORE } else { 0 };
        write_frame(more, &[frame], out);
    }
}

/// Writes a command behind what `out` holds.
pub(super) fn write_command(name: &str, body: &[u8], out: &mut Vec<u8>) {
    write_frame(COMMAND, &[&[name.len() as u8], name.as_bytes(), body], out);
}

fn write_frame(flags: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    match u8::try_from(length) {
        Ok(length) => out.extend_from_slice(&[flags, length]),
        Err(_) => {
            out.push(flags | LONG);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8], step: usize, limit: usize) -> Result<Vec<Received>, LinkError> {
        let (mut decoder, mut all) = (Decoder::new(limit), Vec::new());
        for part in bytes.chunks(step) {
            decoder.space().extend_from_slice(part);
            while let Some(one) = decoder.next()? {
                all.push(one);
            }
        }
        Ok(all)
    }

    #[test]
    fn short_and_long_frames_and_commands() {
        let (mut bytes, long) = (Vec::new(), vec![7; 300]);
        write_message(&[b"", b"topic", &long], &mut bytes);
        write_command("PING", b"\0\x0acontext", &mut bytes);
        let message = Received::Message(vec![vec![], b"topic".to_vec(), long]);
        let command = Received::Command(b"PING".to_vec(), b"\0\x0acontext".to_vec());
        for step in [1, 2, 9, 400] {
            assert_eq!(read(&bytes, step, 1000), Ok(vec![message.clone(), command.clone()]));
        }
    }

    #[test]
    fn what_is_too_large_or_broken_ends_it() {
        let large = LinkError::TooLarge { limit: 10, frames: MOST_FRAMES };
        let mut sum = Vec::new();
        write_message(&[b"123456", b"12345"], &mut sum);
        let mut many = Vec::new();
        write_message(&[b"".as_slice(); MOST_FRAMES + 1], &mut many);
        for bytes in [&[2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff][..], &[0, 11], &sum, &many] {
            assert_eq!(read(bytes, 3, 10), Err(large.clone()));
        }
        for bytes in [&[8_u8, 0][..], &[5, 1, 0], &[4, 0], &[4, 1, 9]] {
            assert_eq!(read(bytes, 3, 10), Err(LinkError::Framing), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_messages_in_any_pieces(messages: Vec<Vec<Vec<u8>>>, step in 1..50_usize) {
            let messages: Vec<_> = messages.into_iter().filter(|frames| (1..=MOST_FRAMES).contains(&frames.len())).collect();
            let mut bytes = Vec::new();
            for frames in &messages {
                write_message(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>(), &mut bytes);
            }
            let read = read(&bytes, step, 1 << 20).expect("sound");
            prop_assert_eq!(read, messages.into_iter().map(Received::Message).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, step in 1..50_usize) {
            let _ = read(&bytes, step, 64);
        }
    }
}
