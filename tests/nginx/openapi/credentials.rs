//! Credentials come from the configuration or the caller's headers, and nothing leaves its place.

use serde_json::{Value, json};

use super::{document, tools, upstream};
use crate::harness::{Conf, Nginx, Upstream, call};

/// A document with one operation, secured by a scheme `s`.
fn secured(upstream: &Upstream, scheme: &Value) -> String {
    let parameter = json!({"name": "q", "in": "query", "schema": {"type": "string"}});
    let cookie = json!({"name": "lang", "in": "cookie", "schema": {"type": "string"}});
    let mut document = document(
        &format!("http://{upstream}"),
        json!({"/a": {"get": {"operationId": "a", "parameters": [parameter, cookie], "security": [{"s": []}]}},
            "/open": {"get": {"operationId": "open", "security": []}}}),
    );
    document["components"] = json!({"securitySchemes": {"s": scheme}});
    document.to_string()
}

fn nginx(upstream: &Upstream, scheme: &Value, directives: &str) -> Nginx {
    let text = secured(upstream, scheme);
    Conf::location(&format!("mcp_openapi api.json {{ {directives} }}")).file("api.json", text).start()
}

#[test]
fn each_kind_of_scheme_has_its_place() {
    let key = |location: &str, name: &str| json!({"type": "apiKey", "in": location, "name": name});
    let http = |scheme: &str| json!({"type": "http", "scheme": scheme});
    let cases = [
        (key("header", "X-Key"), "s3cret", "/a?q=v", Some(("x-key", "s3cret"))),
        (key("header", "X-Key"), "$http_x_api_key", "/a?q=v", Some(("x-key", "of the caller"))),
        (key("query", "api_key"), "a&b=c", "/a?api_key=a%26b%3Dc&q=v", None),
        (key("query", "api_key"), "$http_x_api_key", "/a?api_key=of%20the%20caller&q=v", None),
        (key("cookie", "sid"), "abc", "/a?q=v", Some(("cookie", "sid=abc; lang=de"))),
        (http("bearer"), "t0ken", "/a?q=v", Some(("authorization", "Bearer t0ken"))),
        (http("bearer"), "\"Bearer t0ken\"", "/a?q=v", Some(("authorization", "Bearer t0ken"))),
        (http("bearer"), "$http_authorization", "/a?q=v", Some(("authorization", "Bearer of-the-caller"))),
        (http("bearer"), "$http_x_api_key", "/a?q=v", Some(("authorization", "Bearer of the caller"))),
        (http("basic"), "dTpw", "/a?q=v", Some(("authorization", "Basic dTpw"))),
        (json!({"type": "oauth2", "flows": {}}), "t0ken", "/a?q=v", Some(("authorization", "Bearer t0ken"))),
    ];
    for (scheme, text, target, header) in cases {
        let upstream = upstream();
        let nginx = nginx(&upstream, &scheme, &format!("credential s {text};"));
        for tool in tools(&nginx).iter().filter(|tool| tool["name"] == "a") {
            let properties = tool["inputSchema"]["properties"].as_object().unwrap();
            assert_eq!(properties.keys().collect::<Vec<_>>(), ["q", "lang"], "{scheme}");
        }
        let by_caller = |tool: &str, arguments: Value| {
            call(tool, arguments).header("X-Api-Key", "of the caller").header("Authorization", "Bearer of-the-caller")
        };
        nginx.send(&by_caller("a", json!({"q": "v", "lang": "de"}))).success();
        nginx.send(&by_caller("open", json!({}))).success();
        let requests = upstream.requests();
        assert_eq!(requests[0].target(), target, "{scheme}");
        for name in ["x-key", "authorization", "cookie"] {
            let expected = match header {
                Some((of, value)) if of == name => Some(value),
                _ => (name == "cookie").then_some("lang=de"),
            };
            assert_eq!(requests[0].header(name).as_deref(), expected, "{scheme} {text}: {name}");
            assert_eq!(requests[1].header(name), None, "what is not secured gets no credential");
        }
        assert_eq!(requests[1].target(), "/open");
    }
}

#[test]
fn without_a_credential_nothing_is_sent() {
    let upstream = upstream();
    let scheme = json!({"type": "http", "scheme": "bearer"});
    nginx(&upstream, &scheme, "").send(&call("a", json!({})).header("Authorization", "Bearer x")).success();
    nginx(&upstream, &scheme, "credential s $http_authorization;").send(&call("a", json!({}))).success();
    nginx(&upstream, &scheme, "credential s $http_x_token;").send(&call("a", json!({}))).success();
    for request in upstream.requests() {
        assert_eq!(request.header("authorization"), None, "{request:?}");
    }
}

#[test]
fn nothing_of_a_variable_leaves_its_place() {
    let upstream = upstream();
    let parameters = json!([
        {"name": "q", "in": "query", "schema": {"type": "string"}},
        {"name": "X-H", "in": "header", "schema": {"type": "string"}},
        {"name": "c", "in": "cookie", "schema": {"type": "string"}},
        {"name": "p", "in": "path", "required": true, "schema": {"type": "string"}},
    ]);
    let text = document(
        &format!("http://{upstream}"),
        json!({"/{p}/end": {"get": {"operationId": "a", "parameters": parameters}}}),
    );
    let smuggled = "x%0d%0aX-Evil: 1%0d%0a%0d%0aGET /evil";
    // `map` is the way in which a variable comes to hold line ends.
    let conf = |fixes: &str| {
        Conf::location(&format!("mcp_openapi api.json {{ tool a {{ {fixes} }} }}"))
            .http("map $http_x_mode $evil { default \"x\r\nX-Evil: 1\r\n\r\nGET /evil\"; semi \"a; b=c\"; dots ..; }\n")
            .file("api.json", text.to_string())
    };
    let nginx = conf("fix q $evil; fix X-H ok; fix c ok; fix p ok;").start();
    nginx.send(&call("a", json!({}))).success();
    for fixes in ["fix p ok; fix X-H $evil;", "fix p ok; fix c $evil;"] {
        let reply = conf(fixes).start().send(&call("a", json!({}))).result();
        assert!(!reply.to_string().contains("X-Evil: 1\r"), "{reply}");
    }
    let nginx = conf("fix p $evil;").start();
    nginx.send(&call("a", json!({}))).result();
    let text = nginx.send(&call("a", json!({})).header("X-Mode", "dots")).failure();
    assert!(text.contains('p'), "{text}");
    let nginx = conf("fix p ok; fix c $evil;").start();
    nginx.send(&call("a", json!({})).header("X-Mode", "semi")).result();
    for request in upstream.requests() {
        assert_eq!(request.header("x-evil"), None, "{request:?}");
        assert!(request.line().ends_with("/end") || request.target().contains("/end?q="), "{request:?}");
        assert!(request.target() != "/../end", "{request:?}");
        if let Some(cookie) = request.header("cookie") {
            assert!(!cookie.contains("; b"), "{cookie}");
        }
    }
    assert_eq!(upstream.requests()[0].line(), "GET /ok/end?q=x%0D%0AX-Evil%3A%201%0D%0A%0D%0AGET%20%2Fevil");
    let nginx = conf("fix p $arg_p;").start();
    nginx.send(&call("a", json!({})).to(&format!("/mcp?p={}", smuggled.replace(' ', "%20")))).result();
    assert!(upstream.requests().iter().all(|request| request.header("x-evil").is_none()));
}
