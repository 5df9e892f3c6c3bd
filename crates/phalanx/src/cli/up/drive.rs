//! Sends a load over HTTP and times the answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::task::JoinSet;

use super::load::{Job, Load};
use crate::cli::output;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(600);

type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// What came of a load.
#[derive(Debug)]
pub(super) struct Done {
    /// In the order in which the requests were sent.
    pub(super) answers: Vec<Answer>,
    /// From the first request to the last byte.
    pub(super) took: Duration,
}

/// What came of one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    /// The name of the endpoint that answered.
    pub(super) endpoint: Option<String>,
    pub(super) error: Option<String>,
    /// From the time at which the request was due; none where the answer came in one piece.
    pub(super) first_token: Option<Duration>,
    pub(super) output_tokens: u64,
}

/// The parts of an answer, or of a chunk of it, that are counted.
#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<serde::de::IgnoredAny>,
    usage: Option<Usage>,
    error: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct Usage {
    completion_tokens: u64,
}

/// Sends every request at its time, whatever became of the earlier ones, and waits for all answers.
pub(super) async fn run(gateway: SocketAddr, load: Load) -> Done {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: HttpClient = Client::builder(TokioExecutor::new()).build(connector);
    let bar = output::progress(load.jobs.len() as u64, "driving");
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    let mut answers = vec![Answer::default(); load.jobs.len()];
    for (number, job) in load.jobs.into_iter().enumerate() {
        let due = start + job.at;
        tokio::time::sleep_until(due.into()).await;
        let client = client.clone();
        tasks.spawn(async move { (number, send(client, gateway, job, due).await) });
        while let Some(done) = tasks.try_join_next() {
            keep(&mut answers, done);
            bar.inc(1);
        }
    }
    while let Some(done) = tasks.join_next().await {
        keep(&mut answers, done);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Done { answers, took: start.elapsed() }
}

fn keep(answers: &mut [Answer], done: Result<(usize, Answer), tokio::task::JoinError>) {
    let (number, answer) = done.expect("a request's task neither panics nor is aborted");
    answers[number] = answer;
}

async fn send(client: HttpClient, gateway: SocketAddr, job: Job, due: Instant) -> Answer {
    let mut answer = Answer::default();
    let result = tokio::time::timeout(PATIENCE, exchange(client, gateway, &job, due, &mut answer)).await;
    answer.error = result.unwrap_or_else(|_| Err("no answer in time".to_owned())).err();
    answer
}

async fn exchange(
    client: HttpClient,
    gateway: SocketAddr,
    job: &Job,
    due: Instant,
    answer: &mut Answer,
) -> Result<(), String> {
    let request = Request::post(format!("http://{gateway}{}", job.path()))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(job.body())))
        .map_err(|error| error.to_string())?;
    let mut response = client.request(request).await.map_err(|error| error.to_string())?;
    let endpoint = response.headers().get("x-phalanx-endpoint").and_then(|name| name.to_str().ok());
    answer.endpoint = endpoint.map(str::to_owned);
    if !response.status().is_success() {
        let status = response.status();
        let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        return Err(format!("{status}: {}", String::from_utf8_lossy(&body)));
    }

    let mut pending = Vec::new();
    let mut complete = !job.stream;
    while let Some(frame) = response.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        let Some(data) = frame.data_ref() else { continue };
        pending.extend_from_slice(data);
        if job.stream {
            complete |= answer.read_events(&mut pending, due)?;
        }
    }
    if !complete {
        return Err("the stream ended without [DONE]".to_owned());
    }
    if !job.stream {
        answer.read(&pending)?;
    }
    Ok(())
}

impl Answer {
    /// Takes the whole events out of `pending`; `true` when `[DONE]` was among them.
    fn read_events(&mut self, pending: &mut Vec<u8>, due: Instant) -> Result<bool, String> {
        let mut done = false;
        while let Some(end) = pending.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = pending.drain(..end + 2).collect();
            let Some(data) = event.strip_prefix(b"data: ") else { continue };
            match data.trim_ascii_end() {
                b"[DONE]" => done = true,
                chunk => {
                    if self.read(chunk)? > 0 {
                        self.first_token.get_or_insert_with(|| due.elapsed());
                    }
                }
            }
        }
        Ok(done)
    }

    /// Counts an answer or a chunk of one, and gives the number of its choices.
    fn read(&mut self, json: &[u8]) -> Result<usize, String> {
        let chunk: Chunk = serde_json::from_slice(json).map_err(|error| format!("not a valid answer: {error}"))?;
        if let Some(error) = chunk.error {
            return Err(error.to_string());
        }
        if let Some(usage) = chunk.usage {
            self.output_tokens = usage.completion_tokens;
        }
        Ok(chunk.choices.len())
    }
}
