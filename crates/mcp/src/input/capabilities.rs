//! What a client can be asked.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::scan::Scanner;
use crate::task::EXTENSION;

/// The capabilities of a client that matter to this server; a set.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Capabilities(u8);

/// Each of them: where it stands in `ClientCapabilities`.
const NAMES: [(Capabilities, [&str; 2]); 6] = [
    (Capabilities::FORM, ["elicitation", "form"]),
    (Capabilities::URL, ["elicitation", "url"]),
    (Capabilities::SAMPLING, ["sampling", ""]),
    (Capabilities::SAMPLING_TOOLS, ["sampling", "tools"]),
    (Capabilities::ROOTS, ["roots", ""]),
    (Capabilities::TASKS, ["extensions", EXTENSION]),
];

impl Capabilities {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const FORM: Self = Self(1);
    pub(crate) const URL: Self = Self(2);
    pub(crate) const SAMPLING: Self = Self(4);
    pub(crate) const SAMPLING_TOOLS: Self = Self(8);
    pub(crate) const ROOTS: Self = Self(16);
    /// All that a client can be asked for.
    pub(crate) const ASKED: Self = Self(31);
    /// The extension for long jobs.
    pub(crate) const TASKS: Self = Self(32);

    /// Reads `ClientCapabilities`. What is not as the specification wants it is not there.
    pub(crate) fn read(json: &str) -> Self {
        let mut found = Self::NONE;
        let mut scanner = Scanner::new(json);
        if !scanner.is_at_object() {
            return found;
        }
        let walked = scanner.object(|capability, scanner| {
            let value = scanner.value()?;
            if !value.starts_with('{') {
                return Ok(());
            }
            let mut has_mode = false;
            let members = Scanner::new(value).object(|member, scanner| {
                let is_there = scanner.value()?.starts_with('{');
                for (bit, [name, inner]) in NAMES {
                    if is_there && name == capability && inner == member {
                        found = found.and(bit);
                        has_mode |= name == "elicitation";
                    }
                }
                Ok(())
            });
            for (bit, [name, inner]) in NAMES {
                if name == capability && inner.is_empty() {
                    found = found.and(bit);
                }
            }
            if capability == "elicitation" && !has_mode {
                // As it was before there were modes.
                found = found.and(Self::FORM);
            }
            members
        });
        if walked.is_ok() { found } else { Self::NONE }
    }

    /// The set as a number, which [`Capabilities::from_bits`] reads.
    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    pub(crate) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Those that another set lacks.
    pub(crate) fn missing_in(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    fn names(self) -> impl Iterator<Item = [&'static str; 2]> {
        NAMES.into_iter().filter(move |(bit, _)| self.has(*bit)).map(|(_, names)| names)
    }

    /// As `ClientCapabilities`.
    pub(crate) fn to_json(self) -> Value {
        let mut capabilities = Map::new();
        for [name, inner] in self.names() {
            let capability = capabilities.entry(name).or_insert_with(|| json!({}));
            if !inner.is_empty() {
                capability[inner] = json!({});
            }
        }
        capabilities.into()
    }
}

/// `elicitation.form sampling …`
impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, [name, inner]) in self.names().enumerate() {
            let lead = if index > 0 { " " } else { "" };
            let dot = if inner.is_empty() { "" } else { "." };
            write!(f, "{lead}{name}{dot}{inner}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_declares_is_known() {
        for (json, expected) in [
            ("{}", ""),
            (r#"{"elicitation":{}}"#, "elicitation.form"),
            (r#"{"elicitation":{"form":{}}}"#, "elicitation.form"),
            (r#"{"elicitation":{"url":{"x":1}}}"#, "elicitation.url"),
            (r#"{"elicitation":{"url":{},"form":{}}}"#, "elicitation.form elicitation.url"),
            (r#"{"elicitation":{"other":{}}}"#, "elicitation.form"),
            (r#"{"elicitation":true,"roots":null,"sampling":1}"#, ""),
            (r#"{"sampling":{},"roots":{"listChanged":true}}"#, "sampling roots"),
            (r#"{"sampling":{"tools":{},"context":{}}}"#, "sampling sampling.tools"),
            (r#"{"extensions":{"a/b":{}},"experimental":{"sampling":{}}}"#, ""),
            (
                r#"{"roots":{},"extensions":{"a/b":{},"io.modelcontextprotocol/tasks":{}}}"#,
                "roots extensions.io.modelcontextprotocol/tasks",
            ),
            (r#"{"tasks":{"list":{}},"extensions":{"io.modelcontextprotocol/tasks":true}}"#, ""),
            ("[]", ""),
            ("{\"roots\":{},", ""),
        ] {
            let read = Capabilities::read(json);
            assert_eq!(read.to_string(), expected, "{json}");
            assert_eq!(Capabilities::from_bits(read.bits()), read);
            assert_eq!(Capabilities::read(&read.to_json().to_string()), read);
        }
    }

    #[test]
    fn what_is_missing_is_told_as_the_client_would_declare_it() {
        let all = Capabilities::from_bits(31);
        for (has, missing) in [
            ("{}", json!({"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {}})),
            (r#"{"elicitation":{},"roots":{}}"#, json!({"elicitation": {"url": {}}, "sampling": {"tools": {}}})),
            (r#"{"elicitation":{"form":{},"url":{}},"roots":{},"sampling":{}}"#, json!({"sampling": {"tools": {}}})),
        ] {
            assert_eq!(all.missing_in(Capabilities::read(has)).to_json(), missing);
        }
    }
}
