//! Where an engine publishes.

use core::fmt;
use core::str::FromStr;
use std::net::{IpAddr, SocketAddr};

/// A TCP address as ZMQ writes it: `tcp://` and a host and a port.
///
/// ```
/// use phalanx_signals::Address;
///
/// let address: Address = "tcp://10.0.0.1:5557".parse()?;
/// assert_eq!((address.host(), address.port()), ("10.0.0.1", 5557));
/// assert_eq!(address.to_string(), "tcp://10.0.0.1:5557");
/// # Ok::<(), phalanx_signals::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    host: String,
    port: u16,
}

/// Why a text is no [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address to connect to; expected one such as tcp://10.0.0.1:5557")]
pub struct AddressError {
    text: String,
}

impl Address {
    /// The host, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; never 0.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError { text: text.to_owned() };
        let rest = text.strip_prefix("tcp://").ok_or_else(wrong)?;
        let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().map_err(|_| wrong())?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match bare {
            Some(bare) => bare.parse().is_ok_and(|ip: IpAddr| ip.is_ipv6()),
            // `*` is an address to listen on.
            None => !host.is_empty() && !host.contains([':', '*', '/', '[', ']', ' ']),
        };
        if port == 0 || !is_host {
            return Err(wrong());
        }
        Ok(Self { host: bare.unwrap_or(host).to_owned(), port })
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "tcp://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "tcp://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in ["tcp://10.0.0.1:5557", "tcp://engine-0.pods:1", "tcp://[::1]:5557"] {
            assert_eq!(text.parse().map(|address: Address| address.to_string()), Ok(text.to_owned()));
        }
        let from = Address::from(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 9)));
        assert_eq!(from.to_string(), "tcp://[::1]:9");
    }

    #[test]
    fn what_nobody_can_connect_to_is_refused() {
        for text in [
            "",
            "10.0.0.1:5557",
            "tcp://*:5557",
            "tcp://:1",
            "tcp://a",
            "tcp://a:0",
            "tcp://a:70000",
            "ipc:///tmp/a",
            "tcp://::1:7",
            "tcp://[10.0.0.1]:7",
            "tcp://a/b:1",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
