//! The upstream request of a tool, with places for its values, encoded so that no value can leave its place.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::defaults::argument;
use super::encode::{self, encoded};
use super::expansion::{Expansion, Misfit};
use super::integers::Integers;
use super::path::{Pair, Path};
use super::request::{Body, BodyPlan, Query, invalid};
use super::target::member;
use super::{InvalidArguments, form, repetition};
use crate::http::UpstreamRequest;

/// Where the value of a placement comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The argument of this name.
    Argument(Box<str>),
    /// The operator's text with this index, evaluated.
    Operator(usize),
}

/// A value, and what it becomes.
#[derive(Debug)]
pub(super) struct Placement {
    pub(super) source: Source,
    pub(super) target: Target,
    pub(super) integers: Integers,
}

impl Placement {
    /// Whether it is for the argument of this name.
    fn is_of(&self, argument: &str) -> bool {
        matches!(&self.source, Source::Argument(name) if **name == *argument)
    }
}

/// What a value becomes.
#[derive(Debug)]
pub(super) enum Target {
    /// A place in the URL takes it.
    Url,
    Query(Spelling),
    /// The members of the value are the query, or a part of it.
    QueryForm,
    Header(Spelling),
    Cookie(Spelling),
    Form(Spelling),
    /// The name as a JSON string with its colon.
    Member(String),
    WholeBody,
}

/// How a value is written under its name.
#[derive(Debug)]
pub(super) struct Spelling {
    /// The name, encoded for its place.
    pub(super) key: Box<str>,
    pub(super) expansion: Expansion,
}

/// What becomes of arguments that have no placement.
#[derive(Debug)]
pub(super) enum Undeclared {
    /// They go where the method puts arguments, under their own names, unless it is one of these.
    Placed(HashSet<String>),
    /// They are refused.
    Refused,
}

/// The upstream request of a tool.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) method: Box<str>,
    pub(super) origin: Box<str>,
    /// Every header that a call may set.
    pub(super) header_names: Vec<String>,
    /// The texts that the host evaluates for a call.
    pub(super) operator_values: Vec<String>,
    pub(super) path: Path,
    pub(super) pairs: Vec<Pair>,
    pub(super) placements: Vec<Placement>,
    /// Header lines that every call has, and the beginning of its `Cookie` line.
    pub(super) fixed_headers: Vec<(String, String)>,
    pub(super) fixed_cookie: String,
    /// Names of the query and of cookies that the members of an argument must not take.
    pub(super) taken: HashSet<String>,
    pub(super) body: BodyPlan,
    pub(super) undeclared: Undeclared,
}

/// A value that cannot be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    Argument(InvalidArguments),
    /// What the operator's text with this index came to; the text says why.
    Operator(usize, String),
}

impl From<InvalidArguments> for Unfit {
    fn from(invalid: InvalidArguments) -> Self {
        Unfit::Argument(invalid)
    }
}

/// Whether variables that are empty have left nothing of an operator's text, or of a credential nothing but its scheme.
fn is_left_over(value: &Value) -> bool {
    matches!(value.as_str(), Some("" | "Bearer " | "Basic "))
}

/// The values of one call.
pub(super) struct Values<'c> {
    placements: &'c [Placement],
    arguments: &'c Map<String, Value>,
    operator: &'c [Value],
}

impl<'c> Values<'c> {
    /// The value of a placement, if the call has one.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&'c Value> {
        match &self.placements[index].source {
            Source::Argument(name) => argument(self.arguments, name),
            Source::Operator(index) => self.operator.get(*index).filter(|value| !is_left_over(value)),
        }
    }

    /// The error that the values of these placements cannot be sent as they are.
    pub(super) fn unfit(&self, indices: &[usize], why: &str) -> Unfit {
        let mut names: Vec<&str> = Vec::new();
        let mut operator = None;
        for index in indices {
            match &self.placements[*index].source {
                Source::Argument(name) => names.push(name),
                Source::Operator(index) => operator = Some(*index),
            }
        }
        match operator.filter(|_| names.is_empty()) {
            Some(index) => Unfit::Operator(index, why.to_owned()),
            None => invalid(&names.join("\", \""), why).into(),
        }
    }
}

impl Layout {
    pub(super) fn has_body(&self) -> bool {
        !matches!(self.body, BodyPlan::None)
    }

    /// Whether the body is a JSON object of arguments.
    pub(super) fn makes_object(&self) -> bool {
        matches!(self.body, BodyPlan::Object)
    }

    /// Whether there is a place for an argument of this name.
    pub(super) fn declares(&self, name: &str) -> bool {
        self.placements.iter().any(|placement| placement.is_of(name))
    }

    /// Puts validated arguments into their places. `evaluate` gives the value of an operator's text.
    pub(super) fn place(
        &self,
        mut arguments: Map<String, Value>,
        evaluate: &mut dyn FnMut(usize) -> String,
    ) -> Result<UpstreamRequest, Unfit> {
        self.settle(&mut arguments);
        self.check_repetition(&arguments)?;
        let operator: Vec<_> = match self.operator_values.len() {
            0 => Vec::new(),
            texts => (0..texts).map(|index| Value::String(evaluate(index))).collect(),
        };
        let values = Values { placements: &self.placements, arguments: &arguments, operator: &operator };
        let mut request = UpstreamRequest { uri: String::with_capacity(128), ..UpstreamRequest::default() };
        self.path.write(&values, &mut request.uri)?;
        let mut query = Query { start: request.uri.len(), uri: &mut request.uri };
        for pair in &self.pairs {
            pair.write(&values, &mut query)?;
        }
        let mut body = Body::new(&self.body);
        let mut cookie = self.fixed_cookie.clone();
        if !self.fixed_headers.is_empty() {
            request.headers.clone_from(&self.fixed_headers);
        }
        let mut placed = 0;
        for (index, placement) in self.placements.iter().enumerate() {
            let Some(value) = values.get(index) else { continue };
            let name = match &placement.source {
                Source::Argument(name) => {
                    placed += 1;
                    name
                }
                Source::Operator(_) => "",
            };
            let unfit = |Misfit(why): Misfit| values.unfit(&[index], &why);
            match &placement.target {
                Target::Url => {}
                Target::Query(Spelling { key, expansion }) => {
                    self.check_members(name, key, expansion, value)?;
                    query.push(key, expansion, value).map_err(unfit)?;
                }
                Target::QueryForm => self.push_query_form(name, value, &mut query)?,
                Target::Header(Spelling { key, expansion }) => {
                    if !expansion.is_nothing(value) {
                        let mut line = String::new();
                        expansion.write("", value, "", &mut line).map_err(unfit)?;
                        request.headers.push((key.to_string(), line));
                    }
                }
                Target::Cookie(Spelling { key, expansion }) => {
                    self.check_members(name, key, expansion, value)?;
                    let lead = if cookie.is_empty() { "" } else { "; " };
                    expansion.write(key, value, lead, &mut cookie).map_err(unfit)?;
                }
                Target::Form(Spelling { key, expansion }) => body.push_form(key, expansion, value).map_err(unfit)?,
                Target::Member(key) => body.push_member(key, value),
                Target::WholeBody => body.replace(name, value)?,
            }
        }
        if placed < arguments.len() {
            self.place_undeclared(&arguments, &mut query, &mut body)?;
        }
        if !cookie.is_empty() {
            request.headers.push(("Cookie".into(), cookie));
        }
        if let Some((content_type, bytes)) = body.finish() {
            (request.content_type, request.body) = (Some(content_type), Some(bytes));
        }
        Ok(request)
    }

    /// Integers lose a fraction of zero.
    fn settle(&self, arguments: &mut Map<String, Value>) {
        for placement in &self.placements {
            let (Source::Argument(name), false) = (&placement.source, matches!(placement.integers, Integers::None))
            else {
                continue;
            };
            let unsettled = |value: &&Value| value.is_f64() || value.is_array() || value.is_object();
            if argument(arguments, name).filter(unsettled).is_some() {
                placement.integers.settle(&mut arguments[&**name]);
            }
        }
    }

    /// JSON has every name once; everywhere else it may stand before each value.
    fn check_repetition(&self, arguments: &Map<String, Value>) -> Result<(), InvalidArguments> {
        let once = |name: &str| match self.placements.iter().find(|placement| placement.is_of(name)) {
            Some(Placement { target: Target::Member(_), .. }) => true,
            Some(Placement { target: Target::WholeBody, .. }) => !self.body.is_form(),
            Some(_) => false,
            None => matches!(self.body, BodyPlan::Object),
        };
        let several = arguments.iter().filter(|(_, value)| value.is_array() || value.is_object());
        repetition::check(several.map(|(name, value)| (name.as_str(), value)).filter(|(name, _)| !once(name)))
    }

    /// Members that become names of their own must not stand for other parameters.
    fn check_members(&self, name: &str, key: &str, expansion: &Expansion, value: &Value) -> Result<(), Unfit> {
        if self.taken.is_empty() || !expansion.spreads() {
            return Ok(());
        }
        let Value::Object(members) = value else { return Ok(()) };
        match members.keys().find(|member| self.taken.contains(*member) && ***member != *key) {
            Some(member) => Err(invalid(
                name,
                &format!("must not have a member \"{member}\", which is the name of another parameter"),
            )
            .into()),
            None => Ok(()),
        }
    }

    /// The members of a value as a form.
    fn push_query_form(&self, name: &str, value: &Value, query: &mut Query<'_>) -> Result<(), Unfit> {
        let members = match value {
            Value::Null => return Ok(()),
            Value::Object(members) => members,
            _ => return Err(invalid(name, "must be an object, as its members are the query").into()),
        };
        self.check_members(name, "", &Expansion::SPREAD, value)?;
        let form = form::write(name, &[], members)?;
        if !form.is_empty() {
            let lead = query.lead();
            query.uri.extend([lead, &form]);
        }
        Ok(())
    }

    /// What the schema lets through without declaring it.
    fn place_undeclared(
        &self,
        arguments: &Map<String, Value>,
        query: &mut Query<'_>,
        body: &mut Body<'_>,
    ) -> Result<(), InvalidArguments> {
        let declared = |name: &String| self.placements.iter().any(|placement| placement.is_of(name));
        for (name, value) in arguments.iter().filter(|(name, _)| !declared(name)) {
            let Undeclared::Placed(reserved) = &self.undeclared else { return Err(self.unknown(name)) };
            if reserved.contains(name) {
                return Err(self.unknown(name));
            }
            let written = match &self.body {
                BodyPlan::None | BodyPlan::Entity(_) => {
                    query.push(&encoded(name, encode::percent), &Expansion::QUERY, value)
                }
                BodyPlan::Form => body.push_form(&encoded(name, encode::form), &Expansion::FORM, value),
                BodyPlan::Object => {
                    body.push_member(&member(name), value);
                    Ok(())
                }
            };
            written.map_err(|Misfit(why)| invalid(name, &why))?;
        }
        Ok(())
    }

    fn unknown(&self, name: &str) -> InvalidArguments {
        let known = self.placements.iter().filter_map(|placement| match &placement.source {
            Source::Argument(name) => Some(&**name),
            Source::Operator(_) => None,
        });
        let known = known.collect::<Vec<_>>().join(", ");
        InvalidArguments(format!("invalid arguments: unknown argument \"{name}\", known are: {known}"))
    }
}
