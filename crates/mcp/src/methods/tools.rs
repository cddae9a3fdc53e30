//! `tools/call`.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::nearest::nearest;
use super::{Operation, Performed, arguments, search};
use crate::error::Error;
use crate::facts::Facts;
use crate::front::Forward;
use crate::headers::{Header, decode, spelled};
use crate::http::{Evaluate, Headers};
use crate::input::{Retry, in_header};
use crate::jsonrpc::{Params, begin_result, text, write_json};
use crate::list::Listing;
use crate::server::Server;
use crate::session::cut;
use crate::tool::MirroredHeader;
use crate::{Offering, ProtocolVersion};

/// Finds the tool that is called.
pub(super) fn read_call(
    server: &Server,
    offering: Option<&Arc<Offering>>,
    params: &Params<'_>,
    facts: &mut Facts,
) -> Result<Operation, Error> {
    let name = params.name.and_then(text);
    let name = name.ok_or_else(|| Error::InvalidParams("\"name\" must be the name of a tool".into()))?;
    let Some(tool) = server.find_tool(&name) else {
        if let Some(tool) = server.search().tool(&name) {
            return search::read_call(server, tool, params, facts);
        }
        if let Some(forward) = Forward::of_name(offering, Listing::Tools, &name) {
            facts.tool = forward.public().cloned();
            keep_arguments(params, facts)?;
            return Ok(Operation::Forward(Box::new(forward)));
        }
        let fronted = offering.map(|offering| offering.names(Listing::Tools)).unwrap_or_default();
        let nearest = nearest(&name, server.tool_names()).or_else(|| nearest(&name, &fronted)).cloned();
        return Err(Error::UnknownTool { name: cut(&name, 128).to_owned(), nearest });
    };
    facts.tool = Some(server.tool_names()[tool].clone());
    keep_arguments(params, facts)?;
    Ok(Operation::CallTool { tool, through_search: false })
}

/// Keeps the arguments of a call.
pub(super) fn keep_arguments(params: &Params<'_>, facts: &mut Facts) -> Result<(), Error> {
    let Some(arguments) = params.arguments else { return Ok(()) };
    if !arguments.starts_with('{') {
        return Err(Error::InvalidParams("\"arguments\" must be an object".into()));
    }
    facts.set_arguments(arguments);
    Ok(())
}

/// Turns the arguments, and answers to what the upstream has asked, into the request to the upstream.
pub(crate) fn call<'s>(
    server: &'s Server,
    tool: usize,
    facts: &Facts,
    retry: Retry,
    evaluate: &mut Evaluate<'_>,
) -> Performed<'s> {
    let arguments = match facts.arguments().map_or_else(|| Ok(Map::new()), arguments::parse) {
        Ok(arguments) => arguments,
        Err(error) => return Performed::Error(error.into()),
    };
    match server.tools()[tool].request(arguments, &mut |index| evaluate(tool, index)) {
        Ok(mut request) => match server.tools()[tool].endpoint().add_answers(retry, &mut request) {
            Ok(()) => Performed::Call { endpoint: tool, request, errand: None },
            Err(invalid) => Performed::ToolError(invalid.into()),
        },
        Err(unsent) => Performed::ToolError(unsent),
    }
}

/// Compares the `Mcp-Param-*` headers of a call with its arguments.
pub(crate) fn check_mirrored(
    mirrored: &[MirroredHeader],
    arguments: Option<&str>,
    headers: Headers<'_>,
) -> Result<(), Error> {
    if mirrored.is_empty() {
        return Ok(());
    }
    let arguments = arguments.map_or_else(|| Ok(Map::new()), arguments::parse)?;
    for property in mirrored {
        check_mirror(&property.header, property.value(&arguments), headers)?;
    }
    Ok(())
}

/// The `Mcp-Param-*` headers that arguments are repeated in. What is no object has none, and is for the server to refuse.
pub(crate) fn mirror(mirrored: &[MirroredHeader], arguments: Option<&str>) -> Vec<(String, String)> {
    let arguments = arguments.filter(|_| !mirrored.is_empty()).and_then(|json| arguments::parse(json).ok());
    let line = |property: &MirroredHeader| {
        let text = match property.value(arguments.as_ref()?)? {
            Value::String(text) => in_header(text),
            value @ (Value::Bool(_) | Value::Number(_)) => value.to_string(),
            _ => return None,
        };
        Some((spelled(&property.header), text))
    };
    mirrored.iter().filter_map(line).collect()
}

fn check_mirror(name: &str, argument: Option<&Value>, headers: Headers<'_>) -> Result<(), Error> {
    let Some(header) = Header::find(headers, name).mirror(name)? else {
        let is_primitive = argument.is_some_and(|value| !value.is_object() && !value.is_array());
        return match is_primitive {
            true => Err(Error::HeaderMismatch(format!("header {} is missing: its argument is given", spelled(name)))),
            false => Ok(()),
        };
    };
    let header = decode(name, header)?;
    let equal = match argument {
        Some(Value::String(text)) => *header == *text.as_bytes(),
        Some(Value::Bool(flag)) => *header == *if *flag { "true" } else { "false" }.as_bytes(),
        Some(Value::Number(number)) => is_number(&header, number),
        _ => false,
    };
    if equal {
        Ok(())
    } else {
        Err(Error::HeaderMismatch(format!("header {} differs from its argument", spelled(name))))
    }
}

/// Whether a header's text is this number: `42.0` is 42.
fn is_number(header: &[u8], number: &serde_json::Number) -> bool {
    let Ok(given) = serde_json::from_slice::<serde_json::Number>(header) else { return false };
    // Whole numbers are compared as such: beyond 2^53 different ones can be the same f64.
    if (given.is_i64() || given.is_u64()) && (number.is_i64() || number.is_u64()) {
        return given == *number;
    }
    given.as_f64() == number.as_f64()
}

/// Appends a whole response that tells the model why the tool was not called.
pub(crate) fn write_tool_error(server: &Server, version: ProtocolVersion, id: &str, text: &str, out: &mut Vec<u8>) {
    write_result(server, version, id, text, ",\"isError\":true", out);
}

/// Appends a whole response of this server's own: an object as JSON, and the text that is shown in its stead, if that is
/// another one.
pub(crate) fn write_structured(
    server: &Server,
    version: ProtocolVersion,
    id: &str,
    (json, text): (&str, Option<&str>),
    out: &mut Vec<u8>,
) {
    let structured = match version {
        ProtocolVersion::V2024_11_05 | ProtocolVersion::V2025_03_26 => String::new(),
        _ => format!(",\"structuredContent\":{json}"),
    };
    write_result(server, version, id, text.unwrap_or(json), &format!("{structured},\"isError\":false"), out);
}

/// Appends a whole response with one text; `members` are further members of the result, each preceded by a comma.
fn write_result(server: &Server, version: ProtocolVersion, id: &str, text: &str, members: &str, out: &mut Vec<u8>) {
    begin_result(id, out);
    out.push(b'{');
    if version.is_stateless() {
        out.extend_from_slice(b"\"resultType\":\"complete\",");
    }
    out.extend_from_slice(b"\"content\":[{\"type\":\"text\",\"text\":");
    write_json(text, out);
    out.extend_from_slice(b"}]");
    out.extend_from_slice(members.as_bytes());
    if version.is_stateless() {
        out.extend_from_slice(b",\"_meta\":");
        out.extend_from_slice(server.meta().as_bytes());
    }
    out.extend_from_slice(b"}}");
}
