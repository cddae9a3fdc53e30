//! What a server behind this one replies, as the client's revision can take it.

use serde_json::Value;

use super::reply::{Reply, RpcError};
use crate::ProtocolVersion;
use crate::error::{Error, Relayed};
use crate::facts::Facts;
use crate::failure::{Failed, good};
use crate::http::{Outcome, UpstreamResponse};
use crate::jsonrpc::{begin_result, write_error};
use crate::methods::tools::write_tool_error;
use crate::prompt::write_mcp_prompt;
use crate::resource::{Around, write_mcp_contents};
use crate::server::Server;
use crate::tool::{Answer, Written, checked_json, coding_of, status_line, write_mcp_result};

/// The result in an answer, as if it were all of it.
pub(crate) fn result_of(answer: Answer<'_>) -> Option<Answer<'_>> {
    let Answer::Response(response) = answer else { return None };
    let Ok(Reply::Result(result)) = Reply::read(response.body, None) else { return None };
    let content_type = Some(&b"application/json"[..]);
    Some(Answer::Response(UpstreamResponse { status: 200, content_type, body: result.as_bytes(), ..response }))
}

/// What an answer comes to, for a client.
enum Passed<'a> {
    Result(&'a str),
    Error(RpcError<'a>),
    /// There is no reply; the text says why.
    Nothing(String),
}

/// Why there is no response in an answer that is none.
pub(super) fn in_words(name: &str, answer: &Answer<'_>) -> String {
    match good(answer).err().map(|failed| failed.error) {
        Some(Error::Backend(why)) => format!("\"{name}\": {why}"),
        _ => format!("\"{name}\" could not be asked"),
    }
}

fn passed<'a>(name: &str, answer: &Answer<'a>) -> Passed<'a> {
    let Answer::Response(response) = answer else { return Passed::Nothing(in_words(name, answer)) };
    if let Some(coding) = coding_of(response) {
        let why = format!("\"{name}\" answered with content-encoding \"{coding}\", which was not asked for");
        return Passed::Nothing(why);
    }
    match Reply::read(response.body, None) {
        Ok(Reply::Result(result)) => Passed::Result(result),
        Ok(Reply::Error(error)) => Passed::Error(error),
        Err(_) if !(200..300).contains(&response.status) => {
            Passed::Nothing(format!("\"{name}\" answered {}", status_line(response.status)))
        }
        Err(why) => Passed::Nothing(format!("the answer of \"{name}\" is invalid: {why}")),
    }
}

/// Appends the whole response to a request that a server behind this one has answered, and gives its HTTP status.
pub(crate) fn write_answer(
    server: &Server,
    version: ProtocolVersion,
    facts: &Facts,
    upstream: usize,
    answer: &Answer<'_>,
    out: &mut Vec<u8>,
) -> (u16, Written) {
    let name = server.upstreams()[upstream].name();
    let id = facts.request_id().unwrap_or_default();
    let start = out.len();
    let error = match passed(name, answer) {
        Passed::Result(result) => {
            begin_result(id, out);
            match write_result(server, version, facts, result, out) {
                Ok(outcome) => {
                    out.push(b'}');
                    return (200, Written { outcome, note: None });
                }
                Err(why) => {
                    out.truncate(start);
                    Failed::noted(format!("the result of \"{name}\" is invalid: {why}"))
                }
            }
        }
        Passed::Error(error) => Failed::from(passed_on(name, facts, &error)),
        Passed::Nothing(why) => Failed::noted(why),
    };
    // For the model: it can go on with something else.
    if let (Some(_), Error::Backend(why)) = (facts.tool(), &error.error) {
        write_tool_error(server, version, id, why, out);
        return (200, Written { outcome: Outcome::ToolError, note: error.note });
    }
    let wire = error.error.wire(version, true);
    write_error(Some(id), version, &wire, out);
    (wire.status, Written { outcome: Outcome::ProtocolError { code: wire.code }, note: error.note })
}

/// A server's error as one of this server's. What it says of how it is spoken to is no client's affair.
fn passed_on(name: &str, facts: &Facts, error: &RpcError<'_>) -> Error {
    match error.code {
        -32020 | -32022 | -32700 | -32600 => {
            Error::Backend(format!("\"{name}\" says \"{}\" ({})", error.message, error.code))
        }
        code => {
            let data: Option<Value> = error.data.and_then(|data| serde_json::from_str(data).ok());
            let is_uri = facts.uri().is_some() && data.as_ref().is_some_and(|data| data.get("uri").is_some());
            let is_absent = code == -32002 || (code == -32602 && is_uri);
            Error::Relayed(Box::new(Relayed { code, message: error.message.clone(), data, is_absent }))
        }
    }
}

/// Appends a result; the error says what is wrong with it.
fn write_result(
    server: &Server,
    version: ProtocolVersion,
    facts: &Facts,
    result: &str,
    out: &mut Vec<u8>,
) -> Result<Outcome, String> {
    let json = checked_json(result.as_bytes())?;
    match facts.method() {
        Some("resources/read") => {
            let around = Around { version, ttl: 0, scope: "private", meta: server.meta() };
            write_mcp_contents(&around, json.as_bytes(), out)?;
        }
        Some("prompts/get") => {
            let name = facts.prompt().unwrap_or_default();
            write_mcp_prompt((name, None), version, json.as_bytes(), server.meta(), out)?;
        }
        Some("completion/complete") => {
            let response = UpstreamResponse { status: 200, body: json.as_bytes(), ..UpstreamResponse::default() };
            let completion = crate::completion::from_answer(&response)?;
            out.extend_from_slice(&crate::methods::completion_result(server, version, &completion));
        }
        _ => {
            let meta = version.is_stateless().then(|| server.meta());
            let summary = write_mcp_result(facts.tool().unwrap_or_default(), version, json, meta, out)?;
            return Ok(if summary.is_error { Outcome::ToolError } else { Outcome::Ok });
        }
    }
    Ok(Outcome::Ok)
}
