//! The revisions with sessions: 2024-11-05 to 2025-11-25.

use std::borrow::Cow;
use std::sync::Arc;

use crate::ProtocolVersion;
use crate::error::Error;
use crate::exchange::Work;
use crate::facts::Facts;
use crate::headers::shown;
use crate::http::Transport;
use crate::input::{Capabilities, publish_answer};
use crate::jsonrpc::{self, Message, Params, Response, is_id};
use crate::listen::{Publication, Topic};
use crate::methods::initialize::negotiate;
use crate::methods::{self, Operation, Request};
use crate::receive::{Reception, accepted, check_notification, log_level};
use crate::session::{Beginning, Claim, Client, Session, SessionState};

/// Bytes of a request's id, as JSON, that a cancellation is passed on with.
const LONGEST_ID: usize = 1024;

impl Reception<'_, '_> {
    pub(crate) fn judge_legacy(&mut self, message: Message<'_>) -> Result<Work, Error> {
        match &message {
            Message::Request { method, params, .. } if method == "initialize" => return self.initialize(params),
            _ => {}
        }
        let session = self.open_session()?;
        match message {
            Message::Request { method, params, .. } if method == "logging/setLevel" => {
                let level = log_level(params.level, "level")?;
                let state = match self.request.session_state {
                    Some(SessionState::Declared { capabilities, .. }) => {
                        SessionState::Declared { capabilities, log_level: Some(level) }
                    }
                    _ => SessionState::LogLevel(level),
                };
                Ok(Work::KeepSession { state, until: self.server.sessions().until(session) })
            }
            Message::Request { method, params, .. } if self.is_subscription(&method) => {
                self.subscribe_session(session, &method, &params)
            }
            Message::Response(response) => {
                self.take_response(&response);
                Ok(accepted())
            }
            Message::Notification { method, params } => self.take_notification(&method, &params).map(|()| accepted()),
            Message::Request { method, params, .. } => {
                let operation = self.operation(&method, &params);
                if self.server.offers().channels && operation.may_ask(self.server) {
                    self.asking = Some((self.nonce)());
                }
                Ok(Work::Single(operation))
            }
        }
    }

    /// A notification of a client in a session. Of a cancellation the calls that run elsewhere must hear; one that names
    /// no request is ignored.
    fn take_notification(&mut self, method: &str, params: &Params<'_>) -> Result<(), Error> {
        check_notification(method)?;
        let request = params.request_id.filter(|id| is_id(id) && id.len() <= LONGEST_ID);
        match (method, request, self.facts.session()) {
            ("notifications/cancelled", Some(id), Some(session)) if self.server.offers().channels => {
                self.publications.push(Publication::cancelled(Topic::of_session(session), id));
            }
            _ => {}
        }
        Ok(())
    }

    /// What a client answers to a request of ours goes to the call that asked, wherever it runs.
    fn take_response(&mut self, response: &Response<'_>) {
        if let Some(session) = self.facts.session().filter(|_| self.server.offers().channels) {
            self.publications.extend(publish_answer(Topic::of_session(session), response));
        }
    }

    /// Begins a session. Whatever session the client had is of no interest.
    fn initialize(&mut self, params: &Params<'_>) -> Result<Work, Error> {
        let version = negotiate(params)?;
        if self.request.transport == Transport::Sse {
            return self.declare(params);
        }
        let declared = params.capabilities.map_or(Capabilities::NONE, Capabilities::read);
        // Revisions with sessions have no such extension, whatever the client says.
        let capabilities = declared.missing_in(Capabilities::TASKS);
        let session = Session { version, capabilities, issued: self.request.now, owner: None };
        let client = Client {
            name: self.facts.client_name().map(Cow::into_owned),
            version: self.facts.client_version().map(Cow::into_owned),
        };
        self.claim = Claim::Begins(Box::new(Beginning { session, client, nonce: (self.nonce)() }));
        self.version = version;
        self.facts.protocol_version = Some(version);
        self.facts.capabilities = capabilities;
        Ok(Work::Single(Operation::Initialize))
    }

    /// `initialize` in HTTP+SSE: the session has begun with its stream, in the one revision that has this transport.
    fn declare(&mut self, params: &Params<'_>) -> Result<Work, Error> {
        let session = self.open_session()?;
        let declared = params.capabilities.map_or(Capabilities::NONE, Capabilities::read);
        self.facts.capabilities = declared.missing_in(Capabilities::TASKS);
        let state = SessionState::Declared { capabilities: self.facts.capabilities.bits(), log_level: None };
        Ok(Work::KeepSession { state, until: self.server.sessions().until(session) })
    }

    /// Finds the session that the request belongs to.
    pub(crate) fn open_session(&mut self) -> Result<Session, Error> {
        let header = self.version_header()?;
        let id = self.headers.session_id.value.ok_or(Error::MissingSession)?;
        let session = self
            .server
            .sessions()
            .open(id, self.request.now)
            .filter(|_| self.request.session_state != Some(SessionState::Ended));
        let session = session.ok_or(Error::UnknownSession)?;
        if let Some(header) = header.filter(|header| *header != session.version) {
            return Err(Error::SessionVersion { header, session: session.version });
        }
        self.claim = session.owner.map_or(Claim::None, Claim::Owned);
        self.version = session.version;
        self.facts.protocol_version = Some(session.version);
        self.facts.capabilities = match self.request.session_state {
            Some(SessionState::Declared { capabilities, .. }) => Capabilities::from_bits(capabilities),
            _ => session.capabilities,
        };
        std::str::from_utf8(id).iter().for_each(|id| self.facts.set_session(id));
        Ok(session)
    }

    /// `MCP-Protocol-Version`, which must be one that has sessions.
    fn version_header(&self) -> Result<Option<ProtocolVersion>, Error> {
        let Some(header) = self.headers.protocol_version.value else { return Ok(None) };
        ProtocolVersion::parse(header).map(Some).ok_or_else(|| Error::UnsupportedVersion(shown(header)))
    }

    /// `DELETE`.
    pub(crate) fn end_session(&mut self) -> Result<Work, Error> {
        let session = self.open_session()?;
        let until = self.server.sessions().until(session);
        Ok(Work::KeepSession { state: SessionState::Ended, until })
    }

    /// An array of messages.
    pub(crate) fn judge_batch(&mut self) -> Result<Work, Error> {
        let messages = jsonrpc::split(self.request.body)?;
        let has_header = self.headers.protocol_version.value.is_some();
        let batches = |version: ProtocolVersion| match version {
            ProtocolVersion::V2025_03_26 => Ok(()),
            other => Err(Error::InvalidRequest(format!("{other} has no batches: send one message at a time").into())),
        };
        if has_header {
            batches(self.version)?;
        }
        self.open_session()?;
        batches(self.version)?;
        let requests: Vec<_> = messages.into_iter().filter_map(|raw| self.judge_part(raw.get())).collect();
        Ok(if requests.is_empty() { accepted() } else { Work::Batch(requests) })
    }

    /// One message of a batch; none if it wants no reply.
    fn judge_part(&mut self, message: &str) -> Option<Request> {
        let mut facts = Facts::default();
        // Its calls are cancelled like all others of the session.
        self.facts.session().iter().for_each(|session| facts.set_session(session));
        let operation = match jsonrpc::read(message.as_bytes()) {
            Err(refusal) => {
                refusal.id.iter().for_each(|id| facts.set_request_id(id));
                Operation::Refuse(refusal.error)
            }
            Ok(Message::Response(response)) => {
                self.take_response(&response);
                return None;
            }
            Ok(Message::Notification { method, params }) => {
                Operation::Refuse(self.take_notification(&method, &params).err()?)
            }
            Ok(Message::Request { id, method, params }) => {
                facts.set_request_id(id);
                facts.set_trace(params.meta.as_ref());
                self.judge_part_request(&method, &params, &mut facts)
            }
        };
        Some(Request { facts: Arc::new(facts), operation })
    }

    fn judge_part_request(&mut self, method: &str, params: &Params<'_>, facts: &mut Facts) -> Operation {
        if matches!(method, "initialize" | "logging/setLevel") || self.is_subscription(method) {
            let why = format!("\"{method}\" must not be part of a batch");
            return Operation::Refuse(Error::InvalidRequest(why.into()));
        }
        facts.method = Some(methods::name(method));
        let operation = Operation::read(self.server, self.request.offering, self.version, method, params, facts);
        // The facts of a batch are those of its first call, else of its first request: limits by tool must have
        // something to go by.
        let is_first_call = !self.facts.has_subject() && facts.has_subject();
        if is_first_call || self.facts.method.is_none() {
            self.facts.method = Some(methods::name(method));
            self.facts.take_subject(facts);
        }
        operation
    }
}
