//! Whatever the text of a document is, its operations hold together.

#[path = "upstream.rs"]
mod upstream;

use std::collections::HashSet;

use mcp::Tool;
use mcp::operation::{Operation, Source};
use openapi::{Credential, Document, Edit, Limits, Outcome, Rules, Selector};
use serde_json::{Map, Value, json};

use crate::client;

/// Tools of a document that are called.
const CALLED: usize = 4;

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(document) = Document::parse(text, &limits()) else { return };
    let plain = Rules {
        prefix: "p ".into(),
        source: Some("https://api.example.com/v1/openapi.json".into()),
        output_schema: true,
        ..Rules::default()
    };
    let outcome = document.operations(&plain, &mut external);
    check_outcome(&outcome);
    let again = document.operations(&to_measure(&outcome), &mut external);
    check_outcome(&again);
}

/// Small ones, so that a short text can go beyond them.
fn limits() -> Limits {
    Limits {
        bytes: 1 << 20,
        values: 20_000,
        depth: 100,
        files: 4,
        operations: 50,
        parameters: 30,
        steps: 100_000,
        schema_bytes: 16 << 10,
        all_schemas_bytes: 64 << 10,
        description: 200,
        warnings: 20,
    }
}

/// Every directive, with values that the document has.
fn to_measure(outcome: &Outcome) -> Rules {
    let edit = |(i, (operation, origin)): (usize, &(Operation, openapi::Origin))| {
        let mut arguments = operation.parameters.iter().filter_map(|parameter| match &parameter.source {
            Source::Argument(name) => Some(name.clone()),
            Source::Fixed(_) | Source::Operator(_) => None,
        });
        let mut fix: Vec<_> = arguments.next().map(|name| (name, "7".to_owned())).into_iter().collect();
        fix.extend(arguments.next().map(|name| (name, "$http_x_tenant".to_owned())));
        Edit {
            operation: origin.operation.clone(),
            name: (i == 0).then(|| "first".into()),
            description: (i == 1).then(|| "The second.".into()),
            fix,
        }
    };
    let credential = |scheme: &str, text: &str| Credential { scheme: scheme.into(), text: text.into() };
    let selector = |terms: &[&str]| Selector::parse(terms).expect("a selector");
    Rules {
        pass: Some("http://upstream/base".into()),
        expose: vec![selector(&["path=/*", "operation=*"]), selector(&["tag=a*"])],
        hide: vec![selector(&["method=PATCH"])],
        credentials: vec![
            credential("key", "$http_x_key"),
            credential("bearer", "$http_authorization"),
            credential("basic", "dTpw"),
            credential("oauth", "$http_x_token"),
        ],
        edits: outcome.operations.iter().take(3).enumerate().map(edit).collect(),
        ..Rules::default()
    }
}

fn external(name: &str) -> Result<String, String> {
    match name {
        "a.yaml" => Ok(A.into()),
        "lib/b.json" | "../b.json" => Ok(B.into()),
        "bad" => Ok("{".into()),
        _ => Err(format!("{name} is not here")),
    }
}

const A: &str = "
s: {type: object, properties: {self: {$ref: '#/s'}, up: {$ref: lib/b.json#/t}, id: {type: integer, readOnly: true}}}
q: {name: q, in: query, schema: {$ref: '#/s'}}
loop: {$ref: '#/loop'}
back: {$ref: 'lib/b.json#/back'}
item: {get: {operationId: other, parameters: [{$ref: '#/q'}], responses: {'200': {description: ok}}}}
";

const B: &str =
    r##"{"t": {"type": ["string", "null"]}, "back": {"$ref": "../a.yaml#/back"}, "t~1/ x": {"$ref": "#/t"}}"##;

fn check_outcome(outcome: &Outcome) {
    assert!(outcome.warnings.len() <= limits().warnings + 1);
    let mut names = HashSet::new();
    let mut tools = Vec::new();
    let mut operations = Vec::new();
    for (operation, origin) in &outcome.operations {
        let name = &operation.name;
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        assert!((1..=64).contains(&name.len()) && name.chars().all(legal), "{name:?} {origin:?}");
        assert!(names.insert(name), "{name} is there twice");
        check_schema(&operation.input_schema);
        operation.output_schema.iter().for_each(check_schema);
        check_arguments(operation);
        if let Ok(tool) = Tool::from_operation(operation.clone()) {
            tools.push(tool);
            operations.push(operation);
        }
    }
    if !tools.is_empty() {
        check_server(tools, &operations);
    }
}

fn check_schema(schema: &Value) {
    check_references(schema, schema);
    assert!(jsonschema::meta::is_valid(schema), "{schema}");
}

fn check_references(schema: &Value, root: &Value) {
    match schema {
        Value::Object(members) => {
            for (keyword, value) in members {
                match (keyword.as_str(), value) {
                    ("$ref", Value::String(reference)) => {
                        let name = reference.strip_prefix("#/$defs/");
                        let name = name.unwrap_or_else(|| panic!("{reference} leads out of {root}"));
                        assert!(root["$defs"].get(name).is_some(), "{reference} leads to nothing in {root}");
                    }
                    // What stands there is data.
                    ("default" | "const" | "enum" | "example" | "examples", _) => {}
                    ("properties" | "patternProperties" | "dependentSchemas" | "$defs", Value::Object(schemas)) => {
                        schemas.values().for_each(|schema| check_references(schema, root));
                    }
                    _ => check_references(value, root),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| check_references(item, root)),
        _ => {}
    }
}

/// Every argument has one place and is declared.
fn check_arguments(operation: &Operation) {
    let mut arguments: HashSet<&str> = operation.body.iter().map(|body| body.argument.as_str()).collect();
    for parameter in &operation.parameters {
        if let Source::Argument(name) = &parameter.source {
            assert!(arguments.insert(name), "{name} is used twice");
        }
    }
    let properties = operation.input_schema["properties"].as_object().expect("properties");
    assert_eq!(arguments, properties.keys().map(String::as_str).collect::<HashSet<_>>());
}

fn check_server(tools: Vec<Tool>, operations: &[&Operation]) {
    let count = tools.len();
    let server = client::server(tools);
    let list = client::list(&server);
    assert_eq!(list["tools"].as_array().map(Vec::len), Some(count));
    for operation in operations.iter().take(CALLED) {
        let properties = operation.input_schema["properties"].as_object().expect("properties");
        let some: Map<String, Value> = properties.iter().map(|(name, schema)| (name.clone(), value(schema))).collect();
        for arguments in [Map::new(), some] {
            let text = Value::from(arguments.clone()).to_string();
            if let Ok((index, request)) = client::call(&server, &operation.name, text.as_bytes(), client::VALUE) {
                upstream::check(operations[index], Some(&arguments), &request);
            }
        }
    }
}

/// One that may do.
fn value(schema: &Value) -> Value {
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds[0].as_str(),
        kind => kind.as_str(),
    };
    match kind {
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        Some("array") => json!(["a/../b", "c"]),
        Some("object") => json!({"k": "v", "l": ["é"]}),
        _ => json!("YQ=="),
    }
}
