//! How a server behind this one is spoken to, and messages to it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::McpUpstream;
use crate::ProtocolVersion;
use crate::http::UpstreamRequest;
use crate::input::in_header;
use crate::server::Server;
use crate::tool::Object;

/// The header lines that messages may have.
pub(super) const HEADERS: [&str; 4] = ["MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Mcp-Session-Id"];

/// What one server and this one have agreed on.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) version: ProtocolVersion,
    /// The session, if the server has given one.
    pub(crate) session: Option<String>,
    /// The last id of a request.
    ids: AtomicU64,
}

impl Link {
    pub(super) fn new(version: ProtocolVersion, session: Option<String>) -> Link {
        Link { version, session, ids: AtomicU64::new(0) }
    }

    /// An id that no other request has: clients share a session.
    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// A message before it is written.
pub(super) struct Outgoing<'a> {
    pub(super) version: ProtocolVersion,
    pub(super) session: Option<&'a str>,
    pub(super) method: &'a str,
    /// What it names, for `Mcp-Name`.
    pub(super) name: Option<&'a str>,
    /// None: it is a notification.
    pub(super) id: Option<u64>,
    /// `ClientCapabilities`, in 2026-07-28.
    pub(super) capabilities: &'a str,
    /// The request is to be told of under its id.
    pub(super) wants_progress: bool,
    /// `logLevel`, in 2026-07-28.
    pub(super) log_level: Option<&'a str>,
    /// Further members of `_meta`: which trace the request is part of.
    pub(super) trace: Vec<(String, String)>,
    /// `Authorization`.
    pub(super) credential: Option<String>,
}

impl<'a> Outgoing<'a> {
    /// A notification of this server's own.
    pub(super) fn new(link: &'a Link, method: &'a str, credential: Option<String>) -> Outgoing<'a> {
        Outgoing {
            version: link.version,
            session: link.session.as_deref(),
            method,
            name: None,
            id: None,
            capabilities: "{}",
            wants_progress: false,
            log_level: None,
            trace: Vec::new(),
            credential,
        }
    }
}

impl Outgoing<'_> {
    /// The HTTP request; `params` writes the members of the parameters.
    pub(super) fn write(
        self,
        server: &Server,
        upstream: &McpUpstream,
        params: impl FnOnce(&mut Object<'_>),
    ) -> UpstreamRequest {
        let mut body = Vec::with_capacity(512);
        let mut message = Object::begin(&mut body);
        message.member("jsonrpc", "\"2.0\"");
        if let Some(id) = self.id {
            message.member("id", &id.to_string());
        }
        message.text("method", self.method);
        message.key("params");
        let mut members = Object::begin(message.out);
        params(&mut members);
        self.write_meta(server, &mut members);
        members.end();
        message.end();
        let is_stateless = self.version.is_stateless();
        let version = (self.method != "initialize").then(|| self.version.as_str().to_owned());
        let values = [
            version,
            is_stateless.then(|| self.method.to_owned()),
            self.name.filter(|_| is_stateless).map(in_header),
            self.session.map(str::to_owned),
        ];
        post(upstream, values, self.credential, body)
    }

    fn write_meta(&self, server: &Server, params: &mut Object<'_>) {
        let token = self.id.filter(|_| self.wants_progress);
        if !self.version.is_stateless() && token.is_none() && self.trace.is_empty() {
            return;
        }
        params.key("_meta");
        let mut meta = Object::begin(params.out);
        if let Some(token) = token {
            meta.member("progressToken", &token.to_string());
        }
        for (name, value) in &self.trace {
            meta.text(name, value);
        }
        if self.version.is_stateless() {
            meta.text("io.modelcontextprotocol/protocolVersion", self.version.as_str());
            meta.member("io.modelcontextprotocol/clientInfo", server.info());
            meta.member("io.modelcontextprotocol/clientCapabilities", self.capabilities);
            if let Some(level) = self.log_level {
                meta.text("io.modelcontextprotocol/logLevel", level);
            }
        }
        meta.end();
    }
}

/// What a client, or this server, answers to a request of the server's.
pub(super) fn reply(
    upstream: &McpUpstream,
    link: &Link,
    credential: Option<String>,
    id: &str,
    outcome: &Outcome,
) -> UpstreamRequest {
    let mut body = Vec::with_capacity(256);
    let mut message = Object::begin(&mut body);
    message.member("jsonrpc", "\"2.0\"");
    message.member("id", id);
    match outcome {
        Ok(result) => message.member("result", result),
        Err(error) => message.member("error", error),
    }
    message.end();
    post(upstream, [Some(link.version.as_str().to_owned()), None, None, link.session.clone()], credential, body)
}

/// A result, or an error; raw.
pub(super) type Outcome = Result<String, String>;

/// A message with the values of its [`HEADERS`].
pub(super) fn post(
    upstream: &McpUpstream,
    values: [Option<String>; HEADERS.len()],
    credential: Option<String>,
    body: Vec<u8>,
) -> UpstreamRequest {
    let lines = HEADERS.into_iter().zip(values).filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let mut headers: Vec<_> = lines.collect();
    headers.extend(credential.map(|value| ("Authorization".to_owned(), value)));
    UpstreamRequest {
        method: None,
        uri: upstream.uri().to_owned(),
        headers,
        content_type: Some("application/json".to_owned()),
        body: Some(body),
    }
}
