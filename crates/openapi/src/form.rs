//! The members of a form: the Encoding Object, and what a schema says where there is none.

use std::collections::HashSet;

use mcp::operation::{Field, Serialization, Style};
use serde_json::{Map, Value};

use crate::document::Version;
use crate::node::Node;
use crate::reader::Reader;
use crate::schema::is_binary;
use crate::warning::Warning;

/// `allOf` inside `allOf`.
const MAX_LOOKS: usize = 100;

/// The fields of an `application/x-www-form-urlencoded` or `multipart/form-data` body.
pub(crate) fn fields<'d>(
    reader: &'d Reader<'_>,
    at: &Node<'d>,
    schema: Option<&Node<'d>>,
    encoding: Option<&Node<'d>>,
    multipart: bool,
) -> Result<Vec<Field>, Warning> {
    let mut properties = Vec::new();
    if let Some(schema) = schema {
        let mut looks = MAX_LOOKS;
        collect(reader, schema.clone(), &mut looks, &mut properties)?;
    }
    let mut seen = HashSet::new();
    let mut fields: Vec<Field> = Vec::new();
    for (name, schema) in properties {
        if seen.insert(name) {
            let encoding = encoding.and_then(|encoding| encoding.object(name));
            fields.extend(field(reader, name, Some(schema), encoding.as_ref(), multipart));
        }
    }
    reader.spend(encoding.map_or(0, Node::len))?;
    for (name, encoding) in encoding.into_iter().flat_map(Node::members) {
        if seen.insert(name) {
            fields.extend(field(reader, name, None, Some(&encoding), multipart));
        }
    }
    let limit = reader.limits.parameters;
    if fields.len() > limit {
        return Err(reader.defect(at, format!("{} fields are more than the limit of {limit}", fields.len())));
    }
    Ok(fields)
}

fn collect<'d>(
    reader: &'d Reader<'_>,
    schema: Node<'d>,
    looks: &mut usize,
    properties: &mut Vec<(&'d str, Node<'d>)>,
) -> Result<(), Warning> {
    let Some(left) = looks.checked_sub(1) else { return Ok(()) };
    *looks = left;
    // What does not resolve is named when the schema is converted.
    let Ok(schema) = reader.follow(schema) else { return Ok(()) };
    let own = schema.get("properties");
    reader.spend(4 * own.as_ref().map_or(0, Node::len))?;
    properties.extend(own.iter().flat_map(Node::members));
    schema.get("allOf").iter().flat_map(Node::items).try_for_each(|member| collect(reader, member, looks, properties))
}

/// What the builder of the request must know; none if the value's type says it all.
fn field<'d>(
    reader: &'d Reader<'_>,
    name: &str,
    schema: Option<Node<'d>>,
    encoding: Option<&Node<'d>>,
    multipart: bool,
) -> Option<Field> {
    let schema = schema.and_then(|schema| reader.follow(schema).ok());
    let items = schema.as_ref().and_then(|schema| schema.get("items")).and_then(|items| reader.follow(items).ok());
    let binary = [&schema, &items].into_iter().flatten().find(|schema| schema.value.as_object().is_some_and(is_binary));
    let text = |keyword: &str| [&schema, &items].into_iter().flatten().find_map(|schema| schema.text(keyword));
    // 3.0 has them for forms alone.
    let styled = !multipart || reader.version >= Version::OpenApi31;
    let style = encoding.filter(|_| styled).and_then(style);
    let given = encoding.and_then(|encoding| encoding.text("contentType")).and_then(first_media_type);
    let content_type = given.or_else(|| {
        let media_type = text("contentMediaType").filter(|media_type| !media_type.contains('*'));
        match (binary, media_type) {
            _ if !multipart => None,
            (_, Some(media_type)) => Some(media_type.to_owned()),
            // OpenAPI 3.1.1, section 4.8.15.1.1.
            (Some(_), None) => Some("application/octet-stream".into()),
            (None, None) if text("contentEncoding").is_some() => Some("application/octet-stream".into()),
            (None, None) => None,
        }
    });
    let field = Field { name: name.into(), style, content_type, binary: binary.is_some() };
    (field.style.is_some() || field.content_type.is_some() || field.binary).then_some(field)
}

/// The first that is one: `image/png, image/jpeg` leaves the choice, a range does not say what it is.
fn first_media_type(list: &str) -> Option<String> {
    let mut all = list.split(',').map(str::trim).filter(|media_type| media_type.contains('/'));
    let first = all.clone().find(|media_type| !media_type.contains('*'));
    first.map(str::to_owned).or_else(|| all.next().map(|_| "application/octet-stream".into()))
}

fn style(encoding: &Node<'_>) -> Option<Serialization> {
    let members = encoding.value.as_object()?;
    let given = |keyword: &str| members.get(keyword).is_some_and(|value| !value.is_null());
    if !given("style") && !given("explode") && !given("allowReserved") {
        return None;
    }
    let style = match encoding.text("style") {
        Some("spaceDelimited") => Style::SpaceDelimited,
        Some("pipeDelimited") => Style::PipeDelimited,
        Some("deepObject") => Style::DeepObject,
        _ => Style::Form,
    };
    Some(Serialization::Style {
        style,
        explode: style == Style::DeepObject || flag(members, "explode").unwrap_or(style == Style::Form),
        allow_reserved: flag(members, "allowReserved").unwrap_or(false),
    })
}

fn flag(members: &Map<String, Value>, keyword: &str) -> Option<bool> {
    members.get(keyword)?.as_bool()
}
