//! MCP locations among all that nginx has.

use serde_json::json;

use crate::harness::{Conf, Request, Upstream, call, json as answer, request};

const TOOL: &str = "mcp_tool t { description d; pass POST http://UPSTREAM/x; argument text string; }";

fn upstream() -> Upstream {
    Upstream::answering(answer(&json!({})))
}

#[test]
fn any_kind_of_location_can_be_one() {
    let upstream = upstream();
    let conf = Conf::new()
        .server(&format!("location /prefix {{ mcp on; {TOOL} }}\n"))
        .server(&format!("location ^~ /first {{ mcp on; {TOOL} }}\n"))
        .server(&format!("location ~ ^/re/(.*)$ {{ mcp on; {TOOL} }}\n"))
        .server(&format!("location /outer {{ location /outer/inner {{ mcp on; {TOOL} }} return 404; }}\n"))
        .server(&format!("location @named {{ mcp on; {TOOL} }}\nlocation /to-named {{ try_files /none @named; }}\n"))
        .server(&format!("location / {{ mcp on; {TOOL} }}\n"))
        .with("UPSTREAM", &upstream);
    let nginx = conf.start();
    for path in ["/prefix", "/prefix/below?x=1", "/first", "/re/a/b", "/outer/inner", "/to-named", "/", "/anything"] {
        nginx.send(&call("t", json!({"text": path})).to(path)).success();
        assert_eq!(nginx.send(&Request::new("PATCH").to(path)).error_code(), 405, "{path}");
    }
    assert_eq!(nginx.send(&Request::new("GET").to("/outer")).header("content-type"), Some("text/html"));
    assert!(upstream.requests().iter().all(|request| request.line() == "POST /x"));
}

#[test]
fn a_request_can_be_rewritten_to_one() {
    let upstream = upstream();
    let conf = Conf::location(TOOL)
        .server("location = /old { rewrite ^ /mcp last; }\nrewrite ^/older$ /mcp;\n")
        .server("location = /moved { error_page 418 = /mcp; return 418; }\n")
        .with("UPSTREAM", &upstream);
    let nginx = conf.start();
    for path in ["/old", "/older", "/old?a=b"] {
        nginx.send(&call("t", json!({"text": path})).to(path)).success();
    }
    assert_eq!(upstream.requests().len(), 3);
}

#[test]
fn a_condition_inside_keeps_what_is_around_it() {
    let upstream = upstream();
    let condition =
        "if ($http_x_set) { set $set 1; }\nif ($http_x_set) { add_header X-Set yes; }\nlimit_except POST { deny all; }";
    let nginx = Conf::location(&format!("{TOOL}\n{condition}")).with("UPSTREAM", &upstream).start();
    for set in ["", "1"] {
        nginx.send(&call("t", json!({})).header("X-Set", set)).success();
        let reply = nginx.send(&request(1, "tools/list", json!({})).header("X-Set", set));
        assert_eq!(reply.result()["tools"][0]["name"], "t");
        assert_eq!(reply.header("x-set").is_some(), set == "1");
    }
    assert_eq!(nginx.send(&Request::new("GET")).error_code(), 403);
}

#[test]
fn locations_have_tools_of_their_own() {
    let upstream = upstream();
    let conf = Conf::new()
        .server("location /a { mcp on; mcp_server_info a 1; mcp_tool t { pass GET http://UPSTREAM/a; } mcp_tool only_a { pass GET http://UPSTREAM/x; } }\n")
        .server("location /b { mcp on; mcp_server_info b 2; mcp_tool t { pass GET http://UPSTREAM/b; } }\n")
        .after("server { listen LISTEN; server_name other; location /a { mcp on; mcp_tool t { pass GET http://UPSTREAM/other; } } }\n")
        .with("UPSTREAM", &upstream);
    let nginx = conf.start();
    let mut connection = nginx.connect();
    for (path, host, target) in [("/a", "localhost", "/a"), ("/b", "localhost", "/b"), ("/a", "other", "/other")] {
        connection.exchange(&call("t", json!({})).to(path).header("Host", host)).success();
        assert_eq!(upstream.requests().pop().unwrap().target(), target);
    }
    assert_eq!(connection.exchange(&call("only_a", json!({})).to("/b")).error_code(), -32602);
    let info = connection.exchange(&request(1, "server/discover", json!({})).to("/b")).result();
    assert_eq!(info["_meta"]["io.modelcontextprotocol/serverInfo"], json!({"name": "b", "version": "2"}));
}

#[test]
fn a_host_that_the_server_answers_to_is_right() {
    let upstream = upstream();
    let mut failed = Vec::new();
    for (names, right, wrong) in [
        ("mcp.example.com", &["mcp.example.com", "MCP.example.com:8443", "localhost"][..], "evil.example"),
        ("*.example.com", &["a.example.com", "a.b.example.com"], "example.org"),
        (".example.com", &["example.com", "a.example.com"], "example.org"),
        ("~^(www\\.)?mcp\\.", &["mcp.example.com", "www.mcp.example.org"], "evil.example"),
        // Without a name of its own a server that is reached over loopback answers to this machine's: a web page's DNS name
        // that was pointed here is none of them.
        ("", &["localhost", "127.0.0.1", "[::1]:8080"], "evil.example"),
        ("_", &["localhost"], "evil.example"),
        ("mcp.*", &["mcp.example.com", "mcp.org"], "evil.example"),
    ] {
        let nginx = Conf::location(TOOL).server_name(names).with("UPSTREAM", &upstream).start();
        let mut connection = nginx.connect();
        for (host, expected) in right.iter().map(|host| (host, 200)).chain(std::iter::once((&wrong, 403))) {
            let reply = connection.exchange(&call("t", json!({})).header("Host", host));
            if reply.status != expected {
                failed.push(format!("{host} for server_name {names}: {}", reply.text()));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn a_request_can_be_mirrored() {
    let upstream = upstream();
    let copies = Upstream::answering(answer(&json!({})));
    let conf = Conf::location(&format!("{TOOL}\nmirror /copy;"))
        .server("location = /copy { internal; proxy_pass http://COPIES/copy; }\n")
        .with("UPSTREAM", &upstream)
        .with("COPIES", &copies);
    let nginx = conf.start();
    let mut connection = nginx.connect();
    for count in 1..=3 {
        let sent = call("t", json!({"text": "a"}));
        connection.exchange(&sent).success();
        assert_eq!(copies.await_requests(count)[count - 1].body(), sent.body);
    }
}

#[test]
fn a_message_can_be_logged_and_rated_with_stock_variables() {
    let upstream = upstream();
    let conf = Conf::location(&format!("{TOOL}\naccess_log /dev/stderr stock;\nlimit_rate 1m;"))
        .http("log_format stock 'stock $request_length $bytes_sent $status $upstream_response_length $upstream_cache_status $request_method $uri $args';\n")
        .with("UPSTREAM", &upstream);
    let nginx = conf.start();
    nginx.send(&call("t", json!({})).to("/mcp?a=b")).success();
    let line = nginx.log.await_lines(0, 1, "stock ").remove(0);
    assert!(line.ends_with(" 200 2 - POST /mcp a=b"), "{line}");
}

#[test]
fn nothing_is_left_of_a_location_that_is_switched_off() {
    let conf =
        Conf::new().server("location /off { mcp off; return 200 plain; }\nlocation /none { return 200 plain; }\n");
    let nginx = conf.start();
    for path in ["/off", "/none"] {
        let reply = nginx.send(&request(1, "tools/list", json!({})).to(path));
        assert_eq!((reply.status, reply.text().as_str()), (200, "plain"));
    }
}
