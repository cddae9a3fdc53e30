//! What is wrong with a part of a document, or does not fit to it, is a `[warn]` with file and place; all else works.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::{document, names, upstream};
use crate::harness::{Conf, Nginx, Port, call};

/// The warnings of a configuration that is taken.
fn warnings(conf: &Conf) -> Vec<String> {
    let (taken, output) = conf.check();
    assert!(taken, "{}\n{output}", conf.shown());
    output.lines().filter(|line| line.contains("[warn]")).map(str::to_owned).collect()
}

/// Sees that there is exactly one warning, with all of `texts`.
fn warns(conf: &Conf, texts: &[&str]) {
    let warnings = warnings(conf);
    let [warning] = &warnings[..] else { panic!("{texts:?} in one of {warnings:#?}") };
    assert!(texts.iter().all(|text| warning.contains(text)), "{texts:?} in {warning}");
    assert!(warning.contains("nginx.conf:"), "{warning}");
}

fn conf(directives: &str, document: &Value) -> Conf {
    Conf::location(&format!("mcp_openapi api.json {{ {directives} }}")).file("api.json", document.to_string())
}

fn pets() -> Value {
    let id = json!({"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}});
    let mut document = document(
        "http://127.0.0.1:1",
        json!({
            "/pets": {
                "get": {"operationId": "listPets", "tags": ["public"]},
                "post": {"operationId": "addPet", "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}},
            },
            "/pets/{id}": {"get": {"operationId": "getPet", "parameters": [id]}},
        }),
    );
    document["components"] = json!({"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}});
    document["security"] = json!([{"key": []}]);
    document
}

#[test]
fn rules_that_meet_nothing_are_said() {
    let cases = [
        ("credential keys x;", &["\"api.json\"", "credential \"keys\"", "\"key\""][..]),
        ("hide tag=privat;", &["hide", "tag=privat"]),
        ("tool getPets { }", &["tool \"getPets\"", "no such operation", "\"getPet\""]),
        ("tool getPet { fix ID 1; }", &["tool \"getPet\"", "fix \"ID\"", "\"id\""]),
        ("tool addPet { fix body.name x; }", &["tool \"addPet\"", "fix \"body.name\""]),
        ("tool getPet { name \"a b\"; }", &["tool \"getPet\"", "\"a b\"", "A-Z a-z 0-9 _ -"]),
        ("hide path=*;", &["no tool was made"]),
    ];
    for (directives, texts) in cases {
        warns(&conf(directives, &pets()), texts);
    }
    assert_eq!(warnings(&conf("credential key x; hide tag=public; tool getPet { fix id 1; }", &pets())), [""; 0]);
}

#[test]
fn a_defect_costs_its_operation_alone() {
    let upstream = upstream();
    let mut document = document(
        &format!("http://{upstream}"),
        json!({
            "/good": {"get": {"operationId": "good"}},
            "/bad~/{x}": {"get": {"operationId": "bad", "parameters": [{"$ref": "#/components/parameters/None"}]}},
        }),
    );
    document["components"] = json!({});
    let conf = conf("", &document);
    warns(&conf, &["\"mcp_openapi\"", "\"api.json\"", "/paths/~1bad~0~1{x}/get/parameters/0", "left out"]);
    let nginx = conf.start();
    assert_eq!(names(&nginx), ["good"]);
    nginx.send(&call("good", json!({}))).success();
    assert_eq!(upstream.only_request().line(), "GET /good");
}

#[test]
fn a_broken_document_keeps_what_works() {
    let upstream = upstream();
    let conf = Conf::location("mcp_openapi broken.yaml { pass http://UPSTREAM; }")
        .with("UPSTREAM", &upstream)
        .file("broken.yaml", include_str!("../../openapi/broken-refs.yaml"));
    let warnings = warnings(&conf);
    for operation in ["dangling-schema", "dangling-param", "external", "file-ref", "http-ref", "self-alias"] {
        let pointer = format!("/{operation} is left out");
        assert!(
            warnings.iter().any(|line| line.contains("\"broken.yaml\"") && line.contains(&pointer)),
            "{operation}: {warnings:#?}"
        );
    }
    let nginx = conf.start();
    let names = names(&nginx);
    for name in ["ok", "recursive", "mutual", "deepPointer", "undeclaredPathParam", "odd_name_with_chars"] {
        assert!(names.iter().any(|known| known == name), "{name} in {names:?}");
    }
    nginx.send(&call("recursive", json!({"body": {"kids": [{"kids": []}]}}))).success();
    assert_eq!(upstream.only_request().line(), "POST /api/v1/recursive");
}

#[test]
fn references_lead_to_files_of_one_directory() {
    let upstream = upstream();
    let shared = json!({"Item": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}});
    let body = |file: &str| {
        json!({"post": {"operationId": file.split('/').next_back().unwrap().split('.').next(), "requestBody": {
            "content": {"application/json": {"schema": {"$ref": format!("{file}#/Item")}}}}}})
    };
    let document = document(
        &format!("http://{upstream}"),
        json!({
            "/a": body("shared/allowed.json"), "/b": body("outside.json"), "/c": body("shared/link.json"),
            "/d": body("shared/../../../../../../../../etc/passwd"), "/e": body("shared/none.json"),
        }),
    );
    let port = Port::reserve();
    let conf = conf("references shared;", &document)
        .file("shared/allowed.json", shared.to_string())
        .file("outside.json", shared.to_string());
    let directory = conf.write(&port);
    symlink(directory.path().join("outside.json"), directory.path().join("shared/link.json")).unwrap();
    let nginx = Nginx::start(directory, port);
    let warnings: Vec<String> = nginx.log.since(0).into_iter().filter(|line| line.contains("[warn]")).collect();
    assert_eq!(warnings.len(), 4, "{warnings:#?}");
    for (pointer, why) in [
        ("/paths/~1b/", "\"references\""),
        ("/paths/~1c/", "\"references\""),
        ("/paths/~1d/", "\"references\""),
        ("/paths/~1e/", "No such file"),
    ] {
        assert!(warnings.iter().any(|line| line.contains(pointer) && line.contains(why)), "{pointer}: {warnings:#?}");
    }
    assert_eq!(names(&nginx), ["allowed"]);
    nginx.send(&call("allowed", json!({"body": {}}))).failure();
    nginx.send(&call("allowed", json!({"body": {"n": 1}}))).success();
    assert_eq!(upstream.only_request().body(), br#"{"n":1}"#);

    let none = self::conf("", &document).file("shared/allowed.json", shared.to_string());
    let without = self::warnings(&none);
    assert!(without[0].contains("/paths/~1a/") && without[0].contains("\"references\""), "{without:#?}");
}

#[test]
fn a_header_of_the_operator_wins_over_the_document() {
    let upstream = upstream();
    let parameter = json!({"name": "X-Tenant", "in": "header", "schema": {"type": "string"}});
    let mut document = document(
        &format!("http://{upstream}"),
        json!({"/a": {"get": {"operationId": "a", "parameters": [parameter]}}}),
    );
    document["components"] = json!({"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}});
    document["security"] = json!([{"token": []}]);
    for (outside, inside) in [
        ("", "proxy_set_header X-Tenant fixed; proxy_set_header authorization \"Basic YTpi\";"),
        ("proxy_set_header x-tenant fixed;\nproxy_set_header Authorization \"Basic YTpi\";", ""),
    ] {
        let conf = Conf::location(&format!("{outside}\nmcp_openapi api.json {{ credential token secret; {inside} }}"))
            .file("api.json", document.to_string());
        let warnings = warnings(&conf);
        assert_eq!(warnings.len(), 2, "{warnings:#?}");
        for name in ["x-tenant", "authorization"] {
            let is_said = |line: &String| {
                let line = line.to_lowercase();
                line.contains(&format!("header \"{name}\"")) && line.contains("\"proxy_set_header\"")
            };
            assert!(warnings.iter().any(is_said), "{name} {warnings:#?}");
        }
        let before = upstream.requests().len();
        conf.start().send(&call("a", json!({"X-Tenant": "other"}))).success();
        let request = &upstream.requests()[before];
        assert_eq!(request.header("x-tenant").as_deref(), Some("fixed"));
        assert_eq!(request.header("authorization").as_deref(), Some("Basic YTpi"));
    }
}
