//! One HTTP request on its way to its reply.

mod context;

use std::sync::Arc;

pub(crate) use self::context::Context;
use crate::ProtocolVersion;
use crate::batch::Batch;
use crate::directory::Catalog;
use crate::error::Error;
use crate::facts::Facts;
use crate::front::{Following, Forward};
use crate::http::{Body, Evaluate, HttpReply, Outcome, Transport, UpstreamFailure, UpstreamRequest, UpstreamResponse};
use crate::input::Waiting;
use crate::listen::{Delivery, Holder, Listener, Publication, Subscription, Topic, sse_listener};
use crate::methods::{Operation, Request, write_answer};
use crate::principal::Mark;
use crate::record::Record;
use crate::server::Server;
use crate::session::{Claim, SessionState};
use crate::stream::{Stream, write_event};
use crate::task::Errand;
use crate::tool::{Answer, Written};

/// A request that was read and judged; nothing has been done yet.
#[derive(Debug)]
pub struct Exchange {
    pub(crate) facts: Arc<Facts>,
    pub(crate) context: Context,
    /// What others must hear of before anything else is done.
    pub(crate) publications: Vec<Publication>,
    pub(crate) claim: Claim,
    pub(crate) work: Work,
}

/// What an exchange comes to.
#[derive(Debug)]
pub(crate) enum Work {
    /// An empty reply: something was accepted, or a browser asked what it may send.
    Reply { status: u16, headers: Vec<(&'static str, String)> },
    /// `DELETE` and `logging/setLevel`, which the host remembers.
    KeepSession { state: SessionState, until: u64 },
    /// `resources/subscribe` and `resources/unsubscribe`, which the host remembers.
    Subscribe(Box<Subscription>),
    /// A WebSocket is asked for.
    Upgrade,
    /// A message of HTTP+SSE is to be worked on.
    Forward,
    /// A request on the same WebSocket, given by its raw id, is wanted no more.
    Cancel { request: Box<str> },
    /// A stream is opened.
    Listen(Box<Listener>),
    /// A stream of HTTP+SSE is opened by a request with this path and query.
    OpenSse { target: String, nonce: [u8; 16] },
    /// One request, or a message that was refused.
    Single(Operation),
    /// Several.
    Batch(Vec<Request>),
}

impl Exchange {
    /// What is known of the request. The `Arc` may be kept for as long as variables are wanted, beyond
    /// [`Exchange::start`].
    pub fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }

    /// Whether the body is an array of messages, which [`Facts`] can describe only in part.
    pub fn is_batch(&self) -> bool {
        matches!(self.work, Work::Batch(_))
    }

    /// Whether it is a message of HTTP+SSE that can be taken: the host makes a request of [`Transport::Sse`](crate::http::Transport) of
    /// its body, to which limits and access rules apply, and replies what [`Exchange::start`] says as soon as that has passed them.
    pub fn is_forwarded(&self) -> bool {
        matches!(self.work, Work::Forward)
    }

    /// The reply to such a message if nobody hears what the session is told: its stream is not open.
    pub fn refuse_without_stream(&self) -> HttpReply {
        self.context.error(None, &Error::UnknownSession)
    }

    /// Says who the client is (its user name, the subject of its token …; any text, empty if nothing is known), so that
    /// what it is given to bring back, and the session that it begins, are good for no other client. The host calls it when the
    /// client is authorised, before [`Exchange::start`].
    ///
    /// Some is the reply, in place of what the exchange would come to, to a client whose session is another one's: as if
    /// there were no such session.
    #[must_use]
    pub fn set_principal(&mut self, principal: &str) -> Option<HttpReply> {
        principal.clone_into(&mut self.context.principal);
        match self.claim {
            Claim::Owned(owner) if owner != Mark::of(principal) => {
                Some(self.context.error(self.facts.request_id(), &Error::UnknownSession))
            }
            _ => None,
        }
    }

    /// Says who holds the stream that the request opens, if it is one of HTTP+SSE: whoever hears of its session on another machine is told by
    /// the session's id ([`Server::holder_of`]).
    pub fn set_holder(&mut self, holder: Holder) {
        if let (Claim::Begins(beginning), Work::OpenSse { .. }) = (&mut self.claim, &self.work) {
            holder.mark(&mut beginning.nonce);
        }
    }

    /// Whether it must be known which files there are: then the host calls [`Exchange::set_catalog`] before
    /// [`Exchange::start`].
    pub fn wants_catalog(&self) -> bool {
        match &self.work {
            Work::Single(operation) => operation.wants_catalog(),
            Work::Batch(requests) => requests.iter().any(|request| request.operation.wants_catalog()),
            _ => false,
        }
    }

    /// Says which files there are.
    pub fn set_catalog(&mut self, catalog: Arc<Catalog>) {
        match &mut self.work {
            Work::Single(operation) => operation.set_catalog(&catalog),
            Work::Batch(requests) => requests.iter_mut().for_each(|request| request.operation.set_catalog(&catalog)),
            _ => {}
        }
    }

    /// Does what the request asks for. The host calls it once the request has passed its limits and access rules, and
    /// [`Server::refuse`] if it has not. `evaluate` is asked only for a call of a tool that has operator's texts.
    pub fn start(self, server: &Server, evaluate: &mut Evaluate<'_>) -> Step {
        let Exchange { facts, context, publications, claim, work } = self;
        if let Claim::Begins(beginning) = claim {
            facts.begin_session(beginning.id(server.sessions(), &context.principal));
        }
        let step = match work {
            Work::Reply { status, headers } => {
                let mut reply = context.reply(status, Body::Empty, Outcome::Ok);
                reply.headers.extend(headers);
                Step::Reply(reply)
            }
            Work::KeepSession { state, until } => {
                let session = facts.session().unwrap_or_default().to_owned();
                let reply = match facts.request_id() {
                    Some(id) if facts.method() == Some("initialize") => {
                        context.page(id, "", server.initialize_result(context.version).clone())
                    }
                    None => context.reply(204, Body::Empty, Outcome::Ok),
                    Some(id) => context.empty_result(server, id),
                };
                Step::KeepSession { session, state, until, reply }
            }
            Work::Subscribe(subscription) => {
                let Subscription { session, uri, wanted, until, publication } = *subscription;
                let id = facts.request_id().unwrap_or_default();
                let too_many = Error::InvalidRequest("the session has too many subscriptions".into());
                let refusal = context.error(Some(id), &too_many);
                let reply = context.empty_result(server, id);
                Step::Subscribe { session, uri, wanted, until, publication, reply, refusal }
            }
            Work::Upgrade => Step::Upgrade,
            Work::Forward => Step::Reply(context.reply(202, Body::Empty, Outcome::Ok)),
            Work::Cancel { request } => Step::Cancel { request, reply: context.reply(202, Body::Empty, Outcome::Ok) },
            Work::Listen(listener) => Step::Listen { reply: context.stream(listener.opening()), listener: *listener },
            Work::OpenSse { target, nonce } => {
                let listener = sse_listener(server, facts.session().unwrap_or_default(), &target, nonce);
                Step::Listen { reply: context.stream(listener.opening()), listener }
            }
            Work::Single(operation) => context.answer(server, facts, operation, evaluate),
            Work::Batch(requests) => Batch::new(requests).run(server, context, evaluate),
        };
        match publications.is_empty() {
            true => step,
            false => Step::Publish { publications, then: Box::new(step) },
        }
    }

    /// The reply if the host refuses the request with this status.
    pub(crate) fn refused(&self, status: u16) -> HttpReply {
        let error = Error::Refused(status);
        let mut reply = match &self.work {
            Work::Batch(requests) => Batch::refused(requests, &error, &self.context),
            Work::Reply { .. } | Work::Upgrade | Work::Forward | Work::Cancel { .. } => {
                self.context.error(None, &error)
            }
            Work::Single(_)
            | Work::Listen(_)
            | Work::OpenSse { .. }
            | Work::KeepSession { .. }
            | Work::Subscribe(_) => self.context.error(self.facts.request_id(), &error),
        };
        if self.facts.transport == Transport::Sse {
            // Of the answer to a POST of HTTP+SSE its client reads no more than the status.
            reply.status = status;
        }
        reply
    }
}

/// What the host does next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Send this; the exchange is over.
    Reply(HttpReply),
    /// Make this request and hand what comes of it to [`Pending::resume`].
    Call {
        /// Which of [`Server::endpoint`]s it is for.
        endpoint: usize,
        /// What to send.
        request: UpstreamRequest,
        /// The call that waits for it.
        pending: Box<Pending>,
    },
    /// Send these events on the stream of the call, which is opened first if it is not ([`Pending::open`]), and hand what
    /// the bus carries to [`Waiting::take`] until that says that the answers are there; or until that takes too long.
    /// Then go on with [`Waiting::resume`].
    ///
    /// From before the events are sent the host listens to [`Pending::topic`].
    Ask {
        /// Requests to the client.
        events: Vec<u8>,
        /// The call that waits for its answers.
        waiting: Waiting,
    },
    /// Send these events, if there are any, on the stream of the call, which is opened first if it is not
    /// ([`Pending::open`]); tell the client of the call as ever while the time passes ([`Pending::heartbeat`]); then go on
    /// with [`Pending::poll`].
    Wait {
        /// What the client is to hear.
        events: Vec<u8>,
        /// How long.
        milliseconds: u64,
        /// The call that waits.
        pending: Box<Pending>,
    },
    /// Send this without ending the response; what follows is what the listener makes of deliveries.
    ///
    /// Once the reply is on its way the host publishes [`Listener::opened`]. It hands over what the channels of
    /// [`Listener::topics`] carry and sends [`KEEPALIVE`](crate::KEEPALIVE) while they are silent.
    Listen {
        /// How the stream begins.
        reply: HttpReply,
        /// Who hears it.
        listener: Listener,
    },
    /// [Remember](crate::Subscriptions), or forget, that a session wants to hear of a resource, then publish this and send
    /// the reply.
    Subscribe {
        /// The session's name.
        session: String,
        /// The resource.
        uri: String,
        /// False: forget it.
        wanted: bool,
        /// Seconds since the epoch after which the session is over.
        until: u64,
        /// For the session's stream, wherever it is open.
        publication: Publication,
        /// What to send.
        reply: HttpReply,
        /// What to send instead, if it cannot be remembered.
        refusal: HttpReply,
    },
    /// Have a new look at one of the [servers behind](Server::upstreams), unless the call [is of another one](Pending::is_of) than
    /// the last look has shown; then go on with [`Pending::renewed`].
    Renew {
        /// Its number.
        upstream: usize,
        /// The call that waits for it.
        pending: Box<Pending>,
    },
    /// Send what a call says next that [is held](Pending::be_held), here or in another worker. The host listens to [`Following::topic`] and
    /// hands over what was kept and what comes; if somebody listens to [`Following::holder`] it publishes what [`Following::begin`]
    /// gives, and goes on with [`Following::resume`] as soon as nothing more is to be waited for, or nobody does any more.
    Follow(Box<Following>),
    /// Publish these, for calls that run elsewhere, then go on. Whether they arrive need not be waited for.
    Publish {
        /// In their order.
        publications: Vec<Publication>,
        /// What to do next.
        then: Box<Step>,
    },
    /// The client may have the WebSocket that it has asked for: messages on it come as requests of
    /// [`Transport::WebSocket`](crate::http::Transport). If what it sent is no handshake, [`Server::refuse_handshake`] says so.
    Upgrade,
    /// End the request with this id (raw JSON) that came on the same WebSocket, if it still runs, as if its client had left;
    /// then send the reply.
    Cancel {
        /// The id.
        request: Box<str>,
        /// What to send.
        reply: HttpReply,
    },
    /// Remember this of a session until the given time, then send the reply. When it has ended, publish
    /// [`Publication::end_of_session`](crate::Publication::end_of_session) as well where streams may be open.
    KeepSession {
        /// The session's id: a request that carries it gets the state from now on.
        session: String,
        /// It takes the place of what was remembered before.
        state: SessionState,
        /// Seconds since the epoch after which the session would be refused anyway.
        until: u64,
        /// What to send.
        reply: HttpReply,
    },
}

impl Step {
    /// The upstream is told which trace the call is part of.
    pub(crate) fn call(endpoint: usize, mut request: UpstreamRequest, pending: Box<Pending>) -> Step {
        request.headers.extend(pending.facts.trace());
        Step::Call { endpoint, request, pending }
    }
}

/// A call that waits for its upstream. Dropping it abandons the exchange.
#[derive(Debug)]
pub struct Pending {
    pub(crate) context: Context,
    /// They have the request's id.
    pub(crate) facts: Arc<Facts>,
    pub(crate) endpoint: usize,
    /// The batch that the call is part of.
    pub(crate) batch: Option<Box<Batch>>,
    pub(crate) stream: Stream,
    /// How often the upstream has asked.
    pub(crate) rounds: usize,
    /// What the upstream request is for, if it is about a job.
    pub(crate) errand: Option<Box<Errand>>,
    /// Path and query of the call, if it may begin a job.
    pub(crate) uri: Option<Box<str>>,
    /// It is of a tool whose watchers are told of what comes of it.
    pub(crate) is_recorded: bool,
    /// What goes on to a server behind this one.
    pub(crate) forward: Option<Box<Forward>>,
}

impl Pending {
    /// A call by itself.
    pub(crate) fn new(mut context: Context, facts: Arc<Facts>, endpoint: usize) -> Box<Self> {
        let stream = Stream::new(std::mem::take(&mut context.hearing));
        Box::new(Pending {
            context,
            facts,
            endpoint,
            batch: None,
            stream,
            rounds: 0,
            errand: None,
            uri: None,
            is_recorded: false,
            forward: None,
        })
    }

    /// Whether the call has a session, so that something may be said to it while it runs ([`Pending::is_cancelled_by`]).
    pub fn has_session(&self) -> bool {
        self.facts.session().is_some()
    }

    /// Where that is said; none for a client without a session.
    pub fn topic(&self) -> Option<Topic> {
        self.facts.session().map(Topic::of_session)
    }

    /// Whether the client has said that it wants to hear no more of this call (`notifications/cancelled`). Then the host
    /// gives up the upstream request and goes on with [`Pending::cancel`].
    pub fn is_cancelled_by(&self, delivery: &Delivery) -> bool {
        let is_meant = (delivery.is_end() && self.facts.transport == Transport::Sse)
            || delivery.cancelled().is_some_and(|id| self.facts.request_id() == Some(id));
        is_meant && self.topic().as_ref() == Some(delivery.topic())
    }

    /// Ends the call without a response, as the client wants it: an empty reply, or the next call of the batch.
    pub fn cancel(self: Box<Self>, server: &Server, evaluate: &mut Evaluate<'_>) -> Step {
        let record = self.is_recorded.then(|| Record::cancelled(self.endpoint, &self.context, &self.facts));
        match self.batch {
            Some(mut batch) => {
                batch.records.extend(record);
                batch.run(server, self.context, evaluate)
            }
            None => {
                let status = if self.stream.is_open { 200 } else { 202 };
                let mut reply = self.context.reply(status, Body::Empty, Outcome::Ok);
                reply.records.extend(record);
                Step::Reply(reply)
            }
        }
    }

    /// Whether the client is to be told from time to time that the call is under way ([`Pending::heartbeat`]).
    pub fn wants_progress(&self) -> bool {
        self.stream.wants_progress()
    }

    /// Whether the client takes a stream, on which it can be told that the call goes on.
    pub fn takes_stream(&self) -> bool {
        self.stream.is_welcome()
    }

    /// The header of the upstream's answer has come (`head`, whose body is not looked at). True if its body comes event by
    /// event, each of `limit` bytes at the most: then it goes to [`Pending::take`] instead of [`Pending::resume`].
    pub fn begin(&mut self, head: &UpstreamResponse<'_>, limit: usize) -> bool {
        self.stream.begin(head, limit)
    }

    /// Takes the next part of a body that comes event by event, and appends what the client is to be sent at once.
    pub fn take(&mut self, part: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), UpstreamFailure> {
        self.stream.take(part, limit, out)?;
        self.serve(out);
        Ok(())
    }

    /// Whether the answer is there although its body goes on.
    pub fn is_concluded(&self) -> bool {
        self.stream.is_concluded()
    }

    /// Appends what tells the client that the call is still under way.
    pub fn heartbeat(&mut self, out: &mut Vec<u8>) {
        self.stream.heartbeat(out);
    }

    /// The header of the client's stream: the host sends it before the first thing that there is for the client to hear.
    /// From then on the body of what [`Pending::resume`] replies is the end of the stream, and the rest of that reply is
    /// for the host alone.
    pub fn open(&mut self) -> HttpReply {
        self.stream.is_open = true;
        self.context.stream(Vec::new())
    }

    /// Hands over what came of the upstream request. `server` is the one that the exchange was started with; `evaluate`
    /// is for the next call of a batch.
    pub fn resume(
        mut self: Box<Self>,
        server: &Server,
        answer: Result<UpstreamResponse<'_>, UpstreamFailure>,
        evaluate: &mut Evaluate<'_>,
    ) -> Step {
        let mut out = Vec::new();
        let events = answer.ok().and_then(|_| self.stream.finish(&mut out));
        let answer = match (answer, &events) {
            (Ok(head), Some(events)) => events.answer(head),
            (answer, _) => answer.into(),
        };
        let endpoint = self.endpoint;
        if let Some(upstream) = self.upstream().filter(|_| self.has_lost_session(&answer)) {
            return Step::Renew { upstream, pending: self };
        }
        if let Some(batch) = self.batch {
            let recorded = self.is_recorded.then_some(endpoint);
            return batch.resume(server, self.context, (&self.facts, recorded), (endpoint, answer), evaluate);
        }
        let (call, mut out) = match self.follow(server, answer, out) {
            Ok(step) => return step,
            Err(back) => back,
        };
        if let Some(question) = server.endpoint(endpoint).and_then(|endpoint| endpoint.question(answer)) {
            return call.ask(server, &question, out, evaluate);
        }
        // A JSON body goes out twice, as text and as structured content, and text grows by its escapes.
        let size = if let Answer::Response(response) = answer { response.body.len() } else { 0 };
        out.reserve(size * 2 + size / 8 + 512);
        call.end(out, |version, facts, out| write_answer(server, version, facts, endpoint, &answer, out))
    }

    /// The reply, or the end of the stream: `write` appends the response and gives its HTTP status.
    pub(crate) fn end(
        self: Box<Self>,
        mut out: Vec<u8>,
        write: impl FnOnce(ProtocolVersion, &Facts, &mut Vec<u8>) -> (u16, Written),
    ) -> Step {
        let write = |out: &mut Vec<u8>| {
            let start = out.len();
            let (status, written) = write(self.context.version, &self.facts, out);
            (status, self.record(&out[start..]), written)
        };
        let (status, record, written) = match self.stream.is_open {
            true => {
                let (_, record, written) = write_event(&mut out, write);
                (200, record, written)
            }
            false => {
                // What there was to hear shortly before the end is nothing without a stream.
                out.clear();
                write(&mut out)
            }
        };
        let mut reply = match self.stream.is_open {
            true => self.context.reply(status, Body::Bytes(out), written.outcome),
            false => self.context.message(status, Body::Bytes(out), written.outcome),
        };
        reply.notes.extend(written.note);
        reply.records.extend(record);
        Step::Reply(reply)
    }

    /// What is told of the call, once it is answered.
    fn record(&self, response: &[u8]) -> Option<Record> {
        let recorded = self.is_recorded.then_some(self.endpoint)?;
        Some(Record::answered(recorded, &self.context, &self.facts, response))
    }

    /// The same for a call that gets no result.
    pub(crate) fn fail(self: Box<Self>, mut out: Vec<u8>, error: &Error, note: Option<String>) -> Step {
        let id = self.facts.request_id();
        let mut reply = self.context.error(id, error);
        let response = self.context.written(id, error);
        reply.records.extend(self.record(&response));
        if self.stream.is_open {
            write_event(&mut out, |out| out.extend_from_slice(&response));
            reply.body = Body::Bytes(out);
        }
        reply.notes.extend(note);
        Step::Reply(reply)
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
