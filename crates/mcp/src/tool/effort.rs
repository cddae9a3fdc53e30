//! What it takes to tell every problem of a value.
//!
//! Whether a value is valid is decided in a time that grows with the value: the validator remembers what it has seen. To
//! tell the problems, it follows every branch of every `anyOf` anew, so that a schema that refers to itself in two of them
//! takes twice as long for each level of a nested value.

use serde_json::Value;

/// A step takes a few microseconds, and the worker does nothing else meanwhile.
const MOST_STEPS: usize = 10_000;

/// Whether the walk that tells the problems has an end soon.
pub(super) fn is_bounded(schema: &Value, value: &Value) -> bool {
    let mut walk = Walk { root: schema, left: MOST_STEPS };
    walk.visit(schema, value).is_some()
}

/// The same walk without its results.
struct Walk<'s> {
    root: &'s Value,
    left: usize,
}

impl<'s> Walk<'s> {
    /// None when it took too long.
    fn visit(&mut self, schema: &'s Value, value: &Value) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        let keywords = schema.as_object().into_iter().flatten();
        for (keyword, below) in keywords {
            match (keyword.as_str(), below) {
                ("$ref" | "$dynamicRef", Value::String(reference)) => {
                    let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
                    match target {
                        Some(target) => self.visit(target, value)?,
                        // Where an anchor leads is not looked for; only what is nested can take long.
                        None if value.is_array() || value.is_object() => return None,
                        None => {}
                    }
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(branches)) => {
                    branches.iter().try_for_each(|branch| self.visit(branch, value))?;
                }
                ("not" | "if" | "then" | "else", branch) => self.visit(branch, value)?,
                ("dependentSchemas", Value::Object(branches)) => {
                    branches.values().try_for_each(|branch| self.visit(branch, value))?;
                }
                _ => self.visit_below(keyword, below, value)?,
            }
        }
        Some(())
    }

    /// What is for members or items.
    fn visit_below(&mut self, keyword: &str, below: &'s Value, value: &Value) -> Option<()> {
        match (keyword, below, value) {
            ("properties", Value::Object(properties), Value::Object(members)) => {
                let known = members.iter().filter_map(|(name, member)| Some((properties.get(name)?, member)));
                known.into_iter().try_for_each(|(schema, member)| self.visit(schema, member))
            }
            ("patternProperties", Value::Object(patterns), Value::Object(members)) => {
                patterns.values().try_for_each(|schema| self.visit_each(schema, members.values()))
            }
            ("additionalProperties" | "unevaluatedProperties", schema, Value::Object(members)) => {
                self.visit_each(schema, members.values())
            }
            ("prefixItems", Value::Array(schemas), Value::Array(items)) => {
                schemas.iter().zip(items).try_for_each(|(schema, item)| self.visit(schema, item))
            }
            ("items" | "contains" | "unevaluatedItems", schema, Value::Array(items)) => {
                self.visit_each(schema, items.iter())
            }
            _ => Some(()),
        }
    }

    fn visit_each<'v>(&mut self, schema: &'s Value, mut values: impl Iterator<Item = &'v Value>) -> Option<()> {
        values.try_for_each(|value| self.visit(schema, value))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nested(depth: usize) -> Value {
        (0..depth).fold(json!({"kind": 1}), |value, _| json!({"c": value, "l": []}))
    }

    #[test]
    fn branches_that_lead_to_each_other_end_soon() {
        let n = json!({"$ref": "#/$defs/N"});
        let child = json!({"properties": {"c": n}});
        let schemas = [
            json!({"oneOf": [child, child]}),
            json!({"anyOf": [child, {"not": child}]}),
            json!({"allOf": [{"$ref": "#/$defs/A"}, {"additionalProperties": n}]}),
            json!({"properties": {"c": n}, "patternProperties": {"^c": n}}),
            json!({"if": child, "then": {"unevaluatedProperties": n}}),
            json!({"$dynamicRef": "#node"}),
        ];
        for n in schemas {
            let schema = json!({"properties": {"c": {"$ref": "#/$defs/N"}}, "$defs": {"N": n, "A": child}});
            assert!(!is_bounded(&schema, &nested(40)), "{n}");
            assert!(n.get("$dynamicRef").is_some() || is_bounded(&schema, &nested(4)), "{n}");
        }
    }

    #[test]
    fn what_is_only_long_or_deep_is_told() {
        let schema = json!({"properties": {"c": {"$ref": "#"}, "l": {"items": {"type": "integer"}}}});
        assert!(is_bounded(&schema, &nested(100)));
        assert!(is_bounded(&schema, &json!({"l": vec!["x"; 1_000]})));
        assert!(!is_bounded(&schema, &json!({"l": vec!["x"; 100_000]})));
    }
}
