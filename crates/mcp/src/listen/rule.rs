//! What can be published, and who hears it.

use std::borrow::Cow;

use super::{MAX_URI, SUBSCRIPTION_ID, Topic};
use crate::LogLevel;
use crate::jsonrpc::{is_id, text};
use crate::scan::{NotJson, Scanner};

/// A notification that can be published.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) method: &'static str,
    /// Who hears it, given the URI that it is about; nobody if it is for one session.
    pub(super) topic: fn(String) -> Option<Topic>,
    /// Parameters that must be there.
    params: &'static [(&'static str, Kind)],
}

/// What a parameter must be.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Any,
    Number,
    Text,
    Level,
    /// A string or an integer.
    Token,
    Uri,
}

/// Every one of them.
pub(super) const RULES: [Rule; 7] = [
    Rule { method: "notifications/tools/list_changed", topic: |_| Some(Topic::ToolsListChanged), params: &[] },
    Rule { method: "notifications/prompts/list_changed", topic: |_| Some(Topic::PromptsListChanged), params: &[] },
    Rule { method: "notifications/resources/list_changed", topic: |_| Some(Topic::ResourcesListChanged), params: &[] },
    Rule {
        method: "notifications/resources/updated",
        topic: |uri| Some(Topic::ResourceUpdated(uri)),
        params: &[("uri", Kind::Uri)],
    },
    Rule { method: "notifications/message", topic: |_| None, params: &[("level", Kind::Level), ("data", Kind::Any)] },
    Rule {
        method: "notifications/progress",
        topic: |_| None,
        params: &[("progressToken", Kind::Token), ("progress", Kind::Number)],
    },
    Rule { method: "notifications/elicitation/complete", topic: |_| None, params: &[("elicitationId", Kind::Text)] },
];

impl Rule {
    /// Checks the parameters, which are JSON. Returns the URI that the notification is about, if it is about one.
    pub(super) fn check(&self, params: Option<&str>) -> Result<String, Cow<'static, str>> {
        let mut found: Vec<Option<&str>> = vec![None; self.params.len()];
        let (mut meta, mut twice) = (None, None);
        let walked = Scanner::new(params.unwrap_or("{}")).object(|name, scanner| {
            let value = scanner.value()?;
            let slot = match self.params.iter().position(|(param, _)| *param == name) {
                Some(place) => &mut found[place],
                None if name == "_meta" => &mut meta,
                None => return Ok(()),
            };
            if slot.replace(value).is_some() {
                twice = Some(format!("has \"{name}\" twice in \"params\""));
            }
            Ok(())
        });
        walked.map_err(|NotJson| "must have an object as \"params\"")?;
        if let Some(problem) = twice {
            return Err(problem.into());
        }
        check_meta(meta.unwrap_or("{}"))?;
        let mut uri = String::new();
        for ((name, kind), value) in self.params.iter().zip(found) {
            let value = value.ok_or_else(|| format!("has no \"{name}\" in \"params\""))?;
            if !kind.is(value) {
                return Err(format!("must have {} as \"{name}\" in \"params\"", kind.name()).into());
            }
            if let Kind::Uri = kind {
                uri = text(value).unwrap_or_default().into_owned();
            }
        }
        Ok(uri)
    }
}

/// The tag of a subscription is added for each client, so `_meta` must have room for it.
fn check_meta(meta: &str) -> Result<(), Cow<'static, str>> {
    let mut is_tagged = false;
    let walked = Scanner::new(meta).object(|name, scanner| {
        is_tagged |= name == SUBSCRIPTION_ID;
        scanner.skip()
    });
    walked.map_err(|NotJson| "must have an object as \"_meta\" in \"params\"")?;
    if is_tagged { Err(format!("must not have \"{SUBSCRIPTION_ID}\": it is added").into()) } else { Ok(()) }
}

impl Kind {
    fn is(self, raw: &str) -> bool {
        match self {
            Kind::Any => true,
            Kind::Number => raw.starts_with(|first: char| first == '-' || first.is_ascii_digit()),
            Kind::Text => text(raw).is_some(),
            Kind::Level => text(raw).is_some_and(|level| LogLevel::parse(&level).is_some()),
            Kind::Token => is_id(raw),
            Kind::Uri => text(raw).is_some_and(|uri| uri.len() <= MAX_URI),
        }
    }

    fn name(self) -> Cow<'static, str> {
        match self {
            Kind::Any => "a value".into(),
            Kind::Number => "a number".into(),
            Kind::Text => "a string".into(),
            Kind::Level => format!("one of {}", LogLevel::ALL.map(LogLevel::as_str).join(", ")).into(),
            Kind::Token => "a string or an integer".into(),
            Kind::Uri => format!("a string of {MAX_URI} bytes at most").into(),
        }
    }
}
