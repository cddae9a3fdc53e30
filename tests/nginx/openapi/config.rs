//! Every wrong directive of a `mcp_openapi` block keeps nginx from starting, and its message says where and what to do.

use serde_json::json;

use super::document;
use crate::harness::{Conf, all_refused, refused, taken};

/// An MCP location with a block of these directives about a good document.
fn block(directives: &str) -> Conf {
    with_document(&format!("mcp_openapi api.json {{\n{directives}\n}}\n"))
}

/// An MCP location of these directives beside a good document.
fn with_document(directives: &str) -> Conf {
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
    let mut document = document(
        "http://127.0.0.1:1",
        json!({
            "/pets": {
                "get": {"operationId": "listPets", "tags": ["public"], "parameters": [parameter("limit")]},
                "post": {"operationId": "addPet", "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}},
            },
            "/pets/{id}": {"get": {"operationId": "getPet", "parameters": [
                {"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}},
            ]}},
        }),
    );
    document["components"] = json!({"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}});
    document["security"] = json!([{"key": []}]);
    Conf::location(directives).file("api.json", document.to_string())
}

#[test]
fn wrong_values_are_refused() {
    let cases = [
        ("pass; #here", &["\"pass\"", "invalid number of arguments"][..]),
        ("pass http://a http://b; #here", &["\"pass\"", "invalid number of arguments"]),
        ("pass http://127.0.0.1:1;\npass http://127.0.0.1:1; #here", &["\"pass\"", "is duplicate"]),
        ("pass backend; #here", &["\"pass\"", "\"backend\"", "http://"]),
        ("pass ftp://a; #here", &["\"pass\"", "\"ftp://a\"", "http://"]),
        ("pass http://; #here", &["\"pass\"", "\"http://\"", "host"]),
        ("pass http://$host; #here", &["\"pass\"", "\"http://$host\"", "host"]),
        ("pass http://joe@a; #here", &["\"pass\"", "credentials"]),
        ("prefix a_;\nprefix a_; #here", &["\"prefix\"", "is duplicate"]),
        ("expose; #here", &["\"expose\"", "invalid number of arguments"]),
        ("expose public; #here", &["\"expose\"", "\"public\"", "tag=…"]),
        ("expose tags=public; #here", &["\"expose\"", "\"tags=public\"", "tag=…"]),
        ("hide tag=; #here", &["\"hide\"", "\"tag=\""]),
        ("resource pets:all; #here", &["\"resource\"", "invalid number of arguments"]),
        ("resource pets operation=listPets; #here", &["\"resource\"", "needs a URI", "\"pets\""]),
        ("resources pets:/ public; #here", &["\"resources\"", "\"public\"", "tag=…"]),
        ("resource pets:all tool=on; #here", &["\"resource\"", "it selects nothing"]),
        ("methods get; #here", &["\"methods\"", "\"get\"", "such as GET"]),
        ("methods GET;\nmethods POST; #here", &["\"methods\"", "is duplicate"]),
        ("readonly maybe; #here", &["\"readonly\"", "\"maybe\"", "\"on\" or \"off\""]),
        ("readonly on;\nreadonly on; #here", &["\"readonly\"", "is duplicate"]),
        ("strict maybe; #here", &["\"strict\"", "\"on\" or \"off\""]),
        ("strict on;\nstrict on; #here", &["\"strict\"", "is duplicate"]),
        ("output_schema x.json; #here", &["\"output_schema\"", "\"on\" or \"off\""]),
        ("output_schema on;\noutput_schema on; #here", &["\"output_schema\"", "is duplicate"]),
        ("credential key; #here", &["\"credential\"", "invalid number of arguments"]),
        ("credential key a;\ncredential key b; #here", &["\"credential\"", "\"key\"", "duplicate"]),
        ("references none; #here", &["\"references\"", "none\"", "No such file"]),
        ("references .;\nreferences .; #here", &["\"references\"", "is duplicate"]),
        ("references api.json; #here", &["\"references\"", "api.json\"", "not a directory"]),
        ("cache a;\ncache b; #here", &["\"cache\"", "is duplicate"]),
        ("timeout soon; #here", &["\"timeout\"", "\"soon\"", "\"60s\""]),
        ("timeout 0; #here", &["\"timeout\"", "1s"]),
        ("timeout 1s;\ntimeout 1s; #here", &["\"timeout\"", "is duplicate"]),
        ("max_size big; #here", &["\"max_size\"", "\"big\"", "\"8m\""]),
        ("max_size 0; #here", &["\"max_size\"", "\"0\""]),
        ("max_size 1m;\nmax_size 1m; #here", &["\"max_size\"", "is duplicate"]),
        ("trusted_certificate a;\ntrusted_certificate a; #here", &["\"trusted_certificate\"", "is duplicate"]),
        ("tool; #here", &["\"tool\"", "{"]),
        ("tool getPet; #here", &["\"tool\"", "{"]),
        ("tool getPet { }\ntool getPet { #here\n}", &["\"tool\"", "\"getPet\" is duplicate"]),
        ("tool getPet {\nname; #here\n}", &["\"name\"", "invalid number of arguments"]),
        ("tool getPet {\nname a;\nname b; #here\n}", &["\"name\"", "is duplicate"]),
        ("tool getPet {\ndescription not quoted; #here\n}", &["\"description\"", "invalid number of arguments"]),
        ("tool getPet {\ndescription a;\ndescription b; #here\n}", &["\"description\"", "is duplicate"]),
        ("tool getPet {\nfix id; #here\n}", &["\"fix\"", "invalid number of arguments"]),
        ("tool getPet {\nfix id 1;\nfix id 2; #here\n}", &["\"fix\"", "\"id\" is duplicate"]),
        ("unknown_word x; #here", &["\"unknown_word\"", "unknown directive"]),
        ("tool getPet {\nunknown_word x; #here\n}", &["\"unknown_word\"", "unknown directive"]),
    ];
    all_refused(cases.map(|(directives, texts)| (block(directives), texts.to_vec())));
}

#[test]
fn directives_that_belong_elsewhere_are_refused() {
    let said_by_document = ["proxy_pass http://127.0.0.1:1;", "proxy_method PUT;", "proxy_set_body x;", "empty_gif;"];
    let of_location =
        ["allow all;", "limit_req zone=z;", "auth_request /a;", "return 403;", "set $a b;", "if ($host) { }"];
    let named = |directive: &str| format!("\"{}\"", directive.split([' ', ';']).next().unwrap());
    let mut cases = Vec::new();
    for (directives, why) in [(&said_by_document[..], "the document and \"pass\""), (&of_location[..], "$mcp_tool")] {
        for directive in directives {
            for (block, place) in [("", "\"mcp_openapi\""), ("tool getPet", "\"tool\"")] {
                let inner = if block.is_empty() {
                    format!("{directive} #here")
                } else {
                    format!("{block} {{\n{directive} #here\n}}")
                };
                cases.push((self::block(&inner), vec![named(directive), place.to_owned(), why.to_owned()]));
            }
        }
    }
    for directive in [
        "mcp_tool t { #here\n}",
        "mcp_openapi api.json { #here\n}",
        "mcp on; #here",
        "argument a string; #here",
        "input_schema a.json; #here",
        "name x; #here",
        "fix id 1; #here",
        "proxy_cache_path /x keys_zone=a:1m; #here",
    ] {
        cases.push((block(directive), vec![named(directive), "not allowed here".to_owned()]));
    }
    for directive in
        ["tool listPets { #here\n}", "prefix a_; #here", "pass http://127.0.0.1:1; #here", "credential key x; #here"]
    {
        cases.push((
            block(&format!("tool getPet {{\n{directive}\n}}")),
            vec![named(directive), "not allowed here".to_owned()],
        ));
        cases.push((with_document(directive), vec![named(directive), "not allowed here".to_owned()]));
    }
    all_refused(cases);
    refused(
        with_document("mcp_openapi api.json { #here\nlocation /a { }\n}"),
        &["\"mcp_openapi\"", "\"location\"", "not allowed"],
    );
    refused(
        with_document("mcp_openapi api.json {\ntool getPet { #here\nlocation /a { }\n}\n}"),
        &["\"tool\"", "\"location\"", "not allowed"],
    );
    for level in
        [Conf::new().server("mcp_openapi api.json { #here\n}"), Conf::new().http("mcp_openapi api.json { #here\n}")]
    {
        refused(level, &["\"mcp_openapi\"", "not allowed here"]);
    }
    refused(
        Conf::new().server("location /x {\nmcp_openapi api.json { #here\n}\n}").file("api.json", small("a")),
        &["\"mcp_openapi\"", "needs \"mcp on\""],
    );
}

/// A document of one operation.
fn small(id: &str) -> String {
    document("http://127.0.0.1:1", json!({"/a": {"get": {"operationId": id}}})).to_string()
}

#[test]
fn a_source_that_cannot_be_read_is_refused() {
    let file = |content: &str, directives: &str| {
        Conf::location(&format!("mcp_openapi api {{ #here\n{directives}\n}}\n")).file("api", content)
    };
    let name = "\"mcp_openapi\"";
    let cases = [
        (Conf::location("mcp_openapi { #here\n}"), &[name, "invalid number of arguments"][..]),
        (Conf::location("mcp_openapi a b { #here\n}"), &[name, "invalid number of arguments"]),
        (Conf::location("mcp_openapi api.json; #here"), &[name, "{"]),
        (Conf::location("mcp_openapi none.json { #here\n}"), &[name, "none.json\"", "cannot be read", "No such file"]),
        (Conf::location("mcp_openapi logs { #here\n}"), &[name, "logs\"", "is not a file"]),
        (Conf::location("mcp_openapi /dev/zero { #here\n}"), &[name, "/dev/zero\"", "is not a file"]),
        (file("", ""), &[name, "\"api\"", "the document is empty"]),
        (file("hello", ""), &[name, "\"api\"", "\"openapi\"", "\"swagger\""]),
        (file("openapi: 4.0.0", ""), &[name, "\"4.0.0\"", "3.1"]),
        (
            file("{\"openapi\": \"3.1.0\",\n \"paths\": ]}", ""),
            &[name, "\"api\"", "line 2, column 11", "expected value"],
        ),
        (file("openapi: 3.1.0\npaths:\n  /a: [\n", ""), &[name, "\"api\"", "line 3, column 7"]),
        (file("openapi: 3.1.0\npaths: *none\n", ""), &[name, "\"api\"", "line 2, column"]),
        (file(&small("a"), "max_size 100;"), &[name, "\"api\"", "\"max_size\"", "(100)"]),
        (file(&small("a"), "cache logs;"), &[name, "\"cache\"", "URL"]),
        (file(&small("a"), "timeout 1s;"), &[name, "\"timeout\"", "URL"]),
        (file(&small("a"), "trusted_certificate a.pem;"), &[name, "\"trusted_certificate\"", "URL"]),
        (Conf::location("mcp_openapi ftp://127.0.0.1/a.json { #here\n}"), &[name, "ftp://", "http"]),
    ];
    all_refused(cases.map(|(conf, texts)| (conf, texts.to_vec())));
    refused(Conf::location("mcp_openapi api { #here\n}").file("api", [0xff, 0xfe, 0]), &[name, "\"api\"", "UTF-8"]);
}

#[test]
fn names_that_collide_are_refused() {
    let two = |first: &str, second: &str| {
        Conf::location(&format!("{first}\n{second}\n")).file("a.json", small("same")).file("b.json", small("same"))
    };
    let texts = ["\"mcp_openapi\"", "\"b.json\"", "\"same\"", "\"prefix\""];
    refused(two("mcp_openapi a.json { }", "mcp_openapi b.json { #here\n}"), &texts);
    refused(two("mcp_tool same { pass GET http://127.0.0.1:1/; }", "mcp_openapi b.json { #here\n}"), &texts);
    refused(
        two("mcp_openapi a.json { }", "mcp_tool same { #here\npass GET http://127.0.0.1:1/;\n}"),
        &["\"mcp_tool\"", "\"same\"", "duplicate"],
    );
    taken(two("mcp_openapi a.json { }", "mcp_openapi b.json { prefix b_; }"));
    taken(two("mcp_openapi a.json { }", "mcp_openapi b.json { tool same { name other; } }"));
    taken(
        Conf::new()
            .server("location /a { mcp on; mcp_openapi a.json { } }\nlocation /b { mcp on; mcp_openapi a.json { } }\n")
            .file("a.json", small("same")),
    );
}

#[test]
fn texts_with_variables_are_checked() {
    refused(block("credential key \"a$\"; #here"), &["invalid variable name"]);
    refused(block("tool getPet {\nfix id \"a$\"; #here\n}"), &["invalid variable name"]);
    // nginx knows all variables only when it has read all of the configuration, so it names no line.
    for directive in ["credential key $no_such_variable;", "tool getPet { fix id $no_such_variable; }"] {
        refused(block(directive), &["unknown \"no_such_variable\" variable"]);
    }
    taken(block("credential key $http_x_key;\ntool getPet { fix id $arg_id; }"));
}

#[test]
fn strict_makes_a_defect_an_error() {
    let broken = include_str!("../../openapi/broken-refs.yaml");
    let conf = |directives: &str| {
        Conf::location(&format!("mcp_openapi broken.yaml {{ #here\n{directives}\n}}\n")).file("broken.yaml", broken)
    };
    refused(conf("strict on;"), &["\"mcp_openapi\"", "\"broken.yaml\"", "defects", "\"strict\""]);
    let (taken, output) = conf("strict off;").check();
    assert!(taken && output.contains("[warn]"), "{output}");
    self::taken(block("strict on;"));
}

#[test]
fn servers_that_cannot_be_called_are_refused() {
    let conf = |server: &str, directives: &str| {
        let text = document(server, json!({"/a": {"get": {"operationId": "a"}}})).to_string();
        Conf::location(&format!("mcp_openapi api.json {{ #here\n{directives}\n}}\n")).file("api.json", text)
    };
    refused(conf("http://no-such-host.invalid", ""), &["no-such-host.invalid", "not found"]);
    taken(conf("http://no-such-host.invalid", "pass http://127.0.0.1:1;"));
}
