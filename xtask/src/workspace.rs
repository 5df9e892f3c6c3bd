//! The workspace as the checks see it: members, what they ask for, and the text of every source file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::error::Error;
use crate::source::Source;

/// Crates without a runtime, I/O, clock, environment or global randomness, by package name.
pub(crate) const PURE: &[&str] = &[
    "phalanx-topology",
    "phalanx-gang",
    "phalanx-kvcache",
    "phalanx-routing",
    "phalanx-admission",
    "phalanx-serving",
    "phalanx-autoscale",
    "phalanx-engine",
    "phalanx-sim",
];

/// The crate of Kubernetes shapes: it does no I/O either, but its signatures may name what it parses.
pub(crate) const SHAPES: &str = "phalanx-manifest";

/// Folders of the workspace that cargo builds apart, or that it writes.
const APART: &[&str] = &["target", ".git", "benches/rivals", "fuzz/target"];

/// The workspace: what cargo says of it, and its files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workspace {
    /// Where it is.
    pub(crate) root: PathBuf,
    /// Where builds go.
    pub(crate) target: PathBuf,
    /// The text of the root manifest.
    pub(crate) manifest: String,
    /// The members, by name.
    pub(crate) packages: Vec<Package>,
    /// Every Rust file of the members, by path.
    pub(crate) sources: Vec<Source>,
}

/// A member of the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its folder from the workspace's root, with forward slashes.
    pub(crate) folder: String,
    /// The text of its manifest.
    pub(crate) manifest: String,
    /// What it asks for.
    pub(crate) dependencies: Vec<Dependency>,
    /// Whether it has features beside the default one.
    pub(crate) has_features: bool,
}

/// What a member asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// The package's name.
    pub(crate) name: String,
    /// The name that the code calls it by.
    pub(crate) known_as: String,
    /// Whether tests and benches alone use it.
    pub(crate) for_tests: bool,
    /// Whether it is a member of this workspace.
    pub(crate) internal: bool,
    /// The versions that it asks for; `*` when it names none.
    pub(crate) versions: String,
}

impl Workspace {
    /// Reads the workspace that this program was built from.
    ///
    /// Nothing is resolved, so nothing is fetched.
    ///
    /// # Errors
    /// When cargo does not answer, or a file cannot be read.
    pub(crate) fn load() -> Result<Self, Error> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let metadata = MetadataCommand::new()
            .manifest_path(here.join("Cargo.toml"))
            .no_deps()
            .other_options(["--offline".to_owned(), "--locked".to_owned()])
            .exec()?;
        let root = metadata.workspace_root.clone().into_std_path_buf();
        let members: BTreeMap<_, _> =
            metadata.workspace_packages().into_iter().map(|package| (package.name.to_string(), package)).collect();
        let mut workspace = Self {
            target: metadata.target_directory.clone().into_std_path_buf(),
            manifest: read(&root.join("Cargo.toml"))?,
            ..Self::default()
        };
        for (name, package) in &members {
            let folder = package.manifest_path.parent().expect("a manifest is in a folder");
            let place = relative(folder.as_std_path(), &root);
            for path in rust_files(folder.as_std_path(), &root)? {
                let text = read(&root.join(&path))?;
                workspace.sources.push(Source::new(name, &path, &text));
            }
            let dependencies = package.dependencies.iter().map(|dependency| Dependency {
                name: dependency.name.clone(),
                known_as: dependency.rename.as_ref().unwrap_or(&dependency.name).replace('-', "_"),
                for_tests: dependency.kind == DependencyKind::Development,
                internal: members.contains_key(&dependency.name) && dependency.path.is_some(),
                versions: dependency.req.to_string(),
            });
            workspace.packages.push(Package {
                name: name.clone(),
                folder: place,
                manifest: read(package.manifest_path.as_std_path())?,
                dependencies: dependencies.collect(),
                has_features: package.features.keys().any(|feature| feature != "default"),
            });
        }
        workspace.sources.sort_by(|a, b| a.path.cmp(&b.path));
        workspace.root = root;
        Ok(workspace)
    }

    /// The pure crates that exist.
    pub(crate) fn pure(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.is_pure())
    }

    /// The source files of one package.
    pub(crate) fn sources_of(&self, package: &str) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(move |source| source.package == package)
    }

    /// All source files, the longest first, ties by path.
    pub(crate) fn longest(&self) -> Vec<&Source> {
        let mut sources: Vec<_> = self.sources.iter().collect();
        sources.sort_by(|a, b| b.lines().cmp(&a.lines()).then_with(|| a.path.cmp(&b.path)));
        sources
    }
}

impl Package {
    /// Whether it is one of the pure crates.
    pub(crate) fn is_pure(&self) -> bool {
        PURE.contains(&self.name.as_str())
    }

    /// Whether it must leave the world alone: the pure crates, and the shapes.
    pub(crate) fn is_apart_from_the_world(&self) -> bool {
        self.is_pure() || self.name == SHAPES
    }
}

/// The Rust files under `folder`, as paths from `root`, in order.
fn rust_files(folder: &Path, root: &Path) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| Error::file(&folder, error))? {
            let path = entry.map_err(|error| Error::file(&folder, error))?.path();
            let place = relative(&path, root);
            if path.is_dir() && !APART.contains(&place.as_str()) {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(place);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn relative(path: &Path, root: &Path) -> String {
    let parts = path.strip_prefix(root).unwrap_or(path).components();
    parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| Error::file(path, error))
}
