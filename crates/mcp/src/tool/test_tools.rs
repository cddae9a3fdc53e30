//! Tools for tests, made as an operator makes them.

use serde_json::{Map, Value};

use super::{ConfigError, Tool, ToolBuilder};

/// A tool `t` from directives, each with its name first; schemas are given as their text.
pub(super) fn build(directives: &[&[&str]]) -> Result<Tool, ConfigError> {
    let mut builder = ToolBuilder::new("t")?;
    for directive in directives {
        let (name, args) = directive.split_first().unwrap();
        match *name {
            "pass" => builder.pass(args)?,
            "title" => builder.title(args)?,
            "description" => builder.description(args)?,
            "argument" => builder.argument(args)?,
            "annotations" => builder.annotations(args)?,
            "input_schema" => builder.input_schema(args[0])?,
            "output_schema" => builder.output_schema(args[0])?,
            "result" => builder.result(args)?,
            "select" => builder.select(args)?,
            "strict" => builder.strict(args)?,
            _ => panic!("no directive {name}"),
        }
    }
    builder.build()
}

/// The same, where nothing is wrong.
pub(super) fn tool(directives: &[&[&str]]) -> Tool {
    build(directives).unwrap_or_else(|error| panic!("{error}"))
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
