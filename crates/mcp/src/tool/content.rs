//! The content items of an upstream's own result, held to what the client's revision may receive.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{on_one_line, write_string};
use super::members::Members;
use super::writer::result_uri;
use crate::ProtocolVersion;

pub(super) fn write_texts(texts: &[&str], out: &mut Vec<u8>) {
    out.push(b'[');
    for text in texts {
        out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
        write_string(&on_one_line(text), out);
        out.push(b'}');
    }
    out.push(b']');
}

pub(super) fn write_content(
    tool: &str,
    version: ProtocolVersion,
    json: &str,
    structured: Option<&str>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let items: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| "its \"content\" is not a list")?;
    // A client that does not know structured content would be left with nothing.
    if let (true, Some(structured)) = (items.is_empty(), structured) {
        write_texts(&[structured], out);
        return Ok(());
    }
    out.push(b'[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_item(tool, version, &format!("content[{i}]"), item.get(), out)?;
    }
    out.push(b']');
    Ok(())
}

/// What a member of a content item must be.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    Text,
    Uri,
    Integer,
    List,
    Object,
    Annotations,
    Resource,
}

/// A type of content: what it must have, and what it may have.
pub(super) struct ContentType {
    name: &'static str,
    since: ProtocolVersion,
    required: &'static [(&'static str, Shape)],
    optional: &'static [(&'static str, Shape)],
}

pub(super) const CONTENT_TYPES: [ContentType; 5] = [
    ContentType {
        name: "text",
        since: ProtocolVersion::V2024_11_05,
        required: &[("text", Shape::Text)],
        optional: &[],
    },
    ContentType {
        name: "image",
        since: ProtocolVersion::V2024_11_05,
        required: &[("data", Shape::Text), ("mimeType", Shape::Text)],
        optional: &[],
    },
    ContentType {
        name: "audio",
        since: ProtocolVersion::V2025_03_26,
        required: &[("data", Shape::Text), ("mimeType", Shape::Text)],
        optional: &[],
    },
    ContentType {
        name: "resource",
        since: ProtocolVersion::V2024_11_05,
        required: &[("resource", Shape::Resource)],
        optional: &[],
    },
    ContentType {
        name: "resource_link",
        since: ProtocolVersion::V2025_06_18,
        required: &[("uri", Shape::Uri), ("name", Shape::Text)],
        optional: &[
            ("title", Shape::Text),
            ("description", Shape::Text),
            ("mimeType", Shape::Text),
            ("size", Shape::Integer),
            ("icons", Shape::List),
        ],
    },
];
pub(super) const COMMON: [(&str, Shape); 2] = [("annotations", Shape::Annotations), ("_meta", Shape::Object)];

pub(crate) fn write_item(
    tool: &str,
    version: ProtocolVersion,
    at: &str,
    json: &str,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let item = Members::of(json, at)?;
    let name = item.text("type")?;
    let kind = CONTENT_TYPES.iter().find(|kind| Some(kind.name) == name.as_deref()).ok_or_else(|| {
        let known: Vec<_> = CONTENT_TYPES.iter().map(|kind| kind.name).collect();
        format!("{at} has the type \"{}\"; types are: {}", name.unwrap_or_default(), known.join(", "))
    })?;
    for (name, shape) in kind.required {
        let member = item.get(name).ok_or_else(|| format!("{at} has no \"{name}\""))?;
        check_shape(&format!("{at}.{name}"), member, *shape)?;
    }
    for (name, shape) in kind.optional.iter().chain(&COMMON) {
        item.get(name).map_or(Ok(()), |member| check_shape(&format!("{at}.{name}"), member, *shape))?;
    }
    if version < kind.since {
        return write_older(tool, kind.name, &item, out);
    }
    item.write(out);
    Ok(())
}

/// What a client of an older revision gets instead.
pub(super) fn write_older(tool: &str, kind: &str, item: &Members<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    let text = |name: &str| item.text(name).map(Option::unwrap_or_default);
    if kind == "resource_link" {
        out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
        write_string(&format!("{}: {}", text("name")?, text("uri")?), out);
        out.push(b'}');
        return Ok(());
    }
    out.extend_from_slice(b"{\"type\":\"resource\",\"resource\":{\"uri\":");
    write_string(&result_uri(tool), out);
    out.extend_from_slice(b",\"mimeType\":");
    write_string(&text("mimeType")?, out);
    out.extend_from_slice(b",\"blob\":");
    write_string(&text("data")?, out);
    out.extend_from_slice(b"}}");
    Ok(())
}

pub(crate) fn check_shape(at: &str, json: &str, shape: Shape) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{at} is not {what}"));
    match shape {
        Shape::Text if !json.starts_with('"') => wrong("a string"),
        Shape::Uri if !serde_json::from_str::<String>(json).is_ok_and(|uri| has_scheme(&uri)) => wrong("a URI"),
        Shape::Integer if serde_json::from_str::<u64>(json).is_err() => wrong("a whole number"),
        Shape::List if !json.starts_with('[') => wrong("a list"),
        Shape::Annotations if serde_json::from_str::<Annotations>(json).is_err() => wrong("annotations"),
        Shape::Object | Shape::Resource => {
            let members = Members::of(json, at)?;
            if matches!(shape, Shape::Object) { Ok(()) } else { check_resource(at, &members) }
        }
        _ => Ok(()),
    }
}

pub(crate) fn check_resource(at: &str, resource: &Members<'_>) -> Result<(), String> {
    let uri = resource.get("uri").ok_or_else(|| format!("{at} has no \"uri\""))?;
    check_shape(&format!("{at}.uri"), uri, Shape::Uri)?;
    if resource.get("text").is_none() && resource.get("blob").is_none() {
        return Err(format!("{at} has neither \"text\" nor \"blob\""));
    }
    for name in ["text", "blob", "mimeType"] {
        resource.get(name).map_or(Ok(()), |member| check_shape(&format!("{at}.{name}"), member, Shape::Text))?;
    }
    resource.get("_meta").map_or(Ok(()), |member| check_shape(&format!("{at}._meta"), member, Shape::Object))
}

pub(crate) fn has_scheme(uri: &str) -> bool {
    uri.split_once(':').is_some_and(|(scheme, rest)| {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(word) && !rest.is_empty()
    })
}

/// The annotations of a content item; only read to see that they can be.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
pub(super) struct Annotations {
    audience: Option<Vec<Role>>,
    priority: Option<Priority>,
    last_modified: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    User,
    Assistant,
}

#[derive(Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct Priority;

impl TryFrom<f64> for Priority {
    type Error = &'static str;

    fn try_from(priority: f64) -> Result<Self, Self::Error> {
        if (0.0..=1.0).contains(&priority) { Ok(Priority) } else { Err("out of range") }
    }
}
