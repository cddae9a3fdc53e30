//! `application/x-www-form-urlencoded` bodies, and what is said of the members of any form.

use serde_json::{Map, Value};

use super::InvalidArguments;
use super::encode::{self, Chars, encoded};
use super::entity::bytes;
use super::expansion::{Expansion, Text};
use super::media_type::is_json;
use super::request::invalid;
use crate::operation::{Field, Serialization};

/// What is said of one member.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: Box<str>,
    /// How it is written by its style, or, in a form that is one text, by its content type.
    pub(super) expansion: Option<Expansion>,
    /// Of a part.
    pub(super) content_type: Option<Box<str>>,
    /// Base64, sent as bytes.
    pub(super) binary: bool,
}

impl Member {
    /// `chars` are those of the form. An `encoding` may list several content types, or give a range of them.
    pub(super) fn new(field: Field, chars: Chars) -> Member {
        let mut content_type = field.content_type;
        let expansion = match field.style {
            Some(Serialization::Style { style, explode, allow_reserved }) => {
                let reserved = allow_reserved && chars == Chars::Form;
                Some(Expansion::of_style(style, explode, if reserved { Chars::QueryReserved } else { chars }))
            }
            Some(Serialization::Content(media_type)) => {
                content_type = Some(media_type);
                None
            }
            None => None,
        };
        let first = content_type.as_deref().and_then(|types| types.split(',').next()).map(str::trim);
        let content_type = match first {
            Some(range) if range.contains('*') => None,
            known => known.map(Box::from),
        };
        Member { name: field.name.into(), expansion, content_type, binary: field.binary }
    }

    fn form_expansion(&self) -> Expansion {
        let text = if self.is_json() { Text::Json } else { Text::Plain };
        self.expansion.unwrap_or(Expansion { text, ..Expansion::FORM })
    }

    /// Whether values are JSON whatever they are.
    pub(super) fn is_json(&self) -> bool {
        self.content_type.as_deref().is_some_and(is_json)
    }
}

/// Writes an object as a form; `argument` is its name, for errors.
pub(super) fn write(
    argument: &str,
    described: &[Member],
    members: &Map<String, Value>,
) -> Result<String, InvalidArguments> {
    let mut form = String::new();
    for (name, value) in members {
        let key = encoded(name, encode::form);
        let lead = if form.is_empty() { "" } else { "&" };
        let member = described.iter().find(|member| *member.name == **name);
        match member {
            Some(member) if member.binary => write_bytes(&format!("{argument}.{name}"), &key, value, &mut form)?,
            _ => {
                let expansion = member.map_or(Expansion::FORM, Member::form_expansion);
                if expansion.spreads() {
                    check_names(argument, described, name, value)?;
                }
                let misfit = |why: super::expansion::Misfit| invalid(&format!("{argument}.{name}"), &why.0);
                expansion.write(&key, value, lead, &mut form).map_err(misfit)?;
            }
        }
    }
    Ok(form)
}

/// The members of an object that is spread over the form must not stand for other members.
fn check_names(argument: &str, described: &[Member], name: &str, value: &Value) -> Result<(), InvalidArguments> {
    let taken = |key: &&String| key.as_str() != name && described.iter().any(|member| *member.name == ***key);
    match value.as_object().and_then(|object| object.keys().find(taken)) {
        Some(key) => Err(invalid(
            &format!("{argument}.{name}"),
            &format!("must not have a member \"{key}\", which is a field of its own"),
        )),
        None => Ok(()),
    }
}

fn write_bytes(label: &str, key: &str, value: &Value, form: &mut String) -> Result<(), InvalidArguments> {
    let items = if let Value::Array(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
    for item in items.iter().filter(|item| !item.is_null()) {
        let bytes = bytes(label, item)?;
        if !form.is_empty() {
            form.push('&');
        }
        form.extend([key, "="]);
        encode::form_bytes(&bytes, form);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::operation::Style;

    fn field(name: &str, style: Option<(Style, bool, bool)>, content_type: Option<&str>, binary: bool) -> Member {
        let style =
            style.map(|(style, explode, allow_reserved)| Serialization::Style { style, explode, allow_reserved });
        let field = Field { name: name.into(), style, content_type: content_type.map(Into::into), binary };
        Member::new(field, Chars::Form)
    }

    fn form(described: &[Member], value: Value) -> Result<String, String> {
        write("body", described, value.as_object().unwrap()).map_err(|error| error.0)
    }

    #[test]
    fn members_are_written_as_they_are_described() {
        let described = [
            field("joined", Some((Style::Form, false, false)), None, false),
            field("deep", Some((Style::DeepObject, true, false)), None, false),
            field("spread", Some((Style::Form, true, false)), None, false),
            field("spaced", Some((Style::SpaceDelimited, false, false)), None, false),
            field("url", Some((Style::Form, true, true)), None, false),
            field("json", None, Some("application/json"), false),
            field("file", None, Some("application/octet-stream"), true),
        ];
        let cases = [
            (json!({"a": "x y", "n": 1, "t": true, "none": null}), "a=x+y&n=1&t=true"),
            (json!({"a": "a&b=c+d%é"}), "a=a%26b%3Dc%2Bd%25%C3%A9"),
            (json!({"l": ["x", null, "y"], "o": {"k": [1]}}), "l=x&l=y&o=%7B%22k%22%3A%5B1%5D%7D"),
            (json!({"joined": ["x", "y,z"]}), "joined=x,y%2Cz"),
            (json!({"deep": {"k": "v w", "l": {"m": 1}}}), "deep%5Bk%5D=v+w&deep%5Bl%5D%5Bm%5D=1"),
            (json!({"spread": {"R": 1, "a&b": 2}, "x": 3}), "R=1&a%26b=2&x=3"),
            (json!({"spaced": ["x", "y"]}), "spaced=x%20y"),
            (json!({"url": "http://x/?a=b&c#d"}), "url=http://x/?a=b%26c%23d"),
            (json!({"json": ["a", {"b": null}]}), "json=%22a%22&json=%7B%22b%22%3Anull%7D"),
            (json!({"file": "AAEg_w", "x": 1}), "file=%00%01+%FF&x=1"),
            (json!({"file": ["YQ", "Yg=="]}), "file=a&file=b"),
            (json!({"a b&": ""}), "a+b%26="),
        ];
        for (value, expected) in cases {
            assert_eq!(form(&described, value).unwrap(), expected);
        }
        assert!(form(&described, json!({"file": "%%"})).unwrap_err().contains("\"body.file\" must be base64"));
        assert!(form(&described, json!({"spaced": ["a b", "c"]})).unwrap_err().contains("\"body.spaced\""));
        assert!(form(&described, json!({"spread": {"file": "x"}})).unwrap_err().contains("a member \"file\""));
    }
}
