//! A call of a server with sessions that is held while its client is asked something.
//!
//! The request of a client of 2026-07-28 ends with the question (`input_required`), while the server waits for the answer in the middle of
//! its own. So the host keeps the request to the server, and what comes of it is published on a topic that nobody finds who was not
//! given its name, in a sealed state. The client's next request, wherever it comes, [follows](super::Following) that, and publishes the
//! answers for the call. Then the server's response is its response; or there is another question, with which it ends in turn.

use super::Forward;
use super::relay::in_words;
use crate::events::{Event, EventReader};
use crate::exchange::{Pending, Step};
use crate::http::{HttpReply, UpstreamFailure, UpstreamRequest};
use crate::input::{Capabilities, HeldPlace, InputRequest, MOST_ROUNDS, Question, State};
use crate::jsonrpc::{is_id, text};
use crate::listen::{Delivery, MAX_ENVELOPE, Publication, Said, Saying, Topic, can_be_published, hex};
use crate::server::Server;
use crate::tool::{Answer, Members, Object, checked_json};

/// A call without its client's request.
#[derive(Debug)]
pub struct HeldCall {
    /// On which it says something, and on which it is told something.
    topics: [Topic; 2],
    forward: Box<Forward>,
    /// What the client can be asked.
    capabilities: Capabilities,
    reader: Option<EventReader>,
    /// How much of that is kept which it has said.
    number: u64,
    rounds: usize,
    /// Questions without an answer, and the server's ids of them.
    open: Vec<(u64, String)>,
    is_over: bool,
}

/// What becomes of a call whose client is asked.
#[derive(Debug)]
pub struct Held {
    /// What is published before the reply is sent.
    pub publications: Vec<Publication>,
    /// The question.
    pub reply: HttpReply,
    /// What is kept.
    pub call: HeldCall,
}

impl Pending {
    /// Whether its client may have to be asked something when its request ends, so that its connection is of no use afterwards.
    pub fn may_be_held(&self) -> bool {
        self.context.version.is_stateless() && self.context.asking.is_some()
    }

    /// Whether its client is to be asked something now: then the host goes on with [`Pending::be_held`], or with [`Pending::decline`] if it
    /// cannot keep the call.
    pub fn wants_to_be_held(&self) -> bool {
        let has_questions = self.forward.as_ref().is_some_and(|forward| !forward.questions.is_empty());
        has_questions && !self.is_concluded()
    }

    /// Does not ask the client: the server is told so by what [`Pending::replies`] has.
    pub fn decline(&mut self, why: &str) {
        let Some(forward) = &mut self.forward else { return };
        for question in std::mem::take(&mut forward.questions) {
            forward.refuse(&question.id, why);
        }
    }

    /// Ends the client's request with the question. None if there is nothing to hold.
    pub fn be_held(mut self: Box<Self>, server: &Server) -> Option<Held> {
        let name = hex(&self.context.asking?);
        let mut forward = self.forward.take()?;
        let questions = std::mem::take(&mut forward.questions);
        let mut call = HeldCall {
            topics: Topic::of_held_call(&name),
            forward,
            capabilities: self.facts.capabilities,
            reader: self.stream.hand_over(),
            number: 0,
            rounds: 0,
            open: Vec::new(),
            is_over: false,
        };
        let (mut publications, mut asks) = (Vec::new(), Vec::new());
        for question in questions {
            call.ask(&question.id, &question.method, question.params.as_deref(), &mut |said| {
                if let Saying::Asks(raw) = &said.saying {
                    asks.push((said.number, raw.clone()));
                }
                publications.push(said);
            });
        }
        let publications = publications.iter().map(|said| Publication::said(call.topics[0].clone(), said)).collect();
        let Step::Reply(reply) = put(self, server, &name, &asks) else { return None };
        Some(Held { publications, reply, call })
    }
}

/// Ends a request with these questions of a call that is held.
pub(super) fn put(pending: Box<Pending>, server: &Server, name: &str, asks: &[(u64, String)]) -> Step {
    let asked: Vec<u64> = asks.iter().map(|(number, _)| *number).collect();
    let heard = asked.iter().copied().max().unwrap_or(0);
    let json = in_result(asks);
    let question = Members::of(&json, "it").and_then(Question::of);
    match question {
        Ok(question) => {
            let state = State::Held(HeldPlace { call: name.to_owned(), heard, asked });
            pending.ask_by_result(server, &question, Some(&state), Vec::new())
        }
        Err(why) => pending.explain(server, Vec::new(), &why, None),
    }
}

/// The members of a result that ask for this.
fn in_result(asks: &[(u64, String)]) -> String {
    let mut out = Vec::new();
    let mut result = Object::begin(&mut out);
    result.key("inputRequests");
    let mut requests = Object::begin(result.out);
    asks.iter().for_each(|(number, raw)| requests.member(&number.to_string(), raw));
    requests.end();
    result.end();
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether a client of 2026-07-28 could be asked this; the error is for the server.
pub(super) fn can_be_put(request: &InputRequest<'_>) -> Result<String, String> {
    let raw = in_2026(request);
    let json = in_result(&[(1, raw.clone())]);
    Members::of(&json, "it").and_then(Question::of)?;
    let [topic, _] = Topic::of_held_call("");
    let said = Said { number: u64::MAX, saying: Saying::Asks(raw.clone()) };
    match can_be_published(&Publication::said(topic, &said)) {
        true => Ok(raw),
        false => {
            Err(format!("the client of this call is asked {MAX_ENVELOPE} bytes at the most, not nested too deeply"))
        }
    }
}

/// The request as that revision has it, where the id that a client is told of the end of an elicitation with does not exist.
fn in_2026(request: &InputRequest<'_>) -> String {
    let mut out = Vec::new();
    let mut object = Object::begin(&mut out);
    object.text("method", request.method.as_str());
    if let Some(params) = request.params {
        object.key("params");
        let mut written = Object::begin(object.out);
        let members = Members::of(params, "").unwrap_or_default();
        let own = |name: &str| matches!(name, "elicitationId" | "task" | "_meta");
        members.present().filter(|(name, _)| !own(name)).for_each(|(name, json)| written.member(name, json));
        written.end();
    }
    object.end();
    String::from_utf8_lossy(&out).into_owned()
}

impl HeldCall {
    /// What it hears of.
    pub fn topic(&self) -> &Topic {
        &self.topics[1]
    }

    /// Who follows it hears of this.
    pub fn followers(&self) -> &Topic {
        &self.topics[0]
    }

    /// Which of the [servers behind](Server::upstreams) it is for.
    pub fn upstream(&self) -> usize {
        self.forward.upstream
    }

    /// Whether its client has yet to answer something.
    pub fn is_asking(&self) -> bool {
        !self.open.is_empty()
    }

    /// Nothing more comes of it.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes the next part of the server's stream, with events of `limit` bytes at the most. What there is to say goes to `publish`, and what the server is to be
    /// told is in [`HeldCall::replies`]. True if there is something new to be answered.
    pub fn take(
        &mut self,
        part: &[u8],
        limit: usize,
        publish: &mut dyn FnMut(Publication),
    ) -> Result<bool, UpstreamFailure> {
        let Some(mut reader) = self.reader.take() else { return Ok(false) };
        let before = self.open.len();
        let taken = reader.push(part, &mut |event| self.event(event, publish));
        self.reader = Some(reader);
        taken.map(|()| self.open.len() > before).map_err(|_| UpstreamFailure::TooLarge(limit as u64))
    }

    /// The server's stream has ended, or is read no more for this reason.
    pub fn end(&mut self, server: &Server, failure: Option<UpstreamFailure>, publish: &mut dyn FnMut(Publication)) {
        if let Some(mut reader) = self.reader.take() {
            reader.finish(&mut |event| self.event(event, publish));
        }
        let failure = Answer::Failure(failure.unwrap_or(UpstreamFailure::Truncated));
        self.fail(&in_words(server.upstreams()[self.forward.upstream].name(), &failure), publish);
    }

    /// Nobody has come back for it in time.
    pub fn expire(&mut self, publish: &mut dyn FnMut(Publication)) {
        self.fail("the client has not answered in time what is needed to go on", publish);
    }

    /// Takes what the bus carries. True if there is something for the server by that.
    pub fn hear(&mut self, delivery: &Delivery) -> bool {
        let Some(answered) = delivery.answered().filter(|_| delivery.topic() == self.topic()) else { return false };
        let is_meant = |(number, _): &(u64, String)| number.to_string() == answered.id;
        let Some(place) = self.open.iter().position(is_meant) else { return false };
        let (_, theirs) = self.open.swap_remove(place);
        self.forward.replies.push((theirs, answered.outcome.clone()));
        true
    }

    /// Whether its client wants to hear no more of it, by what the bus carries.
    pub fn is_left_by(&self, delivery: &Delivery) -> bool {
        delivery.cancelled().is_some() && delivery.topic() == self.topic()
    }

    /// Messages for the server, whose answers say nothing.
    pub fn replies(&mut self, server: &Server) -> Vec<UpstreamRequest> {
        self.forward.take_replies(server)
    }

    /// What the server is told when nobody wants the answer any more.
    pub fn cancellation(&self, server: &Server) -> Option<UpstreamRequest> {
        self.forward.cancellation(server)
    }

    fn event(&mut self, event: Event<'_>, publish: &mut dyn FnMut(Publication)) {
        let Ok(json) = checked_json(event.data) else { return };
        let Ok(message) = Members::of(json, "it") else { return };
        let topic = self.topics[0].clone();
        let say = &mut |said: Said| {
            let publication = Publication::said(topic.clone(), &said);
            if can_be_published(&publication) {
                publish(publication);
            }
        };
        match (message.get("method").and_then(text).as_deref(), message.get("id")) {
            _ if self.is_over => {}
            (None, Some(id)) if id == self.forward.id.to_string() => self.conclude(json, say),
            (Some("ping"), Some(id)) if is_id(id) => self.forward.replies.push((id.to_owned(), Ok("{}".to_owned()))),
            (Some(method), Some(id)) if is_id(id) => self.ask(id, method, message.get("params"), say),
            (Some("notifications/progress" | "notifications/message"), None) => {
                say(Said { number: self.number, saying: Saying::Tells(json.to_owned()) });
            }
            _ => {}
        }
    }

    /// The server asks for something.
    fn ask(&mut self, id: &str, method: &str, params: Option<&str>, say: &mut dyn FnMut(Said)) {
        match self.question(method, params) {
            Ok(raw) => {
                self.rounds += 1;
                self.number += 1;
                self.open.push((self.number, id.to_owned()));
                say(Said { number: self.number, saying: Saying::Asks(raw) });
            }
            Err(why) => self.forward.refuse(id, &why),
        }
    }

    /// The question for the client; the error says why there is none.
    fn question(&self, method: &str, params: Option<&str>) -> Result<String, String> {
        let request = InputRequest::new(method, params)?;
        let missing = request.needs().missing_in(self.capabilities);
        if missing != Capabilities::NONE {
            return Err(format!("the client does not support {}", missing.to_string().replace(' ', ", ")));
        }
        if self.rounds >= MOST_ROUNDS {
            return Err(format!("it has asked {MOST_ROUNDS} times already"));
        }
        can_be_put(&request)
    }

    fn conclude(&mut self, response: &str, say: &mut dyn FnMut(Said)) {
        self.is_over = true;
        self.number += 1;
        let answer = Said { number: self.number, saying: Saying::Answers(response.to_owned()) };
        if can_be_published(&Publication::said(self.topics[0].clone(), &answer)) {
            return say(answer);
        }
        let why = format!(
            "the result has {} bytes or is nested too deeply: of a call that has asked its client something, it has {MAX_ENVELOPE} bytes at the most",
            response.len()
        );
        say(Said { number: self.number, saying: Saying::Fails(why) });
    }

    fn fail(&mut self, why: &str, publish: &mut dyn FnMut(Publication)) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.number += 1;
            let said = Said { number: self.number, saying: Saying::Fails(why.to_owned()) };
            publish(Publication::said(self.topics[0].clone(), &said));
        }
    }
}
