//! What a server of the revisions with sessions asks for while a call runs.
//!
//! Its requests come on the stream of the call and want a reply in a message of its own. A client of a session is asked on
//! its own stream, and what it answers comes over the bus, as for a question of 2026-07-28. The request of a stateless client ends
//! with the question, and the call [is held](super::held). A client that cannot be asked is not asked: the server gets an error, and
//! goes on as it likes.

use super::Forward;
use super::held::can_be_put;
use super::link::{self, Outcome, Outgoing};
use crate::exchange::Pending;
use crate::http::UpstreamRequest;
use crate::input::{InputRequest, ask_id, write_request};
use crate::listen::Delivery;
use crate::server::Server;
use crate::stream::{ServerRequest, write_event};

/// Replies to a server, by the ids of its requests.
pub(crate) type Replies = Vec<(String, Outcome)>;

/// What the client was asked: the id of that, and the server's own.
pub(crate) type Asked = Vec<(String, String)>;

impl Pending {
    /// Replies to what the server has asked for, or asks the client.
    pub(crate) fn serve(&mut self, out: &mut Vec<u8>) {
        for request in self.stream.take_requests() {
            let passed = if request.method == "ping" { Ok(()) } else { self.pass_on(&request, out) };
            let Some(forward) = &mut self.forward else { continue };
            match passed {
                Ok(()) if request.method == "ping" => forward.replies.push((request.id, Ok("{}".to_owned()))),
                Ok(()) => {}
                Err(why) => forward.refuse(&request.id, &why),
            }
        }
    }

    /// Asks the client; the error says why it cannot be asked.
    fn pass_on(&mut self, request: &ServerRequest, out: &mut Vec<u8>) -> Result<(), String> {
        let asked = InputRequest::new(&request.method, request.params.as_deref())?;
        let nonce = self.can_ask(asked.needs())?;
        if self.context.version.is_stateless() {
            can_be_put(&asked)?;
            self.forward.iter_mut().for_each(|forward| forward.questions.push(request.clone()));
            return Ok(());
        }
        self.rounds += 1;
        let id = ask_id(nonce, self.rounds, 0);
        write_event(out, |out| write_request(self.context.version, &id, &asked, out));
        self.forward.iter_mut().for_each(|forward| forward.asked.push((id.clone(), request.id.clone())));
        Ok(())
    }

    /// Whether its client has yet to answer something that the server has asked for.
    pub fn is_asking(&self) -> bool {
        self.forward.as_ref().is_some_and(|forward| !forward.asked.is_empty())
    }

    /// Takes what the bus carries. True if there is something for the server by that.
    pub fn hear(&mut self, delivery: &Delivery) -> bool {
        let is_own = self.topic().as_ref() == Some(delivery.topic());
        let (Some(answered), Some(forward)) = (delivery.answered().filter(|_| is_own), &mut self.forward) else {
            return false;
        };
        let Some(place) = forward.asked.iter().position(|(id, _)| *id == answered.id) else { return false };
        let (_, theirs) = forward.asked.swap_remove(place);
        forward.replies.push((theirs, answered.outcome.clone()));
        true
    }

    /// What the host sends beside the call to a server with sessions, when nobody wants the answer any more: closing the connection cancels nothing
    /// there.
    pub fn cancellation(&self, server: &Server) -> Option<UpstreamRequest> {
        self.forward.as_ref()?.cancellation(server)
    }

    /// Messages that the host sends to the server beside the call, and whose answers say nothing.
    pub fn replies(&mut self, server: &Server) -> Vec<UpstreamRequest> {
        self.forward.as_mut().map(|forward| forward.take_replies(server)).unwrap_or_default()
    }
}

impl Forward {
    pub(super) fn cancellation(&self, server: &Server) -> Option<UpstreamRequest> {
        if self.link().version.is_stateless() {
            return None;
        }
        let outgoing = Outgoing::new(self.link(), "notifications/cancelled", self.credential.clone());
        let upstream = &server.upstreams()[self.upstream];
        Some(outgoing.write(server, upstream, |params| params.member("requestId", &self.id.to_string())))
    }

    pub(super) fn take_replies(&mut self, server: &Server) -> Vec<UpstreamRequest> {
        let replies = std::mem::take(&mut self.replies);
        let upstream = &server.upstreams()[self.upstream];
        // A server of 2026-07-28 sends no requests.
        let replies = replies.into_iter().filter(|_| !self.link().version.is_stateless());
        let reply = |(id, outcome): (String, Outcome)| {
            link::reply(upstream, self.link(), self.credential.clone(), &id, &outcome)
        };
        replies.map(reply).collect()
    }

    /// A request of the server's is not passed on.
    pub(super) fn refuse(&mut self, id: &str, why: &str) {
        self.replies.push((id.to_owned(), Err(refusal(why))));
    }
}

/// An error for a server.
fn refusal(why: &str) -> String {
    serde_json::json!({"code": -32601, "message": why}).to_string()
}
