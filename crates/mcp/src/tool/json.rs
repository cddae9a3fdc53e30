//! JSON as text: checked, shortened and quoted without being taken apart.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memmem};
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::scan::{Scanner, plain_run};

/// The body as JSON text, once it is known to be JSON; the error says what is wrong.
pub(crate) fn checked(body: &[u8]) -> Result<&str, String> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let text = simdutf8::compat::from_utf8(body).map_err(|error| error.to_string())?;
    let mut scanner = Scanner::new(text);
    if scanner.skip().and_then(|()| scanner.end()).is_err() {
        // It is nested more deeply than the scanner goes, or serde_json says what is wrong with it.
        serde_json::from_str::<IgnoredAny>(text).map_err(|error| error.to_string())?;
    }
    // Half a surrogate pair is valid syntax, but no string; a client that decodes it would lose the whole message.
    let surrogate = |prefix: &[u8]| memmem::find(text.as_bytes(), prefix).is_some();
    if memchr(b'\\', text.as_bytes()).is_some() && (surrogate(b"\\ud") || surrogate(b"\\uD")) {
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

/// Bytes that are escaped at a time.
const BLOCK: usize = 64;
/// A block whose every byte takes six, and what is written before its end is known.
const ESCAPED: usize = BLOCK * 6 + 16;

/// Appends a text as a JSON string.
///
/// JSON within JSON has a quote every few bytes, and `serde_json` looks at every byte and appends every run between two
/// escapes on its own. Here a run goes out eight bytes at a time, with whatever follows it: the escape overwrites that.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut escaped = [0; ESCAPED];
    for block in text.as_bytes().chunks(BLOCK) {
        let length = escape(block, &mut escaped);
        out.extend_from_slice(&escaped[..length]);
    }
    out.push(b'"');
}

/// Writes a block with its escapes and returns how long it has become.
fn escape(block: &[u8], out: &mut [u8; ESCAPED]) -> usize {
    let mut length = 0;
    let mut rest = block;
    while let Some(word) = rest.first_chunk() {
        // There is always a place: no more than six bytes were written for each that was read.
        let Some(place) = out.get_mut(length..).and_then(|out| out.first_chunk_mut::<16>()) else { break };
        place[..8].copy_from_slice(word);
        let run = plain_run(*word);
        let Some(&byte) = word.get(run) else {
            rest = &rest[8..];
            length += 8;
            continue;
        };
        let (written, count) = &ESCAPES[usize::from(byte)];
        place[run..run + 8].copy_from_slice(written);
        length += run + count;
        rest = &rest[run + 1..];
    }
    for byte in rest {
        let (written, count) = &ESCAPES[usize::from(*byte)];
        let Some(place) = out.get_mut(length..).and_then(|out| out.first_chunk_mut()) else { break };
        *place = *written;
        length += count;
    }
    length
}

/// What each byte is written as, and how many bytes of that count.
static ESCAPES: [([u8; 8], usize); 256] = escapes();

const fn escapes() -> [([u8; 8], usize); 256] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut escapes = [([0; 8], 1); 256];
    let mut byte = 0;
    while byte < 256 {
        let letter = match byte as u8 {
            b'"' | b'\\' => byte as u8,
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0C => b'f',
            b'\r' => b'r',
            _ => 0,
        };
        escapes[byte] = match letter {
            0 if byte < 0x20 => ([b'\\', b'u', b'0', b'0', HEX[byte >> 4], HEX[byte & 15], 0, 0], 6),
            0 => ([byte as u8, 0, 0, 0, 0, 0, 0, 0], 1),
            _ => ([b'\\', letter, 0, 0, 0, 0, 0, 0], 2),
        };
        byte += 1;
    }
    escapes
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
        for text in [
            "",
            "plain",
            "\"",
            &"\0".repeat(100),
            &"é日".repeat(50),
            &"fifteen letters".repeat(50),
            &format!("{}\n{}\t", "a".repeat(200), "b".repeat(100)),
            &every,
            &format!("{every}{every}"),
        ] {
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
