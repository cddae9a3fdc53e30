//! Whole documents: those of `tests/openapi`, and any directory of others that `MCP_OPENAPI_CORPUS` names.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use mcp::operation::{Location, Operation};
use openapi::{Document, Limits, Outcome, Rules};
use serde_json::Value;

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
    // YAML has no order of its own to keep: what was read is written as JSON, the other way round.
    let Some(mut json) = as_json(text) else { return };
    reverse(&mut json);
    assert_eq!(by_pointer(&load(&json.to_string(), file)), by_pointer(outcome), "{}", file.display());
}

fn as_json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn reverse(value: &mut Value) {
    if let Value::Object(members) = value {
        members.values_mut().for_each(reverse);
        *members = std::mem::take(members).into_iter().rev().collect();
    }
}
