//! `kv_connector`, `phase`, `group` and `bootstrap_port` in the file: who computes prompts for whom, and how KV is handed over.

use std::fmt;
use std::num::NonZeroU16;

use phalanx_gateway::{Endpoint, KvConnector, Phase};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::super::input::Wrong;
use super::file::wrong;

/// A connector by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connector(pub(super) KvConnector);

/// What an endpoint runs of a request, and with whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Duty {
    pub(super) phase: Part,
    pub(super) group: Option<String>,
    pub(super) bootstrap_port: Option<NonZeroU16>,
}

/// A phase by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part(Phase);

impl Duty {
    /// The endpoint with this duty.
    pub(super) fn of(&self, endpoint: Endpoint) -> Endpoint {
        let endpoint = endpoint.in_phase(self.phase.0, self.group.as_deref().unwrap_or_default());
        match self.bootstrap_port {
            Some(port) => endpoint.with_bootstrap_port(port.get()),
            None => endpoint,
        }
    }
}

/// Whether the duties of a model's endpoints, each with whatever it stands in, go together.
pub(super) fn check<T>(
    model: &str,
    connector: Option<&Spanned<Connector>>,
    endpoints: &[Spanned<T>],
    duty: impl Fn(&T) -> &Duty,
) -> Result<(), Wrong> {
    let find = |phase| endpoints.iter().find(|endpoint| duty(&endpoint.value).phase.0 == phase);
    let (prefill, decode, both) = (find(Phase::Prefill), find(Phase::Decode), find(Phase::Both));
    let one_alone = prefill.xor(decode);
    if let Some(one) = one_alone {
        let (has, lacks) = if prefill.is_some() { ("prefill", "decode") } else { ("decode", "prefill") };
        let message =
            format!("phase: {has}, but no endpoint of {model} has the phase {lacks}; expected both or neither");
        return Err(wrong(one, message));
    }
    if let (Some(both), Some(_)) = (both, decode) {
        let message = format!("phase: missing, but other endpoints of {model} have one; expected prefill or decode");
        return Err(wrong(both, message));
    }
    if let (Some(connector), None) = (connector, decode) {
        let message = format!("kv_connector: no endpoint of {model} has a phase; expected prefill and decode ones");
        return Err(wrong(connector, message));
    }
    let group = |endpoint: &Spanned<T>| duty(&endpoint.value).group.clone().unwrap_or_default();
    for endpoint in endpoints {
        let Duty { phase: Part(phase), bootstrap_port, .. } = duty(&endpoint.value);
        let other = match phase {
            Phase::Both if duty(&endpoint.value).group.is_some() => {
                return Err(wrong(endpoint, "group: stands without a phase; expected prefill or decode as phase"));
            }
            Phase::Both => None,
            Phase::Prefill => Some((Phase::Decode, "decode")),
            Phase::Decode => Some((Phase::Prefill, "prefill")),
        };
        if let Some((other, name)) = other {
            let mut others = endpoints.iter().filter(|endpoint| duty(&endpoint.value).phase.0 == other);
            if !others.any(|other| group(other) == group(endpoint)) {
                let message =
                    format!("group: no endpoint of {model} with the phase {name} is in {:?}", group(endpoint));
                return Err(wrong(endpoint, message));
            }
        }
        let meets = *phase == Phase::Prefill && connector.is_some_and(|named| named.value.0 == KvConnector::Sglang);
        if bootstrap_port.is_some() && !meets {
            let message = "bootstrap_port: only a prefill endpoint of kv_connector sglang has one";
            return Err(wrong(endpoint, message));
        }
    }
    Ok(())
}

/// Reads `ranks`.
pub(super) fn ranks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU16>, D::Error> {
    deserializer.deserialize_any(Number("ranks")).map(Some)
}

/// Reads `bootstrap_port`.
pub(super) fn bootstrap_port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroU16>, D::Error> {
    deserializer.deserialize_any(Number("bootstrap_port")).map(Some)
}

/// A number of the field with this name.
struct Number(&'static str);

impl Visitor<'_> for Number {
    type Value = NonZeroU16;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from 1 to 65535 as {}", self.0)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<NonZeroU16, E> {
        let found = u16::try_from(number).ok().and_then(NonZeroU16::new);
        found.ok_or_else(|| E::custom(format!("{}: found {number}; expected 1 to 65535", self.0)))
    }
}

impl<'de> Deserialize<'de> for Connector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        match name.as_str() {
            "http" | "lmcache" => Ok(Self(KvConnector::Http)),
            "nixl" | "mooncake" => Ok(Self(KvConnector::Nixl)),
            "sglang" => Ok(Self(KvConnector::Sglang)),
            _ => {
                let expected = "http, lmcache, nixl, mooncake or sglang";
                Err(D::Error::custom(format!("kv_connector: found {name:?}; expected {expected}")))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        match name.as_str() {
            "prefill" => Ok(Self(Phase::Prefill)),
            "decode" => Ok(Self(Phase::Decode)),
            "both" => Ok(Self(Phase::Both)),
            _ => Err(D::Error::custom(format!("phase: found {name:?}; expected prefill, decode or both"))),
        }
    }
}
