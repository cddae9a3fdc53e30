//! A WebSocket of a client that nobody here wrote (tungstenite), over a socket whose every byte a test may decide on.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message};

use super::client::{Connection, Request, Response};
use super::journal::Journal;
use super::nginx::Nginx;
use super::specification;

/// Whatever a client's bytes go through.
pub(crate) trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// A client after its handshake.
pub(crate) struct WebSocket {
    /// What the server answered to the handshake.
    pub(crate) head: Response,
    socket: tungstenite::WebSocket<Box<dyn Stream>>,
    journal: Journal,
    /// The revision of its session, or of the last request that named one.
    revision: String,
    /// The methods that were asked for, by the ids of their requests.
    asked: HashMap<String, String>,
}

/// The request that asks for a WebSocket.
pub(crate) fn handshake() -> Request {
    Request::new("GET")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Protocol", "mcp")
}

impl WebSocket {
    /// Opens one.
    pub(crate) fn open(nginx: &Nginx) -> WebSocket {
        WebSocket::open_with(nginx.connect(), &handshake())
    }

    /// Opens one by a request of the test's.
    pub(crate) fn open_with(mut connection: Connection, request: &Request) -> WebSocket {
        connection.send(&request.bytes());
        WebSocket::opened(connection)
    }

    /// One whose handshake has been sent.
    pub(crate) fn opened(mut connection: Connection) -> WebSocket {
        let head = connection.receive_head();
        let (stream, received, journal) = connection.into_parts();
        WebSocket::over(head, stream, received, journal)
    }

    /// One whose handshake was made over something else.
    pub(crate) fn over(
        head: Response,
        stream: impl Stream + 'static,
        received: Vec<u8>,
        journal: Journal,
    ) -> WebSocket {
        assert_eq!(head.status, 101, "{head:?}");
        assert_eq!(head.header("upgrade"), Some("websocket"));
        assert_eq!(head.header("connection"), Some("upgrade"));
        assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        let config = Some(WebSocketConfig::default().max_message_size(None).max_frame_size(None));
        let stream: Box<dyn Stream> = Box::new(stream);
        WebSocket {
            head,
            socket: tungstenite::WebSocket::from_partially_read(stream, received, Role::Client, config),
            journal,
            revision: String::new(),
            asked: HashMap::new(),
        }
    }

    /// Sends a message.
    pub(crate) fn say(&mut self, message: &Value) {
        if let Some(method) = message["method"].as_str().filter(|_| message.get("id").is_some()) {
            self.asked.insert(message["id"].to_string(), method.to_owned());
        }
        if let Some(revision) = message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str() {
            revision.clone_into(&mut self.revision);
        }
        self.say_text(&message.to_string());
    }

    /// Sees that what came is what the specification has there.
    fn judge(&mut self, message: &Value) {
        let method = self.asked.get(&message["id"].to_string()).cloned().unwrap_or_default();
        if let (true, Some(revision)) = (method == "initialize", message["result"]["protocolVersion"].as_str()) {
            revision.clone_into(&mut self.revision);
        }
        specification::check(&self.revision, &method, message);
    }

    /// Sends whatever text.
    pub(crate) fn say_text(&mut self, text: &str) {
        self.journal.add("-->", text.as_bytes());
        self.socket.send(Message::text(text)).unwrap();
    }

    /// Sends bytes that are no message.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.journal.add("-->", bytes);
        self.socket.get_mut().write_all(bytes).unwrap();
    }

    /// What comes next; none once the connection is closed.
    pub(crate) fn receive(&mut self) -> Option<Message> {
        match self.socket.read() {
            Ok(message) => {
                self.journal.add("<--", &message.clone().into_data());
                Some(message)
            }
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => None,
            Err(error) => panic!("no message came: {error}"),
        }
    }

    /// The next message.
    pub(crate) fn hear(&mut self) -> Value {
        loop {
            match self.receive().expect("the connection is open") {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    assert_eq!(message["jsonrpc"], "2.0", "{message}");
                    self.judge(&message);
                    return message;
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("no message but {other:?}"),
            }
        }
    }

    /// Sends a request and receives its answer, which is the next message.
    pub(crate) fn ask(&mut self, request: &Value) -> Value {
        self.say(request);
        let answer = self.hear();
        assert_eq!(answer["id"], request["id"], "{answer}");
        answer
    }

    /// The same for a request that succeeds.
    pub(crate) fn result(&mut self, request: &Value) -> Value {
        let answer = self.ask(request);
        assert!(answer["result"].is_object(), "{answer}");
        answer["result"].clone()
    }

    /// Begins a session.
    pub(crate) fn initialize(&mut self, version: &str, capabilities: &Value) {
        let client = json!({"name": "live", "version": "1.0"});
        let params = json!({"protocolVersion": version, "capabilities": capabilities, "clientInfo": client});
        let result = self.result(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}));
        assert_eq!(result["protocolVersion"], version);
        self.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    }

    /// Awaits that the server closes, and gives the code.
    pub(crate) fn close_code(&mut self) -> u16 {
        let mut code = None;
        while let Some(message) = self.receive() {
            match message {
                Message::Close(frame) => code = frame.map(|frame| u16::from(frame.code)),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not closed but {other:?}"),
            }
        }
        code.expect("a close frame with a code")
    }

    /// Closes as a client does, and gives the code that comes back.
    pub(crate) fn close(&mut self) -> u16 {
        let frame = tungstenite::protocol::CloseFrame { code: 1000.into(), reason: "".into() };
        self.socket.close(Some(frame)).unwrap();
        self.close_code()
    }
}

/// A request of a session.
pub(crate) fn session_request(id: impl Into<Value>, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

/// A request of 2026-07-28.
pub(crate) fn stateless_request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    let request = super::message::request(id, method, params);
    serde_json::from_slice(&request.body).unwrap()
}

/// A connection after its handshake, as its parts.
pub(crate) type Parts = (TcpStream, Vec<u8>, Journal);
