//! What upstreams answer, and the results of it.

use serde_json::json;

use super::super::status::LONGEST_ERROR_BODY;
use super::super::test_tools::tool;
use super::*;

const PASS: &[&str] = &["pass", "http://x/"];
const NEWEST: ProtocolVersion = ProtocolVersion::V2026_07_28;
const LEGACY: ProtocolVersion = ProtocolVersion::V2025_11_25;

fn answer<'a>(status: u16, content_type: &'a str, body: &'a [u8]) -> Result<UpstreamResponse<'a>, UpstreamFailure> {
    Ok(UpstreamResponse {
        status,
        content_type: Some(content_type.as_bytes()),
        content_encoding: None,
        body,
        ..UpstreamResponse::default()
    })
}

fn text_of(
    directives: &[&[&str]],
    version: ProtocolVersion,
    answer: Result<UpstreamResponse<'_>, UpstreamFailure>,
) -> (String, Written) {
    let mut out = Vec::new();
    let directives = [&[PASS], directives].concat();
    let written = tool(&directives).write_result(version, answer.into(), None, &mut out);
    (String::from_utf8(out).unwrap(), written)
}

fn result(
    directives: &[&[&str]],
    version: ProtocolVersion,
    answer: Result<UpstreamResponse<'_>, UpstreamFailure>,
) -> (Value, Written) {
    let (text, written) = text_of(directives, version, answer);
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let failed = written.outcome == Outcome::ToolError;
    assert_eq!(value["isError"], failed, "{text}");
    (value, written)
}

/// The text of a result that is an error.
fn error(directives: &[&[&str]], answer: Result<UpstreamResponse<'_>, UpstreamFailure>) -> String {
    let (value, written) = result(directives, NEWEST, answer);
    assert_eq!(written.outcome, Outcome::ToolError, "{value}");
    assert!(value.get("structuredContent").is_none());
    value["content"][0]["text"].as_str().unwrap().to_owned()
}

#[test]
fn json_is_copied_as_structure_and_as_text() {
    let body = r#"{"a": 1.50, "b": "é\n\u00e9", "b": [ ]}"#;
    let (text, written) = text_of(&[], NEWEST, answer(200, "application/json", body.as_bytes()));
    let quoted = Value::from(body).to_string();
    let expected = format!(
        "{{\"resultType\":\"complete\",\"content\":[{{\"type\":\"text\",\"text\":{quoted}}}],\"structuredContent\":{body},\"isError\":false}}"
    );
    assert_eq!(text, expected);
    assert_eq!(written, Written { outcome: Outcome::Ok, note: None });
}

#[test]
fn json_is_given_as_the_revision_can_carry_it() {
    use ProtocolVersion::*;
    let cases: [(&str, &[ProtocolVersion]); 5] = [
        ("{\"a\":1}", &[V2025_06_18, V2025_11_25, V2026_07_28]),
        ("[1]", &[V2026_07_28]),
        ("\"a\"", &[V2026_07_28]),
        ("5", &[V2026_07_28]),
        ("null", &[V2026_07_28]),
    ];
    for (body, structured) in cases {
        for version in ProtocolVersion::ALL {
            let (value, _) = result(&[], version, answer(200, "application/problem+json", body.as_bytes()));
            assert_eq!(value["content"], json!([{"type": "text", "text": body}]));
            assert_eq!(value.get("structuredContent").is_some(), structured.contains(&version), "{body} {version}");
            assert_eq!(value.get("resultType"), version.is_stateless().then_some(&json!("complete")));
        }
    }
}

#[test]
fn pretty_json_becomes_one_line() {
    let (text, _) = text_of(&[], NEWEST, answer(200, "application/json", b"\xEF\xBB\xBF{\n  \"a\": \"x y\"\r\n}\n"));
    assert!(
        text.contains(r#""text":"{\"a\":\"x y\"}""#) && text.contains(r#""structuredContent":{"a":"x y"}"#),
        "{text}"
    );
    assert!(!text.contains('\n'));
}

#[test]
fn what_only_claims_to_be_json_is_a_text_that_says_so() {
    for body in [&b"{\"a\":"[..], b"<html>", b"\"\\ud800\"", b"\"\xFF\""] {
        let (value, written) = result(&[], NEWEST, answer(200, "application/json", body));
        let hint = value["content"][1]["text"].as_str().unwrap();
        assert!(hint.starts_with("(the tool's backend said it sent JSON, but it is not: "), "{hint}");
        assert!(value.get("structuredContent").is_none() && written.note.is_some());
    }
    let text = error(&[&["result", "json"]], answer(200, "text/html", b"<html>"));
    assert!(text.starts_with("the tool's backend did not answer with JSON: "), "{text}");
}

#[test]
fn every_media_type_has_its_content() {
    let uri = "mcp://tool/t/result";
    let cases = [
        ("text/plain; charset=latin1", &b"\xE9"[..], json!({"type": "text", "text": "é"})),
        ("text/html", b"<p>\"x\"</p>", json!({"type": "text", "text": "<p>\"x\"</p>"})),
        ("text/event-stream", b"data: 1\n\n", json!({"type": "text", "text": "data: 1\n\n"})),
        ("image/svg+xml", b"<svg/>", json!({"type": "text", "text": "<svg/>"})),
        ("Image/PNG", b"\x89PNG", json!({"type": "image", "data": "iVBORw==", "mimeType": "image/png"})),
        ("audio/wav", b"RIFF", json!({"type": "audio", "data": "UklGRg==", "mimeType": "audio/wav"})),
        (
            "application/pdf",
            b"%PDF-",
            json!({"type": "resource", "resource": {"uri": uri, "mimeType": "application/pdf", "blob": "JVBERi0="}}),
        ),
        (
            "text/plain; charset=shift_jis",
            b"\x93\xFA",
            json!({"type": "resource", "resource": {"uri": uri, "mimeType": "text/plain", "blob": "k/o="}}),
        ),
        ("", b"plain", json!({"type": "text", "text": "plain"})),
        ("", b"{\"a\":", json!({"type": "text", "text": "{\"a\":"})),
        (
            "x",
            b"\0\xFF",
            json!({"type": "resource", "resource": {"uri": uri, "mimeType": "application/octet-stream", "blob": "AP8="}}),
        ),
    ];
    for (content_type, body, expected) in cases {
        let (value, _) = result(&[], NEWEST, answer(200, content_type, body));
        assert_eq!(value["content"], json!([expected]), "{content_type}");
        assert!(value.get("structuredContent").is_none());
    }
    let (value, _) = result(
        &[],
        NEWEST,
        Ok(UpstreamResponse {
            status: 200,
            content_type: None,
            content_encoding: None,
            body: b" {\"a\":1}",
            ..UpstreamResponse::default()
        }),
    );
    assert_eq!(value["structuredContent"], json!({"a": 1}));
}

#[test]
fn audio_is_a_resource_before_there_was_audio() {
    let (value, _) = result(&[], ProtocolVersion::V2024_11_05, answer(200, "audio/wav", b"RIFF"));
    let resource = json!({"uri": "mcp://tool/t/result", "mimeType": "audio/wav", "blob": "UklGRg=="});
    assert_eq!(value["content"], json!([{"type": "resource", "resource": resource}]));
}

#[test]
fn a_success_without_a_body_says_so() {
    for (status, expected) in [
        (204, "The call succeeded: HTTP 204 No Content, without a body."),
        (200, "The call succeeded: HTTP 200 OK, without a body."),
    ] {
        for directives in [&[][..], &[&["result", "mcp"][..]], &[&["result", "json"]], &[&["select", "a"]]] {
            let (value, _) = result(directives, NEWEST, answer(status, "application/json", b""));
            assert_eq!(value["content"], json!([{"type": "text", "text": expected}]));
        }
    }
}

#[test]
fn http_errors_tell_status_and_body() {
    let cases = [
        (
            404,
            "application/json",
            &b"{\"detail\": \"no such item\"}"[..],
            "HTTP 404 Not Found\n{\"detail\": \"no such item\"}",
        ),
        (500, "text/plain", b"", "HTTP 500 Internal Server Error"),
        (599, "text/plain", b"x", "HTTP 599\nx"),
        (502, "", b"plain", "HTTP 502 Bad Gateway\nplain"),
        (400, "image/png", b"\x89PNG", "HTTP 400 Bad Request\n(4 bytes of image/png omitted)"),
        (400, "text/plain", b"\xE9", "HTTP 400 Bad Request\né"),
    ];
    for (status, content_type, body, expected) in cases {
        for directives in [&[][..], &[&["result", "mcp"][..]], &[&["result", "json"]], &[&["select", "a"]]] {
            assert_eq!(error(directives, answer(status, content_type, body)), expected);
        }
    }
}

#[test]
fn a_long_error_is_cut_between_characters() {
    let body = format!("x{}", "é".repeat(40_000));
    let text = error(&[], answer(500, "text/plain", body.as_bytes()));
    let cut = LONGEST_ERROR_BODY - 1;
    assert!(text.ends_with(&format!("é\n… {} bytes omitted", body.len() - cut)), "{}", &text[text.len() - 60..]);
    assert!(text.len() < LONGEST_ERROR_BODY + 100);
}

#[test]
fn redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let text = error(&[], answer(status, "text/html", b"<a href=\"http://10.0.0.5/\">"));
        assert!(text.starts_with(&format!("HTTP {status} ")) && text.contains("which is not followed"), "{text}");
        assert!(!text.contains("10.0.0.5"));
    }
}

#[test]
fn encoded_bodies_are_not_mistaken_for_text() {
    let encoded = |status, coding: &'static str| {
        Ok(UpstreamResponse {
            status,
            content_type: Some(b"application/json"),
            content_encoding: Some(coding.as_bytes()),
            body: b"\x1f\x8b",
            ..UpstreamResponse::default()
        })
    };
    assert!(error(&[], encoded(200, "gzip")).contains("content-encoding \"gzip\""));
    assert_eq!(error(&[], encoded(404, "br")), "HTTP 404 Not Found\n(2 bytes of application/json omitted)");
    let identity = UpstreamResponse {
        status: 200,
        content_type: Some(b"application/json"),
        content_encoding: Some(b"Identity"),
        body: b"{}",
        ..UpstreamResponse::default()
    };
    assert_eq!(result(&[], NEWEST, Ok(identity)).1.outcome, Outcome::Ok);
}

#[test]
fn failures_tell_what_happened() {
    let cases = [
        (UpstreamFailure::Unreachable, "could not be reached"),
        (UpstreamFailure::TimedOut, "did not answer in time"),
        (UpstreamFailure::Unavailable, "not available at the moment"),
        (UpstreamFailure::Truncated, "broke off its answer"),
        (UpstreamFailure::TooLarge(1024), "larger than the limit of 1024 bytes"),
        (UpstreamFailure::Refused(403), "could not be made: HTTP 403 Forbidden"),
    ];
    for (failure, expected) in cases {
        let text = error(&[], Err(failure));
        assert!(text.contains(expected) && !text.contains("carried out"), "{text}");
    }
    let mut out = Vec::new();
    let post = tool(&[&["pass", "POST", "http://secret.internal/"]]);
    post.write_result(NEWEST, Answer::Failure(UpstreamFailure::TimedOut), None, &mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("may have been carried out nevertheless") && !text.contains("secret"), "{text}");
}

#[test]
fn a_part_may_be_selected() {
    let body = b"{\"data\": {\"user\": {\"id\": 1.0}, \"name\": \"a\\nb\"}}";
    let selected = |directives: &[&[&str]]| result(directives, NEWEST, answer(200, "application/json", body)).0;
    let value = selected(&[&["select", "data.user"]]);
    assert_eq!(
        (&value["structuredContent"], &value["content"][0]["text"]),
        (&json!({"id": 1.0}), &json!("{\"id\": 1.0}"))
    );
    let value = selected(&[&["select", "/data/name"], &["result", "text"]]);
    assert_eq!(value["content"], json!([{"type": "text", "text": "a\nb"}]));
    let value = selected(&[&["select", "/data/user"], &["result", "text"]]);
    assert_eq!(value["content"], json!([{"type": "text", "text": "{\"id\": 1.0}"}]));
    assert_eq!(
        error(&[&["select", "data.none"]], answer(200, "application/json", body)),
        "the answer of the tool's backend has no \"data.none\""
    );
    assert!(error(&[&["select", "a"]], answer(200, "text/plain", b"a")).contains("did not answer with JSON"));
}

#[test]
fn wrapping_makes_an_object_of_any_json() {
    let directives: &[&[&str]] = &[&["result", "auto", "wrap=the \"items\""]];
    let (value, _) = result(directives, LEGACY, answer(200, "application/json", b"[1,\n2]"));
    assert_eq!(value["structuredContent"], json!({"the \"items\"": [1, 2]}));
    assert_eq!(value["content"][0]["text"], "{\"the \\\"items\\\"\":[1,2]}");
}

#[test]
fn a_violated_output_schema_is_noted_or_an_error() {
    let schema: &[&str] = &["output_schema", r#"{"type":"object","required":["id"]}"#];
    let violation = "the answer of the tool's backend does not match the output schema: \"id\" is required";
    let (value, written) = result(&[schema], NEWEST, answer(200, "application/json", b"{}"));
    assert_eq!((&value["structuredContent"], written.note.as_deref()), (&json!({}), Some(violation)));
    assert_eq!(error(&[schema, &["strict", "on"]], answer(200, "application/json", b"{}")), violation);
    assert_eq!(
        result(&[schema, &["strict", "on"]], NEWEST, answer(200, "application/json", b"{\"id\":1}")).1.note,
        None
    );
    for (content_type, body) in
        [("text/plain", &b"x"[..]), ("text/plain", b""), ("image/png", b"x"), ("application/json", b"{")]
    {
        assert!(result(&[schema], NEWEST, answer(200, content_type, body)).1.note.is_some());
        error(&[schema, &["strict", "on"]], answer(200, content_type, body));
    }
}

#[test]
fn text_is_text_whatever_the_type() {
    for (content_type, body, text) in [
        ("application/json", &b"{\"a\":1}"[..], "{\"a\":1}"),
        ("application/x-y", b"\xE9", "é"),
        ("a/b; charset=utf-16", b"a\xFF", "a\u{fffd}"),
    ] {
        let (value, _) = result(&[&["result", "text"]], NEWEST, answer(200, content_type, body));
        assert_eq!(value["content"], json!([{"type": "text", "text": text}]));
        assert!(value.get("structuredContent").is_none());
    }
}

#[test]
fn the_servers_meta_is_part_of_every_result() {
    let answers = [
        answer(200, "application/json", b"{}"),
        answer(404, "", b""),
        Err(UpstreamFailure::TimedOut),
        answer(200, "image/png", b"x"),
    ];
    for answer in answers {
        let mut out = Vec::new();
        tool(&[PASS]).write_result(NEWEST, answer.into(), Some(r#"{"a":{"b":1}}"#), &mut out);
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap()["_meta"], json!({"a": {"b": 1}}));
    }
}

#[test]
fn a_result_of_the_upstreams_making_is_checked() {
    let mcp: &[&[&str]] = &[&["result", "mcp"]];
    let (value, written) = result(
        mcp,
        NEWEST,
        answer(200, "application/json", br#"{"content":[{"type":"text","text":"a"}],"isError":true}"#),
    );
    assert_eq!((&value["content"][0]["text"], written.note), (&json!("a"), None));
    let text = error(mcp, answer(200, "application/json", b"{\"content\":5}"));
    assert_eq!(text, "the MCP result of the tool's backend is invalid: its \"content\" is not a list");
    assert!(
        error(mcp, answer(200, "application/json", b"{"))
            .starts_with("the MCP result of the tool's backend is invalid: EOF")
    );
    let strict: &[&[&str]] = &[&["result", "mcp"], &["output_schema", r#"{"required":["a"]}"#], &["strict", "on"]];
    assert!(error(strict, answer(200, "", br#"{"content":[],"structuredContent":{}}"#)).contains("\"a\" is required"));
    assert_eq!(result(strict, NEWEST, answer(200, "", br#"{"structuredContent":{"a":1}}"#)).1.note, None);
}
