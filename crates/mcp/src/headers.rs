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

/// What a client takes for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accept {
    /// One message, or an array of them.
    pub(crate) json: bool,
    /// A stream of messages.
    pub(crate) events: bool,
    /// Of the two rather a stream, even of one message.
    pub(crate) prefers_events: bool,
}

impl Accept {
    /// Whatever comes: the client says nothing of it.
    pub(crate) const ANYTHING: Accept = Accept { json: true, events: true, prefers_events: false };

    /// Judges both types. Of several ranges that match one of them, the most specific decides. The higher quality is preferred,
    /// and of two that are the same what is named first.
    pub(crate) fn of(accept: Header<'_>, headers: Headers<'_>) -> Accept {
        // What the SDKs send need not be taken apart: it has both of the types that there are.
        if accept.value == Some(b"application/json, text/event-stream") && !accept.is_ambiguous {
            return Accept::ANYTHING;
        }
        if headers.get_all("accept").all(|line| trim(line).is_empty()) {
            return Accept::ANYTHING;
        }
        let ranges = headers.get_all("accept").flat_map(|line| line.split(|byte| *byte == b','));
        let (mut json, mut events) = (Preference::default(), Preference::default());
        for (place, range) in ranges.enumerate() {
            json.take(JSON, range, place);
            events.take(EVENT_STREAM, range, place);
        }
        let is_earlier = events.quality == json.quality && events.place < json.place;
        Accept {
            json: json.quality > 0,
            events: events.quality > 0,
            prefers_events: events.quality > json.quality || (events.quality > 0 && is_earlier),
        }
    }
}

/// How much one type is wanted.
#[derive(Debug, Default)]
struct Preference {
    /// How closely the range that decides fits; 0 if there is none.
    specificity: u8,
    /// In thousandths; 0 is not at all.
    quality: u16,
    /// Where it stands among the ranges.
    place: usize,
}

impl Preference {
    /// Takes the next range, if it is one of this type.
    fn take(&mut self, media_type: &str, range: &[u8], place: usize) {
        let family = media_type.split_inclusive('/').next().unwrap_or_default().as_bytes();
        let mut parts = range.split(|byte| *byte == b';').map(trim);
        let specificity = match parts.next() {
            Some(b"*/*") => 1,
            Some(name) if name.eq_ignore_ascii_case(media_type.as_bytes()) => 3,
            Some(name) if name.strip_suffix(b"*").is_some_and(|name| name.eq_ignore_ascii_case(family)) => 2,
            _ => return,
        };
        let quality = parts.find_map(quality).unwrap_or(1000);
        if (specificity, quality) > (self.specificity, self.quality) || self.specificity == 0 {
            *self = Preference { specificity, quality, place };
        }
    }
}

/// The quality that a parameter gives, in thousandths. None if it is another parameter, or gives none.
fn quality(parameter: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', whole @ (b'0' | b'1'), rest @ ..] = parameter else { return None };
    let places = match rest {
        [] => rest,
        [b'.', places @ ..] if places.len() <= 3 && places.iter().all(u8::is_ascii_digit) => places,
        _ => return None,
    };
    let thousandths = places.iter().chain(b"000").take(3).fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    Some(if *whole == b'1' { 1000 } else { thousandths })
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

    /// Of a client that sends these lines.
    fn accepted(lines: &[&str]) -> (bool, bool, bool) {
        let lines: Vec<_> = lines.iter().map(|line| (&b"accept"[..], line.as_bytes())).collect();
        let headers = Headers(&lines);
        let Accept { json, events, prefers_events } = Accept::of(Known::of(headers).accept, headers);
        (json, events, prefers_events)
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
            (&["application/json;q=0.000, */*;q=0.1"], false, true),
        ] {
            let (takes_json, takes_events, _) = accepted(accept);
            assert_eq!((takes_json, takes_events), (json, events), "{accept:?}");
        }
    }

    #[test]
    fn a_stream_is_preferred_by_quality_then_by_its_place() {
        for (accept, prefers_events) in [
            (&[][..], false),
            (&["application/json, text/event-stream"], false),
            (&["application/json,text/event-stream"], false),
            (&["text/event-stream, application/json"], true),
            (&["text/event-stream", "application/json"], true),
            (&["application/json", "text/event-stream"], false),
            (&["text/event-stream;q=0.9, application/json"], false),
            (&["text/event-stream;q=0.9, application/json;q=0.90"], true),
            (&["application/json;q=0.5, text/event-stream; q=0.501"], true),
            (&["application/json, text/event-stream;q=1.000"], false),
            (&["*/*"], false),
            (&["text/event-stream, */*"], true),
            (&["*/*, text/event-stream"], false),
            (&["*/*;q=0.1, text/event-stream"], true),
            (&["text/*, application/*"], true),
            (&["text/event-stream"], true),
            (&["text/event-stream;q=0, application/json;q=0"], false),
            (&["text/event-stream;q=2, application/json"], true),
            (&["text/event-stream;q=high, application/json"], true),
            (&["text/event-stream;q=0.1234, application/json"], true),
        ] {
            assert_eq!(accepted(accept).2, prefers_events, "{accept:?}");
        }
    }

    #[test]
    fn spaces_and_tabs_are_trimmed() {
        for (value, trimmed) in [("", ""), (" \t ", ""), ("a", "a"), ("\ta b ", "a b")] {
            assert_eq!(trim(value.as_bytes()), trimmed.as_bytes());
        }
    }
}
