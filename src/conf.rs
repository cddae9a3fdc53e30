//! The module's directives, and what becomes of them when nginx merges its levels.

use std::collections::HashSet;
use std::ffi::CStr;
use std::ffi::c_void;
use std::fs;
use std::rc::Rc;

use ::openapi::Edit;
use mcp::{ConfigError, Server, ServerBuilder, Tool, ToolBuilder};

use crate::ngx::sys::{
    NGX_CONF_1MORE, NGX_CONF_ANY, NGX_CONF_BLOCK, NGX_CONF_FLAG, NGX_CONF_TAKE1, NGX_CONF_TAKE2, NGX_HTTP_LOC_CONF,
    NGX_HTTP_MAIN_CONF, NGX_HTTP_SRV_CONF,
};
use crate::ngx::{
    self, ComplexValue, Conf, EndedSessions, LocationContext, NGX_HTTP_MCP_OPENAPI_CONF, NGX_HTTP_MCP_OPERATION_CONF,
    NGX_HTTP_MCP_TOOL_CONF, Place, ServerNames,
};
use crate::openapi;
use crate::proxy::ProxySettings;
use crate::secret;
use crate::tool::{Block, ToolLocation};

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

/// One directive: its name, where it may stand and with how many words, and what it does.
pub(crate) struct Directive {
    pub(crate) name: &'static CStr,
    pub(crate) kind: u32,
    pub(crate) set: fn(Conf, &mut LocationConf) -> Result<(), Error>,
}

const ANYWHERE: u32 = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF;
const LOCATION: u32 = NGX_HTTP_LOC_CONF;
const TOOL: u32 = NGX_HTTP_MCP_TOOL_CONF;
const OPENAPI: u32 = NGX_HTTP_MCP_OPENAPI_CONF;
const OPERATION: u32 = NGX_HTTP_MCP_OPERATION_CONF;
const BLOCKS: u32 = TOOL | OPENAPI | OPERATION;

const fn directive(name: &'static CStr, kind: u32, set: fn(Conf, &mut LocationConf) -> Result<(), Error>) -> Directive {
    Directive { name, kind, set }
}

/// Every directive that the module answers to.
///
/// Three groups: our own; the words of our blocks; and directives of other modules that we look at ([`ProxySettings`]) or
/// refuse inside of our blocks, where nginx would take them and do nothing.
pub(crate) static DIRECTIVES: [Directive; 76] = [
    directive(c"mcp", LOCATION | NGX_CONF_FLAG, mcp),
    directive(c"mcp_server_info", ANYWHERE | NGX_CONF_TAKE2, |cf, conf| {
        let (name, version) = pair(cf)?;
        ServerBuilder::new().server_info(&name, &version)?;
        once(&mut conf.settings.server_info, (name, version))
    }),
    directive(c"mcp_instructions", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| {
        once(&mut conf.settings.instructions, one(cf)?)
    }),
    directive(c"mcp_allowed_origins", ANYWHERE | NGX_CONF_1MORE, |cf, conf| {
        let origins = cf.arguments()?;
        ServerBuilder::new().allowed_origins(&origins)?;
        let origins = origins.into_iter().map(String::from).collect();
        once(&mut conf.settings.allowed_origins, origins)
    }),
    directive(c"mcp_max_result_size", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| {
        once(&mut conf.settings.max_result_size, size(cf)?)
    }),
    directive(c"mcp_secret", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| {
        once(&mut conf.settings.secret, secret::from_file(&cf.full_path(&one(cf)?)?)?)
    }),
    directive(c"mcp_page_size", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| once(&mut conf.settings.page_size, number(cf)?)),
    directive(c"mcp_session_timeout", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| {
        once(&mut conf.settings.session_timeout, seconds(cf)?)
    }),
    directive(c"mcp_cache_ttl", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| once(&mut conf.settings.cache_ttl, seconds(cf)?)),
    directive(c"mcp_cache_scope", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| {
        let private = match one(cf)?.as_str() {
            "public" => false,
            "private" => true,
            other => return Err(Error::new(format!("must be \"public\" or \"private\", not \"{other}\""))),
        };
        once(&mut conf.settings.cache_private, private)
    }),
    directive(c"mcp_tool", LOCATION | NGX_CONF_BLOCK | NGX_CONF_TAKE1, mcp_tool),
    directive(c"mcp_openapi", LOCATION | NGX_CONF_BLOCK | NGX_CONF_TAKE1, openapi::mcp_openapi),
    directive(c"title", TOOL | NGX_CONF_ANY, |cf, conf| Ok(draft(conf)?.title(&cf.arguments()?)?)),
    directive(c"description", TOOL | NGX_CONF_ANY, |cf, conf| Ok(draft(conf)?.description(&cf.arguments()?)?)),
    directive(c"pass", TOOL | NGX_CONF_ANY, |cf, conf| Ok(draft(conf)?.pass(&cf.arguments()?)?)),
    directive(c"argument", TOOL | NGX_CONF_ANY, |cf, conf| Ok(draft(conf)?.argument(&cf.arguments()?)?)),
    directive(c"annotations", TOOL | NGX_CONF_ANY, |cf, conf| Ok(draft(conf)?.annotations(&cf.arguments()?)?)),
    directive(c"result", TOOL | NGX_CONF_ANY, |cf, conf| Ok(draft(conf)?.result(&cf.arguments()?)?)),
    directive(c"select", TOOL | NGX_CONF_ANY, |cf, conf| Ok(draft(conf)?.select(&cf.arguments()?)?)),
    directive(c"strict", TOOL | NGX_CONF_ANY, |cf, conf| Ok(draft(conf)?.strict(&cf.arguments()?)?)),
    directive(c"input_schema", TOOL | NGX_CONF_TAKE1, |cf, conf| {
        let text = file(cf)?;
        Ok(draft(conf)?.input_schema(&text)?)
    }),
    directive(c"output_schema", TOOL | NGX_CONF_TAKE1, |cf, conf| {
        let text = file(cf)?;
        Ok(draft(conf)?.output_schema(&text)?)
    }),
    directive(c"pass", OPENAPI | NGX_CONF_TAKE1, |cf, conf| openapi::draft(conf)?.pass(one(cf)?)),
    directive(c"prefix", OPENAPI | NGX_CONF_TAKE1, |cf, conf| openapi::draft(conf)?.prefix(one(cf)?)),
    directive(c"expose", OPENAPI | NGX_CONF_1MORE, |cf, conf| openapi::draft(conf)?.expose(&cf.arguments()?)),
    directive(c"hide", OPENAPI | NGX_CONF_1MORE, |cf, conf| openapi::draft(conf)?.hide(&cf.arguments()?)),
    directive(c"methods", OPENAPI | NGX_CONF_1MORE, |cf, conf| openapi::draft(conf)?.methods(&cf.arguments()?)),
    directive(c"readonly", OPENAPI | NGX_CONF_FLAG, |cf, conf| {
        let on = flag(cf)?;
        openapi::draft(conf)?.readonly(on)
    }),
    directive(c"strict", OPENAPI | NGX_CONF_FLAG, |cf, conf| {
        let on = flag(cf)?;
        openapi::draft(conf)?.strict(on)
    }),
    directive(c"output_schema", OPENAPI | NGX_CONF_FLAG, |cf, conf| {
        let on = flag(cf)?;
        openapi::draft(conf)?.output_schema(on)
    }),
    directive(c"search", OPENAPI | NGX_CONF_FLAG, |cf, conf| {
        let on = flag(cf)?;
        openapi::draft(conf)?.search(on)
    }),
    directive(c"credential", OPENAPI | NGX_CONF_TAKE2, |cf, conf| openapi::draft(conf)?.credential(cf, pair(cf)?)),
    directive(c"references", OPENAPI | NGX_CONF_TAKE1, |cf, conf| {
        openapi::draft(conf)?.references(cf.full_path(&one(cf)?)?)
    }),
    directive(c"cache", OPENAPI | NGX_CONF_TAKE1, |cf, conf| openapi::draft(conf)?.cache(cf.full_path(&one(cf)?)?)),
    directive(c"timeout", OPENAPI | NGX_CONF_TAKE1, |cf, conf| openapi::draft(conf)?.timeout(seconds(cf)?)),
    directive(c"max_size", OPENAPI | NGX_CONF_TAKE1, |cf, conf| openapi::draft(conf)?.max_size(size(cf)?)),
    directive(c"trusted_certificate", OPENAPI | NGX_CONF_TAKE1, |cf, conf| {
        openapi::draft(conf)?.trusted_certificate(cf.full_path(&one(cf)?)?)
    }),
    directive(c"tool", OPENAPI | NGX_CONF_BLOCK | NGX_CONF_TAKE1, openapi::tool),
    directive(c"name", OPERATION | NGX_CONF_TAKE1, |cf, conf| once(&mut openapi::edit(conf)?.name, one(cf)?)),
    directive(c"description", OPERATION | NGX_CONF_TAKE1, |cf, conf| {
        once(&mut openapi::edit(conf)?.description, one(cf)?)
    }),
    directive(c"fix", OPERATION | NGX_CONF_TAKE2, |cf, conf| openapi::fix(cf, conf, pair(cf)?)),
    directive(c"proxy_set_header", ANYWHERE | NGX_CONF_TAKE2, |cf, conf| {
        let (name, value) = pair(cf)?;
        conf.proxy.set_header(name, value);
        cf.delegate()
    }),
    directive(c"proxy_http_version", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| conf.proxy.see(cf, "proxy_http_version")),
    directive(c"proxy_ssl_name", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| conf.proxy.see(cf, "proxy_ssl_name")),
    directive(c"proxy_ssl_server_name", ANYWHERE | NGX_CONF_FLAG, |cf, conf| {
        conf.proxy.see(cf, "proxy_ssl_server_name")
    }),
    directive(c"proxy_ssl_verify", ANYWHERE | NGX_CONF_FLAG, |cf, conf| {
        conf.proxy.ssl_verify_off = one(cf)?.eq_ignore_ascii_case("off");
        conf.proxy.see(cf, "proxy_ssl_verify")
    }),
    directive(c"proxy_ssl_verify_depth", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| {
        conf.proxy.see(cf, "proxy_ssl_verify_depth")
    }),
    directive(c"proxy_ssl_trusted_certificate", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| {
        conf.proxy.see(cf, "proxy_ssl_trusted_certificate")
    }),
    directive(c"proxy_pass", BLOCKS | NGX_CONF_ANY, written_by_pass),
    directive(c"proxy_method", BLOCKS | NGX_CONF_ANY, written_by_pass),
    directive(c"proxy_set_body", BLOCKS | NGX_CONF_ANY, written_by_pass),
    directive(c"proxy_pass_request_body", BLOCKS | NGX_CONF_ANY, written_by_pass),
    directive(c"proxy_pass_request_headers", BLOCKS | NGX_CONF_ANY, written_by_pass),
    directive(c"fastcgi_pass", BLOCKS | NGX_CONF_ANY, written_by_pass),
    directive(c"uwsgi_pass", BLOCKS | NGX_CONF_ANY, written_by_pass),
    directive(c"scgi_pass", BLOCKS | NGX_CONF_ANY, written_by_pass),
    directive(c"memcached_pass", BLOCKS | NGX_CONF_ANY, written_by_pass),
    directive(c"grpc_pass", BLOCKS | NGX_CONF_ANY, written_by_pass),
    directive(c"empty_gif", BLOCKS | NGX_CONF_ANY, written_by_pass),
    directive(c"stub_status", BLOCKS | NGX_CONF_ANY, written_by_pass),
    directive(c"allow", BLOCKS | NGX_CONF_ANY, acts_on_location),
    directive(c"deny", BLOCKS | NGX_CONF_ANY, acts_on_location),
    directive(c"auth_basic", BLOCKS | NGX_CONF_ANY, acts_on_location),
    directive(c"auth_jwt", BLOCKS | NGX_CONF_ANY, acts_on_location),
    directive(c"auth_request", BLOCKS | NGX_CONF_ANY, acts_on_location),
    directive(c"auth_request_set", BLOCKS | NGX_CONF_ANY, acts_on_location),
    directive(c"limit_req", BLOCKS | NGX_CONF_ANY, acts_on_location),
    directive(c"limit_conn", BLOCKS | NGX_CONF_ANY, acts_on_location),
    directive(c"mirror", BLOCKS | NGX_CONF_ANY, acts_on_location),
    directive(c"return", BLOCKS | NGX_CONF_ANY, acts_on_location),
    directive(c"rewrite", BLOCKS | NGX_CONF_ANY, acts_on_location),
    directive(c"set", BLOCKS | NGX_CONF_ANY, acts_on_location),
    directive(c"try_files", BLOCKS | NGX_CONF_ANY, acts_on_location),
    directive(c"if", BLOCKS | NGX_CONF_ANY | NGX_CONF_BLOCK, acts_on_location),
    directive(c"nchan_publisher", BLOCKS | NGX_CONF_ANY, acts_on_location),
    directive(c"nchan_subscriber", BLOCKS | NGX_CONF_ANY, acts_on_location),
];

/// Settings that a location inherits one by one from the level around it.
#[derive(Default, Clone)]
pub(crate) struct Settings {
    server_info: Option<(String, String)>,
    instructions: Option<String>,
    allowed_origins: Option<Vec<String>>,
    max_result_size: Option<usize>,
    secret: Option<[u8; 32]>,
    page_size: Option<usize>,
    session_timeout: Option<u64>,
    cache_ttl: Option<u64>,
    cache_private: Option<bool>,
}

impl Settings {
    const MAX_RESULT_SIZE: usize = 8 << 20;

    fn inherit(&mut self, outer: &Settings) {
        fn unset<T: Clone>(own: &mut Option<T>, outer: &Option<T>) {
            if own.is_none() {
                own.clone_from(outer);
            }
        }
        unset(&mut self.server_info, &outer.server_info);
        unset(&mut self.instructions, &outer.instructions);
        unset(&mut self.allowed_origins, &outer.allowed_origins);
        unset(&mut self.max_result_size, &outer.max_result_size);
        unset(&mut self.secret, &outer.secret);
        unset(&mut self.page_size, &outer.page_size);
        unset(&mut self.session_timeout, &outer.session_timeout);
        unset(&mut self.cache_ttl, &outer.cache_ttl);
        unset(&mut self.cache_private, &outer.cache_private);
    }

    fn builder(&self) -> Result<ServerBuilder, Error> {
        let mut builder = ServerBuilder::new();
        if let Some((name, version)) = &self.server_info {
            builder.server_info(name, version)?;
        }
        if let Some(text) = &self.instructions {
            builder.instructions(text)?;
        }
        if let Some(origins) = &self.allowed_origins {
            builder.allowed_origins(&origins.iter().map(String::as_str).collect::<Vec<_>>())?;
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
}

/// A tool of a location.
pub(crate) struct DeclaredTool {
    pub(crate) tool: Tool,
    /// The location that its calls go through.
    pub(crate) context: LocationContext,
    /// It is found by a search instead of being listed.
    pub(crate) hidden: bool,
}

impl DeclaredTool {
    fn add_to(self, builder: &mut ServerBuilder) -> Result<(), Error> {
        match self.hidden {
            true => Ok(builder.hidden_tool(self.tool)?),
            false => Ok(builder.tool(self.tool)?),
        }
    }
}

/// The module's configuration of one level: `http`, `server`, a location, or the location of a block of ours.
#[derive(Default)]
pub(crate) struct LocationConf {
    enabled: Option<(bool, Place)>,
    settings: Settings,
    proxy: ProxySettings,
    tools: Vec<DeclaredTool>,
    /// Title and version of every API description.
    documents: Vec<Option<(String, String)>>,
    block: Option<&'static str>,
    draft: Option<Draft>,
    tool: Option<ToolLocation>,
    location: Option<Rc<Location>>,
}

impl LocationConf {
    /// A block of ours is read into this.
    pub(crate) fn begin(&mut self, draft: Draft) {
        self.block = Some(match draft {
            Draft::Tool(_) => "mcp_tool",
            Draft::OpenApi(_) => "mcp_openapi",
            Draft::Operation(_) => "tool",
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

    /// The location that calls of tools go through, if this is one.
    pub(crate) fn tool_location(&mut self) -> &mut Option<ToolLocation> {
        &mut self.tool
    }

    /// Adds a tool whose calls go through a location below this one.
    pub(crate) fn add_tool(&mut self, tool: DeclaredTool) {
        self.tools.push(tool);
    }

    /// Notes what an API description calls itself.
    pub(crate) fn add_document(&mut self, info: Option<(String, String)>) {
        self.documents.push(info);
    }

    /// The names of the tools that there are by now.
    pub(crate) fn tool_names(&self) -> HashSet<String> {
        self.tools.iter().map(|declared| declared.tool.name().to_owned()).collect()
    }

    /// The MCP server that answers here.
    pub(crate) fn location(&self) -> Option<&Location> {
        self.location.as_deref()
    }

    /// Completes this level with what the one around it says; nginx calls it from the outside in.
    pub(crate) fn merge(&mut self, cf: Conf, main: &mut MainConf, outer: &LocationConf) -> Result<(), Error> {
        self.settings.inherit(&outer.settings);
        self.proxy.inherit(&outer.proxy);
        if let Some(tool) = &self.tool {
            main.locations.push((cf.loc_conf(), true));
            return tool.complete(cf, &self.proxy, &mut main.upstreams);
        }
        if self.block.is_some() {
            return Ok(());
        }
        match self.enabled.take() {
            Some((true, place)) => cf.report_at(place, "mcp", |cf| self.compile(cf, main)),
            _ if !self.tools.is_empty() => {
                let error = Error::new("needs \"mcp on\" in the same location: nobody could call the tool");
                let first = self.tools.iter().find_map(|tool| tool.context.own_conf().tool.as_ref());
                first.map_or(Ok(()), |tool| cf.report_at(tool.place(), tool.directive(), |_| Err(error)))
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
            builder.server_info(title, version)?;
        }
        let mut contexts = Vec::with_capacity(self.tools.len());
        let mut operator_values = Vec::with_capacity(self.tools.len());
        for declared in self.tools.drain(..) {
            let context = declared.context;
            let values = declared.tool.operator_values().iter().map(|text| ComplexValue::new(cf, text));
            operator_values.push(values.collect::<Result<_, _>>()?);
            match context.own_conf().tool_location() {
                Some(location) => location.report(cf, |_| declared.add_to(&mut builder))?,
                None => declared.add_to(&mut builder)?,
            }
            contexts.push(context);
        }
        let location = Rc::new(Location {
            server: builder.build()?,
            tools: contexts,
            operator_values,
            max_result_size: self.settings.max_result_size.unwrap_or(Settings::MAX_RESULT_SIZE),
            server_names: cf.server_names(),
            ended_sessions: main.ended_sessions,
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
    /// For each tool of `server` the location that its calls go through.
    pub(crate) tools: Vec<LocationContext>,
    /// For each tool of `server` its operator's texts.
    pub(crate) operator_values: Vec<Box<[ComplexValue]>>,
    /// Bytes of an upstream's answer that are taken at the most.
    pub(crate) max_result_size: usize,
    /// The server's names, which the `Host` of a request must be one of if there are any.
    pub(crate) server_names: ServerNames,
    /// Sessions that clients have ended.
    pub(crate) ended_sessions: EndedSessions,
}

/// What the configuration holds once.
pub(crate) struct MainConf {
    ended_sessions: EndedSessions,
    /// The locations of ours and whether each is a tool's, for the time after all modules have merged.
    pub(crate) locations: Vec<(*mut *mut c_void, bool)>,
    /// Every MCP location, for requests that nginx refuses before it looks for their location.
    pub(crate) served: Vec<(ngx::Served, Rc<Location>)>,
    /// The upstreams that were made for literal URLs, by scheme and authority.
    upstreams: Vec<String>,
    /// API descriptions were read, which take far more memory than what is made of them.
    pub(crate) has_documents: bool,
}

impl MainConf {
    pub(crate) fn new(ended_sessions: EndedSessions) -> MainConf {
        MainConf {
            ended_sessions,
            locations: Vec::new(),
            served: Vec::new(),
            upstreams: Vec::new(),
            has_documents: false,
        }
    }
}

fn mcp(cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    let on = flag(cf)?;
    once(&mut conf.enabled, (on, cf.place()))?;
    if on { own_content(cf) } else { Ok(()) }
}

fn own_content(cf: Conf) -> Result<(), Error> {
    if cf.set_content_handler(ngx::content) {
        return Ok(());
    }
    Err(Error::new(
        "answers the location's requests alone: remove the other directive that does (such as \"proxy_pass\")",
    ))
}

fn mcp_tool(cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    let place = cf.place();
    let name = one(cf)?;
    if conf.tools.iter().any(|declared| declared.tool.name() == name) {
        return Err(Error::new(format!("is duplicate: the location has a tool \"{name}\"")));
    }
    let draft = ToolBuilder::new(&name)?;
    // The parser stands at the closing brace once the block is read.
    let context = cf.block(TOOL, Draft::Tool(Box::new(draft)));
    cf.report_at(place, "mcp_tool", |_| {
        let context = context?;
        let own = context.own_conf();
        let Some(Draft::Tool(draft)) = own.take_draft() else { return Err(Error::memory()) };
        let tool = draft.build()?;
        own.tool = Some(ToolLocation::new(&tool, Block::Tool(name), place));
        conf.add_tool(DeclaredTool { tool, context, hidden: false });
        Ok(())
    })
}

fn draft(conf: &mut LocationConf) -> Result<&mut ToolBuilder, Error> {
    match conf.draft() {
        Some(Draft::Tool(draft)) => Ok(draft),
        _ => Err(Error::new("is not allowed here: it belongs into a \"mcp_tool\" block")),
    }
}

fn written_by_pass(_cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    let block = conf.block().unwrap_or_default();
    let why = if block == "mcp_tool" { "\"pass\" and \"argument\"" } else { "the document and \"pass\"" };
    Err(Error::new(format!("is not allowed in \"{block}\": {why} say what is sent")))
}

fn acts_on_location(_cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    let block = conf.block().unwrap_or_default();
    Err(Error::new(format!(
        "has no effect on a single tool and is not allowed in \"{block}\": put it into the MCP location, with a \"map\" of $mcp_tool",
    )))
}

pub(crate) fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Error> {
    if slot.is_some() {
        return Err(Error::new("is duplicate"));
    }
    *slot = Some(value);
    Ok(())
}

pub(crate) fn one(cf: Conf) -> Result<String, Error> {
    match cf.arguments()?.as_slice() {
        [value] => Ok((*value).to_owned()),
        _ => Err(Error::new("takes one value")),
    }
}

fn pair(cf: Conf) -> Result<(String, String), Error> {
    match cf.arguments()?.as_slice() {
        [first, second] => Ok(((*first).to_owned(), (*second).to_owned())),
        _ => Err(Error::new("takes two values")),
    }
}

fn flag(cf: Conf) -> Result<bool, Error> {
    match one(cf)?.to_ascii_lowercase().as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(Error::new(format!("must be \"on\" or \"off\", not \"{other}\""))),
    }
}

fn number(cf: Conf) -> Result<usize, Error> {
    let value = one(cf)?;
    value.parse().map_err(|_| Error::new(format!("must be a number, not \"{value}\"")))
}

fn size(cf: Conf) -> Result<usize, Error> {
    let value = one(cf)?;
    ngx::parse_size(&value)
        .filter(|size| *size > 0)
        .ok_or_else(|| Error::new(format!("must be a size such as \"8m\", not \"{value}\"")))
}

fn seconds(cf: Conf) -> Result<u64, Error> {
    let value = one(cf)?;
    ngx::parse_seconds(&value).ok_or_else(|| Error::new(format!("must be a time such as \"60s\", not \"{value}\"")))
}

/// The text of the file that the directive names.
fn file(cf: Conf) -> Result<String, Error> {
    let path = cf.full_path(&one(cf)?)?;
    fs::read_to_string(&path).map_err(|e| Error::new(format!("could not be read from \"{}\": {e}", path.display())))
}
