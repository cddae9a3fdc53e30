//! A client's request that a server behind this one answers.

use std::sync::Arc;

use super::asked::{Asked, Replies};
use super::link::{Link, Outgoing};
use super::offering::Place;
use super::peer::{Peer, credential, is_lost};
use super::reply::is_response_to;
use super::session::Session;
use super::{Learned, Offering};
use crate::LogLevel;
use crate::error::Error;
use crate::exchange::{Context, Pending, Step};
use crate::facts::Facts;
use crate::failure::Failed;
use crate::http::{Evaluate, UpstreamRequest};
use crate::input::{Capabilities, Retry};
use crate::list::Listing;
use crate::methods::Performed;
use crate::methods::tools::mirror;
use crate::server::Server;
use crate::stream::ServerRequest;
use crate::tool::{Answer, MirroredHeader, Object, Unsent};

/// One request that goes on to a server behind this one.
#[derive(Debug, Clone)]
pub(crate) struct Forward {
    subject: Subject,
    pub(super) upstream: usize,
    learned: Arc<Learned>,
    pub(super) session: Session,
    /// The id of the last request that was made of it, and what it was sent with as `Authorization`.
    pub(super) id: u64,
    pub(super) credential: Option<String>,
    /// The server was agreed with anew because of it.
    is_second: bool,
    /// What the client wants to hear, once that is known.
    wanted: Option<Wanted>,
    /// What the client was asked for the server.
    pub(super) asked: Asked,
    /// What it is to be asked as soon as its request can end with that.
    pub(super) questions: Vec<ServerRequest>,
    /// What is to be sent to the server.
    pub(super) replies: Replies,
}

/// What a client wants to hear of its request from the server.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    progress: bool,
    log_level: Option<LogLevel>,
}

/// What it is about.
#[derive(Debug, Clone)]
enum Subject {
    /// In this list under this name; the server knows it by the other one, and of a tool wants these arguments in headers as well.
    Listed { listing: Listing, public: Arc<str>, own: String, mirrored: Arc<[MirroredHeader]> },
    /// A resource of this URI.
    Resource(String),
    /// A completion for something in a list; `params` are `argument` and `context`, raw.
    Completion { listing: Listing, public: Arc<str>, own: String, params: [Option<String>; 2] },
}

impl Forward {
    /// A call of a tool, or a prompt that is asked for; none if no server behind this one has it.
    pub(crate) fn of_name(offering: Option<&Arc<Offering>>, listing: Listing, name: &str) -> Option<Forward> {
        let offering = offering?;
        let (place, item) = offering.find(listing, name)?;
        let (public, own, mirrored) = (item.public.clone(), item.own.clone(), item.mirrored.clone());
        Forward::new(offering, place, Subject::Listed { listing, public, own, mirrored })
    }

    /// A resource that is read, and what it is listed as.
    pub(crate) fn of_uri(offering: Option<&Arc<Offering>>, uri: &str) -> Option<(Forward, Arc<str>)> {
        let offering = offering?;
        let (place, item) = offering.find(Listing::Resources, uri).or_else(|| offering.find_template(uri))?;
        Some((Forward::new(offering, place, Subject::Resource(uri.to_owned()))?, item.public.clone()))
    }

    /// A completion for a prompt of this name, or for a template as it is listed.
    pub(crate) fn of_completion(
        offering: Option<&Arc<Offering>>,
        listing: Listing,
        name: &str,
        params: [Option<&str>; 2],
    ) -> Option<Forward> {
        let offering = offering?;
        let (place, item) = offering.find(listing, name)?;
        let params = params.map(|raw| raw.map(str::to_owned));
        let (public, own) = (item.public.clone(), item.own.clone());
        Forward::new(offering, place, Subject::Completion { listing, public, own, params })
    }

    fn new(offering: &Offering, place: Place, subject: Subject) -> Option<Forward> {
        let learned = Arc::clone(offering.learned(place.upstream)?);
        let (upstream, wanted) = (place.upstream, None);
        let (asked, replies) = (Asked::new(), Replies::new());
        let session = Session::default();
        Some(Forward {
            subject,
            upstream,
            learned,
            session,
            id: 0,
            credential: None,
            is_second: false,
            wanted,
            asked,
            questions: Vec::new(),
            replies,
        })
    }

    /// What it is known as here.
    pub(crate) fn public(&self) -> Option<&Arc<str>> {
        match &self.subject {
            Subject::Listed { public, .. } | Subject::Completion { public, .. } => Some(public),
            Subject::Resource(_) => None,
        }
    }

    /// Which of [`Server::endpoint`]s it is for.
    pub(crate) fn site(&self, server: &Server) -> usize {
        server.upstreams()[self.upstream].site()
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        match &self.session {
            Session::Own(link) => link,
            _ => &self.learned.link,
        }
    }

    /// Whether it is still to be said in which session the server is asked.
    pub(super) fn wants_session(&self) -> bool {
        matches!(self.session, Session::Undecided) && self.learned.has_session()
    }

    /// The id of the upstream request, under which its answer is known.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The arguments that are repeated in headers, to this server and to the one behind.
    pub(crate) fn mirrored(&self) -> &[MirroredHeader] {
        if let Subject::Listed { mirrored, .. } = &self.subject { mirrored } else { &[] }
    }

    /// Whether the server may ask the client for input.
    pub(crate) fn may_ask(&self) -> bool {
        !matches!(self.subject, Subject::Completion { .. })
    }

    /// Whether it may ask while the call runs, and so of a client whose request has to end with that.
    pub(crate) fn may_ask_while_held(&self) -> bool {
        self.may_ask() && !self.link().version.is_stateless()
    }

    /// The same request as what is known by now has it.
    fn again(&self, offering: &Arc<Offering>) -> Option<Forward> {
        let known = Some(offering);
        let again = match &self.subject {
            Subject::Listed { listing, public, .. } => Forward::of_name(known, *listing, public),
            Subject::Resource(uri) => Forward::of_uri(known, uri).map(|(forward, _)| forward),
            Subject::Completion { listing, public, params, .. } => {
                Forward::of_completion(known, *listing, public, params.each_ref().map(Option::as_deref))
            }
        };
        again.map(|again| Forward { is_second: true, wanted: self.wanted, ..again })
    }

    /// The request to the server. `retry` is what the client answers to the server's question.
    pub(crate) fn perform<'s>(
        mut self: Box<Self>,
        server: &'s Server,
        context: &Context,
        facts: &Facts,
        retry: Retry,
        evaluate: &mut Evaluate<'_>,
    ) -> Performed<'s> {
        if let Session::Missing(why) = &self.session {
            let text = format!("\"{}\": {why}", server.upstreams()[self.upstream].name());
            return match facts.tool() {
                Some(_) => Performed::ToolError(Unsent { note: Some(text.clone()), text }),
                None => Performed::Error(Failed::noted(text)),
            };
        }
        self.id = self.link().next_id();
        let hearing = &context.hearing;
        self.wanted.get_or_insert(Wanted { progress: hearing.wants_progress(), log_level: hearing.log_level });
        let site = self.site(server);
        self.credential = credential(&server.upstreams()[self.upstream], &mut |index| evaluate(site, index));
        let request = self.request(server, facts, &retry);
        Performed::Forward { endpoint: site, request, forward: self }
    }

    fn request(&self, server: &Server, facts: &Facts, retry: &Retry) -> UpstreamRequest {
        let upstream = &server.upstreams()[self.upstream];
        let link = self.link();
        let (method, name) = match &self.subject {
            Subject::Listed { listing: Listing::Prompts, own, .. } => ("prompts/get", Some(own)),
            Subject::Listed { own, .. } => ("tools/call", Some(own)),
            Subject::Resource(uri) => ("resources/read", Some(uri)),
            Subject::Completion { .. } => ("completion/complete", None),
        };
        // A task is this server's affair.
        let capabilities = match self.may_ask() {
            true => facts.capabilities.missing_in(Capabilities::TASKS),
            false => Capabilities::NONE,
        };
        let outgoing = Outgoing {
            version: link.version,
            session: link.session.as_deref(),
            method,
            name: name.map(String::as_str),
            id: Some(self.id),
            capabilities: &capabilities.to_json().to_string(),
            wants_progress: self.wanted.is_some_and(|wanted| wanted.progress),
            log_level: self.wanted.and_then(|wanted| wanted.log_level).map(LogLevel::as_str),
            trace: facts.trace().collect(),
            credential: self.credential.clone(),
        };
        let mut request = outgoing.write(server, upstream, |params| {
            self.write_params(facts, params);
            if let Some(responses) = &retry.responses {
                params.member("inputResponses", responses);
            }
            if let Some(state) = &retry.state {
                params.text("requestState", state);
            }
        });
        if link.version.is_stateless() {
            request.headers.extend(mirror(self.mirrored(), facts.arguments()));
        }
        request
    }

    fn write_params(&self, facts: &Facts, params: &mut Object<'_>) {
        match &self.subject {
            Subject::Listed { own, .. } => {
                params.text("name", own);
                if let Some(arguments) = facts.arguments() {
                    params.member("arguments", arguments);
                }
            }
            Subject::Resource(uri) => params.text("uri", uri),
            Subject::Completion { listing, own, params: raw, .. } => {
                let (kind, key) = match listing {
                    Listing::Prompts => ("ref/prompt", "name"),
                    _ => ("ref/resource", "uri"),
                };
                params.key("ref");
                let mut reference = Object::begin(params.out);
                reference.text("type", kind);
                reference.text(key, own);
                reference.end();
                for (name, raw) in ["argument", "context"].into_iter().zip(raw) {
                    raw.iter().for_each(|raw| params.member(name, raw));
                }
            }
        }
    }
}

impl Pending {
    /// Whether the server behind must be agreed with anew before the call can be answered: its session is over.
    pub(crate) fn has_lost_session(&self, answer: &Answer<'_>) -> bool {
        let Answer::Response(response) = answer else { return false };
        let Some(forward) = self.forward.as_ref().filter(|forward| !forward.is_second) else { return false };
        // A response to this very request is an answer, whatever its status.
        self.batch.is_none() && is_lost(response.status) && !is_response_to(forward.id, response.body)
    }

    /// Which of [`Server::upstreams`] the call is for.
    pub fn upstream(&self) -> Option<usize> {
        self.forward.as_ref().map(|forward| forward.upstream)
    }

    /// Whether the call was made as the server is spoken to now, so that it is to be agreed with anew.
    pub fn is_of(&self, peer: &Peer) -> bool {
        self.forward.as_ref().is_some_and(|forward| peer.has_link_of(forward))
    }

    /// Goes on with a call whose server was looked at ([`Step::Renew`]); `offering` has what was learned by that, `own` what was by
    /// the [peer of its caller](Peer::of_caller), if it has one.
    pub fn renewed(
        mut self: Box<Self>,
        server: &Server,
        offering: &Arc<Offering>,
        own: Option<&Learned>,
        evaluate: &mut Evaluate<'_>,
    ) -> Step {
        let again = self.forward.take().and_then(|forward| forward.again(offering));
        let session = own.map_or(Session::Shared, |own| Session::Own(Arc::clone(&own.link)));
        let Some(again) = again.map(|again| Forward { session, ..again }) else {
            let text = "the server behind this one has been started anew, and does not offer this any more".to_owned();
            return self.explain(server, Vec::new(), &text, None);
        };
        self.context.offering = Some(Arc::clone(offering));
        // It was right before.
        let retry = Retry::of(server, &self.context, &self.facts).unwrap_or_default();
        match Box::new(again).perform(server, &self.context, &self.facts, retry, evaluate) {
            Performed::Forward { endpoint, request, forward } => self.forward(endpoint, request, forward),
            _ => self.fail(Vec::new(), &Error::Refused(500), None),
        }
    }

    /// Makes a request of a server behind this one.
    pub(crate) fn forward(
        mut self: Box<Self>,
        endpoint: usize,
        request: UpstreamRequest,
        forward: Box<Forward>,
    ) -> Step {
        self.stream.expect_messages(forward.id());
        self.endpoint = endpoint;
        self.forward = Some(forward);
        Step::call(endpoint, request, self)
    }
}
