//! How prefill and decode endpoints hand over KV.

use super::{Endpoint, Pool};

/// How the KV of a prompt gets from the endpoint that computes it to the one that answers, and so what the two are sent.
///
/// In each of them the prefill leg is the client's request for one token and no stream, and the decode leg is the client's
/// own bytes; what is said below stands in them besides. When no prefill endpoint does its part, a decode endpoint is sent
/// the client's request alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KvConnector {
    /// It goes where every engine finds it, such as a store that all of them share: the decode leg follows when the prefill
    /// leg was answered, and neither says anything of a transfer.
    Http,
    /// vLLM's NIXL connector and those that speak like it: the prefill leg asks in `kv_transfer_params` for KV to be kept, and
    /// what its answer says there stands in the decode leg, which follows. An answer that says nothing has left no KV.
    #[default]
    Nixl,
    /// SGLang's: both legs are under way at once and meet in a room of the prefill engine, under its address
    /// (`bootstrap_host`), [its port for that](Endpoint::with_bootstrap_port) (`bootstrap_port`) and a number that no other
    /// request has (`bootstrap_room`).
    Sglang,
}

impl KvConnector {
    /// The port at which prefill engines of SGLang are met if nothing else is said.
    pub const BOOTSTRAP_PORT: u16 = 8998;
}

impl Endpoint {
    /// The port at which decode endpoints meet this prefill endpoint, for [`KvConnector::Sglang`];
    /// [`KvConnector::BOOTSTRAP_PORT`] by default.
    ///
    /// ```
    /// use phalanx_gateway::{Endpoint, Phase};
    ///
    /// let prefill = Endpoint::new("prefill-0", "10.0.0.1:8000".parse()?).in_phase(Phase::Prefill, "a");
    /// let prefill = prefill.with_bootstrap_port(9000);
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn with_bootstrap_port(mut self, port: u16) -> Self {
        self.bootstrap_port = port;
        self
    }
}

impl Pool {
    /// How its prefill endpoints hand over KV to its decode endpoints; [`KvConnector::Nixl`] by default.
    ///
    /// ```
    /// use phalanx_gateway::{KvConnector, Pool};
    ///
    /// let pool = Pool::default().with_kv_connector(KvConnector::Sglang);
    /// ```
    #[must_use]
    pub fn with_kv_connector(mut self, connector: KvConnector) -> Self {
        self.connector = connector;
        self
    }
}
