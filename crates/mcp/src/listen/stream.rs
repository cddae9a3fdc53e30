//! GET: the stream of a session.

use super::Listener;
use super::event::{StreamName, last_event_id};
use super::topic::{LIST_CHANGES, Topic};
use crate::error::Error;
use crate::exchange::Work;
use crate::headers::{EVENT_STREAM, Header};
use crate::receive::Reception;
use crate::server::Server;

/// The lists whose changes a session hears of.
pub(super) fn lists(server: &Server) -> impl Iterator<Item = Topic> + use<> {
    let offers = server.offers();
    LIST_CHANGES.into_iter().map(|change| change.topic).filter(move |topic| offers.announces(topic))
}

impl Reception<'_, '_> {
    /// Opens the stream of the session that the request names.
    pub(crate) fn open_stream(&mut self) -> Result<Work, Error> {
        if !self.accept.events {
            return Err(Error::NotAcceptable(EVENT_STREAM));
        }
        let version = self.open_session()?.version;
        let session = Topic::of_session(self.facts.session().unwrap_or_default());
        let lists = lists(self.server);
        let last = Header::find(self.request.headers, "last-event-id");
        let nonce = (self.nonce)();
        let listener = match last.value.filter(|_| !last.is_ambiguous).and_then(last_event_id) {
            Some((StreamName::Call(call), heard)) => {
                let topic = Topic::of_call(self.facts.session().unwrap_or_default(), &call);
                Listener::call(version, (call, topic), nonce, heard)
            }
            last => {
                let heard = last.map(|(_, heard)| heard).unwrap_or_default();
                Listener::session(version, session, lists, nonce, heard)
            }
        };
        Ok(Work::Listen(Box::new(listener)))
    }
}
