//! What a change of the configuration came to.

use std::fmt;

use crate::config::GatewayConfig;

/// What [`Gateway::reload`](crate::Gateway::reload) changed, and what it could not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// Servers from now on.
    pub servers: usize,
    /// Endpoints from now on.
    pub endpoints: usize,
    /// Those of them that are new: nothing is known of them yet.
    pub joined: usize,
    /// Endpoints that are gone. What they have under way goes on.
    pub left: usize,
    /// Settings that were to be others, and are what they were: they take a restart.
    pub fixed: Vec<&'static str>,
}

impl Reloaded {
    pub(crate) fn new(endpoints: usize, joined: usize, left: usize, servers: usize) -> Self {
        Self { servers, endpoints, joined, left, fixed: Vec::new() }
    }
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { servers, endpoints, joined, left, fixed } = self;
        write!(f, "servers {servers}, endpoints {endpoints} ({joined} new, {left} gone)")?;
        if !fixed.is_empty() {
            write!(f, "; {} stays as it was until a restart", fixed.join(", "))?;
        }
        Ok(())
    }
}

impl GatewayConfig {
    /// Takes over what cannot change while a gateway runs; says which of it was to change.
    pub(crate) fn keep_fixed(&mut self, running: &Self) -> Vec<&'static str> {
        let mut fixed = Vec::new();
        if self.block_size != running.block_size {
            fixed.push("block_size");
        }
        if self.seed != running.seed {
            fixed.push("seed");
        }
        if self.max_index_bytes != running.max_index_bytes {
            fixed.push("max_index_bytes");
        }
        if self.care.decision_log.is_some() && running.care.decision_log.is_none() {
            fixed.push("decision_log");
        }
        self.care.decision_log.clone_from(&running.care.decision_log);
        (self.block_size, self.seed, self.max_index_bytes) =
            (running.block_size, running.seed, running.max_index_bytes);
        fixed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_said() {
        let mut reloaded = Reloaded::new(3, 1, 2, 1);
        assert_eq!(reloaded.to_string(), "servers 1, endpoints 3 (1 new, 2 gone)");
        reloaded.fixed = vec!["block_size", "seed"];
        assert!(reloaded.to_string().ends_with("; block_size, seed stays as it was until a restart"));
    }
}
