//! In which session a server behind this one is asked for a client.

use std::sync::Arc;

use super::link::Link;
use super::{Forward, Learned};
use crate::exchange::{Exchange, Work};
use crate::methods::Operation;

/// In which session a request goes on.
#[derive(Debug, Clone, Default)]
pub(super) enum Session {
    /// It is not said yet.
    #[default]
    Undecided,
    /// In that which everybody shares.
    Shared,
    /// In one that is the caller's own.
    Own(Arc<Link>),
    /// In none: it could not be begun, for this reason.
    Missing(String),
}

impl Exchange {
    /// One of the [servers behind](crate::Server::upstreams) that has sessions, and of which is not said yet in which one it is asked for
    /// this client; none once all is said. The host says it, before [`Exchange::start`], by [`Exchange::share_session`] or [`Exchange::set_session`].
    pub fn wants_session(&self) -> Option<usize> {
        self.forwards().find(|forward| forward.wants_session()).map(|forward| forward.upstream)
    }

    /// A server is asked in the session that everybody shares.
    pub fn share_session(&mut self, upstream: usize) {
        self.decide(upstream, &Session::Shared);
    }

    /// A server is asked in the session of a [peer of this caller's](crate::Peer::of_caller); or not at all, for this reason.
    pub fn set_session(&mut self, upstream: usize, session: Result<&Learned, String>) {
        let session = match session {
            Ok(learned) => Session::Own(Arc::clone(&learned.link)),
            Err(why) => Session::Missing(why),
        };
        self.decide(upstream, &session);
    }

    fn decide(&mut self, upstream: usize, session: &Session) {
        let decide = |operation: &mut Operation| {
            if let Operation::Forward(forward) = operation {
                if forward.upstream == upstream {
                    forward.session.clone_from(session);
                }
            }
        };
        match &mut self.work {
            Work::Single(operation) => decide(operation),
            Work::Batch(requests) => requests.iter_mut().for_each(|request| decide(&mut request.operation)),
            _ => {}
        }
    }

    fn forwards(&self) -> impl Iterator<Item = &Forward> {
        let (single, batch) = match &self.work {
            Work::Single(operation) => (Some(operation), &[][..]),
            Work::Batch(requests) => (None, requests.as_slice()),
            _ => (None, &[][..]),
        };
        let operations = single.into_iter().chain(batch.iter().map(|request| &request.operation));
        operations
            .filter_map(|operation| if let Operation::Forward(forward) = operation { Some(&**forward) } else { None })
    }
}
