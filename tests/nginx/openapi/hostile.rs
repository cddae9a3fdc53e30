//! Documents that were made to do harm: nginx refuses them with a message, within the time that a test has.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use crate::harness::{Conf, Port};

/// What `nginx -t` says of a configuration that it must refuse, and not die of.
fn refused(conf: &Conf, prepare: impl FnOnce(&Path)) -> String {
    let directory = conf.write(&Port::reserve());
    prepare(directory.path());
    let (status, text) = Conf::check_in(directory.path());
    assert_eq!(status.code(), Some(1), "{status}\n{text:.2000}");
    assert!(text.contains("[emerg]") && text.contains("nginx.conf:") && text.len() < 10_000, "{text:.2000}");
    assert!(!text.contains("[alert]") && !text.contains("panicked"), "{text}");
    text
}

fn conf(content: impl Into<Vec<u8>>) -> Conf {
    Conf::location("mcp_openapi api { }").file("api", content)
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = String::from("openapi: 3.1.0\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        text += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    assert!(refused(&conf(text), |_| {}).contains("\"api\""));
}

#[test]
fn depth_is_refused() {
    let nested = |open: &str, close: &str, depth: usize| open.repeat(depth) + "1" + &close.repeat(depth);
    let block = (0..10_000).map(|depth| " ".repeat(depth % 200) + "- ").collect::<String>();
    for text in [
        "[".repeat(200_000),
        "{\"a\":".repeat(200_000),
        nested("[", "]", 10_000),
        nested("{\"a\":", "}", 10_000),
        format!("openapi: 3.1.0\npaths: {}", nested("[", "]", 10_000)),
        format!("openapi: 3.1.0\npaths: {}", nested("{a: ", "}", 10_000)),
        format!("openapi: 3.1.0\npaths:\n {block}x\n"),
        format!("openapi: 3.1.0\npaths: {}x\n", "? ".repeat(10_000)),
        format!("openapi: 3.1.0\npaths: {}x\n", "- ".repeat(10_000)),
    ] {
        refused(&conf(text), |_| {});
    }
}

#[test]
fn schemas_that_are_deep_cost_their_operation() {
    let deep = r#"{"type":"array","items":"#.repeat(100) + "{}" + &"}".repeat(100);
    let mutual = r##"{"allOf":[{"$ref":"#/components/schemas/A"},{"$ref":"#/components/schemas/A"}]}"##;
    let paths = r##"{"/a": {"post": {"operationId": "a", "requestBody": {"content": {"application/json": {"schema": DEEP}}}}},
        "/b": {"post": {"operationId": "b", "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}}},
        "/c": {"get": {"operationId": "c"}}}"##;
    let text = format!(
        r#"{{"openapi": "3.1.0", "servers": [{{"url": "http://127.0.0.1:1"}}], "paths": {}, "components": {{"schemas": {{"A": {mutual}}}}}}}"#,
        paths.replace("DEEP", &deep)
    );
    let nginx = conf(text).start();
    let names = super::names(&nginx);
    assert!(names.iter().any(|name| name == "c"), "{names:?}");
}

#[test]
fn a_file_of_100_megabytes_is_refused() {
    let text =
        refused(&conf(""), |directory| File::create(directory.join("api")).unwrap().set_len(100_000_000).unwrap());
    assert!(text.contains("100000000") && text.contains("\"max_size\""), "{text}");
    let allowed = Conf::location("mcp_openapi api { max_size 200m; }").file("api", "");
    refused(&allowed, |directory| File::create(directory.join("api")).unwrap().set_len(100_000_000).unwrap());
}

#[test]
fn a_pipe_and_a_device_are_refused() {
    let text = refused(&Conf::location("mcp_openapi api { }"), |directory| {
        let made = Command::new("mkfifo").arg(directory.join("api")).status().unwrap();
        assert!(made.success());
    });
    assert!(text.contains("is not a file"), "{text}");
    refused(&Conf::location("mcp_openapi /dev/zero { }"), |_| {});
}

#[test]
fn many_operations_and_names_are_bounded() {
    let paths: Vec<String> = (0..20_000).map(|n| format!(r#""/{n}": {{"get": {{"operationId": "same"}}}}"#)).collect();
    let text = format!(
        r#"{{"openapi": "3.1.0", "servers": [{{"url": "http://127.0.0.1:1"}}], "paths": {{{}}}}}"#,
        paths.join(",")
    );
    let (taken, output) = conf(text).check();
    assert!(taken && output.contains("10000"), "{output:.2000}");
    assert!(output.lines().count() < 600, "warnings are bounded");
}
