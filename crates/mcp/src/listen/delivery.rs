//! What goes over the bus.

use std::borrow::Cow;
use std::fmt;

use super::SUBSCRIPTION_ID;
use super::said::Said;
use super::topic::{LIST_CHANGES, Topic, hex};
use crate::jsonrpc::{is_id, text, write_json};
use crate::scan::{NotJson, Scanner};

/// The id of a stored message on the bus, later ones being greater: `time:tag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BusId {
    /// Milliseconds since the epoch.
    pub time: u64,
    /// Tells messages of the same millisecond apart; its lowest 16 bits are the machine's number.
    pub tag: u64,
}

impl BusId {
    /// Reads `time:tag`, both of them decimal digits.
    pub fn parse(id: &str) -> Option<BusId> {
        let (time, tag) = id.split_once(':')?;
        let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?;
        Some(BusId { time: number(time)?, tag: number(tag)? })
    }

    /// The number of the machine that has given it.
    pub(super) fn machine(self) -> u16 {
        (self.tag & 0xffff) as u16
    }

    /// The id of another machine that stands beside this one.
    pub(super) fn of_machine(self, machine: u16) -> BusId {
        BusId { tag: self.tag & !0xffff | u64::from(machine), ..self }
    }
}

impl fmt::Display for BusId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.time, self.tag)
    }
}

/// What the host publishes: on the channel of [`Topic::session`], or on the broadcast channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Whom it is for.
    pub topic: Topic,
    /// One line of JSON for [`Delivery::parse`], without a line break.
    pub envelope: Vec<u8>,
    /// The host keeps it for streams of the session that come later ([`MessageLog`](crate::MessageLog)).
    pub keep: bool,
}

impl Publication {
    /// A message, which must be compact JSON.
    pub(crate) fn message(topic: Topic, message: &str) -> Publication {
        Publication::new(topic, "message", message)
    }

    /// A session's stream has been opened: those that were opened before end.
    pub(super) fn opened(topic: Topic, stream: &[u8; 16]) -> Publication {
        Publication::new(topic, "opened", &format!("\"{}\"", hex(stream)))
    }

    /// What to publish when a session has ended ([`SessionState::Ended`](crate::SessionState::Ended)), so that its streams
    /// end in every worker.
    pub fn end_of_session(id: &str) -> Publication {
        Publication::ended(Topic::of_session(id))
    }

    /// The same for the session whose topic this is.
    pub(super) fn ended(topic: Topic) -> Publication {
        Publication::new(topic, "ended", "true")
    }

    /// A call has begun whose stream this is, or still goes on.
    pub(super) fn begun(topic: Topic) -> Publication {
        Publication::new(topic, "begun", "true")
    }

    /// The answer to the call whose stream this is, which ends with it; none if there is no answer.
    pub(super) fn last(topic: Topic, answer: Option<&str>) -> Publication {
        Publication::new(topic, "last", answer.unwrap_or("null"))
    }

    /// The connections that the stream of a call has are to be closed; its client comes back after so many milliseconds.
    pub(super) fn pause(topic: Topic, milliseconds: u64) -> Publication {
        Publication::new(topic, "pause", &milliseconds.to_string())
    }

    /// The client of a session wants to hear no more of its request with this id, raw JSON.
    pub(crate) fn cancelled(topic: Topic, request_id: &str) -> Publication {
        Publication::new(topic, "cancelled", request_id)
    }

    /// The client of a session answers a request of ours: an object with the request's `id`, and `result` or `error`.
    pub(crate) fn response(topic: Topic, response: &str) -> Publication {
        Publication::new(topic, "response", response)
    }

    /// What a held call says to whoever follows it.
    pub(crate) fn said(topic: Topic, said: &Said) -> Publication {
        Publication::new(topic, if said.is_kept() { "said" } else { "passing" }, &said.to_json())
    }

    /// An answer for the client of HTTP+SSE: a line of JSON.
    pub(super) fn reply(topic: Topic, message: &str) -> Publication {
        Publication::new(topic, "reply", message)
    }

    /// The client of a session wants to hear of a resource from now on, or no more; `until` is when the session expires.
    pub(super) fn subscription(topic: Topic, uri: &str, wanted: bool, until: u64) -> Publication {
        let content = serde_json::json!({"uri": uri, "wanted": wanted, "until": until});
        Publication::new(topic, "subscription", &content.to_string())
    }

    /// A stream of this machine hears of a resource from now on: whoever can see to it that its changes are told of is to do that.
    pub fn wanted(uri: &str) -> Publication {
        Publication::new(Topic::ResourceUpdated(uri.to_owned()), "wanted", "true")
    }

    /// Whoever sees to that asks what is wanted.
    pub fn what_is_wanted() -> Publication {
        Publication::new(Topic::ResourcesListChanged, "wanted", "null")
    }

    fn new(topic: Topic, content: &str, json: &str) -> Publication {
        let mut envelope = Vec::with_capacity(json.len() + 128);
        envelope.extend_from_slice(b"{\"topic\":");
        let (name, value) = match &topic {
            Topic::ResourceUpdated(uri) => ("resource", Some(uri)),
            Topic::Session(name) => ("session", Some(name)),
            list => (LIST_CHANGES.iter().find(|change| change.topic == *list).map_or("", |list| list.capability), None),
        };
        write_json(name, &mut envelope);
        if let Some(value) = value {
            envelope.extend_from_slice(b",\"of\":");
            write_json(value, &mut envelope);
        }
        envelope.extend_from_slice(format!(",\"{content}\":{json}}}").as_bytes());
        let keep = matches!(content, "message" | "begun" | "last" | "said") && topic.session().is_some();
        Publication { topic, envelope, keep }
    }
}

/// What came over the bus: read once, then handed to each listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    topic: Topic,
    pub(super) content: Content,
}

/// What a delivery is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// A message for clients.
    Message(Message),
    /// A session's stream has been opened.
    Opened { stream: String },
    /// The session has ended.
    Ended,
    /// The call goes on whose stream this is.
    Begun,
    /// Its answer, if there is one: its stream has ended.
    Last(Option<String>),
    /// Its client is to come back after so many milliseconds.
    Pause(u64),
    /// The session's client wants to hear no more of its request with this id, raw JSON.
    Cancelled { request: String },
    /// The session's client answers a request of ours.
    Response(Answered),
    /// The session's client wants to hear of a resource, or no more.
    Subscription(Wish),
    /// What the client of HTTP+SSE is answered, or hears while it waits for that.
    Reply(String),
    /// What a held call says.
    Said(Said),
    /// A stream hears of the resource from now on.
    Wanted,
    /// What resources do streams hear of?
    Asked,
}

/// What those say to each other who see to it that changes of resources are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// A stream hears of this resource from now on.
    Resource(&'a str),
    /// Of which do streams hear? The answer is the former, for each.
    All,
}

/// What a session's client wants to hear of.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Wish {
    /// The resource.
    pub uri: String,
    /// False: no more.
    pub wanted: bool,
    /// When the session expires, in seconds since the epoch.
    pub until: u64,
}

/// What a client answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answered {
    /// The request's.
    pub(crate) id: String,
    /// The result or the error, raw.
    pub(crate) outcome: Result<String, String>,
}

impl Answered {
    fn read(response: &str) -> Option<Answered> {
        let (mut id, mut outcome) = (None, None);
        let walked = Scanner::new(response).object(|name, scanner| {
            let value = scanner.value()?;
            match name {
                "id" => id = text(value),
                "result" => outcome = Some(Ok(value.to_owned())),
                "error" => outcome = Some(Err(value.to_owned())),
                _ => {}
            }
            Ok(())
        });
        walked.ok()?;
        Some(Answered { id: id?.into_owned(), outcome: outcome? })
    }
}

impl Delivery {
    /// Reads an envelope; none if it is not one of ours.
    pub fn parse(envelope: &[u8]) -> Option<Delivery> {
        let envelope = std::str::from_utf8(envelope).ok()?;
        // A message goes out as the data of one line.
        if envelope.contains(['\r', '\n']) {
            return None;
        }
        let mut members = Members::default();
        let mut scanner = Scanner::new(envelope);
        scanner.object(|name, scanner| members.member(name, scanner)).and_then(|()| scanner.end()).ok()?;
        let (name, value) = members.content.filter(|_| !members.is_ambiguous)?;
        let content = match name {
            Name::Message => Content::Message(Message::new(value)?),
            Name::Opened => Content::Opened { stream: text(value)?.into_owned() },
            Name::Ended if value == "true" => Content::Ended,
            Name::Begun if value == "true" => Content::Begun,
            Name::Last if value == "null" => Content::Last(None),
            Name::Last => Content::Last(Some(value.starts_with('{').then(|| value.to_owned())?)),
            Name::Pause => Content::Pause(value.parse().ok()?),
            Name::Cancelled if is_id(value) => Content::Cancelled { request: value.to_owned() },
            Name::Response => Content::Response(Answered::read(value)?),
            Name::Subscription => Content::Subscription(serde_json::from_str(value).ok()?),
            Name::Reply => Content::Reply(value.to_owned()),
            Name::Said => Content::Said(Said::read(value)?),
            Name::Wanted if value == "true" => Content::Wanted,
            Name::Wanted if value == "null" => Content::Asked,
            Name::Ended | Name::Cancelled | Name::Begun | Name::Wanted => return None,
        };
        let of = || members.of.and_then(text).map(Cow::into_owned);
        let topic = match &*text(members.topic?)? {
            "resource" => Topic::ResourceUpdated(of()?),
            "session" => Topic::Session(of()?),
            list => LIST_CHANGES.into_iter().find(|change| change.capability == list)?.topic,
        };
        let fits = match (&content, &topic) {
            (Content::Message(_), _) => true,
            (Content::Wanted, topic) => matches!(topic, Topic::ResourceUpdated(_)),
            (Content::Asked, topic) => *topic == Topic::ResourcesListChanged,
            // Only a session has a stream and calls of its own.
            (_, topic) => topic.session().is_some(),
        };
        fits.then_some(Delivery { topic, content })
    }

    /// Whether it is kept for streams that come later.
    pub fn is_kept(&self) -> bool {
        let is_wanted = match &self.content {
            Content::Message(_) | Content::Begun | Content::Last(_) => true,
            Content::Said(said) => said.is_kept(),
            _ => false,
        };
        is_wanted && self.topic.session().is_some()
    }

    /// Whom it is for.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// What the session's client answers.
    pub(crate) fn answered(&self) -> Option<&Answered> {
        match &self.content {
            Content::Response(answered) => Some(answered),
            _ => None,
        }
    }

    /// What a held call says.
    pub(crate) fn said(&self) -> Option<&Said> {
        match &self.content {
            Content::Said(said) => Some(said),
            _ => None,
        }
    }

    /// Whether it is for the session's running calls ([`Pending::is_cancelled_by`](crate::Pending),
    /// [`Waiting::take`](crate::Waiting)), not for its stream.
    pub fn is_for_calls(&self) -> bool {
        matches!(self.content, Content::Cancelled { .. } | Content::Response(_))
    }

    /// Whether the session has ended, and with it its stream and its calls.
    pub fn is_end(&self) -> bool {
        matches!(self.content, Content::Ended)
    }

    /// What the session of this name wants to hear of: what a machine is told whose
    /// [subscriptions](crate::Subscriptions) are not those of the machine that was asked.
    pub fn subscription(&self) -> Option<(&str, &Wish)> {
        match &self.content {
            Content::Subscription(wish) => Some((self.topic.session()?, wish)),
            _ => None,
        }
    }

    /// What is said of resources that streams hear of; that is not for the streams.
    pub fn wanted(&self) -> Option<Wanted<'_>> {
        match (&self.content, &self.topic) {
            (Content::Wanted, Topic::ResourceUpdated(uri)) => Some(Wanted::Resource(uri)),
            (Content::Asked, _) => Some(Wanted::All),
            _ => None,
        }
    }

    /// The raw id of the request that the session's client has cancelled.
    pub(crate) fn cancelled(&self) -> Option<&str> {
        match &self.content {
            Content::Cancelled { request } => Some(request),
            _ => None,
        }
    }
}

/// An envelope's members, raw.
#[derive(Default)]
struct Members<'a> {
    topic: Option<&'a str>,
    of: Option<&'a str>,
    content: Option<(Name, &'a str)>,
    /// There is more than one content.
    is_ambiguous: bool,
}

/// The name of a content.
#[derive(Clone, Copy)]
enum Name {
    Message,
    Opened,
    Ended,
    Cancelled,
    Response,
    Subscription,
    Reply,
    Begun,
    Last,
    Pause,
    Wanted,
    Said,
}

impl<'a> Members<'a> {
    fn member(&mut self, name: &str, scanner: &mut Scanner<'a>) -> Result<(), NotJson> {
        let value = scanner.value()?;
        let content = match name {
            "topic" => {
                self.topic = Some(value);
                return Ok(());
            }
            "of" => {
                self.of = Some(value);
                return Ok(());
            }
            "message" => Name::Message,
            "opened" => Name::Opened,
            "ended" => Name::Ended,
            "cancelled" => Name::Cancelled,
            "response" => Name::Response,
            "subscription" => Name::Subscription,
            "reply" => Name::Reply,
            "begun" => Name::Begun,
            "last" => Name::Last,
            "pause" => Name::Pause,
            "wanted" => Name::Wanted,
            "said" | "passing" => Name::Said,
            _ => return Ok(()),
        };
        self.is_ambiguous |= self.content.replace((content, value)).is_some();
        Ok(())
    }
}

/// A notification, and where the id of a subscription is to be put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    text: String,
    /// Where the tag goes, and what stands around it there.
    at: usize,
    before: &'static str,
    after: &'static str,
}

impl Message {
    /// Finds the place in a compact text; none if the text is not one of a message.
    fn new(message: &str) -> Option<Message> {
        let (mut has_method, mut params, mut meta) = (false, None, None);
        let walked = Scanner::new(message).object(|name, scanner| {
            has_method |= name == "method";
            if name != "params" || !scanner.is_at_object() {
                return scanner.skip();
            }
            params = Some(scanner.position() + 1);
            scanner.object(|name, scanner| {
                if name == "_meta" && scanner.is_at_object() {
                    meta = Some(scanner.position() + 1);
                }
                scanner.skip()
            })
        });
        walked.ok().filter(|()| has_method)?;
        let is_empty = |at: usize| message[at..].starts_with('}');
        let (at, before, after) = match (params, meta) {
            (_, Some(at)) => (at, "", if is_empty(at) { "" } else { "," }),
            (Some(at), None) => (at, "\"_meta\":{", if is_empty(at) { "}" } else { "}," }),
            (None, None) => (message.len() - 1, ",\"params\":{\"_meta\":{", "}}"),
        };
        Some(Message { text: message.to_owned(), at, before, after })
    }

    /// The notification as it was published.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The notification in a subscription, whose id is raw JSON.
    pub(super) fn tagged(&self, id: &str) -> Vec<u8> {
        let (head, tail) = self.text.split_at(self.at);
        [head, self.before, "\"", SUBSCRIPTION_ID, "\":", id, self.after, tail].concat().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_bus_are_ordered() {
        let id = |text: &str| BusId::parse(text).unwrap();
        assert!(id("1:2") < id("1:10") && id("1:10") < id("2:0"));
        assert_eq!(id("18446744073709551615:0").to_string(), "18446744073709551615:0");
        for wrong in ["", ":", "1", "1:", ":1", "1:2:3", "+1:2", "1:-2", " 1:2", "18446744073709551616:0"] {
            assert_eq!(BusId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_published_is_delivered() {
        let message = r#"{"jsonrpc":"2.0","method":"m"}"#;
        let content = Content::Message(Message::new(message).unwrap());
        for (topic, envelope) in [
            (Topic::ToolsListChanged, r#"{"topic":"tools","message":"#),
            (Topic::PromptsListChanged, r#"{"topic":"prompts","message":"#),
            (Topic::ResourcesListChanged, r#"{"topic":"resources","message":"#),
            (Topic::ResourceUpdated("a\n\"é".into()), r#"{"topic":"resource","of":"a\n\"é","message":"#),
            (Topic::Session("0f".into()), r#"{"topic":"session","of":"0f","message":"#),
        ] {
            let published = Publication::message(topic.clone(), message);
            assert_eq!(String::from_utf8_lossy(&published.envelope), format!("{envelope}{message}}}"));
            assert_eq!(published.topic, topic);
            assert_eq!(Delivery::parse(&published.envelope), Some(Delivery { topic, content: content.clone() }));
        }
        let session = Topic::of_session("id");
        let opened = Publication::opened(session.clone(), &[10; 16]);
        let content = Content::Opened { stream: "0a".repeat(16) };
        assert_eq!(Delivery::parse(&opened.envelope), Some(Delivery { topic: session.clone(), content }));
        let ended = Publication::end_of_session("id");
        let content = Content::Ended;
        assert_eq!(Delivery::parse(&ended.envelope), Some(Delivery { topic: session.clone(), content }));
        for id in ["7", "\"a\\u00e9\"", "-123456789012345678901234567890"] {
            let cancelled = Publication::cancelled(session.clone(), id);
            assert!(!cancelled.keep);
            let delivery = Delivery::parse(&cancelled.envelope).unwrap();
            assert_eq!((delivery.topic(), delivery.cancelled(), delivery.is_kept()), (&session, Some(id), false));
        }
        let wish = Wish { uri: "a:\"é".into(), wanted: false, until: 7 };
        let subscription = Publication::subscription(session.clone(), &wish.uri, wish.wanted, wish.until);
        assert!(!subscription.keep);
        let delivery = Delivery::parse(&subscription.envelope).unwrap();
        assert_eq!(delivery.subscription(), Some((session.session().unwrap(), &wish)));
        for (publication, wanted) in
            [(Publication::wanted("a:\"é"), Wanted::Resource("a:\"é")), (Publication::what_is_wanted(), Wanted::All)]
        {
            let delivery = Delivery::parse(&publication.envelope).unwrap();
            assert_eq!((delivery.wanted(), delivery.is_kept()), (Some(wanted), false));
        }
    }

    #[test]
    fn what_is_no_envelope_is_not_delivered() {
        for wrong in [
            "",
            "hi",
            "[]",
            "{}",
            r#"{"topic":"tools"}"#,
            r#"{"topic":"tools","message":1}"#,
            r#"{"topic":"tools","message":{}}"#,
            r#"{"topic":"tools","message":{"method":"m"}} x"#,
            r#"{"topic":"session","of":"a","message":{"method":"m"},"ended":true}"#,
            r#"{"topic":"tools","message":{"a":}}"#,
            "{\"topic\":\"tools\",\"message\":{\n\"method\":\"m\"}}",
            "{\"topic\":\"tools\",\r\"message\":{\"method\":\"m\"}}",
            r#"{"topic":"tools","opened":"a"}"#,
            r#"{"topic":"resource","of":"a:","ended":true}"#,
            r#"{"topic":"other","message":{"method":"m"}}"#,
            r#"{"topic":"","message":{"method":"m"}}"#,
            r#"{"topic":"session","message":{"method":"m"}}"#,
            r#"{"topic":"resource","of":1,"message":{"method":"m"}}"#,
            r#"{"topic":"session","of":"a","opened":1}"#,
            r#"{"topic":"session","of":"a","ended":false}"#,
            r#"{"topic":"session","of":"a","cancelled":null}"#,
            r#"{"topic":"tools","cancelled":1}"#,
            r#"{"topic":"session","of":"a","response":1}"#,
            r#"{"topic":"session","of":"a","response":{"id":1,"result":{}}}"#,
            r#"{"topic":"session","of":"a","response":{"id":"a"}}"#,
            r#"{"topic":"session","of":"a","response":{"result":{}}}"#,
            r#"{"topic":"resource","of":"a:","response":{"id":"a","result":{}}}"#,
            r#"{"topic":"session","of":"a","subscription":{"uri":"a:"}}"#,
            r#"{"topic":"tools","subscription":{"uri":"a:","wanted":true,"until":1}}"#,
            r#"{"message":{"method":"m"}}"#,
            r#"{"topic":"tools","wanted":true}"#,
            r#"{"topic":"resource","of":"a:","wanted":null}"#,
            r#"{"topic":"resource","of":"a:","wanted":1}"#,
        ] {
            assert_eq!(Delivery::parse(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(Delivery::parse(b"{\"topic\":\"tools\",\"message\":{\"method\":\"\xff\"}}"), None);
    }

    #[test]
    fn a_message_is_tagged_and_keeps_what_it_has() {
        for (message, tagged) in [
            (r#"{"method":"m"}"#, r#"{"method":"m","params":{"_meta":{TAG}}}"#),
            (r#"{"method":"m","params":{}}"#, r#"{"method":"m","params":{"_meta":{TAG}}}"#),
            (r#"{"params":{"uri":"a"},"method":"m"}"#, r#"{"params":{"_meta":{TAG},"uri":"a"},"method":"m"}"#),
            (r#"{"method":1,"params":{"uri":"a","_meta":{}}}"#, r#"{"method":1,"params":{"uri":"a","_meta":{TAG}}}"#),
            (
                r#"{"params":{"_meta":{"a":{"params":{}}},"b":1},"method":1}"#,
                r#"{"params":{"_meta":{TAG,"a":{"params":{}}},"b":1},"method":1}"#,
            ),
            (
                r#"{"method":1,"a":{"params":{"_meta":{}}}}"#,
                r#"{"method":1,"a":{"params":{"_meta":{}}},"params":{"_meta":{TAG}}}"#,
            ),
        ] {
            let tag = format!("\"{SUBSCRIPTION_ID}\":\"a-1\"");
            let text = Message::new(message).unwrap().tagged("\"a-1\"");
            assert_eq!(String::from_utf8(text).unwrap(), tagged.replace("TAG", &tag));
        }
    }
}
