//! What a document may cost.

/// Bounds on one document and on what is made of it. What goes beyond one is refused with an error or left out with a
/// warning that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document, and of all files together that it refers to.
    pub bytes: usize,
    /// Values and keys in one document, those that an alias of YAML repeats counted each time. GitHub's, the largest that
    /// is known, has 480,000.
    pub values: usize,
    /// Lists and objects inside each other. Never more than 120: the JSON parser has a limit, too.
    pub depth: usize,
    /// Files that a document refers to.
    pub files: usize,
    /// Operations of one document.
    pub operations: usize,
    /// Parameters of one operation, and fields of its form.
    pub parameters: usize,
    /// Steps of making all operations: a value looked at, eight bytes of a schema copied. A short document can ask for the
    /// same long work in many places. GitHub's takes less than 2,000,000.
    pub steps: usize,
    /// Bytes of one operation's input schema, and of its output schema, as JSON.
    pub schema_bytes: usize,
    /// Bytes of all schemas together, as JSON.
    pub all_schemas_bytes: usize,
    /// Characters of a tool's description.
    pub description: usize,
    /// Warnings that are kept; the rest is counted.
    pub warnings: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 32 << 20,
            values: 1_500_000,
            depth: 120,
            files: 2_000,
            operations: 10_000,
            parameters: 1_000,
            steps: 10_000_000,
            schema_bytes: 512 << 10,
            all_schemas_bytes: 64 << 20,
            description: 2_000,
            warnings: 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::{Document, Outcome, Rules};

    fn outcome(json: &Value, limits: &Limits) -> Outcome {
        let mut document = json!({"openapi": "3.2.0", "servers": [{"url": "http://a"}]});
        document.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        let document = Document::parse(&document.to_string(), limits).unwrap();
        document.operations(&Rules::default(), &mut |name| Err(name.into()))
    }

    /// Members or items of a number.
    fn many<T: FromIterator<(String, Value)>>(count: usize, name: &str, value: &Value) -> T {
        (0..count).map(|i| (format!("{name}{i}"), value.clone())).collect()
    }

    #[test]
    fn what_is_too_much_for_one_operation_costs_that_operation() {
        let limits = Limits { parameters: 10, ..Limits::default() };
        let parameters: Vec<Value> = (0..11).map(|i| json!({"name": format!("q{i}"), "in": "query"})).collect();
        let properties: Map<String, Value> = many(11, "p", &json!({"type": "string", "format": "binary"}));
        let form = json!({"multipart/form-data": {"schema": {"properties": properties}}});
        let long = "{v}".repeat(5_000);
        let server = json!({"url": format!("http://a/{long}"), "variables": {"v": {"default": "x".repeat(9_000)}}});
        let cases = [
            ("/a", json!({"parameters": parameters}), "11 parameters are more than the limit of 10"),
            ("/a", json!({"requestBody": {"content": form}}), "11 fields are more than the limit of 10"),
            (&format!("/{long}"), json!({}), "the path has more than 8000 characters"),
            ("/a", json!({"servers": [server]}), "the server's URL has more than 8000 characters"),
        ];
        for (path, operation, expected) in cases {
            let outcome = outcome(&json!({"paths": {path: {"get": operation}, "/ok": {"get": {}}}}), &limits);
            assert_eq!(outcome.operations.len(), 1, "{expected}");
            assert!(
                outcome.warnings.iter().any(|warning| warning.text.starts_with(expected)),
                "{:?}",
                outcome.warnings
            );
        }
    }

    #[test]
    fn shared_work_has_an_end() {
        let limits = Limits { steps: 20_000, ..Limits::default() };
        let reference = |name: &str| json!({"$ref": format!("#/components/{name}")});
        let text: Map<String, Value> = many(200, "p", &json!({"type": "string"}));
        let wide = json!({"properties": text});
        let chain: Map<String, Value> = (0..200)
            .map(|i| (format!("S{i}"), json!({"items": reference(&format!("schemas/S{}", (i + 1) % 200))})))
            .collect();
        let content: Map<String, Value> = many(200, "a/b", &json!({}));
        let query =
            |schema: Value| json!({"parameters": [{"name": "q", "in": "query", "required": true, "schema": schema}]});
        let cases = [
            (
                "the same properties",
                query(json!({"allOf": vec![reference("schemas/W"); 20]})),
                json!({"schemas": {"W": wide}}),
            ),
            ("the same definitions", query(reference("schemas/S0")), json!({"schemas": chain})),
            (
                "the same media types",
                json!({"requestBody": reference("requestBodies/B")}),
                json!({"requestBodies": {"B": {"content": content}}}),
            ),
            ("the same operation", json!({"tags": vec!["t"; 2_000]}), json!({})),
            (
                "the same answers",
                json!({"responses": {"200": reference("responses/R")}}),
                json!({"responses": {"R": {"content": content}}}),
            ),
        ];
        for (what, operation, components) in cases {
            // One is not too much.
            let one = outcome(&json!({"paths": {"/a": {"get": operation}}, "components": components}), &limits);
            assert_eq!((one.operations.len(), one.warnings.as_slice()), (1, &[][..]), "{what}");
            let paths: Map<String, Value> = many(500, "/p", &reference("pathItems/P"));
            let mut components = components;
            components["pathItems"] = json!({"P": {"get": operation}});
            let all = outcome(&json!({"paths": paths, "components": components}), &limits);
            let ended = all.warnings.iter().any(|warning| warning.text.contains("take more than 20000 steps to read"));
            assert!(ended && (1..500).contains(&all.operations.len()), "{what}: {}", all.operations.len());
        }
    }

    #[test]
    fn no_more_methods_are_read_than_operations_are_wanted() {
        let limits = Limits { operations: 10, ..Limits::default() };
        let methods: Map<String, Value> = many(1_000, "M", &json!({}));
        let outcome = outcome(&json!({"paths": {"/a": {"additionalOperations": methods}, "/b": {"get": {}}}}), &limits);
        assert_eq!((outcome.operations.len(), outcome.warnings.len()), (10, 1), "{:?}", outcome.warnings);
    }
}
