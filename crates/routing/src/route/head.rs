//! What routes look at of an HTTP request.

use core::fmt;

/// The head of an HTTP request, as far as routes look at it.
///
/// ```
/// use phalanx_routing::RequestHead;
///
/// let headers = [("user-type", "premium")];
/// let head = RequestHead { path: "/v1/chat/completions", headers: &headers, ..RequestHead::default() };
/// assert_eq!((head.method, head.headers.header("User-Type")), ("POST", Some(&b"premium"[..])));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The host asked for, as in `Host`: with or without a port, in any case of letters.
    pub host: &'a str,
    /// The path as it was sent, from its first `/`, without the query.
    pub path: &'a str,
    /// The query as it was sent, without the `?`.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a dyn Headers,
}

/// Headers that can be looked up by name.
///
/// ```
/// use phalanx_routing::Headers;
///
/// assert_eq!([("a", "1"), ("A", "2")].header("A"), Some(&b"1"[..]));
/// ```
pub trait Headers: fmt::Debug {
    /// The value of the first header of this name, whatever the case of its letters; `None` where there is none.
    fn header(&self, name: &str) -> Option<&[u8]>;
}

impl<const N: usize> Headers for [(&str, &str); N] {
    fn header(&self, name: &str) -> Option<&[u8]> {
        first(self, name)
    }
}

impl Headers for &[(&str, &str)] {
    fn header(&self, name: &str) -> Option<&[u8]> {
        first(self, name)
    }
}

impl Default for RequestHead<'_> {
    /// A `POST` of `/` to no host, without headers.
    fn default() -> Self {
        Self { method: "POST", host: "", path: "/", query: "", headers: &[] as &[(&str, &str); 0] }
    }
}

fn first<'h>(headers: &'h [(&str, &str)], name: &str) -> Option<&'h [u8]> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_bytes())
}
