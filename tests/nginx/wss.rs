//! Messages of clients that came by TLS know of it as any request does.

use std::io::Write;

use serde_json::{Value, json};

use crate::harness::{
    Act, Authority, Conf, Gate, Nginx, Port, Received, Request, Upstream, WebSocket, handshake, json as answer,
    read_head, read_until, session_request, stateless_request,
};

const TOOL: &str = "mcp_tool t { description d; pass POST http://UPSTREAM/x; }
    proxy_set_header X-Scheme $scheme;
    proxy_set_header X-Protocol $ssl_protocol;
    proxy_set_header X-Verify $ssl_client_verify;
    proxy_set_header X-Subject $ssl_client_s_dn;
    proxy_set_header X-Name $ssl_server_name;
    proxy_set_header X-Port $server_port;
    access_log /dev/stderr tls;";

/// A server that wants certificates of its clients, and the address where it listens.
fn start(authority: &Authority, upstream: &Upstream, port: &Port) -> Nginx {
    let server = authority.certify("localhost");
    let tls = "listen SECURE ssl; ssl_certificate certificate.pem; ssl_certificate_key key.pem;
        ssl_client_certificate authority.pem; ssl_verify_client on;";
    Conf::location(TOOL)
        .http("log_format tls 'tls $scheme $ssl_client_s_dn $mcp_transport $mcp_method $status';\n")
        .server(tls)
        .with("SECURE", port)
        .with("UPSTREAM", upstream)
        .file("certificate.pem", server.certificate)
        .file("key.pem", server.key)
        .file("authority.pem", authority.pem())
        .start()
}

fn upstream() -> Upstream {
    Upstream::answering(answer(&json!({"a": 1})))
}

/// What a call has brought to its upstream.
fn check(call: &Received, subject: &str, port: &Port) {
    let port = port.address().port().to_string();
    for (name, value) in
        [("scheme", "https"), ("verify", "SUCCESS"), ("subject", subject), ("name", "localhost"), ("port", &port)]
    {
        assert_eq!(call.header(&format!("x-{name}")).as_deref(), Some(value), "{call:?}");
    }
    assert!(call.header("x-protocol").unwrap().starts_with("TLSv1."), "{call:?}");
}

#[test]
fn each_message_on_a_socket_has_the_variables_of_its_tls() {
    let (authority, upstream, port) = (Authority::new(), upstream(), Port::reserve());
    let nginx = start(&authority, &upstream, &port);
    let call = stateless_request(1, "tools/call", json!({"name": "t", "arguments": {}}));
    let mut sockets: Vec<WebSocket> = ["ada", "eve"]
        .map(|name| {
            let mut stream = authority.connect(port.address(), &authority.certify(name));
            stream.write_all(&handshake().bytes()).unwrap();
            let head = read_head(&mut stream);
            WebSocket::over(head, stream, Vec::new(), Default::default())
        })
        .into();
    for _ in 0..3 {
        sockets.iter_mut().for_each(|socket| drop(socket.result(&call)));
    }
    for (request, subject) in upstream.requests().iter().zip(["CN=ada", "CN=eve"].into_iter().cycle()) {
        check(request, subject, &port);
    }
    sockets.iter_mut().for_each(|socket| assert_eq!(socket.close(), 1000));
    nginx.log.await_lines(0, 3, "tls https CN=ada websocket tools/call 200");
    nginx.log.await_lines(0, 1, "tls https CN=eve websocket - 101");
}

#[test]
fn a_client_that_leaves_over_tls_takes_its_calls_with_it() {
    let gate = Gate::default();
    let upstream = Upstream::answering(vec![Act::AwaitClose(gate.clone())]);
    let (authority, port) = (Authority::new(), Port::reserve());
    let nginx = start(&authority, &upstream, &port);
    let mut stream = authority.connect(port.address(), &authority.certify("ada"));
    stream.write_all(&handshake().bytes()).unwrap();
    let mut socket = WebSocket::over(read_head(&mut stream), stream, Vec::new(), Default::default());
    socket.say(&stateless_request(1, "tools/call", json!({"name": "t", "arguments": {}})));
    upstream.await_requests(1);
    check(&upstream.only_request(), "CN=ada", &port);
    drop(socket);
    gate.wait();
    nginx.log.await_lines(0, 1, "tls https CN=ada websocket tools/call 499");
}

#[test]
fn what_is_posted_for_a_stream_has_the_variables_of_its_own_tls() {
    let (authority, upstream, port) = (Authority::new(), upstream(), Port::reserve());
    let nginx = start(&authority, &upstream, &port);
    let connect = |name: &str| authority.connect(port.address(), &authority.certify(name));
    let mut events = connect("ada");
    events.write_all(&Request::new("GET").header("Accept", "text/event-stream").bytes()).unwrap();
    assert_eq!(read_head(&mut events).status, 200);
    read_until(&mut events, "data: ");
    let endpoint = read_until(&mut events, "\n").trim_end().to_owned();
    for name in ["ada", "eve"] {
        let call = session_request(1, "tools/call", &json!({"name": "t", "arguments": {}}));
        let mut post = connect(name);
        post.write_all(&Request::post(call.to_string()).to(&endpoint).bytes()).unwrap();
        assert_eq!(read_head(&mut post).status, 202);
        drop(post);
        read_until(&mut events, "event: message\ndata: ");
        let result: Value = serde_json::from_str(&read_until(&mut events, "\n")).unwrap();
        assert_eq!(result["id"], 1, "{result}");
        check(upstream.requests().last().unwrap(), &format!("CN={name}"), &port);
    }
    nginx.log.await_lines(0, 1, "tls https CN=eve sse tools/call 200");
}
