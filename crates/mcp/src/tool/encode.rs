//! Values as text, encoded for the place in a request where they go.

use std::borrow::Cow;

use serde_json::Value;

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// A value as text before encoding: strings as they are, everything else as JSON; none for null.
pub(super) fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        other => Some(Cow::Owned(other.to_string())),
    }
}

/// Which characters of a text stand for themselves in the place where it goes, and what becomes of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chars {
    /// RFC 3986's unreserved characters; the others are percent-encoded.
    Unreserved,
    /// `allowReserved` in a query: RFC 3986's reserved characters and percent-encoded triples, too, but for those that
    /// end a value or the query, or that a form reads as a space: `&`, `#`, `+`, and the brackets that no query has.
    QueryReserved,
    /// `allowReserved` in a path: the same, but for those that end a segment or the path.
    SegmentReserved,
    /// The cookie-octets of RFC 6265 without `%`; the others are percent-encoded.
    CookieOctets,
    /// Those of `application/x-www-form-urlencoded`.
    Form,
    /// Those of a header line; nothing is encoded, what does not fit is refused.
    Header,
    /// Cookie-octets; nothing is encoded, what does not fit is refused.
    Cookie,
    /// Everything.
    Any,
}

impl Chars {
    /// Appends a text. Characters of `delimiters` are encoded although they could stand for themselves.
    pub(super) fn write(self, text: &str, delimiters: &[u8], out: &mut String) -> Result<(), &'static str> {
        match self {
            Self::Unreserved if delimiters.is_empty() => percent(text, out),
            Self::Unreserved => encode(text, out, |byte| is_unreserved(byte) && !delimiters.contains(&byte)),
            Self::QueryReserved => {
                triples(text, out, |byte| {
                    (is_unreserved(byte) || b"!$'()*,/:;=?@".contains(&byte)) && !delimiters.contains(&byte)
                });
            }
            Self::SegmentReserved => {
                triples(text, out, |byte| {
                    (is_unreserved(byte) || b"!$&'()*+,:;=@".contains(&byte)) && !delimiters.contains(&byte)
                });
            }
            Self::CookieOctets => encode(text, out, |byte| is_cookie_octet(byte) && byte != b'%'),
            Self::Form => form(text, out),
            Self::Header if !text.bytes().all(|byte| matches!(byte, b'\t' | 0x20..=0x7E)) => {
                return Err("must be ASCII without line breaks and control characters, as it goes into a header");
            }
            Self::Cookie if !text.bytes().all(is_cookie_octet) => {
                return Err(
                    "must be ASCII without spaces, quotes, \",\", \";\" and \"\\\", as it goes into a cookie as it is",
                );
            }
            Self::Header | Self::Cookie | Self::Any => out.push_str(text),
        }
        Ok(())
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn is_cookie_octet(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2B | 0x2D..=0x3A | 0x3C..=0x5B | 0x5D..=0x7E)
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(super) fn percent(text: &str, out: &mut String) {
    encode(text, out, is_unreserved);
}

/// Percent-encodes what does not stand for itself in the path of a URI.
pub(crate) fn path(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    encode(text, &mut out, |byte| is_unreserved(byte) || b"!$&'()*+,;=:@/".contains(&byte));
    out
}

/// Encodes for `application/x-www-form-urlencoded`.
pub(super) fn form(text: &str, out: &mut String) {
    for (i, piece) in text.split(' ').enumerate() {
        if i > 0 {
            out.push('+');
        }
        encode(piece, out, is_form_byte);
    }
}

/// The same for bytes that are no text.
pub(super) fn form_bytes(bytes: &[u8], out: &mut String) {
    for &byte in bytes {
        match byte {
            b' ' => out.push('+'),
            byte if is_form_byte(byte) => out.push(char::from(byte)),
            byte => escape(byte, out),
        }
    }
}

fn is_form_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'-' | b'.' | b'_')
}

/// A name or text, encoded.
pub(super) fn encoded(text: &str, encode: fn(&str, &mut String)) -> String {
    let mut out = String::new();
    encode(text, &mut out);
    out
}

fn encode(text: &str, out: &mut String, keep: impl Fn(u8) -> bool) {
    // Everything kept is ASCII, so a run of kept bytes begins and ends on a character's border.
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| !keep(byte)) {
        out.push_str(&rest[..at]);
        let width = rest[at..].chars().next().map_or(1, char::len_utf8);
        for byte in rest[at..at + width].bytes() {
            escape(byte, out);
        }
        rest = &rest[at + width..];
    }
    out.push_str(rest);
}

fn escape(byte: u8, out: &mut String) {
    out.push('%');
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}

/// The same, where what is percent-encoded already stays as it is.
fn triples(text: &str, out: &mut String, keep: impl Fn(u8) -> bool) {
    for (i, piece) in text.split('%').enumerate() {
        if i > 0 {
            out.push_str(if begins_with_hex(piece) { "%" } else { "%25" });
        }
        encode(piece, out, &keep);
    }
}

/// Whether a text that follows a `%` makes an escape of it.
pub(super) fn begins_with_hex(text: &str) -> bool {
    text.get(..2).is_some_and(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether a receiver that decodes the segment, however often, finds a step up or nowhere in it.
pub(super) fn has_dot_segment(segment: &str) -> bool {
    if !segment.contains('.') && !segment.contains('%') {
        return false;
    }
    // Decoding takes away no dot and nothing that ends a part, so the last form shows what any before it did.
    let decoded = decode_throughout(segment.as_bytes());
    let mut parts = decoded.split(|byte| matches!(byte, b'/' | b'\\'));
    // Some servers drop what follows a ";", so that "..;a" is a step up, too.
    parts.any(|part| matches!(part.split(|byte| *byte == b';').next(), Some(b"." | b"..")))
}

/// Percent-decodes until there is nothing left to decode, in one pass: a chain of `%2525…` has as many layers as it has
/// bytes, nearly.
fn decode_throughout(bytes: &[u8]) -> Vec<u8> {
    let hex = |byte: u8| char::from(byte).to_digit(16);
    let mut decoded: Vec<u8> = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        decoded.push(byte);
        // No escape holds the beginning of another one, so that only the last bytes can have become one.
        while let [.., b'%', high, low] = decoded[..] {
            let (Some(high), Some(low)) = (hex(high), hex(low)) else { break };
            decoded.truncate(decoded.len() - 3);
            decoded.push((high * 16 + low) as u8);
        }
    }
    decoded
}

/// Percent-decodes once; what is not an escape stays as it is.
pub(crate) fn decode(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        match (bytes[i], hex(i + 1), hex(i + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                i += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                i += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn encoded(chars: Chars, text: &str) -> String {
        let mut out = String::new();
        chars.write(text, b"", &mut out).unwrap();
        out
    }

    #[test]
    fn every_place_has_its_encoding() {
        let cases = [
            ("plain-1.0_~", "plain-1.0_~", "plain-1.0_~", "plain-1.0_%7E"),
            ("a b", "a%20b", "a%20b", "a+b"),
            ("a+b", "a%2Bb", "a+b", "a%2Bb"),
            ("a/../b", "a%2F..%2Fb", "a/../b", "a%2F..%2Fb"),
            ("a?b#c&d=e", "a%3Fb%23c%26d%3De", "a?b#c&d=e", "a%3Fb%23c%26d%3De"),
            ("1; admin=true", "1%3B%20admin%3Dtrue", "1%3B%20admin=true", "1%3B+admin%3Dtrue"),
            ("\"\\,", "%22%5C%2C", "%22%5C%2C", "%22%5C%2C"),
            ("50%", "50%25", "50%25", "50%25"),
            ("é日", "%C3%A9%E6%97%A5", "%C3%A9%E6%97%A5", "%C3%A9%E6%97%A5"),
            ("\r\n\0", "%0D%0A%00", "%0D%0A%00", "%0D%0A%00"),
            ("*", "%2A", "*", "*"),
            ("", "", "", ""),
        ];
        for (text, in_percent, in_cookie, in_form) in cases {
            assert_eq!(encoded(Chars::Unreserved, text), in_percent);
            assert_eq!(encoded(Chars::CookieOctets, text), in_cookie);
            assert_eq!(encoded(Chars::Form, text), in_form);
            let mut bytes = String::new();
            form_bytes(text.as_bytes(), &mut bytes);
            assert_eq!(bytes, in_form);
            assert_eq!(encoded(Chars::Any, text), text);
        }
    }

    #[test]
    fn reserved_characters_stay_where_they_end_nothing() {
        let cases = [
            (":/?#[]@", ":/?%23%5B%5D@", ":%2F%3F%23%5B%5D@"),
            ("!$&'()*+,;=", "!$%26'()*%2B,;=", "!$&'()*+,;="),
            ("a%2Fb%2fc", "a%2Fb%2fc", "a%2Fb%2fc"),
            ("50%, %2, %zz%", "50%25,%20%252,%20%25zz%25", "50%25,%20%252,%20%25zz%25"),
            ("é\r\n\"", "%C3%A9%0D%0A%22", "%C3%A9%0D%0A%22"),
        ];
        for (text, in_query, in_path) in cases {
            assert_eq!(encoded(Chars::QueryReserved, text), in_query);
            assert_eq!(encoded(Chars::SegmentReserved, text), in_path);
        }
        let mut out = String::new();
        Chars::QueryReserved.write("a,b", b",", &mut out).unwrap();
        assert_eq!(out, "a%2Cb");
    }

    #[test]
    fn what_is_never_encoded_is_refused() {
        for text in ["a\r\nX: 1", "a\nb", "a\0b", "é", "\u{7f}"] {
            assert!(Chars::Header.write(text, b"", &mut String::new()).is_err());
            assert!(Chars::Cookie.write(text, b"", &mut String::new()).is_err());
        }
        for text in ["a;b", "a b", "a,b", "\"a\"", "a\\b"] {
            assert_eq!(encoded(Chars::Header, text), text);
            assert!(Chars::Cookie.write(text, b"", &mut String::new()).is_err());
        }
        assert_eq!(encoded(Chars::Cookie, "a=b%20"), "a=b%20");
    }

    #[test]
    fn values_become_text_without_loss() {
        let cases = [
            (json!("5"), Some("5")),
            (json!(true), Some("true")),
            (json!(18446744073709551615u64), Some("18446744073709551615")),
            (json!(-9223372036854775808i64), Some("-9223372036854775808")),
            (json!(1.0), Some("1.0")),
            (json!(0.1), Some("0.1")),
            (json!({"a": [1, "x"]}), Some(r#"{"a":[1,"x"]}"#)),
            (Value::Null, None),
        ];
        for (value, expected) in cases {
            assert_eq!(text(&value).as_deref(), expected);
        }
    }

    #[test]
    fn dot_segments_are_seen_through_any_encoding() {
        for segment in [
            ".",
            "..",
            "%2e%2e",
            "%252e%252E",
            ".%2E",
            "..%2Fadmin",
            "a%2F..%2Fb",
            "..%5Cadmin",
            "a%5c.",
            "..;a",
            "%2e%2e;a",
            "..%3Ba",
            "a%2F..%3Bb%2Fc",
            "%%32%65.",
        ] {
            assert!(has_dot_segment(segment), "{segment}");
        }
        for segment in [
            "a",
            "...",
            "a.b",
            ".hidden",
            "v1.",
            "..a",
            "100%25",
            "a%2Fb",
            "%2e%2e%2e",
            ";a=..",
            "a;.",
            "%",
            "%2",
            ".%",
        ] {
            assert!(!has_dot_segment(segment), "{segment}");
        }
    }

    #[test]
    fn layers_of_encoding_cost_no_more_than_their_bytes() {
        // A pass for each layer would take minutes.
        assert!(has_dot_segment(&format!("%{}2e", "25".repeat(500_000))));
    }
}
