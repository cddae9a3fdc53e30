//! From what an operation asks for to an [`Operation`].

mod arguments;
mod body;
mod fix;
mod path;
#[cfg(test)]
mod tests;

use mcp::operation::{Location, Operation, Parameter, Source, check_header};
use serde_json::{Map, Value};

use self::arguments::Names;
use self::fix::Fixes;
use crate::description;
use crate::document::Version;
use crate::media_type;
use crate::node::Node;
use crate::paths::Found;
use crate::reader::Reader;
use crate::request::{self, Request};
use crate::rules::{Edit, Rules};
use crate::schema::{Converted, Direction, Schemas, size};
use crate::security::Security;
use crate::server::Servers;
use crate::warning::Warning;
use crate::{openapi3, swagger2};

/// Makes one operation after the other; what they share is converted once.
pub(crate) struct Maker<'d, 'e> {
    reader: &'d Reader<'e>,
    rules: &'d Rules,
    servers: Servers,
    security: Security<'d>,
    schemas: Schemas<'d, 'e>,
    /// Bytes that all schemas together may still have.
    bytes_left: usize,
}

/// The input schema while it grows.
#[derive(Debug, Default)]
struct Input {
    properties: Map<String, Value>,
    required: Vec<Value>,
    refers: Vec<usize>,
}

impl Input {
    fn add(&mut self, name: &str, required: bool, converted: Converted) {
        self.properties.insert(name.into(), converted.json);
        self.refers.extend(converted.refers);
        if required {
            self.required.push(name.into());
        }
    }
}

impl<'d, 'e> Maker<'d, 'e> {
    pub(crate) fn new(
        reader: &'d Reader<'e>,
        rules: &'d Rules,
        servers: Servers,
        security: Security<'d>,
        schemas: Schemas<'d, 'e>,
    ) -> Maker<'d, 'e> {
        Maker { reader, rules, servers, security, schemas, bytes_left: reader.limits.all_schemas_bytes }
    }

    /// The error says why there is none; everything less is kept as a warning.
    pub(crate) fn make(&mut self, found: &Found<'d>, name: String, edit: Option<&Edit>) -> Result<Operation, Warning> {
        // Path items can share one operation, and each has its own look at it.
        self.reader.spend(size(found.operation.value) / 8)?;
        let server = self.servers.of(self.reader, found)?;
        let request = match self.reader.version {
            Version::Swagger2 => swagger2::read(self.reader, found)?,
            _ => openapi3::read(self.reader, found)?,
        };
        let mut template = path::Template::parse(self.reader, found, &server.path)?;
        let Request { parameters: declared, body, accepts, answer } = request;
        let declared = self.arguments(declared, &template);
        template.declare(self.reader, found, &declared);
        let names = Names::new(&declared, &template, body.is_some());
        let mut fixes = Fixes::new(edit);
        let mut input = Input::default();
        let mut parameters = self.security.parameters(self.reader, found);
        parameters.extend(template.fixed);
        for (parameter, argument) in declared.iter().zip(&names.of_parameters) {
            let converted = self.parameter(parameter)?;
            let source = match fixes.take(argument, parameter.name) {
                Some(text) => fix::source(text, &converted.json),
                None => {
                    input.add(argument, parameter.required, converted);
                    Source::Argument(argument.clone())
                }
            };
            let (name, location) = (parameter.name.to_owned(), parameter.location);
            parameters.push(Parameter { source, name, location, serialization: parameter.serialization.clone() });
        }
        for (name, argument) in template.undeclared.iter().zip(&names.of_undeclared) {
            let source = match fixes.take(argument, name) {
                Some(text) => fix::source(text, &Value::Null),
                None => {
                    input.add(argument, true, arguments::text());
                    Source::Argument(argument.clone())
                }
            };
            parameters.push(arguments::undeclared(name, source));
        }
        let body = match body {
            Some(body) => Some(self.body(body, &mut input)?),
            None => None,
        };
        self.reader.spend(1)?;
        fixes.warn_of_rest(self.reader, &names, body.is_some());
        let described = edit.and_then(|edit| edit.description.clone());
        Ok(Operation {
            title: description::title(found),
            description: described.unwrap_or_else(|| description::description(found, self.reader.limits.description)),
            annotations: description::annotations(&found.method),
            method: found.method.clone(),
            origin: server.origin,
            path: template.text,
            parameters,
            body,
            accept: media_type::accept(&accepts),
            input_schema: self.input_schema(found, input)?,
            output_schema: answer.filter(|_| self.rules.output_schema).and_then(|answer| self.output_schema(&answer)),
            name,
        })
    }

    /// The parameters that a model may set.
    fn arguments(
        &self,
        declared: Vec<request::Parameter<'d>>,
        template: &path::Template,
    ) -> Vec<request::Parameter<'d>> {
        let is_argument = |parameter: &request::Parameter<'_>| {
            let name = parameter.name;
            match parameter.location {
                location if self.security.is_key(location, name) => false,
                // nginx takes both characters for the same.
                Location::Header => {
                    let checked = check_header(&name.replace('_', "-"));
                    checked.map_err(|why| self.reader.warn(&parameter.at, why)).is_ok()
                }
                // The path has its value already.
                Location::Query if template.fixed.iter().any(|fixed| fixed.name == name) => false,
                Location::Cookie if !arguments::is_token(name) => {
                    self.reader
                        .warn(&parameter.at, format!("\"{name}\" cannot be the name of a cookie; it is left out"));
                    false
                }
                Location::Path if !template.names.iter().any(|known| known == name) => {
                    self.reader.warn(&parameter.at, format!("the path has no {{{name}}}; the parameter is left out"));
                    false
                }
                _ => true,
            }
        };
        declared.into_iter().filter(|parameter| is_argument(parameter)).collect()
    }

    /// The schema of one argument. An optional one whose schema is broken takes everything.
    fn parameter(&mut self, parameter: &request::Parameter<'d>) -> Result<Converted, Warning> {
        let converted = match &parameter.schema {
            Some(schema) => self.checked(schema),
            None => Ok(arguments::anything()),
        };
        let mut converted = match converted {
            Err(warning) if !parameter.required => {
                let text = format!("{}; the optional parameter \"{}\" takes any value", warning.text, parameter.name);
                self.reader.warnings.push(Warning { text, ..warning });
                arguments::anything()
            }
            converted => converted?,
        };
        arguments::describe(&mut converted.json, parameter.at.text("description"));
        if let (Some(true), Value::Object(members)) = (parameter.at.flag("deprecated"), &mut converted.json) {
            members.insert("deprecated".into(), true.into());
        }
        Ok(converted)
    }

    /// Converted, with everything that it refers to.
    fn checked(&mut self, schema: &Node<'d>) -> Result<Converted, Warning> {
        let converted = self.schemas.convert(schema, Direction::Request)?;
        self.schemas.reach(&converted.refers)?;
        Ok(converted)
    }

    fn input_schema(&mut self, found: &Found<'d>, input: Input) -> Result<Value, Warning> {
        let limit = self.reader.limits.schema_bytes;
        let Input { properties, required, refers } = input;
        let mut schema = Map::new();
        schema.insert("type".into(), "object".into());
        schema.insert("properties".into(), properties.into());
        if !required.is_empty() {
            schema.insert("required".into(), required.into());
        }
        schema.insert("additionalProperties".into(), false.into());
        let whole = |warning: Warning| match warning.pointer.as_str() {
            "" => self.reader.defect(&found.at, warning.text),
            _ => warning,
        };
        let (defs, mut bytes) = self.schemas.close(&refers, limit).map_err(whole)?;
        let schema = arguments::with_defs(schema.into(), defs, &mut bytes);
        if bytes > limit {
            let text = format!("the input schema has more than {limit} bytes");
            return Err(self.reader.defect(&found.at, text));
        }
        let left = self.bytes_left.checked_sub(bytes);
        self.bytes_left = left.ok_or_else(|| {
            let limit = self.reader.limits.all_schemas_bytes;
            let text = format!("all schemas together have more than {limit} bytes");
            self.reader.defect(&found.at, text)
        })?;
        Ok(schema)
    }

    /// What is wrong with an answer's schema costs no more than the schema.
    fn output_schema(&mut self, answer: &Node<'d>) -> Option<Value> {
        let limit = self.reader.limits.schema_bytes.min(self.bytes_left);
        let mut make = || {
            let answer = self.reader.follow(answer.clone())?;
            let converted = self.schemas.convert(&answer, Direction::Response)?;
            let (defs, bytes) = self.schemas.close(&converted.refers, limit)?;
            Ok((converted.json, defs, bytes))
        };
        let left_out = |why: &str| {
            self.reader.warn(answer, format!("{why}; no output schema is published"));
            None
        };
        let (json, defs, mut bytes) = match make() {
            Ok(made) => made,
            Err(Warning { text, .. }) => return left_out(&text),
        };
        let schema = arguments::with_defs(json, defs, &mut bytes);
        // One that allows everything says nothing.
        if schema.as_object().is_none_or(Map::is_empty) {
            return None;
        }
        if bytes > limit {
            return left_out(&format!("the schema has more than {limit} bytes"));
        }
        self.bytes_left -= bytes;
        Some(schema)
    }
}
