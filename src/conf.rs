//! What the directives said, and what becomes of it when nginx merges its levels.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashSet;
use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;

use ::openapi::Edit;
use mcp::{
    ConfigError, McpUpstream, McpUpstreamBuilder, Prompt, PromptBuilder, Resource, ResourceBuilder, Server,
    ServerBuilder, SessionState, Tool, ToolBuilder, Topic,
};

use crate::bus::{Bus, Memory};
use crate::channels::Channels;
use crate::directories::Directories;
use crate::endpoint::EndpointLocation;
use crate::front::Fronts;
use crate::link::Link;
use crate::nchan;
use crate::ngx::{self, ComplexValue, Conf, LocationContext, Place, Request, ServerNames, SessionStates};
use crate::offers::Declared;
use crate::openapi;
use crate::proxy::ProxySettings;
use crate::record::{Watch, Watched};
use crate::secret;

/// Why a directive cannot be used.
#[derive(Debug)]
pub(crate) enum Error {
    /// The text follows the directive's name in the `[emerg]` line, as nginx's own do: `is duplicate`.
    Text(String),
    /// nginx has written its own line already.
    Logged,
}

impl Error {
    pub(crate) fn new(text: impl Into<String>) -> Error {
        Error::Text(text.into())
    }

    pub(crate) fn memory() -> Error {
        Error::new("could not be read: out of memory")
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Error {
        Error::Text(format!("is invalid: {error}"))
    }
}

/// Settings that a location inherits one by one from the level around it.
#[derive(Default, Clone)]
pub(crate) struct Settings {
    pub(crate) server_info: Option<Vec<String>>,
    pub(crate) server_icons: Option<Vec<Vec<String>>>,
    pub(crate) instructions: Option<String>,
    pub(crate) allowed_origins: Option<Vec<String>>,
    pub(crate) max_result_size: Option<usize>,
    pub(crate) heartbeat: Option<usize>,
    pub(crate) input_timeout: Option<usize>,
    pub(crate) principal: Option<String>,
    pub(crate) listen: Option<bool>,
    pub(crate) secret: Option<[u8; 32]>,
    pub(crate) page_size: Option<usize>,
    pub(crate) session_timeout: Option<u64>,
    pub(crate) cache_ttl: Option<u64>,
    pub(crate) cache_private: Option<bool>,
}

impl Settings {
    const MAX_RESULT_SIZE: usize = 8 << 20;
    const HEARTBEAT: usize = 15_000;
    const INPUT_TIMEOUT: usize = 300_000;
    const PRINCIPAL: &str = "$remote_user";

    fn inherit(&mut self, outer: &Settings) {
        fn unset<T: Clone>(own: &mut Option<T>, outer: &Option<T>) {
            if own.is_none() {
                own.clone_from(outer);
            }
        }
        unset(&mut self.server_info, &outer.server_info);
        unset(&mut self.server_icons, &outer.server_icons);
        unset(&mut self.instructions, &outer.instructions);
        unset(&mut self.allowed_origins, &outer.allowed_origins);
        unset(&mut self.max_result_size, &outer.max_result_size);
        unset(&mut self.heartbeat, &outer.heartbeat);
        unset(&mut self.input_timeout, &outer.input_timeout);
        unset(&mut self.principal, &outer.principal);
        unset(&mut self.listen, &outer.listen);
        unset(&mut self.secret, &outer.secret);
        unset(&mut self.page_size, &outer.page_size);
        unset(&mut self.session_timeout, &outer.session_timeout);
        unset(&mut self.cache_ttl, &outer.cache_ttl);
        unset(&mut self.cache_private, &outer.cache_private);
    }

    fn builder(&self) -> Result<ServerBuilder, Error> {
        fn words(words: &[String]) -> Vec<&str> {
            words.iter().map(String::as_str).collect()
        }
        let mut builder = ServerBuilder::new();
        if let Some(info) = &self.server_info {
            builder.server_info(&words(info))?;
        }
        for icon in self.server_icons.iter().flatten() {
            builder.server_icons(&words(icon))?;
        }
        if let Some(text) = &self.instructions {
            builder.instructions(text)?;
        }
        if let Some(origins) = &self.allowed_origins {
            builder.allowed_origins(&words(origins))?;
        }
        if let Some(tools) = self.page_size {
            builder.page_size(tools);
        }
        if let Some(seconds) = self.session_timeout {
            builder.session_lifetime(seconds);
        }
        if let Some(seconds) = self.cache_ttl {
            builder.cache_ttl(seconds.saturating_mul(1000));
        }
        if let Some(private) = self.cache_private {
            builder.cache_private(private);
        }
        builder.secret(match self.secret {
            Some(secret) => secret,
            None => secret::of_this_nginx()?,
        });
        Ok(builder)
    }
}

/// A block of ours while it is being read.
pub(crate) enum Draft {
    /// `mcp_tool`
    Tool(Box<ToolBuilder>),
    /// `mcp_openapi`
    OpenApi(Box<openapi::Draft>),
    /// `tool` in it
    Operation(Edit),
    /// `mcp_resource`
    Resource(Box<ResourceBuilder>),
    /// `mcp_prompt`
    Prompt(Box<PromptBuilder>),
    /// `mcp_upstream`
    Upstream(Box<McpUpstreamBuilder>),
}

/// A tool of a location.
pub(crate) struct DeclaredTool {
    pub(crate) tool: Tool,
    /// The location that its calls go through.
    pub(crate) context: LocationContext,
    /// It is found by a search instead of being listed.
    pub(crate) hidden: bool,
    /// Those who watch it are told of its calls here.
    pub(crate) watch: Option<Watch>,
}

impl DeclaredTool {
    fn add_to(mut self, builder: &mut ServerBuilder) -> Result<(), Error> {
        if self.watch.is_some() {
            self.tool.record_calls();
        }
        match self.hidden {
            true => Ok(builder.hidden_tool(self.tool)?),
            false => Ok(builder.tool(self.tool)?),
        }
    }
}

/// The module's configuration of one level: `http`, `server`, a location, or the location of a block of ours.
#[derive(Default)]
pub(crate) struct LocationConf {
    pub(crate) enabled: Option<(bool, Place)>,
    pub(crate) settings: Settings,
    pub(crate) proxy: ProxySettings,
    pub(crate) tools: Vec<DeclaredTool>,
    pub(crate) resources: Vec<Declared<Resource>>,
    pub(crate) prompts: Vec<Declared<Prompt>>,
    pub(crate) upstreams: Vec<Declared<McpUpstream>>,
    /// Title and version of every API description.
    pub(crate) documents: Vec<Option<(String, String)>>,
    pub(crate) block: Option<&'static str>,
    pub(crate) draft: Option<Draft>,
    pub(crate) endpoint: Option<EndpointLocation>,
    pub(crate) location: Option<Rc<Location>>,
    /// The location of Nchan's channel.
    pub(crate) channels: Option<Channels>,
    /// Where a `resumable on` stands in a block of this location.
    pub(crate) resumable_place: Option<Place>,
    /// Where `mcp_channels` stands.
    pub(crate) channels_block: Option<Place>,
    /// `resumable` in a block.
    pub(crate) resumable: Option<bool>,
    /// `publish` in a block: a channel's name.
    pub(crate) watch: Option<String>,
    /// `mcp_publish`: the path of an MCP location.
    pub(crate) publish: Option<(String, Place)>,
    /// The MCP location of that path.
    pub(crate) publish_to: OnceCell<Rc<Location>>,
}

impl LocationConf {
    /// A block of ours is read into this.
    pub(crate) fn begin(&mut self, draft: Draft) {
        self.block = Some(match draft {
            Draft::Tool(_) => "mcp_tool",
            Draft::OpenApi(_) => "mcp_openapi",
            Draft::Operation(_) => "tool",
            Draft::Resource(_) => "mcp_resource",
            Draft::Prompt(_) => "mcp_prompt",
            Draft::Upstream(_) => "mcp_upstream",
        });
        self.draft = Some(draft);
    }

    /// The directive of the block that this is the location of.
    pub(crate) fn block(&self) -> Option<&'static str> {
        self.block
    }

    /// The block that is being read.
    pub(crate) fn draft(&mut self) -> Option<&mut Draft> {
        self.draft.as_mut()
    }

    /// The block that has been read.
    pub(crate) fn take_draft(&mut self) -> Option<Draft> {
        self.draft.take()
    }

    /// How many blocks of ours stand in the one that is being read.
    pub(crate) fn blocks_inside(&self) -> usize {
        if let Some(Draft::OpenApi(draft)) = &self.draft { draft.blocks() } else { 0 }
    }

    /// The location that calls go through, if this is one.
    pub(crate) fn endpoint_location(&mut self) -> &mut Option<EndpointLocation> {
        &mut self.endpoint
    }

    /// Adds a tool whose calls go through a location below this one.
    pub(crate) fn add_tool(&mut self, tool: DeclaredTool) {
        self.tools.push(tool);
    }

    /// Adds a resource.
    pub(crate) fn add_resource(&mut self, resource: Declared<Resource>) -> Result<(), Error> {
        let uri = resource.what.uri();
        if self.resources.iter().any(|declared| declared.what.uri() == uri) {
            return Err(Error::new(format!("is duplicate: the location has a resource \"{uri}\"")));
        }
        self.resources.push(resource);
        Ok(())
    }

    /// Notes what an API description calls itself.
    pub(crate) fn add_document(&mut self, info: Option<(String, String)>) {
        self.documents.push(info);
    }

    /// The names of the tools that there are by now.
    pub(crate) fn tool_names(&self) -> HashSet<String> {
        self.tools.iter().map(|declared| declared.tool.name().to_owned()).collect()
    }

    /// The MCP location whose clients hear what is posted here.
    pub(crate) fn publishes_to(&self) -> Option<&Location> {
        self.publish_to.get().map(Rc::as_ref)
    }

    /// The MCP server that answers here.
    pub(crate) fn location(&self) -> Option<&Location> {
        self.location.as_deref()
    }

    /// Completes this level with what the one around it says; nginx calls it from the outside in.
    pub(crate) fn merge(&mut self, cf: Conf, main: &mut MainConf, outer: &LocationConf) -> Result<(), Error> {
        self.settings.inherit(&outer.settings);
        self.proxy.inherit(&outer.proxy);
        if let Some(endpoint) = &self.endpoint {
            main.locations.push((cf.loc_conf(), true));
            return endpoint.complete(cf, &self.proxy, &mut main.upstreams);
        }
        if self.block.is_some() {
            return Ok(());
        }
        if self.publish.is_some() {
            main.publishers.push((cf.served(), cf.loc_conf()));
        }
        match self.enabled.take() {
            Some((true, place)) => cf.report_at(place, "mcp", |cf| self.compile(cf, main)),
            _ if !self.tools.is_empty() => {
                let error = Error::new("needs \"mcp on\" in the same location: nobody could call the tool");
                let first = self.tools.iter().find_map(|tool| tool.context.own_conf().endpoint.as_ref());
                first.map_or(Ok(()), |tool| cf.report_at(tool.place(), tool.directive(), |_| Err(error)))
            }
            _ if !self.resources.is_empty() || !self.prompts.is_empty() || !self.upstreams.is_empty() => {
                let error = Error::new("needs \"mcp on\" in the same location: nobody could ask for it");
                let resource = self.resources.first().map(|declared| (declared.place, declared.directive));
                let prompt = self.prompts.first().map(|declared| (declared.place, declared.directive));
                let upstream = self.upstreams.first().map(|declared| (declared.place, declared.directive));
                let first = resource.or(prompt).or(upstream);
                first.map_or(Ok(()), |(place, directive)| cf.report_at(place, directive, |_| Err(error)))
            }
            _ if self.channels_block.is_some() => {
                let error = Error::new("needs \"mcp on\" in the same location");
                self.channels_block.map_or(Ok(()), |place| cf.report_at(place, "mcp_channels", |_| Err(error)))
            }
            None if cf.is_unnamed() && outer.location.is_some() => {
                self.location.clone_from(&outer.location);
                own_content(cf)
            }
            _ => Ok(()),
        }
    }

    fn compile(&mut self, cf: Conf, main: &mut MainConf) -> Result<(), Error> {
        own_content(cf)?;
        let mut builder = self.settings.builder()?;
        // What serves one description alone is known by its name, unless the operator gives another.
        if let (None, [Some((title, version))]) = (&self.settings.server_info, self.documents.as_slice()) {
            builder.server_info(&[title, version])?;
        }
        let mut contexts = Vec::with_capacity(self.tools.len());
        let mut operator_values = Vec::with_capacity(self.tools.len());
        let mut watched = Vec::with_capacity(self.tools.len());
        for declared in self.tools.drain(..) {
            watched.push(declared.watch.as_ref().map(|watch| watch.compile(cf)).transpose()?);
            let context = declared.context;
            let values = declared.tool.endpoint().operator_values().iter().map(|text| ComplexValue::new(cf, text));
            operator_values.push(values.collect::<Result<_, _>>()?);
            match context.own_conf().endpoint_location() {
                Some(location) => location.report(cf, |_| declared.add_to(&mut builder))?,
                None => declared.add_to(&mut builder)?,
            }
            contexts.push(context);
        }
        for declared in self.resources.drain(..) {
            contexts.extend(declared.locations);
            for endpoint in declared.what.endpoints() {
                let values = endpoint.operator_values().iter().map(|text| ComplexValue::new(cf, text));
                operator_values.push(values.collect::<Result<_, _>>()?);
            }
            cf.report_at(declared.place, declared.directive, |_| Ok(builder.resource(declared.what)?))?;
        }
        for declared in self.prompts.drain(..) {
            contexts.extend(declared.locations);
            cf.report_at(declared.place, declared.directive, |_| Ok(builder.prompt(declared.what)?))?;
        }
        let mut identities = Vec::with_capacity(self.upstreams.len());
        for declared in self.upstreams.drain(..) {
            // The block's own lines count in place of those around it, as in nginx.
            let own = declared.locations.first().map(|context| context.own_conf().proxy.headers()).unwrap_or_default();
            let lines = if own.is_empty() { self.proxy.headers() } else { own };
            let values = lines.iter().filter(|(_, value)| mcp::tells_apart(value));
            identities.push(values.map(|(_, value)| ComplexValue::new(cf, value)).collect::<Result<_, _>>()?);
            let values = declared.what.endpoint().operator_values().iter().map(|text| ComplexValue::new(cf, text));
            operator_values.resize_with(contexts.len(), Box::default);
            operator_values.push(values.collect::<Result<_, _>>()?);
            contexts.extend(declared.locations);
            cf.report_at(declared.place, declared.directive, |_| Ok(builder.upstream(declared.what)?))?;
        }
        let listens = self.settings.listen != Some(false);
        if let Some(place) = self.resumable_place.filter(|_| !listens) {
            let error = Error::new("needs \"mcp_listen on\": whoever resumes a call listens");
            return cf.report_at(place, "resumable", |_| Err(error));
        }
        builder.channels(listens);
        let machine = secret::nonce();
        builder.machine(machine);
        let name = cf.served().key(main.served.len());
        let link = self.channels.map(|channels| Link::new(channels, name.clone()));
        let bus = listens.then(|| Bus::new(&name, u16::from_ne_bytes([machine[0], machine[1]]), main.memory, link));
        let server = builder.build()?;
        let location = Rc::new(Location {
            bus,
            fronts: Fronts::new(&server, &name, main.memory.lists),
            server,
            endpoints: contexts,
            operator_values,
            identities,
            watched,
            max_result_size: self.settings.max_result_size.unwrap_or(Settings::MAX_RESULT_SIZE),
            heartbeat: self.settings.heartbeat.unwrap_or(Settings::HEARTBEAT),
            input_timeout: self.settings.input_timeout.unwrap_or(Settings::INPUT_TIMEOUT),
            principal: ComplexValue::new(cf, self.settings.principal.as_deref().unwrap_or(Settings::PRINCIPAL))?,
            server_names: cf.server_names(),
            session_states: main.session_states,
            directories: Directories::default(),
        });
        main.has_documents |= !self.documents.is_empty();
        main.locations.push((cf.loc_conf(), false));
        main.served.push((cf.served(), Rc::clone(&location)));
        self.location = Some(location);
        Ok(())
    }
}

/// What `mcp on` made of one location: immutable from here on.
pub(crate) struct Location {
    /// The protocol core.
    pub(crate) server: Server,
    /// What is heard between requests, unless that is switched off.
    pub(crate) bus: Option<Bus>,
    /// The servers behind this one, if there are any.
    pub(crate) fronts: Option<Fronts>,
    /// For each endpoint of `server` the location that its calls go through.
    pub(crate) endpoints: Vec<LocationContext>,
    /// For each endpoint of `server` its operator's texts; only operations of API descriptions and servers behind this one have them.
    pub(crate) operator_values: Vec<Box<[ComplexValue]>>,
    /// For each server behind this one the values of header lines that tell callers apart.
    pub(crate) identities: Vec<Box<[ComplexValue]>>,
    /// For each tool of `server` where those who watch it are told of its calls.
    pub(crate) watched: Vec<Option<Watched>>,
    /// Bytes of an upstream's answer that are taken at the most; if it comes event by event, of each.
    pub(crate) max_result_size: usize,
    /// Milliseconds of silence after which a client is told that its call is under way; 0: it never is.
    pub(crate) heartbeat: usize,
    /// Milliseconds that a client of a session has to answer what it was asked.
    pub(crate) input_timeout: usize,
    /// Who the client is.
    principal: ComplexValue,
    /// The server's names, which the `Host` of a request must be one of if there are any.
    pub(crate) server_names: ServerNames,
    /// What is remembered of sessions.
    pub(crate) session_states: SessionStates,
    /// The files that are resources.
    pub(crate) directories: Directories,
}

impl Location {
    /// Whether something is asked of Nchan.
    fn uses_nchan(&self) -> bool {
        self.link().is_some() || self.watched.iter().any(Option::is_some)
    }

    /// The way of what is published to other machines.
    pub(crate) fn link(&self) -> Option<&Link> {
        self.bus.as_ref()?.link.as_ref()
    }

    /// The location that messages to a server behind this one go through.
    pub(crate) fn front_location(&self, upstream: usize) -> LocationContext {
        self.endpoints[self.server.upstreams()[upstream].site()]
    }

    /// Who the client of a request is, empty if that is not known.
    pub(crate) fn principal(&self, request: Request) -> Cow<'static, str> {
        String::from_utf8_lossy(self.principal.evaluate(request).unwrap_or_default())
    }

    /// What is remembered of a session. That it has ended on another machine is known by the name that the bus has for it.
    pub(crate) fn session_state(&self, session: &[u8], now: u64) -> Option<SessionState> {
        let name = self.link().and_then(|_| std::str::from_utf8(session).ok()).map(Topic::of_session);
        let end = name.as_ref().and_then(Topic::session).and_then(|name| self.session_states.get(name.as_bytes(), now));
        end.or_else(|| self.session_states.get(session, now))
    }

    /// Whether this is its bus.
    pub(crate) fn has_bus(&self, bus: &Bus) -> bool {
        self.bus.as_ref().is_some_and(|own| ptr::eq(own, bus))
    }
}

/// What the configuration holds once.
pub(crate) struct MainConf {
    session_states: SessionStates,
    memory: Memory,
    /// The locations of ours and whether calls go through each, for the time after all modules have merged.
    pub(crate) locations: Vec<(*mut *mut c_void, bool)>,
    /// Every MCP location, for requests that nginx refuses before it looks for their location.
    pub(crate) served: Vec<(ngx::Served, Rc<Location>)>,
    /// The locations of `mcp_publish`.
    pub(crate) publishers: Vec<(ngx::Served, *mut *mut c_void)>,
    /// The upstreams that were made for literal URLs, by scheme and authority.
    upstreams: Vec<String>,
    /// API descriptions were read, which take far more memory than what is made of them.
    pub(crate) has_documents: bool,
}

impl MainConf {
    pub(crate) fn new(session_states: SessionStates, memory: Memory) -> MainConf {
        MainConf {
            session_states,
            memory,
            locations: Vec::new(),
            served: Vec::new(),
            publishers: Vec::new(),
            upstreams: Vec::new(),
            has_documents: false,
        }
    }

    /// A worker has begun.
    pub(crate) fn begin(&'static self) {
        for (_, location) in &self.served {
            location.directories.look(location);
            location.fronts.iter().for_each(|fronts| fronts.start(location));
        }
        if self.served.iter().any(|(_, location)| location.uses_nchan()) {
            nchan::expect();
        }
    }

    /// The configuration is about to be run.
    pub(crate) fn announce(&self) {
        for (_, location) in &self.served {
            location.bus.iter().for_each(|bus| bus.announce(&location.server));
        }
    }
}

/// What is wrong where another module answers the same requests.
pub(crate) const ALONE: &str =
    "answers the location's requests alone: remove the other directive that does (such as \"proxy_pass\")";

/// Finds the MCP locations that are published to, once all are known.
pub(crate) fn find_published(cf: Conf, main: &MainConf) -> Result<(), Error> {
    for (served, loc_conf) in &main.publishers {
        let conf = ngx::own_conf(*loc_conf);
        let Some((path, place)) = &conf.publish else { continue };
        let target = main.served.iter().find(|(other, _)| other.is_beside(served) && other.name() == path.as_bytes());
        cf.report_at(*place, "mcp_publish", |_| match target {
            None => Err(Error::new(format!("names \"{path}\", which is no location with \"mcp on\" in this server"))),
            Some((_, location)) if location.bus.is_none() => {
                Err(Error::new(format!("names \"{path}\", where nobody listens: \"mcp_listen\" is off")))
            }
            Some((_, location)) => {
                let _ = conf.publish_to.set(Rc::clone(location));
                Ok(())
            }
        })?;
    }
    Ok(())
}

pub(crate) fn own_content(cf: Conf) -> Result<(), Error> {
    if cf.set_content_handler(ngx::content) {
        return Ok(());
    }
    Err(Error::new(ALONE))
}
