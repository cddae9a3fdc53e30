//! What a server behind this one says between requests: that it lists something else, or that a resource has changed.

use super::link::{Outgoing, post};
use super::peer::{Peer, credential};
use crate::events::{EventReader, Format};
use crate::http::{UpstreamFailure, UpstreamRequest};
use crate::jsonrpc::text;
use crate::list::Listing;
use crate::server::Server;
use crate::tool::{Members, Object};

/// Bytes of one message.
const LARGEST: usize = 256 << 10;

/// Hears the stream that answers [`Peer::listen`].
#[derive(Debug)]
pub struct Ear(EventReader);

/// What a server says between requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It lists something else.
    List,
    /// The resource of this URI has changed.
    Resource(String),
}

impl Ear {
    /// The header has come; none if there is nothing to hear.
    pub fn new(status: u16, content_type: Option<&[u8]>) -> Option<Ear> {
        let format = Format::of(content_type).filter(|format| *format == Format::EventStream && status == 200);
        format.map(|format| Ear(EventReader::new(format, LARGEST)))
    }

    /// The next part of the stream, and what is new by that.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<News>, UpstreamFailure> {
        let mut news = Vec::new();
        let taken = self.0.push(bytes, &mut |event| news.extend(News::read(event.data)));
        taken.map(|()| news).map_err(|_| UpstreamFailure::TooLarge(LARGEST as u64))
    }
}

impl News {
    fn read(message: &[u8]) -> Option<News> {
        let message = Members::of(std::str::from_utf8(message).ok()?, "").ok()?;
        match &*message.get("method").and_then(text)? {
            "notifications/tools/list_changed"
            | "notifications/resources/list_changed"
            | "notifications/prompts/list_changed" => Some(News::List),
            "notifications/resources/updated" => {
                let params = Members::of(message.get("params")?, "").ok()?;
                params.get("uri").and_then(text).map(|uri| News::Resource(uri.into_owned()))
            }
            _ => None,
        }
    }
}

impl Peer {
    /// The request on whose answer the server tells of changes, also of these resources, as long as that goes on; none if it does not tell of
    /// them.
    pub fn listen<'u>(
        &self,
        server: &Server,
        resources: impl Iterator<Item = &'u str>,
        evaluate: &mut dyn FnMut(usize) -> String,
    ) -> Option<UpstreamRequest> {
        let upstream = &server.upstreams()[self.upstream()];
        let link = self.link()?;
        let resources: Vec<&str> = resources.filter(|_| self.can_subscribe()).collect();
        if resources.is_empty() && self.announced().next().is_none() {
            return None;
        }
        let credential = credential(upstream, evaluate);
        if !link.version.is_stateless() {
            let version = link.version.as_str().to_owned();
            let request = post(upstream, [Some(version), None, None, link.session.clone()], credential, Vec::new());
            return Some(UpstreamRequest { method: Some("GET"), content_type: None, body: None, ..request });
        }
        let id = Some(link.next_id());
        let outgoing = Outgoing { id, ..Outgoing::new(link, "subscriptions/listen", credential) };
        Some(outgoing.write(server, upstream, |params| {
            params.key("notifications");
            let mut filter = Object::begin(params.out);
            for listing in self.announced() {
                filter.member(filter_name(listing), "true");
            }
            if !resources.is_empty() {
                filter.member("resourceSubscriptions", &serde_json::json!(resources).to_string());
            }
            filter.end();
        }))
    }

    /// The request by which a server with sessions is asked to tell of changes of a resource, or not to any more; none for one without,
    /// which is asked by [`Peer::listen`].
    pub fn subscribe(
        &self,
        server: &Server,
        (uri, is_wanted): (&str, bool),
        evaluate: &mut dyn FnMut(usize) -> String,
    ) -> Option<UpstreamRequest> {
        let link = self.link().filter(|link| !link.version.is_stateless() && self.can_subscribe())?;
        let upstream = &server.upstreams()[self.upstream()];
        let method = if is_wanted { "resources/subscribe" } else { "resources/unsubscribe" };
        let id = Some(link.next_id());
        let outgoing = Outgoing { id, ..Outgoing::new(link, method, credential(upstream, evaluate)) };
        Some(outgoing.write(server, upstream, |params| params.text("uri", uri)))
    }
}

fn filter_name(listing: Listing) -> &'static str {
    match listing {
        Listing::Tools => "toolsListChanged",
        Listing::Resources | Listing::Templates => "resourcesListChanged",
        Listing::Prompts => "promptsListChanged",
    }
}

/// Whether a resource is a part of another one: its URI goes on where a segment of that one's ends.
pub fn is_part_of(uri: &str, whole: &str) -> bool {
    let rest = uri.strip_prefix(whole).filter(|rest| !rest.is_empty());
    rest.is_some_and(|rest| whole.ends_with(['/', ':']) || rest.starts_with(['/', '?', '#']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_begins_where_a_segment_ends() {
        for (uri, whole, expected) in [
            ("note:1/a", "note:1", true),
            ("note:1#a", "note:1", true),
            ("http://a/b/c?d", "http://a/b/", true),
            ("note:10", "note:1", false),
            ("note:1", "note:1", false),
            ("note:1", "note:2", false),
        ] {
            assert_eq!(is_part_of(uri, whole), expected, "{uri} {whole}");
        }
    }

    #[test]
    fn a_change_is_heard_among_other_messages() {
        assert!(
            Ear::new(405, Some(b"text/event-stream")).is_none() && Ear::new(200, Some(b"application/json")).is_none()
        );
        let mut ear = Ear::new(200, Some(b"text/event-stream")).unwrap();
        let updated = |uri: &str| News::Resource(uri.to_owned());
        for (part, news) in [
            (
                ": hello\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\"}\n\n",
                vec![],
            ),
            ("id: 1\ndata:\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/", vec![]),
            ("tools/list_changed\"}\n\n", vec![News::List]),
            ("data: {\"method\":\"notifications/resources/updated\"}\n\ndata: nonsense\n\n", vec![]),
            (
                "data: {\"method\":\"notifications/resources/updated\",\"params\":{\"uri\":\"a:\\n\"}}\n\n\
                 data: {\"method\":\"notifications/prompts\\/list_changed\"}\n\n",
                vec![updated("a:\n"), News::List],
            ),
        ] {
            assert_eq!(ear.push(part.as_bytes()), Ok(news), "{part}");
        }
        assert_eq!(ear.push(&vec![b'x'; LARGEST + 1]), Err(UpstreamFailure::TooLarge(LARGEST as u64)));
    }
}
