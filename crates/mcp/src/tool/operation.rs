//! From an [`Operation`] of an API description to a [`Tool`].

use std::collections::HashSet;

use serde_json::Value;

use super::builder::check_name;
use super::defaults::Defaults;
use super::encode::{self, Chars, encoded};
use super::endpoint::{Endpoint, Input};
use super::entity::{Encoding, Entity};
use super::expansion::{Expansion, Misfit, Text};
use super::form::Member;
use super::integers::Integers;
use super::layout::{Layout, Placement, Source, Spelling, Target, Undeclared};
use super::media_type::is_json;
use super::path::{Pair, Path, Piece, Slot};
use super::placement::header_names;
use super::request::BodyPlan;
use super::result::{Output, ResultMode, ResultRules};
use super::schema::{Schema, properties};
use super::target::{check_header, check_operator_header, is_safe, is_token};
use super::url::Url;
use super::{ConfigError, Tool};
use crate::operation::{self, BodyKind, Field, Location, Operation, Parameter, RequestBody, Serialization, Style};
use crate::presentation::Presentation;

impl Tool {
    /// The tool of an operation. Its schemas are not compiled before the first call: a description has a thousand of
    /// them, and most are never used. The error is for the log.
    ///
    /// Defaults of the schema are not sent, as the server of the API has them, too.
    pub fn from_operation(operation: Operation) -> Result<Tool, ConfigError> {
        let name = operation.name.clone();
        check_name("tool", &name)?;
        assemble(operation).map_err(|text| ConfigError(format!("tool \"{name}\": {text}")))
    }
}

fn assemble(operation: Operation) -> Result<Tool, String> {
    if !is_token(&operation.method) || operation.method == "CONNECT" {
        return Err(format!("\"{}\" is not a method that a tool can use", operation.method));
    }
    if let Some(accept) = operation.accept.as_deref().filter(|accept| !is_header_value(accept)) {
        return Err(format!("\"{}\" cannot be sent as an \"Accept\" header", accept.escape_debug()));
    }
    let schema = &operation.input_schema;
    let input = Schema::deferred(schema);
    if !input.is_object() {
        return Err("its input schema does not describe an object".into());
    }
    let url = Url::of_operation(&operation.origin, &operation.path)?;
    let mut assembly = Assembly::new(schema);
    for parameter in operation.parameters {
        let label = format!("parameter \"{}\"", parameter.name);
        assembly.add(parameter).map_err(|text| format!("{label}: {text}"))?;
    }
    let body = match operation.body {
        Some(body) => assembly.body(body)?,
        None => BodyPlan::None,
    };
    let layout = assembly.finish(&operation.method, &url, body)?;
    let rules = ResultRules {
        tool: operation.name.clone(),
        mode: ResultMode::Auto,
        wrap: None,
        select: None,
        output: operation.output_schema.map(|json| Output { schema: Schema::deferred(&json), strict: false }),
        safe: is_safe(&operation.method),
    };
    let mut endpoint = Endpoint::upstream(layout, Input { schema: input, defaults: Defaults::default() });
    endpoint.accept = operation.accept.map(Into::into);
    Ok(Tool {
        name: operation.name,
        presentation: Presentation::of_operation(operation.title, operation.description),
        annotations: Some(operation.annotations).filter(|annotations| !annotations.is_empty()),
        mirrored: Vec::new(),
        endpoint,
        rules,
        task: None,
        is_recorded: false,
        is_resumable: false,
    })
}

/// The parameters as they are taken up.
struct Assembly<'o> {
    schema: &'o Value,
    placements: Vec<Placement>,
    operator_values: Vec<String>,
    /// What takes the place of a `{name}`.
    in_path: Vec<(String, PathValue)>,
    fixed_pairs: Vec<Pair>,
    fixed_headers: Vec<(String, String)>,
    fixed_cookie: String,
    arguments: HashSet<String>,
    /// Of headers, lower case and with `-` for `_`, as nginx takes both for the same.
    headers: HashSet<String>,
    /// Of query and cookies.
    names: HashSet<(Location, String)>,
    /// Some value may be an object whose members are names beside those.
    spreads: bool,
}

enum PathValue {
    Fixed(String),
    Placed { index: usize, key: String, expansion: Expansion },
}

impl<'o> Assembly<'o> {
    fn new(schema: &'o Value) -> Self {
        Assembly {
            schema,
            placements: Vec::new(),
            operator_values: Vec::new(),
            in_path: Vec::new(),
            fixed_pairs: Vec::new(),
            fixed_headers: Vec::new(),
            fixed_cookie: String::new(),
            arguments: HashSet::new(),
            headers: HashSet::new(),
            names: HashSet::new(),
            spreads: false,
        }
    }

    fn add(&mut self, parameter: Parameter) -> Result<(), String> {
        let Parameter { source, name, location, serialization } = parameter;
        let source = match source {
            operation::Source::Operator(text) if !text.contains('$') => operation::Source::Fixed(text.into()),
            other => other,
        };
        let expansion = expansion(location, &serialization)?;
        match location {
            Location::Header => {
                match source {
                    operation::Source::Argument(_) => check_header(&name.replace('_', "-"))?,
                    operation::Source::Fixed(_) | operation::Source::Operator(_) => check_operator_header(&name)?,
                }
                if !self.headers.insert(name.to_ascii_lowercase().replace('_', "-")) {
                    return Err("there is another header of this name".into());
                }
            }
            Location::Cookie if !is_token(&name) => return Err("it cannot be the name of a cookie".into()),
            Location::Path if self.in_path.iter().any(|(other, _)| *other == name) => {
                return Err("there is another one in the path".into());
            }
            Location::Query | Location::Cookie if !self.names.insert((location, name.clone())) => {
                return Err(format!("there is another one in the {}", in_word(location)));
            }
            _ => {}
        }
        let key = match location {
            Location::Header | Location::Cookie => name.clone(),
            Location::Querystring => String::new(),
            Location::Path | Location::Query => encoded(&name, encode::percent),
        };
        let source = match source {
            operation::Source::Fixed(value) => return self.fix(location, name, &key, &expansion, &value),
            operation::Source::Argument(argument) => {
                self.declare(&argument)?;
                Source::Argument(argument.into())
            }
            operation::Source::Operator(text) => Source::Operator(self.operator_value(text)),
        };
        let spelling = Spelling { key: key.as_str().into(), expansion };
        let target = match location {
            Location::Path => {
                let index = self.placements.len();
                self.in_path.push((name, PathValue::Placed { index, key, expansion }));
                Target::Url
            }
            Location::Querystring if expansion.text == Text::Form => match source {
                Source::Argument(_) => Target::QueryForm,
                Source::Operator(_) => return Err("its value must be an object, which a text cannot be".into()),
            },
            Location::Query | Location::Querystring => Target::Query(spelling),
            Location::Header => Target::Header(spelling),
            Location::Cookie => Target::Cookie(spelling),
        };
        let integers = match &source {
            Source::Argument(argument) => {
                self.spreads |= matches!(target, Target::QueryForm)
                    || (expansion.spreads() && location != Location::Path && self.may_be_object(argument));
                self.integers(argument)
            }
            Source::Operator(_) => Integers::None,
        };
        self.placements.push(Placement { source, target, integers });
        Ok(())
    }

    /// Takes up a value that is always the same: it becomes text now.
    fn fix(
        &mut self,
        location: Location,
        name: String,
        key: &str,
        expansion: &Expansion,
        value: &Value,
    ) -> Result<(), String> {
        let mut text = String::new();
        let lead = match location {
            Location::Path => expansion.lead,
            Location::Cookie if !self.fixed_cookie.is_empty() => "; ",
            _ => "",
        };
        let nothing = expansion.is_nothing(value) || (location != Location::Path && *value == "");
        match (location, value) {
            (Location::Querystring, Value::Object(members)) if expansion.text == Text::Form => {
                text = super::form::write(&name, &[], members).map_err(|error| error.0)?;
            }
            (Location::Querystring, _) if expansion.text == Text::Form => {
                return Err("its value must be an object, as its members are the query".into());
            }
            _ => expansion.write(key, value, lead, &mut text).map_err(|Misfit(why)| format!("its value {why}"))?,
        }
        match location {
            Location::Path if text.is_empty() => return Err("its value is empty, but the path needs one".into()),
            Location::Path => self.in_path.push((name, PathValue::Fixed(text))),
            _ if nothing => {}
            Location::Query | Location::Querystring => {
                self.fixed_pairs.push(Pair::Text(vec![Piece::Literal(text.into())]));
            }
            Location::Header => self.fixed_headers.push((name, text)),
            Location::Cookie => self.fixed_cookie.push_str(&text),
        }
        Ok(())
    }

    fn declare(&mut self, argument: &str) -> Result<(), String> {
        if !properties(self.schema).any(|(name, _)| name == argument) {
            return Err(format!("the input schema has no property \"{argument}\""));
        }
        if !self.arguments.insert(argument.to_owned()) {
            return Err(format!("the argument \"{argument}\" has another place already"));
        }
        Ok(())
    }

    fn integers(&self, argument: &str) -> Integers {
        let property = properties(self.schema).find(|(name, _)| *name == argument);
        property.map_or(Integers::None, |(_, schema)| Integers::of(schema, self.schema))
    }

    fn may_be_object(&self, argument: &str) -> bool {
        let property = properties(self.schema).find(|(name, _)| *name == argument);
        match property.and_then(|(_, schema)| schema.get("type")) {
            Some(Value::String(kind)) => kind == "object",
            Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
            _ => true,
        }
    }

    fn operator_value(&mut self, text: String) -> usize {
        let known = self.operator_values.iter().position(|known| *known == text);
        known.unwrap_or_else(|| {
            self.operator_values.push(text);
            self.operator_values.len() - 1
        })
    }

    fn body(&mut self, body: RequestBody) -> Result<BodyPlan, String> {
        let RequestBody { argument, media_type, kind } = body;
        let wrong = |text: String| format!("body: {text}");
        self.declare(&argument).map_err(wrong)?;
        check_media_type(&media_type).map_err(wrong)?;
        let member = |field: Field, chars| {
            if let Some(serialization @ Serialization::Style { .. }) = &field.style {
                expansion(Location::Query, serialization)?;
            }
            let member = Member::new(field, chars);
            member.content_type.as_deref().map_or(Ok(()), check_media_type)?;
            Ok(member)
        };
        let members = |fields: Vec<Field>, chars| {
            let members = fields.into_iter().map(|field| {
                let label = format!("body, \"{}\"", field.name);
                member(field, chars).map_err(|text: String| format!("{label}: {text}"))
            });
            members.collect::<Result<Vec<_>, _>>()
        };
        let mut media_type = media_type;
        let encoding = match kind {
            BodyKind::Json => Encoding::Json,
            BodyKind::Text => Encoding::Text,
            BodyKind::Bytes => Encoding::Bytes,
            BodyKind::Form(fields) => Encoding::Form(members(fields, Chars::Form)?),
            BodyKind::Multipart(fields) => {
                // A boundary that the description gives is not the one that is sent.
                media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
                Encoding::Multipart(members(fields, Chars::Any)?)
            }
        };
        // A number in JSON stays as it was written; as text it must be what the schema says.
        let integers = match encoding {
            Encoding::Form(_) | Encoding::Multipart(_) | Encoding::Text => self.integers(&argument),
            Encoding::Json | Encoding::Bytes => Integers::None,
        };
        let source = Source::Argument(argument.into());
        self.placements.push(Placement { source, target: Target::WholeBody, integers });
        Ok(BodyPlan::Entity(Entity { media_type: media_type.into(), encoding, absent: None }))
    }

    fn finish(self, method: &str, url: &Url, body: BodyPlan) -> Result<Layout, String> {
        for name in url.placeholders() {
            if !self.in_path.iter().any(|(known, _)| known == name) {
                return Err(format!("the path has a placeholder {{{name}}}, but there is no such parameter"));
            }
        }
        if let Some((name, _)) = self.in_path.iter().find(|(known, _)| !url.placeholders().any(|name| name == known)) {
            return Err(format!("parameter \"{name}\": the path has no {{{name}}}"));
        }
        let piece = |name: &str| match self.in_path.iter().find(|(known, _)| known == name) {
            Some((_, PathValue::Placed { index, key, expansion })) => {
                Piece::Value(Slot { index: *index, key: key.as_str().into(), expansion: *expansion })
            }
            Some((_, PathValue::Fixed(text))) => Piece::Literal(text.as_str().into()),
            None => Piece::Literal("".into()),
        };
        let mut pairs: Vec<_> = url.pairs.iter().map(|(key, value)| Pair::new(key, value, &piece)).collect();
        pairs.extend(self.fixed_pairs);
        let mut header_names = header_names(&self.placements);
        header_names.extend(self.fixed_headers.iter().map(|(name, _)| name.clone()));
        if !self.fixed_cookie.is_empty() && !header_names.iter().any(|name| name == "Cookie") {
            header_names.push("Cookie".into());
        }
        let in_url = url.pairs.iter().map(|(key, _)| key.strip_suffix('=').unwrap_or(key).to_owned());
        let names = self.names.into_iter().map(|(_, name)| name).chain(in_url);
        Ok(Layout {
            method: method.into(),
            origin: url.origin.as_str().into(),
            header_names,
            operator_values: self.operator_values,
            path: Path::new(url, &piece)?,
            pairs,
            placements: self.placements,
            fixed_headers: self.fixed_headers,
            fixed_cookie: self.fixed_cookie,
            taken: if self.spreads { names.collect() } else { HashSet::new() },
            body,
            undeclared: Undeclared::Refused,
        })
    }
}

fn in_word(location: Location) -> &'static str {
    match location {
        Location::Path => "path",
        Location::Query => "query",
        Location::Querystring => "query string",
        Location::Header => "header",
        Location::Cookie => "cookie",
    }
}

/// How values of a parameter are written.
fn expansion(location: Location, serialization: &Serialization) -> Result<Expansion, String> {
    let chars = match location {
        Location::Header => Chars::Header,
        _ => Chars::Unreserved,
    };
    let named = matches!(location, Location::Query | Location::Cookie);
    let (style, explode, allow_reserved) = match serialization {
        Serialization::Content(media_type) => {
            let essence = media_type.split(';').next().unwrap_or_default().trim();
            let text = if is_json(media_type) {
                Text::Json
            } else if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
                Text::Form
            } else {
                Text::Plain
            };
            return Ok(Expansion::of_content(text, named, chars));
        }
        Serialization::Style { style, explode, allow_reserved } => (*style, *explode, *allow_reserved),
    };
    let fits = match location {
        Location::Path => matches!(style, Style::Simple | Style::Label | Style::Matrix),
        Location::Query => !matches!(style, Style::Simple | Style::Label | Style::Matrix | Style::Cookie),
        Location::Header => style == Style::Simple,
        Location::Cookie => matches!(style, Style::Form | Style::Cookie),
        Location::Querystring => false,
    };
    if !fits {
        return Err(format!("the style {style:?} has no meaning in the {}", in_word(location)));
    }
    let chars = match location {
        Location::Path if allow_reserved => Chars::SegmentReserved,
        Location::Query if allow_reserved => Chars::QueryReserved,
        Location::Cookie if style == Style::Cookie => Chars::Cookie,
        _ => chars,
    };
    Ok(Expansion::of_style(style, explode, chars))
}

fn check_media_type(text: &str) -> Result<(), String> {
    let essence = text.split(';').next().unwrap_or_default().trim();
    let is_type = essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
    if is_type && !essence.contains('*') && is_header_value(text) {
        return Ok(());
    }
    Err(format!("\"{}\" is not a media type that can be sent", text.escape_debug()))
}

fn is_header_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x20..=0x7E))
}
