//! What each issue promised, measured again: figure, target, stretch, seen.

mod figures;
mod gateway;
mod house;
mod kvcache;
mod machine;
mod phalanx;
mod placement;
mod program;
mod proof;
mod public;
mod routing;
mod row;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

pub(crate) use self::row::Row;
use self::row::Want;
use crate::error::Error;
use crate::workspace::Workspace;

/// What can be measured. A new subject is a file in this folder, a name here and a line in [`subject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SubjectName {
    /// The gateway's data path beside what people use: processor time, latency, streams, affinity, memory.
    Gateway,
    /// The gateway in front of 1,000 endpoints with 8,000 open streams, for ten minutes: memory, chunks, counters.
    GatewayScale,
    /// The whole house: simulate's promises, the trees of the pure crates, files and documentation, and `up`.
    House,
    /// The KV-cache index beside its rivals: events, questions, memory, exactness, hashing.
    Kvcache,
    /// The placement engine: how full a real cluster gets, and how fast pods are placed.
    Placement,
    /// Routing: decisions beside Dynamo's selector, all presets on the trace, logs made again, properties.
    Routing,
}

/// Where and how to measure.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a> {
    /// The workspace.
    pub(crate) workspace: &'a Workspace,
    /// The trace to replay.
    pub(crate) trace: &'a Path,
    /// The binary to use instead of building one.
    pub(crate) binary: Option<&'a Path>,
    /// Whether only to see that all can be measured: on tiny inputs, and no speed is promised.
    pub(crate) tiny: bool,
    /// Where to say what is under way.
    pub(crate) note: &'a dyn Fn(&str),
}

impl Setting<'_> {
    /// The arguments that choose the trace of a program beside the rivals.
    fn rivals_trace(&self) -> Vec<String> {
        if self.tiny {
            vec!["--made-up=300".to_owned()]
        } else if self.trace.is_file() {
            vec![format!("--trace={}", self.trace.display())]
        } else {
            (self.note)(&format!("no trace at {}: one of its shape is made up\n", self.trace.display()));
            vec!["--made-up=12031".to_owned()]
        }
    }

    /// A row with a target and a stretch of speed or size, which tiny inputs do not promise.
    fn promise(&self, row: Row, want: Want, stretch: Want) -> Row {
        if self.tiny { row } else { row.want(want).stretch(stretch) }
    }
}

/// Something that can be measured.
pub(crate) trait Subject {
    /// What it is, in a sentence for the record.
    fn about(&self) -> &'static str;

    /// Measures, and gives the figures in the order in which they are printed.
    ///
    /// # Errors
    /// When something that must work for any figure does not, such as building the binary.
    fn measure(&self, setting: &Setting<'_>) -> Result<Vec<Row>, Error>;
}

/// Measures a subject.
pub(crate) fn run(name: SubjectName, setting: &Setting<'_>) -> Result<Vec<Row>, Error> {
    subject(name).measure(setting)
}

fn subject(name: SubjectName) -> &'static dyn Subject {
    match name {
        SubjectName::Gateway => &gateway::Gateway,
        SubjectName::GatewayScale => &gateway::Scale,
        SubjectName::House => &house::House,
        SubjectName::Kvcache => &kvcache::Kvcache,
        SubjectName::Placement => &placement::Placement,
        SubjectName::Routing => &routing::Routing,
    }
}

/// The name on the command line, which the record's file bears too.
fn word(name: SubjectName) -> String {
    let value = clap::ValueEnum::to_possible_value(&name).expect("no subject is hidden from the command line");
    value.get_name().to_owned()
}

/// The rows as aligned columns, and a line that sums up.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut lines = vec![["figure", "target", "stretch", "seen", ""].map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let mut widths = [0; 5];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    let missed = rows.iter().filter(|row| row.missed()).count();
    let skipped = rows.iter().filter(|row| row.skipped()).count();
    let _ = writeln!(text, "\n{} figures, {missed} missed, {skipped} skipped", rows.len());
    text
}

/// The rows as a JSON array with one object a figure.
pub(crate) fn json(rows: &[Row]) -> String {
    let mut text = serde_json::to_string_pretty(rows).expect("rows are plain data");
    text.push('\n');
    text
}

/// Writes the dated record of a measurement, and says where.
pub(crate) fn record(name: SubjectName, rows: &[Row], root: &Path) -> Result<PathBuf, Error> {
    let facts = machine::Facts::gather(root)?;
    let path = root.join(format!("benches/record/{}-{}.md", word(name), facts.date));
    let mut text = format!("# {}, {}\n\n{}\n\n{facts}\n", word(name), facts.date, subject(name).about());
    text.push_str("| figure | target | stretch | seen | |\n|---|---|---|---|---|\n");
    for row in rows {
        let _ = writeln!(text, "| {} |", row.cells().map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    let _ = write!(text, "\nAgain: `cargo xtask measure {}`.\n", word(name));
    std::fs::write(&path, text).map_err(|error| Error::file(&path, error))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_counts_what_was_missed_and_skipped() {
        let rows = [
            Row::new("hit ratio gained").want(Want::Above(0.0)).saw(0.25),
            Row::new("share").want(Want::AtLeast(1.0)).unit("%").saw(0.5),
            Row::new("again").want(Want::Yes).skip("no trace"),
        ];
        let want = "\
figure            target  stretch  seen                 
hit ratio gained  > 0              0.25               ok
share             >= 1 %           0.5 %              MISSED
again             yes              SKIPPED: no trace

3 figures, 1 missed, 1 skipped
";
        let lines: Vec<_> = want.lines().map(str::trim_end).collect();
        assert_eq!(table(&rows).lines().collect::<Vec<_>>(), lines);
        assert!(json(&rows).contains("\"verdict\": \"missed\""));
    }
}
