//! MCP messages.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::client::{Request, Response};
use super::nginx::Nginx;

/// A request of 2026-07-28, which needs no session.
pub(crate) fn request(id: impl Into<Value>, method: &str, mut params: Value) -> Request {
    for (name, value) in [
        ("protocolVersion", json!("2026-07-28")),
        ("clientInfo", json!({"name": "live", "version": "1.0"})),
        ("clientCapabilities", json!({})),
    ] {
        let slot = &mut params["_meta"][format!("io.modelcontextprotocol/{name}")];
        if slot.is_null() {
            *slot = value;
        }
    }
    let name = params["name"].as_str().map(str::to_owned);
    let body = json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params});
    let request =
        Request::post(body.to_string()).header("MCP-Protocol-Version", "2026-07-28").header("Mcp-Method", method);
    match name {
        Some(name) => request.header("Mcp-Name", &name),
        None => request,
    }
}

/// A call of 2026-07-28.
pub(crate) fn call(tool: &str, arguments: Value) -> Request {
    request(1, "tools/call", json!({"name": tool, "arguments": arguments}))
}

/// The revisions of the sessions that tests have opened: not every request in one says of which revision it is.
static SESSIONS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

fn note_session(id: &str, version: &str) {
    let mut sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
    sessions.insert(id.to_owned(), version.to_owned());
}

/// The revision of a session that a test has opened.
pub(super) fn revision_of(session: &str) -> Option<String> {
    SESSIONS.lock().unwrap_or_else(PoisonError::into_inner).get(session).cloned()
}

/// A session of one of the revisions that have them.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) version: String,
}

impl Session {
    /// The request that opens one.
    pub(crate) fn initialize(version: &str) -> Request {
        Session::initialize_as(version, json!({}))
    }

    fn initialize_as(version: &str, capabilities: Value) -> Request {
        let client = json!({"name": "live", "version": "1.0"});
        let params = json!({"protocolVersion": version, "capabilities": capabilities, "clientInfo": client});
        Request::post(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string())
    }

    /// Opens one.
    pub(crate) fn open(nginx: &Nginx, version: &str) -> Session {
        Session::from(&nginx.send(&Session::initialize(version)), version)
    }

    /// Opens one for a client that can do more.
    pub(crate) fn open_as(nginx: &Nginx, version: &str, capabilities: Value) -> Session {
        Session::from(&nginx.send(&Session::initialize_as(version, capabilities)), version)
    }

    /// The session that a response to `initialize` has opened.
    pub(crate) fn from(response: &Response, version: &str) -> Session {
        assert_eq!(response.result()["protocolVersion"], version);
        let id = response.header("mcp-session-id").expect("Mcp-Session-Id").to_owned();
        note_session(&id, version);
        Session { id, version: version.to_owned() }
    }

    /// Adds what every request of the session carries.
    pub(crate) fn carry(&self, request: Request) -> Request {
        let request = request.header("Mcp-Session-Id", &self.id);
        if self.version.as_str() >= "2025-06-18" {
            request.header("MCP-Protocol-Version", &self.version)
        } else {
            request
        }
    }

    /// A request of the session.
    pub(crate) fn request(&self, id: impl Into<Value>, method: &str, params: Value) -> Request {
        let body = json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params});
        self.carry(Request::post(body.to_string()))
    }

    /// A call.
    pub(crate) fn call(&self, tool: &str, arguments: Value) -> Request {
        self.request(1, "tools/call", json!({"name": tool, "arguments": arguments}))
    }
}
