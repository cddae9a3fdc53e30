//! `mcp_resource`, `mcp_skills`, `mcp_prompt` and `mcp_upstream`: what a location offers beside tools of its own.

use std::fs;

use mcp::{Endpoint, McpUpstream, McpUpstreamBuilder, Presentation, Prompt, PromptBuilder, Resource, ResourceBuilder};

use crate::conf::{Draft, Error, LocationConf};
use crate::directives::one;
use crate::endpoint::{Block, EndpointLocation};
use crate::ngx::{
    ComplexValue, Conf, LocationContext, NGX_HTTP_MCP_PROMPT_CONF, NGX_HTTP_MCP_RESOURCE_CONF,
    NGX_HTTP_MCP_UPSTREAM_CONF, Place,
};

/// Something that a block declared.
pub(crate) struct Declared<T> {
    pub(crate) what: T,
    /// The locations that its calls go through, in the order of its endpoints.
    pub(crate) locations: Vec<LocationContext>,
    /// Where the block begins, and its directive.
    pub(crate) place: Place,
    pub(crate) directive: &'static str,
}

/// `mcp_resource URI { … }`
pub(crate) fn mcp_resource(cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    let place = cf.place();
    let uri = one(cf)?;
    let draft = ResourceBuilder::new(&uri)?;
    // The parser stands at the closing brace once the block is read.
    let context = cf.block(NGX_HTTP_MCP_RESOURCE_CONF, Draft::Resource(Box::new(draft)));
    cf.report_at(place, "mcp_resource", |cf| {
        let context = context?;
        let Some(Draft::Resource(draft)) = context.own_conf().take_draft() else { return Err(Error::memory()) };
        let what = draft.build()?;
        check_directories(&what)?;
        let locations = locations(cf, context, what.endpoints(), || Block::Resource(uri.clone()), place)?;
        conf.add_resource(Declared { what, locations, place, directive: "mcp_resource" })
    })
}

/// `mcp_skills DIRECTORY [URI]`
pub(crate) fn mcp_skills(cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    let place = cf.place();
    let (directory, uri) = match cf.arguments()?.as_slice() {
        [directory] => (*directory, "skill://"),
        [directory, uri] => (*directory, *uri),
        _ => return Err(Error::new("takes a directory, and perhaps a URI")),
    };
    if !uri.ends_with('/') {
        return Err(Error::new(format!("needs a URI that ends with \"/\", as in skill://team/, not \"{uri}\"")));
    }
    let path = cf.full_path(directory)?;
    let what = ResourceBuilder::skills(path.to_str().unwrap_or_default(), uri)?;
    let uri = what.uri().to_owned();
    check_directories(&what)?;
    let context = cf.hidden_location()?;
    let locations = locations(cf, context, what.endpoints(), || Block::Resource(uri.clone()), place)?;
    conf.add_resource(Declared { what, locations, place, directive: "mcp_skills" })
}

/// A directory whose files are listed must be there.
fn check_directories(resource: &Resource) -> Result<(), Error> {
    let Some(root) = resource.directory_root() else { return Ok(()) };
    match fs::read_dir(root) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::new(format!("needs a directory, and \"{root}\" cannot be listed: {error}"))),
    }
}

/// `mcp_prompt NAME { … }`
pub(crate) fn mcp_prompt(cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    let place = cf.place();
    let name = one(cf)?;
    if conf.prompts.iter().any(|declared| declared.what.name() == name) {
        return Err(Error::new(format!("is duplicate: the location has a prompt \"{name}\"")));
    }
    let draft = PromptBuilder::new(&name)?;
    let context = cf.block(NGX_HTTP_MCP_PROMPT_CONF, Draft::Prompt(Box::new(draft)));
    cf.report_at(place, "mcp_prompt", |cf| {
        let context = context?;
        let Some(Draft::Prompt(draft)) = context.own_conf().take_draft() else { return Err(Error::memory()) };
        let what = draft.build()?;
        let locations = locations(cf, context, what.endpoints(), || Block::Prompt(name.clone()), place)?;
        conf.prompts.push(Declared::<Prompt> { what, locations, place, directive: "mcp_prompt" });
        Ok(())
    })
}

/// `mcp_upstream NAME { … }`
pub(crate) fn mcp_upstream(cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    let place = cf.place();
    let name = one(cf)?;
    if conf.upstreams.iter().any(|declared| declared.what.name() == name) {
        return Err(Error::new(format!("is duplicate: the location has a server \"{name}\"")));
    }
    let draft = McpUpstreamBuilder::new(&name)?;
    let context = cf.block(NGX_HTTP_MCP_UPSTREAM_CONF, Draft::Upstream(Box::new(draft)));
    cf.report_at(place, "mcp_upstream", |cf| {
        let context = context?;
        let Some(Draft::Upstream(draft)) = context.own_conf().take_draft() else { return Err(Error::memory()) };
        let what = draft.build()?;
        let endpoint = std::iter::once(what.endpoint());
        let locations = locations(cf, context, endpoint, || Block::Upstream(name.clone()), place)?;
        conf.upstreams.push(Declared::<McpUpstream> { what, locations, place, directive: "mcp_upstream" });
        Ok(())
    })
}

/// `credential TEXT`
pub(crate) fn credential(cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    let arguments = cf.arguments()?;
    arguments.iter().try_for_each(|text| ComplexValue::new(cf, text).map(|_| ()))?;
    Ok(upstream(conf)?.credential(&arguments)?)
}

/// `file PATH`
pub(crate) fn file(cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    let path = cf.full_path(&one(cf)?)?;
    let path = path.to_str().ok_or_else(|| Error::new("path must be UTF-8"))?;
    Ok(resource(conf)?.file(path)?)
}

/// The `mcp_resource` block that is being read.
pub(crate) fn resource(conf: &mut LocationConf) -> Result<&mut ResourceBuilder, Error> {
    match conf.draft() {
        Some(Draft::Resource(draft)) => Ok(draft),
        _ => Err(Error::new("is not allowed here: it belongs into a \"mcp_resource\" block")),
    }
}

/// The `mcp_upstream` block that is being read.
pub(crate) fn upstream(conf: &mut LocationConf) -> Result<&mut McpUpstreamBuilder, Error> {
    match conf.draft() {
        Some(Draft::Upstream(draft)) => Ok(draft),
        _ => Err(Error::new("is not allowed here: it belongs into a \"mcp_upstream\" block")),
    }
}

/// The `mcp_prompt` block that is being read.
pub(crate) fn prompt(conf: &mut LocationConf) -> Result<&mut PromptBuilder, Error> {
    match conf.draft() {
        Some(Draft::Prompt(draft)) => Ok(draft),
        _ => Err(Error::new("is not allowed here: it belongs into a \"mcp_prompt\" block")),
    }
}

/// What the block that is being read says of its looks.
pub(crate) fn presentation(conf: &mut LocationConf) -> Result<&mut Presentation, Error> {
    match conf.draft() {
        Some(Draft::Tool(draft)) => Ok(draft.presentation()),
        Some(Draft::Resource(draft)) => Ok(draft.presentation()),
        Some(Draft::Prompt(draft)) => Ok(draft.presentation()),
        _ => Err(Error::new(
            "is not allowed here: it belongs into a \"mcp_tool\", \"mcp_resource\" or \"mcp_prompt\" block",
        )),
    }
}

/// A location for each endpoint of a block. Several stand below the block's, as none may inherit what is set for another.
fn locations<'e>(
    cf: Conf,
    context: LocationContext,
    endpoints: impl Iterator<Item = &'e Endpoint>,
    block: impl Fn() -> Block,
    place: Place,
) -> Result<Vec<LocationContext>, Error> {
    let endpoints: Vec<_> = endpoints.collect();
    let mut locations = Vec::with_capacity(endpoints.len());
    for endpoint in &endpoints {
        let location = if endpoints.len() == 1 { context } else { cf.location_below(context)? };
        if let Some(root) = endpoint.file_root() {
            serve_files(cf, location, root)?;
        }
        *location.own_conf().endpoint_location() = Some(EndpointLocation::new(endpoint, block(), place));
        locations.push(location);
    }
    Ok(locations)
}

/// Makes a location one of files below a directory, which nginx's handler of static files reads.
fn serve_files(cf: Conf, location: LocationContext, root: &str) -> Result<(), Error> {
    if root.contains('$') {
        return Err(Error::new(format!("is invalid: variables are not replaced in the path \"{root}\" of \"file\"")));
    }
    let root = if root.is_empty() { "/" } else { root };
    cf.apply_in(location, &["root", root])?;
    if !location.says_of_symlinks() {
        // Nothing outside of the directory is read, wherever links in it lead.
        cf.apply_in(location, &["disable_symlinks", "on", &format!("from={root}")])?;
    }
    // A client of the protocol gets what is in the file.
    match cf.has_directive("gzip_static") {
        true => cf.apply_in(location, &["gzip_static", "off"]),
        false => Ok(()),
    }
}
