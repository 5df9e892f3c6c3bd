//! The running emulator: its socket, its routes and its end.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use phalanx_engine::{Counters, Engine};
use phalanx_signals::Publisher;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::config::EmulatorConfig;
use crate::driver::Driver;
use crate::error::{ApiError, StartError};
use crate::faults::{self, Fault, Faults, Gate, Peer};
use crate::metrics::Metrics;
use crate::shared::Shared;
use crate::teller::Teller;
use crate::transfers::Fetch;
use crate::{adapters, completions, handover};

/// The largest body that is read, in bytes: a prompt of 16 million tokens as text.
const MAX_BODY: usize = 64 << 20;

/// One emulated engine that serves. Dropping it stops the listener; open answers run to their end, which
/// [`shutdown`](Self::shutdown) waits for.
#[derive(Debug)]
pub struct Emulator {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Emulator {
    /// Starts an engine behind `listener` and returns at once; must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError::Address`] when `listener` is not bound.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use phalanx_emulator::{Emulator, EmulatorConfig};
    /// use phalanx_engine::EngineConfig;
    ///
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let emulator = Emulator::start(EmulatorConfig::new("tiny", EngineConfig::a100_8b()), listener)?;
    /// assert!(emulator.address().ip().is_loopback());
    /// emulator.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn start(config: EmulatorConfig, listener: TcpListener) -> Result<Self, StartError> {
        Self::begin(&config, listener, None)
    }

    /// Starts an engine that tells over `publisher` what its KV cache stores and removes, as vLLM does.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use phalanx_emulator::{Emulator, EmulatorConfig};
    /// use phalanx_engine::EngineConfig;
    /// use phalanx_signals::{Publisher, PublisherConfig};
    /// use tokio::net::TcpListener;
    ///
    /// let [http, events, replays] = [0; 3].map(|port| TcpListener::bind(("127.0.0.1", port)));
    /// let publisher = Publisher::start(&PublisherConfig::new(), events.await?, Some(replays.await?))?;
    /// let config = EmulatorConfig::new("tiny", EngineConfig::a100_8b());
    /// let emulator = Emulator::publishing(config, http.await?, publisher)?;
    /// emulator.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn publishing(config: EmulatorConfig, listener: TcpListener, publisher: Publisher) -> Result<Self, StartError> {
        Self::begin(&config, listener, Some(publisher))
    }

    fn begin(config: &EmulatorConfig, listener: TcpListener, publisher: Option<Publisher>) -> Result<Self, StartError> {
        let address = listener.local_addr().map_err(StartError::Address)?;
        let engine = config.engine().clone().report_tokens(true).report_cache(publisher.is_some());
        let takes_loras = config.max_loras() > 0;
        let metrics = Metrics::new(&config.models()[0], engine.block_size().tokens(), engine.kv_blocks(), takes_loras);
        let teller = publisher.map(|publisher| Teller::new(publisher, engine.block_size()));
        let (commands, receiver) = mpsc::unbounded_channel();
        tokio::spawn(Driver::new(Engine::new(engine), metrics.clone(), teller).run(receiver));

        let faults = Arc::new(Faults::new(config.fault_seed(), config.faults()));
        let gate = Gate::new(listener, address, faults.down());
        let shared = Arc::new(Shared::new(config, address, metrics, commands, faults));
        let (stop, mut stopped) = watch::channel(false);
        let service = routes(Arc::clone(&shared)).into_make_service_with_connect_info::<Peer>();
        let server = axum::serve(gate, service).with_graceful_shutdown(async move {
            let _ = stopped.wait_for(|&stopped| stopped).await;
        });
        let server = tokio::spawn(async move {
            // Accept errors are retried inside; serving ends when it is told to.
            let _ = server.await;
        });
        Ok(Self { shared, stop, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// What the engine has done since it started; `None` when it has stopped.
    ///
    /// ```
    /// # async fn show(emulator: &phalanx_emulator::Emulator) {
    /// if let Some(counters) = emulator.counters().await {
    ///     println!("{} of {} prompt tokens were cached", counters.cached_tokens, counters.prompt_tokens);
    /// }
    /// # }
    /// ```
    pub async fn counters(&self) -> Option<Counters> {
        self.shared.measure().await.map(|(_, counters)| counters)
    }

    /// Does one more thing wrong from now on. The first fault that strikes a request is the one.
    ///
    /// ```
    /// # fn show(emulator: &phalanx_emulator::Emulator) {
    /// use phalanx_emulator::{Fault, FaultKind};
    ///
    /// emulator.inject(Fault::new(FaultKind::Close).with_count(1));
    /// # }
    /// ```
    pub fn inject(&self, fault: Fault) {
        self.shared.faults.add(fault);
    }

    /// Does nothing wrong from now on.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// How many prompts' KV it keeps for other engines that have not fetched it, and how many of its prefill legs wait for
    /// one that does.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.shared.transfers.count()
    }

    /// Takes no new connection, lets open answers finish, and returns when the last has.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        // A server that panicked is over too.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/completions", post(completions::completion))
        .route("/v1/chat/completions", post(completions::chat))
        .route("/v1/messages", post(completions::message))
        .route("/v1/models", get(models))
        .route("/v1/load_lora_adapter", post(adapters::load))
        .route("/v1/unload_lora_adapter", post(adapters::unload))
        .route("/healthz", get(async || ""))
        .route("/health", get(async || ""))
        .route("/metrics", get(metrics))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), faults::strike))
        // These go well whatever goes wrong.
        .route(handover::PATH, post(give))
        .route("/fault", get(faults::list).post(faults::inject).delete(faults::clear))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(shared)
}

async fn models(State(shared): State<Arc<Shared>>) -> Response {
    let model = |id: &String| json!({ "id": id, "object": "model", "created": 0, "owned_by": "phalanx" });
    let mut data: Vec<_> = shared.models.iter().map(model).collect();
    data.extend(shared.adapters.entries(&shared.models[0]));
    Json(json!({ "object": "list", "data": data })).into_response()
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Result<Response, ApiError> {
    let (load, _) = shared.measure().await.ok_or_else(ApiError::stopping)?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, kind)], shared.metrics.page(&load, &shared.adapters)).into_response())
}

/// Gives KV to another engine.
async fn give(State(shared): State<Arc<Shared>>, Json(fetch): Json<Fetch>) -> Result<(), ApiError> {
    shared.transfers.give(&fetch).await.map_err(|missed| ApiError::missed(&missed))
}

async fn wrong_method(method: Method) -> ApiError {
    ApiError::wrong_method(&method)
}

async fn unknown() -> ApiError {
    ApiError::unknown_path()
}
