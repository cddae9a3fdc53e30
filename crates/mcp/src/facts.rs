//! What is known of a request once it was read: the values behind nginx's `$mcp_*` variables.

use std::borrow::Cow;
use std::sync::Arc;

use crate::ProtocolVersion;
use crate::jsonrpc::text;
use crate::scan::Scanner;
use crate::session::cut;

/// Bytes of a client's name and version that are kept.
const CLIENT: usize = 64;

/// What a request is and who sent it, as far as it could be read.
///
/// Nothing here depends on how the request ends, so limits and access rules can go by it before anything happens.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub(crate) method: Option<Cow<'static, str>>,
    pub(crate) tool: Option<Arc<str>>,
    pub(crate) protocol_version: Option<ProtocolVersion>,
    pub(crate) request_id: Option<Arc<str>>,
    /// `clientInfo` as it came with this message, raw.
    pub(crate) client_info: Option<Box<str>>,
    /// Name and version that came when the session began.
    pub(crate) session_client: (Option<String>, Option<String>),
    pub(crate) session: Option<String>,
    pub(crate) arguments: Option<Arc<str>>,
}

impl Facts {
    /// The JSON-RPC method, cut to 64 bytes. Of a batch: its first call's, else its first request's.
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// The tool that a `tools/call` names, if there is such a tool. Of a batch: its
    /// first call's tool.
    pub fn tool(&self) -> Option<&str> {
        self.tool.as_deref()
    }

    /// The revision that the request is answered in.
    pub fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.protocol_version
    }

    /// How the message came.
    pub fn transport(&self) -> &'static str {
        "streamable_http"
    }

    /// The request's id as raw JSON: a string keeps its quotes. None for notifications and batches.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The client's name as it gave it in this request or when its session began, cut to 64 bytes.
    pub fn client_name(&self) -> Option<Cow<'_, str>> {
        self.client("name").or(self.session_client.0.as_deref().map(Cow::Borrowed))
    }

    /// The client's version, likewise.
    pub fn client_version(&self) -> Option<Cow<'_, str>> {
        self.client("version").or(self.session_client.1.as_deref().map(Cow::Borrowed))
    }

    fn client(&self, member: &str) -> Option<Cow<'_, str>> {
        Some(match text(find_member(self.client_info.as_deref()?, member)?)? {
            Cow::Borrowed(text) => Cow::Borrowed(cut(text, CLIENT)),
            Cow::Owned(text) => Cow::Owned(cut(&text, CLIENT).to_owned()),
        })
    }

    /// The session's id, if it is one of ours; of `initialize`, the new session's.
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// One argument of a `tools/call` as text: a string without its quotes, anything else as JSON. None for an absent
    /// argument, `null`, and in batches. The value is as the client sent it, not yet validated.
    pub fn argument(&self, name: &str) -> Option<Cow<'_, str>> {
        let raw = find_member(self.arguments.as_deref()?, name)?;
        match raw.as_bytes().first()? {
            b'n' => None,
            b'"' => text(raw),
            _ => Some(Cow::Borrowed(raw)),
        }
    }
}

/// The raw value of one member of a JSON object; the last one if there are several, as the arguments are read.
fn find_member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let mut found = None;
    let walked = Scanner::new(object).object(|member, scanner| {
        let value = scanner.value()?;
        if member == name {
            found = Some(value);
        }
        Ok(())
    });
    walked.ok().and(found)
}
