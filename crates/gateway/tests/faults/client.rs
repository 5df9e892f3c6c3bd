//! A client that writes what it likes.

use std::time::Duration;

use phalanx_gateway::Gateway;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const CHAT: &str = "/v1/chat/completions";

/// How long a test waits for what has to come.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Writes bytes and reads all that comes until the other side closes.
pub(crate) async fn raw(gateway: &Gateway, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(gateway.address()).await.expect("it listens");
    // It may have seen enough before the end.
    let _ = stream.write_all(bytes).await;
    rest(&mut stream).await
}

/// All that comes until the other side closes.
pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await;
    // A reset after the answer is an end too.
    let _ = read.expect("the connection is closed in the end");
    String::from_utf8(answer).expect("text")
}

/// A request for the model `m` whose connection is closed after the answer.
pub(crate) fn post(body: &str) -> String {
    format!(
        "POST {CHAT} HTTP/1.1\r\nhost: g\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A page of the gateway's own.
pub(crate) async fn get(gateway: &Gateway, path: &str) -> String {
    raw(gateway, format!("GET {path} HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n").as_bytes()).await
}
