//! A document that is a URL is fetched when nginx reads its configuration.

use std::fs;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::{document, names};
use crate::harness::{Act, Conf, Gate, Nginx, Port, Upstream, all_refused, call, json as answer, refused, response};

/// An upstream that has a document at `/api/openapi.json` (with whatever query), whose server is relative to it, and
/// answers all else with `{"ok": true}`.
fn source() -> Upstream {
    Upstream::new(|request| match request.target().split('?').next() {
        Some("/api/openapi.json") => response(200, "application/json", relative("a")),
        _ => answer(&json!({"ok": true})),
    })
}

/// A document of one operation at a relative server.
fn relative(id: &str) -> String {
    document("v1/", json!({"/a": {"get": {"operationId": id}}})).to_string()
}

fn conf(url: &str, directives: &str) -> Conf {
    Conf::location(&format!("mcp_openapi {url} {{ #here\n{directives}\n}}"))
}

#[test]
fn a_relative_server_is_relative_to_the_url() {
    let source = source();
    let nginx = conf(&format!("http://{source}/api/openapi.json"), "").start();
    assert_eq!(names(&nginx), ["a"]);
    nginx.send(&call("a", json!({}))).success();
    let lines: Vec<String> = source.requests().iter().map(|request| request.line()).collect();
    assert_eq!(lines, ["GET /api/openapi.json", "GET /api/v1/a"]);
    nginx.log.await_lines(0, 1, "was fetched");
}

#[test]
fn redirects_are_followed_and_count() {
    let target = source();
    let there = format!("http://{target}/api/openapi.json");
    let moved = |to: String| {
        vec![Act::Send(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into())]
    };
    let redirect = Upstream::new(move |request| match request.target().as_str() {
        "/loop" => moved("/loop".into()),
        _ => moved(there.clone()),
    });
    let nginx = conf(&format!("http://{redirect}/openapi.json"), "").start();
    nginx.send(&call("a", json!({}))).success();
    assert_eq!(target.requests()[1].line(), "GET /api/v1/a");
    refused(conf(&format!("http://{redirect}/loop"), ""), &["\"mcp_openapi\"", "/loop", "redirect"]);
}

#[test]
fn a_source_without_a_document_is_refused() {
    let upstream = Upstream::new(|request| match request.target().as_str() {
        "/missing" => response(404, "text/plain", "no such thing"),
        "/error" => response(500, "text/plain", "broken"),
        "/html" => response(200, "text/html", "<!DOCTYPE html><html><body>Hello</body></html>"),
        "/half" => vec![Act::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{".into()), Act::Close],
        "/large" => response(200, "application/json", "x".repeat(100_000)),
        "/endless" => {
            let body = "x".repeat(100_000);
            vec![
                Act::Send(format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{body}").into()),
                Act::Close,
            ]
        }
        "/empty" => response(200, "application/json", ""),
        _ => vec![Act::Reset],
    });
    let cases = [
        ("/missing", "", &["404"][..]),
        ("/error", "", &["500"]),
        ("/html", "", &["HTML"]),
        ("/half", "", &[]),
        ("/large", "max_size 10k;", &["10240"]),
        ("/endless", "max_size 10k;", &["10240"]),
        ("/empty", "", &["is empty"]),
        ("/reset", "", &[]),
    ];
    all_refused(cases.map(|(path, directives, texts)| {
        let texts = [&["\"mcp_openapi\"", "cannot fetch", path], texts].concat();
        (conf(&format!("http://{upstream}{path}"), directives), texts)
    }));
    let nobody = Port::reserve();
    refused(conf(&format!("http://{nobody}/x"), ""), &["\"mcp_openapi\"", "cannot fetch", "/x"]);
    refused(conf("http://no-such-host.invalid/x", ""), &["\"mcp_openapi\"", "no-such-host.invalid"]);
}

#[test]
fn a_slow_source_does_not_keep_nginx_waiting() {
    let gate = Gate::default();
    let waits = gate.clone();
    let upstream = Upstream::new(move |_| vec![Act::AwaitClose(waits.clone())]);
    refused(
        conf(&format!("http://{upstream}/slow"), "timeout 1s;"),
        &["\"mcp_openapi\"", "cannot fetch", "/slow", "within 1s"],
    );
    gate.wait();
}

#[test]
fn a_cached_copy_is_used_while_the_source_is_down() {
    let port = Port::reserve();
    let listener = TcpListener::bind(port.address()).unwrap();
    let version = Arc::new(Mutex::new("first"));
    let served = version.clone();
    let source = Upstream::on(listener, move |request| match *served.lock().unwrap() {
        "down" => response(503, "text/plain", "down"),
        "garbage" => response(200, "application/json", "{"),
        _ if request.target().ends_with("/a") => answer(&json!({"ok": true})),
        id => response(200, "application/json", relative(id)),
    });
    let conf = conf(&format!("http://{source}/api/openapi.json"), "cache copies;").file("copies/.keep", "");
    let at = Port::reserve();
    let directory = conf.write(&at);
    let copies = || fs::read_dir(directory.path().join("copies")).unwrap().count() - 1;
    let check = || {
        let (status, output) = Conf::check_in(directory.path());
        (status.success(), output)
    };
    *version.lock().unwrap() = "down";
    let (taken, output) = check();
    assert!(!taken && output.contains("[emerg]") && output.contains("503") && output.contains("no copy"), "{output}");
    *version.lock().unwrap() = "first";
    let (taken, output) = check();
    assert!(taken && output.contains("was fetched") && !output.contains("[warn]"), "{output}");
    assert_eq!(copies(), 1);
    for state in ["down", "garbage"] {
        *version.lock().unwrap() = state;
        let (taken, output) = check();
        let warnings: Vec<&str> = output.lines().filter(|line| line.contains("[warn]")).collect();
        assert!(taken && warnings.len() == 1 && warnings[0].contains("the copy of"), "{state}: {output}");
    }
    drop(source);
    let (taken, output) = check();
    assert!(taken && output.contains("[warn]") && output.contains("the copy of"), "{output}");
    let nginx = Nginx::start(directory, at);
    assert_eq!(names(&nginx), ["first"]);
    let warnings: Vec<String> = nginx.log.since(0).into_iter().filter(|line| line.contains("[warn]")).collect();
    assert!(
        warnings.len() == 1 && warnings[0].contains("the copy of") && warnings[0].contains("nginx.conf:"),
        "{warnings:?}"
    );
}

#[test]
fn a_reload_fetches_again() {
    let version = Arc::new(Mutex::new("first"));
    let served = version.clone();
    let source = Upstream::new(move |_| response(200, "application/json", relative(*served.lock().unwrap())));
    let nginx = conf(&format!("http://{source}/openapi.json"), "").start();
    assert_eq!(names(&nginx), ["first"]);
    *version.lock().unwrap() = "second";
    nginx.reload();
    assert_eq!(names(&nginx), ["second"]);
}

#[test]
fn no_secret_of_a_url_is_logged() {
    let source = source();
    let conf = |source: &dyn std::fmt::Display, path: &str, directives: &str| {
        conf(&format!("\"http://joe:pa55word@{source}{path}?token=t0ken#fragm3nt\""), directives)
            .file("copies/.keep", "")
    };
    let nobody = Port::reserve();
    let mut outputs = vec![
        conf(&source, "/api/openapi.json", "cache copies; hide tag=none; credential none x; tool none { }").check(),
        conf(&source, "/api/openapi.json", "strict on; hide tag=none;").check(),
        conf(&source, "/other", "").check(),
        conf(&nobody, "/x", "cache copies;").check(),
        conf(&source, "/api/openapi.json", "cache none;").check(),
    ];
    let nginx = conf(&source, "/api/openapi.json", "cache copies;").start();
    nginx.send(&call("a", json!({}))).success();
    outputs.push((true, nginx.log.since(0).join("\n")));
    for (_, output) in outputs {
        assert!(output.contains("mcp_openapi"), "{output}");
        for secret in ["pa55word", "t0ken", "fragm3nt", "joe"] {
            assert!(!output.contains(secret), "{secret}: {output}");
        }
    }
    let first = &source.requests()[0];
    assert_eq!(first.target(), "/api/openapi.json?token=t0ken");
    assert_eq!(first.header("authorization").as_deref(), Some("Basic am9lOnBhNTV3b3Jk"));
    let called = source.requests().into_iter().find(|request| request.target().contains("/v1/")).unwrap();
    assert_eq!((called.target().as_str(), called.header("authorization")), ("/api/v1/a", None));
}

#[test]
fn a_document_of_a_url_refers_to_no_files() {
    let upstream = Upstream::new(|_| {
        let body = json!({"content": {"application/json": {"schema": {"$ref": "other.json#/A"}}}});
        let paths =
            json!({"/a": {"post": {"operationId": "a", "requestBody": body}}, "/b": {"get": {"operationId": "b"}}});
        response(200, "application/json", document("/", paths).to_string())
    });
    let nginx = conf(&format!("http://{upstream}/api.json"), "").file("other.json", r#"{"A": {}}"#).start();
    assert_eq!(names(&nginx), ["b"]);
    nginx.log.await_lines(0, 1, "/paths/~1a/post");
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn what_is_for_files_is_refused() {
    let conf = conf("http://127.0.0.1:1/api.json", "references .;");
    refused(conf, &["\"mcp_openapi\"", "\"references\"", "a file"]);
}
