//! `result mcp`: a `CallToolResult` that the upstream made itself, held to what the client's revision may receive.
//!
//! Members are copied as they are. What is newer than the revision is put into what it has (audio and resource links),
//! or left out (`structuredContent`, `resultType`); nulls in place of optional members are left out.

use super::content::{write_content, write_texts};
use super::members::{Members, Object};
use crate::ProtocolVersion;
use crate::input::{INPUT_REQUIRED, Question};

/// What was written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Summary<'j> {
    pub(crate) is_error: bool,
    pub(crate) structured: Option<&'j str>,
}

/// Appends the result; the error says what is wrong with it, and something may have been appended then.
pub(crate) fn write<'j>(
    tool: &str,
    version: ProtocolVersion,
    json: &'j str,
    meta: Option<&str>,
    out: &mut Vec<u8>,
) -> Result<Summary<'j>, String> {
    let result = Members::of(json, "it")?;
    if result.get("jsonrpc").is_some() {
        return Err("it is a whole JSON-RPC message; answer with its \"result\" alone".into());
    }
    let mut object = Object::begin(out);
    match result.text("resultType")?.as_deref() {
        None | Some("complete") => {}
        // What can be passed on does not come here.
        Some(INPUT_REQUIRED) => {
            Question::of(result)?;
            return Err("it asks for input where it cannot".into());
        }
        Some(other) => {
            return Err(format!("its \"resultType\" is \"{other}\", not \"complete\" or \"{INPUT_REQUIRED}\""));
        }
    }
    if version.is_stateless() {
        object.member("resultType", "\"complete\"");
    }
    let mut summary = Summary { is_error: false, structured: None };
    write_complete(tool, version, &result, &mut object, &mut summary)?;
    write_meta(&result, meta, &mut object)?;
    object.end();
    Ok(summary)
}

fn write_complete<'j>(
    tool: &str,
    version: ProtocolVersion,
    result: &Members<'j>,
    object: &mut Object<'_>,
    summary: &mut Summary<'j>,
) -> Result<(), String> {
    // Null is a value of its own only where any JSON may be structured content.
    summary.structured = result.raw("structuredContent").filter(|json| version.is_stateless() || *json != "null");
    object.key("content");
    match (result.get("content"), summary.structured) {
        (Some(content), structured) => write_content(tool, version, content, structured, object.out)?,
        (None, Some(structured)) => write_texts(&[structured], object.out),
        (None, None) => return Err("it has no \"content\"".into()),
    }
    if let Some(json) = summary.structured {
        match version {
            ProtocolVersion::V2024_11_05 | ProtocolVersion::V2025_03_26 => {}
            ProtocolVersion::V2025_06_18 | ProtocolVersion::V2025_11_25 if !json.starts_with('{') => {}
            _ => object.member("structuredContent", json),
        }
    }
    match result.get("isError") {
        None => {}
        Some("true") => summary.is_error = true,
        Some("false") => {}
        Some(_) => return Err("its \"isError\" is not true or false".into()),
    }
    object.member("isError", if summary.is_error { "true" } else { "false" });
    const OWN: [&str; 5] = ["content", "structuredContent", "isError", "resultType", "_meta"];
    for (name, json) in result.present().filter(|(name, _)| !OWN.contains(name)) {
        object.member(name, json);
    }
    Ok(())
}

/// Whose results these are, which an upstream that is a server itself says of its own.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// `_meta`, with the server's own members over those of the upstream.
pub(crate) fn write_meta(result: &Members<'_>, meta: Option<&str>, object: &mut Object<'_>) -> Result<(), String> {
    let mut theirs = result.get("_meta").map(|json| Members::of(json, "its \"_meta\"")).transpose()?;
    if let Some(members) = &mut theirs {
        members.0.retain(|(name, _)| name != SERVER_INFO);
    }
    let ours = meta.map(|json| Members::of(json, "the server's \"_meta\"")).transpose()?;
    let theirs = theirs.filter(|members| !members.0.is_empty());
    if theirs.is_none() && ours.is_none() {
        return Ok(());
    }
    let ours = ours.unwrap_or_default();
    object.key("_meta");
    let mut merged = Object::begin(object.out);
    for (name, json) in &ours.0 {
        merged.member(name, json.get());
    }
    for (name, json) in theirs.unwrap_or_default().0 {
        if ours.raw(&name).is_none() {
            merged.member(&name, json.get());
        }
    }
    merged.end();
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NEWEST: ProtocolVersion = ProtocolVersion::V2026_07_28;
    const LEGACY: ProtocolVersion = ProtocolVersion::V2025_11_25;

    fn written(version: ProtocolVersion, result: Value) -> Result<Value, String> {
        let (json, mut out) = (result.to_string(), Vec::new());
        write("t", version, &json, None, &mut out)?;
        Ok(serde_json::from_slice(&out).unwrap())
    }

    #[test]
    fn a_complete_result_passes_with_its_bytes() {
        let json = r#"{"content":[{"type":"text","text":"\u0061","x":1.50}],"structuredContent":{"a":1.0},"isError":false,"more":[1, 2]}"#;
        let mut out = Vec::new();
        let summary = write("t", NEWEST, json, None, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("{{\"resultType\":\"complete\",{}", &json[1..]));
        assert_eq!(summary, Summary { is_error: false, structured: Some("{\"a\":1.0}") });
    }

    #[test]
    fn every_content_type_passes() {
        let content = json!([
            {"type": "text", "text": "a", "annotations": {"audience": ["user"], "priority": 0.5}, "_meta": {}},
            {"type": "image", "data": "AA==", "mimeType": "image/png"},
            {"type": "audio", "data": "AA==", "mimeType": "audio/wav"},
            {"type": "resource", "resource": {"uri": "file:///a", "text": "x"}},
            {"type": "resource", "resource": {"uri": "file:///a", "blob": "AA==", "mimeType": "a/b"}},
            {"type": "resource_link", "uri": "file:///a", "name": "a", "size": 5},
        ]);
        for version in [ProtocolVersion::V2025_06_18, LEGACY, NEWEST] {
            assert_eq!(written(version, json!({"content": content})).unwrap()["content"], content);
        }
        let older = written(ProtocolVersion::V2024_11_05, json!({"content": content})).unwrap();
        let resource = json!({"uri": "mcp://tool/t/result", "mimeType": "audio/wav", "blob": "AA=="});
        assert_eq!(older["content"][2], json!({"type": "resource", "resource": resource}));
        assert_eq!(older["content"][5], json!({"type": "text", "text": "a: file:///a"}));
        let march = written(ProtocolVersion::V2025_03_26, json!({"content": content})).unwrap();
        assert_eq!((&march["content"][2]["type"], &march["content"][5]["type"]), (&json!("audio"), &json!("text")));
    }

    #[test]
    fn structured_content_is_carried_as_the_revision_can() {
        let both = |version, json: Value| {
            let value = written(version, json!({"structuredContent": json})).unwrap();
            (value["content"][0]["text"].as_str().unwrap().to_owned(), value.get("structuredContent").cloned())
        };
        assert_eq!(both(ProtocolVersion::V2025_03_26, json!({"a": 1})), ("{\"a\":1}".into(), None));
        assert_eq!(both(LEGACY, json!({"a": 1})), ("{\"a\":1}".into(), Some(json!({"a": 1}))));
        assert_eq!(both(LEGACY, json!([1])), ("[1]".into(), None));
        assert_eq!(both(NEWEST, json!([1])), ("[1]".into(), Some(json!([1]))));
        assert_eq!(both(NEWEST, json!(null)), ("null".into(), Some(json!(null))));
        let value = written(LEGACY, json!({"content": [], "structuredContent": {"a": 1}})).unwrap();
        assert_eq!(value["content"], json!([{"type": "text", "text": "{\"a\":1}"}]));
    }

    #[test]
    fn nulls_in_place_of_optional_members_are_left_out() {
        let result = json!({
            "_meta": null, "structuredContent": null, "isError": null, "more": null,
            "content": [
                {"type": "text", "text": "a", "annotations": null, "_meta": null},
                {"type": "resource", "annotations": {"audience": null}, "resource": {"uri": "a:b", "text": "x", "mimeType": null, "blob": null}},
            ],
        });
        let expected = json!({
            "content": [
                {"type": "text", "text": "a"},
                {"type": "resource", "annotations": {}, "resource": {"uri": "a:b", "text": "x"}},
            ],
            "isError": false,
        });
        assert_eq!(written(LEGACY, result).unwrap(), expected);
    }

    #[test]
    fn meta_is_merged() {
        let mut out = Vec::new();
        write("t", NEWEST, r#"{"content":[],"_meta":{"a":1,"b":2}}"#, Some(r#"{"b":3,"c":4}"#), &mut out).unwrap();
        let value: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["_meta"], json!({"a": 1, "b": 3, "c": 4}));
        assert_eq!(written(LEGACY, json!({"content": [], "_meta": {"a": 1}})).unwrap()["_meta"], json!({"a": 1}));
        // Clients of sessions know of no such member, and it would be of another server.
        let whose = json!({"content": [], "_meta": {SERVER_INFO: {"name": "other", "version": "1"}}});
        assert_eq!(written(LEGACY, whose).unwrap().get("_meta"), None);
    }

    #[test]
    fn line_breaks_do_not_pass() {
        let json = "{\n\"content\": [\n{\"type\":\n\"text\", \"text\": \"a\\nb\"}], \"isError\": false,\n\"structuredContent\": {\n}}";
        let mut out = Vec::new();
        write("t", NEWEST, json, None, &mut out).unwrap();
        assert!(!out.contains(&b'\n'));
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap()["content"][0]["text"], "a\nb");
    }

    #[test]
    fn what_no_client_could_read_is_refused() {
        let item = |item: Value| json!({"content": [item]});
        let cases = [
            (json!([]), "it is not an object"),
            (json!({}), "it has no \"content\""),
            (json!({"content": "a"}), "its \"content\" is not a list"),
            (json!({"jsonrpc": "2.0", "id": 1, "result": {"content": []}}), "it is a whole JSON-RPC message"),
            (json!({"content": [], "isError": "yes"}), "its \"isError\" is not true or false"),
            (json!({"content": [], "_meta": []}), "its \"_meta\" is not an object"),
            (json!({"content": [], "resultType": "task"}), "its \"resultType\" is \"task\""),
            (json!({"content": [], "resultType": 1}), "its \"resultType\" is not a string"),
            (item(json!("a")), "content[0] is not an object"),
            (
                item(json!({"type": "video"})),
                "content[0] has the type \"video\"; types are: text, image, audio, resource, resource_link",
            ),
            (item(json!({"text": "a"})), "content[0] has the type \"\""),
            (item(json!({"type": "text"})), "content[0] has no \"text\""),
            (item(json!({"type": "text", "text": 1})), "content[0].text is not a string"),
            (item(json!({"type": "image", "data": "AA=="})), "content[0] has no \"mimeType\""),
            (item(json!({"type": "resource", "resource": {}})), "content[0].resource has no \"uri\""),
            (
                item(json!({"type": "resource", "resource": {"uri": "a:b"}})),
                "content[0].resource has neither \"text\" nor \"blob\"",
            ),
            (
                item(json!({"type": "resource", "resource": {"uri": "a b", "text": ""}})),
                "content[0].resource.uri is not a URI",
            ),
            (
                item(json!({"type": "resource", "resource": {"uri": "a:b", "text": 1}})),
                "content[0].resource.text is not a string",
            ),
            (item(json!({"type": "resource_link", "uri": "a:b"})), "content[0] has no \"name\""),
            (
                item(json!({"type": "resource_link", "uri": "a:b", "name": "a", "size": -1})),
                "content[0].size is not a whole number",
            ),
            (
                item(json!({"type": "text", "text": "a", "annotations": {"priority": 2}})),
                "content[0].annotations is not annotations",
            ),
            (
                item(json!({"type": "text", "text": "a", "annotations": {"audience": ["me"]}})),
                "content[0].annotations is not annotations",
            ),
            (item(json!({"type": "text", "text": "a", "_meta": 1})), "content[0]._meta is not an object"),
            (json!({"resultType": "input_required"}), "neither \"inputRequests\" nor \"requestState\""),
        ];
        for (result, expected) in cases {
            let error = written(NEWEST, result.clone()).unwrap_err();
            assert!(error.contains(expected), "{result}: {error}");
        }
        let error = write("t", NEWEST, r#"{"content":[],"content":[]}"#, None, &mut Vec::new()).unwrap_err();
        assert_eq!(error, "it has two members \"content\"");
    }
}
