//! Server-sent events, as far as one who passes them on has to know them.

/// Where a stream of events stands: how many are complete, and whether one is under way.
///
/// Takes its bytes in any pieces, keeps the last three of them, and looks at each but once.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    complete: u64,
    /// The last bytes; before there are any, as after an event.
    tail: [u8; 3],
    has_begun: bool,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self { complete: 0, tail: *b"\n\n\n", has_begun: false }
    }

    /// Notes the next bytes.
    pub(crate) fn note(&mut self, data: &[u8]) {
        let (Some(&first), Some(rest)) = (data.first(), data.get(1..)) else { return };
        // Two in a row end an event: in blocks, so that a count fits in a byte and many are compared at once.
        for (one, next) in data.chunks(255).zip(rest.chunks(255)) {
            let pairs = one.iter().zip(next).map(|(one, next)| u8::from(*one == b'\n') & u8::from(*next == b'\n'));
            self.complete += u64::from(pairs.fold(0_u8, u8::wrapping_add));
        }
        let pair = self.has_begun && self.tail[2] == b'\n' && first == b'\n';
        self.complete += u64::from(pair);
        self.has_begun = true;
        self.tail = match *data {
            [.., a, b, c] => [a, b, c],
            [b, c] => [self.tail[2], b, c],
            [c] => [self.tail[1], self.tail[2], c],
            [] => self.tail,
        };
    }

    /// Events that have ended with an empty line, if lines end with LF alone, as engines write them.
    pub(crate) fn complete(&self) -> u64 {
        self.complete
    }

    /// What ends the line and the event under way, so that another event can follow.
    pub(crate) fn ending(&self) -> &'static str {
        match self.tail {
            [_, b'\n', b'\n'] | [b'\n', b'\r', b'\n'] => "",
            [_, _, b'\n'] | [_, b'\n', b'\r'] => "\n",
            _ => "\n\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(pieces: &[&str]) -> (u64, &'static str) {
        let mut events = Events::new();
        pieces.iter().for_each(|piece| events.note(piece.as_bytes()));
        (events.complete(), events.ending())
    }

    #[test]
    fn events_are_counted_by_their_empty_lines() {
        assert_eq!(noted(&[]), (0, ""));
        assert_eq!(noted(&["\n", "\n"]), (1, ""));
        assert_eq!(noted(&["data: 1\n\ndata: 2\n\n"]), (2, ""));
        assert_eq!(noted(&["event: a\r\ndata: 1\r\n\r\n"]), (0, ""));
        assert_eq!(noted(&["data: 1\n"]), (0, "\n"));
        assert_eq!(noted(&["data: 1\r\n"]), (0, "\n"));
        assert_eq!(noted(&["data: 1\n\ndata"]), (1, "\n\n"));
        assert_eq!(noted(&["data: 1\n\r"]), (0, "\n"));
        let long = format!("data: {}\n\n", "x".repeat(700)).repeat(9);
        assert_eq!(noted(&[&long]), (9, ""));
    }

    #[test]
    fn pieces_do_not_matter() {
        let text = "data: 1\n\n: note\r\n\r\nevent: x\r\ndata: 2\r\n\r\r\n\ndata: 3\n\nda";
        let whole = noted(&[text]);
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(noted(&pieces), whole, "{first} {second}");
            }
        }
    }
}
