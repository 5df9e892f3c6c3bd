//! What a model's files look like from outside: another look tells whether they are still the same.

use std::path::Path;
use std::time::SystemTime;

use super::folder;

/// Size and time of each file of a folder, where it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp(Vec<Option<(u64, Option<SystemTime>)>>);

impl Stamp {
    pub(super) fn of(path: &Path) -> Self {
        let look = |file: &Path| {
            // Of the file that a link leads to: a mounted `ConfigMap` swaps its links.
            let metadata = std::fs::metadata(file).ok()?;
            Some((metadata.len(), metadata.modified().ok()))
        };
        Self(folder::files(path).iter().map(|file| look(file)).collect())
    }
}
