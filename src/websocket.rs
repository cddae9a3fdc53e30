//! A WebSocket: the messages of a client on one connection, each of which becomes a request of its own ([`crate::message`]).

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};

use ::websocket::{Event, Socket, handshake, is_upgrade};
use mcp::http::{Headers, Outcome, Transport};

use crate::bus;
use crate::conf::Location;
use crate::context::{Context, Stage};
use crate::message::{Conversation, Message};
use crate::ngx::{self, Received, Request, Status, Wake};
use crate::reply;

/// Messages of one client that are worked on at a time. Beyond them nothing is read from it.
const MOST_MESSAGES: usize = 128;
/// Bytes under way to a client after which responses wait until it has read some.
const CROWDED: usize = 64 << 10;
/// Bytes that are read at a time.
const READ: usize = 16 << 10;

/// Close codes of RFC 6455 and its registry.
const GOING_AWAY: u16 = 1001;
const TRY_AGAIN_LATER: u16 = 1013;

/// A client's connection after its handshake.
pub(crate) struct WebSocket {
    client: Request,
    location: &'static Location,
    socket: RefCell<Socket>,
    /// What came and does not run yet.
    waiting: RefCell<VecDeque<String>>,
    running: RefCell<HashMap<u64, Rc<Message>>>,
    last_message: Cell<u64>,
    /// The session that `initialize` has begun.
    session: RefCell<Option<Vec<u8>>>,
    /// What the session hears beside its calls.
    stream: RefCell<Option<Rc<Message>>>,
    /// Whether responses wait until the client has read more.
    is_crowded: Cell<bool>,
    /// Bytes of messages that are not on their way yet.
    backlog: Cell<usize>,
    /// The worker is to end.
    is_ending: Cell<bool>,
    /// We have said that we close it.
    is_closing: Cell<bool>,
    wake: Wake,
    heartbeat: Wake,
    this: Weak<WebSocket>,
}

thread_local! {
    /// The sockets of this worker.
    static OPEN: RefCell<HashMap<Request, Weak<WebSocket>>> = RefCell::default();
}

/// Whether a request with these header lines asks for a WebSocket.
pub(crate) fn is_wanted(request: Request, headers: Headers<'_>) -> bool {
    request.can_upgrade() && is_upgrade(|name| headers.get_all(name))
}

/// Content phase: the client may have it.
pub(crate) fn open(request: Request, context: &'static Context) -> Status {
    let lines = request.headers();
    let headers = Headers(&lines);
    let server = &context.location.server;
    let accepted = match handshake(|name| headers.get_all(name)) {
        Ok(accepted) => accepted,
        Err(refused) => {
            let mut reply = server.refuse_handshake(refused.status, refused.message);
            reply.headers.extend(refused.headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
            return reply::send(request, context, reply);
        }
    };
    let wakes = Wake::new(request, turn).zip(Wake::new(request, beat));
    let Some((wake, heartbeat)) = wakes.filter(|_| bus::hear()) else { return Status::INTERNAL_SERVER_ERROR };
    let out = request.headers_out();
    out.set_switching_protocols();
    let lines = [("Upgrade", Some("websocket")), ("Sec-WebSocket-Accept", Some(accepted.accept.as_str()))];
    for (name, value) in lines.into_iter().chain([("Sec-WebSocket-Protocol", accepted.protocol)]) {
        if value.is_some_and(|value| out.push(name, value) != Status::OK) {
            return Status::ERROR;
        }
    }
    if ngx::next_header_filter(request) == Status::ERROR {
        return Status::ERROR;
    }
    let sent = ngx::flushing(request).map(|chain| ngx::next_body_filter(request, chain));
    if sent.is_none_or(|status| status == Status::ERROR) {
        return Status::ERROR;
    }
    context.note(Outcome::Ok);
    ngx::hold_conversation(request);
    let socket = Rc::new_cyclic(|this| WebSocket {
        client: request,
        location: context.location,
        socket: RefCell::new(Socket::new(request.max_body_size())),
        waiting: RefCell::default(),
        running: RefCell::default(),
        last_message: Cell::new(0),
        session: RefCell::default(),
        stream: RefCell::default(),
        is_crowded: Cell::new(false),
        backlog: Cell::new(0),
        is_ending: Cell::new(ngx::is_exiting()),
        is_closing: Cell::new(false),
        wake,
        heartbeat,
        this: this.clone(),
    });
    OPEN.with_borrow_mut(|open| open.insert(request, Rc::downgrade(&socket)));
    socket.rest();
    // What came with the handshake is read then.
    socket.wake.post();
    context.set_stage(Stage::WebSocket(socket));
    Status::DONE
}

impl Drop for WebSocket {
    /// The client's request ends, and with it all that runs for it.
    fn drop(&mut self) {
        let _ = OPEN.try_with(|open| open.borrow_mut().remove(&self.client));
        self.running.take().into_values().chain(self.stream.take()).for_each(|message| message.leave());
    }
}

fn of(request: Request) -> Option<(&'static Context, Rc<WebSocket>)> {
    let context = Context::of(request)?;
    match &*context.stage_mut() {
        Stage::WebSocket(socket) => Some((context, Rc::clone(socket))),
        _ => None,
    }
}

/// The client has sent something or can take more, or has not for too long.
pub(crate) fn event(request: Request) {
    if request.write_timed_out() {
        request.finalize(Status::REQUEST_TIME_OUT);
        return;
    }
    turn(request);
}

/// Goes on as far as possible.
fn turn(request: Request) {
    let Some((context, socket)) = of(request) else { return };
    if let Some(status) = socket.turn(context) {
        drop(socket);
        // What runs for the client ends with this.
        drop(context.take_stage());
        request.finalize(status);
    }
}

/// The client was silent for some time: is it still there?
fn beat(request: Request) {
    let Some((context, socket)) = of(request) else { return };
    let has_answered = {
        let mut frames = socket.socket.borrow_mut();
        // Of one that has sent more than is worked on nothing is read, not even a pong.
        let has_answered = frames.heard() || !socket.may_read();
        if has_answered && !request.is_backed_up() {
            frames.ping();
        }
        has_answered
    };
    match has_answered {
        true => {
            socket.rest();
            socket.wake.post();
        }
        false => {
            drop(socket);
            drop(context.take_stage());
            request.finalize(Status::REQUEST_TIME_OUT);
        }
    }
}

/// The worker is to end: sockets are closed as soon as their calls have ended, and clients come again to another worker.
pub(crate) fn end_all() {
    let open: Vec<_> = OPEN.with_borrow(|open| open.values().filter_map(Weak::upgrade).collect());
    for socket in open {
        socket.is_ending.set(true);
        socket.wake.post();
    }
}

impl WebSocket {
    fn rest(&self) {
        let interval = self.location.heartbeat;
        if interval > 0 {
            self.heartbeat.post_in(interval);
        }
    }

    fn may_read(&self) -> bool {
        !self.is_ending.get() && self.waiting.borrow().is_empty() && self.running.borrow().len() < MOST_MESSAGES
    }

    /// Gives what the client's request is to be finished with, when it is.
    fn turn(&self, context: &'static Context) -> Option<Status> {
        self.start_waiting();
        if let Some(status) = self.read() {
            return Some(status);
        }
        if self.is_ending.get() && self.running.borrow().is_empty() {
            self.close(GOING_AWAY, "the server ends or has a new configuration");
        }
        if self.is_closing.get() || self.socket.borrow().is_closed() {
            return Some(self.say_farewell(context));
        }
        let status = self.write(context, false);
        if status == Status::ERROR || !self.client.pace_writing() {
            return Some(Status::ERROR);
        }
        if !self.is_full(context) && self.is_crowded.take() {
            let messages: Vec<_> = self.running.borrow().values().chain(&*self.stream.borrow()).cloned().collect();
            messages.iter().for_each(|message| message.resume());
        }
        None
    }

    /// Reads what the client has sent; gives a status when it has left.
    fn read(&self) -> Option<Status> {
        let mut buffer = [0; READ];
        while self.may_read() && !self.socket.borrow().is_closed() {
            match self.client.receive(&mut buffer) {
                Received::Bytes(length) => self.receive(&buffer[..length]),
                Received::Nothing => return None,
                Received::End => return Some(Status::CLIENT_CLOSED_REQUEST),
            }
        }
        // One that is not read from is not found out otherwise.
        let has_left = !self.may_read() && self.client.client_has_left();
        has_left.then_some(Status::CLIENT_CLOSED_REQUEST)
    }

    fn receive(&self, bytes: &[u8]) {
        let mut waiting = self.waiting.borrow_mut();
        self.socket.borrow_mut().receive(bytes, &mut |event| match event {
            Event::Message(text) => waiting.push_back(text),
            Event::Closed => {}
        });
        drop(waiting);
        self.start_waiting();
    }

    /// Lets run what came, as far as there is room.
    fn start_waiting(&self) {
        while self.running.borrow().len() < MOST_MESSAGES {
            let Some(text) = self.waiting.borrow_mut().pop_front() else { return };
            self.open_stream();
            let number = self.last_message.get() + 1;
            self.last_message.set(number);
            match self.start("POST", Some(number), text.as_bytes()) {
                Some(message) => _ = self.running.borrow_mut().insert(number, message),
                None => self.give_up(),
            }
        }
    }

    /// Opens the session's stream with the first message that follows `initialize`.
    fn open_stream(&self) {
        let is_wanted = self.session.borrow().is_some() && self.location.bus.is_some();
        if is_wanted && self.stream.borrow().is_none() {
            match self.start("GET", None, &[]) {
                Some(message) => _ = self.stream.replace(Some(message)),
                None => self.give_up(),
            }
        }
    }

    fn start(&self, method: &'static str, number: Option<u64>, body: &[u8]) -> Option<Rc<Message>> {
        let session = self.session.borrow();
        Message::start(self.client, method, session.as_deref(), body, number, Rc::new(self.this.clone()))
    }

    /// No connection or memory is left for what the client wants.
    fn give_up(&self) {
        self.waiting.borrow_mut().clear();
        self.close(TRY_AGAIN_LATER, "the server has no connection left");
    }

    fn close(&self, code: u16, reason: &str) {
        self.socket.borrow_mut().close(code, reason);
        self.is_closing.set(true);
    }

    /// Sends what there is for the client.
    fn write(&self, context: &'static Context, last: bool) -> Status {
        let mut outbox = context.outbox.borrow_mut();
        // What cannot be sent yet stays where it is bounded.
        let bytes = match last || !outbox.is_crowded() {
            true => {
                self.backlog.set(0);
                self.socket.borrow_mut().take_output()
            }
            false => Vec::new(),
        };
        match bytes.is_empty() && !last {
            true => ngx::flush(self.client),
            false => outbox.send(self.client, bytes, last),
        }
    }

    /// Whether the client has more to read than should wait for it.
    fn is_full(&self, context: &'static Context) -> bool {
        self.backlog.get() + context.outbox.borrow_mut().backlog() > CROWDED
    }

    /// Sends the last of it; nginx waits until the client has it.
    fn say_farewell(&self, context: &'static Context) -> Status {
        match self.write(context, true) {
            Status::ERROR => Status::ERROR,
            _ => Status::OK,
        }
    }
}

/// A socket that may be gone while its messages end.
impl Conversation for Weak<WebSocket> {
    fn transport(&self) -> Transport {
        Transport::WebSocket
    }

    fn is_crowded(&self) -> bool {
        let Some((context, socket)) = self.upgrade().and_then(|socket| of(socket.client)) else { return false };
        let is_crowded = socket.is_full(context);
        socket.is_crowded.set(socket.is_crowded.get() || is_crowded);
        is_crowded
    }

    fn say(&self, _inner: Request, message: &str) {
        let Some(socket) = self.upgrade() else { return };
        socket.socket.borrow_mut().send(message);
        socket.backlog.set(socket.backlog.get() + message.len());
        socket.wake.post();
    }

    fn begin_session(&self, session: &[u8]) {
        let Some(socket) = self.upgrade() else { return };
        socket.session.replace(Some(session.to_vec()));
        // That of a session before.
        socket.stream.take().iter().for_each(|message| message.leave());
    }

    fn cancel(&self, id: &str) {
        let Some(socket) = self.upgrade() else { return };
        let running = socket.running.borrow();
        running.values().filter(|message| message.has_id(id)).for_each(|message| message.leave());
    }

    fn over(&self, message: Option<u64>, has_spoken: bool) {
        let Some(socket) = self.upgrade() else { return };
        match message {
            Some(number) => _ = socket.running.borrow_mut().remove(&number),
            // Without its stream the client would miss something without a word.
            None if has_spoken && !socket.is_ending.get() => {
                socket.close(GOING_AWAY, "what is published cannot be heard any more");
            }
            None => {}
        }
        socket.wake.post();
    }
}
