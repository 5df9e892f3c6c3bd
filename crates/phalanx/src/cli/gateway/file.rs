//! The file that `phalanx gateway` reads.

mod care;
pub(super) mod peers;
#[cfg(test)]
mod tests;
mod tokenizer;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use phalanx_gateway::{Endpoint, GatewayConfig, Pool};
use phalanx_kvcache::BlockSize;
use phalanx_routing::{ModelRoute, Policy, RouteTable};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use self::peers::Peers;
use super::super::input::{self, Wrong};
use super::super::policies::Written;
use super::pairing::{self, Connector, Duty, Part};
use super::signals::{Events, Metrics};

/// A gateway's file whose every value is sound.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct GatewayFile {
    #[serde(default = "listen")]
    listen: Address,
    #[serde(default = "policy")]
    policy: Written,
    #[serde(default = "block_size")]
    block_size: Tokens,
    models: Spanned<Vec<Model>>,
    #[serde(default)]
    connect_timeout: Option<Spanned<String>>,
    #[serde(default)]
    limits: care::LimitsPart,
    #[serde(default)]
    retry: Option<Spanned<care::RetryPart>>,
    #[serde(default)]
    breaker: Option<Spanned<care::Switch<care::BreakerPart>>>,
    #[serde(default)]
    health_check: Option<Spanned<care::CheckPart>>,
    #[serde(default)]
    drain: care::DrainPart,
    #[serde(default)]
    access_log: Option<care::LogPart>,
    #[serde(default)]
    decision_log: Option<DecisionLogPart>,
    #[serde(default)]
    debug: Option<Spanned<String>>,
    #[serde(default)]
    peers: Option<peers::PeersPart>,
}

/// What only a restart changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fixed {
    listen: SocketAddr,
    decision_log: Option<DecisionLogPart>,
    debug: Option<String>,
    peers: Peers,
}

impl Fixed {
    /// The fields that differ.
    pub(super) fn differs(&self, first: &Self) -> Vec<&'static str> {
        let fixed = [
            ("listen", self.listen != first.listen),
            ("decision_log", self.decision_log != first.decision_log),
            ("debug", self.debug != first.debug),
            ("peers", self.peers != first.peers),
        ];
        fixed.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect()
    }
}

/// Where decisions are written down.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionLogPart {
    path: PathBuf,
}

/// A model and the engines that serve it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    name: Spanned<String>,
    #[serde(default)]
    served_as: Option<String>,
    #[serde(default)]
    timeout: Option<Limit>,
    #[serde(default)]
    metrics: Option<Metrics>,
    #[serde(default)]
    kv_events: Option<Spanned<Events>>,
    #[serde(default)]
    kv_connector: Option<Spanned<Connector>>,
    #[serde(default)]
    timeouts: care::TimeoutsPart,
    #[serde(default)]
    retry: Option<Spanned<care::RetryPart>>,
    #[serde(default)]
    tokenizer: Option<tokenizer::TokenizerPart>,
    endpoints: Spanned<Vec<Spanned<Engine>>>,
}

/// An engine: an address, or a name and an address.
#[derive(Clone, Debug)]
struct Engine {
    name: String,
    address: SocketAddr,
    metrics: Option<Metrics>,
    kv_events: Option<Events>,
    duty: Duty,
    /// How many data-parallel ranks it has; without one it is asked as a whole.
    ranks: Option<NonZeroU16>,
}

#[derive(Clone, Copy, Debug)]
struct Address(SocketAddr);

#[derive(Clone, Copy, Debug)]
struct Tokens(BlockSize);

#[derive(Clone, Copy, Debug)]
struct Limit(Duration);

fn listen() -> Address {
    Address(SocketAddr::from(([127, 0, 0, 1], 8080)))
}

fn policy() -> Written {
    Written(Policy::preset("phalanx").expect("the default is a preset"))
}

fn block_size() -> Tokens {
    Tokens(BlockSize::new(16).expect("16 is a block size"))
}

/// Whether a text is meant to be such a file: it lists models, and is no Kubernetes object.
pub(in super::super) fn is_meant(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Head {
        kind: Option<IgnoredAny>,
        #[serde(rename = "apiVersion")]
        version: Option<IgnoredAny>,
        models: Option<IgnoredAny>,
    }
    input::parse(text).is_ok_and(|head: Head| head.kind.is_none() && head.version.is_none() && head.models.is_some())
}

impl GatewayFile {
    /// Reads a file's text.
    pub(in super::super) fn parse(text: &str) -> Result<Self, Wrong> {
        Self::parse_after(text, None)
    }

    /// Reads the text of a file that follows another one, whose tokenizers are kept where they are still the same.
    pub(super) fn parse_after(text: &str, before: Option<&Self>) -> Result<Self, Wrong> {
        let file: Self = input::parse(text)?;
        let loaded = || before.into_iter().flat_map(Self::tokenizers);
        file.tokenizers().for_each(|part| loaded().for_each(|other| part.keep(other)));
        file.check()?;
        file.config()?;
        Ok(file)
    }

    fn tokenizers(&self) -> impl Iterator<Item = &tokenizer::TokenizerPart> {
        self.models.value.iter().filter_map(|model| model.tokenizer.as_ref())
    }

    /// What no single value shows.
    fn check(&self) -> Result<(), Wrong> {
        self.debug()?;
        self.peers()?;
        if self.models.value.is_empty() {
            return Err(wrong(&self.models, "models is empty; expected one or more"));
        }
        let mut models = BTreeMap::new();
        let mut engines: BTreeMap<&str, SocketAddr> = BTreeMap::new();
        for model in &self.models.value {
            let name = model.name.value.as_str();
            if name.is_empty() {
                return Err(wrong(&model.name, "name is empty; expected the name that clients ask for"));
            }
            if let Some(line) = models.insert(name, model.name.referenced.line()) {
                let message = format!("name: {name} is also the name of the model in line {line}; expected each once");
                return Err(wrong(&model.name, message));
            }
            if model.endpoints.value.is_empty() {
                return Err(wrong(&model.endpoints, format!("endpoints of {name} is empty; expected one or more")));
            }
            let count: usize = model.endpoints.value.iter().map(|engine| engine.value.count()).sum();
            if let Some(events) = &model.kv_events
                && count > 1
                && !events.value.are_ports()
            {
                let message = "kv_events: an address stands for several endpoints; expected a port of each";
                return Err(wrong(events, message));
            }
            pairing::check(name, model.kv_connector.as_ref(), &model.endpoints.value, |engine| &engine.duty)?;
            let mut own = BTreeMap::new();
            for engine in &model.endpoints.value {
                let Engine { name, address, kv_events, .. } = &engine.value;
                if engine.value.count() > 1 && kv_events.as_ref().is_some_and(|events| !events.are_ports()) {
                    let message = "kv_events: an address stands for several ranks; expected the port of the first";
                    return Err(wrong(engine, message));
                }
                if own.insert(name.as_str(), ()).is_some() {
                    let message = format!("endpoints: {name} stands twice in one model; expected each once");
                    return Err(wrong(engine, message));
                }
                let known = *engines.entry(name).or_insert(*address);
                if known != *address {
                    let message = format!("name: {name} is also the name of {known}; expected one address for a name");
                    return Err(wrong(engine, message));
                }
            }
        }
        Ok(())
    }

    /// Where to listen.
    pub(in super::super) fn listen(&self) -> SocketAddr {
        self.listen.0
    }

    /// The fields that only a restart changes; what the gateway's own settings are, it says itself.
    pub(super) fn fixed(&self) -> Fixed {
        let debug = self.debug.as_ref().map(|text| text.value.clone());
        let peers = self.peers().unwrap_or_default();
        Fixed { listen: self.listen.0, decision_log: self.decision_log.clone(), debug, peers }
    }

    /// With another policy than the one that it names.
    pub(in super::super) fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = Written(policy);
        self
    }

    /// Where decisions are written down.
    pub(in super::super) fn decision_log(&self) -> Option<&Path> {
        self.decision_log.as_ref().map(|log| log.path.as_path())
    }

    /// Who serves the same fleet.
    pub(super) fn peers(&self) -> Result<Peers, Wrong> {
        self.peers.as_ref().map_or_else(|| Ok(Peers::default()), peers::PeersPart::read)
    }

    /// Where to tell of the inside.
    pub(in super::super) fn debug(&self) -> Result<Option<SocketAddr>, Wrong> {
        let Some(text) = &self.debug else { return Ok(None) };
        let address = text.value.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback());
        let told = || {
            let found = &text.value;
            wrong(
                text,
                format!("debug: found {found:?}; expected a loopback address and a port, such as 127.0.0.1:9090"),
            )
        };
        address.map(Some).ok_or_else(told)
    }

    /// How many models there are.
    pub(in super::super) fn models(&self) -> usize {
        self.models.value.len()
    }

    /// The gateway that the file asks for.
    pub(in super::super) fn config(&self) -> Result<GatewayConfig, Wrong> {
        let models = &self.models.value;
        let routes = models.iter().map(|model| ModelRoute::to(&model.name.value, &model.name.value));
        let routes = RouteTable::new(routes).map_err(|error| wrong(&self.models, error.to_string()))?;
        let config = GatewayConfig::new(routes, self.policy.0.clone()).with_block_size(self.block_size.0);
        let parts = care::Parts {
            connect_timeout: &self.connect_timeout,
            limits: &self.limits,
            retry: self.retry.as_ref(),
            breaker: self.breaker.as_ref(),
            health_check: self.health_check.as_ref(),
            drain: &self.drain,
            access_log: self.access_log,
        };
        models.iter().try_fold(parts.apply(config)?, |config, model| {
            let endpoints = model.endpoints.value.iter().map(|engine| &engine.value);
            let endpoints = endpoints.flat_map(|engine| engine.endpoints(model));
            let mut pool = Pool::of(endpoints).with_timeouts(model.timeouts.read()?);
            if let Some(retry) = &model.retry {
                pool = pool.with_retry(retry.value.read(retry)?);
            }
            if let Some(name) = &model.served_as {
                pool = pool.serving(name);
            }
            if let Some(connector) = &model.kv_connector {
                pool = pool.with_kv_connector(connector.value.0);
            }
            if let Some(Limit(limit)) = model.timeout {
                pool = pool.with_timeout(limit);
            }
            if let Some(part) = &model.tokenizer {
                pool = pool.with_tokenizer(part.load(self.tokenizers())?);
            }
            Ok(config.with_pool(&model.name.value, pool))
        })
    }
}

impl fmt::Display for GatewayFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let models = self.models.value.iter();
        let engines: usize = models.flat_map(|model| &model.endpoints.value).map(|engine| engine.value.count()).sum();
        write!(f, "policy {}, models {}, endpoints {engines}", self.policy.0, self.models())
    }
}

impl Engine {
    /// How many endpoints it is.
    fn count(&self) -> usize {
        self.ranks.map_or(1, |ranks| ranks.get().into())
    }

    /// The endpoint, or one for each of its ranks.
    fn endpoints(&self, model: &Model) -> Vec<Endpoint> {
        match self.ranks {
            None => vec![self.endpoint(model, None)],
            Some(ranks) => (0..ranks.get()).map(|rank| self.endpoint(model, Some(rank))).collect(),
        }
    }

    /// The endpoint, with what its model says of all of them.
    fn endpoint(&self, model: &Model, rank: Option<u16>) -> Endpoint {
        let name = rank.map_or_else(|| self.name.clone(), |rank| format!("{}/{rank}", self.name));
        let mut endpoint = self.duty.of(Endpoint::new(name, self.address));
        if let Some(rank) = rank {
            endpoint = endpoint.with_rank(rank.into());
        }
        let metrics = self.metrics.as_ref().or(model.metrics.as_ref());
        if let Some(source) = metrics.and_then(|metrics| metrics.source(self.address)) {
            endpoint = endpoint.with_metrics(rank.map_or(source.clone(), |rank| source.of_rank(rank.into())));
        }
        let events = self.kv_events.as_ref().or(model.kv_events.as_ref().map(|events| &events.value));
        if let Some(events) = events {
            endpoint = endpoint.with_kv_events(events.source(self.address, rank.unwrap_or(0)));
        }
        endpoint
    }
}

pub(super) fn wrong<T>(at: &Spanned<T>, message: impl Into<String>) -> Wrong {
    Wrong { place: Some((at.referenced.line(), at.referenced.column())), message: message.into() }
}

/// Reads an address of the field.
fn address<E: Error>(text: &str, field: &str) -> Result<SocketAddr, E> {
    let wrong =
        |_| E::custom(format!("{field}: found {text:?}; expected an IP address and a port, such as 10.0.0.1:8000"));
    text.parse().map_err(wrong)
}

/// Reads a time of the field, longer than none.
pub(super) fn time<E: Error>(text: &str, field: &str) -> Result<Duration, E> {
    let time = care::duration(text).filter(|time| !time.is_zero());
    time.ok_or_else(|| E::custom(format!("{field}: found {text:?}; expected a time such as 60s, 500ms or 2m")))
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        address(&String::deserialize(deserializer)?, "listen").map(Self)
    }
}

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tokens = u32::deserialize(deserializer)?;
        BlockSize::new(tokens).map(Self).map_err(|error| D::Error::custom(format!("block_size: {error}")))
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        time(&String::deserialize(deserializer)?, "timeout").map(Self)
    }
}

impl<'de> Deserialize<'de> for Engine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Named {
            name: String,
            address: At,
            #[serde(default)]
            metrics: Option<Metrics>,
            #[serde(default)]
            kv_events: Option<Events>,
            #[serde(default)]
            phase: Option<Part>,
            #[serde(default)]
            group: Option<String>,
            #[serde(default, deserialize_with = "pairing::bootstrap_port")]
            bootstrap_port: Option<NonZeroU16>,
            #[serde(default, deserialize_with = "pairing::ranks")]
            ranks: Option<NonZeroU16>,
        }

        struct At(SocketAddr);

        impl<'de> Deserialize<'de> for At {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                address(&String::deserialize(deserializer)?, "address").map(Self)
            }
        }

        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Engine;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address, or a name and an address")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Engine, E> {
                let address = address(text, "endpoints")?;
                Ok(Engine {
                    name: text.to_owned(),
                    address,
                    metrics: None,
                    kv_events: None,
                    duty: Duty::default(),
                    ranks: None,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Engine, A::Error> {
                let named = Named::deserialize(MapAccessDeserializer::new(map))?;
                let Named { name, address: At(address), metrics, kv_events, phase, group, bootstrap_port, ranks } =
                    named;
                let duty = Duty { phase: phase.unwrap_or_default(), group, bootstrap_port };
                Ok(Engine { name, address, metrics, kv_events, duty, ranks })
            }
        }

        deserializer.deserialize_any(Either)
    }
}
