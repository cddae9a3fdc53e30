//! What is wrong with arguments, as a text that a model can act on.

use std::fmt::Write as _;

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::effort;
use super::schema::properties;

/// How many problems are told, of how many that are looked for.
const MOST_PROBLEMS: usize = 5;
const MOST_ERRORS: usize = 20;
const LONGEST_VALUE: usize = 80;
const LONGEST_PROBLEM: usize = 400;
/// Branches of an `anyOf` or `oneOf` of which the first problem is told.
const MOST_BRANCHES: usize = 3;

/// `"limit": 500 is greater than the maximum of 100; "id" is required; unknown argument "foo", known are: id, limit`
pub(super) fn describe(validator: &Validator, schema: &Value, arguments: &Value) -> String {
    if !effort::is_bounded(schema, arguments) {
        return "something does not fit the schema; there is too much of it, or it is nested too deeply, to say what"
            .into();
    }
    // What is missing comes first and what is unknown last, whatever the order of the schema's keywords.
    let rank = |error: &ValidationError<'_>| match error.kind() {
        Kind::Required { .. } => 0,
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => 2,
        _ => 1,
    };
    let mut errors: Vec<_> = validator.iter_errors(arguments).take(MOST_ERRORS).collect();
    errors.sort_by_key(rank);
    let problem = |error| shorten(&problem(error, Some((schema, arguments))), LONGEST_PROBLEM);
    let mut problems: Vec<_> = errors.iter().take(MOST_PROBLEMS).map(problem).collect();
    if errors.len() > MOST_PROBLEMS {
        problems.push("and more".into());
    }
    problems.join("; ")
}

/// `root` is the schema and the arguments, where they are at hand.
fn problem(error: &ValidationError<'_>, root: Option<(&Value, &Value)>) -> String {
    let at = label(error.instance_path());
    match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            format!("\"{}{name}\" is required", if at.is_empty() { at } else { at + "." })
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            unknown(&at, unexpected, root.map(|(schema, _)| schema))
        }
        // An object that takes nothing at all is reported by its first value, without the name.
        Kind::FalseSchema if error.schema_path().to_string().ends_with("/additionalProperties") => {
            let object = root.and_then(|(_, arguments)| arguments.pointer(error.instance_path().as_str()));
            let names: Vec<_> =
                object.and_then(Value::as_object).into_iter().flat_map(|object| object.keys().cloned()).collect();
            unknown(&at, &names, root.map(|(schema, _)| schema))
        }
        _ if at.is_empty() => complaint(error),
        _ => format!("\"{at}\": {}", complaint(error)),
    }
}

fn unknown(at: &str, unexpected: &[String], schema: Option<&Value>) -> String {
    let names: Vec<_> =
        unexpected.iter().take(MOST_PROBLEMS).map(|name| format!("\"{}\"", shorten(name, LONGEST_VALUE))).collect();
    let names = names.join(", ");
    if !at.is_empty() {
        return format!("\"{at}\" has no property {names}");
    }
    let known: Vec<_> = schema.into_iter().flat_map(properties).map(|(name, _)| name).collect();
    let known = if known.is_empty() { "it takes none".to_owned() } else { format!("known are: {}", known.join(", ")) };
    format!("unknown argument {names}, {known}")
}

fn complaint(error: &ValidationError<'_>) -> String {
    let value = || shorten(&error.instance().to_string(), LONGEST_VALUE);
    match error.kind() {
        Kind::Enum { options } => {
            let options: Vec<_> = options.as_array().into_iter().flatten().map(Value::to_string).collect();
            format!("{} is not one of {}", value(), options.join(", "))
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            let branches: Vec<_> = context
                .iter()
                .filter_map(|errors| errors.first())
                .take(MOST_BRANCHES)
                .enumerate()
                .map(|(i, error)| format!("({}) {}", i + 1, shorten(&problem(error, None), LONGEST_VALUE * 2)))
                .collect();
            format!("{} fits none of the forms allowed: {}", value(), branches.join(" "))
        }
        Kind::FalseSchema => format!("{} is not allowed", value()),
        Kind::BacktrackLimitExceeded { .. } | Kind::RegexEngineFailure { .. } => {
            format!("{} is too long or too intricate for its pattern", value())
        }
        _ => error.masked_with(value()).to_string(),
    }
}

/// `filter.tags[0]`
fn label(path: &Location) -> String {
    let mut label = String::new();
    for segment in path {
        match segment {
            LocationSegment::Property(name) => {
                if !label.is_empty() {
                    label.push('.');
                }
                label.push_str(&shorten(&name, LONGEST_VALUE));
            }
            LocationSegment::Index(index) => _ = write!(label, "[{index}]"),
        }
    }
    label
}

/// At most so many characters of a text, with a mark where it was cut.
pub(super) fn shorten(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::schema::{Failure, Schema};
    use super::*;

    fn problems(schema: Value, value: Value) -> String {
        match Schema::compile("input_schema", &schema).unwrap().check(&value) {
            Err(Failure::Value(problems)) => problems,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_problem_is_told_in_terms_of_the_arguments() {
        let schema = json!({
            "type": "object",
            "properties": {
                "id": {"type": "integer"},
                "limit": {"type": "integer", "maximum": 100},
                "lang": {"enum": ["en", "de"]},
                "code": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 3},
                "day": {"type": "string", "format": "date"},
                "filter": {"type": "object", "required": ["by"], "properties": {"by": {"type": "string"}},
                           "additionalProperties": false},
                "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": true},
                "when": {"anyOf": [{"type": "string"}, {"type": "object", "required": ["from"]}]},
                "never": false,
            },
            "required": ["id"],
            "additionalProperties": false,
        });
        let known = "known are: id, limit, lang, code, day, filter, tags, when, never";
        let cases = [
            (json!({}), "\"id\" is required".to_owned()),
            (json!({"id": "5"}), "\"id\": \"5\" is not of type \"integer\"".into()),
            (json!({"id": 1, "limit": 500}), "\"limit\": 500 is greater than the maximum of 100".into()),
            (json!({"id": 1, "lang": "fr"}), "\"lang\": \"fr\" is not one of \"en\", \"de\"".into()),
            (json!({"id": 1, "code": "A"}), "\"code\": \"A\" does not match \"^[a-z]+$\"".into()),
            (json!({"id": 1, "code": "abcd"}), "\"code\": \"abcd\" is longer than 3 characters".into()),
            (json!({"id": 1, "day": "soon"}), "\"day\": \"soon\" is not a \"date\"".into()),
            (json!({"id": 1, "filter": {}}), "\"filter.by\" is required".into()),
            (json!({"id": 1, "filter": {"by": "x", "y": 1}}), "\"filter\" has no property \"y\"".into()),
            (json!({"id": 1, "tags": ["a", 1]}), "\"tags[1]\": 1 is not of type \"string\"".into()),
            (json!({"id": 1, "foo": 1}), format!("unknown argument \"foo\", {known}")),
            (json!({"id": 1, "foo": 1, "bar": 2}), format!("unknown argument \"foo\", \"bar\", {known}")),
            (json!({"id": 1, "never": 1}), "\"never\": 1 is not allowed".into()),
            (
                json!({"id": 1, "when": {}}),
                "\"when\": {} fits none of the forms allowed: (1) \"when\": {} is not of type \"string\" (2) \"when.from\" is required".into(),
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(problems(schema.clone(), value), expected);
        }
        for empty in [json!({"additionalProperties": false}), json!({"properties": {}, "additionalProperties": false})]
        {
            assert_eq!(problems(empty, json!({"a": 1, "b": 2})), "unknown argument \"a\", \"b\", it takes none");
        }
    }

    #[test]
    fn several_problems_are_told_at_once_but_not_all_of_them() {
        let schema = json!({"properties": {"a": {"type": "integer"}}, "required": ["b"]});
        assert_eq!(problems(schema, json!({"a": "x"})), "\"b\" is required; \"a\": \"x\" is not of type \"integer\"");
        let many = problems(json!({"items": {"type": "string"}}), (0..50).collect());
        assert!(many.ends_with("\"[4]\": 4 is not of type \"string\"; and more"), "{many}");
    }

    #[test]
    fn no_value_takes_long_to_tell_the_problems_of() {
        let branch = |kind: &str| json!({"properties": {"c": {"$ref": "#/$defs/N"}, "kind": {"const": kind}}});
        let schema = json!({"$ref": "#/$defs/N", "$defs": {"N": {"anyOf": [branch("a"), branch("b")]}}});
        let nested = |depth| (0..depth).fold(json!({"kind": "x"}), |value, _| json!({"c": value}));
        assert!(problems(schema.clone(), nested(2)).contains("fits none of the forms allowed"));
        // Two to the power of 60 branches.
        assert!(problems(schema, nested(60)).contains("nested too deeply, to say what"));
    }

    #[test]
    fn a_text_stays_short_whatever_the_value() {
        let long = "ä".repeat(10_000);
        let schema = json!({"properties": {"a": {"maxLength": 5}}, "additionalProperties": false});
        assert_eq!(
            problems(schema.clone(), json!({"a": long})),
            format!("\"a\": \"{}… is longer than 5 characters", "ä".repeat(LONGEST_VALUE - 1))
        );
        assert!(problems(schema, json!({long.clone(): 1})).chars().count() < 200);
        let options: Vec<_> = (0..1000).map(|i| format!("option {i}")).collect();
        assert!(problems(json!({"enum": options}), json!(long)).chars().count() <= LONGEST_PROBLEM + 1);
    }
}
