//! Upstreams that are reached over https.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use serde_json::json;

use crate::harness::{Authority, Certificate, Conf, Port, Upstream, call, json as answer, refused, response};

/// A certificate authority of the test's own, and a server's certificate that it has signed, as PEM.
struct Certificates {
    authority: String,
    certificate: String,
    key: String,
}

fn certificates(name: &str) -> Certificates {
    let authority = Authority::new();
    let Certificate { certificate, key } = authority.certify(name);
    Certificates { authority: authority.pem(), certificate, key }
}

/// An https server on `PORT` with a certificate for `name`, in front of an upstream; and MCP locations.
fn conf(name: &str, upstream: &Upstream, port: &Port, locations: &str) -> Conf {
    let certificates = certificates(name);
    let other = self::certificates(name);
    Conf::new()
        .server(locations)
        .http("log_format secure 'request <$connection_requests> of its connection';\n")
        .after(
            "server { listen SECURE ssl; server_name secure; ssl_certificate certificate.pem; ssl_certificate_key key.pem;\n\
             access_log /dev/stderr secure;\n\
             location / { proxy_pass http://UPSTREAM; proxy_http_version 1.1; proxy_set_header X-Name $ssl_server_name; proxy_set_header Host $http_host; } }\n",
        )
        .with("SECURE", port)
        .with("UPSTREAM", upstream)
        .file("certificate.pem", certificates.certificate)
        .file("key.pem", certificates.key)
        .file("authority.pem", certificates.authority)
        .file("other.pem", other.authority)
}

fn upstream() -> Upstream {
    Upstream::answering(answer(&json!({"secure": true})))
}

#[test]
fn a_trusted_server_is_called() {
    let (upstream, port) = (upstream(), Port::reserve());
    let conf = conf(
        "backend.example",
        &upstream,
        &port,
        "location = /mcp { mcp on; proxy_ssl_trusted_certificate authority.pem; mcp_tool t { pass GET https://backend.example/x; } }\n",
    )
    .http("upstream backend.example { server SECURE; keepalive 4; }\n");
    let nginx = conf.start();
    let mut client = nginx.connect();
    for _ in 0..3 {
        assert_eq!(client.exchange(&call("t", json!({}))).success()["structuredContent"], json!({"secure": true}));
    }
    let request = &upstream.requests()[0];
    assert_eq!(request.header("x-name").as_deref(), Some("backend.example"));
    assert_eq!(request.header("host").as_deref(), Some("backend.example"));
}

#[test]
fn a_server_that_is_not_trusted_gets_nothing() {
    for trust in ["proxy_ssl_trusted_certificate other.pem;", ""] {
        let (upstream, port) = (upstream(), Port::reserve());
        let location = format!(
            "location = /mcp {{ mcp on; {trust} mcp_tool t {{ pass POST https://backend.example/x; argument a string; }} }}\n"
        );
        let conf =
            conf("backend.example", &upstream, &port, &location).http("upstream backend.example { server SECURE; }\n");
        let nginx = conf.start();
        let text = nginx.send(&call("t", json!({"a": "secret"}))).failure();
        assert!(text.contains("could not be reached"), "{text}");
        nginx.log.await_lines(0, 1, "upstream SSL certificate verify error");
        assert!(upstream.requests().is_empty());
    }
}

#[test]
fn a_server_of_another_name_gets_nothing() {
    let (upstream, port) = (upstream(), Port::reserve());
    let conf = conf(
        "other.example",
        &upstream,
        &port,
        "location = /mcp { mcp on; proxy_ssl_trusted_certificate authority.pem; mcp_tool t { pass GET https://backend.example/x; }\n\
         mcp_tool named { pass GET https://backend.example/x; proxy_ssl_name other.example; } }\n",
    )
    .http("upstream backend.example { server SECURE; }\n");
    let nginx = conf.start();
    nginx.send(&call("t", json!({}))).failure();
    assert!(upstream.requests().is_empty());
    nginx.send(&call("named", json!({}))).success();
}

#[test]
fn verification_can_be_switched_off() {
    for (outside, inside) in [
        ("proxy_ssl_verify off;", ""),
        ("", "proxy_ssl_verify off;"),
        ("proxy_ssl_verify on;", "proxy_ssl_verify off;"),
    ] {
        let (upstream, port) = (upstream(), Port::reserve());
        let location =
            format!("{outside}\nlocation = /mcp {{ mcp on; mcp_tool t {{ pass GET https://SECURE/x; {inside} }} }}\n");
        let nginx = conf("backend.example", &upstream, &port, &location).start();
        nginx.send(&call("t", json!({}))).success();
    }
}

#[test]
fn connections_over_tls_are_kept() {
    let (upstream, port) = (upstream(), Port::reserve());
    let location = "location = /mcp { mcp on; mcp_tool t { pass GET https://SECURE/x; proxy_ssl_verify off; } }\n";
    let nginx = conf("backend.example", &upstream, &port, location).start();
    let mut client = nginx.connect();
    for _ in 0..5 {
        client.exchange(&call("t", json!({}))).success();
    }
    nginx.log.await_lines(0, 1, "request <5> of its connection");
}

#[test]
fn a_connection_that_was_not_verified_is_not_used_where_it_must_be() {
    let (upstream, port) = (upstream(), Port::reserve());
    let location = "location = /mcp { mcp on; mcp_tool lax { pass GET https://SECURE/x; proxy_ssl_verify off; }\n\
                    mcp_tool strict { pass POST https://SECURE/x; argument a string; } }\n";
    let nginx = conf("backend.example", &upstream, &port, location).start();
    let mut client = nginx.connect();
    client.exchange(&call("lax", json!({}))).success();
    client.exchange(&call("strict", json!({"a": "secret"}))).failure();
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_server_without_tls_is_a_failed_call() {
    let port = Port::reserve();
    let listener = TcpListener::bind(port.address()).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let conf =
        Conf::location("mcp_tool t { pass GET https://UPSTREAM/x; proxy_ssl_verify off; }").with("UPSTREAM", &port);
    let mut nginx = conf.start();
    nginx.expect_in_log("SSL_do_handshake() failed");
    let text = nginx.send(&call("t", json!({}))).failure();
    assert!(text.contains("could not be reached"), "{text}");
    server.join().unwrap();
}

#[test]
fn the_servers_of_a_document_are_verified() {
    let document = json!({
        "openapi": "3.1.1",
        "servers": [{"url": "https://backend.example/v1"}],
        "paths": {"/a": {"get": {"operationId": "a"}}, "/b": {"post": {"operationId": "b"}}},
    });
    for (trusted, is_called) in [("authority.pem", true), ("other.pem", false)] {
        let (upstream, port) = (upstream(), Port::reserve());
        let location = format!(
            "location = /mcp {{ mcp on; mcp_openapi api.json {{ proxy_ssl_trusted_certificate {trusted};\n\
             tool b {{ proxy_ssl_verify off; }} }} }}\n"
        );
        let nginx = conf("backend.example", &upstream, &port, &location)
            .http("upstream backend.example { server SECURE; }\n")
            .file("api.json", document.to_string())
            .start();
        let mut client = nginx.connect();
        let result = client.exchange(&call("a", json!({}))).result();
        assert_eq!(result["isError"] != true, is_called, "{result}");
        client.exchange(&call("b", json!({}))).success();
        let lines: Vec<String> = upstream.requests().iter().map(|request| request.line()).collect();
        let expected: &[&str] = if is_called { &["GET /v1/a", "POST /v1/b"] } else { &["POST /v1/b"] };
        assert_eq!(lines, expected);
        assert_eq!(upstream.requests()[0].header("x-name").as_deref(), Some("backend.example"));
    }
}

#[test]
fn a_document_is_fetched_over_https_from_whom_the_operator_trusts() {
    let document = json!({"openapi": "3.1.1", "paths": {"/a": {"get": {"operationId": "a"}}}}).to_string();
    let upstream = Upstream::new(move |request| match request.target().as_str() {
        "/openapi.json" => response(200, "application/json", &document),
        _ => answer(&json!({"secure": true})),
    });
    let port = Port::reserve();
    let certificates = certificates("localhost");
    let source = conf("other.example", &upstream, &port, "")
        .file("certificate.pem", certificates.certificate)
        .file("key.pem", certificates.key)
        .start();
    let url = format!("https://localhost:{}/openapi.json", port.address().port());
    let conf = |directives: &str| {
        Conf::location(&format!(
            "proxy_ssl_trusted_certificate authority.pem;\nmcp_openapi {url} {{ #here\n{directives}\n}}"
        ))
        .file("authority.pem", certificates.authority.as_str())
    };
    refused(conf(""), &["\"mcp_openapi\"", "cannot fetch", "certificate"]);
    assert!(upstream.requests().is_empty());
    let nginx = conf("trusted_certificate authority.pem;").start();
    nginx.send(&call("a", json!({}))).success();
    let lines: Vec<String> = upstream.requests().iter().map(|request| request.line()).collect();
    assert_eq!(lines, ["GET /openapi.json", "GET /a"]);
    drop(source);
}
