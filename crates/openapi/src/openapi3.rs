//! OpenAPI 3.0, 3.1 and 3.2: Parameter, Request Body and Response Objects.

use mcp::operation::{BodyKind, Location, Serialization, Style};

use crate::form;
use crate::media_type::{self, Kind};
use crate::node::Node;
use crate::paths::Found;
use crate::reader::Reader;
use crate::request::{self, Body, BodySchema, Parameter, Request};
use crate::schema::is_binary;
use crate::warning::Warning;

pub(crate) fn read<'d>(reader: &'d Reader<'_>, found: &Found<'d>) -> Result<Request<'d>, Warning> {
    let (accepts, answer) = answers(reader, found)?;
    let body = found.operation.get("requestBody").map(|body| self::body(reader, body)).transpose()?.flatten();
    Ok(Request { parameters: parameters(reader, found)?, body, accepts, answer })
}

/// Of the path item, then of the operation, which replaces what it names again.
fn parameters<'d>(reader: &'d Reader<'_>, found: &Found<'d>) -> Result<Vec<Parameter<'d>>, Warning> {
    let mut parameters: Vec<Parameter<'d>> = Vec::new();
    for level in found.items.iter().rev().chain(std::iter::once(&found.operation)) {
        let declared = level.get("parameters");
        request::check_count(reader, found, declared.as_ref().map_or(0, Node::len))?;
        for at in declared.iter().flat_map(Node::items) {
            reader.spend(8 + parameters.len() / 2)?;
            let Some(parameter) = parameter(reader, reader.follow(at)?)? else { continue };
            let same =
                |other: &&mut Parameter<'_>| other.name == parameter.name && other.location == parameter.location;
            match parameters.iter_mut().find(same) {
                Some(other) => *other = parameter,
                None => parameters.push(parameter),
            }
        }
    }
    Ok(parameters)
}

fn parameter<'d>(reader: &'d Reader<'_>, at: Node<'d>) -> Result<Option<Parameter<'d>>, Warning> {
    let location = match at.text("in") {
        Some("path") => Location::Path,
        Some("query") => Location::Query,
        Some("querystring") => Location::Querystring,
        Some("header") => Location::Header,
        Some("cookie") => Location::Cookie,
        _ => return Err(reader.defect(&at, "the parameter has no \"in\" that is known")),
    };
    let Some(name) = at.text("name").filter(|name| !name.is_empty() || location == Location::Querystring) else {
        reader.warn(&at, "the parameter has no name; it is left out");
        return Ok(None);
    };
    // "… then the parameter definition SHALL be ignored."
    let reserved = ["Accept", "Content-Type", "Authorization"];
    if location == Location::Header && reserved.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        return Ok(None);
    }
    let content = at.get("content").and_then(|content| {
        let chosen = media_type::choose(content.members().map(|(media_type, _)| media_type))?;
        Some((chosen, content.get(chosen)?))
    });
    let (schema, serialization) = match content {
        Some((media_type, media)) => (media.get("schema"), Serialization::Content(media_type::concrete(media_type))),
        None if location == Location::Querystring => {
            return Err(reader.defect(&at, "a parameter in \"querystring\" needs \"content\""));
        }
        None => (at.get("schema"), style(reader, &at, location)),
    };
    let required = location == Location::Path || at.flag("required").unwrap_or(false);
    Ok(Some(Parameter { name, location, required, schema, serialization, at }))
}

fn style(reader: &Reader<'_>, at: &Node<'_>, location: Location) -> Serialization {
    let default = match location {
        Location::Path | Location::Header => Style::Simple,
        Location::Query | Location::Querystring | Location::Cookie => Style::Form,
    };
    let given = at.text("style");
    let style = match (given, location) {
        (None, _) => Some(default),
        (Some("simple"), Location::Path | Location::Header) => Some(Style::Simple),
        (Some("label"), Location::Path) => Some(Style::Label),
        (Some("matrix"), Location::Path) => Some(Style::Matrix),
        (Some("form"), Location::Query | Location::Cookie) => Some(Style::Form),
        (Some("spaceDelimited"), Location::Query) => Some(Style::SpaceDelimited),
        (Some("pipeDelimited"), Location::Query) => Some(Style::PipeDelimited),
        (Some("deepObject"), Location::Query) => Some(Style::DeepObject),
        (Some("cookie"), Location::Cookie) => Some(Style::Cookie),
        (Some(_), _) => None,
    };
    if style.is_none() {
        let given = given.unwrap_or_default();
        reader.warn(at, format!("the style \"{given}\" is not for this place; its default is taken"));
    }
    let style = style.unwrap_or(default);
    // deepObject without explode means nothing, so nobody means it.
    let explode =
        style == Style::DeepObject || at.flag("explode").unwrap_or(matches!(style, Style::Form | Style::Cookie));
    Serialization::Style { style, explode, allow_reserved: at.flag("allowReserved").unwrap_or(false) }
}

fn body<'d>(reader: &'d Reader<'_>, at: Node<'d>) -> Result<Option<Body<'d>>, Warning> {
    let at = reader.follow(at)?;
    let Some(content) = at.object("content").filter(|content| !content.is_empty()) else { return Ok(None) };
    reader.spend(content.len())?;
    let chosen = media_type::choose(content.members().map(|(media_type, _)| media_type));
    let Some((chosen, media)) = chosen.and_then(|chosen| Some((chosen, content.get(chosen)?))) else { return Ok(None) };
    // 3.2 lets a media type be a reference, too.
    let media = reader.follow(media)?;
    let schema = media.get("schema");
    let encoding = media.object("encoding");
    let mut sent = media_type::concrete(chosen);
    let kind = match media_type::kind(chosen) {
        Kind::Json if chosen.contains('*') && is_bytes(reader, schema.as_ref()) => {
            sent = "application/octet-stream".into();
            BodyKind::Bytes
        }
        Kind::Json | Kind::JsonBased => BodyKind::Json,
        Kind::Form => BodyKind::Form(form::fields(reader, &content, schema.as_ref(), encoding.as_ref(), false)?),
        Kind::Multipart => {
            BodyKind::Multipart(form::fields(reader, &content, schema.as_ref(), encoding.as_ref(), true)?)
        }
        Kind::Text | Kind::Xml => BodyKind::Text,
        Kind::Binary => BodyKind::Bytes,
        Kind::Unknown => {
            let text = format!("a body of \"{chosen}\" cannot be made of arguments");
            return Err(reader.defect(&media, text));
        }
    };
    Ok(Some(Body {
        required: at.flag("required").unwrap_or(false),
        description: at.text("description"),
        media_type: sent,
        kind,
        schema: schema.map_or(BodySchema::Any, BodySchema::Of),
    }))
}

fn is_bytes<'d>(reader: &'d Reader<'_>, schema: Option<&Node<'d>>) -> bool {
    let schema = schema.and_then(|schema| reader.follow(schema.clone()).ok());
    schema.is_some_and(|schema| schema.text("type").is_some() && schema.value.as_object().is_some_and(is_binary))
}

/// The media types of all good answers, and the schema of the first in JSON.
fn answers<'d>(reader: &'d Reader<'_>, found: &Found<'d>) -> Result<(Vec<&'d str>, Option<Node<'d>>), Warning> {
    let mut media_types = Vec::new();
    let mut answer = None;
    let Some(responses) = found.operation.get("responses") else { return Ok((media_types, answer)) };
    let mut good: Vec<(&str, Node<'d>)> = responses.members().filter(|(status, _)| status.starts_with('2')).collect();
    good.sort_by_key(|(status, _)| *status);
    if good.is_empty() {
        good.extend(responses.get("default").map(|response| ("default", response)));
    }
    for (_, response) in good {
        let Ok(response) = reader.follow(response) else { continue };
        reader.spend(response.get("content").as_ref().map_or(0, Node::len))?;
        for (media_type, media) in response.get("content").iter().flat_map(Node::members) {
            media_types.push(media_type);
            if answer.is_none() && media_type::kind(media_type) <= Kind::JsonBased {
                answer = reader.follow(media).ok().and_then(|media| media.get("schema"));
            }
        }
    }
    Ok((media_types, answer))
}
