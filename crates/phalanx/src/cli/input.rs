//! Reading files: manifests from files and folders, and text with an error that names the file.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::Failure;

/// The text of one file.
pub(super) fn text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::Input(format!("{}: {error}", path.display())))
}

/// The files that `paths` name: a folder stands for the `.yaml`, `.yml` and `.json` files in it and below, by name.
pub(super) fn manifest_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        collect(path, &mut files)?;
        if files.len() == before {
            return Err(Failure::Input(format!(
                "{}: no manifest here; expected .yaml, .yml or .json files",
                path.display()
            )));
        }
    }
    Ok(files)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Input(format!("{}: {error}", path.display()));
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = fs::read_dir(path).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        // Hidden entries are an editor's, or the versions behind the links of a mounted ConfigMap.
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let path = entry.path();
        let manifest = path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
        // A linked folder is not followed: it could lead back here.
        if manifest || entry.file_type().map_err(failed)?.is_dir() {
            collect(&path, files)?;
        }
    }
    Ok(())
}

/// What one YAML or JSON file says, within bounds that no sound file comes near.
pub(super) fn yaml<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    parse(&text(path)?).map_err(|wrong| Failure::Input(format!("{}{wrong}", path.display())))
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Line and column, from 1, where they are known.
    pub(super) place: Option<(u64, u64)>,
    pub(super) message: String,
}

impl fmt::Display for Wrong {
    /// As what follows the name of a file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => write!(f, ":{line}:{column}: {}", self.message),
            None => write!(f, ": {}", self.message),
        }
    }
}

/// What one YAML or JSON text says, within the same bounds.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Wrong> {
    let budget = serde_saphyr::budget! {
        max_depth: 64,
        max_nodes: 8_000_000,
        max_events: 32_000_000,
        max_total_scalar_bytes: 256 << 20,
    };
    let options = serde_saphyr::options! {
        budget: budget,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let message = error.to_string();
        let Some(location) = error.location() else { return Wrong { place: None, message } };
        let (line, column) = (location.line(), location.column());
        let message = message.strip_suffix(&format!(" at line {line}, column {column}")).unwrap_or(&message).to_owned();
        Wrong { place: Some((line, column)), message }
    })
}
