//! The `select` directive: one part of a JSON text, found without taking the rest apart.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::ConfigError;

/// A path into JSON.
#[derive(Debug)]
pub(super) struct Selector {
    text: String,
    steps: Vec<String>,
}

impl Selector {
    /// `/data/items/0` (a JSON pointer), or `data.items.0` or `data.items[0]`.
    pub(super) fn parse(text: &str) -> Result<Selector, ConfigError> {
        let steps: Vec<String> = match text.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
            None => text.replace('[', ".").replace(']', "").split('.').map(str::to_owned).collect(),
        };
        if text.is_empty() || (!text.starts_with('/') && steps.iter().any(String::is_empty)) {
            return Err(ConfigError(format!(
                "invalid path \"{text}\" in \"select\"; write it as data.items.0 or /data/items/0"
            )));
        }
        Ok(Selector { text: text.into(), steps })
    }

    /// The path as written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The part's own text.
    pub(super) fn find<'j>(&self, json: &'j str) -> Option<&'j str> {
        self.steps.iter().try_fold(json, |json, step| child(json, step))
    }
}

fn child<'j>(json: &'j str, step: &str) -> Option<&'j str> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    deserializer.deserialize_any(Child(step)).ok().flatten().map(RawValue::get)
}

/// Takes the member or item of this name, and reads past the others.
struct Child<'s>(&'s str);

impl<'de> Visitor<'de> for Child<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(matches) = members.next_key_seed(Name(self.0))? {
            if matches {
                found = Some(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let index: usize = self.0.parse().map_err(A::Error::custom)?;
        for _ in 0..index {
            if items.next_element::<IgnoredAny>()?.is_none() {
                return Ok(None);
            }
        }
        let found = items.next_element()?;
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}

/// Compares a member's name.
struct Name<'s>(&'s str);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_keeps_its_spelling() {
        let json = r#"{"a": {"b": [1, {"c": 1.50}, "x"]}, "x.y": 2, "p/q": 3, "~": 4, "é": [], "0": "zero", "": 5, "\u0061b": 6}"#;
        let cases = [
            ("a.b.1", Some(r#"{"c": 1.50}"#)),
            ("a.b[1].c", Some("1.50")),
            ("/a/b/1/c", Some("1.50")),
            ("a.b", Some(r#"[1, {"c": 1.50}, "x"]"#)),
            ("/x.y", Some("2")),
            ("/p~1q", Some("3")),
            ("/~0", Some("4")),
            ("é", Some("[]")),
            ("0", Some("\"zero\"")),
            ("/", Some("5")),
            ("ab", Some("6")),
            ("a.b.3", None),
            ("a.b.x", None),
            ("a.b.-1", None),
            ("a.b.0.c", None),
            ("none", None),
        ];
        for (path, expected) in cases {
            assert_eq!(Selector::parse(path).unwrap().find(json), expected, "{path}");
        }
    }

    #[test]
    fn a_path_has_steps() {
        for path in ["", "a..b", ".a", "a."] {
            assert!(
                Selector::parse(path).unwrap_err().0.contains("write it as data.items.0 or /data/items/0"),
                "{path}"
            );
        }
    }
}
