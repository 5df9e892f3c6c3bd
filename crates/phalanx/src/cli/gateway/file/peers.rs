//! The part of the file about other gateways that serve the same fleet.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::super::super::input::Wrong;
use super::{care, wrong};

/// As it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PeersPart {
    #[serde(default)]
    listen: care::Value,
    #[serde(default)]
    from: Vec<Spanned<String>>,
    #[serde(default)]
    wait: care::Value,
}

/// Where peers are answered, and which are asked at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Peers {
    pub(in super::super) listen: Option<SocketAddr>,
    /// Hosts with ports; a name may stand for several.
    pub(in super::super) from: Vec<String>,
    pub(in super::super) wait: Duration,
}

impl PeersPart {
    pub(super) fn read(&self) -> Result<Peers, Wrong> {
        let address = |text: &Spanned<String>| {
            let told = || {
                let found = &text.value;
                wrong(
                    text,
                    format!("listen: found {found:?}; expected an IP address and a port, such as 10.0.0.1:9091"),
                )
            };
            text.value.parse().map_err(|_| told())
        };
        for text in &self.from {
            let port = text.value.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
                let message = format!("from: found {:?}; expected a host and a port, such as peers:9091", text.value);
                return Err(wrong(text, message));
            }
        }
        Ok(Peers {
            listen: self.listen.as_ref().map(address).transpose()?,
            from: self.from.iter().map(|text| text.value.clone()).collect(),
            wait: care::time("wait", &self.wait)?.unwrap_or(Duration::from_secs(5)),
        })
    }
}
