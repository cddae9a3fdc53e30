//! The arguments' names, and the small parts of their schemas.

use std::collections::HashSet;

use mcp::operation::{Location, Parameter, Serialization, Source, Style};
use serde_json::{Map, Value};

use super::path::Template;
use crate::request;
use crate::schema::{Converted, size};

/// The argument of the body.
pub(super) const BODY: &str = "body";

/// One argument for each parameter, under its own name; those that would be the same get their place appended.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) of_parameters: Vec<String>,
    /// Of what the path has and no parameter declares.
    pub(super) of_undeclared: Vec<String>,
}

impl Names {
    pub(super) fn new(declared: &[request::Parameter<'_>], template: &Template, has_body: bool) -> Names {
        let own = |parameter: &request::Parameter<'_>| match parameter.name {
            "" => "query".to_owned(),
            name => name.to_owned(),
        };
        let mut all: Vec<(String, &str)> =
            declared.iter().map(|parameter| (own(parameter), place(parameter.location))).collect();
        all.extend(template.undeclared.iter().map(|name| (name.clone(), "path")));
        let count = |name: &str| all.iter().filter(|(other, _)| other == name).count();
        let alone = |name: &str| count(name) == 1 && !(has_body && name == BODY);
        let mut taken: HashSet<String> = all.iter().map(|(name, _)| name.clone()).filter(|name| alone(name)).collect();
        if has_body {
            taken.insert(BODY.into());
        }
        let mut names: Vec<String> = Vec::new();
        for (name, place) in &all {
            if alone(name) {
                names.push(name.clone());
                continue;
            }
            let mut name = format!("{name}_{place}");
            while !taken.insert(name.clone()) {
                name.push('_');
            }
            names.push(name);
        }
        let of_undeclared = names.split_off(declared.len());
        Names { of_parameters: names, of_undeclared }
    }
}

fn place(location: Location) -> &'static str {
    match location {
        Location::Path => "path",
        Location::Query => "query",
        Location::Querystring => "querystring",
        Location::Header => "header",
        Location::Cookie => "cookie",
    }
}

pub(super) fn undeclared(name: &str, source: Source) -> Parameter {
    let serialization = Serialization::Style { style: Style::Simple, explode: false, allow_reserved: false };
    Parameter { source, name: name.into(), location: Location::Path, serialization }
}

pub(super) fn anything() -> Converted {
    Converted { json: Map::new().into(), refers: Vec::new() }
}

pub(super) fn text() -> Converted {
    Converted { json: Map::from_iter([("type".to_owned(), Value::from("string"))]).into(), refers: Vec::new() }
}

/// A parameter's or body's own description says more than that of its schema, which may be used in many places.
pub(super) fn describe(schema: &mut Value, description: Option<&str>) {
    let Some(description) = description.filter(|text| !text.trim().is_empty()) else { return };
    if let Value::Bool(true) = schema {
        *schema = Map::new().into();
    }
    if let Value::Object(members) = schema {
        members.insert("description".into(), description.into());
    }
}

/// The schema with its definitions; `bytes` are those of the definitions, and then of all.
pub(super) fn with_defs(mut schema: Value, defs: Map<String, Value>, bytes: &mut usize) -> Value {
    *bytes += size(&schema);
    if let (Value::Object(members), false) = (&mut schema, defs.is_empty()) {
        members.insert("$defs".into(), defs.into());
    }
    schema
}

pub(super) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
