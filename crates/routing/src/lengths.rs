//! How long prompts have been of late.

use crate::line::LONGEST;

/// Lengths in one octave.
const PARTS: usize = 8;
const BINS: usize = PARTS * 24;
/// After so many prompts those before count half.
const FADE: u32 = 4096;

/// Tokens of the prompts of late, by their length: bins grow by a ninth or less.
#[derive(Clone, Debug)]
pub(crate) struct Lengths {
    tokens: Vec<u64>,
    total: u64,
    since: u32,
}

impl Default for Lengths {
    fn default() -> Self {
        Self { tokens: vec![0; BINS], total: 0, since: 0 }
    }
}

fn bin(tokens: u32) -> usize {
    let tokens = tokens.clamp(1, LONGEST);
    let octave = tokens.ilog2();
    let part = ((u64::from(tokens) << 3) >> octave) as usize & (PARTS - 1);
    octave as usize * PARTS + part
}

impl Lengths {
    /// Notes a prompt.
    pub(crate) fn note(&mut self, tokens: u32) {
        self.since += 1;
        if self.since > FADE {
            self.tokens.iter_mut().for_each(|tokens| *tokens /= 2);
            self.total = self.tokens.iter().sum();
            self.since = 1;
        }
        let counted = u64::from(tokens.clamp(1, LONGEST));
        self.tokens[bin(tokens)] += counted;
        self.total += counted;
    }

    /// In which of `parts` with equally many tokens a length is, where shorter prompts are in the earlier ones. The middle
    /// where nothing is known.
    pub(crate) fn part(&self, tokens: u32, parts: usize) -> usize {
        let bin = bin(tokens);
        let below: u64 = self.tokens[..bin].iter().sum();
        let (at, total) = if self.total == 0 { (1, 2) } else { (2 * below + self.tokens[bin], 2 * self.total) };
        let part = u128::from(at) * parts as u128 / u128::from(total);
        (part as usize).min(parts.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_in_order_and_narrow() {
        let mut last = (0, 1);
        for tokens in (1..100_000).chain((100_000..LONGEST).step_by(997)) {
            let at = bin(tokens);
            assert!(at >= last.0 && at < BINS, "{tokens}");
            if at > last.0 {
                assert!(tokens <= 9 || tokens * 8 <= last.1 * 9 + 8000, "{tokens} after {}", last.1);
                last = (at, tokens);
            }
        }
        assert_eq!(bin(u32::MAX), BINS - 1);
    }

    #[test]
    fn parts_have_equally_many_tokens() {
        let mut lengths = Lengths::default();
        assert_eq!(lengths.part(500, 4), 2);
        // As many tokens in short prompts as in long ones.
        for _ in 0..1000 {
            (0..10).for_each(|_| lengths.note(100));
            lengths.note(1000);
        }
        let parts = [1, 100, 1000, 100_000].map(|tokens| lengths.part(tokens, 3));
        assert_eq!(parts, [0, 0, 2, 2]);
        // What was long ago fades.
        (0..20 * FADE).for_each(|_| lengths.note(100));
        assert_eq!([1, 100, 1000].map(|tokens| lengths.part(tokens, 3)), [0, 1, 2]);
    }
}
