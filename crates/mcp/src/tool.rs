//! A tool: one declared HTTP call, with the schema that its arguments must meet and the place where each of them goes.
//!
//! [`ToolBuilder`] takes the directives of a block and says what is wrong with them, [`Tool::from_operation`] takes an
//! operation of an API description; [`Tool`] is what they became, validated, and is only read afterwards:
//!
//! ```text
//! definition   what `tools/list` shows                       (schema, annotations)
//! request      arguments → UpstreamRequest                   (endpoint: defaults, validation, layout)
//! write_result UpstreamResponse or -Failure → CallToolResult (result, mcp_result)
//! ```

mod annotations;
mod argument;
mod base64;
mod builder;
mod content;
mod defaults;
mod effort;
mod encode;
mod endpoint;
mod entity;
mod expansion;
#[cfg(test)]
mod expansion_tests;
mod file;
mod form;
mod integers;
mod json;
mod layout;
mod mcp_result;
mod media_type;
mod members;
mod mirrored;
mod multipart;
mod operation;
#[cfg(test)]
mod operation_tests;
mod path;
mod placement;
#[cfg(test)]
mod placement_tests;
mod repetition;
mod request;
mod result;
#[cfg(test)]
mod safety_tests;
mod schema;
mod select;
#[cfg(test)]
mod specification_tests;
mod status;
mod target;
#[cfg(test)]
pub(crate) mod test_tools;
mod text_argument;
mod url;
mod validation;
mod writer;

use std::fmt;

use serde_json::{Map, Value};

pub(crate) use self::annotations::published as published_annotations;
pub(crate) use self::argument::Argument;
pub use self::builder::ToolBuilder;
pub(crate) use self::builder::{check_name, once, text};
pub(crate) use self::content::{Shape, check_resource, check_shape, has_scheme, write_item};
pub(crate) use self::encode::{decode as percent_decoded, path as percent_encoded_path};
pub use self::endpoint::Endpoint;
pub(crate) use self::endpoint::{EndpointBuilder, Input, Misuse, message_endpoint};
pub(crate) use self::file::FilePath;
pub(crate) use self::json::checked as checked_json;
pub(crate) use self::mcp_result::{write as write_mcp_result, write_meta};
pub(crate) use self::media_type::{MediaType, Nature};
pub(crate) use self::members::{Members, Object};
pub(crate) use self::mirrored::{MirroredHeader, collect as mirrored};
// Part of `MirroredHeader`'s interface.
#[allow(unused_imports)]
pub(crate) use self::mirrored::MirroredType;
// Offered beside `Operation`, which must hold to them.
pub use self::schema::check_pattern;
pub(crate) use self::schema::in_long_form;
pub use self::target::check_header;
// What `write_result` takes and returns.
pub(crate) use self::result::{Answer, Written};
pub(crate) use self::status::{coding_of, status_line};
pub(crate) use self::writer::Writer;

use self::result::ResultRules;
use crate::ProtocolVersion;
use crate::http::UpstreamRequest;
use crate::presentation::Presentation;
use crate::task::TaskRules;

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

/// Why a call is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsent {
    /// For the model.
    pub(crate) text: String,
    /// For the error log, where the model is not to blame.
    pub(crate) note: Option<String>,
}

impl From<InvalidArguments> for Unsent {
    fn from(InvalidArguments(text): InvalidArguments) -> Self {
        Unsent { text, note: None }
    }
}

/// One tool, validated and compiled; immutable.
#[derive(Debug)]
pub struct Tool {
    name: String,
    presentation: Presentation,
    annotations: Option<Map<String, Value>>,
    mirrored: Vec<MirroredHeader>,
    endpoint: Endpoint,
    rules: ResultRules,
    task: Option<TaskRules>,
    is_recorded: bool,
    is_resumable: bool,
}

impl Tool {
    /// The name under which clients call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its calls are.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// From now on calls of it outlive the connection that they came on, if their clients can come back.
    pub fn let_resume(&mut self) {
        self.is_resumable = true;
    }

    pub(crate) fn is_resumable(&self) -> bool {
        self.is_resumable
    }

    /// What is left of it where it is no tool: its name, how it is shown, and what its calls are.
    pub(crate) fn into_parts(self) -> (String, Presentation, Endpoint) {
        (self.name, self.presentation, self.endpoint)
    }

    /// From now on each call of it ends in a [`Record`](crate::Record).
    pub fn record_calls(&mut self) {
        self.is_recorded = true;
    }

    /// Whether each call of it ends in a [`Record`](crate::Record).
    pub(crate) fn is_recorded(&self) -> bool {
        self.is_recorded
    }

    /// Whether its calls may become jobs, and how.
    pub(crate) fn task(&self) -> Option<TaskRules> {
        self.task
    }

    /// Headers in which a client repeats arguments, by `x-mcp-header` of the input schema.
    pub(crate) fn mirrored(&self) -> &[MirroredHeader] {
        &self.mirrored
    }

    /// Writes the tool as `tools/list` shows it in a revision. Schemas go from text to text: those of a large API
    /// description have megabytes, and there is a list for every revision.
    pub(crate) fn write_definition(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        let mut tool = Object::begin(out);
        tool.text("name", &self.name);
        self.presentation.write(version, &mut tool);
        tool.member("inputSchema", &self.endpoint.input.schema.published(version));
        if let Some(output) = self.rules.published_output(version) {
            tool.member("outputSchema", &output);
        }
        if let Some(annotations) =
            annotations::published(self.annotations.as_ref(), self.presentation.title_text(), version)
        {
            tool.member("annotations", &Value::Object(annotations).to_string());
        }
        tool.end();
    }

    /// The same, read back.
    pub(crate) fn definition(&self, version: ProtocolVersion) -> Map<String, Value> {
        let mut json = Vec::new();
        self.write_definition(version, &mut json);
        serde_json::from_slice(&json).unwrap_or_default()
    }

    /// Drops what only [`Tool::write_definition`] needs, once every list is made.
    pub(crate) fn forget_definition(&mut self) {
        (self.presentation, self.annotations) = (Presentation::default(), None);
    }

    /// Fills in defaults, validates, and puts every argument where it belongs. `evaluate` gives the value of one of
    /// [`Endpoint::operator_values`].
    pub(crate) fn request(
        &self,
        arguments: Map<String, Value>,
        evaluate: &mut dyn FnMut(usize) -> String,
    ) -> Result<UpstreamRequest, Unsent> {
        let unsent = |misuse| match misuse {
            Misuse::Arguments(invalid) => invalid.into(),
            Misuse::Setup(why) => self.unusable(&why),
        };
        let arguments = self.endpoint.input.check(arguments).map_err(unsent)?;
        mirrored::check(&self.mirrored, &arguments)?;
        self.endpoint.place(arguments, evaluate).map_err(unsent)
    }

    /// The call cannot be made, whatever its arguments.
    fn unusable(&self, why: &str) -> Unsent {
        Unsent {
            text: "the tool cannot be called: it is not set up correctly on this server; its operator finds the reason in the log"
                .into(),
            note: Some(format!("tool \"{}\" cannot be called: {why}", self.name)),
        }
    }
}
