//! JSON as text: checked, shortened and quoted without being taken apart.

use std::borrow::Cow;

use memchr::{memchr2, memmem};
use serde::de::IgnoredAny;
use serde_json::Value;

/// The body as JSON text, once it is known to be JSON; the error says what is wrong.
pub(super) fn checked(body: &[u8]) -> Result<&str, String> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| error.to_string())?;
    // Half a surrogate pair is valid syntax, but no string; a client that decodes it would lose the whole message.
    let surrogate = |prefix: &[u8]| memmem::find(text.as_bytes(), prefix).is_some();
    if surrogate(b"\\ud") || surrogate(b"\\uD") {
        serde_json::from_str::<Value>(text).map_err(|error| error.to_string())?;
    }
    Ok(text.trim_ascii())
}

/// JSON text on one line: as it is when it has no line break, else without any space between its tokens.
pub(super) fn on_one_line(json: &str) -> Cow<'_, str> {
    if memchr2(b'\n', b'\r', json.as_bytes()).is_none() {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(quote) = rest.find('"') {
        out.extend(rest[..quote].chars().filter(|c| !c.is_ascii_whitespace()));
        let end = string_end(&rest[quote..]);
        out.push_str(&rest[quote..quote + end]);
        rest = &rest[quote + end..];
    }
    out.extend(rest.chars().filter(|c| !c.is_ascii_whitespace()));
    Cow::Owned(out)
}

/// The length of the JSON string at the beginning of a text, with its quotes.
fn string_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while let Some(next) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += next + 1;
        if bytes[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

/// Appends a text as a JSON string.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_passes() {
        for body in
            ["{}", " [1, 2]\n", "\"a\"", "1", "null", "\u{feff}{}", "{\"a\":\"\\ud83d\\ude00\"}", "\"\\\\ud800\""]
        {
            assert!(checked(body.as_bytes()).is_ok(), "{body}");
        }
        for body in
            [&b""[..], b"{", b"{}x", b"{'a':1}", b"\"\xFF\"", b"NaN", b"\"\\ud800\"", b"\"\\uDC00x\"", b"\"\n\""]
        {
            assert!(checked(body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn line_breaks_go_and_strings_stay() {
        let cases = [
            ("{\"a\": 1}", "{\"a\": 1}"),
            ("{\n  \"a b\": [1,\r\n\t2],\n  \"c\\\" \\\\\": \" x \"\n}", "{\"a b\":[1,2],\"c\\\" \\\\\":\" x \"}"),
            ("[\n]", "[]"),
            ("{\n\"é\": \"日 本\"}", "{\"é\":\"日 本\"}"),
        ];
        for (json, expected) in cases {
            assert_eq!(on_one_line(json), expected);
        }
    }

    #[test]
    fn long_nested_texts_need_no_stack() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(checked(deep.as_bytes()).is_ok());
    }
}
