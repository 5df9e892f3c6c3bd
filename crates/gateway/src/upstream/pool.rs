//! Connections that wait for their next request.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::link::Link;

/// The most that wait at one address.
const MOST_IDLE: usize = 512;
/// How often those that wait are looked at.
const TURN: Duration = Duration::from_secs(5);
/// So many turns after it was put aside a connection is closed.
const MOST_TURNS: u64 = 12;

#[derive(Debug)]
pub(super) struct Pool {
    /// By address, the last one put aside last.
    idle: Mutex<HashMap<SocketAddr, Vec<Link>>>,
    turn: AtomicU64,
    connect_timeout: Duration,
}

impl Pool {
    pub(super) fn new(connect_timeout: Duration) -> Self {
        Self { idle: Mutex::default(), turn: AtomicU64::new(0), connect_timeout }
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// The connection that was put aside last, so that those too many grow old.
    pub(super) fn take(&self, address: SocketAddr) -> Option<Link> {
        let mut idle = self.lock();
        let links = idle.get_mut(&address)?;
        while let Some(link) = links.pop() {
            if link.is_quiet() {
                return Some(link);
            }
        }
        None
    }

    pub(super) fn put(&self, mut link: Link) {
        link.rests_since = self.turn.load(Ordering::Relaxed);
        let mut idle = self.lock();
        let links = idle.entry(link.address()).or_default();
        if links.len() < MOST_IDLE {
            links.push(link);
        }
    }

    pub(super) async fn sweep(&self) {
        let mut turns = interval(TURN);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) + 1;
            self.lock().retain(|_, links| {
                links.retain(|link| link.rests_since + MOST_TURNS >= turn && link.is_quiet());
                !links.is_empty()
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Vec<Link>>> {
        // A list of connections is whole at any moment.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
