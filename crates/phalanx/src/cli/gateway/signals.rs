//! `metrics` and `kv_events` in the file: what the gateway learns of an engine, and where.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use phalanx_signals::{Address, EventSource, MetricsSource};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::file::time;

/// `true`, `false`, a path, or a path and an interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Metrics {
    Off,
    On { path: Option<String>, interval: Option<Duration> },
}

/// Where an engine publishes, where it replays, and how the topics begin that are listened to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Events {
    address: Place,
    #[serde(default)]
    replay: Option<Place>,
    #[serde(default)]
    topic: String,
}

/// A port of the endpoint, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Port(u16),
    Address(Address),
}

impl Metrics {
    /// The metrics of an engine at this address, if they are wanted.
    pub(super) fn source(&self, address: SocketAddr) -> Option<MetricsSource> {
        let Self::On { path, interval } = self else { return None };
        let mut source = MetricsSource::new(address);
        if let Some(path) = path {
            source = source.with_path(path);
        }
        if let Some(interval) = interval {
            source = source.with_interval(*interval);
        }
        Some(source)
    }
}

impl Events {
    /// Whether it says ports alone, and so means another publisher for each endpoint.
    pub(super) fn are_ports(&self) -> bool {
        [Some(&self.address), self.replay.as_ref()].into_iter().flatten().all(|place| matches!(place, Place::Port(_)))
    }

    /// The events of an engine at this address, or of one rank of it: each publishes at ports of its own, which follow those
    /// of the first.
    pub(super) fn source(&self, address: SocketAddr, rank: u16) -> EventSource {
        let at = |place: &Place| match place {
            Place::Port(port) => SocketAddr::new(address.ip(), port.saturating_add(rank)).into(),
            Place::Address(address) => address.clone(),
        };
        let source = EventSource::new(at(&self.address)).with_topic(&self.topic);
        match &self.replay {
            Some(replay) => source.with_replay(at(replay)),
            None => source,
        }
    }
}

impl<'de> Deserialize<'de> for Metrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Parts {
            #[serde(default)]
            path: Option<String>,
            #[serde(default)]
            interval: Option<String>,
        }

        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Metrics;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, a path, or a path and an interval")
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<Metrics, E> {
                Ok(if on { Metrics::On { path: None, interval: None } } else { Metrics::Off })
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Metrics, E> {
                Ok(Metrics::On { path: Some(path(text)?), interval: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Metrics, A::Error> {
                let parts = Parts::deserialize(MapAccessDeserializer::new(map))?;
                let interval = parts.interval.map(|text| time(&text, "interval")).transpose()?;
                Ok(Metrics::On { path: parts.path.as_deref().map(path).transpose()?, interval })
            }
        }

        deserializer.deserialize_any(Any)
    }
}

fn path<E: Error>(text: &str) -> Result<String, E> {
    if text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err(E::custom(format!("metrics: found {text:?}; expected a path such as /metrics")))
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = Place;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port such as 5557, or an address such as tcp://10.0.0.1:5557")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Place, E> {
                let port = u16::try_from(number).ok().filter(|port| *port > 0);
                let wrong = || E::custom(format!("kv_events: found the port {number}; expected 1 to 65535"));
                port.map(Place::Port).ok_or_else(wrong)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Place, E> {
                text.parse().map(Place::Address).map_err(|error| E::custom(format!("kv_events: {error}")))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::input;

    fn address() -> SocketAddr {
        "10.0.0.1:8000".parse().expect("an address")
    }

    #[test]
    fn metrics_in_every_form() {
        let plain = MetricsSource::new(address());
        let often = plain.clone().with_interval(Duration::from_millis(200));
        let cases = [
            ("true", Some(plain.clone())),
            ("false", None),
            ("/other", Some(plain.clone().with_path("/other"))),
            ("{interval: 200ms}", Some(often.clone())),
            ("{path: /other, interval: 200ms}", Some(often.with_path("/other"))),
        ];
        for (text, expected) in cases {
            let metrics: Metrics = input::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(metrics.source(address()), expected, "{text}");
        }
        for (text, message) in
            [("metrics", "expected a path"), ("{interval: 5}", "expected a time"), ("{paths: /a}", "paths")]
        {
            let error = input::parse::<Metrics>(text).expect_err("it is wrong").to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn events_at_ports_and_addresses() {
        let events: Events = input::parse("{address: 5557, replay: 5558, topic: kv@}").expect("sound");
        let source = events.source(address(), 0);
        assert!(events.are_ports());
        assert_eq!(source.events().to_string(), "tcp://10.0.0.1:5557");
        assert_eq!(source.replay().map(ToString::to_string).as_deref(), Some("tcp://10.0.0.1:5558"));
        let events: Events = input::parse("{address: 'tcp://engine:5557'}").expect("sound");
        assert_eq!((events.are_ports(), events.source(address(), 0).events().host()), (false, "engine"));
        let cases = [
            ("{address: 0}", "1 to 65535"),
            ("{address: 70000}", "1 to 65535"),
            ("{address: 'tcp://*:1'}", "expected one such as"),
            ("{replay: 1}", "address"),
            ("{address: 1, topics: a}", "topics"),
        ];
        for (text, message) in cases {
            let error = input::parse::<Events>(text).expect_err("it is wrong").to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
