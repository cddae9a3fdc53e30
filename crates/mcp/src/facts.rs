//! What is known of a request once it was read: the values behind nginx's `$mcp_*` variables.

use std::borrow::Cow;
use std::sync::Arc;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::ProtocolVersion;

/// What a request is and who sent it, as far as it could be read.
///
/// Nothing here depends on how the request ends, so limits and access rules can go by it before anything happens.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub(crate) method: Option<Cow<'static, str>>,
    pub(crate) tool: Option<Arc<str>>,
    pub(crate) protocol_version: Option<ProtocolVersion>,
    pub(crate) request_id: Option<Arc<str>>,
    pub(crate) client_name: Option<String>,
    pub(crate) client_version: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) arguments: Option<Arc<str>>,
}

impl Facts {
    /// The JSON-RPC method, cut to 64 bytes. Of a batch: its first call's, else its first request's.
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// The tool that a `tools/call` names, if there is such a tool. Of a batch: its
    /// first call's tool.
    pub fn tool(&self) -> Option<&str> {
        self.tool.as_deref()
    }

    /// The revision that the request is answered in.
    pub fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.protocol_version
    }

    /// How the message came.
    pub fn transport(&self) -> &'static str {
        "http"
    }

    /// The request's id as raw JSON: a string keeps its quotes. None for notifications and batches.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The client's name as it gave it in this request or when its session began.
    pub fn client_name(&self) -> Option<&str> {
        self.client_name.as_deref()
    }

    /// The client's version, likewise.
    pub fn client_version(&self) -> Option<&str> {
        self.client_version.as_deref()
    }

    /// The session's id, if it is one of ours; of `initialize`, the new session's.
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// One argument of a `tools/call` as text: a string without its quotes, anything else as JSON. None for an absent
    /// argument, `null`, and in batches. The value is as the client sent it, not yet validated.
    pub fn argument(&self, name: &str) -> Option<Cow<'_, str>> {
        let raw = find_member(self.arguments.as_deref()?, name)?;
        match raw.as_bytes().first()? {
            b'n' => None,
            b'"' => match raw[1..raw.len() - 1].contains('\\') {
                true => serde_json::from_str(raw).ok().map(Cow::Owned),
                false => Some(Cow::Borrowed(&raw[1..raw.len() - 1])),
            },
            _ => Some(Cow::Borrowed(raw)),
        }
    }
}

/// The raw value of one member of a JSON object; the last one if there are several, as the arguments are read.
fn find_member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    struct Member<'n>(&'n str);

    impl<'de> Visitor<'de> for Member<'_> {
        type Value = Option<&'de RawValue>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(key) = members.next_key::<Cow<'de, str>>()? {
                if key == self.0 {
                    found = Some(members.next_value()?);
                } else {
                    members.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(object);
    serde::Deserializer::deserialize_map(&mut deserializer, Member(name)).ok().flatten().map(RawValue::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_text_as_variables_need_it() {
        let json = r#" {"a": "x", "esc": "q\"\u00e4", "n": 1.50, "t": true, "z": null, "o": {"a": [1, "]"]}, "k\u0065y": "v", "e": ""} "#;
        let facts = Facts { arguments: Some(Arc::from(json)), ..Facts::default() };
        for (name, value) in [
            ("a", Some("x")),
            ("esc", Some("q\"\u{e4}")),
            ("n", Some("1.50")),
            ("t", Some("true")),
            ("z", None),
            ("o", Some(r#"{"a": [1, "]"]}"#)),
            ("key", Some("v")),
            ("e", Some("")),
            ("A", None),
            ("", None),
        ] {
            assert_eq!(facts.argument(name).as_deref(), value, "{name}");
        }
        assert_eq!(Facts::default().argument("a"), None);
    }
}
