//! Reading a request: what it is, and whether it can be taken. Revisions with sessions go on in `legacy`, the others
//! in `stateless`.

use std::sync::Arc;

use crate::ProtocolVersion;
use crate::error::Error;
use crate::exchange::{Context, Exchange, Work};
use crate::facts::Facts;
use crate::headers::{accepts_json, is_json, value};
use crate::http::HttpRequest;
use crate::jsonrpc::{self, Message, Params, Refusal, text};
use crate::methods::{self, Operation, Request};
use crate::origin::{check_host, preflight};
use crate::server::Server;
use crate::session::cut;

/// A request while it is read.
pub(crate) struct Reception<'s, 'r> {
    pub(crate) server: &'s Server,
    pub(crate) request: &'r HttpRequest<'r>,
    pub(crate) nonce: &'r dyn Fn() -> [u8; 16],
    pub(crate) facts: Facts,
    /// The revision whose rules a reply follows, as far as is known by now.
    pub(crate) version: ProtocolVersion,
}

/// Reads and judges a request.
pub(crate) fn receive(server: &Server, request: &HttpRequest<'_>, nonce: &dyn Fn() -> [u8; 16]) -> Exchange {
    let version = match value(&request.headers, "mcp-protocol-version") {
        Some(header) => ProtocolVersion::parse(header).unwrap_or(ProtocolVersion::V2026_07_28),
        None => ProtocolVersion::V2025_03_26,
    };
    let mut reception = Reception { server, request, nonce, facts: Facts::default(), version };
    let mut origin = None;
    // The host first: what asks a wrong one is told nothing, not even that its origin would be right.
    let allowed = check_host(request).and_then(|()| server.origins().check(&request.headers));
    let judged = allowed.map_err(Refusal::from).and_then(|allowed| {
        origin = allowed.map(str::to_owned);
        reception.judge()
    });
    let work = judged.unwrap_or_else(|refusal| {
        if reception.facts.request_id.is_none() {
            reception.facts.request_id.clone_from(&refusal.id);
        }
        Work::Single(Request { id: refusal.id, operation: Operation::Refuse(refusal.error) })
    });
    let context = Context { version: reception.version, origin };
    Exchange { facts: Arc::new(reception.facts), context, work }
}

impl Reception<'_, '_> {
    fn judge(&mut self) -> Result<Work, Refusal> {
        match self.request.method {
            "POST" => self.judge_post(),
            "DELETE" if !self.version.is_stateless() => self.end_session(),
            "OPTIONS" => {
                let context = Context { version: self.version, origin: None };
                let mut headers = vec![("Allow", context.methods().to_owned())];
                if self.request.headers.get("origin").is_some() {
                    headers.extend(preflight(&self.request.headers, context.methods()));
                }
                Ok(Work::Reply { status: 204, headers })
            }
            _ => Err(Error::MethodNotAllowed.into()),
        }
    }

    fn judge_post(&mut self) -> Result<Work, Refusal> {
        if !is_json(&self.request.headers) {
            return Err(Error::UnsupportedMediaType.into());
        }
        if !accepts_json(&self.request.headers) {
            return Err(Error::NotAcceptable.into());
        }
        if jsonrpc::is_batch(self.request.body) {
            return self.judge_batch();
        }
        let message = jsonrpc::read(self.request.body)?;
        self.note(&message);
        if self.is_stateless(&message) { self.judge_stateless(message) } else { self.judge_legacy(message) }
    }

    /// Whether a message is of 2026-07-28 or a later revision: its header says so, or its `_meta` does.
    fn is_stateless(&self, message: &Message<'_>) -> bool {
        let meta = match message {
            Message::Request { params, .. } | Message::Notification { params, .. } => params.meta.as_ref(),
            Message::Response => None,
        };
        let version = meta.and_then(|meta| meta.protocol_version);
        self.version.is_stateless()
            || version.is_some_and(|version| {
                text(version).and_then(|date| ProtocolVersion::parse(&date)).is_none_or(ProtocolVersion::is_stateless)
            })
    }

    /// Keeps what a message says of itself.
    fn note(&mut self, message: &Message<'_>) {
        match message {
            Message::Request { id, method, params } => {
                self.facts.request_id = Some(Arc::from(*id));
                self.facts.method = Some(methods::name(method));
                self.facts.client_info = client_info(params);
            }
            Message::Notification { method, params } => {
                self.facts.method = Some(methods::name(method));
                self.facts.client_info = client_info(params);
            }
            Message::Response => {}
        }
    }

    /// A refusal of the message that the facts are about.
    pub(crate) fn refusal(&self, error: Error) -> Refusal {
        Refusal { id: self.facts.request_id.clone(), error }
    }

    /// The request of a message whose id is `id`.
    pub(crate) fn request(&mut self, id: &str, method: &str, params: &Params<'_>) -> Request {
        let id = match &self.facts.request_id {
            Some(noted) => noted.clone(),
            None => Arc::from(id),
        };
        let operation = Operation::read(self.server, self.version, method, params, &mut self.facts);
        Request { id: Some(id), operation }
    }
}

/// The client's software: in `_meta` since 2026-07-28, a parameter of `initialize` before.
fn client_info(params: &Params<'_>) -> Option<Box<str>> {
    params.meta.as_ref().and_then(|meta| meta.client_info).or(params.client_info).map(Box::from)
}

/// An empty 202.
pub(crate) fn accepted() -> Work {
    Work::Reply { status: 202, headers: Vec::new() }
}

/// Whether a message without an id can be one: every notification of the protocol begins so, and a request that lost
/// its id must not be taken for one and silently dropped.
pub(crate) fn check_notification(method: &str) -> Result<(), Error> {
    match method.starts_with("notifications/") {
        true => Ok(()),
        false => Err(Error::InvalidRequest(format!("\"{}\" is a request and needs an \"id\"", cut(method, 64)).into())),
    }
}
