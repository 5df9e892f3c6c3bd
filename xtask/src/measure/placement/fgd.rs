//! How full a real cluster of GPU hosts gets, on the traces of the experiment of fragmentation gradient descent (Weng et
//! al., USENIX ATC 2023), beside what its authors published.

use serde::Deserialize;

use super::super::program::Program;
use super::super::row::{Row, Want};
use super::Setting;
use crate::error::Error;

/// From the workspace's root.
const FOLDER: &str = "../shared/traces/gpu-cluster";

/// The traces that are there, the main one first.
const TRACES: [&str; 13] = [
    "default",
    "cpu050",
    "cpu100",
    "cpu200",
    "cpu250",
    "gpushare40",
    "gpushare60",
    "gpushare80",
    "gpushare100",
    "gpuspec10",
    "gpuspec33",
    "multigpu20",
    "multigpu50",
];

/// What the bench's program says of one trace: percent of the devices allocated at 130% arrivals, means of ten seeds.
#[derive(Clone, Debug, Deserialize)]
struct Trace {
    trace: String,
    fragmentation: f64,
    fragmentation_sd: f64,
    published_fgd: Option<f64>,
    best_fit: f64,
    best_fit_sd: f64,
    published_best_fit: Option<f64>,
    #[serde(flatten)]
    stream: Option<Stream>,
}

/// What it says of the stream of single pods.
#[derive(Clone, Debug, Deserialize)]
struct Stream {
    same_as_scoring_all: bool,
    pods: u64,
    pods_per_second: f64,
    pods_per_busy_second: f64,
    pods_per_second_scoring_all: f64,
}

/// All figures of the experiment; one skipped row if the traces are not there.
pub(super) fn rows(setting: &Setting<'_>) -> Result<Vec<Row>, Error> {
    let folder = setting.workspace.root.join(FOLDER);
    if !folder.is_dir() {
        (setting.note)(&format!("no traces at {}: the fragmentation experiment is SKIPPED\n", folder.display()));
        let whole = Row::new("fragmentation experiment on thirteen traces").want(Want::Yes);
        return Ok(vec![whole.skip(format!("no traces at {}", folder.display()))]);
    }
    let program = Program::prepare(setting, "fragmentation")?;
    (setting.note)("fragmentation experiment, thirteen traces\n");
    let folder = folder.display().to_string();
    let arguments: Vec<&str> = [folder.as_str()].into_iter().chain(TRACES).collect();
    let traces: Vec<Trace> = program.run(&arguments)?;
    let mut rows = traces.first().map(marks).unwrap_or_default();
    rows.extend(traces.iter().flat_map(beside));
    Ok(rows)
}

/// What is promised of the default trace.
fn marks(trace: &Trace) -> Vec<Row> {
    let published =
        |mean: Option<f64>| mean.map_or("nothing published".to_owned(), |mean| format!("published {mean:.2}"));
    let mut rows = vec![
        Row::new("allocated at 130% arrivals, fragmentation")
            .want(Want::AtLeast(95.2))
            .stretch(Want::AtLeast(95.6))
            .unit("%")
            .saw(trace.fragmentation)
            .note(format!("sd {:.2}, FGD {}", trace.fragmentation_sd, published(trace.published_fgd))),
        Row::new("allocated at 130% arrivals, best fit, off the published")
            .want(Want::AtMost(0.3))
            .unit("points")
            .saw((trace.best_fit - trace.published_best_fit.unwrap_or(f64::NAN)).abs())
            .note(format!("{:.2}, sd {:.2}", trace.best_fit, trace.best_fit_sd)),
    ];
    if let Some(stream) = &trace.stream {
        rows.push(
            Row::new("stream places as scoring every node does")
                .want(Want::Yes)
                .held(stream.same_as_scoring_all)
                .note(format!("{} pods", stream.pods)),
        );
        rows.push(
            Row::new("single-pod stream, default trace")
                .want(Want::AtLeast(50_000.0))
                .stretch(Want::AtLeast(150_000.0))
                .unit("pods/s")
                .saw(stream.pods_per_second)
                .note(format!(
                    "median of ten seeds, first look and commit included; {:.0} by processor time; {:.0} scoring every node",
                    stream.pods_per_busy_second, stream.pods_per_second_scoring_all
                )),
        );
    }
    rows
}

/// A line of the table.
fn beside(trace: &Trace) -> [Row; 2] {
    let row = |policy: &str| Row::new(format!("{}: allocated at 130%, {policy}", trace.trace)).unit("%");
    let note = |sd: f64, theirs: Option<f64>| match theirs {
        Some(mean) => format!("sd {sd:.2}, published {mean:.2}"),
        None => format!("sd {sd:.2}, nothing published"),
    };
    let least = trace.published_fgd.map_or(Want::Reported, |mean| Want::AtLeast(mean - 0.5));
    [
        row("fragmentation")
            .want(least)
            .saw(trace.fragmentation)
            .note(note(trace.fragmentation_sd, trace.published_fgd)),
        row("best fit").saw(trace.best_fit).note(note(trace.best_fit_sd, trace.published_best_fit)),
    ]
}
