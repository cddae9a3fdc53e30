//! A client whose every byte the test decides on.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::sockopt;
use serde_json::Value;

use super::DEADLINE;
use super::journal::Journal;
use super::message::revision_of;
use super::specification;
use super::websocket::Parts;

/// A request to the MCP location.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A request without a body.
    pub(crate) fn new(method: &str) -> Request {
        let headers = vec![("Host".to_owned(), "localhost".to_owned())];
        Request { method: method.to_owned(), target: "/mcp".to_owned(), headers, body: Vec::new() }
    }

    /// A POST with a JSON body.
    pub(crate) fn post(body: impl Into<Vec<u8>>) -> Request {
        let mut request = Request::new("POST")
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream");
        request.body = body.into();
        request
    }

    /// Adds a line, or replaces those of the same name.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Request {
        self = self.without(name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes the lines of a name away.
    pub(crate) fn without(mut self, name: &str) -> Request {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    /// Another path.
    pub(crate) fn to(mut self, target: &str) -> Request {
        target.clone_into(&mut self.target);
        self
    }

    /// The head, with the length of a body of `length` bytes.
    pub(crate) fn head(&self, length: usize) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let has_length = self.headers.iter().any(|(name, _)| {
            name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding")
        });
        if !has_length && (length > 0 || self.method == "POST") {
            head += &format!("Content-Length: {length}\r\n");
        }
        head += "\r\n";
        head.into_bytes()
    }

    /// The revision that it is of, and the method that it asks for, as far as it says.
    pub(crate) fn asks(&self) -> (String, String) {
        let header = |name: &str| self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        let said = header("mcp-protocol-version").map(|(_, revision)| revision.clone());
        let session = header("mcp-session-id").and_then(|(_, session)| revision_of(session));
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        (said.or(session).unwrap_or_default(), body["method"].as_str().unwrap_or_default().to_owned())
    }

    /// Sees that a response to it is what the specification has there.
    fn judge(&self, response: &Response) {
        let (mut revision, method) = self.asks();
        let messages = match response.header("content-type") {
            Some("application/json") => vec![response.text()],
            Some("text/event-stream") => {
                let lines = response.text();
                lines.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        for message in messages.iter().filter_map(|message| serde_json::from_str::<Value>(message).ok()) {
            if method == "initialize" {
                message["result"]["protocolVersion"].as_str().unwrap_or_default().clone_into(&mut revision);
            }
            specification::check(&revision, &method, &message);
        }
    }

    /// The request as it goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [self.head(self.body.len()), self.body.clone()].concat()
    }
}

/// A response, read whole.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// A response of which only the head has come.
    pub(crate) fn of_head(head: &str) -> Response {
        let mut lines = head.trim_end().split("\r\n");
        let status_line = lines.next().unwrap();
        let status: u16 = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or_else(|| panic!("no status line: {status_line}"));
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').unwrap_or_else(|| panic!("no header line: {line}")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Response { status, headers, body: Vec::new() }
    }

    /// The value of the first line of a name, given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The body, which must be JSON and say so.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The message in the only event of a stream that came whole.
    pub(crate) fn only_event(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("text/event-stream"), "{self:?}");
        assert_eq!(self.header("x-accel-buffering"), Some("no"));
        let text = self.text();
        let data = text.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\n\n"));
        let data = data.filter(|data| !data.contains('\n')).unwrap_or_else(|| panic!("not one event: {text}"));
        serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The JSON-RPC result.
    pub(crate) fn result(&self) -> Value {
        let message = self.json();
        assert_eq!(self.status, 200, "{message}");
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        assert!(message["result"].is_object(), "{message}");
        message["result"].clone()
    }

    /// The result of a call that succeeded.
    pub(crate) fn success(&self) -> Value {
        let result = self.result();
        assert!(result.get("isError").is_none_or(|failed| failed == false), "{result}");
        result
    }

    /// The text of a call that failed.
    pub(crate) fn failure(&self) -> String {
        let result = self.result();
        assert_eq!(result["isError"], true, "{result}");
        let content = result["content"].as_array().unwrap();
        content.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
    }

    /// The code of a JSON-RPC error; its status is the caller's to check.
    pub(crate) fn error_code(&self) -> i64 {
        let message = self.json();
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        assert!(message.get("result").is_none(), "{message}");
        assert!(message["error"]["message"].is_string(), "{message}");
        message["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error code: {message}"))
    }
}

impl Response {
    /// The code of a JSON-RPC error, if there must be one.
    pub(crate) fn error_code_if(&self, is_error: bool) -> Option<i64> {
        is_error.then(|| self.error_code())
    }
}

/// A connection to nginx.
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    journal: Journal,
    /// The last response has said `Connection: close`.
    ends: bool,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr, journal: Journal) -> Connection {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { stream, received: Vec::new(), journal, ends: false }
    }

    /// A connection to a socket in the file system, where what one side has sent is there for the other at once.
    pub(crate) fn open_local(path: &Path, journal: Journal) -> Connection {
        let socket = UnixStream::connect(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        // It is read and written in the same way.
        let stream = TcpStream::from(OwnedFd::from(socket));
        Connection { stream, received: Vec::new(), journal, ends: false }
    }

    /// Sends a request and receives its response.
    pub(crate) fn exchange(&mut self, request: &Request) -> Response {
        self.send(&request.bytes());
        let response = self.receive_for(&request.method);
        request.judge(&response);
        response
    }

    /// The same; none if the connection is closed before the whole response came.
    pub(crate) fn try_exchange(&mut self, request: &Request) -> Option<Response> {
        if !self.try_send(&request.bytes()) {
            return None;
        }
        self.try_receive_for(&request.method)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.journal.add("-->", bytes);
        self.stream.write_all(bytes).unwrap_or_else(|error| panic!("sending {} bytes: {error}", bytes.len()));
    }

    /// The same, for bytes that nginx may refuse to read.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.journal.add("-->", bytes);
        self.stream.write_all(bytes).is_ok()
    }

    /// Receives the response to a request that is not a HEAD.
    pub(crate) fn receive(&mut self) -> Response {
        self.receive_for("GET")
    }

    /// Receives the response to a request of this method.
    pub(crate) fn receive_for(&mut self, method: &str) -> Response {
        self.try_receive_for(method).unwrap_or_else(|| panic!("the connection was closed before a response came"))
    }

    /// The same; none if the connection is closed instead.
    pub(crate) fn try_receive_for(&mut self, method: &str) -> Option<Response> {
        let mut response = self.try_receive_head()?;
        if method != "HEAD" && response.status >= 200 && response.status != 204 && response.status != 304 {
            response.body = self.receive_body(&response);
            self.journal.add("<--", &response.body);
        }
        Some(response)
    }

    /// Receives the head of a response whose body comes bit by bit.
    pub(crate) fn receive_head(&mut self) -> Response {
        self.try_receive_head().unwrap_or_else(|| panic!("the connection was closed before a response came"))
    }

    /// The same; none if the connection is closed instead.
    pub(crate) fn try_receive_head(&mut self) -> Option<Response> {
        let end = loop {
            match self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None if !self.fill() => {
                    assert!(self.received.is_empty(), "half a head: {:?}", String::from_utf8_lossy(&self.received));
                    return None;
                }
                None => {}
            }
        };
        let head = String::from_utf8(self.take(end)).expect("a head in UTF-8");
        let response = Response::of_head(&head);
        self.ends = response.header("connection") == Some("close");
        self.journal.add("<--", head.as_bytes());
        Some(response)
    }

    /// Receives the next part of a body; none at its end.
    pub(crate) fn receive_part(&mut self, head: &Response) -> Option<Vec<u8>> {
        let part = if head.header("transfer-encoding") == Some("chunked") {
            let line = self.take_line();
            let size = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("no chunk size: {line}"));
            let chunk = self.take_exactly(size);
            assert_eq!(self.take_line(), "", "a chunk has its end");
            chunk
        } else {
            if self.received.is_empty() {
                self.fill();
            }
            std::mem::take(&mut self.received)
        };
        self.journal.add("<--", &part);
        Some(part).filter(|part| !part.is_empty())
    }

    fn receive_body(&mut self, response: &Response) -> Vec<u8> {
        if response.header("transfer-encoding") == Some("chunked") {
            return std::iter::from_fn(|| self.receive_part(response)).flatten().collect();
        }
        match response.header("content-length") {
            Some(length) => self.take_exactly(length.parse().expect("a length")),
            None => {
                while self.fill() {}
                std::mem::take(&mut self.received)
            }
        }
    }

    fn take_line(&mut self) -> String {
        loop {
            if let Some(end) = self.received.windows(2).position(|window| window == b"\r\n") {
                let line = self.take(end + 2);
                return String::from_utf8_lossy(&line[..end]).into_owned();
            }
            assert!(self.fill(), "the connection was closed inside a body");
        }
    }

    fn take_exactly(&mut self, length: usize) -> Vec<u8> {
        while self.received.len() < length {
            assert!(self.fill(), "the connection was closed after {} of {length} bytes", self.received.len());
        }
        self.take(length)
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.received.split_off(length);
        std::mem::replace(&mut self.received, rest)
    }

    /// Receives more; false when the other side has closed.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 65536];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                self.received.extend_from_slice(&buffer[..length]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no answer came: {error}"),
        }
    }

    /// Whether something has come that was not received yet.
    pub(crate) fn has_more(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        peeked.is_ok_and(|length| length > 0)
    }

    /// Awaits that nginx closes the connection, with nothing more to say.
    pub(crate) fn await_close(&mut self) {
        while self.fill() {}
        assert!(self.received.is_empty(), "more came: {:?}", String::from_utf8_lossy(&self.received));
    }

    /// Receives whatever comes and drops it; false once nginx has closed the connection.
    pub(crate) fn receive_some(&mut self) -> bool {
        self.received.clear();
        self.fill()
    }

    /// Whether nginx keeps it for further requests, as the last response has said.
    pub(crate) fn is_kept(&self) -> bool {
        !self.ends
    }

    /// What another protocol goes on with: the socket, what was received of it, and the journal.
    pub(crate) fn into_parts(self) -> Parts {
        (self.stream, self.received, self.journal)
    }

    /// Closes with RST instead of FIN.
    pub(crate) fn reset(self) {
        sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
    }
}
