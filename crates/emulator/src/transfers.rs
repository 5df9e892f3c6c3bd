//! KV that this engine has computed for others, until they fetch it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// What an engine asks another one for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Fetch {
    /// What the KV has to be of.
    prompt: u64,
    #[serde(flatten)]
    from: Source,
}

/// Where the KV lies.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Source {
    Blocks { engine_id: String, block_ids: Vec<u64> },
    Room { room: u64 },
}

/// Why KV does not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Missed {
    #[error("engine {0} is not this one")]
    Engine(String),
    #[error("there are no such blocks; they may have been fetched before")]
    Blocks,
    #[error("the KV there is of another prompt")]
    Prompt,
    #[error("nobody came to room {0} in time")]
    Room(u64),
    #[error("the prefill leg of room {0} ended early")]
    Left(u64),
    #[error("room {0} is taken")]
    Taken(u64),
}

/// What is held, and who waits for it.
#[derive(Debug)]
pub(crate) struct Transfers {
    engine_id: String,
    limit: Duration,
    held: Mutex<Held>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Held {
    next_block: u64,
    /// By the first block.
    kept: BTreeMap<u64, Kept>,
    rooms: BTreeMap<u64, Meeting>,
}

#[derive(Debug)]
struct Kept {
    blocks: Vec<u64>,
    prompt: u64,
    until: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Meeting {
    prompt: u64,
    is_computed: bool,
    is_fetched: bool,
}

/// A room that is open as long as this is there.
#[derive(Debug)]
pub(crate) struct Room {
    number: u64,
    transfers: Arc<Transfers>,
}

impl Fetch {
    pub(crate) fn new(prompt: u64, from: Source) -> Self {
        Self { prompt, from }
    }
}

impl Transfers {
    /// Of the engine with this name, which another one that is started there later does not have; whoever waits, waits so long.
    pub(crate) fn new(name: &str, limit: Duration) -> Self {
        let engine_id = format!("{name}-{:016x}", RandomState::new().hash_one(name));
        Self { engine_id, limit, held: Mutex::default(), changed: Notify::new() }
    }

    pub(crate) fn engine_id(&self) -> &str {
        &self.engine_id
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Keeps the KV of a prompt in so many blocks, which get numbers.
    pub(crate) fn keep(&self, prompt: u64, blocks: u64) -> Vec<u64> {
        let (now, mut held) = (Instant::now(), self.lock());
        held.kept.retain(|_, kept| kept.until > now);
        let first = held.next_block;
        held.next_block += blocks.max(1);
        let blocks: Vec<u64> = (first..held.next_block).collect();
        held.kept.insert(first, Kept { blocks: blocks.clone(), prompt, until: now + self.limit });
        blocks
    }

    /// How many prompts' KV is held.
    pub(crate) fn count(&self) -> usize {
        let (now, held) = (Instant::now(), self.lock());
        held.kept.values().filter(|kept| kept.until > now).count() + held.rooms.len()
    }

    /// Opens the room of a prefill leg.
    pub(crate) fn open(self: &Arc<Self>, number: u64, prompt: u64) -> Result<Room, Missed> {
        let mut held = self.lock();
        if held.rooms.contains_key(&number) {
            return Err(Missed::Taken(number));
        }
        held.rooms.insert(number, Meeting { prompt, is_computed: false, is_fetched: false });
        drop(held);
        self.changed.notify_waiters();
        Ok(Room { number, transfers: Arc::clone(self) })
    }

    /// Gives KV away, once it is there.
    pub(crate) async fn give(&self, fetch: &Fetch) -> Result<(), Missed> {
        match &fetch.from {
            Source::Blocks { engine_id, block_ids } => self.give_blocks(engine_id, block_ids, fetch.prompt),
            Source::Room { room } => self.give_in(*room, fetch.prompt).await,
        }
    }

    fn give_blocks(&self, engine_id: &str, block_ids: &[u64], prompt: u64) -> Result<(), Missed> {
        if engine_id != self.engine_id {
            return Err(Missed::Engine(engine_id.to_owned()));
        }
        let (now, mut held) = (Instant::now(), self.lock());
        let first = block_ids.first().ok_or(Missed::Blocks)?;
        match held.kept.get(first) {
            Some(kept) if kept.blocks == block_ids && kept.until > now => {
                let is_it = kept.prompt == prompt;
                held.kept.remove(first);
                is_it.then_some(()).ok_or(Missed::Prompt)
            }
            _ => Err(Missed::Blocks),
        }
    }

    async fn give_in(&self, room: u64, prompt: u64) -> Result<(), Missed> {
        let mut was_there = false;
        let given = self.until(|held| match held.rooms.get_mut(&room) {
            Some(meeting) if meeting.prompt != prompt => Some(Err(Missed::Prompt)),
            Some(meeting) if meeting.is_fetched => Some(Err(Missed::Taken(room))),
            Some(meeting) => {
                was_there = true;
                meeting.is_computed.then(|| {
                    meeting.is_fetched = true;
                    Ok(())
                })
            }
            None => was_there.then_some(Err(Missed::Left(room))),
        });
        let given = given.await.unwrap_or(Err(Missed::Room(room)));
        self.changed.notify_waiters();
        given
    }

    /// Waits until something is so; `None` when the time is over.
    async fn until<T>(&self, mut is_so: impl FnMut(&mut Held) -> Option<T>) -> Option<T> {
        let work = async {
            loop {
                // It hears of what happens from here on.
                let changed = self.changed.notified();
                if let Some(found) = is_so(&mut self.lock()) {
                    return found;
                }
                changed.await;
            }
        };
        timeout(self.limit, work).await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // No change is left half done.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// The KV is there: waits until somebody has fetched it.
    pub(crate) async fn hand_over(&self) -> Result<(), Missed> {
        if let Some(meeting) = self.transfers.lock().rooms.get_mut(&self.number) {
            meeting.is_computed = true;
        }
        self.transfers.changed.notify_waiters();
        let fetched = |held: &mut Held| held.rooms.get(&self.number)?.is_fetched.then_some(());
        self.transfers.until(fetched).await.ok_or(Missed::Room(self.number))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.transfers.lock().rooms.remove(&self.number);
        self.transfers.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfers() -> Arc<Transfers> {
        Arc::new(Transfers::new("here", Duration::from_secs(30)))
    }

    fn blocks(engine_id: &str, block_ids: &[u64], prompt: u64) -> Fetch {
        let from = Source::Blocks { engine_id: engine_id.to_owned(), block_ids: block_ids.to_vec() };
        Fetch::new(prompt, from)
    }

    #[tokio::test(start_paused = true)]
    async fn blocks_are_given_once_to_who_knows_them() {
        let transfers = transfers();
        let (id, kept) = (transfers.engine_id().to_owned(), transfers.keep(7, 3));
        assert_eq!((kept.as_slice(), transfers.count()), (&[0, 1, 2][..], 1));
        assert_ne!(Transfers::new("here", Duration::ZERO).engine_id(), id);
        let other = transfers.give(&blocks("other", &kept, 7)).await;
        assert_eq!(other, Err(Missed::Engine("other".to_owned())));
        assert_eq!(transfers.give(&blocks(&id, &kept[..2], 7)).await, Err(Missed::Blocks));
        assert_eq!(transfers.give(&blocks(&id, &[], 7)).await, Err(Missed::Blocks));
        assert_eq!(transfers.give(&blocks(&id, &kept, 7)).await, Ok(()));
        assert_eq!(transfers.give(&blocks(&id, &kept, 7)).await, Err(Missed::Blocks));
        let kept = transfers.keep(8, 1);
        assert_eq!(transfers.give(&blocks(&id, &kept, 7)).await, Err(Missed::Prompt));
        let late = transfers.keep(9, 1);
        tokio::time::advance(Duration::from_secs(31)).await;
        assert_eq!(transfers.give(&blocks(&id, &late, 9)).await, Err(Missed::Blocks));
        assert_eq!(transfers.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn two_legs_meet_in_a_room() {
        let transfers = transfers();
        let fetch = |room, prompt| {
            let transfers = Arc::clone(&transfers);
            async move { transfers.give(&Fetch::new(prompt, Source::Room { room })).await }
        };
        // Whoever comes first waits.
        let (given, handed) = tokio::join!(fetch(1, 7), async {
            tokio::task::yield_now().await;
            let room = transfers.open(1, 7).expect("free");
            assert_eq!(transfers.open(1, 7).err(), Some(Missed::Taken(1)));
            room.hand_over().await
        });
        assert_eq!((given, handed), (Ok(()), Ok(())));
        let room = transfers.open(2, 7).expect("free");
        let (handed, given) = tokio::join!(room.hand_over(), fetch(2, 7));
        assert_eq!((given, handed), (Ok(()), Ok(())));
        drop(room);
        assert_eq!(transfers.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_alone_is_told_so() {
        let transfers = transfers();
        let fetch = |room, prompt| {
            let transfers = Arc::clone(&transfers);
            async move { transfers.give(&Fetch::new(prompt, Source::Room { room })).await }
        };
        assert_eq!(fetch(1, 7).await, Err(Missed::Room(1)));
        let room = transfers.open(1, 7).expect("free");
        assert_eq!(room.hand_over().await, Err(Missed::Room(1)));
        assert_eq!(fetch(1, 8).await, Err(Missed::Prompt));
        drop(room);
        let room = transfers.open(1, 7).expect("free again");
        let (given, ()) = tokio::join!(fetch(1, 7), async { drop(room) });
        assert_eq!(given, Err(Missed::Left(1)));
    }
}
