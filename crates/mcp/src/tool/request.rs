//! The parts of an upstream request as they grow.

use std::fmt::Write as _;

use serde_json::Value;

use super::target::BodyKind;
use super::{InvalidArguments, encode};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

pub(super) fn header_line(
    argument: &str,
    name: &str,
    value: &Value,
) -> Result<Option<(String, String)>, InvalidArguments> {
    let items = if let Value::Array(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
    let texts: Vec<_> = items.iter().filter_map(encode::text).collect();
    if texts.is_empty() {
        return Ok(None);
    }
    let line = texts.join(",");
    if !line.bytes().all(|byte| matches!(byte, b'\t' | 0x20..=0x7E)) {
        return Err(invalid(
            argument,
            "must be ASCII without line breaks and control characters, as it goes into a header",
        ));
    }
    Ok(Some((name.into(), line)))
}

pub(super) fn push_cookie(cookie: &mut String, name: &str, value: &Value) {
    let items = if let Value::Array(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
    let texts: Vec<_> = items.iter().filter_map(encode::text).collect();
    if texts.is_empty() {
        return;
    }
    if !cookie.is_empty() {
        cookie.push_str("; ");
    }
    cookie.extend([name, "="]);
    encode::cookie(&texts.join(","), cookie);
}

/// A value, or a list's values with commas between them; the commas inside values are encoded.
pub(super) fn write_joined(value: &Value, out: &mut String) {
    let items = if let Value::Array(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
    for (i, text) in items.iter().filter_map(encode::text).enumerate() {
        if i > 0 {
            out.push(',');
        }
        encode::percent(&text, out);
    }
}

pub(super) fn invalid(name: &str, why: &str) -> InvalidArguments {
    InvalidArguments(format!("invalid arguments: \"{name}\" {why}"))
}

/// The query as it grows.
pub(super) struct Query<'u> {
    pub(super) uri: &'u mut String,
    pub(super) begun: bool,
}

impl Query<'_> {
    fn separate(&mut self) {
        self.uri.push(if self.begun { '&' } else { '?' });
        self.begun = true;
    }

    pub(super) fn push_text(&mut self, pair: &str) {
        self.separate();
        self.uri.push_str(pair);
    }

    pub(super) fn push(&mut self, key: &str, value: &Value) {
        let items = if let Value::Array(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
        for text in items.iter().filter_map(encode::text) {
            self.separate();
            self.uri.extend([key, "="]);
            encode::percent(&text, self.uri);
        }
    }
}

/// The body as it grows.
pub(super) struct Body {
    kind: BodyKind,
    text: String,
}

impl Body {
    pub(super) fn new(kind: BodyKind) -> Body {
        let text = match kind {
            BodyKind::Object => String::from("{"),
            _ => String::new(),
        };
        Body { kind, text }
    }

    pub(super) fn push_member(&mut self, key: &str, value: &Value) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.text.push_str(key);
        _ = write!(self.text, "{value}");
    }

    pub(super) fn push_form(&mut self, key: &str, value: &Value) {
        let items = if let Value::Array(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
        for text in items.iter().filter_map(encode::text) {
            if !self.text.is_empty() {
                self.text.push('&');
            }
            self.text.extend([key, "="]);
            encode::form(&text, &mut self.text);
        }
    }

    pub(super) fn replace(&mut self, value: &Value) {
        self.text = value.to_string();
    }

    pub(super) fn finish(mut self) -> (Option<String>, Option<Vec<u8>>) {
        let content_type = match self.kind {
            BodyKind::None => return (None, None),
            BodyKind::Object => {
                self.text.push('}');
                JSON
            }
            BodyKind::Whole => {
                if self.text.is_empty() {
                    self.text.push_str("{}");
                }
                JSON
            }
            BodyKind::Form => FORM,
        };
        (Some(content_type.into()), Some(self.text.into_bytes()))
    }
}
