//! The text of an API description as a value, and which specification it follows.

use std::fmt;

use serde_json::Value;

use crate::limits::Limits;

/// The specification that a document follows, as far as it makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    Swagger2,
    OpenApi30,
    OpenApi31,
    OpenApi32,
}

/// A Swagger 2.0, OpenAPI 3.0, 3.1 or 3.2 document.
#[derive(Debug)]
pub struct Document {
    pub(crate) json: Value,
    pub(crate) version: Version,
    pub(crate) limits: Limits,
}

/// A text that is no API description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Line and column, both from 1, where there is such a place.
    pub place: Option<(usize, usize)>,
    /// What is wrong there.
    pub text: String,
}

impl ParseError {
    fn at(line: usize, column: usize, text: String) -> ParseError {
        ParseError { place: Some((line, column)), text }
    }

    fn of_whole(text: impl Into<String>) -> ParseError {
        ParseError { place: None, text: text.into() }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => write!(f, "line {line}, column {column}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl std::error::Error for ParseError {}

impl Document {
    /// Reads JSON or YAML.
    ///
    /// Only what makes a text no API description at all is an error; what is wrong with one operation shows when
    /// [`operations`](Document::operations) comes to it.
    pub fn parse(text: &str, limits: &Limits) -> Result<Document, ParseError> {
        let json = read(text, limits)?;
        let version = version(&json)?;
        Ok(Document { json, version, limits: limits.clone() })
    }
}

/// A text that begins as JSON does and is none is tried as YAML up to this many bytes.
const MAX_BRACED_YAML: usize = 1 << 20;

/// JSON or YAML, whatever it describes.
pub(crate) fn read(text: &str, limits: &Limits) -> Result<Value, ParseError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > limits.bytes {
        return Err(ParseError::of_whole(format!(
            "the document has {} bytes, more than the limit of {}",
            text.len(),
            limits.bytes
        )));
    }
    // JSON is YAML, but read as such in a fraction of the time.
    let looks_like_json = text.trim_start().starts_with(['{', '[']);
    if !looks_like_json {
        return of_yaml(text, limits);
    }
    // No text has more values than these characters and one.
    let values = text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    if values > limits.values.saturating_mul(2) {
        return Err(ParseError::of_whole(format!("the document has more than {} values", limits.values)));
    }
    match serde_json::from_str(text) {
        Ok(json) => Ok(json),
        // YAML in braces is rare, and written by hand. What neither can read was most likely meant to be JSON.
        Err(error) if error.is_syntax() && text.len() <= MAX_BRACED_YAML => {
            of_yaml(text, limits).map_err(|_| of_json(&error))
        }
        Err(error) => Err(of_json(&error)),
    }
}

fn of_yaml(text: &str, limits: &Limits) -> Result<Value, ParseError> {
    yaml::parse(text, yaml::Limits { values: limits.values, depth: limits.depth })
        .map_err(|error| ParseError::at(error.line, error.column, error.text))
}

fn of_json(error: &serde_json::Error) -> ParseError {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    ParseError::at(error.line(), error.column(), text.into())
}

fn version(json: &Value) -> Result<Version, ParseError> {
    let given = json.get("openapi").or_else(|| json.get("swagger"));
    let Some(given) = given else {
        return Err(ParseError::of_whole(
            "this is no API description: it has neither \"openapi\" nor \"swagger\" at its root",
        ));
    };
    let given = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
    let is = |version: &str| given.strip_prefix(version).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    match () {
        () if is("2.0") || given == "2" => Ok(Version::Swagger2),
        () if is("3.0") || given == "3" => Ok(Version::OpenApi30),
        () if is("3.1") => Ok(Version::OpenApi31),
        () if is("3.2") => Ok(Version::OpenApi32),
        () => Err(ParseError::of_whole(format!("version \"{given}\" is not known; known are 2.0, 3.0, 3.1 and 3.2"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_tells_its_version() {
        let cases = [
            ("swagger: '2.0'", Version::Swagger2),
            ("swagger: 2.0", Version::Swagger2),
            ("\u{feff}openapi: 3.0.4", Version::OpenApi30),
            ("{\"openapi\": \"3.1.1\"}", Version::OpenApi31),
            ("{openapi: 3.1.0}", Version::OpenApi31),
            ("openapi: 3.2.0\r\ninfo: {}\r\n", Version::OpenApi32),
        ];
        for (text, expected) in cases {
            assert_eq!(Document::parse(text, &Limits::default()).unwrap().version, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_description_is_refused() {
        let limits = Limits { bytes: 2_000_000, ..Limits::default() };
        let cases = [
            ("openapi: 3.10.0".to_owned(), "version \"3.10.0\" is not known; known are 2.0, 3.0, 3.1 and 3.2"),
            ("a: b".into(), "neither \"openapi\" nor \"swagger\""),
            ("[]".into(), "neither \"openapi\" nor \"swagger\""),
            ("<html>".into(), "neither"),
            ("{\"openapi\": \"3.0.0\",\n \"a\": ]}".into(), "line 2, column 7: expected value"),
            ("x".repeat(2_000_001), "the document has 2000001 bytes, more than the limit of 2000000"),
            ("[".repeat(200_000), "line 1, column 128: recursion limit exceeded"),
        ];
        for (text, expected) in cases {
            let error = Document::parse(&text, &limits).unwrap_err().to_string();
            assert!(error.contains(expected), "{:.60}: {error}", text);
        }
        let few = Limits { values: 100, ..Limits::default() };
        let error = Document::parse(&format!("[{}0]", "0,".repeat(900)), &few).unwrap_err().to_string();
        assert_eq!(error, "the document has more than 100 values");
    }
}
