//! Which web pages and which host names may reach the server, and what browsers are told about it.

use crate::error::Error;
use crate::headers::{Header, Known, shown, trim};
use crate::http::Headers;
use crate::tool::ConfigError;

/// Request headers that a page may send besides `Mcp-Param-*`.
const ALLOW_HEADERS: &str =
    "Content-Type, Authorization, Mcp-Session-Id, MCP-Protocol-Version, Last-Event-ID, Mcp-Method, Mcp-Name";
/// Response headers that a page may read.
const EXPOSE_HEADERS: &str = "Mcp-Session-Id, WWW-Authenticate";
/// How long a browser may remember a preflight, in seconds: two hours, the most that Chromium keeps.
const MAX_AGE: &str = "7200";
/// `Mcp-Param-*` headers that one preflight may name.
const MAX_PARAMS: usize = 64;

/// `mcp_allowed_origins`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum AllowedOrigins {
    /// Not set: pages of this machine, and pages that came from this server.
    #[default]
    Own,
    /// `*`.
    Any,
    /// These, in lower case and without default ports.
    Listed(Vec<String>),
}

impl AllowedOrigins {
    /// Reads the directive's values.
    pub(crate) fn parse(origins: &[&str]) -> Result<Self, ConfigError> {
        if origins.contains(&"*") {
            return Ok(Self::Any);
        }
        let parse = |origin: &&str| {
            Origin::parse(origin).map(|origin| origin.to_string()).ok_or_else(|| {
                ConfigError(format!("invalid origin \"{origin}\": write \"*\" or scheme://host[:port] without a path"))
            })
        };
        origins.iter().map(parse).collect::<Result<_, _>>().map(Self::Listed)
    }

    /// Judges the request's `Origin`: none if there is none, its value if it is allowed.
    pub(crate) fn check<'a>(&self, headers: &Known<'a>) -> Result<Option<&'a str>, Error> {
        let Some(line) = headers.origin.value else { return Ok(None) };
        let refused = || Error::ForbiddenOrigin(shown(line));
        if headers.origin.is_ambiguous || !line.iter().all(u8::is_ascii_graphic) {
            return Err(refused());
        }
        let value = std::str::from_utf8(line).map_err(|_| refused())?;
        let allowed = match self {
            Self::Any => true,
            Self::Listed(origins) => Origin::parse(value).is_some_and(|origin| origins.contains(&origin.to_string())),
            Self::Own => Origin::parse(value).is_some_and(|origin| origin.is_local() || origin.is_own(headers.host)),
        };
        if allowed { Ok(Some(value)) } else { Err(refused()) }
    }
}

/// Judges the request's `Host` by the names that this server has.
pub(crate) fn check_host(host: Header<'_>, names: &[String]) -> Result<(), Error> {
    let Some(line) = host.value.filter(|_| !names.is_empty()) else { return Ok(()) };
    let host = simdutf8::basic::from_utf8(line).ok().map(|host| split_port(host).0.trim_end_matches('.'));
    if host.is_some_and(|host| names.iter().any(|name| *name == host || is_name(name, host))) {
        return Ok(());
    }
    Err(Error::ForbiddenHost(shown(line)))
}

/// Whether a host is the one of a `server_name`, which may begin with `*.` (any below it) or `.` (it and any below it),
/// or end with `.*` (any top level).
fn is_name(name: &str, host: &str) -> bool {
    if let Some(beginning) = name.strip_suffix(".*") {
        let (own, rest) = host.split_at_checked(beginning.len()).unwrap_or_default();
        return own.eq_ignore_ascii_case(beginning) && rest.len() > 1 && rest.starts_with('.');
    }
    let below = |domain: &str| {
        host.len() > domain.len()
            && host.as_bytes()[..host.len() - domain.len()].ends_with(b".")
            && host.as_bytes()[host.len() - domain.len()..].eq_ignore_ascii_case(domain.as_bytes())
    };
    match name.strip_prefix("*.") {
        Some(domain) => below(domain),
        None => match name.strip_prefix('.') {
            Some(domain) => host.eq_ignore_ascii_case(domain) || below(domain),
            None => host.trim_matches(['[', ']']).eq_ignore_ascii_case(name.trim_matches(['[', ']'])),
        },
    }
}

/// The headers of the answer to a preflight: what may be asked for, with those `Mcp-Param-*` that the browser named.
pub(crate) fn preflight(headers: Headers<'_>, methods: &'static str) -> Vec<(&'static str, String)> {
    let mut allow = ALLOW_HEADERS.to_owned();
    let requested = headers.get("access-control-request-headers").unwrap_or_default();
    let params = requested.split(|byte| *byte == b',').map(trim).filter(|name| is_param(name)).take(MAX_PARAMS);
    for name in params.filter_map(|name| std::str::from_utf8(name).ok()) {
        allow.push_str(", ");
        allow.push_str(name);
    }
    vec![
        ("Access-Control-Allow-Methods", methods.to_owned()),
        ("Access-Control-Allow-Headers", allow),
        ("Access-Control-Max-Age", MAX_AGE.to_owned()),
    ]
}

/// Whether a requested header is an `Mcp-Param-*` that can stand in a list.
fn is_param(name: &[u8]) -> bool {
    let prefix = b"mcp-param-";
    name.len() > prefix.len()
        && name.len() <= 256
        && name[..prefix.len()].eq_ignore_ascii_case(prefix)
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// The headers that let a page of an allowed origin read a reply.
pub(crate) fn expose(origin: &str, headers: &mut Vec<(&'static str, String)>) {
    headers.push(("Access-Control-Allow-Origin", origin.to_owned()));
    headers.push(("Access-Control-Expose-Headers", EXPOSE_HEADERS.to_owned()));
    headers.push(("Vary", "Origin".to_owned()));
}

/// A web origin, `scheme://host[:port]`.
struct Origin {
    scheme: String,
    host: String,
    /// None for the scheme's own.
    port: Option<String>,
}

impl Origin {
    fn parse(origin: &str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
        if scheme.is_empty() || !scheme.bytes().all(is_scheme) || !authority.bytes().all(is_host) {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let (host, port) = split_port(authority);
        if host.is_empty() || port.is_some_and(|port| port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit())) {
            return None;
        }
        let port = port.filter(|port| default_port(&scheme) != Some(*port)).map(str::to_owned);
        Some(Origin { host: host.to_ascii_lowercase(), scheme, port })
    }

    /// A page served on this machine.
    fn is_local(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
    }

    /// A page that came from where the request goes. The scheme may differ: TLS may end before this server.
    fn is_own(&self, host: Header<'_>) -> bool {
        let Some(host) = host.value.and_then(|host| std::str::from_utf8(host).ok()) else { return false };
        let (host, port) = split_port(host);
        let port = port.filter(|port| default_port(&self.scheme) != Some(*port));
        host.eq_ignore_ascii_case(&self.host) && port == self.port.as_deref()
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.as_ref().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn default_port(scheme: &str) -> Option<&'static str> {
    match scheme {
        "http" => Some("80"),
        "https" => Some("443"),
        _ => None,
    }
}

/// `host[:port]` taken apart; the brackets of an IPv6 address stay.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    // A colon before the bracket is one of the address.
    match authority.bytes().rposition(|byte| matches!(byte, b':' | b']')) {
        Some(colon) if authority[colon..].starts_with(':') => (&authority[..colon], Some(&authority[colon + 1..])),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_names_with_everything_below() {
        for (name, host, right) in [
            ("example.com", "EXAMPLE.com", true),
            ("example.com", "a.example.com", false),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "badexample.com", false),
            ("mcp.*", "MCP.example", true),
            ("mcp.*", "mcp.", false),
            ("mcp.*", "mcpx.example", false),
            ("mcp.*", "m", false),
            (".example.com", "example.com", true),
            (".example.com", "a.example.com", true),
            (".example.com", "badexample.com", false),
            ("::1", "[::1]", true),
            ("[::1]", "[::1]", true),
            ("example.com", "", false),
        ] {
            assert_eq!(is_name(name, host), right, "{name} {host}");
        }
    }

    #[test]
    fn ports_are_split_off() {
        for (authority, split) in [
            ("a", ("a", None)),
            ("a:1", ("a", Some("1"))),
            ("[::1]", ("[::1]", None)),
            ("[::1]:8", ("[::1]", Some("8"))),
            ("a:", ("a", Some(""))),
            ("", ("", None)),
        ] {
            assert_eq!(split_port(authority), split);
        }
    }

    #[test]
    fn own_pages_are_those_of_the_same_host_and_port() {
        for (origin, host, own) in [
            ("https://mcp.example.com", "mcp.example.com", true),
            ("https://mcp.example.com", "mcp.example.com:443", true),
            ("http://mcp.example.com", "mcp.example.com:80", true),
            ("https://MCP.example.com:8443", "mcp.EXAMPLE.com:8443", true),
            ("https://mcp.example.com:8443", "mcp.example.com", false),
            ("https://other.example.com", "mcp.example.com", false),
        ] {
            let lines = [(&b"origin"[..], origin.as_bytes()), (b"host", host.as_bytes())];
            assert_eq!(AllowedOrigins::Own.check(&Known::of(Headers(&lines))).is_ok(), own, "{origin} at {host}");
        }
    }

    #[test]
    fn a_wrong_origin_in_the_configuration_is_named() {
        for origin in ["app.example.com", "https://app.example.com/", "https://", "null", "", "https://*.example.com"] {
            let error = AllowedOrigins::parse(&["https://right.example", origin]).unwrap_err();
            assert!(error.0.contains(&format!("\"{origin}\"")), "{error}");
        }
    }
}
