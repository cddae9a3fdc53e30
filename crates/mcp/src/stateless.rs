//! 2026-07-28 and what follows: every request says all that is needed about itself, and its headers say it again.

use crate::ProtocolVersion;
use crate::error::Error;
use crate::exchange::Work;
use crate::headers::{decode, shown};
use crate::input::Capabilities;
use crate::jsonrpc::{Message, Params, text};
use crate::methods::Operation;
use crate::methods::tools::check_mirrored;
use crate::receive::{Reception, accepted, check_notification, log_level};

/// The version of this era that is spoken.
const VERSION: ProtocolVersion = ProtocolVersion::V2026_07_28;

/// The methods whose results may be questions, so that their requests may bring answers.
const INPUT: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];

impl Reception<'_, '_> {
    pub(crate) fn judge_stateless(&mut self, message: Message<'_>) -> Result<Work, Error> {
        self.version = VERSION;
        match message {
            Message::Response(_) => Err(Error::InvalidRequest("a client sends no responses in this revision".into())),
            Message::Notification { method, .. } => {
                check_notification(&method)?;
                self.check_header_alone()?;
                self.facts.protocol_version = Some(VERSION);
                Ok(accepted())
            }
            Message::Request { method, params, .. } => {
                self.check_version(&params)?;
                self.facts.protocol_version = Some(VERSION);
                if self.request.transport.has_headers() {
                    self.check_routing(&method, &params)?;
                }
                let capabilities = params.meta.as_ref().and_then(|meta| meta.client_capabilities);
                self.facts.capabilities = capabilities.map_or(Capabilities::NONE, Capabilities::read);
                if INPUT.contains(&&*method) {
                    self.facts.set_input(params.input_responses, params.request_state);
                }
                // Nothing is logged to who has not asked for it.
                let level = params.meta.as_ref().and_then(|meta| meta.log_level);
                self.hearing.log_level = level.map(|raw| log_level(Some(raw), "logLevel")).transpose()?;
                if method == "subscriptions/listen" && self.server.offers().channels {
                    return self.subscribe(&params);
                }
                let task = if self.server.offers().tasks { self.read_task(&method, &params) } else { None };
                if let Some(work) = task {
                    return work;
                }
                let operation = self.operation(&method, &params);
                let is_held = matches!(&operation, Operation::Forward(forward) if forward.may_ask_while_held());
                if is_held && self.server.offers().channels && self.facts.capabilities != Capabilities::NONE {
                    self.asking = Some((self.nonce)());
                }
                let mirrored = match &operation {
                    Operation::CallTool { tool, through_search: false } => self.server.tools()[*tool].mirrored(),
                    Operation::Forward(forward) => forward.mirrored(),
                    _ => &[],
                };
                if self.request.transport.has_headers() {
                    check_mirrored(mirrored, self.facts.arguments(), self.request.headers)?;
                }
                Ok(Work::Single(operation))
            }
        }
    }

    /// The version in `_meta` must be there, the header's must be the same, and it must be one that is spoken.
    fn check_version(&self, params: &Params<'_>) -> Result<(), Error> {
        let missing = |name: &str, what: &str| {
            Error::InvalidParams(format!("\"_meta\" must have \"io.modelcontextprotocol/{name}\", {what}").into())
        };
        let Some(meta) = &params.meta else {
            // A later revision may carry its version elsewhere, so the header's is judged first.
            self.check_header_alone()?;
            return Err(missing("protocolVersion", "a string"));
        };
        let version = meta.protocol_version.and_then(text).ok_or_else(|| missing("protocolVersion", "a string"))?;
        if !meta.client_capabilities.is_some_and(|raw| raw.starts_with('{')) {
            return Err(missing("clientCapabilities", "an object"));
        }
        let header = match self.request.transport.has_headers() {
            true => self.headers.protocol_version.mirror("mcp-protocol-version")?,
            false => Some(version.as_bytes()),
        };
        let header =
            header.ok_or_else(|| Error::HeaderMismatch("header MCP-Protocol-Version is missing".to_owned()))?;
        if header != version.as_bytes() {
            let (header, version) = (shown(header), shown(version.as_bytes()));
            let why = format!("header MCP-Protocol-Version \"{header}\" differs from \"{version}\" in \"_meta\"");
            return Err(Error::HeaderMismatch(why));
        }
        if header != VERSION.as_str().as_bytes() {
            return Err(Error::UnsupportedVersion(shown(header)));
        }
        Ok(())
    }

    /// What can be said of the version without `_meta`.
    fn check_header_alone(&self) -> Result<(), Error> {
        let header = self.headers.protocol_version.value;
        match header {
            Some(header) if header != VERSION.as_str().as_bytes() => Err(Error::UnsupportedVersion(shown(header))),
            _ => Ok(()),
        }
    }

    /// `Mcp-Method` and `Mcp-Name` must say what the body says.
    fn check_routing(&self, method: &str, params: &Params<'_>) -> Result<(), Error> {
        let header = self
            .headers
            .method
            .mirror("mcp-method")?
            .ok_or_else(|| Error::HeaderMismatch("header Mcp-Method is missing".to_owned()))?;
        if header != method.as_bytes() {
            return Err(differs("Mcp-Method", header, method));
        }
        let named = match method {
            "tools/call" | "prompts/get" => params.name,
            "resources/read" => params.uri,
            "tasks/get" | "tasks/update" | "tasks/cancel" => params.task_id,
            _ => return Ok(()),
        };
        // Without a name the body is what is wrong, and the method will say so.
        let Some(name) = named.and_then(text) else { return Ok(()) };
        let header = self
            .headers
            .name
            .mirror("mcp-name")?
            .ok_or_else(|| Error::HeaderMismatch("header Mcp-Name is missing".to_owned()))?;
        let header = decode("mcp-name", header)?;
        if header == name.as_bytes() { Ok(()) } else { Err(differs("Mcp-Name", &header, &name)) }
    }
}

fn differs(name: &str, header: &[u8], body: &str) -> Error {
    let (header, body) = (shown(header), shown(body.as_bytes()));
    Error::HeaderMismatch(format!("header {name} \"{header}\" differs from \"{body}\" in the body"))
}
