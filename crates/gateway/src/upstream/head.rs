//! The heads of requests and responses as bytes.

use std::io::Write as _;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode, Version};

use super::framing::Framing;

/// The most bytes of a response head.
const MAX_HEAD: usize = 64 << 10;
/// The most headers of a response.
const MAX_HEADERS: usize = 128;

/// A response's head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    /// Those that belong to the message.
    pub(super) headers: HeaderMap,
    pub(super) framing: Framing,
    /// Whether the connection can be used again behind the body.
    pub(super) is_kept: bool,
}

/// Whether a header belongs to one connection, not to the message (RFC 9110, section 7.6.1).
fn is_hop_by_hop(name: &HeaderName) -> bool {
    const OTHERS: [&str; 2] = ["keep-alive", "proxy-connection"];
    [
        header::CONNECTION,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ]
    .contains(name)
        || OTHERS.contains(&name.as_str())
}

/// Writes the head of a request to `host`, with a client's headers but for those of its connection.
pub(super) fn write(out: &mut Vec<u8>, head: &Parts, host: &str, length: usize) {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    for part in [head.method.as_str(), " ", path, " HTTP/1.1\r\nhost: ", host, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    let named = named_by_connection(&head.headers);
    // The body is here whole, so nobody has to be asked whether it is wanted.
    let own = [header::HOST, header::CONTENT_LENGTH, header::EXPECT];
    for (name, value) in &head.headers {
        if own.contains(name) || is_hop_by_hop(name) || named.contains(name) {
            continue;
        }
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    if length > 0 || head.method == Method::POST {
        // A Vec takes all that is written.
        let _ = write!(out, "content-length: {length}\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// The headers that `Connection` says are the connection's.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|list| list.split(',')).map(str::trim);
    let names = names.filter(|name| !["keep-alive", "close"].iter().any(|usual| name.eq_ignore_ascii_case(usual)));
    names.filter_map(|name| name.parse().ok()).collect()
}

/// Takes a response's head from the front of `buffer`, and those of interim responses before it; `None` where more has
/// to come.
pub(super) fn take(buffer: &mut BytesMut, method: &Method) -> Result<Option<Head>, &'static str> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let length = match response.parse(buffer) {
            Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => length,
            Ok(httparse::Status::Partial) if buffer.len() < MAX_HEAD => return Ok(None),
            Ok(_) => return Err("its head is too large"),
            Err(httparse::Error::TooManyHeaders) => return Err("it has too many headers"),
            Err(_) => return Err("its head is none"),
        };
        let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or("its status is none")?;
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err("it changes the protocol");
        }
        if status.is_informational() {
            let _ = buffer.split_to(length);
            continue;
        }
        let is_old = response.version == Some(0);
        let head = read(status, is_old, response.headers, &buffer[..length], method)?;
        let _ = buffer.split_to(length);
        return Ok(Some(head));
    }
}

fn read(
    status: StatusCode,
    is_old: bool,
    parsed: &[httparse::Header<'_>],
    bytes: &[u8],
    method: &Method,
) -> Result<Head, &'static str> {
    // One allocation for all values.
    let shared = Bytes::copy_from_slice(bytes);
    let mut headers = HeaderMap::with_capacity(parsed.len() + 1);
    let (mut length, mut is_chunked, mut is_coded) = (None, false, false);
    let (mut closes, mut keeps, mut names_others) = (false, false, false);
    for one in parsed {
        let name = HeaderName::from_bytes(one.name.as_bytes()).map_err(|_| "the name of a header is none")?;
        let start = one.value.as_ptr() as usize - bytes.as_ptr() as usize;
        let value = shared.slice(start..start + one.value.len());
        if name == header::TRANSFER_ENCODING {
            is_coded = true;
            is_chunked = !is_chunked && value.trim_ascii().eq_ignore_ascii_case(b"chunked");
        } else if name == header::CONNECTION {
            for part in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                match part {
                    _ if part.eq_ignore_ascii_case(b"close") => closes = true,
                    _ if part.eq_ignore_ascii_case(b"keep-alive") => keeps = true,
                    _ => names_others = true,
                }
            }
            let value = HeaderValue::from_maybe_shared(value).map_err(|_| "the value of a header is none")?;
            headers.append(name, value);
            continue;
        } else if name == header::CONTENT_LENGTH {
            let told = digits(&value).ok_or("its content-length is no number")?;
            if length.is_some_and(|length| length != told) {
                return Err("it has two lengths");
            }
            if length.replace(told).is_some() {
                continue;
            }
        }
        if is_hop_by_hop(&name) {
            continue;
        }
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| "the value of a header is none")?;
        headers.append(name, value);
    }
    if names_others {
        for name in named_by_connection(&headers) {
            headers.remove(name);
        }
    }
    headers.remove(header::CONNECTION);
    let has_none = method == Method::HEAD || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    let framing = match (is_coded, length) {
        _ if has_none => Framing::Length(0),
        // A length beside it says nothing, or is there to deceive.
        (true, length) if is_chunked && !is_old => {
            if length.is_some() {
                headers.remove(header::CONTENT_LENGTH);
                closes = true;
            }
            Framing::CHUNKED
        }
        (true, _) => return Err("it is in a transfer coding that was not asked for"),
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::UntilClose,
    };
    let is_kept = !closes && (keeps || !is_old) && framing != Framing::UntilClose;
    Ok(Head { status, headers, framing, is_kept })
}

fn digits(value: &[u8]) -> Option<u64> {
    let value = value.trim_ascii();
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(value).ok()?.parse().ok()).flatten()
}

impl Head {
    /// As the parts of a response, on their way to a client.
    pub(super) fn into_response<B>(self, body: B) -> http::Response<B> {
        let mut response = http::Response::new(body);
        *response.status_mut() = self.status;
        *response.version_mut() = Version::HTTP_11;
        *response.headers_mut() = self.headers;
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Option<Head>, &'static str> {
        take(&mut BytesMut::from(text.as_bytes()), &Method::POST)
    }

    fn whole(text: &str) -> Head {
        head(text).expect("a response").expect("whole")
    }

    #[test]
    fn a_request_has_the_headers_of_the_message_alone() {
        let request = http::Request::post("http://client/v1/x?y=1")
            .header("host", "client")
            .header("connection", "close, x-hop")
            .header("x-hop", "1")
            .header("te", "trailers")
            .header("expect", "100-continue")
            .header("content-length", "9")
            .header("x-kept", "1")
            .header("x-kept", "2");
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let mut out = Vec::new();
        write(&mut out, &parts, "127.0.0.1:80", 3);
        let expected =
            "POST /v1/x?y=1 HTTP/1.1\r\nhost: 127.0.0.1:80\r\nx-kept: 1\r\nx-kept: 2\r\ncontent-length: 3\r\n\r\n";
        assert_eq!(std::str::from_utf8(&out), Ok(expected));
    }

    #[test]
    fn a_response_has_the_headers_of_the_message_alone() {
        let response = whole(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
             Keep-Alive: timeout=5\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n",
        );
        let headers: Vec<_> = response.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let expected: [(&str, &[u8]); 4] =
            [("content-type", b"text/plain"), ("content-length", b"5"), ("set-cookie", b"a"), ("set-cookie", b"b")];
        assert_eq!(headers, expected);
        assert_eq!((response.framing, response.is_kept), (Framing::Length(5), true));
    }

    #[test]
    fn where_a_body_ends_is_told_by_its_head() {
        let framing = |lines: &str| {
            let response = whole(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n"));
            (response.framing, response.is_kept, response.headers.contains_key("content-length"))
        };
        assert_eq!(framing("transfer-encoding: Chunked\r\n"), (Framing::CHUNKED, true, false));
        assert_eq!(framing("transfer-encoding: chunked\r\ncontent-length: 4\r\n"), (Framing::CHUNKED, false, false));
        assert_eq!(framing("content-length: 4\r\ncontent-length: 4\r\n"), (Framing::Length(4), true, true));
        assert_eq!(framing(""), (Framing::UntilClose, false, false));
        assert_eq!(framing("content-length: 4\r\nconnection: Close\r\n"), (Framing::Length(4), false, true));
        let old = whole("HTTP/1.0 200 OK\r\ncontent-length: 4\r\n\r\n");
        assert_eq!((old.framing, old.is_kept), (Framing::Length(4), false));
        let none = whole("HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!((none.framing, none.is_kept), (Framing::Length(0), true));
        let late =
            whole("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 418 Teapot\r\n\r\n");
        assert_eq!(late.status.as_u16(), 418);
    }

    #[test]
    fn what_is_no_head_is_told() {
        for lines in [
            "content-length: 4\r\ncontent-length: 5\r\n",
            "content-length: +4\r\n",
            "content-length: 99999999999999999999\r\n",
            "transfer-encoding: gzip\r\n",
            "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "no colon\r\n",
        ] {
            assert!(head(&format!("HTTP/1.1 200 OK\r\n{lines}\r\n")).is_err(), "{lines}");
        }
        for text in ["HTTP/1.1 101 Switching Protocols\r\n\r\n", "garbage\r\n\r\n", "HTTP/2 200 OK\r\n\r\n"] {
            assert!(head(text).is_err(), "{text}");
        }
        assert!(head(&format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(MAX_HEAD))).is_err());
        assert!(head(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(200))).is_err());
        assert!(head("HTTP/1.1 200 OK\r\ncontent-le").expect("so far").is_none());
    }
}
