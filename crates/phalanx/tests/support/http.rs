//! Requests over a connection of their own, and their answers whole.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

/// Posts JSON.
pub(crate) fn post(address: &str, path: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let length = body.len();
    let fields = format!("content-type: application/json\r\ncontent-length: {length}\r\n");
    send(address, &format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{fields}\r\n{body}"))
}

pub(crate) fn get(address: &str, path: &str) -> Answer {
    send(address, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"))
}

fn send(address: &str, request: &str) -> Answer {
    let mut socket = TcpStream::connect(address).expect("it serves");
    socket.write_all(request.as_bytes()).expect("it takes a request");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("it answers");
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let head = head.to_ascii_lowercase();
    let body = if head.contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
    Answer { status, head, body }
}

/// A body without the lengths of its chunks.
fn unchunked(mut chunks: &str) -> String {
    let mut body = String::new();
    loop {
        let (length, rest) = chunks.split_once("\r\n").expect("a length");
        let length = usize::from_str_radix(length.split(';').next().expect("a number"), 16).expect("a number");
        if length == 0 {
            return body;
        }
        let (chunk, rest) = rest.split_at_checked(length).expect("chunks of whole characters");
        body.push_str(chunk);
        chunks = rest.strip_prefix("\r\n").expect("a chunk's end");
    }
}

impl Answer {
    /// A header's value, in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The data of its events, but for the mark at the end.
    pub(crate) fn events(&self) -> Vec<Value> {
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        data.map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))).collect()
    }
}
