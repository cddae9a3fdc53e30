//! GET: the stream of a session.

use super::Listener;
use super::event::last_event_id;
use super::topic::{LIST_CHANGES, Topic};
use crate::error::Error;
use crate::exchange::Work;
use crate::headers::{EVENT_STREAM, Header};
use crate::receive::Reception;

impl Reception<'_, '_> {
    /// Opens the stream of the session that the request names.
    pub(crate) fn open_stream(&mut self) -> Result<Work, Error> {
        if !self.accepts_events() {
            return Err(Error::NotAcceptable(EVENT_STREAM));
        }
        let version = self.open_session()?.version;
        let session = Topic::of_session(self.facts.session().unwrap_or_default());
        let offers = self.server.offers();
        let lists = LIST_CHANGES.into_iter().map(|change| change.topic).filter(|topic| offers.announces(topic));
        let last = Header::find(self.request.headers, "last-event-id");
        let heard = last.value.filter(|_| !last.is_ambiguous).and_then(last_event_id).unwrap_or_default();
        Ok(Work::Listen(Box::new(Listener::session(version, session, lists, (self.nonce)(), heard))))
    }
}
