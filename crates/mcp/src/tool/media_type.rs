//! What a `Content-Type` says a body is.

use std::borrow::Cow;

const JSON: &str = "application/json";

/// A body's nature, as far as a result can carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    Json,
    Text,
    Image,
    Audio,
    Binary,
}

/// A `Content-Type` value, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaType {
    /// `type/subtype`, lower case; empty when there is none.
    pub(crate) essence: Cow<'static, str>,
    charset: Option<String>,
}

impl MediaType {
    pub(crate) fn parse(value: Option<&[u8]>) -> MediaType {
        // What most say need not be taken apart.
        if value == Some(JSON.as_bytes()) {
            return MediaType { essence: Cow::Borrowed(JSON), charset: None };
        }
        let value = value.and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
        let mut parts = value.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        let is_type = |essence: &str| {
            let token = |name: &str| {
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
            };
            essence.split_once('/').is_some_and(|(a, b)| token(a) && token(b))
        };
        let charset = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_ascii_lowercase())
        });
        MediaType { essence: if is_type(&essence) { Cow::Owned(essence) } else { Cow::Borrowed("") }, charset }
    }

    pub(crate) fn nature(&self) -> Nature {
        const TEXTS: [&str; 14] = [
            "application/xml",
            "application/yaml",
            "application/x-yaml",
            "application/toml",
            "application/javascript",
            "application/ecmascript",
            "application/sql",
            "application/graphql",
            "application/x-www-form-urlencoded",
            "application/x-ndjson",
            "application/ndjson",
            "application/jsonl",
            "application/x-sh",
            "application/rtf",
        ];
        if self.essence == JSON {
            return Nature::Json;
        }
        let (kind, subtype) = self.essence.split_once('/').unwrap_or_default();
        match kind {
            _ if subtype == "json" || subtype.ends_with("+json") => Nature::Json,
            _ if subtype.ends_with("+xml") || subtype.ends_with("+yaml") || TEXTS.contains(&self.essence.as_ref()) => {
                Nature::Text
            }
            "text" => Nature::Text,
            "image" => Nature::Image,
            "audio" => Nature::Audio,
            _ => Nature::Binary,
        }
    }

    /// The text of a body; none when it is in a charset that is not known here.
    pub(crate) fn decode<'b>(&self, body: &'b [u8]) -> Option<Cow<'b, str>> {
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        match (simdutf8::basic::from_utf8(body), self.charset.as_deref()) {
            (Ok(text), None | Some("utf-8" | "utf8" | "us-ascii" | "ascii")) => Some(Cow::Borrowed(text)),
            (_, Some("utf-8" | "utf8" | "us-ascii" | "ascii")) => Some(String::from_utf8_lossy(body)),
            (_, Some("iso-8859-1" | "latin1" | "l1" | "windows-1252" | "cp1252") | None) => {
                Some(Cow::Owned(body.iter().map(|&byte| windows_1252(byte)).collect()))
            }
            // A charset of which only the ASCII part is known.
            (Ok(text), Some(_)) if text.is_ascii() && !text.contains('\0') && !text.contains('\x1b') => {
                Some(Cow::Borrowed(text))
            }
            _ => None,
        }
    }
}

/// What the Encoding Standard takes Latin-1 for, too.
fn windows_1252(byte: u8) -> char {
    const C1: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9F => C1[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// Whether bodies of a content type are JSON.
pub(crate) fn is_json(content_type: &str) -> bool {
    MediaType::parse(Some(content_type.as_bytes())).nature() == Nature::Json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_tell_a_bodys_nature() {
        let cases = [
            ("application/json", Nature::Json),
            ("Application/Problem+JSON; charset=utf-8", Nature::Json),
            ("text/json", Nature::Json),
            ("text/html;charset=utf-8", Nature::Text),
            ("text/event-stream", Nature::Text),
            ("application/x-ndjson", Nature::Text),
            ("image/svg+xml", Nature::Text),
            ("application/atom+xml", Nature::Text),
            ("image/png", Nature::Image),
            ("audio/mpeg", Nature::Audio),
            ("application/pdf", Nature::Binary),
            ("application/octet-stream", Nature::Binary),
            ("nonsense", Nature::Binary),
            ("", Nature::Binary),
        ];
        for (value, nature) in cases {
            assert_eq!(MediaType::parse(Some(value.as_bytes())).nature(), nature, "{value}");
        }
        assert_eq!(MediaType::parse(Some(b"image/\"png")).essence, "");
        assert_eq!(MediaType::parse(Some(b"\xFF/a")).essence, "");
        assert_eq!(MediaType::parse(None).essence, "");
    }

    #[test]
    fn charsets_are_decoded() {
        let decode = |content_type: &str, body: &[u8]| {
            MediaType::parse(Some(content_type.as_bytes())).decode(body).map(Cow::into_owned)
        };
        let cases: [(&str, &[u8], Option<&str>); 13] = [
            ("text/plain", "é".as_bytes(), Some("é")),
            ("text/plain", b"\xE9", Some("é")),
            ("text/plain; charset=UTF-8", "\u{feff}é".as_bytes(), Some("é")),
            ("text/plain; charset=utf-8", b"a\xE9", Some("a\u{fffd}")),
            ("text/plain; Charset=\"ISO-8859-1\"", b"\xE9\x80", Some("é€")),
            ("text/plain; charset=latin1", "é".as_bytes(), Some("Ã©")),
            ("text/plain; charset=windows-1252", b"\x93x\x94", Some("“x”")),
            ("text/plain; charset=us-ascii", b"abc", Some("abc")),
            ("text/plain; a=b; charset=shift_jis", b"abc", Some("abc")),
            ("text/plain; charset=shift_jis", b"\x93\xFA", None),
            ("text/plain; charset=utf-16le", b"a\0b\0", None),
            ("text/plain; charset=iso-2022-jp", b"\x1b$B", None),
            ("text/plain; charset=", b"abc", Some("abc")),
        ];
        for (content_type, body, expected) in cases {
            assert_eq!(decode(content_type, body).as_deref(), expected, "{content_type}");
        }
    }
}
