//! Calls of `search_tools`, `describe_tool` and `call_tool`.

use std::sync::Arc;

use super::nearest::nearest;
use super::tools::keep_arguments;
use super::{Operation, Performed};
use crate::ProtocolVersion;
use crate::error::Error;
use crate::facts::Facts;
use crate::jsonrpc::{Params, text};
use crate::scan::Scanner;
use crate::search::SearchTool;
use crate::server::Server;
use crate::session::cut;
use crate::tool::{InvalidArguments, Unsent};

/// Names that are offered in place of an unknown one.
const OFFERS: usize = 3;

/// What a call of one of the three asks for. `call_tool` becomes the call of the tool that it names, for limits and logs,
/// too.
pub(super) fn read_call(
    server: &Server,
    tool: SearchTool,
    params: &Params<'_>,
    facts: &mut Facts,
) -> Result<Operation, Error> {
    if tool == SearchTool::Call {
        match inner_call(server, params.arguments) {
            Ok((inner, arguments)) => {
                facts.tool = Some(server.tool_names()[inner].clone());
                arguments.into_iter().for_each(|arguments| facts.set_arguments(arguments));
                return Ok(Operation::CallTool { tool: inner, through_search: true });
            }
            Err(refused) => {
                facts.tool = Some(Arc::from(tool.name()));
                keep_arguments(params, facts)?;
                return Ok(Operation::RefuseCall(refused.into()));
            }
        }
    }
    facts.tool = Some(Arc::from(tool.name()));
    keep_arguments(params, facts)?;
    Ok(if tool == SearchTool::Search { Operation::SearchTools } else { Operation::DescribeTool })
}

/// The tool that `call_tool` is to call, and its arguments, raw.
fn inner_call<'a>(server: &Server, arguments: Option<&'a str>) -> Result<(usize, Option<&'a str>), InvalidArguments> {
    let [name, inner] = members(arguments, ["name", "arguments"])?;
    let tool = find(server, name)?;
    match inner {
        Some(inner) if !inner.starts_with('{') => Err(invalid("\"arguments\" must be an object")),
        _ => Ok((tool, inner)),
    }
}

/// `search_tools`
pub(super) fn search<'s>(server: &Server, arguments: Option<&str>) -> Performed<'s> {
    let (query, limit) = match query(arguments) {
        Ok(read) => read,
        Err(refused) => return Performed::ToolError(refused.into()),
    };
    let (json, total) = server.search().result(&query, limit);
    let text = (total == 0).then(|| {
        format!(
            "no tool fits \"{}\": try other words, such as synonyms or the name of the thing that the tool is for; an \
             empty query lists the first of all {} tools",
            cut(&query, 128),
            server.search().len()
        )
    });
    Performed::Structured { json, text }
}

fn query(arguments: Option<&str>) -> Result<(String, usize), InvalidArguments> {
    let [query, limit] = members(arguments, ["query", "limit"])?;
    let query = query.and_then(text).ok_or_else(|| invalid("\"query\" must be a string"))?;
    let limit = match limit {
        None => SearchTool::DEFAULT_LIMIT,
        Some(limit) => number(limit)
            .ok_or_else(|| invalid(&format!("\"limit\" must be an integer from 1 to {}", SearchTool::LIMIT)))?,
    };
    Ok((query.into_owned(), limit.into()))
}

/// A limit's value: `5.0` is an integer to JSON Schema.
fn number(json: &str) -> Option<u8> {
    let number: f64 = serde_json::from_str(json).ok()?;
    (1..=SearchTool::LIMIT).find(|limit| f64::from(*limit) == number)
}

/// `describe_tool`
pub(super) fn describe<'s>(server: &Server, version: ProtocolVersion, arguments: Option<&str>) -> Performed<'s> {
    let found = members(arguments, ["name"]).and_then(|[name]| find(server, name));
    match found {
        Ok(tool) => {
            let mut out = Vec::new();
            server.tools()[tool].write_definition(version, &mut out);
            Performed::Structured { json: String::from_utf8(out).unwrap_or_default(), text: None }
        }
        Err(refused) => Performed::ToolError(refused.into()),
    }
}

/// The tool of this name.
fn find(server: &Server, name: Option<&str>) -> Result<usize, InvalidArguments> {
    let name = name.and_then(text).ok_or_else(|| invalid("\"name\" must be the name of a tool"))?;
    server.find_tool(&name).ok_or_else(|| unknown(server, &name))
}

/// Says that there is no such tool, and which were probably meant: by their spelling, then by their words.
fn unknown(server: &Server, name: &str) -> InvalidArguments {
    let names = server.tool_names();
    let mut offers: Vec<&str> = nearest(name, names).into_iter().map(AsRef::as_ref).collect();
    if name.chars().any(char::is_alphanumeric) {
        for place in server.search().find(name).take(OFFERS) {
            if offers.len() < OFFERS && !offers.contains(&&*names[place]) {
                offers.push(&names[place]);
            }
        }
    }
    let offers: Vec<String> = offers.iter().map(|name| format!("\"{name}\"")).collect();
    let meant = match offers.as_slice() {
        [] => String::new(),
        offers => format!("; did you mean {}?", offers.join(" or ")),
    };
    let search = SearchTool::Search.name();
    InvalidArguments(format!("there is no tool \"{}\"{meant} {search} finds tools by what they do", cut(name, 128)))
}

/// The arguments that are wanted, raw; `null` is as good as absent. Others are refused, and those given twice.
fn members<'a, const N: usize>(
    arguments: Option<&'a str>,
    wanted: [&str; N],
) -> Result<[Option<&'a str>; N], InvalidArguments> {
    let mut found = [None; N];
    let Some(arguments) = arguments else { return Ok(found) };
    let mut problem = None;
    let walked = Scanner::new(arguments).object(|name, scanner| {
        let value = scanner.value()?;
        match wanted.iter().position(|wanted| *wanted == name) {
            Some(place) if found[place].is_none() => found[place] = Some(value),
            Some(_) => problem = Some(format!("\"{name}\" is given twice")),
            None => problem = Some(format!("there is no argument \"{}\"", cut(name, 64))),
        }
        Ok(())
    });
    if walked.is_err() {
        return Err(invalid("they must be an object"));
    }
    match problem {
        Some(problem) => Err(invalid(&problem)),
        None => Ok(found.map(|value| value.filter(|value| *value != "null"))),
    }
}

fn invalid(why: &str) -> InvalidArguments {
    InvalidArguments(format!("invalid arguments: {why}"))
}

/// What is wrong with arguments that came through `call_tool` is wrong with those of the tool that it named.
pub(super) fn blame(server: &Server, tool: usize, unsent: Unsent) -> Unsent {
    Unsent { text: format!("tool \"{}\": {}", server.tool_names()[tool], unsent.text), ..unsent }
}
