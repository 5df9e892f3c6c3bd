//! What a domain of an explicit tree holds.

use std::fmt;

/// What a domain holds: another domain or a node, by name.
///
/// ```
/// # use phalanx_topology::Member;
/// assert_eq!(Member::node("n1").to_string(), r#"node "n1""#);
/// assert_eq!(Member::domain("r1").to_string(), r#"domain "r1""#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// The domain with this name.
    Domain(String),
    /// The node with this name.
    Node(String),
}

impl Member {
    /// The domain with this name.
    ///
    /// ```
    /// # use phalanx_topology::Member;
    /// assert_eq!(Member::domain("r1"), Member::Domain("r1".to_owned()));
    /// ```
    pub fn domain(name: impl Into<String>) -> Self {
        Self::Domain(name.into())
    }

    /// The node with this name.
    ///
    /// ```
    /// # use phalanx_topology::Member;
    /// assert_eq!(Member::node("n1"), Member::Node("n1".to_owned()));
    /// ```
    pub fn node(name: impl Into<String>) -> Self {
        Self::Node(name.into())
    }

    /// The name of what is held.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Domain(name) | Self::Node(name) => name,
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(name) => write!(f, "domain {name:?}"),
            Self::Node(name) => write!(f, "node {name:?}"),
        }
    }
}
