//! The parts of an upstream request as they grow.

use serde_json::Value;

use super::InvalidArguments;
use super::entity::{Encoding, Entity};
use super::expansion::{Expansion, Misfit};
use crate::jsonrpc::write_json;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

pub(super) fn invalid(name: &str, why: &str) -> InvalidArguments {
    InvalidArguments(format!("invalid arguments: \"{name}\" {why}"))
}

/// The query as it grows.
pub(super) struct Query<'u> {
    pub(super) uri: &'u mut String,
    /// Where it begins.
    pub(super) start: usize,
}

impl Query<'_> {
    /// What goes before the next pair.
    pub(super) fn lead(&self) -> &'static str {
        if self.uri.len() == self.start { "?" } else { "&" }
    }

    pub(super) fn push(&mut self, key: &str, expansion: &Expansion, value: &Value) -> Result<(), Misfit> {
        let lead = self.lead();
        expansion.write(key, value, lead, self.uri)
    }
}

/// What makes up a body.
#[derive(Debug)]
pub(super) enum BodyPlan {
    /// There is none.
    None,
    /// One JSON object of the arguments that are placed there.
    Object,
    /// One form of them.
    Form,
    /// One argument.
    Entity(Entity),
}

impl BodyPlan {
    /// Whether an argument makes up a form.
    pub(super) fn is_form(&self) -> bool {
        match self {
            BodyPlan::Form => true,
            BodyPlan::Entity(entity) => matches!(entity.encoding, Encoding::Form(_) | Encoding::Multipart(_)),
            BodyPlan::None | BodyPlan::Object => false,
        }
    }
}

/// The body as it grows.
pub(super) struct Body<'p> {
    plan: &'p BodyPlan,
    json: Vec<u8>,
    form: String,
    whole: Option<(String, Vec<u8>)>,
}

impl Body<'_> {
    pub(super) fn new(plan: &BodyPlan) -> Body<'_> {
        let mut json = Vec::new();
        if matches!(plan, BodyPlan::Object) {
            json.reserve(128);
            json.push(b'{');
        }
        Body { plan, json, form: String::new(), whole: None }
    }

    pub(super) fn push_member(&mut self, key: &str, value: &Value) {
        if self.json.len() > 1 {
            self.json.push(b',');
        }
        self.json.extend_from_slice(key.as_bytes());
        write_json(value, &mut self.json);
    }

    pub(super) fn push_form(&mut self, key: &str, expansion: &Expansion, value: &Value) -> Result<(), Misfit> {
        let lead = if self.form.is_empty() { "" } else { "&" };
        expansion.write(key, value, lead, &mut self.form)
    }

    /// Makes an argument the whole body.
    pub(super) fn replace(&mut self, name: &str, value: &Value) -> Result<(), InvalidArguments> {
        if let BodyPlan::Entity(entity) = self.plan {
            self.whole = entity.encode(name, value)?;
        }
        Ok(())
    }

    /// The content type and the body.
    pub(super) fn finish(mut self) -> Option<(String, Vec<u8>)> {
        match self.plan {
            BodyPlan::None => None,
            BodyPlan::Form => Some((FORM.into(), self.form.into_bytes())),
            BodyPlan::Object => {
                self.json.push(b'}');
                Some((JSON.into(), self.json))
            }
            BodyPlan::Entity(entity) => self
                .whole
                .or_else(|| entity.absent.map(|absent| (entity.media_type.to_string(), absent.as_bytes().to_vec()))),
        }
    }
}
