//! A policy by its name, or from a file.

use std::fmt;
use std::path::Path;

use phalanx_routing::Policy;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::input::Wrong;
use super::kthena::{self, Notice, RouterConfig};
use super::{Failure, input, output};

/// The policy of that name, or the one in the file of that name.
pub(super) fn find(text: &str) -> Result<Policy, Failure> {
    if let Ok(policy) = Policy::preset(text) {
        return Ok(policy);
    }
    let path = Path::new(text);
    if !path.is_file() {
        let names = Policy::NAMES.join(", ");
        return Err(Failure::Input(format!("--policy {text}: expected one of {names}, or a file with a policy")));
    }
    let text = input::text(path)?;
    parse(&text)
        .map(|(policy, warnings)| {
            for warning in warnings {
                output::complain(&format!("warning: {}{warning}", path.display()));
            }
            policy
        })
        .map_err(|wrong| Failure::Input(format!("{}{wrong}", path.display())))
}

/// The policy that a text has: one as it is written here, or Kthena's router configuration.
pub(super) fn parse(text: &str) -> Result<(Policy, Vec<Notice>), Wrong> {
    if kthena::is_meant(text) {
        return RouterConfig::parse(text).map(|config| (config.policy, config.warnings));
    }
    input::parse(text).map(|policy| (policy, Vec::new()))
}

/// A policy in a file: a name, or all of it.
#[derive(Clone, Debug)]
pub(super) struct Written(pub(super) Policy);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a policy, or a policy")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Written, E> {
                Policy::preset(name).map(Written).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Written, A::Error> {
                Policy::deserialize(MapAccessDeserializer::new(map)).map(Written)
            }
        }

        deserializer.deserialize_any(Either)
    }
}
