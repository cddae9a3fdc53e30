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

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(super) fn percent(text: &str, out: &mut String) {
    encode(text, out, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'));
}

/// Percent-encodes what is not a cookie-octet of RFC 6265, and `%` itself.
pub(super) fn cookie(text: &str, out: &mut String) {
    encode(text, out, |byte| {
        matches!(byte, 0x21 | 0x23..=0x2B | 0x2D..=0x3A | 0x3C..=0x5B | 0x5D..=0x7E) && byte != b'%'
    });
}

/// Encodes for `application/x-www-form-urlencoded`.
pub(super) fn form(text: &str, out: &mut String) {
    for (i, piece) in text.split(' ').enumerate() {
        if i > 0 {
            out.push('+');
        }
        encode(piece, out, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'-' | b'.' | b'_'));
    }
}

fn encode(text: &str, out: &mut String, keep: impl Fn(u8) -> bool) {
    // Everything kept is ASCII, so a run of kept bytes begins and ends on a character's border.
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| !keep(byte)) {
        out.push_str(&rest[..at]);
        let width = rest[at..].chars().next().map_or(1, char::len_utf8);
        for byte in rest[at..at + width].bytes() {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
        rest = &rest[at + width..];
    }
    out.push_str(rest);
}

/// Whether a receiver that decodes the segment, however often, finds a step up or nowhere in it.
pub(super) fn has_dot_segment(segment: &str) -> bool {
    if !segment.contains('.') && !segment.contains('%') {
        return false;
    }
    let mut bytes = segment.as_bytes().to_vec();
    loop {
        if bytes.split(|byte| matches!(byte, b'/' | b'\\')).any(|part| part == b"." || part == b"..") {
            return true;
        }
        let decoded = decode(&bytes);
        if decoded == bytes {
            return false;
        }
        bytes = decoded;
    }
}

/// Percent-decodes once; what is not an escape stays as it is.
pub(super) fn decode(bytes: &[u8]) -> Vec<u8> {
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

    fn encoded(encode: fn(&str, &mut String), text: &str) -> String {
        let mut out = String::new();
        encode(text, &mut out);
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
            assert_eq!(encoded(percent, text), in_percent);
            assert_eq!(encoded(cookie, text), in_cookie);
            assert_eq!(encoded(form, text), in_form);
        }
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
        for segment in [".", "..", "%2e%2e", "%252e%252E", ".%2E", "..%2Fadmin", "a%2F..%2Fb", "..%5Cadmin", "a%5c."] {
            assert!(has_dot_segment(segment), "{segment}");
        }
        for segment in ["a", "...", "a.b", ".hidden", "v1.", "..a", "100%25", "a%2Fb", "%2e%2e%2e"] {
            assert!(!has_dot_segment(segment), "{segment}");
        }
    }
}
