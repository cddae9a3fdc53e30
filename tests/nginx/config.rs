//! Every wrong directive keeps nginx from starting, with a message that names the directive, says what to do, and points
//! to the line.

use crate::harness::{Conf, Port, all_refused, refused, taken};

/// A server whose `location /x` holds these directives.
fn location(directives: &str) -> Conf {
    Conf::new().server(&format!("location /x {{\n{directives}\n}}\n"))
}

/// An MCP location with a tool of these directives.
fn tool(directives: &str) -> Conf {
    Conf::location(&format!("mcp_tool t {{\n{directives}\n}}\n"))
}

/// A tool of these directives that is complete without them.
fn good_tool(directives: &str) -> Conf {
    tool(&format!("pass GET http://127.0.0.1:1/x;\n{directives}"))
}

/// A tool with an input schema.
fn schema(text: &str) -> Conf {
    tool("pass GET http://127.0.0.1:1/x;\ninput_schema s.json; #here").file("s.json", text)
}

#[test]
fn wrong_directives_of_a_server_are_refused() {
    let cases = [
        ("mcp maybe; #here", &["\"mcp\"", "\"on\" or \"off\"", "\"maybe\""][..]),
        ("mcp; #here", &["\"mcp\"", "invalid number of arguments"]),
        ("mcp on off; #here", &["\"mcp\"", "invalid number of arguments"]),
        ("mcp on;\nmcp on; #here", &["\"mcp\"", "is duplicate"]),
        ("if ($host) {\nmcp on; #here\n}", &["\"mcp\"", "is not allowed here"]),
        ("limit_except GET {\nmcp on; #here\n}", &["\"mcp\"", "is not allowed here"]),
        ("mcp_server_info one; #here", &["\"mcp_server_info\"", "invalid number of arguments"]),
        ("mcp_server_info one 2 three; #here", &["\"mcp_server_info\"", "does not take \"three\""]),
        ("mcp_server_info a 1 website=a.example; #here", &["\"mcp_server_info\"", "website=https://"]),
        ("mcp_server_icons icon.png; #here", &["\"mcp_server_icons\"", "a URL of https"]),
        ("mcp_server_info a 1;\nmcp_server_info a 1; #here", &["\"mcp_server_info\"", "is duplicate"]),
        ("mcp on;\nmcp_server_info \"\" 1; #here", &["\"mcp_server_info\"", "must not be empty"]),
        ("mcp on;\nmcp_server_info a \"\"; #here", &["\"mcp_server_info\"", "must not be empty"]),
        ("mcp_instructions; #here", &["\"mcp_instructions\"", "invalid number of arguments"]),
        ("mcp_instructions not quoted; #here", &["\"mcp_instructions\"", "invalid number of arguments"]),
        ("mcp_instructions a;\nmcp_instructions b; #here", &["\"mcp_instructions\"", "is duplicate"]),
        ("mcp_allowed_origins; #here", &["\"mcp_allowed_origins\"", "invalid number of arguments"]),
        ("mcp_allowed_origins *;\nmcp_allowed_origins *; #here", &["\"mcp_allowed_origins\"", "is duplicate"]),
        (
            "mcp on;\nmcp_allowed_origins app.example.com; #here",
            &["\"mcp_allowed_origins\"", "\"app.example.com\"", "scheme://host"],
        ),
        (
            "mcp on;\nmcp_allowed_origins https://a.example https://b.example/x; #here",
            &["\"mcp_allowed_origins\"", "\"https://b.example/x\""],
        ),
        ("mcp_max_result_size; #here", &["\"mcp_max_result_size\"", "invalid number of arguments"]),
        ("mcp_max_result_size 0; #here", &["\"mcp_max_result_size\"", "\"0\"", "\"8m\""]),
        ("mcp_max_result_size -1; #here", &["\"mcp_max_result_size\"", "\"-1\"", "\"8m\""]),
        ("mcp_max_result_size big; #here", &["\"mcp_max_result_size\"", "\"big\"", "\"8m\""]),
        ("mcp_max_result_size 1m;\nmcp_max_result_size 1m; #here", &["\"mcp_max_result_size\"", "is duplicate"]),
        ("mcp_page_size many; #here", &["\"mcp_page_size\"", "\"many\"", "number"]),
        ("mcp_page_size -1; #here", &["\"mcp_page_size\"", "\"-1\"", "number"]),
        ("mcp_page_size 1;\nmcp_page_size 1; #here", &["\"mcp_page_size\"", "is duplicate"]),
        ("mcp_session_timeout soon; #here", &["\"mcp_session_timeout\"", "\"soon\"", "\"60s\""]),
        ("mcp_session_timeout -1; #here", &["\"mcp_session_timeout\"", "\"-1\"", "\"60s\""]),
        ("mcp_session_timeout 1h;\nmcp_session_timeout 1h; #here", &["\"mcp_session_timeout\"", "is duplicate"]),
        ("mcp_cache_ttl soon; #here", &["\"mcp_cache_ttl\"", "\"soon\"", "\"60s\""]),
        ("mcp_cache_ttl 1;\nmcp_cache_ttl 1; #here", &["\"mcp_cache_ttl\"", "is duplicate"]),
        ("mcp_cache_scope everybody; #here", &["\"mcp_cache_scope\"", "\"everybody\"", "\"public\" or \"private\""]),
        ("mcp_cache_scope public;\nmcp_cache_scope public; #here", &["\"mcp_cache_scope\"", "is duplicate"]),
    ];
    all_refused(cases.map(|(directives, texts)| (location(directives), texts.to_vec())));
}

#[test]
fn directives_that_stand_in_the_wrong_place_are_refused() {
    refused(Conf::new().server("mcp on; #here\n"), &["\"mcp\"", "is not allowed here"]);
    refused(Conf::new().http("mcp on; #here\n"), &["\"mcp\"", "is not allowed here"]);
    refused(
        Conf::new().server("mcp_tool t { #here\npass http://127.0.0.1:1/; }\n"),
        &["\"mcp_tool\"", "is not allowed here"],
    );
    let directives = [
        "title t;",
        "description d;",
        "pass http://127.0.0.1:1/;",
        "argument a string;",
        "annotations readOnlyHint;",
        "result text;",
        "select a;",
        "strict on;",
        "input_schema s.json;",
        "output_schema s.json;",
    ];
    let named = directives.map(|directive| (directive, format!("\"{}\"", directive.split(' ').next().unwrap())));
    all_refused(named.iter().map(|(directive, name)| {
        (location(&format!("mcp on;\n{directive} #here")), vec![name.as_str(), "is not allowed here"])
    }));
    for directive in ["mcp on;", "mcp_tool u { pass http://127.0.0.1:1/; }", "server { }"] {
        let name = format!("\"{}\"", directive.split(' ').next().unwrap());
        refused(good_tool(&format!("{directive} #here")), &[&name, "is not allowed here"]);
    }
    let nested = location("mcp on;\nmcp_tool t { #here\npass http://127.0.0.1:1/;\nlocation /y { }\n}");
    refused(nested, &["\"mcp_tool\"", "\"location\"", "is not allowed"]);
}

#[test]
fn a_secret_that_cannot_be_used_is_refused() {
    let name = "\"mcp_secret\"";
    refused(location("mcp_secret none; #here"), &[name, "could not be read", "none\"", "No such file"]);
    refused(location("mcp_secret logs; #here"), &[name, "could not be read", "directory"]);
    refused(location("mcp_secret; #here"), &[name, "invalid number of arguments"]);
    let short = location("mcp_secret short; #here").file("short", "fifteen letters\n\n\n");
    refused(short, &[name, "at least 16 bytes", "has 15", "openssl rand"]);
    let twice = location("mcp_secret key;\nmcp_secret key; #here").file("key", "0123456789abcdef");
    refused(twice, &[name, "is duplicate"]);
    taken(location("mcp_secret key;").file("key", "0123456789abcdef\n"));
}

#[test]
fn a_tool_that_cannot_be_is_refused() {
    let cases = [
        ("mcp_tool t; #here", &["\"mcp_tool\"", "has no opening \"{\""][..]),
        ("mcp_tool { #here\npass http://127.0.0.1:1/; }", &["\"mcp_tool\"", "invalid number of arguments"]),
        ("mcp_tool a b { #here\n}", &["\"mcp_tool\"", "invalid number of arguments"]),
        ("mcp_tool \"\" { #here\npass http://127.0.0.1:1/; }", &["\"mcp_tool\"", "A-Z a-z 0-9"]),
        ("mcp_tool \"a b\" { #here\npass http://127.0.0.1:1/; }", &["\"mcp_tool\"", "\"a b\"", "A-Z a-z 0-9"]),
        ("mcp_tool käse { #here\npass http://127.0.0.1:1/; }", &["\"mcp_tool\"", "\"käse\"", "A-Z a-z 0-9"]),
        ("mcp_tool t { #here\n}", &["\"mcp_tool\"", "\"t\"", "\"pass\""]),
        ("mcp_tool t { #here\ndescription d;\n}", &["\"mcp_tool\"", "\"t\"", "\"pass\""]),
        (
            "mcp_tool t {\npass http://127.0.0.1:1/;\n}\nmcp_tool t { #here\npass http://127.0.0.1:1/;\n}",
            &["\"mcp_tool\"", "duplicate", "\"t\""],
        ),
    ];
    all_refused(cases.map(|(directives, texts)| (Conf::location(directives), texts.to_vec())));
    let long = format!("mcp_tool {} {{ #here\npass http://127.0.0.1:1/; }}", "x".repeat(129));
    refused(Conf::location(&long), &["\"mcp_tool\"", "1 to 128"]);
    let offline = "mcp_tool t { #here\npass http://127.0.0.1:1/;\n}";
    refused(location(offline), &["\"mcp_tool\"", "\"mcp on\""]);
    refused(location(&format!("mcp off;\n{offline}")), &["\"mcp_tool\"", "\"mcp on\""]);
}

#[test]
fn a_pass_that_cannot_be_is_refused() {
    let name = "\"pass\"";
    let cases = [
        ("pass; #here", &[name, "URL"][..]),
        ("pass GET http://127.0.0.1:1/ x; #here", &[name, "URL"]),
        ("pass http://127.0.0.1:1/;\npass http://127.0.0.1:1/; #here", &[name, "duplicate"]),
        ("pass get http://127.0.0.1:1/; #here", &[name, "\"get\"", "GET"]),
        ("pass CONNECT http://127.0.0.1:1/; #here", &[name, "\"CONNECT\"", "GET"]),
        ("pass GET inventory/items; #here", &[name, "\"inventory/items\"", "http://"]),
        ("pass GET ftp://127.0.0.1/; #here", &[name, "\"ftp://127.0.0.1/\"", "http://"]),
        ("pass GET http://; #here", &[name, "\"http://\""]),
        ("pass GET http:///x; #here", &[name, "\"http:///x\""]),
        ("pass GET http://127.0.0.1:port/; #here", &[name, "\"port\""]),
        ("pass GET http://127.0.0.1:0/; #here", &[name, "\"0\""]),
        ("pass GET http://127.0.0.1:65536/; #here", &[name, "\"65536\""]),
        ("pass GET http://user:secret@127.0.0.1/; #here", &[name, "proxy_set_header Authorization"]),
        ("pass GET http://$host/; #here", &[name, "variables"]),
        ("pass GET http://127.0.0.1:1/x?q=$arg_q; #here", &[name, "variables"]),
        ("pass GET http://unix:/tmp/s:/x; #here", &[name, "upstream"]),
        ("pass GET http://127.0.0.1:1/a/../b; #here", &[name, "\"..\""]),
        ("pass GET \"http://127.0.0.1:1/a b\"; #here", &[name, "percent-encode"]),
        ("pass GET \"http://127.0.0.1:1/x#y\"; #here", &[name, "fragment"]),
        ("argument host string required;\npass GET \"http://{host}/\"; #here", &[name, "placeholder"]),
        ("argument q string;\npass GET \"http://127.0.0.1:1/?{q}=1\"; #here", &[name, "placeholder"]),
        ("pass GET \"http://127.0.0.1:1/{\"; #here", &[name]),
        ("pass GET \"http://127.0.0.1:1/{}\"; #here", &[name]),
        ("pass GET \"http://127.0.0.1:1/}\"; #here", &[name]),
    ];
    all_refused(cases.map(|(directives, texts)| (tool(directives), texts.to_vec())));
    // nginx itself takes an unquoted brace for the begin of a block.
    refused(
        tool("argument id string required;\npass GET http://127.0.0.1:1/{id}; #here"),
        &[name, "is not terminated by \";\""],
    );
    let unnamed = Conf::location("mcp_tool t { #here\npass GET \"http://127.0.0.1:1/{id}\";\n}");
    refused(unnamed, &["\"mcp_tool\"", "\"t\"", "{id}", "argument id"]);
}

#[test]
fn an_upstream_that_cannot_be_found_is_refused() {
    let conf = Conf::location("mcp_tool t { #here\npass GET http://no-such-host.invalid/;\n}");
    refused(conf, &["no-such-host.invalid", "not found"]);
    let conf = good_tool("proxy_ssl_trusted_certificate none.pem; #here").server("proxy_ssl_verify on;");
    let (taken, output) = conf.check();
    // Only https reads the file; nginx says so itself.
    assert!(taken, "{output}");
    let conf = tool("pass GET https://127.0.0.1:1/;\nproxy_ssl_trusted_certificate none.pem;");
    let (taken, output) = conf.check();
    assert!(!taken && output.contains("none.pem"), "{output}");
}

#[test]
fn an_argument_that_cannot_be_is_refused() {
    let name = "\"argument\"";
    let cases = [
        ("argument; #here", &[name, "name"][..]),
        ("argument a int; #here", &[name, "\"int\"", "integer"]),
        ("argument \"a b\" string; #here", &[name, "\"a b\""]),
        ("argument a string;\nargument a string; #here", &[name, "\"a\"", "duplicate"]),
        ("argument a string requird; #here", &[name, "\"requird\"", "required"]),
        ("argument a string required default=x; #here", &[name, "drop one"]),
        ("argument a integer min=x; #here", &[name, "\"min\"", "\"x\""]),
        ("argument a string min=1; #here", &[name, "\"min\""]),
        ("argument a string enum=a,a; #here", &[name, "\"enum\""]),
        ("argument a boolean default=yes; #here", &[name, "\"yes\""]),
        ("argument a string in=matrix; #here", &[name, "\"matrix\"", "query"]),
    ];
    all_refused(cases.map(|(directives, texts)| (good_tool(directives), texts.to_vec())));
}

#[test]
fn arguments_that_do_not_fit_together_are_refused_with_their_tool() {
    let cases = [
        ("argument a;", &["\"a\"", "argument a string"][..]),
        ("argument a string in=path;", &["\"a\"", "{a}"]),
        ("argument a string in=body;", &["\"a\"", "GET"]),
        ("argument a string in=form;", &["\"a\"", "GET"]),
        ("argument a string in=query name=x;\nargument b string in=query name=x;", &["\"b\"", "name="]),
        ("argument a integer default=5 max=4;", &["\"a\"", "default"]),
        ("argument a string pattern=[;", &["pattern"]),
        ("select a;\nresult mcp;", &["\"select\""]),
        ("strict on;", &["\"strict\"", "output_schema"]),
        ("argument Host string in=header;", &["\"Host\"", "proxy_set_header"]),
        ("argument Authorization string in=header;", &["\"Authorization\"", "proxy_set_header"]),
        ("argument a string in=header name=Connection;", &["\"Connection\"", "proxy_set_header"]),
        ("argument a string in=header name=Transfer-Encoding;", &["\"Transfer-Encoding\"", "proxy_set_header"]),
        ("argument a string in=header name=Content-Length;", &["\"Content-Length\"", "proxy_set_header"]),
        ("argument a string in=header name=X-Forwarded-For;", &["\"X-Forwarded-For\"", "proxy_set_header"]),
        ("argument a string in=header name=X-Accel-Redirect;", &["\"X-Accel-Redirect\"", "proxy_set_header"]),
        ("argument Cookie string in=header;", &["\"Cookie\"", "in=cookie"]),
        ("argument a string in=header name=X:Y;", &["\"X:Y\""]),
        ("argument a string in=header name=x_y;", &["\"x_y\""]),
        ("argument a string in=header name=X-A;\nargument b string in=header name=x-a;", &["\"b\"", "name="]),
        ("argument a string in=header name=X-A;\nproxy_set_header x-a v;", &["\"x-a\"", "\"proxy_set_header\""]),
        (
            "argument a string in=cookie;\nproxy_set_header Cookie $http_cookie;",
            &["\"Cookie\"", "\"proxy_set_header\""],
        ),
    ];
    all_refused(cases.map(|(directives, texts)| {
        let conf = Conf::location(&format!("mcp_tool t {{ #here\npass GET http://127.0.0.1:1/x;\n{directives}\n}}\n"));
        (conf, [&["\"mcp_tool\"", "\"t\""], texts].concat())
    }));
    let optional = "mcp_tool t { #here\npass GET \"http://127.0.0.1:1/{a}\";\nargument a string;\n}\n";
    refused(Conf::location(optional), &["\"mcp_tool\"", "\"t\"", "\"a\"", "required"]);
    let outside = "mcp_tool t { #here\npass GET http://127.0.0.1:1/x;\nargument a string in=header name=X-A;\n}\n";
    for (http, server) in [("proxy_set_header X-A v;", ""), ("", "proxy_set_header X-A v;")] {
        refused(
            Conf::location(outside).http(http).server(server),
            &["\"mcp_tool\"", "\"t\"", "\"X-A\"", "\"proxy_set_header\""],
        );
    }
}

#[test]
fn words_of_a_tool_with_wrong_values_are_refused() {
    let cases = [
        ("title; #here", &["\"title\"", "text"][..]),
        ("title a b; #here", &["\"title\"", "quotes"]),
        ("title a;\ntitle b; #here", &["\"title\"", "duplicate"]),
        ("description; #here", &["\"description\"", "text"]),
        ("description not quoted; #here", &["\"description\"", "quotes"]),
        ("description a;\ndescription b; #here", &["\"description\"", "duplicate"]),
        ("icons; #here", &["\"icons\"", "the URL of an icon"]),
        ("meta a; #here", &["\"meta\"", "a name and a value"]),
        ("annotations; #here", &["\"annotations\"", "readOnlyHint"]),
        ("annotations readOnly; #here", &["\"annotations\"", "\"readOnly\"", "readOnlyHint"]),
        ("annotations readOnlyHint=yes; #here", &["\"annotations\"", "\"readOnlyHint=yes\""]),
        ("annotations readOnlyHint;\nannotations readOnlyHint; #here", &["\"annotations\"", "duplicate"]),
        ("result; #here", &["\"result\"", "auto, json, text or mcp"]),
        ("result xml; #here", &["\"result\"", "\"xml\"", "auto, json, text or mcp"]),
        ("result text wrap=a; #here", &["\"result\"", "\"wrap=a\""]),
        ("result json;\nresult json; #here", &["\"result\"", "duplicate"]),
        ("select; #here", &["\"select\""]),
        ("select a..b; #here", &["\"select\"", "\"a..b\"", "/data/items/0"]),
        ("select a;\nselect a; #here", &["\"select\"", "duplicate"]),
        ("strict; #here", &["\"strict\"", "on or off"]),
        ("strict maybe; #here", &["\"strict\"", "\"maybe\"", "on or off"]),
        ("input_schema; #here", &["\"input_schema\"", "invalid number of arguments"]),
        ("input_schema none.json; #here", &["\"input_schema\"", "could not be read", "none.json\"", "No such file"]),
        ("output_schema none.json; #here", &["\"output_schema\"", "could not be read", "none.json\"", "No such file"]),
        ("unknown_word x; #here", &["\"unknown_word\"", "unknown directive"]),
    ];
    all_refused(cases.map(|(directives, texts)| (good_tool(directives), texts.to_vec())));
}

#[test]
fn a_schema_that_cannot_be_is_refused() {
    refused(schema("{"), &["\"input_schema\"", "is not JSON"]);
    refused(schema(""), &["\"input_schema\"", "is not JSON"]);
    let late = |text: &str| {
        Conf::location("mcp_tool t { #here\npass GET http://127.0.0.1:1/x;\ninput_schema s.json;\n}\n")
            .file("s.json", text)
    };
    let cases = [
        (r#"{"type": "array"}"#, &["object"][..]),
        (r#"{}"#, &["object"]),
        (r#"{"type": "object", "properties": {"a": {"type": "text"}}}"#, &["/properties/a"]),
        (r#"{"type": "object", "properties": {"a": {"pattern": "["}}}"#, &["/properties/a"]),
        (r##"{"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}}"##, &["/$defs/none"]),
        (
            r#"{"type": "object", "properties": {"a": {"$ref": "https://example.com/a.json"}}}"#,
            &["https://example.com/a.json"],
        ),
        (r#"{"type": "object", "$schema": "https://example.com/dialect"}"#, &["https://example.com/dialect"]),
        (
            r#"{"type": "object", "properties": {"a": {"type": "string", "default": 1}}}"#,
            &["\"a\"", "default of argument"],
        ),
        (r#"{"type": "object", "properties": {"a": {"type": "number", "x-mcp-header": "A"}}}"#, &["x-mcp-header"]),
    ];
    all_refused(cases.map(|(text, texts)| (late(text), [&["\"mcp_tool\"", "\"t\""], texts].concat())));
    let unknown = "mcp_tool t { #here\npass GET http://127.0.0.1:1/x;\ninput_schema s.json;\nargument b in=query;\n}\n";
    refused(
        Conf::location(unknown).file("s.json", r#"{"type": "object"}"#),
        &["\"mcp_tool\"", "\"b\"", "input_schema"],
    );
    let typed = "mcp_tool t { #here\npass GET http://127.0.0.1:1/x;\ninput_schema s.json;\nargument b string;\n}\n";
    let text = r#"{"type": "object", "properties": {"b": {"type": "string"}}}"#;
    refused(Conf::location(typed).file("s.json", text), &["\"mcp_tool\"", "\"b\"", "\"string\""]);
    let output = good_tool("output_schema s.json; #here").file("s.json", "nonsense");
    refused(output, &["\"output_schema\"", "is not JSON"]);
}

#[test]
fn what_pass_says_cannot_be_said_by_proxy_as_well() {
    let directives = [
        "proxy_pass http://127.0.0.1:1;",
        "proxy_method PUT;",
        "proxy_set_body x;",
        "proxy_pass_request_body off;",
        "proxy_pass_request_headers off;",
    ];
    let named = directives.map(|directive| (directive, format!("\"{}\"", directive.split(' ').next().unwrap())));
    all_refused(named.iter().map(|(directive, name)| {
        (good_tool(&format!("{directive} #here")), vec![name.as_str(), "\"mcp_tool\"", "\"pass\""])
    }));
}

#[test]
fn what_would_have_no_effect_in_a_tool_is_refused() {
    let directives = [
        "allow all;",
        "deny all;",
        "auth_basic x;",
        "auth_request /a;",
        "auth_request_set $a $b;",
        "limit_req zone=z;",
        "limit_conn z 1;",
        "mirror /m;",
        "return 403;",
        "rewrite a b;",
        "set $a b;",
        "if ($host) { }",
    ];
    let named = directives.map(|directive| (directive, format!("\"{}\"", directive.split(' ').next().unwrap())));
    all_refused(named.iter().map(|(directive, name)| {
        (good_tool(&format!("{directive} #here")), vec![name.as_str(), "\"mcp_tool\"", "$mcp_tool"])
    }));
}

#[test]
fn a_tool_has_no_other_content_than_its_pass() {
    let directives = [
        "fastcgi_pass 127.0.0.1:1;",
        "uwsgi_pass 127.0.0.1:1;",
        "scgi_pass 127.0.0.1:1;",
        "memcached_pass 127.0.0.1:1;",
        "grpc_pass 127.0.0.1:1;",
        "empty_gif;",
        "stub_status;",
        "try_files /a /b;",
    ];
    let named = directives.map(|directive| (directive, format!("\"{}\"", directive.split([' ', ';']).next().unwrap())));
    all_refused(
        named
            .iter()
            .map(|(directive, name)| (good_tool(&format!("{directive} #here")), vec![name.as_str(), "\"mcp_tool\""])),
    );
}

#[test]
fn an_mcp_location_has_no_other_content() {
    for directives in ["mcp on;\nproxy_pass http://127.0.0.1:1; #here", "proxy_pass http://127.0.0.1:1;\nmcp on; #here"]
    {
        let conf = location(directives);
        let (taken, output) = conf.check();
        assert!(
            !taken && output.contains("\"mcp\"") && output.contains("\"proxy_pass\""),
            "{}\n{output}",
            conf.shown()
        );
    }
}

#[test]
fn right_configurations_are_taken() {
    taken(Conf::location(""));
    taken(location("mcp off;"));
    let everything = "mcp_server_info a 1;\nmcp_instructions \"Do this.\";\nmcp_allowed_origins https://a.example http://b:8080;\n\
        mcp_max_result_size 16m;\nmcp_page_size 10;\nmcp_session_timeout 1h;\nmcp_cache_ttl 10s;\nmcp_cache_scope private;\nmcp_secret key;\n";
    for conf in [Conf::new().http(everything), Conf::new().server(everything), location(everything)] {
        taken(conf.file("key", "0123456789abcdef"));
    }
    taken(Conf::location(everything).server(everything).http(everything).file("key", "0123456789abcdef"));
    taken(Conf::new().server("location /a { mcp on; location /a/b { mcp on; } location /a/c { mcp off; } }"));
    taken(Conf::new().server("location ~ ^/m { mcp on; mcp_tool t { pass http://127.0.0.1:1/; } }\nlocation /n { mcp on; mcp_tool t { pass http://127.0.0.1:1/; } }"));
    taken(
        Conf::location("mcp_tool a { pass http://later/x; }\nmcp_tool b { pass http://later/y; }")
            .server("")
            .http("")
            .http("upstream later { server 127.0.0.1:1; keepalive 2; }"),
    );
    taken(tool("pass GET \"http://[::1]:8080/{a}/b?c={d}&e=f\";\nargument a string required;\nargument d string;"));
    taken(tool("pass https://127.0.0.1:1/;\nproxy_ssl_verify off;"));
    taken(tool("pass http://localhost:1;"));
    taken(tool(
        "pass POST http://127.0.0.1:1/x;\ntitle \"A title\";\ndescription \"It's {braced} and 100 % \\\"quoted\\\"\";\nannotations readOnlyHint destructiveHint=off;\nresult json wrap=items;\nselect data.items;",
    ));
    taken(good_tool(
        "proxy_read_timeout 5s;\nproxy_connect_timeout 1s;\nproxy_buffering off;\nproxy_next_upstream off;\nproxy_set_header X-A b;\nproxy_http_version 1.0;\nproxy_intercept_errors on;",
    ));
    taken(Conf::location(
        "return 503;\nset $a b;\nif ($mcp_tool = t) { return 403; }\nallow all;\nmcp_tool t { pass http://127.0.0.1:1/; }",
    ));
}

#[test]
fn a_later_upstream_block_is_found_wherever_it_stands() {
    let port = Port::reserve();
    let conf = Conf::location("mcp_tool t { pass http://later/; }").with("BACKEND", &port);
    taken(conf.after("upstream later { server BACKEND; }\n"));
}
