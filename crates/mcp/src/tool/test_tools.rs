//! Tools for tests, made as an operator makes them.

use serde_json::{Map, Value, json};

use super::{ConfigError, Tool, ToolBuilder};
use crate::operation::{Location, Operation, Parameter, RequestBody, Serialization, Source, Style};

/// A tool `t` from directives, each with its name first; schemas are given as their text.
pub(super) fn build(directives: &[&[&str]]) -> Result<Tool, ConfigError> {
    build_named("t", directives)
}

/// The same with another name, where nothing is wrong.
pub(crate) fn named(name: &str, directives: &[&[&str]]) -> Tool {
    build_named(name, directives).unwrap_or_else(|error| panic!("{error}"))
}

fn build_named(name: &str, directives: &[&[&str]]) -> Result<Tool, ConfigError> {
    let mut builder = ToolBuilder::new(name)?;
    for directive in directives {
        let (name, args) = directive.split_first().unwrap();
        match *name {
            "pass" => builder.pass(args)?,
            "title" => builder.presentation().title(args)?,
            "description" => builder.presentation().description(args)?,
            "argument" => builder.argument(args)?,
            "annotations" => builder.annotations(args)?,
            "input_schema" => builder.input_schema(args[0])?,
            "output_schema" => builder.output_schema(args[0])?,
            "result" => builder.result(args)?,
            "select" => builder.select(args)?,
            "strict" => builder.strict(args)?,
            "task" => builder.task(args)?,
            _ => panic!("no directive {name}"),
        }
    }
    builder.build()
}

/// The same, where nothing is wrong.
pub(super) fn tool(directives: &[&[&str]]) -> Tool {
    named("t", directives)
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is not an object"),
    }
}

/// For tools without values of the operator.
pub(super) fn no_values(_: usize) -> String {
    panic!("there is nothing to evaluate")
}

/// An operation whose schema takes anything under the names that its parameters and its body have.
pub(super) fn operation(method: &str, path: &str, parameters: Vec<Parameter>, body: Option<RequestBody>) -> Operation {
    let arguments = parameters.iter().filter_map(|parameter| match &parameter.source {
        Source::Argument(name) => Some(name.clone()),
        Source::Fixed(_) | Source::Operator(_) => None,
    });
    let arguments = arguments.chain(body.iter().map(|body| body.argument.clone()));
    let properties: Map<String, Value> = arguments.map(|name| (name, json!({}))).collect();
    Operation {
        name: "op".into(),
        title: None,
        description: "An operation.".into(),
        annotations: Map::new(),
        method: method.into(),
        origin: "http://api.example.com".into(),
        path: path.into(),
        parameters,
        body,
        accept: None,
        input_schema: json!({"type": "object", "properties": properties}),
        output_schema: None,
    }
}

pub(super) fn parameter(location: Location, name: &str, serialization: Serialization) -> Parameter {
    Parameter { source: Source::Argument(name.into()), name: name.into(), location, serialization }
}

pub(super) fn style(style: Style, explode: bool) -> Serialization {
    Serialization::Style { style, explode, allow_reserved: false }
}
