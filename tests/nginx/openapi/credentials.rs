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

/// A tool `a` with a parameter of each place; `$evil` holds what `X-Mode` asks for.
fn with_places(upstream: &Upstream, fixes: &str) -> Nginx {
    let parameter = |name: &str, location: &str| json!({"name": name, "in": location, "required": location == "path", "schema": {"type": "string"}});
    let parameters =
        [parameter("p", "path"), parameter("q", "query"), parameter("X-H", "header"), parameter("c", "cookie")];
    let paths = json!({"/{p}/end": {"get": {"operationId": "a", "parameters": parameters}}});
    // `map` is the way in which a variable comes to hold line ends.
    Conf::location(&format!("mcp_openapi api.json {{ tool a {{ {fixes} }} }}"))
        .http(
            "map $http_x_mode $evil { lines \"x\r\nX-Evil: 1\r\n\r\nGET /evil\"; line \"x\nX-Evil: 1\"; cookie \"a; b=c\"; \
             dots ..; coded %2e%2e; slash a/../../b; query \"x?y#z\"; tab \"a\tb\"; quoted \"a b\"; }\n",
        )
        .file("api.json", document(&format!("http://{upstream}"), paths).to_string())
        .start()
}

#[test]
fn nothing_of_a_variable_leaves_its_place() {
    for (fix, mode, expected) in [
        ("fix p $evil;", "lines", Some("/x%0D%0AX-Evil%3A%201%0D%0A%0D%0AGET%20%2Fevil/end")),
        ("fix p ok; fix q $evil;", "lines", Some("/ok/end?q=x%0D%0AX-Evil%3A%201%0D%0A%0D%0AGET%20%2Fevil")),
        ("fix p ok; fix X-H $evil;", "lines", None),
        ("fix p ok; fix X-H $evil;", "line", None),
        ("fix p $evil;", "dots", None),
        ("fix p $evil;", "coded", None),
        ("fix p $evil;", "slash", None),
        ("fix p $evil;", "query", Some("/x%3Fy%23z/end")),
    ] {
        let upstream = upstream();
        let reply = with_places(&upstream, fix).send(&call("a", json!({})).header("X-Mode", mode));
        match expected {
            Some(target) => {
                reply.success();
                let request = upstream.only_request();
                assert_eq!((request.target().as_str(), request.header("x-evil")), (target, None));
            }
            None => {
                let reply = reply.json();
                assert!(reply["error"].is_object() || reply["result"]["isError"] == true, "{fix} {mode}: {reply}");
                assert!(upstream.requests().is_empty(), "{fix} {mode}: {:?}", upstream.requests());
            }
        }
    }
}

#[test]
fn a_variable_stays_inside_its_cookie() {
    for (mode, expected) in
        [("cookie", "c=a%3B%20b%3Dc"), ("quoted", "c=a%20b"), ("line", "c=x%0AX-Evil%3A%201"), ("tab", "c=a%09b")]
    {
        let upstream = upstream();
        let nginx = with_places(&upstream, "fix p ok; fix c $evil;");
        nginx.send(&call("a", json!({})).header("X-Mode", mode)).success();
        assert_eq!(upstream.only_request().header("cookie").as_deref(), Some(expected));
    }
}

#[test]
fn an_empty_variable_leaves_its_parameter_out() {
    let upstream = upstream();
    let nginx = with_places(&upstream, "fix q $evil; fix X-H $evil; fix c $evil;");
    nginx.send(&call("a", json!({"p": "ok"}))).success();
    let request = upstream.only_request();
    assert_eq!((request.target().as_str(), request.header("x-h"), request.header("cookie")), ("/ok/end", None, None));
    let required = with_places(&upstream, "fix p $evil;").send(&call("a", json!({}))).json();
    assert!(required["error"].is_object() || required["result"]["isError"] == true, "{required}");
    assert_eq!(upstream.requests().len(), 1);
}
