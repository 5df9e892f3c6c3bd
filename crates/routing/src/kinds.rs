//! Endpoints of a kind, as bits: those with a label, and those with the same longest context.

use crate::endpoint::Endpoint;
use crate::label::Labels;
use crate::pool::bits;

/// So many different contexts have bits of their own; endpoints with further ones are looked at one by one.
const MOST_CONTEXTS: usize = 64;

/// A bit for each slot, by kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kinds {
    /// By label.
    labels: Vec<Vec<u64>>,
    /// By the most tokens, ascending, for those that have such a limit. None is empty.
    contexts: Vec<(u32, Vec<u64>)>,
    /// Those with a limit that is not among the contexts, and how many they are.
    others: Vec<u64>,
    other_count: u32,
}

impl Kinds {
    pub(crate) fn join(&mut self, at: usize, endpoint: &Endpoint) {
        for label in bits(&[endpoint.labels().bits()]) {
            if self.labels.len() <= label {
                self.labels.resize(label + 1, Vec::new());
            }
            set(&mut self.labels[label], at);
        }
        let Some(most) = endpoint.context_tokens() else { return };
        match self.contexts.binary_search_by_key(&most, |of| of.0) {
            Ok(place) => set(&mut self.contexts[place].1, at),
            Err(place) if self.contexts.len() < MOST_CONTEXTS => {
                let mut slots = Vec::new();
                set(&mut slots, at);
                self.contexts.insert(place, (most, slots));
            }
            Err(_) => {
                set(&mut self.others, at);
                self.other_count += 1;
            }
        }
    }

    /// Takes out what joined as `endpoint`.
    pub(crate) fn leave(&mut self, at: usize, endpoint: &Endpoint) {
        for label in bits(&[endpoint.labels().bits()]) {
            if let Some(slots) = self.labels.get_mut(label) {
                clear(slots, at);
            }
        }
        let Some(most) = endpoint.context_tokens() else { return };
        if clear(&mut self.others, at) {
            self.other_count -= 1;
        } else if let Ok(place) = self.contexts.binary_search_by_key(&most, |of| of.0) {
            clear(&mut self.contexts[place].1, at);
            if self.contexts[place].1.iter().all(|word| *word == 0) {
                self.contexts.remove(place);
            }
        }
    }

    /// Whether every endpoint takes so many tokens.
    pub(crate) fn take_all(&self, tokens: u32) -> bool {
        self.other_count == 0 && self.contexts.first().is_none_or(|(most, _)| tokens <= *most)
    }

    /// Leaves those that have all labels and take so many tokens; `takes` tells that of one.
    pub(crate) fn keep(&self, labels: Labels, tokens: u32, takes: impl Fn(usize) -> bool, slots: &mut [u64]) {
        for label in bits(&[labels.bits()]) {
            and(slots, self.labels.get(label).map_or(&[][..], Vec::as_slice));
        }
        for (_, short) in self.contexts.iter().take_while(|(most, _)| *most < tokens) {
            and_not(slots, short);
        }
        if self.other_count > 0 {
            for at in bits(&self.others).filter(|at| !takes(*at)) {
                clear(slots, at);
            }
        }
    }
}

/// Leaves the bits that are set in `words` too.
pub(crate) fn and(slots: &mut [u64], words: &[u64]) {
    let (both, beyond) = slots.split_at_mut(words.len().min(slots.len()));
    both.iter_mut().zip(words).for_each(|(slot, word)| *slot &= word);
    beyond.fill(0);
}

/// Leaves the bits that are not set in `words`.
pub(crate) fn and_not(slots: &mut [u64], words: &[u64]) {
    slots.iter_mut().zip(words).for_each(|(slot, word)| *slot &= !word);
}

/// Sets a bit, where there may be no room for it yet.
pub(crate) fn set(words: &mut Vec<u64>, at: usize) {
    if words.len() <= at / 64 {
        words.resize(at / 64 + 1, 0);
    }
    words[at / 64] |= 1 << (at % 64);
}

/// Clears a bit; says whether it was set.
pub(crate) fn clear(words: &mut [u64], at: usize) -> bool {
    let Some(word) = words.get_mut(at / 64) else { return false };
    let was = *word >> (at % 64) & 1 == 1;
    *word &= !(1 << (at % 64));
    was
}

/// Whether a bit is set.
pub(crate) fn has(words: &[u64], at: usize) -> bool {
    words.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
}
