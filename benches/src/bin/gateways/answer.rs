//! What engines answer, byte for byte, and how it is known again.

use std::fmt;
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::message::broken;
use crate::prompt::MODEL;

/// The JSON object for one request.
pub(crate) fn write_json(id: u64, into: &mut Vec<u8>) {
    write!(
        into,
        "{{\"id\":\"chatcmpl-{id:012}\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"{MODEL}\",\
         \"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"{id:012} served\"}},\
         \"logprobs\":null,\"finish_reason\":\"stop\"}}],\"usage\":{{\"prompt_tokens\":1000,\"completion_tokens\":2,\
         \"total_tokens\":1002}}}}"
    )
    .expect("memory takes all");
}

/// Whether a JSON object is the answer to this request: the bytes that were sent, or others that say the same.
pub(crate) fn check_json(id: u64, body: &[u8], scratch: &mut Vec<u8>) -> io::Result<()> {
    scratch.clear();
    write_json(id, scratch);
    if body == scratch.as_slice() {
        return Ok(());
    }
    let json: Value = serde_json::from_slice(body)?;
    let choice = &json["choices"][0];
    let said = choice["message"]["content"] == format!("{id:012} served").as_str();
    if said && choice["finish_reason"] == "stop" && json["usage"]["completion_tokens"] == 2 {
        return Ok(());
    }
    Err(broken(format!("not the answer to {id}: {}", String::from_utf8_lossy(body))))
}

/// An event with text, framed as a chunk of the body: the same but for the place and the engine's clock.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    bytes: Vec<u8>,
    at: usize,
}

impl Event {
    pub(crate) fn new(id: u64) -> Self {
        let before = format!(
            "data: {{\"id\":\"chatcmpl-{id:012}\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\
             \"model\":\"{MODEL}\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\""
        );
        let after = " \"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
        let length = before.len() + 5 + 1 + 19 + after.len();
        let mut bytes = format!("{length:x}\r\n{before}").into_bytes();
        let at = bytes.len();
        bytes.extend_from_slice(b"00000 0000000000000000000");
        bytes.extend_from_slice(after.as_bytes());
        bytes.extend_from_slice(b"\r\n");
        Self { bytes, at }
    }

    /// The event at this place of its stream, at this time in nanoseconds.
    pub(crate) fn at(&mut self, place: u32, clock: u64) -> &[u8] {
        digits(&mut self.bytes[self.at..self.at + 5], u64::from(place));
        digits(&mut self.bytes[self.at + 6..self.at + 25], clock);
        &self.bytes
    }
}

/// The end of a stream: why it ended, what it used, and the chunk without bytes.
pub(crate) fn write_end(id: u64, chunks: u32, into: &mut Vec<u8>) {
    let head = format!(
        "data: {{\"id\":\"chatcmpl-{id:012}\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\
         \"model\":\"{MODEL}\",\"choices\":["
    );
    let events = format!(
        "{head}{{\"index\":0,\"delta\":{{}},\"logprobs\":null,\"finish_reason\":\"stop\"}}]}}\n\n\
         {head}],\"usage\":{{\"prompt_tokens\":1000,\"completion_tokens\":{chunks},\"total_tokens\":{}}}}}\n\n\
         data: [DONE]\n\n",
        1_000 + chunks
    );
    write!(into, "{:x}\r\n{events}\r\n0\r\n\r\n", events.len()).expect("memory takes all");
}

/// Checks a stream's events as they come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    /// An event that has begun.
    pending: Vec<u8>,
    /// Events with text so far.
    pub(crate) chunks: u32,
    finished: bool,
    used: bool,
    done: bool,
    /// What each event with text has to have, where it is looked for.
    id: Option<String>,
}

/// A chunk came twice, too early or never, or in another stream than its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Astray(String);

impl Astray {
    /// Whether this is what an error says.
    pub(crate) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }

    fn told(what: &str, event: &[u8]) -> io::Error {
        let told = format!("{what}: {}", String::from_utf8_lossy(event));
        io::Error::new(io::ErrorKind::InvalidData, Self(told))
    }
}

impl fmt::Display for Astray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Astray {}

impl Stream {
    pub(crate) fn clear(&mut self) {
        self.pending.clear();
        (self.chunks, self.finished, self.used, self.done) = (0, false, false, false);
        self.id = None;
    }

    /// From here on events have to be of this request, too: who writes them anew may give them another id.
    pub(crate) fn expect(&mut self, id: u64) {
        self.id = Some(format!("\"chatcmpl-{id:012}\""));
    }

    /// Reads a piece of the body; `seen` is told the engine's clock of each event with text.
    pub(crate) fn feed(&mut self, mut piece: &[u8], seen: &mut impl FnMut(u64)) -> io::Result<()> {
        if !self.pending.is_empty() {
            let before = self.pending.len();
            self.pending.extend_from_slice(piece);
            let from = before.saturating_sub(1);
            let Some(end) = memchr::memmem::find(&self.pending[from..], b"\n\n").map(|at| from + at) else {
                return Ok(());
            };
            let pending = std::mem::take(&mut self.pending);
            self.event(&pending[..end], seen)?;
            piece = &piece[end + 2 - before..];
        }
        while let Some(end) = memchr::memmem::find(piece, b"\n\n") {
            self.event(&piece[..end], seen)?;
            piece = &piece[end + 2..];
        }
        self.pending.extend_from_slice(piece);
        Ok(())
    }

    fn event(&mut self, event: &[u8], seen: &mut impl FnMut(u64)) -> io::Result<()> {
        const TEXT: &[u8] = b"\"content\":\"";
        let fault = |what: &str| Err(broken(format!("{what}: {}", String::from_utf8_lossy(event))));
        if self.done || !event.starts_with(b"data: ") {
            return fault("an event that should not be there");
        }
        let text = memchr::memmem::find(event, TEXT).map(|at| &event[at + TEXT.len()..]);
        // Some send an event with the role and an empty text first.
        if let Some(text) = text.filter(|text| text.first() != Some(&b'"')) {
            let (place, clock) = (text.get(..5).and_then(number), text.get(6..25).and_then(number));
            let (Some(place), Some(clock)) = (place, clock) else { return fault("a text that no engine sent") };
            if place != u64::from(self.chunks) || self.finished {
                return Err(Astray::told(&format!("out of order, {} expected", self.chunks), event));
            }
            if let Some(id) = self.id.as_ref().filter(|id| memchr::memmem::find(event, id.as_bytes()).is_none()) {
                return Err(Astray::told(&format!("of another stream than {id}"), event));
            }
            self.chunks += 1;
            seen(clock);
        } else if memchr::memmem::find(event, b"\"finish_reason\":\"stop\"").is_some() {
            self.finished = true;
        } else if memchr::memmem::find(event, b"\"completion_tokens\":").is_some() {
            let json: Value = serde_json::from_slice(&event[6..])?;
            self.used = json["usage"]["completion_tokens"] == self.chunks;
        } else if event == b"data: [DONE]" {
            self.done = true;
        }
        Ok(())
    }

    /// Whether all has come.
    pub(crate) fn end(&self, chunks: u32) -> io::Result<()> {
        let whole = self.chunks == chunks && self.finished && self.used && self.done && self.pending.is_empty();
        let told = || format!("a stream ended short of {chunks} chunks: {self:?}");
        match whole {
            true => Ok(()),
            // It is well by its own account.
            false if self.done && self.chunks != chunks => Err(Astray::told(&told(), &[])),
            false => Err(broken(told())),
        }
    }
}

/// Nanoseconds since 1970: the clock that engines and load share.
pub(crate) fn clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn digits(into: &mut [u8], mut number: u64) {
    for digit in into.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, digit| {
        digit.is_ascii_digit().then(|| number.wrapping_mul(10) + u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(chunks: u32) -> Vec<u8> {
        let mut event = Event::new(7);
        let mut bytes: Vec<u8> =
            (0..chunks).flat_map(|place| event.at(place, 1_000 + u64::from(place)).to_vec()).collect();
        write_end(7, chunks, &mut bytes);
        bytes
    }

    /// The data of well-formed chunks.
    fn unframed(mut bytes: &[u8]) -> Vec<u8> {
        let mut data = Vec::new();
        while let Some(line) = memchr::memmem::find(bytes, b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
            data.extend_from_slice(&bytes[line + 2..line + 2 + size]);
            bytes = &bytes[line + 2 + size + 2..];
        }
        data
    }

    #[test]
    fn a_stream_is_whole_however_it_is_cut_and_short_when_an_event_is_missing() {
        let data = unframed(&sent(3));
        for step in [1, 2, 3, 7, 100, data.len()] {
            let (mut stream, mut clocks) = (Stream::default(), Vec::new());
            for piece in data.chunks(step) {
                stream.feed(piece, &mut |clock| clocks.push(clock)).unwrap();
            }
            stream.end(3).unwrap();
            assert_eq!(clocks, [1_000, 1_001, 1_002]);
        }
        let events: Vec<_> = std::str::from_utf8(&data).unwrap().split_inclusive("\n\n").collect();
        for missing in 0..events.len() {
            let mut stream = Stream::default();
            let left: String =
                events.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, event)| *event).collect();
            let fed = stream.feed(left.as_bytes(), &mut |_| {});
            assert!(fed.is_err() || stream.end(3).is_err(), "{missing}");
        }
    }

    #[test]
    fn chunks_that_go_astray_are_told_apart_from_streams_that_break() {
        let data = unframed(&sent(3));
        let events: Vec<_> = data.split_inclusive(|&byte| byte == b'\n').filter(|line| line.len() > 1).collect();
        let fed = |order: &[usize], id| {
            let mut stream = Stream::default();
            stream.expect(id);
            for &at in order {
                stream.feed(&[events[at], b"\n"].concat(), &mut |_| {})?;
            }
            stream.end(3)
        };
        fed(&[0, 1, 2, 3, 4, 5], 7).unwrap();
        for (order, id) in
            [(&[0, 1, 1][..], 7), (&[0, 2], 7), (&[0, 1, 3, 4, 5], 7), (&[0, 1, 2, 3, 4, 5], 8), (&[1], 7)]
        {
            assert!(Astray::is(&fed(order, id).unwrap_err()), "{order:?}");
        }
        assert!(!Astray::is(&fed(&[0, 1], 7).unwrap_err()), "it broke off");
    }

    #[test]
    fn an_answer_is_known_again_also_when_it_was_written_anew() {
        let (mut body, mut scratch) = (Vec::new(), Vec::new());
        write_json(5, &mut body);
        check_json(5, &body, &mut scratch).unwrap();
        let anew = serde_json::to_vec_pretty(&serde_json::from_slice::<Value>(&body).unwrap()).unwrap();
        check_json(5, &anew, &mut scratch).unwrap();
        assert!(check_json(6, &body, &mut scratch).is_err());
    }
}
