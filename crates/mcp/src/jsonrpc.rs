//! JSON-RPC messages: read in one pass without copying, written into one buffer.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Error, WireError};
use crate::version::ProtocolVersion;

/// How many messages a batch may hold.
pub(crate) const MAX_BATCH: usize = 64;

/// A message that keeps to JSON-RPC's rules.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    Request { id: &'a str, method: Cow<'a, str>, params: Params<'a> },
    Notification { method: Cow<'a, str>, params: Params<'a> },
    Response,
}

/// A message that cannot be taken, and whom to tell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) id: Option<Arc<str>>,
    pub(crate) error: Error,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal { id: None, error }
    }
}

/// The parameters of every method together; each takes what is its own. Values whose type only some methods care for
/// stay raw.
#[derive(Debug, Default, Deserialize)]
#[serde(expecting = "an object as \"params\"")]
pub(crate) struct Params<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) uri: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) cursor: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) arguments: Option<&'a RawValue>,
    #[serde(borrow, rename = "protocolVersion")]
    pub(crate) protocol_version: Option<&'a RawValue>,
    #[serde(borrow, rename = "clientInfo")]
    pub(crate) client_info: Option<ClientInfo<'a>>,
    #[serde(borrow, rename = "_meta")]
    pub(crate) meta: Option<Meta<'a>>,
}

/// What a request says of itself in 2026-07-28.
#[derive(Debug, Default, Deserialize)]
#[serde(expecting = "an object as \"_meta\"")]
pub(crate) struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    pub(crate) protocol_version: Option<&'a RawValue>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientInfo")]
    pub(crate) client_info: Option<ClientInfo<'a>>,
    #[serde(borrow, rename = "io.modelcontextprotocol/clientCapabilities")]
    pub(crate) client_capabilities: Option<&'a RawValue>,
}

/// The client's software.
#[derive(Debug, Default, Deserialize)]
#[serde(expecting = "an object as \"clientInfo\"")]
pub(crate) struct ClientInfo<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) version: Option<&'a RawValue>,
}

/// The members of a message, as they came.
#[derive(Debug, Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    /// `null` is told from absent: it is no id.
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<Params<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The text of a raw JSON string; none if the value is something else.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let raw = raw.get();
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(raw).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// Reads one message.
pub(crate) fn read(body: &[u8]) -> Result<Message<'_>, Refusal> {
    // Checked once as a whole, the text need not be checked again string by string.
    let envelope = std::str::from_utf8(body).ok().and_then(|body| serde_json::from_str::<Envelope<'_>>(body).ok());
    match envelope {
        Some(envelope) => envelope.message(),
        None => Err(explain(body)),
    }
}

impl<'a> Envelope<'a> {
    fn message(self) -> Result<Message<'a>, Refusal> {
        let id = self.id.map(RawValue::get);
        let refuse = |why: &'static str| Refusal {
            id: id.filter(|id| is_id(id)).map(Arc::from),
            error: Error::InvalidRequest(why.into()),
        };
        if self.jsonrpc.map(RawValue::get) != Some("\"2.0\"") {
            return Err(refuse("\"jsonrpc\" must be \"2.0\""));
        }
        if id.is_some_and(|id| !is_id(id)) {
            return Err(refuse("an id must be a string or an integer"));
        }
        let is_response = self.result.is_some() || self.error.is_some();
        let Some(method) = self.method else {
            return if is_response { Ok(Message::Response) } else { Err(refuse("\"method\" is missing")) };
        };
        if is_response {
            return Err(refuse("a message is either a request or a response"));
        }
        let method = text(method).ok_or_else(|| refuse("\"method\" must be a string"))?;
        let params = self.params.unwrap_or_default();
        Ok(match id {
            Some(id) => Message::Request { id, method, params },
            None => Message::Notification { method, params },
        })
    }
}

/// Whether a raw JSON value may be a request's id: a string, or a number without fraction and exponent.
fn is_id(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    raw.starts_with('"') || (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Says what is wrong with a message that could not be read.
fn explain(body: &[u8]) -> Refusal {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Error::NotJson("it is empty".to_owned()).into();
    }
    if let Err(error) = serde_json::from_slice::<&RawValue>(body) {
        return Error::NotJson(error.to_string()).into();
    }
    let Ok(members) = serde_json::from_slice::<Members<'_>>(body) else {
        return Error::InvalidRequest("a message must be a JSON object".into()).into();
    };
    let id = members.get("id").filter(|id| is_id(id)).map(Arc::from);
    if let Some(twice) = members.duplicate() {
        // Which of two ids is right nobody can tell.
        return Refusal { id: id.filter(|_| twice != "id"), error: twice_given(twice) };
    }
    let error = match members.get("params").map(serde_json::from_str::<Params<'_>>) {
        Some(Err(error)) if error.to_string().starts_with("duplicate field") => {
            Error::InvalidRequest(format!("\"params\" cannot be read: {error}").into())
        }
        Some(Err(error)) => Error::InvalidParams(format!("\"params\" cannot be read: {error}").into()),
        _ => Error::InvalidRequest("the message cannot be read".into()),
    };
    Refusal { id, error }
}

fn twice_given(member: &str) -> Error {
    let name: String = member.chars().take(64).collect();
    Error::InvalidRequest(format!("\"{name}\" is given twice").into())
}

/// The members of an object in their order, doubles included.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.get())
    }

    /// A name that JSON-RPC gives a meaning to and that occurs twice.
    fn duplicate(&self) -> Option<&'static str> {
        ["jsonrpc", "id", "method", "params", "result", "error"]
            .into_iter()
            .find(|name| self.0.iter().filter(|(key, _)| key == name).count() > 1)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    members.push((key, map.next_value()?));
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Collect).map(Members)
    }
}

/// Whether the body is an array, and so a batch.
pub(crate) fn is_batch(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// The messages of a batch, unread.
pub(crate) fn split(body: &[u8]) -> Result<Vec<&RawValue>, Error> {
    /// One more than allowed at most, so that the caller sees the excess.
    struct Elements;

    impl<'de> Visitor<'de> for Elements {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
            let mut elements = Vec::new();
            while elements.len() <= MAX_BATCH {
                match array.next_element()? {
                    Some(element) => elements.push(element),
                    None => return Ok(elements),
                }
            }
            while array.next_element::<IgnoredAny>()?.is_some() {}
            Ok(elements)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let elements = deserializer.deserialize_seq(Elements).and_then(|elements| deserializer.end().map(|()| elements));
    let elements = elements.map_err(|error| Error::NotJson(error.to_string()))?;
    match elements.len() {
        0 => Err(Error::InvalidRequest("a batch must hold a message".into())),
        1..=MAX_BATCH => Ok(elements),
        _ => Err(Error::InvalidRequest(format!("a batch may hold {MAX_BATCH} messages at most").into())),
    }
}

/// The beginning of a response, up to its result.
pub(crate) fn begin_result(id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b",\"result\":");
}

/// A whole error response. Where the id is not known, the older revisions say `null` as JSON-RPC does; since
/// 2025-11-25 it is left out.
pub(crate) fn write_error(id: Option<&str>, version: ProtocolVersion, error: &WireError<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",");
    match id {
        Some(id) => {
            out.extend_from_slice(b"\"id\":");
            out.extend_from_slice(id.as_bytes());
            out.push(b',');
        }
        None if version < ProtocolVersion::V2025_11_25 => out.extend_from_slice(b"\"id\":null,"),
        None => {}
    }
    out.extend_from_slice(b"\"error\":{\"code\":");
    out.extend_from_slice(error.code.to_string().as_bytes());
    out.extend_from_slice(b",\"message\":");
    write_json(&error.message, out);
    if let Some(data) = &error.data {
        out.extend_from_slice(b",\"data\":");
        write_json(data, out);
    }
    out.extend_from_slice(b"}}");
}

/// Appends a value as JSON.
pub(crate) fn write_json<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    // Strings and JSON values serialise without fail, and a `Vec` takes everything.
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_strings_and_integers() {
        for id in ["0", "-1", "12345678901234567890123", "\"\"", "\"a\""] {
            assert!(is_id(id), "{id}");
        }
        for id in ["null", "true", "1.0", "1e2", "-", "", "{}", "[]", "1E5", "-1.5"] {
            assert!(!is_id(id), "{id}");
        }
    }

    #[test]
    fn raw_strings_are_read_without_copying_where_possible() {
        let raw = |json| serde_json::from_str::<&RawValue>(json).unwrap();
        assert!(matches!(text(raw("\"tools/call\"")), Some(Cow::Borrowed("tools/call"))));
        assert!(matches!(text(raw(r#""tools\/call""#)), Some(Cow::Owned(text)) if text == "tools/call"));
        assert_eq!(text(raw(r#""\ud800""#)), None);
        for json in ["1", "null", "{}", "[\"a\"]"] {
            assert_eq!(text(raw(json)), None, "{json}");
        }
    }

    #[test]
    fn the_id_is_left_out_of_errors_since_2025_11_25() {
        let wire = WireError { status: 400, code: -1, message: "no".into(), data: None };
        for (version, expected) in [
            (ProtocolVersion::V2025_06_18, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no"}}"#),
            (ProtocolVersion::V2025_11_25, r#"{"jsonrpc":"2.0","error":{"code":-1,"message":"no"}}"#),
        ] {
            let mut out = Vec::new();
            write_error(None, version, &wire, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
