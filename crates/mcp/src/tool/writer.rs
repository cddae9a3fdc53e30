//! A `CallToolResult`, written from front to back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::json;
use super::media_type::MediaType;
use super::result::Written;
use crate::ProtocolVersion;
use crate::http::Outcome;

/// Writes a result from front to back.
pub(crate) struct Writer<'w> {
    pub(crate) version: ProtocolVersion,
    pub(crate) meta: Option<&'w str>,
    pub(crate) out: &'w mut Vec<u8>,
}

impl Writer<'_> {
    pub(crate) fn open(&mut self) {
        self.push(if self.version.is_stateless() {
            "{\"resultType\":\"complete\",\"content\":["
        } else {
            "{\"content\":["
        });
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.push("{\"type\":\"text\",\"text\":");
        json::write_string(text, self.out);
        self.push("}");
    }

    pub(crate) fn media(&mut self, kind: &str, media_type: &MediaType, body: &[u8]) {
        self.push("{\"type\":\"");
        self.push(kind);
        self.push("\",\"mimeType\":");
        json::write_string(&media_type.essence, self.out);
        self.push(",\"data\":\"");
        self.base64(body);
        self.push("\"}");
    }

    pub(crate) fn blob(&mut self, tool: &str, media_type: &MediaType, body: &[u8]) {
        let known = !media_type.essence.is_empty();
        self.push("{\"type\":\"resource\",\"resource\":{\"uri\":");
        json::write_string(&result_uri(tool), self.out);
        self.push(",\"mimeType\":");
        json::write_string(if known { &media_type.essence } else { "application/octet-stream" }, self.out);
        self.push(",\"blob\":\"");
        self.base64(body);
        self.push("\"}}");
    }

    fn base64(&mut self, body: &[u8]) {
        let start = self.out.len();
        self.out.resize(start + body.len().div_ceil(3) * 4, 0);
        // The length is exact, so this cannot fail; if it could, no result would hold half of a body.
        let length = STANDARD.encode_slice(body, &mut self.out[start..]).unwrap_or(0);
        self.out.truncate(start + length);
    }

    pub(crate) fn close(&mut self, structured: Option<&str>, is_error: bool) {
        self.push("]");
        if let Some(json) = structured {
            self.push(",\"structuredContent\":");
            self.push(json);
        }
        self.push(if is_error { ",\"isError\":true" } else { ",\"isError\":false" });
        if let Some(meta) = self.meta {
            self.push(",\"_meta\":");
            self.push(meta);
        }
        self.push("}");
    }

    pub(crate) fn error(&mut self, text: &str, note: Option<String>) -> Written {
        self.open();
        self.text(text);
        self.close(None, true);
        Written { outcome: Outcome::ToolError, note }
    }

    fn push(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// The name of a result that is a resource of its own; the upstream's address is nobody's business.
pub(crate) fn result_uri(tool: &str) -> String {
    format!("mcp://tool/{tool}/result")
}
