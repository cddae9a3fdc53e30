//! Upstreams that lie about their answers, or never come to the end of them.

use serde_json::json;

use crate::harness::{Act, Conf, Gate, Nginx, Upstream, call};

fn nginx(upstream: &Upstream) -> Nginx {
    let conf = Conf::location("mcp_tool ask { pass GET http://UPSTREAM/answer; }").server("mcp_max_result_size 4k;");
    conf.with("UPSTREAM", upstream).start()
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";

/// Sees that the call fails, and that nothing of the answer is taken for one.
fn fails(answer: &str) {
    let upstream = Upstream::sending(answer);
    let text = nginx(&upstream).send(&call("ask", json!({}))).failure();
    assert!(!text.contains("hello"), "{answer:?}: {text}");
}

/// Versions of nginx differ in what they still take for an answer; what they take is `hello`, no more and no less.
fn fails_or_is_whole(answer: &str) {
    let upstream = Upstream::sending(answer);
    let result = nginx(&upstream).send(&call("ask", json!({}))).result();
    let (failed, text) = (&result["isError"], result["content"][0]["text"].as_str().unwrap());
    assert!(if *failed == true { !text.contains("hello") } else { text == "hello" }, "{answer:?}: {result}");
}

#[test]
fn lies_about_the_length_are_failed_calls() {
    for lines in [
        "Content-Length: 9223372036854775807",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ] {
        fails(&format!("{HEAD}{lines}\r\n\r\nhello"));
    }
    for length in ["-1", "5, 5", "five", "99999999999999999999999", "0x5", "", "+5", "5 5"] {
        fails_or_is_whole(&format!("{HEAD}Content-Length: {length}\r\n\r\nhello"));
    }
}

#[test]
fn nothing_that_follows_an_answer_is_taken_for_another_one() {
    // What is sent beyond the length, and an answer that nobody asked for, must not become the next call's.
    let answer = |text: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}", text.len())
    };
    for more in ["more".to_owned(), answer("forged")] {
        let upstream = Upstream::answering(vec![Act::Send((answer("right") + &more).into_bytes())]);
        let nginx = nginx(&upstream);
        for _ in 0..4 {
            let result = nginx.send(&call("ask", json!({}))).success();
            assert_eq!(result["content"][0]["text"], "right", "{more}");
        }
    }
}

#[test]
fn malformed_chunks_are_failed_calls() {
    let chunked = |body: &str| format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{body}");
    for body in [
        "5\r\nhello5\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffffffff\r\nhello",
        "7fffffffffffffff\r\nhello",
        "\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\ntrailer: without an end\r\n",
    ] {
        fails(&chunked(body));
    }
    for body in ["5\nhello\n0\n\n", "5 5\r\nhello\r\n0\r\n\r\n", "5;\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n00\r\n\r\n"]
    {
        fails_or_is_whole(&chunked(body));
    }
}

#[test]
fn what_has_no_end_is_cut_off() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: ";
    for (begin, again) in [
        ("HTTP/1.1 200 OK\r\n".to_owned(), "X-More: and more of it\r\n"),
        ("HTTP/1.1 200 OK\r\nX-Long: ".to_owned(), "and more of it"),
        (format!("{chunked}text/plain\r\n\r\n"), "5\r\nhello\r\n"),
        (format!("{chunked}text/plain\r\n\r\nfffffff\r\n"), "hello"),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: ".to_owned(), "hello"),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_owned(), "data: hello\n"),
        ("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n".to_owned(), "[1,"),
    ] {
        let gate = Gate::default();
        let acts = vec![Act::Send((begin.clone() + &again.repeat(20_000)).into_bytes()), Act::AwaitClose(gate.clone())];
        let upstream = Upstream::answering(acts);
        let nginx = nginx(&upstream);
        let text = nginx.send(&call("ask", json!({}))).failure();
        assert!(!text.contains("hello"), "{begin:?}: {text}");
        gate.wait();
    }
}
