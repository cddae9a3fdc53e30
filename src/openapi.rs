//! `mcp_openapi`: an API description becomes tools while nginx reads its configuration.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::openapi::{Credential, Document, Edit, Limits, Outcome, ResourceRule, Rules, Selector};
use fetch::Source;
use mcp::{ConfigError, Endpoint, Resource, Tool};

use crate::conf::{DeclaredTool, Draft as AnyDraft, Error, LocationConf};
use crate::directives::{once, one};
use crate::endpoint::{Block, EndpointLocation};
use crate::ngx::{ComplexValue, Conf, LocationContext, NGX_HTTP_MCP_OPENAPI_CONF, NGX_HTTP_MCP_OPERATION_CONF, Place};
use crate::offers::Declared;
use crate::record::Watch;

/// What the directives of a block said.
#[derive(Default)]
pub(crate) struct Draft {
    pass: Option<String>,
    prefix: Option<String>,
    expose: Vec<Selector>,
    hide: Vec<Selector>,
    methods: Vec<String>,
    readonly: Option<bool>,
    strict: Option<bool>,
    output_schema: Option<bool>,
    search: Option<bool>,
    resources: Vec<ResourceRule>,
    credentials: Vec<Credential>,
    references: Option<PathBuf>,
    cache: Option<PathBuf>,
    timeout: Option<u64>,
    max_size: Option<usize>,
    trusted_certificate: Option<PathBuf>,
    /// The `tool` blocks and the locations that they were read into.
    edits: Vec<(Edit, LocationContext)>,
}

impl Draft {
    pub(crate) fn pass(&mut self, url: String) -> Result<(), Error> {
        ::openapi::check_server(&url).map_err(|why| Error::new(format!("is invalid: {why}")))?;
        once(&mut self.pass, url)
    }

    pub(crate) fn prefix(&mut self, text: String) -> Result<(), Error> {
        once(&mut self.prefix, text)
    }

    pub(crate) fn expose(&mut self, terms: &[&str]) -> Result<(), Error> {
        self.expose.push(selector(terms)?);
        Ok(())
    }

    pub(crate) fn hide(&mut self, terms: &[&str]) -> Result<(), Error> {
        self.hide.push(selector(terms)?);
        Ok(())
    }

    pub(crate) fn methods(&mut self, methods: &[&str]) -> Result<(), Error> {
        if !self.methods.is_empty() {
            return Err(Error::new("is duplicate"));
        }
        if let Some(wrong) = methods.iter().find(|method| !method.bytes().all(|byte| byte.is_ascii_uppercase())) {
            return Err(Error::new(format!("takes methods such as GET, not \"{wrong}\"")));
        }
        self.methods = methods.iter().map(ToString::to_string).collect();
        Ok(())
    }

    pub(crate) fn readonly(&mut self, on: bool) -> Result<(), Error> {
        once(&mut self.readonly, on)
    }

    pub(crate) fn strict(&mut self, on: bool) -> Result<(), Error> {
        once(&mut self.strict, on)
    }

    pub(crate) fn output_schema(&mut self, on: bool) -> Result<(), Error> {
        once(&mut self.output_schema, on)
    }

    pub(crate) fn search(&mut self, on: bool) -> Result<(), Error> {
        once(&mut self.search, on)
    }

    /// `resource URI TERM … [tool=on]`, or with `many` `resources URI TERM … [tool=on]`.
    pub(crate) fn resource(&mut self, words: &[&str], many: bool) -> Result<(), Error> {
        let [uri, terms @ ..] = words else { return Err(Error::new("takes a URI and terms")) };
        let (tool, terms) = match terms {
            [terms @ .., "tool=on"] => (true, terms),
            [terms @ .., "tool=off"] => (false, terms),
            terms => (false, terms),
        };
        if !uri.contains(':') {
            return Err(Error::new(format!("needs a URI, which begins with a scheme, as in: pets:/, not \"{uri}\"")));
        }
        self.resources.push(ResourceRule { selector: selector(terms)?, uri: (*uri).to_owned(), many, tool });
        Ok(())
    }

    pub(crate) fn credential(&mut self, cf: Conf, (scheme, text): (String, String)) -> Result<(), Error> {
        ComplexValue::new(cf, &text)?;
        if self.credentials.iter().any(|credential| credential.scheme == scheme) {
            return Err(Error::new(format!("\"{scheme}\" is duplicate")));
        }
        self.credentials.push(Credential { scheme, text });
        Ok(())
    }

    pub(crate) fn references(&mut self, directory: PathBuf) -> Result<(), Error> {
        let directory = directory
            .canonicalize()
            .map_err(|error| Error::new(format!("cannot use \"{}\": {error}", directory.display())))?;
        if !directory.is_dir() {
            return Err(Error::new(format!("cannot use \"{}\": it is not a directory", directory.display())));
        }
        once(&mut self.references, directory)
    }

    pub(crate) fn cache(&mut self, directory: PathBuf) -> Result<(), Error> {
        once(&mut self.cache, directory)
    }

    pub(crate) fn timeout(&mut self, seconds: u64) -> Result<(), Error> {
        if seconds == 0 {
            return Err(Error::new("must be 1s at the least"));
        }
        once(&mut self.timeout, seconds)
    }

    pub(crate) fn max_size(&mut self, bytes: usize) -> Result<(), Error> {
        once(&mut self.max_size, bytes)
    }

    pub(crate) fn trusted_certificate(&mut self, file: PathBuf) -> Result<(), Error> {
        once(&mut self.trusted_certificate, file)
    }

    /// How many `tool` blocks there are.
    pub(crate) fn blocks(&self) -> usize {
        self.edits.len()
    }
}

/// `mcp_openapi FILE|URL { … }`
pub(crate) fn mcp_openapi(cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    let place = cf.place();
    let source = one(cf)?;
    let context = cf.block(NGX_HTTP_MCP_OPENAPI_CONF, AnyDraft::OpenApi(Box::default()));
    cf.report_at(place, "mcp_openapi", |cf| {
        let context = context?;
        let Some(AnyDraft::OpenApi(draft)) = context.own_conf().take_draft() else { return Err(Error::memory()) };
        load(cf, &source, *draft, context, place, conf).map_err(|error| match error {
            Error::Text(text) => Error::Text(format!("\"{}\": {text}", shown(&source))),
            Error::Logged => Error::Logged,
        })
    })
}

/// `tool OPERATION { … }`
pub(crate) fn tool(cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    let place = cf.place();
    let operation = one(cf)?;
    if draft(conf)?.edits.iter().any(|(edit, _)| edit.operation == operation) {
        return Err(Error::new(format!("\"{operation}\" is duplicate")));
    }
    let edit = Edit { operation, ..Edit::default() };
    // The parser stands at the closing brace once the block is read.
    let context = cf.block(NGX_HTTP_MCP_OPERATION_CONF, AnyDraft::Operation(edit));
    let context = cf.report_at(place, "tool", |_| context)?;
    let Some(AnyDraft::Operation(edit)) = context.own_conf().take_draft() else { return Err(Error::memory()) };
    draft(conf)?.edits.push((edit, context));
    Ok(())
}

/// The `mcp_openapi` block that is being read.
pub(crate) fn draft(conf: &mut LocationConf) -> Result<&mut Draft, Error> {
    match conf.draft() {
        Some(AnyDraft::OpenApi(draft)) => Ok(draft),
        _ => Err(Error::new("is not allowed here: it belongs into a \"mcp_openapi\" block")),
    }
}

/// The `tool` block that is being read.
pub(crate) fn edit(conf: &mut LocationConf) -> Result<&mut Edit, Error> {
    match conf.draft() {
        Some(AnyDraft::Operation(edit)) => Ok(edit),
        _ => Err(Error::new("is not allowed here: it belongs into a \"tool\" block of \"mcp_openapi\"")),
    }
}

/// `fix PARAM TEXT`
pub(crate) fn fix(cf: Conf, conf: &mut LocationConf, (name, text): (String, String)) -> Result<(), Error> {
    ComplexValue::new(cf, &text)?;
    let fixes = &mut edit(conf)?.fix;
    if fixes.iter().any(|(known, _)| *known == name) {
        return Err(Error::new(format!("\"{name}\" is duplicate")));
    }
    fixes.push((name, text));
    Ok(())
}

fn selector(terms: &[&str]) -> Result<Selector, Error> {
    Selector::parse(terms).map_err(|text| Error::new(format!("is invalid: {text}")))
}

/// Reads the document and adds its tools to the location around the block.
fn load(
    cf: Conf,
    source: &str,
    draft: Draft,
    context: LocationContext,
    place: Place,
    conf: &mut LocationConf,
) -> Result<(), Error> {
    let limits = Limits { bytes: draft.max_size.unwrap_or(Limits::default().bytes), ..Limits::default() };
    let (edits, locations): (Vec<_>, Vec<_>) = draft.edits.into_iter().unzip();
    let mut rules = Rules {
        pass: draft.pass,
        source: None,
        prefix: draft.prefix.unwrap_or_default(),
        expose: draft.expose,
        hide: draft.hide,
        methods: draft.methods,
        readonly: draft.readonly.unwrap_or(false),
        output_schema: draft.output_schema.unwrap_or(false),
        credentials: draft.credentials,
        resources: draft.resources,
        edits,
    };
    let outcome = if is_url(source) {
        if draft.references.is_some() {
            return Err(Error::new("\"references\" is for a document that is a file"));
        }
        let default = fetch::Options::default();
        let options = fetch::Options {
            timeout: draft.timeout.map_or(default.timeout, Duration::from_secs),
            max_size: limits.bytes,
            cache: draft.cache,
            ca_file: draft.trusted_certificate,
            ..default
        };
        from_url(cf, source, &options, &limits, &mut rules)?
    } else if source.contains("://") {
        return Err(Error::new("is neither a file nor a URL of http or https"));
    } else {
        if draft.cache.is_some() || draft.timeout.is_some() || draft.trusted_certificate.is_some() {
            return Err(Error::new(
                "\"cache\", \"timeout\" and \"trusted_certificate\" are for a document that is a URL",
            ));
        }
        from_file(&cf.full_path(source)?, draft.references.as_deref(), &limits, &rules)?
    };
    let source = shown(source);
    let warn = |text: String| cf.warn(&format!("\"mcp_openapi\" \"{source}\": {text}"));
    outcome.warnings.iter().for_each(|warning| warn(warning.to_string()));
    if draft.strict.unwrap_or(false) && !outcome.warnings.is_empty() {
        return Err(Error::new(format!("has {} defects, and \"strict\" is on", outcome.warnings.len())));
    }
    if outcome.operations.is_empty() {
        warn("no tool was made of it".into());
    }
    let hidden = draft.search.unwrap_or(false);
    let watch = Watch::make(cf, &[], context)?;
    let watches = locations.iter().map(|block| Watch::make(cf, &[context], *block)).collect::<Result<Vec<_>, _>>()?;
    conf.add_document(outcome.info);
    let mut taken = conf.tool_names();
    // Each with the block that it stands in.
    let mut made: Vec<(LocationContext, LocationContext)> = Vec::new();
    for (operation, origin) in outcome.operations {
        // Below the `tool` block, as several operations may be of its name and no location is for all.
        let around = origin.edit.and_then(|edit| locations.get(edit)).copied().unwrap_or(context);
        let mut locate = |endpoint: &Endpoint| {
            let suits = |(known, below): &&(LocationContext, LocationContext)| {
                *below == around && known.own_conf().endpoint_location().as_ref().is_some_and(|l| l.suits(endpoint))
            };
            let location = match made.iter().find(suits) {
                Some((known, _)) => *known,
                None => {
                    let new = cf.location_below(around)?;
                    made.push((new, around));
                    new
                }
            };
            match location.own_conf().endpoint_location() {
                Some(known) => known.join(endpoint),
                slot => *slot = Some(EndpointLocation::new(endpoint, Block::OpenApi(source.clone()), place)),
            }
            Ok(location)
        };
        let left_out = |error: ConfigError| warn(format!("{}: {error}; it is left out", origin.pointer));
        if let Some(uri) = &origin.resource {
            match Resource::from_operation(operation.clone(), uri) {
                Ok(what) => {
                    let locations = what.endpoints().map(&mut locate).collect::<Result<_, Error>>()?;
                    conf.add_resource(Declared { what, locations, place, directive: "mcp_openapi" })?;
                }
                Err(error) => left_out(error),
            }
        }
        if !origin.tool {
            continue;
        }
        let mut tool = match Tool::from_operation(operation) {
            Ok(tool) => tool,
            Err(error) => {
                left_out(error);
                continue;
            }
        };
        if !taken.insert(tool.name().to_owned()) {
            let name = tool.name();
            return Err(Error::new(format!(
                "the location has a tool \"{name}\" already: give this document a \"prefix\""
            )));
        }
        let own = origin.edit.and_then(|edit| watches.get(edit)).cloned().flatten();
        let says = [around.own_conf(), context.own_conf()].map(|conf| conf.resumable.zip(Some(conf.resumable_place)));
        if let Some((true, place)) = says[0].or(says[1]) {
            tool.let_resume();
            conf.resumable_place = conf.resumable_place.or(place);
        }
        let location = locate(tool.endpoint())?;
        conf.add_tool(DeclaredTool { tool, context: location, hidden, watch: own.or_else(|| watch.clone()) });
    }
    Ok(())
}

/// A source as logs may have it: without what may be a secret in a URL.
fn shown(source: &str) -> String {
    let Some((scheme, rest)) = source.split_once("://") else { return source.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

fn is_url(source: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| source.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

fn from_file(path: &Path, references: Option<&Path>, limits: &Limits, rules: &Rules) -> Result<Outcome, Error> {
    let text = read(path, limits).map_err(Error::new)?;
    let document = Document::parse(&text, limits).map_err(|error| Error::new(error.to_string()))?;
    let beside = path.parent().unwrap_or(Path::new("/"));
    let mut external = |name: &str| {
        let Some(allowed) = references else {
            return Err("files are read only below the directory that \"references\" names".to_owned());
        };
        let file = beside.join(name).canonicalize().map_err(|error| error.to_string())?;
        if !file.starts_with(allowed) {
            return Err(format!("it is not below \"{}\", which \"references\" names", allowed.display()));
        }
        read(&file, limits)
    };
    Ok(document.operations(rules, &mut external))
}

/// The text of a regular file of bearable size.
fn read(path: &Path, limits: &Limits) -> Result<String, String> {
    let shown = path.display();
    let size = fs::metadata(path).map_err(|error| format!("\"{shown}\" cannot be read: {error}"))?;
    if !size.is_file() {
        return Err(format!("\"{shown}\" is not a file"));
    }
    if size.len() > limits.bytes as u64 {
        return Err(format!("\"{shown}\" has {} bytes, more than \"max_size\" allows ({})", size.len(), limits.bytes));
    }
    fs::read_to_string(path).map_err(|error| format!("\"{shown}\" cannot be read: {error}"))
}

fn from_url(
    cf: Conf,
    url: &str,
    options: &fetch::Options,
    limits: &Limits,
    rules: &mut Rules,
) -> Result<Outcome, Error> {
    let parse = |text: &str, _: &str| Document::parse(text, limits).map_err(|error| error.to_string());
    let fetched = fetch::fetch(url, options, parse).map_err(|error| Error::new(error.to_string()))?;
    match (fetched.warning(), &fetched.source) {
        (Some(warning), _) => cf.warn(&format!("\"mcp_openapi\" {warning}")),
        (None, Source::Network { .. }) => cf.notice(&format!("\"mcp_openapi\" \"{}\" was fetched", shown(url))),
        (None, Source::Cache { .. }) => {}
    }
    rules.source = Some(fetched.url);
    let mut external = |_: &str| Err("a document that is a URL may not refer to other files".to_owned());
    Ok(fetched.document.operations(rules, &mut external))
}
