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

/// How each byte is escaped in a JSON string: not at all (0), as `\u00xx` (`u`), or by this letter.
const ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    let mut control = 0;
    while control < 0x20 {
        escapes[control] = b'u';
        control += 1;
    }
    escapes[0x08] = b'b';
    escapes[b'\t' as usize] = b't';
    escapes[b'\n' as usize] = b'n';
    escapes[0x0C] = b'f';
    escapes[b'\r' as usize] = b'r';
    escapes[b'"' as usize] = b'"';
    escapes[b'\\' as usize] = b'\\';
    escapes
};

/// Appends a text as a JSON string.
///
/// JSON within JSON has a quote every few bytes. Block by block takes a fifth (JSON) to two thirds (prose) less than
/// `serde_json`, which looks at every byte and appends every run between two escapes on its own.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    const BLOCK: usize = 32;
    let mut escaped = [0; BLOCK * 6];
    out.push(b'"');
    for block in text.as_bytes().chunks(BLOCK) {
        let special = |any, &byte: &u8| any | (byte < 0x20) | (byte == b'"') | (byte == b'\\');
        if block.iter().fold(false, special) {
            let length = escape(block, &mut escaped);
            out.extend_from_slice(&escaped[..length]);
        } else {
            out.extend_from_slice(block);
        }
    }
    out.push(b'"');
}

fn escape(block: &[u8], escaped: &mut [u8]) -> usize {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut length = 0;
    for &byte in block {
        match ESCAPES[usize::from(byte)] {
            0 => {
                escaped[length] = byte;
                length += 1;
            }
            b'u' => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                escaped[length..length + 6].copy_from_slice(&[b'\\', b'u', b'0', b'0', digits[0], digits[1]]);
                length += 6;
            }
            letter => {
                escaped[length..length + 2].copy_from_slice(&[b'\\', letter]);
                length += 2;
            }
        }
    }
    length
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
    fn strings_are_written_as_json_reads_them() {
        let every: String = (0..0x300).filter_map(char::from_u32).collect();
        for text in ["", "plain", "\"", &"\0".repeat(100), &"é日".repeat(50), &every, &format!("{every}{every}")] {
            let mut out = Vec::new();
            write_string(text, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(text).unwrap());
        }
    }

    #[test]
    fn long_nested_texts_need_no_stack() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(checked(deep.as_bytes()).is_ok());
    }
}
