//! The body's argument.

use mcp::operation::{BodyKind, RequestBody};
use serde_json::{Map, Value};

use super::arguments::{self, BODY};
use super::{Input, Maker};
use crate::request::{Body, BodySchema};
use crate::schema::{Converted, Direction};
use crate::warning::Warning;

impl<'d> Maker<'d, '_> {
    pub(super) fn body(&mut self, body: Body<'d>, input: &mut Input) -> Result<RequestBody, Warning> {
        let Body { required, description, media_type, kind, schema } = body;
        let mut converted = match schema {
            BodySchema::Any => arguments::anything(),
            BodySchema::Of(schema) => self.checked(&schema)?,
            BodySchema::Members(members) => {
                let mut form = Input::default();
                for (name, required, at) in members {
                    let converted = self.schemas.convert(&at, Direction::Request)?;
                    form.add(name, required, converted);
                }
                object(form)
            }
        };
        match &kind {
            BodyKind::Text => converted = as_text(converted, &media_type, false),
            BodyKind::Bytes => converted = as_text(converted, &media_type, true),
            // A form has members, whatever its schema forgets to say.
            BodyKind::Form(_) | BodyKind::Multipart(_) => {
                if let Value::Object(members) = &mut converted.json {
                    if ["type", "$ref", "allOf", "anyOf", "oneOf"].iter().all(|keyword| !members.contains_key(*keyword))
                    {
                        members.insert("type".into(), "object".into());
                    }
                }
            }
            BodyKind::Json => {}
        }
        arguments::describe(&mut converted.json, description);
        input.add(BODY, required, converted);
        Ok(RequestBody { argument: BODY.into(), media_type, kind })
    }
}

fn object(form: Input) -> Converted {
    let mut json = Map::new();
    json.insert("type".into(), "object".into());
    json.insert("properties".into(), form.properties.into());
    if !form.required.is_empty() {
        json.insert("required".into(), form.required.into());
    }
    Converted { json: json.into(), refers: form.refers }
}

/// A text of its own, or bytes as base64: an object's schema (as that of XML often is) says nothing of it.
fn as_text(converted: Converted, media_type: &str, bytes: bool) -> Converted {
    if !bytes && converted.json.get("type").is_some_and(|kind| kind == "string") {
        return converted;
    }
    let mut json = Map::new();
    json.insert("type".into(), "string".into());
    if bytes {
        json.insert("contentEncoding".into(), "base64".into());
    }
    json.insert("contentMediaType".into(), media_type.into());
    for keyword in ["title", "description"] {
        json.extend(converted.json.get(keyword).map(|value| (keyword.to_owned(), value.clone())));
    }
    Converted { json: json.into(), refers: Vec::new() }
}
