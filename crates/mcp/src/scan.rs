//! A reader of JSON that builds nothing: it walks an object, checks the grammar (RFC 8259) and hands out the text of
//! each member's value.
//!
//! Every message is read by it, once; what is needed of a value is then taken from its text. serde_json does the same
//! several times slower, which is most of what this module would add to a small request.

use std::borrow::Cow;

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
        self.skip_space();
        let is_next = self.peek() == byte;
        self.position += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.takes(byte) { Ok(()) } else { Err(NotJson) }
    }

    /// Whether the next value is an object.
    pub(crate) fn is_at_object(&mut self) -> bool {
        self.skip_space();
        self.peek() == b'{'
    }

    /// Walks an object; `member` gets each name and must read the value with [`Scanner::value`] or [`Scanner::object`].
    pub(crate) fn object<F>(&mut self, mut member: F) -> Result<(), NotJson>
    where
        F: FnMut(&str, &mut Self) -> Result<(), NotJson>,
    {
        self.expect(b'{')?;
        self.descend()?;
        if !self.takes(b'}') {
            loop {
                self.skip_space();
                let (name, is_escaped) = self.string()?;
                self.expect(b':')?;
                match is_escaped {
                    false => member(&name[1..name.len() - 1], self)?,
                    true => member(&unescape(name), self)?,
                }
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

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Result<(), NotJson> {
        self.skip_space();
        if self.position == self.text.len() { Ok(()) } else { Err(NotJson) }
    }

    fn skip_value(&mut self) -> Result<(), NotJson> {
        match self.peek() {
            b'"' => self.string().map(|_| ()),
            b'{' => self.object(|_, scanner| scanner.value().map(|_| ())),
            b'[' => self.skip_array(),
            b't' => self.skip_literal("true"),
            b'f' => self.skip_literal("false"),
            b'n' => self.skip_literal("null"),
            _ => self.skip_number(),
        }
    }

    fn skip_array(&mut self) -> Result<(), NotJson> {
        self.expect(b'[')?;
        self.descend()?;
        if !self.takes(b']') {
            loop {
                self.value()?;
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

    /// Reads a string; it is returned with its quotes, and with whether there are escapes in it.
    #[inline]
    fn string(&mut self) -> Result<(&'a str, bool), NotJson> {
        let start = self.position;
        if self.peek() != b'"' {
            return Err(NotJson);
        }
        self.position += 1;
        let mut is_escaped = false;
        loop {
            self.position += plain_run(&self.text.as_bytes()[self.position..]);
            let byte = self.peek();
            self.position += 1;
            match byte {
                b'"' => return Ok((&self.text[start..self.position], is_escaped)),
                b'\\' => self.skip_escape()?,
                _ => return Err(NotJson),
            }
            is_escaped = true;
        }
    }

    fn skip_escape(&mut self) -> Result<(), NotJson> {
        let kind = self.peek();
        self.position += 1;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                let digits = self.text.as_bytes().get(self.position..self.position + 4).ok_or(NotJson)?;
                self.position += 4;
                if digits.iter().all(u8::is_ascii_hexdigit) { Ok(()) } else { Err(NotJson) }
            }
            _ => Err(NotJson),
        }
    }
}

/// How many bytes at the start of a string's rest are neither a quote, a backslash nor a control character.
///
/// Eight at a time: in each term of `special` a byte's highest bit is set if the byte is what the term looks for. Bits
/// above the lowest one set may be wrong, as subtraction borrows from there, but the lowest is right.
#[inline]
fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHEST: u64 = ONES << 7;
    let mut words = bytes.chunks_exact(8);
    let mut run = 0;
    for word in &mut words {
        let word = word.try_into().map_or(0, u64::from_le_bytes);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        let special = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let special = special & HIGHEST;
        if special != 0 {
            return run + special.trailing_zeros() as usize / 8;
        }
        run += 8;
    }
    let is_special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    let rest = words.remainder();
    run + rest.iter().position(is_special).unwrap_or(rest.len())
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
