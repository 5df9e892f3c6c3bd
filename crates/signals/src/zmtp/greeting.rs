//! The first bytes of a connection, and the command that says what a socket is.

use super::LinkError;

/// Bytes of a greeting.
pub(super) const LENGTH: usize = 64;
/// Where the mechanism's name stands.
const MECHANISM: core::ops::Range<usize> = 12..32;

/// Our greeting: version 3.0, NULL. Peers of later versions speak that, too.
pub(super) fn greeting() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    (bytes[0], bytes[9], bytes[10]) = (0xff, 0x7f, 3);
    bytes[MECHANISM.start..MECHANISM.start + 4].copy_from_slice(b"NULL");
    bytes
}

/// Checks a peer's greeting.
pub(super) fn check(bytes: &[u8; LENGTH]) -> Result<(), LinkError> {
    if bytes[0] != 0xff || bytes[9] & 1 != 1 || bytes[10] < 3 {
        return Err(LinkError::Greeting);
    }
    let name = &bytes[MECHANISM];
    let name = &name[..name.iter().position(|&byte| byte == 0).unwrap_or(name.len())];
    if name == b"NULL" { Ok(()) } else { Err(LinkError::Mechanism(readable(name))) }
}

/// The body of a READY command of a socket of this kind.
pub(super) fn ready(kind: &str) -> Vec<u8> {
    let mut body = Vec::new();
    let mut property = |name: &str, value: &[u8]| {
        body.push(name.len() as u8);
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&(value.len() as u32).to_be_bytes());
        body.extend_from_slice(value);
    };
    property("Socket-Type", kind.as_bytes());
    if matches!(kind, "DEALER" | "REQ" | "ROUTER") {
        property("Identity", b"");
    }
    body
}

/// The socket type that the body of a READY command says.
pub(super) fn socket_type(mut body: &[u8]) -> Result<String, LinkError> {
    let mut found = None;
    while let Some((&length, rest)) = body.split_first() {
        let (name, rest) = rest.split_at_checked(length.into()).ok_or(LinkError::Framing)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(LinkError::Framing)?;
        let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or(LinkError::Framing)?;
        if name.eq_ignore_ascii_case(b"Socket-Type") {
            found = Some(readable(value));
        }
        body = rest;
    }
    found.ok_or(LinkError::Framing)
}

/// A peer's words, as far as they may stand in a message.
pub(super) fn readable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(100)]).escape_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_of_other_versions_and_mechanisms() {
        assert_eq!(check(&greeting()), Ok(()));
        let mut later = greeting();
        later[11] = 1;
        assert_eq!(check(&later), Ok(()));
        let mut secured = greeting();
        secured[MECHANISM.start..MECHANISM.start + 5].copy_from_slice(b"CURVE");
        assert_eq!(check(&secured), Err(LinkError::Mechanism("CURVE".to_owned())));
        let mut older = greeting();
        older[10] = 1;
        assert_eq!(check(&older), Err(LinkError::Greeting));
        assert_eq!(check(&[b'H'; LENGTH]), Err(LinkError::Greeting));
    }

    #[test]
    fn what_a_socket_is() {
        assert_eq!(socket_type(&ready("SUB")), Ok("SUB".to_owned()));
        assert_eq!(socket_type(&ready("DEALER")), Ok("DEALER".to_owned()));
        for body in [&b""[..], b"\x0bSocket-Type", b"\x0bSocket-Type\0\0\0\x09PUB", b"\xff"] {
            assert_eq!(socket_type(body), Err(LinkError::Framing), "{body:?}");
        }
    }
}
