use serde_json::{Value, json};

use crate::test_documents::{document, operation, outcome, warnings};
use crate::{Document, Limits, Rules};

/// A document whose body has this schema, among these components.
fn with_body(version: &str, schema: &Value, components: &Value) -> Value {
    if version == "2.0" {
        let body = json!({"name": "b", "in": "body", "required": true, "schema": schema});
        let paths = json!({"/x": {"post": {"parameters": [body]}}});
        return document(version, json!({"paths": paths, "definitions": components}));
    }
    let media = json!({"application/json": {"schema": schema}});
    let operation = json!({"requestBody": {"required": true, "content": media}, "responses": {}});
    document(version, json!({"paths": {"/x": {"post": operation}}, "components": {"schemas": components}}))
}

fn convert(version: &str, schema: &Value) -> Value {
    operation(&with_body(version, schema, &json!({})), &Rules::default()).input_schema["properties"]["body"].clone()
}

#[test]
fn every_dialect_becomes_2020_12() {
    let base64 = json!({"type": "string", "contentEncoding": "base64"});
    let cases = [
        ("3.0.3", json!({"type": "string", "nullable": true}), json!({"type": ["string", "null"]})),
        (
            "3.0.3",
            json!({"type": "string", "nullable": true, "enum": ["a"]}),
            json!({"type": ["string", "null"], "enum": ["a", null]}),
        ),
        ("3.0.3", json!({"nullable": true}), json!({})),
        (
            "3.0.3",
            json!({"nullable": true, "description": "d", "oneOf": [{"type": "string"}]}),
            json!({"description": "d", "anyOf": [{"oneOf": [{"type": "string"}]}, {"type": "null"}]}),
        ),
        ("2.0", json!({"type": "string", "x-nullable": true}), json!({"type": ["string", "null"]})),
        (
            "3.0.3",
            json!({"type": "integer", "minimum": 1, "exclusiveMinimum": true, "maximum": 9, "exclusiveMaximum": false}),
            json!({"type": "integer", "maximum": 9, "exclusiveMinimum": 1}),
        ),
        ("3.1.0", json!({"exclusiveMinimum": true, "minimum": 0}), json!({"exclusiveMinimum": 0})),
        ("3.1.0", json!({"exclusiveMinimum": 3}), json!({"exclusiveMinimum": 3})),
        ("3.0.3", json!({"type": "string", "format": "binary"}), base64.clone()),
        ("3.0.3", json!({"type": "string", "format": "byte"}), base64.clone()),
        (
            "3.1.0",
            json!({"contentMediaType": "image/png"}),
            json!({"contentMediaType": "image/png", "type": "string", "contentEncoding": "base64"}),
        ),
        (
            "3.1.0",
            json!({"type": "string", "contentMediaType": "text/html"}),
            json!({"type": "string", "contentMediaType": "text/html"}),
        ),
        (
            "3.1.0",
            json!({"type": ["string", "null"], "contentEncoding": "base64url"}),
            json!({"type": ["string", "null"], "contentEncoding": "base64url"}),
        ),
        (
            "3.0.3",
            json!({"type": "object", "example": 1, "xml": {}, "discriminator": {}, "externalDocs": {}, "x-a": 1}),
            json!({"type": "object"}),
        ),
        ("3.1.0", json!({"examples": [1], "$comment": "c", "$schema": "s", "$id": "i", "$defs": {}}), json!({})),
        ("3.1.0", json!({"items": [{"type": "string"}, true]}), json!({"prefixItems": [{"type": "string"}, true]})),
        (
            "3.1.0",
            json!({"prefixItems": [{}], "items": false, "if": {}, "then": true, "unevaluatedProperties": false}),
            json!({"prefixItems": [{}], "items": false, "if": {}, "then": true, "unevaluatedProperties": false}),
        ),
        (
            "3.0.3",
            json!({"type": "object", "required": ["a", "id", "a"], "properties": {"id": {"readOnly": true}, "a": {"writeOnly": true}}}),
            json!({"type": "object", "required": ["a"], "properties": {"a": {}}}),
        ),
        ("3.0.3", json!({"properties": {"a": {"required": true}}}), json!({"properties": {"a": {}}})),
        ("3.0.3", json!({"minLength": 1.0, "maximum": 1e30}), json!({"minLength": 1, "maximum": 1e30})),
        (
            "3.0.3",
            json!({"properties": {"$ref": {"type": "string"}}}),
            json!({"properties": {"$ref": {"type": "string"}}}),
        ),
    ];
    for (version, schema, expected) in cases {
        assert_eq!(convert(version, &schema), expected, "{version} {schema}");
    }
    assert_eq!(convert("3.1.0", &json!(true)), json!(true));
}

#[test]
fn keywords_of_the_wrong_type_are_left_out_and_named() {
    let cases = [
        (json!({"type": "int"}), "/type"),
        (json!({"type": []}), "/type"),
        (json!({"maxLength": -1}), "/maxLength"),
        (json!({"minimum": "1"}), "/minimum"),
        (json!({"multipleOf": 0}), "/multipleOf"),
        (json!({"enum": []}), "/enum"),
        (json!({"required": [1]}), "/required"),
        (json!({"required": "a"}), "/required"),
        (json!({"pattern": "("}), "/pattern"),
        (json!({"properties": []}), "/properties"),
        (json!({"allOf": []}), "/allOf"),
        (json!({"anyOf": {}}), "/anyOf"),
        (json!({"items": 1}), "/items"),
        (json!({"exclusiveMinimum": "1"}), "/exclusiveMinimum"),
        (json!({"dependentRequired": {"a": 1}}), "/dependentRequired"),
        (json!({"description": 1}), "/description"),
    ];
    for (schema, pointer) in cases {
        let document = with_body("3.1.0", &json!({"properties": {"p/q": schema}}), &json!({}));
        let outcome = outcome(&document, &Rules::default());
        let [warning] = &outcome.warnings[..] else { panic!("{schema}: {:?}", outcome.warnings) };
        let expected = format!("/paths/~1x/post/requestBody/content/application~1json/schema/properties/p~1q{pointer}");
        assert_eq!(warning.pointer, expected, "{schema}");
        let schema = &outcome.operations[0].0.input_schema;
        assert!(jsonschema::meta::is_valid(schema), "{schema}");
    }
}

#[test]
fn references_take_what_they_need_along() {
    let components = json!({
        "Tree": {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}}},
        "Alias": {"$ref": "#/components/schemas/Tree"},
        "Pair": {"type": "object", "properties": {"left": {"$ref": "#/components/schemas/Alias"}, "n": {"type": "integer"}}},
        "Unused": {"type": "string"},
        "With space": {"type": "string"},
        "Id": {"type": "string", "readOnly": true},
    });
    let defs = |schema: Value| {
        let operation = operation(&with_body("3.0.3", &schema, &components), &Rules::default());
        let schema = operation.input_schema;
        let names: Vec<String> =
            schema["$defs"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        (schema["properties"]["body"].clone(), names)
    };
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    assert_eq!(defs(reference("Tree")), (json!({"$ref": "#/$defs/Tree"}), vec!["Tree".into()]));
    assert_eq!(defs(reference("Alias")), (json!({"$ref": "#/$defs/Tree"}), vec!["Tree".into()]));
    assert_eq!(defs(reference("Pair")).1, ["Pair", "Tree"]);
    assert_eq!(defs(json!({"type": "string"})).1.len(), 0);
    let (body, names) = defs(reference("Pair/properties/n"));
    assert!(names.len() == 1 && names[0].starts_with("n_") && names[0].len() == 10, "{names:?}");
    assert_eq!(body["$ref"], json!(format!("#/$defs/{}", names[0])));
    let (_, names) = defs(reference("With%20space"));
    assert!(names[0].starts_with("With_space_"), "{names:?}");
    let (body, names) = defs(json!({"required": ["id", "a"], "properties": {"id": reference("Id"), "a": {}}}));
    assert_eq!((body, names.len()), (json!({"required": ["a"], "properties": {"a": {}}}), 0));
}

#[test]
fn what_is_read_only_in_one_part_is_not_required_by_another() {
    let components = json!({"Base": {"type": "object", "properties": {"id": {"readOnly": true}}}});
    let schema =
        json!({"allOf": [{"$ref": "#/components/schemas/Base"}, {"required": ["id", "a"]}], "required": ["id"]});
    let operation = operation(&with_body("3.0.3", &schema, &components), &Rules::default());
    let expected = json!({"allOf": [{"$ref": "#/$defs/Base"}, {"required": ["a"]}]});
    assert_eq!(operation.input_schema["properties"]["body"], expected);
    assert_eq!(operation.input_schema["$defs"]["Base"], json!({"type": "object", "properties": {}}));
}

#[test]
fn beside_a_reference_the_version_decides() {
    let schema = json!({"properties": {"a": {"$ref": "#/components/schemas/A", "description": "d", "minLength": 2}}});
    let components = json!({"A": {"type": "string"}});
    for (version, expected) in [
        ("3.0.3", json!({"$ref": "#/$defs/A", "description": "d"})),
        ("3.1.0", json!({"$ref": "#/$defs/A", "description": "d", "minLength": 2})),
    ] {
        let operation = operation(&with_body(version, &schema, &components), &Rules::default());
        assert_eq!(operation.input_schema["properties"]["body"]["properties"]["a"], expected, "{version}");
    }
}

#[test]
fn anchors_and_identifiers_are_references_too() {
    let components = json!({"Node": {
        "$id": "https://example.com/node", "$dynamicAnchor": "n", "$anchor": "m",
        "properties": {"kids": {"$dynamicRef": "#n"}, "more": {"$ref": "https://example.com/node"}},
    }});
    for reference in ["#m", "https://example.com/node", "#/components/schemas/Node"] {
        let operation = operation(&with_body("3.1.0", &json!({"$ref": reference}), &components), &Rules::default());
        let expected =
            json!({"Node": {"properties": {"kids": {"$ref": "#/$defs/Node"}, "more": {"$ref": "#/$defs/Node"}}}});
        assert_eq!(operation.input_schema["$defs"], expected, "{reference}");
    }
}

#[test]
fn what_does_not_resolve_costs_the_operation_only() {
    let deep = (0..105).fold(json!({}), |inner, _| json!({ "not": inner }));
    let components =
        json!({"Loop": {"$ref": "#/components/schemas/Loop"}, "Deep": {"properties": {"a": {"$ref": "#/none"}}}});
    let cases = [
        (json!({"$ref": "#/components/schemas/Loop"}), "/components/schemas/Loop: the reference leads to itself"),
        (
            json!({"$ref": "#/components/schemas/Deep"}),
            "/components/schemas/Deep/properties/a: \"$ref\": \"#/none\" leads to nothing",
        ),
        (deep, "schemas are nested more than 100 deep; POST /x is left out"),
    ];
    for (schema, expected) in cases {
        let mut document = with_body("3.0.3", &schema, &components);
        document["paths"]["/y"] = json!({"get": {}});
        let names: Vec<String> = outcome(&document, &Rules::default())
            .operations
            .iter()
            .map(|(operation, _)| operation.name.clone())
            .collect();
        assert_eq!(names, ["get_y"]);
        let warnings = warnings(&document, &Rules::default());
        assert!(warnings.len() == 1 && warnings[0].contains(expected), "{warnings:?}");
        assert!(warnings[0].ends_with("; POST /x is left out"));
    }
}

#[test]
fn schemas_have_limits() {
    let big = json!({"Big": {"description": "x".repeat(5_000)}});
    let document = with_body("3.0.3", &json!({"$ref": "#/components/schemas/Big"}), &big);
    let mut two = document.clone();
    two["paths"]["/y"] = two["paths"]["/x"].clone();
    let cases = [
        (
            &document,
            Limits { schema_bytes: 4_000, ..Limits::default() },
            0,
            "more than 4000 bytes; POST /x is left out",
        ),
        (
            &two,
            Limits { all_schemas_bytes: 8_000, ..Limits::default() },
            1,
            "all schemas together have more than 8000 bytes",
        ),
        (&two, Limits { operations: 1, ..Limits::default() }, 1, "more than 1 operations"),
    ];
    for (document, limits, count, expected) in cases {
        let document = Document::parse(&document.to_string(), &limits).unwrap();
        let outcome = document.operations(&Rules::default(), &mut |_| Err(String::new()));
        assert_eq!(outcome.operations.len(), count, "{expected}");
        assert!(outcome.warnings[0].text.contains(expected), "{:?}", outcome.warnings);
    }
}

#[test]
fn answers_are_published_where_asked_for() {
    let answer = json!({"type": "object", "required": ["id", "secret"], "properties": {
        "id": {"type": "string", "readOnly": true}, "secret": {"type": "string", "writeOnly": true}, "next": {"$ref": "#/components/schemas/N"},
    }});
    let with = |answer: &Value| {
        let responses = json!({"default": {"description": "bad"}, "201": {"content": {"text/plain": {}, "application/json": {"schema": answer}}}});
        document(
            "3.0.3",
            json!({"paths": {"/x": {"get": {"responses": responses}}}, "components": {"schemas": {"N": {"type": "null"}}}}),
        )
    };
    let on = Rules { output_schema: true, ..Rules::default() };
    let published = operation(&with(&answer), &on);
    let expected = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "next": {"$ref": "#/$defs/N"}},
        "$defs": {"N": {"type": "null"}}});
    assert_eq!(published.output_schema, Some(expected));
    assert_eq!(published.accept.as_deref(), Some("application/json, text/plain;q=0.5"));
    assert_eq!(operation(&with(&answer), &Rules::default()).output_schema, None);
    assert_eq!(operation(&with(&json!({})), &on).output_schema, None);
    let broken = with(&json!({"$ref": "#/none"}));
    assert!(warnings(&broken, &on)[0].ends_with("no output schema is published"));
    assert_eq!(outcome(&broken, &on).operations.len(), 1);
}
