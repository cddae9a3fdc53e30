//! The location that calls go through: a tool's, a resource's, a prompt's or a completion's.

use std::path::Path;

use mcp::Endpoint;

use crate::conf::Error;
use crate::ngx::{Conf, Place};
use crate::proxy::ProxySettings;

/// Where Debian, Alpine and Fedora keep the authorities that the system trusts.
const CA_BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem", "/etc/pki/tls/certs/ca-bundle.crt"];

/// What an upstream is told to answer with when nothing says what it can.
pub(crate) const ACCEPT: &str = "application/json, text/*;q=0.9, */*;q=0.8";

/// What the location of one or several endpoints needs of nginx's proxy module, known when the block was read.
pub(crate) struct EndpointLocation {
    place: Place,
    block: Block,
    /// None: each call has its own.
    method: Option<String>,
    origin: String,
    /// nginx reads it itself; nothing is sent.
    is_file: bool,
    has_body: bool,
    has_accept: bool,
    argument_headers: Vec<String>,
}

/// Whose endpoints they are.
pub(crate) enum Block {
    /// `mcp_tool NAME`
    Tool(String),
    /// `mcp_openapi SOURCE`
    OpenApi(String),
    /// `mcp_resource URI`
    Resource(String),
    /// `mcp_prompt NAME`
    Prompt(String),
    /// `mcp_upstream NAME`
    Upstream(String),
}

impl Block {
    fn directive(&self) -> &'static str {
        match self {
            Block::Tool(_) => "mcp_tool",
            Block::OpenApi(_) => "mcp_openapi",
            Block::Resource(_) => "mcp_resource",
            Block::Prompt(_) => "mcp_prompt",
            Block::Upstream(_) => "mcp_upstream",
        }
    }

    /// In messages behind the directive's name.
    fn subject(&self) -> String {
        match self {
            Block::Tool(name) => format!("tool \"{name}\""),
            Block::OpenApi(source) => format!("\"{source}\""),
            Block::Resource(uri) => format!("resource \"{uri}\""),
            Block::Prompt(name) => format!("prompt \"{name}\""),
            Block::Upstream(name) => format!("server \"{name}\""),
        }
    }
}

impl EndpointLocation {
    /// For an endpoint; others that go to the same origin, and have a body just as this one, may [join](EndpointLocation::join).
    pub(crate) fn new(endpoint: &Endpoint, block: Block, place: Place) -> EndpointLocation {
        EndpointLocation {
            place,
            block,
            method: endpoint.has_one_method().then(|| endpoint.method().to_owned()),
            origin: endpoint.origin().to_owned(),
            is_file: endpoint.file_root().is_some(),
            has_body: endpoint.has_body(),
            has_accept: endpoint.accept().is_some(),
            argument_headers: endpoint.header_names().to_vec(),
        }
    }

    /// Whether calls of another one can go through this location, too.
    pub(crate) fn suits(&self, endpoint: &Endpoint) -> bool {
        self.origin == endpoint.origin() && self.has_body == endpoint.has_body()
    }

    /// Takes in one that it suits.
    pub(crate) fn join(&mut self, endpoint: &Endpoint) {
        self.method.take_if(|method| method != endpoint.method());
        self.has_accept |= endpoint.accept().is_some();
        for name in endpoint.header_names() {
            if !self.argument_headers.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                self.argument_headers.push(name.clone());
            }
        }
    }

    /// The directive of the block.
    pub(crate) fn directive(&self) -> &'static str {
        self.block.directive()
    }

    /// Where the block begins.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Reports an error as one of the block.
    pub(crate) fn report(&self, cf: Conf, act: impl FnOnce(Conf) -> Result<(), Error>) -> Result<(), Error> {
        cf.report_at(self.place, self.block.directive(), act)
    }

    /// Writes the proxy directives of the location, once all levels around it are known.
    ///
    /// What a call sends stands in variables of ours; only its URI is given another way, as nginx sends a URI byte for
    /// byte only when it comes with the request.
    pub(crate) fn complete(&self, cf: Conf, proxy: &ProxySettings, made: &mut Vec<String>) -> Result<(), Error> {
        if self.is_file {
            return Ok(());
        }
        self.report(cf, |cf| {
            self.directives(cf, proxy, made).map_err(|error| match error {
                Error::Text(text) => Error::Text(format!("is invalid: {}: {text}", self.block.subject())),
                Error::Logged => Error::Logged,
            })
        })
    }

    fn directives(&self, cf: Conf, proxy: &ProxySettings, made: &mut Vec<String>) -> Result<(), Error> {
        let (scheme, authority) = self.origin.split_once("://").unwrap_or(("http", &self.origin));
        let upstream = upstream_for(cf, scheme, authority, made)?;
        cf.apply(&["proxy_pass", &format!("{scheme}://{upstream}")])?;
        cf.apply(&["proxy_method", self.method.as_deref().unwrap_or("$mcp_upstream_method")])?;
        cf.apply(&["proxy_pass_request_headers", "off"])?;
        if self.has_body {
            cf.apply(&["proxy_set_body", "$mcp_upstream_body"])?;
        } else {
            cf.apply(&["proxy_pass_request_body", "off"])?;
        }
        if !proxy.has("proxy_http_version") {
            cf.apply(&["proxy_http_version", "1.1"])?;
        }
        self.headers(cf, proxy, authority)?;
        if scheme == "https" { verification(cf, proxy, authority) } else { Ok(()) }
    }

    /// The header lines of a call: the operator's, the arguments', and what keeps connections alive.
    ///
    /// nginx inherits `proxy_set_header` from the level around only if a location has none of its own, so those in
    /// force are written again beside ours; an operator's line is never replaced.
    fn headers(&self, cf: Conf, proxy: &ProxySettings, authority: &str) -> Result<(), Error> {
        for (name, _) in proxy.headers() {
            if self.argument_headers.iter().any(|header| header.eq_ignore_ascii_case(name)) {
                self.contested(cf, name)?;
            }
        }
        let mut own = vec![
            ("Host".to_owned(), authority.to_owned()),
            ("Connection".to_owned(), String::new()),
            ("Accept".to_owned(), if self.has_accept { "$mcp_upstream_accept" } else { ACCEPT }.to_owned()),
        ];
        if self.has_body {
            // The length of a body given by proxy_set_body is nginx's own affair.
            own.push(("Content-Type".to_owned(), "$mcp_upstream_content_type".to_owned()));
        } else {
            own.push(("Content-Length".to_owned(), String::new()));
        }
        let trace = Endpoint::TRACE_HEADERS.map(str::to_owned);
        let is_argument = |name: &String| self.argument_headers.iter().any(|own| own.eq_ignore_ascii_case(name));
        for name in self.argument_headers.iter().chain(trace.iter().filter(|name| !is_argument(name))) {
            let variable = name.to_ascii_lowercase().replace('-', "_");
            own.push((name.clone(), format!("$mcp_upstream_header_{variable}")));
        }
        // The operator's lines of this very block are in force already.
        let inherited = proxy.headers().iter().filter(|_| proxy.headers_are_inherited());
        for (name, value) in inherited.chain(own.iter().filter(|(name, _)| !proxy.sets_header(name))) {
            cf.apply(&["proxy_set_header", name, value])?;
        }
        Ok(())
    }

    /// A header is the operator's and an argument's at once. In a block of his own he can decide; a document he can only
    /// overrule.
    fn contested(&self, cf: Conf, name: &str) -> Result<(), Error> {
        match &self.block {
            Block::Tool(_) | Block::Resource(_) | Block::Prompt(_) => Err(Error::new(format!(
                "header \"{name}\" is set by \"proxy_set_header\" and by an argument: remove one of them"
            ))),
            Block::Upstream(_) => Err(Error::new(format!(
                "header \"{name}\" is set by \"proxy_set_header\", and by the module: remove the former{}",
                if name.eq_ignore_ascii_case("authorization") { ", or \"credential\"" } else { "" }
            ))),
            Block::OpenApi(source) => {
                cf.warn(&format!(
                    "\"mcp_openapi\" \"{source}\": header \"{name}\" is set by \"proxy_set_header\", so what the document \
                     or a credential would put there is not sent"
                ));
                Ok(())
            }
        }
    }
}

/// The name to pass to: the operator's `upstream` block, or one of ours that keeps connections to a literal address.
fn upstream_for(cf: Conf, scheme: &str, authority: &str, made: &mut Vec<String>) -> Result<String, Error> {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    if !has_port && cf.has_upstream(authority) {
        return Ok(authority.to_owned());
    }
    let server = match (has_port, scheme) {
        (true, _) => authority.to_owned(),
        (false, "https") => format!("{authority}:443"),
        (false, _) => format!("{authority}:80"),
    };
    let host = server.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-', "_");
    // A kept TLS connection was verified as the one that opened it wanted, so endpoints do not share those.
    let name = match scheme {
        "https" => format!("mcp_https_{}_{host}", made.len()),
        _ => format!("mcp_{scheme}_{host}"),
    };
    if !made.contains(&name) {
        cf.add_upstream(&name, &server)?;
        made.push(name.clone());
    }
    Ok(name)
}

/// https means a checked certificate unless the operator says otherwise; nginx's own default checks nothing.
fn verification(cf: Conf, proxy: &ProxySettings, authority: &str) -> Result<(), Error> {
    if !proxy.has("proxy_ssl_server_name") {
        cf.apply(&["proxy_ssl_server_name", "on"])?;
    }
    if !proxy.has("proxy_ssl_name") {
        let host = authority
            .rsplit_once(':')
            .map_or(authority, |(host, port)| if port.bytes().all(|b| b.is_ascii_digit()) { host } else { authority });
        cf.apply(&["proxy_ssl_name", host])?;
    }
    if proxy.ssl_verify_off {
        return Ok(());
    }
    if !proxy.has("proxy_ssl_verify") {
        cf.apply(&["proxy_ssl_verify", "on"])?;
    }
    if !proxy.has("proxy_ssl_verify_depth") {
        cf.apply(&["proxy_ssl_verify_depth", "4"])?;
    }
    if !proxy.has("proxy_ssl_trusted_certificate") {
        let Some(bundle) = CA_BUNDLES.into_iter().find(|path| Path::new(path).exists()) else {
            return Err(Error::new(
                "no certificate authorities found to verify https with: set \"proxy_ssl_trusted_certificate\", or \"proxy_ssl_verify off\"",
            ));
        };
        cf.apply(&["proxy_ssl_trusted_certificate", bundle])?;
    }
    Ok(())
}
