//! The loop that asks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, header};
use http_body_util::{BodyExt, Limited};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{HealthCheck, Probe};
use crate::desk::Desk;
use crate::upstream::Upstream;

/// The largest answer that is read, so that its connection can be used again.
const MAX_ANSWER: usize = 64 << 10;
/// Endpoints that are asked at the same time.
const AT_ONCE: usize = 64;

/// Asks all endpoints in every interval, each at its own time in it, until it is dropped.
pub(crate) async fn run(desk: Arc<Desk>, upstream: Upstream, check: HealthCheck) {
    let count = desk.endpoint_count();
    let mut probes = vec![Probe::new(); count];
    let Some(step) = u32::try_from(count).ok().and_then(|count| check.interval.checked_div(count)) else { return };
    let mut turns = interval_at(Instant::now(), step.max(Duration::from_micros(100)));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut next, mut asked) = (0, JoinSet::new());
    loop {
        tokio::select! {
            _ = turns.tick(), if asked.len() < AT_ONCE => {
                asked.spawn(ask(next, request(&desk, next, &check), upstream.clone(), check.timeout));
                next = (next + 1) % count;
            }
            Some(answer) = asked.join_next() => {
                // A check that panicked says nothing.
                let Ok((index, is_well)) = answer else { continue };
                if let Some(is_up) = probes[index].note(is_well, &check) {
                    desk.set_up(index, is_up);
                }
            }
        }
    }
}

/// Whom to ask, and how; `None` for a path that is none.
fn request(desk: &Desk, index: usize, check: &HealthCheck) -> Option<(SocketAddr, Parts)> {
    let request = Request::get(&check.path).header(header::USER_AGENT, "phalanx-gateway");
    Some((desk.endpoint(index).address, request.body(()).ok()?.into_parts().0))
}

async fn ask(index: usize, request: Option<(SocketAddr, Parts)>, upstream: Upstream, limit: Duration) -> (usize, bool) {
    let answer = async {
        let (address, head) = request?;
        let response = upstream.send(address, &head, Bytes::new()).await.ok()?;
        let is_well = response.status().is_success();
        Limited::new(response.into_body(), MAX_ANSWER).collect().await.ok().map(|_| is_well)
    };
    (index, matches!(tokio::time::timeout(limit, answer).await, Ok(Some(true))))
}
