//! Whether a log's decisions are the same again.

use super::super::row::{Row, Want};
use super::selector::Selector;
use crate::error::Error;

/// A log of decisions under all presets, made again on one thread, and on two side by side.
pub(super) fn rows(selector: &Selector<'_>) -> Result<Vec<Row>, Error> {
    let decisions = if selector.setting.tiny { 2_000 } else { 100_000 };
    let figures = selector.log(decisions)?;
    let row = |threads: u32| {
        let index = format!("{threads} threads");
        let of = |figure| figures.of("log", 64, figure, &index).map(|figure| figure.spread);
        // The most of all threads, and all decisions on each.
        let differences = of("differences").map_or(f64::NAN, |spread| spread.max);
        let made = of("decisions").map_or(f64::NAN, |spread| spread.min);
        Row::new(format!("differences when {decisions} decisions are made again, threads: {threads}"))
            .want(Want::AtMost(0.0))
            .saw(if made.total_cmp(&(f64::from(decisions))).is_eq() { differences } else { f64::NAN })
            .note(format!("{made} decisions under all presets"))
    };
    Ok(vec![row(1), row(2)])
}
