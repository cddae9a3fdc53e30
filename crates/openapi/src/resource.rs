//! Operations that are resources.

use mcp::operation::{Location, Operation, Source};
use serde_json::Value;

use crate::paths::Found;
use crate::rules::Rules;
use crate::selector::Subject;

/// Parameters of the query in one URI.
const MAX_QUERY: usize = 16;

/// The URI of the resource that an operation is, if it is one, and whether it is a tool.
pub(crate) fn of(
    found: &Found<'_>,
    subject: &Subject<'_>,
    operation: &Operation,
    rules: &Rules,
) -> (Option<String>, bool) {
    let is_meant = operation.method == "GET";
    let Some(rule) = rules.resources.iter().find(|rule| is_meant && rule.selector.meets(subject)) else {
        return (None, true);
    };
    let uri = match rule.many {
        true => below(&rule.uri, found.path, operation),
        false => Some(rule.uri.clone()),
    };
    let tool = rule.tool || uri.is_none();
    (uri, tool)
}

/// The template below a URI that the path of an operation is; none if the path does not have all that is required.
fn below(uri: &str, path: &str, operation: &Operation) -> Option<String> {
    let path = if uri.ends_with('/') { path.strip_prefix('/').unwrap_or(path) } else { path };
    let mut template = format!("{uri}{path}");
    let mut in_path = Vec::new();
    for parameter in operation.parameters.iter().filter(|parameter| parameter.location == Location::Path) {
        let place = format!("{{{}}}", parameter.name);
        let value = match &parameter.source {
            Source::Argument(argument) if is_variable(argument) => {
                in_path.push(argument.as_str());
                format!("{{{argument}}}")
            }
            Source::Argument(_) => return None,
            // Always the same, so that a name does.
            Source::Fixed(_) | Source::Operator(_) => parameter.name.clone(),
        };
        template = template.replace(&place, &value);
    }
    let required = operation.input_schema.get("required").and_then(Value::as_array);
    let mut required = required.into_iter().flatten().filter_map(Value::as_str);
    if required.any(|name| !in_path.contains(&name)) {
        return None;
    }
    let query: Vec<&str> = operation
        .parameters
        .iter()
        .filter(|parameter| parameter.location == Location::Query)
        .filter_map(|parameter| match &parameter.source {
            Source::Argument(name) if is_variable(name) && is_scalar(&operation.input_schema, name) => {
                Some(name.as_str())
            }
            _ => None,
        })
        .take(MAX_QUERY)
        .collect();
    if !query.is_empty() {
        template.push_str(&format!("{{?{}}}", query.join(",")));
    }
    Some(template)
}

/// Whether a URI template can have a variable of this name.
fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte))
}

/// Whether a text can stand for the value of an argument.
fn is_scalar(schema: &Value, name: &str) -> bool {
    let property = &schema["properties"][name];
    let kind = property.get("type").and_then(Value::as_str);
    matches!(kind, Some("string" | "integer" | "number" | "boolean"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rules::{ResourceRule, Rules};
    use crate::selector::Selector;
    use crate::test_documents::{document, outcome, warnings};

    fn pets() -> serde_json::Value {
        let parameter = |name: &str, location: &str, required: bool, schema: serde_json::Value| json!({"name": name, "in": location, "required": required, "schema": schema});
        let id = parameter("petId", "path", true, json!({"type": "integer"}));
        document(
            "3.1.0",
            json!({"paths": {
                "/pets": {
                    "get": {"operationId": "list", "tags": ["pets"], "parameters": [
                        parameter("limit", "query", false, json!({"type": "integer"})),
                        parameter("tags", "query", false, json!({"type": "array", "items": {"type": "string"}})),
                        parameter("filter[a]", "query", false, json!({"type": "string"})),
                        parameter("X-Lang", "header", false, json!({"type": "string"})),
                    ]},
                    "post": {"operationId": "create", "tags": ["pets"]},
                },
                "/pets/{petId}": {"parameters": [id], "get": {"operationId": "get", "tags": ["pets"]}},
                "/pets/search": {"get": {"operationId": "search", "tags": ["pets"], "parameters": [
                    parameter("q", "query", true, json!({"type": "string"})),
                ]}},
            }}),
        )
    }

    fn rule(uri: &str, terms: &[&str], many: bool, tool: bool) -> ResourceRule {
        ResourceRule { selector: Selector::parse(terms).unwrap(), uri: uri.into(), many, tool }
    }

    fn made(resources: Vec<ResourceRule>) -> Vec<(String, Option<String>, bool)> {
        let outcome = outcome(&pets(), &Rules { resources, ..Rules::default() });
        outcome.operations.into_iter().map(|(_, origin)| (origin.operation, origin.resource, origin.tool)).collect()
    }

    #[test]
    fn what_get_answers_without_more_is_a_resource() {
        let of = |name: &str, uri: Option<&str>, tool| (name.to_owned(), uri.map(str::to_owned), tool);
        assert_eq!(
            made(vec![rule("api:/", &["tag=pets"], true, false)]),
            [
                of("list", Some("api:/pets{?limit}"), false),
                of("create", None, true),
                of("get", Some("api:/pets/{petId}"), false),
                of("search", None, true),
            ]
        );
        assert_eq!(
            made(vec![
                rule("pet:{petId}", &["operation=get"], false, true),
                rule("search:{q}", &["operation=search"], false, false),
                rule("api://v1", &["path=/pets*"], true, false),
            ]),
            [
                of("list", Some("api://v1/pets{?limit}"), false),
                of("create", None, true),
                of("get", Some("pet:{petId}"), true),
                of("search", Some("search:{q}"), false),
            ]
        );
    }

    #[test]
    fn a_rule_that_nothing_meets_is_told() {
        let rules = Rules { resources: vec![rule("a:b", &["operation=gett"], false, false)], ..Rules::default() };
        let warnings = warnings(&pets(), &rules);
        assert!(
            warnings[0].contains("resource \"operation=gett\": no operation of the document meets it"),
            "{warnings:?}"
        );
    }
}
