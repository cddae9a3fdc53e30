//! Where arguments go in the upstream request, encoded so that no value can leave its place.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::argument::Argument;
use super::defaults::argument;
use super::encode;
use super::request::{Body, Query, header_line, invalid, push_cookie, write_joined};
use super::target::{BodyKind, Method, Place, Spot, Target, body_kind, default_place, encoded, member};
use super::url::{Part, Url};
use super::{ConfigError, InvalidArguments};
use crate::http::UpstreamRequest;

/// A property of the input schema, and what its value becomes.
#[derive(Debug)]
struct Placement {
    name: String,
    target: Target,
    /// The schema says integer: 5.0 is one, too, but a strict upstream wants 5.
    integer: bool,
}

#[derive(Debug)]
enum Piece {
    Literal(String),
    /// The index of a placement.
    Argument(usize),
}

/// A run of the path: literal segments with their slashes, or one segment with values in it.
#[derive(Debug)]
enum PathRun {
    Literal(String),
    Segment(Vec<Piece>),
}

/// The upstream request of a tool, with places for its arguments.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) method: Method,
    pub(super) origin: String,
    pub(super) header_names: Vec<String>,
    path: Vec<PathRun>,
    /// The query of the URL: text up to `=`, and the value.
    pairs: Vec<(String, Vec<Piece>)>,
    placements: Vec<Placement>,
    body: BodyKind,
    /// Upstream names that an argument which no line declares must not take.
    reserved: HashSet<String>,
}

impl Layout {
    /// `properties` are the names that the input schema declares, each with whether it is an integer.
    pub(super) fn new(
        method: Method,
        url: Url,
        properties: &[(&str, bool)],
        arguments: &[Argument],
    ) -> Result<Layout, ConfigError> {
        for name in url.placeholders() {
            if !properties.iter().any(|(known, _)| *known == name) {
                return Err(ConfigError(format!(
                    "\"pass\" has a placeholder {{{name}}}, but there is no such argument; add: argument {name} TYPE"
                )));
            }
        }
        let body = body_kind(method, arguments)?;
        let in_url: HashSet<&str> = url.placeholders().collect();
        let in_path: HashSet<&str> = url.path_placeholders().collect();
        let mut placements = Vec::with_capacity(properties.len());
        for &(name, integer) in properties {
            let said = arguments.iter().find(|argument| argument.name == name);
            let spot = Spot { name, said, in_url: in_url.contains(name), in_path: in_path.contains(name), body };
            let target = spot.target().map_err(|text| ConfigError(format!("argument \"{name}\": {text}")))?;
            placements.push(Placement { name: name.into(), target, integer });
        }
        let reserved = reserve(&url, &placements, body)?;
        let index = |name: &str| placements.iter().position(|placement| placement.name == name).unwrap_or_default();
        let path = path_runs(&url, &index);
        let pairs = url.pairs.iter().map(|(key, value)| (key.clone(), pieces(value, &index))).collect();
        let header_names = header_names(&placements);
        Ok(Layout { method, origin: url.origin, header_names, path, pairs, placements, body, reserved })
    }

    pub(super) fn has_body(&self) -> bool {
        self.body != BodyKind::None
    }

    /// Puts validated arguments into their places.
    pub(super) fn place(&self, mut arguments: Map<String, Value>) -> Result<UpstreamRequest, InvalidArguments> {
        self.settle(&mut arguments);
        let mut request = UpstreamRequest { uri: self.write_path(&arguments)?, ..UpstreamRequest::default() };
        let mut query = Query { uri: &mut request.uri, begun: false };
        self.write_pairs(&arguments, &mut query);
        let mut body = Body::new(self.body);
        let mut cookie = String::new();
        let mut placed = 0;
        for placement in &self.placements {
            let Some(value) = argument(&arguments, &placement.name) else { continue };
            placed += 1;
            match &placement.target {
                Target::Url => {}
                Target::Query(key) => query.push(key, value),
                Target::Header(name) => {
                    request.headers.extend(header_line(&placement.name, name, value)?);
                }
                Target::Cookie(name) => push_cookie(&mut cookie, name, value),
                Target::Form(key) => body.push_form(key, value),
                Target::Member(key) => body.push_member(key, value),
                Target::WholeBody => body.replace(value),
            }
        }
        if placed < arguments.len() {
            self.place_undeclared(&arguments, &mut query, &mut body)?;
        }
        if !cookie.is_empty() {
            request.headers.push(("Cookie".into(), cookie));
        }
        (request.content_type, request.body) = body.finish();
        Ok(request)
    }

    /// Integers lose a fraction of zero.
    fn settle(&self, arguments: &mut Map<String, Value>) {
        for placement in self.placements.iter().filter(|placement| placement.integer) {
            let Some(value) = argument(arguments, &placement.name).filter(|value| value.is_f64()) else { continue };
            // 2^53: up to there every whole number has one spelling as a float.
            let whole = |float: &f64| float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0;
            if let Some(float) = value.as_f64().filter(whole) {
                arguments[&placement.name] = Value::from(float as i64);
            }
        }
    }

    fn write_path(&self, arguments: &Map<String, Value>) -> Result<String, InvalidArguments> {
        let mut uri = String::with_capacity(128);
        for run in &self.path {
            match run {
                PathRun::Literal(text) => uri.push_str(text),
                PathRun::Segment(pieces) => {
                    uri.push('/');
                    let start = uri.len();
                    for piece in pieces {
                        match piece {
                            Piece::Literal(text) => uri.push_str(text),
                            Piece::Argument(index) => self.write_path_value(*index, arguments, &mut uri)?,
                        }
                    }
                    if encode::has_dot_segment(&uri[start..]) {
                        return Err(self.no_segment(pieces));
                    }
                }
            }
        }
        Ok(uri)
    }

    fn write_path_value(
        &self,
        index: usize,
        arguments: &Map<String, Value>,
        uri: &mut String,
    ) -> Result<(), InvalidArguments> {
        let name = &self.placements[index].name;
        let start = uri.len();
        match argument(arguments, name) {
            None | Some(Value::Null) => return Err(invalid(name, "is required, as it is part of a path")),
            Some(value) => write_joined(value, uri),
        }
        if uri.len() == start { Err(invalid(name, "must not be empty, as it is part of a path")) } else { Ok(()) }
    }

    fn no_segment(&self, pieces: &[Piece]) -> InvalidArguments {
        let names = pieces.iter().filter_map(|piece| match piece {
            Piece::Argument(index) => Some(self.placements[*index].name.as_str()),
            Piece::Literal(_) => None,
        });
        let names: Vec<_> = names.collect();
        invalid(&names.join("\", \""), "must not contain a path step such as \"..\"")
    }

    fn write_pairs(&self, arguments: &Map<String, Value>, query: &mut Query<'_>) {
        for (key, pieces) in &self.pairs {
            // A value that is one placeholder and nothing else may repeat, like a query argument.
            if let [Piece::Argument(index)] = pieces.as_slice() {
                if let Some(value) = argument(arguments, &self.placements[*index].name) {
                    query.push(key.strip_suffix('=').unwrap_or(key), value);
                }
                continue;
            }
            let mut text = key.clone();
            let complete = pieces.iter().all(|piece| match piece {
                Piece::Literal(literal) => {
                    text.push_str(literal);
                    true
                }
                Piece::Argument(index) => match argument(arguments, &self.placements[*index].name) {
                    None | Some(Value::Null) => false,
                    Some(value) => {
                        write_joined(value, &mut text);
                        true
                    }
                },
            });
            if complete {
                query.push_text(&text);
            }
        }
    }

    /// What the schema lets through without declaring it goes where the method puts arguments, under its own name.
    fn place_undeclared(
        &self,
        arguments: &Map<String, Value>,
        query: &mut Query<'_>,
        body: &mut Body,
    ) -> Result<(), InvalidArguments> {
        for (name, value) in arguments {
            if self.placements.iter().any(|placement| placement.name == *name) {
                continue;
            }
            if self.reserved.contains(name) {
                let known: Vec<_> = self.placements.iter().map(|placement| placement.name.as_str()).collect();
                let known = known.join(", ");
                return Err(InvalidArguments(format!(
                    "invalid arguments: unknown argument \"{name}\", known are: {known}"
                )));
            }
            match self.body {
                BodyKind::None | BodyKind::Whole => query.push(&encoded(name, encode::percent), value),
                BodyKind::Form => body.push_form(&encoded(name, encode::form), value),
                BodyKind::Object => body.push_member(&member(name), value),
            }
        }
        Ok(())
    }
}

/// Upstream names already taken where undeclared arguments would go; two arguments with one name are an error.
fn reserve(url: &Url, placements: &[Placement], body: BodyKind) -> Result<HashSet<String>, ConfigError> {
    let mut taken: HashSet<(Place, String)> = HashSet::new();
    for (key, _) in &url.pairs {
        taken.insert((Place::Query, key.strip_suffix('=').unwrap_or(key).to_owned()));
    }
    for placement in placements {
        let spot = match &placement.target {
            Target::Url | Target::WholeBody => continue,
            Target::Query(key) => (Place::Query, key.clone()),
            Target::Header(name) => (Place::Header, name.to_ascii_lowercase()),
            Target::Cookie(name) => (Place::Cookie, name.clone()),
            Target::Form(key) => (Place::Form, key.clone()),
            Target::Member(key) => (Place::Body, key.clone()),
        };
        let place = spot.0.as_str();
        if !taken.insert(spot) {
            return Err(ConfigError(format!(
                "argument \"{}\" has an upstream name that the {place} already has; give another with name=",
                placement.name
            )));
        }
    }
    let here = taken.into_iter().filter(|(place, _)| *place == default_place(body)).map(|(_, key)| key);
    // Undeclared names are compared before they are encoded.
    let plain = |key: String| match body {
        BodyKind::Object => key.strip_suffix(':').and_then(|key| serde_json::from_str(key).ok()),
        _ => Some(decoded(&key)),
    };
    Ok(here.filter_map(plain).collect())
}

fn decoded(key: &str) -> String {
    String::from_utf8_lossy(&encode::decode(key.replace('+', " ").as_bytes())).into_owned()
}

fn path_runs(url: &Url, index: &dyn Fn(&str) -> usize) -> Vec<PathRun> {
    let mut runs = Vec::new();
    let mut literal = String::new();
    for segment in &url.segments {
        match segment.as_slice() {
            [] => literal.push('/'),
            [Part::Literal(text)] => literal.extend(["/", text]),
            parts => {
                if !literal.is_empty() {
                    runs.push(PathRun::Literal(std::mem::take(&mut literal)));
                }
                runs.push(PathRun::Segment(pieces(parts, index)));
            }
        }
    }
    if !literal.is_empty() {
        runs.push(PathRun::Literal(literal));
    }
    runs
}

fn pieces(parts: &[Part], index: &dyn Fn(&str) -> usize) -> Vec<Piece> {
    let piece = |part: &Part| match part {
        Part::Literal(text) => Piece::Literal(text.clone()),
        Part::Placeholder(name) => Piece::Argument(index(name)),
    };
    parts.iter().map(piece).collect()
}

fn header_names(placements: &[Placement]) -> Vec<String> {
    let mut names = Vec::new();
    for placement in placements {
        match &placement.target {
            Target::Header(name) => names.push(name.clone()),
            Target::Cookie(_) if !names.iter().any(|name| name == "Cookie") => names.push("Cookie".into()),
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::test_tools::{build, object, tool};
    use super::*;

    fn uri(directives: &[&[&str]], arguments: Value) -> String {
        tool(directives).request(object(arguments)).unwrap_or_else(|error| panic!("{error}")).uri
    }

    fn body(directives: &[&[&str]], arguments: Value) -> String {
        let request = tool(directives).request(object(arguments)).unwrap_or_else(|error| panic!("{error}"));
        String::from_utf8(request.body.unwrap()).unwrap()
    }

    fn refused(directives: &[&[&str]], arguments: Value) -> String {
        tool(directives).request(object(arguments)).unwrap_err().0
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
            assert!(
                refused(directives, json!({"id": value})).contains(&format!("\"id\" {why}, as it is part of a path"))
            );
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
        let line = |value: Value| tool.request(object(json!({"h": value}))).map(|request| request.headers);
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
            assert!(line(json!(value)).unwrap_err().0.contains("\"h\" must be ASCII without line breaks"), "{value:?}");
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
            assert!(
                build(&[&["pass", "http://x/"], &["argument", "a", "string", "in=header", &name]]).is_ok(),
                "{name}"
            );
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
        let cookie = |arguments| tool.request(object(arguments)).unwrap().headers;
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
        let request = tool(directives).request(object(json!({"id": "1", "q": "a"}))).unwrap();
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
        let list: &[&[&str]] =
            &[&["pass", "POST", "http://x/"], &["argument", "ids", "integer[]", "whole", "required"]];
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
        let request = tool(directives).request(object(json!({}))).unwrap();
        assert_eq!(request.content_type.as_deref(), Some("application/x-www-form-urlencoded"));
        assert_eq!(request.body.as_deref(), Some(&b""[..]));
    }

    #[test]
    fn a_given_schema_is_placed_by_the_method() {
        let schema: &[&str] =
            &["input_schema", r#"{"type":"object","properties":{"id":{"type":"integer"},"name":{},"x":{}}}"#];
        let get: &[&[&str]] = &[&["pass", "http://x/{id}"], schema, &["argument", "x", "in=header", "name=X-X"]];
        let request = tool(get).request(object(json!({"id": 1, "name": "n", "x": "y", "more": 1}))).unwrap();
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
        let get: &[&[&str]] =
            &[&["pass", "http://x/?mode%20x=safe&lang={l}"], schema, &["argument", "id", "name=item"]];
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
}
