//! Where requests come in, as far as routes care.

use http::header::{self, HeaderMap};
use http::request::Parts;
use phalanx_routing::{Headers, Listener, Listeners, RequestHead};

use crate::api_error::ApiError;

/// What the gateway's one port stands for.
#[derive(Clone, Debug, Default)]
pub(crate) enum Door {
    /// The listener that no Gateway describes.
    #[default]
    Default,
    /// All listeners of all Gateways at once.
    Every,
    /// Those on this port, by the host that a request asks for.
    Gateways(Listeners, u16),
}

/// A request's headers, as routes look them up.
#[derive(Debug)]
pub(crate) struct Sent<'a>(pub(crate) &'a HeaderMap);

impl Door {
    /// The listener that a request came in on.
    pub(crate) fn listener(&self, host: &str) -> Result<Listener<'_>, ApiError> {
        match self {
            Self::Default => Ok(Listener::Default),
            Self::Every => Ok(Listener::Any),
            Self::Gateways(listeners, port) => {
                listeners.choose(host, *port).map(Listener::Gateway).ok_or_else(|| ApiError::unknown_host(host))
            }
        }
    }
}

impl Headers for Sent<'_> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(|value| value.as_bytes())
    }
}

/// What routes look at of a request.
pub(crate) fn head<'a>(parts: &'a Parts, headers: &'a Sent<'a>) -> RequestHead<'a> {
    // A request line with a whole URL says the host itself.
    let host = parts.uri.host().or_else(|| parts.headers.get(header::HOST)?.to_str().ok());
    RequestHead {
        method: parts.method.as_str(),
        host: host.unwrap_or_default(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers,
    }
}
