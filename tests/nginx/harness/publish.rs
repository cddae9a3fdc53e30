//! What is published, and those who hear of it.

use serde_json::{Value, json};

use super::client::{Request, Response};
use super::events::Events;
use super::message::{Session, request};
use super::nginx::Nginx;

/// Where backends publish, for a server with an MCP location.
pub(crate) const PUBLISH: &str = "location = /publish { mcp_publish /mcp; }\n";

/// The news that the tools have changed.
pub(crate) fn changed() -> Value {
    json!({"method": "notifications/tools/list_changed"})
}

/// A log message for a session.
pub(crate) fn note(text: &str) -> Value {
    json!({"method": "notifications/message", "params": {"level": "info", "data": text}})
}

impl Session {
    /// The request for its stream, after the event with this id.
    pub(crate) fn get(&self, last: Option<&str>) -> Request {
        let get = self.carry(Request::new("GET").header("Accept", "text/event-stream"));
        last.map_or(get.clone(), |last| get.header("Last-Event-ID", last))
    }

    /// The request by which a backend says something to it alone.
    pub(crate) fn publication(&self, message: &Value) -> Request {
        Request::post(message.to_string()).to(&format!("/publish?session={}", self.id))
    }
}

impl Nginx {
    /// Publishes a message, to all or to one session.
    pub(crate) fn publish(&self, session: Option<&Session>, message: &Value) -> Response {
        let to_all = || Request::post(message.to_string()).to("/publish");
        self.send(&session.map_or_else(to_all, |session| session.publication(message)))
    }

    /// Opens a subscription.
    pub(crate) fn listen(&self, filter: &Value) -> Events {
        let listen = request("s", "subscriptions/listen", json!({"notifications": filter}));
        let mut events = Events::open(self.connect(), &listen);
        let acknowledged = events.notification("notifications/subscriptions/acknowledged");
        assert_eq!(acknowledged["_meta"], json!({"io.modelcontextprotocol/subscriptionId": "s"}));
        events
    }

    /// Opens one to changes of the list of tools.
    pub(crate) fn listen_for_changes(&self) -> Events {
        self.listen(&json!({"toolsListChanged": true}))
    }

    /// Opens the stream of a session, after the event with this id.
    pub(crate) fn stream(&self, session: &Session, last: Option<&str>) -> Events {
        Events::open(self.connect(), &session.get(last))
    }
}
