//! Small documents for the tests of this crate.

use mcp::operation::Operation;
use serde_json::{Value, json};

use crate::{Document, Limits, Outcome, Rules};

/// A document of a version with these members; 3.x has a server.
pub(crate) fn document(version: &str, members: Value) -> Value {
    let mut document = match version {
        "2.0" => json!({"swagger": "2.0", "host": "api.example.com", "paths": {}}),
        version => json!({"openapi": version, "servers": [{"url": "https://api.example.com"}], "paths": {}}),
    };
    for (key, value) in members.as_object().unwrap() {
        document[key] = value.clone();
    }
    document
}

pub(crate) fn outcome(document: &Value, rules: &Rules) -> Outcome {
    let document = Document::parse(&document.to_string(), &Limits::default()).unwrap();
    document.operations(rules, &mut |name| Err(format!("no {name}")))
}

/// The one operation of a document that nothing is wrong with.
pub(crate) fn operation(document: &Value, rules: &Rules) -> Operation {
    let Outcome { mut operations, warnings, .. } = outcome(document, rules);
    assert!(warnings.is_empty() && operations.len() == 1, "{warnings:?}");
    operations.remove(0).0
}

pub(crate) fn warnings(document: &Value, rules: &Rules) -> Vec<String> {
    outcome(document, rules).warnings.iter().map(ToString::to_string).collect()
}
