//! The revisions with sessions: 2024-11-05 to 2025-11-25.

use std::borrow::Cow;
use std::sync::Arc;

use crate::ProtocolVersion;
use crate::error::Error;
use crate::exchange::Work;
use crate::headers::{shown, trim};
use crate::jsonrpc::{self, Message, Params, Refusal};
use crate::methods::initialize::negotiate;
use crate::methods::{self, Operation, Request};
use crate::receive::{Reception, accepted, check_notification};
use crate::session::Session;

impl Reception<'_, '_> {
    pub(crate) fn judge_legacy(&mut self, message: Message<'_>) -> Result<Work, Refusal> {
        match &message {
            Message::Request { method, params, .. } if method == "initialize" => {
                return self.initialize(params).map_err(|error| self.refusal(error));
            }
            _ => {}
        }
        self.open_session().map_err(|error| self.refusal(error))?;
        match message {
            Message::Response => Ok(accepted()),
            Message::Notification { method, .. } => {
                check_notification(&method).map(|()| accepted()).map_err(Refusal::from)
            }
            Message::Request { id, method, params } => Ok(Work::Single(self.request(id, &method, &params))),
        }
    }

    /// Begins a session. Whatever session the client had is of no interest.
    fn initialize(&mut self, params: &Params<'_>) -> Result<Work, Error> {
        let version = negotiate(params)?;
        let session = Session {
            version,
            issued: self.request.now,
            client_name: self.facts.client_name().map(Cow::into_owned),
            client_version: self.facts.client_version().map(Cow::into_owned),
        };
        let session = self.server.sessions().seal(&session, (self.nonce)());
        self.version = version;
        self.facts.protocol_version = Some(version);
        self.facts.session = Some(session.clone());
        let id = self.facts.request_id.clone();
        Ok(Work::Single(Request { id, operation: Operation::Initialize { session } }))
    }

    /// Finds the session that the request belongs to.
    fn open_session(&mut self) -> Result<Session, Error> {
        let header = self.version_header()?;
        let id = self.request.headers.get("mcp-session-id").map(trim).ok_or(Error::MissingSession)?;
        let session = self.server.sessions().open(id, self.request.now).filter(|_| !self.request.session_ended);
        let mut session = session.ok_or(Error::UnknownSession)?;
        if let Some(header) = header.filter(|header| *header != session.version) {
            return Err(Error::SessionVersion { header, session: session.version });
        }
        self.version = session.version;
        self.facts.protocol_version = Some(session.version);
        self.facts.session = std::str::from_utf8(id).ok().map(str::to_owned);
        self.facts.session_client = (session.client_name.take(), session.client_version.take());
        Ok(session)
    }

    /// `MCP-Protocol-Version`, which must be one that has sessions.
    fn version_header(&self) -> Result<Option<ProtocolVersion>, Error> {
        let Some(header) = self.request.headers.get("mcp-protocol-version").map(trim) else { return Ok(None) };
        let version = std::str::from_utf8(header).ok().and_then(ProtocolVersion::parse);
        version.map(Some).ok_or_else(|| Error::UnsupportedVersion(shown(header)))
    }

    /// `DELETE`.
    pub(crate) fn end_session(&mut self) -> Result<Work, Refusal> {
        let session = self.open_session()?;
        let until = self.server.sessions().until(&session);
        let session = self.facts.session.clone().unwrap_or_default();
        Ok(Work::EndSession { session, until })
    }

    /// An array of messages.
    pub(crate) fn judge_batch(&mut self) -> Result<Work, Refusal> {
        let messages = jsonrpc::split(self.request.body)?;
        let has_header = self.request.headers.get("mcp-protocol-version").is_some();
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
        let message = match jsonrpc::read(message.as_bytes()) {
            Ok(message) => message,
            Err(refusal) => return Some(Request { id: refusal.id, operation: Operation::Refuse(refusal.error) }),
        };
        match message {
            Message::Response => None,
            Message::Notification { method, .. } => {
                let error = check_notification(&method).err()?;
                Some(Request { id: None, operation: Operation::Refuse(error) })
            }
            Message::Request { id, method, .. } if method == "initialize" => {
                let error = Error::InvalidRequest("\"initialize\" must not be part of a batch".into());
                Some(Request { id: Some(Arc::from(id)), operation: Operation::Refuse(error) })
            }
            Message::Request { id, method, params } => {
                // The facts of a batch are those of its first call, else of its first request: limits by tool must
                // have something to go by.
                let tool = self.facts.tool.clone();
                let request = self.request(id, &method, &params);
                if self.facts.method.is_none() || (tool.is_none() && self.facts.tool.is_some()) {
                    self.facts.method = Some(methods::name(&method));
                }
                self.facts.tool = tool.or(self.facts.tool.take());
                self.facts.arguments = None;
                Some(request)
            }
        }
    }
}
