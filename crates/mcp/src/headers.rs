//! Header values: what the client accepts and sends, and the headers that repeat parts of the body.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::Error;
use crate::http::Headers;

/// Without the spaces and tabs around it; nginx leaves the tabs.
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    let is_ows = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !is_ows(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_ows(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

/// A header's value as text; none for bytes that are no text.
pub(crate) fn value<'a>(headers: &Headers<'a>, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| std::str::from_utf8(trim(value)).ok())
}

/// A value cut to what is sensible in an error message.
pub(crate) fn shown(value: &[u8]) -> String {
    String::from_utf8_lossy(&value[..value.len().min(128)]).into_owned()
}

/// Whether an answer in JSON is welcome. Of several ranges that match, the most specific one decides.
pub(crate) fn accepts_json(headers: &Headers<'_>) -> bool {
    let mut best: Option<(u8, bool)> = None;
    for line in headers.get_all("accept") {
        for range in line.split(|byte| *byte == b',') {
            let mut parts = range.split(|byte| *byte == b';').map(trim);
            let specificity = match parts.next() {
                Some(b"*/*") => 1,
                Some(name) if name.eq_ignore_ascii_case(b"application/*") => 2,
                Some(name) if name.eq_ignore_ascii_case(b"application/json") => 3,
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
pub(crate) fn is_json(headers: &Headers<'_>) -> bool {
    let Some(content_type) = headers.get("content-type") else { return false };
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

/// The one value of a header that repeats a part of the body. Lines that disagree are a mismatch: what stands before
/// this server may have gone by another one of them.
pub(crate) fn mirror<'a>(headers: &Headers<'a>, name: &str) -> Result<Option<&'a str>, Error> {
    let mut lines = headers.get_all(name).map(trim);
    let Some(first) = lines.next() else { return Ok(None) };
    if lines.any(|other| other != first) {
        return Err(Error::HeaderMismatch(format!("header {} is given twice with different values", spelled(name))));
    }
    let is_plain = first.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    match std::str::from_utf8(first) {
        Ok(value) if is_plain => Ok(Some(value)),
        _ => Err(Error::HeaderMismatch(format!("header {} contains invalid characters", spelled(name)))),
    }
}

/// The value behind `=?base64?…?=`, or the value as it stands.
pub(crate) fn decode<'a>(name: &str, value: &'a str) -> Result<Cow<'a, str>, Error> {
    let Some(encoded) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Ok(Cow::Borrowed(value));
    };
    let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
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
        let decode = |value| decode("mcp-param-a", value).map(Cow::into_owned);
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
    fn spaces_and_tabs_are_trimmed() {
        for (value, trimmed) in [("", ""), (" \t ", ""), ("a", "a"), ("\ta b ", "a b")] {
            assert_eq!(trim(value.as_bytes()), trimmed.as_bytes());
        }
    }
}
