//! Where decisions are made: a configuration as it is applied, over the fleet that outlives it.

mod adapters;
mod care;
mod change;
mod fleet;
mod look;
mod recent;
mod server;
mod warm;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::request::Parts;
use phalanx_routing::{AdapterId, RouteRequest, RouteTable};

pub(crate) use self::care::Standing;
use self::change::Plan;
pub(crate) use self::fleet::{Fleet, Member};
pub(crate) use self::recent::Made;
pub(crate) use self::server::Server;
use crate::access_log::{AccessLog, OpenLog};
use crate::api_error::ApiError;
use crate::ask::Ask;
use crate::config::GatewayConfig;
use crate::door::{self, Door, Sent};
use crate::error::StartError;
use crate::limits::Limits;
use crate::meters::Meters;
use crate::reload::Reloaded;
use crate::retry::{Budget, Retry};
use crate::tokens::Tokenizer;
use crate::upstream::Upstream;

/// One configuration, and what requests under it share. A further one is made beside it, and requests that began here end
/// here.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) limits: Limits,
    pub(crate) meters: Meters,
    pub(crate) access_log: Option<OpenLog>,
    pub(crate) upstream: Upstream,
    /// As it is applied.
    pub(crate) config: GatewayConfig,
    routes: RouteTable,
    door: Door,
    servers: BTreeMap<String, Server>,
    /// Those of the servers, each once.
    pub(crate) tokenizers: Vec<Tokenizer>,
    members: Vec<Arc<Member>>,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Routed<'a> {
    pub(crate) server: &'a Server,
    /// The name to ask the server for, where it is not the client's.
    pub(crate) model: Option<&'a str>,
    /// The adapter that is asked for.
    pub(crate) adapter: Option<AdapterId>,
}

/// What an endpoint is chosen for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work<'a> {
    /// The prompt is computed there, but for what its cache holds.
    Prompt(&'a Ask),
    /// The prompt's KV arrives from elsewhere: its last token is computed.
    Decode,
}

impl Desk {
    /// The first configuration of a gateway.
    pub(crate) fn open(mut config: GatewayConfig) -> Result<Arc<Self>, StartError> {
        let plan = Plan::of(&config)?;
        let log = open_log(&config)?;
        let fleet = Arc::new(Fleet::new(&config));
        let warm = config.snapshot.take().map(|snapshot| plan.warm(&fleet, snapshot)).unwrap_or_default();
        Ok(Arc::new(Self::of(config, plan, fleet, None, (&warm, log)).0))
    }

    /// The next one, for the same fleet: nothing has changed if there is an error.
    pub(crate) fn next(&self, mut config: GatewayConfig) -> Result<(Arc<Self>, Reloaded), StartError> {
        let plan = Plan::of(&config)?;
        let log = open_log(&config)?;
        let fixed = config.keep_fixed(&self.config);
        let (desk, mut reloaded) = Self::of(config, plan, Arc::clone(&self.fleet), Some(self), (&self.members, log));
        reloaded.fixed = fixed;
        Ok((Arc::new(desk), reloaded))
    }

    fn of(
        config: GatewayConfig,
        plan: Plan,
        fleet: Arc<Fleet>,
        before: Option<&Self>,
        (members, access_log): (&[Arc<Member>], Option<OpenLog>),
    ) -> (Self, Reloaded) {
        let same = |of: fn(&GatewayConfig) -> u128| before.filter(|desk| of(&desk.config) == of(&config));
        let upstream = same(|config| config.care.connect_timeout.as_nanos())
            .map_or_else(|| Upstream::new(config.care.connect_timeout), |desk| desk.upstream.clone());
        let budgets = before.map(Self::budgets).unwrap_or_default();
        let changed = plan.apply(&config, &fleet, members, &budgets);
        let servers = changed.servers;
        let served = |name: &str| servers.get(name).and_then(Server::served_model);
        let meters = Meters::new(&config.routes, served, before.map(|desk| &desk.meters));
        let mut tokenizers: Vec<Tokenizer> = Vec::new();
        for tokenizer in servers.values().filter_map(|server| server.tokenizer.as_ref()) {
            if !tokenizers.contains(tokenizer) {
                tokenizers.push(tokenizer.clone());
            }
        }
        let reloaded = Reloaded::new(changed.members.len(), changed.joined, changed.left, servers.len());
        let desk = Self {
            fleet,
            limits: config.care.limits,
            meters,
            access_log,
            upstream,
            routes: config.routes.clone().with_seed(config.seed),
            door: config.door.clone(),
            servers,
            tokenizers,
            members: changed.members,
            config,
        };
        (desk, reloaded)
    }

    fn budgets(&self) -> BTreeMap<String, (Retry, Arc<Budget>)> {
        let of = |server: &Server| (server.retry.clone(), Arc::clone(&server.budget));
        self.servers.iter().map(|(name, server)| (name.clone(), of(server))).collect()
    }

    /// Where a request for `model` goes that has this head.
    pub(crate) fn route(&self, model: &str, head: &Parts, key: u64) -> Result<Routed<'_>, ApiError> {
        let sent = Sent(&head.headers);
        let head = door::head(head, &sent);
        let listener = self.door.listener(head.host)?;
        let found = self.routes.find(&RouteRequest { model, head, listener, key });
        let found = found.map_err(|error| ApiError::no_route(&error))?;
        let Some(name) = found.target().server() else {
            return Err(ApiError::external(found.target().provider().unwrap_or_default()));
        };
        let server = self.servers.get(name).expect("every server of a route has a pool");
        // An adapter's name is the engine's own.
        if found.is_by_adapter() {
            return Ok(Routed { server, model: None, adapter: self.fleet.adapter(model) });
        }
        Ok(Routed { server, model: found.served_model().or(server.served_model.as_deref()), adapter: None })
    }

    /// The names that clients can ask for: models, then adapters.
    pub(crate) fn models(&self) -> impl Iterator<Item = &str> {
        self.routes.models().chain(self.routes.adapters())
    }

    /// Its endpoints.
    pub(crate) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// Its servers, by name.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &Server> {
        self.servers.values()
    }

    /// The endpoint of that name.
    pub(crate) fn member(&self, name: &str) -> Option<&Arc<Member>> {
        self.members.iter().find(|member| member.endpoint.name == name)
    }
}

fn open_log(config: &GatewayConfig) -> Result<Option<OpenLog>, StartError> {
    config.care.access_log.clone().map(AccessLog::open).transpose().map_err(StartError::AccessLog)
}
