//! The MCP server of one location.

mod builder;
mod info;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use serde_json::{Map, Value};

pub use self::builder::ServerBuilder;
pub(crate) use self::builder::{VERSIONS, scope};
use self::builder::{cacheable, items, list_members};
use self::info::ServerInfo;
use crate::ProtocolVersion;
use crate::error::Error;
use crate::exchange::{Context, Exchange};
use crate::facts::Facts;
use crate::front::McpUpstream;
use crate::headers::Known;
use crate::http::{Headers, HttpReply, HttpRequest};
use crate::jsonrpc::write_error;
use crate::list::{List, Listed, Listing};
use crate::offers::Offers;
use crate::origin::AllowedOrigins;
use crate::prompt::Prompt;
use crate::receive;
use crate::resource::Resource;
use crate::seal::Seals;
use crate::search::{Search, SearchTool};
use crate::session::{MACHINE, Sessions};
use crate::tool::{Endpoint, Tool};

/// Whose call something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callee {
    Tool(usize),
    Resource(usize),
    Prompt(usize),
    /// The client is told the same, whatever is completed.
    Completion,
    /// One of the servers behind this one, whatever it is asked for.
    Upstream(usize),
}

/// FNV-1a. The names that it spreads are the operator's: nobody else can choose ones that collide.
#[derive(Debug)]
struct NameHasher(u64);

impl Default for NameHasher {
    fn default() -> Self {
        NameHasher(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The MCP server of one location: built once, then only read.
#[derive(Debug)]
pub struct Server {
    tools: Vec<Tool>,
    names: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, usize, BuildHasherDefault<NameHasher>>,
    search: Search,
    resources: Vec<Resource>,
    by_uri: HashMap<Arc<str>, usize, BuildHasherDefault<NameHasher>>,
    prompts: Vec<Prompt>,
    upstreams: Vec<McpUpstream>,
    /// Which tools are found by a search instead of being listed.
    hidden: Vec<usize>,
    /// How much one page of a list holds; 0 for all.
    page_size: usize,
    /// Whose the endpoints are that follow those of the tools.
    callees: Vec<Callee>,
    /// `ttlMs` and `cacheScope` of what changes with the configuration alone.
    caching: (u64, &'static str),
    origins: AllowedOrigins,
    sessions: Sessions,
    /// What tells this server from those of other machines with the same secret.
    machine: [u8; MACHINE],
    seals: Seals,
    /// By listing, then by revision.
    lists: [Vec<List>; Listing::ALL.len()],
    /// By revision; like all results here with the brace that ends the response.
    initialize: [Arc<[u8]>; VERSIONS.len()],
    discover: Arc<[u8]>,
    empty: Arc<[u8]>,
    acknowledgement: Arc<[u8]>,
    /// The `_meta` of every result of 2026-07-28.
    meta: Arc<str>,
    /// Name and version, as JSON.
    info: Box<str>,
    offers: Offers,
}

impl Server {
    /// Reads and judges a request. `nonce` gives 16 unpredictable bytes; it is asked only when a session begins.
    pub fn receive(&self, request: &HttpRequest<'_>, nonce: &dyn Fn() -> [u8; 16]) -> Exchange {
        receive::receive(self, request, nonce)
    }

    /// The tools, in the order in which they were added.
    pub fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// The servers behind this one, in the order in which they were added.
    pub fn upstreams(&self) -> &[McpUpstream] {
        &self.upstreams
    }

    /// The endpoint of a number: those of the tools come first, then those of each resource ([`Resource::endpoints`]) and of
    /// each prompt, in the order in which they were added, and at last those of the servers behind this one.
    pub fn endpoint(&self, number: usize) -> Option<&Endpoint> {
        if let Some(tool) = self.tools.get(number) {
            return Some(tool.endpoint());
        }
        let resources = self.resources.iter().flat_map(Resource::endpoints);
        let prompts = self.prompts.iter().flat_map(Prompt::endpoints);
        let upstreams = self.upstreams.iter().map(McpUpstream::endpoint);
        resources.chain(prompts).chain(upstreams).nth(number - self.tools.len())
    }

    /// The reply for a request that the host itself refuses with this HTTP status: a limit, missing authorization, a
    /// failure of its own.
    ///
    /// The body is always a JSON-RPC error. The status is kept, so that `WWW-Authenticate` and `Retry-After` mean what
    /// they say, with one exception: 429 and 503 before a request of a revision with sessions become 200, since SDKs
    /// of that time take every other status for a broken transport and end the session or retry without end, while a
    /// JSON-RPC error reaches whoever made the call. Notifications and unreadable messages keep the status: nobody
    /// waits for an answer to them. So does a message of HTTP+SSE, whose refusal answers its POST.
    pub fn refuse(&self, exchange: &Exchange, status: u16) -> HttpReply {
        exchange.refused(refusal(status))
    }

    /// The same for a request that was not read: its body is too large or did not come in time, its header is
    /// malformed. A page of an allowed origin may read the reply; `headers` are what came of the header.
    pub fn refuse_unread(&self, headers: Headers<'_>, status: u16) -> HttpReply {
        let origin = self.origins.check(&Known::of(headers)).ok().flatten().map(str::to_owned);
        // Without an id, which every revision's client can read, or ignore together with the body.
        let version = ProtocolVersion::V2025_11_25;
        let context = Context::new(version, origin, self.methods(version));
        context.error(None, &Error::Refused(refusal(status)))
    }

    /// The reply to a request for a WebSocket that is none, with the status and the reason that the host gives.
    pub fn refuse_handshake(&self, status: u16, why: &'static str) -> HttpReply {
        let version = ProtocolVersion::LATEST_LEGACY;
        Context::new(version, None, self.methods(version)).error(None, &Error::Handshake(status, why))
    }

    /// The message that answers a request in the place of a reply that never came; none if nothing waits for an answer.
    pub fn abandoned(&self, facts: &Facts) -> Option<Vec<u8>> {
        let id = facts.request_id()?;
        let version = facts.protocol_version().unwrap_or(ProtocolVersion::LATEST_LEGACY);
        let mut out = Vec::new();
        write_error(Some(id), version, &Error::Refused(500).wire(version, true), &mut out);
        Some(out)
    }

    pub(crate) fn find_tool(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn search(&self) -> &Search {
        &self.search
    }

    pub(crate) fn tool_names(&self) -> &[Arc<str>] {
        &self.names
    }

    pub(crate) fn resources(&self) -> &[Resource] {
        &self.resources
    }

    pub(crate) fn prompts(&self) -> &[Prompt] {
        &self.prompts
    }

    /// The resource of a URI, and the values of the variables if it is one of a template.
    pub(crate) fn find_resource(&self, uri: &str) -> Option<(usize, Option<Map<String, Value>>)> {
        let known = self.by_uri.get(uri).filter(|index| !self.resources[**index].is_template());
        let mut templates = self.resources.iter().enumerate();
        known
            .map(|index| (*index, None))
            .or_else(|| templates.find_map(|(index, resource)| Some((index, Some(resource.values(uri)?)))))
    }

    /// Whose call an endpoint is for.
    pub(crate) fn callee(&self, endpoint: usize) -> Callee {
        match endpoint.checked_sub(self.tools.len()) {
            None => Callee::Tool(endpoint),
            Some(index) => self.callees[index],
        }
    }

    /// `ttlMs` and `cacheScope` of what changes with the configuration alone.
    pub(crate) fn caching(&self) -> (u64, &'static str) {
        self.caching
    }

    /// What a list shows of this server's own.
    pub(crate) fn items(&self, listing: Listing) -> Vec<Listed<'_>> {
        items((&self.tools, &self.hidden), &self.resources, &self.prompts, listing)
    }

    /// The names, or URIs, in a list that are taken: also those of tools that are not listed.
    pub(crate) fn names(&self, listing: Listing) -> Vec<&str> {
        let search = SearchTool::ALL.iter().filter(|_| !self.search.is_empty()).map(|tool| tool.name());
        match listing {
            Listing::Tools => self.tools.iter().map(Tool::name).chain(search).collect(),
            Listing::Resources | Listing::Templates => self.resources.iter().map(Resource::uri).collect(),
            Listing::Prompts => self.prompts.iter().map(Prompt::name).collect(),
        }
    }

    /// A list with what servers behind this one list, too: clients may keep it for `ttl` milliseconds at the most.
    pub(crate) fn make_list(
        &self,
        listing: Listing,
        items: &[Listed<'_>],
        version: ProtocolVersion,
        (ttl, is_private): (Option<u64>, bool),
    ) -> List {
        let (own, scope) = self.caching;
        let caching = (ttl.map_or(own, |ttl| ttl.min(own)), if is_private { "private" } else { scope });
        let members = list_members(version, &cacheable(caching, &self.meta));
        List::new(listing.member(), items, version, self.page_size, &members, &[])
    }

    /// How much one page of a list holds; 0 for all.
    pub(crate) fn page_size(&self) -> usize {
        self.page_size
    }

    /// How the result of every list begins.
    pub(crate) fn list_opening(&self, version: ProtocolVersion) -> &str {
        self.list(Listing::Resources, version).opening()
    }

    pub(crate) fn list(&self, listing: Listing, version: ProtocolVersion) -> &List {
        &self.lists[listing as usize][version as usize]
    }

    pub(crate) fn initialize_result(&self, version: ProtocolVersion) -> &Arc<[u8]> {
        &self.initialize[version as usize]
    }

    pub(crate) fn discover_result(&self) -> &Arc<[u8]> {
        &self.discover
    }

    /// The result that has nothing to say.
    pub(crate) fn empty_result(&self) -> &Arc<[u8]> {
        &self.empty
    }

    /// The same in 2026-07-28.
    pub(crate) fn acknowledgement(&self) -> &Arc<[u8]> {
        &self.acknowledgement
    }

    pub(crate) fn meta(&self) -> &str {
        &self.meta
    }

    /// The same for what outlives a request.
    pub(crate) fn shared_meta(&self) -> Arc<str> {
        self.meta.clone()
    }

    /// Name and version, as JSON.
    pub(crate) fn info(&self) -> &str {
        &self.info
    }

    pub(crate) fn offers(&self) -> Offers {
        self.offers
    }

    /// The HTTP methods that mean something to clients of a revision.
    pub(crate) fn methods(&self, version: ProtocolVersion) -> &'static str {
        match (version.is_stateless(), self.offers.channels) {
            (true, _) => "POST, OPTIONS",
            (false, true) => "GET, POST, DELETE, OPTIONS",
            (false, false) => "POST, DELETE, OPTIONS",
        }
    }

    pub(crate) fn origins(&self) -> &AllowedOrigins {
        &self.origins
    }

    pub(crate) fn seals(&self) -> &Seals {
        &self.seals
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(crate) fn machine(&self) -> [u8; MACHINE] {
        self.machine
    }

    /// Seconds after which a session is over.
    pub fn session_lifetime(&self) -> u64 {
        self.sessions.lifetime()
    }
}

/// A status that is one of a refusal.
fn refusal(status: u16) -> u16 {
    if (400..600).contains(&status) { status } else { 500 }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ServerBuilder;
    use crate::http::{Body, Outcome};

    #[test]
    fn a_request_that_was_not_read_is_refused_in_json() {
        let mut builder = ServerBuilder::new();
        builder.secret([0; 32]);
        let server = builder.build().unwrap();
        for (status, sent, code) in
            [(413, 413, 413), (400, 400, -32600), (503, 503, 503), (500, 500, -32603), (302, 500, -32603)]
        {
            let reply = server.refuse_unread(Headers(&[(b"origin", b"http://localhost")]), status);
            assert!(reply.headers.contains(&("Access-Control-Allow-Origin", "http://localhost".to_owned())));
            assert_eq!(server.refuse_unread(Headers(&[(b"origin", b"http://evil.example")]), status).headers, []);
            let Body::Bytes(body) = &reply.body else { panic!("no body") };
            let body: Value = serde_json::from_slice(body).unwrap();
            assert_eq!((reply.status, &body["error"]["code"]), (sent, &json!(code)));
            assert_eq!(body.get("id"), None);
            assert_eq!(reply.outcome, Outcome::ProtocolError { code });
            assert_eq!(reply.content_type, Some("application/json"));
        }
    }
}
