//! JSON objects whose members are copied rather than taken apart.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json::{on_one_line, write_string};

/// The members of an object, their values as written.
#[derive(Default)]
pub(crate) struct Members<'j>(pub(crate) Vec<(Cow<'j, str>, &'j RawValue)>);

impl<'j> Members<'j> {
    pub(crate) fn of(json: &'j str, whose: &str) -> Result<Members<'j>, String> {
        let members: Members<'j> = serde_json::from_str(json).map_err(|_| format!("{whose} is not an object"))?;
        for (i, (name, _)) in members.0.iter().enumerate() {
            if members.0[..i].iter().any(|(other, _)| other == name) {
                return Err(format!("{whose} has two members \"{name}\""));
            }
        }
        Ok(members)
    }

    pub(crate) fn raw(&self, name: &str) -> Option<&'j str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, json)| json.get())
    }

    /// A member; null is none.
    pub(crate) fn get(&self, name: &str) -> Option<&'j str> {
        self.raw(name).filter(|json| *json != "null")
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, String> {
        let text = self.get(name).map(serde_json::from_str::<String>).transpose();
        text.map_err(|_| format!("its \"{name}\" is not a string"))
    }

    pub(crate) fn present(&self) -> impl Iterator<Item = (&str, &'j str)> {
        self.0.iter().map(|(name, json)| (name.as_ref(), json.get())).filter(|(_, json)| *json != "null")
    }

    /// Without the nulls, here and in an embedded resource.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
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
pub(crate) struct Object<'o> {
    pub(crate) out: &'o mut Vec<u8>,
    begun: bool,
}

impl<'o> Object<'o> {
    pub(crate) fn begin(out: &'o mut Vec<u8>) -> Object<'o> {
        out.push(b'{');
        Object { out, begun: false }
    }

    pub(crate) fn key(&mut self, name: &str) {
        if std::mem::replace(&mut self.begun, true) {
            self.out.push(b',');
        }
        write_string(name, self.out);
        self.out.push(b':');
    }

    pub(crate) fn member(&mut self, name: &str, json: &str) {
        self.key(name);
        self.out.extend_from_slice(on_one_line(json).as_bytes());
    }

    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.key(name);
        write_string(text, self.out);
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}
