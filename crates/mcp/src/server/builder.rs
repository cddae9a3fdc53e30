//! From the directives of a location to a [`Server`].

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Callee, Server, ServerInfo};
use crate::completion::Completer;
use crate::front::McpUpstream;
use crate::list::{List, Listed, Listing};
use crate::methods::initialize::{discover_result, initialize_result};
use crate::offers::Offers;
use crate::origin::AllowedOrigins;
use crate::prompt::Prompt;
use crate::resource::Resource;
use crate::seal::Seals;
use crate::search::{Search, SearchTool};
use crate::session::{MACHINE, Sessions};
use crate::tool::{ConfigError, Tool};
use crate::{ProtocolVersion, prompt, resource};

/// How long a session lasts unless told otherwise: a day.
const SESSION_LIFETIME: u64 = 24 * 60 * 60;
/// How long a client may keep a list unless told otherwise: five minutes, as in the specification's examples. Tools
/// change when the configuration is reloaded, and not every client listens.
const CACHE_TTL: u64 = 5 * 60 * 1000;

/// What the directives of one location said.
#[derive(Debug)]
pub struct ServerBuilder {
    info: ServerInfo,
    instructions: Option<String>,
    tools: Vec<Tool>,
    /// Which of them are found by a search instead of being listed.
    hidden: Vec<usize>,
    resources: Vec<Resource>,
    prompts: Vec<Prompt>,
    upstreams: Vec<McpUpstream>,
    origins: AllowedOrigins,
    secret: Option<[u8; 32]>,
    page_size: usize,
    session_lifetime: u64,
    cache_ttl: u64,
    cache_private: bool,
    channels: bool,
    machine: [u8; MACHINE],
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerBuilder {
    /// A server without tools and without a secret.
    pub fn new() -> Self {
        ServerBuilder {
            info: ServerInfo::default(),
            instructions: None,
            tools: Vec::new(),
            hidden: Vec::new(),
            resources: Vec::new(),
            prompts: Vec::new(),
            upstreams: Vec::new(),
            origins: AllowedOrigins::default(),
            secret: None,
            page_size: 0,
            session_lifetime: SESSION_LIFETIME,
            cache_ttl: CACHE_TTL,
            cache_private: false,
            channels: false,
            machine: [0; MACHINE],
        }
    }

    /// `mcp_server_info NAME VERSION [title=TEXT] [description=TEXT] [website=URL]`.
    pub fn server_info(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        self.info.describe(args)
    }

    /// `mcp_server_icons URL [type=TYPE] [sizes=48x48,any] [theme=light|dark]`, once for each icon.
    pub fn server_icons(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        self.info.icons(args)
    }

    /// `mcp_instructions TEXT`.
    pub fn instructions(&mut self, text: &str) -> Result<(), ConfigError> {
        self.instructions = Some(text.to_owned());
        Ok(())
    }

    /// Adds a tool; tools are listed in the order in which they are added.
    pub fn tool(&mut self, tool: Tool) -> Result<(), ConfigError> {
        if self.tools.iter().any(|other| other.name() == tool.name()) {
            return Err(ConfigError(format!("duplicate tool \"{}\": give one of them another name", tool.name())));
        }
        if !self.hidden.is_empty() {
            check_name(&tool)?;
        }
        self.tools.push(tool);
        Ok(())
    }

    /// Adds a tool that is not listed. Where there is one, `search_tools`, `describe_tool` and `call_tool` are listed
    /// in the place of all, and no other tool may have one of these names.
    pub fn hidden_tool(&mut self, tool: Tool) -> Result<(), ConfigError> {
        if self.hidden.is_empty() {
            self.tools.iter().chain([&tool]).try_for_each(check_name)?;
        }
        self.tool(tool)?;
        self.hidden.push(self.tools.len() - 1);
        Ok(())
    }

    /// Adds a resource or a template. A URI is looked for among the resources first, then among the templates in the order
    /// in which they are added.
    pub fn resource(&mut self, resource: Resource) -> Result<(), ConfigError> {
        if self.resources.iter().any(|other| other.uri() == resource.uri()) {
            return Err(ConfigError(format!("duplicate resource \"{}\"", resource.uri())));
        }
        self.resources.push(resource);
        Ok(())
    }

    /// Adds a prompt.
    pub fn prompt(&mut self, prompt: Prompt) -> Result<(), ConfigError> {
        if self.prompts.iter().any(|other| other.name() == prompt.name()) {
            return Err(ConfigError(format!("duplicate prompt \"{}\": give one of them another name", prompt.name())));
        }
        self.prompts.push(prompt);
        Ok(())
    }

    /// Adds a server whose tools, resources and prompts are offered behind this server's own.
    pub fn upstream(&mut self, upstream: McpUpstream) -> Result<(), ConfigError> {
        if self.upstreams.iter().any(|other| other.name() == upstream.name()) {
            return Err(ConfigError(format!(
                "duplicate server \"{}\": give one of them another name",
                upstream.name()
            )));
        }
        self.upstreams.push(upstream);
        Ok(())
    }

    /// Gives every endpoint its number, tools' first, and says whose each of the others is.
    fn number(&mut self) -> Vec<Callee> {
        let mut callees = Vec::new();
        let first = self.tools.len();
        let mut add = |callee: Callee, site: &mut usize| {
            *site = first + callees.len();
            callees.push(callee);
        };
        for (index, resource) in self.resources.iter_mut().enumerate() {
            if let resource::Source::Endpoint { site, .. } = &mut resource.source {
                add(Callee::Resource(index), site);
                resource.directory.iter_mut().for_each(|directory| directory.site = *site);
            }
            resource.completers.iter_mut().filter_map(Completer::site).for_each(|site| add(Callee::Completion, site));
        }
        for (index, prompt) in self.prompts.iter_mut().enumerate() {
            if let prompt::Source::Endpoint { site, .. } = &mut prompt.source {
                add(Callee::Prompt(index), site);
            }
            prompt.completers.iter_mut().filter_map(Completer::site).for_each(|site| add(Callee::Completion, site));
        }
        for (index, upstream) in self.upstreams.iter_mut().enumerate() {
            add(Callee::Upstream(index), &mut upstream.site);
        }
        callees
    }

    /// `mcp_allowed_origins ORIGIN …`: `scheme://host[:port]`, or `*` for any. Unless it is called, pages of this
    /// machine and pages that came from this server are allowed.
    pub fn allowed_origins(&mut self, origins: &[&str]) -> Result<(), ConfigError> {
        self.origins = AllowedOrigins::parse(origins)?;
        Ok(())
    }

    /// The key that signs session ids and seals what clients carry for this server; the same on every worker and every
    /// machine that shares sessions.
    pub fn secret(&mut self, secret: [u8; 32]) {
        self.secret = Some(secret);
    }

    /// How much one page of a list holds; 0, the default, for all.
    pub fn page_size(&mut self, tools: usize) {
        self.page_size = tools;
    }

    /// Seconds after which a session is refused; a day by default.
    pub fn session_lifetime(&mut self, seconds: u64) {
        self.session_lifetime = seconds;
    }

    /// The `ttlMs` of 2026-07-28 results: how long a client may keep a list; five minutes by default.
    pub fn cache_ttl(&mut self, milliseconds: u64) {
        self.cache_ttl = milliseconds;
    }

    /// The `cacheScope` of 2026-07-28 results: whether a list may be shared between users (`public`, the default) or
    /// not (`private`).
    pub fn cache_private(&mut self, private: bool) {
        self.cache_private = private;
    }

    /// Whether messages between requests can be delivered, so that clients may listen for them; not by default.
    pub fn channels(&mut self, on: bool) {
        self.channels = on;
    }

    /// Random bytes, by which a session of HTTP+SSE is known to have begun on this machine ([`Server::is_here`]).
    pub fn machine(&mut self, machine: [u8; MACHINE]) {
        self.machine = machine;
    }

    /// Checks everything together and compiles it.
    pub fn build(mut self) -> Result<Server, ConfigError> {
        let secret =
            self.secret.ok_or_else(|| ConfigError("there is no secret to sign session ids with".to_owned()))?;
        let callees = self.number();
        let instructions = self.instructions.as_deref();
        let mut completers = self.resources.iter().map(|resource| &resource.completers);
        let completions = completers.any(|completers| !completers.is_empty())
            || self.prompts.iter().any(|prompt| !prompt.completers.is_empty());
        // What servers behind this one have is not known yet, and may change.
        let is_fronting = !self.upstreams.is_empty();
        let offers = Offers {
            tools: true,
            prompts: is_fronting || !self.prompts.is_empty(),
            resources: is_fronting || !self.resources.is_empty(),
            completions: is_fronting || completions,
            skills: self.resources.iter().any(|resource| !resource.is_shown()),
            tasks: self.tools.iter().any(|tool| tool.task().is_some()),
            channels: self.channels,
        };
        let newest = self.info.shown(ProtocolVersion::V2026_07_28);
        let meta = json!({"io.modelcontextprotocol/serverInfo": newest}).to_string();
        let scope = scope(self.cache_private);
        let cacheable = cacheable((self.cache_ttl, scope), &meta);
        let lists = Listing::ALL.map(|listing| {
            let items = items((&self.tools, &self.hidden), &self.resources, &self.prompts, listing);
            let mut lists: Vec<List> = Vec::with_capacity(VERSIONS.len());
            for version in VERSIONS {
                let members = list_members(version, &cacheable);
                lists.push(List::new(listing.member(), &items, version, self.page_size, &members, &lists));
            }
            lists
        });
        let mut tools = self.tools;
        let search = Search::new(&tools, self.hidden.clone());
        // Lists are made anew when servers behind this one list something else.
        if search.is_empty() && !is_fronting {
            tools.iter_mut().for_each(Tool::forget_definition);
        }
        let names: Vec<Arc<str>> = tools.iter().map(|tool| Arc::from(tool.name())).collect();
        Ok(Server {
            by_name: names.iter().cloned().enumerate().map(|(index, name)| (name, index)).collect(),
            names,
            initialize: VERSIONS
                .map(|version| end(&initialize_result(version, offers, &self.info.shown(version), instructions), "")),
            discover: end(&discover_result(offers, instructions), &format!(",{cacheable}")),
            empty: b"{}}"[..].into(),
            acknowledgement: format!("{{\"resultType\":\"complete\",\"_meta\":{meta}}}}}").into_bytes().into(),
            tools,
            search,
            by_uri: self.resources.iter().enumerate().map(|(index, one)| (one.shared_uri(), index)).collect(),
            resources: self.resources,
            prompts: self.prompts,
            upstreams: self.upstreams,
            hidden: self.hidden,
            callees,
            caching: (self.cache_ttl, scope),
            page_size: self.page_size,
            origins: self.origins,
            sessions: Sessions::new(&secret, self.session_lifetime),
            machine: self.machine,
            seals: Seals::new(&secret),
            lists,
            meta: meta.into(),
            info: newest.to_string().into(),
            offers,
        })
    }
}

/// What a list shows. Of the tools, those that are hidden are given by their places.
pub(super) fn items<'s>(
    (tools, hidden): (&'s [Tool], &[usize]),
    resources: &'s [Resource],
    prompts: &'s [Prompt],
    listing: Listing,
) -> Vec<Listed<'s>> {
    match listing {
        Listing::Tools => listed(tools, hidden),
        Listing::Resources => shown(resources, false),
        Listing::Templates => shown(resources, true),
        Listing::Prompts => prompts.iter().map(Listed::Prompt).collect(),
    }
}

/// The tools that `tools/list` shows.
fn listed<'s>(tools: &'s [Tool], hidden: &[usize]) -> Vec<Listed<'s>> {
    let mut listed = Vec::new();
    for (place, tool) in tools.iter().enumerate() {
        match hidden.binary_search(&place) {
            Err(_) => listed.push(Listed::Tool(tool)),
            Ok(0) => listed.extend(SearchTool::ALL.map(|tool| Listed::Search(tool, hidden.len()))),
            Ok(_) => {}
        }
    }
    listed
}

/// The members that say how long a result may be kept, and by whom, and whose it is.
pub(super) fn cacheable((ttl, scope): (u64, &str), meta: &str) -> String {
    format!("\"ttlMs\":{ttl},\"cacheScope\":\"{scope}\",\"_meta\":{meta}")
}

/// What a revision has in the result of a list beside what is listed.
pub(super) fn list_members(version: ProtocolVersion, cacheable: &str) -> String {
    match version.is_stateless() {
        true => format!("\"resultType\":\"complete\",{cacheable},"),
        false => String::new(),
    }
}

/// Whether a tool may stand beside those that find others.
fn check_name(tool: &Tool) -> Result<(), ConfigError> {
    let is_taken = SearchTool::ALL.iter().any(|own| own.name() == tool.name());
    if !is_taken {
        return Ok(());
    }
    Err(ConfigError(format!(
        "the location has \"search on\", which makes a tool \"{}\" of its own: give yours another name",
        tool.name()
    )))
}

/// `cacheScope`
pub(crate) fn scope(private: bool) -> &'static str {
    if private { "private" } else { "public" }
}

/// What is listed of these in any case.
fn shown(resources: &[Resource], templates: bool) -> Vec<Listed<'_>> {
    let wanted = resources.iter().filter(|resource| resource.is_template() == templates && resource.is_shown());
    wanted.map(Listed::Resource).collect()
}

/// Every revision in the order of its number.
pub(crate) const VERSIONS: [ProtocolVersion; 5] = [
    ProtocolVersion::V2024_11_05,
    ProtocolVersion::V2025_03_26,
    ProtocolVersion::V2025_06_18,
    ProtocolVersion::V2025_11_25,
    ProtocolVersion::V2026_07_28,
];

/// A result with further members, and the brace that ends the response around it.
fn end(result: &Value, members: &str) -> Arc<[u8]> {
    let result = result.to_string();
    let open = result.strip_suffix('}').unwrap_or(&result);
    format!("{open}{members}}}}}").into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ToolBuilder;

    fn tool(name: &str) -> Tool {
        let mut tool = ToolBuilder::new(name).unwrap();
        tool.pass(&["GET", "http://upstream/"]).unwrap();
        tool.build().unwrap()
    }

    #[test]
    fn a_tool_is_added_once() {
        let mut builder = ServerBuilder::new();
        builder.tool(tool("a")).unwrap();
        builder.tool(tool("b")).unwrap();
        let error = builder.tool(tool("a")).unwrap_err();
        assert_eq!(error.0, "duplicate tool \"a\": give one of them another name");
    }

    #[test]
    fn tools_that_find_others_have_their_names_alone() {
        let refused =
            |result: Result<(), ConfigError>| result.unwrap_err().0.contains("a tool \"call_tool\" of its own");
        let mut builder = ServerBuilder::new();
        builder.tool(tool("call_tool")).unwrap();
        assert!(refused(builder.hidden_tool(tool("a"))));
        let mut builder = ServerBuilder::new();
        builder.hidden_tool(tool("a")).unwrap();
        assert!(refused(builder.tool(tool("call_tool"))) && refused(builder.hidden_tool(tool("call_tool"))));
        assert!(builder.tool(tool("a")).is_err());
    }

    #[test]
    fn tools_that_find_others_are_listed_where_the_first_of_those_was_added() {
        for (added, expected) in [
            (&["a", "b"][..], "a b"),
            (&["a", "-b", "c", "-d"], "a search_tools describe_tool call_tool c"),
            (&["-a"], "search_tools describe_tool call_tool"),
        ] {
            let mut builder = ServerBuilder::new();
            for name in added {
                match name.strip_prefix('-') {
                    Some(hidden) => builder.hidden_tool(tool(hidden)).unwrap(),
                    None => builder.tool(tool(name)).unwrap(),
                }
            }
            let listed: Vec<_> =
                listed(&builder.tools, &builder.hidden).iter().map(|tool| tool.name().to_owned()).collect();
            assert_eq!(listed.join(" "), expected);
        }
    }

    #[test]
    fn without_a_secret_there_is_no_server() {
        assert!(ServerBuilder::new().build().unwrap_err().0.contains("secret"));
        assert!(ServerBuilder::new().server_info(&["", "1"]).is_err());
    }
}
