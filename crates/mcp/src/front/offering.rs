//! What a server offers together with those behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use super::Learned;
use super::item::Item;
use crate::ProtocolVersion;
use crate::list::{List, Listed, Listing};
use crate::resource::UriTemplate;
use crate::server::Server;

/// A server's own tools, resources and prompts and those of the servers behind it: plain data, made anew when something else
/// was learned. The host keeps it and hands it in with each request.
#[derive(Debug)]
pub struct Offering {
    /// By upstream.
    peers: Vec<Option<Arc<Learned>>>,
    /// What is offered of them, by listing, under its name or URI.
    found: [BTreeMap<Arc<str>, Place>; Listing::ALL.len()],
    /// The same in the order in which it is listed.
    order: [Vec<Place>; Listing::ALL.len()],
    templates: Vec<(Pattern, Place)>,
    warnings: Vec<String>,
    lists: [[OnceLock<List>; ProtocolVersion::ALL.len()]; Listing::ALL.len()],
}

/// Where something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) upstream: usize,
    item: usize,
}

/// The URIs of a template.
#[derive(Debug)]
enum Pattern {
    Template(UriTemplate),
    /// It has expressions that are not known here: whatever begins as it does.
    Beginning(String),
}

impl Pattern {
    fn new(template: &str) -> Pattern {
        match UriTemplate::parse(template) {
            Ok(template) => Pattern::Template(template),
            Err(_) => Pattern::Beginning(template.split('{').next().unwrap_or_default().to_owned()),
        }
    }

    fn has(&self, uri: &str) -> bool {
        match self {
            Pattern::Template(template) => template.values(uri).is_some(),
            Pattern::Beginning(beginning) => !beginning.is_empty() && uri.starts_with(beginning.as_str()),
        }
    }
}

/// Something that a server behind this one lists.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fronted<'c> {
    listing: Listing,
    item: &'c Item,
}

impl Fronted<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.item.public
    }

    pub(crate) fn write_definition(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        self.item.write_definition(self.listing, version, out);
    }
}

impl Offering {
    /// Puts together what is offered; of several things of one name the server's own counts, then the first upstream's.
    /// `learned` is by upstream.
    pub fn new(server: &Server, learned: Vec<Option<Arc<Learned>>>) -> Offering {
        let mut offering = Offering {
            found: Default::default(),
            order: Default::default(),
            templates: Vec::new(),
            warnings: Vec::new(),
            lists: Default::default(),
            peers: learned,
        };
        for listing in Listing::ALL {
            offering.add(server, listing);
        }
        offering
    }

    fn add(&mut self, server: &Server, listing: Listing) {
        let own: BTreeSet<&str> = server.names(listing).into_iter().collect();
        for (upstream, learned) in self.peers.iter().enumerate() {
            let (Some(learned), Some(configured)) = (learned, server.upstreams().get(upstream)) else { continue };
            for (index, item) in learned.items[listing as usize].iter().enumerate() {
                let place = Place { upstream, item: index };
                let found = &mut self.found[listing as usize];
                if own.contains(&*item.public) || found.contains_key(&item.public) {
                    let (what, name, whose) = (listing.what(), &item.public, configured.name());
                    self.warnings.push(format!(
                        "{what} \"{name}\" of \"{whose}\" is left out: there is one of this name already"
                    ));
                    continue;
                }
                if listing == Listing::Templates {
                    self.templates.push((Pattern::new(&item.own), place));
                }
                found.insert(item.public.clone(), place);
                self.order[listing as usize].push(place);
            }
        }
    }

    /// Whether it would be the same if it was made of this.
    pub fn is_of(&self, learned: &[Option<Arc<Learned>>]) -> bool {
        let is_same = |one: &Option<Arc<Learned>>, other: &Option<Arc<Learned>>| match (one, other) {
            (Some(one), Some(other)) => Arc::ptr_eq(&one.link, &other.link) && one.digests() == other.digests(),
            (one, other) => one.is_none() && other.is_none(),
        };
        self.peers.len() == learned.len() && self.peers.iter().zip(learned).all(|(one, other)| is_same(one, other))
    }

    /// What was left out, for the error log.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn item(&self, listing: Listing, place: Place) -> Option<&Item> {
        self.learned(place.upstream)?.items[listing as usize].get(place.item)
    }

    pub(super) fn learned(&self, upstream: usize) -> Option<&Arc<Learned>> {
        self.peers.get(upstream)?.as_ref()
    }

    /// What is offered under a name, or a URI as it is listed.
    pub(super) fn find(&self, listing: Listing, name: &str) -> Option<(Place, &Item)> {
        let place = *self.found[listing as usize].get(name)?;
        Some((place, self.item(listing, place)?))
    }

    /// The template that a URI is one of.
    pub(super) fn find_template(&self, uri: &str) -> Option<(Place, &Item)> {
        let (_, place) = self.templates.iter().find(|(pattern, _)| pattern.has(uri))?;
        Some((*place, self.item(Listing::Templates, *place)?))
    }

    /// Which of [`Server::upstreams`] has the resource of a URI; none if this server has it itself, or nobody.
    pub fn resource_upstream(&self, server: &Server, uri: &str) -> Option<usize> {
        if server.find_resource(uri).is_some() {
            return None;
        }
        let found = self.find(Listing::Resources, uri).or_else(|| self.find_template(uri));
        found.map(|(place, _)| place.upstream)
    }

    /// The names in a list.
    pub(crate) fn names(&self, listing: Listing) -> Vec<Arc<str>> {
        self.found[listing as usize].keys().cloned().collect()
    }

    /// What servers behind this one have for a list.
    pub(crate) fn listed(&self, listing: Listing) -> impl Iterator<Item = Listed<'_>> {
        let items = self.order[listing as usize].iter().filter_map(move |place| self.item(listing, *place));
        items.map(move |item| Listed::Fronted(Fronted { listing, item }))
    }

    pub(crate) fn list(&self, server: &Server, listing: Listing, version: ProtocolVersion) -> &List {
        self.lists[listing as usize][version as usize].get_or_init(|| {
            let mut items = server.items(listing);
            items.extend(self.listed(listing));
            let learned = || self.peers.iter().flatten();
            // What is known of a server may be as old as that.
            let caches = server.upstreams().iter().map(|upstream| upstream.cache().saturating_mul(1000));
            let ttl = caches.chain(learned().filter_map(|learned| learned.ttl)).min();
            server.make_list(listing, &items, version, (ttl, learned().any(|learned| learned.is_private)))
        })
    }
}
