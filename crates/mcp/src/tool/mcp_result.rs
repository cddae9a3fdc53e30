//! `result mcp`: a `CallToolResult` that the upstream made itself, held to what the client's revision may receive.
//!
//! Members are copied as they are. What is newer than the revision is put into what it has (audio and resource links),
//! or left out (`structuredContent`, `resultType`); nulls in place of optional members are left out.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json::{on_one_line, write_string};
use super::result::result_uri;
use crate::ProtocolVersion;

/// What was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Summary<'j> {
    pub(super) is_error: bool,
    pub(super) input_required: bool,
    pub(super) structured: Option<&'j str>,
}

/// Appends the result; the error says what is wrong with it, and something may have been appended then.
pub(super) fn write<'j>(
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
    let input_required = match result.text("resultType")?.as_deref() {
        None | Some("complete") => false,
        Some("input_required") => true,
        Some(other) => {
            return Err(format!("its \"resultType\" is \"{other}\", not \"complete\" or \"input_required\""));
        }
    };
    if input_required && !version.is_stateless() {
        return Err(format!("it asks for the user's input, which revision {version} cannot carry in a result"));
    }
    if version.is_stateless() {
        object.member("resultType", if input_required { "\"input_required\"" } else { "\"complete\"" });
    }
    let mut summary = Summary { is_error: false, input_required, structured: None };
    if input_required {
        write_input_required(&result, &mut object)?;
    } else {
        write_complete(tool, version, &result, &mut object, &mut summary)?;
    }
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

fn write_input_required(result: &Members<'_>, object: &mut Object<'_>) -> Result<(), String> {
    let requests = result.get("inputRequests");
    if let Some(json) = requests {
        let requests = Members::of(json, "its \"inputRequests\"")?;
        if requests.0.is_empty() {
            return Err("its \"inputRequests\" is empty".into());
        }
        for (name, request) in &requests.0 {
            check_input_request(name, request.get())?;
        }
        object.member("inputRequests", json);
    }
    let state = result.text("requestState")?;
    if let Some(state) = &state {
        object.key("requestState");
        write_string(state, object.out);
    }
    if requests.is_none() && state.is_none() {
        return Err("it asks for input, but has neither \"inputRequests\" nor \"requestState\"".into());
    }
    Ok(())
}

fn check_input_request(name: &str, json: &str) -> Result<(), String> {
    let whose = format!("its input request \"{name}\"");
    let request = Members::of(json, &whose)?;
    let method = request.text("method")?;
    let needs_params = match method.as_deref() {
        Some("elicitation/create" | "sampling/createMessage") => true,
        Some("roots/list") => false,
        _ => return Err(format!("{whose} is not of method elicitation/create, sampling/createMessage or roots/list")),
    };
    match request.get("params") {
        Some(params) => Members::of(params, &format!("\"params\" of {whose}")).map(|_| ()),
        None if needs_params => Err(format!("{whose} has no \"params\"")),
        None => Ok(()),
    }
}

/// `_meta`, with the server's own members over those of the upstream.
fn write_meta(result: &Members<'_>, meta: Option<&str>, object: &mut Object<'_>) -> Result<(), String> {
    let theirs = result.get("_meta").map(|json| Members::of(json, "its \"_meta\"")).transpose()?;
    let ours = meta.map(|json| Members::of(json, "the server's \"_meta\"")).transpose()?;
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

fn write_texts(texts: &[&str], out: &mut Vec<u8>) {
    out.push(b'[');
    for text in texts {
        out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
        write_string(&on_one_line(text), out);
        out.push(b'}');
    }
    out.push(b']');
}

fn write_content(
    tool: &str,
    version: ProtocolVersion,
    json: &str,
    structured: Option<&str>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let items: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| "its \"content\" is not a list")?;
    // A client that does not know structured content would be left with nothing.
    if let (true, Some(structured)) = (items.is_empty(), structured) {
        write_texts(&[structured], out);
        return Ok(());
    }
    out.push(b'[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_item(tool, version, &format!("content[{i}]"), item.get(), out)?;
    }
    out.push(b']');
    Ok(())
}

/// What a member of a content item must be.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Uri,
    Integer,
    List,
    Object,
    Annotations,
    Resource,
}

/// A type of content: what it must have, and what it may have.
struct ContentType {
    name: &'static str,
    since: ProtocolVersion,
    required: &'static [(&'static str, Shape)],
    optional: &'static [(&'static str, Shape)],
}

const CONTENT_TYPES: [ContentType; 5] = [
    ContentType {
        name: "text",
        since: ProtocolVersion::V2024_11_05,
        required: &[("text", Shape::Text)],
        optional: &[],
    },
    ContentType {
        name: "image",
        since: ProtocolVersion::V2024_11_05,
        required: &[("data", Shape::Text), ("mimeType", Shape::Text)],
        optional: &[],
    },
    ContentType {
        name: "audio",
        since: ProtocolVersion::V2025_03_26,
        required: &[("data", Shape::Text), ("mimeType", Shape::Text)],
        optional: &[],
    },
    ContentType {
        name: "resource",
        since: ProtocolVersion::V2024_11_05,
        required: &[("resource", Shape::Resource)],
        optional: &[],
    },
    ContentType {
        name: "resource_link",
        since: ProtocolVersion::V2025_06_18,
        required: &[("uri", Shape::Uri), ("name", Shape::Text)],
        optional: &[
            ("title", Shape::Text),
            ("description", Shape::Text),
            ("mimeType", Shape::Text),
            ("size", Shape::Integer),
            ("icons", Shape::List),
        ],
    },
];
const COMMON: [(&str, Shape); 2] = [("annotations", Shape::Annotations), ("_meta", Shape::Object)];

fn write_item(tool: &str, version: ProtocolVersion, at: &str, json: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let item = Members::of(json, at)?;
    let name = item.text("type")?;
    let kind = CONTENT_TYPES.iter().find(|kind| Some(kind.name) == name.as_deref()).ok_or_else(|| {
        let known: Vec<_> = CONTENT_TYPES.iter().map(|kind| kind.name).collect();
        format!("{at} has the type \"{}\"; types are: {}", name.unwrap_or_default(), known.join(", "))
    })?;
    for (name, shape) in kind.required {
        let member = item.get(name).ok_or_else(|| format!("{at} has no \"{name}\""))?;
        check_shape(&format!("{at}.{name}"), member, *shape)?;
    }
    for (name, shape) in kind.optional.iter().chain(&COMMON) {
        item.get(name).map_or(Ok(()), |member| check_shape(&format!("{at}.{name}"), member, *shape))?;
    }
    if version < kind.since {
        return write_older(tool, kind.name, &item, out);
    }
    item.write(out);
    Ok(())
}

/// What a client of an older revision gets instead.
fn write_older(tool: &str, kind: &str, item: &Members<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    let text = |name: &str| item.text(name).map(Option::unwrap_or_default);
    if kind == "resource_link" {
        out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
        write_string(&format!("{}: {}", text("name")?, text("uri")?), out);
        out.push(b'}');
        return Ok(());
    }
    out.extend_from_slice(b"{\"type\":\"resource\",\"resource\":{\"uri\":");
    write_string(&result_uri(tool), out);
    out.extend_from_slice(b",\"mimeType\":");
    write_string(&text("mimeType")?, out);
    out.extend_from_slice(b",\"blob\":");
    write_string(&text("data")?, out);
    out.extend_from_slice(b"}}");
    Ok(())
}

fn check_shape(at: &str, json: &str, shape: Shape) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{at} is not {what}"));
    match shape {
        Shape::Text if !json.starts_with('"') => wrong("a string"),
        Shape::Uri if !serde_json::from_str::<String>(json).is_ok_and(|uri| has_scheme(&uri)) => wrong("a URI"),
        Shape::Integer if serde_json::from_str::<u64>(json).is_err() => wrong("a whole number"),
        Shape::List if !json.starts_with('[') => wrong("a list"),
        Shape::Annotations if serde_json::from_str::<Annotations>(json).is_err() => wrong("annotations"),
        Shape::Object | Shape::Resource => {
            let members = Members::of(json, at)?;
            if matches!(shape, Shape::Object) { Ok(()) } else { check_resource(at, &members) }
        }
        _ => Ok(()),
    }
}

fn check_resource(at: &str, resource: &Members<'_>) -> Result<(), String> {
    let uri = resource.get("uri").ok_or_else(|| format!("{at} has no \"uri\""))?;
    check_shape(&format!("{at}.uri"), uri, Shape::Uri)?;
    if resource.get("text").is_none() && resource.get("blob").is_none() {
        return Err(format!("{at} has neither \"text\" nor \"blob\""));
    }
    for name in ["text", "blob", "mimeType"] {
        resource.get(name).map_or(Ok(()), |member| check_shape(&format!("{at}.{name}"), member, Shape::Text))?;
    }
    resource.get("_meta").map_or(Ok(()), |member| check_shape(&format!("{at}._meta"), member, Shape::Object))
}

fn has_scheme(uri: &str) -> bool {
    uri.split_once(':').is_some_and(|(scheme, rest)| {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(word) && !rest.is_empty()
    })
}

/// The annotations of a content item; only read to see that they can be.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code)]
struct Annotations {
    audience: Option<Vec<Role>>,
    priority: Option<Priority>,
    last_modified: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
}

#[derive(Deserialize)]
#[serde(try_from = "f64")]
struct Priority;

impl TryFrom<f64> for Priority {
    type Error = &'static str;

    fn try_from(priority: f64) -> Result<Self, Self::Error> {
        if (0.0..=1.0).contains(&priority) { Ok(Priority) } else { Err("out of range") }
    }
}

/// The members of an object, their values as written.
#[derive(Default)]
struct Members<'j>(Vec<(Cow<'j, str>, &'j RawValue)>);

impl<'j> Members<'j> {
    fn of(json: &'j str, whose: &str) -> Result<Members<'j>, String> {
        let members: Members<'j> = serde_json::from_str(json).map_err(|_| format!("{whose} is not an object"))?;
        for (i, (name, _)) in members.0.iter().enumerate() {
            if members.0[..i].iter().any(|(other, _)| other == name) {
                return Err(format!("{whose} has two members \"{name}\""));
            }
        }
        Ok(members)
    }

    fn raw(&self, name: &str) -> Option<&'j str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, json)| json.get())
    }

    /// A member; null is none.
    fn get(&self, name: &str) -> Option<&'j str> {
        self.raw(name).filter(|json| *json != "null")
    }

    fn text(&self, name: &str) -> Result<Option<String>, String> {
        let text = self.get(name).map(serde_json::from_str::<String>).transpose();
        text.map_err(|_| format!("its \"{name}\" is not a string"))
    }

    fn present(&self) -> impl Iterator<Item = (&str, &'j str)> {
        self.0.iter().map(|(name, json)| (name.as_ref(), json.get())).filter(|(_, json)| *json != "null")
    }

    /// Without the nulls, here and in an embedded resource.
    fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        for (name, json) in self.present() {
            match Members::of(json, name) {
                Ok(inner) if matches!(name, "resource" | "annotations") => {
                    object.key(name);
                    inner.write(object.out);
                }
                _ => object.member(name, json),
            }
        }
        object.end();
    }
}

impl<'de: 'j, 'j> Deserialize<'de> for Members<'j> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, json)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((Cow::Owned(name), json));
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Reader).map(Members)
    }
}

/// An object as it is written.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    begun: bool,
}

impl<'o> Object<'o> {
    fn begin(out: &'o mut Vec<u8>) -> Object<'o> {
        out.push(b'{');
        Object { out, begun: false }
    }

    fn key(&mut self, name: &str) {
        if std::mem::replace(&mut self.begun, true) {
            self.out.push(b',');
        }
        write_string(name, self.out);
        self.out.push(b':');
    }

    fn member(&mut self, name: &str, json: &str) {
        self.key(name);
        self.out.extend_from_slice(on_one_line(json).as_bytes());
    }

    fn end(self) {
        self.out.push(b'}');
    }
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
        assert_eq!(summary, Summary { is_error: false, input_required: false, structured: Some("{\"a\":1.0}") });
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
    fn a_question_to_the_user_passes_where_it_can() {
        let result = json!({
            "resultType": "input_required",
            "inputRequests": {
                "login": {"method": "elicitation/create", "params": {"message": "name?", "requestedSchema": {"type": "object", "properties": {}}}},
                "roots": {"method": "roots/list"},
            },
            "requestState": "s",
        });
        assert_eq!(written(NEWEST, result.clone()).unwrap(), result);
        assert_eq!(
            written(NEWEST, json!({"resultType": "input_required", "requestState": ""})).unwrap()["requestState"],
            ""
        );
        assert!(written(LEGACY, result).unwrap_err().contains("revision 2025-11-25 cannot carry"));
    }

    #[test]
    fn what_no_client_could_read_is_refused() {
        let item = |item: Value| json!({"content": [item]});
        let asks = |requests: Value| json!({"resultType": "input_required", "inputRequests": requests});
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
            (asks(json!([])), "its \"inputRequests\" is not an object"),
            (asks(json!({})), "its \"inputRequests\" is empty"),
            (asks(json!({"a": {"method": "ping"}})), "its input request \"a\" is not of method"),
            (asks(json!({"a": {"method": "elicitation/create"}})), "its input request \"a\" has no \"params\""),
            (
                asks(json!({"a": {"method": "roots/list", "params": 1}})),
                "\"params\" of its input request \"a\" is not an object",
            ),
        ];
        for (result, expected) in cases {
            let error = written(NEWEST, result.clone()).unwrap_err();
            assert!(error.contains(expected), "{result}: {error}");
        }
        let error = write("t", NEWEST, r#"{"content":[],"content":[]}"#, None, &mut Vec::new()).unwrap_err();
        assert_eq!(error, "it has two members \"content\"");
    }
}
