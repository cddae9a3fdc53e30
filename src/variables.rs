//! The `$mcp_*` variables.

use std::borrow::Cow;
use std::ffi::CStr;

use mcp::Facts;
use mcp::http::Outcome;

use crate::context::Context;
use crate::endpoint::ACCEPT;
use crate::ngx::{Request, last_attempt};

/// A variable, or with a name that ends in `_` all whose names begin so.
pub(crate) struct Variable {
    pub(crate) name: &'static CStr,
    /// The value; `rest` is what follows the prefix. It must live as long as the request.
    pub(crate) get: fn(request: Request, rest: &str) -> Option<&'static [u8]>,
}

/// Every variable. Those that begin with `mcp_upstream_` and are not in the README carry a call to the proxy module,
/// `mcp_channel` a channel's name to Nchan.
pub(crate) static VARIABLES: [Variable; 27] = [
    Variable { name: c"mcp_method", get: |r, _| text(r, facts(r)?.method()?.into()) },
    Variable { name: c"mcp_tool", get: |r, _| text(r, facts(r)?.tool()?.into()) },
    Variable { name: c"mcp_resource", get: |r, _| text(r, facts(r)?.resource()?.into()) },
    Variable { name: c"mcp_prompt", get: |r, _| text(r, facts(r)?.prompt()?.into()) },
    Variable {
        name: c"mcp_protocol_version",
        get: |r, _| facts(r)?.protocol_version().map(|version| version.as_str().as_bytes()),
    },
    Variable { name: c"mcp_transport", get: |r, _| facts(r).map(|facts| facts.transport().as_bytes()) },
    Variable { name: c"mcp_status", get: |r, _| outcome(r).map(status) },
    Variable { name: c"mcp_error_code", get: error_code },
    Variable { name: c"mcp_request_id", get: |r, _| text(r, facts(r)?.request_id()?.into()) },
    Variable { name: c"mcp_client_name", get: |r, _| text(r, facts(r)?.client_name()?) },
    Variable { name: c"mcp_client_version", get: |r, _| text(r, facts(r)?.client_version()?) },
    Variable { name: c"mcp_client_capabilities", get: |r, _| text(r, facts(r)?.client_capabilities().into()) },
    Variable { name: c"mcp_session", get: |r, _| text(r, facts(r)?.session()?.into()) },
    Variable { name: c"mcp_arg_", get: |r, rest| text(r, facts(r)?.argument(rest)?) },
    Variable { name: c"mcp_channel", get: |r, _| Context::of(r)?.channel() },
    Variable { name: c"mcp_upstream_status", get: |r, _| text(r, last_attempt(r.main())?.status.to_string().into()) },
    Variable { name: c"mcp_upstream_time", get: upstream_time },
    Variable { name: c"mcp_upstream_method", get: |r, _| Some(Context::of(r)?.upstream_method()?.as_bytes()) },
    Variable {
        name: c"mcp_upstream_accept",
        get: |r, _| Some(Context::of(r)?.endpoint()?.accept().unwrap_or(ACCEPT).as_bytes()),
    },
    Variable { name: c"mcp_upstream_body", get: |r, _| Context::of(r)?.upstream()?.body.as_deref() },
    Variable {
        name: c"mcp_upstream_content_type",
        get: |r, _| Context::of(r)?.upstream()?.content_type.as_deref().map(str::as_bytes),
    },
    // Each call is asked for these, so they are not looked for by their prefix.
    Variable { name: c"mcp_upstream_header_traceparent", get: |r, _| upstream_header(r, "traceparent") },
    Variable { name: c"mcp_upstream_header_tracestate", get: |r, _| upstream_header(r, "tracestate") },
    Variable { name: c"mcp_upstream_header_baggage", get: |r, _| upstream_header(r, "baggage") },
    Variable { name: c"mcp_upstream_header_mcp_method", get: |r, _| method_and_parameters(r) },
    Variable { name: c"mcp_upstream_header_", get: upstream_header },
    Variable { name: c"mcp_upstream_", get: |_, _| None },
];

/// The prefix variable that a name belongs to, and the rest of the name.
pub(crate) fn prefixed(name: &[u8]) -> Option<(&'static Variable, &str)> {
    let prefixes = VARIABLES.iter().filter(|variable| variable.name.to_bytes().ends_with(b"_"));
    let found = prefixes.filter_map(|variable| Some((variable, name.strip_prefix(variable.name.to_bytes())?)));
    let (variable, rest) = found.min_by_key(|(_, rest)| rest.len())?;
    Some((variable, std::str::from_utf8(rest).ok()?))
}

fn facts(request: Request) -> Option<&'static Facts> {
    Context::of(request.main())?.facts()
}

fn outcome(request: Request) -> Option<Outcome> {
    Context::of(request.main())?.outcome()
}

fn status(outcome: Outcome) -> &'static [u8] {
    match outcome {
        Outcome::Ok => b"ok",
        Outcome::ToolError => b"tool_error",
        Outcome::ProtocolError { .. } => b"protocol_error",
    }
}

fn error_code(request: Request, _rest: &str) -> Option<&'static [u8]> {
    match outcome(request)? {
        Outcome::ProtocolError { code } => text(request, code.to_string().into()),
        Outcome::Ok | Outcome::ToolError => None,
    }
}

fn upstream_time(request: Request, _rest: &str) -> Option<&'static [u8]> {
    let time = last_attempt(request.main())?.response_time?;
    text(request, format!("{}.{:03}", time / 1000, time % 1000).into())
}

fn upstream_header(request: Request, rest: &str) -> Option<&'static [u8]> {
    let headers = &Context::of(request)?.upstream()?.headers;
    let is_named = |name: &str| name.len() == rest.len() && name.to_ascii_lowercase().replace('-', "_") == rest;
    headers.iter().find(|(name, _)| is_named(name)).map(|(_, value)| value.as_bytes())
}

/// `Mcp-Method`, and behind it the lines `Mcp-Param-*`: their names are those that a server behind this one has given, while nginx's proxy wants to know all names when
/// the configuration is read. Both names and values were made so that they are in themselves nothing but that.
fn method_and_parameters(request: Request) -> Option<&'static [u8]> {
    let method = upstream_header(request, "mcp_method")?;
    let headers = &Context::of(request)?.upstream()?.headers;
    let mut lines = headers.iter().filter(|(name, _)| name.starts_with("Mcp-Param-")).peekable();
    if lines.peek().is_none() {
        return Some(method);
    }
    let mut value = method.to_vec();
    lines.for_each(|(name, line)| value.extend_from_slice(format!("\r\n{name}: {line}").as_bytes()));
    request.copy(&value)
}

/// A copy in the request's pool.
fn text(request: Request, value: Cow<'_, str>) -> Option<&'static [u8]> {
    request.copy(value.as_bytes())
}
