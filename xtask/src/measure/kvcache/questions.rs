//! What questions cost.

use super::super::figures::{Figures, beside, times_less};
use super::super::row::{Row, Want};
use super::events::WORKLOADS;
use super::rivals::Rivals;
use crate::error::Error;

/// The rank of the most overlap less load, the bare answer, and questions beside a writer.
pub(super) fn rows(rivals: &Rivals<'_>, replay: &Figures) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for (workload, about) in WORKLOADS {
        for &ranks in rivals.fleets() {
            for heat in ["cold", "warm"] {
                rows.push(best(rivals, replay, workload, ranks, heat, about));
            }
        }
    }
    let largest = rivals.fleets().last().copied().unwrap_or_default();
    for (workload, about) in WORKLOADS {
        for heat in ["cold", "warm"] {
            let figure = format!("bare ns p50, {heat}");
            let of = |index| replay.of(workload, largest, &figure, index);
            let row = Row::new(format!("bare answer, p50 ns, {about}, {largest} ranks, {heat}"))
                .unit("ns")
                .saw(of("ours levels").map_or(f64::NAN, |figure| figure.spread.median))
                .note(beside(["ours levels", "chain callback", "chain map", "crtc map"].map(of)));
            rows.push(rivals.promise(row, Want::AtMost(1_000.0), Want::AtMost(400.0)));
        }
    }
    let ranks = if rivals.setting.tiny { 8 } else { 512 };
    let arguments = ["beside", &format!("--ranks={ranks}"), rivals.rounds(15)];
    let seen: Figures = rivals.run("questions beside a writer", &arguments, true)?;
    let of = |figure, index| seen.of("conv64", ranks, figure, index);
    let p99 = |index| of("beside a writer ns p99", index);
    let writer = "writer beside a reader ns/block";
    let row = Row::new(format!("question's p99 beside a writer, {ranks} ranks: times less than chain's callback"))
        .unit("x")
        .saw(times_less(p99("ours levels"), p99("chain callback")))
        .note(format!(
            "{}; the writers need, ns a block: {}",
            beside(["ours levels", "chain callback"].map(p99)),
            beside(["ours levels", "chain callback"].map(|index| of(writer, index)))
        ));
    rows.push(rivals.promise(row, Want::Above(1.0), Want::AtLeast(2.0)));
    Ok(rows)
}

/// Against chain's callback up to 1,024 ranks, against the best rival beyond.
fn best(rivals: &Rivals<'_>, replay: &Figures, workload: &str, ranks: u32, heat: &str, about: &str) -> Row {
    let figure = format!("best ns p50, {heat}");
    let of = |index| replay.of(workload, ranks, &figure, index);
    let theirs = if ranks > 1_024 { replay.best_rival(workload, ranks, &figure) } else { of("chain callback") };
    let rival = if ranks > 1_024 { "the best rival" } else { "chain's callback" };
    let row = Row::new(format!("best rank, p50, {about}, {ranks} ranks, {heat}: times less than {rival}"))
        .unit("x")
        .saw(times_less(of("ours levels"), theirs))
        .note(beside(["ours levels", "chain callback", "chain map", "crtc map"].map(of)));
    match ranks {
        64 | 512 => rivals.promise(row, Want::AtLeast(2.0), Want::AtLeast(4.0)),
        4_096 => rivals.promise(row, Want::AtLeast(5.0), Want::AtLeast(15.0)),
        _ => row,
    }
}
