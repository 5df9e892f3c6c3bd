//! Chat requests: a prefix that a group shares, a suffix of their own, and a mark that tells the engine what to answer.

use std::fmt::Write as _;
use std::io::Write as _;

/// Groups of prompts with a common prefix.
pub(crate) const GROUPS: usize = 32;
/// A group that is none of those: its requests are not counted.
pub(crate) const NO_GROUP: usize = 99;
/// The model that all ask for.
pub(crate) const MODEL: &str = "tiny";

/// What the engine is told in the prompt's last bytes: it survives a gateway that writes the body anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Which prefix.
    pub(crate) group: usize,
    /// Which request.
    pub(crate) id: u64,
    /// Events with text to stream; 0 asks for one JSON object.
    pub(crate) chunks: u32,
    /// Milliseconds between them.
    pub(crate) delay: u32,
}

const FENCE: &[u8] = b"@@";
/// The mark's length, without the fences.
const MARK: usize = 2 + 1 + 12 + 1 + 5 + 1 + 4;

impl Mark {
    fn write(self, into: &mut Vec<u8>) {
        let Self { group, id, chunks, delay } = self;
        let id = id % 1_000_000_000_000;
        write!(into, "@@{group:02};{id:012};{chunks:05};{delay:04}@@").expect("memory takes all");
    }

    /// The mark nearest to the end.
    pub(crate) fn find(tail: &[u8]) -> Option<Self> {
        let end = memchr::memmem::rfind(tail, FENCE)?;
        let text = std::str::from_utf8(tail.get(end.checked_sub(MARK)?..end)?).ok()?;
        let mut parts = text.split(';');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let (group, id, chunks, delay) = (number()?, number()?, number()?, number()?);
        let small = |number| u32::try_from(number).ok();
        Some(Self { group: usize::try_from(group).ok()?, id, chunks: small(chunks)?, delay: small(delay)? })
    }
}

/// Bodies of one length, in two pieces: what a group shares, the message's head included, and what is a request's own.
#[derive(Clone, Debug)]
pub(crate) struct Bodies {
    shared: Vec<Vec<u8>>,
    filler: Vec<u8>,
    own: usize,
    end: Vec<u8>,
    /// Suffixes that are told apart: then they come again.
    prompts: u64,
}

impl Bodies {
    /// Bodies of `bytes`, of which three quarters are shared, for answers of so many chunks.
    pub(crate) fn new(bytes: usize, chunks: u32) -> Self {
        Self::of((0..GROUPS).chain([NO_GROUP]), bytes, chunks)
    }

    /// The same for [`NO_GROUP`] alone.
    pub(crate) fn of_no_group(bytes: usize) -> Self {
        Self::of([NO_GROUP], bytes, 0)
    }

    fn of(groups: impl IntoIterator<Item = usize>, bytes: usize, chunks: u32) -> Self {
        let stream = if chunks > 0 { r#""stream":true,"stream_options":{"include_usage":true},"# } else { "" };
        let end = format!("\"}}],{stream}\"temperature\":0.7,\"max_tokens\":{}}}", chunks.max(1)).into_bytes();
        let marked = MARK + 2 * FENCE.len();
        let share = |group: usize| {
            let mut body = format!(r#"{{"model":"{MODEL}","messages":[{{"role":"system","content":""#);
            let _ = write!(body, "Group {group:02} at your service. ");
            let middle = r#""},{"role":"user","content":""#;
            let length = (bytes * 3 / 4).max(body.len() + middle.len());
            let text = words(1 + group as u64, length - body.len() - middle.len());
            body + &text + middle
        };
        let shared: Vec<_> = groups.into_iter().map(share).collect();
        let own = bytes.saturating_sub(shared[0].len() + marked + end.len()).max(16);
        let length = shared[0].len() + own + marked + end.len();
        let head = |body: String| {
            let head = format!(
                "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nuser-agent: phalanx-benches\r\n\
                 accept: application/json\r\nauthorization: Bearer none\r\ncontent-type: application/json\r\n\
                 content-length: {length}\r\n\r\n"
            );
            (head + &body).into_bytes()
        };
        let filler = words(0, 2 * own + 16).into_bytes();
        Self { shared: shared.into_iter().map(head).collect(), filler, own, end, prompts: u64::MAX }
    }

    /// With so many suffixes, that come again and again.
    pub(crate) fn with_prompts(mut self, prompts: u64) -> Self {
        self.prompts = prompts.max(1);
        self
    }

    /// The bytes that all requests of a group start with.
    pub(crate) fn shared(&self, group: usize) -> &[u8] {
        // What is no group's stands last.
        &self.shared[group.min(self.shared.len() - 1)]
    }

    /// Writes the rest of a request: its prompt's number first, so that no block or branch of it is another's.
    pub(crate) fn write_own(&self, mark: Mark, into: &mut Vec<u8>) {
        into.clear();
        let number = mark.id % self.prompts;
        write!(into, "{number:015} ").expect("memory takes all");
        let left = self.own - 16;
        // Another place each time; the text there has no escape that could be cut in two.
        let from = (number as usize).wrapping_mul(7_919) % (self.own.max(1));
        into.extend(self.filler[from..from + left].iter().map(|&byte| if byte == b'\\' { b' ' } else { byte }));
        mark.write(into);
        into.extend_from_slice(&self.end);
    }
}

/// So many bytes of made-up words, as JSON has them between quotes: with a line break (escaped) each dozen words.
fn words(seed: u64, bytes: usize) -> String {
    let mut random = Random::new(seed);
    let mut text = String::with_capacity(bytes + 16);
    let mut count = 0;
    while text.len() < bytes {
        for _ in 0..2 + random.below(7) {
            text.push(char::from(b'a' + u8::try_from(random.below(26)).expect("a letter")));
        }
        count += 1;
        text.push_str(if count % 12 == 0 { ".\\n" } else { " " });
    }
    text.truncate(bytes);
    // Never half an escape.
    if text.ends_with('\\') {
        text.pop();
        text.push(' ');
    }
    text
}

/// A small generator (splitmix64): the same load each time.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Between arrivals at this rate a second.
    pub(crate) fn gap(&mut self, rate: f64) -> f64 {
        let uniform = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        -(1.0 - uniform).ln() / rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json_of_the_length_it_says_and_ends_with_its_mark() {
        for (bytes, chunks) in [(4_500, 0), (50_000, 100), (10, 1)] {
            let bodies = Bodies::new(bytes, chunks);
            for group in [0, 31, NO_GROUP] {
                let mark = Mark { group, id: 123_456_789_012, chunks, delay: 10 };
                let mut own = Vec::new();
                bodies.write_own(mark, &mut own);
                let request = [bodies.shared(group), &own].concat();
                let head = memchr::memmem::find(&request, b"\r\n\r\n").unwrap() + 4;
                let body = &request[head..];
                let said = format!("content-length: {}\r\n", body.len());
                assert!(memchr::memmem::find(&request[..head], said.as_bytes()).is_some());
                assert!(bytes < 100 || body.len() == bytes, "{}", body.len());
                let json: serde_json::Value = serde_json::from_slice(body).unwrap();
                assert_eq!(json["messages"].as_array().unwrap().len(), 2);
                assert_eq!(json["stream"].as_bool().unwrap_or_default(), chunks > 0);
                assert_eq!(Mark::find(&body[body.len().saturating_sub(512)..]), Some(mark));
            }
        }
    }
}
