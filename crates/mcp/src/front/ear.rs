//! What a server behind this one says between requests: that it lists something else.

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

impl Ear {
    /// The header has come; none if there is nothing to hear.
    pub fn new(status: u16, content_type: Option<&[u8]>) -> Option<Ear> {
        let format = Format::of(content_type).filter(|format| *format == Format::EventStream && status == 200);
        format.map(|format| Ear(EventReader::new(format, LARGEST)))
    }

    /// The next part of the stream. True if the server lists something else now.
    pub fn push(&mut self, bytes: &[u8]) -> Result<bool, UpstreamFailure> {
        let mut is_news = false;
        let taken = self.0.push(bytes, &mut |event| is_news |= is_change(event.data));
        taken.map(|()| is_news).map_err(|_| UpstreamFailure::TooLarge(LARGEST as u64))
    }
}

fn is_change(message: &[u8]) -> bool {
    let message = std::str::from_utf8(message).ok().and_then(|json| Members::of(json, "").ok());
    let method = message.as_ref().and_then(|message| message.get("method")).and_then(text);
    method.is_some_and(|method| {
        matches!(
            &*method,
            "notifications/tools/list_changed"
                | "notifications/resources/list_changed"
                | "notifications/prompts/list_changed"
        )
    })
}

impl Peer {
    /// The request on whose answer the server tells of changes, as long as that goes on; none if it does not tell of them.
    pub fn listen(&self, server: &Server, evaluate: &mut dyn FnMut(usize) -> String) -> Option<UpstreamRequest> {
        let upstream = &server.upstreams()[self.upstream()];
        let (link, announced) = self.announced()?;
        let credential = credential(upstream, evaluate);
        if !link.version.is_stateless() {
            let version = link.version.as_str().to_owned();
            let request = post(upstream, [Some(version), None, None, link.session.clone()], credential, Vec::new());
            return Some(UpstreamRequest { method: Some("GET"), content_type: None, body: None, ..request });
        }
        let outgoing = Outgoing {
            version: link.version,
            session: None,
            method: "subscriptions/listen",
            name: None,
            id: Some(link.next_id()),
            capabilities: "{}",
            wants_progress: false,
            log_level: None,
            trace: Vec::new(),
            credential,
        };
        Some(outgoing.write(server, upstream, |params| {
            params.key("notifications");
            let mut filter = Object::begin(params.out);
            for listing in announced {
                filter.member(filter_name(listing), "true");
            }
            filter.end();
        }))
    }
}

fn filter_name(listing: Listing) -> &'static str {
    match listing {
        Listing::Tools => "toolsListChanged",
        Listing::Resources | Listing::Templates => "resourcesListChanged",
        Listing::Prompts => "promptsListChanged",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_heard_among_other_messages() {
        assert!(
            Ear::new(405, Some(b"text/event-stream")).is_none() && Ear::new(200, Some(b"application/json")).is_none()
        );
        let mut ear = Ear::new(200, Some(b"text/event-stream")).unwrap();
        for (part, is_news) in [
            (
                ": hello\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\"}\n\n",
                false,
            ),
            ("id: 1\ndata:\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/", false),
            ("tools/list_changed\"}\n\n", true),
            ("data: {\"method\":\"notifications/resources/updated\"}\n\ndata: nonsense\n\n", false),
            ("data: {\"method\":\"notifications/prompts\\/list_changed\"}\n\n", true),
        ] {
            assert_eq!(ear.push(part.as_bytes()), Ok(is_news), "{part}");
        }
        assert_eq!(ear.push(&vec![b'x'; LARGEST + 1]), Err(UpstreamFailure::TooLarge(LARGEST as u64)));
    }
}
