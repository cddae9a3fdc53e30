//! The arguments of a call.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::Error;

/// Reads arguments. One that is given twice is refused: nobody can tell which was meant, and what stands before this
/// server may have read the other one.
pub(crate) fn parse(json: &str) -> Result<Map<String, Value>, Error> {
    serde_json::from_str::<Arguments>(json).map(|arguments| arguments.0).map_err(|error| {
        let text = error.to_string();
        let text = if text.starts_with("recursion limit") { "they are nested too deeply" } else { text.as_str() };
        Error::InvalidParams(format!("the arguments cannot be read: {text}").into())
    })
}

struct Arguments(Map<String, Value>);

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Map<String, Value>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut arguments = Map::new();
                while let Some(name) = members.next_key::<Cow<'de, str>>()? {
                    if arguments.contains_key(name.as_ref()) {
                        return Err(A::Error::custom(format_args!("\"{name}\" is given twice")));
                    }
                    arguments.insert(name.into_owned(), members.next_value()?);
                }
                Ok(arguments)
            }
        }

        deserializer.deserialize_map(Collect).map(Arguments)
    }
}
