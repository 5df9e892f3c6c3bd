//! Engines that misbehave on purpose, and a client.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use phalanx_gateway::{Endpoint, Gateway, GatewayConfig, Pool};
use phalanx_kvcache::BlockSize;
use phalanx_routing::{ModelRoute, Policy, RouteTable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What a scripted engine does with a request once it has read it.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    /// Sends these bytes and closes.
    Answer(String),
    /// Sends these bytes, then waits until the other side closes, and says so.
    AnswerThenWait(String),
    /// Closes without a word.
    Close,
}

/// What happened at a scripted engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A request's head and body.
    Request { head: String, body: String },
    /// The other side closed the connection.
    Closed,
}

/// A scripted engine: a socket that reads whole requests and plays its script for each.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) address: SocketAddr,
    pub(crate) seen: mpsc::UnboundedReceiver<Seen>,
}

impl Engine {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("bound");
        let (sender, seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(play(stream, script.clone(), sender.clone()));
            }
        });
        Self { address, seen }
    }

    /// The next request's head and body.
    pub(crate) async fn request(&mut self) -> (String, String) {
        match self.seen.recv().await {
            Some(Seen::Request { head, body }) => (head, body),
            other => panic!("expected a request, saw {other:?}"),
        }
    }
}

async fn play(mut stream: TcpStream, script: Script, seen: mpsc::UnboundedSender<Seen>) {
    let Some((head, body)) = read_request(&mut stream).await else { return };
    let _ = seen.send(Seen::Request { head, body });
    match script {
        Script::Answer(bytes) => {
            let _ = stream.write_all(bytes.as_bytes()).await;
        }
        Script::AnswerThenWait(bytes) => {
            let _ = stream.write_all(bytes.as_bytes()).await;
            while stream.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {}
            let _ = seen.send(Seen::Closed);
        }
        Script::Close => {}
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    let length = length.or_else(|| head.starts_with("get ").then_some(0))?;
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, String::from_utf8(bytes[end..].to_vec()).ok()?))
}

/// An HTTP response with a body of known length.
pub(crate) fn response(status: &str, kind: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// The head of an event stream and some of its chunks; `end` ends it as HTTP wants.
pub(crate) fn events(chunks: &[&str], end: bool) -> String {
    let mut text =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    for chunk in chunks {
        let event = format!("data: {chunk}\n\n");
        text.push_str(&format!("{:x}\r\n{event}\r\n", event.len()));
    }
    if end {
        text.push_str("0\r\n\r\n");
    }
    text
}

/// An address that refuses connections.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    listener.local_addr().expect("bound")
}

/// A gateway for the model `m` over `pool`.
pub(crate) async fn gateway(pool: Pool) -> Gateway {
    gateway_with(pool, |config| config).await
}

/// The same with settings of the test's own.
pub(crate) async fn gateway_with(pool: Pool, change: impl FnOnce(GatewayConfig) -> GatewayConfig) -> Gateway {
    let routes = RouteTable::new([ModelRoute::to("m", "server")]).expect("one route");
    let policy = Policy::preset("least-request").expect("a policy");
    let config = GatewayConfig::new(routes, policy)
        .with_block_size(BlockSize::new(16).expect("16 is a block size"))
        .with_pool("server", pool);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    Gateway::start(change(config), listener).expect("a valid configuration")
}

/// A pool of endpoints `e0`, `e1`, … at these addresses.
pub(crate) fn pool(addresses: &[SocketAddr]) -> Pool {
    Pool::of(addresses.iter().enumerate().map(|(i, &address)| Endpoint::new(format!("e{i}"), address)))
}

/// Sends one request to the gateway.
pub(crate) async fn send(gateway: &Gateway, method: Method, path: &str, body: &str) -> Response<Incoming> {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{}{path}", gateway.address()))
        .header("content-type", "application/json")
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .expect("a valid request");
    client.request(request).await.expect("the gateway answers")
}

/// Waits until the gateway has settled every request.
pub(crate) async fn settled(gateway: &Gateway) {
    let handle = gateway.handle();
    let idle = async {
        while handle.outstanding() != 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), idle).await.expect("load returns to zero");
}

/// The whole body as text.
pub(crate) async fn text(response: Response<Incoming>) -> String {
    let body = response.into_body().collect().await.expect("a whole body").to_bytes();
    String::from_utf8(body.to_vec()).expect("text")
}

/// An engine's answer in JSON.
pub(crate) fn json_ok(body: &str) -> Script {
    Script::Answer(response("200 OK", "application/json", body))
}
