//! What goes to the terminal: lines, tables and progress.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How an answer is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table for people.
    #[default]
    Table,
    /// JSON with stable field names.
    Json,
}

/// Prints a line of the answer. A reader that has gone (`phalanx … | head`) is no error.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Prints what went wrong.
pub(super) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "phalanx: {text}");
}

/// A table: the first `texts` columns are text, the others numbers and so aligned to the right.
pub(super) fn table(head: &[&str], texts: usize, rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(head.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((if index == 0 { 0 } else { 1 }, 1));
        if index >= texts {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A progress bar on a terminal; silent elsewhere.
pub(super) fn progress(total: u64, what: &'static str) -> ProgressBar {
    let target = if io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len}  {elapsed} gone, {eta} to go");
    bar.set_style(style.expect("the template is valid").progress_chars("=> "));
    bar.set_message(what);
    bar
}

pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.1}%", part as f64 * 100.0 / whole as f64) }
}
