//! Reading a request: what it is, and whether it can be taken. Revisions with sessions go on in `legacy`, the others
//! in `stateless`.

use std::sync::Arc;

use crate::error::Error;
use crate::exchange::{Context, Exchange, Work};
use crate::facts::Facts;
use crate::headers::{Accept, JSON, Known, is_json};
use crate::http::{HttpRequest, Transport};
use crate::jsonrpc::{self, Message, Params, is_id, text};
use crate::listen::Publication;
use crate::methods::{self, Operation};
use crate::origin::{check_host, preflight};
use crate::server::Server;
use crate::session::{Claim, SessionState, cut};
use crate::stream::Hearing;
use crate::{LogLevel, ProtocolVersion};

/// A request while it is read.
pub(crate) struct Reception<'s, 'r> {
    pub(crate) server: &'s Server,
    pub(crate) request: &'r HttpRequest<'r>,
    pub(crate) headers: Known<'r>,
    pub(crate) accept: Accept,
    pub(crate) nonce: &'r dyn Fn() -> [u8; 16],
    pub(crate) facts: Facts,
    /// The revision whose rules a reply follows, as far as is known by now.
    pub(crate) version: ProtocolVersion,
    pub(crate) hearing: Hearing,
    /// What others must hear of.
    pub(crate) publications: Vec<Publication>,
    /// What the ids of requests to the client are made of.
    pub(crate) asking: Option<[u8; 16]>,
    pub(crate) claim: Claim,
}

/// Reads and judges a request.
pub(crate) fn receive(server: &Server, request: &HttpRequest<'_>, nonce: &dyn Fn() -> [u8; 16]) -> Exchange {
    let headers = Known::of(request.headers);
    let version = match headers.protocol_version.value.map(ProtocolVersion::parse) {
        Some(version) => version.unwrap_or(ProtocolVersion::V2026_07_28),
        None => ProtocolVersion::V2025_03_26,
    };
    // The header lines of other transports say nothing of a message's answer.
    let accept = match request.transport.has_headers() {
        true => Accept::of(headers.accept, request.headers),
        false => Accept::ANYTHING,
    };
    let hearing = Hearing::NOTHING;
    let facts = Facts::of(request.transport);
    let publications = Vec::new();
    let (asking, claim) = (None, Claim::None);
    let mut reception =
        Reception { server, request, headers, accept, nonce, facts, version, hearing, publications, asking, claim };
    let mut origin = None;
    let headers = &reception.headers;
    // The host first: what asks a wrong one is told nothing, not even that its origin would be right.
    let allowed = check_host(headers.host, request.hosts).and_then(|()| server.origins().check(headers));
    let judged = allowed.and_then(|allowed| {
        origin = allowed.map(str::to_owned);
        reception.judge()
    });
    let work = judged.unwrap_or_else(|error| {
        reception.publications.clear();
        Work::Single(Operation::Refuse(error))
    });
    let version = reception.version;
    let mut context = Context::new(version, origin, server.methods(version));
    reception.hearing.numbers_alone = version == ProtocolVersion::V2024_11_05;
    (context.hearing, context.now, context.asking) = (reception.hearing, request.now, reception.asking);
    context.offering = request.offering.cloned();
    context.prefers_events = accept.prefers_events;
    let Reception { facts, publications, claim, .. } = reception;
    Exchange { facts: Arc::new(facts), context, publications, claim, work }
}

impl Reception<'_, '_> {
    fn judge(&mut self) -> Result<Work, Error> {
        match self.request.method {
            _ if self.request.transport == Transport::Upgrade => Ok(Work::Upgrade),
            "POST" if self.request.transport == Transport::Post => self.judge_posted(),
            "POST" => self.judge_post(),
            "DELETE" if !self.version.is_stateless() => self.end_session(),
            "GET" if self.server.offers().channels && self.opens_sse() => Ok(self.open_sse()),
            "GET" if self.server.offers().channels && !self.version.is_stateless() => self.open_stream(),
            "OPTIONS" => {
                let methods = self.server.methods(self.version);
                let mut headers = vec![("Allow", methods.to_owned())];
                if self.headers.origin.value.is_some() {
                    headers.extend(preflight(self.request.headers, methods));
                }
                Ok(Work::Reply { status: 204, headers })
            }
            _ => Err(Error::MethodNotAllowed),
        }
    }

    fn judge_post(&mut self) -> Result<Work, Error> {
        if self.request.transport.has_headers() {
            self.check_media_types()?;
        }
        if jsonrpc::is_batch(self.request.body) {
            return self.judge_batch();
        }
        let message = jsonrpc::read(self.request.body).map_err(|refusal| {
            refusal.id.iter().for_each(|id| self.facts.set_request_id(id));
            refusal.error
        })?;
        self.note(&message);
        if let Some(work) = self.cancel(&message) {
            return Ok(work);
        }
        self.hear(&message)?;
        if self.is_stateless(&message) { self.judge_stateless(message) } else { self.judge_legacy(message) }
    }

    pub(crate) fn check_content_type(&self) -> Result<(), Error> {
        if is_json(self.headers.content_type) { Ok(()) } else { Err(Error::UnsupportedMediaType) }
    }

    fn check_media_types(&self) -> Result<(), Error> {
        self.check_content_type()?;
        if self.accept.json { Ok(()) } else { Err(Error::NotAcceptable(JSON)) }
    }

    /// A cancellation on a WebSocket, where it can mean a request on the same one alone. One that names no request is ignored.
    fn cancel(&self, message: &Message<'_>) -> Option<Work> {
        match message {
            Message::Notification { method, params }
                if method == "notifications/cancelled" && self.request.transport == Transport::WebSocket =>
            {
                Some(params.request_id.map_or_else(accepted, |id| Work::Cancel { request: id.into() }))
            }
            _ => None,
        }
    }

    /// Whether a message is of 2026-07-28 or a later revision: its header says so, or its `_meta` does.
    fn is_stateless(&self, message: &Message<'_>) -> bool {
        if self.request.transport == Transport::Sse {
            return false;
        }
        let meta = match message {
            Message::Request { params, .. } | Message::Notification { params, .. } => params.meta.as_ref(),
            Message::Response(_) => None,
        };
        let version = meta.and_then(|meta| meta.protocol_version);
        self.version.is_stateless()
            || version.is_some_and(|version| {
                let version = text(version).and_then(|date| ProtocolVersion::parse(date.as_bytes()));
                version.is_none_or(ProtocolVersion::is_stateless)
            })
    }

    /// Keeps what a message says of itself.
    pub(crate) fn note(&mut self, message: &Message<'_>) {
        self.facts.is_notification = matches!(message, Message::Notification { .. });
        let (id, method, params) = match message {
            Message::Request { id, method, params } => (Some(*id), method, params),
            Message::Notification { method, params } => (None, method, params),
            Message::Response(_) => return,
        };
        let client_info = client_info(params);
        let texts = [id, client_info, params.arguments];
        let session = self.headers.session_id.value.map_or(0, <[u8]>::len);
        self.facts.reserve(texts.into_iter().flatten().map(str::len).sum::<usize>() + session);
        self.facts.method = Some(methods::name(method));
        id.into_iter().for_each(|id| self.facts.set_request_id(id));
        client_info.into_iter().for_each(|client_info| self.facts.set_client_info(client_info));
        self.facts.set_trace(params.meta.as_ref());
    }

    /// What the client wants to hear while its request runs.
    fn hear(&mut self, message: &Message<'_>) -> Result<(), Error> {
        let Message::Request { params, .. } = message else { return Ok(()) };
        self.hearing.accepts_events = self.accept.events;
        self.hearing.log_level = match self.request.session_state {
            Some(SessionState::LogLevel(level) | SessionState::Declared { log_level: Some(level), .. }) => Some(level),
            // Without `logging/setLevel` it is for the server to decide.
            _ => Some(LogLevel::Info),
        };
        if let Some(token) = params.meta.as_ref().and_then(|meta| meta.progress_token) {
            if !is_id(token) {
                return Err(Error::InvalidParams("\"progressToken\" must be a string or an integer".into()));
            }
            self.hearing.progress_token = Some(token.into());
        }
        Ok(())
    }

    /// What a request asks for.
    pub(crate) fn operation(&mut self, method: &str, params: &Params<'_>) -> Operation {
        let offering = self.request.offering;
        Operation::read(self.server, offering, self.version, method, params, &mut self.facts)
    }
}

/// The client's software: in `_meta` since 2026-07-28, a parameter of `initialize` before.
fn client_info<'a>(params: &Params<'a>) -> Option<&'a str> {
    params.meta.as_ref().and_then(|meta| meta.client_info).or(params.client_info)
}

/// The log level that a member names.
pub(crate) fn log_level(raw: Option<&str>, member: &str) -> Result<LogLevel, Error> {
    raw.and_then(text).and_then(|name| LogLevel::parse(&name)).ok_or_else(|| {
        let levels = LogLevel::ALL.map(LogLevel::as_str).join(", ");
        Error::InvalidParams(format!("\"{member}\" must be one of {levels}").into())
    })
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
