//! What a gateway's configuration is read from: its file, and perhaps another one for the policy.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use phalanx_gateway::GatewayConfig;
use phalanx_routing::Policy;

use super::super::{Failure, input, policies};
use super::file::GatewayFile;

/// Where it is.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    config: PathBuf,
    /// A name, or a file.
    policy: Option<String>,
}

/// The texts of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Texts {
    config: String,
    policy: Option<String>,
}

/// What they say.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) file: GatewayFile,
    pub(super) config: GatewayConfig,
    /// Each with file and line.
    pub(super) warnings: Vec<String>,
}

impl Sources {
    pub(super) fn new(config: PathBuf, policy: Option<String>) -> Self {
        Self { config, policy }
    }

    /// The gateway's own file.
    pub(super) fn path(&self) -> &Path {
        &self.config
    }

    /// The file of the policy, where it is no name of one.
    fn policy_file(&self) -> Option<&Path> {
        self.policy.as_deref().filter(|name| Policy::preset(name).is_err()).map(Path::new)
    }

    /// Reads the files for the first time.
    pub(super) fn texts(&self) -> Result<Texts, Failure> {
        let config = input::text(&self.config)?;
        let policy = match (self.policy_file(), &self.policy) {
            // Says which names there are.
            (Some(path), Some(name)) if !path.is_file() => policies::find(name).map(|_| None)?,
            (Some(path), _) => Some(input::text(path)?),
            (None, _) => None,
        };
        Ok(Texts { config, policy })
    }

    /// Reads them again.
    pub(super) fn look(&self) -> io::Result<Texts> {
        let read = |path: &Path| {
            let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
            fs::read_to_string(path).map_err(named)
        };
        Ok(Texts { config: read(&self.config)?, policy: self.policy_file().map(read).transpose()? })
    }

    /// What the texts say, after the file that is in use, if one is; or what is wrong with them: with file, line and field.
    pub(super) fn read(&self, texts: &Texts, in_use: Option<&GatewayFile>) -> Result<Read, String> {
        let path = self.config.display();
        let mut file = GatewayFile::parse_after(&texts.config, in_use).map_err(|wrong| format!("{path}{wrong}"))?;
        let mut warnings = Vec::new();
        if let (Some(text), Some(of)) = (&texts.policy, self.policy_file()) {
            let of = of.display();
            let (policy, notices) = policies::parse(text).map_err(|wrong| format!("{of}{wrong}"))?;
            warnings = notices.into_iter().map(|notice| format!("{of}{notice}")).collect();
            file = file.with_policy(policy);
        } else if let Some(policy) = self.policy.as_deref().and_then(|name| Policy::preset(name).ok()) {
            file = file.with_policy(policy);
        }
        let config = file.config().map_err(|wrong| format!("{path}{wrong}"))?;
        Ok(Read { file, config, warnings })
    }
}
