//! What goes over the wire, against the JSON schemas of the specification.
//!
//! They are not part of this repository: `MCP_SCHEMA_DIR` names a directory that has `<revision>/schema.json`, as
//! `scripts/conformance --schemas` makes one.

use jsonschema::Validator;
use serde_json::{Value, json};

use super::Tool;
use super::test_tools::tool;
use crate::ProtocolVersion;
use crate::http::{UpstreamFailure, UpstreamResponse};

/// The validator of one definition, or none without the schemas.
fn validator(version: ProtocolVersion, definition: &str) -> Option<Validator> {
    let Ok(directory) = std::env::var("MCP_SCHEMA_DIR") else {
        println!("skipped: MCP_SCHEMA_DIR does not name the specification's schemas");
        return None;
    };
    let file = format!("{directory}/{version}/schema.json");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    let definitions = if schema.get("$defs").is_some() { "$defs" } else { "definitions" };
    let root = schema.as_object_mut().unwrap();
    root.insert("allOf".into(), json!([{"$ref": format!("#/{definitions}/{definition}")}]));
    let validator = jsonschema::options().offline().should_validate_formats(true).build(&schema).unwrap();
    assert!(!validator.is_valid(&json!({})), "{definition} of {version} takes anything");
    Some(validator)
}

fn assert_valid(validator: &Validator, value: &Value, about: &str) {
    let errors: Vec<_> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{about}: {value}: {errors:?}");
}

fn tools() -> Vec<Tool> {
    let pass: &[&str] = &["pass", "POST", "http://x/{id}"];
    let id: &[&str] = &["argument", "id", "integer", "required", "mirror=Id", "item id"];
    vec![
        tool(&[&["pass", "http://x/"]]),
        tool(&[pass, id, &["argument", "tags", "string[]", "enum=a,b"], &["argument", "o", "object", "default={}"]]),
        tool(&[
            pass,
            id,
            &["title", "T"],
            &["annotations", "readOnlyHint", "openWorldHint=off", "title=U"],
            &["output_schema", r#"{"type":"object","properties":{"a":true}}"#],
        ]),
        tool(&[
            &["pass", "http://x/"],
            &["input_schema", r#"{"type":"object","properties":{"a":true,"b":false,"c":{"type":"string"}}}"#],
            &["output_schema", r#"{"type":"array"}"#],
        ]),
        tool(&[&["pass", "http://x/"], &["result", "mcp"]]),
        tool(&[&["pass", "http://x/"], &["select", "a"]]),
    ]
}

#[test]
fn definitions_are_valid_in_every_revision() {
    for version in ProtocolVersion::ALL {
        let Some(validator) = validator(version, "Tool") else { continue };
        for tool in tools() {
            assert_valid(&validator, &tool.definition(version).into(), version.as_str());
        }
    }
}

#[test]
fn results_are_valid_in_every_revision() {
    let bodies: [(&str, &[u8]); 14] = [
        ("application/json", b"{\"a\":[1,{}]}"),
        ("application/json", b"[1]"),
        ("application/json", b"null"),
        ("application/json", b"{"),
        ("text/plain", b"\xE9"),
        ("image/png", b"\x89PNG"),
        ("audio/wav", b"RIFF"),
        ("application/pdf", b"%PDF"),
        ("", b""),
        ("", b"\0"),
        ("application/json", br#"{"structuredContent":[1]}"#),
        ("application/json", br#"{"content":[{"type":"audio","data":"AA==","mimeType":"a/b"},{"type":"resource_link","uri":"a:b","name":"n"}],"structuredContent":null,"_meta":null}"#),
        ("application/json", br#"{"content":[{"type":"resource","resource":{"uri":"a:b","blob":"AA==","mimeType":null},"annotations":null}],"isError":true}"#),
        ("application/json", br#"{"resultType":"input_required","requestState":"s","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"m","requestedSchema":{"type":"object","properties":{}}}}}}"#),
    ];
    let meta = r#"{"io.modelcontextprotocol/serverInfo":{"name":"n","version":"1"}}"#;
    for version in ProtocolVersion::ALL {
        let Some(complete) = validator(version, "CallToolResult") else { continue };
        let asking = version.is_stateless().then(|| validator(version, "InputRequiredResult")).flatten();
        for tool in tools() {
            let mut answers: Vec<_> =
                [UpstreamFailure::Unreachable, UpstreamFailure::TooLarge(1)].into_iter().map(Err).collect();
            for status in [200, 204, 302, 404] {
                answers.extend(bodies.map(|(content_type, body)| {
                    Ok(UpstreamResponse {
                        status,
                        content_type: Some(content_type.as_bytes()),
                        content_encoding: None,
                        body,
                        ..UpstreamResponse::default()
                    })
                }));
            }
            for answer in answers {
                let mut out = Vec::new();
                match tool.endpoint().question(answer.into()).filter(|_| version.is_stateless()) {
                    Some(question) => question.write(Some("sealed"), Some(meta), &mut out).unwrap(),
                    None => {
                        tool.write_result(version, answer.into(), version.is_stateless().then_some(meta), &mut out);
                    }
                }
                let result: Value = serde_json::from_slice(&out).unwrap();
                let validator =
                    asking.as_ref().filter(|_| result["resultType"] == "input_required").unwrap_or(&complete);
                assert_valid(validator, &result, &format!("{version} {answer:?}"));
                assert!(!out.contains(&b'\n'));
            }
        }
    }
}
