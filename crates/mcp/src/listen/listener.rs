//! A stream that is open, and what its client gets to hear.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::delivery::{BusId, Content, Delivery, Publication};
use super::event::{StreamName, event, named_event, retry};
use super::topic::{LIST_CHANGES, Topic, hex};
use super::{Heard, MAX_RESOURCES, SUBSCRIPTION_ID};
use crate::ProtocolVersion;
use crate::jsonrpc::begin_result;

/// Milliseconds after which the client of a closed stream comes back, and how many more some of them take: not all
/// are to come at once.
const RETRY: (u64, u64) = (500, 2000);

/// A client that waits for messages: one for each open stream.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Sorted.
    topics: Vec<Topic>,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// `subscriptions/listen`.
    Subscription {
        /// The request's id, raw JSON.
        id: Box<str>,
        /// The `_meta` of the server's results.
        meta: Arc<str>,
    },
    /// A session's own stream, or that of one of its calls.
    Session(SessionStream),
}

#[derive(Debug, Clone)]
struct SessionStream {
    version: ProtocolVersion,
    name: StreamName,
    /// The topic of the session, or of the call.
    session: Topic,
    /// Of HTTP+SSE, where a session begins and ends with its stream: the URL that its client sends messages to.
    endpoint: Option<Box<str>>,
    /// Tells this stream from the others of its session.
    nonce: [u8; 16],
    /// When this stream was opened, once the news of it have come; and the latest that another one was.
    opened: Option<BusId>,
    other: Option<BusId>,
    /// What is not for this stream, as its client has got it already.
    heard: Heard,
}

/// What a delivery means to one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// Nothing.
    Nothing,
    /// Send this, which is `text/event-stream`.
    Event(Vec<u8>),
    /// From now on hand over what is published of this topic, or no more.
    Topic {
        /// One of a resource.
        topic: Topic,
        /// False: no more.
        wanted: bool,
    },
    /// Send this, which may be empty, and end the stream.
    Close(Vec<u8>),
}

impl Listener {
    /// The listener of a `subscriptions/listen` request. `meta` is the one of the server's results.
    pub(super) fn subscription(mut topics: Vec<Topic>, id: &str, meta: Arc<str>) -> Listener {
        topics.sort_unstable();
        topics.dedup();
        Listener { topics, kind: Kind::Subscription { id: id.into(), meta } }
    }

    /// The listener of a GET in a session, which hears of these lists beside the session's own messages.
    pub(super) fn session(
        version: ProtocolVersion,
        session: Topic,
        lists: impl Iterator<Item = Topic>,
        nonce: [u8; 16],
        heard: Heard,
    ) -> Listener {
        let mut topics: Vec<Topic> = lists.chain([session.clone()]).collect();
        topics.sort_unstable();
        let name = StreamName::Session;
        let stream = SessionStream { version, name, session, endpoint: None, nonce, opened: None, other: None, heard };
        Listener { topics, kind: Kind::Session(stream) }
    }

    /// Makes the listener of a session one of HTTP+SSE.
    pub(super) fn over_sse(mut self, url: String) -> Listener {
        if let Kind::Session(SessionStream { endpoint, .. }) = &mut self.kind {
            *endpoint = Some(url.into());
        }
        self
    }

    /// What the host publishes once the stream has ended: its session's calls end, too.
    pub fn closed(&self) -> Option<Publication> {
        match &self.kind {
            Kind::Session(SessionStream { endpoint: Some(_), session, .. }) => {
                Some(Publication::ended(session.clone()))
            }
            _ => None,
        }
    }

    /// The listener of the stream of a call, which has a topic of its own.
    pub(super) fn call(
        version: ProtocolVersion,
        (call, topic): ([u8; 16], Topic),
        nonce: [u8; 16],
        heard: Heard,
    ) -> Listener {
        let name = StreamName::Call(call);
        let topics = vec![topic.clone()];
        let stream =
            SessionStream { version, name, session: topic, endpoint: None, nonce, opened: None, other: None, heard };
        Listener { topics, kind: Kind::Session(stream) }
    }

    /// Whether it is of the stream of a call, of which there is always something kept as long as it can be resumed.
    pub fn is_of_call(&self) -> bool {
        matches!(&self.kind, Kind::Session(SessionStream { name: StreamName::Call(_), .. }))
    }

    /// What it hears of. The channels to listen to are those of [`Topic::session`].
    pub fn topics(&self) -> &[Topic] {
        &self.topics
    }

    /// What the host publishes once the stream is open: older streams of the same session end.
    pub fn opened(&self) -> Option<Publication> {
        match &self.kind {
            Kind::Subscription { .. } => None,
            Kind::Session(stream) => Some(Publication::opened(stream.session.clone(), &stream.nonce)),
        }
    }

    /// The session whose kept messages the host hands over first, each with its id, and those that its client has.
    pub fn resumes(&self) -> Option<(&str, &Heard)> {
        match &self.kind {
            Kind::Subscription { .. } => None,
            Kind::Session(stream) => Some((stream.session.session()?, &stream.heard)),
        }
    }

    /// What the stream begins with: the acknowledgement of a subscription, the endpoint of HTTP+SSE.
    pub(crate) fn opening(&self) -> Vec<u8> {
        let id = match &self.kind {
            Kind::Subscription { id, .. } => id,
            Kind::Session(SessionStream { endpoint: Some(url), .. }) => return named_event("endpoint", url.as_bytes()),
            Kind::Session(_) => return Vec::new(),
        };
        let data = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\
             \"params\":{{\"_meta\":{{\"{SUBSCRIPTION_ID}\":{id}}},\"notifications\":{}}}}}",
            self.honoured()
        );
        event(None, data.as_bytes())
    }

    /// The filter that the topics come to.
    fn honoured(&self) -> Value {
        let mut filter = Map::new();
        for change in LIST_CHANGES.iter().filter(|change| self.hears(&change.topic)) {
            filter.insert(change.filter.to_owned(), true.into());
        }
        let uri = |topic: &Topic| match topic {
            Topic::ResourceUpdated(uri) => Some(Value::from(uri.as_str())),
            _ => None,
        };
        let resources: Vec<Value> = self.topics.iter().filter_map(uri).collect();
        if !resources.is_empty() {
            filter.insert("resourceSubscriptions".to_owned(), resources.into());
        }
        filter.into()
    }

    fn hears(&self, topic: &Topic) -> bool {
        self.topics.binary_search(topic).is_ok()
    }

    /// Hands over what came over the bus, in the order in which it came. `id` is the bus's id of what a session's
    /// channel carries. What is not for this listener is [`Delivered::Nothing`].
    pub fn deliver(&mut self, delivery: &Delivery, id: Option<BusId>) -> Delivered {
        if !self.hears(delivery.topic()) {
            return Delivered::Nothing;
        }
        if let (Kind::Session(_), Content::Subscription(wish)) = (&self.kind, &delivery.content) {
            return self.subscribe(&wish.uri, wish.wanted);
        }
        match (&mut self.kind, &delivery.content) {
            (Kind::Subscription { id, .. }, Content::Message(message)) => {
                Delivered::Event(event(None, &message.tagged(id)))
            }
            (Kind::Subscription { .. }, _) => Delivered::Nothing,
            (Kind::Session(stream), Content::Opened { stream: nonce }) => stream.see_opened(nonce, id),
            (Kind::Session(_), Content::Ended) => Delivered::Close(Vec::new()),
            // For the session's calls; done above.
            (Kind::Session(_), Content::Cancelled { .. } | Content::Response(_) | Content::Subscription(_)) => {
                Delivered::Nothing
            }
            // For who sees to it that changes are told of, and for who follows a held call.
            (Kind::Session(_), Content::Wanted | Content::Asked | Content::Said(_)) => Delivered::Nothing,
            (Kind::Session(_), Content::Reply(message)) => Delivered::Event(named_event("message", message.as_bytes())),
            (Kind::Session(SessionStream { endpoint: Some(_), .. }), Content::Message(message)) => {
                Delivered::Event(named_event("message", message.as_bytes()))
            }
            (Kind::Session(stream), Content::Message(message)) => {
                // The broadcast channel has ids of its own.
                let id = id.filter(|_| delivery.topic().session().is_some());
                if id.is_some_and(|id| stream.heard.has(id)) {
                    return Delivered::Nothing;
                }
                Delivered::Event(stream.event(id, message.as_bytes()))
            }
            (Kind::Session(stream), Content::Begun) => stream.place(id.filter(|id| !stream.heard.has(*id))),
            (Kind::Session(stream), Content::Last(answer)) => {
                let is_new = id.is_none_or(|id| !stream.heard.has(id));
                match answer.as_ref().filter(|_| is_new) {
                    Some(answer) => Delivered::Close(stream.event(id, answer.as_bytes())),
                    None => Delivered::Close(Vec::new()),
                }
            }
            (Kind::Session(_), Content::Pause(milliseconds)) => Delivered::Close(retry(*milliseconds)),
        }
    }

    /// A session's client wants to hear of a resource, or no more. The host also calls it, once it hands over what is
    /// published, for what it [remembers](crate::Subscriptions) of the session that the listener [resumes](Listener::resumes).
    pub fn subscribe(&mut self, uri: &str, wanted: bool) -> Delivered {
        let topic = Topic::ResourceUpdated(uri.to_owned());
        match (self.topics.binary_search(&topic), wanted) {
            (Err(place), true) if self.topics.len() < MAX_RESOURCES => self.topics.insert(place, topic.clone()),
            (Ok(place), false) => _ = self.topics.remove(place),
            _ => return Delivered::Nothing,
        }
        Delivered::Topic { topic, wanted }
    }

    /// What to send before the stream is ended for a reason of the server's: a reload, or the end of the session.
    pub fn close(&mut self) -> Vec<u8> {
        match &self.kind {
            Kind::Subscription { id, meta } => {
                let mut data = Vec::with_capacity(meta.len() + 2 * id.len() + 128);
                begin_result(id, &mut data);
                data.extend_from_slice(b"{\"resultType\":\"complete\",\"_meta\":");
                // The server's has a member: who it is.
                data.extend_from_slice(meta.strip_suffix('}').unwrap_or(meta).as_bytes());
                data.extend_from_slice(format!(",\"{SUBSCRIPTION_ID}\":{id}}}}}}}").as_bytes());
                event(None, &data)
            }
            Kind::Session(stream) => {
                let [.., high, low] = stream.nonce;
                retry(RETRY.0 + u64::from(u16::from_be_bytes([high, low])) % RETRY.1)
            }
        }
    }
}

impl SessionStream {
    /// The client is sent what has this id.
    fn hear(&mut self, id: BusId) -> &Heard {
        self.heard.note(id);
        &self.heard
    }

    /// A stream of this session has been opened. Of several the one with the greatest id stays, in whatever order the news
    /// come.
    fn see_opened(&mut self, stream: &str, id: Option<BusId>) -> Delivered {
        if stream == hex(&self.nonce) {
            self.opened = id;
            // Whatever the client claims to have got, it cannot have got what is yet to come.
            id.into_iter().for_each(|id| self.heard.cut(id));
        } else {
            self.other = self.other.max(id);
        }
        if self.opened.is_some() && self.other > self.opened {
            return Delivered::Close(Vec::new());
        }
        // A place to resume from, even if no message comes. Clients of older revisions want JSON in every event.
        let is_own = self.opened.is_some() && self.opened == id;
        self.place(id.filter(|_| is_own))
    }

    /// An id to resume from, without a message.
    fn place(&mut self, id: Option<BusId>) -> Delivered {
        match id.filter(|_| self.version >= ProtocolVersion::V2025_11_25) {
            Some(_) => Delivered::Event(self.event(id, b"")),
            None => Delivered::Nothing,
        }
    }

    /// An event, by which its client has heard what has this id.
    fn event(&mut self, id: Option<BusId>, data: &[u8]) -> Vec<u8> {
        let name = self.name;
        event(id.map(|id| (name, self.hear(id))), data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "0123";
    const MESSAGE: &str = r#"{"jsonrpc":"2.0","method":"m","params":{"uri":"a:"}}"#;

    fn session(version: ProtocolVersion, nonce: u8, last: Option<BusId>) -> Listener {
        let lists = [Topic::ToolsListChanged].into_iter();
        let mut heard = Heard::default();
        last.into_iter().for_each(|id| heard.note(id));
        Listener::session(version, Topic::Session(NAME.to_owned()), lists, [nonce; 16], heard)
    }

    fn subscription(topics: &[Topic], id: &str) -> Listener {
        Listener::subscription(topics.to_vec(), id, r#"{"server":1}"#.into())
    }

    fn message(topic: Topic) -> Delivery {
        Delivery::parse(&Publication::message(topic, MESSAGE).envelope).unwrap()
    }

    fn to_session() -> Delivery {
        message(Topic::Session(NAME.to_owned()))
    }

    fn opened(listener: &Listener) -> Delivery {
        Delivery::parse(&listener.opened().unwrap().envelope).unwrap()
    }

    fn id(time: u64) -> Option<BusId> {
        Some(BusId { time, tag: 5 })
    }

    fn text(delivered: Delivered) -> String {
        match delivered {
            Delivered::Nothing => "nothing".to_owned(),
            Delivered::Topic { topic, wanted } => format!("{topic:?} {wanted}"),
            Delivered::Event(bytes) => String::from_utf8(bytes).unwrap(),
            Delivered::Close(bytes) => format!("close {}", String::from_utf8(bytes).unwrap()),
        }
    }

    #[test]
    fn a_subscription_is_acknowledged_heard_and_closed_with_its_id() {
        let topics =
            [Topic::ResourceUpdated("b:".into()), Topic::ToolsListChanged, Topic::ResourceUpdated("a:".into())];
        for id in ["1", "\"a\\u00e9\"", "12345678901234567890123"] {
            let mut listener = subscription(&[&topics[..], &topics].concat(), id);
            let tag = format!(r#""io.modelcontextprotocol/subscriptionId":{id}"#);
            let filter = r#"{"toolsListChanged":true,"resourceSubscriptions":["a:","b:"]}"#;
            let expected = format!(
                "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":\
                 {{\"_meta\":{{{tag}}},\"notifications\":{filter}}}}}\n\n"
            );
            assert_eq!(String::from_utf8(listener.opening()).unwrap(), expected);
            let tagged = format!(
                "data: {{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":{{\"_meta\":{{{tag}}},\"uri\":\"a:\"}}}}\n\n"
            );
            assert_eq!(text(listener.deliver(&message(topics[0].clone()), self::id(1))), tagged);
            let result = format!(
                "data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":\
                 {{\"resultType\":\"complete\",\"_meta\":{{\"server\":1,{tag}}}}}}}\n\n"
            );
            assert_eq!(String::from_utf8(listener.close()).unwrap(), result);
            assert_eq!(listener.opened(), None);
        }
    }

    #[test]
    fn nobody_hears_what_was_not_asked_for() {
        let mut subscription = subscription(&[Topic::ToolsListChanged, Topic::ResourceUpdated("a:".into())], "1");
        let mut session = session(ProtocolVersion::V2025_06_18, 1, None);
        for (topic, by_subscription, by_session) in [
            (Topic::ToolsListChanged, true, true),
            (Topic::PromptsListChanged, false, false),
            (Topic::ResourcesListChanged, false, false),
            (Topic::ResourceUpdated("a:".into()), true, false),
            (Topic::ResourceUpdated("a".into()), false, false),
            (Topic::Session(NAME.into()), false, true),
            (Topic::Session("4567".into()), false, false),
        ] {
            let delivery = message(topic);
            let hears = |listener: &mut Listener| listener.deliver(&delivery, None) != Delivered::Nothing;
            assert_eq!((hears(&mut subscription), hears(&mut session)), (by_subscription, by_session), "{delivery:?}");
        }
        let other = Publication::end_of_session("other").envelope;
        assert_eq!(session.deliver(&Delivery::parse(&other).unwrap(), None), Delivered::Nothing);
    }

    #[test]
    fn only_what_a_session_can_resume_from_has_an_id() {
        let mut listener = session(ProtocolVersion::V2025_06_18, 1, None);
        assert_eq!(text(listener.deliver(&to_session(), id(3))), format!("id: get:3:5\ndata: {MESSAGE}\n\n"));
        assert_eq!(text(listener.deliver(&to_session(), None)), format!("data: {MESSAGE}\n\n"));
        let broadcast = message(Topic::ToolsListChanged);
        assert_eq!(text(listener.deliver(&broadcast, id(4))), format!("data: {MESSAGE}\n\n"));
    }

    #[test]
    fn a_stream_goes_on_after_the_last_event_that_the_client_has() {
        let mut listener = session(ProtocolVersion::V2025_06_18, 1, id(3));
        let mut heard = |delivery: &Delivery, id| listener.deliver(delivery, id) != Delivered::Nothing;
        assert!(!heard(&to_session(), id(2)) && !heard(&to_session(), id(3)));
        assert!(heard(&to_session(), id(4)));
        assert!(heard(&message(Topic::ToolsListChanged), id(1)), "another channel's ids");
        // An id that the bus has not given yet holds back what is stored, but nothing that is new.
        let mut listener = session(ProtocolVersion::V2025_06_18, 1, id(99));
        assert_eq!(listener.deliver(&to_session(), id(4)), Delivered::Nothing);
        assert_eq!(listener.deliver(&opened(&listener.clone()), id(5)), Delivered::Nothing);
        assert_ne!(listener.deliver(&to_session(), id(6)), Delivered::Nothing);
    }

    #[test]
    fn a_newer_stream_of_the_session_closes_the_older() {
        let streams = [1, 2, 3].map(|nonce| session(ProtocolVersion::V2025_06_18, nonce, None));
        let news = streams.each_ref().map(opened);
        // In whatever order the streams were opened, all see the same order on the channel, and one is left.
        for order in [[0, 1, 2], [2, 0, 1], [1, 0, 2], [2, 1, 0]] {
            let left = streams.iter().enumerate().filter(|(_, stream)| {
                let mut stream = (*stream).clone();
                let mut tags = 1..;
                order.iter().all(|index| stream.deliver(&news[*index], id(tags.next().unwrap())) == Delivered::Nothing)
            });
            assert_eq!(left.map(|(index, _)| index).collect::<Vec<_>>(), [order[2]], "{order:?}");
        }
        let mut stream = streams[0].clone();
        assert_eq!(stream.deliver(&news[0], id(1)), Delivered::Nothing);
        assert_eq!(text(stream.deliver(&news[1], id(2))), "close ");
    }

    #[test]
    fn what_was_overtaken_is_heard_nevertheless() {
        let mut stream = session(ProtocolVersion::V2025_06_18, 1, None);
        let news = opened(&stream);
        stream.deliver(&news, id(3));
        assert_ne!(stream.deliver(&to_session(), id(2)), Delivered::Nothing);
        // The news of an older stream come late, and mean nothing.
        let older = opened(&session(ProtocolVersion::V2025_06_18, 2, None));
        assert_eq!(stream.deliver(&older, id(2)), Delivered::Nothing);
    }

    #[test]
    fn clients_of_the_last_revision_with_sessions_learn_where_to_resume_at_once() {
        let mut listener = session(ProtocolVersion::V2025_11_25, 1, None);
        let news = opened(&listener);
        assert_eq!(text(listener.deliver(&news, id(7))), "id: get:7:5\ndata: \n\n");
        assert_eq!(text(session(ProtocolVersion::V2025_11_25, 1, None).deliver(&news, None)), "nothing");
    }

    #[test]
    fn a_session_ends_with_its_streams() {
        let topic = Topic::of_session("id");
        let lists = std::iter::empty();
        let mut listener = Listener::session(ProtocolVersion::V2025_06_18, topic, lists, [0; 16], Heard::default());
        let ended = Delivery::parse(&Publication::end_of_session("id").envelope).unwrap();
        assert_eq!(text(listener.deliver(&ended, id(1))), "close ");
    }

    #[test]
    fn clients_of_a_closed_stream_do_not_come_back_all_at_once() {
        let close = |nonce| String::from_utf8(session(ProtocolVersion::V2025_11_25, nonce, None).close()).unwrap();
        assert_eq!(close(0), "retry: 500\n\n");
        assert_eq!(close(3), "retry: 1271\n\n");
        assert_eq!(close(255), "retry: 2035\n\n");
    }
}
