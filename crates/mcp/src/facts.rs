//! What is known of a request once it was read: the values behind nginx's `$mcp_*` variables.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use crate::ProtocolVersion;
use crate::http::Transport;
use crate::input::Capabilities;
use crate::jsonrpc::{Meta, text};
use crate::scan::Scanner;
use crate::session::{Client, cut};
use crate::trace;

/// Bytes of a client's name and version that are kept.
const CLIENT: usize = 64;

/// What a request is and who sent it, as far as it could be read.
///
/// Nothing here depends on how the request ends, so limits and access rules can go by it before anything happens.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub(crate) transport: Transport,
    pub(crate) is_notification: bool,
    pub(crate) method: Option<Cow<'static, str>>,
    pub(crate) tool: Option<Arc<str>>,
    pub(crate) resource: Option<Arc<str>>,
    pub(crate) prompt: Option<Arc<str>>,
    pub(crate) protocol_version: Option<ProtocolVersion>,
    /// What the client can be asked.
    pub(crate) capabilities: Capabilities,
    /// What the following are parts of: one piece of memory for all, as most are never asked for.
    texts: String,
    request_id: Option<Part>,
    /// `clientInfo` as it came with this message, raw.
    client_info: Option<Part>,
    session: Option<Part>,
    /// The session that the request has begun.
    begun: OnceLock<String>,
    arguments: Option<Part>,
    input_responses: Option<Part>,
    request_state: Option<Part>,
    uri: Option<Part>,
    /// What the upstream is told of the trace that the request is part of.
    trace: Option<Part>,
}

/// Where one of the texts stands.
type Part = (usize, usize);

impl Facts {
    /// What is known of a message before it is read.
    pub(crate) fn of(transport: Transport) -> Facts {
        Facts { transport, ..Facts::default() }
    }

    /// The JSON-RPC method, cut to 64 bytes. Of a batch: its first call's, else its first request's.
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// The tool that a `tools/call` names, if there is such a tool; through `call_tool`, the tool that this names. Of a
    /// batch: its first call's tool.
    pub fn tool(&self) -> Option<&str> {
        self.tool.as_deref()
    }

    /// The resource that the request names, if there is such a resource: its URI, or the template that the URI is of, as
    /// they are listed. Of a batch as for the tool.
    pub fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }

    /// The prompt that the request names, if there is such a prompt. Of a batch as for the tool.
    pub fn prompt(&self) -> Option<&str> {
        self.prompt.as_deref()
    }

    /// Whether it is known what is asked for.
    pub(crate) fn has_subject(&self) -> bool {
        self.tool.is_some() || self.resource.is_some() || self.prompt.is_some()
    }

    /// Describes a request by what another one asks for.
    pub(crate) fn take_subject(&mut self, other: &Facts) {
        self.tool.clone_from(&other.tool);
        self.resource.clone_from(&other.resource);
        self.prompt.clone_from(&other.prompt);
    }

    /// The revision that the request is answered in.
    pub fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.protocol_version
    }

    /// How the message came.
    pub fn transport(&self) -> &'static str {
        self.transport.as_str()
    }

    /// Whether it is a notification, to which there is no answer on a transport that has no other than JSON-RPC's.
    pub fn is_notification(&self) -> bool {
        self.is_notification
    }

    /// The request's id as raw JSON: a string keeps its quotes. None for notifications and batches.
    pub fn request_id(&self) -> Option<&str> {
        self.part(self.request_id)
    }

    /// The client's name as it gave it in this request or when its session began, cut to 64 bytes.
    pub fn client_name(&self) -> Option<Cow<'_, str>> {
        self.client("name").or_else(|| self.session_client()?.name.map(Cow::Owned))
    }

    /// The client's version, likewise.
    pub fn client_version(&self) -> Option<Cow<'_, str>> {
        self.client("version").or_else(|| self.session_client()?.version.map(Cow::Owned))
    }

    fn client(&self, member: &str) -> Option<Cow<'_, str>> {
        Some(match text(find_member(self.part(self.client_info)?, member)?)? {
            Cow::Borrowed(text) => Cow::Borrowed(cut(text, CLIENT)),
            Cow::Owned(text) => Cow::Owned(cut(&text, CLIENT).to_owned()),
        })
    }

    fn session_client(&self) -> Option<Client> {
        self.session().and_then(Client::of)
    }

    /// What the client can be asked for while a call runs, as far as it has declared it: words of `elicitation.form`,
    /// `elicitation.url`, `sampling`, `sampling.tools` and `roots`, with a space between them.
    pub fn client_capabilities(&self) -> String {
        self.capabilities.to_string()
    }

    /// The session's id, if it is one of ours; of a request that begins one, the new session's, once it has passed its access
    /// rules.
    pub fn session(&self) -> Option<&str> {
        self.part(self.session).or_else(|| self.begun.get().map(String::as_str))
    }

    /// One argument of a tool or a prompt, or one variable of a resource's URI, as text: a string without its quotes, anything else as JSON. None for an absent
    /// argument, `null`, and in batches. The value is as the client sent it, not yet validated.
    pub fn argument(&self, name: &str) -> Option<Cow<'_, str>> {
        let raw = find_member(self.arguments()?, name)?;
        match raw.as_bytes().first()? {
            b'n' => None,
            b'"' => text(raw),
            _ => Some(Cow::Borrowed(raw)),
        }
    }

    /// The URI of the resource that is asked for.
    pub(crate) fn uri(&self) -> Option<&str> {
        self.part(self.uri)
    }

    pub(crate) fn set_uri(&mut self, uri: &str) {
        self.uri = Some(self.keep(uri));
    }

    /// Keeps where the request belongs in a trace.
    pub(crate) fn set_trace(&mut self, meta: Option<&Meta<'_>>) {
        let lines = meta.and_then(|meta| meta.trace.lines());
        self.trace = lines.map(|lines| self.keep(&lines));
    }

    /// The headers that say it to an upstream.
    pub(crate) fn trace(&self) -> impl Iterator<Item = (String, String)> {
        self.part(self.trace).into_iter().flat_map(trace::headers)
    }

    /// All of them, raw.
    pub(crate) fn arguments(&self) -> Option<&str> {
        self.part(self.arguments)
    }

    /// What the client answers to the question of a backend, raw.
    pub(crate) fn input_responses(&self) -> Option<&str> {
        self.part(self.input_responses)
    }

    /// The state that came with the question, raw.
    pub(crate) fn request_state(&self) -> Option<&str> {
        self.part(self.request_state)
    }

    /// Makes room for texts of so many bytes together.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.texts.reserve_exact(bytes);
    }

    pub(crate) fn set_request_id(&mut self, raw: &str) {
        self.request_id = Some(self.keep(raw));
    }

    pub(crate) fn set_client_info(&mut self, raw: &str) {
        self.client_info = Some(self.keep(raw));
    }

    /// The id of a session that was found right.
    pub(crate) fn set_session(&mut self, id: &str) {
        self.session = Some(self.keep(id));
    }

    /// The id of the session that begins.
    pub(crate) fn begin_session(&self, id: String) {
        // An exchange starts once.
        let _ = self.begun.set(id);
    }

    pub(crate) fn set_arguments(&mut self, raw: &str) {
        self.arguments = Some(self.keep(raw));
    }

    /// Keeps what comes with a request that is made again.
    pub(crate) fn set_input(&mut self, responses: Option<&str>, state: Option<&str>) {
        self.input_responses = responses.map(|responses| self.keep(responses));
        self.request_state = state.map(|state| self.keep(state));
    }

    fn keep(&mut self, text: &str) -> Part {
        let start = self.texts.len();
        self.texts.push_str(text);
        (start, self.texts.len())
    }

    fn part(&self, part: Option<Part>) -> Option<&str> {
        part.map(|(start, end)| &self.texts[start..end])
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
