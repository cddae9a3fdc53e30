//! `resumable`: a call that outlives the connection that it came on.
//!
//! The client's request has passed its limits and access rules and becomes a stream ([`crate::listening`]), which hears of the
//! call what is published. The call is made by a request of our own, whose response is published.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use mcp::http::{Transport, UpstreamRequest};
use mcp::{CallStream, Pending, Publication, Topic};

use crate::call;
use crate::conf::Location;
use crate::context::Context;
use crate::listening;
use crate::message::is_own;
use crate::ngx::{self, Inner, Outlet, Request, Status, Wake};
use crate::secret;

/// Such calls of a session in one worker at a time; beyond them calls end with their connections.
const MOST_OF_SESSION: usize = 32;
/// The part of a worker's connections that they may have.
const SHARE: usize = 8;
/// Milliseconds after which it is said again that a call goes on: what is published is not kept for ever.
const REMINDER: usize = 60_000;

thread_local! {
    /// How many calls of each session run in this worker.
    static RUNNING: RefCell<HashMap<Topic, usize>> = RefCell::default();
}

/// A call that begins when its client's stream is open.
pub(crate) struct Beginning {
    stream: CallStream,
    endpoint: usize,
    upstream: UpstreamRequest,
    pending: Box<Pending>,
}

/// A call that runs.
struct Running {
    location: &'static Location,
    session: Option<Topic>,
    stream: RefCell<CallStream>,
    has_begun: Cell<bool>,
    reminder: RefCell<Option<Wake>>,
}

/// Makes a call: apart from the client's connection, if that is wanted and possible.
pub(crate) fn start(
    request: Request,
    context: &'static Context,
    endpoint: usize,
    upstream: UpstreamRequest,
    mut pending: Box<Pending>,
) -> Status {
    let has_room = || {
        RUNNING.with_borrow(|running| {
            let all: usize = running.values().sum();
            let own = pending.topic().and_then(|session| running.get(&session).copied()).unwrap_or(0);
            all < ngx::worker_connections() / SHARE && own < MOST_OF_SESSION
        })
    };
    // Most calls do not, and are not to pay for it.
    if pending.may_outlive(&context.location.server) && request.outlet().is_none() && has_room() {
        if let Some((reply, listener, stream)) =
            pending.outlive(&context.location.server, secret::nonce(), secret::nonce())
        {
            let call = Box::new(Beginning { stream, endpoint, upstream, pending });
            return listening::start(request, context, reply, listener, Some(call));
        }
    }
    call::start(request, context, endpoint, upstream, pending)
}

impl Beginning {
    /// What is published first.
    pub(crate) fn begun(&self) -> Publication {
        self.stream.begun()
    }

    /// Begins the call of a client whose stream is open.
    pub(crate) fn begin(self: Box<Self>, client: Request, context: &'static Context) {
        let Beginning { stream, endpoint, upstream, pending } = *self;
        let location: &'static Location = context.location;
        let facts = std::sync::Arc::clone(stream.facts());
        let session = pending.topic();
        let running = Rc::new(Running {
            location,
            session: session.clone(),
            stream: RefCell::new(stream),
            has_begun: Cell::new(false),
            reminder: RefCell::default(),
        });
        if let Some(session) = session {
            RUNNING.with_borrow_mut(|running| *running.entry(session).or_default() += 1);
        }
        let begin = move |inner: Request| {
            let Some(own) = Context::create(inner, location) else { return Status::INTERNAL_SERVER_ERROR };
            own.describe(facts);
            call::start(inner, own, endpoint, upstream, pending)
        };
        let lines = client.headers();
        let kept = lines.iter().copied().filter(|(name, _)| !is_own(name));
        let outlet: Rc<dyn Outlet> = Rc::clone(&running) as _;
        let inner = Inner::start(client, "POST", kept, b"", outlet, Some(Box::new(begin)));
        match inner.as_ref().and_then(Inner::request) {
            Some(inner) => {
                let reminder = Wake::new(inner, remind);
                reminder.iter().for_each(Wake::forgo_at_exit);
                reminder.iter().for_each(|wake| wake.post_in(REMINDER));
                running.reminder.replace(reminder);
            }
            None => running.end(),
        }
    }
}

fn remind(inner: Request) {
    inner.outlet().into_iter().for_each(Outlet::remind);
}

impl Running {
    fn publish(&self, act: impl FnOnce(&mut CallStream, &mut dyn FnMut(Publication))) {
        let Some(bus) = &self.location.bus else { return };
        act(&mut self.stream.borrow_mut(), &mut |publication| bus.publish(self.location, &publication, |_| {}));
    }

    /// Nothing more comes.
    fn end(&self) {
        self.publish(|stream, publish| stream.abandon(&self.location.server, publish));
        let Some(session) = &self.session else { return };
        RUNNING.with_borrow_mut(|running| {
            if let Some(count) = running.get_mut(session) {
                *count -= 1;
                if *count == 0 {
                    running.remove(session);
                }
            }
        });
    }
}

impl Outlet for Running {
    fn transport(&self) -> Transport {
        Transport::StreamableHttp
    }

    fn take(&self, inner: Request, part: &[u8]) -> bool {
        self.publish(|stream, publish| {
            if !self.has_begun.replace(true) {
                stream.begin(inner.headers_out().content_type());
            }
            stream.push(&self.location.server, part, publish);
        });
        true
    }

    fn complete(&self, _inner: Request) {
        self.publish(|stream, publish| stream.finish(&self.location.server, publish));
    }

    fn over(&self, _inner: Request) {
        self.reminder.take();
        self.end();
    }

    fn cancel(&self, _id: &str) {}

    fn remind(&self) {
        self.publish(|stream, publish| publish(stream.begun()));
        self.reminder.borrow().iter().for_each(|wake| wake.post_in(REMINDER));
    }
}
