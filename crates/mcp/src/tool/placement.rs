//! Where the arguments of a `mcp_tool` block go.

use std::collections::HashSet;

use super::ConfigError;
use super::argument::Argument;
use super::encode;
use super::entity::{Encoding, Entity};
use super::expansion::Expansion;
use super::integers::Integers;
use super::layout::{Layout, Placement, Source, Target, Undeclared};
use super::path::{Pair, Path, Piece, Slot};
use super::request::BodyPlan;
use super::target::{BodyKind, Method, Place, Spot, body_kind, default_place};
use super::url::Url;

impl Layout {
    /// `properties` are the names that the input schema declares, each with whether it is an integer.
    pub(super) fn of_block(
        method: Method,
        url: Url,
        properties: &[(&str, bool)],
        arguments: &[Argument],
    ) -> Result<Layout, ConfigError> {
        for name in url.placeholders() {
            if !properties.iter().any(|(known, _)| *known == name) {
                return Err(ConfigError(format!(
                    "\"pass\" has a placeholder {{{name}}}, but there is no such argument; add: argument {name} TYPE"
                )));
            }
        }
        let body = body_kind(method, arguments)?;
        let in_url: HashSet<&str> = url.placeholders().collect();
        let in_path: HashSet<&str> = url.path_placeholders().collect();
        let mut placements = Vec::with_capacity(properties.len());
        for &(name, integer) in properties {
            let said = arguments.iter().find(|argument| argument.name == name);
            let spot = Spot { name, said, in_url: in_url.contains(name), in_path: in_path.contains(name), body };
            let target = spot.target().map_err(|text| ConfigError(format!("argument \"{name}\": {text}")))?;
            let integers = if integer { Integers::Here } else { Integers::None };
            placements.push(Placement { source: Source::Argument(name.into()), target, integers });
        }
        let reserved = reserve(&url, properties, &placements, body)?;
        let slot = |name: &str| {
            let index = properties.iter().position(|(known, _)| *known == name).unwrap_or_default();
            Piece::Value(Slot { index, key: "".into(), expansion: Expansion::PATH })
        };
        Ok(Layout {
            method: method.as_str().into(),
            path: Path::new(&url, &slot).map_err(ConfigError)?,
            pairs: url.pairs.iter().map(|(key, value)| Pair::new(key, value, &slot)).collect(),
            origin: url.origin.into(),
            header_names: header_names(&placements),
            operator_values: Vec::new(),
            placements,
            fixed_headers: Vec::new(),
            fixed_cookie: String::new(),
            taken: HashSet::new(),
            body: plan(body),
            undeclared: Undeclared::Placed(reserved),
        })
    }
}

fn plan(body: BodyKind) -> BodyPlan {
    match body {
        BodyKind::None => BodyPlan::None,
        BodyKind::Object => BodyPlan::Object,
        BodyKind::Form => BodyPlan::Form,
        BodyKind::Whole => BodyPlan::Entity(Entity {
            media_type: "application/json".into(),
            encoding: Encoding::Json,
            absent: Some("{}"),
        }),
    }
}

/// Upstream names already taken where undeclared arguments would go; two arguments with one name are an error.
fn reserve(
    url: &Url,
    properties: &[(&str, bool)],
    placements: &[Placement],
    body: BodyKind,
) -> Result<HashSet<String>, ConfigError> {
    let mut taken: HashSet<(Place, String)> = HashSet::new();
    for (key, _) in &url.pairs {
        taken.insert((Place::Query, key.strip_suffix('=').unwrap_or(key).to_owned()));
    }
    for ((name, _), placement) in properties.iter().zip(placements) {
        let spot = match &placement.target {
            Target::Url | Target::QueryForm | Target::WholeBody => continue,
            Target::Query(spelling) => (Place::Query, spelling.key.to_string()),
            Target::Header(spelling) => (Place::Header, spelling.key.to_ascii_lowercase()),
            Target::Cookie(spelling) => (Place::Cookie, spelling.key.to_string()),
            Target::Form(spelling) => (Place::Form, spelling.key.to_string()),
            Target::Member(key) => (Place::Body, key.clone()),
        };
        let place = spot.0.as_str();
        if !taken.insert(spot) {
            return Err(ConfigError(format!(
                "argument \"{name}\" has an upstream name that the {place} already has; give another with name="
            )));
        }
    }
    let here = taken.into_iter().filter(|(place, _)| *place == default_place(body)).map(|(_, key)| key);
    // Undeclared names are compared before they are encoded.
    let plain = |key: String| match body {
        BodyKind::Object => key.strip_suffix(':').and_then(|key| serde_json::from_str(key).ok()),
        _ => Some(decoded(&key)),
    };
    Ok(here.filter_map(plain).collect())
}

fn decoded(key: &str) -> String {
    String::from_utf8_lossy(&encode::decode(key.replace('+', " ").as_bytes())).into_owned()
}

/// The headers that placements fill; cookies share one.
pub(super) fn header_names(placements: &[Placement]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for placement in placements {
        match &placement.target {
            Target::Header(spelling) => names.push(spelling.key.to_string()),
            Target::Cookie(_) if !names.iter().any(|name| name == "Cookie") => names.push("Cookie".into()),
            _ => {}
        }
    }
    names
}
