//! The parts of an upstream request as they grow.

use serde_json::Value;

use super::target::BodyKind;
use super::{InvalidArguments, encode};
use crate::jsonrpc::write_json;

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
    json: Vec<u8>,
    form: String,
}

impl Body {
    pub(super) fn new(kind: BodyKind) -> Body {
        let mut json = Vec::new();
        if kind == BodyKind::Object {
            json.reserve(128);
            json.push(b'{');
        }
        Body { kind, json, form: String::new() }
    }

    pub(super) fn push_member(&mut self, key: &str, value: &Value) {
        if self.json.len() > 1 {
            self.json.push(b',');
        }
        self.json.extend_from_slice(key.as_bytes());
        write_json(value, &mut self.json);
    }

    pub(super) fn push_form(&mut self, key: &str, value: &Value) {
        let items = if let Value::Array(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
        for text in items.iter().filter_map(encode::text) {
            if !self.form.is_empty() {
                self.form.push('&');
            }
            self.form.extend([key, "="]);
            encode::form(&text, &mut self.form);
        }
    }

    pub(super) fn replace(&mut self, value: &Value) {
        self.json.clear();
        write_json(value, &mut self.json);
    }

    pub(super) fn finish(mut self) -> (Option<String>, Option<Vec<u8>>) {
        match self.kind {
            BodyKind::None => return (None, None),
            BodyKind::Form => return (Some(FORM.into()), Some(self.form.into_bytes())),
            BodyKind::Object => self.json.push(b'}'),
            BodyKind::Whole if self.json.is_empty() => self.json.extend_from_slice(b"{}"),
            BodyKind::Whole => {}
        }
        (Some(JSON.into()), Some(self.json))
    }
}
