//! Who can take a request at all: by labels, and by the length of prompt and answer.

use super::Balancer;
use crate::endpoint::EndpointId;
use crate::explanation::Omission;
use crate::label::Labels;
use crate::request::{Refusal, Request};

impl Balancer {
    /// Whether everybody can.
    pub(super) fn fit_all(&self, request: &Request<'_>) -> bool {
        request.labels.is_empty() && self.kinds.take_all(request.context_tokens())
    }

    /// Why one cannot.
    pub(super) fn misfit(&self, request: &Request<'_>, at: usize) -> Option<Omission> {
        let endpoint = &self.columns.endpoint[at];
        let lacking = request.labels.without(endpoint.labels());
        if !lacking.is_empty() {
            return Some(Omission::LacksLabels(lacking));
        }
        let most = endpoint.context_tokens().filter(|_| !endpoint.takes(request.context_tokens()));
        most.map(Omission::TooShort)
    }

    /// Leaves those who can, of some.
    pub(super) fn keep_fitting(&self, request: &Request<'_>, slots: &mut Vec<u32>) -> Result<(), Refusal> {
        if self.fit_all(request) {
            return Ok(());
        }
        let endpoint = |at: u32| &self.columns.endpoint[at as usize];
        let candidates = slots.len() as u32;
        let has = slots.iter().fold(Labels::NONE, |all, at| all | endpoint(*at).labels());
        slots.retain(|at| endpoint(*at).labels().contains(request.labels));
        if slots.is_empty() {
            let labels = request.labels;
            return Err(Refusal::NoneLabeled { labels, unknown: labels.without(has), candidates });
        }
        let (candidates, tokens) = (slots.len() as u32, request.context_tokens());
        let longest = slots.iter().filter_map(|at| endpoint(*at).context_tokens()).max().unwrap_or(0);
        slots.retain(|at| endpoint(*at).takes(tokens));
        if slots.is_empty() {
            return Err(Refusal::TooLong { tokens, longest, candidates });
        }
        Ok(())
    }

    /// Leaves those who can, and says why of the others.
    pub(super) fn unfit(&self, request: &Request<'_>, left: &mut Vec<u32>, omitted: &mut Vec<(EndpointId, Omission)>) {
        if self.fit_all(request) {
            return;
        }
        left.retain(|&at| {
            let why = self.misfit(request, at as usize);
            omitted.extend(why.map(|why| (self.columns.id(at as usize), why)));
            why.is_none()
        });
    }
}
