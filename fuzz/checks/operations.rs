//! Operations of every style, location and kind of body.

use mcp::operation::{BodyKind, Field, Location, Operation, Parameter, RequestBody, Serialization, Source, Style};
use serde_json::{Map, Value, json};

const STYLES: [(Location, &[Style]); 4] = [
    (Location::Path, &[Style::Simple, Style::Label, Style::Matrix]),
    (
        Location::Query,
        &[Style::Form, Style::SpaceDelimited, Style::PipeDelimited, Style::TabDelimited, Style::DeepObject],
    ),
    (Location::Header, &[Style::Simple]),
    (Location::Cookie, &[Style::Form, Style::Cookie]),
];
const CONTENT: [&str; 3] = ["application/json", "text/plain", "application/x-www-form-urlencoded"];
const LOCATIONS: [Location; 5] =
    [Location::Path, Location::Query, Location::Querystring, Location::Header, Location::Cookie];

/// The first ones have one argument each, named `v`; see [`is_single`].
pub(crate) fn operations() -> Vec<Operation> {
    let mut all: Vec<Operation> = serializations().into_iter().map(|(at, how)| single(at, how)).collect();
    all.extend(bodies().into_iter().map(|kind| operation("/b", Vec::new(), Some(body("v", kind)))));
    all.extend(with_integers());
    all.extend(several());
    for (i, operation) in all.iter_mut().enumerate() {
        operation.name = format!("op{i}");
    }
    assert!(all.len() <= 256, "one byte picks one");
    all
}

/// The parameter, if it is the only one, and there is no body.
pub(crate) fn is_single(operation: &Operation) -> Option<&Parameter> {
    let [parameter] = operation.parameters.as_slice() else { return None };
    let is_argument = parameter.source == Source::Argument("v".into());
    (is_argument && operation.body.is_none() && operation.input_schema["properties"]["v"] == json!({}))
        .then_some(parameter)
}

fn serializations() -> Vec<(Location, Serialization)> {
    let mut all = Vec::new();
    for (location, styles) in STYLES {
        for style in styles {
            for explode in [false, true] {
                let reserved = if matches!(location, Location::Path | Location::Query) { 2 } else { 1 };
                for allow_reserved in [false, true].into_iter().take(reserved) {
                    all.push((location, Serialization::Style { style: *style, explode, allow_reserved }));
                }
            }
        }
    }
    for location in LOCATIONS {
        all.extend(CONTENT.map(|media_type| (location, Serialization::Content(media_type.into()))));
    }
    all
}

fn single(location: Location, serialization: Serialization) -> Operation {
    let path = if location == Location::Path { "/p/{n-1}/end" } else { "/p" };
    operation(path, vec![parameter("v", location, "n-1", serialization)], None)
}

fn bodies() -> Vec<BodyKind> {
    vec![
        BodyKind::Json,
        BodyKind::Text,
        BodyKind::Bytes,
        BodyKind::Form(Vec::new()),
        BodyKind::Multipart(Vec::new()),
        BodyKind::Form(fields()),
        BodyKind::Multipart(fields()),
    ]
}

/// Members `a`, `b` … of every style, then some that are typed.
fn fields() -> Vec<Field> {
    let mut fields = Vec::new();
    let mut add = |style: Option<Serialization>, content_type: Option<&str>, binary: bool| {
        let name = char::from(b'a' + fields.len() as u8).to_string();
        fields.push(Field { name, style, content_type: content_type.map(Into::into), binary });
    };
    for (location, how) in serializations() {
        if let (Location::Query, Serialization::Style { explode, allow_reserved, .. }) = (location, &how) {
            if *explode || !*allow_reserved {
                add(Some(how), None, false);
            }
        }
    }
    add(None, Some("application/json"), false);
    add(None, Some("text/csv; charset=utf-8"), false);
    add(None, Some("image/png, image/jpeg"), true);
    add(None, None, true);
    fields
}

/// Numbers in text lose a fraction of zero.
fn with_integers() -> Vec<Operation> {
    let schemas = [
        json!({"type": "integer"}),
        json!({"type": "array", "items": {"type": ["integer", "string"]}}),
        json!({"type": "object", "additionalProperties": {"type": "integer"}, "properties": {"s": {"type": "string"}}}),
        json!({"anyOf": [{"$ref": "#/$defs/n"}, {"type": "string", "maxLength": 3}]}),
    ];
    let mut all = Vec::new();
    for schema in schemas {
        let mut operations = vec![
            single(Location::Path, style(Style::Matrix, true)),
            single(Location::Query, style(Style::DeepObject, true)),
            single(Location::Header, style(Style::Simple, false)),
            operation("/b", Vec::new(), Some(body("v", BodyKind::Multipart(Vec::new())))),
        ];
        for operation in &mut operations {
            operation.input_schema["properties"]["v"] = schema.clone();
            operation.input_schema["$defs"] = json!({"n": {"type": "integer", "minimum": -5}});
        }
        all.extend(operations);
    }
    all
}

fn several() -> Vec<Operation> {
    let path = |name: &str, kind| parameter(name, Location::Path, name, style(kind, true));
    let query = |name: &str, kind, explode| parameter(name, Location::Query, name, style(kind, explode));
    let header = |name: &str| parameter(name, Location::Header, name, style(Style::Simple, false));
    let cookie = |name: &str, kind| parameter(name, Location::Cookie, name, style(kind, true));
    let from = |source, parameter| Parameter { source, ..parameter };
    let fixed = |value, parameter| from(Source::Fixed(value), parameter);
    let operator = |text: &str, parameter| from(Source::Operator(text.into()), parameter);
    let of_style = |at, style, explode, allow_reserved, name: &str| {
        parameter(name, at, name, Serialization::Style { style, explode, allow_reserved })
    };
    let reserved = |name: &str| of_style(Location::Path, Style::Simple, false, true, name);
    vec![
        operation(
            "/p/{x}{y}.{z}/e/{x}",
            vec![path("x", Style::Simple), path("y", Style::Label), path("z", Style::Matrix)],
            None,
        ),
        operation("/p/.{x}/..{y}/{x}{y}", vec![reserved("x"), reserved("y")], None),
        operation(
            "/v1.0/a:run/$v({x})?Action={x}&k=v&l=a{y}&m={y}",
            vec![path("x", Style::Simple), path("y", Style::Simple), query("q", Style::Form, true)],
            None,
        ),
        operation(
            "/q",
            vec![
                query("filter", Style::Form, true),
                query("page", Style::DeepObject, true),
                query("a b&c[]é", Style::PipeDelimited, false),
                of_style(Location::Query, Style::Form, true, true, "url"),
                fixed(json!({"fixed": [1, "&"]}), query("f", Style::DeepObject, true)),
                operator("$k", query("key", Style::Form, false)),
            ],
            None,
        ),
        operation(
            "/q?page=1",
            vec![
                parameter("all", Location::Querystring, "all", Serialization::Content(CONTENT[2].into())),
                operator("x $k", query("key", Style::Form, false)),
                query("spread", Style::Form, true),
            ],
            None,
        ),
        operation(
            "/h",
            vec![
                operator("Bearer $k", header("Authorization")),
                fixed(json!(["a", 1]), header("X-Fixed")),
                header("X-L"),
                header("x_under"),
                cookie("a", Style::Form),
                cookie("b", Style::Cookie),
                fixed(json!("x;y"), cookie("f", Style::Form)),
                operator("$k", cookie("session", Style::Form)),
                operator("$k", cookie("raw", Style::Cookie)),
            ],
            None,
        ),
        operation(
            "/o/{t}/{f}",
            vec![operator("$k", path("t", Style::Simple)), fixed(json!("a/b"), path("f", Style::Simple))],
            None,
        ),
        operation(
            "/all/{id}",
            vec![
                path("id", Style::Simple),
                query("q", Style::SpaceDelimited, false),
                header("X-H"),
                cookie("c", Style::Form),
            ],
            Some(body("body", BodyKind::Multipart(fields()))),
        ),
    ]
}

/// The schema takes anything under the names of the arguments.
fn operation(path: &str, parameters: Vec<Parameter>, body: Option<RequestBody>) -> Operation {
    let arguments = parameters.iter().filter_map(|parameter| match &parameter.source {
        Source::Argument(name) => Some(name.clone()),
        Source::Fixed(_) | Source::Operator(_) => None,
    });
    let arguments = arguments.chain(body.iter().map(|body| body.argument.clone()));
    let properties: Map<String, Value> = arguments.map(|name| (name, json!({}))).collect();
    Operation {
        name: String::new(),
        title: None,
        description: "An operation.".into(),
        annotations: Map::new(),
        method: "POST".into(),
        origin: "http://api.example.com".into(),
        path: path.into(),
        parameters,
        body,
        accept: None,
        input_schema: json!({"type": "object", "properties": properties}),
        output_schema: None,
    }
}

fn parameter(argument: &str, location: Location, name: &str, serialization: Serialization) -> Parameter {
    Parameter { source: Source::Argument(argument.into()), name: name.into(), location, serialization }
}

fn style(style: Style, explode: bool) -> Serialization {
    Serialization::Style { style, explode, allow_reserved: false }
}

fn body(argument: &str, kind: BodyKind) -> RequestBody {
    let media_type = match kind {
        BodyKind::Json => "application/json",
        BodyKind::Text => "text/plain; charset=utf-8",
        BodyKind::Bytes => "application/octet-stream",
        BodyKind::Form(_) => CONTENT[2],
        BodyKind::Multipart(_) => "multipart/form-data; boundary=x",
    };
    RequestBody { argument: argument.into(), media_type: media_type.into(), kind }
}
