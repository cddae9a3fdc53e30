//! Disks that are full, or cannot be written: nginx puts large requests and what it caches into files.

use std::fs;

use serde_json::json;

use crate::harness::{Conf, Nginx, Upstream, call, json as answer, request, response};

const TOOL: &str = "mcp_tool t { pass POST http://UPSTREAM/; argument text string; }
mcp_tool cached { pass GET http://UPSTREAM/; proxy_cache c; proxy_cache_valid 1m; }";

fn conf(upstream: &Upstream) -> Conf {
    Conf::location(TOOL)
        .http("proxy_cache_path temp/cache keys_zone=c:1m; client_body_buffer_size 1k;\n")
        .with("UPSTREAM", upstream)
}

/// An nginx whose files have no room beyond 64 KB each. To nginx that is a full disk, with another number for the reason; and
/// it takes no right to mount one, which containers and ordinary users do not have.
fn small_disk(upstream: &Upstream) -> Nginx {
    let script = "trap '' XFSZ; exec \"$@\"";
    conf(upstream).started_by(&["prlimit", "--fsize=65536", "sh", "-c", script, "sh"]).start()
}

#[test]
fn a_request_that_the_disk_has_no_room_for_is_refused() {
    let upstream = Upstream::answering(answer(&json!({"a": 1})));
    let mut nginx = small_disk(&upstream);
    nginx.expect_in_log("(27: File too large)");
    let large = call("t", json!({"text": "x".repeat(200_000)}));
    let reply = nginx.send(&large);
    assert_eq!((reply.status, reply.error_code()), (500, -32603));
    nginx.log.await_lines(0, 1, "(27: File too large)");
    // What needs no file goes on, and so does a file that there is room for.
    nginx.send(&call("t", json!({"text": "x"}))).success();
    nginx.send(&call("t", json!({"text": "x".repeat(20_000)}))).success();
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn an_answer_that_the_cache_has_no_room_for_is_never_half_an_answer() {
    let body = "x".repeat(300_000);
    let upstream = Upstream::answering(response(200, "text/plain", &body));
    let mut nginx = small_disk(&upstream);
    nginx.expect_in_log("temp/proxy");
    for _ in 0..2 {
        let result = nginx.send(&call("cached", json!({}))).result();
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(if result["isError"] == true { text.contains("broke off") } else { text == body }, "{result}");
    }
    nginx.log.await_lines(0, 1, "temp/proxy");
    nginx.send(&call("t", json!({}))).success();
}

#[test]
fn a_directory_that_is_gone_is_an_error_of_the_request_that_needs_it() {
    let upstream = Upstream::answering(answer(&json!({"a": 1})));
    let mut nginx = conf(&upstream).start();
    nginx.expect_in_log("temp/body");
    fs::remove_dir(nginx.directory().join("temp/body")).unwrap();
    let reply = nginx.send(&call("t", json!({"text": "x".repeat(20_000)})));
    assert_eq!((reply.status, reply.error_code()), (500, -32603));
    nginx.send(&call("t", json!({"text": "x"}))).success();
    assert_eq!(nginx.send(&request(1, "tools/list", json!({}))).status, 200);
}
