//! YAML 1.2's core schema as JSON values.
//!
//! Keys become text (`200:` is `"200"`), `yes` and `off` stay text, numbers that JSON cannot have (`.inf`) stay text, of
//! a key given twice the last value counts, and `<<` merges as YAML 1.1 has it.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test ends at what it did not expect"))]

use std::collections::HashMap;
use std::fmt;

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Number, Value};

/// What a text may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Values and keys, those that an alias repeats counted each time.
    pub values: usize,
    /// Lists and objects inside each other.
    pub depth: usize,
}

/// A text that is no YAML, or none that JSON can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong there.
    pub text: String,
}

impl ParseError {
    fn at(line: usize, column: usize, text: String) -> ParseError {
        ParseError { line, column, text }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.text)
    }
}

impl std::error::Error for ParseError {}

/// The first document of a stream.
pub fn parse(text: &str, limits: Limits) -> Result<Value, ParseError> {
    let mut builder =
        Builder { limits, values: 0, open: Vec::new(), anchors: HashMap::new(), root: None, at: Span::default() };
    let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| {
            let mark = error.marker();
            ParseError::at(mark.line(), mark.col() + 1, error.info())
        })?;
        builder.at = span;
        builder.event(event)?;
        if builder.root.is_some() {
            break;
        }
    }
    builder.root.ok_or_else(|| ParseError::at(1, 1, "the document is empty".into()))
}

/// A list or an object that is not complete.
enum Open {
    List(Vec<Value>),
    Object { members: Map<String, Value>, key: Option<String>, merged: Vec<Value> },
}

struct Frame {
    open: Open,
    anchor: usize,
    /// The builder's count when it was opened.
    values: usize,
}

struct Builder {
    limits: Limits,
    values: usize,
    open: Vec<Frame>,
    /// What an alias repeats, and of how many values that is made.
    anchors: HashMap<usize, (Value, usize)>,
    root: Option<Value>,
    at: Span,
}

impl Builder {
    fn event(&mut self, event: Event<'_>) -> Result<(), ParseError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1)?;
                if let Some(Frame { open: Open::Object { key: key @ None, .. }, .. }) = self.open.last_mut() {
                    if anchor != 0 {
                        self.anchors.insert(anchor, (Value::from(&*text), 1));
                    }
                    *key = Some(text.into_owned());
                    return Ok(());
                }
                let value = scalar(&text, style, tag.as_deref());
                self.complete(value, anchor, 1)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(Open::List(Vec::new()), anchor),
            Event::MappingStart(_, anchor, _) => {
                self.begin(Open::Object { members: Map::new(), key: None, merged: Vec::new() }, anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor),
            _ => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize) -> Result<(), ParseError> {
        let Some((_, values)) = self.anchors.get(&anchor) else {
            return Err(self.error("an alias stands inside of what it repeats, so it has no end"));
        };
        let values = *values;
        // Counted before it is copied: that is what ends an alias bomb.
        self.count(values)?;
        let Some((value, _)) = self.anchors.get(&anchor) else { return Ok(()) };
        let value = value.clone();
        match (self.open.last_mut(), value) {
            (Some(Frame { open: Open::Object { key: key @ None, .. }, .. }), Value::String(text)) => {
                *key = Some(text);
                Ok(())
            }
            (_, value) => {
                if self.open.len() + depth(&value) > self.limits.depth {
                    return Err(self.too_deep());
                }
                self.complete(value, 0, values)
            }
        }
    }

    fn begin(&mut self, open: Open, anchor: usize) -> Result<(), ParseError> {
        if let Some(Frame { open: Open::Object { key: None, .. }, .. }) = self.open.last() {
            return Err(self.error("a list or an object cannot be a key; keys are texts"));
        }
        if self.open.len() >= self.limits.depth {
            return Err(self.too_deep());
        }
        self.count(1)?;
        self.open.push(Frame { open, anchor, values: self.values - 1 });
        Ok(())
    }

    fn end(&mut self) -> Result<(), ParseError> {
        let Some(frame) = self.open.pop() else { return Ok(()) };
        let value = match frame.open {
            Open::List(items) => Value::Array(items),
            Open::Object { mut members, merged, .. } => {
                for other in merged {
                    merge(&mut members, other);
                }
                Value::Object(members)
            }
        };
        self.complete(value, frame.anchor, self.values - frame.values)
    }

    fn complete(&mut self, value: Value, anchor: usize, values: usize) -> Result<(), ParseError> {
        if anchor != 0 {
            // The copy is kept for as long as the document is read.
            self.count(values)?;
            self.anchors.insert(anchor, (value.clone(), values));
        }
        match self.open.last_mut().map(|frame| &mut frame.open) {
            None => self.root = Some(value),
            Some(Open::List(items)) => items.push(value),
            Some(Open::Object { members, key, merged }) => match key.take() {
                Some(key) if key == "<<" && (value.is_object() || value.is_array()) => merged.push(value),
                Some(key) => {
                    members.insert(key, value);
                }
                None => return Err(self.error("a list or an object cannot be a key; keys are texts")),
            },
        }
        Ok(())
    }

    fn count(&mut self, values: usize) -> Result<(), ParseError> {
        self.values = self.values.saturating_add(values);
        if self.values > self.limits.values {
            return Err(self.error(&format!(
                "the document has more than {} values, aliases counted as what they repeat",
                self.limits.values
            )));
        }
        Ok(())
    }

    fn too_deep(&self) -> ParseError {
        self.error(&format!("lists and objects are nested more than {} deep", self.limits.depth))
    }

    fn error(&self, text: &str) -> ParseError {
        ParseError::at(self.at.start.line(), self.at.start.col() + 1, text.into())
    }
}

/// `<<`: the members of an object, or of each of a list of objects, that are not there yet.
fn merge(members: &mut Map<String, Value>, other: Value) {
    match other {
        Value::Object(other) => {
            for (key, value) in other {
                members.entry(key).or_insert(value);
            }
        }
        Value::Array(others) => {
            for other in others {
                if other.is_object() {
                    merge(members, other);
                }
            }
        }
        _ => {}
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    match tag.and_then(Tag::core_suffix) {
        Some("null" | "bool" | "int" | "float") => return plain(text),
        Some(_) => return text.into(),
        None => {}
    }
    if style == ScalarStyle::Plain && tag.is_none() { plain(text) } else { text.into() }
}

/// YAML 1.2.2, section 10.3.2.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return true.into(),
        "false" | "False" | "FALSE" => return false.into(),
        _ => {}
    }
    // Most texts are none, so the first character decides early.
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
        return text.into();
    }
    number(text).map_or_else(|| text.into(), Value::Number)
}

fn number(text: &str) -> Option<Number> {
    let radix = |digits: &str, radix| u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'));
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16).map(Number::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8).map(Number::from);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let text = text.strip_prefix('+').unwrap_or(text);
        if let Ok(number) = text.parse::<u64>() {
            return Some(number.into());
        }
        if let Ok(number) = text.parse::<i64>() {
            return Some(number.into());
        }
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) || !exponent_fits {
        return None;
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LIMITS: Limits = Limits { values: 1_500_000, depth: 120 };

    fn read(text: &str) -> Value {
        parse(text, LIMITS).unwrap()
    }

    #[test]
    fn scalars_are_those_of_the_core_schema() {
        let cases = [
            ("1", json!(1)),
            ("-1", json!(-1)),
            ("+1", json!(1)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("0777", json!(777)),
            ("1.50", json!(1.5)),
            (".5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("18446744073709551615", json!(u64::MAX)),
            ("-9223372036854776000", json!(-9223372036854776000.0)),
            (".inf", json!(".inf")),
            ("-.inf", json!("-.inf")),
            (".", json!(".")),
            ("-", json!([null])),
            ("1.2.3", json!("1.2.3")),
            ("1e", json!("1e")),
            ("1_000", json!("1_000")),
            ("2026-01-01", json!("2026-01-01")),
            ("12:30", json!("12:30")),
            ("~", json!(null)),
            ("True", json!(true)),
            ("yes", json!("yes")),
            ("off", json!("off")),
            ("'1'", json!("1")),
            ("\"true\"", json!("true")),
            ("!!str 1", json!("1")),
            ("!!int '1'", json!(1)),
            ("!custom 1", json!("1")),
            ("|\n a\n b\n", json!("a\nb\n")),
            (">\n a\n b\n", json!("a b\n")),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn structures_become_those_of_json() {
        let cases = [
            ("{200: ok, true: x, null: y, a: }", json!({"200": "ok", "true": "x", "null": "y", "a": null})),
            ("a: 1\na: 2\n", json!({"a": 2})),
            ("a: &x {b: 1}\nc: *x\n", json!({"a": {"b": 1}, "c": {"b": 1}})),
            ("a: &x {b: 1, c: 2}\nd:\n  c: 3\n  <<: *x\n", json!({"a": {"b": 1, "c": 2}, "d": {"c": 3, "b": 1}})),
            ("a: &x {b: 1}\nd: {<<: [*x, {b: 2, c: 2}]}\n", json!({"a": {"b": 1}, "d": {"b": 1, "c": 2}})),
            ("&k a: 1\nb: *k\n", json!({"a": 1, "b": "a"})),
            ("a: [&x 1, *x]", json!({"a": [1, 1]})),
            ("# c\n---\na: 1 # d\n...\n---\nb: 2\n", json!({"a": 1})),
            ("a: {b: [1,\n 2\n ]\n }\n", json!({"a": {"b": [1, 2]}})),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_are_named_by_line_and_column() {
        let cases = [
            ("a: 1\nb: [1\nc: 2\n", "line 3"),
            ("a: 1\n b: 2\n", "line 2"),
            ("? [a]\n: 1\n", "line 1, column 3: a list or an object cannot be a key"),
            ("a: &x [*x]\n", "line 1, column 8: an alias stands inside of what it repeats"),
            ("a: *x\n", "line 1"),
            ("", "line 1, column 1: the document is empty"),
        ];
        for (text, expected) in cases {
            let error = parse(text, LIMITS).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    #[test]
    fn what_grows_comes_to_an_end() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..30 {
            let alias = format!("*a{}", level - 1);
            bomb += &format!("a{level}: &a{level} [{}]\n", vec![alias; 9].join(", "));
        }
        let deep_by_alias =
            (1..200).fold("a0: &a0 []\n".to_owned(), |text, i| text + &format!("a{i}: &a{i} [*a{}]\n", i - 1));
        let cases = [
            (bomb, "more than 1500000 values"),
            (deep_by_alias, "nested more than 120 deep"),
            ("[".repeat(200_000), ""),
            ("- ".repeat(10_000), ""),
            ("{a: ".repeat(10_000), ""),
            ((0..200).map(|i| " ".repeat(i) + "a:\n").collect(), "nested more than 120 deep"),
        ];
        for (text, expected) in cases {
            let error = parse(&text, LIMITS).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
