//! A body that one argument makes up.

use serde_json::Value;

use super::form::{self, Member};
use super::request::invalid;
use super::{InvalidArguments, base64, encode, multipart};
use crate::jsonrpc::write_json;

/// What the body is.
#[derive(Debug)]
pub(super) struct Entity {
    pub(super) media_type: Box<str>,
    pub(super) encoding: Encoding,
    /// What is sent where there is no value.
    pub(super) absent: Option<&'static str>,
}

/// How a value becomes it.
#[derive(Debug)]
pub(super) enum Encoding {
    Json,
    Text,
    /// Base64.
    Bytes,
    Form(Vec<Member>),
    Multipart(Vec<Member>),
}

impl Entity {
    /// The content type and the body; none for a value that makes no body. `name` is the argument's.
    pub(super) fn encode(&self, name: &str, value: &Value) -> Result<Option<(String, Vec<u8>)>, InvalidArguments> {
        let body = match &self.encoding {
            Encoding::Json => {
                let mut json = Vec::with_capacity(128);
                write_json(value, &mut json);
                json
            }
            _ if value.is_null() => return Ok(None),
            Encoding::Text => encode::text(value).unwrap_or_default().into_owned().into_bytes(),
            Encoding::Bytes => bytes(name, value)?,
            Encoding::Form(described) => form::write(name, described, members(name, value)?)?.into_bytes(),
            Encoding::Multipart(described) => {
                let (boundary, body) = multipart::write(name, described, members(name, value)?)?;
                return Ok(Some((format!("{}; boundary={boundary}", self.media_type), body)));
            }
        };
        Ok(Some((self.media_type.to_string(), body)))
    }
}

/// The bytes of a base64 string.
pub(super) fn bytes(name: &str, value: &Value) -> Result<Vec<u8>, InvalidArguments> {
    value.as_str().and_then(base64::decode).ok_or_else(|| invalid(name, "must be base64, as it is sent as bytes"))
}

fn members<'v>(name: &str, value: &'v Value) -> Result<&'v serde_json::Map<String, Value>, InvalidArguments> {
    value.as_object().ok_or_else(|| invalid(name, "must be an object, as its members make up a form"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_body_is_written() {
        let cases = [
            (
                Encoding::Json,
                json!({"a": [1, null, 10.0], "é": "x"}),
                Some("{\"a\":[1,null,10.0],\"é\":\"x\"}".as_bytes()),
            ),
            (Encoding::Json, json!(null), Some(b"null")),
            (Encoding::Text, json!("héllo\nx"), Some("héllo\nx".as_bytes())),
            (Encoding::Text, json!(5), Some(b"5")),
            (Encoding::Text, json!(null), None),
            (Encoding::Bytes, json!("AAEC_w"), Some(b"\0\x01\x02\xFF")),
            (Encoding::Bytes, json!(null), None),
            (Encoding::Form(Vec::new()), json!({"a": "x y", "n": null}), Some(b"a=x+y")),
            (Encoding::Form(Vec::new()), json!({}), Some(b"")),
        ];
        for (encoding, value, expected) in cases {
            let entity = Entity { media_type: "a/b".into(), encoding, absent: None };
            let body = entity.encode("body", &value).unwrap();
            assert_eq!(body, expected.map(|bytes| ("a/b".to_owned(), bytes.to_vec())), "{value}");
        }
    }

    #[test]
    fn a_value_that_makes_no_such_body_is_refused() {
        for (encoding, value, expected) in [
            (Encoding::Bytes, json!("hello world"), "\"body\" must be base64"),
            (Encoding::Bytes, json!(5), "\"body\" must be base64"),
            (Encoding::Form(Vec::new()), json!("a=b"), "\"body\" must be an object"),
            (Encoding::Multipart(Vec::new()), json!([1]), "\"body\" must be an object"),
        ] {
            let entity = Entity { media_type: "a/b".into(), encoding, absent: None };
            let error = entity.encode("body", &value).unwrap_err().0;
            assert!(error.contains(expected), "{error}");
        }
    }
}
