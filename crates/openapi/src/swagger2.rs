//! Swagger 2.0: parameters that are schemas themselves, `formData` and `body` among them, `consumes` and `produces`.

use mcp::operation::{BodyKind, Field, Location, Serialization, Style};
use serde_json::Value;

use crate::media_type::{self, Kind};
use crate::node::Node;
use crate::paths::Found;
use crate::reader::Reader;
use crate::request::{self, Body, BodySchema, Parameter, Request};
use crate::warning::Warning;

/// Of one list.
const MAX_MEDIA_TYPES: usize = 100;

pub(crate) fn read<'d>(reader: &'d Reader<'_>, found: &Found<'d>) -> Result<Request<'d>, Warning> {
    let mut all: Vec<(&'d str, &'d str, Node<'d>)> = Vec::new();
    for level in found.items.iter().rev().chain(std::iter::once(&found.operation)) {
        let declared = level.get("parameters");
        request::check_count(reader, found, declared.as_ref().map_or(0, Node::len))?;
        for at in declared.iter().flat_map(Node::items) {
            reader.spend(8 + all.len() / 2)?;
            let at = reader.follow(at)?;
            let (Some(name), Some(place)) = (at.text("name"), at.text("in")) else {
                return Err(reader.defect(&at, "the parameter has no \"name\" or no \"in\""));
            };
            // There is one body, whatever its name.
            let same = |other: &&mut (&str, &str, Node<'_>)| other.1 == place && (other.0 == name || place == "body");
            match all.iter_mut().find(same) {
                Some(other) => *other = (name, place, at),
                None => all.push((name, place, at)),
            }
        }
    }
    let mut parameters = Vec::new();
    let mut form = Vec::new();
    let mut body = None;
    for (name, place, at) in all {
        let location = match place {
            "path" => Location::Path,
            "query" => Location::Query,
            "header" => Location::Header,
            "formData" => {
                form.push((name, at.flag("required").unwrap_or(false), at));
                continue;
            }
            "body" => {
                body = Some(at);
                continue;
            }
            _ => return Err(reader.defect(&at, "the parameter has no \"in\" that is known")),
        };
        let reserved = ["Accept", "Content-Type", "Authorization"];
        if location == Location::Header && reserved.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
            continue;
        }
        let required = location == Location::Path || at.flag("required").unwrap_or(false);
        let serialization = collection_format(reader, &at, location);
        // Some write the schema of later versions here.
        let schema = at.get("schema").unwrap_or_else(|| at.clone());
        parameters.push(Parameter { name, location, required, schema: Some(schema), serialization, at });
    }
    let consumes = list(reader, found, "consumes");
    let body = match body {
        Some(at) => Some(whole(&at, &consumes)),
        None if form.is_empty() => None,
        None => Some(of_form(form, &consumes)),
    };
    let accepts = list(reader, found, "produces");
    Ok(Request { parameters, body, accepts, answer: answer(reader, found) })
}

/// Of the operation, else of the document.
fn list<'d>(reader: &'d Reader<'_>, found: &Found<'d>, keyword: &str) -> Vec<&'d str> {
    let own = found.operation.get(keyword).is_some_and(|list| list.value.is_array());
    let list = if own { found.operation.value.get(keyword) } else { reader.root().value.get(keyword) };
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.take(MAX_MEDIA_TYPES).filter_map(Value::as_str).collect()
}

fn collection_format(reader: &Reader<'_>, at: &Node<'_>, location: Location) -> Serialization {
    let format = at.text("collectionFormat").unwrap_or("csv");
    let query = location == Location::Query;
    let style = match format {
        "csv" | "multi" if query => Style::Form,
        "ssv" if query => Style::SpaceDelimited,
        "tsv" if query => Style::TabDelimited,
        "pipes" if query => Style::PipeDelimited,
        "csv" => Style::Simple,
        _ => {
            reader.warn(at, format!("the collectionFormat \"{format}\" is not for this place; \"csv\" is taken"));
            if query { Style::Form } else { Style::Simple }
        }
    };
    Serialization::Style { style, explode: query && format == "multi", allow_reserved: false }
}

fn whole<'d>(at: &Node<'d>, consumes: &[&str]) -> Body<'d> {
    // What only a form could be is not said of a body by accident: such lists hold for other operations.
    let fit = consumes
        .iter()
        .copied()
        .filter(|media_type| !matches!(media_type::kind(media_type), Kind::Form | Kind::Multipart | Kind::Unknown));
    let media_type = media_type::concrete(media_type::choose(fit).unwrap_or("application/json"));
    let kind = match media_type::kind(&media_type) {
        Kind::Json | Kind::JsonBased => BodyKind::Json,
        Kind::Text | Kind::Xml => BodyKind::Text,
        _ => BodyKind::Bytes,
    };
    Body {
        required: at.flag("required").unwrap_or(false),
        description: at.text("description"),
        media_type,
        kind,
        schema: at.get("schema").map_or(BodySchema::Any, BodySchema::Of),
    }
}

fn of_form<'d>(form: Vec<(&'d str, bool, Node<'d>)>, consumes: &[&str]) -> Body<'d> {
    let is_file = |at: &Node<'_>| at.text("type") == Some("file");
    let files = form.iter().any(|(_, _, at)| is_file(at));
    let has = |kind: Kind| consumes.iter().any(|media_type| media_type::kind(media_type) == kind);
    let multipart = files || (has(Kind::Multipart) && !has(Kind::Form));
    let fields: Vec<Field> = form
        .iter()
        .map(|(name, _, at)| Field {
            name: (*name).into(),
            style: (at.text("type") == Some("array")).then(|| form_style(at)),
            content_type: is_file(at).then(|| "application/octet-stream".into()),
            binary: is_file(at),
        })
        .collect();
    Body {
        required: form.iter().any(|(_, required, _)| *required),
        description: None,
        media_type: if multipart { "multipart/form-data" } else { "application/x-www-form-urlencoded" }.into(),
        kind: if multipart { BodyKind::Multipart(fields) } else { BodyKind::Form(fields) },
        schema: BodySchema::Members(form),
    }
}

fn form_style(at: &Node<'_>) -> Serialization {
    let (style, explode) = match at.text("collectionFormat") {
        Some("multi") => (Style::Form, true),
        Some("ssv") => (Style::SpaceDelimited, false),
        Some("tsv") => (Style::TabDelimited, false),
        Some("pipes") => (Style::PipeDelimited, false),
        _ => (Style::Form, false),
    };
    Serialization::Style { style, explode, allow_reserved: false }
}

/// The schema of the first good answer, if it is in JSON.
fn answer<'d>(reader: &'d Reader<'_>, found: &Found<'d>) -> Option<Node<'d>> {
    let produces = list(reader, found, "produces");
    if !produces.is_empty() && produces.iter().all(|media_type| media_type::kind(media_type) > Kind::JsonBased) {
        return None;
    }
    let responses = found.operation.get("responses")?;
    let mut good: Vec<_> = responses.members().filter(|(status, _)| status.starts_with('2')).collect();
    good.sort_by_key(|(status, _)| *status);
    good.into_iter().find_map(|(_, response)| reader.follow(response).ok()?.get("schema"))
}
