//! What is known of a server behind this one, and how it is learned.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::item::Item;
use super::link::{Link, Outgoing};
use super::reply::{Inbox, Reply, is_response_to};
use super::{Forward, McpUpstream};
use crate::ProtocolVersion;
use crate::http::{UpstreamFailure, UpstreamRequest};
use crate::input::Capabilities;
use crate::jsonrpc::text;
use crate::list::Listing;
use crate::listen::Topic;
use crate::server::Server;
use crate::session::cut;
use crate::tool::{Members, status_line};

/// Things in one list.
const MOST_ITEMS: usize = 10_000;
/// Pages of one list.
const MOST_PAGES: usize = 1_000;
/// Bytes of all definitions of a server.
const MOST_BYTES: usize = 64 << 20;
/// Bytes of a cursor.
const LONGEST_CURSOR: usize = 8 << 10;
/// Defects that are told of one look at a server.
const MOST_WARNINGS: usize = 20;
/// The credential's number among the operator's texts of an upstream's endpoint.
const CREDENTIAL: usize = 0;

/// What a server has said of itself: plain data, which never changes. The next look makes another one.
#[derive(Debug)]
pub struct Learned {
    pub(super) link: Arc<Link>,
    /// By listing.
    pub(super) items: [Vec<Item>; Listing::ALL.len()],
    /// Milliseconds for which the server's lists may be kept, if it says so.
    pub(super) ttl: Option<u64>,
    /// They are not for everybody.
    pub(super) is_private: bool,
    warnings: Vec<String>,
    digests: [(Topic, u64); 3],
}

impl Learned {
    /// What is wrong with what the server lists, for the error log.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Numbers for what is offered of the server, by the topic that changes are heard on.
    pub fn digests(&self) -> &[(Topic, u64); 3] {
        &self.digests
    }

    /// Whether the server is spoken to as it was then.
    pub fn has_link_of(&self, other: &Learned) -> bool {
        Arc::ptr_eq(&self.link, &other.link)
    }

    /// Whether the server has given a session.
    pub fn has_session(&self) -> bool {
        self.link.session.is_some()
    }

    /// Milliseconds for which its lists may be kept, if it says so.
    pub fn ttl(&self) -> Option<u64> {
        self.ttl
    }

    /// The same for a server of which nothing is offered.
    pub fn no_digests() -> [(Topic, u64); 3] {
        digests(&Default::default())
    }
}

fn digests(items: &[Vec<Item>; Listing::ALL.len()]) -> [(Topic, u64); 3] {
    // Servers may list the same in another order every time.
    let digest = |listing: Listing| items[listing as usize].iter().map(Item::digest).fold(0, u64::wrapping_add);
    let resources = digest(Listing::Resources).rotate_left(1) ^ digest(Listing::Templates);
    [
        (Topic::ToolsListChanged, digest(Listing::Tools)),
        (Topic::PromptsListChanged, digest(Listing::Prompts)),
        (Topic::ResourcesListChanged, resources),
    ]
}

/// A server behind this one, as one worker knows it.
#[derive(Debug)]
pub struct Peer {
    upstream: usize,
    /// For one caller a session is begun, and nothing else asked for.
    is_of_caller: bool,
    link: Option<Arc<Link>>,
    capabilities: Offered,
    learned: Option<Arc<Learned>>,
    look: Option<Look>,
    inbox: Inbox,
}

/// A look at a server that is under way.
#[derive(Debug)]
struct Look {
    at: At,
    /// The session was lost already.
    is_second: bool,
    credential: Option<String>,
    items: [Vec<Item>; Listing::ALL.len()],
    bytes: usize,
    ttl: Option<u64>,
    is_private: bool,
    warnings: Vec<String>,
}

/// What it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Discovery,
    Initialization,
    Confirmation,
    Page { listing: Listing, number: usize },
}

/// Capabilities of a server.
#[derive(Debug, Clone, Copy, Default)]
struct Offered {
    tools: bool,
    resources: bool,
    prompts: bool,
    /// By listing: whether it is told when that changes.
    announced: [bool; Listing::ALL.len()],
    /// Changes of a resource can be asked for.
    subscribe: bool,
}

impl Offered {
    fn read(capabilities: Option<&str>) -> Result<Offered, String> {
        let capabilities = Members::of(capabilities.unwrap_or("{}"), "\"capabilities\"")?;
        let has = |name: &str| capabilities.get(name).is_some();
        let says = |name: &str, member: &str| {
            let capability = capabilities.get(name).and_then(|json| Members::of(json, "").ok());
            capability.is_some_and(|members| members.get(member) == Some("true"))
        };
        let announced = Listing::ALL.map(|listing| {
            let capability = listing.method().split('/').next().unwrap_or_default();
            listing != Listing::Templates && says(capability, "listChanged")
        });
        let subscribe = says("resources", "subscribe");
        Ok(Offered { tools: has("tools"), resources: has("resources"), prompts: has("prompts"), announced, subscribe })
    }

    fn list(self, listing: Listing) -> bool {
        match listing {
            Listing::Tools => self.tools,
            Listing::Resources | Listing::Templates => self.resources,
            Listing::Prompts => self.prompts,
        }
    }
}

/// What the host does next.
#[derive(Debug)]
pub enum Turn {
    /// Make this request, and hand its answer to [`Peer::head`], [`Peer::push`] and [`Peer::end`].
    Send(UpstreamRequest),
    /// The look is over. The error is for the log.
    Done(Result<Arc<Learned>, String>),
}

impl Peer {
    /// One of [`Server::upstreams`](crate::Server::upstreams) that nothing is known of.
    pub fn new(upstream: usize) -> Peer {
        Peer {
            upstream,
            is_of_caller: false,
            link: None,
            capabilities: Offered::default(),
            learned: None,
            look: None,
            inbox: Inbox::default(),
        }
    }

    /// The same for what one caller alone asks of a server with sessions: all that is learned is the session.
    pub fn of_caller(upstream: usize) -> Peer {
        Peer { is_of_caller: true, ..Peer::new(upstream) }
    }

    /// Begins to look at what the server lists; `evaluate` gives an operator's text of its endpoint.
    pub fn begin(&mut self, server: &Server, evaluate: &mut dyn FnMut(usize) -> String) -> UpstreamRequest {
        let upstream = &server.upstreams()[self.upstream];
        let credential = credential(upstream, evaluate);
        let mut look = Look {
            at: At::Discovery,
            is_second: false,
            credential,
            items: Default::default(),
            bytes: 0,
            ttl: None,
            is_private: false,
            warnings: Vec::new(),
        };
        // A session goes on; who has none can be asked again what it is.
        let has_session = !self.is_of_caller && self.link.as_ref().is_some_and(|link| !link.version.is_stateless());
        let list = if has_session { self.next_list(server, &mut look, None) } else { None };
        let first = if self.is_of_caller { At::Initialization } else { At::Discovery };
        let request = list.unwrap_or_else(|| self.ask(server, &mut look, first, None));
        self.look = Some(look);
        request
    }

    /// Whether a look is under way.
    pub fn is_looking(&self) -> bool {
        self.look.is_some()
    }

    pub(super) fn upstream(&self) -> usize {
        self.upstream
    }

    /// How the server is spoken to.
    pub(super) fn link(&self) -> Option<&Link> {
        self.link.as_deref()
    }

    /// The lists whose changes it tells of.
    pub(super) fn announced(&self) -> impl Iterator<Item = Listing> + use<> {
        let announced = self.capabilities.announced;
        Listing::ALL.into_iter().filter(move |listing| announced[*listing as usize])
    }

    /// Whether it can be asked to tell of changes of a resource.
    pub fn can_subscribe(&self) -> bool {
        self.capabilities.subscribe
    }

    /// What was learned last.
    pub fn learned(&self) -> Option<&Arc<Learned>> {
        self.learned.as_ref()
    }

    /// Whether a call was made as the server is spoken to now.
    pub(super) fn has_link_of(&self, forward: &Forward) -> bool {
        self.learned.as_ref().is_some_and(|learned| Arc::ptr_eq(&learned.link, forward.link()))
    }

    /// Forgets how the server is spoken to: the next look begins anew.
    pub fn forget_link(&mut self) {
        self.link = None;
    }

    /// Forgets what the server lists.
    pub fn forget(&mut self) {
        self.learned = None;
    }

    /// The header of an answer has come; `limit` is for its bytes.
    pub fn head(&mut self, status: u16, content_type: Option<&[u8]>, session: Option<&[u8]>, limit: usize) {
        self.inbox.head(status, content_type, session, limit);
    }

    /// The next part of its body. True once nothing more is to be waited for.
    pub fn push(&mut self, bytes: &[u8]) -> Result<bool, UpstreamFailure> {
        self.inbox.push(bytes)
    }

    /// The answer is there, or is known not to come.
    pub fn end(&mut self, server: &Server, outcome: Result<(), UpstreamFailure>) -> Turn {
        let Some(mut look) = self.look.take() else { return Turn::Done(Err("nothing was asked".into())) };
        let mut inbox = std::mem::take(&mut self.inbox);
        inbox.finish();
        let next = match outcome {
            Ok(()) => self.proceed(server, &mut look, &inbox),
            Err(failure) => Err(format!("{}: {}", look.at.method(), explain(failure))),
        };
        match next {
            Ok(Some(request)) => {
                self.look = Some(look);
                Turn::Send(request)
            }
            Ok(None) => match self.link.clone() {
                Some(link) => {
                    let learned = Arc::new(look.finish(link));
                    self.learned = Some(Arc::clone(&learned));
                    Turn::Done(Ok(learned))
                }
                None => Turn::Done(Err("nothing was agreed on".into())),
            },
            Err(why) => Turn::Done(Err(why)),
        }
    }

    /// Takes an answer; gives the next request, none at the end.
    fn proceed(&mut self, server: &Server, look: &mut Look, inbox: &Inbox) -> Result<Option<UpstreamRequest>, String> {
        let method = look.at.method();
        let status = inbox.status;
        let is_good = (200..300).contains(&status);
        let failed = |why: &str| format!("{method}: {why}");
        if look.at == At::Confirmation {
            return match is_good {
                true => Ok(self.next_list(server, look, None)),
                false => Err(failed(&format!("the server answers {}", status_line(status)))),
            };
        }
        let reply = Reply::read(&inbox.body, inbox.id);
        let is_answered = inbox.id.is_some_and(|id| is_response_to(id, &inbox.body));
        let refused = |reply: Result<Reply<'_>, String>| match reply {
            Ok(Reply::Error(error)) => failed(&format!("the server says \"{}\" ({})", error.message, error.code)),
            _ if !is_good => failed(&format!("the server answers {}", status_line(status))),
            Err(why) => failed(&format!("the server's answer is invalid: {why}")),
            Ok(Reply::Result(_)) => failed("the server's answer is invalid"),
        };
        match (look.at, reply) {
            (At::Discovery, Ok(Reply::Result(result))) if is_good => {
                if let Some(capabilities) = discovered(result).map_err(|why| failed(&why))? {
                    self.capabilities = capabilities;
                    let is_known = self.link.as_ref().is_some_and(|link| link.version.is_stateless());
                    if !is_known {
                        self.link = Some(Arc::new(Link::new(ProtocolVersion::V2026_07_28, None)));
                    }
                    return Ok(self.next_list(server, look, None));
                }
                Ok(Some(self.ask(server, look, At::Initialization, None)))
            }
            // A server that knows the newest revision has an error of its own for what is wrong with the request.
            (At::Discovery, reply) => match (&reply, status) {
                (Ok(Reply::Error(error)), _) if matches!(error.code, -32021 | -32020) => Err(refused(reply)),
                (_, 401 | 403 | 407 | 408 | 429 | 500..) => Err(refused(reply)),
                _ => Ok(Some(self.ask(server, look, At::Initialization, None))),
            },
            (At::Initialization, Ok(Reply::Result(result))) if is_good => {
                let (version, capabilities) = initialized(result).map_err(|why| failed(&why))?;
                self.capabilities = capabilities;
                self.link = Some(Arc::new(Link::new(version, inbox.session.clone())));
                Ok(Some(self.ask(server, look, At::Confirmation, None)))
            }
            (At::Page { listing, number }, Ok(Reply::Result(result))) if is_good => {
                let upstream = &server.upstreams()[self.upstream];
                let cursor = look.take_page(upstream, listing, number, result).map_err(|why| failed(&why))?;
                Ok(self.next_list(server, look, cursor.map(|cursor| (listing, number + 1, cursor))))
            }
            // The session is over, or the server is another one than before.
            (At::Page { .. }, _) if is_lost(status) && !is_answered && !look.is_second => {
                look.start_over();
                self.link = None;
                Ok(Some(self.ask(server, look, At::Discovery, None)))
            }
            (At::Page { listing, .. }, Ok(Reply::Error(error))) if error.code == -32601 => {
                look.warn(format!("{method} is not there, although the server says so"));
                Ok(self.next_list(server, look, Some((listing, MOST_PAGES, String::new()))))
            }
            (_, reply) => Err(refused(reply)),
        }
    }

    /// The request for the next page, or for the first one of the next list that there is.
    fn next_list(
        &mut self,
        server: &Server,
        look: &mut Look,
        next: Option<(Listing, usize, String)>,
    ) -> Option<UpstreamRequest> {
        if self.is_of_caller {
            return None;
        }
        let last = match (look.at, next) {
            (_, Some((listing, number, cursor))) if number < MOST_PAGES => {
                return Some(self.ask(server, look, At::Page { listing, number }, Some(&cursor)));
            }
            (At::Page { listing, .. }, _) => Some(listing as usize),
            _ => None,
        };
        let rest = Listing::ALL.into_iter().skip(last.map_or(0, |last| last + 1));
        let listing = rest.into_iter().find(|listing| self.capabilities.list(*listing))?;
        Some(self.ask(server, look, At::Page { listing, number: 0 }, None))
    }

    /// The request for something.
    fn ask(&mut self, server: &Server, look: &mut Look, at: At, cursor: Option<&str>) -> UpstreamRequest {
        let upstream = &server.upstreams()[self.upstream];
        look.at = at;
        if at == At::Initialization {
            self.link = None;
        }
        let link = self.link.as_deref();
        let version = match at {
            At::Discovery => ProtocolVersion::V2026_07_28,
            _ => link.map_or(ProtocolVersion::LATEST_LEGACY, |link| link.version),
        };
        let id = (at != At::Confirmation).then(|| link.map_or(0, Link::next_id));
        self.inbox = Inbox::new(id);
        let outgoing = Outgoing {
            version,
            session: link.and_then(|link| link.session.as_deref()),
            method: at.method(),
            name: None,
            id,
            capabilities: "{}",
            wants_progress: false,
            log_level: None,
            trace: Vec::new(),
            credential: look.credential.clone(),
        };
        outgoing.write(server, upstream, |params| {
            if let Some(cursor) = cursor {
                params.text("cursor", cursor);
            }
            if at == At::Initialization {
                params.text("protocolVersion", version.as_str());
                // One session is for many clients, of which each can do something else: those that cannot be asked refuse.
                let capabilities = if server.offers().channels { Capabilities::ASKED } else { Capabilities::NONE };
                params.member("capabilities", &capabilities.to_json().to_string());
                params.member("clientInfo", server.info());
            }
        })
    }
}

impl At {
    fn method(self) -> &'static str {
        match self {
            At::Discovery => "server/discover",
            At::Initialization => "initialize",
            At::Confirmation => "notifications/initialized",
            At::Page { listing, .. } => listing.method(),
        }
    }
}

impl Look {
    fn start_over(&mut self) {
        self.is_second = true;
        self.items = Default::default();
        (self.bytes, self.ttl, self.is_private) = (0, None, false);
        self.warnings.clear();
    }

    fn warn(&mut self, why: String) {
        match self.warnings.len() {
            0..MOST_WARNINGS => self.warnings.push(why),
            MOST_WARNINGS => self.warnings.push("there are more defects".into()),
            _ => {}
        }
    }

    /// Takes one page of a list; gives the cursor of the next one.
    fn take_page(
        &mut self,
        upstream: &McpUpstream,
        listing: Listing,
        number: usize,
        result: &str,
    ) -> Result<Option<String>, String> {
        let result = Members::of(result, "its result")?;
        let listed = result.get(listing.member()).ok_or_else(|| format!("it has no \"{}\"", listing.member()))?;
        let listed: Vec<&RawValue> =
            serde_json::from_str(listed).map_err(|_| format!("its \"{}\" is not a list", listing.member()))?;
        self.keep_caching(&result);
        let mut names: HashSet<Arc<str>> =
            self.items[listing as usize].iter().map(|item| item.public.clone()).collect();
        for (index, json) in listed.into_iter().enumerate() {
            let item = match Item::read(upstream, listing, json.get()) {
                Ok(Some(item)) => item,
                Ok(None) => continue,
                Err(why) => {
                    let at = format!("{}[{index}] of page {}", listing.member(), number + 1);
                    self.warn(format!("{at} is left out: {why}"));
                    continue;
                }
            };
            if !names.insert(item.public.clone()) {
                self.warn(format!("there are several {} \"{}\"", listing.member(), item.own));
                continue;
            }
            self.bytes += json.get().len();
            if self.items[listing as usize].len() >= MOST_ITEMS || self.bytes > MOST_BYTES {
                self.warn(format!("{} has more than {MOST_ITEMS} entries or {MOST_BYTES} bytes", listing.method()));
                return Ok(None);
            }
            self.items[listing as usize].push(item);
        }
        let cursor = result.text("nextCursor")?;
        if cursor.as_ref().is_some_and(|cursor| cursor.len() > LONGEST_CURSOR) {
            return Err(format!("its \"nextCursor\" is longer than {LONGEST_CURSOR} bytes"));
        }
        if cursor.is_some() && number + 1 >= MOST_PAGES {
            self.warn(format!("{} has more than {MOST_PAGES} pages", listing.method()));
        }
        Ok(cursor)
    }

    fn keep_caching(&mut self, result: &Members<'_>) {
        let ttl: Option<u64> = result.get("ttlMs").and_then(|json| json.parse().ok());
        self.ttl = match (self.ttl, ttl) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.is_private |= result.get("cacheScope").and_then(text).as_deref() == Some("private");
    }

    fn finish(self, link: Arc<Link>) -> Learned {
        Learned {
            digests: digests(&self.items),
            link,
            items: self.items,
            ttl: self.ttl,
            is_private: self.is_private,
            warnings: self.warnings,
        }
    }
}

/// What the credential of an upstream comes to; nothing is sent for an empty one.
pub(super) fn credential(upstream: &McpUpstream, evaluate: &mut dyn FnMut(usize) -> String) -> Option<String> {
    if upstream.endpoint().operator_values().is_empty() {
        return None;
    }
    let value = evaluate(CREDENTIAL);
    let fits = !value.is_empty() && value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    fits.then_some(value)
}

/// Whether a status can mean that a session is over: 404 does, and servers are seen that say 400.
pub(super) fn is_lost(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 410)
}

/// Capabilities of a server that speaks 2026-07-28; none if it does not.
fn discovered(result: &str) -> Result<Option<Offered>, String> {
    let result = Members::of(result, "its result")?;
    let versions = result.get("supportedVersions").unwrap_or("[]");
    let versions: Vec<String> =
        serde_json::from_str(versions).map_err(|_| "its \"supportedVersions\" is not a list")?;
    let newest = ProtocolVersion::V2026_07_28.as_str();
    match versions.iter().any(|version| version == newest) {
        true => Offered::read(result.get("capabilities")).map(Some),
        false => Ok(None),
    }
}

/// The revision of a session, and the server's capabilities.
fn initialized(result: &str) -> Result<(ProtocolVersion, Offered), String> {
    let result = Members::of(result, "its result")?;
    let version = result.text("protocolVersion")?.unwrap_or_default();
    let known = ProtocolVersion::parse(version.as_bytes()).filter(|version| !version.is_stateless());
    let known = known.ok_or_else(|| format!("it wants to speak \"{}\", which is not known", cut(&version, 32)))?;
    Ok((known, Offered::read(result.get("capabilities"))?))
}

/// What a failure means to the operator.
fn explain(failure: UpstreamFailure) -> String {
    match failure {
        UpstreamFailure::Unreachable => "the server could not be reached or gave no valid answer".into(),
        UpstreamFailure::TimedOut => "the server did not answer in time".into(),
        UpstreamFailure::Unavailable => "the server is not available".into(),
        UpstreamFailure::Truncated => "the server broke off its answer".into(),
        UpstreamFailure::TooLarge(limit) => format!("the server's answer is larger than {limit} bytes"),
        UpstreamFailure::Refused(status) => format!("it could not be asked: {}", status_line(status)),
    }
}
