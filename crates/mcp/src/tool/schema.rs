//! JSON Schemas of a tool: checked and compiled at configuration time or for the first call, published as they were written.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::OnceLock;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

use super::{ConfigError, validation};
use crate::ProtocolVersion;

/// What a pattern with look-around or back-references may try before the value counts as not matching; others are
/// matched in linear time anyway.
const BACKTRACK_LIMIT: usize = 20_000;

/// Draft 2020-12 unless `$schema` says otherwise; these are known.
const DIALECTS: [&str; 5] = [
    "json-schema.org/draft/2020-12/schema",
    "json-schema.org/draft/2019-09/schema",
    "json-schema.org/draft-07/schema",
    "json-schema.org/draft-06/schema",
    "json-schema.org/draft-04/schema",
];

/// A schema, held as text: a description of an interface has a thousand of them, and as values they would take many times
/// the room.
#[derive(Debug)]
pub(super) struct Schema {
    text: Box<str>,
    is_object: bool,
    /// A property's schema is `true` or `false`.
    has_flags: bool,
    /// Compiled at once, or for the first value to check.
    validator: OnceLock<Result<Validator, Box<str>>>,
}

/// Why a value does not pass.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// What is wrong with it, as a text for the model.
    Value(String),
    /// The schema itself cannot be used.
    Schema(String),
}

impl Schema {
    /// Checks and compiles; `directive` is where the schema came from, for the error texts.
    pub(super) fn compile(directive: &str, json: &Value) -> Result<Schema, ConfigError> {
        let validator = compile(json).map_err(|text| ConfigError(format!("\"{directive}\": {text}")))?;
        let schema = Schema::deferred(json);
        _ = schema.validator.set(Ok(validator));
        Ok(schema)
    }

    /// Leaves all that to the first check.
    pub(super) fn deferred(json: &Value) -> Schema {
        let is_object = json.get("type").is_some_and(|kind| kind == "object");
        let has_flags = properties(json).any(|(_, schema)| schema.is_boolean());
        Schema { text: json.to_string().into(), is_object, has_flags, validator: OnceLock::new() }
    }

    /// Whether its root says `"type": "object"`, as every input schema must and every output schema before 2026-07-28.
    pub(super) fn is_object(&self) -> bool {
        self.is_object
    }

    /// Holds a value to it.
    pub(super) fn check(&self, value: &Value) -> Result<(), Failure> {
        let compiled = self.validator.get_or_init(|| compile(&self.json()).map_err(Box::from));
        match compiled {
            Ok(validator) if validator.is_valid(value) => Ok(()),
            Ok(validator) => Err(Failure::Value(validation::describe(validator, &self.json(), value))),
            Err(why) => Err(Failure::Schema(why.to_string())),
        }
    }

    fn json(&self) -> Value {
        // It was written from a value.
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The schema for a revision's `tools/list`: as written, except that before 2026-07-28 a property's schema had to be
    /// an object, so there `true` and `false` take their long form.
    pub(super) fn published(&self, version: ProtocolVersion) -> Cow<'_, str> {
        if version >= ProtocolVersion::V2026_07_28 || !self.has_flags {
            return Cow::Borrowed(&self.text);
        }
        in_long_form(self.json()).map_or(Cow::Borrowed(&self.text), Cow::Owned)
    }
}

/// A schema whose properties' schemas are all objects; none if it is one already.
pub(crate) fn in_long_form(mut schema: Value) -> Option<String> {
    let mut has_flags = false;
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(Map::values_mut) {
        let Value::Bool(flag) = *property else { continue };
        has_flags = true;
        *property = if flag { Value::Object(Map::new()) } else { serde_json::json!({"not": {}}) };
    }
    has_flags.then(|| schema.to_string())
}

/// Checks and compiles; the error names the place in the schema.
fn compile(json: &Value) -> Result<Validator, String> {
    check_dialect(json)?;
    check_references(json)?;
    jsonschema::options()
        .offline()
        .should_validate_formats(true)
        .with_pattern_options(pattern_options())
        .build(json)
        .map_err(|error| format!("at \"{}\": {}", pointer_of(&error), validation::shorten(&error.to_string(), 300)))
}

fn pattern_options() -> PatternOptions<jsonschema::FancyRegex> {
    PatternOptions::fancy_regex().backtrack_limit(BACKTRACK_LIMIT)
}

/// Whether a schema may have this `pattern`; if not, the text says what is wrong with it.
pub fn check_pattern(pattern: &str) -> Result<(), String> {
    let schema = serde_json::json!({ "pattern": pattern });
    let built = jsonschema::options().offline().with_pattern_options(pattern_options()).build(&schema);
    built.map(|_| ()).map_err(|error| validation::shorten(&error.to_string(), 300))
}

/// The text of a schema file.
pub(super) fn parse(directive: &str, text: &str) -> Result<Value, ConfigError> {
    serde_json::from_str(text).map_err(|error| ConfigError(format!("\"{directive}\" is not JSON: {error}")))
}

/// The properties that an object schema declares.
pub(super) fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema))
}

fn pointer_of(error: &jsonschema::ValidationError<'_>) -> String {
    // A rule of the meta-schema tells by the instance, which is the schema; what only compiling finds, by its own path.
    let instance = error.instance_path().to_string();
    if instance.is_empty() { error.schema_path().to_string() } else { instance }
}

fn check_dialect(schema: &Value) -> Result<(), String> {
    let Some(dialect) = schema.get("$schema") else { return Ok(()) };
    let known = dialect.as_str().is_some_and(|uri| {
        let uri = uri.strip_prefix("https://").or(uri.strip_prefix("http://")).unwrap_or(uri);
        DIALECTS.contains(&uri.strip_suffix('#').unwrap_or(uri))
    });
    if known {
        return Ok(());
    }
    Err(format!(
        "at \"/$schema\": the dialect {dialect} is not known; known are: https://{}",
        DIALECTS.join(", http://")
    ))
}

fn check_references(schema: &Value) -> Result<(), String> {
    let mut ids = HashSet::new();
    walk(schema, &mut |subschema| {
        ids.extend(subschema.json.get("$id").and_then(Value::as_str).map(str::to_owned));
        Ok(())
    })?;
    walk(schema, &mut |subschema| {
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            let Some(Value::String(target)) = subschema.json.get(keyword) else { continue };
            if !target.starts_with('#') && !ids.contains(target) {
                return Err(format!(
                    "at \"{}/{keyword}\": \"{target}\" is not in this schema, and nothing is ever fetched; copy it under \
                     \"$defs\" and refer to it as \"#/$defs/NAME\"",
                    subschema.pointer
                ));
            }
        }
        Ok(())
    })
}

/// One schema object inside another.
pub(super) struct Subschema<'s> {
    pub(super) json: &'s Map<String, Value>,
    /// JSON pointer from the root.
    pub(super) pointer: &'s str,
    /// The names of the properties that lead here, if nothing but `properties` does.
    pub(super) path: Option<&'s [String]>,
}

/// Visits every schema object in a schema, but not the data in it (`const`, `enum`, `default`, `examples`).
pub(super) fn walk(schema: &Value, visit: &mut dyn FnMut(&Subschema<'_>) -> Result<(), String>) -> Result<(), String> {
    walk_at(schema, &mut String::new(), Some(Vec::new()), visit)
}

fn walk_at(
    schema: &Value,
    pointer: &mut String,
    path: Option<Vec<String>>,
    visit: &mut dyn FnMut(&Subschema<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let Value::Object(json) = schema else { return Ok(()) };
    visit(&Subschema { json, pointer, path: path.as_deref() })?;
    for (keyword, value) in json {
        match (keyword.as_str(), value) {
            (
                "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" | "dependencies",
                Value::Object(members),
            ) => {
                for (name, member) in members {
                    let path = path.as_ref().filter(|_| keyword == "properties");
                    let path = path.map(|path| [path.as_slice(), std::slice::from_ref(name)].concat());
                    descend(member, pointer, &[keyword, name], path, visit)?;
                }
            }
            ("allOf" | "anyOf" | "oneOf" | "prefixItems" | "items", Value::Array(members)) => {
                for (i, member) in members.iter().enumerate() {
                    descend(member, pointer, &[keyword, &i.to_string()], None, visit)?;
                }
            }
            (
                "items"
                | "additionalItems"
                | "contains"
                | "not"
                | "if"
                | "then"
                | "else"
                | "additionalProperties"
                | "propertyNames"
                | "unevaluatedItems"
                | "unevaluatedProperties"
                | "contentSchema",
                Value::Object(_),
            ) => descend(value, pointer, &[keyword], None, visit)?,
            _ => {}
        }
    }
    Ok(())
}

fn descend(
    schema: &Value,
    pointer: &mut String,
    steps: &[&str],
    path: Option<Vec<String>>,
    visit: &mut dyn FnMut(&Subschema<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let length = pointer.len();
    for step in steps {
        pointer.push('/');
        pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
    }
    walk_at(schema, pointer, path, visit)?;
    pointer.truncate(length);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(schema: Value) -> String {
        Schema::compile("input_schema", &schema).unwrap_err().0
    }

    #[test]
    fn wrong_schemas_are_named_by_their_pointer() {
        let cases = [
            (json!({"properties": {"id": {"type": "strin"}}}), "at \"/properties/id/type\": "),
            (json!({"properties": {"id": {"type": "string", "pattern": "("}}}), "at \"/properties/id/pattern\": "),
            (json!({"required": "id"}), "at \"/required\": "),
            (json!({"$ref": "#/$defs/none"}), "none"),
            (
                json!({"$schema": "https://example.com/mine"}),
                "at \"/$schema\": the dialect \"https://example.com/mine\" is not known",
            ),
            (json!({"$schema": 1}), "the dialect 1 is not known"),
        ];
        for (schema, expected) in cases {
            let error = error(schema);
            assert!(error.starts_with("\"input_schema\": ") && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn nothing_outside_the_schema_is_referred_to() {
        for target in [
            "https://example.com/s.json",
            "http://127.0.0.1/s",
            "other.json",
            "file:///etc/passwd",
            "https://json-schema.org/draft/2020-12/schema",
        ] {
            let error = error(json!({"properties": {"a/b": {"items": {"$ref": target}}}}));
            assert!(
                error.contains("at \"/properties/a~1b/items/$ref\"") && error.contains("nothing is ever fetched"),
                "{error}"
            );
        }
        let bundled = json!({"$defs": {"a": {"$id": "https://example.com/a", "type": "string"}}, "$ref": "https://example.com/a"});
        assert!(Schema::compile("input_schema", &bundled).unwrap().check(&json!(1)).is_err());
    }

    #[test]
    fn data_and_names_are_not_taken_for_schemas() {
        let schema = json!({
            "properties": {"$ref": {"type": "string"}, "x": {"const": {"$ref": "http://x/"}, "default": {"$ref": "http://x/"}}},
            "examples": [{"$ref": "http://x/"}],
        });
        assert!(Schema::compile("input_schema", &schema).is_ok());
    }

    #[test]
    fn older_dialects_are_enforced_as_they_were_meant() {
        let tuple = |dialect| json!({"$schema": dialect, "items": [{"type": "string"}], "additionalItems": false});
        let draft7 = Schema::compile("input_schema", &tuple("http://json-schema.org/draft-07/schema#")).unwrap();
        assert!(draft7.check(&json!(["a", "b"])).is_err() && draft7.check(&json!(["a"])).is_ok());
        assert!(Schema::compile("input_schema", &tuple("https://json-schema.org/draft/2020-12/schema")).is_err());
    }

    #[test]
    fn patterns_cannot_hold_up_a_worker() {
        let schema = Schema::compile("input_schema", &json!({"pattern": "^(?=a)(a+)+\\1$"})).unwrap();
        assert!(schema.check(&json!(format!("{}b", "a".repeat(5_000)))).is_err());
        let schema = Schema::compile("input_schema", &json!({"pattern": "^(a+)+$"})).unwrap();
        assert!(schema.check(&json!(format!("{}b", "a".repeat(100_000)))).is_err());
        assert!(schema.check(&json!("aaa")).is_ok());
    }

    #[test]
    fn formats_are_enforced_and_unknown_ones_ignored() {
        let cases = [
            ("date", "2026-02-30", "2026-02-28"),
            ("email", "nobody", "a@b.de"),
            ("uuid", "1", "00000000-0000-0000-0000-000000000000"),
        ];
        for (format, wrong, right) in cases {
            let schema = Schema::compile("input_schema", &json!({"format": format})).unwrap();
            assert!(schema.check(&json!(wrong)).is_err() && schema.check(&json!(right)).is_ok(), "{format}");
        }
        assert!(Schema::compile("input_schema", &json!({"format": "int64"})).unwrap().check(&json!("x")).is_ok());
    }

    #[test]
    fn boolean_properties_take_their_long_form_for_older_revisions() {
        let schema =
            Schema::compile("input_schema", &json!({"type": "object", "properties": {"a": true, "b": false}})).unwrap();
        let properties = |version| {
            let schema: Value = serde_json::from_str(&schema.published(version)).unwrap();
            schema["properties"].clone()
        };
        assert_eq!(properties(ProtocolVersion::V2025_11_25), json!({"a": {}, "b": {"not": {}}}));
        assert_eq!(properties(ProtocolVersion::V2026_07_28), json!({"a": true, "b": false}));
    }

    #[test]
    fn a_deferred_schema_tells_of_itself_when_it_is_used() {
        let schema = Schema::deferred(&json!({"type": "object", "properties": {"a": {"type": "integer"}}}));
        assert!(schema.is_object() && schema.check(&json!({"a": 1})).is_ok());
        let wrong = schema.check(&json!({"a": "x"}));
        assert_eq!(wrong, Err(Failure::Value("\"a\": \"x\" is not of type \"integer\"".into())));
        let broken = Schema::deferred(&json!({"type": "object", "properties": {"a": {"pattern": "("}}}));
        for _ in 0..2 {
            let Err(Failure::Schema(why)) = broken.check(&json!({})) else { panic!("it was compiled") };
            assert!(why.contains("/properties/a/pattern"), "{why}");
        }
    }
}
