//! The emulated engines: one for every placed role replica, and the pools that ModelServers make of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};

use phalanx_emulator::{Emulator, EmulatorConfig};
use phalanx_engine::EngineConfig;
use phalanx_gateway::{Endpoint, GatewayConfig, KvConnector, Phase, Pool};
use phalanx_manifest::{InferenceEngine, KvConnector as Connector, ModelServer, Part};
use phalanx_routing::{Listener, Policy, RequestHead, RouteRequest, RouteTable, Seed};
use phalanx_signals::{EventSource, Publisher, PublisherConfig};
use serde_json::json;
use tokio::net::TcpListener;

use super::super::Failure;
use super::super::place::{Placements, Replica};
use crate::cli::output;

/// What is to run.
#[derive(Debug)]
pub(super) struct Fleet {
    routes: RouteTable,
    config: EngineConfig,
    engines: Vec<Planned>,
    servers: Vec<ModelServer>,
}

/// One engine to start.
#[derive(Debug)]
struct Planned {
    replica: Replica,
    /// The names under which it serves its model.
    models: Vec<String>,
    /// Indices of the servers that select it, and what it runs there.
    parts: Vec<(usize, Part)>,
}

/// What runs.
#[derive(Debug)]
pub(super) struct Running {
    fleet: FleetView,
    engines: Vec<Engine>,
}

/// What the gateway needs to know of the fleet.
#[derive(Debug)]
struct FleetView {
    routes: RouteTable,
    config: EngineConfig,
    servers: Vec<ModelServer>,
}

/// One running engine.
#[derive(Debug)]
pub(super) struct Engine {
    /// `namespace/pod`, of the entry pod.
    pub(super) name: String,
    pub(super) node: String,
    pub(super) emulator: Emulator,
    parts: Vec<(usize, Part)>,
    events: EventSource,
}

impl Fleet {
    /// Matches placed replicas with ModelServers, and those with the models that routes give them.
    pub(super) fn read(placements: &Placements, config: EngineConfig) -> Result<Self, Failure> {
        let manifests = placements.manifests();
        let routes = manifests.route_table().map_err(|error| Failure::Input(error.to_string()))?;
        let servers = manifests.servers().to_vec();
        // A server without a model name of its own serves the names of the routes that lead to it; each serves their adapters.
        let mut routed: BTreeMap<&str, (BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
        for route in routes.routes() {
            for server in route.targets().filter_map(|target| target.server()) {
                let (models, adapters) = routed.entry(server).or_default();
                models.extend([route.model()].iter().filter(|model| !model.is_empty()));
                adapters.extend(route.adapters().iter().map(String::as_str));
            }
        }
        let mut engines = Vec::new();
        for replica in placements.replicas() {
            let selects = |server: &ModelServer| {
                let same_namespace = server.name().namespace() == replica.namespace;
                same_namespace.then(|| server.selector().matches(&replica.labels)).flatten()
            };
            let parts: Vec<(usize, Part)> =
                servers.iter().enumerate().filter_map(|(i, server)| Some((i, selects(server)?))).collect();
            let mut models = BTreeSet::new();
            for (server, _) in &parts {
                let server = &servers[*server];
                let (routed, adapters) = routed.get(server.name().to_string().as_str()).cloned().unwrap_or_default();
                match server.model() {
                    Some(model) => drop(models.insert(model.to_owned())),
                    None => models.extend(routed.into_iter().map(str::to_owned)),
                }
                models.extend(adapters.into_iter().map(str::to_owned));
            }
            if models.is_empty() {
                models.insert(replica.serving.clone());
            }
            engines.push(Planned { replica: replica.clone(), models: models.into_iter().collect(), parts });
        }
        Ok(Self { routes, config, engines, servers })
    }

    /// The models and adapters that a plain chat request can ask for.
    pub(super) fn models(&self) -> Vec<String> {
        plain_models(&self.routes).map(str::to_owned).collect()
    }

    /// Starts every engine on a free loopback port.
    pub(super) async fn start(self) -> Result<Running, Failure> {
        let mut engines = Vec::new();
        for planned in self.engines {
            let mut names = planned.models.into_iter();
            let first = names.next().expect("an engine serves under one name at least");
            let config = names.fold(EmulatorConfig::new(first, self.config.clone()), EmulatorConfig::also_serving);
            let [listener, live, replays] = [free_port().await?, free_port().await?, free_port().await?];
            let unbound = |error: &dyn std::error::Error| Failure::Input(error.to_string());
            let addresses = live.local_addr().and_then(|live| Ok((live, replays.local_addr()?)));
            let (live_address, replay_address) = addresses.map_err(|error| unbound(&error))?;
            let events = EventSource::new(live_address.into()).with_replay(replay_address.into());
            let publisher = Publisher::start(&PublisherConfig::new(), live, Some(replays));
            let publisher = publisher.map_err(|error| unbound(&error))?;
            let emulator = Emulator::publishing(config, listener, publisher).map_err(|error| unbound(&error))?;
            let name = format!("{}/{}", planned.replica.namespace, planned.replica.pod);
            let node = planned.replica.node;
            engines.push(Engine { name, node, emulator, parts: planned.parts, events });
        }
        let fleet = FleetView { routes: self.routes, config: self.config, servers: self.servers };
        Ok(Running { fleet, engines })
    }
}

impl Running {
    pub(super) fn engines(&self) -> &[Engine] {
        &self.engines
    }

    pub(super) fn gateway_config(&self, policy: Policy, seed: Seed) -> GatewayConfig {
        let config = GatewayConfig::new(self.fleet.routes.clone(), policy)
            .with_block_size(self.fleet.config.block_size())
            .with_seed(seed)
            // There is one port only, whatever Gateways the routes are for.
            .with_every_listener();
        self.fleet.servers.iter().enumerate().fold(config, |config, (index, server)| {
            let endpoints = self.engines.iter().filter_map(|engine| {
                let (_, part) = engine.parts.iter().find(|(server, _)| *server == index)?;
                let endpoint =
                    Endpoint::new(&engine.name, engine.emulator.address()).with_kv_events(engine.events.clone());
                let endpoint = endpoint.in_phase(phase(part), part.group.clone());
                // Emulated engines meet where they are asked.
                Some(endpoint.with_bootstrap_port(engine.emulator.address().port()))
            });
            let mut pool = Pool::of(endpoints).with_kv_connector(connector(server));
            if let Some(model) = server.model() {
                pool = pool.serving(model);
            }
            if let Some(timeout) = server.timeout() {
                pool = pool.with_timeout(timeout);
            }
            config.with_pool(server.name().to_string(), pool)
        })
    }

    pub(super) fn page(&self) -> String {
        let rows = self.engines.iter().map(|engine| {
            let serves = engine.parts.iter().map(|(server, part)| {
                let name = self.fleet.servers[*server].name().to_string();
                match part.phase {
                    phalanx_manifest::Phase::Both => name,
                    phalanx_manifest::Phase::Prefill => format!("{name} (prefill)"),
                    phalanx_manifest::Phase::Decode => format!("{name} (decode)"),
                }
            });
            let mut serves = serves.collect::<Vec<_>>().join(", ");
            if serves.is_empty() {
                serves.push_str("no ModelServer selects it");
            }
            let url = format!("http://{}", engine.emulator.address());
            vec![engine.name.clone(), engine.node.clone(), url, serves]
        });
        output::table(&["ENGINE", "NODE", "ADDRESS", "MODEL SERVER"], 4, rows)
    }

    /// A line to try.
    pub(super) fn curl(&self, gateway: SocketAddr) -> String {
        let model = plain_models(&self.fleet.routes).next().unwrap_or("MODEL");
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": "Hello" }] });
        format!("curl http://{gateway}/v1/chat/completions -H 'content-type: application/json' -d '{body}'")
    }

    pub(super) async fn shutdown(self) {
        for engine in self.engines {
            engine.emulator.shutdown().await;
        }
    }
}

async fn free_port() -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
    listener.map_err(|error| Failure::Input(format!("no free loopback port: {error}")))
}

/// The names whose requests find a server of the cluster without any header of their own.
fn plain_models(routes: &RouteTable) -> impl Iterator<Item = &str> {
    let head = RequestHead { path: "/v1/chat/completions", ..RequestHead::default() };
    routes.models().chain(routes.adapters()).filter(move |&model| {
        let request = RouteRequest { model, head, listener: Listener::Any, key: 0 };
        routes.find(&request).is_ok_and(|found| found.rule().targets().iter().any(|target| target.server().is_some()))
    })
}

/// How the pods of a server hand over KV; if it says nothing, as its engine does by itself.
fn connector(server: &ModelServer) -> KvConnector {
    match (server.kv_connector(), server.engine()) {
        (Some(Connector::Http | Connector::Lmcache), _) => KvConnector::Http,
        (None, InferenceEngine::Sglang) => KvConnector::Sglang,
        _ => KvConnector::Nixl,
    }
}

fn phase(part: &Part) -> Phase {
    match part.phase {
        phalanx_manifest::Phase::Prefill => Phase::Prefill,
        phalanx_manifest::Phase::Decode => Phase::Decode,
        phalanx_manifest::Phase::Both => Phase::Both,
    }
}
