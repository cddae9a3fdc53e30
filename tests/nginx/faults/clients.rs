//! Clients that vanish, wherever they are.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with};
use serde_json::json;

use crate::harness::{
    Conf, DEADLINE, Nginx, Request, Session, Upstream, call, json as answer, last, request, response,
};

const TOOL: &str = "mcp_tool t { pass POST http://upstream/x; argument text string; }";

fn conf(directives: &str) -> Conf {
    let directives = format!("{TOOL}\nadd_header X-Worker $pid always;\n{directives}");
    Conf::location(&directives).listen("reuseport").http("upstream upstream { server UPSTREAM max_fails=0; }\n")
}

fn state(nginx: &Nginx) -> (Vec<String>, usize) {
    nginx.state(&request(1, "tools/list", json!({})))
}

#[test]
fn a_client_may_vanish_after_any_byte_of_its_request() {
    let upstream = Upstream::answering(last(answer(&json!({"a": 1}))));
    let nginx = conf("").with("UPSTREAM", &upstream).start();
    let session = Session::open(&nginx, "2025-03-26");
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t", "arguments": {}}});
    let get = session.carry(Request::new("GET").header("Accept", "text/event-stream"));
    let before = state(&nginx);
    for request in
        [call("t", json!({"text": "x"})), session.carry(Request::post(json!([message, message]).to_string())), get]
    {
        let bytes = request.bytes();
        for end in 0..=bytes.len() {
            let mut client = nginx.connect();
            client.send(&bytes[..end]);
            if end % 2 == 0 { client.reset() } else { drop(client) }
        }
    }
    nginx.await_descriptors(&before);
    nginx.send(&call("t", json!({}))).success();
}

/// A socket that listens, whose queue is full: who connects waits.
fn busy() -> (OwnedFd, SocketAddr, Vec<TcpStream>) {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    listen(&socket, 0).unwrap();
    let address = SocketAddr::try_from(getsockname(&socket).unwrap()).unwrap();
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
    let queue = (0..10).map_while(connect).collect();
    (socket, address, queue)
}

/// Whether somebody waits to be connected to a port.
fn is_waited_for(port: u16) -> bool {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let wanted = format!(":{port:04X} 02 ");
    table.lines().any(|line| line.contains(&wanted))
}

#[test]
fn a_client_may_vanish_while_its_upstream_is_connected_to() {
    let (_socket, address, _queue) = busy();
    let nginx = conf("proxy_connect_timeout 60s;").with("UPSTREAM", address).start();
    let before = state(&nginx);
    for resets in [false, true].repeat(4) {
        let mut client = nginx.connect();
        client.send(&call("t", json!({})).bytes());
        let deadline = Instant::now() + DEADLINE;
        while !is_waited_for(address.port()) {
            assert!(Instant::now() < deadline, "nginx does not connect");
            thread::sleep(Duration::from_millis(5));
        }
        if resets {
            client.reset()
        } else {
            drop(client)
        }
        nginx.await_descriptors(&before);
    }
}

#[test]
fn an_upstream_that_cannot_be_connected_to_in_time_is_a_failed_call() {
    let (_socket, address, _queue) = busy();
    let nginx = conf("proxy_connect_timeout 100ms;").with("UPSTREAM", address).start();
    let text = nginx.send(&call("t", json!({}))).failure();
    assert!(text.contains("in time"), "{text}");
}

#[test]
fn a_client_may_vanish_inside_its_reply() {
    let upstream = Upstream::answering(last(response(200, "text/plain", "x".repeat(6 << 20))));
    let nginx = conf("").with("UPSTREAM", &upstream).start();
    let before = state(&nginx);
    for number in 0..6 {
        let mut client = nginx.connect();
        client.send(&call("t", json!({})).bytes());
        let head = client.receive_head();
        (0..number).for_each(|_| drop(client.receive_part(&head)));
        if number % 2 == 0 { client.reset() } else { drop(client) }
    }
    nginx.await_descriptors(&before);
}
