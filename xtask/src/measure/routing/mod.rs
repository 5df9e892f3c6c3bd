//! What routing promised, measured again.

mod decisions;
mod growth;
mod made_up;
mod replay;
mod selector;
mod simulation;

use self::selector::Selector;
use super::proof::{self, Proof};
use super::{Row, Setting, Subject};
use crate::error::Error;

/// Routing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Routing;

/// The proofs of the crate, some with many more cases than CI gives them.
const PROOFS: [Proof; 2] = [
    ("routing: the listed properties", "phalanx-routing", &["properties"], 2_000),
    ("routing: every test, the presets' worked cases among them", "phalanx-routing", &[], 256),
];

impl Subject for Routing {
    fn about(&self) -> &'static str {
        "Where requests go. Decisions on one core, each the choice, its booking and its settlement, beside \
         `dynamo-kv-router` 1.6.1 by its own parts without its runtime, interleaved in one process (\"dynamo\": loads \
         projected, selected, booked, freed; \"dynamo selector\": the selection alone): medians of three rounds, with the \
         least and the most in brackets, of the percentiles of single steps, with a clock read before and after each and \
         the load of endpoints changed between them. All presets by `phalanx simulate` on the conversation trace, 16 \
         engines with caches for 30% of its distinct blocks, at three loads (arrivals 1.81, 3.63 and 4.53 times as fast); \
         goodput is the share of requests with a first token within 2 s and 100 ms or less for each further one. A log \
         of decisions, made again; and the properties."
    }

    fn measure(&self, setting: &Setting<'_>) -> Result<Vec<Row>, Error> {
        let selector = Selector::prepare(setting)?;
        let mut rows = decisions::rows(&selector)?;
        rows.extend(growth::rows(&selector)?);
        rows.extend(replay::rows(&selector)?);
        rows.extend(simulation::rows(setting)?);
        if !setting.tiny {
            for proof in PROOFS {
                rows.push(proof::row(setting, proof)?);
            }
        }
        Ok(rows)
    }
}
