//! A tool: one declared HTTP call, with the schema that its arguments must meet and the place where each of them goes.
//!
//! [`ToolBuilder`] takes the directives of a block and says what is wrong with them; [`Tool`] is what they became,
//! validated and compiled, and is only read afterwards:
//!
//! ```text
//! definition   what `tools/list` shows                       (schema, annotations)
//! request      arguments → UpstreamRequest                   (defaults, validation, placement)
//! write_result UpstreamResponse or -Failure → CallToolResult (result, mcp_result)
//! ```

mod annotations;
mod argument;
mod builder;
mod content;
mod defaults;
mod encode;
mod json;
mod mcp_result;
mod media_type;
mod members;
mod mirrored;
mod placement;
mod request;
mod result;
mod schema;
mod select;
#[cfg(test)]
mod specification_tests;
mod status;
mod target;
#[cfg(test)]
mod test_tools;
mod url;
mod validation;
mod writer;

use std::fmt;

use serde_json::{Map, Value};

pub use self::builder::ToolBuilder;
pub(crate) use self::mirrored::MirroredHeader;
// Part of `MirroredHeader`'s interface.
#[allow(unused_imports)]
pub(crate) use self::mirrored::MirroredType;
// Offered beside `Operation`, which must hold to them.
pub use self::schema::check_pattern;
pub use self::target::check_header;
// What `write_result` returns.
#[allow(unused_imports)]
pub(crate) use self::result::Written;

use self::defaults::Defaults;
use self::placement::Layout;
use self::result::ResultRules;
use self::schema::Schema;
use crate::ProtocolVersion;
use crate::http::UpstreamRequest;

/// A directive's value that cannot be used; the text says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// Arguments that the tool does not take; the text is for the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidArguments(pub(crate) String);

impl fmt::Display for InvalidArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One tool, validated and compiled; immutable.
#[derive(Debug)]
pub struct Tool {
    name: String,
    title: Option<String>,
    description: String,
    annotations: Option<Map<String, Value>>,
    input: Schema,
    defaults: Defaults,
    mirrored: Vec<MirroredHeader>,
    layout: Layout,
    rules: ResultRules,
}

impl Tool {
    /// The name under which clients call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The HTTP method of its upstream requests.
    pub fn method(&self) -> &str {
        self.layout.method.as_str()
    }

    /// Scheme and authority of its upstream, as `proxy_pass` takes them: `http://inventory`.
    pub fn origin(&self) -> &str {
        &self.layout.origin
    }

    /// Whether its calls carry a request body.
    pub fn has_body(&self) -> bool {
        self.layout.has_body()
    }

    /// Every header that its calls may set through arguments, `Cookie` among them when one is placed there.
    pub fn header_names(&self) -> &[String] {
        &self.layout.header_names
    }

    /// Headers in which a client repeats arguments, by `x-mcp-header` of the input schema.
    pub(crate) fn mirrored(&self) -> &[MirroredHeader] {
        &self.mirrored
    }

    /// The tool as `tools/list` shows it in a revision.
    pub(crate) fn definition(&self, version: ProtocolVersion) -> Map<String, Value> {
        let mut tool = Map::new();
        tool.insert("name".into(), self.name.clone().into());
        if version >= ProtocolVersion::V2025_06_18 {
            tool.extend(self.title.iter().map(|title| ("title".into(), title.clone().into())));
        }
        tool.insert("description".into(), self.description.clone().into());
        tool.insert("inputSchema".into(), self.input.published(version));
        if let Some(output) = self.rules.published_output(version) {
            tool.insert("outputSchema".into(), output);
        }
        if let Some(annotations) = annotations::published(self.annotations.as_ref(), self.title.as_deref(), version) {
            tool.insert("annotations".into(), annotations.into());
        }
        tool
    }

    /// Fills in defaults, validates, and puts every argument where it belongs.
    pub(crate) fn request(&self, mut arguments: Map<String, Value>) -> Result<UpstreamRequest, InvalidArguments> {
        self.defaults.fill(&mut arguments);
        let arguments = Value::Object(arguments);
        self.input.check(&arguments).map_err(|text| InvalidArguments(format!("invalid arguments: {text}")))?;
        mirrored::check(&self.mirrored, &arguments)?;
        let Value::Object(arguments) = arguments else { unreachable!("made an object above") };
        self.layout.place(arguments)
    }
}
