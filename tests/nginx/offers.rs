//! Resources and prompts: files that nginx reads, directives, variables. What the core answers is in `tests/wire`.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::harness::{
    Conf, Port, Request, Response, Session, Upstream, json as answer, refused, request, response, taken,
};

fn read(uri: &str) -> Request {
    request(1, "resources/read", json!({"uri": uri})).header("Mcp-Name", uri)
}

/// The contents of a resource.
fn contents(response: &Response) -> Value {
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    let result = response.result();
    assert_eq!(result["contents"].as_array().map(Vec::len), Some(1), "{result}");
    result["contents"][0].clone()
}

/// An MCP location with a resource of these directives.
fn resource(uri: &str, directives: &str) -> Conf {
    Conf::location(&format!("mcp_resource \"{uri}\" {{\n{directives}\n}}\n"))
}

fn prompt(directives: &str) -> Conf {
    Conf::location(&format!("mcp_prompt p {{\n{directives}\n}}\n"))
}

#[test]
fn a_file_is_read_as_what_it_is() {
    let nginx = Conf::location(
        "mcp_resource file:///text { file data/a.md; }
         mcp_resource file:///told { file data/a.md; mime_type text/x-told; }
         mcp_resource file:///picture { file data/p.png; }
         mcp_resource file:///bytes { file data/b; }
         mcp_resource file:///forced { file data/b; result text; }
         mcp_resource file:///empty { file data/empty.txt; }
         mcp_resource file:///none { file data/none; }",
    )
    .http("types { text/markdown md; image/png png; text/plain txt; }\ndefault_type application/octet-stream;\n")
    .server("sendfile on; etag on; gzip on; gzip_types *; gzip_min_length 1;\n")
    .file("data/a.md", "# Ä")
    .file("data/p.png", [0, 1, 254, 255])
    .file("data/b", b"a\xFF".to_vec())
    .file("data/empty.txt", "")
    .start();
    for (uri, expected) in [
        ("file:///text", json!({"mimeType": "text/markdown", "text": "# Ä"})),
        ("file:///told", json!({"mimeType": "text/x-told", "text": "# Ä"})),
        ("file:///picture", json!({"mimeType": "image/png", "blob": "AAH+/w=="})),
        ("file:///bytes", json!({"mimeType": "application/octet-stream", "blob": "Yf8="})),
        ("file:///forced", json!({"mimeType": "application/octet-stream", "text": "aÿ"})),
        ("file:///empty", json!({"mimeType": "text/plain", "text": ""})),
    ] {
        // What a browser would be answered with something else for.
        let plain =
            [("If-Modified-Since", "Thu, 01 Jan 2037 00:00:00 GMT"), ("Range", "bytes=0-0"), ("If-None-Match", "*")];
        let conditional = plain.iter().fold(read(uri), |request, (name, value)| request.header(name, value));
        for request in [read(uri), conditional] {
            let response = nginx.send(&request);
            let mut actual = contents(&response);
            assert_eq!(actual.as_object_mut().unwrap().shift_remove("uri"), Some(json!(uri)));
            assert_eq!(actual, expected, "{uri}");
            for name in ["last-modified", "etag", "accept-ranges", "content-range"] {
                assert_eq!(response.header(name), None, "{name}");
            }
        }
    }
    let missing = nginx.send(&read("file:///none"));
    assert_eq!((missing.status, missing.error_code()), (400, -32602));
    assert_eq!(missing.json()["error"]["data"], json!({"uri": "file:///none"}));
    let session = Session::open(&nginx, "2025-03-26");
    let uris = ["text", "empty", "none", "picture"];
    let batch: Vec<Value> = (uris.iter().enumerate())
        .map(|(id, name)| {
            json!({"jsonrpc": "2.0", "id": id, "method": "resources/read", "params": {"uri": format!("file:///{name}")}})
        })
        .collect();
    let replies = nginx.send(&session.carry(Request::post(json!(batch).to_string()))).json();
    assert_eq!(replies[0]["result"]["contents"][0]["text"], "# Ä");
    assert_eq!(replies[1]["result"]["contents"][0]["text"], "");
    assert_eq!(replies[2]["error"]["code"], -32002);
    assert_eq!(replies[3]["result"]["contents"][0]["blob"], "AAH+/w==");
}

#[test]
fn nothing_outside_of_the_directory_is_read() {
    let conf = Conf::location(
        "mcp_resource \"file:///{name}\" { file \"data/{name}\"; }
         mcp_resource \"deep:///{+path}\" { file \"data/{path}\"; }",
    )
    .file("data/a.txt", "a")
    .file("data/in/b.txt", "b")
    .file("secret.txt", "secret");
    let port = Port::reserve();
    let directory = conf.write(&port);
    symlink(directory.path().join("secret.txt"), directory.path().join("data/link.txt")).unwrap();
    symlink(directory.path(), directory.path().join("data/up")).unwrap();
    let mut nginx = crate::harness::Nginx::start(directory, port);
    for (uri, expected) in [("file:///a.txt", "a"), ("deep:///a.txt", "a"), ("deep:///in/b.txt", "b")] {
        assert_eq!(contents(&nginx.send(&read(uri)))["text"], expected, "{uri}");
    }
    for uri in [
        "file:///..%2Fsecret.txt",
        "file:///in%2Fb.txt",
        "file:///link.txt",
        "file:///in",
        "file:///none.txt",
        "deep:///../secret.txt",
        "deep:///in/../../secret.txt",
        "deep:///in/%2e%2e/%2e%2e/secret.txt",
        "deep:////etc/passwd",
        "deep:///up/secret.txt",
        "deep:///link.txt",
        "deep:///in",
        "deep:///in/",
        "deep:///a.txt%00",
    ] {
        let response = nginx.send(&read(uri));
        assert_eq!((response.status, response.error_code()), (400, -32602), "{uri}");
        assert!(!response.text().contains("secret\""), "{}", response.text());
    }
    nginx.expect_in_log("data/link.txt");
    nginx.expect_in_log("data/none.txt");
    nginx.expect_in_log("data/up/secret.txt");
}

#[test]
fn a_file_that_is_too_large_is_refused_unread() {
    let nginx = resource("file:///large", "file large.txt;").server("mcp_max_result_size 1k;\n");
    let nginx = nginx.file("large.txt", "x".repeat(100_000)).start();
    let mut connection = nginx.connect();
    for _ in 0..2 {
        let response = connection.exchange(&read("file:///large"));
        assert_eq!((response.status, response.error_code()), (200, -32603));
        assert!(response.text().contains("larger than the limit of 1024 bytes"), "{}", response.text());
    }
    let session = Session::open(&nginx, "2025-03-26");
    let one = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": "file:///large"}});
    let replies = nginx.send(&session.carry(Request::post(json!([one]).to_string()))).json();
    assert!(replies[0]["error"]["message"].as_str().unwrap().contains("larger than"), "{replies}");
}

#[test]
fn a_large_file_arrives_whole_however_it_is_read() {
    let text = "0123456789abcdef".repeat(40_000);
    for how in ["sendfile on;", "sendfile off;", "aio threads;", "directio 512; output_buffers 1 64k;"] {
        let nginx = resource("file:///large", "file large.txt; mime_type text/plain;").server(how);
        let nginx = nginx.file("large.txt", text.clone()).start();
        let mut connection = nginx.connect();
        for _ in 0..2 {
            assert_eq!(contents(&connection.exchange(&read("file:///large")))["text"], text, "{how}");
        }
        let session = Session::open(&nginx, "2025-03-26");
        let one = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": "file:///large"}});
        let replies = nginx.send(&session.carry(Request::post(json!([one, one]).to_string()))).json();
        for reply in replies.as_array().unwrap() {
            assert_eq!(reply["result"]["contents"][0]["text"], text, "{how}, in a batch");
        }
    }
}

#[test]
fn logs_and_limits_go_by_what_is_asked_for() {
    let upstream = Upstream::answering(response(200, "text/plain", "x"));
    let nginx = Conf::location(
        "mcp_resource \"stock://{warehouse}/report\" { pass \"http://UPSTREAM/{warehouse}\"; }
         mcp_prompt restock { argument item; message user \"{item}\"; }
         limit_req zone=one; limit_req_status 429;
         access_log /dev/stderr facts;",
    )
    .http("limit_req_zone $mcp_resource$mcp_arg_warehouse zone=one:1m rate=1r/m;\n")
    .http("log_format facts 'facts $mcp_method|$mcp_tool|$mcp_resource|$mcp_prompt|$mcp_arg_item|$mcp_upstream_status';\n")
    .with("UPSTREAM", &upstream)
    .start();
    assert_eq!(contents(&nginx.send(&read("stock://a/report")))["text"], "x");
    assert_eq!(nginx.send(&read("stock://a/report")).status, 429);
    assert_eq!(nginx.send(&read("stock://b/report")).status, 200);
    let get = request(2, "prompts/get", json!({"name": "restock", "arguments": {"item": "bolt"}}))
        .header("Mcp-Name", "restock");
    assert_eq!(nginx.send(&get).result()["messages"][0]["content"]["text"], "bolt");
    nginx.log.await_lines(0, 1, "facts resources/read|-|stock://{warehouse}/report|-|-|200");
    nginx.log.await_lines(0, 1, "facts prompts/get|-|-|restock|bolt|-");
}

#[test]
fn a_call_goes_the_way_of_a_tools_call() {
    let upstream = Upstream::new(|request| match request.line().as_str() {
        "POST /talk" => answer(&json!({"messages": []})),
        "GET /who?who=b" => answer(&json!(["bob"])),
        line => response(404, "text/plain", line),
    });
    let nginx = Conf::location(
        "proxy_set_header X-User alice;
         mcp_prompt talk {
             argument who; pass POST http://UPSTREAM/talk; result mcp; proxy_set_header X-Talk yes;
             complete who GET http://UPSTREAM/who;
         }",
    )
    .with("UPSTREAM", &upstream)
    .start();
    let get = request(1, "prompts/get", json!({"name": "talk", "arguments": {"who": "b"}})).header("Mcp-Name", "talk");
    assert_eq!(nginx.send(&get).result()["messages"], json!([]));
    let complete = json!({"ref": {"type": "ref/prompt", "name": "talk"}, "argument": {"name": "who", "value": "b"}});
    let completed = nginx.send(&request(2, "completion/complete", complete));
    assert_eq!(completed.result()["completion"]["values"], json!(["bob"]));
    let requests = upstream.requests();
    assert_eq!((requests[0].text().ends_with("{\"who\":\"b\"}"), requests[1].body()), (true, &b""[..]));
    for request in &requests {
        assert_eq!((request.header("x-talk").as_deref(), request.header("x-user")), (Some("yes"), None));
        assert_eq!(request.header_values("host").len(), 1);
    }
    assert_eq!(requests[1].header("content-length"), None);
}

#[test]
fn everything_is_shown_as_a_revision_has_it() {
    let nginx = Conf::location(
        "mcp_server_info shop 1.0 \"title=The shop\" website=https://shop.example;
         mcp_server_icons https://shop.example/i.png sizes=48x48;
         mcp_tool t { pass http://127.0.0.1:1/; icons https://shop.example/t.png; meta ui '{\"resourceUri\": \"ui://t\"}'; }
         mcp_resource a:b { text x; meta com.example/team stock; cache_ttl 1h; cache_scope private; }
         mcp_prompt p { message user x; meta n 1; }",
    )
    .start();
    let icons = |name: &str| json!([{"src": format!("https://shop.example/{name}.png")}]);
    let discovered = nginx.send(&request(1, "server/discover", json!({}))).result();
    let info = &discovered["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!((&info["title"], &info["websiteUrl"]), (&json!("The shop"), &json!("https://shop.example")));
    assert_eq!(info["icons"], json!([{"src": "https://shop.example/i.png", "sizes": ["48x48"]}]));
    for (version, has_icons, has_meta) in
        [("2025-03-26", false, false), ("2025-06-18", false, true), ("2025-11-25", true, true)]
    {
        let session = Session::open(&nginx, version);
        let first =
            |method: &str, list: &str| nginx.send(&session.request(1, method, json!({}))).result()[list][0].clone();
        let tool = first("tools/list", "tools");
        assert_eq!(tool["icons"], if has_icons { icons("t") } else { Value::Null });
        assert_eq!(tool["_meta"], if has_meta { json!({"ui": {"resourceUri": "ui://t"}}) } else { Value::Null });
        let resource = first("resources/list", "resources");
        assert_eq!(resource["_meta"], if has_meta { json!({"com.example/team": "stock"}) } else { Value::Null });
        let prompt = first("prompts/list", "prompts");
        assert_eq!(prompt["_meta"], if has_meta { json!({"n": 1}) } else { Value::Null });
    }
    let read = nginx.send(&read("a:b")).result();
    assert_eq!((&read["ttlMs"], &read["cacheScope"]), (&json!(3_600_000), &json!("private")));
}

#[test]
fn what_the_readme_shows_is_taken() {
    let readme = include_str!("../../README.md");
    let start = readme.find("### mcp_resource").unwrap();
    let end = readme.find("### mcp_allowed_origins").unwrap();
    let blocks: Vec<_> =
        readme[start..end].split("```nginx").skip(1).map(|part| part.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 5);
    let upstreams = "upstream inventory { server 127.0.0.1:1; }\nupstream orders { server 127.0.0.1:1; }\n";
    let conf = Conf::location(&blocks.concat()).http(upstreams);
    taken(["docs", "manual", "skills"].iter().fold(conf, |conf, name| conf.file(&format!("{name}/a"), "")));
}

#[test]
fn wrong_directives_of_a_resource_are_refused() {
    let good = "pass http://127.0.0.1:1/x;";
    for (uri, directives, texts) in [
        ("a://b", "pass ftp://x/; #here", &["\"pass\"", "must begin with http:// or https://"][..]),
        ("a://b", "text a b; #here", &["\"text\"", "put it in quotes"]),
        ("a://b", "file a b; #here", &["\"file\"", "invalid number of arguments"]),
        ("a://b", &format!("{good} mime_type text; #here"), &["\"mime_type\"", "text/markdown"]),
        ("a://b", &format!("{good} size big; #here"), &["\"size\"", "a number of bytes"]),
        ("a://b", &format!("{good} meta a; #here"), &["\"meta\"", "a name and a value"]),
        ("a://b", &format!("{good} cache_ttl soon; #here"), &["\"cache_ttl\"", "a time such as"]),
        ("a://b", &format!("{good} cache_ttl 1s;\ncache_ttl 1s; #here"), &["\"cache_ttl\"", "is duplicate"]),
        ("a://b", &format!("{good} cache_scope all; #here"), &["\"cache_scope\"", "must be \"public\" or \"private\""]),
        ("a://b", &format!("{good} icons x; #here"), &["\"icons\"", "a URL of https"]),
        ("a://b", &format!("{good} annotations readOnlyHint; #here"), &["\"annotations\"", "audience="]),
        ("a://b", &format!("{good} result json; #here"), &["\"result\"", "auto, text or mcp"]),
        ("a://b", &format!("{good} argument a; #here"), &["\"argument\"", "no such variable"]),
        ("a://b", &format!("{good} name a b; #here"), &["\"name\"", "put it in quotes"]),
        ("a://b", &format!("{good} title; #here"), &["\"title\"", "needs a text"]),
        ("a://b", &format!("{good} description; #here"), &["\"description\"", "needs a text"]),
        ("a://{v}", &format!("{good} complete v; #here"), &["\"complete\"", "takes an argument's name"]),
        ("a://b", &format!("{good} message user a; #here"), &["\"message\"", "is not allowed here"]),
        ("a://b", &format!("{good} input_schema a; #here"), &["\"input_schema\"", "is not allowed here"]),
        ("a://b", &format!("{good} proxy_pass http://x; #here"), &["\"proxy_pass\"", "\"mcp_resource\""]),
        ("a://b", &format!("{good} deny all; #here"), &["\"deny\"", "on a single resource", "$mcp_resource"]),
        ("a://b", &format!("{good} mcp_tool t {{ #here\n}}"), &["\"mcp_tool\"", "inside of \"mcp_resource\""]),
    ] {
        refused(resource(uri, directives), texts);
    }
    for (directives, texts) in [
        ("mcp_resource report { #here\ntext a; }", &["\"mcp_resource\"", "invalid URI \"report\"", "a scheme"][..]),
        ("mcp_resource a:b { #here\n}", &["\"mcp_resource\"", "resource \"a:b\"", "it has no contents"]),
        ("mcp_resource a:b { #here\npass http://127.0.0.1:1/; text a; }", &["\"mcp_resource\"", "more than one of"]),
        ("mcp_resource a:b { #here\nfile /d/$x/a; }", &["\"mcp_resource\"", "variables are not replaced"]),
        ("mcp_resource a:b { text a; }\nmcp_resource a:b { #here\ntext a; }", &["\"mcp_resource\"", "is duplicate"]),
        ("mcp_resource a:b; #here", &["\"mcp_resource\"", "has no opening \"{\""]),
    ] {
        refused(Conf::location(directives), texts);
    }
    refused(
        Conf::new().server("location /x {\nmcp_resource a:b { #here\ntext a; }\n}\n"),
        &["\"mcp_resource\"", "needs \"mcp on\""],
    );
    taken(resource("a://{v}", "file \"d/{v}\"; disable_symlinks off; complete v a b; argument v enum=a,b;"));
}

#[test]
fn wrong_directives_of_a_prompt_are_refused() {
    for (directives, texts) in [
        ("message user; #here", &["\"message\"", "user or assistant"][..]),
        ("message user \"{\"; #here", &["\"message\"", "{{ or }}"]),
        ("pass x; #here", &["\"pass\"", "must begin with http://"]),
        ("argument \"a b\"; #here", &["\"argument\"", "invalid argument name"]),
        ("title; #here", &["\"title\"", "needs a text"]),
        ("description; #here", &["\"description\"", "needs a text"]),
        ("meta \"a b\" 1; #here", &["\"meta\"", "a name such as"]),
        ("icons; #here", &["\"icons\"", "the URL of an icon"]),
        ("complete a; #here", &["\"complete\"", "takes an argument's name"]),
        ("result json; #here", &["\"result\"", "auto, text or mcp"]),
        ("mime_type a/b; #here", &["\"mime_type\"", "is not allowed here"]),
        ("message user a; limit_req zone=x; #here", &["\"limit_req\"", "on a single prompt", "$mcp_prompt"]),
    ] {
        refused(prompt(directives), texts);
    }
    for (directives, texts) in [
        ("mcp_prompt \"a b\" { #here\nmessage user a; }", &["\"mcp_prompt\"", "invalid prompt name \"a b\""][..]),
        ("mcp_prompt p { #here\n}", &["\"mcp_prompt\"", "prompt \"p\"", "it has no messages"]),
        ("mcp_prompt p { #here\nmessage user \"{a}\"; }", &["\"mcp_prompt\"", "add: argument a"]),
        (
            "mcp_prompt p { message user a; }\nmcp_prompt p { #here\nmessage user a; }",
            &["\"mcp_prompt\"", "is duplicate"],
        ),
    ] {
        refused(Conf::location(directives), texts);
    }
    refused(
        Conf::new().server("location /x {\nmcp_prompt p { #here\nmessage user a; }\n}\n"),
        &["\"mcp_prompt\"", "needs \"mcp on\""],
    );
}
