//! Something that a server behind this one lists: checked, and shown to each revision as that can take it.

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::McpUpstream;
use crate::ProtocolVersion;
use crate::jsonrpc::text;
use crate::list::Listing;
use crate::listen::MAX_URI;
use crate::tool::{
    Members, MirroredHeader, Object, Shape, check_name, check_shape, has_scheme, in_long_form, mirrored,
    published_annotations,
};

/// Bytes of a definition.
const LARGEST: usize = 512 << 10;
/// Bytes of a prompt's name.
const LONGEST_NAME: usize = 128;

/// A tool, a resource, a template or a prompt.
#[derive(Debug)]
pub(super) struct Item {
    /// Under which it is offered: the name with the prefix, or the URI.
    pub(super) public: Arc<str>,
    /// As the server knows it.
    pub(super) own: String,
    /// The definition, as it came.
    json: Box<str>,
    /// The `inputSchema` for revisions before 2026-07-28, if that is another one.
    older_schema: Option<Box<str>>,
    /// Arguments that are repeated in headers.
    pub(super) mirrored: Arc<[MirroredHeader]>,
}

/// The member that something is known by.
pub(super) fn key(listing: Listing) -> &'static str {
    match listing {
        Listing::Tools | Listing::Prompts => "name",
        Listing::Resources => "uri",
        Listing::Templates => "uriTemplate",
    }
}

/// What members must be if they are there.
fn shapes(listing: Listing) -> &'static [(&'static str, Shape)] {
    const TOOL: [(&str, Shape); 7] = [
        ("title", Shape::Text),
        ("description", Shape::Text),
        ("inputSchema", Shape::Object),
        ("outputSchema", Shape::Object),
        ("annotations", Shape::Object),
        ("icons", Shape::List),
        ("_meta", Shape::Object),
    ];
    const RESOURCE: [(&str, Shape); 8] = [
        ("name", Shape::Text),
        ("title", Shape::Text),
        ("description", Shape::Text),
        ("mimeType", Shape::Text),
        ("size", Shape::Integer),
        ("annotations", Shape::Annotations),
        ("icons", Shape::List),
        ("_meta", Shape::Object),
    ];
    const PROMPT: [(&str, Shape); 5] = [
        ("title", Shape::Text),
        ("description", Shape::Text),
        ("arguments", Shape::List),
        ("icons", Shape::List),
        ("_meta", Shape::Object),
    ];
    match listing {
        Listing::Tools => &TOOL,
        Listing::Resources | Listing::Templates => &RESOURCE,
        Listing::Prompts => &PROMPT,
    }
}

impl Item {
    /// Reads what stands in a list. None if it is not to be offered; the error says what is wrong with it.
    pub(super) fn read(upstream: &McpUpstream, listing: Listing, json: &str) -> Result<Option<Item>, String> {
        let members = Members::of(json, "it")?;
        let own = members.text(key(listing))?.ok_or_else(|| format!("it has no \"{}\"", key(listing)))?;
        let Some(public) = upstream.public_name(listing, &own) else { return Ok(None) };
        let wrong = |why: &str| format!("\"{}\": {why}", crate::session::cut(&own, LONGEST_NAME));
        if json.len() > LARGEST {
            return Err(wrong(&format!("its definition has more than {LARGEST} bytes")));
        }
        for (name, shape) in shapes(listing) {
            members.get(name).map_or(Ok(()), |json| check_shape(name, json, *shape)).map_err(|why| wrong(&why))?;
        }
        let mut item = Item {
            public: public.into(),
            own: own.clone(),
            json: json.into(),
            older_schema: None,
            mirrored: Arc::default(),
        };
        match listing {
            Listing::Tools => {
                check_name("tool", &item.public).map_err(|error| wrong(&error.0))?;
                item.read_schema(&members).map_err(|why| wrong(&why))?;
            }
            Listing::Prompts
                if own.is_empty() || item.public.len() > LONGEST_NAME || own.contains(char::is_control) =>
            {
                return Err(wrong("its name is empty, too long, or has control characters in it"));
            }
            Listing::Prompts => {}
            Listing::Resources | Listing::Templates => {
                if !has_scheme(&own) || own.len() > MAX_URI || own.contains(char::is_control) {
                    return Err(wrong(&format!("its URI has no scheme, or is longer than {MAX_URI} bytes")));
                }
                if members.get("name").is_none() {
                    return Err(wrong("it has no \"name\""));
                }
            }
        }
        Ok(Some(item))
    }

    fn read_schema(&mut self, tool: &Members<'_>) -> Result<(), String> {
        let json = tool.get("inputSchema").ok_or("it has no \"inputSchema\"")?;
        let schema: Value = serde_json::from_str(json).map_err(|error| format!("inputSchema: {error}"))?;
        if schema.get("type").is_none_or(|kind| kind != "object") {
            return Err("its \"inputSchema\" does not describe an object".into());
        }
        if tool.get("execution").and_then(|json| Members::of(json, "").ok()?.get("taskSupport")) == Some("\"required\"")
        {
            return Err("it can only be called as a task of 2025-11-25, which is not supported".into());
        }
        self.mirrored = mirrored(&schema).map_err(|error| error.0)?.into();
        self.older_schema = in_long_form(schema).map(Box::from);
        Ok(())
    }

    /// Writes it as a revision's list shows it.
    pub(super) fn write_definition(&self, listing: Listing, version: ProtocolVersion, out: &mut Vec<u8>) {
        let members = Members::of(&self.json, "it").unwrap_or_default();
        let mut object = Object::begin(out);
        object.text(key(listing), &self.public);
        for (name, json) in members.present() {
            match name {
                name if name == key(listing) => {}
                "title" | "_meta" if version < ProtocolVersion::V2025_06_18 => {}
                "icons" if version < ProtocolVersion::V2025_11_25 => {}
                "annotations" if listing == Listing::Tools && version < ProtocolVersion::V2025_06_18 => {}
                "inputSchema" => {
                    let older = self.older_schema.as_deref().filter(|_| !version.is_stateless());
                    object.member(name, older.unwrap_or(json));
                }
                "outputSchema" if !takes_output_schema(version, json) => {}
                // Tasks of 2025-11-25 are not passed on.
                "execution" if listing == Listing::Tools => {}
                _ => object.member(name, json),
            }
        }
        if listing == Listing::Tools && version < ProtocolVersion::V2025_06_18 {
            let own = members.get("annotations").and_then(|json| serde_json::from_str(json).ok());
            let title = members.get("title").and_then(text);
            if let Some(annotations) = published_annotations(own.as_ref(), title.as_deref(), version) {
                object.member("annotations", &Value::Object(annotations).to_string());
            }
        }
        object.end();
    }

    /// A number that changes with it.
    pub(super) fn digest(&self) -> u64 {
        let mut digest = Sha256::new();
        digest.update(&*self.public);
        digest.update([0]);
        digest.update(&*self.json);
        digest.finalize().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }
}

/// Before 2026-07-28 it had to describe an object, and before 2025-06-18 there was none.
fn takes_output_schema(version: ProtocolVersion, json: &str) -> bool {
    let is_object = || Members::of(json, "").is_ok_and(|schema| schema.get("type") == Some("\"object\""));
    version.is_stateless() || (version >= ProtocolVersion::V2025_06_18 && is_object())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::McpUpstreamBuilder;
    use super::*;

    fn upstream(prefix: &str) -> McpUpstream {
        let mut builder = McpUpstreamBuilder::new("a").unwrap();
        builder.pass(&["http://backend/mcp"]).unwrap();
        builder.prefix(&[prefix]).unwrap();
        builder.hide(&["tool=hidden"]).unwrap();
        builder.build().unwrap()
    }

    fn read(listing: Listing, json: &Value) -> Result<Option<Item>, String> {
        Item::read(&upstream("x_"), listing, &json.to_string())
    }

    fn shown(listing: Listing, json: Value, version: ProtocolVersion) -> Value {
        let mut out = Vec::new();
        read(listing, &json).unwrap().unwrap().write_definition(listing, version, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn each_revision_sees_what_it_knows() {
        let tool = json!({
            "title": "T", "name": "t", "description": "D", "annotations": {"readOnlyHint": true},
            "inputSchema": {"type": "object", "properties": {"a": true}},
            "outputSchema": {"type": "array"}, "icons": [], "_meta": {"k": 1}, "execution": {"taskSupport": "optional"},
            "more": null, "x": 1.50,
        });
        let long = json!({"type": "object", "properties": {"a": {}}});
        for (version, expected) in [
            (
                ProtocolVersion::V2026_07_28,
                json!({"name": "x_t", "title": "T", "description": "D", "annotations": {"readOnlyHint": true},
                       "inputSchema": {"type": "object", "properties": {"a": true}}, "outputSchema": {"type": "array"},
                       "icons": [], "_meta": {"k": 1}, "x": 1.5}),
            ),
            (
                ProtocolVersion::V2025_06_18,
                json!({"name": "x_t", "title": "T", "description": "D", "annotations": {"readOnlyHint": true},
                       "inputSchema": long, "_meta": {"k": 1}, "x": 1.5}),
            ),
            (
                ProtocolVersion::V2025_03_26,
                json!({"name": "x_t", "description": "D", "annotations": {"readOnlyHint": true, "title": "T"},
                       "inputSchema": long, "x": 1.5}),
            ),
            (ProtocolVersion::V2024_11_05, json!({"name": "x_t", "description": "D", "inputSchema": long, "x": 1.5})),
        ] {
            assert_eq!(shown(Listing::Tools, tool.clone(), version), expected, "{version}");
        }
        let resource = json!({"uri": "a:b", "name": "n", "title": "T", "size": 7});
        let older = json!({"uri": "a:b", "name": "n", "size": 7});
        assert_eq!(shown(Listing::Resources, resource, ProtocolVersion::V2025_03_26), older);
    }

    #[test]
    fn what_is_hidden_need_not_be_right() {
        assert!(read(Listing::Tools, &json!({"name": "hidden"})).unwrap().is_none());
    }

    #[test]
    fn what_no_client_could_use_is_named() {
        let schema = json!({"type": "object"});
        let annotated =
            |schema: Value| json!({"name": "t", "inputSchema": {"type": "object", "properties": {"a": schema}}});
        for (listing, json, expected) in [
            (Listing::Tools, json!([]), "it is not an object"),
            (Listing::Tools, json!({"inputSchema": schema}), "it has no \"name\""),
            (Listing::Tools, json!({"name": 1}), "its \"name\" is not a string"),
            (Listing::Tools, json!({"name": "a b", "inputSchema": schema}), "invalid tool name \"x_a b\""),
            (Listing::Tools, json!({"name": "a".repeat(127), "inputSchema": schema}), "1 to 128"),
            (Listing::Tools, json!({"name": "t"}), "\"t\": it has no \"inputSchema\""),
            (Listing::Tools, json!({"name": "t", "inputSchema": true}), "\"t\": inputSchema is not an object"),
            (Listing::Tools, json!({"name": "t", "inputSchema": {}}), "does not describe an object"),
            (Listing::Tools, json!({"name": "t", "inputSchema": schema, "title": 1}), "title is not a string"),
            (
                Listing::Tools,
                annotated(json!({"type": "number", "x-mcp-header": "A"})),
                "x-mcp-header \"A\" must stand",
            ),
            (
                Listing::Tools,
                json!({"name": "t", "inputSchema": schema, "description": "d".repeat(LARGEST)}),
                "more than 524288 bytes",
            ),
            (
                Listing::Tools,
                json!({"name": "t", "inputSchema": schema, "execution": {"taskSupport": "required"}}),
                "only be called as a task",
            ),
            (Listing::Resources, json!({"uri": "a", "name": "n"}), "has no scheme"),
            (Listing::Resources, json!({"uri": "a:b"}), "it has no \"name\""),
            (Listing::Templates, json!({"uri": "a:b", "name": "n"}), "it has no \"uriTemplate\""),
            (Listing::Prompts, json!({"name": "a\nb"}), "control characters"),
        ] {
            let error = read(listing, &json).unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
