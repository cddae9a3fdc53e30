//! What an argument becomes in the upstream request: decided at configuration time.

use serde_json::Value;

use super::ConfigError;
use super::argument::Argument;
use super::encode::{self, encoded};
use super::expansion::Expansion;
use super::layout::{Spelling, Target};

/// The HTTP methods that `pass` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    const ALL: [Method; 7] = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options];

    pub(super) fn parse(directive: &str, word: &str) -> Result<Method, ConfigError> {
        Self::ALL.into_iter().find(|method| method.as_str() == word).ok_or_else(|| {
            let known = Self::ALL.map(Method::as_str).join(", ");
            ConfigError(format!("unknown method \"{word}\" in \"{directive}\"; methods are: {known}"))
        })
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// Whether arguments go into a body unless said otherwise.
    pub(super) fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

/// Whether making a call twice, or not knowing whether it was made, changes nothing.
pub(super) fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "QUERY")
}

/// What `in=` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Path,
    Query,
    Header,
    Cookie,
    Form,
    Body,
}

impl Place {
    pub(super) fn parse(word: &str) -> Option<Place> {
        const ALL: [Place; 6] = [Place::Path, Place::Query, Place::Header, Place::Cookie, Place::Form, Place::Body];
        ALL.into_iter().find(|place| place.as_str() == word)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Form => "form",
            Self::Body => "body",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyKind {
    None,
    Object,
    Form,
    Whole,
}

/// What is known of one property when its place is decided.
pub(super) struct Spot<'a> {
    pub(super) name: &'a str,
    pub(super) said: Option<&'a Argument>,
    pub(super) in_url: bool,
    pub(super) in_path: bool,
    pub(super) body: BodyKind,
}

impl Spot<'_> {
    pub(super) fn target(&self) -> Result<Target, String> {
        let place = self.said.and_then(|said| said.place);
        let upstream = self.said.and_then(|said| said.upstream.as_deref());
        if self.in_url {
            let stands = if self.in_path { Place::Path } else { Place::Query };
            if upstream.is_some() || place.is_some_and(|place| place != stands) {
                return Err("it stands in the URL, so it takes no \"name\" and no other place".into());
            }
            return Ok(Target::Url);
        }
        let name = upstream.unwrap_or(self.name);
        match place.unwrap_or(default_place(self.body)) {
            Place::Path => Err(format!("it is in=path, but the URL has no {{{}}}", self.name)),
            Place::Query => Ok(Target::Query(spelling(&encoded(name, encode::percent), Expansion::QUERY))),
            Place::Header => check_header(name).map(|()| Target::Header(spelling(name, Expansion::HEADER))),
            Place::Cookie if is_token(name) => Ok(Target::Cookie(spelling(name, Expansion::COOKIE))),
            Place::Cookie => Err(format!("\"{name}\" cannot be the name of a cookie; give another with name=")),
            Place::Form => Ok(Target::Form(spelling(&encoded(name, encode::form), Expansion::FORM))),
            Place::Body if self.said.is_some_and(|said| said.whole) => Ok(Target::WholeBody),
            Place::Body => Ok(Target::Member(member(name))),
        }
    }
}

/// Where arguments go that no line places.
pub(super) fn default_place(body: BodyKind) -> Place {
    match body {
        BodyKind::None | BodyKind::Whole => Place::Query,
        BodyKind::Object => Place::Body,
        BodyKind::Form => Place::Form,
    }
}

pub(super) fn body_kind(method: Method, arguments: &[Argument]) -> Result<BodyKind, ConfigError> {
    let with = |place| arguments.iter().find(|argument| argument.place == Some(place));
    let (form, body) = (with(Place::Form), with(Place::Body));
    let whole = arguments.iter().find(|argument| argument.whole);
    if let (Method::Get | Method::Head | Method::Options, Some(argument)) = (method, form.or(body)) {
        let name = &argument.name;
        return Err(ConfigError(format!(
            "argument \"{name}\" is in the body, but a {} request has none",
            method.as_str()
        )));
    }
    if let (Some(form), Some(body)) = (form, body) {
        return Err(ConfigError(format!(
            "argument \"{}\" is in=form and \"{}\" in=body; a request has one body, so choose one",
            form.name, body.name
        )));
    }
    let other = arguments
        .iter()
        .find(|other| other.place == Some(Place::Body) && whole.is_some_and(|whole| whole.name != other.name));
    Ok(match (whole, other) {
        (Some(whole), Some(other)) => {
            return Err(ConfigError(format!(
                "argument \"{}\" is the whole body, so \"{}\" cannot be in it",
                whole.name, other.name
            )));
        }
        (Some(_), None) => BodyKind::Whole,
        _ if form.is_some() => BodyKind::Form,
        _ if method.has_body() || body.is_some() => BodyKind::Object,
        _ => BodyKind::None,
    })
}

pub(super) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Headers that frame a message, name its sender or carry credentials are the operator's, never an argument's.
pub fn check_header(name: &str) -> Result<(), String> {
    const NAMES: [&str; 22] = [
        "host",
        "authorization",
        "connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "keep-alive",
        "expect",
        "forwarded",
        "x-real-ip",
        "via",
        "cookie",
        "cookie2",
        "set-cookie",
        "accept",
        "accept-encoding",
        "accept-charset",
        "accept-ranges",
        "http2-settings",
        "date",
        "max-forwards",
    ];
    const PREFIXES: [&str; 5] = ["content-", "proxy-", "x-forwarded-", "x-accel-", "mcp-"];
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(format!(
            "\"{name}\" cannot be the name of a header, which is made of letters, digits and \"-\"; give one with name="
        ));
    }
    let lower = name.to_ascii_lowercase();
    if lower == "cookie" {
        return Err("the header \"Cookie\" is made from arguments with in=cookie".into());
    }
    if NAMES.contains(&lower.as_str()) || PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        return Err(format!("the header \"{name}\" cannot be set by an argument; use proxy_set_header"));
    }
    Ok(())
}

/// The operator may send credentials, but what frames a message is nginx's, and some headers have places of their own.
pub(super) fn check_operator_header(name: &str) -> Result<(), String> {
    const NAMES: [&str; 15] = [
        "host",
        "connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "keep-alive",
        "expect",
        "proxy-connection",
        "http2-settings",
        "cookie",
        "cookie2",
        "accept",
        "accept-encoding",
        "max-forwards",
    ];
    // Some servers take "_" for "-".
    let lower = name.to_ascii_lowercase().replace('_', "-");
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return Err(format!("\"{name}\" cannot be the name of a header"));
    }
    if NAMES.contains(&lower.as_str()) || lower.starts_with("content-") {
        return Err(format!("the header \"{name}\" cannot be set this way"));
    }
    Ok(())
}

fn spelling(key: &str, expansion: Expansion) -> Spelling {
    Spelling { key: key.into(), expansion }
}

pub(super) fn member(name: &str) -> String {
    let mut key = Value::from(name).to_string();
    key.push(':');
    key
}
