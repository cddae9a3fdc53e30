//! Several calls at a time on one connection.

use std::net::SocketAddr;

use h2::client::SendRequest;
use http::Response;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime;

use crate::harness::{Act, Conf, DEADLINE, Gate, Nginx, Request, Upstream, call, json as answer, request, response};

const TOOLS: &str = "mcp_tool t { description d; pass GET \"http://UPSTREAM/{id}\"; argument id integer required; }
mcp_tool echo { description d; pass POST http://UPSTREAM/echo; argument text string; }";

/// A server that speaks HTTP/2 without TLS.
fn conf(upstream: &Upstream) -> Conf {
    Conf::location(TOOLS).listen("http2").with("UPSTREAM", upstream)
}

/// Runs a client to its end.
pub(crate) fn run<T>(client: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, client).await.expect("an answer in time") })
}

pub(crate) async fn connect(address: SocketAddr) -> SendRequest<bytes::Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    // It ends with the client, when its stream is closed.
    tokio::spawn(connection);
    client
}

/// Sends a request; the answer is a future of its own.
pub(crate) async fn send(client: &mut SendRequest<bytes::Bytes>, request: &Request) -> h2::client::ResponseFuture {
    let mut head =
        http::Request::builder().method(request.method.as_str()).uri(format!("http://localhost{}", request.target));
    for (name, value) in request.headers.iter().filter(|(name, _)| name != "Host") {
        head = head.header(name, value);
    }
    client.clone().ready().await.unwrap();
    let (answer, mut body) = client.send_request(head.body(()).unwrap(), request.body.is_empty()).unwrap();
    if !request.body.is_empty() {
        body.send_data(request.body.clone().into(), true).unwrap();
    }
    answer
}

/// Status and message of an answer.
pub(crate) async fn receive(answer: h2::client::ResponseFuture) -> (u16, Value) {
    let (head, mut body) = Response::into_parts(answer.await.unwrap());
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        bytes.extend_from_slice(&chunk);
    }
    assert_eq!(head.headers["content-type"], "application/json");
    (head.status.as_u16(), serde_json::from_slice(&bytes).unwrap())
}

fn numbered(id: usize) -> Request {
    request(id as i64, "tools/call", json!({"name": "t", "arguments": {"id": id}}))
}

#[test]
fn calls_on_one_connection_are_answered_as_they_end() {
    let gates: Vec<Gate> = (0..20).map(|_| Gate::default()).collect();
    let waits = gates.clone();
    let upstream = Upstream::new(move |request| {
        let id: usize = request.target()[1..].parse().unwrap();
        [vec![Act::Await(waits[id].clone())], answer(&json!({"id": id}))].concat()
    });
    let nginx = conf(&upstream).start();
    run(async {
        let mut client = connect(nginx.address()).await;
        let mut answers = Vec::new();
        for id in 0..gates.len() {
            answers.push(send(&mut client, &numbered(id)).await);
        }
        // A future does nothing unless it is polled: let the requests go out by waiting for one that needs no upstream.
        receive(send(&mut client, &request(99, "tools/list", json!({}))).await).await;
        upstream.await_requests(gates.len());
        for (id, answer) in answers.into_iter().enumerate().rev() {
            gates[id].open();
            let (status, message) = receive(answer).await;
            assert_eq!((status, &message["id"]), (200, &json!(id)));
            assert_eq!(message["result"]["structuredContent"], json!({"id": id}));
        }
    });
}

#[test]
fn errors_and_results_share_a_connection() {
    let upstream = Upstream::new(|request| match request.target().as_str() {
        "/1" => answer(&json!({"id": 1})),
        "/2" => response(500, "text/plain", "broken"),
        _ => vec![Act::Close],
    });
    let nginx = conf(&upstream).start();
    run(async {
        let mut client = connect(nginx.address()).await;
        for _ in 0..3 {
            for (request, status, is_error) in [
                (numbered(1), 200, json!(false)),
                (numbered(2), 200, json!(true)),
                (numbered(3), 200, json!(true)),
                (request(1, "no/such", json!({})), 404, Value::Null),
                (Request { body: b"{".to_vec(), ..numbered(1) }, 400, Value::Null),
                (Request::new("PATCH"), 405, Value::Null),
            ] {
                let (seen, message) = receive(send(&mut client, &request).await).await;
                assert_eq!((seen, &message["result"]["isError"]), (status, &is_error), "{message}");
            }
        }
    });
}

#[test]
fn a_stream_and_what_is_posted_for_it_share_a_connection() {
    let upstream = Upstream::answering(answer(&json!({"id": 1})));
    let directives = format!("{TOOLS}\nauth_basic realm; auth_basic_user_file users;");
    let conf = Conf::location(&directives).listen("http2").with("UPSTREAM", &upstream);
    let nginx = conf.file("users", "ada:{PLAIN}secret\n").start();
    let as_ada = |request: Request| request.header("Authorization", "Basic YWRhOnNlY3JldA==");
    run(async {
        let mut client = connect(nginx.address()).await;
        let get = as_ada(Request::new("GET").header("Accept", "text/event-stream"));
        let mut events = send(&mut client, &get).await.await.unwrap().into_body();
        let mut text = String::new();
        let mut read_until = async |text: &mut String, end: &str| {
            while !text.ends_with(end) {
                let chunk = events.data().await.expect("more").unwrap();
                events.flow_control().release_capacity(chunk.len()).unwrap();
                text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        read_until(&mut text, "\n\n").await;
        let endpoint = text.split("data: ").nth(1).unwrap().lines().next().unwrap().to_owned();
        for id in 1..=3 {
            let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "t", "arguments": {"id": id}}});
            let post = Request::post(call.to_string()).to(&endpoint);
            let refused = send(&mut client, &post).await.await.unwrap();
            assert_eq!(refused.status(), 401);
            assert_eq!(refused.headers()["www-authenticate"], "Basic realm=\"realm\"");
            assert_eq!(send(&mut client, &as_ada(post)).await.await.unwrap().status(), 202);
            text.clear();
            read_until(&mut text, "}\n\n").await;
            assert!(text.contains(&format!("\"id\":{id},\"result\"")), "{text}");
        }
    });
}

#[test]
fn a_stream_that_is_reset_takes_its_call_with_it_and_no_other() {
    let (left, stays) = (Gate::default(), Gate::default());
    let gates = (left.clone(), stays.clone());
    let upstream = Upstream::new(move |request| match request.target().as_str() {
        "/1" => vec![Act::AwaitClose(gates.0.clone())],
        _ => [vec![Act::Await(gates.1.clone())], answer(&json!({"id": 2}))].concat(),
    });
    let nginx = conf(&upstream).start();
    run(async {
        let mut client = connect(nginx.address()).await;
        let one = send(&mut client, &numbered(1)).await;
        let two = send(&mut client, &numbered(2)).await;
        receive(send(&mut client, &request(3, "tools/list", json!({}))).await).await;
        upstream.await_requests(2);
        drop(one);
        // The reset goes out with the next frame.
        receive(send(&mut client, &request(4, "tools/list", json!({}))).await).await;
        left.wait();
        stays.open();
        assert_eq!(receive(two).await.1["result"]["structuredContent"], json!({"id": 2}));
    });
}

#[test]
fn a_connection_that_is_closed_takes_all_its_calls_with_it() {
    let gates: Vec<Gate> = (0..5).map(|_| Gate::default()).collect();
    let waits = gates.clone();
    let upstream = Upstream::new(move |request| {
        vec![Act::AwaitClose(waits[request.target()[1..].parse::<usize>().unwrap()].clone())]
    });
    let nginx = conf(&upstream).start();
    run(async {
        let mut client = connect(nginx.address()).await;
        let mut answers = Vec::new();
        for id in 0..gates.len() {
            answers.push(send(&mut client, &numbered(id)).await);
        }
        receive(send(&mut client, &request(9, "tools/list", json!({}))).await).await;
        upstream.await_requests(gates.len());
    });
    gates.iter().for_each(Gate::wait);
}

#[test]
fn large_messages_pass_in_both_directions() {
    let upstream = Upstream::new(|request| response(200, "application/json", request.body()));
    let nginx: Nginx = conf(&upstream).server("client_max_body_size 4m;").start();
    let text = "0123456789".repeat(200_000);
    run(async {
        let mut client = connect(nginx.address()).await;
        let request = call("echo", json!({"text": text}));
        let (status, message) = receive(send(&mut client, &request).await).await;
        assert_eq!(status, 200);
        assert!(message["result"]["structuredContent"]["text"] == text.as_str());
    });
}

#[test]
fn a_body_that_is_too_large_is_refused_in_json() {
    let upstream = Upstream::answering(answer(&json!({})));
    let nginx = conf(&upstream).server("client_max_body_size 1k;").start();
    run(async {
        let mut client = connect(nginx.address()).await;
        let (status, message) =
            receive(send(&mut client, &call("echo", json!({"text": "x".repeat(5000)}))).await).await;
        assert_eq!((status, &message["error"]["code"]), (413, &json!(413)));
        let (status, _) = receive(send(&mut client, &request(1, "tools/list", json!({}))).await).await;
        assert_eq!(status, 200);
    });
}
