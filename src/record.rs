//! `publish`: those who watch a tool are told of each call of it, in a channel of Nchan.
//!
//! It never holds a call up: messages wait here until Nchan takes them, and are left out when too many do.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use mcp::Record;

use crate::conf::{Error, Location, LocationConf};
use crate::directives::{once, one};
use crate::nchan::{self, Channel};
use crate::ngx::{ComplexValue, Conf, Level, LocationContext, Request};

/// Requests to Nchan at once: each takes one of the worker's connections.
const MOST_UNDER_WAY: usize = 16;
/// Bytes of messages that wait for their turn at the most.
const MOST_WAITING: usize = 16 << 20;
/// Bytes of a channel's name, beyond which Nchan takes none.
const LONGEST_NAME: usize = 1024;

/// Where those who watch a tool are told of it, as a block says.
#[derive(Clone)]
pub(crate) struct Watch {
    location: LocationContext,
    /// The channel's name, with variables.
    text: Rc<str>,
}

/// The same for the tools of a location that answers.
pub(crate) struct Watched {
    location: LocationContext,
    name: ComplexValue,
}

/// `publish CHANNEL`
pub(crate) fn publish(cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    let text = one(cf)?;
    if text.is_empty() {
        return Err(Error::new("must name a channel of Nchan, such as \"calls_$mcp_tool\""));
    }
    if !cf.has_directive("nchan_publisher") {
        return Err(Error::new("needs Nchan: add \"load_module modules/ngx_nchan_module.so;\""));
    }
    ComplexValue::new(cf, &text)?;
    once(&mut conf.watch, text)
}

impl Watch {
    /// Makes the location of the channel of a block that has been read, if the block names one. `around` are those that the
    /// block stands in.
    pub(crate) fn make(cf: Conf, around: &[LocationContext], block: LocationContext) -> Result<Option<Watch>, Error> {
        let Some(text) = block.own_conf().watch.take() else { return Ok(None) };
        let location = cf.location_below(block)?;
        // What is said of Redis further out counts for the channel, too, unless the operator has said whether it does.
        for level in around.iter().chain([&block, &location]) {
            let _ = cf.apply_in(*level, &["nchan_redis_pass_inheritable", "on"]);
        }
        location.own_conf().block = Some("publish");
        for directive in
            [&["nchan_publisher", "http"][..], &["nchan_channel_id", "$mcp_channel"], &["client_max_body_size", "0"]]
        {
            cf.apply_in(location, directive)?;
        }
        Ok(Some(Watch { location, text: text.into() }))
    }

    /// Compiles the channel's name in the location that answers.
    pub(crate) fn compile(&self, cf: Conf) -> Result<Watched, Error> {
        Ok(Watched { location: self.location, name: ComplexValue::new(cf, &self.text)? })
    }
}

/// A message on its way to its channel.
struct Letter {
    location: &'static Location,
    channel: Channel,
    message: Vec<u8>,
}

/// What this worker has to tell.
#[derive(Default)]
struct Post {
    waiting: VecDeque<Letter>,
    bytes: usize,
    under_way: usize,
    /// Letters are being sent, further up in the stack.
    is_sending: bool,
}

thread_local! {
    static POST: RefCell<Post> = RefCell::default();
}

/// A call has ended: tells those who watch its tool.
pub(crate) fn tell(request: Request, location: &'static Location, record: &Record) {
    let Some(Some(watched)) = location.watched.get(record.tool) else { return };
    let name = String::from_utf8_lossy(watched.name.evaluate(request).unwrap_or_default()).into_owned();
    if name.is_empty() {
        return;
    }
    let problem = if name.len() > LONGEST_NAME || name.contains(char::is_control) {
        Some("its channel cannot have such a name")
    } else {
        let message = record.message(request.milliseconds());
        let channel = Channel { location: watched.location, name };
        let is_taken = POST.with_borrow_mut(|post| post.take(Letter { location, channel, message }));
        (!is_taken).then_some("too many others wait for Nchan to take them")
    };
    match problem {
        Some(why) => request.log().write(Level::Error, format_args!("a call was not published: {why}")),
        None => send(),
    }
}

/// Sends what may be sent.
fn send() {
    if POST.with_borrow_mut(|post| std::mem::replace(&mut post.is_sending, true)) {
        return;
    }
    while let Some(Letter { location, channel, message }) = POST.with_borrow_mut(Post::next) {
        let then = |_| {
            POST.with_borrow_mut(|post| post.under_way -= 1);
            send();
        };
        nchan::publish(location, channel, message, Box::new(then));
    }
    POST.with_borrow_mut(|post| post.is_sending = false);
}

impl Post {
    fn take(&mut self, letter: Letter) -> bool {
        let has_room = self.bytes + letter.message.len() <= MOST_WAITING;
        if has_room {
            self.bytes += letter.message.len();
            self.waiting.push_back(letter);
        }
        has_room
    }

    fn next(&mut self) -> Option<Letter> {
        let letter = if self.under_way < MOST_UNDER_WAY { self.waiting.pop_front()? } else { return None };
        self.bytes -= letter.message.len();
        self.under_way += 1;
        Some(letter)
    }
}
