//! What a cluster's manifests do not say themselves.

use phalanx_topology::{LevelLabel, Topology};

/// How manifests are read: which node labels make the levels of the topology.
///
/// ```
/// use phalanx_manifest::Settings;
/// use phalanx_topology::LevelLabel;
///
/// let names: Vec<_> = Settings::new().levels().iter().map(LevelLabel::level).map(str::to_owned).collect();
/// assert_eq!(names, ["zone", "block", "rack"]);
/// let flat = Settings::new().with_levels([LevelLabel::new("switch", "example.com/switch")]);
/// assert_eq!(flat.levels().len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    levels: Vec<LevelLabel>,
    /// Whether the caller named them.
    named: bool,
}

impl Settings {
    /// The level of the nodes, always there below the last named one.
    pub(crate) const NODE_LEVEL: &'static str = Topology::NODE_LEVEL;

    /// Levels `zone`, `block` and `rack`, from the labels of those names under `topology.kubernetes.io/`.
    #[must_use]
    pub fn new() -> Self {
        let label = |level: &str| LevelLabel::new(level, format!("topology.kubernetes.io/{level}"));
        Self { levels: ["zone", "block", "rack"].map(label).into(), named: false }
    }

    /// Other levels, coarse to fine. Levels that no topology can have are told by
    /// [`Manifests::inventory`](crate::Manifests::inventory). Levels that are named so are there beside those of
    /// HyperNodes; the default ones give way to them.
    #[must_use]
    pub fn with_levels(mut self, levels: impl IntoIterator<Item = LevelLabel>) -> Self {
        self.levels = levels.into_iter().collect();
        self.named = true;
        self
    }

    /// The levels, coarse to fine.
    #[must_use]
    pub fn levels(&self) -> &[LevelLabel] {
        &self.levels
    }

    pub(crate) fn level_names(&self) -> Vec<&str> {
        self.levels.iter().map(LevelLabel::level).collect()
    }

    /// Whether the levels are the caller's own.
    pub(crate) fn names_levels(&self) -> bool {
        self.named
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}
