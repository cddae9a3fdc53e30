//! STUB of the tools' interface, replaced by the real one: every tool takes any arguments and answers with the
//! upstream's body as text.

use serde_json::{Map, Value, json};

use crate::ProtocolVersion;
use crate::http::{Outcome, UpstreamFailure, UpstreamRequest, UpstreamResponse};

/// A directive's value that cannot be used; the text says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// What the directives inside one `mcp_tool NAME { … }` block said.
#[derive(Debug)]
pub struct ToolBuilder {
    tool: Tool,
}

#[allow(missing_docs, clippy::unnecessary_wraps)]
impl ToolBuilder {
    pub fn new(name: &str) -> Result<ToolBuilder, ConfigError> {
        Ok(ToolBuilder {
            tool: Tool {
                name: name.into(),
                method: "GET".into(),
                origin: "http://127.0.0.1".into(),
                uri: "/".into(),
                description: String::new(),
                input_schema: json!({"type": "object"}),
                mirrored: Vec::new(),
            },
        })
    }
    pub fn pass(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        let url = args.last().copied().unwrap_or_default();
        if args.len() == 2 {
            self.tool.method = args[0].into();
        }
        let rest = url.find("://").map_or(0, |i| i + 3);
        let slash = url[rest..].find('/').map_or(url.len(), |i| rest + i);
        self.tool.origin = url[..slash].into();
        self.tool.uri = if slash == url.len() { "/".into() } else { url[slash..].into() };
        Ok(())
    }
    pub fn title(&mut self, _args: &[&str]) -> Result<(), ConfigError> {
        Ok(())
    }
    pub fn description(&mut self, args: &[&str]) -> Result<(), ConfigError> {
        self.tool.description = args.concat();
        Ok(())
    }
    pub fn argument(&mut self, _args: &[&str]) -> Result<(), ConfigError> {
        Ok(())
    }
    pub fn annotations(&mut self, _args: &[&str]) -> Result<(), ConfigError> {
        Ok(())
    }
    pub fn result(&mut self, _args: &[&str]) -> Result<(), ConfigError> {
        Ok(())
    }
    pub fn strict(&mut self, _args: &[&str]) -> Result<(), ConfigError> {
        Ok(())
    }
    pub fn select(&mut self, _args: &[&str]) -> Result<(), ConfigError> {
        Ok(())
    }
    pub fn input_schema(&mut self, json: &str) -> Result<(), ConfigError> {
        self.tool.input_schema = serde_json::from_str(json).map_err(|e| ConfigError(e.to_string()))?;
        Ok(())
    }
    pub fn output_schema(&mut self, _json: &str) -> Result<(), ConfigError> {
        Ok(())
    }
    pub fn build(self) -> Result<Tool, ConfigError> {
        Ok(self.tool)
    }
}

/// One tool, validated and compiled.
#[derive(Debug)]
pub struct Tool {
    name: String,
    method: String,
    origin: String,
    uri: String,
    description: String,
    input_schema: Value,
    mirrored: Vec<MirroredHeader>,
}

/// A property that a client repeats in a header.
#[derive(Debug)]
pub(crate) struct MirroredHeader {
    pub(crate) header: String,
    pub(crate) path: Vec<String>,
}

/// Arguments that the tool does not take; the text is for the model.
#[derive(Debug)]
pub(crate) struct InvalidArguments(pub(crate) String);

#[allow(missing_docs, clippy::unnecessary_wraps)]
impl Tool {
    pub fn name(&self) -> &str {
        &self.name
    }
    pub fn method(&self) -> &str {
        &self.method
    }
    pub fn origin(&self) -> &str {
        &self.origin
    }
    pub fn has_body(&self) -> bool {
        false
    }
    pub fn header_names(&self) -> &[String] {
        &[]
    }
    pub(crate) fn definition(&self, _version: ProtocolVersion) -> Value {
        json!({"name": self.name, "description": self.description, "inputSchema": self.input_schema})
    }
    pub(crate) fn request(&self, _arguments: Map<String, Value>) -> Result<UpstreamRequest, InvalidArguments> {
        Ok(UpstreamRequest { uri: self.uri.clone(), ..UpstreamRequest::default() })
    }
    pub(crate) fn write_result(
        &self,
        version: ProtocolVersion,
        answer: Result<UpstreamResponse<'_>, UpstreamFailure>,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let (text, failed) = match answer {
            Ok(answer) => (String::from_utf8_lossy(answer.body).into_owned(), answer.status >= 400),
            Err(failure) => (format!("{failure:?}"), true),
        };
        let mut result = json!({"content": [{"type": "text", "text": text}], "isError": failed});
        if version.is_stateless() {
            result["resultType"] = "complete".into();
        }
        out.extend_from_slice(result.to_string().as_bytes());
        if failed { Outcome::ToolError } else { Outcome::Ok }
    }
    pub(crate) fn mirrored(&self) -> &[MirroredHeader] {
        &self.mirrored
    }
}
