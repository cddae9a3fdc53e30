//! Resources of the servers behind a location that clients want to hear of.
//!
//! The first worker asks each server to tell of its own, in the session that everybody shares; what it is told goes over the bus as if a
//! backend had published it. Which resources are wanted the workers tell each other, also over the bus.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use mcp::{Learned, MAX_RESOURCES, Publication, Topic, Wanted, is_part_of};

use super::message::tell;
use super::{Front, Fronts};
use crate::conf::Location;
use crate::ngx::{self, Request};

/// What is wanted of one server.
#[derive(Default)]
pub(super) struct Wants {
    uris: RefCell<BTreeSet<String>>,
    /// How the server was spoken to when it was last asked to tell of them.
    asked: RefCell<Option<Arc<Learned>>>,
    /// It is to be asked for other ones than before, at the end of this turn.
    pub(super) has_changed: Cell<bool>,
    /// The request on which it tells of changes.
    pub(super) stream: Cell<Option<Request>>,
}

impl Wants {
    /// All of them.
    pub(super) fn uris(&self) -> Vec<String> {
        self.uris.borrow().iter().cloned().collect()
    }

    /// The wanted resource that a change of this one is a change of: itself, or one that it is a part of.
    fn of(&self, uri: &str) -> Option<String> {
        let uris = self.uris.borrow();
        let whole = || uris.iter().filter(|wanted| is_part_of(uri, wanted)).max_by_key(|wanted| wanted.len());
        uris.get(uri).or_else(whole).cloned()
    }
}

impl Fronts {
    /// Streams of this worker hear of these from now on; those that servers have are wanted.
    pub(crate) fn want(&self, location: &'static Location, topics: &[Topic]) {
        let Some(bus) = &location.bus else { return };
        let offering = self.offering();
        let wanted = topics.iter().filter_map(|topic| match topic {
            Topic::ResourceUpdated(uri) => offering.resource_upstream(&location.server, uri).map(|_| uri),
            _ => None,
        });
        wanted.for_each(|uri| bus.tell(&Publication::wanted(uri)));
    }

    /// Something else is offered than before, or something was missed: what is wanted is said anew.
    pub(crate) fn want_all(&self, location: &'static Location) {
        let Some(bus) = &location.bus else { return };
        self.want(location, &bus.topics());
        if ngx::is_first_worker() {
            bus.tell(&Publication::what_is_wanted());
        }
    }

    /// Something was said of what is wanted.
    pub(crate) fn hear(&self, location: &'static Location, wanted: Wanted<'_>) {
        match wanted {
            Wanted::All => {
                let topics = location.bus.as_ref().map(|bus| bus.topics()).unwrap_or_default();
                self.want(location, &topics);
            }
            Wanted::Resource(uri) if ngx::is_first_worker() => {
                let upstream = self.offering().resource_upstream(&location.server, uri);
                let front = upstream.and_then(|upstream| self.fronts.get(upstream));
                front.iter().for_each(|front| front.add_wanted(uri));
            }
            Wanted::Resource(_) => {}
        }
    }

    /// A server says that a resource has changed.
    pub(super) fn tell_updated(&self, location: &'static Location, upstream: usize, uri: &str) {
        let Some(bus) = &location.bus else { return };
        let wanted = self.fronts.get(upstream).and_then(|front| front.wants.of(uri));
        wanted.iter().for_each(|wanted| bus.tell(&Publication::resource_updated(wanted)));
    }
}

impl Front {
    fn add_wanted(&self, uri: &str) {
        let mut uris = self.wants.uris.borrow_mut();
        if uris.len() < MAX_RESOURCES && uris.insert(uri.to_owned()) {
            self.ask_soon();
        }
    }

    /// The server is to be asked to tell of what is wanted now.
    fn ask_soon(&self) {
        self.wants.has_changed.set(true);
        self.ground.borrow().iter().for_each(|ground| ground.ask.post());
    }

    /// What nobody hears of any more is wanted no more.
    pub(super) fn forget_unheard(&self, location: &'static Location, upstream: usize) {
        let Some(bus) = &location.bus else { return };
        let is_heard = |uri: &String| bus.listening(std::iter::once(Topic::ResourceUpdated(uri.clone()))) > 0;
        let unheard: Vec<String> = self.wants.uris().into_iter().filter(|uri| !is_heard(uri)).collect();
        for uri in &unheard {
            self.wants.uris.borrow_mut().remove(uri);
            self.subscribe(location, upstream, uri, false);
        }
        let is_asked = self.wants.asked.borrow().clone();
        let is_new = match (&is_asked, self.peer.borrow().learned()) {
            (Some(asked), Some(learned)) => !asked.has_link_of(learned),
            (asked, _) => asked.is_none(),
        };
        if !unheard.is_empty() || (is_new && !self.wants.uris.borrow().is_empty()) {
            self.ask_soon();
        }
    }

    /// Asks the server to tell of all that is wanted now.
    pub(super) fn ask(&self, location: &'static Location, upstream: usize) {
        if !self.wants.has_changed.replace(false) || !self.peer.borrow().can_subscribe() {
            return;
        }
        let learned = self.peer.borrow().learned().cloned();
        self.wants.asked.replace(learned);
        // Before anything can change of it, so that nothing is missed.
        self.listen_anew(location, upstream);
        self.wants.uris().iter().for_each(|uri| self.subscribe(location, upstream, uri, true));
    }

    /// Tells a server with sessions, for which each is a request of its own.
    fn subscribe(&self, location: &'static Location, upstream: usize, uri: &str, is_wanted: bool) {
        let mut evaluate = |index| self.value(location, upstream, index);
        let request = self.peer.borrow().subscribe(&location.server, (uri, is_wanted), &mut evaluate);
        let Some(request) = request else { return };
        tell(location, upstream, request, None, None);
    }
}
