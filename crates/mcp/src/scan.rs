//! A reader of JSON that builds nothing: it walks an object, checks the grammar (RFC 8259) and hands out the text of
//! each member's value.
//!
//! Every message is read by it, once; what is needed of a value is then taken from its text. serde_json takes nearly
//! twice the instructions to fill a structure with the same texts (`scripts/bench instructions`).

use std::borrow::Cow;
use std::ops::Range;

/// How deep values may be nested, as in serde_json.
const MAX_DEPTH: u8 = 128;

/// The text is not JSON, or nested too deeply. Where and how, serde_json can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotJson;

/// A place in a JSON text.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    position: usize,
    depth: u8,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Scanner { text, position: 0, depth: 0 }
    }

    /// The byte at the place; 0, which JSON has no use for, at the end.
    #[inline]
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.position).copied().unwrap_or(0)
    }

    #[inline]
    fn skip_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.position += 1;
        }
    }

    /// Skips white space and takes `byte` if it is next.
    #[inline]
    fn takes(&mut self, byte: u8) -> bool {
        if self.peek() != byte {
            self.skip_space();
            if self.peek() != byte {
                return false;
            }
        }
        self.position += 1;
        true
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.takes(byte) { Ok(()) } else { Err(NotJson) }
    }

    /// Where the next byte to be read stands.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Whether the next value is an object.
    pub(crate) fn is_at_object(&mut self) -> bool {
        self.skip_space();
        self.peek() == b'{'
    }

    /// Walks an object; `member` gets each name and must read the value with [`Scanner::value`] or [`Scanner::object`].
    #[inline]
    pub(crate) fn object<F>(&mut self, mut member: F) -> Result<(), NotJson>
    where
        F: FnMut(&str, &mut Self) -> Result<(), NotJson>,
    {
        self.members(|name, is_escaped, scanner| match is_escaped {
            false => member(&scanner.text[name.start + 1..name.end - 1], scanner),
            true => member(&unescape(&scanner.text[name]), scanner),
        })
    }

    /// The same with each name as its place, quotes included, and whether there are escapes in it.
    #[inline]
    fn members<F>(&mut self, mut member: F) -> Result<(), NotJson>
    where
        F: FnMut(Range<usize>, bool, &mut Self) -> Result<(), NotJson>,
    {
        self.expect(b'{')?;
        self.descend()?;
        if !self.takes(b'}') {
            loop {
                self.skip_space();
                let start = self.position;
                let is_escaped = self.string()?;
                let name = start..self.position;
                self.expect(b':')?;
                member(name, is_escaped, self)?;
                if !self.takes(b',') {
                    break;
                }
            }
            self.expect(b'}')?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn descend(&mut self) -> Result<(), NotJson> {
        self.depth += 1;
        if self.depth >= MAX_DEPTH { Err(NotJson) } else { Ok(()) }
    }

    /// Reads one value and returns its text.
    pub(crate) fn value(&mut self) -> Result<&'a str, NotJson> {
        self.skip_space();
        let start = self.position;
        self.skip_value()?;
        Ok(&self.text[start..self.position])
    }

    /// Reads past one value.
    pub(crate) fn skip(&mut self) -> Result<(), NotJson> {
        self.skip_space();
        self.skip_value()
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Result<(), NotJson> {
        self.skip_space();
        if self.position == self.text.len() { Ok(()) } else { Err(NotJson) }
    }

    #[inline]
    fn skip_value(&mut self) -> Result<(), NotJson> {
        match self.peek() {
            b'"' => self.string().map(|_| ()),
            b'{' => self.skip_object(),
            b'[' => self.skip_array(),
            b't' => self.skip_literal("true"),
            b'f' => self.skip_literal("false"),
            b'n' => self.skip_literal("null"),
            _ => self.skip_number(),
        }
    }

    fn skip_object(&mut self) -> Result<(), NotJson> {
        self.members(|_, _, scanner| scanner.skip())
    }

    fn skip_array(&mut self) -> Result<(), NotJson> {
        self.expect(b'[')?;
        self.descend()?;
        if !self.takes(b']') {
            loop {
                self.skip()?;
                if !self.takes(b',') {
                    break;
                }
            }
            self.expect(b']')?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn skip_literal(&mut self, literal: &str) -> Result<(), NotJson> {
        if !self.text.as_bytes()[self.position..].starts_with(literal.as_bytes()) {
            return Err(NotJson);
        }
        self.position += literal.len();
        Ok(())
    }

    fn skip_digits(&mut self) -> Result<(), NotJson> {
        let start = self.position;
        while self.peek().is_ascii_digit() {
            self.position += 1;
        }
        if self.position > start { Ok(()) } else { Err(NotJson) }
    }

    fn skip_number(&mut self) -> Result<(), NotJson> {
        self.position += usize::from(self.peek() == b'-');
        if self.peek() == b'0' {
            self.position += 1;
        } else {
            self.skip_digits()?;
        }
        if self.peek() == b'.' {
            self.position += 1;
            self.skip_digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.position += 1;
            self.position += usize::from(matches!(self.peek(), b'+' | b'-'));
            self.skip_digits()?;
        }
        Ok(())
    }

    /// Reads past a string, and says whether there are escapes in it.
    #[inline]
    fn string(&mut self) -> Result<bool, NotJson> {
        let bytes = self.text.as_bytes();
        if self.peek() != b'"' {
            return Err(NotJson);
        }
        let end = plain_end(bytes, self.position + 1);
        if bytes.get(end) == Some(&b'"') {
            self.position = end + 1;
            return Ok(false);
        }
        self.position = end;
        self.rest_of_string().map(|()| true)
    }

    /// Reads past the rest of a string, from its first escape on.
    #[cold]
    fn rest_of_string(&mut self) -> Result<(), NotJson> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.position) {
                Some(b'"') => {
                    self.position += 1;
                    return Ok(());
                }
                Some(b'\\') => self.position += escape_length(&bytes[self.position..])?,
                _ => return Err(NotJson),
            }
            self.position = plain_end(bytes, self.position);
        }
    }
}

/// The length of the escape that a text begins with.
fn escape_length(bytes: &[u8]) -> Result<usize, NotJson> {
    match bytes {
        [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Ok(2),
        [_, b'u', a, b, c, d, ..] if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) => Ok(6),
        _ => Err(NotJson),
    }
}

/// Where, from a place within a string on, the first byte is that is a quote, a backslash or a control character; the
/// text's length if there is none.
#[inline]
fn plain_end(text: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(word) = text.get(at..).and_then(|rest| rest.first_chunk()) {
        let special = special_bytes(*word);
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    let rest = text.get(at..).unwrap_or_default();
    at + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// The highest bit of the first quote, backslash or control character among eight bytes, and perhaps of some bytes behind
/// it; 0 if there is none.
///
/// Each subtraction sets a byte's highest bit if the byte is what it looks for: control characters are below 0x20, and
/// with one bit turned the quote joins them, as 0x20. Bits above the lowest one set may be wrong, as subtraction borrows
/// from there, but the lowest is right.
#[inline]
fn special_bytes(word: [u8; 8]) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let word = u64::from_le_bytes(word);
    let low = (word ^ (ONES * (b'"' ^ 0x20) as u64)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (low | backslash) & !word & (ONES << 7)
}

/// How many of eight bytes stand before the first of these.
#[inline]
pub(crate) fn plain_run(word: [u8; 8]) -> usize {
    special_bytes(word).trailing_zeros() as usize / 8
}

/// Appends a JSON text without the white space between its tokens.
pub(crate) fn compact(json: &str, out: &mut String) {
    let mut rest = json;
    while let Some(quote) = rest.find('"') {
        let (between, string) = rest.split_at(quote);
        out.extend(between.split_ascii_whitespace());
        let (mut end, bytes) = (1, string.as_bytes());
        while end < bytes.len() && bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let (string, after) = string.split_at_checked(end + 1).unwrap_or((string, ""));
        out.push_str(string);
        rest = after;
    }
    out.extend(rest.split_ascii_whitespace());
}

/// Whether there are no escapes in a string's text.
pub(crate) fn is_plain(inner: &[u8]) -> bool {
    plain_end(inner, 0) == inner.len()
}

/// The text of a JSON string that has escapes. A lone surrogate stands for no text: such a name is none that we look
/// for, and stays as it is.
#[cold]
fn unescape(quoted: &str) -> Cow<'_, str> {
    serde_json::from_str(quoted).map_or(Cow::Borrowed(quoted), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;
    use serde_json::Value;

    use super::*;

    fn scan(text: &str) -> Result<(), NotJson> {
        let mut scanner = Scanner::new(text);
        scanner.value()?;
        scanner.end()
    }

    /// The grammar is serde_json's: on every text the two agree.
    fn agrees(text: &str) {
        assert_eq!(scan(text).is_ok(), serde_json::from_str::<IgnoredAny>(text).is_ok(), "{text:?}");
    }

    #[test]
    fn the_grammar_is_that_of_serde_json() {
        for text in [
            "",
            " ",
            "{}",
            "[]",
            "{ }",
            "[ ]",
            "0",
            "-0",
            "01",
            "-",
            "1.",
            ".5",
            "1.5",
            "1e",
            "1e+",
            "1e+5",
            "1E-5",
            "--1",
            "true",
            "tru",
            "truex",
            "null",
            "nul",
            "false",
            "\"\"",
            "\"",
            "\"a",
            "\"\\\"",
            "\"\\\\\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12G4\"",
            "\"\\u1234\"",
            "\"\\ud800\"",
            "\"\n\"",
            "\"\u{7f}é\u{10ffff}\"",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1 \"b\"}",
            "{a:1}",
            "{\"a\":1}",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1,2]",
            "{}{}",
            "{} x",
            "\u{feff}{}",
            "1 ",
            " 1",
            "\t\r\n[\t\r\n]\t\r\n",
            "\u{b}1",
            "[[[[]]]]",
            "{\"a\":{\"b\":[{}]}}",
            "]",
            "}",
            "[}",
            "{]",
            "nan",
            "Infinity",
            "\0",
            "1\0",
        ] {
            agrees(text);
        }
    }

    #[test]
    fn nesting_has_the_limit_of_serde_json() {
        for depth in [1, 126, 127, 128, 129, 130, 5000] {
            for text in ["[".repeat(depth) + &"]".repeat(depth), "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth)] {
                assert_eq!(scan(&text).is_ok(), serde_json::from_str::<Value>(&text).is_ok(), "{depth}");
            }
        }
    }

    #[test]
    fn every_mutation_of_a_message_is_judged_as_by_serde_json() {
        let message =
            r#"{"jsonrpc":"2.0","id":-1.5e3,"a\u0041\n":[true,false,null,{"b":"\ud83d\ude00é"}],"params":{"x":[]}}"#;
        let replacements = ["", "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", ".", "e", " ", "\n", "é", "u", "t"];
        for start in (0..message.len()).filter(|at| message.is_char_boundary(*at)) {
            let end = (start + 1..=message.len()).find(|at| message.is_char_boundary(*at)).unwrap();
            for replacement in replacements {
                agrees(&format!("{}{replacement}{}", &message[..start], &message[end..]));
                agrees(&format!("{}{replacement}{}", &message[..start], &message[start..]));
            }
            agrees(&message[..start]);
        }
    }

    #[test]
    fn white_space_goes_but_not_out_of_strings() {
        for (json, expected) in [
            (
                " { \"a b\" : [ 1 ,\r\n-2.50e+1 , true ] ,\t\"é \\\" \\\\\" : \" { } \" } \n",
                r#"{"a b":[1,-2.50e+1,true],"é \" \\":" { } "}"#,
            ),
            ("1", "1"),
            (" \"\" ", "\"\""),
            ("{}", "{}"),
        ] {
            let mut compacted = String::new();
            compact(json, &mut compacted);
            assert_eq!(compacted, expected);
        }
    }

    #[test]
    fn an_object_is_walked_with_its_names_unescaped() {
        let mut seen = Vec::new();
        let mut scanner = Scanner::new(r#" { "a" : 1 , "\u0062" : {"c": [1, 2]} } "#);
        let walked = scanner.object(|name, scanner| {
            seen.push((name.to_owned(), scanner.value()?));
            Ok(())
        });
        assert_eq!(walked.and_then(|()| scanner.end()), Ok(()));
        assert_eq!(seen, [("a".to_owned(), "1"), ("b".to_owned(), r#"{"c": [1, 2]}"#)]);
    }
}
