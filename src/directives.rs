//! The directives: where each may stand, how many words it takes, and what it does.

use std::ffi::CStr;
use std::fs;

use mcp::{ServerBuilder, ToolBuilder};

use crate::channels;
use crate::conf::{ALONE, DeclaredTool, Draft, Error, LocationConf, own_content};
use crate::endpoint::{Block, EndpointLocation};
use crate::ngx::sys::{
    NGX_CONF_1MORE, NGX_CONF_2MORE, NGX_CONF_ANY, NGX_CONF_BLOCK, NGX_CONF_FLAG, NGX_CONF_NOARGS, NGX_CONF_TAKE1,
    NGX_CONF_TAKE2, NGX_HTTP_LOC_CONF, NGX_HTTP_MAIN_CONF, NGX_HTTP_SRV_CONF,
};
use crate::ngx::{
    self, Conf, NGX_HTTP_MCP_OPENAPI_CONF, NGX_HTTP_MCP_OPERATION_CONF, NGX_HTTP_MCP_PROMPT_CONF,
    NGX_HTTP_MCP_RESOURCE_CONF, NGX_HTTP_MCP_TOOL_CONF, NGX_HTTP_MCP_UPSTREAM_CONF,
};
use crate::offers::{self, presentation, prompt, resource, upstream};
use crate::openapi;
use crate::record::{self, Watch};
use crate::secret;

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
const RESOURCE: u32 = NGX_HTTP_MCP_RESOURCE_CONF;
const PROMPT: u32 = NGX_HTTP_MCP_PROMPT_CONF;
const UPSTREAM: u32 = NGX_HTTP_MCP_UPSTREAM_CONF;
/// The blocks that declare one thing each.
const OFFERS: u32 = TOOL | RESOURCE | PROMPT;
const BLOCKS: u32 = OFFERS | OPENAPI | OPERATION | UPSTREAM;

const fn directive(name: &'static CStr, kind: u32, set: fn(Conf, &mut LocationConf) -> Result<(), Error>) -> Directive {
    Directive { name, kind, set }
}

/// Every directive that the module answers to.
///
/// Three groups: our own; the words of our blocks; and directives of other modules that we look at ([`ProxySettings`]) or
/// refuse inside of our blocks, where nginx would take them and do nothing.
pub(crate) static DIRECTIVES: [Directive; 119] = [
    directive(c"mcp", LOCATION | NGX_CONF_FLAG, mcp),
    directive(c"mcp_server_info", ANYWHERE | NGX_CONF_2MORE, |cf, conf| {
        let words = cf.arguments()?;
        ServerBuilder::new().server_info(&words)?;
        once(&mut conf.settings.server_info, words.into_iter().map(String::from).collect())
    }),
    directive(c"mcp_server_icons", ANYWHERE | NGX_CONF_1MORE, |cf, conf| {
        let words = cf.arguments()?;
        ServerBuilder::new().server_icons(&words)?;
        conf.settings.server_icons.get_or_insert_default().push(words.into_iter().map(String::from).collect());
        Ok(())
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
    directive(c"mcp_heartbeat", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| {
        once(&mut conf.settings.heartbeat, milliseconds(cf)?)
    }),
    directive(c"mcp_input_timeout", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| {
        let time = milliseconds(cf)?;
        if time == 0 {
            return Err(Error::new("must be a time that a user can answer in, not \"0\""));
        }
        once(&mut conf.settings.input_timeout, time)
    }),
    directive(c"mcp_principal", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| once(&mut conf.settings.principal, one(cf)?)),
    directive(c"mcp_listen", ANYWHERE | NGX_CONF_FLAG, |cf, conf| once(&mut conf.settings.listen, flag(cf)?)),
    directive(c"mcp_secret", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| {
        once(&mut conf.settings.secret, secret::from_file(&cf.full_path(&one(cf)?)?)?)
    }),
    directive(c"mcp_page_size", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| once(&mut conf.settings.page_size, number(cf)?)),
    directive(c"mcp_session_timeout", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| {
        once(&mut conf.settings.session_timeout, seconds(cf)?)
    }),
    directive(c"mcp_cache_ttl", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| once(&mut conf.settings.cache_ttl, seconds(cf)?)),
    directive(c"mcp_cache_scope", ANYWHERE | NGX_CONF_TAKE1, |cf, conf| {
        once(&mut conf.settings.cache_private, is_private(cf)?)
    }),
    directive(c"mcp_tool", LOCATION | NGX_CONF_BLOCK | NGX_CONF_TAKE1, mcp_tool),
    directive(c"mcp_openapi", LOCATION | NGX_CONF_BLOCK | NGX_CONF_TAKE1, openapi::mcp_openapi),
    directive(c"mcp_resource", LOCATION | NGX_CONF_BLOCK | NGX_CONF_TAKE1, offers::mcp_resource),
    directive(c"mcp_skills", LOCATION | NGX_CONF_TAKE1 | NGX_CONF_TAKE2, offers::mcp_skills),
    directive(c"mcp_prompt", LOCATION | NGX_CONF_BLOCK | NGX_CONF_TAKE1, offers::mcp_prompt),
    directive(c"mcp_upstream", LOCATION | NGX_CONF_BLOCK | NGX_CONF_TAKE1, offers::mcp_upstream),
    directive(c"mcp_channels", LOCATION | NGX_CONF_BLOCK | NGX_CONF_NOARGS, channels::mcp_channels),
    directive(c"mcp_publish", LOCATION | NGX_CONF_TAKE1, |cf, conf| {
        once(&mut conf.publish, (one(cf)?, cf.place()))?;
        if cf.set_content_handler(ngx::publish) { Ok(()) } else { Err(Error::new(ALONE)) }
    }),
    directive(c"title", OFFERS | NGX_CONF_ANY, |cf, conf| Ok(presentation(conf)?.title(&cf.arguments()?)?)),
    directive(c"description", OFFERS | NGX_CONF_ANY, |cf, conf| Ok(presentation(conf)?.description(&cf.arguments()?)?)),
    directive(c"pass", TOOL | NGX_CONF_ANY, |cf, conf| Ok(draft(conf)?.pass(&cf.arguments()?)?)),
    directive(c"argument", TOOL | NGX_CONF_ANY, |cf, conf| Ok(draft(conf)?.argument(&cf.arguments()?)?)),
    directive(c"icons", OFFERS | NGX_CONF_ANY, |cf, conf| Ok(presentation(conf)?.icons(&cf.arguments()?)?)),
    directive(c"meta", OFFERS | NGX_CONF_ANY, |cf, conf| Ok(presentation(conf)?.meta(&cf.arguments()?)?)),
    directive(c"annotations", TOOL | NGX_CONF_ANY, |cf, conf| Ok(draft(conf)?.annotations(&cf.arguments()?)?)),
    directive(c"result", TOOL | NGX_CONF_ANY, |cf, conf| Ok(draft(conf)?.result(&cf.arguments()?)?)),
    directive(c"select", TOOL | NGX_CONF_ANY, |cf, conf| Ok(draft(conf)?.select(&cf.arguments()?)?)),
    directive(c"strict", TOOL | NGX_CONF_ANY, |cf, conf| Ok(draft(conf)?.strict(&cf.arguments()?)?)),
    directive(c"task", TOOL | NGX_CONF_ANY, |cf, conf| Ok(draft(conf)?.task(&cf.arguments()?)?)),
    directive(c"input_schema", TOOL | NGX_CONF_TAKE1, |cf, conf| {
        let text = file(cf)?;
        Ok(draft(conf)?.input_schema(&text)?)
    }),
    directive(c"output_schema", TOOL | NGX_CONF_TAKE1, |cf, conf| {
        let text = file(cf)?;
        Ok(draft(conf)?.output_schema(&text)?)
    }),
    directive(c"resumable", TOOL | OPENAPI | OPERATION | NGX_CONF_FLAG, |cf, conf| {
        let on = flag(cf)?;
        conf.resumable_place = on.then(|| cf.place());
        once(&mut conf.resumable, on)
    }),
    directive(c"publish", TOOL | OPENAPI | OPERATION | NGX_CONF_TAKE1, record::publish),
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
    directive(c"resource", OPENAPI | NGX_CONF_2MORE, |cf, conf| {
        openapi::draft(conf)?.resource(&cf.arguments()?, false)
    }),
    directive(c"resources", OPENAPI | NGX_CONF_2MORE, |cf, conf| {
        openapi::draft(conf)?.resource(&cf.arguments()?, true)
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
    directive(c"name", RESOURCE | NGX_CONF_ANY, |cf, conf| Ok(resource(conf)?.name(&cf.arguments()?)?)),
    directive(c"mime_type", RESOURCE | NGX_CONF_ANY, |cf, conf| Ok(resource(conf)?.mime_type(&cf.arguments()?)?)),
    directive(c"annotations", RESOURCE | NGX_CONF_ANY, |cf, conf| Ok(resource(conf)?.annotations(&cf.arguments()?)?)),
    directive(c"cache_ttl", RESOURCE | NGX_CONF_TAKE1, |cf, conf| {
        let time = seconds(cf)?;
        Ok(resource(conf)?.cache_ttl(time.saturating_mul(1000))?)
    }),
    directive(c"cache_scope", RESOURCE | NGX_CONF_TAKE1, |cf, conf| {
        let private = is_private(cf)?;
        Ok(resource(conf)?.cache_scope(private)?)
    }),
    directive(c"size", RESOURCE | NGX_CONF_ANY, |cf, conf| Ok(resource(conf)?.size(&cf.arguments()?)?)),
    directive(c"pass", RESOURCE | NGX_CONF_ANY, |cf, conf| Ok(resource(conf)?.pass(&cf.arguments()?)?)),
    directive(c"file", RESOURCE | NGX_CONF_TAKE1, offers::file),
    directive(c"list", RESOURCE | NGX_CONF_ANY, |cf, conf| Ok(resource(conf)?.list(&cf.arguments()?)?)),
    directive(c"hide", RESOURCE | NGX_CONF_ANY, |cf, conf| Ok(resource(conf)?.hide(&cf.arguments()?)?)),
    directive(c"text", RESOURCE | NGX_CONF_ANY, |cf, conf| Ok(resource(conf)?.text(&cf.arguments()?)?)),
    directive(c"argument", RESOURCE | NGX_CONF_ANY, |cf, conf| Ok(resource(conf)?.argument(&cf.arguments()?)?)),
    directive(c"complete", RESOURCE | NGX_CONF_ANY, |cf, conf| Ok(resource(conf)?.complete(&cf.arguments()?)?)),
    directive(c"result", RESOURCE | NGX_CONF_ANY, |cf, conf| Ok(resource(conf)?.result(&cf.arguments()?)?)),
    directive(c"argument", PROMPT | NGX_CONF_ANY, |cf, conf| Ok(prompt(conf)?.argument(&cf.arguments()?)?)),
    directive(c"message", PROMPT | NGX_CONF_ANY, |cf, conf| Ok(prompt(conf)?.message(&cf.arguments()?)?)),
    directive(c"pass", PROMPT | NGX_CONF_ANY, |cf, conf| Ok(prompt(conf)?.pass(&cf.arguments()?)?)),
    directive(c"complete", PROMPT | NGX_CONF_ANY, |cf, conf| Ok(prompt(conf)?.complete(&cf.arguments()?)?)),
    directive(c"result", PROMPT | NGX_CONF_ANY, |cf, conf| Ok(prompt(conf)?.result(&cf.arguments()?)?)),
    directive(c"pass", UPSTREAM | NGX_CONF_ANY, |cf, conf| Ok(upstream(conf)?.pass(&cf.arguments()?)?)),
    directive(c"prefix", UPSTREAM | NGX_CONF_ANY, |cf, conf| Ok(upstream(conf)?.prefix(&cf.arguments()?)?)),
    directive(c"expose", UPSTREAM | NGX_CONF_ANY, |cf, conf| Ok(upstream(conf)?.expose(&cf.arguments()?)?)),
    directive(c"hide", UPSTREAM | NGX_CONF_ANY, |cf, conf| Ok(upstream(conf)?.hide(&cf.arguments()?)?)),
    directive(c"cache", UPSTREAM | NGX_CONF_TAKE1, |cf, conf| Ok(upstream(conf)?.cache(seconds(cf)?)?)),
    directive(c"credential", UPSTREAM | NGX_CONF_ANY, offers::credential),
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

fn mcp(cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    let on = flag(cf)?;
    once(&mut conf.enabled, (on, cf.place()))?;
    if !on {
        return Ok(());
    }
    own_content(cf)
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
    cf.report_at(place, "mcp_tool", |cf| {
        let context = context?;
        let own = context.own_conf();
        let Some(Draft::Tool(draft)) = own.take_draft() else { return Err(Error::memory()) };
        let mut tool = draft.build()?;
        if own.resumable == Some(true) {
            tool.let_resume();
            conf.resumable_place = conf.resumable_place.or(own.resumable_place);
        }
        own.endpoint = Some(EndpointLocation::new(tool.endpoint(), Block::Tool(name), place));
        let watch = Watch::make(cf, &[], context)?;
        conf.add_tool(DeclaredTool { tool, context, hidden: false, watch });
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
    let why = match block {
        "mcp_tool" | "mcp_resource" | "mcp_prompt" => "\"pass\" and \"argument\"",
        "mcp_upstream" => "\"pass\" and the protocol",
        _ => "the document and \"pass\"",
    };
    Err(Error::new(format!("is not allowed in \"{block}\": {why} say what is sent")))
}

fn acts_on_location(_cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    let block = conf.block().unwrap_or_default();
    let what = match block {
        "mcp_resource" => "resource",
        "mcp_prompt" => "prompt",
        "mcp_upstream" => {
            return Err(Error::new(
                "has no effect on a single server and is not allowed in \"mcp_upstream\": put it into the MCP location",
            ));
        }
        _ => "tool",
    };
    Err(Error::new(format!(
        "has no effect on a single {what} and is not allowed in \"{block}\": put it into the MCP location, with a \"map\" of $mcp_{what}",
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

fn is_private(cf: Conf) -> Result<bool, Error> {
    match one(cf)?.as_str() {
        "public" => Ok(false),
        "private" => Ok(true),
        other => Err(Error::new(format!("must be \"public\" or \"private\", not \"{other}\""))),
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

fn milliseconds(cf: Conf) -> Result<usize, Error> {
    let value = one(cf)?;
    ngx::parse_milliseconds(&value)
        .ok_or_else(|| Error::new(format!("must be a time such as \"15s\", not \"{value}\"")))
}

/// The text of the file that the directive names.
fn file(cf: Conf) -> Result<String, Error> {
    let path = cf.full_path(&one(cf)?)?;
    fs::read_to_string(&path).map_err(|e| Error::new(format!("could not be read from \"{}\": {e}", path.display())))
}
