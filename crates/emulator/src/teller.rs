//! Tells the fleet what the engine's cache holds: its events as vLLM writes them, with the tokens of each block.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use phalanx_kvcache::wire::{Event, Stored, Tokens, encode};
use phalanx_kvcache::{BlockHash, BlockSize, CacheEvent, Layer};
use phalanx_signals::Publisher;

/// Publishes a batch each time that something changed.
#[derive(Debug)]
pub(crate) struct Teller {
    publisher: Publisher,
    size: BlockSize,
    known: BTreeMap<BlockHash, Known>,
    /// What happened since the last batch, with the tokens and the adapter of what was stored.
    news: Vec<(CacheEvent, Vec<u32>, Option<Arc<str>>)>,
    /// Blocks of requests that ended since then.
    ended: Vec<Vec<BlockHash>>,
}

/// A block that the cache holds, or that a request may bring there.
#[derive(Debug)]
struct Known {
    tokens: Box<[u32]>,
    adapter: Option<Arc<str>>,
    requests: u32,
    held: bool,
}

impl Teller {
    pub(crate) fn new(publisher: Publisher, size: BlockSize) -> Self {
        Self { publisher, size, known: BTreeMap::new(), news: Vec::new(), ended: Vec::new() }
    }

    /// A request with this prompt begins.
    pub(crate) fn begin(&mut self, blocks: &[BlockHash], prompt: &[u32], adapter: Option<&str>) {
        let adapter: Option<Arc<str>> = adapter.map(Arc::from);
        for (block, tokens) in blocks.iter().zip(prompt.chunks(self.size.tokens() as usize)) {
            let fresh = || Known { tokens: tokens.into(), adapter: adapter.clone(), requests: 0, held: false };
            self.known.entry(*block).or_insert_with(fresh).requests += 1;
        }
    }

    /// A request with these blocks ended; what it stored may still be told.
    pub(crate) fn end(&mut self, blocks: Vec<BlockHash>) {
        self.ended.push(blocks);
    }

    pub(crate) fn note(&mut self, event: CacheEvent) {
        let (mut tokens, mut adapter) = (Vec::new(), None);
        match &event {
            CacheEvent::Stored { blocks, .. } => {
                for block in blocks {
                    if let Some(known) = self.known.get_mut(block) {
                        known.held = true;
                        tokens.extend_from_slice(&known.tokens);
                        adapter.clone_from(&known.adapter);
                    }
                }
            }
            CacheEvent::Removed { blocks } => {
                blocks.iter().for_each(|block| self.update(*block, |known| known.held = false))
            }
            CacheEvent::Cleared => self.known.retain(|_, known| {
                known.held = false;
                known.requests > 0
            }),
        }
        self.news.push((event, tokens, adapter));
    }

    /// Publishes what was noted, if there is any.
    pub(crate) fn publish(&mut self) {
        for block in core::mem::take(&mut self.ended).into_iter().flatten() {
            self.update(block, |known| known.requests -= 1);
        }
        if self.news.is_empty() {
            return;
        }
        let size = self.size.tokens();
        let events: Vec<Event<'_>> = self.news.iter().map(|news| told(news, size)).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let mut payload = Vec::new();
        encode(now, Some(0), &events, &mut payload);
        self.publisher.publish(payload);
        self.news.clear();
    }

    /// Changes what is known of a block, and forgets one that nobody needs any more.
    fn update(&mut self, block: BlockHash, change: impl FnOnce(&mut Known)) {
        if let Some(known) = self.known.get_mut(&block) {
            change(known);
            if known.requests == 0 && !known.held {
                self.known.remove(&block);
            }
        }
    }
}

fn told((event, tokens, adapter): &(CacheEvent, Vec<u32>, Option<Arc<str>>), size: u32) -> Event<'_> {
    match event {
        CacheEvent::Stored { parent, blocks } => {
            let mut stored = Stored::new(blocks, Tokens::Ids(tokens), size);
            (stored.parent, stored.lora_name) = (*parent, adapter.as_deref());
            Event::Stored(stored)
        }
        CacheEvent::Removed { blocks } => Event::Removed { layer: Layer::MAIN, names: blocks },
        CacheEvent::Cleared => Event::Cleared,
    }
}
