//! The request of a client that goes on with a call which [is held](super::held) for it.

use std::sync::Arc;

use super::held::put;
use crate::error::Error;
use crate::exchange::{Context, Pending, Step};
use crate::facts::Facts;
use crate::http::{Evaluate, UpstreamResponse};
use crate::input::{HeldPlace, answer};
use crate::listen::{Delivery, Publication, Saying, Topic};
use crate::server::Server;
use crate::tool::Members;

/// A request whose response is what a held call says next. Dropping it abandons the exchange.
#[derive(Debug)]
pub struct Following {
    request: Box<Pending>,
    place: HeldPlace,
    /// On which the call says something, and on which it is told something.
    topics: [Topic; 2],
    /// `InputResponses`, raw.
    responses: Option<String>,
    has_begun: bool,
    /// What the client is asked next.
    asks: Vec<(u64, String)>,
    end: Option<Saying>,
}

impl Following {
    /// The request of a client that has brought this.
    pub(crate) fn new(
        context: Context,
        facts: Arc<Facts>,
        endpoint: usize,
        place: HeldPlace,
        responses: Option<String>,
    ) -> Box<Self> {
        let mut request = Pending::new(context, facts, endpoint);
        // The response is not among what the client is told meanwhile.
        request.stream.expect_messages(0);
        let topics = Topic::of_held_call(&place.call);
        Box::new(Following { request, place, topics, responses, has_begun: false, asks: Vec::new(), end: None })
    }

    /// The request, whose stream may be opened or told that it goes on.
    pub fn request(&mut self) -> &mut Pending {
        &mut self.request
    }

    /// What it hears of, from before it is asked for anything else.
    pub fn topic(&self) -> &Topic {
        &self.topics[0]
    }

    /// Whoever holds the call hears of this: if nobody does, it is held no more.
    pub fn holder(&self) -> &Topic {
        &self.topics[1]
    }

    /// What is published for the call, which is held. What it has said by then has been [taken](Following::take).
    pub fn begin(&mut self) -> Vec<Publication> {
        self.has_begun = true;
        let given = self.given();
        let publish = |(number, raw): (u64, &str)| answer(self.topics[1].clone(), &number.to_string(), "result", raw);
        given.into_iter().map(publish).collect()
    }

    /// Takes what the bus carries, or has kept, and appends what the client is to be sent at once. True once nothing more is to be waited for.
    pub fn take(&mut self, delivery: &Delivery, out: &mut Vec<u8>) -> bool {
        let Some(said) = delivery.said().filter(|_| delivery.topic() == self.topic()) else { return self.is_over() };
        let is_new = said.number > self.place.heard;
        match &said.saying {
            Saying::Tells(message) => self.request.stream.hear(message, out),
            Saying::Asks(raw) if is_new || self.is_missing(said.number) => {
                // What was kept may come twice.
                self.asks.retain(|(number, _)| *number != said.number);
                self.asks.push((said.number, raw.clone()));
            }
            end @ (Saying::Answers(_) | Saying::Fails(_)) if is_new => self.end = Some(end.clone()),
            _ => {}
        }
        self.place.heard = self.place.heard.max(said.number);
        self.is_over()
    }

    /// Whether nothing more is to be waited for.
    pub fn is_over(&self) -> bool {
        self.end.is_some() || !self.asks.is_empty() || self.lacks_answers()
    }

    /// Whether the client was asked something that it has not answered.
    fn lacks_answers(&self) -> bool {
        self.place.asked.iter().any(|number| self.is_missing(*number))
    }

    /// What is published if the client leaves.
    pub fn leave(&self) -> Publication {
        Publication::cancelled(self.topics[1].clone(), "0")
    }

    /// Ends the request. If nothing has come to an end by then, the call is not held any more.
    pub fn resume(self: Box<Self>, server: &Server, evaluate: &mut Evaluate<'_>) -> Step {
        let lacks_answers = self.lacks_answers();
        let Following { request, place, asks, end, has_begun, .. } = *self;
        match end {
            Some(Saying::Answers(response)) => {
                let response = UpstreamResponse {
                    status: 200,
                    content_type: Some(b"application/json"),
                    body: response.as_bytes(),
                    ..UpstreamResponse::default()
                };
                request.resume(server, Ok(response), evaluate)
            }
            Some(Saying::Fails(why)) => request.explain(server, Vec::new(), &why, None),
            _ if !asks.is_empty() => put(request, server, &place.call, &asks),
            _ if !has_begun => {
                let why = "\"requestState\" is of a call that is not held here any more: begin again without it";
                request.fail(Vec::new(), &Error::InvalidParams(why.into()), None)
            }
            _ if lacks_answers => {
                let why = "\"inputResponses\" lacks what was asked for";
                request.fail(Vec::new(), &Error::InvalidParams(why.into()), None)
            }
            _ => {
                let why = "the server has stopped to wait for the answer of the one behind it";
                request.explain(server, Vec::new(), why, None)
            }
        }
    }

    /// The answers to what the client was asked.
    fn given(&self) -> Vec<(u64, &str)> {
        let responses = self.responses.as_deref().and_then(|json| Members::of(json, "").ok()).unwrap_or_default();
        let asked = self.place.asked.iter();
        asked.filter_map(|number| Some((*number, responses.get(&number.to_string())?))).collect()
    }

    /// Whether the client was asked this, and has not answered.
    fn is_missing(&self, number: u64) -> bool {
        self.place.asked.contains(&number) && self.given().iter().all(|(given, _)| *given != number)
    }
}
