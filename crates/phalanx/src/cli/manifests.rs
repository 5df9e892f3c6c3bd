//! Manifests from files, read with the levels of the topology that the command line names.

use std::path::PathBuf;

use clap::Args;
use phalanx_manifest::{Manifests, Problems, Settings};
use phalanx_topology::LevelLabel;

use super::{Failure, input, output};

/// The levels of the topology.
#[derive(Clone, Debug, Args)]
pub(super) struct LevelArgs {
    /// Level of the topology and the node label that has it, coarse to fine; repeat
    /// [default: zone, block and rack, each under topology.kubernetes.io/]
    #[arg(long = "level", value_name = "NAME=LABEL", value_parser = level)]
    levels: Vec<LevelLabel>,
}

/// Manifests by `-f`.
#[derive(Clone, Debug, Args)]
pub(super) struct FileArgs {
    /// Manifests: files or folders; repeat
    #[arg(short = 'f', long = "file", required = true, value_name = "FILE|DIR")]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) levels: LevelArgs,
}

fn level(text: &str) -> Result<LevelLabel, String> {
    match text.split_once('=') {
        Some((name, label)) if !name.is_empty() && !label.is_empty() => Ok(LevelLabel::new(name, label)),
        _ => Err("expected NAME=LABEL, such as rack=topology.kubernetes.io/rack".to_owned()),
    }
}

/// Like [`read`], for commands that go on to act: problems are a failure, and what will not be acted on is told.
pub(super) fn read_to_act(paths: &[PathBuf], levels: &LevelArgs) -> Result<Manifests, Failure> {
    let manifests = read(paths, levels)?.map_err(|problems| Failure::Input(problems.to_string()))?;
    for warning in manifests.warnings() {
        output::complain(&format!("warning: {warning}"));
    }
    Ok(manifests)
}

/// Reads and validates everything under `paths`.
pub(super) fn read(paths: &[PathBuf], levels: &LevelArgs) -> Result<Result<Manifests, Problems>, Failure> {
    let mut settings = Settings::new();
    if !levels.levels.is_empty() {
        settings = settings.with_levels(levels.levels.clone());
    }
    let mut sources = Vec::new();
    for path in input::manifest_files(paths)? {
        sources.push((path.display().to_string(), input::text(&path)?));
    }
    let sources = sources.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Ok(Manifests::read(sources, &settings))
}
