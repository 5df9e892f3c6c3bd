//! The loop that asks.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, header};
use http_body_util::{BodyExt, Limited};
use phalanx_routing::EndpointId;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{HealthCheck, Probe};
use crate::desk::Desk;
use crate::upstream::Upstream;

/// The largest answer that is read, so that its connection can be used again.
const MAX_ANSWER: usize = 64 << 10;
/// Endpoints that are asked at the same time.
const AT_ONCE: usize = 64;

/// Who is asked.
#[derive(Debug)]
struct Round {
    desk: Arc<Desk>,
    check: Option<HealthCheck>,
    /// By endpoint, what is known of it.
    probes: BTreeMap<EndpointId, Probe>,
    /// The place of the next one in the desk's list.
    next: usize,
}

impl Round {
    /// The round under the next configuration. Who is no longer asked is well, as far as is known.
    fn change(&mut self, desk: Arc<Desk>) {
        self.check = desk.config.care.health_check.clone();
        let before = std::mem::take(&mut self.probes);
        for member in desk.members() {
            let probe = before.get(&member.id).copied().unwrap_or_else(Probe::new);
            if self.check.is_some() {
                self.probes.insert(member.id, probe);
            } else if desk.fleet.is_down(member.id) {
                desk.fleet.set_up(member.id, true);
            }
        }
        self.desk = desk;
        if self.next >= self.desk.members().len() {
            self.next = 0;
        }
    }

    /// From one question to the next, each endpoint once in an interval; `None` when nobody is asked.
    fn step(&self) -> Option<Duration> {
        let count = u32::try_from(self.desk.members().len()).ok()?;
        Some(self.check.as_ref()?.interval.checked_div(count)?.max(Duration::from_micros(100)))
    }

    /// The next question.
    fn question(&mut self) -> Option<impl Future<Output = (EndpointId, bool)> + Send + use<>> {
        let (check, member) = (self.check.as_ref()?, self.desk.members().get(self.next)?);
        self.next = (self.next + 1) % self.desk.members().len();
        let request = request(member.endpoint.address, check);
        Some(ask(member.id, request, self.desk.upstream.clone(), check.timeout))
    }

    fn note(&mut self, id: EndpointId, is_well: bool) {
        let (Some(check), Some(probe)) = (&self.check, self.probes.get_mut(&id)) else { return };
        if let Some(is_up) = probe.note(is_well, check) {
            self.desk.fleet.set_up(id, is_up);
        }
    }
}

/// Asks all endpoints in every interval, each at its own time in it, until it is dropped.
pub(crate) async fn run(mut desks: watch::Receiver<Arc<Desk>>) {
    let desk = Arc::clone(&desks.borrow_and_update());
    let mut round = Round { desk: Arc::clone(&desk), check: None, probes: BTreeMap::new(), next: 0 };
    round.change(desk);
    let (mut due, mut asked) = (Instant::now(), JoinSet::new());
    loop {
        let step = round.step();
        tokio::select! {
            () = sleep_until(due), if step.is_some() && asked.len() < AT_ONCE => {
                if let Some(question) = round.question() {
                    asked.spawn(question);
                }
                // What is late is not made up for.
                due = (due + step.unwrap_or_default()).max(Instant::now());
            }
            // A check that panicked says nothing.
            Some(Ok((id, is_well))) = asked.join_next() => round.note(id, is_well),
            news = desks.changed() => match news {
                Ok(()) => {
                    let desk = Arc::clone(&desks.borrow_and_update());
                    round.change(desk);
                }
                Err(_) => return,
            },
        }
    }
}

/// Whom to ask, and how; `None` for a path that is none.
fn request(address: SocketAddr, check: &HealthCheck) -> Option<(SocketAddr, Parts)> {
    let request = Request::get(&check.path).header(header::USER_AGENT, "phalanx-gateway");
    Some((address, request.body(()).ok()?.into_parts().0))
}

async fn ask(
    id: EndpointId,
    request: Option<(SocketAddr, Parts)>,
    upstream: Upstream,
    limit: Duration,
) -> (EndpointId, bool) {
    let answer = async {
        let (address, head) = request?;
        let response = upstream.send(address, &head, Bytes::new()).await.ok()?;
        let is_well = response.status().is_success();
        Limited::new(response.into_body(), MAX_ANSWER).collect().await.ok().map(|_| is_well)
    };
    (id, matches!(tokio::time::timeout(limit, answer).await, Ok(Some(true))))
}
