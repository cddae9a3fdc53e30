//! What came of reading a resource, as a `ReadResourceResult`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Resource;
use crate::ProtocolVersion;
use crate::failure::Failed;
use crate::http::UpstreamResponse;
use crate::tool::{MediaType, Members, Nature, Object, check_resource, checked_json, write_meta};

/// What the upstream's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// What its content type says.
    Auto,
    /// Text.
    Text,
    /// A `ReadResourceResult`.
    Mcp,
}

/// What surrounds the contents in a revision.
pub(crate) struct Around<'a> {
    pub(crate) version: ProtocolVersion,
    /// `ttlMs` and `cacheScope`, unless the upstream says other ones.
    pub(crate) ttl: u64,
    pub(crate) scope: &'static str,
    /// The `_meta` of the server's results.
    pub(crate) meta: &'a str,
}

impl Around<'_> {
    fn begin<'o>(&self, out: &'o mut Vec<u8>) -> Object<'o> {
        let mut object = Object::begin(out);
        if self.version.is_stateless() {
            object.text("resultType", "complete");
        }
        object
    }

    /// Ends a result of our own making.
    fn end(&self, mut object: Object<'_>) {
        if self.version.is_stateless() {
            object.member("ttlMs", &self.ttl.to_string());
            object.text("cacheScope", self.scope);
            object.member("_meta", self.meta);
        }
        object.end();
    }
}

/// Appends a result with this one text.
pub(crate) fn write_contents(around: &Around<'_>, uri: &str, mime_type: Option<&str>, text: &str, out: &mut Vec<u8>) {
    let mut object = around.begin(out);
    object.key("contents");
    object.out.push(b'[');
    let mut item = Object::begin(object.out);
    item.text("uri", uri);
    item.text("mimeType", mime_type.unwrap_or("text/plain"));
    item.text("text", text);
    item.end();
    object.out.push(b']');
    around.end(object);
}

impl Resource {
    /// Appends the result of a good answer.
    pub(crate) fn write_answer(
        &self,
        around: &Around<'_>,
        uri: &str,
        read: Read,
        response: &UpstreamResponse<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failed> {
        if read == Read::Mcp {
            return write_mcp_contents(around, response.body, out)
                .map_err(|why| Failed::noted(format!("the MCP result of its backend is invalid: {why}")));
        }
        let theirs = MediaType::parse(response.content_type);
        let of_file = || self.directory.as_ref().and_then(|directory| directory.media_type_of(uri));
        let ours = self.mime_type.as_deref().or_else(of_file);
        let ours = ours.map(|mime_type| MediaType::parse(Some(mime_type.as_bytes())));
        let media_type = ours.as_ref().unwrap_or(&theirs);
        let is_text = read == Read::Text
            || match media_type.nature() {
                Nature::Json | Nature::Text => true,
                // No type at all: the body has to speak for itself.
                Nature::Binary if media_type.essence.is_empty() => {
                    std::str::from_utf8(response.body).is_ok_and(|text| !text.contains('\0'))
                }
                _ => false,
            };
        // The operator's type says nothing of the charset.
        let text = if is_text { theirs.decode(response.body) } else { None };
        let text = text.or_else(|| (read == Read::Text).then(|| String::from_utf8_lossy(response.body)));
        let known = match (media_type.essence.is_empty(), &text) {
            (false, _) => &media_type.essence,
            (true, Some(_)) => "text/plain",
            (true, None) => "application/octet-stream",
        };
        let mut object = around.begin(out);
        object.key("contents");
        object.out.push(b'[');
        let mut item = Object::begin(object.out);
        item.text("uri", uri);
        item.text("mimeType", known);
        match text {
            Some(text) => item.text("text", &text),
            None => item.text("blob", &STANDARD.encode(response.body)),
        }
        item.end();
        object.out.push(b']');
        around.end(object);
        Ok(())
    }
}

/// A `ReadResourceResult` of the upstream's own making. Its contents are copied as they are; nulls are left out.
pub(crate) fn write_mcp_contents(around: &Around<'_>, body: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let result = Members::of(checked_json(body)?, "it")?;
    if result.get("jsonrpc").is_some() {
        return Err("it is a whole JSON-RPC message; answer with its \"result\" alone".into());
    }
    match result.text("resultType")?.as_deref() {
        None | Some("complete") => {}
        Some(other) => return Err(format!("its \"resultType\" is \"{other}\", not \"complete\"")),
    }
    let contents = result.get("contents").ok_or("it has no \"contents\"")?;
    let contents: Vec<&serde_json::value::RawValue> =
        serde_json::from_str(contents).map_err(|_| "its \"contents\" is not a list")?;
    let mut object = around.begin(out);
    object.key("contents");
    object.out.push(b'[');
    for (index, item) in contents.iter().enumerate() {
        if index > 0 {
            object.out.push(b',');
        }
        let at = format!("contents[{index}]");
        let item = Members::of(item.get(), &at)?;
        check_resource(&at, &item)?;
        item.write(object.out);
    }
    object.out.push(b']');
    const OWN: [&str; 5] = ["contents", "ttlMs", "cacheScope", "resultType", "_meta"];
    for (name, json) in result.present().filter(|(name, _)| !OWN.contains(name)) {
        object.member(name, json);
    }
    if around.version.is_stateless() {
        let ttl = result.get("ttlMs").map_or(Some(around.ttl), |json| json.parse().ok());
        object.member("ttlMs", &ttl.ok_or("its \"ttlMs\" is not a whole number")?.to_string());
        match result.text("cacheScope")?.as_deref() {
            None => object.text("cacheScope", around.scope),
            Some(scope @ ("public" | "private")) => object.text("cacheScope", scope),
            Some(other) => return Err(format!("its \"cacheScope\" is \"{other}\", not \"public\" or \"private\"")),
        }
    }
    let meta = around.version.is_stateless().then_some(around.meta);
    write_meta(&result, meta, &mut object)?;
    object.end();
    Ok(())
}
