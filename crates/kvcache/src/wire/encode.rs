//! Batches as vLLM 0.32 publishes them.

use rmp::encode::{self, ByteBuf, RmpWrite};

use super::{Event, Extra, ExtraKey, Stored, Tokens, medium};
use crate::{BlockHash, Layer};

/// Writes a batch behind what `out` holds: an array of three, with events as maps, as vLLM 0.32 does. Block hashes are
/// integers, and each block of a stored event has an entry in `extra_keys`.
///
/// ```
/// use phalanx_kvcache::BlockHash;
/// use phalanx_kvcache::wire::{Event, EventBatch, Stored, Tokens, encode};
///
/// let stored = Event::Stored(Stored::new(&[BlockHash(1)], Tokens::Ids(&[5, 6]), 2));
/// let mut payload = Vec::new();
/// encode(0.5, None, &[stored], &mut payload);
///
/// let mut batch = EventBatch::new();
/// batch.read(&payload)?;
/// assert_eq!(batch.events().next(), Some(stored));
/// # Ok::<(), phalanx_kvcache::wire::WireError>(())
/// ```
pub fn encode(timestamp: f64, rank: Option<u32>, events: &[Event<'_>], out: &mut Vec<u8>) {
    let mut writer = Writer { bytes: ByteBuf::from_vec(core::mem::take(out)) };
    writer.array(3);
    writer.done(|bytes| encode::write_f64(bytes, timestamp));
    writer.array(events.len());
    events.iter().for_each(|event| writer.event(event));
    writer.optional(rank.map(u64::from));
    *out = writer.bytes.into_vec();
}

struct Writer {
    bytes: ByteBuf,
}

impl Writer {
    /// Memory takes every byte: an error could only be of a sink that fails.
    fn done<T, E>(&mut self, write: impl FnOnce(&mut ByteBuf) -> Result<T, E>) {
        let _ = write(&mut self.bytes);
    }

    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Stored(stored) => self.stored(stored),
            Event::Removed { layer, names } => {
                let (_, locality) = medium::names(layer.tier);
                self.map(4 + usize::from(locality.is_some()));
                self.field("type").text("BlockRemoved");
                self.field("block_hashes").hashes(names);
                self.layer(*layer);
                self.locality(*layer);
            }
            Event::Cleared => {
                self.map(1);
                self.field("type").text("AllBlocksCleared");
            }
        }
    }

    fn stored(&mut self, stored: &Stored<'_>) {
        let (medium, locality) = medium::names(stored.layer.tier);
        let texts = [
            ("cache_salt", stored.cache_salt),
            ("kv_cache_spec_kind", stored.kind.map(|kind| kind.name())),
            ("locality", locality),
            ("ownership", stored.ownership),
            ("session_id", stored.session_id),
        ];
        let told = texts.iter().filter(|(_, text)| text.is_some()).count();
        self.map(10 + told + usize::from(stored.sliding_window.is_some()));
        self.field("type").text("BlockStored");
        self.field("block_hashes").hashes(stored.names);
        self.field("parent_block_hash").optional(stored.parent.map(BlockHash::get));
        self.field("token_ids").tokens(stored.tokens);
        self.field("block_size").number(u64::from(stored.block_size));
        self.field("lora_id").optional(stored.lora_id);
        self.field("medium").text(medium);
        self.field("lora_name");
        match stored.lora_name {
            Some(name) => self.text(name),
            None => self.nil(),
        }
        self.field("extra_keys").extras(stored.names.len(), stored.extras);
        self.field("group_idx").number(u64::from(stored.layer.group));
        for (name, text) in texts {
            if let Some(text) = text {
                self.field(name).text(text);
            }
            if let ("kv_cache_spec_kind", Some(window)) = (name, stored.sliding_window) {
                self.field("kv_cache_spec_sliding_window").number(u64::from(window));
            }
        }
    }

    fn layer(&mut self, layer: Layer) {
        let (medium, _) = medium::names(layer.tier);
        self.field("medium").text(medium);
        self.field("group_idx").number(u64::from(layer.group));
    }

    fn locality(&mut self, layer: Layer) {
        if let (_, Some(locality)) = medium::names(layer.tier) {
            self.field("locality").text(locality);
        }
    }

    fn hashes(&mut self, hashes: &[BlockHash]) {
        self.array(hashes.len());
        hashes.iter().for_each(|hash| self.number(hash.get()));
    }

    fn tokens(&mut self, tokens: Tokens<'_>) {
        self.array(tokens.len());
        match tokens {
            Tokens::Ids(ids) => ids.iter().for_each(|&id| self.number(u64::from(id))),
            Tokens::Bigrams(pairs) => {
                for pair in pairs {
                    self.array(2);
                    pair.iter().for_each(|&id| self.number(u64::from(id)));
                }
            }
        }
    }

    fn extras(&mut self, blocks: usize, mut extras: &[Extra]) {
        self.array(blocks);
        for block in 0..blocks {
            let keys = extras.iter().take_while(|extra| extra.block as usize == block).count();
            let (these, rest) = extras.split_at(keys);
            if keys == 0 {
                self.nil();
            } else {
                self.array(keys);
                these.iter().for_each(|extra| self.key(&extra.key));
            }
            extras = rest;
        }
    }

    fn key(&mut self, key: &ExtraKey) {
        match key {
            ExtraKey::Text(text) => self.text(text),
            ExtraKey::Bytes(bytes) => self.done(|out| encode::write_bin(out, bytes)),
            ExtraKey::Object { identifier, offset } => {
                self.array(2);
                self.text(identifier);
                self.done(|bytes| encode::write_sint(bytes, *offset));
            }
            ExtraKey::Number(number) => self.number(*number),
            ExtraKey::Other(raw) => self.done(|bytes| bytes.write_bytes(raw)),
        }
    }

    fn field(&mut self, name: &str) -> &mut Self {
        self.text(name);
        self
    }

    fn text(&mut self, text: &str) {
        self.done(|bytes| encode::write_str(bytes, text));
    }

    fn number(&mut self, number: u64) {
        self.done(|bytes| encode::write_uint(bytes, number));
    }

    fn nil(&mut self) {
        self.done(encode::write_nil);
    }

    fn optional(&mut self, number: Option<u64>) {
        match number {
            Some(number) => self.number(number),
            None => self.nil(),
        }
    }

    /// Lists of 2^32 values and more do not fit into memory beside what they are made of.
    fn array(&mut self, values: usize) {
        self.done(|bytes| encode::write_array_len(bytes, values as u32));
    }

    fn map(&mut self, pairs: usize) {
        self.done(|bytes| encode::write_map_len(bytes, pairs as u32));
    }
}
