//! Header values: what the client accepts and sends, and the headers that repeat parts of the body.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::Error;
use crate::http::Headers;

/// Without the spaces and tabs around it; nginx leaves the tabs.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The headers that every request is judged by, found in one pass over the lines.
#[derive(Debug, Default)]
pub(crate) struct Known<'a> {
    pub(crate) host: Header<'a>,
    pub(crate) origin: Header<'a>,
    pub(crate) content_type: Header<'a>,
    pub(crate) accept: Header<'a>,
    pub(crate) protocol_version: Header<'a>,
    pub(crate) session_id: Header<'a>,
    pub(crate) method: Header<'a>,
    pub(crate) name: Header<'a>,
}

impl<'a> Known<'a> {
    pub(crate) fn of(headers: Headers<'a>) -> Self {
        let mut known = Known::default();
        for (name, value) in headers.iter() {
            let header = match name {
                b"host" => &mut known.host,
                b"origin" => &mut known.origin,
                b"content-type" => &mut known.content_type,
                b"accept" => &mut known.accept,
                b"mcp-protocol-version" => &mut known.protocol_version,
                b"mcp-session-id" => &mut known.session_id,
                b"mcp-method" => &mut known.method,
                b"mcp-name" => &mut known.name,
                _ => continue,
            };
            header.add(value);
        }
        known
    }
}

/// What was sent under one name.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Header<'a> {
    /// The first line's value, without the spaces and tabs around it.
    pub(crate) value: Option<&'a [u8]>,
    /// A further line has another value.
    pub(crate) is_ambiguous: bool,
}

impl<'a> Header<'a> {
    /// A header that the host found.
    pub(crate) fn one(value: Option<&'a [u8]>) -> Self {
        let mut header = Header::default();
        value.into_iter().for_each(|line| header.add(line));
        header
    }

    /// The header of a name that only some requests have.
    pub(crate) fn find(headers: Headers<'a>, name: &str) -> Self {
        let mut header = Header::default();
        headers.get_all(name).for_each(|line| header.add(line));
        header
    }

    fn add(&mut self, line: &'a [u8]) {
        let value = trim(line);
        let first = *self.value.get_or_insert(value);
        self.is_ambiguous |= first != value;
    }

    /// The one value of a header that repeats a part of the body. Lines that disagree are a mismatch: what stands
    /// before this server may have gone by another one of them.
    pub(crate) fn mirror(self, name: &str) -> Result<Option<&'a [u8]>, Error> {
        let Some(value) = self.value else { return Ok(None) };
        if self.is_ambiguous {
            return Err(Error::HeaderMismatch(format!(
                "header {} is given twice with different values",
                spelled(name)
            )));
        }
        // All of it at once: a loop that may end early looks at one byte at a time.
        if !value.iter().fold(true, |sent, byte| sent & matches!(byte, b'\t' | b' '..=b'~')) {
            return Err(Error::HeaderMismatch(format!("header {} contains invalid characters", spelled(name))));
        }
        Ok(Some(value))
    }
}

/// A value cut to what is sensible in an error message.
pub(crate) fn shown(value: &[u8]) -> String {
    String::from_utf8_lossy(&value[..value.len().min(128)]).into_owned()
}

/// The type of an answer to one message.
pub(crate) const JSON: &str = "application/json";
/// The type of a stream of messages.
pub(crate) const EVENT_STREAM: &str = "text/event-stream";

/// Whether an answer of this type is welcome. Of several ranges that match, the most specific one decides.
pub(crate) fn accepts(media_type: &str, accept: Header<'_>, headers: Headers<'_>) -> bool {
    // What the SDKs send need not be taken apart: it has both of the types that there are.
    if accept.value == Some(b"application/json, text/event-stream") && !accept.is_ambiguous {
        return true;
    }
    let family = media_type.split_inclusive('/').next().unwrap_or_default().as_bytes();
    let mut best: Option<(u8, bool)> = None;
    for line in headers.get_all("accept") {
        for range in line.split(|byte| *byte == b',') {
            let mut parts = range.split(|byte| *byte == b';').map(trim);
            let specificity = match parts.next() {
                Some(b"*/*") => 1,
                Some(name) if name.eq_ignore_ascii_case(media_type.as_bytes()) => 3,
                Some(name) if name.strip_suffix(b"*").is_some_and(|name| name.eq_ignore_ascii_case(family)) => 2,
                _ => continue,
            };
            let welcome = !parts.any(is_zero_quality);
            best = match best {
                Some((level, _)) if level > specificity => best,
                Some((level, before)) if level == specificity => Some((level, before || welcome)),
                _ => Some((specificity, welcome)),
            };
        }
    }
    match best {
        Some((_, welcome)) => welcome,
        None => headers.get_all("accept").all(|line| trim(line).is_empty()),
    }
}

/// Whether a parameter is `q=0`, `q=0.0` ….
fn is_zero_quality(parameter: &[u8]) -> bool {
    match parameter {
        [b'q' | b'Q', b'=', digits @ ..] => !digits.is_empty() && digits.iter().all(|byte| matches!(byte, b'0' | b'.')),
        _ => false,
    }
}

/// Whether the body is said to be JSON in UTF-8.
pub(crate) fn is_json(content_type: Header<'_>) -> bool {
    let Some(content_type) = content_type.value else { return false };
    if content_type == b"application/json" {
        return true;
    }
    let mut parts = content_type.split(|byte| *byte == b';').map(trim);
    parts.next().is_some_and(|name| name.eq_ignore_ascii_case(b"application/json"))
        && parts.all(|parameter| match parameter.iter().position(|byte| *byte == b'=') {
            Some(equals) if parameter[..equals].eq_ignore_ascii_case(b"charset") => {
                let charset = &parameter[equals + 1..];
                let charset = charset.strip_prefix(b"\"").and_then(|c| c.strip_suffix(b"\"")).unwrap_or(charset);
                charset.eq_ignore_ascii_case(b"utf-8") || charset.eq_ignore_ascii_case(b"utf8")
            }
            _ => true,
        })
}

/// The value behind `=?base64?…?=`, or the value as it stands.
pub(crate) fn decode<'a>(name: &str, value: &'a [u8]) -> Result<Cow<'a, [u8]>, Error> {
    let Some(encoded) = value.strip_prefix(b"=?base64?").and_then(|rest| rest.strip_suffix(b"?=")) else {
        return Ok(Cow::Borrowed(value));
    };
    let decoded = STANDARD.decode(encoded).ok().filter(|bytes| std::str::from_utf8(bytes).is_ok());
    decoded
        .map(Cow::Owned)
        .ok_or_else(|| Error::HeaderMismatch(format!("header {} is not valid Base64 of UTF-8 text", spelled(name))))
}

/// A header's name as clients write it: `mcp-param-region` is `Mcp-Param-Region`.
pub(crate) fn spelled(name: &str) -> String {
    if name == "mcp-protocol-version" {
        return "MCP-Protocol-Version".to_owned();
    }
    let mut start = true;
    let spell = |letter: char| {
        let spelled = if start { letter.to_ascii_uppercase() } else { letter };
        start = letter == '-';
        spelled
    };
    name.chars().map(spell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_of_base64_must_be_whole() {
        let decode = |value: &str| {
            decode("mcp-param-a", value.as_bytes()).map(|decoded| String::from_utf8(decoded.into_owned()).unwrap())
        };
        assert_eq!(decode("=?base64?SGVsbG8=?=").as_deref(), Ok("Hello"));
        assert_eq!(decode("=?base64??=").as_deref(), Ok(""));
        for literal in ["SGVsbG8=", "=?base64?SGVsbG8=", "base64?SGVsbG8=?=", "=?BASE64?SGVsbG8=?=", "=?base64?="] {
            assert_eq!(decode(literal).as_deref(), Ok(literal));
        }
        for wrong in ["=?base64?SGVsbG8?=", "=?base64?SGVs!!!bG8=?=", "=?base64?SGVsbG9=?=", "=?base64?/w==?="] {
            assert!(matches!(decode(wrong), Err(Error::HeaderMismatch(why)) if why.contains("Mcp-Param-A")), "{wrong}");
        }
    }

    #[test]
    fn the_most_specific_range_decides() {
        for (accept, json, events) in [
            (&[][..], true, true),
            (&[""], true, true),
            (&["application/json, text/event-stream"], true, true),
            (&["application/json", "Text/Event-Stream;q=0.5"], true, true),
            (&["application/json"], true, false),
            (&["text/event-stream"], false, true),
            (&["text/*"], false, true),
            (&["*/*"], true, true),
            (&["*/*, text/event-stream;q=0"], true, false),
            (&["text/*;q=0, text/event-stream"], false, true),
            (&["text/html"], false, false),
            (&["te/*, text*, text/event-streams"], false, false),
        ] {
            let lines: Vec<_> = accept.iter().map(|line| (&b"accept"[..], line.as_bytes())).collect();
            let headers = Headers(&lines);
            let accepted = |media_type| accepts(media_type, Known::of(headers).accept, headers);
            assert_eq!((accepted(JSON), accepted(EVENT_STREAM)), (json, events), "{accept:?}");
        }
    }

    #[test]
    fn spaces_and_tabs_are_trimmed() {
        for (value, trimmed) in [("", ""), (" \t ", ""), ("a", "a"), ("\ta b ", "a b")] {
            assert_eq!(trim(value.as_bytes()), trimmed.as_bytes());
        }
    }
}
