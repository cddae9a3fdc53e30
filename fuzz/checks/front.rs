//! A server behind the one that is played: what it answers stands in the script, and `@` in it is the id of what it was asked.

#![allow(dead_code, reason = "only `fronted` begins with one")]

use std::sync::Arc;

use mcp::http::{UpstreamFailure, UpstreamRequest};
use mcp::{Ear, News, Offering, Peer, Pending, Server, Turn};
use serde_json::Value;

use crate::host::{Answer, check_request};

/// Bytes of an answer: more than a script has.
const LIMIT: usize = 1 << 20;
/// Defects of a list that are told of, and one more for all others.
const WARNINGS: usize = 21;

pub(crate) struct Front {
    /// The second one is told the same in pieces.
    peers: [Peer; 2],
    /// What each was sent last, while they look.
    asked: Option<[UpstreamRequest; 2]>,
    pub(crate) offering: Arc<Offering>,
}

impl Front {
    pub(crate) fn new(server: &Server) -> Front {
        let peers = [Peer::new(0), Peer::new(0)];
        Front { peers, asked: None, offering: Arc::new(Offering::new(server, vec![None])) }
    }

    /// Begins a look, unless one is under way.
    pub(crate) fn look(&mut self, server: &Server) {
        if self.asked.is_none() {
            let asked = self.peers.each_mut().map(|peer| peer.begin(server, &mut credential));
            self.send(asked);
        }
    }

    /// Whether a call has to wait for a look, which begins then.
    pub(crate) fn renews(&mut self, server: &Server, pending: &Pending) -> bool {
        if !pending.is_of(&self.peers[0]) {
            return false;
        }
        if self.asked.is_none() {
            self.peers.iter_mut().for_each(Peer::forget_link);
        }
        self.look(server);
        true
    }

    /// The server has answered what it was asked, or not; for one of the two in pieces of `size` bytes. True if the look is
    /// over by that.
    pub(crate) fn answer(
        &mut self,
        server: &Server,
        answer: Result<Answer<'_>, UpstreamFailure>,
        session: Option<&[u8]>,
        size: usize,
    ) -> bool {
        let Some(asked) = self.asked.take() else { return false };
        let sizes = [usize::MAX, size];
        let turns = [0, 1].map(|which| {
            let peer = &mut self.peers[which];
            let outcome = answer.map(|Answer { head, body }| {
                peer.head(head.status, head.content_type, session, LIMIT);
                for part in addressed(body, &id(&asked[which])).chunks(sizes[which]) {
                    if peer.push(part).expect("it is not too large") {
                        break;
                    }
                }
            });
            peer.end(server, outcome)
        });
        match turns {
            [Turn::Send(one), Turn::Send(other)] => {
                self.send([one, other]);
                return false;
            }
            [Turn::Done(Ok(one)), Turn::Done(Ok(other))] => {
                assert_eq!(
                    (one.digests(), one.warnings(), one.ttl()),
                    (other.digests(), other.warnings(), other.ttl())
                );
                assert!(one.warnings().len() <= WARNINGS);
                self.offering = Arc::new(Offering::new(server, vec![Some(one)]));
            }
            [Turn::Done(Err(one)), Turn::Done(Err(other))] => assert_eq!(without_digits(&one), without_digits(&other)),
            turns => panic!("{turns:?}"),
        }
        true
    }

    fn send(&mut self, asked: [UpstreamRequest; 2]) {
        asked.iter().for_each(check_message);
        let [one, other] = asked.each_ref().map(without_id);
        assert_eq!(one, other, "in pieces something else came of it");
        self.asked = Some(asked);
    }

    /// The server says something between requests.
    pub(crate) fn tell(&mut self, server: &Server, Answer { head, body }: Answer<'_>, size: usize) {
        let Some(request) = self.peers[0].listen(server, ["a:b"].into_iter(), &mut credential) else { return };
        check_request(&request);
        let [one, other] = [body.len().max(1), size].map(|size| {
            let ear = Ear::new(head.status, head.content_type);
            ear.map(|mut ear| body.chunks(size).flat_map(|part| ear.push(part).expect("short")).collect::<Vec<_>>())
        });
        assert_eq!(one, other, "in pieces something else was heard");
        if one.is_some_and(|news| news.contains(&News::List)) {
            self.look(server);
        }
    }
}

fn credential(_: usize) -> String {
    "Bearer x".to_owned()
}

/// Sees that a message to the server is one.
pub(crate) fn check_message(request: &UpstreamRequest) {
    check_request(request);
    assert!(request.headers.iter().any(|(name, value)| name == "Authorization" && value == "Bearer x"));
    let message: Value = serde_json::from_slice(request.body.as_deref().unwrap_or_default()).expect("JSON");
    assert_eq!(message["jsonrpc"], "2.0", "{message}");
    let is_reply = message.get("result").is_some() || message.get("error").is_some();
    assert!(message["method"].is_string() != is_reply, "{message}");
}

/// The raw id of a message to the server.
pub(crate) fn id(request: &UpstreamRequest) -> String {
    let message: Value = serde_json::from_slice(request.body.as_deref().unwrap_or_default()).unwrap_or_default();
    message["id"].to_string()
}

/// A text of the script as an answer to what had this id.
pub(crate) fn addressed(text: &[u8], id: &str) -> Vec<u8> {
    text.split(|byte| *byte == b'@').collect::<Vec<_>>().join(id.as_bytes())
}

/// Ids may differ in length, and with that the place of what is wrong.
fn without_digits(error: &str) -> String {
    error.chars().filter(|c| !c.is_ascii_digit()).collect()
}

fn without_id(request: &UpstreamRequest) -> (String, Vec<(String, String)>, Value) {
    let mut message: Value = serde_json::from_slice(request.body.as_deref().unwrap_or_default()).unwrap_or_default();
    message["id"].take();
    (request.uri.clone(), request.headers.clone(), message)
}
