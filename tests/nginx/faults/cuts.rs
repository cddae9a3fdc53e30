//! An answer that ends after any of its bytes.

use serde_json::{Value, json};

use crate::harness::{Act, Conf, Connection, Nginx, Request, Response, Upstream, request};

/// An answer with a length, one in chunks, and one in events, whose result is the same.
fn answers() -> [String; 3] {
    let head = |content_type: &str, framing: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{framing}\r\n\r\n")
    };
    let chunked = |content_type: &str, parts: &[&str]| {
        let chunk = |part: &&str| format!("{:x};x=1\r\n{part}\r\n", part.len());
        head(content_type, "Transfer-Encoding: chunked") + &parts.iter().map(chunk).collect::<String>() + "0\r\n\r\n"
    };
    let events = [
        "event: progress\ndata: {\"progress\":1}\n\n: w",
        "ait\nevent: result\ndata: {\"id\":7,\"na",
        "me\":\"bolt\"}\n\n",
    ];
    [
        head("application/json", "Content-Length: 22") + "{\"id\":7,\"name\":\"bolt\"}",
        chunked("application/json", &["{\"id\":7,\"na", "me\":\"bolt\"}"]),
        chunked("text/event-stream", &events),
    ]
}

/// An upstream whose request says which answer it gives, after which of its bytes it stops, and how.
fn upstream() -> Upstream {
    Upstream::new(|received| {
        let target = received.target();
        let mut words = target.split('/').skip(1);
        let mut number = || words.next().unwrap().parse::<usize>().unwrap();
        let answer = answers()[number()].as_bytes()[..number()].to_vec();
        vec![Act::Send(answer), if number() == 1 { Act::Reset } else { Act::Close }]
    })
}

fn ask(answer: usize, end: usize, resets: bool, token: Option<Value>) -> Request {
    let arguments = json!({"answer": answer, "end": end, "reset": usize::from(resets)});
    let mut params = json!({"name": "cut", "arguments": arguments});
    if let Some(token) = token {
        params["_meta"]["progressToken"] = token;
    }
    request(1, "tools/call", params)
}

/// The result of a response, be it JSON or events.
fn result(response: &Response) -> Value {
    assert_eq!(response.status, 200);
    let text = response.text();
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    let message: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap_or(last)).expect(&text);
    assert!(message["result"].is_object(), "{message}");
    message["result"].clone()
}

fn exchange(nginx: &Nginx, connection: &mut Connection, request: &Request) -> Response {
    let response = connection.exchange(request);
    if !connection.is_kept() {
        connection.await_close();
        *connection = nginx.connect();
    }
    response
}

#[test]
fn an_answer_that_ends_after_any_byte_is_a_failed_call() {
    let upstream = upstream();
    let tool = "mcp_tool cut { pass GET \"http://upstream/{answer}/{end}/{reset}\";
        argument answer integer required; argument end integer required; argument reset integer required; }
        add_header X-Worker $pid always;";
    let conf = Conf::location(tool)
        .listen("reuseport")
        .http("upstream upstream { server UPSTREAM; }\n")
        .with("UPSTREAM", &upstream);
    let nginx = conf.start();
    let mut connection = nginx.connect();
    exchange(&nginx, &mut connection, &ask(0, answers()[0].len(), false, None)).success();
    let before = nginx.state(&request(1, "tools/list", json!({})));
    for (number, answer) in answers().iter().enumerate() {
        for end in 0..=answer.len() {
            for resets in [false, true] {
                // Only who wants to hear of it gets a stream.
                for token in [None, Some(json!("t"))] {
                    if token.is_some() && number != 2 {
                        continue;
                    }
                    let response = exchange(&nginx, &mut connection, &ask(number, end, resets, token));
                    let result = result(&response);
                    let context = format!("answer {number} up to {end}, reset: {resets}: {result}");
                    if result["isError"] == true {
                        assert!(end < answer.len() || resets, "{context}");
                        let text = result["content"][0]["text"].as_str().unwrap();
                        assert!(text.contains("broke off") || text.contains("gave no valid answer"), "{context}");
                    } else {
                        assert_eq!(end, answer.len(), "{context}");
                        assert_eq!(result["structuredContent"], json!({"id": 7, "name": "bolt"}), "{context}");
                    }
                }
            }
        }
    }
    nginx.await_descriptors(&before);
}
