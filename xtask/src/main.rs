//! Chores of this workspace, started as `cargo xtask …`: the tidy checks, the measurements, and parts that tests run against.

mod apiserver;
mod error;
mod measure;
mod part;
mod source;
mod tidy;
mod tokens;
mod tree;
mod workspace;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::error::Error;
use crate::workspace::Workspace;

/// Chores of the Phalanx workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check what the compiler does not: who depends on whom, what pure crates may touch, how long files are.
    ///
    /// Exits 0 when nothing is found and 1 otherwise. The same checks run as tests of this package.
    Tidy {
        /// Say what each check holds, then stop.
        #[arg(long)]
        list: bool,
    },
    /// Measure what a subject promises: a table of figure, target, stretch and what was seen.
    ///
    /// Exits 1 when a target is missed. A figure that cannot be measured here is shown as skipped with the reason.
    Measure(MeasureArgs),
    /// Build a real Kubernetes API server for the tests from Go modules, and print its folder.
    ///
    /// Tests find it by KUBEBUILDER_ASSETS, which `.ci/run` sets.
    Apiserver {
        /// Where parts are kept; by default where PHALANX_PARTS says, or else in the target folder.
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
    /// Install a real part that tests run against, and print the path of its python.
    ///
    /// Tests find it by PHALANX_VLLM_PYTHON and PHALANX_AIPERF_PYTHON; `.ci/run --full` sets both.
    Part(PartArgs),
    /// List the longest source files.
    Longest {
        /// How many files.
        #[arg(long, default_value_t = 20, value_name = "COUNT")]
        count: usize,
    },
}

#[derive(Debug, clap::Args)]
struct MeasureArgs {
    /// What to measure.
    #[arg(value_enum)]
    subject: measure::SubjectName,
    /// How to print the figures.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Also write the figures, dated, to benches/record/SUBJECT-YYYY-MM-DD.md.
    #[arg(long)]
    record: bool,
    /// The trace to replay, in Mooncake's JSONL format; a relative path starts at the workspace's root.
    #[arg(long, value_name = "FILE", default_value = "../shared/traces/conversation_trace.jsonl")]
    trace: PathBuf,
    /// Use this `phalanx` binary instead of building one with `cargo build --release`.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Only see that all can be measured: tiny inputs, one round, no speed promised (gateway, gateway-scale, kvcache, routing; others know no tiny form).
    #[arg(long, conflicts_with = "record")]
    tiny: bool,
}

#[derive(Debug, clap::Args)]
struct PartArgs {
    /// Which one.
    #[arg(value_enum)]
    part: part::Part,
    /// Where parts are kept; by default where PHALANX_PARTS says, or else in the target folder.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// Aligned columns.
    Table,
    /// An array with one object a figure.
    Json,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Tidy { list } => run_tidy(list),
        Command::Measure(args) => run_measure(&args),
        Command::Apiserver { folder } => run_apiserver(folder),
        Command::Part(args) => run_part(&args),
        Command::Longest { count } => run_longest(count),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            say_aside(&format!("error: {error}\n"));
            ExitCode::from(2)
        }
    }
}

fn run_tidy(list: bool) -> Result<bool, Error> {
    if list {
        for check in tidy::CHECKS {
            say(&format!("{:<18} {}\n", check.name, check.holds));
        }
        return Ok(true);
    }
    let workspace = Workspace::load()?;
    let mut found = 0;
    for check in tidy::CHECKS {
        let violations = (check.run)(&workspace)?;
        let verdict = if violations.is_empty() { "ok".to_owned() } else { format!("{} found", violations.len()) };
        say(&format!("{:<18} {verdict}\n", check.name));
        for violation in &violations {
            say(&format!("  {violation}\n"));
        }
        found += violations.len();
    }
    say(&format!(
        "{} packages, {} source files, {found} violations\n",
        workspace.packages.len(),
        workspace.sources.len()
    ));
    Ok(found == 0)
}

fn run_measure(args: &MeasureArgs) -> Result<bool, Error> {
    let workspace = Workspace::load()?;
    let trace = workspace.root.join(&args.trace);
    let (binary, tiny) = (args.binary.as_deref(), args.tiny);
    let setting = measure::Setting { workspace: &workspace, trace: &trace, binary, tiny, note: &say_aside };
    let rows = measure::run(args.subject, &setting)?;
    match args.output {
        Output::Table => say(&measure::table(&rows)),
        Output::Json => say(&measure::json(&rows)),
    }
    if args.record {
        let path = measure::record(args.subject, &rows, &workspace.root)?;
        say_aside(&format!("recorded in {}\n", path.display()));
    }
    Ok(!rows.iter().any(measure::Row::missed))
}

fn run_apiserver(folder: Option<PathBuf>) -> Result<bool, Error> {
    let workspace = Workspace::load()?;
    let parts = parts(folder, &workspace);
    say(&format!("{}\n", apiserver::build(&workspace.root, &parts, &say_aside)?.display()));
    Ok(true)
}

/// Where parts are kept.
fn parts(folder: Option<PathBuf>, workspace: &Workspace) -> PathBuf {
    let told = || std::env::var_os("PHALANX_PARTS").map(PathBuf::from);
    folder.or_else(told).unwrap_or_else(|| workspace.target.join("parts"))
}

fn run_part(args: &PartArgs) -> Result<bool, Error> {
    let parts = parts(args.folder.clone(), &Workspace::load()?);
    let python = part::install(args.part, &parts, &say_aside)?;
    say(&format!("{}\n", python.display()));
    Ok(true)
}

fn run_longest(count: usize) -> Result<bool, Error> {
    let workspace = Workspace::load()?;
    for source in workspace.longest().into_iter().take(count) {
        say(&format!("{:>5} {}\n", source.lines(), source.path));
    }
    Ok(true)
}

/// Prints to standard output; a reader that went away is no error.
fn say(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Prints to standard error, where progress and problems go.
fn say_aside(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
