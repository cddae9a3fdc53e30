//! Calls use nginx's proxy with all that it can do.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use serde_json::{Value, json};

use crate::harness::{Act, Conf, Gate, Port, Request, Session, Upstream, call, json as answer, request, response};

#[test]
fn an_upstream_hears_which_trace_a_request_is_part_of() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let upstream = Upstream::answering(answer(&json!({"messages": []})));
    let nginx = Conf::location(
        "mcp_tool t { pass POST http://UPSTREAM/t; }
         mcp_tool own { pass http://UPSTREAM/own; proxy_set_header traceparent mine; }
         mcp_tool argued { pass http://UPSTREAM/argued; argument state string in=header name=Tracestate; }
         mcp_resource a:b { pass http://UPSTREAM/r; }
         mcp_prompt p { pass http://UPSTREAM/p; result mcp; }",
    )
    .with("UPSTREAM", &upstream)
    .start();
    let meta = json!({"traceparent": PARENT, "tracestate": "a=b", "baggage": "user=alice"});
    let send = |method: &str, name: &str, mut params: Value| {
        params["_meta"] = meta.clone();
        let reply = nginx.send(&request(1, method, params).header("Mcp-Name", name));
        assert_eq!(reply.status, 200, "{}", reply.text());
        let seen = upstream.requests().pop().unwrap();
        ["traceparent", "tracestate", "baggage"].map(|name| seen.header(name))
    };
    let all = [Some(PARENT), Some("a=b"), Some("user=alice")].map(|value| value.map(str::to_owned));
    assert_eq!(send("tools/call", "t", json!({"name": "t"})), all);
    assert_eq!(send("resources/read", "a:b", json!({"uri": "a:b"})), all);
    assert_eq!(send("prompts/get", "p", json!({"name": "p"})), all);
    assert_eq!(send("tools/call", "own", json!({"name": "own"}))[0].as_deref(), Some("mine"));
    assert_eq!(send("tools/call", "argued", json!({"name": "argued"})), all);
    let argued = send("tools/call", "argued", json!({"name": "argued", "arguments": {"state": "c=d"}}));
    assert_eq!(argued[1].as_deref(), Some("c=d"));

    let session = Session::open(&nginx, "2025-03-26");
    let part = |id: u64, meta: Value| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "t", "_meta": meta}});
    let batch = json!([part(1, json!({"baggage": "n=1"})), part(2, json!({"traceparent": "wrong"}))]);
    assert_eq!(nginx.send(&session.carry(Request::post(batch.to_string()))).status, 200);
    let seen = upstream.requests();
    let [.., first, second] = seen.as_slice() else { panic!("no calls") };
    assert_eq!((first.header("baggage"), first.header("traceparent")), (Some("n=1".to_owned()), None));
    assert_eq!((second.header("baggage"), second.header("traceparent")), (None, None));
}

#[test]
fn connections_to_a_literal_url_are_kept() {
    let upstream = Upstream::answering(answer(&json!({})));
    let conf = Conf::location("mcp_tool t { pass GET http://UPSTREAM/x; }").http("").with("UPSTREAM", &upstream);
    let nginx = conf.start();
    let mut client = nginx.connect();
    for _ in 0..20 {
        client.exchange(&call("t", json!({}))).success();
    }
    assert_eq!((upstream.requests().len(), upstream.connections()), (20, 1));
}

#[test]
fn connections_to_an_upstream_block_are_kept() {
    let upstream = Upstream::answering(answer(&json!({})));
    let conf = Conf::location("mcp_tool a { pass GET http://backend/a; }\nmcp_tool b { pass POST http://backend/b; }")
        .http("upstream backend { server UPSTREAM; keepalive 4; }\n")
        .with("UPSTREAM", &upstream);
    let nginx = conf.start();
    let mut client = nginx.connect();
    for _ in 0..10 {
        client.exchange(&call("a", json!({}))).success();
        client.exchange(&call("b", json!({}))).success();
    }
    assert_eq!((upstream.requests().len(), upstream.connections()), (20, 1));
}

#[test]
fn a_connection_is_kept_after_a_failed_call() {
    let upstream = Upstream::answering(response(500, "text/plain", "no"));
    let nginx = Conf::location("mcp_tool t { pass GET http://UPSTREAM/x; }").with("UPSTREAM", &upstream).start();
    let mut client = nginx.connect();
    for _ in 0..5 {
        client.exchange(&call("t", json!({}))).failure();
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn each_tool_has_its_own_time_outs() {
    let gate = Gate::default();
    let waits = gate.clone();
    let upstream = Upstream::new(move |request| match request.target().as_str() {
        "/fast" => vec![Act::AwaitClose(waits.clone())],
        _ => [vec![Act::Await(waits.clone())], answer(&json!({"late": true}))].concat(),
    });
    let conf = Conf::location(
        "proxy_read_timeout 20s;\nmcp_tool fast { pass GET http://UPSTREAM/fast; proxy_read_timeout 100ms; }\n\
         mcp_tool slow { pass GET http://UPSTREAM/slow; }",
    );
    let nginx = conf.with("UPSTREAM", &upstream).start();
    let mut slow = nginx.connect();
    slow.send(&call("slow", json!({})).bytes());
    // The fast tool's time runs out, which opens the gate that the slow one waits for.
    assert!(nginx.send(&call("fast", json!({}))).failure().contains("in time"));
    assert_eq!(slow.receive().success()["structuredContent"], json!({"late": true}));
}

#[test]
fn a_cached_answer_gives_the_same_result() {
    let large = json!({"text": "x".repeat(100_000)});
    let bodies = [json!({"small": 1}), large];
    for body in bodies {
        let upstream = Upstream::answering(answer(&body));
        let conf = Conf::location(
            "mcp_tool t { pass GET \"http://UPSTREAM/{id}\"; argument id string required; \
             proxy_cache c; proxy_cache_valid 200 1h; proxy_cache_key $mcp_tool$mcp_arg_id; }\n\
             access_log /dev/stderr cache;",
        )
        .http("proxy_cache_path cache keys_zone=c:1m;\nlog_format cache 'cache status <$upstream_cache_status>';\n")
        .with("UPSTREAM", &upstream);
        let nginx = conf.start();
        let mut client = nginx.connect();
        for id in ["a", "a", "b", "a"] {
            assert!(client.exchange(&call("t", json!({"id": id}))).success()["structuredContent"] == body);
        }
        assert_eq!(upstream.requests().len(), 2);
        nginx.log.await_lines(0, 2, "cache status <HIT>");
        nginx.log.await_lines(0, 2, "cache status <MISS>");
    }
}

#[test]
fn a_cached_answer_is_not_revalidated_by_the_client() {
    let lines = "ETag: \"1\"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT";
    let upstream = Upstream::answering(vec![Act::Send(
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{lines}\r\nContent-Length: 7\r\n\r\n{{\"a\":1}}")
            .into(),
    )]);
    let conf = Conf::location("mcp_tool t { pass GET http://UPSTREAM/x; proxy_cache c; proxy_cache_valid 200 1h; }")
        .http("proxy_cache_path cache keys_zone=c:1m;\n")
        .with("UPSTREAM", &upstream);
    let nginx = conf.start();
    for (name, value) in [
        ("Accept", "application/json"),
        ("If-None-Match", "\"1\""),
        ("If-Modified-Since", "Mon, 01 Jan 2035 00:00:00 GMT"),
        ("Range", "bytes=0-1"),
    ] {
        let answer = nginx.send(&call("t", json!({})).header(name, value));
        assert_eq!(answer.success()["structuredContent"], json!({"a": 1}), "{name}");
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_dead_server_is_passed_over() {
    let dead = Port::reserve();
    let upstream = Upstream::answering(answer(&json!({"alive": true})));
    let conf = Conf::location(
        "mcp_tool t { pass GET http://backend/x; }\nmcp_tool p { pass POST http://backend/x; argument a string; }",
    )
    .http("upstream backend { server DEAD; server UPSTREAM backup; }\n")
    .with("DEAD", &dead)
    .with("UPSTREAM", &upstream);
    let nginx = conf.start();
    for _ in 0..3 {
        assert_eq!(nginx.send(&call("t", json!({}))).success()["structuredContent"], json!({"alive": true}));
        nginx.send(&call("p", json!({"a": "b"}))).success();
    }
    let bodies: Vec<_> =
        upstream.requests().iter().filter(|r| r.line().starts_with("POST")).map(|r| r.body().to_vec()).collect();
    assert_eq!(bodies, vec![br#"{"a":"b"}"#.to_vec(); 3]);
}

#[test]
fn an_answer_that_was_garbled_is_asked_for_again_elsewhere() {
    let broken = Upstream::answering(vec![Act::Close]);
    let upstream = Upstream::answering(answer(&json!({"alive": true})));
    let conf = Conf::location("mcp_tool t { pass GET http://backend/x; }")
        .http("upstream backend { server BROKEN max_fails=0; server UPSTREAM max_fails=0; }\n")
        .with("BROKEN", &broken)
        .with("UPSTREAM", &upstream);
    let nginx = conf.start();
    for _ in 0..4 {
        assert_eq!(nginx.send(&call("t", json!({}))).success()["structuredContent"], json!({"alive": true}));
    }
}

#[test]
fn a_post_is_not_sent_twice() {
    let broken = Upstream::answering(vec![Act::Close]);
    let conf = Conf::location("mcp_tool t { pass POST http://backend/x; }")
        .http("upstream backend { server BROKEN max_fails=0; server BROKEN max_fails=0; }\n")
        .with("BROKEN", &broken);
    let text = conf.start().send(&call("t", json!({}))).failure();
    assert!(text.contains("may have been carried out"), "{text}");
    broken.only_request();
}

#[test]
fn servers_that_are_all_down_make_a_failed_call() {
    let dead = Port::reserve();
    let conf = Conf::location("mcp_tool t { pass GET http://backend/x; }")
        .http("upstream backend { server DEAD; server DEAD; }\n")
        .with("DEAD", &dead);
    let nginx = conf.start();
    for _ in 0..3 {
        nginx.send(&call("t", json!({}))).failure();
    }
}

#[test]
fn an_upstream_can_listen_on_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nunix").unwrap();
        String::from_utf8(request).unwrap()
    });
    let conf = Conf::location("mcp_tool t { pass GET http://backend/x; }")
        .http("upstream backend { server unix:SOCKET; }\n")
        .with("SOCKET", path.display());
    let nginx = conf.start();
    assert_eq!(nginx.send(&call("t", json!({}))).success()["content"][0]["text"], "unix");
    let request = server.join().unwrap();
    assert!(request.starts_with("GET /x HTTP/1.1\r\nHost: backend\r\n"), "{request}");
}

#[test]
fn results_are_the_same_without_buffering() {
    let body = "x".repeat(300_000);
    let upstream = Upstream::answering(response(200, "text/plain", &body));
    let nginx = Conf::location("proxy_buffering off;\nmcp_tool t { pass GET http://UPSTREAM/x; }")
        .with("UPSTREAM", &upstream)
        .start();
    let mut client = nginx.connect();
    for _ in 0..3 {
        assert!(client.exchange(&call("t", json!({}))).success()["content"][0]["text"] == body.as_str());
    }
}

#[test]
fn failures_are_the_same_without_buffering() {
    for (bytes, why) in [
        ("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nbegun", "broke off"),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n",
            "broke off",
        ),
        ("", "no valid answer"),
    ] {
        let upstream = Upstream::sending(bytes);
        let nginx = Conf::location("proxy_buffering off;\nmcp_tool t { pass GET http://UPSTREAM/x; }")
            .with("UPSTREAM", &upstream)
            .start();
        let mut client = nginx.connect();
        for _ in 0..2 {
            let text = client.exchange(&call("t", json!({}))).failure();
            assert!(text.contains(why), "{text}");
        }
    }
}

#[test]
fn small_buffers_do_not_matter() {
    let body = json!({"list": (0..20_000).collect::<Vec<_>>()});
    let upstream = Upstream::answering(answer(&body));
    let conf = Conf::location(
        "proxy_buffer_size 1k; proxy_buffers 2 1k; proxy_busy_buffers_size 1k; proxy_max_temp_file_size 0; \
         mcp_tool a { pass GET http://UPSTREAM/x; }\n\
         mcp_tool b { pass GET http://UPSTREAM/x; proxy_max_temp_file_size 1m; proxy_temp_file_write_size 2k; }",
    );
    let nginx = conf.with("UPSTREAM", &upstream).start();
    for tool in ["a", "b"] {
        assert!(nginx.send(&call(tool, json!({}))).success()["structuredContent"] == body);
    }
}

#[test]
fn proxy_intercept_errors_does_not_hide_what_the_upstream_said() {
    let upstream = Upstream::answering(response(404, "text/plain", "no item 7"));
    let conf =
        Conf::location("proxy_intercept_errors on;\nerror_page 404 /page;\nmcp_tool t { pass GET http://UPSTREAM/x; }")
            .server("location = /page { return 200 page; }\n")
            .with("UPSTREAM", &upstream);
    let text = conf.start().send(&call("t", json!({}))).failure();
    assert!(text.contains("no item 7"), "{text}");
}

#[test]
fn http_1_0_can_be_asked_for() {
    let upstream = Upstream::answering(answer(&json!({})));
    let conf = Conf::location("proxy_http_version 1.0;\nmcp_tool t { pass GET http://UPSTREAM/x; }")
        .with("UPSTREAM", &upstream);
    conf.start().send(&call("t", json!({}))).success();
    assert!(upstream.only_request().text().starts_with("GET /x HTTP/1.0\r\n"));
}

#[test]
fn nginx_itself_can_be_the_upstream() {
    let conf = Conf::location("mcp_tool t { pass GET http://LISTEN/hello; proxy_set_header Host localhost; }")
        .server("location = /hello { default_type text/plain; return 200 'hello from nginx'; }\n");
    let nginx = conf.start();
    assert_eq!(nginx.send(&call("t", json!({}))).success()["content"][0]["text"], "hello from nginx");
}
