//! Whole documents: those of `tests/openapi`, and any directory of others that `MCP_OPENAPI_CORPUS` names.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use mcp::operation::{Location, Operation};
use serde_json::Value;

use crate::document::read;
use crate::{Document, Limits, Outcome, Rules};

#[test]
fn every_document_becomes_tools_that_hold_together() {
    for file in documents() {
        let text = fs::read_to_string(&file).unwrap();
        let outcome = load(&text, &file);
        let mut names = HashSet::new();
        for (operation, origin) in &outcome.operations {
            let of = format!("{}: {}", file.display(), origin.pointer);
            let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            assert!((1..=64).contains(&operation.name.len()) && operation.name.chars().all(legal), "{of}");
            assert!(names.insert(&operation.name), "{of}: {} is there twice", operation.name);
            check_schema(&operation.input_schema, &of);
            if let Some(schema) = &operation.output_schema {
                check_schema(schema, &of);
            }
            check_arguments(operation, &of);
        }
        check_order(&text, &file, &outcome);
        let expected = manifest(&file);
        let count = outcome.operations.len();
        println!("{}: {count} operations, {} warnings", file.display(), outcome.warnings.len());
        for warning in &outcome.warnings {
            println!("    {warning}");
        }
        if let Some(expected) = expected.filter(|_| !file.ends_with("broken-refs.yaml")) {
            // More, where a path item is a reference to another.
            assert!(count >= expected, "{}: {count} of {expected}", file.display());
        }
    }
}

fn documents() -> Vec<PathBuf> {
    let mut directories = vec![own()];
    match std::env::var_os("MCP_OPENAPI_CORPUS") {
        Some(directory) => directories.push(directory.into()),
        None => println!("only the documents of tests/openapi: MCP_OPENAPI_CORPUS names no directory of others"),
    }
    let mut files: Vec<PathBuf> = directories
        .iter()
        .flat_map(|directory| fs::read_dir(directory).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    let is_document = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default();
        name != "cases.json"
            && name != "manifest.json"
            && file.extension().is_some_and(|e| e == "json" || e == "yaml" || e == "yml")
    };
    files.retain(is_document);
    files.sort();
    assert!(!files.is_empty());
    files
}

fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/openapi")
}

/// How many operations a `manifest.json` beside the document says there are.
fn manifest(file: &Path) -> Option<usize> {
    let text = fs::read_to_string(file.with_file_name("manifest.json")).ok()?;
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let name = file.file_name()?.to_str()?;
    let entry = manifest.as_array()?.iter().find(|entry| entry["file"] == name)?;
    entry["operations"].as_u64().and_then(|count| usize::try_from(count).ok())
}

fn load(text: &str, file: &Path) -> Outcome {
    let document =
        Document::parse(text, &Limits::default()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let rules =
        Rules { source: Some("https://api.example.com/openapi.json".into()), output_schema: true, ..Rules::default() };
    document.operations(&rules, &mut |name| Err(format!("{name} is not here")))
}

fn check_schema(schema: &Value, of: &str) {
    assert!(jsonschema::meta::is_valid(schema), "{of}: {schema}");
    let built = jsonschema::options().with_draft(jsonschema::Draft::Draft202012).offline().build(schema);
    built.unwrap_or_else(|error| panic!("{of}: {error}\n{schema}"));
    check_references(schema, schema, of);
}

fn check_references(schema: &Value, root: &Value, of: &str) {
    match schema {
        Value::Object(members) => {
            // A property may have that name.
            if let Some(Value::String(reference)) = members.get("$ref") {
                let name = reference.strip_prefix("#/$defs/").unwrap_or_else(|| panic!("{of}: {reference}"));
                assert!(root["$defs"].get(name).is_some(), "{of}: {reference} leads to nothing");
            }
            members.values().for_each(|value| check_references(value, root, of));
        }
        Value::Array(items) => items.iter().for_each(|item| check_references(item, root, of)),
        _ => {}
    }
}

/// Every `{name}` of the path has its parameter, and every argument is one of the schema.
fn check_arguments(operation: &Operation, of: &str) {
    let properties = operation.input_schema["properties"].as_object().unwrap();
    let mut arguments: HashSet<&str> = HashSet::new();
    for parameter in &operation.parameters {
        if let mcp::operation::Source::Argument(name) = &parameter.source {
            assert!(arguments.insert(name), "{of}: {name} is used twice");
        }
        if parameter.location == Location::Path {
            assert!(operation.path.contains(&format!("{{{}}}", parameter.name)), "{of}: {}", operation.path);
        }
    }
    arguments.extend(operation.body.iter().map(|body| body.argument.as_str()));
    let declared: HashSet<&str> = properties.keys().map(String::as_str).collect();
    assert_eq!(arguments, declared, "{of}");
    for name in operation.path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
        let has = operation.parameters.iter().any(|p| p.location == Location::Path && p.name == name);
        assert!(has, "{of}: {{{name}}} has no parameter");
    }
    assert!(operation.path.starts_with('/') && operation.origin.starts_with("http"), "{of}: {}", operation.path);
    assert!(!operation.description.is_empty(), "{of}");
}

/// Reordered, the document gives the same operations.
fn check_order(text: &str, file: &Path, outcome: &Outcome) {
    let by_pointer = |outcome: &Outcome| {
        let mut all: Vec<(String, String)> = outcome
            .operations
            .iter()
            .map(|(operation, origin)| (origin.pointer.clone(), operation.name.clone()))
            .collect();
        all.sort();
        all
    };
    let mut json = read(text, &Limits::default()).unwrap();
    reverse(&mut json);
    assert_eq!(by_pointer(&load(&json.to_string(), file)), by_pointer(outcome), "{}", file.display());
}

fn reverse(value: &mut Value) {
    if let Value::Object(members) = value {
        members.values_mut().for_each(reverse);
        *members = std::mem::take(members).into_iter().rev().collect();
    }
}

/// What a second reader of version 3.0 sees: method, path, and the places and names of parameters.
#[test]
fn another_reader_sees_the_same() {
    let mut compared = 0;
    for file in documents() {
        let text = fs::read_to_string(&file).unwrap();
        let json = read(&text, &Limits::default()).unwrap();
        if !json["openapi"].as_str().is_some_and(|version| version.starts_with("3.0")) {
            continue;
        }
        let document: openapiv3::OpenAPI = match serde_json::from_value(json.clone()) {
            Ok(document) => document,
            Err(error) => {
                println!("{}: the other reader refuses it: {error}", file.display());
                continue;
            }
        };
        let ours = load(&text, &file);
        for (operation, origin) in &ours.operations {
            let mut steps = origin.pointer.split('/').skip(2).map(crate::node::unescape);
            let (path, method) = (steps.next().unwrap(), steps.next().unwrap());
            let Some(openapiv3::ReferenceOr::Item(item)) = document.paths.paths.get(&path) else { continue };
            let theirs = item.iter().find(|(other, _)| *other == method).map(|(_, operation)| operation).unwrap();
            let expected: BTreeSet<(String, String)> = item
                .parameters
                .iter()
                .chain(&theirs.parameters)
                .filter_map(|parameter| resolve(parameter, &document))
                .filter(|(place, name)| is_argument(place, name, &path, &json))
                .collect();
            let place = |location| format!("{location:?}").to_lowercase();
            let mut actual: BTreeSet<(String, String)> =
                operation.parameters.iter().map(|p| (place(p.location), p.name.clone())).collect();
            // Made from the path, where the document forgets to.
            actual.retain(|(place, name)| place != "path" || expected.contains(&("path".into(), name.clone())));
            assert_eq!(actual, expected, "{}: {}", file.display(), origin.pointer);
            assert_eq!(operation.body.is_some(), theirs.request_body.is_some(), "{}", origin.pointer);
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
}

fn resolve(
    parameter: &openapiv3::ReferenceOr<openapiv3::Parameter>,
    document: &openapiv3::OpenAPI,
) -> Option<(String, String)> {
    let parameter = match parameter {
        openapiv3::ReferenceOr::Item(parameter) => parameter,
        openapiv3::ReferenceOr::Reference { reference } => {
            let name = reference.strip_prefix("#/components/parameters/")?;
            document.components.as_ref()?.parameters.get(name)?.as_item()?
        }
    };
    let place = match parameter {
        openapiv3::Parameter::Query { .. } => "query",
        openapiv3::Parameter::Header { .. } => "header",
        openapiv3::Parameter::Path { .. } => "path",
        openapiv3::Parameter::Cookie { .. } => "cookie",
    };
    Some((place.into(), parameter.parameter_data_ref().name.clone()))
}

fn is_argument(place: &str, name: &str, path: &str, json: &Value) -> bool {
    let schemes = json["components"]["securitySchemes"].as_object();
    let key = schemes.into_iter().flatten().any(|(_, scheme)| {
        scheme["type"] == "apiKey" && scheme["in"] == place && scheme["name"].as_str() == Some(name)
    });
    let allowed = place != "header" || mcp::operation::check_header(&name.replace('_', "-")).is_ok();
    !name.is_empty() && !key && allowed && (place != "path" || path.contains(&format!("{{{name}}}")))
}
