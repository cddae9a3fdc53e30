//! The path of an operation with its `{name}`s.

use mcp::operation::{Location, Parameter, Serialization, Source, Style};

use crate::paths::Found;
use crate::percent;
use crate::reader::Reader;
use crate::request;
use crate::warning::Warning;

/// Longer paths are served by nobody.
const MAX_LENGTH: usize = 8_000;

/// A path, the server's part included.
#[derive(Debug)]
pub(super) struct Template {
    /// As the core wants it: everything outside of braces encoded.
    pub(super) text: String,
    /// The names in braces.
    pub(super) names: Vec<String>,
    /// Those of them that no parameter declares.
    pub(super) undeclared: Vec<String>,
    /// A query that the path has, against the specification.
    pub(super) fixed: Vec<Parameter>,
}

impl Template {
    pub(super) fn parse(reader: &Reader<'_>, found: &Found<'_>, base: &str) -> Result<Template, Warning> {
        if found.path.len() > MAX_LENGTH {
            return Err(reader.defect(&found.at, format!("the path has more than {MAX_LENGTH} characters")));
        }
        let mut text = base.to_owned();
        let mut names: Vec<String> = Vec::new();
        // A fragment tells such paths apart in the document and is never sent.
        let path = found.path.split('#').next().unwrap_or_default();
        let (mut rest, query) = path.split_once('?').map_or((path, ""), |(path, query)| (path, query));
        while let Some(open) = rest.find('{') {
            let name = rest[open + 1..].split('}').next().filter(|name| open + 1 + name.len() < rest.len());
            let Some(name) = name.filter(|name| !name.is_empty() && !name.contains(['{', '/'])) else {
                return Err(reader.defect(&found.at, "the path has a brace without its other"));
            };
            percent::push_path(&mut text, &rest[..open]);
            text.extend(["{", name, "}"]);
            if names.iter().all(|known| known != name) {
                names.push(name.into());
            }
            rest = &rest[open + name.len() + 2..];
        }
        percent::push_path(&mut text, rest);
        // A pair with braces repeats a parameter.
        let pairs = query.split('&').filter(|pair| !pair.is_empty() && !pair.contains('{'));
        let fixed = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| percent::decode(text).unwrap_or_else(|| text.into());
            Parameter {
                source: Source::Fixed(decode(value).into()),
                name: decode(name),
                location: Location::Query,
                serialization: Serialization::Style { style: Style::Form, explode: true, allow_reserved: false },
            }
        });
        Ok(Template { text, names, undeclared: Vec::new(), fixed: fixed.collect() })
    }

    /// Names in braces without a parameter take a text.
    pub(super) fn declare(&mut self, reader: &Reader<'_>, found: &Found<'_>, declared: &[request::Parameter<'_>]) {
        let is_declared = |name: &str| {
            declared.iter().any(|parameter| parameter.location == Location::Path && parameter.name == name)
        };
        self.undeclared = self.names.iter().filter(|name| !is_declared(name)).cloned().collect();
        for name in &self.undeclared {
            reader.warn(&found.at, format!("no parameter declares {{{name}}} of the path; it takes any text"));
        }
    }
}
