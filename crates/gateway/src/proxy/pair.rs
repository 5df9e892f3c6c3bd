//! A request that two endpoints share: the prompt on one, the answer on another.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use phalanx_routing::{EndpointId, Outcome};

use super::{Broken, Late, Proxy, Relayed, Tried, Try};
use crate::api_error::ApiError;
use crate::body::Pair;
use crate::config::KvConnector;
use crate::desk::Work;
use crate::disaggregated::{Leg, LegEnd, Legs, Meeting, Said, read_whole, transfer_of};
use crate::flight::Flight;
use crate::upstream::{AskError, BrokenBody, EngineBody};
use crate::visit::Visit;

/// How a prefill leg ended that the decode leg waits for.
#[derive(Debug)]
enum Prefilled {
    /// The decode leg follows, with this body.
    Well(Bytes),
    /// The engine found fault with the request: its client should know.
    Refused(Box<Relayed>),
    /// The engine is well, but left no KV.
    Nothing,
    /// Another one may do better than this one.
    Failed(EndpointId),
}

/// How two legs went that were under way at once.
#[derive(Debug)]
enum Met {
    /// This is the client's answer.
    Answered(Box<Relayed>),
    /// This prefill endpoint failed; the decode endpoint can be asked again.
    NoPrefill(EndpointId, Flight),
    /// The decode endpoint failed, before its head or with a status that says so.
    NoDecode(Box<Try>),
}

/// The head of a decode leg's answer, and what there is of the rest.
#[derive(Debug)]
struct Begun {
    response: Response<EngineBody>,
    ahead: Option<Bytes>,
}

/// Why there is none.
#[derive(Debug)]
enum Failure {
    Prefill(LegEnd),
    Decode(AskError),
    /// Of the body, before anything of it was passed on.
    Body(BrokenBody),
}

impl Proxy<'_> {
    /// Runs the prompt on one endpoint and the rest on another that it hands its KV to; all of it on the other where that
    /// cannot be.
    pub(super) async fn run_pair(&self, visit: &mut Visit) -> Result<Relayed, ApiError> {
        let body = self.ask.body_for(self.model);
        let Some(legs) = Legs::read(&body).filter(Legs::can_be_shared) else {
            return self.run_whole(self.server.decode, visit).await;
        };
        let mut decode = self.choose(Work::Decode, self.server.decode, &[])?;
        let pool = self.server.prefill_for(decode.member().id);
        let prefill = pool.and_then(|pool| Some((pool, self.choose(Work::Prompt(self.ask), pool, &[]).ok()?)));
        if let Some((pool, mut prefill)) = prefill {
            let mut tried = Tried::default();
            loop {
                let failed = if self.server.connector == KvConnector::Sglang {
                    match self.run_at_once(prefill, decode, &legs, visit).await? {
                        Met::Answered(relayed) => return Ok(*relayed),
                        Met::NoPrefill(failed, flight) => {
                            decode = flight;
                            failed
                        }
                        Met::NoDecode(gone) => return self.after_transfer(*gone, visit).await,
                    }
                } else {
                    match self.prefill(prefill, &legs, visit).await? {
                        Prefilled::Well(body) => {
                            let first = self.try_one(decode, body, visit).await?;
                            return match self.server.connector {
                                KvConnector::Http => self.go_on(first, self.server.decode, visit).await,
                                _ => self.after_transfer(first, visit).await,
                            };
                        }
                        Prefilled::Refused(relayed) => {
                            decode.settle(Outcome::Unused);
                            return Ok(*relayed);
                        }
                        Prefilled::Nothing => break,
                        Prefilled::Failed(failed) => failed,
                    }
                };
                tried.note(failed, None);
                let Some(next) = self.another(pool, &tried).await else { break };
                // Where both legs go at once, the other one is counted.
                if self.server.connector != KvConnector::Sglang {
                    visit.is_sent(next.member());
                }
                prefill = next;
            }
        }
        // No KV comes: a decode endpoint computes the prompt itself.
        decode.settle(Outcome::Unused);
        self.run_whole(self.server.decode, visit).await
    }

    /// Passes on what a decode leg gave that was to get KV from elsewhere. An error may say no more than that none came: then a
    /// decode endpoint computes the prompt itself, be it the same one.
    async fn after_transfer(&self, gone: Try, visit: &mut Visit) -> Result<Relayed, ApiError> {
        match gone {
            Ok((response, flight)) if response.status().is_server_error() && !self.server.retry.is_enough(1) => {
                let Ok(next) = self.choose(Work::Prompt(self.ask), self.server.decode, &[]) else {
                    return Ok(self.relay(response, flight));
                };
                if !self.desk.may_retry(self.server) {
                    next.settle(Outcome::Unused);
                    return Ok(self.relay(response, flight));
                }
                flight.settle(Outcome::Error);
                self.try_each(next, self.server.decode, visit).await
            }
            gone => self.go_on(gone, self.server.decode, visit).await,
        }
    }

    fn is_failure(&self, response: &Response<EngineBody>) -> bool {
        response.status().is_server_error() || self.server.retry.is_again(response.status())
    }

    /// Runs the prompt where `flight` leads, to the end of the answer, which is short.
    async fn prefill(&self, mut flight: Flight, legs: &Legs<'_>, visit: &mut Visit) -> Result<Prefilled, ApiError> {
        let is_kept = self.server.connector == KvConnector::Nixl;
        let body = if is_kept { legs.prefill_and_keep() } else { legs.prefill() };
        let leg = async {
            let response = self.send(&flight, body).await.ok()?;
            match Said::of(response.status()) {
                Said::Well => Some((Said::Well, Err(read_whole(response).await?))),
                said => Some((said, Ok(response))),
            }
        };
        let member = Arc::clone(flight.member());
        let (said, answer) = match self.in_time(leg).await {
            Ok(Some(said)) => said,
            Err(Late::Request) => {
                let error = ApiError::timed_out(flight.endpoint());
                flight.settle(Outcome::Error);
                return Err(error);
            }
            Ok(None) | Err(Late::Try) => {
                flight.settle(Outcome::Error);
                return Ok(Prefilled::Failed(member.id));
            }
        };
        let (outcome, prefilled) = match (said, answer) {
            (Said::Refused, Ok(refusal)) => {
                visit.is_sent(&member);
                return Ok(Prefilled::Refused(Box::new(self.relay(refusal, flight))));
            }
            (Said::Well, Err(_)) if !is_kept => (Outcome::Success, Prefilled::Well(legs.decode())),
            (Said::Well, Err(answer)) => match transfer_of(&answer) {
                Ok(Some(transfer)) => (Outcome::Success, Prefilled::Well(legs.decode_from(&transfer))),
                Ok(None) => (Outcome::Success, Prefilled::Nothing),
                Err(_) => (Outcome::Error, Prefilled::Failed(member.id)),
            },
            // An endpoint that has too much to do is alive.
            (Said::Busy, _) => (Outcome::Success, Prefilled::Failed(member.id)),
            _ => (Outcome::Error, Prefilled::Failed(member.id)),
        };
        if said == Said::Well {
            flight.first_token();
        }
        flight.settle(outcome);
        Ok(prefilled)
    }

    /// Sends both legs at once, and passes on what the decode endpoint answers as soon as it is sure that KV came there: when
    /// the prefill leg has ended, or something of the answer's body is there.
    async fn run_at_once(
        &self,
        prefill: Flight,
        decode: Flight,
        legs: &Legs<'_>,
        visit: &mut Visit,
    ) -> Result<Met, ApiError> {
        let member = Arc::clone(prefill.member());
        let (id, endpoint) = (member.id, &member.endpoint);
        let meeting = Meeting::at(endpoint.address, endpoint.bootstrap_port, self.desk.fleet.rooms.draw());
        let (first, second) = (legs.prefill_at(&meeting), legs.decode_at(&meeting));
        let head = self.head_for(&prefill).into_owned();
        let mut leg = Some(Leg::start(prefill, &self.desk.upstream, head, first, self.server.timeouts.idle));
        visit.is_sent(decode.member());
        let begun = match self.in_time(self.begin(&mut leg, &decode, second)).await {
            Ok(begun) => begun,
            Err(late) => {
                // As long as the prefill leg runs the decode endpoint may have nothing to go on with.
                let error = ApiError::timed_out(if leg.is_some() { &endpoint.name } else { decode.endpoint() });
                let blamed = match leg.take() {
                    Some(leg) => {
                        leg.cut(Outcome::Error);
                        Met::NoPrefill(id, decode)
                    }
                    None => {
                        let id = decode.member().id;
                        decode.settle(Outcome::Error);
                        Met::NoDecode(Box::new(Err(Broken { id, error: error.clone() })))
                    }
                };
                return match (late, blamed) {
                    (Late::Try, blamed) => Ok(blamed),
                    (Late::Request, Met::NoPrefill(_, decode)) => {
                        decode.settle(Outcome::Unused);
                        Err(error)
                    }
                    (Late::Request, _) => Err(error),
                };
            }
        };
        match begun {
            Ok(Begun { response, .. }) if self.is_failure(&response) => {
                Ok(Met::NoDecode(Box::new(Ok((response, decode)))))
            }
            Ok(Begun { response, ahead }) => {
                // The KV of a refusal is nobody's.
                let leg = leg.take().filter(|_| response.status().is_success());
                let (head, mut answer) = self.relay(response, decode);
                answer.pair = (ahead.is_some() || leg.is_some()).then(|| Box::new(Pair { ahead, leg }));
                Ok(Met::Answered(Box::new((head, answer))))
            }
            Err(Failure::Prefill(LegEnd::Refused(refused))) => {
                let (refusal, prefill) = *refused;
                decode.settle(Outcome::Unused);
                visit.is_sent(&member);
                Ok(Met::Answered(Box::new(self.relay(refusal, prefill))))
            }
            Err(Failure::Prefill(_)) => Ok(Met::NoPrefill(id, decode)),
            Err(Failure::Decode(reason)) => Ok(Met::NoDecode(Box::new(Err(broken(decode, &reason))))),
            Err(Failure::Body(reason)) => Ok(Met::NoDecode(Box::new(Err(broken(decode, &reason))))),
        }
    }

    /// Waits until the decode leg has begun to answer; the prefill leg is gone from `leg` when it has ended.
    async fn begin(&self, leg: &mut Option<Leg>, decode: &Flight, body: Bytes) -> Result<Begun, Failure> {
        let mut asked = pin!(self.send(decode, body));
        let mut response = loop {
            tokio::select! {
                biased;
                end = ended(leg) => past(leg, end)?,
                answer = &mut asked => break answer.map_err(Failure::Decode)?,
            }
        };
        if !response.status().is_success() {
            return Ok(Begun { response, ahead: None });
        }
        let mut ahead = None;
        while leg.is_some() && ahead.is_none() {
            tokio::select! {
                biased;
                end = ended(leg) => past(leg, end)?,
                frame = response.body_mut().frame() => match frame {
                    Some(Ok(frame)) => {
                        ahead = frame.into_data().ok();
                        // Before any token: no KV came, and the prefill leg is about to say why.
                        if ahead.as_deref().is_some_and(is_error) {
                            return Err(Failure::Prefill(LegEnd::Failed));
                        }
                    }
                    Some(Err(error)) => return Err(Failure::Body(error)),
                    None => break,
                },
            }
        }
        Ok(Begun { response, ahead })
    }
}

/// Whether a stream begins with an event that is an error.
fn is_error(data: &[u8]) -> bool {
    let Some(event) = data.strip_prefix(b"data:") else { return false };
    event.iter().filter(|byte| !byte.is_ascii_whitespace()).take(9).eq(b"{\"error\":")
}

/// Settles the flight of an endpoint that failed.
fn broken(flight: Flight, reason: &dyn std::fmt::Display) -> Broken {
    let error = ApiError::bad_gateway(format!("endpoint {}: {reason}", flight.endpoint()));
    let id = flight.member().id;
    flight.settle(Outcome::Error);
    Broken { id, error }
}

/// Waits for the end of a leg; for ever, when there is none.
async fn ended(leg: &mut Option<Leg>) -> LegEnd {
    match leg {
        Some(leg) => leg.end().await,
        None => std::future::pending().await,
    }
}

/// Goes on without a leg that has ended well.
fn past(leg: &mut Option<Leg>, end: LegEnd) -> Result<(), Failure> {
    *leg = None;
    match end {
        LegEnd::Well => Ok(()),
        end => Err(Failure::Prefill(end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_from_a_token() {
        for event in ["data: {\"error\": {}}\n\n", "data:{ \"error\" :1}"] {
            assert!(is_error(event.as_bytes()), "{event}");
        }
        for event in ["data: {\"id\":\"error\"}\n\n", "{\"error\":1}", "data: {\"errors\":1}", "data: {\"err", ""] {
            assert!(!is_error(event.as_bytes()), "{event}");
        }
    }
}
