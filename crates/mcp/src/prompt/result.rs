//! What came of asking for a prompt, as a `GetPromptResult`.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::Prompt;
use crate::ProtocolVersion;
use crate::failure::Failed;
use crate::http::UpstreamResponse;
use crate::tool::{MediaType, Members, Nature, Object, Writer, checked_json, write_item, write_meta};

/// What the upstream's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// What its content type says.
    Auto,
    /// Text.
    Text,
    /// A `GetPromptResult`.
    Mcp,
}

fn begin<'o>(version: ProtocolVersion, description: Option<&str>, out: &'o mut Vec<u8>) -> Object<'o> {
    let mut object = Object::begin(out);
    if version.is_stateless() {
        object.text("resultType", "complete");
    }
    if let Some(description) = description {
        object.text("description", description);
    }
    object.key("messages");
    object.out.push(b'[');
    object
}

fn end(mut object: Object<'_>, version: ProtocolVersion, meta: &str) {
    object.out.push(b']');
    if version.is_stateless() {
        object.member("_meta", meta);
    }
    object.end();
}

/// Appends a result with messages of text.
pub(crate) fn write_messages(
    version: ProtocolVersion,
    description: Option<&str>,
    messages: &[(&str, String)],
    meta: &str,
    out: &mut Vec<u8>,
) {
    let object = begin(version, description, out);
    for (index, (role, text)) in messages.iter().enumerate() {
        if index > 0 {
            object.out.push(b',');
        }
        write_message(role, object.out, |out| Writer { version, meta: None, out }.text(text));
    }
    end(object, version, meta);
}

fn write_message(role: &str, out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let mut message = Object::begin(out);
    message.text("role", role);
    message.key("content");
    content(message.out);
    message.end();
}

impl Prompt {
    /// Appends the result of a good answer.
    pub(crate) fn write_answer(
        &self,
        version: ProtocolVersion,
        reply: Reply,
        response: &UpstreamResponse<'_>,
        meta: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), Failed> {
        if reply == Reply::Mcp {
            return write_mcp_prompt((self.name(), self.description()), version, response.body, meta, out)
                .map_err(|why| Failed::noted(format!("the MCP result of its backend is invalid: {why}")));
        }
        let media_type = MediaType::parse(response.content_type);
        let nature = match media_type.nature() {
            Nature::Binary if media_type.essence.is_empty() && std::str::from_utf8(response.body).is_ok() => {
                Nature::Text
            }
            _ if reply == Reply::Text => Nature::Text,
            nature => nature,
        };
        let text = match nature {
            Nature::Json | Nature::Text => media_type.decode(response.body),
            _ => None,
        };
        let text = text.or_else(|| (reply == Reply::Text).then(|| String::from_utf8_lossy(response.body)));
        let object = begin(version, self.description(), out);
        write_message("user", object.out, |out| {
            let mut writer = Writer { version, meta: None, out };
            match (text, nature) {
                (Some(text), _) => writer.text(&text),
                (None, Nature::Image) => writer.media("image", &media_type, response.body),
                (None, Nature::Audio) if version >= ProtocolVersion::V2025_03_26 => {
                    writer.media("audio", &media_type, response.body);
                }
                (None, _) => writer.blob(self.name(), &media_type, response.body),
            }
        });
        end(object, version, meta);
        Ok(())
    }
}

/// A `GetPromptResult` of the upstream's own making. Its messages are copied, held to what the revision may receive. The
/// prompt is known by a name and perhaps a description.
pub(crate) fn write_mcp_prompt(
    (name, description): (&str, Option<&str>),
    version: ProtocolVersion,
    body: &[u8],
    meta: &str,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let result = Members::of(checked_json(body)?, "it")?;
    if result.get("jsonrpc").is_some() {
        return Err("it is a whole JSON-RPC message; answer with its \"result\" alone".into());
    }
    match result.text("resultType")?.as_deref() {
        None | Some("complete") => {}
        Some(other) => return Err(format!("its \"resultType\" is \"{other}\", not \"complete\"")),
    }
    let description = match result.text("description")? {
        Some(theirs) => Some(Cow::Owned(theirs)),
        None => description.map(Cow::Borrowed),
    };
    let messages = result.get("messages").ok_or("it has no \"messages\"")?;
    let messages: Vec<&RawValue> = serde_json::from_str(messages).map_err(|_| "its \"messages\" is not a list")?;
    let mut object = begin(version, description.as_deref(), out);
    for (index, message) in messages.iter().enumerate() {
        if index > 0 {
            object.out.push(b',');
        }
        let at = format!("messages[{index}]");
        let message = Members::of(message.get(), &at)?;
        let role = match message.get("role") {
            Some("\"user\"") => "user",
            Some("\"assistant\"") => "assistant",
            _ => return Err(format!("{at}.role is not \"user\" or \"assistant\"")),
        };
        let content = message.get("content").ok_or_else(|| format!("{at} has no \"content\""))?;
        let mut item = Object::begin(object.out);
        item.text("role", role);
        item.key("content");
        write_item(name, version, &format!("{at}.content"), content, item.out)?;
        item.end();
    }
    object.out.push(b']');
    const OWN: [&str; 4] = ["messages", "description", "resultType", "_meta"];
    for (name, json) in result.present().filter(|(name, _)| !OWN.contains(name)) {
        object.member(name, json);
    }
    write_meta(&result, version.is_stateless().then_some(meta), &mut object)?;
    object.end();
    Ok(())
}
