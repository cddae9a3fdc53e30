//! `mcp_publish`: what backends want clients to hear.

use std::borrow::Cow;

use serde_json::json;

use super::rule::RULES;
use super::{Delivery, MAX_ENVELOPE, Publication, Topic};
use crate::ProtocolVersion;
use crate::error::Error;
use crate::exchange::Context;
use crate::headers::{Header, is_json};
use crate::http::{Body, HttpReply, Outcome};
use crate::jsonrpc::{self, text};
use crate::scan::{NotJson, Scanner, compact};
use crate::server::Server;
use crate::session::{SessionState, cut};

/// A backend's request to a location with `mcp_publish`.
#[derive(Debug, Clone, Copy)]
pub struct PublishRequest<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The `Content-Type` value, if one came.
    pub content_type: Option<&'a [u8]>,
    /// The argument `session`, percent-decoded: the id of the session that alone is to hear it.
    pub session: Option<&'a str>,
    /// The body: a notification, or an array of them.
    pub body: &'a [u8],
    /// Seconds since the epoch.
    pub now: u64,
    /// What the host was told to remember of this session.
    pub session_state: Option<SessionState>,
}

/// The replies to backends are those of the newest revision that has all of JSON-RPC's messages.
const CONTEXT: Context = Context::new(ProtocolVersion::V2025_11_25, None, "POST");

impl Server {
    /// What comes of a backend's request: what the host publishes, in this order, before it sends
    /// [`Server::published`]. Nothing is published unless all of it is right.
    ///
    /// | refused because | HTTP | code |
    /// |---|---|---|
    /// | not POST | 405 | 405 |
    /// | `Content-Type` | 415 | 415 |
    /// | not JSON | 400 | -32700 |
    /// | not a notification, or none that can be published | 400 | -32600 |
    /// | its parameters | 400 | -32602 |
    /// | larger than [`MAX_ENVELOPE`](crate::MAX_ENVELOPE) | 413 | 413 |
    /// | the session is unknown, ended or expired; nothing can be delivered | 404 | 404 |
    #[expect(clippy::result_large_err, reason = "a reply is one of the two things that are wanted of it")]
    pub fn publish(&self, request: &PublishRequest<'_>) -> Result<Vec<Publication>, HttpReply> {
        self.read_publication(request).map_err(|error| CONTEXT.error(None, &error))
    }

    /// The reply once that is done: how many messages were published, and how many streams they were for.
    pub fn published(&self, messages: usize, listening: usize) -> HttpReply {
        let body = json!({"published": messages, "listening": listening}).to_string();
        CONTEXT.reply(200, Body::Bytes(body.into_bytes()), Outcome::Ok)
    }

    fn read_publication(&self, request: &PublishRequest<'_>) -> Result<Vec<Publication>, Error> {
        if !self.offers().channels {
            return Err(Error::Refused(404));
        }
        if request.method != "POST" {
            return Err(Error::MethodNotAllowed);
        }
        if !is_json(Header::one(request.content_type)) {
            return Err(Error::UnsupportedMediaType);
        }
        let session = request.session.map(|id| {
            let session = self
                .sessions()
                .open(id.as_bytes(), request.now)
                .filter(|_| request.session_state != Some(SessionState::Ended));
            session.map(|_| Topic::of_session(id)).ok_or(Error::UnknownAddressee)
        });
        let session = session.transpose()?;
        if !jsonrpc::is_batch(request.body) {
            let body = std::str::from_utf8(request.body).map_err(|error| Error::NotJson(error.to_string()))?;
            serde_json::from_str::<serde::de::IgnoredAny>(body).map_err(|error| Error::NotJson(error.to_string()))?;
            return Ok(vec![read(body, session.as_ref(), "the notification")?]);
        }
        let elements = jsonrpc::split(request.body)?;
        let numbered = elements.into_iter().enumerate();
        numbered
            .map(|(index, raw)| read(raw.get(), session.as_ref(), &format!("element {index} of the array")))
            .collect()
    }
}

/// Reads one notification; `subject` is what errors call it.
fn read(raw: &str, session: Option<&Topic>, subject: &str) -> Result<Publication, Error> {
    let invalid = |why: &str| Error::InvalidRequest(format!("{subject} {why}").into());
    let mut notification = Notification::default();
    let mut scanner = Scanner::new(raw);
    if !scanner.is_at_object() {
        return Err(invalid("must be an object"));
    }
    let too_deep = |NotJson| invalid("is nested too deeply");
    scanner.object(|name, scanner| notification.member(name, scanner)).map_err(too_deep)?;
    if let Some(problem) = notification.problem {
        return Err(invalid(&problem));
    }
    if notification.jsonrpc.is_some_and(|version| version != "\"2.0\"") {
        return Err(invalid("must have \"2.0\" as \"jsonrpc\", or no such member"));
    }
    let method = notification.method.ok_or_else(|| invalid("has no \"method\""))?;
    let method = text(method).ok_or_else(|| invalid("must have a string as \"method\""))?;
    let rule = RULES.iter().find(|rule| rule.method == method).ok_or_else(|| {
        let known: Vec<_> = RULES.iter().map(|rule| rule.method).collect();
        let method = cut(&method, 64);
        invalid(&format!("has the method \"{method}\", which cannot be published: take one of {}", known.join(", ")))
    })?;
    let params = notification.params.filter(|params| *params != "null");
    let uri = rule.check(params).map_err(|why| Error::InvalidParams(format!("{subject} {why}").into()))?;
    let topic = session.cloned().or_else(|| (rule.topic)(uri)).ok_or_else(|| {
        invalid(&format!("has the method \"{method}\", which is for one session: add ?session=ID to the URL"))
    })?;
    let mut message = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\"");
    if let Some(params) = params {
        message.push_str(",\"params\":");
        compact(params, &mut message);
    }
    message.push('}');
    let publication = Publication::message(topic, &message);
    if publication.envelope.len() > MAX_ENVELOPE {
        let size = publication.envelope.len();
        return Err(Error::PublicationTooLarge(format!(
            "{subject} has {size} bytes: no more than {MAX_ENVELOPE} are published"
        )));
    }
    // The envelope is a level more.
    match Delivery::parse(&publication.envelope) {
        Some(_) => Ok(publication),
        None => Err(too_deep(NotJson)),
    }
}

/// The members of a notification, raw.
#[derive(Debug, Default)]
struct Notification<'a> {
    jsonrpc: Option<&'a str>,
    method: Option<&'a str>,
    params: Option<&'a str>,
    /// The first thing that is wrong.
    problem: Option<Cow<'static, str>>,
}

impl<'a> Notification<'a> {
    fn member(&mut self, name: &str, scanner: &mut Scanner<'a>) -> Result<(), NotJson> {
        let value = scanner.value()?;
        let slot = match name {
            "jsonrpc" => &mut self.jsonrpc,
            "method" => &mut self.method,
            "params" => &mut self.params,
            "id" => {
                self.problem.get_or_insert("has an \"id\": only notifications can be published".into());
                return Ok(());
            }
            other => {
                let other = cut(other, 64);
                self.problem.get_or_insert_with(|| format!("has the unknown member \"{other}\"").into());
                return Ok(());
            }
        };
        if slot.replace(value).is_some() {
            self.problem.get_or_insert_with(|| format!("has \"{name}\" twice").into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::input::Capabilities;
    use crate::test_server::{self, NOW};

    fn server() -> Server {
        test_server::server([], |builder| {
            builder.session_lifetime(60);
            builder.channels(true);
        })
    }

    fn session(server: &Server) -> String {
        test_server::session(server, ProtocolVersion::V2025_06_18, Capabilities::NONE, 0)
    }

    fn request<'a>(body: &'a str, session: Option<&'a str>) -> PublishRequest<'a> {
        let content_type = Some(&b"application/json"[..]);
        PublishRequest { method: "POST", content_type, session, body: body.as_bytes(), now: NOW, session_state: None }
    }

    /// Topics and messages.
    fn published(body: &str, session: Option<&str>) -> Vec<(Topic, String)> {
        let published = server().publish(&request(body, session)).unwrap_or_else(|reply| panic!("{body}: {reply:?}"));
        let read = |publication: Publication| {
            let delivery = Delivery::parse(&publication.envelope).unwrap();
            assert_eq!(delivery.topic(), &publication.topic);
            let super::super::delivery::Content::Message(message) = delivery.content else { panic!("no message") };
            (publication.topic, String::from_utf8(message.as_bytes().to_vec()).unwrap())
        };
        published.into_iter().map(read).collect()
    }

    fn refused(request: &PublishRequest<'_>) -> (u16, i64, String) {
        let reply = server().publish(request).unwrap_err();
        let Body::Bytes(body) = &reply.body else { panic!("no body") };
        let body: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(reply.content_type, Some("application/json"));
        assert_eq!((&body["jsonrpc"], body.get("id")), (&json!("2.0"), None));
        let error = &body["error"];
        (reply.status, error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    }

    #[test]
    fn a_notification_goes_to_those_who_asked_for_it() {
        for (method, params, topic) in [
            ("notifications/tools/list_changed", "", Topic::ToolsListChanged),
            ("notifications/prompts/list_changed", r#","params":{}"#, Topic::PromptsListChanged),
            ("notifications/resources/list_changed", r#","params":{"_meta":{"a":1}}"#, Topic::ResourcesListChanged),
            (
                "notifications/resources/updated",
                r#","params":{"z":[1e400,1.0],"uri":"a:\u00e9","a":12345678901234567890123}"#,
                Topic::ResourceUpdated("a:é".into()),
            ),
        ] {
            let expected = format!(r#"{{"jsonrpc":"2.0","method":"{method}"{params}}}"#);
            let body = format!("\n{{\"method\" :\r\n\"{method}\"{params}}} ");
            assert_eq!(published(&body, None), [(topic, expected)]);
        }
    }

    #[test]
    fn several_go_out_in_their_order() {
        let body = r#"[{"method":"notifications/tools/list_changed","params":null},
            {"jsonrpc":"2.0","params":{"uri":"a b\n:"},"method":"notifications/resources/updated"}]"#;
        let expected = [
            (Topic::ToolsListChanged, r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#.to_owned()),
            (
                Topic::ResourceUpdated("a b\n:".into()),
                r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a b\n:"}}"#.to_owned(),
            ),
        ];
        assert_eq!(published(body, None), expected);
    }

    #[test]
    fn everything_can_go_to_one_session() {
        let id = session(&server());
        let name = Topic::of_session(&id);
        for (method, params) in [
            ("notifications/tools/list_changed", "{}"),
            ("notifications/prompts/list_changed", "{}"),
            ("notifications/resources/list_changed", "{}"),
            ("notifications/resources/updated", r#"{"uri":"a:"}"#),
            ("notifications/message", r#"{"level":"warning","data":null}"#),
            ("notifications/progress", r#"{"progressToken":"a","progress":0.5}"#),
            ("notifications/progress", r#"{"progressToken":1,"progress":-1,"total":2}"#),
            ("notifications/elicitation/complete", r#"{"elicitationId":"a"}"#),
        ] {
            let message = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
            assert_eq!(published(&message, Some(&id)), [(name.clone(), message)]);
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let many = format!("[{}]", vec![r#"{"method":"notifications/tools/list_changed"}"#; 65].join(","));
        let long =
            format!(r#"{{"method":"notifications/resources/updated","params":{{"uri":"{}"}}}}"#, "a".repeat(4097));
        let deep = format!(
            r#"{{"method":"notifications/tools/list_changed","params":{{"a":{}1{}}}}}"#,
            "[".repeat(125),
            "]".repeat(125)
        );
        let progress = r#"{"method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
        for (body, code, expected) in [
            ("", -32700, "not JSON"),
            ("{", -32700, "not JSON"),
            ("[{]", -32700, "not JSON"),
            (r#"{"method":"notifications/tools/list_changed"} x"#, -32700, "not JSON"),
            ("1", -32600, "the notification must be an object"),
            ("[]", -32600, "must hold a message"),
            (&many, -32600, "64 messages at most"),
            (&deep, -32600, "nested too deeply"),
            ("[1]", -32600, "element 0 of the array must be an object"),
            ("{}", -32600, "the notification has no \"method\""),
            (r#"{"method":1}"#, -32600, "a string as \"method\""),
            (r#"{"method":"tools/call"}"#, -32600, "\"tools/call\", which cannot be published: take one of notif"),
            (r#"{"method":"notifications/cancelled"}"#, -32600, "cannot be published"),
            (r#"{"method":"notifications/tools/list_changed","id":1}"#, -32600, "has an \"id\""),
            (r#"{"method":"notifications/tools/list_changed","id":null}"#, -32600, "has an \"id\""),
            (r#"{"method":"notifications/tools/list_changed","parms":1}"#, -32600, "unknown member \"parms\""),
            (r#"{"method":"notifications/tools/list_changed","method":"a"}"#, -32600, "\"method\" twice"),
            (r#"{"method":"notifications/tools/list_changed","jsonrpc":"1.0"}"#, -32600, "\"jsonrpc\""),
            (r#"{"method":"notifications/tools/list_changed","params":[]}"#, -32602, "an object as \"params\""),
            (r#"{"method":"notifications/tools/list_changed","params":{"_meta":1}}"#, -32602, "object as \"_meta\""),
            (
                r#"{"method":"notifications/tools/list_changed","params":{"_meta":{},"_meta":{}}}"#,
                -32602,
                "\"_meta\" twice",
            ),
            (
                r#"{"method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}}"#,
                -32602,
                "must not have",
            ),
            (
                r#"[{"method":"notifications/tools/list_changed"},{"method":"notifications/resources/updated"}]"#,
                -32602,
                "element 1 of the array has no \"uri\"",
            ),
            (r#"{"method":"notifications/resources/updated","params":{"uri":1}}"#, -32602, "as \"uri\""),
            (&long, -32602, "4096 bytes at most as \"uri\""),
            (progress, -32600, "\"notifications/progress\", which is for one session: add ?session=ID"),
            (
                r#"{"method":"notifications/message","params":{"level":"loud","data":1}}"#,
                -32602,
                "emergency as \"level\"",
            ),
            (r#"{"method":"notifications/message","params":{"level":"info"}}"#, -32602, "no \"data\""),
            (
                r#"{"method":"notifications/progress","params":{"progressToken":1.5,"progress":1}}"#,
                -32602,
                "\"progressToken\"",
            ),
            (r#"{"method":"notifications/progress","params":{"progressToken":1,"progress":"1"}}"#, -32602, "a number"),
        ] {
            let (status, found, message) = refused(&request(body, None));
            assert!((status, found) == (400, code) && message.contains(expected), "{body}: {status} {found} {message}");
        }
    }

    #[test]
    fn the_request_must_be_right() {
        let server = server();
        let id = session(&server);
        let body = r#"{"method":"notifications/tools/list_changed"}"#;
        let right = request(body, Some(&id));
        assert!(server.publish(&right).is_ok());
        let get = refused(&PublishRequest { method: "GET", ..right });
        assert_eq!((get.0, get.1), (405, 405));
        let reply = server.publish(&PublishRequest { method: "PUT", ..right }).unwrap_err();
        assert_eq!(reply.headers, [("Allow", "POST".to_owned())]);
        let without = test_server::server([], |_| {});
        assert_eq!(without.publish(&right).unwrap_err().status, 404);
        for content_type in [None, Some(&b"text/plain"[..])] {
            assert_eq!(refused(&PublishRequest { content_type, ..right }).0, 415);
        }
        for (session, ended, now) in [("a.b", false, 1000), ("", false, 1000), (&id, true, 1000), (&id, false, 1060)] {
            let wrong = PublishRequest {
                session: Some(session),
                session_state: ended.then_some(SessionState::Ended),
                now,
                ..right
            };
            let (status, code, message) = refused(&wrong);
            assert!((status, code) == (404, 404) && message.contains("?session="), "{message}");
        }
        assert_eq!(refused(&PublishRequest { body: b"\"\xff\"", ..right }).1, -32700);
    }

    #[test]
    fn a_backend_is_told_what_was_published() {
        let reply = server().published(2, 5);
        assert_eq!((reply.status, reply.content_type), (200, Some("application/json")));
        assert_eq!(reply.body, Body::Bytes(br#"{"published":2,"listening":5}"#.to_vec()));
    }
}
