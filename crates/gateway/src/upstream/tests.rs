use bytes::Bytes;
use http::request::Parts;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn parts() -> Parts {
    http::Request::post("/v1/completions").body(()).expect("a request").into_parts().0
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

async fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().await.expect("a connection").0
}

/// Reads a request whose body is `hi`.
async fn read_hi(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\nhi") {
        assert_ne!(stream.read_buf(&mut seen).await.expect("readable"), 0, "{seen:?}");
    }
}

async fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.expect("writable");
}

async fn ask(upstream: &Upstream, address: SocketAddr) -> Result<Response<EngineBody>, AskError> {
    upstream.send(address, &parts(), Bytes::from_static(b"hi")).await
}

async fn text(response: Response<EngineBody>) -> Result<Vec<u8>, BrokenBody> {
    response.into_body().collect().await.map(|body| body.to_bytes().to_vec())
}

fn upstream() -> Upstream {
    Upstream::new(Duration::from_secs(5))
}

#[tokio::test]
async fn a_connection_is_used_again_once_its_body_has_been_read() {
    let (listener, address) = listen().await;
    let engine = async {
        let mut stream = accept(&listener).await;
        for _ in 0..3 {
            read_hi(&mut stream).await;
            say(&mut stream, OK).await;
        }
    };
    let upstream = upstream();
    let client = async {
        for _ in 0..3 {
            let response = ask(&upstream, address).await.expect("a response");
            assert_eq!(text(response).await.expect("whole"), b"ok");
        }
    };
    tokio::join!(engine, client);
}

#[tokio::test]
async fn a_kept_connection_that_ends_without_a_byte_is_no_failure() {
    let (listener, address) = listen().await;
    let engine = async {
        let mut stream = accept(&listener).await;
        read_hi(&mut stream).await;
        say(&mut stream, OK).await;
        // It is closed by the engine with the next request already there.
        read_hi(&mut stream).await;
        drop(stream);
        let mut stream = accept(&listener).await;
        read_hi(&mut stream).await;
        say(&mut stream, &OK.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n")).await;
        // A new one that ends the same way is.
        let mut stream = accept(&listener).await;
        read_hi(&mut stream).await;
    };
    let upstream = upstream();
    let client = async {
        for _ in 0..2 {
            let response = ask(&upstream, address).await.expect("a response");
            assert_eq!(text(response).await.expect("whole"), b"ok");
        }
        let error = ask(&upstream, address).await.expect_err("nothing was said");
        assert!(matches!(error, AskError::Closed | AskError::Broken(_)), "{error}");
    };
    tokio::join!(engine, client);
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_an_answer() {
    let (listener, address) = listen().await;
    let engine = async {
        let mut stream = accept(&listener).await;
        stream.read_exact(&mut [0; 100]).await.expect("a part");
        say(&mut stream, "HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig").await;
        // Nothing more is read until the client has gone.
        stream
    };
    let upstream = upstream();
    let client = async {
        let response = upstream.send(address, &parts(), Bytes::from(vec![b'x'; 64 << 20])).await.expect("a response");
        assert_eq!(response.status().as_u16(), 413);
        assert_eq!(text(response).await.expect("whole"), b"big");
    };
    let (mut stream, ()) = tokio::join!(engine, client);
    // The connection is not used again: it ends when what was written has been read.
    while stream.read(&mut [0; 65536]).await.is_ok_and(|count| count > 0) {}
}

#[tokio::test]
async fn a_body_that_is_dropped_closes_its_connection() {
    let (listener, address) = listen().await;
    let engine = async {
        let mut stream = accept(&listener).await;
        read_hi(&mut stream).await;
        say(&mut stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n").await;
        assert_eq!(stream.read(&mut [0; 8]).await.expect("closed in order"), 0);
    };
    let upstream = upstream();
    let client = async {
        let mut response = ask(&upstream, address).await.expect("a response");
        let frame = response.body_mut().frame().await.expect("a frame").expect("whole");
        assert_eq!(frame.into_data().expect("data"), "a");
    };
    tokio::join!(engine, client);
}

#[tokio::test]
async fn how_a_body_ends_is_told() {
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\n\r\nall of it", Ok(&b"all of it"[..])),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nall", Err("closed before")),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nall\r\n", Err("closed before")),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nall\r\nx\r\n", Err("no number")),
        ("HTTP/1.1 204 No Content\r\n\r\n", Ok(b"")),
        // What follows belongs to nobody.
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nallHTTP/1.1 200 OK\r\n\r\n", Ok(b"all")),
    ] {
        let (listener, address) = listen().await;
        let engine = async {
            let mut stream = accept(&listener).await;
            read_hi(&mut stream).await;
            say(&mut stream, answer).await;
        };
        let upstream = upstream();
        let client = async {
            let body = text(ask(&upstream, address).await.expect("a response")).await;
            match expected {
                Ok(expected) => assert_eq!(body.expect("whole"), expected, "{answer}"),
                Err(part) => assert!(body.expect_err("broken").to_string().contains(part), "{answer}"),
            }
            assert!(upstream.0.take(address).is_none(), "kept behind {answer}");
        };
        if answer.contains("204") {
            continue;
        }
        tokio::join!(engine, client);
    }
}

#[tokio::test]
async fn nobody_there_is_told() {
    let (listener, address) = listen().await;
    drop(listener);
    assert!(matches!(ask(&upstream(), address).await, Err(AskError::Connect(_))));
}
