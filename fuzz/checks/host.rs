//! A host that does what a script says: it plays clients, upstreams and the bus, and looks at what comes of it.

#![allow(dead_code, reason = "no target uses all of it")]

use mcp::http::{
    Headers, HttpReply, HttpRequest, Outcome, Transport, UpstreamFailure, UpstreamRequest, UpstreamResponse,
};
use mcp::{
    Delivered, Delivery, Following, Held, HeldCall, Listener, Pending, Publication, PublishRequest, Server, Step,
    Waiting,
};
use serde_json::Value;

use crate::front::{self, Front};
use crate::wire::{self, check_events, check_publication, check_reply};

/// Bytes of an event or a body that are taken.
const LIMIT: usize = 1 << 16;
/// Steps after which an exchange must have ended, whatever is answered: a batch has 64 calls, and each may ask ten times.
const STEPS: usize = 2000;

/// An upstream's answer.
#[derive(Clone, Copy)]
pub(crate) struct Answer<'a> {
    pub(crate) head: UpstreamResponse<'a>,
    pub(crate) body: &'a [u8],
}

pub(crate) struct Host<'s> {
    server: &'s Server,
    exchanges: Vec<Exchange>,
    pub(crate) listeners: Vec<Listener>,
    /// Envelopes that nobody has heard yet.
    bus: Vec<Vec<u8>>,
    /// Those that are kept for who comes later.
    kept: Vec<Vec<u8>>,
    nonce: u8,
    /// The server behind this one, if there is one.
    pub(crate) front: Option<Front>,
    /// Responses of the last reply.
    pub(crate) said: Vec<Value>,
}

/// A client's request that has no reply yet.
struct Exchange {
    /// Of its only message; none of a batch, or if there is none.
    id: Option<Value>,
    steps: usize,
    is_open: bool,
    is_cancelled: bool,
    /// Raw, of its message to the server behind this one.
    asked: String,
    /// What its client was sent on the stream.
    heard: Vec<u8>,
    state: State,
}

enum State {
    Calling(Box<Pending>),
    /// Its answer comes in events.
    InEvents(Box<Pending>),
    Asking(Waiting),
    Resting(Box<Pending>),
    /// Until the server behind this one was looked at.
    Renewing(Box<Pending>),
    /// Its client has got its reply, which asks for something, and its call goes on.
    Holding(Box<HeldCall>),
    /// Its reply is what such a call says next.
    Following(Box<Following>),
    /// It has got its reply, or listens.
    Over,
}

/// An operator's text: the credential for a server behind this one.
fn credential(_: usize, _: usize) -> String {
    "Bearer x".to_owned()
}

impl<'s> Host<'s> {
    pub(crate) fn new(server: &'s Server) -> Self {
        Host {
            server,
            exchanges: Vec::new(),
            listeners: Vec::new(),
            bus: Vec::new(),
            kept: Vec::new(),
            nonce: 0,
            front: None,
            said: Vec::new(),
        }
    }

    /// A client sends a request.
    pub(crate) fn receive(&mut self, transport: Transport, method: &str, headers: &[(&[u8], &[u8])], body: &[u8]) {
        self.nonce = self.nonce.wrapping_add(1);
        let nonce = [self.nonce; 16];
        let request = HttpRequest {
            transport,
            method,
            target: b"/mcp",
            headers: Headers(headers),
            body,
            hosts: &[],
            session_state: None,
            offering: self.front.as_ref().map(|front| &front.offering),
            now: 1000,
        };
        let mut exchange = self.server.receive(&request, &|| nonce);
        for name in ["id", "", "a"] {
            exchange.facts().argument(name);
        }
        exchange.facts().client_name();
        if let Some(refusal) = exchange.set_principal("somebody") {
            check_reply(&refusal);
            return;
        }
        check_reply(&self.server.refuse(&exchange, 403));
        let id = exchange.facts().request_id().filter(|_| !exchange.is_batch());
        let id = id.and_then(|id| serde_json::from_str(id).ok());
        while let Some(upstream) = exchange.wants_session() {
            exchange.share_session(upstream);
        }
        let step = exchange.start(self.server, &mut credential);
        self.exchanges.push(Exchange {
            id,
            steps: 0,
            is_open: false,
            is_cancelled: false,
            asked: String::new(),
            heard: Vec::new(),
            state: State::Over,
        });
        self.go_on(self.exchanges.len() - 1, step);
    }

    /// The exchange that a script means by a number.
    pub(crate) fn number(&self, number: u8) -> Option<usize> {
        let live: Vec<usize> =
            (0..self.exchanges.len()).filter(|at| !matches!(self.exchanges[*at].state, State::Over)).collect();
        live.get(usize::from(number) % live.len().max(1)).copied()
    }

    /// An upstream has answered, or not.
    pub(crate) fn answer(&mut self, number: usize, answer: Result<Answer<'_>, UpstreamFailure>) {
        let body = answer.map_or(Vec::new(), |answer| self.addressed(number, answer.body));
        let answer = answer.map(|answer| Answer { body: &body, ..answer });
        match self.take(number) {
            State::Calling(mut pending) => {
                let events = answer.ok().filter(|answer| pending.begin(&answer.head, LIMIT));
                if let Some(Answer { head, body }) = events {
                    self.set(number, State::InEvents(pending));
                    self.events(number, body);
                    return self.end_of_events(number, Ok(head));
                }
                let answer = answer.map(|Answer { head, body }| UpstreamResponse { body, ..head });
                let step = pending.resume(self.server, answer, &mut credential);
                self.go_on(number, step);
            }
            state @ (State::InEvents(_) | State::Holding(_)) => {
                self.set(number, state);
                if let Ok(answer) = answer {
                    self.events(number, answer.body);
                }
                self.end_of_events(number, answer.map(|answer| answer.head));
            }
            state => self.set(number, state),
        }
    }

    /// The head of an answer, and some of its events.
    pub(crate) fn some_events(&mut self, number: usize, answer: Answer<'_>) {
        if let State::Calling(pending) = &mut self.exchanges[number].state {
            if !pending.begin(&answer.head, LIMIT) {
                return self.answer(number, Ok(answer));
            }
            let State::Calling(pending) = self.take(number) else { return };
            self.set(number, State::InEvents(pending));
        }
        let body = self.addressed(number, answer.body);
        self.events(number, &body);
    }

    /// What the script has for an upstream, as an answer to what that was asked.
    fn addressed(&self, number: usize, body: &[u8]) -> Vec<u8> {
        match &self.exchanges[number].asked {
            asked if asked.is_empty() => body.to_vec(),
            asked => front::addressed(body, asked),
        }
    }

    fn events(&mut self, number: usize, part: &[u8]) {
        let mut pending = match self.take(number) {
            State::InEvents(pending) => pending,
            State::Holding(mut call) => {
                let mut publications = Vec::new();
                let taken = call.take(part, LIMIT, &mut |publication| publications.push(publication));
                if let Err(failure) = taken {
                    call.end(self.server, Some(failure), &mut |publication| publications.push(publication));
                }
                self.put(publications);
                return self.hold(number, call);
            }
            state => return self.set(number, state),
        };
        let mut out = Vec::new();
        let taken = pending.take(part, LIMIT, &mut out);
        self.reply(&mut pending);
        self.tell(number, &mut pending, &out);
        match taken {
            Ok(()) if pending.wants_to_be_held() => {
                let Held { publications, reply, call } = pending.be_held(self.server).expect("a call that is held");
                self.put(publications);
                self.end(number, &reply);
                self.hold(number, Box::new(call));
            }
            Ok(()) => self.set(number, State::InEvents(pending)),
            Err(failure) => {
                let step = pending.resume(self.server, Err(failure), &mut credential);
                self.go_on(number, step);
            }
        }
    }

    /// Sends its server what there is for it, and keeps the call unless it is over.
    fn hold(&mut self, number: usize, mut call: Box<HeldCall>) {
        call.replies(self.server).iter().for_each(front::check_message);
        if !call.is_over() {
            self.set(number, State::Holding(call));
        }
    }

    /// A client has come back for a call.
    fn follow(&mut self, number: usize, mut following: Box<Following>) {
        let is_its = |exchange: &Exchange| match &exchange.state {
            State::Holding(call) => call.topic() == following.holder() && call.followers() == following.topic(),
            _ => false,
        };
        let is_held = self.exchanges.iter().any(is_its);
        for delivery in self.kept.iter().filter_map(|envelope| Delivery::parse(envelope)) {
            following.take(&delivery, &mut Vec::new());
        }
        if is_held {
            let answers = following.begin();
            self.put(answers);
        }
        match is_held && !following.is_over() {
            true => self.set(number, State::Following(following)),
            false => {
                let step = following.resume(self.server, &mut credential);
                self.go_on(number, step);
            }
        }
    }

    fn end_of_events(&mut self, number: usize, answer: Result<UpstreamResponse<'_>, UpstreamFailure>) {
        match self.take(number) {
            State::InEvents(pending) => {
                let step = pending.resume(self.server, answer, &mut credential);
                self.go_on(number, step);
            }
            State::Holding(mut call) => {
                let mut publications = Vec::new();
                call.end(self.server, answer.err(), &mut |publication| publications.push(publication));
                assert!(call.is_over());
                self.put(publications);
            }
            state => self.set(number, state),
        }
    }

    /// Time passes.
    pub(crate) fn beat(&mut self, number: usize) {
        let mut state = self.take(number);
        let pending = match &mut state {
            State::Calling(pending) | State::InEvents(pending) | State::Resting(pending) | State::Renewing(pending) => {
                pending
            }
            State::Asking(waiting) => waiting.call(),
            State::Following(following) => following.request(),
            State::Holding(_) | State::Over => return self.set(number, state),
        };
        if pending.wants_progress() {
            let mut out = Vec::new();
            pending.heartbeat(&mut out);
            self.tell(number, pending, &out);
        }
        self.set(number, state);
    }

    /// Nothing is waited for any more.
    pub(crate) fn wake(&mut self, number: usize) {
        let step = match self.take(number) {
            State::Asking(waiting) => waiting.resume(self.server, &mut credential),
            State::Resting(pending) => pending.poll(),
            State::Following(following) => following.resume(self.server, &mut credential),
            state => return self.set(number, state),
        };
        self.go_on(number, step);
    }

    /// The server behind this one answers what it was asked of a look, or not; true if the look has come to its end.
    pub(crate) fn look(
        &mut self,
        answer: Result<Answer<'_>, UpstreamFailure>,
        session: Option<&[u8]>,
        size: usize,
    ) -> bool {
        let front = self.front.as_mut().expect("a server behind this one");
        front.look(self.server);
        if !front.answer(self.server, answer, session, size) {
            return false;
        }
        for number in 0..self.exchanges.len() {
            match self.take(number) {
                State::Renewing(pending) => self.renewed(number, pending),
                state => self.set(number, state),
            }
        }
        true
    }

    /// It says something between requests.
    pub(crate) fn say(&mut self, answer: Answer<'_>, size: usize) {
        let front = self.front.as_mut().expect("a server behind this one");
        front.tell(self.server, answer, size);
    }

    fn renewed(&mut self, number: usize, pending: Box<Pending>) {
        let front = self.front.as_ref().expect("a server behind this one");
        let step = pending.renewed(self.server, &front.offering, None, &mut credential);
        self.go_on(number, step);
    }

    /// Sends the server behind this one what there is for it beside the call.
    fn reply(&self, pending: &mut Pending) {
        pending.replies(self.server).iter().for_each(front::check_message);
    }

    /// A backend publishes something.
    pub(crate) fn publish(&mut self, session: Option<&str>, body: &[u8]) {
        let content_type = Some(&b"application/json"[..]);
        let request = PublishRequest { method: "POST", content_type, session, body, now: 1000, session_state: None };
        match self.server.publish(&request) {
            Ok(publications) => self.put(publications),
            Err(reply) => drop(check_reply(&reply)),
        }
    }

    fn put(&mut self, publications: impl IntoIterator<Item = Publication>) {
        for publication in publications {
            check_publication(&publication);
            if publication.keep {
                self.kept.push(publication.envelope.clone());
            }
            self.bus.push(publication.envelope);
        }
    }

    /// Everybody hears what was published.
    pub(crate) fn hear_all(&mut self) {
        for envelope in std::mem::take(&mut self.bus) {
            assert!(Delivery::parse(&envelope).is_some());
            self.hear(&envelope, true);
        }
    }

    /// Everybody hears something, which may be anything if it is not `ours`.
    pub(crate) fn hear(&mut self, envelope: &[u8], ours: bool) {
        let Some(delivery) = Delivery::parse(envelope) else { return };
        for number in 0..self.exchanges.len() {
            let step = match self.take(number) {
                State::Calling(pending) | State::InEvents(pending) | State::Resting(pending)
                    if pending.is_cancelled_by(&delivery) =>
                {
                    self.exchanges[number].is_cancelled = true;
                    pending.cancellation(self.server).iter().for_each(front::check_message);
                    pending.cancel(self.server, &mut credential)
                }
                State::Asking(mut waiting) => {
                    if waiting.call().is_cancelled_by(&delivery) {
                        self.exchanges[number].is_cancelled = true;
                        waiting.into_call().cancel(self.server, &mut credential)
                    } else if waiting.take(&delivery) {
                        waiting.resume(self.server, &mut credential)
                    } else {
                        self.set(number, State::Asking(waiting));
                        continue;
                    }
                }
                State::Following(mut following) => {
                    let mut out = Vec::new();
                    let is_over = following.take(&delivery, &mut out);
                    self.tell(number, following.request(), &out);
                    if !is_over {
                        self.set(number, State::Following(following));
                        continue;
                    }
                    following.resume(self.server, &mut credential)
                }
                State::Holding(call) if call.is_left_by(&delivery) => {
                    call.cancellation(self.server).iter().for_each(front::check_message);
                    continue;
                }
                State::Holding(mut call) => {
                    call.hear(&delivery);
                    self.hold(number, call);
                    continue;
                }
                mut state => {
                    if let State::Calling(pending) | State::InEvents(pending) = &mut state {
                        pending.hear(&delivery);
                        self.reply(pending);
                    }
                    self.set(number, state);
                    continue;
                }
            };
            self.go_on(number, step);
        }
        self.listeners.retain_mut(|listener| match listener.deliver(&delivery, None) {
            Delivered::Event(events) => {
                assert!(events.ends_with(b"\n\n") && events.iter().filter(|byte| **byte == b'\n').count() <= 3);
                if ours {
                    check_events(&events);
                }
                true
            }
            Delivered::Close(events) => {
                check_events(&events);
                false
            }
            Delivered::Nothing | Delivered::Topic { .. } => true,
        });
    }

    fn take(&mut self, number: usize) -> State {
        std::mem::replace(&mut self.exchanges[number].state, State::Over)
    }

    fn set(&mut self, number: usize, state: State) {
        self.exchanges[number].state = state;
    }

    /// Sends a client something before its reply.
    fn tell(&mut self, number: usize, pending: &mut Pending, events: &[u8]) {
        if events.is_empty() {
            return;
        }
        let exchange = &mut self.exchanges[number];
        assert!(pending.takes_stream(), "the client takes no stream");
        if !exchange.is_open {
            let head = pending.open();
            assert_eq!((head.status, head.content_type), (200, Some("text/event-stream")));
            exchange.is_open = true;
        }
        exchange.heard.extend_from_slice(events);
    }

    fn go_on(&mut self, number: usize, step: Step) {
        let exchange = &mut self.exchanges[number];
        exchange.steps += 1;
        assert!(exchange.steps < STEPS, "the exchange does not end");
        match step {
            Step::Reply(reply) => self.end(number, &reply),
            Step::KeepSession { reply, session, .. } => {
                self.put([Publication::end_of_session(&session)]);
                self.end(number, &reply);
            }
            Step::Renew { pending, .. } => {
                let front = self.front.as_mut().expect("a server behind this one");
                match front.renews(self.server, &pending) {
                    true => self.set(number, State::Renewing(pending)),
                    false => self.renewed(number, pending),
                }
            }
            Step::Follow(following) => self.follow(number, following),
            // What comes on the socket are exchanges of their own.
            Step::Upgrade => {}
            Step::Cancel { request, reply } => {
                let wanted: Value = serde_json::from_str(&request).expect("an id");
                // As if its client had left.
                for exchange in &mut self.exchanges {
                    if exchange.id.as_ref() == Some(&wanted) {
                        exchange.state = State::Over;
                    }
                }
                self.end(number, &reply);
            }
            Step::Subscribe { publication, reply, refusal, .. } => {
                self.put([publication]);
                check_reply(&refusal);
                self.end(number, &reply);
            }
            Step::Publish { publications, then } => {
                self.put(publications);
                self.go_on(number, *then);
            }
            Step::Listen { reply, mut listener } => {
                assert_eq!((reply.status, reply.content_type), (200, Some("text/event-stream")));
                check_events(&wire::bytes(&reply.body));
                self.put(listener.opened());
                check_events(&listener.close());
                self.listeners.push(listener);
            }
            Step::Call { request, pending, .. } => {
                check_request(&request);
                if pending.upstream().is_some() {
                    front::check_message(&request);
                    exchange.asked = front::id(&request);
                } else {
                    exchange.asked.clear();
                }
                self.set(number, State::Calling(pending));
            }
            Step::Ask { events, mut waiting } => {
                self.tell(number, waiting.call(), &events);
                self.set(number, State::Asking(waiting));
            }
            Step::Wait { events, mut pending, .. } => {
                self.tell(number, &mut pending, &events);
                self.set(number, State::Resting(pending));
            }
        }
    }

    /// The one reply of an exchange.
    fn end(&mut self, number: usize, reply: &HttpReply) {
        let exchange = &mut self.exchanges[number];
        let responses = if exchange.is_open {
            exchange.heard.extend(wire::bytes(&reply.body));
            let messages = check_events(&exchange.heard);
            messages.into_iter().filter(|message| message.get("method").is_none()).collect()
        } else {
            check_reply(reply)
        };
        if let Some(id) = &exchange.id {
            match exchange.is_cancelled {
                true => assert!(responses.is_empty(), "{responses:?} to a cancelled call"),
                false => assert!(
                    matches!(&responses[..], [response] if response["id"] == *id) || holds_too_large_number(reply),
                    "{responses:?} to {id}"
                ),
            }
        }
        self.said = responses;
        if let Outcome::ToolError = reply.outcome {
            assert!(exchange.is_open || reply.status == 200, "{reply:?}");
        }
    }

    /// Ends all that has not ended: everything fails from now on.
    pub(crate) fn finish(mut self) {
        for number in 0..self.exchanges.len() {
            while !matches!(self.exchanges[number].state, State::Over) {
                match &self.exchanges[number].state {
                    State::Calling(_) | State::InEvents(_) | State::Holding(_) => {
                        self.answer(number, Err(UpstreamFailure::Truncated));
                    }
                    State::Renewing(_) => drop(self.look(Err(UpstreamFailure::Unreachable), None, 1)),
                    _ => self.wake(number),
                }
            }
        }
        self.hear_all();
    }
}

/// Whether a reply could not be read as a `Value`.
fn holds_too_large_number(reply: &HttpReply) -> bool {
    serde_json::from_slice::<Value>(&wire::bytes(&reply.body)).is_err()
}

/// Nothing of it can end the line that it stands in.
pub(crate) fn check_request(request: &UpstreamRequest) {
    assert!(request.uri.starts_with('/') && request.uri.bytes().all(|byte| byte.is_ascii_graphic()), "{request:?}");
    for (name, value) in &request.headers {
        assert!(value.bytes().all(|byte| byte == b'\t' || (0x20..0x7f).contains(&byte)), "{name}: {value:?}");
    }
}
