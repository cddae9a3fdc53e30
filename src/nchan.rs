//! Requests to Nchan: the module posts to its channels, and hears one ([`crate::link`]).
//!
//! No client's request ever gets there: the module asks Nchan itself, by requests without a client. Nchan thus sees no header,
//! no message id and no connection of a client, and no coming and going of subscribers.

use std::cell::Cell;

use crate::bus;
use crate::conf::Location;
use crate::context::{Context, Stage};
use crate::link;
use crate::ngx::{self, Chain, Detached, Level, LocationContext, Request, Status, Wake};

/// Milliseconds for which a worker that ends lives on: it frees what others have yet to take from Nchan, which ends them by a
/// signal.
const LINGER: usize = 1000;

/// A channel: the location that leads to it, and its name.
#[derive(Clone)]
pub(crate) struct Channel {
    pub(crate) location: LocationContext,
    pub(crate) name: String,
}

/// Why a message was not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unpublished {
    /// There was no memory or connection for the request.
    Unsent,
    /// Nchan has refused it.
    Refused,
}

/// What is told how publishing a message went.
pub(crate) type Then = Box<dyn FnOnce(Result<(), Unpublished>)>;

/// What a request to Nchan is for.
enum Errand {
    /// Publishes a message. The request lives as long as this.
    Publish { message: Vec<u8>, then: Option<Then>, _detached: Option<Detached> },
    /// Hears the channel of the location's link.
    Hear,
}

/// A request to Nchan.
pub(crate) struct ChannelRequest {
    channel: Channel,
    errand: Errand,
    status: u16,
    received: Vec<u8>,
}

thread_local! {
    /// Something is asked of Nchan, by this worker or another one.
    static IS_USED: Cell<bool> = const { Cell::new(false) };
}

/// Something will be asked of Nchan, by whatever worker: any may have to hand on what comes of it.
pub(crate) fn expect() {
    IS_USED.set(bus::hear());
}

/// Milliseconds for which the worker must live on when it is to end.
pub(crate) fn linger() -> usize {
    if IS_USED.get() { LINGER } else { 0 }
}

/// Publishes a message.
pub(crate) fn publish(location: &'static Location, channel: Channel, message: Vec<u8>, then: Then) {
    send(location, channel, Errand::Publish { message, then: Some(then), _detached: None });
}

/// Hears the channel of the location's link for as long as what is returned lives.
pub(crate) fn hear(location: &'static Location, channel: Channel) -> Option<Detached> {
    send(location, channel, Errand::Hear)
}

/// Sends a request. What keeps it alive is returned if that is for the caller to do.
fn send(location: &'static Location, channel: Channel, errand: Errand) -> Option<Detached> {
    let mut errand = Some(errand);
    let sent = Detached::new(channel.location).and_then(|detached| {
        let request = detached.request();
        Context::create(request, location)?;
        let wake = Wake::new(request, |_| {})?;
        let beside = ngx::start_subrequest(request, |beside| {
            let own = Context::create(beside, location)?;
            own.set_channel(beside.copy(channel.name.as_bytes())?);
            let request = ChannelRequest { channel, errand: errand.take()?, status: 0, received: Vec::new() };
            own.set_stage(Stage::Channel(Box::new(request)));
            Some(())
        })?;
        Some((detached, wake, Context::of(beside)?))
    });
    let Some((detached, wake, own)) = sent else {
        ngx::Log::cycle().write(Level::Error, format_args!("no memory or connection for a request to Nchan"));
        if let Some(Errand::Publish { then: Some(then), .. }) = errand {
            then(Err(Unpublished::Unsent));
        }
        return None;
    };
    // Not now: we may have been called by Nchan, which cannot be asked for something while it tells us something.
    wake.post();
    match &mut *own.stage_mut() {
        Stage::Channel(request) => match &mut request.errand {
            Errand::Publish { _detached: kept, .. } => {
                *kept = Some(detached);
                None
            }
            Errand::Hear => Some(detached),
        },
        _ => None,
    }
}

/// Runs a request in the location of its channel.
pub(crate) fn run(request: Request, context: &'static Context) -> Status {
    let (place, method, body) = match &mut *context.stage_mut() {
        Stage::Channel(asked) => match &mut asked.errand {
            Errand::Publish { message, .. } => (asked.channel.location, "POST", Some(std::mem::take(message))),
            Errand::Hear => (asked.channel.location, "GET", None),
        },
        _ => return Status::INTERNAL_SERVER_ERROR,
    };
    request.enter_location(place.loc_conf(), method, "/");
    if body.is_some_and(|body| !request.set_body(&body)) {
        return Status::INTERNAL_SERVER_ERROR;
    }
    let status = request.run_content_handler();
    // Some of Nchan's refusals end the request themselves, and then are not told from others.
    if context.is_done() { Status::DONE } else { status }
}

/// Nchan's header: it takes the message or delivers, or says why it does not.
pub(crate) fn header(request: Request, context: &'static Context, mut asked: Box<ChannelRequest>) -> Status {
    asked.status = request.take_refusal().unwrap_or_else(|| request.headers_out().status());
    let hears = matches!(asked.errand, Errand::Hear) && (200..300).contains(&asked.status);
    context.set_stage(Stage::Channel(asked));
    if hears {
        link::begun(context.location);
    }
    Status::OK
}

/// What Nchan sends: the messages of the channel as events.
pub(crate) fn body(context: &'static Context, mut asked: Box<ChannelRequest>, chain: Chain) -> Status {
    let mut received = std::mem::take(&mut asked.received);
    let hears = matches!(asked.errand, Errand::Hear);
    context.set_stage(Stage::Channel(asked));
    if !hears {
        chain.discard();
        return Status::OK;
    }
    link::take(context.location, chain, &mut received);
    if let Stage::Channel(asked) = &mut *context.stage_mut() {
        asked.received = received;
    }
    Status::OK
}

/// A request is over.
pub(crate) fn finished(context: &'static Context, asked: ChannelRequest, status: Status) {
    let refused = u16::try_from(status.0).ok().filter(|status| *status >= 300);
    let status = refused.unwrap_or(asked.status);
    let succeeded = (200..300).contains(&status);
    let hears = matches!(asked.errand, Errand::Hear);
    if (hears || !succeeded) && !ngx::is_exiting() {
        let what = if hears { "a channel of Nchan was lost" } else { "Nchan refused a message" };
        ngx::Log::cycle().write(Level::Error, format_args!("{what} (status {status})"));
    }
    match asked.errand {
        Errand::Hear => link::lost(context.location),
        Errand::Publish { then: Some(then), .. } => then(if succeeded { Ok(()) } else { Err(Unpublished::Refused) }),
        Errand::Publish { then: None, .. } => {}
    }
}
