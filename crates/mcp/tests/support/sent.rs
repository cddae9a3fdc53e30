//! A case's request, as its client sends it.

use std::collections::BTreeMap;

use mcp::http::{Body, Headers, HttpRequest, Transport};
use mcp::{Delivery, Exchange, Server, SessionState, Step};
use serde_json::{Value, json};

use crate::{LIFETIME, NOW};

pub(crate) const META: &str = "io.modelcontextprotocol/";

/// One case's request, made ready.
pub(crate) struct Sent {
    transport: Transport,
    method: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    ended: bool,
    now: u64,
}

impl Sent {
    pub(crate) fn new(server: &Server, request: &Value) -> Sent {
        let mut headers: BTreeMap<String, Option<String>> = BTreeMap::new();
        headers.insert("host".into(), Some("localhost".into()));
        let method = request["method"].as_str().unwrap_or("POST").to_owned();
        if method == "POST" {
            headers.insert("content-type".into(), Some("application/json".into()));
            headers.insert("accept".into(), Some("application/json, text/event-stream".into()));
        }
        let mut body = request.get("body").cloned();
        let revision = request["as"].as_str();
        match revision {
            Some("2026-07-28") => stateless(&mut body, &mut headers),
            Some(revision) => {
                let session = session(server, revision, &request["capabilities"]);
                headers.insert("mcp-session-id".into(), Some(session));
                if revision >= "2025-06-18" {
                    headers.insert("mcp-protocol-version".into(), Some(revision.into()));
                }
            }
            None => {}
        }
        if let Some(Value::Object(message)) = &mut body {
            if message.get("jsonrpc").is_none() {
                message.insert("jsonrpc".into(), "2.0".into());
            }
            message.retain(|_, value| value != "absent");
        }
        let mut lines = Vec::new();
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            let name = name.to_ascii_lowercase();
            headers.remove(&name);
            match value {
                Value::Null => {}
                Value::String(value) => lines.push((name, value.clone())),
                Value::Array(values) => lines.extend(values.iter().map(|v| (name.clone(), v.as_str().unwrap().into()))),
                other => panic!("header {name}: {other}"),
            }
        }
        lines.extend(headers.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let body = match (request["text"].as_str(), body) {
            (Some(text), _) => text.as_bytes().to_vec(),
            (None, Some(body)) => body.to_string().into_bytes(),
            (None, None) => Vec::new(),
        };
        let transport = match request["over"].as_str() {
            None => Transport::StreamableHttp,
            Some("websocket") if method == "GET" => Transport::Upgrade,
            Some("websocket") => Transport::WebSocket,
            Some("sse") => Transport::Sse,
            Some("post") => Transport::Post,
            Some(other) => panic!("over {other}"),
        };
        if matches!(transport, Transport::WebSocket | Transport::Sse) {
            // Those of the handshake say nothing of a message.
            lines.retain(|(name, _)| matches!(name.as_str(), "host" | "origin" | "mcp-session-id"));
        }
        let state = request["session"].as_str();
        let now = if state == Some("expired") { NOW + LIFETIME } else { NOW + request["later"].as_u64().unwrap_or(0) };
        if state == Some("forged") {
            for (_, value) in lines.iter_mut().filter(|(name, _)| name == "mcp-session-id") {
                let last = value.pop().unwrap();
                value.push(if last == 'A' { 'Q' } else { 'A' });
            }
        }
        Sent { transport, method, headers: lines, body, ended: state == Some("ended"), now }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// What a response in the same session delivers to its calls.
    pub(crate) fn respond(&self, server: &Server, response: &Value) -> Vec<Delivery> {
        let response = Sent {
            body: response.to_string().into_bytes(),
            headers: self.headers.clone(),
            method: "POST".into(),
            ..*self
        };
        match response.receive(server).start(server, &mut no_values) {
            Step::Publish { publications, then } => {
                let Step::Reply(reply) = *then else { panic!("a response is answered") };
                assert_eq!((reply.status, reply.body), (202, Body::Empty));
                publications.iter().map(|publication| Delivery::parse(&publication.envelope).unwrap()).collect()
            }
            step => panic!("{step:?}"),
        }
    }

    pub(crate) fn receive(&self, server: &Server) -> Exchange {
        self.receive_as(server, 9)
    }

    /// The same with a nonce of such bytes.
    pub(crate) fn receive_as(&self, server: &Server, nonce: u8) -> Exchange {
        let lines: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let request = HttpRequest {
            transport: self.transport,
            target: b"/mcp",
            method: &self.method,
            headers: Headers(&lines),
            body: &self.body,
            hosts: &["localhost".to_owned(), "127.0.0.1".to_owned()],
            session_state: self.ended.then_some(SessionState::Ended),
            offering: None,
            now: self.now,
        };
        server.receive(&request, &|| [nonce; 16])
    }
}

/// Adds what every request of 2026-07-28 carries and the case does not give itself.
fn stateless(body: &mut Option<Value>, headers: &mut BTreeMap<String, Option<String>>) {
    headers.insert("mcp-protocol-version".into(), Some("2026-07-28".into()));
    let Some(Value::Object(message)) = body else { return };
    if let Some(method) = message.get("method").and_then(Value::as_str) {
        headers.insert("mcp-method".into(), Some(method.into()));
    }
    let params = message.entry("params").or_insert_with(|| json!({}));
    let Value::Object(params) = params else { return };
    let name = params.get("name").or_else(|| params.get("uri")).or_else(|| params.get("taskId"));
    if let Some(name) = name.and_then(Value::as_str) {
        headers.insert("mcp-name".into(), Some(name.into()));
    }
    let meta = params.entry("_meta").or_insert_with(|| json!({}));
    let Value::Object(meta) = meta else { return };
    for (name, value) in [
        ("protocolVersion", json!("2026-07-28")),
        ("clientInfo", json!({"name": "wire-client", "version": "2.0"})),
        ("clientCapabilities", json!({})),
    ] {
        meta.entry(format!("{META}{name}")).or_insert(value);
    }
    meta.retain(|_, value| value != "absent");
}

/// No tool of the cases has values of the operator.
pub(crate) fn no_values(_: usize, _: usize) -> String {
    panic!("there is nothing to evaluate")
}

/// The id of a new session in a revision.
fn session(server: &Server, revision: &str, capabilities: &Value) -> String {
    let capabilities = capabilities.as_object().cloned().unwrap_or_default();
    let params = json!({"protocolVersion": revision, "capabilities": capabilities, "clientInfo": {"name": "wire-client", "version": "2.0"}});
    let request = json!({"body": {"id": 0, "method": "initialize", "params": params}});
    let Step::Reply(reply) = Sent::new(server, &request).receive(server).start(server, &mut no_values) else {
        panic!("initialize calls")
    };
    let id = reply.headers.iter().find(|(name, _)| *name == "Mcp-Session-Id").expect("a session").1.clone();
    assert!(id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
    id
}
