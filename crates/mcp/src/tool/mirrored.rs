//! `x-mcp-header`: arguments that a client of 2026-07-28 repeats in `Mcp-Param-*` headers.

use serde_json::{Map, Value};

use super::schema::{Subschema, walk};
use super::{ConfigError, InvalidArguments};

const ANNOTATION: &str = "x-mcp-header";
/// The largest integer that every JSON reader keeps exact: 2^53 - 1.
const SAFE_INTEGER: u64 = (1 << 53) - 1;

/// One header and the argument that it repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MirroredHeader {
    /// The header's name, lower case: `mcp-param-region`.
    pub(crate) header: String,
    /// The names that lead to the property from the arguments' root.
    pub(crate) path: Vec<String>,
    /// The property's type, which says how the value is spelt in the header.
    #[allow(dead_code)]
    pub(crate) kind: MirroredType,
}

/// The types that may be mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MirroredType {
    String,
    Integer,
    Boolean,
}

impl MirroredHeader {
    /// The argument's value, if the call has one.
    pub(crate) fn value<'a>(&self, arguments: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, rest) = self.path.split_first()?;
        rest.iter().try_fold(arguments.get(first)?, |value, name| value.get(name)).filter(|value| !value.is_null())
    }
}

/// Finds the annotations of an input schema and holds them to the specification's rules.
pub(crate) fn collect(schema: &Value) -> Result<Vec<MirroredHeader>, ConfigError> {
    let mut found: Vec<MirroredHeader> = Vec::new();
    let walked = walk(schema, &mut |subschema| {
        let Some(annotation) = subschema.json.get(ANNOTATION) else { return Ok(()) };
        let header = read(annotation, subschema)
            .map_err(|why| format!("at \"{}\": {ANNOTATION} {annotation} {why}", subschema.pointer))?;
        if found.iter().any(|other| other.header == header.header) {
            return Err(format!("{ANNOTATION} {annotation} is given twice, letters' case aside"));
        }
        found.push(header);
        Ok(())
    });
    walked.map_err(ConfigError)?;
    Ok(found)
}

fn read(annotation: &Value, subschema: &Subschema<'_>) -> Result<MirroredHeader, &'static str> {
    let name = annotation.as_str().unwrap_or_default();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(
            "must be made of letters, digits and \"-\": nginx drops a header with any other character in its name",
        );
    }
    let path = subschema.path.filter(|path| !path.is_empty());
    let path = path.ok_or("must stand in a property that is reached from the root through \"properties\" alone")?;
    let kind = match subschema.json.get("type").and_then(Value::as_str) {
        Some("string") => MirroredType::String,
        Some("integer") => MirroredType::Integer,
        Some("boolean") => MirroredType::Boolean,
        _ => return Err("must stand in a property of \"type\" string, integer or boolean"),
    };
    Ok(MirroredHeader { header: format!("mcp-param-{}", name.to_ascii_lowercase()), path: path.to_vec(), kind })
}

/// A mirrored integer must survive every JSON reader on the way.
pub(super) fn check(mirrored: &[MirroredHeader], arguments: &Map<String, Value>) -> Result<(), InvalidArguments> {
    for header in mirrored.iter().filter(|header| header.kind == MirroredType::Integer) {
        let Some(value) = header.value(arguments) else { continue };
        let safe = match (value.as_i64(), value.as_f64()) {
            (Some(integer), _) => integer.unsigned_abs() <= SAFE_INTEGER,
            (None, Some(float)) => float.abs() <= SAFE_INTEGER as f64,
            (None, None) => true,
        };
        if !safe {
            let name = header.path.join(".");
            return Err(InvalidArguments(format!(
                "invalid arguments: \"{name}\": {value} is outside the range of -{SAFE_INTEGER} to {SAFE_INTEGER}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::test_tools::object;
    use super::*;

    #[test]
    fn annotated_properties_are_found_at_any_depth() {
        let schema = json!({"properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "at": {"type": "object", "properties": {"row": {"type": "integer", "x-mcp-header": "Row-1"}}},
            "x-mcp-header": {"type": "string"},
            "dry": {"type": "boolean", "x-mcp-header": "dry"},
        }});
        let found: Vec<_> =
            collect(&schema).unwrap().into_iter().map(|m| (m.header, m.path.join("."), m.kind)).collect();
        let expected = [
            ("mcp-param-region", "region", MirroredType::String),
            ("mcp-param-row-1", "at.row", MirroredType::Integer),
            ("mcp-param-dry", "dry", MirroredType::Boolean),
        ];
        assert_eq!(found, expected.map(|(header, path, kind)| (header.to_owned(), path.to_owned(), kind)));
    }

    #[test]
    fn the_rules_of_the_specification_hold_and_those_of_nginx() {
        let property = |property: Value| json!({"properties": {"a": property}});
        let reached = "through \"properties\" alone";
        let annotated = json!({"type": "string", "x-mcp-header": "A"});
        let cases = [
            (property(json!({"type": "string", "x-mcp-header": ""})), "letters, digits"),
            (property(json!({"type": "string", "x-mcp-header": 1})), "letters, digits"),
            (property(json!({"type": "string", "x-mcp-header": "a b"})), "letters, digits"),
            (property(json!({"type": "string", "x-mcp-header": "a\r\nb"})), "letters, digits"),
            (property(json!({"type": "string", "x-mcp-header": "user_id"})), "nginx drops a header"),
            (property(json!({"type": "string", "x-mcp-header": "foo.bar"})), "nginx drops a header"),
            (property(json!({"type": "number", "x-mcp-header": "A"})), "string, integer or boolean"),
            (property(json!({"type": ["string", "null"], "x-mcp-header": "A"})), "string, integer or boolean"),
            (property(json!({"x-mcp-header": "A"})), "string, integer or boolean"),
            (property(json!({"type": "array", "items": annotated})), reached),
            (property(json!({"anyOf": [annotated]})), reached),
            (json!({"$defs": {"a": annotated}, "properties": {"a": {"$ref": "#/$defs/a"}}}), reached),
            (json!({"if": {"properties": {"a": annotated}}}), reached),
            (json!({"patternProperties": {"a": annotated}}), reached),
            (json!({"type": "string", "x-mcp-header": "A"}), reached),
            (json!({"properties": {"a": annotated, "b": {"type": "string", "x-mcp-header": "a"}}}), "is given twice"),
        ];
        for (schema, expected) in cases {
            let error = collect(&schema).unwrap_err().0;
            assert!(error.contains(expected), "{schema}: {error}");
        }
    }

    #[test]
    fn mirrored_integers_stay_in_the_safe_range() {
        let mirrored = collect(&json!({"properties": {"n": {"type": "integer", "x-mcp-header": "N"}}})).unwrap();
        for value in [json!(0), json!(9007199254740991u64), json!(-9007199254740991i64), json!(null), json!(5.0)] {
            assert_eq!(check(&mirrored, &object(json!({"n": value}))), Ok(()));
        }
        for value in [json!(9007199254740992u64), json!(-9007199254740992i64), json!(u64::MAX), json!(1e300)] {
            assert!(check(&mirrored, &object(json!({"n": value}))).unwrap_err().0.contains("\"n\": "));
        }
        assert_eq!(check(&mirrored, &Map::new()), Ok(()));
    }
}
