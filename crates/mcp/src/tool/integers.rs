//! Integers that came with a fraction of zero: 5.0 is one, too, but a strict upstream wants 5.

use serde_json::Value;

use super::schema::properties;

/// How deep a schema is looked into, and at how many schemas in it.
const DEEPEST: usize = 6;
const MOST: usize = 1000;

/// Where the integers of a value are.
#[derive(Debug, PartialEq)]
pub(super) enum Integers {
    None,
    /// The value itself.
    Here,
    /// Each item.
    Items(Box<Integers>),
    /// These members.
    Members(Vec<(Box<str>, Integers)>),
}

impl Integers {
    /// What a schema says of it; `root` has the definitions.
    pub(super) fn of(schema: &Value, root: &Value) -> Integers {
        Self::at(schema, root, DEEPEST, &mut { MOST })
    }

    fn at(schema: &Value, root: &Value, depth: usize, left: &mut usize) -> Integers {
        if depth == 0 || *left == 0 {
            return Integers::None;
        }
        *left -= 1;
        let mut of = |schema| Self::at(schema, root, depth - 1, left);
        if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#')) {
            return root.pointer(target).map_or(Integers::None, of);
        }
        let is = |wanted: &str| match schema.get("type") {
            Some(Value::Array(types)) => types.iter().any(|kind| kind == wanted),
            Some(kind) => kind == wanted,
            None => false,
        };
        if is("integer") && !is("number") {
            return Integers::Here;
        }
        let items = schema.get("items").map(&mut of).filter(|items| *items != Integers::None);
        if let Some(items) = items {
            return Integers::Items(Box::new(items));
        }
        let members = properties(schema).map(|(name, property)| (Box::from(name), of(property)));
        let members: Vec<_> = members.filter(|(_, member)| *member != Integers::None).collect();
        if !members.is_empty() {
            return Integers::Members(members);
        }
        let branches = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|keyword| schema.get(keyword)?.as_array());
        branches.flatten().map(of).find(|branch| *branch != Integers::None).unwrap_or(Integers::None)
    }

    /// Takes the empty fractions off.
    pub(super) fn settle(&self, value: &mut Value) {
        match (self, value) {
            (Self::Here, Value::Number(number)) if number.is_f64() => {
                // 2^53: up to there every whole number has one spelling as a float.
                let whole = |float: &f64| float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0;
                if let Some(float) = number.as_f64().filter(whole) {
                    *number = (float as i64).into();
                }
            }
            (Self::Items(each), Value::Array(items)) => items.iter_mut().for_each(|item| each.settle(item)),
            (Self::Members(members), Value::Object(object)) => {
                for (name, member) in members {
                    if let Some(value) = object.get_mut(&**name) {
                        member.settle(value);
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_lose_an_empty_fraction_wherever_the_schema_has_them() {
        let schema = json!({
            "$defs": {"n": {"type": ["integer", "null"]}, "loop": {"properties": {"next": {"$ref": "#/$defs/loop"}}}},
            "properties": {
                "a": {"type": "integer"},
                "b": {"type": "array", "items": {"$ref": "#/$defs/n"}},
                "c": {"anyOf": [{"type": "null"}, {"properties": {"d": {"type": "integer"}}}]},
                "e": {"type": "number"},
                "f": {"type": ["integer", "number"]},
                "g": {"$ref": "#/$defs/loop"},
            },
        });
        let mut value = json!({"a": -0.0, "b": [1.0, null, 2], "c": {"d": 3.0, "x": 4.0}, "e": 5.0, "f": 6.0});
        Integers::of(&schema, &schema).settle(&mut value);
        assert_eq!(value.to_string(), r#"{"a":0,"b":[1,null,2],"c":{"d":3,"x":4.0},"e":5.0,"f":6.0}"#);
        for (given, expected) in [(json!(1e300), "1e+300"), (json!(0.5), "0.5"), (json!("5.0"), "\"5.0\"")] {
            let mut value = given;
            Integers::Here.settle(&mut value);
            assert_eq!(value.to_string(), expected);
        }
    }
}
