//! The request that asks for a WebSocket, RFC 6455 section 4.2.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// The one subprotocol that is spoken.
const PROTOCOL: &str = "mcp";
/// What is hashed after the client's key, section 1.3.
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What a 101 says, besides `Upgrade: websocket` and `Connection: upgrade`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// `Sec-WebSocket-Accept`.
    pub accept: String,
    /// `Sec-WebSocket-Protocol`; none when the client offered none.
    pub protocol: Option<&'static str>,
}

/// Why a request does not become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// The HTTP status: 400 or 426.
    pub status: u16,
    /// Header lines that belong to the status.
    pub headers: &'static [(&'static str, &'static str)],
    /// What the client has to do, for the response's body.
    pub message: &'static str,
}

const fn bad_request(message: &'static str) -> Refused {
    Refused { status: 400, headers: &[], message }
}

/// Tells whether a request asks for a WebSocket, rightly or not; `headers` as in [`handshake`].
pub fn is_upgrade<'a, V>(headers: impl Fn(&'static str) -> V) -> bool
where
    V: IntoIterator<Item = &'a [u8]>,
{
    tokens(headers("upgrade")).any(|token| token.eq_ignore_ascii_case(b"websocket"))
}

/// Judges a request that asks for a WebSocket. `headers` gives the values of all lines under a name, which it gets in
/// lower case. That the request is a GET of HTTP/1.1, and its `Origin`, are the host's to judge.
///
/// # Errors
///
/// 426 for another version than 13, 400 for everything else that is missing or wrong. A client that offers subprotocols
/// must offer `mcp`. Extensions are not answered, which refuses them.
pub fn handshake<'a, V>(headers: impl Fn(&'static str) -> V) -> Result<Accepted, Refused>
where
    V: IntoIterator<Item = &'a [u8]>,
{
    if !is_upgrade(&headers) {
        return Err(bad_request("header Upgrade must name \"websocket\""));
    }
    if !tokens(headers("connection")).any(|token| token.eq_ignore_ascii_case(b"upgrade")) {
        return Err(bad_request("header Connection must name \"Upgrade\""));
    }
    if single(headers("sec-websocket-version")) != Some(b"13") {
        return Err(Refused {
            status: 426,
            headers: &[("Sec-WebSocket-Version", "13"), ("Upgrade", "websocket")],
            message: "header Sec-WebSocket-Version must be \"13\"",
        });
    }
    let key = single(headers("sec-websocket-key"))
        .filter(|key| matches!(STANDARD.decode(key), Ok(bytes) if bytes.len() == 16))
        .ok_or(bad_request("header Sec-WebSocket-Key must be 16 bytes in base64"))?;
    let mut offered = tokens(headers("sec-websocket-protocol")).map(|token| token == PROTOCOL.as_bytes()).peekable();
    let protocol = offered.peek().is_some().then_some(PROTOCOL);
    if protocol.is_some() && !offered.any(|is_ours| is_ours) {
        return Err(bad_request("the subprotocol spoken here is \"mcp\": offer it in Sec-WebSocket-Protocol"));
    }
    let digest = Sha1::new().chain_update(key).chain_update(KEY_SUFFIX).finalize();
    Ok(Accepted { accept: STANDARD.encode(digest), protocol })
}

/// The members of a list, RFC 9110 section 5.6.1, over all of its lines.
fn tokens<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    lines.into_iter().flat_map(|line| line.split(|&byte| byte == b',')).map(trim).filter(|token| !token.is_empty())
}

/// The value of a header that must come once.
fn single<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let mut lines = lines.into_iter();
    lines.next().filter(|_| lines.next().is_none()).map(trim)
}

/// Without the spaces and tabs around it.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lines = [(&'static str, &'static str)];

    /// The example of section 1.2, its key that of section 1.3.
    const RIGHT: &Lines = &[
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ];

    /// The example with `change` in the place of the lines of the same names.
    fn judge(change: &Lines) -> Result<Accepted, Refused> {
        let kept = RIGHT.iter().filter(|(name, _)| change.iter().all(|(changed, _)| changed != name));
        let lines: Vec<_> = kept.chain(change).filter(|(_, value)| *value != "-").collect();
        handshake(|name| lines.iter().filter(move |(n, _)| *n == name).map(|(_, value)| value.as_bytes()))
    }

    #[test]
    fn the_rfc_s_example_is_accepted() {
        let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned();
        assert_eq!(judge(&[]), Ok(Accepted { accept, protocol: None }));
    }

    #[test]
    fn what_clients_send_is_accepted() {
        let cases: &[(&Lines, Option<&str>)] = &[
            (&[("upgrade", "h2c, \tWebSocket ")], None),
            (&[("connection", "keep-alive, Upgrade")], None),
            (&[("connection", "keep-alive"), ("connection", "upgrade")], None),
            (&[("sec-websocket-version", " 13 ")], None),
            (&[("sec-websocket-protocol", "mcp")], Some("mcp")),
            (&[("sec-websocket-protocol", "v2.mcp, mcp")], Some("mcp")),
            (&[("sec-websocket-protocol", "v2.mcp"), ("sec-websocket-protocol", "mcp")], Some("mcp")),
            (&[("sec-websocket-protocol", "")], None),
            (&[("sec-websocket-extensions", "permessage-deflate; client_max_window_bits")], None),
        ];
        for (change, protocol) in cases {
            assert_eq!(judge(change).map(|accepted| accepted.protocol), Ok(*protocol), "{change:?}");
        }
    }

    #[test]
    fn other_requests_are_told_apart() {
        for (value, expected) in
            [("websocket", true), ("h2c, WebSocket/13", false), ("h2c,WEBSOCKET", true), ("", false)]
        {
            assert_eq!(is_upgrade(|_| [value.as_bytes()]), expected, "{value}");
        }
        assert!(!is_upgrade(|_| []));
    }

    #[test]
    fn what_is_missing_or_wrong_is_refused() {
        let cases: &[(&Lines, u16, &str)] = &[
            (&[("upgrade", "-")], 400, "header Upgrade"),
            (&[("upgrade", "websockets")], 400, "header Upgrade"),
            (&[("connection", "-")], 400, "header Connection"),
            (&[("connection", "keep-alive")], 400, "header Connection"),
            (&[("sec-websocket-version", "-")], 426, "header Sec-WebSocket-Version"),
            (&[("sec-websocket-version", "8")], 426, "header Sec-WebSocket-Version"),
            (&[("sec-websocket-version", "13"), ("sec-websocket-version", "8")], 426, "header Sec-WebSocket-Version"),
            (&[("sec-websocket-key", "-")], 400, "header Sec-WebSocket-Key"),
            (&[("sec-websocket-key", "")], 400, "header Sec-WebSocket-Key"),
            (&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ")], 400, "header Sec-WebSocket-Key"),
            (&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25j")], 400, "header Sec-WebSocket-Key"),
            (&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZSE=")], 400, "header Sec-WebSocket-Key"),
            (&[RIGHT[2], RIGHT[2]], 400, "header Sec-WebSocket-Key"),
            (&[("sec-websocket-protocol", "graphql-ws")], 400, "the subprotocol"),
            (&[("sec-websocket-protocol", "MCP")], 400, "the subprotocol"),
        ];
        for (change, status, message) in cases {
            let refused = judge(change).expect_err("refused");
            assert_eq!(refused.status, *status, "{change:?}");
            assert!(refused.message.starts_with(message), "{change:?}: {}", refused.message);
            let has_version = refused.headers.contains(&("Sec-WebSocket-Version", "13"));
            assert_eq!(has_version, *status == 426, "{change:?}");
        }
    }
}
