//! Calls of operations: what their arguments become.

use serde_json::{Map, Value, json};

use super::test_tools::{no_values, object, operation, parameter, style};
use super::{Tool, Unsent};
use crate::ProtocolVersion;
use crate::http::UpstreamRequest;
use crate::operation::{BodyKind, Field, Location, Operation, Parameter, RequestBody, Serialization, Source, Style};

fn path(name: &str) -> Parameter {
    parameter(Location::Path, name, style(Style::Simple, false))
}

fn query(name: &str) -> Parameter {
    parameter(Location::Query, name, style(Style::Form, true))
}

fn header(name: &str) -> Parameter {
    parameter(Location::Header, name, style(Style::Simple, false))
}

fn cookie(name: &str) -> Parameter {
    parameter(Location::Cookie, name, style(Style::Form, true))
}

fn from(source: Source, parameter: Parameter) -> Parameter {
    Parameter { source, ..parameter }
}

fn fixed(value: Value, parameter: Parameter) -> Parameter {
    from(Source::Fixed(value), parameter)
}

fn operator(text: &str, parameter: Parameter) -> Parameter {
    from(Source::Operator(text.into()), parameter)
}

fn body(media_type: &str, kind: BodyKind) -> Option<RequestBody> {
    Some(RequestBody { argument: "body".into(), media_type: media_type.into(), kind })
}

fn tool(operation: Operation) -> Tool {
    Tool::from_operation(operation).unwrap_or_else(|error| panic!("{error}"))
}

fn call(tool: &Tool, arguments: Value) -> Result<UpstreamRequest, Unsent> {
    tool.request(object(arguments), &mut no_values)
}

/// The URI of a GET with these parameters, or what is wrong.
fn uri(template: &str, parameters: &[Parameter], arguments: Value) -> Result<String, String> {
    let tool = tool(operation("GET", template, parameters.to_vec(), None));
    call(&tool, arguments).map(|request| request.uri).map_err(|unsent| unsent.text)
}

fn refused(operation: Operation) -> String {
    Tool::from_operation(operation).unwrap_err().0
}

#[test]
fn paths_take_their_values() {
    let cases = [
        ("/p/{id}/end", json!({"id": "blue"}), "/p/blue/end"),
        ("/p/{id}", json!({"id": {"R": 100, "G": 200}}), "/p/R,100,G,200"),
        ("/p/{id}", json!({"id": ["a,b", "c"]}), "/p/a%2Cb,c"),
        ("/f/{id}/meta", json!({"id": "a?b#c;d:e@f\\g"}), "/f/a%3Fb%23c%3Bd%3Ae%40f%5Cg/meta"),
        ("/f/{id}/meta", json!({"id": "a%2Fb"}), "/f/a%252Fb/meta"),
        ("/f/{id}", json!({"id": "a\r\nX-Evil: 1"}), "/f/a%0D%0AX-Evil%3A%201"),
        ("/r/{id}/x/{id}", json!({"id": "v"}), "/r/v/x/v"),
        ("/v1.0/a:run/$value({id})", json!({"id": 1}), "/v1.0/a:run/$value(1)"),
        ("/?Action={id}&Version=1", json!({"id": "a b"}), "/?Action=a%20b&Version=1"),
    ];
    for (template, arguments, expected) in cases {
        assert_eq!(uri(template, &[path("id")], arguments).unwrap(), expected);
    }
    let several = [path("a"), path("b"), path("ext")];
    assert_eq!(uri("/r/{a}-{b}.{ext}", &several, json!({"a": "x", "b": 2, "ext": "json"})).unwrap(), "/r/x-2.json");
    for (id, why) in [
        (json!("."), "path step"),
        (json!("%2e%2e"), "path step"),
        (json!("..\\admin"), "path step"),
        (json!("../admin"), "path step"),
        (json!(""), "must not be empty"),
        (json!([]), "must not be empty"),
        (json!(null), "is required"),
    ] {
        let error = uri("/f/{id}/meta", &[path("id")], json!({"id": id})).unwrap_err();
        assert!(error.starts_with("invalid arguments: \"id\" ") && error.contains(why), "{error}");
    }
    assert!(uri("/f/.{id}/meta", &[path("id")], json!({"id": "."})).unwrap_err().contains("path step"));
    assert!(uri("/f/{id}", &[path("id")], json!({})).unwrap_err().contains("\"id\" is required"));
}

#[test]
fn a_path_style_never_climbs() {
    let with = |kind, explode, allow_reserved, value: Value| {
        let serialization = Serialization::Style { style: kind, explode, allow_reserved };
        uri("/p/{id}/end", &[parameter(Location::Path, "id", serialization)], json!({"id": value}))
    };
    for (kind, explode, reserved, value, expected) in [
        (Style::Label, true, false, json!(["a", "b"]), "/p/.a.b/end"),
        (Style::Matrix, true, false, json!(["a", "b"]), "/p/;id=a;id=b/end"),
        (Style::Matrix, false, false, json!(".."), "/p/;id=../end"),
        (Style::Simple, false, true, json!("a:b;c=d%2F,/?#"), "/p/a:b;c=d%2F,%2F%3F%23/end"),
    ] {
        assert_eq!(with(kind, explode, reserved, value).unwrap(), expected);
    }
    for (kind, reserved, value) in [
        (Style::Label, false, json!("")),
        (Style::Label, false, json!(".")),
        (Style::Label, false, json!("/../x")),
        (Style::Matrix, false, json!("x/../..")),
        (Style::Simple, true, json!("..;x=1")),
        (Style::Simple, true, json!("%2e%2E")),
        (Style::Simple, true, json!("..%2Fadmin")),
    ] {
        assert!(with(kind, false, reserved, value.clone()).unwrap_err().contains("path step"), "{kind:?} {value}");
    }
}

#[test]
fn queries_take_their_values() {
    let form = |explode| parameter(Location::Query, "a", style(Style::Form, explode));
    let reserved = Serialization::Style { style: Style::Form, explode: true, allow_reserved: true };
    let content = |media_type: &str| parameter(Location::Query, "a", Serialization::Content(media_type.into()));
    let cases = [
        (form(true), json!("a&b=c d+e/f?g#h"), "/q?a=a%26b%3Dc%20d%2Be%2Ff%3Fg%23h"),
        (form(true), json!(["x", "y"]), "/q?a=x&a=y"),
        (form(true), json!({"R": 100, "G": 200}), "/q?R=100&G=200"),
        (form(false), json!(["x", "y"]), "/q?a=x,y"),
        (form(true), json!([]), "/q"),
        (form(true), json!(null), "/q"),
        (form(true), json!(""), "/q?a="),
        (form(true), json!([true, false]), "/q?a=true&a=false"),
        (form(true), json!(0), "/q?a=0"),
        (form(true), json!(18446744073709551615u64), "/q?a=18446744073709551615"),
        (form(true), json!("é日"), "/q?a=%C3%A9%E6%97%A5"),
        (parameter(Location::Query, "a", reserved), json!("http://x/?b=c&d=%26#"), "/q?a=http://x/?b=c%26d=%26%23"),
        (
            parameter(Location::Query, "a", style(Style::DeepObject, true)),
            json!({"k": {"l": 1}}),
            "/q?a%5Bk%5D%5Bl%5D=1",
        ),
        (parameter(Location::Query, "filter[name]", style(Style::Form, true)), json!("x"), "/q?filter%5Bname%5D=x"),
        (content("application/json"), json!({"a": [1, "x y"]}), "/q?a=%7B%22a%22%3A%5B1%2C%22x%20y%22%5D%7D"),
        (content("text/plain"), json!("x"), "/q?a=x"),
        (content("application/x-www-form-urlencoded"), json!({"b": "c d"}), "/q?a=b%3Dc%2Bd"),
    ];
    for (parameter, value, expected) in cases {
        let name = parameter.name.clone();
        assert_eq!(uri("/q", &[parameter], json!({name: value})).unwrap(), expected);
    }
    let two = [query("a"), query("b")];
    assert_eq!(uri("/q?v=1", &two, json!({"b": "2", "a": "1"})).unwrap(), "/q?v=1&a=1&b=2");
    assert_eq!(uri("/q", &two, json!({"b": "1"})).unwrap(), "/q?b=1");
}

#[test]
fn a_query_string_may_be_one_value() {
    let whole = |media_type: &str, value: Value| {
        let parameter = parameter(Location::Querystring, "q", Serialization::Content(media_type.into()));
        uri("/q", &[parameter, fixed(json!("k"), query("key"))], json!({"q": value}))
    };
    let form = "application/x-www-form-urlencoded";
    for (media_type, value, expected) in [
        (form, json!({"a b": ["c&d", "e"], "n": null}), "/q?key=k&a+b=c%26d&a+b=e"),
        (form, json!({}), "/q?key=k"),
        (form, json!(null), "/q?key=k"),
        ("application/json", json!({"a": "b&c"}), "/q?key=k&%7B%22a%22%3A%22b%26c%22%7D"),
        ("application/jsonpath", json!("$.a[1:2]"), "/q?key=k&%24.a%5B1%3A2%5D"),
    ] {
        assert_eq!(whole(media_type, value).unwrap(), expected);
    }
    assert!(whole(form, json!("a=b#\r\n")).unwrap_err().contains("\"q\" must be an object"));
    assert!(whole(form, json!({"key": "mine"})).unwrap_err().contains("a member \"key\""));
}

#[test]
fn members_of_an_object_do_not_stand_for_other_parameters() {
    let parameters = [query("filter"), query("page"), operator("$key", query("api_key"))];
    let tool = tool(operation("GET", "/q?v=1", parameters.to_vec(), None));
    let call = |arguments| tool.request(object(arguments), &mut |_| "secret".into());
    assert_eq!(call(json!({"filter": {"a": 1}})).unwrap().uri, "/q?v=1&a=1&api_key=secret");
    for name in ["page", "api_key", "v"] {
        let error = call(json!({"filter": {name: "mine"}})).unwrap_err();
        assert!(error.text.contains(&format!("\"filter\" must not have a member \"{name}\"")), "{}", error.text);
    }
}

#[test]
fn headers_take_what_headers_may_hold() {
    let with = |parameter: Parameter, value: Value| {
        let name = parameter.name.clone();
        let tool = tool(operation("GET", "/h", vec![parameter], None));
        assert_eq!(tool.endpoint().header_names().join(""), name);
        call(&tool, json!({name: value})).map(|request| request.headers).map_err(|unsent| unsent.text)
    };
    let json = parameter(Location::Header, "X-J", Serialization::Content("application/json".into()));
    let exploded = parameter(Location::Header, "X-O", style(Style::Simple, true));
    for (parameter, value, expected) in [
        (header("X-L"), json!(["blue", "black"]), "blue,black"),
        (header("X-L"), json!({"R": 100, "G": 200}), "R,100,G,200"),
        (exploded, json!({"R": 100, "G": 200}), "R=100,G=200"),
        (json, json!({"a": [1, "x, y"]}), r#"{"a":[1,"x, y"]}"#),
        (header("X-L"), json!("a, b"), "a, b"),
        (header("api_key"), json!(10), "10"),
    ] {
        let name = parameter.name.clone();
        assert_eq!(with(parameter, value).unwrap(), [(name, expected.to_owned())]);
    }
    for nothing in [json!(null), json!([]), json!({"a": null})] {
        assert_eq!(with(header("X-L"), nothing).unwrap(), []);
    }
    for text in ["a\r\nX-Evil: 1", "a\nb", "a\0b", "é"] {
        assert!(with(header("X-L"), json!(text)).unwrap_err().contains("\"X-L\" must be ASCII"));
        assert!(with(header("X-L"), json!([text])).unwrap_err().contains("\"X-L\" must be ASCII"));
        assert!(with(header("X-L"), json!({text: 1})).unwrap_err().contains("\"X-L\" must be ASCII"));
    }
    assert!(with(header("X-L"), json!(["a,b"])).unwrap_err().contains("must not hold \",\""));
}

#[test]
fn cookies_share_a_line() {
    let parameters = vec![cookie("a"), cookie("b"), fixed(json!("x;y"), cookie("f"))];
    let tool_of_forms = tool(operation("GET", "/c", parameters, None));
    assert_eq!(tool_of_forms.endpoint().header_names(), ["Cookie"]);
    let line = |tool: &Tool, arguments| {
        let headers = call(tool, arguments).map_err(|unsent| unsent.text)?.headers;
        Ok::<_, String>(headers.into_iter().map(|(name, line)| format!("{name}: {line}")).collect::<Vec<_>>().join("|"))
    };
    for (arguments, expected) in [
        (json!({"a": "1", "b": 2}), "Cookie: f=x%3By; a=1; b=2"),
        (json!({"a": "1; admin=true\r\n"}), "Cookie: f=x%3By; a=1%3B%20admin%3Dtrue%0D%0A"),
        (json!({"a": false, "b": null}), "Cookie: f=x%3By; a=false"),
        (json!({}), "Cookie: f=x%3By"),
    ] {
        assert_eq!(line(&tool_of_forms, arguments).unwrap(), expected);
    }
    let literal = parameter(Location::Cookie, "a", style(Style::Cookie, true));
    let tool = tool(operation("GET", "/c", vec![literal], None));
    assert_eq!(line(&tool, json!({"a": ["1=2", "%20"]})).unwrap(), "Cookie: a=1=2; a=%20");
    assert_eq!(line(&tool, json!({"a": []})).unwrap(), "");
    assert!(line(&tool, json!({"a": "1; b=2"})).unwrap_err().contains("\"a\" must be ASCII"));
}

#[test]
fn a_body_is_sent_as_its_type_asks() {
    let post = |body, arguments| {
        let request = call(&tool(operation("POST", "/b", Vec::new(), body)), arguments).unwrap();
        (request.content_type, request.body.map(|body| String::from_utf8(body).unwrap()))
    };
    let sent = |content_type: &str, body: &str| (Some(content_type.to_owned()), Some(body.to_owned()));
    let json = || body("application/merge-patch+json", BodyKind::Json);
    assert_eq!(
        post(json(), json!({"body": {"a": null, "n": [10.0, true]}})),
        sent("application/merge-patch+json", r#"{"a":null,"n":[10.0,true]}"#)
    );
    assert_eq!(post(json(), json!({"body": null})), sent("application/merge-patch+json", "null"));
    assert_eq!(post(json(), json!({})), (None, None));
    assert_eq!(post(None, json!({})), (None, None));
    let text = || body("text/plain; charset=utf-8", BodyKind::Text);
    assert_eq!(post(text(), json!({"body": "héllo\nx"})), sent("text/plain; charset=utf-8", "héllo\nx"));
    assert_eq!(post(text(), json!({"body": null})), (None, None));
    assert_eq!(
        post(body("application/octet-stream", BodyKind::Bytes), json!({"body": "aGk="})),
        sent("application/octet-stream", "hi")
    );
    let form = body("application/x-www-form-urlencoded", BodyKind::Form(Vec::new()));
    assert_eq!(post(form, json!({"body": {"a": "x y"}})), sent("application/x-www-form-urlencoded", "a=x+y"));
    let file = Field { name: "f".into(), style: None, content_type: None, binary: true };
    let (content_type, parts) =
        post(body("multipart/form-data; boundary=x", BodyKind::Multipart(vec![file])), json!({"body": {"f": "aGk"}}));
    let boundary = content_type.as_deref().unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
    assert_eq!(
        parts.unwrap(),
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\nContent-Type: \
             application/octet-stream\r\n\r\nhi\r\n--{boundary}--\r\n"
        )
    );
    let bytes = tool(operation("DELETE", "/b", Vec::new(), body("image/png", BodyKind::Bytes)));
    assert!(bytes.endpoint().has_body());
    let error = call(&bytes, json!({"body": "no base64"})).unwrap_err();
    assert_eq!(error.text, "invalid arguments: \"body\" must be base64, as it is sent as bytes");
}

#[test]
fn places_keep_values_of_one_name_apart() {
    let renamed = |argument: &str, parameter: Parameter| from(Source::Argument(argument.into()), parameter);
    let parameters =
        vec![renamed("id_path", path("id")), renamed("id_query", query("id")), renamed("id_header", header("id"))];
    let tool = tool(operation("PUT", "/p/{id}", parameters, body("application/json", BodyKind::Json)));
    let arguments = json!({"id_path": "P", "id_query": "Q", "id_header": "H", "body": {"id": "B"}});
    let request = call(&tool, arguments).unwrap();
    assert_eq!(request.uri, "/p/P?id=Q");
    assert_eq!(request.headers, [("id".to_owned(), "H".to_owned())]);
    assert_eq!(request.body.as_deref(), Some(&br#"{"id":"B"}"#[..]));
}

#[test]
fn fixed_values_are_placed_like_arguments() {
    let parameters = vec![
        fixed(json!("a/b"), path("tenant")),
        fixed(json!(["x", "y z"]), query("q")),
        fixed(json!(null), query("none")),
        fixed(json!(7), header("X-Version")),
        operator("Bearer constant", header("Authorization")),
        path("id"),
    ];
    let tool = tool(operation("GET", "/{tenant}.{id}/x", parameters, None));
    let request = call(&tool, json!({"id": 1})).unwrap();
    assert_eq!(request.uri, "/a%2Fb.1/x?q=x&q=y%20z");
    let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(request.headers, [line("X-Version", "7"), line("Authorization", "Bearer constant")]);
    assert_eq!(tool.endpoint().header_names(), ["X-Version", "Authorization"]);
    assert!(tool.endpoint().operator_values().is_empty());
}

#[test]
fn the_operators_values_are_held_to_the_same_rules() {
    let parameters = vec![
        operator("$tenant", path("tenant")),
        operator("$lang", query("lang")),
        operator("$tenant", cookie("tenant")),
        operator("Bearer $token", header("Authorization")),
    ];
    let tool = tool(operation("GET", "/{tenant}", parameters, None));
    assert_eq!(tool.endpoint().operator_values(), ["$tenant", "$lang", "Bearer $token"]);
    let with = |values: [&str; 3]| tool.request(Map::new(), &mut |index| values[index].to_owned());
    let request = with(["a b", "", "Bearer x"]).unwrap();
    assert_eq!(request.uri, "/a%20b");
    let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(request.headers, [line("Authorization", "Bearer x"), line("Cookie", "tenant=a%20b")]);
    for token in ["", "Bearer ", "Basic "] {
        assert_eq!(with(["a", "", token]).unwrap().headers, [line("Cookie", "tenant=a")]);
    }
    for (values, why) in [
        (["", "", "Bearer x"], "what \"$tenant\" comes to is required"),
        (["..", "", "Bearer x"], "what \"$tenant\" comes to must not contain a path step"),
        (["a", "", "Bearer secret\r\nX-Evil: 1"], "what \"Bearer $token\" comes to must be ASCII"),
    ] {
        let unsent = with(values).unwrap_err();
        let note = unsent.note.unwrap();
        assert!(note.starts_with("tool \"op\" cannot be called: ") && note.contains(why), "{note}");
        assert!(!unsent.text.contains("token") && !note.contains("secret"));
    }
    let two = Tool::from_operation(operation(
        "GET",
        "/{a}{b}",
        vec![operator("$a", path("a")), operator("$b", path("b"))],
        None,
    ));
    assert!(two.unwrap().request(Map::new(), &mut |_| ".".into()).unwrap_err().note.is_some());
}

#[test]
fn arguments_are_validated_and_defaults_are_not_sent() {
    let mut operation = operation("GET", "/m", vec![query("n"), query("l"), query("c")], None);
    operation.input_schema = json!({
        "type": "object",
        "properties": {
            "n": {"type": ["integer", "null"], "default": 5},
            "l": {"type": "array", "items": {"type": "integer"}},
            "c": {"const": "x"},
        },
    });
    let tool = tool(operation);
    for (arguments, expected) in [
        (json!({}), "/m"),
        (json!({"n": 10.0}), "/m?n=10"),
        (json!({"n": null, "l": [1.0, 2]}), "/m?l=1&l=2"),
        (json!({"c": "x"}), "/m?c=x"),
    ] {
        assert_eq!(call(&tool, arguments).unwrap().uri, expected);
    }
    for arguments in [json!({"n": "abc"}), json!({"c": "y"}), json!({"more": 1})] {
        let unsent = call(&tool, arguments).unwrap_err();
        assert!(unsent.text.starts_with("invalid arguments: ") && unsent.note.is_none(), "{}", unsent.text);
    }
}

#[test]
fn a_schema_that_cannot_be_compiled_is_noted_when_it_is_needed() {
    let mut operation = operation("GET", "/m", vec![query("a")], None);
    operation.input_schema = json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}});
    let unsent = call(&tool(operation), json!({"a": "x"})).unwrap_err();
    assert!(unsent.text.starts_with("the tool cannot be called"), "{}", unsent.text);
    assert!(unsent.note.unwrap().contains("its input schema is not valid: at \"/properties/a/pattern\""));
}

#[test]
fn an_operation_is_listed_as_it_is_described() {
    let mut operation = operation("QUERY", "/m", vec![query("a")], None);
    operation.title = Some("Title".into());
    operation.annotations = object(json!({"readOnlyHint": true}));
    operation.accept = Some("application/json".into());
    operation.output_schema = Some(json!({"type": "object"}));
    let tool = tool(operation);
    assert_eq!((tool.endpoint().method(), tool.endpoint().origin()), ("QUERY", "http://api.example.com"));
    assert_eq!((tool.endpoint().accept(), tool.endpoint().has_body()), (Some("application/json"), false));
    assert_eq!(
        Value::Object(tool.definition(ProtocolVersion::V2025_06_18)),
        json!({
            "name": "op",
            "title": "Title",
            "description": "An operation.",
            "inputSchema": {"type": "object", "properties": {"a": {}}},
            "outputSchema": {"type": "object"},
            "annotations": {"readOnlyHint": true},
        })
    );
}

#[test]
fn what_cannot_be_sent_makes_no_tool() {
    let get = |path: &str, parameters: Vec<Parameter>| operation("GET", path, parameters, None);
    let change = |change: fn(&mut Operation)| {
        let mut operation = operation("GET", "/", Vec::new(), None);
        change(&mut operation);
        operation
    };
    let form = "application/x-www-form-urlencoded";
    let labelled =
        Field { name: "f".into(), style: Some(style(Style::Label, true)), content_type: None, binary: false };
    let typed = Field { name: "f".into(), style: None, content_type: Some("a".into()), binary: false };
    let cases = [
        (change(|operation| operation.name = "a b".into()), "invalid tool name"),
        (change(|operation| operation.method = "GET /".into()), "is not a method"),
        (change(|operation| operation.method = "CONNECT".into()), "is not a method"),
        (change(|operation| operation.origin = "ftp://x".into()), "must begin with http"),
        (change(|operation| operation.origin = "http://u:p@x".into()), "credentials"),
        (change(|operation| operation.accept = Some("a\r\nb".into())), "\"Accept\""),
        (change(|operation| operation.input_schema = json!({})), "does not describe an object"),
        (get("/{id}", Vec::new()), "no such parameter"),
        (get("/", vec![path("id")]), "the path has no {id}"),
        (get("/../x", Vec::new()), "leads elsewhere"),
        (get("/.{a}", vec![fixed(json!("."), path("a"))]), "leads elsewhere"),
        (get("/{a}", vec![fixed(json!(""), path("a"))]), "its value is empty"),
        (get("/a b", Vec::new()), "cannot stand in a path"),
        (get("/a#b", Vec::new()), "cannot stand in a path"),
        (get("/", vec![query("a"), query("a")]), "another one in the query"),
        (get("/", vec![query("a"), header("a")]), "has another place already"),
        (get("/", vec![header("X-A"), header("x_a")]), "another header"),
        (get("/", vec![header("Authorization")]), "cannot be set by an argument"),
        (get("/", vec![header("Host")]), "cannot be set by an argument"),
        (get("/", vec![header("Cookie")]), "in=cookie"),
        (get("/", vec![header("Content_Length")]), "cannot be set by an argument"),
        (get("/", vec![header("X A")]), "cannot be the name of a header"),
        (get("/", vec![operator("$a", header("Host"))]), "cannot be set this way"),
        (get("/", vec![operator("$a", header("Transfer-Encoding"))]), "cannot be set this way"),
        (get("/", vec![fixed(json!("1"), header("content_length"))]), "cannot be set this way"),
        (get("/", vec![fixed(json!("a\r\nb"), header("X-A"))]), "its value must be ASCII"),
        (get("/", vec![cookie("a;b")]), "the name of a cookie"),
        (get("/", vec![parameter(Location::Query, "a", style(Style::Matrix, true))]), "no meaning in the query"),
        (get("/", vec![parameter(Location::Header, "a", style(Style::Form, true))]), "no meaning in the header"),
        (operation("POST", "/", Vec::new(), body("text", BodyKind::Text)), "is not a media type"),
        (
            get("/", vec![operator("$a", parameter(Location::Querystring, "a", Serialization::Content(form.into())))]),
            "which a text cannot be",
        ),
        (
            operation("POST", "/", Vec::new(), body(form, BodyKind::Form(vec![labelled]))),
            "body, \"f\": the style Label",
        ),
        (
            operation("POST", "/", Vec::new(), body(form, BodyKind::Form(vec![typed]))),
            "body, \"f\": \"a\" is not a media",
        ),
        (operation("POST", "/", Vec::new(), body("image/*", BodyKind::Bytes)), "is not a media type"),
        (operation("POST", "/", Vec::new(), body("a/b\r\nX: 1", BodyKind::Text)), "is not a media type"),
    ];
    for (operation, expected) in cases {
        let error = refused(operation);
        assert!(error.contains(expected), "{expected}: {error}");
    }
}
