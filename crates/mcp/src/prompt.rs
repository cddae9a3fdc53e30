//! A prompt: what `prompts/list` shows of it, and where its messages come from.

mod builder;
mod result;

use std::sync::Arc;

use serde_json::{Map, Value};

pub use self::builder::PromptBuilder;
pub(crate) use self::result::{Reply, write_mcp_prompt, write_messages};
use crate::ProtocolVersion;
use crate::completion::{Completer, Suggestions};
use crate::presentation::Presentation;
use crate::text_template::TextTemplate;
use crate::tool::{Argument, Endpoint, Input, Misuse, Object};

/// One prompt, validated and compiled; immutable.
#[derive(Debug)]
pub struct Prompt {
    name: Arc<str>,
    presentation: Presentation,
    arguments: Vec<Argument>,
    pub(crate) source: Source,
    pub(crate) completers: Vec<Completer>,
}

/// Where the messages come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Here they are.
    Messages(Vec<Message>, Input),
    /// Somebody else makes them.
    Endpoint {
        endpoint: Box<Endpoint>,
        /// Its number among those of the server.
        site: usize,
        reply: Reply,
    },
}

/// A message of a prompt.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) role: &'static str,
    pub(crate) text: TextTemplate,
}

impl Source {
    /// Whom to ask, if it is somebody else.
    pub(crate) fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Source::Endpoint { endpoint, .. } => Some(endpoint),
            Source::Messages(..) => None,
        }
    }
}

impl Prompt {
    /// The name under which clients get it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its calls are: that of `pass` first, then those of `complete`.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        let own = self.source.endpoint();
        own.into_iter().chain(self.completers.iter().filter_map(|completer| match &completer.source {
            Suggestions::Upstream { endpoint, .. } => Some(&**endpoint),
            Suggestions::Values(_) => None,
        }))
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.name.clone()
    }

    pub(crate) fn description(&self) -> Option<&str> {
        self.presentation.description_text()
    }

    /// Writes it as `prompts/list` shows it in a revision.
    pub(crate) fn write_definition(&self, version: ProtocolVersion, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.text("name", &self.name);
        self.presentation.write(version, &mut object);
        if !self.arguments.is_empty() {
            object.key("arguments");
            object.out.push(b'[');
            for (index, argument) in self.arguments.iter().enumerate() {
                if index > 0 {
                    object.out.push(b',');
                }
                write_argument(argument, version, object.out);
            }
            object.out.push(b']');
        }
        object.end();
    }

    /// The messages that need nobody else, each with its role; none if they do.
    pub(crate) fn messages(&self, values: Map<String, Value>) -> Option<Result<Vec<(&'static str, String)>, Misuse>> {
        let Source::Messages(messages, input) = &self.source else { return None };
        Some(input.check(values).map(|values| {
            let value = |name: &str| values.get(name).and_then(Value::as_str).unwrap_or_default();
            messages.iter().map(|message| (message.role, message.text.fill(value))).collect()
        }))
    }
}

fn write_argument(argument: &Argument, version: ProtocolVersion, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.text("name", &argument.name);
    if let Some(title) = argument.said("title").filter(|_| version >= ProtocolVersion::V2025_06_18) {
        object.text("title", title);
    }
    if let Some(description) = argument.said("description") {
        object.text("description", description);
    }
    object.member("required", if argument.required { "true" } else { "false" });
    object.end();
}
