//! The walk over one Schema Object.
//!
//! Only keywords that 2020-12 knows are taken over, each only if its value is of the right type: documents have `xml`,
//! `discriminator`, `x-…`, `required: true` and misspelt types, and a validator would refuse the whole schema for one of
//! them.

use std::collections::HashSet;

use serde_json::{Map, Number, Value};

use super::{Converted, Direction, Schemas, size};
use crate::document::Version;
use crate::node::{Node, push_step};
use crate::warning::Warning;

/// Deeper than any real document; what refers to each other does not add up.
const MAX_DEPTH: usize = 100;
/// Members of `allOf`, and of theirs, that are looked through for properties that are not to be asked for.
const MAX_LOOKS: usize = 200;
const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "object", "array", "null"];

/// Names of properties.
type Names<'d> = HashSet<&'d str>;

pub(super) struct Conversion<'s, 'd, 'e> {
    schemas: &'s mut Schemas<'d, 'e>,
    direction: Direction,
    file: usize,
    /// Where the walk stands.
    pointer: String,
    depth: usize,
    refers: Vec<usize>,
}

impl<'s, 'd, 'e> Conversion<'s, 'd, 'e> {
    pub(super) fn new(schemas: &'s mut Schemas<'d, 'e>, node: &Node<'d>, direction: Direction) -> Self {
        Conversion { schemas, direction, file: node.file, pointer: node.pointer.clone(), depth: 0, refers: Vec::new() }
    }

    pub(super) fn run(mut self, schema: &'d Value) -> Result<Converted, Warning> {
        let json = self.schema(schema, None)?;
        Ok(Converted { json, refers: self.refers })
    }

    /// `hidden` are the names that the schemas around by `allOf` do not ask for.
    fn schema(&mut self, schema: &'d Value, hidden: Option<&Names<'d>>) -> Result<Value, Warning> {
        let members = match schema {
            Value::Bool(_) => return Ok(schema.clone()),
            Value::Object(members) => members,
            _ => {
                self.warn("a schema is an object; this one is taken as one that allows everything");
                return Ok(Map::new().into());
            }
        };
        if self.depth >= MAX_DEPTH {
            return Err(self.defect(format!("schemas are nested more than {MAX_DEPTH} deep")));
        }
        self.depth += 1;
        self.schemas.reader.spend(2 + 2 * members.len()).map_err(|warning| self.defect(warning.text))?;
        let own;
        let hidden = match hidden {
            Some(hidden) => hidden,
            None => {
                let mut names = Names::new();
                let mut looks = MAX_LOOKS;
                self.hidden(members, &mut looks, &mut names);
                own = names;
                &own
            }
        };
        let mut out = Map::new();
        let reference = members.get("$ref").or_else(|| members.get("$dynamicRef")).and_then(Value::as_str);
        if let Some(reference) = reference {
            let from = self.node(schema);
            let id = self.schemas.definition(&from, reference, self.direction)?;
            self.refers.push(id);
            out.insert("$ref".into(), format!("#/$defs/{}", self.schemas.definitions[id].name).into());
        }
        // Before 3.1 what stands beside a reference has no meaning, except to a reader.
        let alone = reference.is_some() && self.schemas.reader.version < Version::OpenApi31;
        for (keyword, value) in members {
            if alone && keyword != "description" {
                continue;
            }
            self.step(keyword, |walk| walk.keyword(keyword, value, hidden, &mut out))?;
        }
        if !alone {
            self.bounds(members, &mut out);
            binary(members, &mut out);
            nullable(members, &mut out);
        }
        self.depth -= 1;
        Ok(out.into())
    }

    fn keyword(
        &mut self,
        keyword: &str,
        value: &'d Value,
        hidden: &Names<'d>,
        out: &mut Map<String, Value>,
    ) -> Result<(), Warning> {
        if matches!(keyword, "default" | "const" | "enum") {
            self.schemas.reader.spend(size(value) / 8).map_err(|warning| self.defect(warning.text))?;
        }
        let converted = match keyword {
            "type" => self.types(value),
            "title" | "description" | "contentEncoding" | "contentMediaType" => self.only(value, Value::is_string),
            "format" => self.only(value, Value::is_string).filter(|format| format != "binary" && format != "byte"),
            "default" | "const" => Some(value.clone()),
            "enum" => self.only(value, |value| value.as_array().is_some_and(|items| !items.is_empty())),
            "pattern" => self.pattern(value),
            "minimum" | "maximum" => self.only(value, Value::is_number),
            "multipleOf" => self.only(value, |value| value.as_f64().is_some_and(|number| number > 0.0)),
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" | "minContains"
            | "maxContains" => self.count(value),
            "uniqueItems" | "deprecated" => self.only(value, Value::is_boolean),
            "required" => self.required(value, hidden),
            "dependentRequired" => self.only(value, |value| {
                let texts = |value: &Value| value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
                value.as_object().is_some_and(|members| members.values().all(texts))
            }),
            "items" => match value {
                Value::Array(_) => {
                    out.insert("prefixItems".into(), self.list(value, None)?);
                    None
                }
                value => Some(self.schema(value, None)?),
            },
            "not"
            | "if"
            | "then"
            | "else"
            | "additionalProperties"
            | "contains"
            | "propertyNames"
            | "unevaluatedItems"
            | "unevaluatedProperties"
            | "contentSchema" => Some(self.schema(value, None)?),
            "prefixItems" | "allOf" | "anyOf" | "oneOf" => {
                if value.as_array().is_some_and(|items| !items.is_empty()) {
                    let hidden = (keyword == "allOf").then_some(hidden);
                    Some(self.list(value, hidden)?)
                } else {
                    self.ill_typed()
                }
            }
            "properties" | "patternProperties" | "dependentSchemas" => match value {
                Value::Object(members) => Some(self.map(members, keyword)?),
                _ => self.ill_typed(),
            },
            _ => None,
        };
        if let Some(converted) = converted {
            out.insert(keyword.into(), converted);
        }
        Ok(())
    }

    fn list(&mut self, value: &'d Value, hidden: Option<&Names<'d>>) -> Result<Value, Warning> {
        let items = value.as_array().into_iter().flatten().enumerate();
        let converted: Result<Vec<Value>, Warning> =
            items.map(|(i, schema)| self.step(&i.to_string(), |walk| walk.schema(schema, hidden))).collect();
        converted.map(Value::Array)
    }

    fn map(&mut self, members: &'d Map<String, Value>, keyword: &str) -> Result<Value, Warning> {
        let mut out = Map::new();
        for (name, schema) in members {
            if keyword == "properties" && self.is_hidden(schema) {
                continue;
            }
            if keyword == "patternProperties" {
                if let Err(why) = self.schemas.patterns.check(name) {
                    self.step(name, |walk| walk.warn(&format!("the pattern {why}; it is left out")));
                    continue;
                }
            }
            let converted = self.step(name, |walk| walk.schema(schema, None))?;
            out.insert(name.clone(), converted);
        }
        Ok(out.into())
    }

    /// Whether a property is not for this direction.
    fn is_hidden(&mut self, schema: &'d Value) -> bool {
        let flag = match self.direction {
            Direction::Request => "readOnly",
            Direction::Response => "writeOnly",
        };
        let set = |schema: &Value| schema.get(flag).is_some_and(|value| value == true);
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { return set(schema) };
        if self.schemas.reader.version >= Version::OpenApi31 && set(schema) {
            return true;
        }
        let from = self.node(schema);
        self.schemas.look(&from, reference, self.direction).is_some_and(|node| set(node.value))
    }

    /// The names of such properties, here and in what `allOf` adds: `required` may stand in any of them.
    fn hidden(&mut self, members: &'d Map<String, Value>, looks: &mut usize, names: &mut Names<'d>) {
        for (name, schema) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
            // The walk meets the same end.
            if self.schemas.reader.spend(1).is_err() {
                return;
            }
            if self.is_hidden(schema) {
                names.insert(name);
            }
        }
        for schema in members.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            let Some(left) = looks.checked_sub(1) else { return };
            *looks = left;
            let Value::Object(members) = schema else { continue };
            let Some(reference) = members.get("$ref").and_then(Value::as_str) else {
                self.hidden(members, looks, names);
                continue;
            };
            let from = self.node(schema);
            let found = self.schemas.look(&from, reference, self.direction).cloned();
            if let Some(Node { value: Value::Object(members), file, .. }) = found {
                let here = std::mem::replace(&mut self.file, file);
                self.hidden(members, looks, names);
                self.file = here;
            }
        }
    }

    fn required(&mut self, value: &Value, hidden: &Names<'_>) -> Option<Value> {
        // `required: true` was draft 3's way and is in many documents. It says nothing here.
        if value.is_boolean() {
            return None;
        }
        let Value::Array(items) = value else { return self.ill_typed() };
        let mut names: Vec<Value> = Vec::new();
        let mut seen = HashSet::new();
        for item in items {
            match item {
                Value::String(name) if hidden.contains(name.as_str()) || !seen.insert(name) => {}
                Value::String(_) => names.push(item.clone()),
                _ => self.warn("a name in \"required\" is not a text; it is left out"),
            }
        }
        (!names.is_empty()).then_some(names.into())
    }

    fn types(&mut self, value: &Value) -> Option<Value> {
        let known = |kind: &str| TYPES.contains(&kind);
        match value {
            Value::String(kind) if known(kind) => Some(value.clone()),
            // Swagger 2.0.
            Value::String(kind) if kind == "file" => Some("string".into()),
            Value::Array(kinds) => {
                let mut out: Vec<Value> = Vec::new();
                for kind in kinds.iter().filter(|kind| kind.as_str().is_some_and(known)) {
                    if !out.contains(kind) {
                        out.push(kind.clone());
                    }
                }
                if out.is_empty() { self.ill_typed() } else { Some(out.into()) }
            }
            _ => self.ill_typed(),
        }
    }

    fn pattern(&mut self, value: &Value) -> Option<Value> {
        let Value::String(pattern) = value else { return self.ill_typed() };
        match self.schemas.patterns.check(pattern) {
            Ok(()) => Some(value.clone()),
            Err(why) => {
                self.warn(&format!("the pattern {why}; it is left out"));
                None
            }
        }
    }

    fn count(&mut self, value: &Value) -> Option<Value> {
        let whole = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..1e15).contains(number));
        match (value.as_u64(), whole) {
            (Some(count), _) => Some(count.into()),
            (None, Some(count)) => Some((count as u64).into()),
            (None, None) => self.ill_typed(),
        }
    }

    /// `exclusiveMinimum: true` beside `minimum` was how it was said before 2020-12, and is in documents of any version.
    fn bounds(&mut self, members: &Map<String, Value>, out: &mut Map<String, Value>) {
        for (exclusive, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
            match members.get(exclusive) {
                Some(Value::Bool(true)) => {
                    if let Some(value) = out.shift_remove(bound) {
                        out.insert(exclusive.into(), value);
                    }
                }
                Some(Value::Number(number)) => {
                    out.insert(exclusive.into(), Number::clone(number).into());
                }
                None | Some(Value::Bool(false)) => {}
                Some(_) => self.step(exclusive, |walk| {
                    walk.ill_typed();
                }),
            }
        }
    }

    fn only(&mut self, value: &Value, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        if fits(value) { Some(value.clone()) } else { self.ill_typed() }
    }

    fn ill_typed(&mut self) -> Option<Value> {
        self.warn("the keyword cannot have this value; it is left out");
        None
    }

    fn step<T>(&mut self, step: &str, inside: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.pointer.len();
        push_step(&mut self.pointer, step);
        let result = inside(self);
        self.pointer.truncate(length);
        result
    }

    fn node(&self, value: &'d Value) -> Node<'d> {
        Node { value, file: self.file, pointer: self.pointer.clone() }
    }

    fn defect(&self, text: impl Into<String>) -> Warning {
        self.schemas.reader.defect_at(self.file, &self.pointer, text)
    }

    fn warn(&mut self, text: &str) {
        self.schemas.reader.warnings.push(self.defect(text));
    }
}

/// Bytes travel as base64 in JSON: `format: binary` and `byte` of 3.0, `type: file` of 2.0, and a `contentMediaType` of
/// 3.1 that is no text.
fn binary(members: &Map<String, Value>, out: &mut Map<String, Value>) {
    if is_binary(members) || members.get("format").is_some_and(|format| format == "byte") {
        if !out.contains_key("type") {
            out.insert("type".into(), "string".into());
        }
        if !out.contains_key("contentEncoding") {
            out.insert("contentEncoding".into(), "base64".into());
        }
    }
}

/// Whether a schema means bytes as such, not text that is base64 by itself.
pub(crate) fn is_binary(schema: &Map<String, Value>) -> bool {
    let text = |keyword: &str| schema.get(keyword).and_then(Value::as_str);
    let string = match schema.get("type") {
        None => true,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        Some(kind) => kind == "string",
    };
    let media_type = text("contentMediaType").is_some_and(|media_type| {
        let media_type = media_type.to_ascii_lowercase();
        !(media_type.starts_with("text/") || media_type.contains("json") || media_type.contains("xml"))
    });
    text("type") == Some("file")
        || (string && text("format") == Some("binary"))
        || (string && media_type && text("contentEncoding").is_none())
}

/// `nullable` of 3.0 and `x-nullable` of 2.0.
fn nullable(members: &Map<String, Value>, out: &mut Map<String, Value>) {
    let set = |keyword: &str| members.get(keyword).is_some_and(|value| value == true);
    if !set("nullable") && !set("x-nullable") {
        return;
    }
    let null = Value::from("null");
    let composed = ["allOf", "anyOf", "oneOf", "enum", "$ref"].iter().any(|keyword| out.contains_key(*keyword));
    if composed && !out.contains_key("type") {
        let mut around = Map::new();
        for keyword in ["title", "description", "default", "deprecated"] {
            around.extend(out.shift_remove(keyword).map(|value| (keyword.to_owned(), value)));
        }
        let inner = std::mem::replace(out, around);
        let either = vec![Value::Object(inner), Map::from_iter([("type".to_owned(), null)]).into()];
        out.insert("anyOf".into(), either.into());
        return;
    }
    match out.get_mut("type") {
        Some(Value::Array(kinds)) if !kinds.contains(&null) => kinds.push(null),
        Some(kind @ Value::String(_)) if *kind != null => *kind = vec![kind.take(), null].into(),
        _ => {}
    }
    if let Some(Value::Array(values)) = out.get_mut("enum") {
        if !values.contains(&Value::Null) {
            values.push(Value::Null);
        }
    }
}
