//! All of a document's operations.

use std::collections::HashSet;

use mcp::operation::Operation;

use crate::description;
use crate::document::Document;
use crate::name;
use crate::near;
use crate::paths::{self, Found};
use crate::reader::Reader;
use crate::resource;
use crate::rules::{Edit, Rules};
use crate::schema::Schemas;
use crate::security::Security;
use crate::selector::Subject;
use crate::server::Servers;
use crate::tool::Maker;
use crate::warning::Warning;

/// Of one operation.
const MAX_TAGS: usize = 100;

/// What became of a document.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What the document calls itself: title and version, if it has both.
    pub info: Option<(String, String)>,
    /// In the document's order.
    pub operations: Vec<(Operation, Origin)>,
    /// What is wrong with the document, or with the rules for it, and what came of it.
    pub warnings: Vec<Warning>,
}

/// Where an operation comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// As in [`Warning::pointer`].
    pub pointer: String,
    /// Its `operationId`, else the name made of method and path.
    pub operation: String,
    /// Which of [`Rules::edits`] is for it.
    pub edit: Option<usize>,
    /// The URI or template of the resource that it is.
    pub resource: Option<String>,
    /// Whether it is a tool.
    pub tool: bool,
}

impl Document {
    /// The operations that the rules ask for.
    ///
    /// `external` gives the text of a file that a reference names, by its path relative to the document (`shared.yaml`,
    /// `../common/types.json`); the error is why it is not to be had. Nothing else is ever read.
    pub fn operations(&self, rules: &Rules, external: &mut dyn FnMut(&str) -> Result<String, String>) -> Outcome {
        let reader = Reader::new(self, external);
        let operations = operations(&reader, rules);
        Outcome { info: description::info(&reader.root()), operations, warnings: reader.warnings.take() }
    }
}

fn operations(reader: &Reader<'_>, rules: &Rules) -> Vec<(Operation, Origin)> {
    let about_rules = |text: String| reader.warnings.push(Warning { pointer: String::new(), text });
    let servers = match Servers::new(rules) {
        Ok(servers) => servers,
        Err(why) => {
            about_rules(why);
            return Vec::new();
        }
    };
    let found = paths::find(reader);
    let subjects: Vec<Subject<'_>> = found.iter().map(subject).collect();
    let edits = edits(&subjects, &found, rules, &about_rules);
    let names = names(&found, &edits, rules, &about_rules);
    let wanted = wanted(&subjects, rules, &about_rules);
    let security = Security::new(reader, rules);
    let mut maker = Maker::new(reader, rules, servers, security, Schemas::new(reader));
    let mut operations = Vec::new();
    let mut taken = HashSet::new();
    for (i, found) in found.iter().enumerate().filter(|(i, _)| wanted[*i]) {
        let Some(name) = &names[i] else { continue };
        if !taken.insert(name.clone()) {
            reader.warn(&found.at, format!("another tool has the name \"{name}\"; the operation is left out"));
            continue;
        }
        let edit = edits[i].map(|edit| &rules.edits[edit]);
        match maker.make(found, name.clone(), edit) {
            Ok(operation) => {
                let pointer = reader.defect(&found.at, "").pointer;
                let (resource, tool) = resource::of(found, &subjects[i], &operation, rules);
                let id = subjects[i].id.clone();
                operations.push((operation, Origin { pointer, operation: id, edit: edits[i], resource, tool }));
            }
            Err(Warning { pointer, text }) => {
                let pointer = if pointer.is_empty() { reader.defect(&found.at, "").pointer } else { pointer };
                let text = format!("{text}; {} {} is left out", found.method, found.path);
                reader.warnings.push(Warning { pointer, text });
            }
        }
    }
    operations
}

fn subject<'d>(found: &Found<'d>) -> Subject<'d> {
    Subject {
        id: found.operation_id().map_or_else(|| name::plain(found), str::to_owned),
        tags: found.operation.texts("tags").take(MAX_TAGS).collect(),
        method: found.method.clone(),
        path: found.path,
    }
}

/// The `tool` block of each operation.
fn edits(
    subjects: &[Subject<'_>],
    found: &[Found<'_>],
    rules: &Rules,
    about_rules: &dyn Fn(String),
) -> Vec<Option<usize>> {
    let mut edits = vec![None; subjects.len()];
    for (e, edit) in rules.edits.iter().enumerate() {
        let mut met = false;
        for (i, subject) in subjects.iter().enumerate() {
            if subject.id == edit.operation || name::plain(&found[i]) == edit.operation {
                met = true;
                edits[i].get_or_insert(e);
            }
        }
        if !met {
            let near = near::suggestion(&edit.operation, subjects.iter().map(|subject| subject.id.as_str()));
            about_rules(format!("tool \"{}\": the document has no such operation{near}", edit.operation));
        }
    }
    edits
}

/// The name of each operation; none where the operator's cannot be used.
fn names(
    found: &[Found<'_>],
    edits: &[Option<usize>],
    rules: &Rules,
    about_rules: &dyn Fn(String),
) -> Vec<Option<String>> {
    let edit = |i: usize| -> Option<&Edit> { edits[i].map(|edit| &rules.edits[edit]) };
    let given: Vec<Option<&str>> = (0..found.len()).map(|i| edit(i)?.name.as_deref()).collect();
    let names = name::all(found, &rules.prefix, &given);
    let check = |(i, name): (usize, String)| {
        if name::is_legal(&name) {
            return Some(name);
        }
        let of = edit(i).map_or_else(|| "prefix".into(), |edit| format!("tool \"{}\"", edit.operation));
        about_rules(format!("{of}: \"{name}\" cannot be a tool's name, which is 1 to 64 of A-Z a-z 0-9 _ -"));
        None
    };
    names.into_iter().enumerate().map(check).collect()
}

fn wanted(subjects: &[Subject<'_>], rules: &Rules, about_rules: &dyn Fn(String)) -> Vec<bool> {
    let resources = rules.resources.iter().map(|rule| &rule.selector).collect();
    for (directive, selectors) in [
        ("expose", rules.expose.iter().collect::<Vec<_>>()),
        ("hide", rules.hide.iter().collect()),
        ("resource", resources),
    ] {
        for selector in selectors.iter().filter(|selector| !subjects.iter().any(|subject| selector.meets(subject))) {
            let (meant, candidates) = selector.candidates(subjects);
            let near = near::suggestion(meant, candidates);
            about_rules(format!("{directive} \"{selector}\": no operation of the document meets it{near}"));
        }
    }
    let wanted = |subject: &Subject<'_>| {
        let method = rules.methods.is_empty() || rules.methods.iter().any(|m| m.eq_ignore_ascii_case(&subject.method));
        let safe = !rules.readonly || matches!(subject.method.as_str(), "GET" | "HEAD" | "QUERY");
        let exposed = rules.expose.is_empty() || rules.expose.iter().any(|selector| selector.meets(subject));
        method && safe && exposed && !rules.hide.iter().any(|selector| selector.meets(subject))
    };
    subjects.iter().map(wanted).collect()
}

#[cfg(test)]
mod tests {
    use mcp::operation::Source;
    use serde_json::{Value, json};

    use super::*;
    use crate::Selector;
    use crate::test_documents::{document, outcome, warnings};

    fn orders() -> Value {
        document(
            "3.0.3",
            json!({"paths": {
                "/orders": {
                    "get": {"operationId": "listOrders", "tags": ["public"], "summary": "List", "parameters": [
                        {"name": "limit", "in": "query", "schema": {"type": "integer"}},
                        {"name": "tenant", "in": "header", "required": true, "schema": {"type": "string"}},
                    ]},
                    "post": {"operationId": "createOrder", "tags": ["public", "write"], "deprecated": true},
                },
                "/orders/{id}": {"delete": {"operationId": "deleteOrder", "parameters": [{"name": "id", "in": "path"}]}},
                "/admin/users": {"get": {}, "put": {"operationId": "listOrders"}},
            }}),
        )
    }

    fn names(rules: &Rules) -> Vec<String> {
        let outcome = outcome(&orders(), rules);
        let mut names: Vec<String> = outcome.operations.into_iter().map(|(operation, _)| operation.name).collect();
        names.sort();
        names
    }

    fn selectors(terms: &[&[&str]]) -> Vec<Selector> {
        terms.iter().map(|terms| Selector::parse(terms).unwrap()).collect()
    }

    #[test]
    fn an_operator_chooses() {
        let all = ["createOrder", "deleteOrder", "get_admin_users", "listOrders_GET", "listOrders_PUT"];
        let cases = [
            (Rules::default(), all.to_vec()),
            (Rules { expose: selectors(&[&["tag=public"]]), ..Rules::default() }, vec![all[0], all[3]]),
            (
                Rules { expose: selectors(&[&["tag=write"], &["path=/admin/*", "method=GET"]]), ..Rules::default() },
                vec![all[0], all[2]],
            ),
            (
                Rules {
                    expose: selectors(&[&["tag=public"]]),
                    hide: selectors(&[&["operation=list*"]]),
                    ..Rules::default()
                },
                vec![all[0]],
            ),
            (Rules { methods: vec!["POST".into(), "delete".into()], ..Rules::default() }, vec![all[0], all[1]]),
            (Rules { readonly: true, ..Rules::default() }, vec![all[2], all[3]]),
        ];
        // Both share an operationId, so both get the hash of what they are.
        let hash = |method: &str, path: &str| format!("listOrders_{}", crate::hash::short(&[method, path]));
        for (rules, expected) in cases {
            let mut expected: Vec<String> = expected
                .into_iter()
                .map(|name| match name {
                    "listOrders_GET" => hash("GET", "/orders"),
                    "listOrders_PUT" => hash("PUT", "/admin/users"),
                    name => name.into(),
                })
                .collect();
            expected.sort();
            assert_eq!(names(&rules), expected);
        }
    }

    #[test]
    fn names_are_prefixed_and_never_too_long() {
        let prefix = "p".repeat(60);
        let names = names(&Rules { prefix, ..Rules::default() });
        assert_eq!(names.len(), 5);
        assert!(names.iter().all(|name| name.len() == 64 && name.starts_with("ppp")), "{names:?}");
    }

    #[test]
    fn one_operation_is_made_to_measure() {
        let fix = vec![("limit".into(), "20".into()), ("tenant".into(), "$http_x_tenant".into())];
        let name = Some("createOrder".into());
        let edits = vec![
            Edit { operation: "get_admin_users".into(), name: Some("users".into()), ..Edit::default() },
            Edit { operation: "listOrders".into(), name, description: Some("D".into()), fix },
        ];
        let expose = selectors(&[&["path=/orders"], &["operation=get_admin_users"]]);
        let outcome = outcome(&orders(), &Rules { edits, expose, prefix: "o_".into(), ..Rules::default() });
        let of = |name: &str| outcome.operations.iter().find(|(operation, _)| operation.name == name).unwrap();
        assert_eq!(
            of("users").1,
            Origin {
                pointer: "/paths/~1admin~1users/get".into(),
                operation: "get_admin_users".into(),
                edit: Some(0),
                resource: None,
                tool: true
            }
        );
        let (list, origin) = of("createOrder");
        assert_eq!((origin.edit, list.description.as_str(), list.title.as_deref()), (Some(1), "D", Some("List")));
        assert_eq!(list.input_schema, json!({"type": "object", "properties": {}, "additionalProperties": false}));
        let sources: Vec<&Source> = list.parameters.iter().map(|parameter| &parameter.source).collect();
        assert_eq!(sources, [&Source::Fixed(json!(20)), &Source::Operator("$http_x_tenant".into())]);
        let (create, _) = of("o_createOrder");
        assert_eq!(create.description, "Deprecated. POST /orders");
    }

    #[test]
    fn rules_that_meet_nothing_are_named() {
        let edit = |operation: &str, name: Option<&str>, fix: &str| Edit {
            operation: operation.into(),
            name: name.map(Into::into),
            description: None,
            fix: if fix.is_empty() { Vec::new() } else { vec![(fix.into(), "1".into())] },
        };
        let cases = [
            (
                Rules { expose: selectors(&[&["tag=publik"], &["tag=public"]]), ..Rules::default() },
                "expose \"tag=publik\": no operation of the document meets it; near it: \"public\"",
            ),
            (
                Rules { hide: selectors(&[&["operation=deleteOder*"]]), ..Rules::default() },
                "hide \"operation=deleteOder*\": no operation of the document meets it; near it: \"deleteOrder\"",
            ),
            (
                Rules { edits: vec![edit("creatOrder", None, "")], ..Rules::default() },
                "tool \"creatOrder\": the document has no such operation; near it: \"createOrder\"",
            ),
            (
                Rules { edits: vec![edit("deleteOrder", None, "Id_")], ..Rules::default() },
                "tool \"deleteOrder\": fix \"Id_\": the operation has no such parameter; near it: \"id\"",
            ),
            (
                Rules { edits: vec![edit("createOrder", Some("a.b"), "")], ..Rules::default() },
                "tool \"createOrder\": \"a.b\" cannot be a tool's name, which is 1 to 64 of A-Z a-z 0-9 _ -",
            ),
            (Rules { pass: Some("orders".into()), ..Rules::default() }, "pass: \"orders\" is not a URL"),
        ];
        for (rules, expected) in cases {
            let warnings = warnings(&orders(), &rules);
            assert!(warnings.len() == 1 && warnings[0].starts_with(expected), "{warnings:?}");
        }
    }

    #[test]
    fn files_are_read_through_the_caller_alone() {
        let text = json!({"openapi": "3.0.3", "servers": [{"url": "https://x"}], "paths": {
            "/a": {"$ref": "paths/a.yaml"},
            "/b": {"get": {"$ref": "paths/b.yaml#/get"}},
        }});
        let document = Document::parse(&text.to_string(), &crate::Limits::default()).unwrap();
        let mut asked = Vec::new();
        let outcome = document.operations(&Rules::default(), &mut |name| {
            asked.push(name.to_owned());
            match name {
                "paths/a.yaml" => Ok("get: {operationId: a, parameters: [{$ref: '../shared.yaml#/P'}]}".into()),
                "shared.yaml" => Ok("P: {name: p, in: query, schema: {$ref: '#/S'}}\nS: {type: integer}".into()),
                _ => Err("it is not below the directory".into()),
            }
        });
        assert_eq!(asked, ["paths/a.yaml", "paths/b.yaml", "shared.yaml"]);
        let (operation, origin) = &outcome.operations[0];
        assert_eq!((operation.name.as_str(), origin.pointer.as_str()), ("a", "/paths/~1a/get"));
        let reference = operation.input_schema["properties"]["p"]["$ref"].as_str().unwrap();
        let schema = &operation.input_schema["$defs"][reference.strip_prefix("#/$defs/").unwrap()];
        assert_eq!(*schema, json!({"type": "integer"}));
        let expected = "/paths/~1b/get: \"$ref\": \"paths/b.yaml#/get\" cannot be read: it is not below the directory";
        assert_eq!(outcome.warnings.len(), 1);
        assert_eq!(outcome.warnings[0].to_string(), expected);
    }
}
