//! What an upstream answers, or fails to answer, and the result that the client gets of it.

use serde_json::{Value, json};

use crate::harness::{
    Act, Conf, Gate, Nginx, Port, Response, Session, Upstream, call, json as answer, request, response,
};

/// An nginx with one tool, `ask`, whose calls go to `upstream`.
fn nginx(upstream: &Upstream) -> Nginx {
    conf(upstream, "").start()
}

/// The same with further directives in the tool's block.
fn conf(upstream: &Upstream, directives: &str) -> Conf {
    Conf::location(&format!("mcp_tool ask {{ description d; pass GET http://UPSTREAM/answer; {directives} }}"))
        .with("UPSTREAM", upstream)
}

/// Calls the tool, and then sees that the connection and the worker can be used again.
fn ask(nginx: &Nginx) -> Response {
    let mut connection = nginx.connect();
    let answer = connection.exchange(&call("ask", json!({})));
    assert_eq!(answer.status, 200);
    // After some failures nginx gives the client's connection up, too, and says so.
    if answer.header("connection") == Some("close") {
        connection.await_close();
        connection = nginx.connect();
    }
    let ping = connection.exchange(&request(2, "tools/list", json!({})));
    assert_eq!(ping.result()["tools"][0]["name"], "ask");
    answer
}

/// The result of a call that the upstream answers so.
fn result_of(status: u16, content_type: &str, body: &[u8]) -> Value {
    let upstream = Upstream::answering(response(status, content_type, body));
    ask(&nginx(&upstream)).result()
}

/// Why the call failed that the upstream answers with these bytes, after which it closes.
fn failure_of(bytes: &str) -> String {
    let upstream = Upstream::sending(bytes);
    ask(&nginx(&upstream)).failure()
}

#[test]
fn json_becomes_structured_content_and_the_same_text() {
    let body = br#"{"id":7,"name":"M\u00fcller","price":1.50}"#;
    let result = result_of(200, "application/json; charset=utf-8", body);
    assert_eq!(result["isError"], false);
    assert_eq!(result["structuredContent"], json!({"id": 7, "name": "Müller", "price": 1.5}));
    assert_eq!(result["content"], json!([{"type": "text", "text": std::str::from_utf8(body).unwrap()}]));
}

#[test]
fn a_json_list_is_structured_where_the_revision_allows_it() {
    let upstream = Upstream::answering(response(200, "application/json", "[1,2]"));
    let nginx = nginx(&upstream);
    let result = ask(&nginx).success();
    assert_eq!(result["structuredContent"], json!([1, 2]));
    let session = Session::open(&nginx, "2025-11-25");
    let result = nginx.send(&session.call("ask", json!({}))).success();
    assert_eq!(result.get("structuredContent"), None);
    assert_eq!(result["content"][0]["text"], "[1,2]");
}

#[test]
fn text_becomes_text() {
    let result = result_of(200, "text/plain; charset=utf-8", "Grüße\nfrom upstream".as_bytes());
    assert_eq!(result["content"], json!([{"type": "text", "text": "Grüße\nfrom upstream"}]));
    assert_eq!(result.get("structuredContent"), None);
    assert_eq!(result["isError"], false);
}

#[test]
fn an_image_and_a_sound_become_base64() {
    for (content_type, kind) in [("image/png", "image"), ("audio/mpeg", "audio")] {
        let result = result_of(200, content_type, &[0, 1, 254, 255]);
        assert_eq!(result["content"], json!([{"type": kind, "mimeType": content_type, "data": "AAH+/w=="}]));
    }
}

#[test]
fn other_bytes_become_an_embedded_resource() {
    let result = result_of(200, "application/octet-stream", &[0, 1, 254, 255]);
    let block = &result["content"][0];
    assert_eq!(block["type"], "resource");
    assert_eq!(block["resource"]["mimeType"], "application/octet-stream");
    assert_eq!(block["resource"]["blob"], "AAH+/w==");
    assert!(block["resource"]["uri"].as_str().unwrap().contains(':'), "{block}");
}

#[test]
fn no_content_is_a_success_that_says_so() {
    let upstream = Upstream::answering(vec![Act::Send(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())]);
    let result = ask(&nginx(&upstream)).success();
    assert!(result["content"][0]["text"].as_str().unwrap().contains("204"), "{result}");
}

#[test]
fn an_empty_body_is_a_success_that_says_so() {
    let result = result_of(200, "application/json", b"");
    assert_eq!(result["isError"], false);
    assert!(result["content"][0]["text"].as_str().unwrap().contains("200"), "{result}");
}

#[test]
fn a_client_error_of_the_upstream_reaches_the_model_with_its_body() {
    let result = result_of(404, "application/json", br#"{"error":"no item 7"}"#);
    assert_eq!(result["isError"], true);
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("404") && text.contains(r#"{"error":"no item 7"}"#), "{text}");
}

#[test]
fn every_error_status_of_the_upstream_is_a_failed_call() {
    let upstream = Upstream::new(|request| {
        let status = request.target().rsplit('/').next().unwrap().parse().unwrap();
        response(status, "text/plain", format!("body of {status}"))
    });
    let conf = Conf::location(
        "mcp_tool ask { description d; pass GET \"http://UPSTREAM/{status}\"; argument status integer required; }",
    );
    let nginx = conf.with("UPSTREAM", &upstream).start();
    let mut connection = nginx.connect();
    for status in
        [400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 418, 422, 429, 494, 497, 499, 500, 501, 502, 503, 504, 507]
    {
        let text = connection.exchange(&call("ask", json!({"status": status}))).failure();
        assert!(text.contains(&status.to_string()) && text.contains(&format!("body of {status}")), "{text}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let text = failure_of("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/elsewhere\r\nContent-Length: 0\r\n\r\n");
    assert!(text.contains("302"), "{text}");
}

#[test]
fn a_server_that_refuses_connections_is_a_failed_call() {
    let port = Port::reserve();
    let conf = Conf::location("mcp_tool ask { description d; pass GET http://UPSTREAM/answer; }");
    let nginx = conf.with("UPSTREAM", &port).start();
    let text = ask(&nginx).failure();
    assert!(text.contains("could not be reached"), "{text}");
}

#[test]
fn a_server_that_does_not_answer_in_time_is_a_failed_call() {
    let upstream = Upstream::answering(vec![Act::AwaitClose(Gate::default())]);
    let nginx = conf(&upstream, "proxy_read_timeout 100ms;").start();
    let text = ask(&nginx).failure();
    assert!(text.contains("did not answer in time"), "{text}");
}

#[test]
fn a_server_that_stalls_inside_its_answer_is_a_failed_call() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nbegun".to_vec();
    let upstream = Upstream::answering(vec![Act::Send(head), Act::AwaitClose(Gate::default())]);
    let nginx = conf(&upstream, "proxy_read_timeout 100ms;").start();
    let text = ask(&nginx).failure();
    assert!(!text.contains("begun"), "{text}");
}

#[test]
fn a_body_shorter_than_its_length_is_a_failed_call() {
    let text = failure_of("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"a\":1}");
    assert!(text.contains("broke off"), "{text}");
}

#[test]
fn a_body_of_which_nothing_comes_is_a_failed_call() {
    let text = failure_of("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n");
    assert!(text.contains("broke off"), "{text}");
}

#[test]
fn a_chunked_body_without_its_end_is_a_failed_call() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in ["7\r\n{\"a\":1}\r\n", "7\r\n{\"a\"", "7\r\n{\"a\":1}", "7"] {
        let text = failure_of(&format!("{head}{body}"));
        assert!(text.contains("broke off"), "{body:?}: {text}");
    }
}

#[test]
fn a_chunked_body_with_garbage_for_a_size_is_a_failed_call() {
    let text = failure_of(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n",
    );
    assert!(!text.contains("hello"), "{text}");
}

#[test]
fn a_chunked_body_is_read_whole() {
    let body = "4\r\n{\"a\"\r\n3;ext=1\r\n:1}\r\n0\r\nX-Trailer: t\r\n\r\n";
    let bytes =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let upstream = Upstream::answering(vec![Act::Send(bytes.into_bytes())]);
    assert_eq!(ask(&nginx(&upstream)).success()["structuredContent"], json!({"a": 1}));
}

#[test]
fn a_body_that_ends_with_the_connection_is_read_whole() {
    let upstream = Upstream::sending("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":1}");
    assert_eq!(ask(&nginx(&upstream)).success()["structuredContent"], json!({"a": 1}));
}

#[test]
fn a_connection_that_is_reset_before_the_answer_is_a_failed_call() {
    let upstream = Upstream::answering(vec![Act::Reset]);
    let text = ask(&nginx(&upstream)).failure();
    assert!(text.contains("gave no valid answer"), "{text}");
}

#[test]
fn a_connection_that_is_reset_inside_the_answer_is_a_failed_call() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nbegun".to_vec();
    let upstream = Upstream::answering(vec![Act::Send(head), Act::Reset]);
    let text = ask(&nginx(&upstream)).failure();
    assert!(!text.contains("begun"), "{text}");
}

#[test]
fn a_connection_that_is_closed_before_the_answer_is_a_failed_call() {
    let upstream = Upstream::answering(vec![Act::Close]);
    let text = ask(&nginx(&upstream)).failure();
    assert!(text.contains("gave no valid answer"), "{text}");
}

#[test]
fn what_is_not_http_is_a_failed_call() {
    for bytes in
        ["\0\x01\x02garbage\r\n\r\n", "220 smtp.example.com ESMTP\r\n", "HTTP/1.1 twohundred OK\r\n\r\n", "\r\n\r\n"]
    {
        let upstream = Upstream::sending(bytes);
        let text = ask(&nginx(&upstream)).failure();
        assert!(text.contains("gave no valid answer"), "{bytes:?}: {text}");
    }
}

#[test]
fn a_malformed_header_is_a_failed_call() {
    let text =
        failure_of("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Bad: a\0b\r\nContent-Length: 5\r\n\r\nhello");
    assert!(text.contains("gave no valid answer"), "{text}");
}

#[test]
fn a_header_that_is_too_large_is_a_failed_call() {
    let text =
        failure_of(&format!("HTTP/1.1 200 OK\r\nX-Large: {}\r\nContent-Length: 2\r\n\r\nok", "x".repeat(70_000)));
    assert!(text.contains("gave no valid answer"), "{text}");
}

#[test]
fn switching_protocols_is_a_failed_call() {
    let text =
        failure_of("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x01\x02");
    assert!(!text.is_empty());
}

#[test]
fn an_answer_in_a_coding_that_was_not_asked_for_is_a_failed_call() {
    let upstream = Upstream::sending(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x08\x01\x02",
    );
    let text = ask(&nginx(&upstream)).failure();
    assert!(text.contains("gzip"), "{text}");
    assert_eq!(upstream.only_request().header("accept-encoding"), None);
}

#[test]
fn an_answer_as_large_as_the_limit_is_taken_and_one_byte_more_is_not() {
    for (size, taken) in [(1000, true), (1001, false), (500_000, false)] {
        let upstream = Upstream::answering(response(200, "text/plain", "x".repeat(size)));
        let conf = conf(&upstream, "").server("mcp_max_result_size 1000;");
        let nginx = conf.start();
        let mut connection = nginx.connect();
        let answer = connection.exchange(&call("ask", json!({})));
        if taken {
            assert_eq!(answer.success()["content"][0]["text"].as_str().unwrap().len(), size);
        } else {
            let text = answer.failure();
            assert!(text.contains("1000 bytes"), "{text}");
        }
        // Whether or not the connection is kept, the worker is there.
        assert_eq!(nginx.send(&request(2, "tools/list", json!({}))).status, 200);
    }
}

#[test]
fn an_endless_answer_is_cut_off_at_the_upstream() {
    let gate = Gate::default();
    let mut acts = vec![Act::Send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n".to_vec())];
    acts.push(Act::Send(vec![b'x'; 100_000]));
    acts.push(Act::AwaitClose(gate.clone()));
    let upstream = Upstream::answering(acts);
    let nginx = conf(&upstream, "").server("mcp_max_result_size 4k;").start();
    let text = nginx.send(&call("ask", json!({}))).failure();
    assert!(text.contains("4096 bytes"), "{text}");
    gate.wait();
}

#[test]
fn large_results_arrive_whole() {
    for size in [1 << 20, 10 << 20] {
        let body: String = (0..size).map(|at| char::from(b'a' + (at % 23) as u8)).collect();
        let upstream = Upstream::answering(response(200, "text/plain", &body));
        let nginx = conf(&upstream, "").server("mcp_max_result_size 16m;").start();
        let result = ask(&nginx).success();
        assert!(result["content"][0]["text"] == body.as_str(), "{size} bytes changed on their way");
    }
}

#[test]
fn a_large_structured_result_arrives_whole() {
    let value = json!({"list": (0..100_000).collect::<Vec<_>>()});
    let upstream = Upstream::answering(answer(&value));
    let result = ask(&nginx(&upstream)).success();
    assert!(result["structuredContent"] == value);
    assert!(result["content"][0]["text"].as_str() == Some(&value.to_string()));
}

#[test]
fn an_answer_that_comes_in_pieces_is_read_whole() {
    let gates = [Gate::default(), Gate::default(), Gate::default()];
    let pieces =
        ["HTTP/1.1 200 OK\r\nContent-Ty", "pe: application/json\r\nContent-Length: 9\r\n\r\n", "{\"a\":", "123}"];
    let mut acts = vec![Act::Send(pieces[0].into())];
    for (gate, piece) in gates.iter().zip(&pieces[1..]) {
        acts.extend([Act::Await(gate.clone()), Act::Send((*piece).into())]);
    }
    let upstream = Upstream::answering(acts);
    let nginx = nginx(&upstream);
    let mut connection = nginx.connect();
    connection.send(&call("ask", json!({})).bytes());
    upstream.await_requests(1);
    gates.iter().for_each(Gate::open);
    assert_eq!(connection.receive().success()["structuredContent"], json!({"a": 123}));
}

#[test]
fn interim_responses_of_the_upstream_are_no_answer() {
    let upstream = Upstream::sending(
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
    );
    let result = ask(&nginx(&upstream)).result();
    // nginx before 1.29 takes the interim response for the answer and the rest for its body; either way the client is told.
    assert!(result["structuredContent"] == json!({"a": 1}) || result["isError"] == true, "{result}");
}

#[test]
fn the_upstream_cannot_redirect_or_slow_down_inside_nginx() {
    let upstream = Upstream::sending(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Accel-Redirect: /secret\r\nX-Accel-Limit-Rate: 1\r\n\
         X-Accel-Buffering: yes\r\nX-Accel-Charset: koi8-r\r\nX-Accel-Expires: 1000\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
    );
    let nginx = conf(&upstream, "").server("location = /secret { internal; return 200 secret; }").start();
    let answer = ask(&nginx);
    assert_eq!(answer.success()["structuredContent"], json!({"a": 1}));
    assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("x-accel")), "{answer:?}");
}

#[test]
fn headers_of_the_upstream_do_not_reach_the_client() {
    let lines = [
        "Set-Cookie: a=b",
        "ETag: \"1\"",
        "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT",
        "Location: http://x/",
        "Cache-Control: max-age=1000",
        "Expires: Mon, 01 Jan 2035 00:00:00 GMT",
        "Server: secret/1.0",
        "X-Powered-By: secret",
        "WWW-Authenticate: Basic",
        "Content-Disposition: attachment",
        "Content-Language: de",
        "Vary: Cookie",
        "Link: <x>",
        "Refresh: 1",
        "Accept-Ranges: bytes",
        "Access-Control-Allow-Origin: *",
        "Mcp-Session-Id: forged",
        "Retry-After: 5",
    ];
    for status in ["200 OK", "401 Unauthorized"] {
        let upstream = Upstream::sending(&format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n{}\r\nContent-Length: 2\r\n\r\nok",
            lines.join("\r\n")
        ));
        let answer = ask(&nginx(&upstream));
        let mut names: Vec<_> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["connection", "content-length", "content-type", "date", "server"], "{answer:?}");
        assert!(answer.header("server").unwrap().starts_with("nginx"), "{answer:?}");
    }
}

#[test]
fn conditions_and_ranges_of_the_client_do_not_change_a_reply() {
    let upstream = Upstream::sending(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"1\"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
         Accept-Ranges: bytes\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
    );
    let nginx = nginx(&upstream);
    for (name, value) in [
        ("If-None-Match", "\"1\""),
        ("If-None-Match", "*"),
        ("If-Match", "\"other\""),
        ("If-Modified-Since", "Mon, 01 Jan 2035 00:00:00 GMT"),
        ("If-Unmodified-Since", "Mon, 01 Jan 2001 00:00:00 GMT"),
        ("Range", "bytes=0-1"),
        ("Range", "bytes=9999-"),
    ] {
        let answer = nginx.send(&call("ask", json!({})).header(name, value));
        assert_eq!(answer.success()["structuredContent"], json!({"a": 1}), "{name}: {value}");
        let list = nginx.send(&request(1, "tools/list", json!({})).header(name, value));
        assert_eq!(list.result()["tools"][0]["name"], "ask", "{name}: {value}");
    }
    for request in upstream.requests() {
        for name in ["if-none-match", "if-match", "if-modified-since", "if-unmodified-since", "range", "if-range"] {
            assert_eq!(request.header(name), None, "{request:?}");
        }
    }
}
