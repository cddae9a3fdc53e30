//! Defaults that a schema declares, filled in before validation.

use serde_json::{Map, Value};

use super::schema::properties;

/// The defaults of an object's properties. Only what stands plainly under `properties` counts: a default behind `$ref`,
/// `anyOf` and the like depends on the value.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Defaults {
    values: Vec<(String, Value)>,
    /// Properties that are objects with defaults inside; filled only where the object is given.
    nested: Vec<(String, Defaults)>,
}

impl Defaults {
    pub(super) fn of(schema: &Value) -> Defaults {
        let mut defaults = Defaults::default();
        for (name, property) in properties(schema) {
            if let Some(value) = property.get("default") {
                defaults.values.push((name.into(), value.clone()));
            }
            let nested = Defaults::of(property);
            if nested != Defaults::default() {
                defaults.nested.push((name.into(), nested));
            }
        }
        defaults
    }

    /// The defaults of the top level.
    pub(super) fn top(&self) -> &[(String, Value)] {
        &self.values
    }

    pub(super) fn fill(&self, object: &mut Map<String, Value>) {
        for (name, value) in &self.values {
            if argument(object, name).is_none() {
                object.insert(name.clone(), value.clone());
            }
        }
        for (name, defaults) in &self.nested {
            if let Some(Value::Object(inner)) = object.get_mut(name) {
                defaults.fill(inner);
            }
        }
    }
}

/// One argument. Calls have few, and among few it is found sooner one by one than by a hash.
pub(super) fn argument<'a>(arguments: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    const FEW: usize = 8;
    match arguments.len() {
        0..=FEW => arguments.iter().find(|(other, _)| *other == name).map(|(_, value)| value),
        _ => arguments.get(name),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn absent_properties_get_their_default() {
        let schema = json!({"properties": {
            "lang": {"default": "en"},
            "page": {"default": {"size": 1}, "properties": {"size": {"default": 10}, "from": {"default": 0}}},
            "opt": {"properties": {"a": {"default": 1}}},
            "x": {"anyOf": [{"default": 1}]},
        }});
        let cases = [
            (json!({}), json!({"lang": "en", "page": {"size": 1, "from": 0}})),
            (json!({"lang": null, "page": {}}), json!({"lang": null, "page": {"size": 10, "from": 0}})),
            (json!({"lang": "de", "page": 5, "opt": {}}), json!({"lang": "de", "page": 5, "opt": {"a": 1}})),
        ];
        for (mut given, expected) in cases {
            Defaults::of(&schema).fill(given.as_object_mut().unwrap());
            assert_eq!(given, expected);
        }
    }
}
