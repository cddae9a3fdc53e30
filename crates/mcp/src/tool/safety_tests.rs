//! Whatever a value is, it stays in its place.

use serde_json::{Map, Value, json};

use super::test_tools::{no_values, object, operation, parameter, style};
use super::{Tool, encode};
use crate::operation::{BodyKind, Field, Location, RequestBody, Serialization, Style};

const STYLES: [Style; 9] = [
    Style::Simple,
    Style::Label,
    Style::Matrix,
    Style::Form,
    Style::SpaceDelimited,
    Style::PipeDelimited,
    Style::TabDelimited,
    Style::DeepObject,
    Style::Cookie,
];

const LOCATIONS: [Location; 5] =
    [Location::Path, Location::Query, Location::Querystring, Location::Header, Location::Cookie];

const TEXTS: [&str; 24] = [
    "",
    ".",
    "..",
    "%2e%2e",
    "../..",
    "..\\x",
    "..;x",
    "a/b",
    "a?b",
    "a#b",
    "a&b=c",
    "a;b",
    "a,b",
    "a b",
    "a\tb",
    "a|b",
    "a+b",
    "a\r\nX: 1",
    "a\0b",
    "é日",
    "%0d%0a",
    "%",
    "{x}",
    "\"[]\"",
];

fn serializations() -> impl Iterator<Item = Serialization> {
    let styles = STYLES.into_iter().flat_map(|style| {
        [(false, false), (false, true), (true, false), (true, true)]
            .map(|(explode, allow_reserved)| Serialization::Style { style, explode, allow_reserved })
    });
    let contents = ["application/json", "text/plain", "application/x-www-form-urlencoded"];
    styles.chain(contents.map(|media_type| Serialization::Content(media_type.into())))
}

/// The tool of an operation with one parameter; none where the style has no meaning.
fn tool(location: Location, serialization: Serialization) -> Option<Tool> {
    let path = if location == Location::Path { "/a/{x}/b?c=d" } else { "/a/b?c=d" };
    let operation = operation("GET", path, vec![parameter(location, "x", serialization)], None);
    Tool::from_operation(operation).ok()
}

fn check_path(uri: &str, location: Location) {
    let (path, query) = uri.split_once('?').unwrap();
    assert!(query.starts_with("c=d"), "{uri}");
    assert!(query == "c=d" || matches!(location, Location::Query | Location::Querystring), "{uri}");
    let segments: Vec<_> = path.split('/').collect();
    let [_, "a", .., "b"] = segments.as_slice() else { panic!("{uri}") };
    assert_eq!(segments.len(), if location == Location::Path { 4 } else { 3 }, "{uri}");
    assert!(!segments.iter().any(|segment| encode::has_dot_segment(segment)), "{uri}");
}

#[test]
fn no_value_leaves_its_place() {
    let mut sent = 0;
    for location in LOCATIONS {
        for serialization in serializations() {
            let Some(tool) = tool(location, serialization.clone()) else { continue };
            for text in TEXTS {
                for value in [json!(text), json!([text, "z"]), json!({text: text}), json!({"k": [{text: text}]})] {
                    let arguments: Value = json!({"x": value});
                    let Ok(request) = tool.request(object(arguments), &mut no_values) else { continue };
                    sent += 1;
                    let what = format!("{location:?} {serialization:?} {value}: {request:?}");
                    assert!(request.uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{what}");
                    check_path(&request.uri, location);
                    for (name, line) in &request.headers {
                        assert!(line.bytes().all(|byte| matches!(byte, b'\t' | 0x20..=0x7E)), "{what}");
                        match location {
                            Location::Header => assert_eq!(name, "x"),
                            Location::Cookie => assert_eq!(name, "Cookie"),
                            _ => panic!("{what}"),
                        }
                        // Only an exploded list or object has several cookies.
                        let pairs = line.split("; ").count();
                        let several =
                            matches!(serialization, Serialization::Style { style: Style::Cookie, explode: true, .. });
                        assert!(location != Location::Cookie || line.matches(';').count() + 1 == pairs, "{what}");
                        assert!(location != Location::Cookie || pairs == 1 || several, "{what}");
                    }
                    assert!(request.body.is_none() && request.content_type.is_none());
                }
            }
        }
    }
    assert!(sent > 1000, "{sent}");
}

#[test]
fn a_small_message_makes_no_large_request() {
    let long = "x".repeat(10_000);
    let list = json!({&long: vec![1; 10_000]});
    let deep = json!({&long: {"a": vec![1; 10_000]}});
    let members: Map<String, Value> = (0..10_000).map(|i| (i.to_string(), 1.into())).collect();
    let wide = json!({&long: members});
    let form = "application/x-www-form-urlencoded";
    let styled = |style: Style| Field {
        name: "s".into(),
        style: Some(Serialization::Style { style, explode: true, allow_reserved: false }),
        content_type: None,
        binary: false,
    };
    let body =
        |media_type: &str, kind| Some(RequestBody { argument: "body".into(), media_type: media_type.into(), kind });
    let multipart = BodyKind::Multipart(vec![styled(Style::DeepObject)]);
    let content = Serialization::Content(form.into());
    let cases = [
        (Some(parameter(Location::Query, "body", style(Style::DeepObject, true))), None, &deep),
        (Some(parameter(Location::Query, "body", style(Style::DeepObject, true))), None, &wide),
        (Some(parameter(Location::Query, "body", content.clone())), None, &list),
        (Some(parameter(Location::Querystring, "body", content)), None, &list),
        (None, body(form, BodyKind::Form(Vec::new())), &list),
        (None, body("multipart/form-data", BodyKind::Multipart(Vec::new())), &list),
        (None, body("multipart/form-data", multipart), &json!({"s": wide})),
    ];
    for (parameter, body, value) in cases {
        let tool = Tool::from_operation(operation("POST", "/", parameter.into_iter().collect(), body)).unwrap();
        let error = tool.request(object(json!({"body": value})), &mut no_values).unwrap_err().text;
        assert_eq!(error, "invalid arguments: the values in \"body\" are too many for the length of their names");
    }
    // JSON has each name once.
    let tool =
        Tool::from_operation(operation("POST", "/", Vec::new(), body("application/json", BodyKind::Json))).unwrap();
    assert!(tool.request(object(json!({"body": list})), &mut no_values).is_ok());
}
