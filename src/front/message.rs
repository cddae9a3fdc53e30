//! Messages to the servers behind a location: each is a request without a client, which goes through nginx's proxy as calls do.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mcp::http::{UpstreamFailure, UpstreamRequest};
use mcp::{Ear, News, Pending};

use super::sessions::Session;
use super::{Front, LISTEN_AGAIN};
use crate::call::failure;
use crate::conf::Location;
use crate::context::{Context, Stage};
use crate::filter;
use crate::message::is_own;
use crate::ngx::{
    self, Chain, Detached, Disguise, Held, Level, Request, Status, UpstreamFinalizer, Wake, run_finalizer,
};

/// Milliseconds of silence after which a server's stream of changes is opened anew: nginx's own time-out is 60 s.
const SILENCE: usize = 50_000;

/// A message to a server while it is under way.
pub(crate) struct Message {
    upstream: usize,
    errand: Errand,
    /// The request that it runs beside, which lives as long as this.
    detached: Option<Detached>,
    disguise: Option<Disguise>,
    finalizer: UpstreamFinalizer,
    held: Held,
    failure: Option<UpstreamFailure>,
    is_complete: bool,
}

/// What a message is for.
pub(super) enum Errand {
    /// A look.
    Look,
    /// A session begins that is one caller's own.
    Begin(Rc<Session>),
    /// It says something, and its answer nothing. A reply is counted as long as it is here.
    Tell { _among: Option<Rc<Cell<bool>>> },
    /// Its answer tells of changes, as long as it goes on; none before it has begun.
    Listen(Option<(Ear, Wake)>),
}

/// A request that messages to a server run beside. One on behalf of a client's is made of its header lines, and variables are there what they
/// are in that. None if there is no connection or memory left.
pub(super) fn ground(
    location: &'static Location,
    upstream: usize,
    client: Option<(Request, &'static Context)>,
) -> Option<Detached> {
    let place = location.front_location(upstream);
    let Some((client, known)) = client else {
        let detached = Detached::new(place)?;
        Context::create(detached.request(), location)?;
        return Some(detached);
    };
    let lines = client.headers();
    let kept = lines.iter().copied().filter(|(name, _)| *name != b"host" && !is_own(name));
    let detached = Detached::for_client(place, client, kept)?;
    let context = Context::create(detached.request(), location)?;
    known.shared_facts().into_iter().for_each(|facts| context.describe(facts));
    Some(detached)
}

/// Sends a message to a server, on this ground. None if there is no connection or memory left.
pub(super) fn send(
    location: &'static Location,
    upstream: usize,
    message: UpstreamRequest,
    errand: Errand,
    ground: Option<Detached>,
) -> Option<()> {
    let site = location.server.upstreams()[upstream].site();
    let detached = ground?;
    let request = detached.request();
    let wake = Wake::new(request, |_| {})?;
    let beside = ngx::start_subrequest(request, |beside| {
        let own = Context::create(beside, location)?;
        own.set_stage(Stage::Fronting(Box::new(Message::new(upstream, errand))));
        (beside.take_variables(request) && own.keep_upstream(beside, site, message)).then_some(())
    })?;
    // Not now, as something else may be running.
    wake.post();
    if let Stage::Fronting(message) = &mut *Context::of(beside)?.stage_mut() {
        message.detached = Some(detached);
    }
    Some(())
}

/// Nobody wants the answer to a call any more: its server is told so, if that is how it is told.
pub(crate) fn cancel(request: Request, context: &'static Context, pending: &Pending) {
    let cancellation = pending.cancellation(&context.location.server);
    if let Some((upstream, cancellation)) = pending.upstream().zip(cancellation) {
        tell(context.location, upstream, cancellation, None, Some((request, context)));
    }
}

/// Sends a message whose answer says nothing, on behalf of this client; if it is a reply to a server, it holds what [`Replies`] has.
pub(crate) fn tell(
    location: &'static Location,
    upstream: usize,
    message: UpstreamRequest,
    replies: Option<Rc<Cell<bool>>>,
    client: Option<(Request, &'static Context)>,
) {
    let errand = Errand::Tell { _among: replies };
    if send(location, upstream, message, errand, ground(location, upstream, client)).is_none() {
        ngx::Log::cycle().write(Level::Error, format_args!("no memory or connection for a message to a server"));
    }
}

/// Replies that are under way at most for one call: a server that asks for more meanwhile gets none.
const MOST_REPLIES: usize = 32;

/// The replies of a call to what its server asks, each a message beside the call.
#[derive(Default)]
pub(crate) struct Replies {
    /// Whether the server was left without one, once there was one. Each that is under way holds it, so that its holders are
    /// counted by that.
    has_refused: Option<Rc<Cell<bool>>>,
}

impl Replies {
    /// Sends these, but no more than [`MOST_REPLIES`] at a time.
    pub(crate) fn send(
        &mut self,
        request: Request,
        context: &'static Context,
        upstream: usize,
        replies: Vec<UpstreamRequest>,
    ) {
        for reply in replies {
            let has_refused = self.has_refused.get_or_insert_default();
            let under_way = Rc::strong_count(has_refused) - 1;
            if under_way < MOST_REPLIES {
                tell(context.location, upstream, reply, Some(has_refused.clone()), Some((request, context)));
            } else if !has_refused.replace(true) {
                request.log().write(
                    Level::Error,
                    format_args!("an MCP server asks for more than {MOST_REPLIES} things at a time: it gets no reply"),
                );
            }
        }
    }
}

impl Message {
    fn new(upstream: usize, errand: Errand) -> Message {
        Message {
            upstream,
            errand,
            detached: None,
            disguise: None,
            finalizer: None,
            held: Held::default(),
            failure: None,
            is_complete: false,
        }
    }
}

thread_local! {
    /// The requests on which servers tell of changes.
    static LISTENING: RefCell<Vec<Request>> = const { RefCell::new(Vec::new()) };
}

/// A server has said nothing for long: it is asked anew, before nginx takes it for a failure.
fn silent(request: Request) {
    if request.close_upstream() {
        request.finalize(Status::OK);
    }
}

/// A stream of changes is not needed any more; not now, as something else may be running.
pub(super) fn quit(request: Request) {
    let Some(context) = Context::of(request) else { return };
    if let Stage::Fronting(message) = &*context.stage_mut() {
        if let Errand::Listen(Some((_, silence))) = &message.errand {
            silence.cancel();
            silence.post();
        }
    }
}

/// The worker is to end: nothing is heard any more.
pub(crate) fn ending() {
    LISTENING.take().into_iter().for_each(silent);
}

/// Runs a message's request in its server's location.
pub(crate) fn run(request: Request, context: &'static Context) -> Status {
    let Stage::Fronting(mut message) = context.take_stage() else { return Status::INTERNAL_SERVER_ERROR };
    let Some(upstream) = context.upstream() else { return Status::INTERNAL_SERVER_ERROR };
    let location = context.location.front_location(message.upstream);
    let method = context.upstream_method().unwrap_or("POST");
    message.disguise = Some(request.enter_location(location.loc_conf(), method, &upstream.uri));
    context.set_stage(Stage::Fronting(message));
    request.run_content_handler()
}

/// The header of a server's answer.
pub(crate) fn header(request: Request, context: &'static Context, mut message: Box<Message>) -> Status {
    if let Some(status) = request.take_refusal() {
        message.failure = Some(failure(status));
    } else {
        if !message.disguise.take().is_none_or(|disguise| request.undisguise(disguise)) {
            message.failure = Some(UpstreamFailure::Unreachable);
        }
        message.finalizer = request.replace_upstream_finalizer(Some(ngx::upstream_finished));
        request.stream_upstream();
        let out = request.headers_out();
        message.is_complete |= out.content_length() == Some(0);
        let session_id = ngx::upstream_header(request, b"mcp-session-id");
        let front = message.front(context);
        match (&mut message.errand, front) {
            (Errand::Look, Some(front)) => {
                let limit = context.location.max_result_size;
                front.peer.borrow_mut().head(out.status(), out.content_type(), session_id, limit);
            }
            (Errand::Begin(session), _) => {
                let limit = context.location.max_result_size;
                session.peer.borrow_mut().head(out.status(), out.content_type(), session_id, limit);
            }
            (Errand::Listen(hears), Some(front)) => {
                let ear = Ear::new(out.status(), out.content_type());
                if ear.is_none() {
                    *front.mute.borrow_mut() = front.peer.borrow().learned().cloned();
                }
                *hears = ear.zip(Wake::new(request, silent));
                if let Some((_, silence)) = hears {
                    silence.forgo_at_exit();
                    if ngx::is_exiting() {
                        // Nobody would end it any more.
                        silence.post();
                    } else {
                        silence.post_in(SILENCE);
                        LISTENING.with_borrow_mut(|listening| listening.push(request));
                    }
                    front.wants.stream.replace(Some(request)).into_iter().for_each(quit);
                }
            }
            _ => {}
        }
    }
    context.set_stage(Stage::Fronting(message));
    Status::OK
}

/// What has come of a server's answer.
pub(crate) fn body(request: Request, context: &'static Context, mut message: Box<Message>, chain: Chain) -> Status {
    let mut held = std::mem::take(&mut message.held);
    let mut is_enough = false;
    let front = message.front(context);
    let (mut failure, mut news) = (message.failure, Vec::new());
    let taken = chain.feed(&mut held, &mut |bytes| {
        let pushed = match (&mut message.errand, front) {
            (Errand::Look, Some(front)) => {
                front.peer.borrow_mut().push(bytes).map(|is_answered| is_enough |= is_answered)
            }
            (Errand::Begin(session), _) => {
                session.peer.borrow_mut().push(bytes).map(|is_answered| is_enough |= is_answered)
            }
            (Errand::Listen(Some((ear, silence))), _) => {
                silence.post_in(SILENCE);
                ear.push(bytes).map(|heard| news.extend(heard))
            }
            _ => Ok(()),
        };
        if let Err(why) = pushed {
            failure.get_or_insert(why);
        }
        true
    });
    message.held = held;
    message.failure = failure;
    message.is_complete |= taken.last_in_chain || is_enough;
    let is_over = is_enough || message.failure.is_some();
    let upstream = message.upstream;
    context.set_stage(Stage::Fronting(message));
    if let (Some(fronts), Some(front)) = (&context.location.fronts, front) {
        for news in news {
            match news {
                News::Resource(uri) => fronts.tell_updated(context.location, upstream, &uri),
                News::List if front.peer.borrow().is_looking() => front.is_stale.set(true),
                News::List => fronts.look(context.location, upstream),
            }
        }
    }
    if is_over { filter::stop_soon(request) } else { Status::OK }
}

/// nginx is done with a server that has begun to answer.
pub(crate) fn upstream_finished(
    request: Request,
    context: &'static Context,
    mut message: Box<Message>,
    status: Status,
) {
    run_finalizer(message.finalizer.take(), request, status);
    if status.is_refusal() && !message.is_complete {
        let why = if status.0 == 504 { UpstreamFailure::TimedOut } else { UpstreamFailure::Truncated };
        message.failure.get_or_insert(why);
    }
    context.set_stage(Stage::Fronting(message));
}

/// A message's request is over.
pub(crate) fn finished(request: Request, context: &'static Context, message: Message, status: Status) {
    let location = context.location;
    let (Some(fronts), Some(front)) = (&location.fronts, message.front(context)) else { return };
    let outcome = match (message.failure, u16::try_from(status.0)) {
        (Some(failure), _) => Err(failure),
        (None, Ok(status)) if status >= 300 => Err(failure(status)),
        (None, _) if !message.is_complete => Err(UpstreamFailure::Truncated),
        (None, _) => Ok(()),
    };
    match message.errand {
        Errand::Look => {
            let turn = front.peer.borrow_mut().end(&location.server, outcome);
            fronts.go_on(location, message.upstream, turn);
        }
        Errand::Begin(session) => {
            let turn = session.peer.borrow_mut().end(&location.server, outcome);
            session.go_on(location, turn, message.detached);
        }
        Errand::Tell { .. } => {}
        Errand::Listen(_) => {
            LISTENING.with_borrow_mut(|listening| listening.retain(|other| *other != request));
            let stream = front.wants.stream.get();
            if stream.is_some_and(|stream| stream != request) {
                // Another one has taken its place.
                return;
            }
            front.wants.stream.set(None);
            front.listens.set(false);
            // It may have changed meanwhile.
            if !front.is_mute() && !ngx::is_exiting() {
                front.look_in(LISTEN_AGAIN);
            }
        }
    }
}

impl Message {
    fn front(&self, context: &'static Context) -> Option<&'static Front> {
        context.location.fronts.as_ref()?.fronts.get(self.upstream)
    }
}
