//! Server-sent events, as far as one who passes them on has to know them.

/// Where a stream of events stands: how many are complete, and whether one is under way.
///
/// Lines end with LF or CR LF. Takes its bytes in any pieces, and keeps none of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    complete: u64,
    /// Bytes of the line under way, CR included, up to 2.
    line: u8,
    /// Whether the line under way is a CR alone so far.
    carriage: bool,
    /// Whether a line of the event under way is complete.
    begun: bool,
}

impl Events {
    /// Notes the next bytes.
    pub(crate) fn note(&mut self, data: &[u8]) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', data) {
            self.extend(&data[start..end]);
            start = end + 1;
            let blank = self.line == 0 || self.carriage;
            self.complete += u64::from(blank && self.begun);
            self.begun = !blank;
            (self.line, self.carriage) = (0, false);
        }
        self.extend(&data[start..]);
    }

    /// Events whose blank line has come.
    pub(crate) fn complete(&self) -> u64 {
        self.complete
    }

    /// What ends the line and the event under way, so that another event can follow.
    pub(crate) fn ending(&self) -> &'static str {
        match (self.line, self.carriage) {
            (0, _) if self.begun => "\n",
            (0, _) => "",
            // Half the end of a blank line.
            (_, true) => "\n",
            (_, false) => "\n\n",
        }
    }

    fn extend(&mut self, part: &[u8]) {
        if part.is_empty() {
            return;
        }
        self.carriage = self.line == 0 && part == b"\r";
        self.line = u8::try_from(part.len()).unwrap_or(2).saturating_add(self.line).min(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(pieces: &[&str]) -> (u64, &'static str) {
        let mut events = Events::default();
        pieces.iter().for_each(|piece| events.note(piece.as_bytes()));
        (events.complete(), events.ending())
    }

    #[test]
    fn events_are_counted_by_their_blank_lines() {
        assert_eq!(noted(&[]), (0, ""));
        assert_eq!(noted(&["data: 1\n\ndata: 2\n\n"]), (2, ""));
        assert_eq!(noted(&["event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n"]), (2, ""));
        assert_eq!(noted(&["\n\n\ndata: 1\n\n\n\n"]), (1, ""));
        assert_eq!(noted(&["data: 1\n"]), (0, "\n"));
        assert_eq!(noted(&["data: 1\n\ndata"]), (1, "\n\n"));
        assert_eq!(noted(&["data: 1\n\r"]), (0, "\n"));
        assert_eq!(noted(&["data: 1\n\n\r"]), (1, "\n"));
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
