//! Everything that a request can be refused for, and what the client is told: one enum, one match.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::ProtocolVersion;
use crate::input::Capabilities;

/// Why a request gets no result.
///
/// A tool that fails is not an error here: that is a `CallToolResult` with `isError`.
///
/// | refused because | HTTP, sessions | HTTP, stateless | code |
/// |---|---|---|---|
/// | not JSON | 400 | 400 | -32700 |
/// | not a JSON-RPC message, or not one for this revision | 200, 400 without an id | 400 | -32600 |
/// | method not known in this revision | 200 | 404 | -32601 |
/// | parameters, cursor, name of a tool or prompt | 200 | 400 | -32602 |
/// | URI of a resource | 200 | 400 | -32002, stateless -32602 |
/// | a resource's, prompt's or completion's backend fails | 200 | 200 | -32603 |
/// | a server behind this one says so | 200 | 400, 404, 200 by its code | its own |
/// | headers differ from the body | | 400 | -32020 |
/// | the client lacks a capability | | 400 | -32021 |
/// | protocol version | 400 | 400 | -32022 |
/// | session missing, or of another revision | 400 | | -32600 |
/// | session unknown, ended or expired | 404 | | 404 |
/// | `Origin`, `Host` | 403 | 403 | 403 |
/// | HTTP method | 405 | 405 | 405 |
/// | `Accept` | 406 | 406 | 406 |
/// | `Content-Type` | 415 | 415 | 415 |
/// | request for a WebSocket that is none (400; another version: 426) | its own | its own | -32600, 426 |
/// | refused by nginx: unreadable (400) | 400 | 400 | -32600 |
/// | refused by nginx: too many requests (429), unavailable (503) | 200, its own without an id | its own | the status |
/// | refused by nginx: its own failure (500) | 500 | 500 | -32603 |
/// | refused by nginx: anything else | its own | its own | the status |
///
/// A refusal that is HTTP's and not the protocol's has the HTTP status for a code: 2026-07-28 wants new codes outside
/// of JSON-RPC's reserved range and forbids the rest of -32020 … -32099; SDKs use -32000 and -32001 for conditions
/// of their own.
///
/// JSON-RPC errors of the revisions with sessions travel with 200 since their SDKs take any other status for a failure
/// of the transport and never look at the body. For the same reason a limit that nginx enforces (429, 503) reaches a
/// *request* of these revisions as a JSON-RPC error with 200, so that the caller sees why and goes on. By HTTP+SSE it
/// keeps its status: what answers a POST there is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Error {
    /// The body is not JSON.
    NotJson(String),
    /// JSON, but no message that can be taken.
    InvalidRequest(Cow<'static, str>),
    /// The revision or this server has no such method.
    MethodNotFound(String),
    /// The parameters are not what the method takes.
    InvalidParams(Cow<'static, str>),
    /// `tools/call` names no tool of this server.
    UnknownTool { name: String, nearest: Option<Arc<str>> },
    /// The same for `prompts/get` and `completion/complete`.
    UnknownPrompt { name: String, nearest: Option<Arc<str>> },
    /// This server has no resource of this URI, or nobody has; it may be known why.
    UnknownResource { uri: String, why: Option<String> },
    /// What this server needs for an answer has failed.
    Backend(String),
    /// A server behind this one says so.
    Relayed(Box<Relayed>),
    /// A header contradicts the body, is missing or cannot be read.
    HeaderMismatch(String),
    /// The client has not declared what is needed.
    MissingCapability(Capabilities),
    /// A protocol version that this server does not speak.
    UnsupportedVersion(String),
    /// No `Mcp-Session-Id` where one is needed.
    MissingSession,
    /// A session that is not ours, has ended or has expired.
    UnknownSession,
    /// The same, said to who wants to publish something in it.
    UnknownAddressee,
    /// What is to be published is larger than the bus takes.
    PublicationTooLarge(String),
    /// `MCP-Protocol-Version` is not the one that the session began with.
    SessionVersion { header: ProtocolVersion, session: ProtocolVersion },
    /// `Origin` is not allowed.
    ForbiddenOrigin(String),
    /// `Host` is none of this server's names.
    ForbiddenHost(String),
    /// An HTTP method without a meaning here.
    MethodNotAllowed,
    /// `Accept` leaves out this type.
    NotAcceptable(&'static str),
    /// `Content-Type` is not JSON.
    UnsupportedMediaType,
    /// A request for a WebSocket that is none: the HTTP status, and what is wrong.
    Handshake(u16, &'static str),
    /// nginx refuses with this status.
    Refused(u16),
}

/// An error of a server behind this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relayed {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
    /// It has no such resource, for which revisions have different codes.
    pub(crate) is_absent: bool,
}

/// An error as it goes over the wire.
#[derive(Debug)]
pub(crate) struct WireError<'a> {
    pub(crate) status: u16,
    pub(crate) code: i64,
    pub(crate) message: Cow<'a, str>,
    pub(crate) data: Option<Value>,
}

impl Error {
    /// What the client is told. `answerable` says that the refused message is a request whose id is known.
    pub(crate) fn wire(&self, version: ProtocolVersion, answerable: bool) -> WireError<'_> {
        // The status of an error that is JSON-RPC's own: (with sessions, stateless).
        let rpc = if answerable { 200 } else { 400 };
        let (with_session, stateless, code, message, data): (u16, u16, i64, Cow<'_, str>, Option<Value>) = match self {
            Self::NotJson(why) => (400, 400, -32700, format!("the body is not JSON: {why}").into(), None),
            Self::InvalidRequest(why) => (rpc, 400, -32600, Cow::Borrowed(why), None),
            Self::MethodNotFound(name) => (rpc, 404, -32601, format!("unknown method \"{name}\"").into(), None),
            Self::InvalidParams(why) => (rpc, 400, -32602, Cow::Borrowed(why), None),
            Self::UnknownTool { name, nearest } => (rpc, 400, -32602, unknown("tool", name, nearest.as_deref()), None),
            Self::UnknownPrompt { name, nearest } => {
                (rpc, 400, -32602, unknown("prompt", name, nearest.as_deref()), None)
            }
            Self::UnknownResource { uri, why } => {
                let message = match why {
                    Some(why) => format!("there is no resource \"{uri}\": {why}"),
                    None => format!("there is no resource \"{uri}\""),
                };
                let code = if version.is_stateless() { -32602 } else { -32002 };
                (rpc, 400, code, message.into(), Some(json!({"uri": uri})))
            }
            // The exchange itself went well, so no client is to take it for a broken transport.
            Self::Backend(why) => (rpc, 200, -32603, Cow::Borrowed(why), None),
            Self::Relayed(relayed) => {
                let Relayed { code, message, data, is_absent } = &**relayed;
                let code = match (is_absent, version.is_stateless()) {
                    (true, true) => -32602,
                    (true, false) => -32002,
                    (false, _) => *code,
                };
                let stateless = match code {
                    -32602 | -32021 => 400,
                    -32601 => 404,
                    _ => 200,
                };
                (rpc, stateless, code, Cow::Borrowed(message), data.clone())
            }
            Self::HeaderMismatch(why) => (400, 400, -32020, Cow::Borrowed(why), None),
            Self::MissingCapability(missing) => {
                let data = json!({"requiredCapabilities": missing.to_json()});
                let names = missing.to_string().replace(' ', ", ");
                (rpc, 400, -32021, format!("the client must have these capabilities: {names}").into(), Some(data))
            }
            Self::UnsupportedVersion(version) => {
                let supported = ProtocolVersion::ADVERTISED.map(ProtocolVersion::as_str);
                let data = json!({"supported": supported, "requested": version});
                (400, 400, -32022, format!("unsupported protocol version \"{version}\"").into(), Some(data))
            }
            Self::MissingSession => (
                400,
                400,
                -32600,
                "no session: send \"initialize\", then \"Mcp-Session-Id\" with every request".into(),
                None,
            ),
            Self::UnknownSession => {
                (404, 404, 404, "the session has ended or is unknown: begin a new one".into(), None)
            }
            Self::PublicationTooLarge(why) => (413, 413, 413, why.into(), None),
            Self::UnknownAddressee => (404, 404, 404, "the session of ?session= has ended or is unknown".into(), None),
            Self::SessionVersion { header, session } => {
                let message = format!("\"MCP-Protocol-Version: {header}\" in a session of {session}");
                (400, 400, -32600, message.into(), None)
            }
            Self::ForbiddenOrigin(origin) => {
                (403, 403, 403, format!("origin \"{origin}\" is not allowed").into(), None)
            }
            Self::ForbiddenHost(host) => (403, 403, 403, format!("host \"{host}\" is not served here").into(), None),
            Self::MethodNotAllowed => (405, 405, 405, "messages are sent by POST".into(), None),
            Self::NotAcceptable(media_type) => {
                (406, 406, 406, format!("the client must accept {media_type}").into(), None)
            }
            Self::UnsupportedMediaType => (415, 415, 415, "the body must be application/json in UTF-8".into(), None),
            Self::Handshake(400, why) => (400, 400, -32600, Cow::Borrowed(why), None),
            Self::Handshake(status, why) => (*status, *status, i64::from(*status), Cow::Borrowed(why), None),
            Self::Refused(status @ (429 | 503)) if answerable => {
                (200, *status, i64::from(*status), refusal(*status), None)
            }
            Self::Refused(400) => (400, 400, -32600, refusal(400), None),
            Self::Refused(500) => (500, 500, -32603, refusal(500), None),
            Self::Refused(status) => (*status, *status, i64::from(*status), refusal(*status), None),
        };
        WireError { status: if version.is_stateless() { stateless } else { with_session }, code, message, data }
    }
}

fn unknown(what: &str, name: &str, nearest: Option<&str>) -> Cow<'static, str> {
    match nearest {
        Some(nearest) => format!("unknown {what} \"{name}\", did you mean \"{nearest}\"?").into(),
        None => format!("unknown {what} \"{name}\"").into(),
    }
}

/// What a status means that nginx refuses a request with.
fn refusal(status: u16) -> Cow<'static, str> {
    match status {
        400 => "the HTTP request is malformed".into(),
        401 => "authorization is required".into(),
        403 => "access is denied".into(),
        404 => "there is nothing here".into(),
        408 => "the request took too long to arrive".into(),
        411 => "the request has no length".into(),
        413 => "the request is larger than this server takes".into(),
        414 => "the request line is too long".into(),
        429 => "too many requests, try again later".into(),
        431 | 494 => "the request headers are too large".into(),
        500 => "internal error".into(),
        502 => "a server behind this one gave no valid answer".into(),
        503 => "too busy or unavailable, try again later".into(),
        504 => "a server behind this one did not answer in time".into(),
        status => format!("refused with HTTP status {status}").into(),
    }
}
