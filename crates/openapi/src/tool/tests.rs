use mcp::operation::{BodyKind, Field, Location, Operation, Parameter, Serialization, Source, Style};
use serde_json::{Value, json};

use crate::Rules;
use crate::test_documents::{document, operation, warnings};

fn get(version: &str, path: &str, operation: Value) -> Value {
    document(version, json!({"paths": {path: {"get": operation}}}))
}

fn arguments(operation: &Operation) -> Vec<(String, String)> {
    let text = |parameter: &Parameter| match &parameter.source {
        Source::Argument(name) => (name.clone(), format!("{:?} {}", parameter.location, parameter.name)),
        other => (format!("{other:?}"), parameter.name.clone()),
    };
    operation.parameters.iter().map(text).collect()
}

#[test]
fn arguments_have_the_names_of_their_parameters() {
    let parameter =
        |place: &str, name: &str| json!({"in": place, "name": name, "required": true, "schema": {"type": "string"}});
    let body = json!({"content": {"application/json": {}}});
    let given = json!({"requestBody": body, "parameters": [
        parameter("path", "id"), parameter("query", "id"), parameter("header", "id"), parameter("cookie", "id"),
        parameter("query", "id_query"), parameter("query", "body"), parameter("query", "q"),
        parameter("header", "Authorization"), parameter("header", "accept"),
    ]});
    let operation = operation(&get("3.0.3", "/x/{id}", given), &Rules::default());
    let names: Vec<String> = arguments(&operation).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["id_path", "id_query_", "id_header", "id_cookie", "id_query", "body_query", "q"]);
    let required: Vec<&str> =
        operation.input_schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(required, names);
    assert!(operation.input_schema["properties"].get("body").is_some());
}

#[test]
fn paths_become_templates() {
    let cases = [
        ("/a b/{id}/é", "/a%20b/{id}/%C3%A9", vec![("id", "Path id")]),
        ("/{a}-{b}/{a}", "/{a}-{b}/{a}", vec![("a", "Path a"), ("b", "Path b")]),
        ("/x#Action=A", "/x", vec![]),
        ("/x?type=a%20b&q={id}", "/x", vec![("Fixed(String(\"a b\"))", "type")]),
    ];
    for (path, expected, parameters) in cases {
        let names = parameters.iter().filter(|(_, place)| place.starts_with("Path"));
        let declared: Vec<Value> = names.map(|(name, _)| json!({"in": "path", "name": name})).collect();
        let operation = operation(&get("3.0.3", path, json!({"parameters": declared})), &Rules::default());
        assert_eq!(operation.path, expected);
        let mut actual = arguments(&operation);
        actual.sort();
        assert_eq!(actual, parameters.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_odd_is_named_and_the_rest_works() {
    let cases = [
        ("/x/{id}", json!({}), "/paths/~1x~1{id}/get: no parameter declares {id} of the path; it takes any text"),
        (
            "/x",
            json!({"parameters": [{"in": "path", "name": "id"}]}),
            "the path has no {id}; the parameter is left out",
        ),
        (
            "/x",
            json!({"parameters": [{"in": "header", "name": "Host"}]}),
            "the header \"Host\" cannot be set by an argument",
        ),
        ("/x", json!({"parameters": [{"in": "cookie", "name": "a b"}]}), "\"a b\" cannot be the name of a cookie"),
        ("/x", json!({"parameters": [{"in": "query", "name": ""}]}), "the parameter has no name; it is left out"),
        (
            "/x",
            json!({"parameters": [{"in": "query", "name": "a", "style": "matrix"}]}),
            "the style \"matrix\" is not for this place; its default is taken",
        ),
        (
            "/x",
            json!({"parameters": [{"in": "query", "name": "a", "schema": {"$ref": "#/none"}}]}),
            "\"#/none\" leads to nothing; the optional parameter \"a\" takes any value",
        ),
    ];
    for (path, given, expected) in cases {
        let document = get("3.0.3", path, given);
        let outcome = crate::test_documents::outcome(&document, &Rules::default());
        assert_eq!(outcome.operations.len(), 1, "{expected}");
        let warnings: Vec<String> = outcome.warnings.iter().map(ToString::to_string).collect();
        assert!(warnings.len() == 1 && warnings[0].contains(expected), "{warnings:?}");
    }
    let cases = [
        ("/x/{id", json!({}), "the path has a brace without its other; GET /x/{id is left out"),
        ("/x", json!({"parameters": [{"in": "body", "name": "a"}]}), "no \"in\" that is known; GET /x is left out"),
        (
            "/x",
            json!({"parameters": [{"in": "query", "name": "a", "required": true, "schema": {"$ref": "#/none"}}]}),
            "\"#/none\" leads to nothing; GET /x is left out",
        ),
        (
            "/x",
            json!({"requestBody": {"content": {"multipart/related": {}}}}),
            "cannot be made of arguments; GET /x is left out",
        ),
        ("/x", json!(1), "an operation is an object"),
        ("x", json!({}), "a path begins with \"/\""),
    ];
    for (path, given, expected) in cases {
        let warnings = warnings(&get("3.0.3", path, given), &Rules::default());
        assert!(warnings.len() == 1 && warnings[0].contains(expected), "{warnings:?}");
    }
}

#[test]
fn hints_follow_the_method() {
    let cases = [
        ("get", json!({"readOnlyHint": true})),
        ("head", json!({"readOnlyHint": true})),
        ("post", json!({})),
        ("patch", json!({})),
        ("put", json!({"idempotentHint": true})),
        ("delete", json!({"destructiveHint": true, "idempotentHint": true})),
        ("query", json!({"readOnlyHint": true})),
    ];
    for (method, expected) in cases {
        let document = document("3.2.0", json!({"paths": {"/x": {method: {}}}}));
        let operation = operation(&document, &Rules::default());
        assert_eq!((Value::Object(operation.annotations), operation.method), (expected, method.to_uppercase()));
    }
    let more = document("3.2.0", json!({"paths": {"/x": {"additionalOperations": {"COPY": {"operationId": "c"}}}}}));
    assert_eq!(operation(&more, &Rules::default()).method, "COPY");
    let trace = document("3.1.0", json!({"paths": {"/x": {"trace": {}, "query": {}}}}));
    assert_eq!(warnings(&trace, &Rules::default()).len(), 1);
}

#[test]
fn bodies_are_written_as_their_media_type_asks() {
    let style = |style, explode| Some(Serialization::Style { style, explode, allow_reserved: false });
    let field = |name: &str, style, content_type: Option<&str>, binary| Field {
        name: name.into(),
        style,
        content_type: content_type.map(Into::into),
        binary,
    };
    let file = json!({"type": "string", "format": "binary"});
    let schema = json!({"properties": {"f": file, "many": {"type": "array", "items": file}, "n": {"type": "integer"}, "o": {"type": "object"}}});
    let encoding = json!({"f": {"contentType": "image/png, image/jpeg"}, "o": {"style": "deepObject"}, "n": {"contentType": "text/*"}});
    let form = json!({"schema": {"properties": {"a": {"type": "array"}, "b": {"type": "string"}}}, "encoding": {"a": {"style": "pipeDelimited"}}});
    let multipart = vec![
        field("f", None, Some("image/png"), true),
        field("many", None, Some("application/octet-stream"), true),
        field("n", None, Some("application/octet-stream"), false),
    ];
    let mut multipart31 = multipart.clone();
    multipart31.push(field("o", style(Style::DeepObject, true), None, false));
    let cases = [
        ("3.0.3", "application/json", json!({"schema": {}}), BodyKind::Json, json!({})),
        ("3.0.3", "text/csv", json!({"schema": {"type": "string"}}), BodyKind::Text, json!({"type": "string"})),
        (
            "3.0.3",
            "application/xml",
            json!({"schema": {"type": "object", "description": "d"}}),
            BodyKind::Text,
            json!({"type": "string", "contentMediaType": "application/xml", "description": "d"}),
        ),
        (
            "3.1.0",
            "image/png",
            json!({}),
            BodyKind::Bytes,
            json!({"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"}),
        ),
        (
            "3.0.3",
            "application/x-www-form-urlencoded",
            form,
            BodyKind::Form(vec![field("a", style(Style::PipeDelimited, false), None, false)]),
            json!({"properties": {"a": {"type": "array"}, "b": {"type": "string"}}, "type": "object"}),
        ),
        (
            "3.0.3",
            "multipart/form-data",
            json!({"schema": schema, "encoding": encoding}),
            BodyKind::Multipart(multipart),
            Value::Null,
        ),
        (
            "3.1.0",
            "multipart/form-data",
            json!({"schema": schema, "encoding": encoding}),
            BodyKind::Multipart(multipart31),
            Value::Null,
        ),
    ];
    for (version, media_type, media, kind, expected) in cases {
        let document = get(version, "/x", json!({"requestBody": {"content": {media_type: media}}}));
        let operation = operation(&document, &Rules::default());
        let body = operation.body.unwrap();
        assert_eq!((body.media_type.as_str(), &body.kind), (media_type, &kind));
        if !expected.is_null() {
            assert_eq!(operation.input_schema["properties"]["body"], expected);
        }
    }
}

#[test]
fn swagger_parameters_are_schemas_themselves() {
    let given = json!({"consumes": ["application/xml", "application/json"], "produces": ["application/json"], "parameters": [
        {"in": "query", "name": "a", "type": "array", "items": {"type": "string"}, "collectionFormat": "tsv", "required": true},
        {"in": "header", "name": "X-B", "type": "integer", "format": "int64", "default": 1, "description": "d"},
        {"in": "body", "name": "payload", "required": true, "description": "b", "schema": {"type": "object"}},
    ]});
    let first = operation(&get("2.0", "/x", given), &Rules::default());
    let expected = json!({
        "a": {"type": "array", "items": {"type": "string"}},
        "X-B": {"type": "integer", "format": "int64", "default": 1, "description": "d"},
        "body": {"type": "object", "description": "b"},
    });
    assert_eq!(first.input_schema["properties"], expected);
    assert_eq!(first.input_schema["required"], json!(["a", "body"]));
    assert_eq!(first.accept.as_deref(), Some("application/json"));
    assert_eq!(first.body.unwrap().media_type, "application/json");
    let tabs = Serialization::Style { style: Style::TabDelimited, explode: false, allow_reserved: false };
    assert_eq!((&first.parameters[0].serialization, first.parameters[0].location), (&tabs, Location::Query));

    let form = json!({"parameters": [
        {"in": "formData", "name": "f", "type": "file", "required": true},
        {"in": "formData", "name": "a", "type": "string", "enum": ["x"]},
    ]});
    let second = operation(&get("2.0", "/x", form), &Rules::default());
    let expected = json!({"type": "object", "required": ["f"], "properties": {
        "f": {"type": "string", "contentEncoding": "base64"}, "a": {"type": "string", "enum": ["x"]},
    }});
    assert_eq!(second.input_schema["properties"]["body"], expected);
    assert_eq!(second.body.unwrap().media_type, "multipart/form-data");
}

#[test]
fn a_query_string_may_be_one_parameter() {
    let given = json!({"parameters": [{"in": "querystring", "name": "q", "content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}}]});
    let operation = operation(&get("3.2.0", "/x", given), &Rules::default());
    let parameter = &operation.parameters[0];
    let expected = Serialization::Content("application/x-www-form-urlencoded".into());
    assert_eq!((parameter.location, &parameter.serialization), (Location::Querystring, &expected));
}
