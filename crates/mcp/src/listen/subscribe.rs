//! `resources/subscribe` and `resources/unsubscribe` of the revisions with sessions.

use super::{Publication, Topic};
use crate::error::Error;
use crate::exchange::Work;
use crate::front::Forward;
use crate::jsonrpc::Params;
use crate::methods::resources::read_uri;
use crate::receive::Reception;
use crate::session::Session;

/// What the client of a session wants to hear of.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// The session's name.
    pub(crate) session: String,
    pub(crate) uri: String,
    /// False: no more.
    pub(crate) wanted: bool,
    /// Seconds since the epoch.
    pub(crate) until: u64,
    /// For the session's stream, wherever it is open.
    pub(crate) publication: Publication,
}

impl Reception<'_, '_> {
    /// Whether a method is one of them, and this server has it.
    pub(crate) fn is_subscription(&self, method: &str) -> bool {
        let offers = self.server.offers();
        matches!(method, "resources/subscribe" | "resources/unsubscribe") && offers.resources && offers.channels
    }

    /// Reads such a request.
    pub(crate) fn subscribe_session(
        &mut self,
        session: Session,
        method: &str,
        params: &Params<'_>,
    ) -> Result<Work, Error> {
        let uri = read_uri(params)?;
        let wanted = method == "resources/subscribe";
        if let Some((resource, _)) = self.server.find_resource(&uri) {
            self.facts.resource = Some(self.server.resources()[resource].shared_uri());
        } else if let Some((_, listed)) = Forward::of_uri(self.request.offering, &uri) {
            self.facts.resource = Some(listed);
        } else if wanted {
            return Err(Error::UnknownResource { uri, why: None });
        }
        let until = self.server.sessions().until(session);
        let topic = Topic::of_session(self.facts.session().unwrap_or_default());
        let session = topic.session().unwrap_or_default().to_owned();
        let publication = Publication::subscription(topic, &uri, wanted, until);
        Ok(Work::Subscribe(Box::new(Subscription { session, uri, wanted, until, publication })))
    }
}
