//! Manifests from files, read with the levels of the topology that the command line names.

use std::path::PathBuf;

use clap::Args;
use phalanx_manifest::{Manifests, Node, Problems, Settings};
use phalanx_topology::LevelLabel;

use super::{Failure, input, output};

/// The levels of the topology.
#[derive(Clone, Debug, Args)]
struct LevelArgs {
    /// Level of the topology and the node label that has it, coarse to fine; repeat
    /// [default: zone, block and rack, each under topology.kubernetes.io/]
    #[arg(long = "level", value_name = "NAME=LABEL", value_parser = level)]
    levels: Vec<LevelLabel>,
}

/// Manifests, named as they are or by `-f`.
#[derive(Clone, Debug, Args)]
pub(super) struct FileArgs {
    /// Manifests: files, or folders of them
    #[arg(value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// The same, as kubectl has it; repeat
    #[arg(short = 'f', long = "file", value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    levels: LevelArgs,
}

impl FileArgs {
    /// All that is named, in order.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.paths.iter().chain(&self.files).cloned().collect()
    }

    /// Whether levels are named.
    pub(super) fn has_levels(&self) -> bool {
        !self.levels.levels.is_empty()
    }
}

fn level(text: &str) -> Result<LevelLabel, String> {
    match text.split_once('=') {
        Some((name, label)) if !name.is_empty() && !label.is_empty() => Ok(LevelLabel::new(name, label)),
        _ => Err("expected NAME=LABEL, such as rack=topology.kubernetes.io/rack".to_owned()),
    }
}

/// Like [`read`], for commands that go on to act: problems are a failure, and what will not be acted on is told.
pub(super) fn read_to_act(args: &FileArgs) -> Result<Manifests, Failure> {
    let manifests = read(args)?.map_err(|problems| Failure::Input(problems.to_string()))?;
    for warning in manifests.warnings() {
        output::complain(&format!("warning: {warning}"));
    }
    Ok(manifests)
}

/// Reads and validates everything that is named.
fn read(args: &FileArgs) -> Result<Result<Manifests, Problems>, Failure> {
    Ok(validate(args, &texts(args)?))
}

/// The files that are named, with their texts.
pub(super) fn texts(args: &FileArgs) -> Result<Vec<(String, String)>, Failure> {
    let paths = args.paths();
    if paths.is_empty() {
        return Err(Failure::Input("no manifests are named; expected files or folders".to_owned()));
    }
    let read = |path: PathBuf| Ok((path.display().to_string(), input::text(&path)?));
    input::manifest_files(&paths)?.into_iter().map(read).collect()
}

/// Validates files with these texts.
pub(super) fn validate(args: &FileArgs, sources: &[(String, String)]) -> Result<Manifests, Problems> {
    let mut settings = Settings::new();
    if !args.levels.levels.is_empty() {
        settings = settings.with_levels(args.levels.levels.clone());
    }
    let sources = sources.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let manifests = Manifests::read(sources, &settings);
    if let Ok(manifests) = &manifests {
        tell_unused_levels(args, manifests);
    }
    manifests
}

/// A level that was named and that no node has is most likely a slip.
fn tell_unused_levels(args: &FileArgs, manifests: &Manifests) {
    for level in &args.levels.levels {
        let has = |node: &Node| node.labels().contains_key(level.label());
        if !manifests.nodes().is_empty() && !manifests.nodes().iter().any(has) {
            let (name, label) = (level.level(), level.label());
            output::complain(&format!("warning: --level {name}={label}: no Node has the label {label}"));
        }
    }
}
