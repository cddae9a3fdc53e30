//! The values that cross the border between the core and its host: plain data, nothing of nginx.

use std::sync::Arc;

use crate::{Offering, Record, SessionState};

/// How a client's messages come, and how they are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// Each in an HTTP request of its own, which is answered by its response.
    #[default]
    StreamableHttp,
    /// The HTTP request that asks for a WebSocket.
    Upgrade,
    /// On a WebSocket, answered there: the request is one that the host has made of a message. Its headers are those of the
    /// request that asked for the WebSocket and say nothing of the message, apart from `Mcp-Session-Id`, which the host adds.
    WebSocket,
    /// The HTTP request that brings a message of HTTP+SSE (2024-11-05): a POST to the URL that its client was told when it opened
    /// its stream. The host adds the session in that URL as `Mcp-Session-Id`.
    Post,
    /// In such a POST, answered on the stream: the request is one that the host has made of it, with that line.
    Sse,
}

impl Transport {
    /// Its name, for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::StreamableHttp => "streamable_http",
            Transport::Upgrade | Transport::WebSocket => "websocket",
            Transport::Post | Transport::Sse => "sse",
        }
    }

    /// Whether a request's headers say of its message what the protocol wants them to say.
    pub(crate) fn has_headers(self) -> bool {
        matches!(self, Transport::StreamableHttp | Transport::Post)
    }
}

/// A client's HTTP request to the MCP location, read whole.
#[derive(Debug, Clone)]
pub struct HttpRequest<'a> {
    /// How the message came.
    pub transport: Transport,
    /// Path and query as they came, what the client of HTTP+SSE is to send its messages to.
    pub target: &'a [u8],
    /// The HTTP method, upper case: `POST`, `GET`, `DELETE`, `OPTIONS` …
    pub method: &'a str,
    /// The request's header lines.
    pub headers: Headers<'a>,
    /// The body as received; empty when there is none.
    pub body: &'a [u8],
    /// Names this server answers to (the `server_name`s and the address the connection came in on, without port),
    /// for the `Host` check. Empty: any host is right.
    pub hosts: &'a [String],
    /// What the host was told to remember of the session of this request's `Mcp-Session-Id`.
    pub session_state: Option<SessionState>,
    /// What is known of the servers behind this one; none if there are none.
    pub offering: Option<&'a Arc<Offering>>,
    /// Seconds since the epoch.
    pub now: u64,
}

/// A header line: its name in lower case, and its value.
pub type HeaderLine<'a> = (&'a [u8], &'a [u8]);

/// Header lines in the order received.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a>(pub &'a [HeaderLine<'a>]);

impl<'a> Headers<'a> {
    /// The lines in the order received.
    pub(crate) fn iter(self) -> impl Iterator<Item = HeaderLine<'a>> {
        self.0.iter().copied()
    }

    /// The first value under a lower-case name.
    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        self.get_all(name).next()
    }

    /// Every value under a lower-case name.
    pub fn get_all(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(n, _)| *n == name.as_bytes()).map(|(_, v)| v)
    }
}

/// What goes back to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    /// The HTTP status.
    pub status: u16,
    /// `application/json`, `text/event-stream`, or none for an empty body.
    pub content_type: Option<&'static str>,
    /// Further header lines (`Mcp-Session-Id`, `Allow`, `Access-Control-*`).
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
    /// What `$mcp_status` and `$mcp_error_code` say of it.
    pub outcome: Outcome,
    /// What the operator should know, for the error log: an upstream that does not answer as its tool declares.
    pub notes: Vec<String>,
    /// What those who watch a tool are told: one for each call that has ended.
    pub records: Vec<Record>,
}

/// A response body; `Page` lets the pre-serialised lists go out without being copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// No body.
    Empty,
    /// A body made for this request.
    Bytes(Vec<u8>),
    /// `head` was made for this request, `page` is shared by all and follows it.
    Page {
        /// Everything up to the page.
        head: Vec<u8>,
        /// The rest of the body.
        page: Arc<[u8]>,
    },
}

/// How an exchange ended, for logs and variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outcome {
    /// A result, a notification accepted.
    #[default]
    Ok,
    /// A `CallToolResult` with `isError: true`.
    ToolError,
    /// A JSON-RPC error, or an HTTP refusal.
    ProtocolError {
        /// The JSON-RPC code.
        code: i64,
    },
}

/// Gives the value of an operator's text with variables: of the [endpoint](crate::Server::endpoint) with the first index the
/// text with the second index in [`Endpoint::operator_values`](crate::Endpoint::operator_values).
pub type Evaluate<'h> = dyn FnMut(usize, usize) -> String + 'h;

/// The HTTP request that a tool call makes, ready to be sent.
///
/// The authority is the tool's own and fixed at configuration time, and so is the method, apart from requests about a
/// tool's jobs; everything else here came from arguments and the operator and is encoded for its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpstreamRequest {
    /// The method, if it is not the tool's: only of tools that [begin jobs](crate::Endpoint::begins_jobs).
    pub method: Option<&'static str>,
    /// Path and query exactly as they must appear on the request line, beginning with `/`.
    pub uri: String,
    /// Header lines; names as declared. Never `Host`, `Content-*` or hop-by-hop, and `Authorization` only from the
    /// operator. All cookies arrive here as one `Cookie` line.
    pub headers: Vec<(String, String)>,
    /// `Content-Type` of the body; none when there is no body.
    pub content_type: Option<String>,
    /// The body; none for a request that carries none (`Some(empty)` is a body of length 0).
    pub body: Option<Vec<u8>>,
}

/// What the upstream answered, complete.
#[derive(Debug, Clone, Copy, Default)]
pub struct UpstreamResponse<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type` value, if one came.
    pub content_type: Option<&'a [u8]>,
    /// The `Content-Encoding` value, if one came (none was asked for).
    pub content_encoding: Option<&'a [u8]>,
    /// The `Location` value, if one came; wanted of tools that [begin jobs](crate::Endpoint::begins_jobs) alone.
    pub location: Option<&'a [u8]>,
    /// The `Retry-After` value, likewise.
    pub retry_after: Option<&'a [u8]>,
    /// The body.
    pub body: &'a [u8],
}

/// Why there is no complete answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamFailure {
    /// Connection refused or reset, name not resolved, TLS not verified, a malformed response: nginx's 502.
    Unreachable,
    /// No answer within `proxy_connect_timeout`, `proxy_send_timeout` or `proxy_read_timeout`: nginx's 504.
    TimedOut,
    /// Every server of the upstream is down or busy: nginx's 503.
    Unavailable,
    /// The body ended early.
    Truncated,
    /// The body was larger than `mcp_max_result_size`, in bytes.
    TooLarge(u64),
    /// nginx could not make the call, with the status it gave.
    Refused(u16),
}
