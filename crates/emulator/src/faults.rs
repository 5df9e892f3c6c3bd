//! What an emulated engine does wrong on purpose.

mod admin;
mod bodies;
mod fault;
mod wire;

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use tokio::time::Instant;

pub(crate) use self::admin::{clear, inject, list};
use self::bodies::{Dying, Slowed};
pub use self::fault::{Fault, FaultError, FaultKind};
pub(crate) use self::wire::{Gate, Peer};
use crate::shared::Shared;

/// The largest body that is read for nothing, in bytes.
const MAX_BODY: usize = 64 << 20;

/// The faults of one engine.
#[derive(Debug)]
pub(crate) struct Faults {
    rules: Mutex<Rules>,
    /// Until when no connection is taken.
    down: watch::Sender<Option<Instant>>,
}

#[derive(Debug)]
struct Rules {
    seed: u64,
    /// Requests so far that a fault with a share could have struck.
    draws: u64,
    rules: Vec<Rule>,
}

/// A fault, and how often it struck.
#[derive(Clone, Debug)]
struct Rule {
    fault: Fault,
    hits: u32,
}

impl Faults {
    pub(crate) fn new(seed: u64, faults: &[Fault]) -> Self {
        let rules = Rules { seed, draws: 0, rules: Vec::new() };
        let faulty = Self { rules: Mutex::new(rules), down: watch::Sender::new(None) };
        faults.iter().for_each(|fault| faulty.add(fault.clone()));
        faulty
    }

    pub(crate) fn add(&self, fault: Fault) {
        if let FaultKind::Refuse(time) = fault.kind() {
            self.down.send_replace(Some(Instant::now() + *time));
        } else {
            self.lock().rules.push(Rule { fault, hits: 0 });
        }
    }

    pub(crate) fn clear(&self) {
        self.lock().rules.clear();
        self.down.send_replace(None);
    }

    /// Tells when connections are refused.
    pub(crate) fn down(&self) -> watch::Receiver<Option<Instant>> {
        self.down.subscribe()
    }

    /// How long connections are still refused.
    fn refuses(&self) -> Option<Duration> {
        let left = self.down.borrow().map(|until| until.saturating_duration_since(Instant::now()));
        left.filter(|left| !left.is_zero())
    }

    fn rules(&self) -> Vec<Rule> {
        self.lock().rules.clone()
    }

    /// What goes wrong with a request: by the first fault that strikes.
    fn strike(&self, path: &str) -> Option<FaultKind> {
        let mut rules = self.lock();
        let Rules { seed, draws, rules } = &mut *rules;
        for rule in rules.iter_mut().filter(|rule| path.starts_with(rule.fault.path())) {
            if rule.fault.count().is_some_and(|count| rule.hits >= count) {
                continue;
            }
            if rule.fault.permille() < 1000 {
                *draws += 1;
                if draw(*seed, *draws) >= rule.fault.permille() {
                    continue;
                }
            }
            rule.hits += 1;
            return Some(rule.fault.kind().clone());
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, Rules> {
        // No change is left half done.
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From 0 to 999, the same for the same seed and number.
fn draw(seed: u64, number: u64) -> u32 {
    // The finalizer of SplitMix64.
    let mut mixed = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) % 1000) as u32
}

/// Answers a request, or does wrong with it.
pub(crate) async fn strike(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let Some(kind) = shared.faults.strike(request.uri().path()) else { return next.run(request).await };
    let peer = request.extensions().get::<ConnectInfo<Peer>>().cloned();
    match kind {
        FaultKind::Die { after } => return next.run(request).await.map(|body| Body::new(Dying::new(body, after))),
        FaultKind::Slow(pause) => return next.run(request).await.map(|body| Body::new(Slowed::new(body, pause))),
        _ => {}
    }
    // A client that is still sending would not hear what is said.
    let _ = to_bytes(request.into_body(), MAX_BODY).await;
    match (kind, peer) {
        (FaultKind::Status { status, body }, _) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(CONTENT_TYPE, "application/json")], body).into_response()
        }
        (FaultKind::Close, Some(ConnectInfo(peer))) => {
            peer.close();
            Response::default()
        }
        (FaultKind::Garbage, Some(ConnectInfo(peer))) => {
            peer.garble();
            Response::default()
        }
        _ => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(seed: u64, texts: &[&str]) -> Faults {
        let faults: Vec<Fault> = texts.iter().map(|text| text.parse().expect("a fault")).collect();
        Faults::new(seed, &faults)
    }

    fn hits(faults: &Faults, path: &str) -> Vec<bool> {
        (0..1000).map(|_| faults.strike(path).is_some()).collect()
    }

    #[test]
    fn a_count_ends_and_the_next_fault_takes_over() {
        let faults = faults(0, &["hang,count=2", "close,path=/v1/chat"]);
        let kinds: Vec<_> = (0..3).map(|_| faults.strike("/v1/chat/completions")).collect();
        assert_eq!(kinds, [Some(FaultKind::Hang), Some(FaultKind::Hang), Some(FaultKind::Close)]);
        assert_eq!(faults.strike("/v1/completions"), None);
        assert_eq!(faults.strike("/metrics"), None);
        faults.clear();
        assert_eq!(faults.strike("/v1/chat/completions"), None);
    }

    #[test]
    fn a_share_is_drawn_from_the_seed() {
        let first = hits(&faults(7, &["hang,permille=200"]), "/v1/x");
        let count = first.iter().filter(|hit| **hit).count();
        assert!((150..250).contains(&count), "{count}");
        assert_eq!(hits(&faults(7, &["hang,permille=200"]), "/v1/x"), first);
        assert_ne!(hits(&faults(8, &["hang,permille=200"]), "/v1/x"), first);
        assert!(!hits(&faults(7, &["hang,permille=0"]), "/v1/x").contains(&true));
    }
}
