//! Where the arguments of a `mcp_tool` block go.

use serde_json::{Value, json};

use super::test_tools::{build, no_values, object, tool};

fn uri(directives: &[&[&str]], arguments: Value) -> String {
    tool(directives).request(object(arguments), &mut no_values).unwrap_or_else(|error| panic!("{}", error.text)).uri
}

fn body(directives: &[&[&str]], arguments: Value) -> String {
    let request =
        tool(directives).request(object(arguments), &mut no_values).unwrap_or_else(|error| panic!("{}", error.text));
    String::from_utf8(request.body.unwrap()).unwrap()
}

fn refused(directives: &[&[&str]], arguments: Value) -> String {
    tool(directives).request(object(arguments), &mut no_values).unwrap_err().text
}

const ANY: &[&str] = &["input_schema", r#"{"type":"object","properties":{"id":{}}}"#];

#[test]
fn a_placeholder_takes_its_value_encoded() {
    let directives: &[&[&str]] = &[&["pass", "http://x/f/{id}/meta"], ANY];
    let cases = [
        (json!("a b"), "/f/a%20b/meta"),
        (json!("é日"), "/f/%C3%A9%E6%97%A5/meta"),
        (json!("a%2Fb"), "/f/a%252Fb/meta"),
        (json!("a/b"), "/f/a%2Fb/meta"),
        (json!("a?b#c"), "/f/a%3Fb%23c/meta"),
        (json!("a;b,c"), "/f/a%3Bb%2Cc/meta"),
        (json!("a:b@c"), "/f/a%3Ab%40c/meta"),
        (json!("a\\b"), "/f/a%5Cb/meta"),
        (json!("a\r\nX-Evil: 1"), "/f/a%0D%0AX-Evil%3A%201/meta"),
        (json!("{id}"), "/f/%7Bid%7D/meta"),
        (json!("..."), "/f/.../meta"),
        (json!(["a,b", "c"]), "/f/a%2Cb,c/meta"),
        (json!(5), "/f/5/meta"),
        (json!(true), "/f/true/meta"),
        (json!({"a": 1}), "/f/%7B%22a%22%3A1%7D/meta"),
    ];
    for (value, expected) in cases {
        assert_eq!(uri(directives, json!({"id": value})), expected);
    }
}

#[test]
fn no_value_leaves_its_path_segment() {
    let directives: &[&[&str]] = &[&["pass", "http://x/f/{id}/meta"], ANY];
    for value in [".", "..", "%2e%2e", "%2E.", "%252e%252e", "../admin", "..\\admin", "a/../b", "..%2f"] {
        assert_eq!(
            refused(directives, json!({"id": value})),
            "invalid arguments: \"id\" must not contain a path step such as \"..\"",
            "{value}"
        );
    }
    for (value, why) in [
        (json!(""), "must not be empty"),
        (json!([]), "must not be empty"),
        (json!([""]), "must not be empty"),
        (json!(null), "is required"),
    ] {
        assert!(refused(directives, json!({"id": value})).contains(&format!("\"id\" {why}, as it is part of a path")));
    }
    assert!(refused(directives, json!({})).contains("\"id\" is required"));
}

#[test]
fn a_segment_is_judged_as_a_whole() {
    let directives: &[&[&str]] = &[
        &["pass", "http://x/.{a}/{a}{b}"],
        &["argument", "a", "string", "required"],
        &["argument", "b", "string", "required"],
    ];
    assert_eq!(uri(directives, json!({"a": "git", "b": "."})), "/.git/git.");
    assert!(refused(directives, json!({"a": ".", "b": "x"})).contains("\"a\" must not contain a path step"));
    let directives: &[&[&str]] = &[
        &["pass", "http://x/{a}{b}"],
        &["argument", "a", "string", "required"],
        &["argument", "b", "string", "required"],
    ];
    assert!(refused(directives, json!({"a": ".", "b": "."})).contains("\"a\", \"b\" must not contain a path step"));
}

#[test]
fn literal_paths_stay_as_written() {
    for (url, expected) in [
        ("http://x", "/"),
        ("http://x/", "/"),
        ("http://x/a/", "/a/"),
        ("http://x//a%20b/", "//a%20b/"),
        ("http://x?a=1", "/?a=1"),
        ("http://x/a?b&c=%20&&d=1+2", "/a?b&c=%20&d=1+2"),
    ] {
        assert_eq!(uri(&[&["pass", url]], json!({})), expected);
    }
}

#[test]
fn a_query_value_may_be_a_placeholder() {
    let directives: &[&[&str]] = &[
        &["pass", "http://x/s?key=1&q={q}&range={from}..{to}"],
        &["argument", "q", "string[]"],
        &["argument", "from", "integer"],
        &["argument", "to", "integer[]"],
        &["argument", "page", "integer", "name=page number"],
    ];
    let cases = [
        (json!({}), "/s?key=1"),
        (json!({"q": ["a b", "&c"]}), "/s?key=1&q=a%20b&q=%26c"),
        (json!({"from": 1}), "/s?key=1"),
        (json!({"from": 1, "to": [2, 3], "page": 4}), "/s?key=1&range=1..2,3&page%20number=4"),
    ];
    for (arguments, expected) in cases {
        assert_eq!(uri(directives, arguments), expected);
    }
}

#[test]
fn query_arguments_repeat_and_are_left_out() {
    let directives: &[&[&str]] = &[&["pass", "http://x/"], ANY];
    let cases = [
        (json!("a&b=c d+e"), "/?id=a%26b%3Dc%20d%2Be"),
        (json!(["a", 1, null, true]), "/?id=a&id=1&id=true"),
        (json!([]), "/"),
        (json!(null), "/"),
        (json!(""), "/?id="),
        (json!({"a": [1]}), "/?id=%7B%22a%22%3A%5B1%5D%7D"),
        (json!(9223372036854775807i64), "/?id=9223372036854775807"),
        (json!(0.1), "/?id=0.1"),
    ];
    for (value, expected) in cases {
        assert_eq!(uri(directives, json!({"id": value})), expected);
    }
}

#[test]
fn arguments_go_in_the_order_of_their_declaration() {
    let directives: &[&[&str]] =
        &[&["pass", "http://x/"], &["argument", "b", "string"], &["argument", "a", "string", "default=1"]];
    assert_eq!(uri(directives, json!({"a": "2", "b": "3"})), "/?b=3&a=2");
    assert_eq!(uri(directives, json!({"b": "3"})), "/?b=3&a=1");
}

#[test]
fn headers_hold_what_headers_may() {
    let directives: &[&[&str]] = &[
        &["pass", "http://x/"],
        &["input_schema", r#"{"type":"object","properties":{"h":{}}}"#],
        &["argument", "h", "in=header", "name=X-H"],
    ];
    let tool = tool(directives);
    let line = |value: Value| tool.request(object(json!({"h": value})), &mut no_values).map(|request| request.headers);
    for (value, expected) in [
        (json!("a b\tc~"), "a b\tc~"),
        (json!(["blue", "black", 3]), "blue,black,3"),
        (json!({"a": 1}), "{\"a\":1}"),
        (json!(false), "false"),
    ] {
        assert_eq!(line(value).unwrap(), [("X-H".to_owned(), expected.to_owned())]);
    }
    assert_eq!(line(json!(null)).unwrap(), []);
    for value in ["a\r\nX-Evil: 1", "a\nb", "a\0b", "é", "\u{7f}"] {
        assert!(line(json!(value)).unwrap_err().text.contains("\"h\" must be ASCII without line breaks"), "{value:?}");
    }
}

#[test]
fn headers_of_others_cannot_be_arguments() {
    for name in [
        "Host",
        "authorization",
        "Content-Type",
        "content-length",
        "Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Keep-Alive",
        "Proxy-Authorization",
        "Expect",
        "Accept",
        "Accept-Encoding",
        "Cookie",
        "X-Forwarded-For",
        "Forwarded",
        "X-Real-IP",
        "X-Accel-Redirect",
        "X_Id",
        "a.b",
        "a b",
        "Mcp-Session-Id",
        "Set-Cookie",
    ] {
        let name = format!("name={name}");
        let error = build(&[&["pass", "http://x/"], &["argument", "a", "string", "in=header", &name]]).unwrap_err();
        assert!(error.0.starts_with("tool \"t\": argument \"a\": "), "{error}");
    }
    for name in ["X-Request-Id", "Accept-Language", "If-Match", "Idempotency-Key"] {
        let name = format!("name={name}");
        assert!(build(&[&["pass", "http://x/"], &["argument", "a", "string", "in=header", &name]]).is_ok(), "{name}");
    }
}

#[test]
fn cookies_share_a_line_and_cannot_add_to_it() {
    let directives: &[&[&str]] = &[
        &["pass", "http://x/"],
        &["argument", "a", "string", "in=cookie"],
        &["argument", "b", "integer[]", "in=cookie", "name=B"],
    ];
    let tool = tool(directives);
    let cookie = |arguments| tool.request(object(arguments), &mut no_values).unwrap().headers;
    let line = |text: &str| vec![("Cookie".to_owned(), text.to_owned())];
    assert_eq!(cookie(json!({"a": "1", "b": [2, 3]})), line("a=1; B=2%2C3"));
    assert_eq!(cookie(json!({"a": "1; admin=true\r\n\"x\\\""})), line("a=1%3B%20admin=true%0D%0A%22x%5C%22"));
    assert_eq!(cookie(json!({})), []);
}

#[test]
fn a_json_body_holds_the_arguments_that_were_given() {
    let directives: &[&[&str]] = &[
        &["pass", "POST", "http://x/{id}"],
        &["argument", "id", "string", "required"],
        &["argument", "n", "integer", "name=the \"n\""],
        &["argument", "f", "number"],
        &["argument", "o", "object"],
        &["argument", "q", "string", "in=query"],
    ];
    assert_eq!(body(directives, json!({"id": "1"})), "{}");
    let arguments = json!({"q": "1", "o": {"b": null, "a": [1.0]}, "n": 5.0, "f": 1.0, "id": "1"});
    assert_eq!(body(directives, arguments), r#"{"the \"n\"":5,"f":1.0,"o":{"b":null,"a":[1.0]}}"#);
    let request = tool(directives).request(object(json!({"id": "1", "q": "a"})), &mut no_values).unwrap();
    assert_eq!((request.uri.as_str(), request.content_type.as_deref()), ("/1?q=a", Some("application/json")));
}

#[test]
fn integers_stay_exact_and_lose_an_empty_fraction() {
    let directives: &[&[&str]] = &[&["pass", "POST", "http://x/"], &["argument", "n", "integer"]];
    for (value, expected) in [
        (json!(5.0), "5"),
        (json!(-0.0), "0"),
        (json!(u64::MAX), "18446744073709551615"),
        (json!(i64::MIN), "-9223372036854775808"),
        (json!(1e300), "1e+300"),
    ] {
        assert_eq!(body(directives, json!({"n": value})), format!("{{\"n\":{expected}}}"));
    }
}

#[test]
fn one_argument_may_be_the_whole_body() {
    let directives: &[&[&str]] =
        &[&["pass", "PUT", "http://x/"], &["argument", "item", "object", "whole"], &["argument", "dry", "boolean"]];
    assert_eq!(body(directives, json!({"item": {"a": 1}, "dry": true})), r#"{"a":1}"#);
    assert_eq!(uri(directives, json!({"item": {"a": 1}, "dry": true})), "/?dry=true");
    assert_eq!(body(directives, json!({})), "{}");
    let list: &[&[&str]] = &[&["pass", "POST", "http://x/"], &["argument", "ids", "integer[]", "whole", "required"]];
    assert_eq!(body(list, json!({"ids": [1, 2]})), "[1,2]");
}

#[test]
fn a_form_takes_what_is_not_placed_elsewhere() {
    let directives: &[&[&str]] = &[
        &["pass", "POST", "http://x/"],
        &["argument", "a", "string", "in=form", "name=a b"],
        &["argument", "l", "string[]"],
        &["argument", "o", "object"],
    ];
    let arguments = json!({"a": "x y&b=c+d%é", "l": ["1", "2"], "o": {"k": "v"}});
    assert_eq!(body(directives, arguments), "a+b=x+y%26b%3Dc%2Bd%25%C3%A9&l=1&l=2&o=%7B%22k%22%3A%22v%22%7D");
    let request = tool(directives).request(object(json!({})), &mut no_values).unwrap();
    assert_eq!(request.content_type.as_deref(), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.body.as_deref(), Some(&b""[..]));
}

#[test]
fn a_given_schema_is_placed_by_the_method() {
    let schema: &[&str] =
        &["input_schema", r#"{"type":"object","properties":{"id":{"type":"integer"},"name":{},"x":{}}}"#];
    let get: &[&[&str]] = &[&["pass", "http://x/{id}"], schema, &["argument", "x", "in=header", "name=X-X"]];
    let request =
        tool(get).request(object(json!({"id": 1, "name": "n", "x": "y", "more": 1})), &mut no_values).unwrap();
    assert_eq!((request.uri.as_str(), request.headers.len(), request.body), ("/1?name=n&more=1", 1, None));
    let post: &[&[&str]] = &[&["pass", "POST", "http://x/{id}"], schema, &["argument", "x", "name=y"]];
    assert_eq!(
        body(post, json!({"id": 1, "name": "n", "x": "z", "more \"": 1})),
        r#"{"name":"n","y":"z","more \"":1}"#
    );
}

#[test]
fn undeclared_arguments_cannot_take_a_name_that_is_in_use() {
    let schema: &[&str] = &["input_schema", r#"{"type":"object","properties":{"id":{},"l":{}}}"#];
    let get: &[&[&str]] = &[&["pass", "http://x/?mode%20x=safe&lang={l}"], schema, &["argument", "id", "name=item"]];
    for name in ["mode x", "lang", "item"] {
        assert!(refused(get, json!({name: 1})).contains(&format!("unknown argument \"{name}\", known are: id, l")));
    }
    let post: &[&[&str]] =
        &[&["pass", "POST", "http://x/?mode=safe&lang={l}"], schema, &["argument", "id", "name=item"]];
    assert!(refused(post, json!({"id": 1, "item": 2})).contains("unknown argument \"item\""));
    assert_eq!(body(post, json!({"mode": 2})), r#"{"mode":2}"#);
}

#[test]
fn nothing_is_placed_that_the_schema_refuses() {
    let directives: &[&[&str]] = &[
        &["pass", "http://x/{id}"],
        &["argument", "id", "integer", "required", "min=1"],
        &["argument", "limit", "integer", "max=100"],
    ];
    assert_eq!(
        refused(directives, json!({"limit": 500, "foo": 1})),
        "invalid arguments: \"id\" is required; \"limit\": 500 is greater than the maximum of 100; unknown argument \"foo\", known are: id, limit"
    );
}
