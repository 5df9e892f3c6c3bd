//! What the gateway promised, measured beside what people use instead.

mod contender;
mod harness;
mod process;
mod rows;
mod samples;
mod scale;
mod tokenizer;
mod venv;

use self::contender::Contender;
use self::harness::{Harness, Load};
use self::samples::Samples;
pub(crate) use self::scale::Scale;
use super::phalanx::Phalanx;
use super::{Row, Setting, Subject};
use crate::error::Error;

/// The gateway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gateway;

/// A load by name, for the figures.
const ONE_K: &str = "1k";
const TWELVE_K: &str = "12k";
const BURST: &str = "burst";
const PACED: &str = "paced";
const LOW_ONE_K: &str = "200/s 1k";
const LOW_TWELVE_K: &str = "200/s 12k";
const BIG: &str = "big";

impl Subject for Gateway {
    fn about(&self) -> &'static str {
        "The gateway's data path beside haproxy, nginx, Envoy, SMG, sglang-router and vllm-router: one at a time, pinned to \
         one core; eight mock engines that answer at once and the load on the other; all in turn in each round, medians of \
         three rounds with the least and the most in brackets, of rounds in which anything else took 12% of a core or less \
         (of all, where there is none such). Processor time is that of the gateway's own threads by the scheduler's count. \
         Chat requests of 4.5 KB (\"1k\" tokens) and 50 KB (\"12k\") in 32 groups that share three quarters of the prompt; \
         closed loop of 64 connections for 3 s after 0.7 s; Poisson arrivals at 200/s, from the intended time, over those \
         of engines without a gateway; 64 streams of 100 chunks as fast as they go, and with 10 ms between chunks. Each \
         group is first asked once, one after another. Every answer is checked. Ours decides by `phalanx` with blocks of \
         text; SMG and sglang-router are cache-aware, the others go round. With a tokenizer it is that of Qwen 3 in process, \
         whose threads' time is told apart. 1 MB is 1,000,000 bytes."
    }

    fn measure(&self, setting: &Setting<'_>) -> Result<Vec<Row>, Error> {
        if let Some(reason) = harness::absent() {
            return Ok(vec![Row::new("gateway: all figures").skip(reason)]);
        }
        let phalanx = Phalanx::prepare(setting)?;
        let harness = Harness::prepare(setting, 8)?;
        let (contenders, absent) = contender::all(setting, &phalanx);
        let mut samples = Samples::default();
        let rounds = if setting.tiny { 1 } else { 3 };
        for round in 1..=rounds {
            samples.begin(round);
            direct(&harness, &mut samples)?;
            for contender in &contenders {
                (setting.note)(&format!("gateway: round {round} of {rounds}, {}\n", contender.name()));
                if let Err(error) = one(&harness, contender, round, &mut samples) {
                    (setting.note)(&format!("gateway: {}: {error}\n", contender.name()));
                    samples.fail(contender.name(), &error.to_string());
                }
            }
        }
        let mut rows = rows::rows(setting, &samples);
        rows.extend(absent.into_iter().map(|(name, reason)| Row::new(format!("beside {name}")).skip(reason)));
        Ok(rows)
    }
}

/// The loads that end with an answer in JSON, the one at random, and the streams.
fn loads() -> [Load; 6] {
    [
        Load::closed(ONE_K, 4_500),
        Load::closed(TWELVE_K, 50_000),
        Load::at_random(LOW_ONE_K, 4_500),
        Load::at_random(LOW_TWELVE_K, 50_000),
        Load::streams(BURST, 0),
        Load::streams(PACED, 10),
    ]
}

/// The same without a gateway.
fn direct(harness: &Harness<'_>, samples: &mut Samples) -> Result<(), Error> {
    for load in loads() {
        samples.add(samples::DIRECT, load.name(), &harness.direct(&load)?);
    }
    Ok(())
}

/// All loads through one gateway, and a huge body through a fresh one.
fn one(harness: &Harness<'_>, contender: &Contender, round: u32, samples: &mut Samples) -> Result<(), Error> {
    let running = harness.start(contender)?;
    for load in loads() {
        samples.add(contender.name(), load.name(), &harness.through(&running, &load)?);
    }
    drop(running);
    if round == 1 {
        let running = harness.start(contender)?;
        samples.add_big(contender.name(), &harness.big(&running)?);
    }
    Ok(())
}
